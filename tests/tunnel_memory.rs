//! What streams cost in memory: ten thousand that are idle, and ten thousand whose readers do not read. Two ends of the real
//! core with nothing between them, and an allocator that counts the bytes which each end holds.
//!
//! Reserved memory counts whether it was touched or not. Due are 1.5 KiB for an idle stream at one end, and for stuck readers
//! the budget and a twentieth. `cargo test --test tunnel_memory -- --nocapture` prints the figures.

#![allow(unsafe_code, reason = "an allocator")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop where it is")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};

use dataplane::time::Instant;
use dataplane::tmp::id::PathId;
use dataplane::tmp::place::Bearer;
use dataplane::tmp::spread::PathUse;
use dataplane::tmp::{Carrier, Ecn, Event, Fill, Handled, Side, StreamId, Tunnel, TunnelOptions};

const STREAMS: usize = 10_000;
/// What an idle stream has carried each way before, bytes.
const SAID_BYTES: usize = 300;
const IDLE_BYTES_MAX: i64 = 1_536;

/// Whose allocations are counted: 0, 1, or 2 for nobody's.
static WHOSE: AtomicUsize = AtomicUsize::new(2);
static HELD: [AtomicI64; 3] = [const { AtomicI64::new(0) }; 3];

/// The system's allocator, watched. What one end takes it also gives back itself.
struct Counting;

impl Counting {
    fn note(bytes: i64) {
        HELD[WHOSE.load(Ordering::Relaxed)].fetch_add(bytes, Ordering::Relaxed);
    }
}

// SAFETY: every call is passed to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        Self::note(layout.size() as i64);
        // SAFETY: the caller keeps the contract of `GlobalAlloc`, which is the same.
        unsafe { System.alloc(layout) }
    }

    // Passed on, so that what is only reserved stays untouched.
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        Self::note(layout.size() as i64);
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        Self::note(-(layout.size() as i64));
        // SAFETY: as above.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// First come, first served.
#[derive(Default)]
struct Queue(VecDeque<(StreamId, usize)>);

impl Fill for Queue {
    fn next(&mut self, room: usize) -> Option<(StreamId, usize)> {
        let (stream, left) = self.0.front_mut()?;
        let granted = (*stream, room.min(*left));
        *left -= granted.1;
        if *left == 0 {
            self.0.pop_front();
        }
        Some(granted)
    }
}

/// Two ends, and what each has granted.
struct Pair {
    tunnels: [Tunnel; 2],
    queues: [Queue; 2],
    now_us: u64,
}

impl Pair {
    fn new(options: &TunnelOptions) -> Self {
        let make = |which: usize, side| {
            as_end(which, || {
                let mut tunnel = Tunnel::new(options, side, Instant::ORIGIN);
                tunnel.on_connected(Instant::ORIGIN, (PathId(0), Bearer::Datagrams), PathUse::default());
                tunnel
            })
        };
        let tunnels = [make(0, Side::Initiator), make(1, Side::Acceptor)];
        Self { tunnels, queues: [Queue::default(), Queue::default()], now_us: 0 }
    }

    /// Lets what can be sent arrive, until nothing more is under way. End 1 reads if it `reads`, and then answers with as much.
    fn settle(&mut self, reads: bool) {
        let mut quiet = 0;
        while quiet < 100 {
            self.now_us += 1_000;
            let moved = self.transmit(0) | self.transmit(1);
            quiet = if moved { 0 } else { quiet + 1 };
            for which in [0, 1] {
                as_end(which, || attend(&mut self.tunnels[which], which == 0 || reads, which == 1));
            }
        }
    }

    fn transmit(&mut self, from: usize) -> bool {
        let now = Instant::from_us(self.now_us);
        let (tunnels, queue) = (&mut self.tunnels, &mut self.queues[from]);
        if tunnels[from].deadline().is_some_and(|at| at <= now) {
            as_end(from, || tunnels[from].tick(now));
        }
        // The queue is the test's.
        while let Some(sendable) = tunnels[from].poll_sendable() {
            queue.0.retain(|(stream, _)| *stream != sendable.stream);
            if sendable.bytes > 0 {
                queue.0.push_back((sendable.stream, sendable.bytes));
            }
        }
        let (mut payload, mut moved) = ([0; 2_000], false);
        loop {
            let room = tunnels[from].payload_bytes_next(now, PathId(0));
            let filled =
                as_end(from, || tunnels[from].fill_packet(now, PathId(0), &mut payload[..room], queue));
            let Some(filled) = filled else { break };
            let arrived = &payload[..filled.len_bytes];
            let to = 1 - from;
            let packet = (PathId(0), filled.number);
            let handled = as_end(to, || tunnels[to].handle_packet(now, packet, Ecn::NotCapable, arrived));
            assert_eq!(handled, Handled::New);
            moved = true;
        }
        as_end(1 - from, || tunnels[1 - from].handle_batch_end(now));
        moved
    }
}

