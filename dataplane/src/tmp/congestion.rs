//! Congestion control of a path: the ensemble and the model side by side, both fed with all that happens, one of them
//! in charge. It gives the window, the pace and N. Assembly: the rules are in `ensemble`, `model` and `supervisor`.
//! Units: bytes, µs. [TMP-130] [TMP-131]
//!
//! N is the number of virtual flows, and the floor of the window in packets. What asks for it is the number of
//! streams with something to send lately (or open, or fixed, as the operator says); a stream is what stands for a
//! connection. It is lowered so that each flow has four packets of the window or of what the path holds: with
//! less a real TCP would wait for time-outs, so to imitate more of them would be to drown the path. The literal
//! profile does not lower it.

use crate::time::Instant;
use crate::tmp::delivery::RateSample;
use crate::tmp::ensemble::{AckedPacket, Ensemble, Tag};
use crate::tmp::learned::Learned;
use crate::tmp::model::Model;
use crate::tmp::pacer::Pace;
use crate::tmp::profile::{Profile, WindowFloor};
use crate::tmp::resume::{Known, Resume, Step};
use crate::tmp::supervisor::{Judged, Mode, Reason, Supervisor, Verdict};

/// Share of a window per smoothed rtt that the ensemble's pacing lets out, in percent: the larger one while it doubles, the
/// smaller one where flows have windows of so many packets, as with the kernel's TCP (tcp_pacing_ss_ratio, tcp_pacing_ca_ratio);
/// in between where they are smaller. There even pacing would be an advantage over flows that are not paced (simulated:
/// 1.5 times the share of CUBIC flows with seven packets each, and 1.1 with 200), and with large windows 200 is a
/// handicap, as acknowledgements for sixteen packets then make bursts of sixteen (0.8 and 0.9).
const GAIN_PERCENT: (u64, u64) = (120, 200);
const GAIN_WINDOW_PACKETS: u64 = 64;
/// What may leave together lasts so long at most: in a queue that others fill, who comes in bursts loses more than they. The
/// model keeps the queue empty, and a longer burst saves wake-ups.
const BURST_US_ENSEMBLE: u64 = 250;
const BURST_US_MODEL: u64 = 1_000;
/// A virtual flow should have so many packets of the window, and there may be so many flows in any case.
const PACKETS_PER_FLOW: u64 = 4;
const FLOWS_IN_ANY_CASE: u64 = 8;
/// Flows at most, and as a part of the packets that may be in flight.
const FLOWS_MAX: usize = 4_096;
const PACKETS_MAX_PER_FLOW: usize = 8;
/// The least of so many queue samples is above the bound: the queue grows, it is not the jitter of one packet.
const QUEUE_SAMPLES: u32 = 8;
/// The queue at a loss is the least of so many samples: one acknowledgement may only have been read late.
const SAMPLES_AT_LOSS: usize = 4;
/// The bound while the model looks for the rate: an eighth of the rtt, as in HyStart (RFC 9406 §4.3).
const RISE_PART: u64 = 8;
const RISE_US: (u64, u64) = (4_000, 16_000);
/// A round in which a tenth was lost, and so many packets, was too fast.
const TOO_FAST_LOSSES: u64 = 8;
const TOO_FAST_PART: u64 = 10;

/// What the controller is made of.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// How it behaves.
    pub profile: Profile,
    /// What N is.
    pub floor: WindowFloor,
    /// Packets that may be in flight at most.
    pub window_packets_max: usize,
}

/// The path at the time of an acknowledgement.
#[derive(Clone, Copy, Debug)]
pub struct View {
    /// The time.
    pub now: Instant,
    /// The last rtt, the least one, the smoothed one.
    pub rtt_us: u64,
    /// See `rtt_us`.
    pub rtt_us_min: u64,
    /// See `rtt_us`.
    pub rtt_us_smoothed: u64,
    /// The queue on the way to the peer.
    pub queue_us: u64,
    /// How long the peer may hold back an acknowledgement.
    pub ack_delay_us: u64,
    /// The number that the next packet will have.
    pub number_next: u64,
    /// Bytes in flight.
    pub in_flight_bytes: u64,
    /// Probe time-outs in a row.
    pub timeouts: u32,
}

