//! What a pair of tunnels must do whatever the path does: scenarios, and a few hundred seeds of anything.

use crate::stdx::prng::Prng;
use crate::time::{Duration, Instant};
use crate::tmp::carrier::{Carrier, Handled};
use crate::tmp::event::Event;
use crate::tmp::id::{PathId, StreamId};
use crate::tmp::options::TunnelOptions;
use crate::tmp::pair::{Pair, small_options};
use crate::tmp::pair_link::LinkOptions;

const MINUTE: Duration = Duration::from_secs(60);

/// Whether all streams are closed at both ends, or were given up.
fn all_closed(pair: &Pair) -> bool {
    pair.ends.iter().all(|end| end.flows.values().all(|flow| flow.closed)) && !pair.ends[1].flows.is_empty()
}

fn rate(bytes_per_s: u64, queue_us: u64, link: LinkOptions) -> LinkOptions {
    LinkOptions { rate_bytes_per_s: bytes_per_s, queue_us_max: queue_us, ..link }
}

/// Carries `bytes` over the link and says how long it took, in ms.
fn carry(seed: u64, link: LinkOptions, bytes: usize) -> (Pair, u64) {
    let mut pair = Pair::over(seed, link);
    let stream = pair.open(0, bytes);
    assert!(
        pair.run(10 * MINUTE, |pair| pair.accepted(stream).read_to_end),
        "{:?}",
        pair.ends[0].tunnel.snapshot()
    );
    assert_eq!(pair.accepted(stream).read, bytes);
    let ms = pair.now.as_us() / 1_000;
    (pair, ms)
}

#[test]
fn a_small_exchange_takes_one_round_trip() {
    let mut pair = Pair::over(1, LinkOptions::clean(25_000));
    pair.answers = [4_000; 4];
    let stream = pair.open(0, 700);
    assert!(pair.run(MINUTE, |pair| pair.ends[0].flows[&stream].read_to_end));
    assert_eq!(pair.now.as_us(), 50_000);
    pair.settle();
    assert!(
        matches!(pair.ends[0].news[..], [Event::Readable(_), Event::Closed(_)]),
        "{:?}",
        pair.ends[0].news
    );
}

#[test]
fn any_path_delivers_every_byte_in_order() {
    for seed in 0..300 {
        let mut random = Prng::new(seed);
        let links = [LinkOptions::any(&mut random), LinkOptions::any(&mut random)];
        let mut pair = Pair::new(seed, &small_options(), links);
        pair.answers = [0, 100, 20_000, random.below(200_000) as usize];
        for _ in 0..random.between(1, 12) {
            let bytes_max = if random.ppm(200_000) { 200_000 } else { 3_000 };
            let bytes = random.below(bytes_max) as usize;
            pair.open(random.below(4) as u8, bytes);
            pair.run(Duration::from_micros(random.below(50_000)), |_| false);
        }
        assert!(pair.run(10 * MINUTE, all_closed), "seed {seed}: {links:?} {pair:?}");
        for end in &pair.ends {
            assert!(end.flows.values().all(|flow| flow.read_to_end), "seed {seed}");
        }
        pair.settle();
    }
}

#[test]
fn a_seed_gives_the_same_trace() {
    let run = |seed| {
        let mut random = Prng::new(seed);
        let links = [LinkOptions::any(&mut random), LinkOptions::any(&mut random)];
        let mut pair = Pair::new(seed, &small_options(), links);
        pair.answers = [50_000; 4];
        (0..5).for_each(|_| {
            pair.open(0, 30_000);
        });
        pair.settle();
        pair.trace
    };
    assert!((0..5).all(|seed| run(seed) == run(seed)));
    assert_ne!(run(1), run(2));
}