/// Runs something as one end, which is charged for what it allocates.
fn as_end<T>(which: usize, run: impl FnOnce() -> T) -> T {
    let before = WHOSE.swap(which, Ordering::Relaxed);
    let made = run();
    WHOSE.store(before, Ordering::Relaxed);
    made
}

fn attend(tunnel: &mut Tunnel, reads: bool, answers: bool) {
    while let Some(event) = tunnel.poll_event() {
        let Event::Readable(stream) = event else { continue };
        while reads && !tunnel.read(stream).is_empty() {
            let bytes = tunnel.read(stream).len();
            tunnel.consumed(stream, bytes);
            if answers {
                assert_eq!(tunnel.write(stream, &[0x5a; SAID_BYTES][..bytes]), bytes);
            }
        }
    }
}

/// Bytes that the ends hold.
fn held() -> [i64; 2] {
    [0, 1].map(|which| HELD[which].load(Ordering::Relaxed))
}

/// A pair in which so many streams have asked and were answered, and are open.
fn idle(streams: usize, options: &TunnelOptions) -> (Pair, Vec<StreamId>) {
    let mut pair = Pair::new(&TunnelOptions { streams_max: streams, ..options.clone() });
    let mut open = Vec::new();
    for _ in 0..streams {
        let stream = as_end(0, || pair.tunnels[0].open(2, 0)).unwrap();
        as_end(0, || assert_eq!(pair.tunnels[0].write(stream, &[1; SAID_BYTES]), SAID_BYTES));
        open.push(stream);
        if open.len() % 100 == 0 {
            pair.settle(true);
        }
    }
    pair.settle(true);
    (pair, open)
}

/// What the process has in memory, bytes.
fn resident() -> i64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<i64>().unwrap() * 4_096
}

/// One test, because the counts are the process's.
#[test]
fn idle_streams_are_small_and_stuck_readers_keep_to_the_budget() {
    let budget = 160 << 20;
    let options = TunnelOptions {
        streams_max: STREAMS,
        receive_budget_bytes: budget,
        keep_alive_idle: false,
        ..TunnelOptions::default()
    };
    let nothing = (held(), resident());
    let _few = idle(1, &options);
    let one = (held(), resident());
    let (mut pair, streams) = idle(STREAMS, &options);
    let full = (held(), resident());
    let [reserved, at_the_other] =
        [0, 1].map(|which| (full.0[which] - one.0[which]) - (one.0[which] - nothing.0[which]));
    let touched = ((full.1 - one.1) - (one.1 - nothing.1)) / 2;
    let each = [reserved, at_the_other, touched].map(|bytes| bytes / STREAMS as i64);
    println!(
        "an idle stream: {} and {} bytes reserved at the ends, {} resident at each",
        each[0], each[1], each[2]
    );
    assert!(each.iter().all(|bytes| (1..=IDLE_BYTES_MAX).contains(bytes)), "{each:?}");

    // What a budget is worth: by how much more memory an end with twice as much of it takes.
    let before = held()[1];
    let _once = Pair::new(&options);
    let once = held()[1];
    let _twice = Pair::new(&TunnelOptions { receive_budget_bytes: 2 * budget, ..options });
    let worth = (held()[1] - once) - (once - before);
    let before = held()[1];
    for stream in &streams {
        as_end(0, || pair.tunnels[0].write(*stream, &vec![2; 16 << 10]));
    }
    pair.settle(false);
    let held = worth + at_the_other + held()[1] - before;
    let share = held as f64 / budget as f64;
    println!("{STREAMS} stuck readers: {held} bytes, {share:.3} of the budget");
    let least = streams.iter().map(|stream| pair.tunnels[1].read(*stream).len()).min().unwrap();
    assert!(least >= 4_000, "each has bytes that nobody reads: {least}");
    assert!(share <= 1.05, "{share}");
}