/// N as wanted and as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FlowCounts {
    /// Streams open.
    pub hosted: u32,
    /// Streams with something to send lately.
    pub active: u32,
    /// Virtual flows.
    pub effective: u32,
}

/// The controller.
#[derive(Clone, Debug)]
pub struct Controller {
    setting: Setting,
    ensemble: Ensemble,
    model: Model,
    supervisor: Supervisor,
    packet_bytes: u64,
    hosted: u32,
    active: u32,
    window_bytes: u64,
    pace_bytes_per_s: u64,
    /// What the path holds without a queue, at the largest rate of late.
    held_bytes: u64,
    round_end: u64,
    round_lost: u64,
    round_acked: u64,
    queue_us_min: u64,
    queue_samples: u32,
    /// The last queue samples, in turn.
    queue_us_last: [u64; SAMPLES_AT_LOSS],
    queue_at: usize,
    resume: Resume,
}

impl Controller {
    /// At its beginning: slow start with ten packets.
    pub fn new(packet_bytes: u64, setting: Setting) -> Self {
        let flows_max = FLOWS_MAX.min(setting.window_packets_max / PACKETS_MAX_PER_FLOW);
        let ensemble = Ensemble::new(packet_bytes, setting.window_packets_max as u64, flows_max);
        Self {
            setting,
            window_bytes: ensemble.window_bytes(),
            ensemble,
            model: Model::new(),
            supervisor: Supervisor::new(setting.profile),
            packet_bytes,
            hosted: 0,
            active: 0,
            pace_bytes_per_s: u64::MAX,
            held_bytes: 0,
            round_end: 0,
            round_lost: 0,
            round_acked: 0,
            queue_us_min: u64::MAX,
            queue_samples: 0,
            queue_us_last: [u64::MAX; SAMPLES_AT_LOSS],
            queue_at: 0,
            resume: Resume::nothing(),
        }
    }

    /// What was known of the path from before, if it was put to no test.
    pub const fn untried(&self) -> Option<Learned> {
        self.resume.untried()
    }

    /// The path was like this before. The literal profile has no memory.
    pub fn resume(&mut self, learned: Learned) {
        if self.setting.profile != Profile::Literal {
            self.resume = Resume::from(learned);
        }
    }

    /// Bytes that may be in flight.
    pub const fn window_bytes(&self) -> u64 {
        self.window_bytes
    }

    /// How they may leave.
    pub const fn pace(&self) -> Pace {
        let burst_us_max = match self.supervisor.mode() {
            Mode::Ensemble => BURST_US_ENSEMBLE,
            Mode::Model => BURST_US_MODEL,
        };
        Pace { bytes_per_s: self.pace_bytes_per_s, burst_us_max }
    }

    /// The last rate that the path limited, if it ever did.
    pub const fn measured_bytes_per_s(&self) -> Option<u64> {
        self.model.measured_bytes_per_s()
    }

    /// The largest rate of late at which the peer received.
    pub fn rate_bytes_per_s(&self) -> u64 {
        self.model.rate_bytes_per_s()
    }

    /// Who is in charge, and why.
    pub const fn mode(&self) -> (Mode, Reason) {
        (self.supervisor.mode(), self.supervisor.reason())
    }

    /// How often a virtual flow reduced its window.
    pub const fn reactions(&self) -> u64 {
        self.ensemble.reactions()
    }

    /// N.
    pub const fn flows(&self) -> FlowCounts {
        let effective = self.ensemble.count() as u32;
        FlowCounts { hosted: self.hosted, active: self.active, effective }
    }

    /// Streams open, and streams with something to send lately.
    pub fn set_streams(&mut self, hosted: u32, active: u32) {
        if (hosted, active) != (self.hosted, self.active) {
            (self.hosted, self.active) = (hosted, active);
            self.count_flows();
        }
    }

    /// The packet size of the path changed.
    pub fn set_packet_bytes(&mut self, packet_bytes: u64) {
        self.packet_bytes = packet_bytes;
        self.ensemble.set_packet_bytes(packet_bytes);
    }

