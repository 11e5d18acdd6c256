//! Tunnels over several paths in virtual time: whole endpoints, and ways with a rate, a delay and a queue of their own that
//! are cut, slowed down and healed.

use crate::stdx::prng::Prng;
use crate::time::{Duration, Instant};
use crate::tmp::carrier::Ecn;
use crate::tmp::endpoint_tunnel_world::{End, end_of};
use crate::tmp::health::Suspicion;
use crate::tmp::id::{PeerId, StreamId, TunnelId};
use crate::tmp::path_limits::PathLimits;
use crate::tmp::place::Place;
use crate::tmp::spread::{PathUse, Spread};
use crate::tmp::stats::PathSnapshot;
use core::net::SocketAddr;
use std::collections::BTreeMap;

/// IPv4 and UDP.
const HEADERS_BYTES: u64 = 28;

/// One way between the two, the same in both directions.
#[derive(Clone, Copy, Debug)]
struct Way {
    bits_per_s: u64,
    delay_us: u64,
    loss_ppm: u32,
    is_cut: bool,
    /// A TCP connection: nothing is lost, and whoever sends waits for its queue.
    is_stream: bool,
    /// When each direction has sent what waits in its queue, which holds a round trip's worth.
    busy_until: [Instant; 2],
}

impl Way {
    const fn new(mbit: u64, rtt_ms: u64) -> Self {
        let busy_until = [Instant::ORIGIN; 2];
        Self {
            bits_per_s: mbit * 1_000_000,
            delay_us: rtt_ms * 500,
            loss_ppm: 0,
            is_cut: false,
            is_stream: false,
            busy_until,
        }
    }

    const fn over_stream(self) -> Self {
        Self { is_stream: true, ..self }
    }

    /// Until when the queue of a stream is so full that packets wait: until 32 KiB are left of 64 KiB and more.
    fn held_until(&self, now: Instant, direction: usize) -> Option<Instant> {
        let lasts = |bytes: u64| Duration::from_micros(bytes * 8 * 1_000_000 / self.bits_per_s);
        let busy_until = self.busy_until[direction];
        (self.is_stream && busy_until > now + lasts(64 << 10)).then(|| busy_until - lasts(32 << 10))
    }

    /// When a datagram arrives, if it does.
    fn carry(&mut self, now: Instant, direction: usize, bytes: usize) -> Option<Instant> {
        let wait_us = self.busy_until[direction].us_since(now);
        if self.is_cut || (wait_us > 2 * self.delay_us && !self.is_stream) {
            return None;
        }
        let bits = (bytes as u64 + HEADERS_BYTES) * 8;
        let sent =
            self.busy_until[direction].max(now) + Duration::from_micros(bits * 1_000_000 / self.bits_per_s);
        self.busy_until[direction] = sent;
        Some(sent + Duration::from_micros(self.delay_us))
    }
}

/// The place of an end on a way, by what bears it.
fn place_on(end: usize, way: usize, ways: &[Way]) -> Place {
    let datagrams = place(end, way);
    if ways[way].is_stream { Place::over_stream(datagrams.address) } else { datagrams }
}

/// A front-end (0) and a back-end (1); way k joins the k-th address of each.
struct World {
    now: Instant,
    ends: [End; 2],
    ways: Vec<Way>,
    under_way: BTreeMap<(Instant, u64), (usize, Place, Vec<u8>)>,
    /// Until when an end's packets wait for a stream.
    held: Vec<(Instant, usize, Place)>,
    sequence: u64,
    prng: Prng,
    tunnel: TunnelId,
}

fn place(end: usize, way: usize) -> Place {
    let address = SocketAddr::from(([192, 0, 2, (10 * end + way) as u8], 4000));
    Place { address, socket: way as u8 }
}

impl World {
    /// Connected, all paths known.
    fn new(chosen: impl Into<PathUse>, ways: &[Way]) -> Self {
        let chosen = chosen.into();
        let places = (0..ways.len()).map(|way| place_on(1, way, ways)).collect();
        let mut ends = [end_of(0, 3, places, chosen), end_of(1, 4, Vec::new(), chosen)];
        let now = Instant::from_us(10_000_000);
        let tunnel = ends[0].endpoint.connect(now, PeerId(0)).unwrap();
        let (under_way, prng) = (BTreeMap::new(), Prng::new(5));
        let (held, count) = (Vec::new(), ways.len());
        let ways = ways.to_vec();
        let mut world = Self { now, ends, ways, under_way, held, sequence: 0, prng, tunnel };
        world.run(Duration::from_secs(2));
        assert_eq!(world.paths(0).iter().flatten().count(), count);
        assert_eq!(world.paths(1).iter().flatten().count(), count);
        world
    }

