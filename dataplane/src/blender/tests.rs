//! The blender as a whole: golden vectors, the worked example among them, long runs, what a sub-packet costs. What holds for
//! any input is in `properties`.

use crate::blender::blend::{Blender, Grant};
use crate::blender::options::{BACKGROUND_EVERY_BYTES, Mode, Options, RINGS, WEIGHTS};

/// What a piece costs besides its bytes, and the room of a packet: the worked example's.
const FRAME_BYTES: usize = 10;
const ROOM_BYTES: usize = 1447;

/// Ready sources and bytes per ring: the worked example.
const EXAMPLE: [(u64, u64); RINGS] = [(2, 3000), (5, 12000), (20, 40000), (8, 60000), (3, 90000)];

fn literal() -> Options {
    Options { mode: Mode::Literal, ..Options::default() }
}

fn class_of(key: u32) -> usize {
    (key / 100) as usize
}

/// How the bytes of a ring lie in its sources.
#[derive(Clone, Copy, PartialEq)]
enum Lie {
    /// As if from one undivided buffer: whole sub-packets, and one shorter one at the end.
    Undivided,
    /// The same number in each source.
    Equal,
}

fn example(options: Options, lie: Lie) -> Blender {
    let mut blender = Blender::new(options, 500);
    for (class, &(ready, bytes)) in EXAMPLE.iter().enumerate() {
        let pieces = bytes.div_ceil(512);
        let mut left = bytes;
        for index in 0..ready {
            let whole = (pieces / ready + u64::from(index < pieces % ready)) * 512;
            let part = if lie == Lie::Equal { bytes / ready } else { whole.min(left) };
            blender.set((class as u64 * 100 + index) as u32, class as u8, part, false);
            left -= part;
        }
        assert_eq!(left, 0);
    }
    blender
}

/// Fills one packet.
fn packet(blender: &mut Blender) -> Vec<Grant> {
    let (mut room, mut grants) = (ROOM_BYTES, Vec::new());
    while room > FRAME_BYTES {
        let Some(grant) = blender.next(room - FRAME_BYTES) else {
            break;
        };
        room -= FRAME_BYTES + grant.bytes;
        grants.push(grant);
    }
    grants
}

/// One loop of the worked example: the packets, and per ring the sub-packets and the last packet with its bytes.
fn first_loop(lie: Lie) -> (usize, [u64; RINGS], [usize; RINGS]) {
    let mut blender = example(literal(), lie);
    let (mut packets, mut last) = (1, [0; RINGS]);
    let mut room = ROOM_BYTES;
    loop {
        let before = blender.counters();
        let Some(grant) = blender.next(room.saturating_sub(FRAME_BYTES)) else {
            (packets, room) = (packets + 1, ROOM_BYTES);
            continue;
        };
        if blender.counters().loops == 2 {
            return (last[2], before.rings.map(|ring| ring.sub_packets), last);
        }
        room -= FRAME_BYTES + grant.bytes;
        last[class_of(grant.key)] = packets;
    }
}

#[test]
fn the_worked_example_leaves_in_the_known_order() {
    let mut blender = example(literal(), Lie::Equal);
    let mut known = |wanted: &[(usize, usize)]| {
        let pieces: Vec<_> =
            packet(&mut blender).iter().map(|grant| (class_of(grant.key), grant.bytes)).collect();
        assert_eq!(pieces, wanted);
    };
    known(&[(0, 512), (0, 512), (1, 393)]);
    known(&[(1, 119), (0, 512), (1, 512), (2, 264)]);
    known(&[(2, 248), (0, 512), (1, 512), (2, 135)]);
    known(&[(2, 377), (3, 512), (0, 476)]);
}

#[test]
fn the_worked_example_has_the_known_counts() {
    assert_eq!(first_loop(Lie::Undivided), (46, [6, 24, 79, 16, 3], [6, 22, 46, 27, 13]));
    // 1,500 B per source of ring 0, 2,400 of ring 1, 2,000 of ring 2, 7,500 of ring 3, 30,000 of ring 4; what
    // ring 4's third sub-packet has left after packet 13 opens packet 14.
    assert_eq!(first_loop(Lie::Equal), (46, [6, 25, 80, 16, 3], [6, 23, 46, 27, 14]));
}

/// Sources that always have `bytes` waiting: ring `i` has `ready[i]` of them. Calls `see` for each grant with the
/// loop that it belongs to, until `loops` loops are over.
fn backlogged(
    options: Options,
    ready: [u32; RINGS],
    bytes: u64,
    loops: u64,
    mut see: impl FnMut(Grant, u64),
) {
    let mut blender = Blender::new(options, 500);
    for (class, &count) in ready.iter().enumerate() {
        for index in 0..count {
            blender.set(class as u32 * 100 + index, class as u8, bytes, false);
        }
    }
    loop {
        let Some(grant) = blender.next(1400) else {
            panic!("backlogged sources always send");
        };
        let number = blender.counters().loops;
        if number > loops {
            return;
        }
        see(grant, number);
        blender.set(grant.key, class_of(grant.key) as u8, bytes, false);
    }
}