#[test]
fn a_clean_fast_path_is_filled() {
    // 100 Mbit/s, 40 ms, a queue of one round trip: 20 MB are 1.6 s of work.
    let link = rate(12_500_000, 40_000, LinkOptions::clean(20_000));
    let (pair, ms) = carry(1, link, 20_000_000);
    let snapshot = pair.ends[0].tunnel.snapshot();
    assert!(ms < 2_300, "{ms} ms {snapshot:?}");
    assert_eq!((snapshot.mtu_bytes, snapshot.counters.spurious_packets), (1_452, 0));
}

#[test]
fn one_per_cent_loss_at_100_ms_completes() {
    let link = LinkOptions { loss_ppm: 10_000, ..rate(12_500_000, 100_000, LinkOptions::clean(50_000)) };
    let (pair, ms) = carry(2, link, 1_500_000);
    let counters = pair.ends[0].tunnel.snapshot().counters;
    // A loss-based window keeps 1.2 / sqrt(p) packets in flight: 1.4 Mbit/s.
    assert!(ms < 15_000, "{ms} ms");
    assert!(counters.lost_packets > 5 && counters.spurious_packets == 0, "{counters:?}");
    assert!(counters.retransmitted_bytes < 1_500_000 / 20, "{counters:?}");
}

/// [TMP-120]
#[test]
fn reordering_is_learnt() {
    let link = LinkOptions {
        reorder_ppm: 250_000,
        reorder_us: 5_000,
        ..rate(25_000_000, 40_000, LinkOptions::clean(20_000))
    };
    let (pair, ms) = carry(3, link, 20_000_000);
    let counters = pair.ends[0].tunnel.snapshot().counters;
    assert!(counters.spurious_packets * 100 < counters.sent_packets, "below 1 %: {counters:?}");
    assert!(ms < 2_000, "{ms} ms {counters:?}");
}

#[test]
fn lost_acknowledgements_cost_little() {
    let forth = rate(12_500_000, 40_000, LinkOptions::clean(20_000));
    let back = LinkOptions { loss_ppm: 300_000, ..LinkOptions::clean(20_000) };
    let mut pair = Pair::new(4, &small_options(), [forth, back]);
    let stream = pair.open(0, 5_000_000);
    assert!(pair.run(MINUTE, |pair| pair.accepted(stream).read_to_end));
    let counters = pair.ends[0].tunnel.snapshot().counters;
    assert!(
        pair.now.as_us() < 1_500_000 && counters.retransmitted_bytes < 250_000,
        "{:?} {counters:?}",
        pair.now
    );
}

#[test]
fn a_black_out_heals() {
    let link = LinkOptions {
        dark_us: (300_000, 8_300_000),
        ..rate(12_500_000, 100_000, LinkOptions::clean(50_000))
    };
    let mut pair = Pair::over(5, link);
    let stream = pair.open(0, 10_000_000);
    assert!(pair.run(MINUTE, |pair| pair.ends[0].tunnel.is_path_lost()));
    assert!(pair.now.as_us() < 3_000_000, "{:?}", pair.now);
    assert!(pair.run(MINUTE, |pair| !pair.ends[0].tunnel.is_path_lost()));
    // Probes are three seconds apart at most.
    assert!((8_300_000..11_500_000).contains(&pair.now.as_us()), "{:?}", pair.now);
    let healed = pair.now;
    assert!(pair.run(MINUTE, |pair| pair.accepted(stream).read_to_end));
    assert!(pair.now.us_since(healed) < 3_500_000, "{:?}", pair.now);
    pair.settle();
    let news = &pair.ends[0].news;
    assert!(news.contains(&Event::PathLost) && news.contains(&Event::PathFound));
    assert_eq!(pair.ends[0].tunnel.snapshot().counters.path_losses, 1);
}

