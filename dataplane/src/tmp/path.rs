//! One path: what is under way on it, what was received over it, and what may be sent now. Assembly of `rtt`,
//! `sent`, `loss`, the controller, `pacer`, `mtu`, `received` and `quality`. It reads no frames and builds none;
//! acknowledgements are in `path_acks`.

use crate::time::{Duration, Instant};
use crate::tmp::congestion::{Controller, Setting, View};
use crate::tmp::delivery::Delivery;
use crate::tmp::forecast::Forecast;
use crate::tmp::health::{Health, Signs};
use crate::tmp::id::PathId;
use crate::tmp::learned::Learned;
use crate::tmp::limits::{DATA_OVERHEAD_BYTES, PAYLOAD_BYTES_BASE};
use crate::tmp::loss::{ACK_DELAY_US_MAX, Loss, PROBES};
use crate::tmp::mending::Mending;
use crate::tmp::mtu::Mtu;
use crate::tmp::options::TunnelOptions;
use crate::tmp::pacer::Pacer;
use crate::tmp::path_limits::{Figures, PathLimits};
use crate::tmp::place::Bearer;
use crate::tmp::quality::PathQuality;
use crate::tmp::received::Received;
use crate::tmp::record::RecordPool;
use crate::tmp::repair::Repair;
use crate::tmp::rtt::Rtt;
use crate::tmp::sent::{Purpose, Sent, SentPacket};
use crate::tmp::signals::PathSignals;
use crate::tmp::stats::TunnelCounters;

/// Records per packet that the pool is made for, in the mean.
const RECORDS_PER_PACKET: usize = 2;
/// Probe time-outs after which probes have the base size: the path may have become narrower.
const TIMEOUTS_BEFORE_BASE_SIZE: u32 = 2;
/// The window counts as used from this share on, in percent.
const WINDOW_USED_PERCENT: u64 = 90;
/// Packets with nothing but an ACK after which one carries a PING, so that the peer's ranges are confirmed.
const ACK_ONLY_MAX: u32 = 24;

/// What may be sent now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leave {
    /// Anything.
    Any,
    /// Anything, and if there is nothing a PING: a probe is due.
    Probe,
    /// Acknowledgements only: the window is full.
    WindowFull,
    /// Acknowledgements only until then.
    Paced(Instant),
    /// Nothing: there is no memory for another packet.
    Nothing,
}

/// A packet that was built.
#[derive(Clone, Copy, Debug)]
pub struct Built {
    /// What for.
    pub purpose: Purpose,
    /// Size as a datagram.
    pub bytes: u16,
    /// Its records.
    pub records: u32,
    /// From `Received::reported`, or 0.
    pub acked_below: u64,
}

/// The path.
#[derive(Debug)]
pub struct Path {
    pub(in crate::tmp) id: PathId,
    bearer: Bearer,
    /// The stream that bears it takes no more for now.
    pub(in crate::tmp) is_held: bool,
    pub(in crate::tmp) health: Health,
    pub(in crate::tmp) limits: PathLimits,
    pub(in crate::tmp) signals: PathSignals,
    /// The pacer let nothing out before this, when it was last asked.
    pub(in crate::tmp) paced_until: Option<Instant>,
    pub(in crate::tmp) rtt: Rtt,
    pub(in crate::tmp) sent: Sent,
    pub(in crate::tmp) loss: Loss,
    pub(in crate::tmp) controller: Controller,
    pub(in crate::tmp) delivery: Delivery,
    pub(in crate::tmp) pacer: Pacer,
    pub(in crate::tmp) mtu: Mtu,
    pub(in crate::tmp) received: Received,
    pub(in crate::tmp) quality: PathQuality,
    pub(in crate::tmp) repair: Repair,
    pub(in crate::tmp) mending: Mending,
    pub(in crate::tmp) counters: TunnelCounters,
    /// Packets that a probe time-out still lets out.
    pub(in crate::tmp) probes_left: u32,
    /// The next probe time-out repeats packets from here on.
    pub(in crate::tmp) repeat_from: u64,
    pub(in crate::tmp) ack_only: u32,
    /// Packets below this number were sent while the window was in use.
    pub(in crate::tmp) used_below: u64,
    pub(in crate::tmp) congested_seen: u32,
    /// Losses below this number belong to a recovery that has begun.
    pub(in crate::tmp) recovery_end: u64,
    /// When the oldest packet in flight becomes lost, if nothing comes before.
    pub(in crate::tmp) lost_at: Option<Instant>,
    /// The largest packet of the base size or less that arrived, plus one.
    pub(in crate::tmp) small_acked_end: u64,
    /// Full-size losses below this number are counted already.
    pub(in crate::tmp) large_lost_end: u64,
    /// Nothing has been waiting to be sent since the last packet.
    pub(in crate::tmp) is_idle: bool,
    pub(in crate::tmp) last_sent: Instant,
    pub(in crate::tmp) is_lost: bool,
    /// The last move of all data to this path.
    pub(in crate::tmp) forecast: Option<Forecast>,
    setting: Setting,
    timeouts_max: u32,
}

