//! The paths between a front-end and its back-ends, one or several to each: latency, a rate, and what may befall a datagram.

use core::net::SocketAddr;

use crate::sim::driver::{Departure, Packet};
use crate::sim::fault::{Fault, Faults};
use crate::sim::film::{Fate, Sight};
use crate::sim::given::PathGiven;
use crate::sim::scenario::{PATHS, process_at, tunnel_address};
use crate::sim::world::{Event, Hits, World};

/// Back-ends at most.
const BACKS: usize = 2;

/// One path, both ways.
#[derive(Clone, Copy, Debug, Default)]
struct Way {
    latency_us: u64,
    /// There and back.
    free_us: [u64; 2],
    /// No datagram passes before this time.
    heals_us: u64,
}

/// All paths, by back-end and number.
#[derive(Debug)]
pub(crate) struct Network {
    ways: [[Way; PATHS]; BACKS],
    jitter_us: u64,
    us_per_kib: u64,
    queue_us_max: u64,
    loss_ppm: u32,
    faults: Faults,
    /// Larger datagrams vanish.
    pub(crate) mtu_bytes: usize,
    packets: Vec<Option<(SocketAddr, Packet)>>,
    spare: Vec<u32>,
}

impl Network {
    /// Draws a path, but for what is given of it.
    pub(crate) fn draw(world: &mut World, faults: Faults, given: &PathGiven) -> Self {
        let dice = &mut world.dice.net;
        // The first path of each is as given; the others are up to twice as long, or shorter.
        let latency_us = given.latency_us.unwrap_or_else(|| dice.between(50, 60_000));
        let mut ways = [[Way::default(); PATHS]; BACKS];
        for (number, way) in ways.iter_mut().flat_map(|ways| ways.iter_mut().enumerate()) {
            way.latency_us =
                if number == 0 { latency_us } else { dice.between(latency_us / 4, 2 * latency_us) };
        }
        let mut drawn = Self {
            ways,
            jitter_us: dice.between(0, 2_000),
            us_per_kib: dice.between(1, 400),
            queue_us_max: dice.between(50_000, 300_000),
            loss_ppm: dice.between(2_000, 100_000) as u32,
            faults,
            mtu_bytes: usize::MAX,
            packets: Vec::new(),
            spare: Vec::new(),
        };
        drawn.jitter_us = given.jitter_us.unwrap_or(drawn.jitter_us);
        drawn.queue_us_max = given.queue_us.unwrap_or(drawn.queue_us_max);
        drawn.loss_ppm = given.loss_ppm.unwrap_or(drawn.loss_ppm);
        // 1,024 bytes are 8,192 bits; a kbit/s is a bit per ms.
        drawn.us_per_kib = given.rate_kbit.map_or(drawn.us_per_kib, |rate| 8_192_000 / rate.max(1));
        drawn
    }

    /// No datagram passes on a path for so long; on none of a back-end's where no number is given.
    pub(crate) fn darken(&mut self, world: &World, back: usize, path: Option<usize>, span_us: u64) {
        let all = self.ways[back].iter_mut().enumerate();
        for (_, way) in all.filter(|(number, _)| path.is_none_or(|path| path == *number)) {
            way.heals_us = world.now_us + span_us;
        }
    }

    /// Sends a train of a process off, cut into its datagrams.
    pub(crate) fn send(&mut self, world: &mut World, hits: &mut Hits, train: &Departure, process: usize) {
        // The way there is the front-end's. A path joins sockets of one number.
        let (to, socket) = process_at(train.to);
        let (back, way) = if process == 0 { (to.saturating_sub(1), 0) } else { (process - 1, 1) };
        let path = (back, usize::from(socket));
        for datagram in train.bytes.chunks(train.segment_bytes) {
            self.send_one(world, hits, (process, train), datagram, (path, way));
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
        (process, train): (usize, &Departure),
        datagram: &[u8],
        ((back, path), way): ((usize, usize), usize),
    ) {
        let faults = self.faults;
        let from = tunnel_address(process, train.socket);
        let (_, socket) = process_at(train.to);
        let mut happens = |fault: Fault, world: &mut World, ppm: u32| {
            let does = faults.has(fault) && world.dice.net.ppm(ppm);
            if does {
                hits.hit(fault.name());
            }
            does
        };
        let sight = |fate| move |at_us| sight_of(at_us, way, datagram, fate);
        let at = &mut self.ways[back][path];
        let start = at.free_us[way].max(world.now_us);
        if start - world.now_us > self.queue_us_max {
            return world.show(sight(Fate::Overflowed));
        }
        at.free_us[way] = start + self.us_per_kib * datagram.len() as u64 / 1_024;
        let (latency_us, leaves_us) = (at.latency_us, at.free_us[way]);
        if world.now_us < at.heals_us || happens(Fault::Loss, world, self.loss_ppm) {
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
            let mut at_us = leaves_us + latency_us;
            if happens(Fault::Reordering, world, 100_000) {
                at_us += world.dice.net.below(self.jitter_us + latency_us / 2 + 1);
            }
            let packet = Packet { from, socket, ecn: train.ecn, bytes: bytes.clone() };
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
