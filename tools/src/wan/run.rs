//! The loop that carries packets from the ends into the path and out again, in a thread of its own.
//!
//! A timer with µs resolution wakes it (an epoll wait counts ms), and where it may it runs as a real-time thread: an
//! ordinary one is woken late when the machine is busy, and every path would look longer than it is.

use crate::alarm::Alarm;
use crate::clock::Clock;
use crate::wan::counters::LinkCounters;
use crate::wan::kernel;
use crate::wan::packet::Packet;
use crate::wan::path::Path;
use crate::wan::spec::{PathRules, SpecError};
use crate::wan::way::Way;
use core::fmt;
use core::net::SocketAddr;
use core::sync::atomic::{AtomicBool, Ordering};
use core::time::Duration;
use hdrhistogram::Histogram;
use mio::event::Event;
use mio::{Events, Poll, Registry, Token, Waker};
use serde::Serialize;
use std::io::{self, ErrorKind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

/// Packets read from one end before what is due is handed out: about 100 us of work.
const BATCH: usize = 32;
/// Lateness is recorded up to this, µs.
const LATE_US_MAX: u64 = 60_000_000;
/// The alarm has the next higher token; those of ends are smaller.
const WAKER_TOKEN: Token = Token(usize::MAX - 1);

/// What a pair of ends does with a packet that it has read.
pub(crate) type Take<'a> = dyn FnMut(Way, Packet) + 'a;

/// Where packets come from and go to. Sources are edge-triggered: what [`Ends::note`] was told stays readable until a
/// read has found nothing.
pub(crate) trait Ends: Send {
    fn register(&mut self, registry: &Registry) -> io::Result<()>;

    /// A source is readable.
    fn note(&mut self, token: Token);

    /// Reads up to so many packets from every readable source; whether one may have more.
    fn read(&mut self, packets_max: usize, take: &mut Take<'_>, registry: &Registry) -> io::Result<bool>;

    /// Hands a packet on; whether it was taken.
    fn write(&mut self, way: Way, packet: &Packet) -> bool;
}

/// How to run a path.
#[derive(Clone, Debug, Default)]
pub struct WanOptions {
    /// What befalls the packets.
    pub rules: PathRules,
    /// Decides what chance decides.
    pub seed: u64,
}

/// Why a path does not run.
#[derive(Debug)]
pub enum WanError {
    /// The operator has to do something first; the sentence says what.
    Unable(String),
    /// The listening address cannot be had.
    Listen(SocketAddr, io::Error),
    /// The devices or the loop failed while running.
    Broken(io::Error),
}

impl fmt::Display for WanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unable(why) => f.write_str(why),
            Self::Listen(address, error) => write!(f, "cannot listen on {address}: {error}"),
            Self::Broken(error) => write!(f, "the path broke: {error}"),
        }
    }
}

impl core::error::Error for WanError {}

/// How late packets were handed out against when they were due, µs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Lateness {
    /// Half of them were not later.
    pub p50: u64,
    /// 99 of 100.
    pub p99: u64,
    /// 999 of 1,000.
    pub p999: u64,
    /// The latest.
    pub max: u64,
}

/// What has happened on a path.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PathReport {
    /// From the clients' side.
    pub up: LinkCounters,
    /// Towards the clients.
    pub down: LinkCounters,
    /// Handed out, but not taken by a socket or a device.
    pub undelivered: u64,
    /// How exact the emulator was.
    pub late_us: Lateness,
    /// Whether it runs as a real-time thread.
    pub real_time: bool,
}

/// The handle to a path that runs; clones steer the same one.
#[derive(Clone)]
pub struct Steering(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    stop: AtomicBool,
    waker: Waker,
    clock: Clock,
}

struct State {
    path: Path,
    late_us: Histogram<u64>,
    undelivered: u64,
    real_time: bool,
}

impl Shared {
    /// A panic while it was held would have ended the thread; what is there is still true.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Steering {
    /// Changes the rules of `ways`; if the spec cannot be read, nothing changes.
    pub fn set(&self, ways: &[Way], spec: &str) -> Result<(), SpecError> {
        let now = self.0.clock.now();
        self.0.state().path.set(ways, spec, now)?;
        // Without it the loop would wake when the old rules say; a failed wake-up is no more than that.
        let _ = self.0.waker.wake();
        Ok(())
    }

