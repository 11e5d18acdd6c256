//! The packets under way on a path, by number, and what each of them carried.
//!
//! ```text
//! number:   base … oldest … largest acked … next
//! state:    Acked/Lost │ InFlight, Acked, Lost in any order │ InFlight
//! ```
//! A ring indexed by `number - base`; a lost packet stays for a while, so that its late acknowledgement is
//! recognised. What a packet carried is a short list of records in one pool. It decides nothing: which
//! packets are lost is said by `loss`. Nothing is allocated after `new`.

use crate::time::Instant;
use crate::tmp::delivery::Departure;
use crate::tmp::ensemble::Tag;
use crate::tmp::record::{NO_RECORD, Record, RecordPool};

/// What is known of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Neither acknowledged nor given up.
    InFlight,
    /// Acknowledged.
    Acked,
    /// Given up; its records have been handed back.
    Lost,
}

/// What a packet is for, as far as loss handling differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Only acknowledgements: not answered by one, not counted in flight.
    AckOnly,
    /// Anything else.
    Data,
    /// A probe for a larger mtu: its loss is no sign of congestion.
    MtuProbe,
}

/// One packet.
#[derive(Clone, Copy, Debug)]
pub struct SentPacket {
    /// When it left.
    pub sent: Instant,
    /// Size of the datagram.
    pub bytes: u16,
    /// What it is for.
    pub purpose: Purpose,
    /// What became of it.
    pub state: State,
    /// First record, for `take_record`.
    pub records: u32,
    /// The peer's largest number that this packet acknowledged, plus one; 0 if it carried no ACK.
    pub acked_below: u64,
    /// Which virtual flow owns it; of no meaning for acknowledgements alone.
    pub tag: Tag,
    /// For the rate sample that its acknowledgement may give.
    pub departure: Departure,
    /// Distance downwards to the next packet that is not known to be acknowledged; valid in acked packets.
    skip: u32,
}

impl SentPacket {
    /// A packet that leaves at `sent`.
    pub fn new(sent: Instant, bytes: u16, purpose: Purpose, records: u32, acked_below: u64) -> Self {
        let (tag, departure) = (Tag::default(), Departure::default());
        Self { sent, bytes, purpose, state: State::InFlight, records, acked_below, tag, departure, skip: 1 }
    }
}

/// Walks down one acknowledged range; see `Sent::acked_next`.
#[derive(Clone, Copy, Debug)]
pub struct AckWalk {
    high: u64,
    low: u64,
    /// Numbers at and above are done.
    at: u64,
}

/// The ring.
#[derive(Debug)]
pub struct Sent {
    ring: Vec<SentPacket>,
    capacity: usize,
    base: u64,
    next: u64,
    /// No packet below is in flight.
    oldest: u64,
    in_flight_bytes: u64,
    in_flight_packets: u64,
    pool: RecordPool,
}

impl Sent {
    /// Room for `packets_max` packets and `records_max` records; memory is touched on first use.
    pub fn new(packets_max: usize, records_max: usize) -> Self {
        assert!(packets_max > 0, "something is sent");
        Self {
            ring: Vec::with_capacity(packets_max),
            capacity: packets_max,
            base: 0,
            next: 0,
            oldest: 0,
            in_flight_bytes: 0,
            in_flight_packets: 0,
            pool: RecordPool::new(records_max),
        }
    }

    /// The number of the next packet.
    pub const fn next_number(&self) -> u64 {
        self.next
    }

    /// Bytes of packets in flight, acknowledgements alone not counted.
    pub const fn in_flight_bytes(&self) -> u64 {
        self.in_flight_bytes
    }

    /// Packets in flight, acknowledgements alone not counted.
    pub const fn in_flight_packets(&self) -> u64 {
        self.in_flight_packets
    }

    /// Whether `push` has no room.
    pub fn is_full(&self) -> bool {
        self.next - self.base >= self.capacity as u64
    }

