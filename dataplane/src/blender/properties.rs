//! What holds for any input, as properties: the blender equals its naive judge packet by packet (`reference`), no packet
//! leaves short while something waits, shares follow the weights, and nobody waits longer than the room's page says. A
//! failure is shrunk to the few operations that show it; `PROPTEST_CASES=100000` tries more than the usual 256.

use proptest::prelude::*;

use crate::blender::blend::Blender;
use crate::blender::options::{
    LOOP_BYTES_MAX, Mode, Options, PACKET_ROOM_MIN, RINGS, SLIVER_BYTES, SUB_PACKET_BYTES, WAIT_LOOPS_MAX,
    WEIGHTS,
};
use crate::blender::reference::Reference;

/// Keys of the sources that come and go.
const SOURCES: usize = 24;
/// The room of a packet in the properties that do not vary it.
const ROOM_BYTES: usize = 1_400;

/// What may happen to a blender.
#[derive(Clone, Copy, Debug)]
enum Operation {
    /// So many bytes come to those that wait.
    Come {
        key: usize,
        class: u8,
        bytes: u64,
        at_head: bool,
    },
    /// Half of what waits is taken away unsent.
    Halve {
        key: usize,
        class: u8,
    },
    Reclass {
        key: usize,
        class: u8,
    },
    Remove {
        key: usize,
    },
    Configure {
        weights: [u32; RINGS],
        sub_packet_bytes: u32,
    },
    SubPacket {
        bytes: u32,
    },
    LoopMax {
        bytes: u64,
    },
    /// A packet is filled.
    Packet {
        room: usize,
    },
}

/// Bytes of one arrival: mostly little, now and then a body.
fn bytes_that_come() -> impl Strategy<Value = u64> {
    prop_oneof![0..2u64, 1..100u64, 1..600u64, 1..3_000u64, 1..40_000u64]
}

fn room() -> impl Strategy<Value = usize> {
    PACKET_ROOM_MIN..1_500
}

fn loop_bytes_max() -> impl Strategy<Value = u64> {
    prop_oneof![Just(1), Just(4_000), Just(LOOP_BYTES_MAX), 1..1_000_000u64]
}

fn operation() -> impl Strategy<Value = Operation> {
    let (key, class) = (0..SOURCES, 0..RINGS as u8);
    let sub_packet = 128..1_500u32;
    prop_oneof![
        400 => (key.clone(), class.clone(), bytes_that_come(), prop::bool::weighted(0.125))
            .prop_map(|(key, class, bytes, at_head)| Operation::Come { key, class, bytes, at_head }),
        20 => (key.clone(), class.clone()).prop_map(|(key, class)| Operation::Halve { key, class }),
        50 => (key.clone(), class).prop_map(|(key, class)| Operation::Reclass { key, class }),
        30 => key.prop_map(|key| Operation::Remove { key }),
        3 => (prop::array::uniform5(0..20u32), sub_packet.clone())
            .prop_map(|(weights, sub_packet_bytes)| Operation::Configure { weights, sub_packet_bytes }),
        5 => sub_packet.prop_map(|bytes| Operation::SubPacket { bytes }),
        5 => loop_bytes_max().prop_map(|bytes| Operation::LoopMax { bytes }),
        490 => room().prop_map(|room| Operation::Packet { room }),
    ]
}

fn operations() -> impl Strategy<Value = Vec<Operation>> {
    prop::collection::vec(operation(), 0..800)
}

/// The blender, its judge, and what waits in each source as the caller counts it.
struct Trial {
    blender: Blender,
    judge: Reference,
    waiting: [u64; SOURCES],
}

impl Trial {
    fn new(options: Options) -> Self {
        let (blender, judge) = (Blender::new(options, SOURCES), Reference::new(options));
        Self { blender, judge, waiting: [0; SOURCES] }
    }

    fn set(&mut self, key: usize, class: u8, at_head: bool) {
        self.blender.set(key as u32, class, self.waiting[key], at_head);
        self.judge.set(key as u32, class, self.waiting[key], at_head);
    }

