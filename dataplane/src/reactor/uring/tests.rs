//! The io_uring driver against real sockets: what is its own. What both drivers owe a role is in the shared suite.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsFd;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use super::*;
use crate::port::{PortOptions, Reading, TcpFailure, TcpId, Token};
use crate::reactor::ring::create_for_test;
use crate::reactor::socket::{ListenOptions, listen, local_address};
use crate::reactor::{checks, echo, epoll};
use crate::stdx::prng::Prng;

/// A limit that only a hang reaches.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(20);

/// Echoes; stops reading while much is queued. Ends when it is told to.
struct Echo {
    stop: Arc<AtomicBool>,
    reading: Reading,
    high_bytes: usize,
    open: usize,
}

impl Role for Echo {
    fn handle(&mut self, _now: Instant, input: Input<'_>, port: &mut Port) {
        match input {
            Input::Accepted { tcp, .. } => {
                self.open += 1;
                port.set_token(tcp, Token(1));
                port.read(tcp, self.reading);
            }
            Input::Read { tcp, token, bytes } => {
                assert_eq!(token, Token(1), "inputs carry the role's name");
                assert!(port.reading(tcp) != Reading::Off, "a role that does not read is given nothing");
                assert!(port.write(tcp, bytes), "the pool is large enough for the test");
                if port.queued_bytes(tcp) > self.high_bytes {
                    port.read(tcp, Reading::Off);
                    port.notify_at(tcp, self.high_bytes / 2);
                }
            }
            Input::Wrote { tcp, .. } => {
                if port.is_finishing(tcp) || port.reading(tcp) != Reading::Off {
                    self.close(tcp, port);
                } else {
                    port.read(tcp, self.reading);
                }
            }
            Input::ReadEnd { tcp, .. } => port.notify_at(tcp, 0),
            Input::Failed { .. } => self.open -= 1,
            Input::Connected { .. } | Input::Datagrams { .. } | Input::Tick => {}
        }
    }

    fn flush(&mut self, _now: Instant, _port: &mut Port) {}

    fn deadline(&self) -> Option<Instant> {
        None
    }

    fn may_sleep(&mut self) -> bool {
        true
    }

    fn awake(&mut self) {}

