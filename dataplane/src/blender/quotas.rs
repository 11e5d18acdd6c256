//! One composing loop: how many bytes each ring may send in it, in both readings of the algorithm.
//!
//! The seeds: `nSend = weight × nReady`, `r* = ring with the greatest nReady` (the higher one of equals),
//! `S = nBytes(r*) / (weight(r*) × nReady(r*))`, `nSendNorm = S × nSend`. Shares do not depend on S, which only
//! sets the length of the loop; so the bounded mode clamps it, from below so that every ready source gets a
//! sub-packet per loop, from above so that the loop is short; where both cannot be had, the first wins.
//! Quotas are bytes. Nothing here knows the order of turns.

use crate::blender::cascade::RingSet;
use crate::blender::options::{BACKGROUND_EVERY_BYTES, Mode, Options, RINGS};
use crate::blender::rings::Ring;

/// What the loop that runs still allows.
#[derive(Debug)]
pub(crate) struct Quotas {
    options: Options,
    /// What is left to each ring; below zero is a debt that the next loop takes off.
    left: [i64; RINGS],
    /// The rings with something left.
    open: RingSet,
    /// What may yet be granted on arrival beyond the least.
    arrivals_left: u64,
    running: bool,
    scale_bytes: u64,
    /// The scale at which every ready source of this loop gets a sub-packet.
    scale_min: u64,
    loops: u64,
    bytes_since_background: u64,
    /// The sub-packet of the next loop, if it is another.
    sub_packet_next: Option<u32>,
}

impl Quotas {
    pub(crate) fn new(options: Options) -> Self {
        Self {
            options,
            left: [0; RINGS],
            open: 0,
            arrivals_left: 0,
            scale_min: 0,
            running: false,
            scale_bytes: 0,
            loops: 0,
            bytes_since_background: 0,
            sub_packet_next: None,
        }
    }

    /// The rings with something left.
    pub(crate) fn open(&self) -> RingSet {
        self.open
    }

    /// What is left to a ring, in bytes.
    pub(crate) fn left(&self, ring: usize) -> i64 {
        self.left[ring]
    }

    /// S of the last loop, and how many loops there have been.
    pub(crate) fn history(&self) -> (u64, u64) {
        (self.scale_bytes, self.loops)
    }

    /// The number of the loop, from 1 and wrapping past 0, as sources note it.
    pub(crate) fn number(&self) -> u32 {
        self.loops as u32
    }

    /// The options in force.
    pub(crate) fn options(&self) -> &Options {
        &self.options
    }

    /// Other options from the next loop on; this loop is over and debts are forgiven.
    pub(crate) fn configure(&mut self, options: Options) {
        (self.options, self.sub_packet_next) = (options, None);
        self.end();
        self.left = [0; RINGS];
    }

    /// Another bound from the next loop on; this one goes on as it is.
    pub(crate) fn set_loop_bytes_max(&mut self, loop_bytes_max: u64) {
        self.options.loop_bytes_max = loop_bytes_max;
    }

    /// Another sub-packet from the next loop on, whose shares are measured by it.
    pub(crate) fn set_sub_packet_bytes(&mut self, sub_packet_bytes: u32) {
        self.sub_packet_next = Some(sub_packet_bytes);
    }

    /// A debt of a sub-packet of the old size may be more than a share of the new size covers: it is forgiven down to that, so
    /// that every loop has something to share.
    fn adopt_sub_packet(&mut self) {
        if let Some(sub_packet_bytes) = self.sub_packet_next.take() {
            self.options.sub_packet_bytes = sub_packet_bytes;
            self.left = self.left.map(|left| left.max(1 - i64::from(sub_packet_bytes)));
        }
    }

    /// The loop is over: what was not used is lost, debts stay.
    pub(crate) fn end(&mut self) {
        self.left = self.left.map(|left| left.min(0));
        self.open = 0;
        self.running = false;
    }

    /// A piece left from `ring`.
    pub(crate) fn charge(&mut self, ring: usize, bytes: u32) {
        self.assign(ring, self.left[ring] - i64::from(bytes));
        if self.options.weights[ring] == 0 {
            self.bytes_since_background = 0;
        } else {
            self.bytes_since_background = self.bytes_since_background.saturating_add(u64::from(bytes));
        }
    }

    /// Starts a loop over the `ready` rings, of which there is one at least.
    pub(crate) fn begin(&mut self, rings: &[Ring; RINGS], ready: RingSet) {
        self.end();
        self.adopt_sub_packet();
        self.running = true;
        self.arrivals_left = self.options.loop_bytes_max;
        self.loops += 1;
        let weighted = ready & self.weighted();
        match (weighted, self.options.mode) {
            (0, _) => self.share_background(ready),
            (_, Mode::Literal) => self.share_literally(rings, weighted),
            (_, Mode::Bounded) => {
                self.share_bounded(rings, weighted);
                if self.bytes_since_background >= BACKGROUND_EVERY_BYTES {
                    self.share_background(ready & !weighted);
                }
            }
        }
    }

    /// A source became ready that has had no share of this loop: its ring gets the share of one source at once,
    /// so that it need not wait for the next loop (bounded mode only).
    pub(crate) fn arrive(&mut self, ring: usize) {
        let weight = u64::from(self.options.weights[ring]);
        if !self.running || weight == 0 || self.options.mode == Mode::Literal {
            return;
        }
        // S may come from few sources of small weight and be large; many arrivals must not stretch the loop by
        // much more than they would have had they been counted when it began.
        let least = weight.saturating_mul(self.scale_min).max(u64::from(self.options.sub_packet_bytes));
        let share = weight.saturating_mul(self.scale_bytes).min(self.arrivals_left).max(least);
        self.arrivals_left = self.arrivals_left.saturating_sub(share);
        self.assign(ring, self.left[ring].saturating_add(amount(share)));
    }