    fn apply(&mut self, operation: Operation) -> Result<(), TestCaseError> {
        match operation {
            Operation::Come { key, class, bytes, at_head } => {
                self.waiting[key] += bytes;
                self.set(key, class, at_head);
            }
            Operation::Halve { key, class } => {
                self.waiting[key] /= 2;
                self.set(key, class, false);
            }
            Operation::Reclass { key, class } => {
                self.blender.reclass(key as u32, class);
                self.judge.reclass(key as u32, class);
            }
            Operation::Remove { key } => {
                self.waiting[key] = 0;
                self.blender.remove(key as u32);
                self.judge.remove(key as u32);
            }
            Operation::Configure { weights, sub_packet_bytes } => {
                prop_assert_eq!(self.blender.configure(weights, sub_packet_bytes), Ok(()));
                self.judge.configure(weights, sub_packet_bytes);
            }
            Operation::SubPacket { bytes } => {
                self.blender.set_sub_packet_bytes(bytes);
                self.judge.set_sub_packet_bytes(bytes);
            }
            Operation::LoopMax { bytes } => {
                self.blender.set_loop_bytes_max(bytes);
                self.judge.set_loop_bytes_max(bytes);
            }
            Operation::Packet { room } => self.packet(room)?,
        }
        prop_assert_eq!(self.blender.ready_bytes(), self.waiting.iter().sum::<u64>());
        prop_assert!(self.blender.counts_hold());
        Ok(())
    }

    /// Both fill the packet alike, piece by piece, and leave no room that something could use.
    fn packet(&mut self, mut room: usize) -> Result<(), TestCaseError> {
        while let Some(grant) = self.blender.next(room) {
            prop_assert_eq!(self.judge.next(room), Some(grant));
            room -= grant.bytes;
            self.waiting[grant.key as usize] -= grant.bytes as u64;
            let ends = self.waiting[grant.key as usize] == 0;
            let literal = self.blender.options().mode == Mode::Literal;
            prop_assert!(literal || ends || grant.bytes >= SLIVER_BYTES as usize, "a sliver");
        }
        prop_assert_eq!(self.judge.next(room), None);
        prop_assert!(room < PACKET_ROOM_MIN || self.blender.is_empty(), "a packet left short");
        Ok(())
    }
}

fn agree(options: Options, operations: Vec<Operation>) -> Result<(), TestCaseError> {
    let mut trial = Trial::new(options);
    operations.into_iter().try_for_each(|operation| trial.apply(operation))
}

/// Ready sources of each ring, not all zero.
fn crowd() -> impl Strategy<Value = [u32; RINGS]> {
    prop::array::uniform5(0..20u32)
        .prop_filter("somebody is ready", |ready| ready.iter().any(|&count| count > 0))
}

fn weights() -> impl Strategy<Value = [u32; RINGS]> {
    prop_oneof![Just(WEIGHTS), prop::array::uniform5(1..100u32)]
}

/// `ready` sources that always have `bytes` waiting, for `loops` loops: at the end of each, what every ring has got differs
/// from its share by less than the others may have overdrawn, a sub-packet each.
fn shares_hold(options: Options, ready: [u32; RINGS], bytes: u64, loops: u64) -> Result<(), TestCaseError> {
    let classes: Vec<usize> =
        (0..RINGS).flat_map(|ring| core::iter::repeat_n(ring, ready[ring] as usize)).collect();
    let mut blender = Blender::new(options, classes.len());
    let refill =
        |blender: &mut Blender, key: usize| blender.set(key as u32, classes[key] as u8, bytes, false);
    (0..classes.len()).for_each(|key| refill(&mut blender, key));
    let send = |ring: usize| f64::from(options.weights[ring] * ready[ring]);
    let sum: f64 = (0..RINGS).map(send).sum();
    let (mut sent, mut current) = ([0f64; RINGS], 1);
    while current <= loops {
        let grant = blender.next(ROOM_BYTES).expect("backlogged sources always send");
        if blender.loops() != current {
            current = blender.loops();
            let total: f64 = sent.iter().sum();
            for (ring, sent) in sent.iter().enumerate() {
                let error = (sent - total * send(ring) / sum).abs();
                let bound = f64::from(options.sub_packet_bytes) * (RINGS - 1) as f64;
                prop_assert!(error < bound, "ring {}, loop {}: {} bytes", ring, current, error);
            }
        }
        let key = grant.key as usize;
        sent[classes[key]] += grant.bytes as f64;
        refill(&mut blender, key);
    }
    Ok(())
}

/// A source, what comes to it (`None`: it goes), and the room of the packet that is asked for then.
type Visit = (usize, Option<u64>, usize);

fn visits() -> impl Strategy<Value = Vec<Visit>> {
    let bytes = prop_oneof![4 => Just(Some(0)), 19 => bytes_that_come().prop_map(Some), 1 => Just(None)];
    prop::collection::vec((0..6 * RINGS, bytes, room()), 0..2_000)
}