/// Bytes per ring after 300 loops.
fn shares(options: Options, ready: [u32; RINGS], bytes: u64) -> [f64; RINGS] {
    let mut sent = [0; RINGS];
    backlogged(options, ready, bytes, 300, |grant, _| sent[class_of(grant.key)] += grant.bytes);
    let total: usize = sent.iter().sum();
    sent.map(|sent| sent as f64 / total as f64)
}

#[test]
fn neither_the_scale_of_the_weights_nor_that_of_the_loop_changes_a_share() {
    let ready = [1, 2, 3, 4, 5];
    let base = shares(Options::default(), ready, 5_000);
    let doubled = Options { weights: WEIGHTS.map(|weight| weight * 2), ..Options::default() };
    let long = Options { loop_bytes_max: 1 << 20, ..Options::default() };
    for other in [shares(doubled, ready, 5_000), shares(long, ready, 5_000), shares(literal(), ready, 5_000)]
    {
        for ring in 0..RINGS {
            assert!((other[ring] - base[ring]).abs() < 0.002, "{other:?} {base:?}");
        }
    }
}

#[test]
fn equal_sources_of_a_ring_get_equal_shares_and_none_waits_longer_than_two_loops() {
    let (mut sent, mut last, mut now) = ([0f64; 500], [0; 500], 0);
    backlogged(Options::default(), [3, 0, 40, 0, 100], 9_000, 300, |grant, number| {
        sent[grant.key as usize] += grant.bytes as f64;
        assert!(number - last[grant.key as usize] <= 2, "source {} starves", grant.key);
        last[grant.key as usize] = number;
        now = number;
    });
    assert!(now == 300 && last[400..500].iter().all(|&number| number + 1 >= now));
    for ring in [&sent[0..3], &sent[200..240], &sent[400..500]] {
        let (sum, squares) = (ring.iter().sum::<f64>(), ring.iter().map(|x| x * x).sum::<f64>());
        assert!(sum * sum / squares / ring.len() as f64 >= 0.999);
    }
}

#[test]
fn a_turn_is_kept_until_something_leaves() {
    for mode in [Mode::Literal, Mode::Bounded] {
        let mut blender = Blender::new(Options { mode, ..Options::default() }, 3);
        blender.set(0, 0, 2_000, false);
        blender.set(1, 0, 2_000, false);
        assert!((0..63).all(|room| blender.next(room).is_none()));
        assert_eq!(blender.peek(), Some(0));
        assert_eq!(blender.next(512), Some(Grant { key: 0, bytes: 512 }));
        assert_eq!(blender.next(512), Some(Grant { key: 1, bytes: 512 }));
    }
}

#[test]
fn a_sub_packet_that_was_cut_continues_before_anything_else() {
    let mut blender = Blender::new(Options::default(), 3);
    blender.set(1, 1, 2_000, false);
    // 500 would leave a sliver of 12.
    assert_eq!(blender.next(500), Some(Grant { key: 1, bytes: 448 }));
    blender.set(2, 1, 100, true);
    blender.set(0, 0, 100, false);
    assert_eq!((blender.next(52), blender.peek()), (None, Some(1)));
    assert_eq!(blender.next(1400), Some(Grant { key: 1, bytes: 64 }));
    assert_eq!(blender.next(1400), Some(Grant { key: 0, bytes: 100 }));
    assert_eq!(blender.next(1400), Some(Grant { key: 2, bytes: 100 }));
}

#[test]
fn a_source_that_goes_takes_the_rest_of_its_sub_packet_with_it() {
    let mut blender = Blender::new(Options::default(), 2);
    blender.set(0, 1, 2_000, false);
    blender.set(1, 1, 300, false);
    assert_eq!(blender.next(100), Some(Grant { key: 0, bytes: 100 }));
    blender.remove(0);
    assert_eq!(blender.next(1400), Some(Grant { key: 1, bytes: 300 }));
    assert!(blender.is_empty() && blender.counters().rings[1].sources == 1);
}