    fn is_finished(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

impl Echo {
    fn close(&mut self, tcp: TcpId, port: &mut Port) {
        self.open -= 1;
        port.close(tcp);
    }
}

/// True if the test is to be skipped; says why.
fn is_unavailable() -> bool {
    create_for_test(8, 16).is_none()
}

fn options() -> DriverOptions {
    DriverOptions {
        small: BufferOptions { bytes: 1_024, count: 64 },
        large: BufferOptions { bytes: 4_096, count: 32 },
        datagrams: BufferOptions { bytes: 65_536, count: 4 },
        ..DriverOptions::default()
    }
}

/// Runs an echo worker while `client` talks to it; the counters.
fn with_echo(
    options: DriverOptions,
    reading: Reading,
    tcp_max: usize,
    client: impl FnOnce(SocketAddr),
) -> DriverCounters {
    let stop = Arc::new(AtomicBool::new(false));
    let echo = Echo { stop: stop.clone(), reading, high_bytes: 16_384, open: 0 };
    with_role(options, stop, tcp_max, echo, client)
}

/// Runs a worker while `client` talks to it; the counters.
fn with_role(
    options: DriverOptions,
    stop: Arc<AtomicBool>,
    tcp_max: usize,
    mut role: impl Role + Send,
    client: impl FnOnce(SocketAddr),
) -> DriverCounters {
    let listener = listen("127.0.0.1:0".parse().unwrap(), &ListenOptions::default()).unwrap();
    let address = local_address(listener.as_fd()).unwrap();
    let counters = DriverCounters::default();
    let bell = Waker::new().unwrap();
    thread::scope(|scope| {
        let worker = scope.spawn(|| {
            let mut port = Port::new(&PortOptions { tcp_max, block_bytes: 4_096, blocks: 2_048, trains: 1 });
            let sockets = Sockets { listeners: vec![listener], udp: Vec::new() };
            run(&mut role, &mut port, sockets, &options, &bell, &[], &counters).unwrap();
        });
        // A client that fails must not leave the worker running.
        let outcome = catch_unwind(AssertUnwindSafe(|| client(address)));
        stop.store(true, Ordering::Relaxed);
        bell.wake();
        worker.join().unwrap();
        if let Err(panic) = outcome {
            println!("{:?}", counters.all().filter(|(_, _, value)| *value > 0).collect::<Vec<_>>());
            resume_unwind(panic);
        }
    });
    assert_eq!(counters.stale_completions.get(), 0, "slots wait for their completions");
    assert_eq!(counters.completion_overflows.get(), 0, "the queue is large enough");
    counters
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream
}

fn exchange(stream: &mut TcpStream, bytes: &[u8]) {
    stream.write_all(bytes).unwrap();
    let mut back = vec![0; bytes.len()];
    stream.read_exact(&mut back).unwrap();
    assert!(back == bytes, "bytes come back in order");
}

fn assert_ends(mut stream: TcpStream) {
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).unwrap();
    assert!(rest.is_empty());
}

#[test]
fn echoes_one_byte_and_ends_in_order() {
    if is_unavailable() {
        return;
    }
    let counters = with_echo(options(), Reading::Small, 4, |address| {
        let mut stream = connect(address);
        exchange(&mut stream, b"x");
        assert_ends(stream);
    });
    assert_eq!((counters.accepts.get(), counters.closes.get()), (1, 1));
}

#[test]
fn a_large_transfer_survives_a_slow_reader_in_either_group() {
    if is_unavailable() {
        return;
    }
    let sent: Vec<u8> = (0..1_500_000_u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    for reading in [Reading::Small, Reading::Large] {
        with_echo(options(), reading, 4, |address| {
            let mut stream = connect(address);
            let mut writer = stream.try_clone().unwrap();
            thread::scope(|scope| {
                scope.spawn(|| writer.write_all(&sent).unwrap());
                let mut back = vec![0; sent.len()];
                for (turn, chunk) in back.chunks_mut(60_000).enumerate() {
                    if turn % 4 == 0 {
                        thread::yield_now();
                    }
                    stream.read_exact(chunk).unwrap();
                }
                assert!(back == sent, "bytes come back in order");
            });
            assert_ends(stream);
        });
    }
}

#[test]
fn hundreds_of_connections_share_four_buffers() {
    if is_unavailable() {
        return;
    }
    let few = DriverOptions {
        small: BufferOptions { bytes: 512, count: 4 },
        large: BufferOptions { bytes: 512, count: 2 },
        ..options()
    };
    for reading in [Reading::Small, Reading::Large] {
        let counters = with_echo(few.clone(), reading, 512, |address| {
            let mut streams: Vec<TcpStream> = (0..300).map(|_| connect(address)).collect();
            for round in 0..3_u8 {
                for stream in &mut streams {
                    stream.write_all(&[round; 700]).unwrap();
                }
                for stream in &mut streams {
                    let mut back = [9; 700];
                    stream.read_exact(&mut back).unwrap();
                    assert_eq!(back, [round; 700]);
                }
            }
            streams.into_iter().for_each(assert_ends);
        });
        assert!(reading == Reading::Large || counters.read_starvations.get() > 0, "buffers were short");
    }
}

#[test]
fn two_thousand_short_connections() {
    if is_unavailable() {
        return;
    }
    let counters = with_echo(options(), Reading::Small, 64, |address| {
        for round in 0..100_u8 {
            let mut streams: Vec<TcpStream> = (0..20).map(|_| connect(address)).collect();
            streams.iter_mut().for_each(|stream| exchange(stream, &[round; 100]));
            streams.into_iter().for_each(assert_ends);
        }
    });
    assert_eq!((counters.accepts.get(), counters.closes.get()), (2_000, 2_000));
}

#[test]
fn a_tiny_submission_queue_only_costs_more_calls() {
    if is_unavailable() {
        return;
    }
    let tiny = DriverOptions { submission_entries: 2, ..options() };
    with_echo(tiny, Reading::Small, 128, |address| {
        let mut streams: Vec<TcpStream> = (0..100).map(|_| connect(address)).collect();
        streams.iter_mut().for_each(|stream| stream.write_all(&[7; 3_000]).unwrap());
        for stream in &mut streams {
            let mut back = [0; 3_000];
            stream.read_exact(&mut back).unwrap();
            assert_eq!(back, [7; 3_000]);
        }
        streams.into_iter().for_each(assert_ends);
    });
}

#[test]
fn clients_beyond_the_table_wait_their_turn() {
    if is_unavailable() {
        return;
    }
    with_echo(options(), Reading::Small, 4, |address| {
        let mut streams: Vec<TcpStream> = (0..20).map(|_| connect(address)).collect();
        streams.iter_mut().for_each(|stream| stream.write_all(b"waiting").unwrap());
        for mut stream in streams {
            let mut back = [0; 7];
            stream.read_exact(&mut back).unwrap();
            assert_ends(stream);
        }
    });
}

#[test]
fn a_busy_worker_makes_few_calls() {
    if is_unavailable() {
        return;
    }
    const CLIENTS: usize = 32;
    const ROUNDS: usize = 200;
    let counters = with_echo(options(), Reading::Small, 64, |address| {
        let mut streams: Vec<TcpStream> = (0..CLIENTS).map(|_| connect(address)).collect();
        for _ in 0..ROUNDS {
            streams.iter_mut().for_each(|stream| stream.write_all(&[1; 128]).unwrap());
            streams.iter_mut().for_each(|stream| stream.read_exact(&mut [0; 128]).unwrap());
        }
    });
    let calls = counters.syscalls.get() as f64 / (CLIENTS * ROUNDS) as f64;
    println!("{calls:.2} system calls per exchange");
    assert!(calls < 1.5, "{calls:.2} system calls per exchange");
}

/// What a `Stutter` does, by connection.
#[derive(Clone, Copy, PartialEq)]
enum Habit {
    /// Stops reading and goes on in the next turn, at random.
    Stops,
    /// Stops reading before the first bytes, for good, and says so.
    Sleeps,
}

/// Echoes, but reads as a drunkard walks.
struct Stutter {
    stop: Arc<AtomicBool>,
    random: Prng,
    habit: fn(Token) -> Habit,
    accepted: u64,
    exhausted: Arc<AtomicBool>,
}

impl Stutter {
    fn any_reading(&mut self) -> Reading {
        if self.random.below(2) == 0 { Reading::Small } else { Reading::Large }
    }
}

impl Role for Stutter {
    fn handle(&mut self, _now: Instant, input: Input<'_>, port: &mut Port) {
        match input {
            Input::Accepted { tcp, .. } => {
                port.set_token(tcp, Token(self.accepted));
                self.accepted += 1;
                port.read(tcp, Reading::Small);
                if (self.habit)(port.token(tcp).unwrap()) == Habit::Sleeps {
                    port.notify_at(tcp, 0);
                }
            }
            Input::Read { tcp, bytes, .. } => {
                assert!(port.reading(tcp) != Reading::Off, "a role that does not read is given nothing");
                assert!(port.write(tcp, bytes), "the pool is large enough for the test");
                if self.random.below(3) == 0 {
                    port.read(tcp, Reading::Off);
                    port.notify_at(tcp, u32::MAX as usize);
                } else {
                    let reading = self.any_reading();
                    port.read(tcp, reading);
                }
            }
            Input::Wrote { tcp, token } if (self.habit)(token) == Habit::Sleeps => {
                port.read(tcp, Reading::Off);
                assert!(port.write(tcp, b"!"), "the pool is large enough for the test");
            }
            Input::Wrote { tcp, .. } => {
                let reading = self.any_reading();
                port.read(tcp, reading);
            }
            Input::ReadEnd { tcp, .. } => {
                assert!(port.reading(tcp) != Reading::Off, "the end comes to a role that reads");
                port.finish(tcp);
            }
            Input::Failed { failure, .. } => {
                self.exhausted.fetch_or(failure == TcpFailure::Exhausted, Ordering::Relaxed);
            }
            Input::Connected { .. } | Input::Datagrams { .. } | Input::Tick => {}
        }
    }

    fn flush(&mut self, _now: Instant, _port: &mut Port) {}

    fn deadline(&self) -> Option<Instant> {
        None
    }

    fn may_sleep(&mut self) -> bool {
        true
    }

    fn awake(&mut self) {}

    fn is_finished(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

#[test]
fn held_bytes_come_first_and_in_order() {
    if is_unavailable() {
        return;
    }
    let sent: Vec<u8> = (0..300_000_u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    for seed in 0..4 {
        let role = Stutter {
            stop: Arc::new(AtomicBool::new(false)),
            random: Prng::new(seed),
            habit: |_| Habit::Stops,
            accepted: 0,
            exhausted: Arc::default(),
        };
        let counters = with_role(options(), role.stop.clone(), 8, role, |address| {
            thread::scope(|scope| {
                for _ in 0..3 {
                    scope.spawn(|| {
                        let mut stream = connect(address);
                        let mut writer = stream.try_clone().unwrap();
                        let sent = &sent;
                        thread::scope(|scope| {
                            scope.spawn(move || {
                                writer.write_all(sent).unwrap();
                                writer.shutdown(std::net::Shutdown::Write).unwrap();
                            });
                            let mut back = Vec::new();
                            stream.read_to_end(&mut back).unwrap();
                            assert!(back == *sent, "bytes come back in order");
                        });
                    });
                }
            });
        });
        assert!(counters.cancels.get() > 0, "some receives were cancelled");
    }
}

#[test]
fn whoever_pins_all_buffers_goes() {
    if is_unavailable() {
        return;
    }
    let few = DriverOptions { small: BufferOptions { bytes: 512, count: 4 }, ..options() };
    let exhausted = Arc::new(AtomicBool::new(false));
    let role = Stutter {
        stop: Arc::new(AtomicBool::new(false)),
        random: Prng::new(1),
        habit: |token| if token.0 == 0 { Habit::Sleeps } else { Habit::Stops },
        accepted: 0,
        exhausted: exhausted.clone(),
    };
    with_role(few, role.stop.clone(), 8, role, |address| {
        let mut greedy = connect(address);
        greedy.read_exact(&mut [0]).unwrap();
        // One segment, larger than all buffers together.
        greedy.write_all(&[0; 16 * 1_024]).unwrap();
        let mut modest = connect(address);
        exchange(&mut modest, b"may I?");
        assert!(exhausted.load(Ordering::Relaxed));
        assert_eq!(greedy.read(&mut [0]).unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    });
}

/// Greets, and never reads.
struct Idle {
    stop: Arc<AtomicBool>,
    failed: Arc<AtomicBool>,
}

impl Role for Idle {
    fn handle(&mut self, _now: Instant, input: Input<'_>, port: &mut Port) {
        match input {
            Input::Accepted { tcp, .. } => assert!(port.write(tcp, b"!"), "there is room"),
            Input::Failed { failure, .. } => {
                assert_eq!(failure, TcpFailure::Reset);
                self.failed.store(true, Ordering::Relaxed);
            }
            _ => {}
        }
    }

    fn flush(&mut self, _now: Instant, _port: &mut Port) {}

    fn deadline(&self) -> Option<Instant> {
        None
    }

    fn may_sleep(&mut self) -> bool {
        true
    }

    fn awake(&mut self) {}

    fn is_finished(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

#[test]
fn a_reset_is_noticed_though_nobody_reads() {
    if is_unavailable() {
        return;
    }
    let stop = Arc::new(AtomicBool::new(false));
    let failed = Arc::new(AtomicBool::new(false));
    let role = Idle { stop: stop.clone(), failed: failed.clone() };
    with_role(options(), stop, 4, role, |address| {
        let mut stream = connect(address);
        stream.read_exact(&mut [0]).unwrap();
        socket2::SockRef::from(&stream).set_linger(Some(std::time::Duration::ZERO)).unwrap();
        drop(stream);
        let start = std::time::Instant::now();
        while !failed.load(Ordering::Relaxed) && start.elapsed() < PATIENCE {
            thread::yield_now();
        }
    });
    assert!(failed.load(Ordering::Relaxed));
}

#[test]
fn spinning_and_waiting_for_batches_change_no_bytes() {
    if is_unavailable() {
        return;
    }
    let eager = DriverOptions { spin_us: 50, batch_wait_us: 50, ..options() };
    with_echo(eager, Reading::Small, 64, |address| {
        let mut streams: Vec<TcpStream> = (0..40).map(|_| connect(address)).collect();
        for round in 0..20_u8 {
            streams.iter_mut().for_each(|stream| stream.write_all(&[round; 64]).unwrap());
            for stream in &mut streams {
                let mut back = [0; 64];
                stream.read_exact(&mut back).unwrap();
                assert_eq!(back, [round; 64]);
            }
        }
        streams.into_iter().for_each(assert_ends);
    });
}

/// The driver, or where io_uring is missing the other one, with which the shared suite says nothing new.
fn run_here(
    role: &mut echo::Echo,
    port: &mut Port,
    sockets: Sockets,
    options: &DriverOptions,
    waker: &Waker,
    peers: &[Waker],
    counters: &DriverCounters,
) -> io::Result<()> {
    if is_unavailable() {
        return epoll::run(role, port, sockets, options, waker, peers, counters);
    }
    run(role, port, sockets, options, waker, peers, counters)
}

// What both drivers owe a role.
checks::driver_checks!(run_here);
