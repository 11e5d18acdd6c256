//! Records that cross, whatever the bell: the near side sends the time, the far side notes how long it was under way.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use core_affinity::CoreId;
use dataplane::reactor::lanes::{LANES, Receiver, Verdict, lanes};

use crate::machine;

/// How many records, and how long the near side waits between two.
#[derive(Clone, Copy)]
pub(crate) struct Pace {
    pub(crate) hops: usize,
    pub(crate) apart: Duration,
}

/// To one that spins.
pub(crate) const AWAKE: Pace = Pace { hops: 10_000, apart: Duration::from_micros(10) };
/// To one that must have fallen asleep by then.
pub(crate) const ASLEEP: Pace = Pace { hops: 500, apart: Duration::from_micros(200) };

/// Records that a ring holds: those of 160 ms to one that has lost its core.
const SLOTS: usize = 16_384;
/// Bytes of a record: the time when it left.
const RECORD_BYTES: usize = 8;

/// What was seen, in one run or in several.
#[derive(Default)]
pub(crate) struct Run {
    pub(crate) hops_ns: Vec<u64>,
    /// How long the consumer wanted its core and somebody else had it.
    pub(crate) queued_ns: u64,
}

impl Run {
    pub(crate) fn add(&mut self, other: Self) {
        self.hops_ns.extend(other.hops_ns);
        self.queued_ns += other.queued_ns;
    }

    /// The hop that `share` of all do not exceed; they are sorted.
    pub(crate) fn at_us(&self, share: f64) -> f64 {
        self.hops_ns[(self.hops_ns.len() as f64 * share) as usize] as f64 / 1e3
    }
}

/// The far side's end of the rings.
pub(crate) struct Far<'a> {
    receiver: Receiver,
    begun: Instant,
    is_up: &'a AtomicBool,
    hops_ns: Vec<u64>,
    hops: usize,
}

impl Far<'_> {
    /// The bell is in place: the near side may begin.
    pub(crate) fn is_up(&self) {
        self.is_up.store(true, Ordering::Release);
    }

    /// Takes what is there.
    pub(crate) fn take(&mut self) {
        let Self { receiver, begun, hops_ns, .. } = self;
        receiver.drain(&[usize::MAX; LANES], |_, record| {
            let left = u64::from_ne_bytes(record.try_into().expect("a record is a time"));
            hops_ns.push((begun.elapsed().as_nanos() as u64).saturating_sub(left));
            Verdict::Taken
        });
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.receiver.is_empty()
    }

    pub(crate) fn is_done(&self) -> bool {
        self.hops_ns.len() >= self.hops
    }

    /// Takes records until all have come, asleep in `wait` in between.
    pub(crate) fn take_all(&mut self, mut wait: impl FnMut()) {
        self.is_up();
        while !self.is_done() {
            wait();
            self.take();
        }
    }
}

/// One run: `far` on the core `there`; on this one, `near` makes what is called after each record.
pub(crate) fn cross<R: FnMut()>(
    there: CoreId,
    pace: Pace,
    far: impl FnOnce(&mut Far<'_>) + Send,
    near: impl FnOnce() -> R,
) -> Run {
    let (mut sender, receiver) = lanes(SLOTS, RECORD_BYTES);
    let (begun, is_up) = (Instant::now(), &AtomicBool::new(false));
    std::thread::scope(|scope| {
        let consumer = scope.spawn(move || {
            core_affinity::set_for_current(there);
            let hops_ns = Vec::with_capacity(pace.hops);
            let mut end = Far { receiver, begun, is_up, hops_ns, hops: pace.hops };
            let before = machine::queued_ns();
            far(&mut end);
            Run { hops_ns: end.hops_ns, queued_ns: machine::queued_ns() - before }
        });
        // It begins on this core, and must have moved.
        while !is_up.load(Ordering::Acquire) {
            std::thread::yield_now();
        }
        let mut ring = near();
        for _ in 0..pace.hops {
            let wait = Instant::now();
            while wait.elapsed() < pace.apart {
                core::hint::spin_loop();
            }
            let slot = sender.reserve(0).expect("the consumer keeps up");
            slot.copy_from_slice(&(begun.elapsed().as_nanos() as u64).to_ne_bytes());
            sender.commit(0, RECORD_BYTES);
            sender.publish();
            ring();
        }
        consumer.join().expect("the far core counts")
    })
}