    fn share_literally(&mut self, rings: &[Ring; RINGS], ready: RingSet) {
        let (bytes, whole) = self.fullest(rings, ready);
        self.scale_bytes = bytes / whole;
        for ring in members(ready) {
            let share = share_of(self.send(rings, ring), bytes, whole);
            self.assign(ring, share);
        }
    }

    fn share_bounded(&mut self, rings: &[Ring; RINGS], ready: RingSet) {
        let (bytes, whole) = self.fullest(rings, ready);
        let sum = members(ready).map(|ring| self.send(rings, ring)).fold(0u64, u64::saturating_add);
        let least_weight = members(ready).map(|ring| self.options.weights[ring]).min().unwrap_or(1);
        self.scale_min = u64::from(self.options.sub_packet_bytes.div_ceil(least_weight));
        let scale_max = self.options.loop_bytes_max / sum;
        self.scale_bytes = (bytes / whole).min(scale_max).max(self.scale_min);
        for ring in members(ready) {
            let share = self.send(rings, ring).saturating_mul(self.scale_bytes);
            self.assign(ring, self.left[ring].saturating_add(amount(share)));
        }
    }

    /// One sub-packet to each ring of weight 0 in `ready`, so that the loop ends soon.
    fn share_background(&mut self, ready: RingSet) {
        for ring in members(ready) {
            self.assign(ring, self.left[ring] + i64::from(self.options.sub_packet_bytes));
        }
    }

    /// S as a fraction: the bytes of the ring with most ready sources, and its nSend.
    fn fullest(&self, rings: &[Ring; RINGS], ready: RingSet) -> (u64, u64) {
        let mut fullest = ready.trailing_zeros() as usize;
        for ring in members(ready) {
            if rings[ring].ready > rings[fullest].ready {
                fullest = ring;
            }
        }
        (rings[fullest].bytes, self.send(rings, fullest))
    }

    /// The seeds' nSend; two u32 multiplied fit u64.
    fn send(&self, rings: &[Ring; RINGS], ring: usize) -> u64 {
        u64::from(self.options.weights[ring]) * u64::from(rings[ring].ready)
    }

    fn weighted(&self) -> RingSet {
        members(RingSet::MAX >> (8 - RINGS))
            .fold(0, |set, ring| set | RingSet::from(self.options.weights[ring] > 0) << ring)
    }

    fn assign(&mut self, ring: usize, left: i64) {
        self.left[ring] = left;
        self.open = self.open & !(1 << ring) | RingSet::from(left > 0) << ring;
    }
}

/// The rings of a set, highest first.
fn members(set: RingSet) -> impl Iterator<Item = usize> {
    (0..RINGS).filter(move |ring| set >> ring & 1 == 1)
}

/// `bytes × send / whole` rounded down, in 128 bits only where 64 do not hold it: loops may be short.
fn share_of(send: u64, bytes: u64, whole: u64) -> i64 {
    match send.checked_mul(bytes) {
        Some(product) => amount(product / whole),
        None => {
            let share = u128::from(send) * u128::from(bytes) / u128::from(whole);
            i64::try_from(share).unwrap_or(i64::MAX)
        }
    }
}

fn amount(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blender::rings::{End, Rings};

    fn example() -> Rings {
        let mut rings = Rings::new(38);
        let mut key = 0;
        for (class, ready, bytes) in
            [(0, 2, 3000), (1, 5, 12000), (2, 20, 40000), (3, 8, 60000), (4, 3, 90000)]
        {
            for _ in 0..ready {
                rings.enter(key, class);
                rings.put(key, bytes / ready, End::Tail);
                key += 1;
            }
        }
        rings
    }

    #[test]
    fn the_worked_example_has_its_scale_and_quotas() {
        let rings = example();
        let mut quotas = Quotas::new(Options { mode: Mode::Literal, ..Options::default() });
        quotas.begin(rings.all(), rings.ready());
        assert_eq!((quotas.history().0, quotas.left), (500, [16000, 20000, 40000, 8000, 1500]));
    }

    #[test]
    fn a_bounded_scale_gives_every_source_a_sub_packet_before_it_keeps_the_loop_short() {
        let rings = example();
        let mut quotas = Quotas::new(Options::default());
        quotas.begin(rings.all(), rings.ready());
        // 65,536 / (32 + 40 + 80 + 16 + 3) = 383, but ring 4 needs 512 for a sub-packet per source.
        assert_eq!((quotas.history().0, quotas.left[4]), (512, 3 * 512));
    }

    #[test]
    fn a_debt_is_paid_back() {
        let rings = example();
        let mut quotas = Quotas::new(Options::default());
        quotas.begin(rings.all(), rings.ready());
        quotas.charge(4, 3 * 512 + 100);
        quotas.begin(rings.all(), rings.ready());
        assert_eq!(quotas.left[4], 3 * 512 - 100);
    }

    #[test]
    fn shares_beyond_64_bits_are_exact() {
        assert_eq!(share_of(1 << 40, 1 << 40, 1 << 40), 1 << 40);
        assert_eq!(share_of(u64::MAX, u64::MAX, 1), i64::MAX);
    }
}
