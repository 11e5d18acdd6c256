//! What the tunnel's congestion control does on a long path: bulk, queue, cold start, reordering, small answers, and
//! whether the reference flows behave as known of them.

use crate::stdx::prng::Prng;
use crate::time::{Duration, Instant};
use crate::tmp::bottleneck::{Flow, World};
use crate::tmp::bottleneck_tcp::{Kind, Tcp};
use crate::tmp::id::StreamId;
use crate::tmp::options::TunnelOptions;
use crate::tmp::pair::End;
use crate::tmp::pair_link::LinkOptions;

/// A line of `mbps` and `rtt_ms`, with a queue of so many round trips and the same loss both ways.
pub(in crate::tmp) fn line(mbps: u64, rtt_ms: u64, queue_rtts: f64, loss_ppm: u32) -> LinkOptions {
    let rate_bytes_per_s = mbps * 125_000;
    LinkOptions {
        rate_bytes_per_s,
        queue_us_max: (rtt_ms as f64 * 1_000.0 * queue_rtts) as u64,
        loss_ppm,
        jitter_us: 2 * 1_500 * 1_000_000 / rate_bytes_per_s,
        ..LinkOptions::clean(rtt_ms * 500)
    }
}

/// What a tunnel may use in these tests.
pub(in crate::tmp) fn wide_options() -> TunnelOptions {
    TunnelOptions {
        streams_max: 512,
        send_budget_bytes: 256 << 20,
        send_buffer_bytes_max: 16 << 20,
        receive_budget_bytes: 256 << 20,
        receive_window_bytes_max: 16 << 20,
        keep_alive: Duration::ZERO,
        ..TunnelOptions::default()
    }
}

/// What one tunnel alone with so many bulk streams achieves.
#[derive(Debug)]
pub(in crate::tmp) struct Alone {
    /// Share of rate × 1448/1500 × (1 − p), over the whole run.
    pub(in crate::tmp) whole: f64,
    /// The same after the first quarter.
    pub(in crate::tmp) steady: f64,
    /// Mean queue after the first three seconds.
    pub(in crate::tmp) queue_ms: f64,
    /// Packets taken for lost that were not.
    pub(in crate::tmp) spurious: f64,
}

/// Runs it.
pub(in crate::tmp) fn alone(link: LinkOptions, streams: usize, secs: u64, seed: u64) -> Alone {
    let mut world = World::new(seed, [link, link]);
    let flow = world.add_tunnel(&wide_options());
    // The tunnel is warm: both ends know the rtt.
    world.touch(flow);
    world.run(Duration::from_secs(1));
    for _ in 0..streams {
        world.ends(flow)[0].open(0, usize::MAX / 2);
    }
    world.touch(flow);
    let from = world.now;
    let limit = link.rate_bytes_per_s as f64 * 1448.0 / 1500.0 * (1.0 - f64::from(link.loss_ppm) / 1e6);
    world.run(Duration::from_secs(3));
    let early = world.tallies[flow];
    world.run((from + Duration::from_secs(secs / 4)).since(world.now));
    let (quarter, at) = (world.goodput_bytes(flow, 0), world.now);
    world.run((from + Duration::from_secs(secs)).since(world.now));
    let bytes = world.goodput_bytes(flow, 0);
    let share = |bytes: u64, from: Instant| bytes as f64 / (limit * world.now.since(from).as_secs_f64());
    let counters = match &world.flows[flow] {
        Flow::Tunnel(ends) => ends[0].tunnel.snapshot().counters,
        Flow::Tcp(_) => panic!("it is a tunnel"),
    };
    Alone {
        whole: share(bytes, from),
        steady: share(bytes - quarter, at),
        queue_ms: world.tallies[flow].queue_ms(&early, 0),
        spurious: counters.spurious_packets as f64 / counters.sent_packets as f64,
    }
}

/// Mbit/s of payload of one TCP alone.
fn tcp_alone(kind: Kind, link: LinkOptions, secs: u64) -> f64 {
    let mut world = World::new(7, [link, link]);
    let flow = world.add_tcp(Tcp::new(kind, Instant::ORIGIN), 0);
    world.run(Duration::from_secs(secs / 4));
    let before = world.goodput_bytes(flow, 0);
    world.run(Duration::from_secs(secs - secs / 4));
    (world.goodput_bytes(flow, 0) - before) as f64 * 8.0 / (secs - secs / 4) as f64 / 1e6
}