impl Path {
    /// A path of which nothing is known.
    pub fn new((id, bearer): (PathId, Bearer), options: &TunnelOptions, now: Instant) -> Self {
        let mtu = Mtu::of(bearer, options.datagram_bytes_max);
        let packet_bytes = u64::from(mtu.current_bytes());
        let packets_max = options.packets_in_flight_max;
        let setting = Setting {
            profile: options.profile,
            floor: options.window_floor,
            window_packets_max: packets_max / 2,
        };
        Self {
            id,
            bearer,
            is_held: false,
            health: Health::new(now),
            limits: PathLimits::default(),
            signals: PathSignals::default(),
            paced_until: None,
            rtt: Rtt::new(),
            sent: Sent::new(packets_max, Self::records_max(options)),
            loss: Loss::new(),
            controller: Controller::new(packet_bytes, setting),
            delivery: Delivery::new(),
            pacer: Pacer::new(packet_bytes),
            mtu,
            received: Received::new(),
            quality: PathQuality::new(),
            repair: Repair::new(options.repair_percent, now),
            mending: Mending::default(),
            counters: TunnelCounters::default(),
            probes_left: 0,
            repeat_from: 0,
            ack_only: 0,
            used_below: 0,
            congested_seen: 0,
            recovery_end: 0,
            lost_at: None,
            small_acked_end: 0,
            large_lost_end: 0,
            is_idle: true,
            last_sent: now,
            is_lost: false,
            forecast: None,
            setting,
            timeouts_max: options.path_lost_timeouts,
        }
    }

    /// Bytes that the packets in flight take at most.
    pub const fn bytes_max(options: &TunnelOptions) -> usize {
        options.packets_in_flight_max * size_of::<SentPacket>()
            + Self::records_max(options) * RecordPool::RECORD_BYTES
    }

    /// Records of packets in flight at most.
    pub const fn records_max(options: &TunnelOptions) -> usize {
        options.packets_in_flight_max * RECORDS_PER_PACKET
    }

    /// What bears it from now on.
    pub fn set_bearer(&mut self, bearer: Bearer) {
        (self.bearer, self.is_held) = (bearer, false);
        self.mtu.restart(bearer);
        self.controller.set_packet_bytes(self.packet_bytes());
    }

    /// What may be of use to whoever comes after us.
    pub fn learned(&self, now: Instant) -> Option<Learned> {
        let is_known = self.rtt.samples() > 0 && self.bearer == Bearer::Datagrams;
        let learned = Learned {
            bytes_per_s: self.controller.rate_bytes_per_s(),
            peer_bytes_per_s: self.quality.peer_bytes_per_s(),
            rtt_us: self.rtt.min_us(),
            at: now,
        };
        is_known.then(|| learned.or_untried(self.controller.untried()))
    }

    /// The peer has another address: rtt, window and mtu begin again, with care from where they were; what is in flight
    /// stays so.
    pub fn restart(&mut self, now: Instant, bearer: Bearer) {
        let learned = self.learned(now);
        self.set_bearer(bearer);
        let packet_bytes = u64::from(self.mtu.current_bytes());
        self.controller = Controller::new(packet_bytes, self.setting);
        learned.into_iter().for_each(|learned| self.controller.resume(learned));
        self.quality.forget_way();
        self.rtt = Rtt::new();
        self.pacer = Pacer::new(packet_bytes);
        (self.large_lost_end, self.used_below) = (self.sent.next_number(), 0);
        self.set_pace(now);
    }