    /// Whether the owner of packet `number` has reacted since it was sent.
    pub fn is_recovering(&self, number: u64, tag: Tag) -> bool {
        self.ensemble.is_recovering(number, tag)
    }

    /// Chooses the owner of a packet that leaves.
    pub fn own(&mut self, bytes: u64) -> Tag {
        self.ensemble.own(bytes)
    }

    /// A packet is not in flight any more, for a reason that says nothing of the path's room.
    pub fn left_flight(&mut self, bytes: u64, tag: Tag) {
        self.ensemble.left_flight(bytes, tag);
    }

    /// A packet was acknowledged, with so much in flight before.
    pub fn acked(&mut self, view: &View, mut packet: AckedPacket, in_flight_bytes: u64) {
        self.go_on(view, &packet, in_flight_bytes);
        // Where the model lets out less than the ensemble would, the ensemble's window was not in use.
        packet.used_window &= self.supervisor.mode() == Mode::Ensemble
            || in_flight_bytes * 10 >= self.ensemble.window_bytes() * 9;
        self.round_acked += 1;
        self.ensemble.acked(view.now, packet, view.rtt_us_smoothed);
    }

    /// A packet was lost.
    pub fn lost(&mut self, view: &View, number: u64, bytes: u64, tag: Tag) {
        self.round_lost += 1;
        let queue_us = self.queue_us_last.iter().copied().min().unwrap_or(0).min(view.queue_us);
        let verdict = self.supervisor.lost(self.judged(view), queue_us, self.ensemble.is_starting());
        if let Step::Retreat(bytes) = self.resume.lost() {
            self.ensemble.retreat(bytes, view.number_next);
        }
        self.ensemble.lost(number, view.number_next, bytes, tag);
        self.obey(verdict);
    }

    /// So many packets up to `number` were marked.
    pub fn marked(&mut self, number: u64, number_next: u64, marks: u32) {
        self.ensemble.marked(number, number_next, marks);
    }

    /// A packet that had been counted as lost was only late.
    pub fn loss_was_spurious(&mut self, tag: Tag) {
        self.ensemble.loss_was_spurious(tag);
    }

    /// Nothing came through for long.
    pub fn collapse(&mut self, now: Instant, number_next: u64) {
        self.ensemble.collapse(number_next);
        self.model.forget();
        self.supervisor.path_gone(now);
    }

    /// The largest packet of an acknowledgement, `number`, is new with it.
    pub fn sampled(&mut self, view: &View, number: u64, sample: Option<RateSample>) {
        self.ensemble.sampled(number, view.number_next, view.rtt_us);
        if let Some(sample) = sample {
            self.model.sampled(sample);
        }
        self.supervisor.queue_sampled(view.queue_us);
        self.watch_queue(view);
        if number >= self.round_end {
            self.round_end = view.number_next;
            self.end_round(view);
        }
    }

    /// Takes stock after an acknowledgement, a loss or a time-out: N, window and pace.
    pub fn settle(&mut self, view: &View) {
        if self.supervisor.mode() == Mode::Model {
            self.model.in_flight(view.in_flight_bytes, view.rtt_us_min);
        }
        let held_bytes = u128::from(self.model.rate_bytes_per_s()) * u128::from(view.rtt_us_min) / 1_000_000;
        self.held_bytes = u64::try_from(held_bytes).unwrap_or(u64::MAX);
        self.count_flows();
        let rtt_us = view.rtt_us_smoothed.max(1);
        let ensemble_bytes = self.ensemble.window_bytes();
        let per_rtt = u128::from(ensemble_bytes) * u128::from(self.gain_percent()) * 10_000;
        let ensemble_pace = u64::try_from(per_rtt / u128::from(rtt_us)).unwrap_or(u64::MAX);
        (self.window_bytes, self.pace_bytes_per_s) = match self.supervisor.mode() {
            Mode::Ensemble => (ensemble_bytes, ensemble_pace),
            Mode::Model => self.model_window(view, ensemble_bytes, ensemble_pace),
        };
        // A time-out does not break the floor of the window, so the pace has to yield: a virtual back-off.
        self.pace_bytes_per_s = (self.pace_bytes_per_s >> view.timeouts.min(6)).max(1);
    }