    fn paths(&mut self, end: usize) -> [Option<PathSnapshot>; 4] {
        let tunnel = self.ends[end].endpoint.tunnels().next().unwrap();
        self.ends[end].endpoint.tunnel(tunnel).unwrap().snapshot().paths
    }

    /// The path that carries what an end sends on one path alone, and what speaks against each.
    fn active(&mut self, end: usize) -> usize {
        self.paths(end).iter().position(|path| path.is_some_and(|path| path.is_active)).unwrap()
    }

    fn suspicion(&mut self, end: usize, way: usize) -> Option<Suspicion> {
        self.paths(end)[way].unwrap().suspicion
    }

    fn send(&mut self, which: usize) {
        let mut buffer = vec![0; 65_535];
        self.ends[which].endpoint.tick(self.now);
        self.ends[which].attend();
        let mut trains = 0;
        loop {
            let End { endpoint, queue, .. } = &mut self.ends[which];
            let Some(train) = endpoint.transmit(self.now, &mut buffer, 16, queue) else { break };
            for datagram in buffer[..train.bytes].chunks(train.segment_bytes) {
                self.carry(which, train.to, datagram);
            }
            trains += 1;
            assert!(trains < 100_000, "an endpoint falls silent");
        }
    }

    fn carry(&mut self, which: usize, to: Place, datagram: &[u8]) {
        let way = (0..self.ways.len()).find(|way| place_on(1 - which, *way, &self.ways) == to);
        let way = way.expect("packets of a path go to its place");
        let is_lost = self.prng.ppm(self.ways[way].loss_ppm);
        let arrives = self.ways[way].carry(self.now, which, datagram.len());
        let Some(at) = arrives.filter(|_| !is_lost) else { return };
        self.sequence += 1;
        let from = place_on(which, way, &self.ways);
        self.under_way.insert((at, self.sequence), (1 - which, from, datagram.to_vec()));
        let is_held = self.held.iter().any(|(_, end, place)| (*end, *place) == (which, to));
        if let Some(until) = self.ways[way].held_until(self.now, which).filter(|_| !is_held) {
            self.held.push((until, which, to));
            self.ends[which].endpoint.hold(to, true);
        }
    }

    /// Lets the world go on for a span or until `is_done`.
    fn run_until(&mut self, span: Duration, mut is_done: impl FnMut(&mut Self) -> bool) {
        let end = self.now + span;
        while self.now < end && !is_done(self) {
            self.send(0);
            self.send(1);
            let arrival = self.under_way.first_key_value().map(|((at, _), _)| *at);
            let timers = self.ends.iter().filter_map(|end| end.endpoint.deadline());
            let freed = self.held.iter().map(|(until, ..)| *until);
            let next = timers.chain(arrival).chain(freed).min().unwrap_or(end);
            self.now = next.max(self.now + Duration::from_micros(20)).min(end);
            for (_, which, place) in self.held.extract_if(.., |(until, ..)| *until <= self.now) {
                self.ends[which].endpoint.hold(place, false);
            }
            while let Some(entry) = self.under_way.first_entry().filter(|entry| entry.key().0 <= self.now) {
                let (to, from, mut bytes) = entry.remove();
                self.ends[to].endpoint.handle_datagram(self.now, from, Ecn::Capable0, &mut bytes);
            }
            self.ends.iter_mut().for_each(|end| end.endpoint.handle_batch_end(self.now));
        }
    }

    fn run(&mut self, span: Duration) {
        self.run_until(span, |_| false);
    }

    /// Kills the process of one end and starts it again.
    fn restart(&mut self, which: usize) {
        let places = (0..self.ways.len()).map(|way| place_on(1, way, &self.ways)).collect();
        let places = if which == 0 { places } else { Vec::new() };
        self.ends[which] = end_of(which as u8, 30 + which as u64, places, Spread::Failover);
        if which == 0 {
            self.tunnel = self.ends[0].endpoint.connect(self.now, PeerId(0)).unwrap();
        }
        self.run(MS(6_000));
        assert!(self.ends[0].endpoint.is_connected(self.tunnel));
    }