#[test]
fn the_references_behave_as_measured_of_the_real_ones() {
    // 50 Mbit/s × 100 ms, one BDP of queue; the kernel's flows gave 48.3 and 1.4 (CUBIC), 47.1 and 45.4 (BBR).
    let at = |kind, loss_ppm| tcp_alone(kind, line(50, 100, 1.0, loss_ppm), 24);
    assert!((46.0..48.5).contains(&at(Kind::Cubic, 0)), "{}", at(Kind::Cubic, 0));
    assert!((1.0..2.2).contains(&at(Kind::Cubic, 10_000)), "{}", at(Kind::Cubic, 10_000));
    assert!((0.9..2.2).contains(&at(Kind::Reno, 10_000)), "{}", at(Kind::Reno, 10_000));
    assert!(at(Kind::Bbr, 0) > 44.0, "{}", at(Kind::Bbr, 0));
    assert!(at(Kind::Bbr, 10_000) > 43.0, "{}", at(Kind::Bbr, 10_000));
}

/// Answers that are not counted: the window of ten packets has to open first.
const WARM_UP: usize = 20;

/// How long answers of 20 KiB took to the last byte, in ms: 20 a second by chance, each on a stream of its own.
#[derive(Debug)]
struct Page {
    p50: f64,
    p90: f64,
    p99: f64,
    unfinished: usize,
}

fn page(link: LinkOptions, count: usize, seed: u64) -> Page {
    page_with(&wide_options(), link, count, seed)
}

fn page_with(options: &TunnelOptions, link: LinkOptions, count: usize, seed: u64) -> Page {
    let mut random = Prng::new(seed);
    let mut world = World::new(seed, [link, link]);
    world.answers = [20 << 10; 4];
    let flow = world.add_tunnel(options);
    world.touch(flow);
    world.run(Duration::from_secs(1));
    let mut took: Vec<f64> = Vec::new();
    let mut under_way: Vec<(StreamId, Instant)> = Vec::new();
    for number in 0..count + WARM_UP {
        // An exponential pause of 50 ms in the mean.
        let uniform = (random.below(1 << 32) + 1) as f64 / (1_u64 << 32) as f64;
        world.run(Duration::from_micros((-uniform.ln() * 50_000.0) as u64));
        let now = world.now;
        let ends = world.ends(flow);
        under_way.push((ends[0].open(0, 300), now));
        collect(&mut ends[0], &mut under_way, &mut took);
        world.touch(flow);
        if number == WARM_UP {
            took.clear();
        }
    }
    world.run(Duration::from_secs(30));
    collect(&mut world.ends(flow)[0], &mut under_way, &mut took);
    took.sort_by(f64::total_cmp);
    let at = |share: f64| took[((took.len() - 1) as f64 * share) as usize];
    Page { p50: at(0.50), p90: at(0.90), p99: at(0.99), unfinished: under_way.len() }
}

/// Takes those that are done out.
fn collect(end: &mut End, under_way: &mut Vec<(StreamId, Instant)>, took: &mut Vec<f64>) {
    under_way.retain(|(stream, opened)| {
        let is_done = end.flows[stream].read_to_end;
        if is_done {
            took.push(end.flows[stream].read_at.us_since(*opened) as f64 / 1e3);
        }
        !is_done
    });
}

#[test]
fn bulk_fills_the_path_whatever_the_loss_and_keeps_the_queue_empty() {
    for loss_ppm in [0, 1_000, 10_000, 30_000] {
        let result = alone(line(50, 100, 1.0, loss_ppm), 1, 20, 1);
        let Alone { steady, whole, queue_ms, .. } = result;
        assert!(whole > 0.88 && steady > 0.94, "{loss_ppm} ppm: {result:?}");
        assert!(queue_ms < 3.0, "{loss_ppm} ppm: {result:?}");
    }
}

