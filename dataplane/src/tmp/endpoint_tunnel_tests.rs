//! The whole of TMP: two endpoints with real tunnels over a wire that delays, loses, repeats and reorders.

use crate::stdx::prng::Prng;
use crate::time::{Duration, Instant};
use crate::tmp::carrier::Ecn;
use crate::tmp::endpoint_tunnel_world::{End, end_of};
use crate::tmp::id::{PeerId, StreamId, TunnelId};
use crate::tmp::limits::REKEY_AFTER;
use crate::tmp::spread::Spread;
use core::net::SocketAddr;
use std::collections::BTreeMap;

fn address(which: u8) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, which], 4000))
}

fn one_end(which: u8, seed: u64) -> End {
    end_of(which, seed, vec![address(1 - which).into()], Spread::Failover)
}

struct Wire {
    now: Instant,
    ends: [End; 2],
    under_way: BTreeMap<(Instant, u64), (SocketAddr, usize, Vec<u8>)>,
    sequence: u64,
    prng: Prng,
    loss_ppm: u32,
    is_cut: bool,
}

impl Wire {
    fn new(seed: u64, loss_ppm: u32) -> Self {
        let now = Instant::from_us(10_000_000);
        let ends = [one_end(0, seed), one_end(1, seed + 1)];
        let prng = Prng::new(seed);
        Self { now, ends, under_way: BTreeMap::new(), sequence: 0, prng, loss_ppm, is_cut: false }
    }

    fn put(&mut self, from: usize, segment: &[u8]) {
        let copies = if self.prng.ppm(10_000) { 2 } else { 1 };
        for _ in 0..copies {
            if self.is_cut || self.prng.ppm(self.loss_ppm) {
                continue;
            }
            let delay = Duration::from_micros(10_000 + self.prng.below(2_000));
            self.sequence += 1;
            let at = address(from as u8);
            self.under_way.insert((self.now + delay, self.sequence), (at, 1 - from, segment.to_vec()));
        }
    }

    fn send(&mut self, which: usize) {
        let mut buffer = vec![0; 65_535];
        self.ends[which].endpoint.tick(self.now);
        self.ends[which].attend();
        let End { endpoint, queue, .. } = &mut self.ends[which];
        let mut out = Vec::new();
        while let Some(train) = endpoint.transmit(self.now, &mut buffer, 16, queue) {
            out.extend(buffer[..train.bytes].chunks(train.segment_bytes).map(<[u8]>::to_vec));
            assert!(out.len() < 100_000, "an endpoint falls silent");
        }
        out.iter().for_each(|segment| self.put(which, segment));
    }

    /// Lets the world go on until `is_done`, and says after how many steps; panics if it takes too long.
    fn run_until(&mut self, span: Duration, is_done: impl Fn(&Self) -> bool) -> usize {
        let end = self.now + span;
        for step in 0..2_000_000 {
            self.send(0);
            self.send(1);
            if is_done(self) {
                return step;
            }
            let arrival = self.under_way.first_key_value().map(|((at, _), _)| *at);
            let timers = self.ends.iter().filter_map(|end| end.endpoint.deadline());
            let next = timers.chain(arrival).min().unwrap_or(end);
            self.now = next.max(self.now + Duration::from_micros(20));
            assert!(self.now <= end, "it takes too long");
            while let Some(entry) = self.under_way.first_entry().filter(|entry| entry.key().0 <= self.now) {
                let (from, to, mut bytes) = entry.remove();
                self.ends[to].endpoint.handle_datagram(self.now, from, Ecn::Capable0, &mut bytes);
            }
            self.ends.iter_mut().for_each(|end| end.endpoint.handle_batch_end(self.now));
        }
        panic!("too many steps");
    }

    fn open(&mut self, tunnel: TunnelId, len: usize) -> StreamId {
        let stream = self.ends[0].endpoint.tunnel(tunnel).unwrap().open(1, 2).unwrap();
        let mut bytes = vec![0; len];
        self.prng.fill(&mut bytes);
        self.ends[0].unwritten.insert(stream, bytes);
        stream
    }
}

