//! One hop over the rings between two cores, one way, as a distribution: a record's time from `publish` on one core to its
//! being read on the other. To a core that is awake and spins, and to one that a driver has put to sleep, so that the hop
//! has the wake-up in it: the eventfd, the kernel's scheduler, the driver's way back to its role.
//!
//! `cargo bench --bench hop`. Wants two cores that nobody else uses: it takes about five seconds. It prints p50, p99 and p99.9
//! in microseconds, not means, because a mean hides the one in a hundred. Clocks are CLOCK_MONOTONIC on both cores, read
//! once on each side, some 25 ns each, which are in the figures.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use dataplane::port::{Input, Port, PortOptions, Role};
use dataplane::reactor::counters::DriverCounters;
use dataplane::reactor::lanes::{LANES, Receiver, Sender, Verdict, lanes};
use dataplane::reactor::options::{DriverOptions, Sockets};
use dataplane::reactor::sleep::Sleep;
use dataplane::reactor::wake::Waker;
use dataplane::reactor::{epoll, feature, uring};
use dataplane::time::Instant as Now;

/// Hops of each row.
const HOPS_AWAKE: usize = 100_000;
const HOPS_ASLEEP: usize = 5_000;
/// Between two hops: to the one that spins, and to the one that must have fallen asleep by then.
const APART_AWAKE: Duration = Duration::from_micros(10);
const APART_ASLEEP: Duration = Duration::from_micros(200);
/// Bytes of a record: the time when it left.
const RECORD_BYTES: usize = 8;

fn main() {
    let cores = core_affinity::get_core_ids().unwrap_or_default();
    let [first, .., last] = cores[..] else {
        println!("SKIPPED: a hop needs two cores");
        return;
    };
    core_affinity::set_for_current(first);
    show("awake", awake(last));
    show(
        "asleep, epoll",
        asleep(last, |role, port, options, waker, counters| {
            epoll::run(role, port, Sockets::default(), options, waker, &[], counters)
        }),
    );
    match feature::usable() {
        Ok(()) => show(
            "asleep, io_uring",
            asleep(last, |role, port, options, waker, counters| {
                uring::run(role, port, Sockets::default(), options, waker, &[], counters)
            }),
        ),
        Err(reason) => println!("SKIPPED: io_uring does not work here: {reason}"),
    }
}

fn show(what: &str, mut hops_ns: Vec<u64>) {
    hops_ns.sort_unstable();
    let at = |share: f64| hops_ns[(hops_ns.len() as f64 * share) as usize] as f64 / 1e3;
    println!(
        "ring hop, consumer {what}: p50 {:.2} µs, p99 {:.2} µs, p99.9 {:.2} µs ({} hops)",
        at(0.5),
        at(0.99),
        at(0.999),
        hops_ns.len()
    );
}

/// Sends the time, `apart` after the hop before; rings the bell if the consumer sleeps.
fn send(sender: &mut Sender, begun: Instant, hops: usize, apart: Duration, ring: impl Fn()) {
    for _ in 0..hops {
        let wait = Instant::now();
        while wait.elapsed() < apart {
            core::hint::spin_loop();
        }
        let slot = sender.reserve(0).expect("the consumer keeps up");
        slot.copy_from_slice(&(begun.elapsed().as_nanos() as u64).to_ne_bytes());
        sender.commit(0, RECORD_BYTES);
        sender.publish();
        ring();
    }
}

/// Takes what is there; how long each record was under way.
fn take(receiver: &mut Receiver, begun: Instant, hops_ns: &mut Vec<u64>) {
    receiver.drain(&[usize::MAX; LANES], |_, record| {
        let left = u64::from_ne_bytes(record.try_into().expect("a record is a time"));
        hops_ns.push((begun.elapsed().as_nanos() as u64).saturating_sub(left));
        Verdict::Taken
    });
}

fn awake(there: core_affinity::CoreId) -> Vec<u64> {
    let (mut sender, mut receiver) = lanes(1_024, RECORD_BYTES);
    let begun = Instant::now();
    std::thread::scope(|scope| {
        let far = scope.spawn(move || {
            core_affinity::set_for_current(there);
            let mut hops_ns = Vec::with_capacity(HOPS_AWAKE);
            while hops_ns.len() < HOPS_AWAKE {
                take(&mut receiver, begun, &mut hops_ns);
                core::hint::spin_loop();
            }
            hops_ns
        });
        send(&mut sender, begun, HOPS_AWAKE, APART_AWAKE, || {});
        far.join().expect("the far core counts")
    })
}

/// What a worker's role does about its rings, and nothing else.
struct Sleeper {
    receiver: Receiver,
    sleep: Arc<Sleep>,
    begun: Instant,
    hops_ns: Vec<u64>,
}

impl Role for Sleeper {
    fn handle(&mut self, _: Now, _: Input<'_>, _: &mut Port) {}

    fn flush(&mut self, _: Now, _: &mut Port) {
        take(&mut self.receiver, self.begun, &mut self.hops_ns);
    }

    fn deadline(&self) -> Option<Now> {
        None
    }

    fn may_sleep(&mut self) -> bool {
        self.sleep.prepare();
        self.receiver.is_empty()
    }

    fn awake(&mut self) {
        self.sleep.cancel();
    }

    fn is_finished(&self) -> bool {
        self.hops_ns.len() >= HOPS_ASLEEP
    }
}

fn asleep(
    there: core_affinity::CoreId,
    drive: impl Fn(&mut Sleeper, &mut Port, &DriverOptions, &Waker, &DriverCounters) -> std::io::Result<()> + Sync,
) -> Vec<u64> {
    let (mut sender, receiver) = lanes(1_024, RECORD_BYTES);
    let (sleep, waker, begun) = (Arc::new(Sleep::new()), Waker::new().expect("an eventfd"), Instant::now());
    let (bell, is_up) = (waker.clone(), AtomicBool::new(false));
    let flag = sleep.clone();
    std::thread::scope(|scope| {
        let far = scope.spawn(|| {
            core_affinity::set_for_current(there);
            let mut role = Sleeper { receiver, sleep, begun, hops_ns: Vec::with_capacity(HOPS_ASLEEP) };
            let mut port = Port::new(&PortOptions { tcp_max: 1, block_bytes: 4_096, blocks: 1, trains: 1 });
            is_up.store(true, Ordering::Release);
            let counters = DriverCounters::default();
            drive(&mut role, &mut port, &DriverOptions::default(), &waker, &counters)
                .expect("the driver runs");
            role.hops_ns
        });
        while !is_up.load(Ordering::Acquire) {
            std::thread::yield_now();
        }
        send(&mut sender, begun, HOPS_ASLEEP, APART_ASLEEP, || {
            if flag.must_wake() {
                bell.wake();
            }
        });
        far.join().expect("the far core counts")
    })
}