#[test]
fn a_cold_start_over_a_long_lossy_path_is_quick() {
    let result = alone(line(50, 200, 1.0, 30_000), 1, 20, 2);
    assert!(result.whole > 0.80, "{result:?}");
}

#[test]
fn a_long_lossy_path_of_100_mbit_is_filled_by_many() {
    let result = alone(line(100, 200, 1.0, 10_000), 16, 12, 3);
    assert!(result.steady > 0.90 && result.queue_ms < 5.0, "{result:?}");
}

#[test]
fn reordering_costs_little() {
    let clean = line(50, 200, 1.0, 0);
    let link = LinkOptions { reorder_ppm: 250_000, reorder_us: 5_000, ..clean };
    let [clean, reordered] = [clean, link].map(|link| alone(link, 1, 20, 4));
    assert!(reordered.whole > 0.90 * clean.whole, "{reordered:?} {clean:?}");
    assert!(reordered.spurious < 0.01, "{reordered:?}");
}

#[test]
fn small_answers_leave_at_once() {
    let result = page(line(50, 100, 1.0, 0), 400, 1);
    assert!(result.unfinished == 0 && result.p50 < 105.0 && result.p99 < 111.0, "{result:?}");
    // One in seven loses one of its sixteen packets, which is made of the others; one in ninety loses two, and takes
    // another round trip.
    let result = page(line(50, 100, 1.0, 10_000), 2_000, 2);
    assert!(result.unfinished == 0 && result.p50 < 106.0 && result.p99 < 207.0, "{result:?}");
    let options = TunnelOptions { repair_percent: 25, ..wide_options() };
    let result = page_with(&options, line(50, 100, 1.0, 10_000), 2_000, 2);
    assert!(result.unfinished == 0 && result.p50 < 106.0 && result.p99 < 125.0, "{result:?}");
    let options = TunnelOptions { repair_percent: 0, ..wide_options() };
    let result = page_with(&options, line(50, 100, 1.0, 10_000), 2_000, 2);
    assert!(result.unfinished == 0 && result.p99 < 320.0, "{result:?}");
}

/// How long answers of 2 KiB to ten urgent requests a second took beside a download that fills the line, in ms; the
/// download's share of what they left, and repair data in percent of what the answering end sent.
fn beside_bulk(
    options: &TunnelOptions,
    link: LinkOptions,
    (after, count): (Duration, usize),
    seed: u64,
) -> (Page, f64, f64) {
    let mut world = World::new(seed, [link, link]);
    world.answers = [2 << 10, 0, 0, usize::MAX / 2];
    let flow = world.add_tunnel(options);
    world.touch(flow);
    world.run(Duration::from_secs(1));
    world.ends(flow)[0].open(3, 300);
    world.touch(flow);
    world.run(after);
    let (mut took, mut under_way) = (Vec::new(), Vec::new());
    let (before, from) = (world.goodput_bytes(flow, 1), world.now);
    for _ in 0..count {
        world.run(Duration::from_millis(100));
        let now = world.now;
        let ends = world.ends(flow);
        under_way.push((ends[0].open(0, 300), now));
        collect(&mut ends[0], &mut under_way, &mut took);
        world.touch(flow);
    }
    world.run(Duration::from_secs(2));
    let limit = link.rate_bytes_per_s as f64 * 1448.0 / 1500.0 * (1.0 - f64::from(link.loss_ppm) / 1e6);
    let share =
        (world.goodput_bytes(flow, 1) - before) as f64 / (limit * world.now.since(from).as_secs_f64());
    collect(&mut world.ends(flow)[0], &mut under_way, &mut took);
    took.sort_by(f64::total_cmp);
    let at = |share: f64| took[((took.len() - 1) as f64 * share) as usize];
    let counters = world.ends(flow)[1].tunnel.snapshot().counters;
    let repair_percent = counters.repair_bytes_sent as f64 * 100.0 / counters.sent_bytes as f64;
    let page = Page { p50: at(0.50), p90: at(0.90), p99: at(0.99), unfinished: under_way.len() };
    (page, share, repair_percent)
}