/// Sources come and go as they please, six in each ring; the longest wait is within the bound of the room's page, in loops
/// and in bytes.
fn nobody_starves(options: Options, visits: Vec<Visit>) -> Result<(), TestCaseError> {
    let class = |key: usize| (key % RINGS) as u8;
    let bound = options.gap_bytes_max(&[6; RINGS]);
    let mut blender = Blender::new(options, 6 * RINGS);
    let mut since = [None; 6 * RINGS];
    let mut passed = 0u64;
    for (key, bytes, room) in visits {
        let waits = bytes.map_or(0, |bytes| blender.source_bytes(key as u32) + bytes);
        blender.set(key as u32, class(key), waits, false);
        since[key] = if waits == 0 { None } else { since[key].or_else(|| Some((blender.loops(), passed))) };
        let Some(grant) = blender.next(room) else { continue };
        let (loops, bytes) = since[grant.key as usize].expect("whoever has a turn has waited");
        prop_assert!(blender.loops() - loops <= u64::from(WAIT_LOOPS_MAX), "source {} in loops", grant.key);
        prop_assert!(passed - bytes <= bound, "source {}: {} of {}", grant.key, passed - bytes, bound);
        passed += grant.bytes as u64;
        since[grant.key as usize] =
            (blender.source_bytes(grant.key) > 0).then_some((blender.loops(), passed));
    }
    Ok(())
}

/// All rings but the highest are backlogged, and a loop runs, `before` pieces old; a sub-packet that comes to the highest
/// one waits for five of others at most: the rest of a row, which has one of each ring. (A source that has used up its share
/// of the loop waits for the next loop.)
fn the_top_is_next(ready: u32, before: usize, comes: Vec<(u64, usize)>) -> Result<(), TestCaseError> {
    let below = ready * (RINGS as u32 - 1);
    let mut blender = Blender::new(Options::default(), below as usize + comes.len());
    for key in 0..below {
        blender.set(key, 1 + (key % (RINGS as u32 - 1)) as u8, 1 << 40, false);
    }
    let mut room = ROOM_BYTES;
    let mut piece = |blender: &mut Blender| {
        let grant = blender.next(room);
        room = grant.map_or(ROOM_BYTES, |grant| room - grant.bytes);
        grant.map(|grant| grant.key)
    };
    for _ in 0..before {
        piece(&mut blender);
    }
    for (key, (bytes, after)) in (below..).zip(comes) {
        blender.set(key, 0, bytes, false);
        let begun = |blender: &Blender| {
            blender.counters().rings[1..].iter().map(|ring| ring.sub_packets).sum::<u64>()
        };
        let first = begun(&blender);
        while piece(&mut blender) != Some(key) {
            prop_assert!(begun(&blender) - first <= RINGS as u64);
        }
        for _ in 0..after {
            piece(&mut blender);
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn the_literal_blender_equals_the_naive_one(operations in operations()) {
        agree(Options { mode: Mode::Literal, ..Options::default() }, operations)?;
    }

    #[test]
    fn the_bounded_blender_equals_the_naive_one(operations in operations(), loop_bytes_max in loop_bytes_max()) {
        agree(Options { loop_bytes_max, ..Options::default() }, operations)?;
    }

    #[test]
    fn at_every_loop_s_end_shares_follow_the_weights(
        ready in crowd(),
        weights in weights(),
        bytes in 1..5_000u64,
        loop_bytes_max in loop_bytes_max(),
        sub_packet_bytes in prop_oneof![Just(SUB_PACKET_BYTES), 128..1_400u32],
    ) {
        let options = Options { weights, loop_bytes_max, sub_packet_bytes, ..Options::default() };
        shares_hold(options, ready, bytes, 20)?;
    }

    #[test]
    fn nobody_waits_longer_than_the_bound(
        visits in visits(),
        weights in weights(),
        loop_bytes_max in loop_bytes_max(),
    ) {
        nobody_starves(Options { weights, loop_bytes_max, ..Options::default() }, visits)?;
    }

    #[test]
    fn what_comes_in_the_top_ring_waits_for_five_sub_packets_at_most(
        ready in 1..20u32,
        before in 0..100usize,
        comes in prop::collection::vec((1..=u64::from(SUB_PACKET_BYTES), 0..40usize), 0..100),
    ) {
        the_top_is_next(ready, before, comes)?;
    }
}
