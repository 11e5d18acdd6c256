//! Three workers that all send to each other over rings and sleep when nothing comes: what was sent arrives once, whole and
//! in order, and nobody sleeps through a record. The interleavings of two are the model's (`spsc/model.rs`); this is for three, on
//! real threads, and for ThreadSanitizer (`docs/state.md` has the command).

use super::*;
use crate::reactor::sleep::Sleep;
use crate::stdx::prng::Prng;
use std::thread::{self, Thread};
use std::time::Duration;

const WORKERS: usize = 3;
/// Records from each worker to each other one.
const RECORDS: u64 = 60_000;
/// Nobody has to wait for so long: who does has slept through something.
const PATIENCE: Duration = Duration::from_secs(20);

/// What one worker has.
struct Worker {
    me: usize,
    senders: Vec<Option<Sender>>,
    receivers: Vec<Option<Receiver>>,
    sleeps: Arc<Vec<Sleep>>,
    prng: Prng,
    sent: [u64; WORKERS],
    /// The next number expected from each worker in each lane.
    expected: [[u64; LANES]; WORKERS],
    received: u64,
}

impl Worker {
    /// A burst to every other worker, some of it in every lane, as far as there is room.
    fn send(&mut self) {
        for to in (0..WORKERS).filter(|to| *to != self.me) {
            let Some(sender) = self.senders[to].as_mut() else { continue };
            for _ in 0..self.prng.between(1, 40) {
                let number = self.sent[to];
                let class = (number % LANES as u64) as u8;
                if number == RECORDS {
                    break;
                }
                let Some(slot) = sender.reserve(class) else { break };
                let words = 1 + number as usize % 4;
                slot[..8].copy_from_slice(&(number / LANES as u64).to_ne_bytes());
                slot[8..8 * words].fill(number as u8);
                sender.commit(class, 8 * words);
                self.sent[to] += 1;
            }
            sender.publish();
        }
    }

    /// Takes at most a few of each lane, and now and then leaves one.
    fn receive(&mut self) -> usize {
        let mut taken = 0;
        for from in (0..WORKERS).filter(|from| *from != self.me) {
            let Some(receiver) = self.receivers[from].as_mut() else { continue };
            let (expected, prng) = (&mut self.expected[from], &mut self.prng);
            taken += receiver.drain(&[16; LANES], |class, record| {
                if prng.below(50) == 0 {
                    return Verdict::Left;
                }
                let lane = usize::from(class);
                let number = expected[lane] * LANES as u64 + u64::from(class);
                assert_eq!(record[..8], expected[lane].to_ne_bytes(), "in order, once");
                assert_eq!(record.len(), 8 * (1 + number as usize % 4), "whole");
                assert!(record[8..].iter().all(|byte| *byte == number as u8), "unharmed");
                expected[lane] += 1;
                Verdict::Taken
            });
        }
        self.received += taken as u64;
        taken
    }

    fn is_done(&self) -> bool {
        let others = WORKERS as u64 - 1;
        self.received == others * RECORDS && self.sent.iter().sum::<u64>() == others * RECORDS
    }

    fn has_room(&mut self) -> bool {
        let (me, sent) = (self.me, self.sent);
        let mut open = self.senders.iter_mut().enumerate().filter(|(to, _)| *to != me && sent[*to] < RECORDS);
        open.any(|(to, sender)| {
            let class = (sent[to] % LANES as u64) as u8;
            sender.as_mut().is_some_and(|sender| sender.has_room(class, 1))
        })
    }

    fn run(mut self, threads: &[Thread]) {
        while !self.is_done() {
            self.send();
            let taken = self.receive();
            // Whoever was given records, or room, is woken if he sleeps.
            for to in (0..WORKERS).filter(|to| *to != self.me) {
                if self.sleeps[to].must_wake() {
                    threads[to].unpark();
                }
            }
            if taken == 0 && !self.is_done() {
                self.sleep();
            }
        }
        // Its last records may have filled a ring whose reader sleeps until there is more.
        threads.iter().for_each(Thread::unpark);
    }

    fn sleep(&mut self) {
        let sleeps = self.sleeps.clone();
        sleeps[self.me].prepare();
        let nothing = self.receivers.iter().flatten().all(Receiver::is_empty);
        if nothing && !self.has_room() {
            let slept = std::time::Instant::now();
            thread::park_timeout(PATIENCE);
            assert!(slept.elapsed() < PATIENCE, "worker {} slept through a record", self.me);
        }
        sleeps[self.me].cancel();
    }
}

#[test]
fn three_workers_lose_nothing_and_sleep_through_nothing() {
    let mut senders: Vec<Vec<Option<Sender>>> =
        (0..WORKERS).map(|_| (0..WORKERS).map(|_| None).collect()).collect();
    let mut receivers: Vec<Vec<Option<Receiver>>> =
        (0..WORKERS).map(|_| (0..WORKERS).map(|_| None).collect()).collect();
    let mut observers = Vec::new();
    for from in 0..WORKERS {
        for to in (0..WORKERS).filter(|to| *to != from) {
            let (sender, receiver) = lanes(16, 32);
            observers.push(sender.observer());
            senders[from][to] = Some(sender);
            receivers[to][from] = Some(receiver);
        }
    }
    let sleeps = Arc::new((0..WORKERS).map(|_| Sleep::new()).collect::<Vec<_>>());
    thread::scope(|scope| {
        let (mut doors, mut threads) = (Vec::new(), Vec::new());
        for (me, (senders, receivers)) in senders.into_iter().zip(receivers).enumerate() {
            let worker = Worker {
                me,
                senders,
                receivers,
                sleeps: sleeps.clone(),
                prng: Prng::new(me as u64),
                sent: [0; WORKERS],
                expected: [[0; LANES]; WORKERS],
                received: 0,
            };
            let (door, told) = std::sync::mpsc::channel::<Vec<Thread>>();
            let thread = scope.spawn(move || worker.run(&told.recv().unwrap()));
            threads.push(thread.thread().clone());
            doors.push(door);
        }
        doors.iter().for_each(|door| door.send(threads.clone()).unwrap());
    });
    for counters in observers.iter().flat_map(|of| (0..LANES as u8).map(|class| of.counters(class))) {
        let got = (counters.items_received, counters.bytes_received);
        assert_eq!((counters.items, counters.bytes), got, "what went in came out");
    }
}