#[test]
fn a_ring_of_weight_0_is_served_when_others_are_empty_and_now_and_then() {
    let weights = [1, 0, 0, 0, 0];
    for (options, wanted) in [(Options { weights, ..Options::default() }, 1), (literal(), 0)] {
        let mut blender = Blender::new(Options { weights, ..options }, 2);
        blender.set(1, 4, 1_500, false);
        assert_eq!(blender.next(1400), Some(Grant { key: 1, bytes: 512 }));
        let mut sent = 0;
        while sent < 3 * BACKGROUND_EVERY_BYTES / 2 {
            blender.set(0, 0, 1_000, false);
            sent += blender.next(1400).map_or(0, |grant| grant.bytes as u64);
        }
        assert_eq!(blender.counters().rings[4].sub_packets, 1 + wanted);
    }
}

#[test]
fn a_long_loop_is_cut_short_only_when_bounded() {
    let loops = |options| {
        let mut blender = Blender::new(options, 1);
        blender.set(0, 4, 10_000_000, false);
        while blender.next(1400).is_some() {}
        blender.counters().loops
    };
    assert_eq!((loops(literal()), loops(Options::default())), (1, 153));
}

#[test]
fn a_refused_change_changes_nothing() {
    let mut blender = Blender::new(Options::default(), 1);
    assert!(blender.configure(WEIGHTS, 3).is_err() && blender.options().sub_packet_bytes == 512);
    assert!(blender.configure([1; RINGS], 1_400).is_ok() && blender.options().weights == [1; RINGS]);
}

/// One second at 300 Mbit/s, begun somewhere in a loop: what each ring has got of it.
#[test]
fn over_a_second_each_ring_has_its_share_within_two_per_cent() {
    const SECOND_BYTES: usize = 300_000_000 / 8;
    for options in [Options::default(), literal()] {
        for (ready, bytes) in
            [([2, 5, 20, 8, 3], 2_000), ([1, 1, 1, 1, 1], 64 << 10), ([9, 0, 30, 0, 90], 700)]
        {
            for before in [0, 123_456, 3_000_000] {
                let (mut sent, mut passed) = ([0f64; RINGS], 0);
                backlogged_bytes(options, ready, bytes, before + SECOND_BYTES, |grant| {
                    passed += grant.bytes;
                    if passed > before {
                        sent[class_of(grant.key)] += grant.bytes as f64;
                    }
                });
                let total: f64 = sent.iter().sum();
                let sum: u32 = (0..RINGS).map(|ring| WEIGHTS[ring] * ready[ring]).sum();
                for ring in (0..RINGS).filter(|ring| ready[*ring] > 0) {
                    let due = total * f64::from(WEIGHTS[ring] * ready[ring]) / f64::from(sum);
                    let error = (sent[ring] / due - 1.0).abs();
                    assert!(error <= 0.02, "{:?}, ring {ring} of {ready:?}: {error}", options.mode);
                }
            }
        }
    }
}

/// Sources that always have `bytes` waiting, until `total` bytes have left.
fn backlogged_bytes(
    options: Options,
    ready: [u32; RINGS],
    bytes: u64,
    total: usize,
    mut see: impl FnMut(Grant),
) {
    let mut blender = Blender::new(options, 500);
    let keys = (0..RINGS as u32).flat_map(|class| (0..ready[class as usize]).map(move |at| class * 100 + at));
    keys.for_each(|key| blender.set(key, class_of(key) as u8, bytes, false));
    let mut sent = 0;
    while sent < total {
        let grant = blender.next(1400).expect("backlogged sources always send");
        sent += grant.bytes;
        see(grant);
        blender.set(grant.key, class_of(grant.key) as u8, bytes, false);
    }
}

/// What a sub-packet costs does not depend on how many streams there are.
#[test]
fn a_sub_packet_visits_as_many_nodes_among_ten_as_among_sixty_thousand() {
    let visits = |sources: u32| {
        let mut blender = Blender::new(Options::default(), sources as usize);
        for key in 0..sources {
            blender.set(key, (key % RINGS as u32) as u8, 1 << 32, false);
        }
        // From within a loop to within another.
        (0..1_000).for_each(|_| assert!(blender.next(512).is_some()));
        let before = (blender.visits(), blender.counters());
        (0..50_000).for_each(|_| assert!(blender.next(512).is_some()));
        let begun = |counters: &crate::blender::Counters| {
            counters.rings.iter().map(|ring| ring.sub_packets).sum::<u64>()
        };
        (blender.visits() - before.0) as f64 / (begun(&blender.counters()) - begun(&before.1)) as f64
    };
    let (few, many) = (visits(10), visits(60_000));
    println!("blender: {few} node visits per sub-packet among 10 streams, {many} among 60,000");
    assert_eq!(few, many);
}

#[test]
#[should_panic(expected = "bytes in = out + withdrawn + waiting")]
fn bytes_that_are_lost_are_found() {
    let mut blender = Blender::new(Options::default(), 2);
    blender.set(0, 1, 2_000, false);
    blender.lose(0, 7);
    let _counters = blender.counters();
}