    /// What has happened so far.
    pub fn report(&self) -> PathReport {
        let state = self.0.state();
        let late = |share| state.late_us.value_at_quantile(share);
        PathReport {
            up: state.path.up.counters(),
            down: state.path.down.counters(),
            undelivered: state.undelivered,
            late_us: Lateness {
                p50: late(0.5),
                p99: late(0.99),
                p999: late(0.999),
                max: state.late_us.max(),
            },
            real_time: state.real_time,
        }
    }
}

/// A path that runs in its thread; dropping it stops it.
pub struct Running {
    steering: Steering,
    thread: Option<JoinHandle<io::Result<()>>>,
}

impl Running {
    /// The handle to change and read it.
    pub const fn steering(&self) -> &Steering {
        &self.steering
    }

    /// What has happened so far.
    pub fn report(&self) -> PathReport {
        self.steering.report()
    }

    /// Whether it broke off by itself.
    pub fn has_ended(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Stops it: what has happened, or why it broke.
    pub fn stop(mut self) -> Result<PathReport, WanError> {
        self.end().map_err(WanError::Broken)?;
        Ok(self.report())
    }

    fn end(&mut self) -> io::Result<()> {
        self.steering.0.stop.store(true, Ordering::Relaxed);
        self.steering.0.waker.wake()?;
        let Some(thread) = self.thread.take() else { return Ok(()) };
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Whoever wants to know why it broke calls `stop`.
        let _ = self.end();
    }
}

/// Starts a path between two ends: [`UdpEnds`](crate::wan::UdpEnds) or [`TunEnds`](crate::wan::TunEnds).
#[allow(private_bounds, reason = "the ends are ours: how they are read is nobody else's business")]
pub fn spawn(options: WanOptions, mut ends: impl Ends + 'static) -> Result<Running, WanError> {
    let mut start = || {
        let poll = Poll::new()?;
        ends.register(poll.registry())?;
        let waker = Waker::new(poll.registry(), WAKER_TOKEN)?;
        let alarm = Alarm::new(poll.registry())?;
        Ok((poll, waker, alarm))
    };
    let (poll, waker, alarm) = start().map_err(WanError::Broken)?;
    let clock = Clock::start();
    let state = State {
        path: Path::new(options.rules, options.seed, clock.now()),
        late_us: Histogram::new_with_bounds(1, LATE_US_MAX, 2).map_err(|error| unable(&error))?,
        undelivered: 0,
        real_time: false,
    };
    let shared = Arc::new(Shared { state: Mutex::new(state), stop: AtomicBool::new(false), waker, clock });
    let steering = Steering(Arc::clone(&shared));
    let carrier = Carrier { poll, alarm, ends, shared };
    let thread = std::thread::Builder::new().name("wan".into()).spawn(|| carrier.run());
    Ok(Running { steering, thread: Some(thread.map_err(WanError::Broken)?) })
}

fn unable(error: &dyn fmt::Display) -> WanError {
    WanError::Unable(error.to_string())
}

/// The thread's own.
struct Carrier<E> {
    poll: Poll,
    alarm: Alarm,
    ends: E,
    shared: Arc<Shared>,
}

impl<E: Ends> Carrier<E> {
    fn run(mut self) -> io::Result<()> {
        self.shared.state().real_time = kernel::schedule_in_real_time().is_ok();
        let mut events = Events::with_capacity(256);
        let mut has_more = false;
        while !self.shared.stop.load(Ordering::Relaxed) {
            match self.poll.poll(&mut events, has_more.then_some(Duration::ZERO)) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                polled => polled?,
            }
            events
                .iter()
                .map(Event::token)
                .filter(|token| *token < WAKER_TOKEN)
                .for_each(|t| self.ends.note(t));
            has_more = self.turn()?;
        }
        Ok(())
    }

    /// Takes a batch in, hands out what is due, sets the alarm; whether an end may have more.
    fn turn(&mut self) -> io::Result<bool> {
        let clock = self.shared.clock;
        let mut state = self.shared.state();
        let state = &mut *state;
        let mut take = |way, packet| state.path.offer(way, packet, clock.now());
        let has_more = self.ends.read(BATCH, &mut take, self.poll.registry())?;
        for way in Way::BOTH {
            let mut now = clock.now();
            while let Some((due, packet)) = state.path.link(way).take(now) {
                now = clock.now();
                state.undelivered += u64::from(!self.ends.write(way, &packet));
                state.late_us.saturating_record(now.us_since(due));
            }
        }
        if let Some(wake) = state.path.next_wake() {
            self.alarm.set(wake, clock.now());
        }
        Ok(has_more)
    }
}
