//! The ring as its two ends see it: order, credit, wake-ups, on one thread and on two. Its interleavings are the
//! model's (`model.rs`).

use super::*;
use crate::stdx::prng::Prng;
use proptest::prelude::*;
use std::collections::VecDeque;

fn push(producer: &mut Producer, record: &[u8]) -> bool {
    let Some(slot) = producer.reserve() else {
        return false;
    };
    slot[..record.len()].copy_from_slice(record);
    producer.commit(record.len());
    true
}

#[test]
fn a_record_is_seen_once_published() {
    let (mut producer, mut consumer) = channel(2, 16);
    assert!(push(&mut producer, b"one") && consumer.front().is_none());
    assert!(producer.publish() && !producer.publish());
    assert_eq!((consumer.len(), consumer.front()), (1, Some(&b"one"[..])));
    consumer.release();
    assert!(consumer.is_empty());
}

#[test]
fn a_full_ring_takes_nothing_until_a_slot_is_given_back() {
    let (mut producer, mut consumer) = channel(2, 1);
    assert!(push(&mut producer, b"a") && push(&mut producer, b"b") && !push(&mut producer, b"c"));
    producer.publish();
    assert!(consumer.front().is_some());
    consumer.release();
    assert_eq!(producer.free(1), 1);
    assert!(push(&mut producer, b"c") && !push(&mut producer, b"d"));
}

#[test]
fn either_end_may_outlive_the_other() {
    let (mut producer, mut consumer) = channel(4, 8);
    push(&mut producer, b"last");
    producer.publish();
    drop(producer);
    assert_eq!(consumer.front(), Some(&b"last"[..]));
    let (mut producer, consumer) = channel(1, 8);
    drop(consumer);
    assert!(push(&mut producer, b"x") && producer.publish() && !push(&mut producer, b"y"));
}

#[test]
#[should_panic(expected = "a record fits its slot")]
fn a_record_longer_than_its_slot_is_our_bug() {
    let (mut producer, _consumer) = channel(1, 8);
    assert!(producer.reserve().is_some());
    producer.commit(9);
}

fn is_send<T: Send>(_: &T) {}

#[test]
fn both_ends_may_move_to_another_core() {
    let (producer, consumer) = channel(1, 1);
    is_send(&producer);
    is_send(&consumer);
}

#[derive(Clone, Debug)]
enum Step {
    Push(Vec<u8>),
    Publish,
    Pop,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        3 => prop::collection::vec(any::<u8>(), 0..24).prop_map(Step::Push),
        1 => Just(Step::Publish),
        3 => Just(Step::Pop),
    ];
    prop::collection::vec(step, 0..200)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn the_ring_is_a_bounded_queue(steps in steps(), exponent in 0u32..4) {
        let count = 1usize << exponent;
        let (mut producer, mut consumer) = channel(count, 24);
        let (mut hidden, mut shown) = (VecDeque::new(), VecDeque::<Vec<u8>>::new());
        for step in steps {
            match step {
                Step::Push(record) => {
                    let fits = hidden.len() + shown.len() < count;
                    prop_assert_eq!(push(&mut producer, &record), fits);
                    if fits {
                        hidden.push_back(record);
                    }
                }
                Step::Publish => {
                    prop_assert_eq!(producer.publish(), !hidden.is_empty());
                    shown.append(&mut hidden);
                }
                Step::Pop => {
                    prop_assert_eq!(consumer.front(), shown.front().map(Vec::as_slice));
                    if shown.pop_front().is_some() {
                        consumer.release();
                    }
                }
            }
            prop_assert_eq!(consumer.len(), shown.len());
        }
    }
}

/// A million records of random lengths in random batches between two threads, each checked word by word.
#[test]
fn a_million_records_cross_between_two_cores_unharmed() {
    const RECORDS: u64 = 1_000_000;
    let (mut producer, mut consumer) = channel(256, 64);
    let writer = std::thread::spawn(move || {
        let (mut lengths, mut batches) = (Prng::new(1), Prng::new(2));
        let (mut sent, mut batch) = (0u64, 1);
        while sent < RECORDS {
            let Some(slot) = producer.reserve() else {
                producer.publish();
                std::thread::yield_now();
                continue;
            };
            let words = lengths.between(1, 8) as usize;
            for word in slot.chunks_exact_mut(8).take(words) {
                word.copy_from_slice(&(sent.wrapping_mul(words as u64)).to_le_bytes());
            }
            producer.commit(words * 8);
            sent += 1;
            batch -= 1;
            if batch == 0 {
                producer.publish();
                batch = batches.between(1, 64);
            }
        }
        producer.publish();
    });
    let mut lengths = Prng::new(1);
    let mut seen = 0u64;
    while seen < RECORDS {
        let Some(record) = consumer.front() else {
            std::thread::yield_now();
            continue;
        };
        let words = lengths.between(1, 8) as usize;
        assert_eq!(record.len(), words * 8);
        let wanted = seen.wrapping_mul(words as u64).to_le_bytes();
        assert!(record.chunks_exact(8).all(|word| word == wanted));
        consumer.release();
        seen += 1;
    }
    writer.join().unwrap();
    assert!(consumer.is_empty());
}

/// A caller that needs several slots at once must not be told of the few that it last saw: a ring with seven free slots
/// by an old count and all free in truth was taken for full for ever (found by the demo with two workers).
#[test]
fn free_looks_again_when_fewer_than_wanted_seem_left() {
    let (mut producer, mut consumer) = channel(8, 4);
    for _ in 0..5 {
        assert!(producer.reserve().is_some());
        producer.commit(1);
    }
    assert!(producer.publish());
    while consumer.front().is_some() {
        consumer.release();
    }
    assert_eq!((producer.free(3), producer.free(4)), (3, 8));
}