#[test]
fn urgent_answers_beside_bulk_arrive_the_first_time() {
    let after = Duration::from_secs(5);
    let (page, share, _) = beside_bulk(&wide_options(), line(50, 100, 1.0, 0), (after, 600), 1);
    assert!(page.unfinished == 0 && page.p99 < 115.0 && share > 0.92, "{page:?} {share}");
    let lossy = line(50, 100, 1.0, 10_000);
    let (page, share, repair_percent) = beside_bulk(&wide_options(), lossy, (after, 1_000), 2);
    assert!(page.unfinished == 0 && page.p99 < 130.0 && share > 0.92, "{page:?} {share}");
    assert!(repair_percent < 2.0, "{repair_percent}");
}

/// The first 15 s of a download, as `beside_bulk` sees them.
#[test]
#[ignore = "a table to look at"]
fn beginning() {
    for (mbps, rtt_ms, queue_rtts) in
        [(50, 100, 1.0), (50, 100, 3.0), (20, 60, 2.0), (100, 40, 1.0), (200, 150, 0.7)]
    {
        for seed in 1..=4 {
            let after = Duration::from_millis(seed * 7);
            let (page, share, _) =
                beside_bulk(&wide_options(), line(mbps, rtt_ms, queue_rtts, 0), (after, 150), seed);
            eprintln!(
                "{mbps} Mbit/s {rtt_ms} ms queue {queue_rtts}: p50 {:.1} p90 {:.1} p99 {:.1} download {share:.3}",
                page.p50, page.p90, page.p99
            );
        }
    }
}

#[test]
#[ignore = "a table to look at"]
fn table() {
    for loss_ppm in [0, 1_000, 10_000] {
        eprintln!("20 KiB answers, {loss_ppm} ppm: {:.1?}", page(line(50, 100, 1.0, loss_ppm), 2_000, 3));
    }
    for (ppm, us) in [(250_000, 5_000), (50_000, 20_000)] {
        let link = LinkOptions { reorder_ppm: ppm, reorder_us: us, ..line(50, 200, 1.0, 0) };
        let Alone { whole, steady, queue_ms, spurious } = alone(link, 1, 20, 4);
        eprintln!(
            "reorder {ppm} {us}: whole {whole:.3} steady {steady:.3} queue {queue_ms:.1} spurious {spurious:.4}"
        );
    }
    for (rtt, loss) in [(100, 0), (100, 1_000), (100, 10_000), (100, 30_000), (200, 30_000), (40, 10_000)] {
        for streams in [1, 16] {
            let Alone { whole, steady, queue_ms, spurious } = alone(line(50, rtt, 1.0, loss), streams, 20, 1);
            eprintln!(
                "50 Mbit/s {rtt} ms {loss} ppm × {streams}: whole {whole:.3} steady {steady:.3} queue {queue_ms:.1} ms \
                 spurious {spurious:.4}"
            );
        }
    }
}

#[test]
#[ignore = "a trace to look at"]
fn trace() {
    let link = line(50, 200, 1.0, 30_000);
    let mut world = World::new(2, [link, link]);
    let flow = world.add_tunnel(&wide_options());
    world.run(Duration::from_secs(1));
    world.ends(flow)[0].open(0, usize::MAX / 2);
    world.touch(flow);
    let mut before = (0, world.tallies[flow]);
    for _ in 0..100 {
        world.run(Duration::from_millis(100));
        let bytes = world.goodput_bytes(flow, 0);
        let now = world.now.as_us() / 1_000;
        let tally = world.tallies[flow];
        let s = world.ends(flow)[0].tunnel.snapshot();
        eprintln!(
            "{now:6} ms good {:.2} rate {:.3} pace {:.3} window {} in flight {} queue {:.1} est {:.1} {:?} {:?} {:?} lost {}",
            (bytes - before.0) as f64 * 80e-6,
            s.delivery_bytes_per_s as f64 * 8e-6,
            s.pacing_bytes_per_s as f64 * 8e-6,
            s.window_bytes,
            s.in_flight_bytes,
            tally.queue_ms(&before.1, 0),
            s.queue_us as f64 / 1e3,
            s.mode,
            s.reason,
            s.flows,
            s.counters.lost_packets,
        );
        before = (bytes, tally);
    }
}
