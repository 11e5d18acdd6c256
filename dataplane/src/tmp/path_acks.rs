//! What the peer's acknowledgements, and their absence, do to a path and to the streams on it.

use crate::time::{Duration, Instant};
use crate::tmp::ack_frame::Ack;
use crate::tmp::ensemble::AckedPacket;
use crate::tmp::loss::{ACK_DELAY_US_MAX, PROBES, Verdict};
use crate::tmp::mtu::MTU_BYTES_BASE;
use crate::tmp::offset::widen;
use crate::tmp::path::Path;
use crate::tmp::receive_stream::Refusal;
use crate::tmp::sent::{Purpose, SentPacket, State};
use crate::tmp::streams::Streams;

/// Losses spanning so many probe time-outs, with nothing acknowledged between them, mean that the path was gone
/// (RFC 9002 §7.6.1).
const PERSISTENT_TIMEOUTS: u64 = 3;
/// Packets given up at once when there is no memory for more and nothing is acknowledged.
const MADE_ROOM: usize = 64;

/// Losses that follow each other without a gap.
#[derive(Clone, Copy, Debug)]
struct LostRun {
    first_sent: Instant,
    next_number: u64,
}

impl Path {
    /// ACK. [TMP-44] True if the path was lost and has been found. [TMP-44.2]
    pub(in crate::tmp) fn handle_ack(
        &mut self,
        now: Instant,
        ack: &Ack<'_>,
        streams: &mut Streams,
    ) -> Result<bool, Refusal> {
        let largest = widen(ack.header.largest_low, self.sent.next_number());
        if largest >= self.sent.next_number() {
            return Err(Refusal::Violation);
        }
        let ranges = ack.ranges(largest).ok_or(Refusal::Violation)?;
        self.counters.acks_received += 1;
        let newest = self.sample(now, largest, ack);
        let before = self.loss.newest_end();
        let mut has_news = false;
        for (first, last) in ranges {
            let mut walk = self.sent.walk(first, last);
            while let Some((number, packet)) = self.sent.acked_next(&mut walk) {
                has_news |= packet.purpose != Purpose::AckOnly && packet.state != State::Acked;
                self.packet_acked(now, number, packet, before, streams);
            }
        }
        if has_news {
            let signs = self.signs();
            self.health.answered(now, self.rtt.latest_us(), &signs);
        }
        self.note_marks(largest, ack);
        if let Some(packet) = newest {
            let rtt_us_min = self.rtt.min_us();
            let rx_time_us = ack.header.rx_time_us;
            let rate = self.delivery.sample(packet.departure, packet.sent, rx_time_us, rtt_us_min);
            self.controller.sampled(&self.view(now), largest, rate);
        }
        self.detect_losses(now, streams);
        self.sent.forget(self.horizon(now));
        self.received.set_rtt(self.rtt.smoothed_us());
        self.repair.judge(self.rtt.min_us(), self.quality.loss_ppm_worst());
        self.set_pace(now);
        let found = self.is_lost && self.loss.timeouts() == 0;
        self.is_lost &= !found;
        Ok(found)
    }

    /// An ACK of this path that came over another one: what it names has arrived, and that is all it says. [TMP-162]
    pub(in crate::tmp) fn handle_ack_from_elsewhere(
        &mut self,
        ack: &Ack<'_>,
        streams: &mut Streams,
    ) -> Result<(), Refusal> {
        let largest = widen(ack.header.largest_low, self.sent.next_number());
        if largest >= self.sent.next_number() {
            return Err(Refusal::Violation);
        }
        for (first, last) in ack.ranges(largest).ok_or(Refusal::Violation)? {
            let mut walk = self.sent.walk(first, last);
            while let Some((_, packet)) = self.sent.acked_next(&mut walk) {
                if packet.state == State::InFlight && packet.purpose != Purpose::AckOnly {
                    self.quality.delivered(u64::from(packet.bytes));
                    self.controller.left_flight(u64::from(packet.bytes), packet.tag);
                }
                let mut records = packet.records;
                while let Some(record) = self.sent.take_record(&mut records) {
                    streams.record_acked(record);
                }
            }
        }
        Ok(())
    }