    /// How long a question takes to be answered with itself.
    fn echo(&mut self, len: usize) -> Duration {
        let (before, done) = (self.now, self.ends[0].finished);
        self.open(len);
        self.run_until(MS(30_000), |world| world.ends[0].finished > done);
        self.now.since(before)
    }

    fn open(&mut self, len: usize) -> StreamId {
        self.open_as(1, len)
    }

    fn open_as(&mut self, class: u8, len: usize) -> StreamId {
        let stream = self.ends[0].endpoint.tunnel(self.tunnel).unwrap().open(class, 2).unwrap();
        let mut bytes = vec![0; len];
        self.prng.fill(&mut bytes);
        self.ends[0].unwritten.insert(stream, bytes);
        stream
    }

    /// Bytes that have come to the back-end.
    fn arrived(&self) -> usize {
        self.ends[1].read_bytes
    }

    /// The longest time without a byte for the back-end's readers in a span.
    fn gap(&mut self, span: Duration) -> Duration {
        let (mut last, mut bytes, mut gap) = (self.now, self.arrived(), Duration::ZERO);
        self.run_until(span, |world| {
            if world.arrived() != bytes {
                (last, bytes) = (world.now, world.arrived());
            }
            gap = gap.max(world.now.since(last));
            false
        });
        gap
    }

    /// Mbit/s to the back-end in a span.
    fn rate(&mut self, span: Duration) -> f64 {
        let before = self.arrived();
        self.run(span);
        (self.arrived() - before) as f64 * 8.0 / span.as_micros() as f64
    }
}

const MS: fn(u64) -> Duration = Duration::from_millis;

/// [TMP-160] [TMP-160.1] [TMP-160.2]
#[test]
fn the_other_paths_are_opened_beside_the_first_and_standby_paths_are_kept_known() {
    let mut world = World::new(Spread::Failover, &[Way::new(30, 40), Way::new(20, 100), Way::new(50, 20)]);
    assert_eq!((world.active(0), world.active(1)), (0, 0));
    world.open(2_000_000);
    world.run(MS(1_000));
    for end in [0, 1] {
        let rtts = world.paths(end).map(|path| path.map(|path| path.min_rtt_us / 1_000));
        assert_eq!(rtts, [Some(40), Some(100), Some(20), None]);
    }
    let sent = world.paths(0).map(|path| path.map_or(0, |path| path.sent_bytes));
    assert!(sent[0] > 1_000_000 && sent[1] < 20_000 && sent[2] < 20_000, "{sent:?}");
}

#[test]
fn an_address_that_does_not_answer_at_first_is_no_hindrance() {
    let mut dead = Way::new(30, 40);
    dead.is_cut = true;
    let places = vec![place(1, 0), place(1, 1)];
    let ends = [end_of(0, 3, places, Spread::Failover), end_of(1, 4, Vec::new(), Spread::Failover)];
    let now = Instant::from_us(10_000_000);
    let (under_way, prng, ways) = (BTreeMap::new(), Prng::new(5), vec![dead, Way::new(30, 40)]);
    let (held, tunnel) = (Vec::new(), TunnelId::default());
    let mut world = World { now, ends, ways, under_way, held, sequence: 0, prng, tunnel };
    world.tunnel = world.ends[0].endpoint.connect(now, PeerId(0)).unwrap();
    world.open(100_000);
    world.run_until(MS(3_000), |world| world.ends[0].finished == 1);
    assert!(world.ends[0].finished == 1 && world.now.since(now) < MS(1_000), "{:?}", world.now.since(now));
    world.ways[0].is_cut = false;
    world.run(MS(8_000));
    assert_eq!((world.active(0), world.active(1)), (0, 0), "it is found later, and it is the first");
}