    /// What may be sent now.
    pub fn leave(&mut self, now: Instant) -> Leave {
        if self.sent.is_full() {
            self.sent.forget(now);
            if self.sent.is_full() {
                return Leave::Nothing;
            }
        }
        if self.is_held {
            return Leave::WindowFull;
        }
        if self.probes_left > 0 {
            return Leave::Probe;
        }
        if self.bearer == Bearer::Stream {
            return Leave::Any;
        }
        if self.sent.in_flight_bytes() + self.packet_bytes() > self.controller.window_bytes() {
            return Leave::WindowFull;
        }
        if self.pacer.is_open(now) { Leave::Any } else { Leave::Paced(self.pacer.opens_at(now)) }
    }

    /// The window or the pacer kept waiting bytes back: acks of what is in flight may grow the window.
    pub const fn note_used(&mut self) {
        self.used_below = self.sent.next_number();
    }

    /// Length of a full payload now.
    pub fn payload_bytes(&self) -> usize {
        if self.loss.timeouts() >= TIMEOUTS_BEFORE_BASE_SIZE {
            return PAYLOAD_BYTES_BASE;
        }
        usize::from(self.mtu.current_bytes()) - DATA_OVERHEAD_BYTES - self.repair.reserve_bytes()
    }

    /// Length of the next payload, which may be more than full: of an mtu probe, or of a repair.
    pub fn payload_bytes_next(&self, now: Instant) -> usize {
        if self.repair.is_due(now) {
            return usize::from(self.mtu.current_bytes()) - DATA_OVERHEAD_BYTES;
        }
        self.probe_payload_bytes(now).unwrap_or_else(|| self.payload_bytes())
    }

    /// Length of the payload of an mtu probe, if one is wanted: after the first rtt sample, and not while the
    /// path has trouble.
    pub fn probe_payload_bytes(&self, now: Instant) -> Option<usize> {
        if self.rtt.samples() == 0 || self.loss.timeouts() > 0 {
            return None;
        }
        let in_flight_bytes = self.sent.in_flight_bytes();
        let bytes = self.mtu.wanted_probe_bytes(now)?;
        (in_flight_bytes + u64::from(bytes) <= self.controller.window_bytes())
            .then(|| usize::from(bytes) - DATA_OVERHEAD_BYTES)
    }

    /// Whether a packet with only an ACK should have a PING too.
    pub const fn wants_ping_with_ack(&self) -> bool {
        self.ack_only >= ACK_ONLY_MAX
    }

    /// Accounts a packet that leaves; its number.
    pub fn account_sent(&mut self, now: Instant, built: Built) -> u64 {
        let Built { purpose, bytes, records, acked_below } = built;
        let mut packet = SentPacket::new(now, bytes, purpose, records, acked_below);
        if purpose != Purpose::AckOnly {
            self.note_dry_if_idle(now);
            let is_idle = self.sent.in_flight_packets() == 0;
            if is_idle {
                self.health.begins(now);
            }
            packet.departure = self.delivery.departs(now, is_idle, self.quality.arrival_us(now));
            packet.tag = self.controller.own(u64::from(bytes));
        }
        let number = self.sent.push(packet);
        self.note_dry_if_idle(now);
        self.counters.sent_packets += 1;
        self.counters.sent_bytes += u64::from(bytes);
        self.last_sent = now;
        if purpose == Purpose::AckOnly {
            self.ack_only += 1;
            return number;
        }
        self.ack_only = 0;
        self.loss.sent(now);
        self.quality.sent(now);
        self.pacer.sent(u64::from(bytes));
        self.probes_left = self.probes_left.saturating_sub(1);
        if purpose == Purpose::MtuProbe {
            self.mtu.probe_sent(bytes);
        }
        if self.sent.in_flight_bytes() * 100 >= self.controller.window_bytes() * WINDOW_USED_PERCENT {
            self.note_used();
        }
        number
    }