    /// Gives up what is overdue and sets when the next packet will be.
    pub(in crate::tmp) fn detect_losses(&mut self, now: Instant, streams: &mut Streams) {
        self.lost_at = None;
        let mut run: Option<LostRun> = None;
        while let Some(number) = self.sent.oldest_in_flight() {
            let Some(packet) = self.sent.get(number) else { break };
            match self.loss.judge(number, packet.sent, now, &self.rtt) {
                Verdict::Open => break,
                Verdict::LostAt(at) => {
                    self.lost_at = Some(at);
                    break;
                }
                Verdict::Lost => {
                    let sent = packet.sent;
                    self.packet_lost(now, number, streams);
                    run = self.extend_run(now, run, number, sent);
                }
            }
        }
    }

    /// Where there is no memory for another packet, and nothing is acknowledged, the oldest are given up.
    pub(in crate::tmp) fn make_room(&mut self, now: Instant, streams: &mut Streams) {
        if self.sent.is_full() {
            for _ in 0..MADE_ROOM {
                let Some(number) = self.sent.oldest_in_flight() else { break };
                self.packet_lost(now, number, streams);
            }
            self.sent.forget(now);
        }
    }

    /// Has the content of two packets in flight sent once more, without giving them up: of the oldest, and at the
    /// next time-out of the ones after them. Always the same two could be what the peer has no memory for, while
    /// what would free it waits behind.
    pub(in crate::tmp) fn repeat_oldest(&mut self, streams: &mut Streams) {
        let Some(oldest) = self.sent.oldest_in_flight() else { return };
        if self.loss.timeouts() <= 1 || self.repeat_from < oldest {
            self.repeat_from = oldest;
        }
        let mut repeated = 0;
        while repeated < PROBES {
            let number = self.repeat_from;
            let Some(packet) = self.sent.get(number) else {
                self.repeat_from = oldest;
                break;
            };
            self.repeat_from += 1;
            if packet.state == State::InFlight && packet.purpose == Purpose::Data {
                self.sent.records(packet).for_each(|record| streams.record_lost(record));
                repeated += 1;
            }
        }
    }

    /// Has what is in flight sent again, on other paths, without giving it up: whether it is lost shows later.
    pub(in crate::tmp) fn send_elsewhere(&mut self, streams: &mut Streams) {
        let Some(oldest) = self.sent.oldest_in_flight() else { return };
        for number in oldest..self.sent.next_number() {
            let Some(packet) = self.sent.get(number) else { continue };
            if packet.state == State::InFlight && packet.purpose == Purpose::Data {
                self.sent.records(packet).for_each(|record| streams.record_lost(record));
            }
        }
    }

    /// What the acknowledgement of a packet that is new with it says of times; the packet.
    fn sample(&mut self, now: Instant, largest: u64, ack: &Ack<'_>) -> Option<SentPacket> {
        let packet = *self.sent.get(largest)?;
        if packet.state != State::InFlight || packet.purpose == Purpose::AckOnly {
            return None;
        }
        self.rtt.update(now, now.us_since(packet.sent), ack.header.delay_us().min(ACK_DELAY_US_MAX));
        let over_us = self.rtt.latest_us().saturating_sub(self.rtt.min_us());
        self.quality.one_way(now, packet.sent, ack.header.rx_time_us, over_us);
        Some(packet)
    }