    fn model_window(&self, view: &View, ensemble_bytes: u64, ensemble_pace: u64) -> (u64, u64) {
        let bytes = self.model.window_bytes(view.rtt_us_min + view.ack_delay_us);
        let floor_bytes = self.floor_bytes();
        let limit_bytes = self.setting.window_packets_max as u64 * self.packet_bytes;
        // A pace below the floor of the window would confirm itself: what is sent slowly is received slowly.
        let floor_pace = floor_bytes.saturating_mul(1_000_000) / view.rtt_us_smoothed.max(1);
        let (bytes, pace) =
            (bytes.clamp(floor_bytes, limit_bytes), self.model.pace_bytes_per_s().max(floor_pace));
        if self.model.is_start_up() {
            // Nothing shows yet that the path cannot take what the ensemble would send.
            (bytes.max(ensemble_bytes), pace.max(ensemble_pace))
        } else {
            (bytes, pace)
        }
    }

    fn gain_percent(&self) -> u64 {
        let (least, most) = GAIN_PERCENT;
        if self.ensemble.is_starting() {
            return most;
        }
        let packets = self.ensemble.window_bytes() / self.packet_bytes.max(1) / self.ensemble.count() as u64;
        most - (most - least) * packets.min(GAIN_WINDOW_PACKETS) / GAIN_WINDOW_PACKETS
    }

    fn floor_bytes(&self) -> u64 {
        self.ensemble.count().max(2) as u64 * self.packet_bytes
    }

    /// What is known of the path from before may make the window larger.
    fn go_on(&mut self, view: &View, packet: &AckedPacket, in_flight_bytes: u64) {
        if self.supervisor.mode() == Mode::Model {
            return;
        }
        let known = Known {
            now: view.now,
            rtt_us: view.rtt_us_min,
            window_bytes: self.ensemble.window_bytes(),
            number_next: view.number_next,
            used_window: packet.used_window,
        };
        if let Step::Window(bytes) = self.resume.acked(&known, packet.number, packet.bytes, in_flight_bytes) {
            self.ensemble.set_window(bytes);
        }
    }

    fn watch_queue(&mut self, view: &View) {
        self.queue_us_last[self.queue_at] = view.queue_us;
        self.queue_at = (self.queue_at + 1) % SAMPLES_AT_LOSS;
        self.queue_us_min = self.queue_us_min.min(view.queue_us);
        self.queue_samples += 1;
        if self.queue_samples < QUEUE_SAMPLES {
            return;
        }
        if self.queue_us_min > (view.rtt_us_min / RISE_PART).clamp(RISE_US.0, RISE_US.1) {
            self.model.queue_grew();
            if self.setting.profile != Profile::Literal {
                // HyStart compares whole rounds and so comes a round too late; the queue itself shows at once.
                self.ensemble.end_start();
            }
        }
        (self.queue_us_min, self.queue_samples) = (u64::MAX, 0);
    }

    fn end_round(&mut self, view: &View) {
        let (lost, sent) = (self.round_lost, self.round_lost + self.round_acked);
        (self.round_lost, self.round_acked) = (0, 0);
        self.model.round_ended(lost, sent);
        if lost >= TOO_FAST_LOSSES && lost * TOO_FAST_PART >= sent {
            self.model.queue_grew();
        }
        let verdict = self.supervisor.round_ended(self.judged(view));
        self.obey(verdict);
    }

    fn judged(&self, view: &View) -> Judged {
        let is_settling = self.model.is_start_up() || self.model.is_drain();
        Judged { now: view.now, rtt_us_min: view.rtt_us_min, is_settling }
    }

    fn obey(&mut self, verdict: Verdict) {
        match verdict {
            Verdict::Stay | Verdict::Resume => {}
            Verdict::StartUp => self.model.start_up(),
            Verdict::Drain => self.model.drain(),
            Verdict::HandOver => self.ensemble.deal_out(self.window_bytes),
        }
    }

