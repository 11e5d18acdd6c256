//! One direction of a simulated path, for tests: delay, rate, drop-tail queue, loss, jitter, reordering, duplication,
//! an mtu and black-outs, all from one seed. Several flows may share it; the packets of one flow keep their order
//! but for those that are reordered on purpose. A packet lost by chance has used the rate, as behind a real bottleneck. Times are µs.

use crate::stdx::prng::Prng;
use crate::time::Instant;
use crate::tmp::carrier::Ecn;
use std::collections::BTreeMap;

/// What the direction does to packets.
#[derive(Clone, Copy, Debug)]
pub(in crate::tmp) struct LinkOptions {
    pub(in crate::tmp) delay_us: u64,
    /// Bytes per second; 0 is without limit.
    pub(in crate::tmp) rate_bytes_per_s: u64,
    /// Longest wait in the queue in front of the rate; what would wait longer is dropped.
    pub(in crate::tmp) queue_us_max: u64,
    pub(in crate::tmp) loss_ppm: u32,
    pub(in crate::tmp) duplicate_ppm: u32,
    pub(in crate::tmp) reorder_ppm: u32,
    /// How much later a reordered packet arrives, at most.
    pub(in crate::tmp) reorder_us: u64,
    /// Longer datagrams vanish.
    pub(in crate::tmp) mtu_bytes: usize,
    /// Everything sent in this span of time vanishes.
    pub(in crate::tmp) dark_us: (u64, u64),
    /// Packets that waited longer in the queue are marked; 0: never.
    pub(in crate::tmp) mark_us: u64,
    /// Each packet takes up to so much longer.
    pub(in crate::tmp) jitter_us: u64,
}

impl LinkOptions {
    /// Without limits or faults.
    pub(in crate::tmp) const fn clean(delay_us: u64) -> Self {
        Self {
            delay_us,
            rate_bytes_per_s: 0,
            queue_us_max: u64::MAX,
            loss_ppm: 0,
            duplicate_ppm: 0,
            reorder_ppm: 0,
            reorder_us: 0,
            mtu_bytes: usize::MAX,
            dark_us: (0, 0),
            mark_us: 0,
            jitter_us: 0,
        }
    }

    /// Any of the faults, by chance.
    pub(in crate::tmp) fn any(random: &mut Prng) -> Self {
        let mut sometimes = |ppm, most| if random.ppm(ppm) { random.below(most) } else { 0 };
        let rate_bytes_per_s = sometimes(500_000, 20_000_000);
        let dark_from = sometimes(300_000, 1_000_000);
        let dark_us = (dark_from, dark_from + sometimes(900_000, 2_000_000));
        Self {
            delay_us: 20 + sometimes(900_000, 100_000),
            rate_bytes_per_s: if rate_bytes_per_s > 0 { rate_bytes_per_s + 50_000 } else { 0 },
            queue_us_max: 5_000 + sometimes(700_000, 300_000),
            loss_ppm: sometimes(500_000, 100_000) as u32,
            duplicate_ppm: sometimes(300_000, 200_000) as u32,
            reorder_ppm: sometimes(300_000, 400_000) as u32,
            reorder_us: 1 + sometimes(900_000, 30_000),
            mtu_bytes: if sometimes(200_000, 2) == 1 { 1_280 } else { usize::MAX },
            dark_us: if dark_from > 0 { dark_us } else { (0, 0) },
            mark_us: sometimes(200_000, 20_000),
            jitter_us: 0,
        }
    }
}

/// A packet on its way.
#[derive(Clone, Debug)]
pub(in crate::tmp) struct Packet {
    /// Whose it is, and how much longer than the others' its way is.
    pub(in crate::tmp) flow: u32,
    pub(in crate::tmp) extra_us: u64,
    pub(in crate::tmp) number: u64,
    pub(in crate::tmp) ecn: Ecn,
    pub(in crate::tmp) payload: Vec<u8>,
}

/// The direction.
#[derive(Debug)]
pub(in crate::tmp) struct Link {
    pub(in crate::tmp) options: LinkOptions,
    random: Prng,
    busy_until_us: u64,
    flying: BTreeMap<(u64, u64), Packet>,
    count: u64,
    /// When the last packet of each flow arrives.
    last_us: Vec<u64>,
}

impl Link {
    pub(in crate::tmp) fn new(options: LinkOptions, seed: u64) -> Self {
        Self {
            options,
            random: Prng::new(seed),
            busy_until_us: 0,
            flying: BTreeMap::new(),
            count: 0,
            last_us: Vec::new(),
        }
    }

    /// Takes a packet; how long it waits in the queue, or `None` if it found no room there.
    pub(in crate::tmp) fn send(
        &mut self,
        now: Instant,
        datagram_bytes: usize,
        mut packet: Packet,
    ) -> Option<u64> {
        let options = self.options;
        let now_us = now.as_us();
        let wait_us = self.busy_until_us.saturating_sub(now_us);
        if wait_us > options.queue_us_max || datagram_bytes > options.mtu_bytes {
            return None;
        }
        if options.mark_us > 0 && wait_us > options.mark_us {
            packet.ecn = Ecn::Congested;
        }
        let work_us = (datagram_bytes as u64 * 1_000_000).checked_div(options.rate_bytes_per_s).unwrap_or(0);
        self.busy_until_us = now_us + wait_us + work_us;
        let is_dark = (options.dark_us.0..options.dark_us.1).contains(&now_us);
        if self.random.ppm(options.loss_ppm) || is_dark {
            return Some(wait_us);
        }
        let arrives_us = self.arrival_us(&packet);
        if self.random.ppm(options.duplicate_ppm) {
            let later_us = self.random.below(50_000);
            self.put(arrives_us + later_us, packet.clone());
        }
        self.put(arrives_us, packet);
        Some(wait_us)
    }

    fn arrival_us(&mut self, packet: &Packet) -> u64 {
        let options = self.options;
        let jitter_us = if options.jitter_us > 0 { self.random.below(options.jitter_us) } else { 0 };
        let flow = packet.flow as usize;
        if self.last_us.len() <= flow {
            self.last_us.resize(flow + 1, 0);
        }
        let arrives_us = self.busy_until_us + options.delay_us + packet.extra_us + jitter_us;
        let arrives_us = arrives_us.max(self.last_us[flow]);
        self.last_us[flow] = arrives_us;
        let is_reordered = self.random.ppm(options.reorder_ppm);
        arrives_us + if is_reordered { self.random.below(options.reorder_us.max(1)) } else { 0 }
    }

    pub(in crate::tmp) fn next_at(&self) -> Option<Instant> {
        self.flying.keys().next().map(|(at, _)| Instant::from_us(*at))
    }

    pub(in crate::tmp) fn arrived(&mut self, now: Instant) -> Option<Packet> {
        let first = self.flying.first_entry()?;
        (first.key().0 <= now.as_us()).then(|| first.remove())
    }

    fn put(&mut self, at_us: u64, packet: Packet) {
        self.count += 1;
        self.flying.insert((at_us, self.count), packet);
    }
}