    fn packet_acked(
        &mut self,
        now: Instant,
        number: u64,
        packet: SentPacket,
        before: u64,
        streams: &mut Streams,
    ) {
        if packet.acked_below > 0 {
            self.received.report_confirmed(packet.acked_below);
        }
        match (packet.state, packet.purpose) {
            (State::Acked, _) | (_, Purpose::AckOnly) => return,
            (State::Lost, _) => return self.packet_was_late(now, number, &packet),
            (State::InFlight, Purpose::MtuProbe) => self.mtu_probe_acked(now),
            (State::InFlight, Purpose::Data) => self.mtu.packet_acked(packet.bytes),
        }
        self.loss.acked(number, before);
        self.quality.delivered(u64::from(packet.bytes));
        self.delivery.delivered(u64::from(packet.bytes));
        if packet.bytes <= MTU_BYTES_BASE {
            self.small_acked_end = self.small_acked_end.max(number + 1);
        }
        let (bytes, tag, used_window) = (u64::from(packet.bytes), packet.tag, number < self.used_below);
        let in_flight_bytes = self.sent.in_flight_bytes() + bytes;
        let acked = AckedPacket { number, bytes, tag, used_window };
        self.controller.acked(&self.view(now), acked, in_flight_bytes);
        let mut records = packet.records;
        while let Some(record) = self.sent.take_record(&mut records) {
            streams.record_acked(record);
        }
    }

    /// A packet given up arrived after all: the window reaction is undone and the reordering window learns.
    fn packet_was_late(&mut self, now: Instant, number: u64, packet: &SentPacket) {
        self.counters.spurious_packets += 1;
        let late_us = now.us_since(packet.sent).saturating_sub(self.rtt.min_us());
        self.loss.was_late(number, late_us);
        self.quality.was_late(late_us);
        self.delivery.delivered(u64::from(packet.bytes));
        if packet.purpose == Purpose::Data {
            self.controller.loss_was_spurious(packet.tag);
        }
    }

    fn mtu_probe_acked(&mut self, now: Instant) {
        self.mtu.probe_acked(now);
        self.controller.set_packet_bytes(self.packet_bytes());
    }

    fn note_marks(&mut self, largest: u64, ack: &Ack<'_>) {
        let Some(ecn) = ack.header.ecn else { return };
        // Counts only grow; an older ACK that comes late says nothing.
        let marks = ecn.congested.wrapping_sub(self.congested_seen);
        if marks as i32 > 0 {
            self.congested_seen = ecn.congested;
            self.controller.marked(largest, self.sent.next_number(), marks);
        }
    }

    fn packet_lost(&mut self, now: Instant, number: u64, streams: &mut Streams) {
        let packet = self.sent.mark_lost(number);
        self.counters.lost_packets += 1;
        let mut records = packet.records;
        while let Some(record) = self.sent.take_record(&mut records) {
            streams.record_lost(record);
        }
        let (bytes, tag) = (u64::from(packet.bytes), packet.tag);
        match packet.purpose {
            Purpose::AckOnly => {}
            Purpose::MtuProbe => {
                self.controller.left_flight(bytes, tag);
                self.mtu.probe_lost(now);
            }
            Purpose::Data => {
                self.quality.lost(now);
                if number >= self.recovery_end {
                    self.recovery_end = self.sent.next_number();
                    self.loss.recovery_began();
                }
                self.controller.lost(&self.view(now), number, bytes, tag);
                self.note_large_lost(now, number, packet.bytes);
            }
        }
    }

    /// Once per round: large packets of one round can share one burst of congestion.
    fn note_large_lost(&mut self, now: Instant, number: u64, bytes: u16) {
        if bytes <= MTU_BYTES_BASE || number < self.large_lost_end {
            return;
        }
        self.large_lost_end = self.sent.next_number();
        if self.mtu.large_packet_lost(now, bytes, self.small_acked_end > number) {
            self.counters.mtu_black_holes += 1;
            self.controller.set_packet_bytes(self.packet_bytes());
        }
    }

    fn extend_run(
        &mut self,
        now: Instant,
        run: Option<LostRun>,
        number: u64,
        sent: Instant,
    ) -> Option<LostRun> {
        let run = run.filter(|run| run.next_number == number);
        let first_sent = run.map_or(sent, |run| run.first_sent);
        let persistent_us = PERSISTENT_TIMEOUTS * self.rtt.probe_timeout_us(ACK_DELAY_US_MAX);
        if sent > first_sent + Duration::from_micros(persistent_us) {
            self.controller.collapse(now, self.sent.next_number());
            return None;
        }
        Some(LostRun { first_sent, next_number: number + 1 })
    }
}