#[test]
fn a_path_that_becomes_narrow_is_noticed() {
    let mut pair = Pair::over(6, rate(2_500_000, 50_000, LinkOptions::clean(10_000)));
    let stream = pair.open(0, 3_000_000);
    pair.run(Duration::from_millis(500), |_| false);
    assert_eq!(pair.ends[0].tunnel.snapshot().mtu_bytes, 1_452);
    pair.links[0].options.mtu_bytes = 1_300;
    assert!(pair.run(MINUTE, |pair| pair.accepted(stream).read_to_end));
    let snapshot = pair.ends[0].tunnel.snapshot();
    assert_eq!((snapshot.mtu_bytes, snapshot.counters.mtu_black_holes), (1_200, 1));
    assert!(pair.now.as_us() < 20_000_000, "{:?}", pair.now);
}

#[test]
fn a_slow_reader_holds_up_itself_alone() {
    let mut pair = Pair::over(7, rate(12_500_000, 50_000, LinkOptions::clean(5_000)));
    pair.acceptor_is_stuck = true;
    let stuck: Vec<StreamId> = (0..20).map(|_| pair.open(0, 3_000_000)).collect();
    pair.run(Duration::from_secs(1), |_| false);
    pair.acceptor_is_stuck = false;
    let quick = pair.open(0, 2_000_000);
    let before = pair.now;
    assert!(pair.run(MINUTE, |pair| pair.accepted(quick).read_to_end));
    assert!(pair.now.us_since(before) < 600_000, "{:?}", pair.now);
    let held = pair.ends[1].tunnel.snapshot().receive_buffered_bytes;
    assert!(held <= 20 * (68 << 10), "the window bounds the memory: {held}");
    for stream in &stuck {
        pair.ends[1].flows.get_mut(stream).unwrap().is_stuck = false;
        pair.ends[1].read(*stream);
    }
    assert!(pair.run(MINUTE, all_closed));
    pair.settle();
}

#[test]
fn a_thousand_streams_share() {
    let link = LinkOptions { loss_ppm: 5_000, ..rate(12_500_000, 50_000, LinkOptions::clean(10_000)) };
    let mut pair = Pair::over(8, link);
    pair.answers = [5_000; 4];
    (0..1_000).for_each(|_| {
        pair.open(0, 1_000);
    });
    assert!(pair.run(MINUTE, all_closed));
    assert!(pair.now.as_us() < 3_000_000, "{:?}", pair.now);
    pair.settle();
    assert!(pair.ends[1].flows.values().all(|flow| flow.read == 1_000));
}

/// [TMP-41.1] [TMP-110]
#[test]
fn ids_come_back_and_old_packets_hurt_nobody() {
    let options = TunnelOptions { streams_max: 4, ..small_options() };
    let link = LinkOptions {
        duplicate_ppm: 300_000,
        reorder_ppm: 300_000,
        reorder_us: 8_000,
        ..LinkOptions::clean(1_000)
    };
    let mut pair = Pair::new(9, &options, [link, link]);
    pair.answers = [300; 4];
    for round in 0..1_500 {
        if pair.ends[0].tunnel.snapshot().streams_open == 4 {
            assert!(pair.ends[0].tunnel.open(0, 0).is_err());
        }
        assert!(pair.run(MINUTE, |pair| pair.ends[0].tunnel.snapshot().streams_open < 4), "round {round}");
        pair.open(0, 200);
    }
    pair.settle();
    assert_eq!(pair.ends[1].tunnel.snapshot().counters.streams_opened, 1_500);
    assert!(pair.ends[0].flows.keys().any(|stream| stream.generation == 255), "names were used again");
}