/// [TMP-161]
#[test]
fn a_path_that_falls_silent_is_left_within_half_a_second_and_nothing_is_lost() {
    for way in [Way::new(20, 100), Way::new(20, 10)] {
        let mut world = World::new(Spread::Failover, &[way, Way::new(20, 100)]);
        let stream = world.open(15_000_000);
        let asked = world.ends[0].unwritten[&stream].clone();
        world.run(MS(2_000));
        world.ways[0].is_cut = true;
        let gap = world.gap(MS(3_000));
        assert!(gap <= MS(400), "{gap:?}");
        assert_eq!((world.active(0), world.active(1)), (1, 1));
        assert!(world.suspicion(0, 0).is_some());
        let rate = world.rate(MS(2_000));
        assert!(rate > 16.0, "{rate}");
        world.ways[0].is_cut = false;
        world.run_until(MS(120_000), |world| world.ends[0].finished == 1);
        assert_eq!(world.ends[0].read[&stream], asked);
        assert_eq!((world.active(0), world.active(1)), (0, 0), "trust has come back");
        assert_eq!(world.ends[0].events.len(), 1, "the tunnel stayed up");
    }
}

/// [TMP-161]
#[test]
fn a_path_whose_round_trip_grows_tenfold_is_left() {
    let mut world = World::new(Spread::Failover, &[Way::new(20, 40), Way::new(20, 60)]);
    world.open(30_000_000);
    world.run(MS(2_000));
    world.ways[0].delay_us *= 10;
    let slowed = world.now;
    world.run_until(MS(5_000), |world| world.active(0) == 1);
    assert!(world.now.since(slowed) <= MS(200), "{:?}", world.now.since(slowed));
    let gap = world.gap(MS(3_000));
    assert!(gap <= MS(250), "{gap:?}");
    world.run(MS(10_000));
    assert_eq!(world.active(0), 1, "as long as it is slow it is not trusted");
    world.ways[0].delay_us /= 10;
    world.run(MS(4_000));
    assert_eq!(world.active(0), 0);
}

/// [TMP-170.1]
#[test]
fn over_a_stream_packets_wait_for_it_and_for_nothing_else() {
    let mut world = World::new(Spread::Failover, &[Way::new(30, 100).over_stream()]);
    world.open(20_000_000);
    world.run(MS(300));
    let rate = world.rate(MS(3_000));
    assert!(rate > 0.97 * 30.0 * 1_399.0 / 1_480.0, "{rate}");
    let path = world.paths(0)[0].unwrap();
    assert!(path.srtt_us < 130_000, "what waits, waits in the tunnel: {}", path.srtt_us);
    let (before, done) = (world.now, world.ends[0].finished);
    world.open_as(0, 1_000);
    world.run_until(MS(3_000), |world| world.ends[0].finished > done);
    assert!(world.now.since(before) < MS(140), "{:?}", world.now.since(before));
}

/// [TMP-170.1]
#[test]
fn streams_move_to_datagrams_and_back_to_the_stream() {
    let mut world = World::new(Spread::Failover, &[Way::new(20, 60), Way::new(20, 60).over_stream()]);
    let stream = world.open(20_000_000);
    let asked = world.ends[0].unwritten[&stream].clone();
    world.run(MS(1_000));
    world.ways[0].is_cut = true;
    let gap = world.gap(MS(3_000));
    assert!(gap <= MS(400) && world.active(0) == 1, "{gap:?}");
    world.ways[0].is_cut = false;
    world.run(MS(4_000));
    assert_eq!((world.active(0), world.suspicion(0, 1)), (0, None));
    world.run_until(MS(60_000), |world| world.ends[0].finished == 1);
    assert_eq!(world.ends[0].read[&stream], asked);
}

#[test]
fn two_paths_together_carry_nearly_the_sum() {
    let mut world = World::new(Spread::Bond, &[Way::new(30, 40), Way::new(20, 100)]);
    for _ in 0..16 {
        world.open(5_000_000);
    }
    world.run(MS(3_000));
    let rate = world.rate(MS(6_000));
    assert!(rate > 0.85 * 50.0 * 1_399.0 / 1_480.0, "{rate}");
}

#[test]
fn a_small_answer_goes_over_the_better_path_alone() {
    let mut times = Vec::new();
    for ways in [vec![Way::new(30, 40), Way::new(20, 100)], vec![Way::new(30, 40)]] {
        let mut world = World::new(Spread::Bond, &ways);
        let mut sum = Duration::ZERO;
        for _ in 0..40 {
            let (before, done) = (world.now, world.ends[0].finished);
            world.open(20_000);
            world.run_until(MS(3_000), |world| world.ends[0].finished == done + 1);
            sum += world.now.since(before);
            world.run(MS(50));
        }
        times.push(sum);
    }
    assert!(times[0] <= times[1] * 11 / 10, "{times:?}");
}