    /// Records that can still be taken.
    pub fn records_free(&self) -> usize {
        self.pool.free_count()
    }

    /// Adds a record to a list that will go with the next packet; false if the pool is empty.
    pub fn add_record(&mut self, list: &mut u32, record: Record) -> bool {
        self.pool.push(list, record)
    }

    /// Takes the next record of a packet that was acknowledged or lost.
    pub fn take_record(&mut self, list: &mut u32) -> Option<Record> {
        self.pool.pop(list)
    }

    /// The records of a packet in flight, which keeps them.
    pub fn records(&self, packet: &SentPacket) -> impl Iterator<Item = Record> + '_ {
        self.pool.iter(packet.records)
    }

    /// Puts the next packet in; its number.
    pub fn push(&mut self, packet: SentPacket) -> u64 {
        assert!(!self.is_full(), "whoever builds packets asked first");
        let index = self.index(self.next);
        if index == self.ring.len() {
            self.ring.push(packet);
        } else {
            self.ring[index] = packet;
        }
        if packet.purpose != Purpose::AckOnly {
            self.in_flight_bytes += u64::from(packet.bytes);
            self.in_flight_packets += 1;
        }
        self.next += 1;
        self.next - 1
    }

    /// The packet of that number, if it is still kept.
    pub fn get(&self, number: u64) -> Option<&SentPacket> {
        (self.base..self.next).contains(&number).then(|| &self.ring[self.index(number)])
    }

    /// The lowest number that is in flight, ack-only packets not counted.
    pub fn oldest_in_flight(&mut self) -> Option<u64> {
        while self.oldest < self.next {
            let packet = &self.ring[self.index(self.oldest)];
            if packet.state == State::InFlight && packet.purpose != Purpose::AckOnly {
                return Some(self.oldest);
            }
            self.oldest += 1;
        }
        None
    }

    /// When the lowest number in flight left, as far as is known.
    pub fn oldest_sent(&self) -> Instant {
        let packets = (self.oldest..self.next).map(|number| &self.ring[self.index(number)]);
        let mut in_flight = packets.filter(|packet| packet.state == State::InFlight);
        in_flight
            .find(|packet| packet.purpose != Purpose::AckOnly)
            .map_or(Instant::ORIGIN, |packet| packet.sent)
    }

    /// Begins the walk of an acknowledged range (both ends included).
    pub fn walk(&self, low: u64, high: u64) -> AckWalk {
        assert!(low <= high, "a range is not empty");
        AckWalk {
            high: high.min(self.next.saturating_sub(1)),
            low: low.max(self.base),
            at: high.saturating_add(1).min(self.next),
        }
    }

    /// The next packet down the range that was not yet known to be acknowledged, as it was before; it is
    /// acknowledged now and its records are the caller's. What was walked once is skipped the next time.
    pub fn acked_next(&mut self, walk: &mut AckWalk) -> Option<(u64, SentPacket)> {
        while walk.at > walk.low {
            let number = walk.at - 1;
            let index = self.index(number);
            if self.ring[index].state != State::Acked {
                walk.at = number;
                return Some((number, self.mark_acked(index)));
            }
            walk.at = walk.at.saturating_sub(u64::from(self.ring[index].skip)).max(walk.low);
        }
        if walk.high >= walk.at && walk.high >= self.base {
            let index = self.index(walk.high);
            let span = u32::try_from(walk.high - walk.at + 1).unwrap_or(u32::MAX);
            self.ring[index].skip = self.ring[index].skip.max(span);
        }
        None
    }

    /// Gives up the packet of that number, which is in flight; as it was, its records are the caller's.
    pub fn mark_lost(&mut self, number: u64) -> SentPacket {
        let index = self.index(number);
        let before = self.ring[index];
        assert!(before.state == State::InFlight, "only what is in flight can be lost");
        self.leave_flight(before);
        (self.ring[index].state, self.ring[index].records) = (State::Lost, NO_RECORD);
        before
    }

    /// Forgets acknowledged packets at the base, and lost ones sent before `horizon`.
    pub fn forget(&mut self, horizon: Instant) {
        while self.base < self.next {
            let packet = &self.ring[self.index(self.base)];
            let keep = match packet.state {
                State::InFlight => packet.purpose != Purpose::AckOnly || packet.sent >= horizon,
                State::Acked => false,
                State::Lost => packet.sent >= horizon && !self.is_full(),
            };
            if keep {
                break;
            }
            self.base += 1;
        }
        self.oldest = self.oldest.max(self.base);
    }

    fn mark_acked(&mut self, index: usize) -> SentPacket {
        let before = self.ring[index];
        if before.state == State::InFlight {
            self.leave_flight(before);
        }
        self.ring[index].state = State::Acked;
        self.ring[index].records = NO_RECORD;
        self.ring[index].skip = 1;
        before
    }

    fn leave_flight(&mut self, packet: SentPacket) {
        if packet.purpose != Purpose::AckOnly {
            self.in_flight_bytes -= u64::from(packet.bytes);
            self.in_flight_packets -= 1;
        }
    }

    fn index(&self, number: u64) -> usize {
        (number % self.capacity as u64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stdx::prng::Prng;

    fn packet(at: u64, purpose: Purpose) -> SentPacket {
        SentPacket::new(Instant::from_us(at), 100, purpose, NO_RECORD, 0)
    }

    fn ack(sent: &mut Sent, low: u64, high: u64) -> Vec<u64> {
        let mut walk = sent.walk(low, high);
        core::iter::from_fn(|| sent.acked_next(&mut walk)).map(|(number, _)| number).collect()
    }

    #[test]
    fn a_range_gives_each_packet_once() {
        let mut sent = Sent::new(16, 16);
        for at in 0..10 {
            sent.push(packet(at, Purpose::Data));
        }
        assert_eq!(ack(&mut sent, 2, 4), [4, 3, 2]);
        assert_eq!(ack(&mut sent, 1, 6), [6, 5, 1]);
        assert_eq!(ack(&mut sent, 1, 6), []);
        assert_eq!((sent.in_flight_bytes(), sent.in_flight_packets()), (400, 4));
        sent.mark_lost(0);
        assert_eq!((sent.in_flight_packets(), sent.oldest_in_flight()), (3, Some(7)));
        let mut walk = sent.walk(0, 0);
        assert_eq!(sent.acked_next(&mut walk).map(|(_, packet)| packet.state), Some(State::Lost));
        assert_eq!(sent.in_flight_packets(), 3, "a late packet was not in flight any more");
        assert_eq!(ack(&mut sent, 0, u64::MAX), [9, 8, 7], "numbers never sent are nothing");
    }

    #[test]
    fn agrees_with_a_naive_list_and_wraps() {
        let mut random = Prng::new(3);
        let mut sent = Sent::new(64, 16);
        let mut open: Vec<u64> = Vec::new();
        for step in 0..20_000u64 {
            sent.forget(Instant::from_us(step.saturating_sub(40)));
            if !sent.is_full() {
                open.push(sent.push(packet(step, Purpose::Data)));
            }
            if random.ppm(300_000) {
                let high = sent.next_number() - 1 - random.below(20).min(sent.next_number() - 1);
                let low = high.saturating_sub(random.below(30));
                let acked = ack(&mut sent, low, high);
                let mut want: Vec<u64> = open.iter().copied().filter(|n| (low..=high).contains(n)).collect();
                want.reverse();
                assert_eq!(acked, want);
                open.retain(|n| !(low..=high).contains(n));
            }
            if random.ppm(100_000)
                && let Some(number) = sent.oldest_in_flight()
            {
                assert_eq!(number, open[0]);
                sent.mark_lost(number);
                ack(&mut sent, number, number);
                open.remove(0);
            }
            assert_eq!(sent.in_flight_packets(), open.len() as u64);
        }
        assert!(sent.next_number() > 10_000);
    }
}