    fn count_flows(&mut self) {
        let literal = self.setting.profile == Profile::Literal;
        let wanted = match self.setting.floor {
            WindowFloor::Active if literal => self.hosted,
            WindowFloor::Active => self.active,
            WindowFloor::Hosted => self.hosted,
            WindowFloor::Fixed(count) => count,
        };
        let packets = self.ensemble.window_bytes().max(self.held_bytes) / self.packet_bytes;
        let room = FLOWS_IN_ANY_CASE.max(packets / PACKETS_PER_FLOW) as usize;
        let count = self.ensemble.count();
        // A flow that goes takes its window along, so small swings of the room must not cost flows.
        let bound = if literal { usize::MAX } else { room.max(count.min(room + room / 4)) };
        self.ensemble.set_count((wanted as usize).clamp(1, bound));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(number_next: u64, queue_us: u64) -> View {
        View {
            now: Instant::from_us(number_next * 100),
            rtt_us: 100_000 + queue_us,
            rtt_us_min: 100_000,
            rtt_us_smoothed: 100_000,
            queue_us,
            ack_delay_us: 5_000,
            number_next,
            in_flight_bytes: 10_000,
            timeouts: 0,
        }
    }

    fn controller(profile: Profile, floor: WindowFloor) -> Controller {
        Controller::new(1_000, Setting { profile, floor, window_packets_max: 10_000 })
    }

    /// Loses the eleventh packet after acknowledgements with these queues.
    fn lose_after(queues_us: &[u64]) -> (Mode, Reason) {
        let mut controller = controller(Profile::Balanced, WindowFloor::Active);
        let tag = controller.own(1_000);
        for (number, queue_us) in (0..).zip(queues_us) {
            controller.sampled(&view(number + 20, *queue_us), number, None);
        }
        let last = queues_us.last().copied().unwrap_or(0);
        controller.lost(&view(40, last), 10, 1_000, tag);
        controller.mode()
    }

    #[test]
    fn one_acknowledgement_that_was_read_late_is_no_queue() {
        assert_eq!(lose_after(&[100, 200, 100, 6_000]), (Mode::Model, Reason::QuietLosses));
        assert_eq!(lose_after(&[100, 9_000, 8_000, 7_000, 6_000]), (Mode::Ensemble, Reason::Start));
    }

    /// A pause of the receiver looks like a slow path; at its rate it would look so for ever.
    #[test]
    fn the_model_never_paces_below_the_floor_of_its_window() {
        let mut controller = controller(Profile::Balanced, WindowFloor::Active);
        let tag = controller.own(1_000);
        let slow = RateSample { bytes_per_s: 10, is_app_limited: false };
        controller.sampled(&view(1, 0), 0, Some(slow));
        controller.lost(&view(40, 0), 10, 1_000, tag);
        for number in 40..80 {
            controller.sampled(&view(number + 1, 0), number, Some(slow));
        }
        controller.settle(&view(90, 0));
        assert_eq!(controller.mode().0, Mode::Model);
        assert_eq!((controller.window_bytes(), controller.pace().bytes_per_s), (2_000, 20_000));
    }

    #[test]
    fn flows_are_as_many_as_there_is_room_for_but_in_the_literal_profile() {
        let effective = |profile, floor| {
            let mut controller = controller(profile, floor);
            controller.set_streams(3_000, 500);
            controller.flows().effective
        };
        assert_eq!(
            effective(Profile::Balanced, WindowFloor::Active),
            8,
            "ten packets have room for eight in any case"
        );
        assert_eq!(effective(Profile::Balanced, WindowFloor::Fixed(3)), 3);
        assert_eq!(
            effective(Profile::Literal, WindowFloor::Active),
            1_250,
            "an eighth of what may be in flight"
        );
        assert_eq!(effective(Profile::Literal, WindowFloor::Fixed(20)), 20);
    }

    #[test]
    fn time_outs_in_a_row_halve_the_pace_and_leave_the_window() {
        let mut controller = controller(Profile::Balanced, WindowFloor::Active);
        controller.settle(&view(1, 0));
        let (window, pace) = (controller.window_bytes(), controller.pace().bytes_per_s);
        controller.settle(&View { timeouts: 2, ..view(1, 0) });
        assert_eq!((controller.window_bytes(), controller.pace().bytes_per_s), (window, pace / 4));
    }
}