#[test]
fn a_bonded_path_that_is_cut_leaves_the_other() {
    for cut in [0, 1] {
        let mut world = World::new(Spread::Bond, &[Way::new(30, 40), Way::new(20, 100)]);
        let asked: Vec<_> = (0..8).map(|_| world.open(3_000_000)).collect();
        let asked: Vec<_> = asked.into_iter().map(|id| (id, world.ends[0].unwritten[&id].clone())).collect();
        world.run(MS(2_000));
        world.ways[cut].is_cut = true;
        let gap = world.gap(MS(3_000));
        assert!(gap <= MS(500), "{gap:?}");
        world.run_until(MS(120_000), |world| world.ends[0].finished == 8);
        asked.iter().for_each(|(id, bytes)| assert_eq!(world.ends[0].read[id], *bytes));
    }
}

#[test]
fn urgent_data_that_one_path_loses_comes_over_the_other_at_once() {
    let slowest = |spread| {
        let mut lossy = Way::new(20, 60);
        lossy.loss_ppm = 100_000;
        let mut world = World::new(spread, &[lossy, Way::new(20, 80)]);
        let mut slowest = Duration::ZERO;
        for _ in 0..60 {
            let (before, done) = (world.now, world.ends[0].finished);
            world.open_as(0, 1_000);
            world.run_until(MS(3_000), |world| world.ends[0].finished == done + 1);
            slowest = slowest.max(world.now.since(before));
            world.run(MS(100));
        }
        slowest
    };
    let (alone, twice) = (slowest(Spread::Failover), slowest(Spread::Duplicate));
    assert!(alone > MS(110) && twice < MS(90), "{alone:?} {twice:?}");
}

#[test]
fn one_path_that_is_black_for_two_seconds_goes_on_at_once() {
    let mut world = World::new(Spread::Failover, &[Way::new(20, 100)]);
    world.open(25_000_000);
    world.run(MS(4_000));
    world.ways[0].is_cut = true;
    world.run(MS(2_000));
    world.ways[0].is_cut = false;
    let (healed, arrived) = (world.now, world.arrived());
    world.run_until(MS(9_000), |world| world.arrived() > arrived);
    assert!(world.now.since(healed) <= MS(1_100), "{:?}", world.now.since(healed));
    world.run(MS(2_000));
    let rate = world.rate(MS(2_000));
    assert!(rate > 0.9 * 18.9, "{rate}");
    assert_eq!(world.suspicion(0, 0), None, "where there is no other, nothing is suspected");
}

/// [TMP-163]
#[test]
fn who_was_restarted_goes_on_from_what_the_path_carried() {
    let way = Way::new(50, 200);
    let mut world = World::new(Spread::Failover, &[way]);
    let fresh = world.echo(3_000_000);
    world.echo(3_000_000);
    world.restart(1);
    let after_back = world.echo(3_000_000);
    world.echo(3_000_000);
    world.restart(0);
    let after_front = world.echo(3_000_000);
    println!(
        "3 MB there and back: {fresh:?}, {after_back:?} after the back-end's restart, {after_front:?} after the front-end's"
    );
    assert!(after_back + MS(800) < fresh, "both directions begin near their rate: {fresh:?} {after_back:?}");
    assert!(after_front + MS(400) < fresh, "one does: {fresh:?} {after_front:?}");
}

/// [TMP-163]
#[test]
fn a_path_that_has_become_narrower_is_not_flooded() {
    let mut world = World::new(Spread::Failover, &[Way::new(50, 200)]);
    world.echo(3_000_000);
    world.echo(3_000_000);
    world.ways[0].bits_per_s /= 10;
    world.restart(1);
    let after = world.echo(1_000_000);
    let mut narrow = World::new(Spread::Failover, &[Way::new(5, 200)]);
    let fresh = narrow.echo(1_000_000);
    assert!(after < fresh + MS(1_500), "{fresh:?} {after:?}");
    let lost = world.ends[0].endpoint.tunnel(world.tunnel).unwrap().snapshot().counters.lost_packets;
    println!(
        "1 MB there and back on a tenth: {fresh:?} fresh, {after:?} with the memory of ten times as much, {lost} lost"
    );
}

