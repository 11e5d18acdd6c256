//! The paths between a front-end and its back-ends, one like the other: latency, a rate, and what may befall a datagram.

use core::net::SocketAddr;

use crate::sim::driver::{Departure, Packet};
use crate::sim::fault::{Fault, Faults};
use crate::sim::film::{Fate, Sight};
use crate::sim::given::PathGiven;
use crate::sim::scenario::process_at;
use crate::sim::world::{Event, Hits, World};

/// Back-ends at most.
const BACKS: usize = 2;

/// A path both ways to each back-end.
#[derive(Debug)]
pub(crate) struct Network {
    latency_us: u64,
    jitter_us: u64,
    us_per_kib: u64,
    queue_us_max: u64,
    loss_ppm: u32,
    faults: Faults,
    /// By back-end, there and back.
    free_us: [[u64; 2]; BACKS],
    /// No datagram to or from a back-end passes before this time.
    pub(crate) heals_us: [u64; BACKS],
    /// Larger datagrams vanish.
    pub(crate) mtu_bytes: usize,
    packets: Vec<Option<(SocketAddr, Packet)>>,
    spare: Vec<u32>,
}

impl Network {
    /// Draws a path, but for what is given of it.
    pub(crate) fn draw(world: &mut World, faults: Faults, given: &PathGiven) -> Self {
        let dice = &mut world.dice.net;
        let mut drawn = Self {
            latency_us: dice.between(50, 60_000),
            jitter_us: dice.between(0, 2_000),
            us_per_kib: dice.between(1, 400),
            queue_us_max: dice.between(50_000, 300_000),
            loss_ppm: dice.between(2_000, 100_000) as u32,
            faults,
            free_us: [[0; 2]; BACKS],
            heals_us: [0; BACKS],
            mtu_bytes: usize::MAX,
            packets: Vec::new(),
            spare: Vec::new(),
        };
        drawn.latency_us = given.latency_us.unwrap_or(drawn.latency_us);
        drawn.jitter_us = given.jitter_us.unwrap_or(drawn.jitter_us);
        drawn.queue_us_max = given.queue_us.unwrap_or(drawn.queue_us_max);
        drawn.loss_ppm = given.loss_ppm.unwrap_or(drawn.loss_ppm);
        // 1,024 bytes are 8,192 bits; a kbit/s is a bit per ms.
        drawn.us_per_kib = given.rate_kbit.map_or(drawn.us_per_kib, |rate| 8_192_000 / rate.max(1));
        drawn
    }

    /// Sends a train off, cut into its datagrams.
    pub(crate) fn send(
        &mut self,
        world: &mut World,
        hits: &mut Hits,
        from: SocketAddr,
        train: &Departure,
        process: usize,
    ) {
        // The way there is the front-end's.
        let (back, way) = match process {
            0 => (process_at(train.to).saturating_sub(1), 0),
            back => (back - 1, 1),
        };
        for datagram in train.bytes.chunks(train.segment_bytes) {
            self.send_one(world, hits, from, train, datagram, (back, way));
        }
    }

    /// Takes a datagram that has arrived: to whom, and what.
    pub(crate) fn take(&mut self, index: u32) -> Option<(SocketAddr, Packet)> {
        self.spare.push(index);
        self.packets[index as usize].take()
    }

    fn send_one(
        &mut self,
        world: &mut World,
        hits: &mut Hits,
        from: SocketAddr,
        train: &Departure,
        datagram: &[u8],
        (back, way): (usize, usize),
    ) {
        let faults = self.faults;
        let mut happens = |fault: Fault, world: &mut World, ppm: u32| {
            let does = faults.has(fault) && world.dice.net.ppm(ppm);
            if does {
                hits.hit(fault.name());
            }
            does
        };
        let sight = |fate| move |at_us| sight_of(at_us, way, datagram, fate);
        let start = self.free_us[back][way].max(world.now_us);
        if start - world.now_us > self.queue_us_max {
            return world.show(sight(Fate::Overflowed));
        }
        self.free_us[back][way] = start + self.us_per_kib * datagram.len() as u64 / 1_024;
        if world.now_us < self.heals_us[back] || happens(Fault::Loss, world, self.loss_ppm) {
            return world.show(sight(Fate::Lost));
        }
        if datagram.len() > self.mtu_bytes {
            return world.show(sight(Fate::TooLarge));
        }
        let mut bytes = datagram.to_vec();
        if happens(Fault::Corruption, world, 20_000) {
            let at = world.dice.net.below(bytes.len() as u64) as usize;
            bytes[at] ^= 1 << world.dice.net.below(8);
            if world.dice.net.ppm(200_000) {
                bytes.truncate(at + 1);
            }
        }
        let copies = 1 + usize::from(happens(Fault::Duplication, world, 50_000));
        for _ in 0..copies {
            let mut at_us = self.free_us[back][way] + self.latency_us;
            if happens(Fault::Reordering, world, 100_000) {
                at_us += world.dice.net.below(self.jitter_us + self.latency_us / 2 + 1);
            }
            let packet = Packet { from, ecn: train.ecn, bytes: bytes.clone() };
            world.show(sight(Fate::Arrives(at_us)));
            let index = self.keep(train.to, packet);
            world.at(at_us, Event::Datagram(index));
        }
    }

    fn keep(&mut self, to: SocketAddr, packet: Packet) -> u32 {
        if let Some(index) = self.spare.pop() {
            self.packets[index as usize] = Some((to, packet));
            return index;
        }
        self.packets.push(Some((to, packet)));
        (self.packets.len() - 1) as u32
    }
}

fn sight_of(at_us: u64, way: usize, datagram: &[u8], fate: Fate) -> Sight {
    let number = datagram.get(5..9).and_then(|bytes| bytes.try_into().ok()).map_or(0, u32::from_be_bytes);
    Sight { at_us, way, bytes: datagram.len(), kind: datagram.first().copied().unwrap_or(0), number, fate }
}