/// [TMP-53] [TMP-54] [TMP-113]
#[test]
fn reset_stop_and_abort_reach_the_peer() {
    for (seed, loss_ppm) in [(10, 0), (11, 300_000), (12, 450_000)] {
        let mut pair = Pair::over(seed, LinkOptions { loss_ppm, ..LinkOptions::clean(5_000) });
        pair.answers = [500_000; 4];
        let [reset, stop, abort, early] = [(); 4].map(|()| pair.open(0, 500_000));
        pair.ends[0].tunnel.abort(early, 40);
        pair.run(Duration::from_millis(30), |_| false);
        pair.ends[0].tunnel.reset(reset, 10);
        pair.ends[1].tunnel.stop(stop, 20);
        pair.ends[0].tunnel.abort(abort, 30);
        let all = pair.run(10 * MINUTE, all_closed);
        assert!(all, "{:?} {:?}", pair.ends[0].flows, pair.ends[1].flows);
        pair.settle();
        let far = |stream| pair.accepted(stream);
        assert_eq!((far(reset).reset, far(reset).stopped), (Some(10), None));
        assert!(pair.ends[0].flows[&reset].read_to_end, "the other half goes on");
        if far(stop) != crate::tmp::pair::Flow::default() && pair.ends[0].flows[&stop].stopped.is_some() {
            assert_eq!(pair.ends[0].flows[&stop].stopped, Some(20));
        }
        assert_eq!((far(abort).reset, far(abort).stopped), (Some(30), Some(30)));
        assert_eq!((far(early).reset, far(early).stopped), (Some(40), Some(40)));
    }
}

/// [TMP-55]
#[test]
fn classes_travel_both_ways() {
    let mut pair = Pair::over(13, LinkOptions::clean(1_000));
    let stream = pair.open(3, 10);
    pair.ends[0].flows.get_mut(&stream).unwrap().stays_open = true;
    pair.run(Duration::from_millis(50), |_| false);
    assert_eq!(pair.ends[1].tunnel.class(stream), Some(3));
    pair.ends[0].tunnel.set_class(stream, 1);
    pair.run(Duration::from_millis(50), |_| false);
    assert_eq!(pair.ends[1].tunnel.class(stream), Some(1));
    pair.ends[1].tunnel.set_class(stream, 2);
    pair.run(Duration::from_millis(50), |_| false);
    assert_eq!(pair.ends[0].tunnel.class(stream), Some(2));
}

/// [TMP-51]
#[test]
fn an_idle_tunnel_pings_and_notices_a_lost_path() {
    let options = TunnelOptions { keep_alive: Duration::from_secs(10), ..small_options() };
    let mut pair = Pair::new(14, &options, [LinkOptions::clean(1_000); 2]);
    pair.run(Duration::from_secs(100), |_| false);
    let sent = pair.ends[0].tunnel.snapshot().counters.sent_packets;
    assert!((10..50).contains(&sent), "{sent}");
    let dark = pair.now.as_us();
    pair.links.iter_mut().for_each(|link| link.options.dark_us = (dark, u64::MAX));
    assert!(pair.run(MINUTE, |pair| pair.ends.iter().all(|end| end.tunnel.is_path_lost())));
    assert!(pair.now.as_us() - dark < 20_000_000);
}

/// [TMP-50] [TMP-84]
#[test]
fn a_close_is_told_and_a_duplicate_is_not_looked_at() {
    let mut pair = Pair::over(15, LinkOptions::clean(1_000));
    pair.ends[0].tunnel.queue_close(7);
    pair.run(Duration::from_millis(10), |_| false);
    assert_eq!(pair.ends[1].news, [Event::PeerClosed { code: 7 }]);
    let tunnel = &mut pair.ends[1].tunnel;
    let handled = tunnel.handle_packet(Instant::from_us(10_000), (PathId(0), 0), Default::default(), &[0xff]);
    assert_eq!(handled, Handled::Duplicate);
    let handled =
        tunnel.handle_packet(Instant::from_us(10_000), (PathId(0), 1_000), Default::default(), &[0xff]);
    assert_eq!(handled, Handled::Violation);
}

/// [TMP-52]
#[test]
fn challenges_are_answered() {
    let mut pair = Pair::over(16, LinkOptions::clean(1_000));
    pair.ends[0].tunnel.queue_path_challenge(PathId(0), 99);
    pair.run(Duration::from_millis(10), |_| false);
    assert_eq!(pair.ends[0].tunnel.take_path_response(), Some(99));
    assert_eq!(pair.ends[0].tunnel.take_path_response(), None);
}