/// [TMP-160.2]
#[test]
fn the_best_path_has_the_data_and_another_takes_over_when_it_is_clearly_better() {
    let mut world = World::new(Spread::Best, &[Way::new(20, 80), Way::new(20, 40)]);
    world.open(40_000_000);
    world.run(MS(4_000));
    assert_eq!((world.active(0), world.active(1)), (1, 1), "the shorter one");
    world.ways[0].delay_us = 35_000;
    world.ways[1].delay_us = 32_000;
    world.run(MS(5_000));
    assert_eq!(world.active(0), 1, "a little is no reason to move");
    world.ways[1].delay_us = 70_000;
    world.run(MS(5_000));
    assert_eq!(world.active(0), 0, "twice is");
    let forecast = world.paths(0)[0].unwrap().forecast.unwrap();
    let came = forecast.came.unwrap_or(forecast.expected);
    assert!(forecast.expected.rtt_us < 90_000 && came.rtt_us < 90_000, "{forecast:?}");
}

/// [TMP-164]
#[test]
fn a_path_beyond_a_limit_is_left_and_what_came_is_told() {
    let limits = PathLimits { loss_ppm: 20_000, ..PathLimits::default() };
    let chosen = PathUse { spread: Spread::Failover, limits };
    let mut world = World::new(chosen, &[Way::new(20, 60), Way::new(20, 80)]);
    world.open(40_000_000);
    world.run(MS(3_000));
    assert_eq!((world.active(0), world.active(1)), (0, 0));
    world.ways[0].loss_ppm = 40_000;
    let soured = world.now;
    world.run_until(MS(20_000), |world| world.active(0) == 1);
    assert!(world.now.since(soured) < MS(12_000), "{:?}", world.now.since(soured));
    assert_eq!(world.suspicion(0, 0), Some(Suspicion::LossLimit));
    world.run(MS(5_000));
    let forecast = world.paths(0)[1].unwrap().forecast.unwrap();
    let came = forecast.came.unwrap();
    assert!(forecast.from.index() == 0 && came.bytes_per_s > 1_500_000, "{forecast:?}");
    world.ways[0].loss_ppm = 0;
    world.run(MS(25_000));
    assert_eq!(world.active(0), 0, "when it has healed it is used again");
}

/// [TMP-164]
#[test]
fn where_all_paths_are_beyond_a_limit_the_first_that_works_is_used() {
    let limits = PathLimits { rtt_us: 30_000, ..PathLimits::default() };
    let chosen = PathUse { spread: Spread::Failover, limits };
    let mut world = World::new(chosen, &[Way::new(20, 60), Way::new(20, 80)]);
    world.open(20_000_000);
    let rate = world.rate(MS(4_000));
    assert!(rate > 12.0, "{rate}");
    assert_eq!((world.active(0), world.suspicion(0, 1)), (0, Some(Suspicion::RttLimit)));
    world.ways[0].is_cut = true;
    world.run(MS(3_000));
    assert_eq!(world.active(0), 1, "a slow path is better than a dead one");
}

/// [TMP-164.1]
#[test]
fn what_is_too_much_for_one_path_goes_over_the_next_one_too() {
    let limits = PathLimits { wait_us: 60_000, ..PathLimits::default() };
    let chosen = PathUse { spread: Spread::Failover, limits };
    let mut world = World::new(chosen, &[Way::new(20, 40), Way::new(20, 60)]);
    let sent = |world: &mut World| world.paths(0).map(|path| path.map_or(0, |path| path.sent_bytes));
    for _ in 0..20 {
        world.open(20_000);
        world.run(MS(100));
    }
    let small = sent(&mut world);
    assert!(small[0] > 400_000 && small[1] < 20_000, "there is room on the first: {small:?}");
    for _ in 0..8 {
        world.open(10_000_000);
    }
    world.run(MS(2_000));
    let rate = world.rate(MS(6_000));
    assert!(rate > 0.85 * 40.0 * 1_399.0 / 1_480.0, "{rate}");
    let tunnel = world.tunnel;
    assert!(world.ends[0].endpoint.tunnel(tunnel).unwrap().is_strained(), "other routes are to be preferred");
}