    /// The probe time-out has passed: two packets may leave whatever the window says. True if the path is lost
    /// from now on.
    pub fn probe_timeout(&mut self, now: Instant) -> bool {
        let timeouts = self.loss.probe_due(now);
        self.counters.probe_timeouts += 1;
        self.probes_left = PROBES;
        let lost_now = timeouts >= self.timeouts_max && !self.is_lost;
        if lost_now {
            self.is_lost = true;
            self.counters.path_losses += 1;
        }
        lost_now
    }

    /// When the probe time-out passes, if anything is in flight.
    pub fn probe_deadline(&self) -> Option<Instant> {
        (self.sent.in_flight_packets() > 0).then(|| self.loss.probe_deadline(&self.rtt))
    }

    /// What speaks for and against the path.
    pub(in crate::tmp) fn signs(&self) -> Signs {
        let lone = self.signs_alone();
        // How long the way over a stream takes is for the stream to say: it may queue as much as it likes.
        let rtt_us_min = if self.bearer == Bearer::Stream { lone.rtt_us } else { self.rtt.min_us() };
        Signs {
            timeouts: self.loss.timeouts(),
            in_flight_packets: self.sent.in_flight_packets(),
            oldest_sent: self.sent.oldest_sent(),
            rtt_us_min,
            ..lone
        }
    }

    /// The same where there is no other path, and it is used whatever happens. But there may be another route: what an
    /// operator will not bear counts.
    pub(in crate::tmp) fn signs_alone(&self) -> Signs {
        let rtt_us = if self.rtt.samples() == 0 { 0 } else { self.rtt.smoothed_us() };
        let figures = || Figures {
            rtt_us,
            loss: (self.quality.loss_ppm(), self.quality.losses()),
            queue_us: self.quality.queue_us(),
        };
        Signs {
            timeouts: 0,
            in_flight_packets: 0,
            oldest_sent: Instant::ORIGIN,
            rtt_us,
            rtt_us_min: u64::MAX / 8,
            beyond: (!self.limits.is_none()).then(figures).and_then(|figures| self.limits.exceeded(&figures)),
        }
    }

    /// When lost packets are no longer of interest: two probe time-outs.
    pub fn horizon(&self, now: Instant) -> Instant {
        now - Duration::from_micros(2 * self.rtt.probe_timeout_us(0))
    }

    /// Has the controller take stock, and gives the pacer its rate.
    pub fn set_pace(&mut self, now: Instant) {
        self.controller.settle(&self.view(now));
        let (pace, packet_bytes) = (self.controller.pace(), self.packet_bytes());
        self.pacer.set_rate(now, pace, self.rtt.smoothed_us(), packet_bytes);
    }

    /// The path as the controller wants to see it.
    pub(in crate::tmp) fn view(&self, now: Instant) -> View {
        View {
            now,
            rtt_us: self.rtt.latest_us(),
            rtt_us_min: self.rtt.min_us(),
            rtt_us_smoothed: self.rtt.smoothed_us(),
            queue_us: self.quality.queue_us(),
            ack_delay_us: ACK_DELAY_US_MAX.min(self.rtt.smoothed_us() / 8),
            number_next: self.sent.next_number(),
            in_flight_bytes: self.sent.in_flight_bytes(),
            timeouts: self.loss.timeouts(),
        }
    }

    /// Where nothing more waits to be sent, rate samples say how much we had, not how much would pass.
    fn note_dry_if_idle(&mut self, now: Instant) {
        if self.is_idle {
            self.delivery.ran_dry(now, self.sent.in_flight_bytes());
        }
    }

    /// A tunnel that had nothing to send has something again.
    pub fn wake(&mut self, now: Instant) {
        self.note_dry_if_idle(now);
        self.pacer.restart(now, self.packet_bytes(), self.controller.measured_bytes_per_s());
        self.is_idle = false;
    }

    /// Size of a full datagram.
    pub const fn packet_bytes(&self) -> u64 {
        self.mtu.current_bytes() as u64
    }
}