#[test]
fn a_path_of_50_us_is_used_at_line_rate() {
    // 10 Gbit/s: 50 MB are 40 ms of work.
    let (pair, ms) = carry(17, rate(1_250_000_000, 2_000, LinkOptions::clean(25)), 50_000_000);
    assert!(ms < 80, "{ms} ms {:?}", pair.ends[0].tunnel.snapshot());
}

/// [TMP-44.3]
#[test]
fn marks_keep_the_queue_short() {
    let link = LinkOptions { mark_us: 10_000, ..rate(6_250_000, 200_000, LinkOptions::clean(10_000)) };
    let (pair, ms) = carry(18, link, 10_000_000);
    let snapshot = pair.ends[0].tunnel.snapshot();
    assert!(ms < 2_200, "{ms} ms");
    assert_eq!(snapshot.counters.lost_packets, 0, "{snapshot:?}");
    assert!(snapshot.srtt_us < 60_000, "{snapshot:?}");
}

#[test]
fn bulk_packets_are_full() {
    let (pair, _) = carry(19, LinkOptions::clean(5_000), 5_000_000);
    let counters = pair.ends[0].tunnel.snapshot().counters;
    let overhead = counters.sent_bytes as f64 / 5_000_000.0;
    assert!(overhead < 1.03, "header, tag and frame cost 2.3 %: {overhead}");
}

/// Little memory for many streams: 32 streams, of which a few can have more than the least credit.
fn tight_options() -> TunnelOptions {
    let options = TunnelOptions { streams_max: 32, send_budget_bytes: 256 << 10, ..small_options() };
    TunnelOptions { receive_budget_bytes: options.receive_budget_bytes_min() + (200 << 10), ..options }
}

#[test]
fn giving_up_at_any_time_leaves_nothing_behind() {
    // With 1,142 all packets in flight but those that nobody repeated were refused for want of memory.
    for seed in (0..150).chain([1_142]) {
        let mut random = Prng::new(seed);
        let links = [LinkOptions::any(&mut random), LinkOptions::any(&mut random)];
        let options = if random.ppm(500_000) { tight_options() } else { small_options() };
        let mut pair = Pair::new(seed, &options, links);
        pair.answers = [0, 3_000, 40_000, 200_000];
        let mut streams = Vec::new();
        for _ in 0..random.between(5, 60) {
            if streams.len() < 20 {
                streams.push(pair.open(random.below(4) as u8, random.below(60_000) as usize));
            }
            let which = random.below(2) as usize;
            let stream = streams[random.below(streams.len() as u64) as usize];
            let tunnel = &mut pair.ends[which].tunnel;
            match random.below(8) {
                0 => tunnel.reset(stream, 1),
                1 => tunnel.stop(stream, 2),
                2 => tunnel.abort(stream, 3),
                3 => tunnel.set_class(stream, random.below(4) as u8),
                4 => pair.stick(which, stream),
                _ => {}
            }
            pair.run(Duration::from_micros(random.below(40_000)), |_| false);
            let snapshot = pair.ends[1].tunnel.snapshot();
            assert!(snapshot.receive_buffered_bytes as usize <= options.receive_budget_bytes);
            assert_eq!(snapshot.counters.violations, 0);
        }
        for which in [0, 1] {
            for stream in &streams {
                if let Some(flow) = pair.ends[which].flows.get_mut(stream) {
                    flow.is_stuck = false;
                }
                pair.ends[which].read(*stream);
            }
        }
        assert!(
            pair.run(20 * MINUTE, all_closed),
            "seed {seed} {:?} {:?}",
            pair.ends[0].flows,
            pair.ends[1].flows
        );
        pair.settle();
    }
}
