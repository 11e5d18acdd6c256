//! The ring and the sleep flag under every interleaving (`RUSTFLAGS="--cfg loom" cargo test --lib model`).
//!
//! Tiny on purpose: two threads, two slots, three records. The checker also reports a slot that is touched by
//! both sides at once.

use std::sync::Arc;

use loom::sync::Notify;
use loom::thread;

use crate::reactor::sleep::Sleep;
use crate::reactor::spsc::channel;

const RECORDS: u8 = 3;

#[test]
fn records_arrive_whole_and_in_order() {
    loom::model(|| {
        let (mut producer, mut consumer) = channel(2, 8);
        let writer = thread::spawn(move || {
            for number in 0..RECORDS {
                while producer.reserve().is_none() {
                    thread::yield_now();
                }
                producer.reserve().unwrap()[0] = number;
                producer.commit(1);
                producer.publish();
            }
        });
        for number in 0..RECORDS {
            while consumer.front().is_none() {
                thread::yield_now();
            }
            assert_eq!(consumer.front(), Some(&[number][..]));
            consumer.release();
        }
        writer.join().unwrap();
    });
}

/// A producer that publishes two batches, a consumer that sleeps whenever it finds nothing: the checker reports a
/// deadlock if a wake-up is ever lost.
fn sleeper(prepare: fn(&Sleep), must_wake: fn(&Sleep) -> bool) {
    loom::model(move || {
        let (mut producer, mut consumer) = channel(2, 8);
        let (sleep, bell) = (Arc::new(Sleep::new()), Arc::new(Notify::new()));
        let (waker, ringer) = (sleep.clone(), bell.clone());
        let writer = thread::spawn(move || {
            for number in 0..2 {
                producer.reserve().unwrap()[0] = number;
                producer.commit(1);
                producer.publish();
                if must_wake(&waker) {
                    ringer.notify();
                }
            }
        });
        let mut number = 0;
        while number < 2 {
            while consumer.front().is_some() {
                consumer.release();
                number += 1;
            }
            prepare(&sleep);
            if number < 2 && consumer.is_empty() {
                bell.wait();
            }
            sleep.cancel();
        }
        writer.join().unwrap();
    });
}

#[test]
fn no_wake_up_is_lost() {
    sleeper(Sleep::prepare, Sleep::must_wake);
}

#[test]
#[should_panic(expected = "deadlock")]
fn without_the_producer_s_fence_the_model_finds_the_lost_wake_up() {
    sleeper(Sleep::prepare, Sleep::must_wake_unfenced);
}

#[test]
#[should_panic(expected = "deadlock")]
fn without_the_consumer_s_fence_the_model_finds_the_lost_wake_up() {
    sleeper(Sleep::prepare_unfenced, Sleep::must_wake);
}