#[test]
fn questions_come_back_as_answers_over_a_bad_wire() {
    for seed in 0..6 {
        let mut wire = Wire::new(seed, 20_000 * seed as u32);
        let tunnel = wire.ends[0].endpoint.connect(wire.now, PeerId(0)).unwrap();
        let mut asked = BTreeMap::new();
        for len in [1, 100, 5_000, 60_000, 300_000] {
            let stream = wire.open(tunnel, len);
            asked.insert(stream, wire.ends[0].unwritten[&stream].clone());
        }
        wire.run_until(Duration::from_secs(120), |wire| wire.ends[0].finished == 5);
        assert_eq!(wire.ends[0].read, asked, "seed {seed}");
    }
}

#[test]
fn a_transfer_goes_on_over_new_keys_and_a_cut() {
    let mut wire = Wire::new(9, 1_000);
    let tunnel = wire.ends[0].endpoint.connect(wire.now, PeerId(0)).unwrap();
    wire.run_until(Duration::from_secs(5), |wire| !wire.ends[0].events.is_empty());
    let end = wire.now + REKEY_AFTER - Duration::from_millis(200);
    wire.run_until(REKEY_AFTER, |wire| wire.now >= end);
    let stream = wire.open(tunnel, 2_000_000);
    let asked = wire.ends[0].unwritten[&stream].clone();
    wire.run_until(Duration::from_secs(60), |wire| wire.ends[1].endpoint.counters().handshakes_done == 2);
    wire.is_cut = true;
    let heal = wire.now + Duration::from_secs(8);
    wire.run_until(Duration::from_secs(20), |wire| wire.now >= heal);
    wire.is_cut = false;
    wire.run_until(Duration::from_secs(120), |wire| wire.ends[0].finished == 1);
    assert_eq!(wire.ends[0].read[&stream], asked);
    assert_eq!(wire.ends[0].events.len(), 1);
}

#[test]
fn a_restarted_back_end_is_in_use_again_within_a_few_round_trips() {
    let mut wire = Wire::new(4, 0);
    let tunnel = wire.ends[0].endpoint.connect(wire.now, PeerId(0)).unwrap();
    wire.open(tunnel, 1_000_000);
    let end = wire.now + Duration::from_millis(150);
    wire.run_until(Duration::from_secs(5), |wire| wire.now >= end);
    wire.ends[1] = one_end(1, 77);
    let restarted_at = wire.now;
    wire.run_until(Duration::from_secs(5), |wire| wire.ends[0].events.len() == 3);
    assert!(wire.now.since(restarted_at) < Duration::from_millis(100), "{:?}", wire.now.since(restarted_at));
    wire.ends[0].finished = 0;
    wire.open(tunnel, 10_000);
    wire.run_until(Duration::from_secs(5), |wire| wire.ends[0].finished == 1);
}

#[test]
fn an_idle_tunnel_wakes_nobody_but_for_its_keep_alive() {
    let mut wire = Wire::new(5, 0);
    wire.ends[0].endpoint.connect(wire.now, PeerId(0)).unwrap();
    let settled = wire.now + Duration::from_secs(20);
    wire.run_until(Duration::from_secs(30), |wire| wire.now >= settled);
    let end = wire.now + Duration::from_secs(60);
    let steps = wire.run_until(Duration::from_secs(80), |wire| wire.now >= end);
    assert!(steps < 150, "{steps} steps in a minute");
}

#[test]
fn while_the_path_is_gone_the_ends_do_not_spin() {
    let mut wire = Wire::new(6, 0);
    let tunnel = wire.ends[0].endpoint.connect(wire.now, PeerId(0)).unwrap();
    wire.open(tunnel, 1_000_000);
    let cut = wire.now + Duration::from_millis(120);
    wire.run_until(Duration::from_secs(5), |wire| wire.now >= cut);
    wire.is_cut = true;
    let end = wire.now + Duration::from_secs(240);
    let steps = wire.run_until(Duration::from_secs(300), |wire| wire.now >= end);
    assert!(steps < 2_000, "{steps} steps in four minutes");
    wire.is_cut = false;
    wire.run_until(Duration::from_secs(60), |wire| wire.ends[0].finished == 1);
}
