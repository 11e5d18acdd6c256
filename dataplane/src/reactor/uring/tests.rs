//! The io_uring driver against real sockets: what is its own. What both drivers owe a role is in the shared suite.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use super::*;
use crate::port::{PortOptions, Reading, TcpId, Token};
use crate::reactor::socket::{ListenOptions, listen, local_address};

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
    let Err(error) = create(8, 16) else { return false };
    assert!(std::env::var_os("LONGHAUL_REQUIRE_ALL").is_none(), "io_uring is required here: {error}");
    println!("skipped: io_uring is not available: {error}");
    true
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
    let listener = listen("127.0.0.1:0".parse().unwrap(), &ListenOptions::default()).unwrap();
    let address = local_address(listener.as_fd()).unwrap();
    let counters = DriverCounters::default();
    let bell = Waker::new().unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    thread::scope(|scope| {
        let worker = scope.spawn(|| {
            let mut port = Port::new(&PortOptions { tcp_max, block_bytes: 4_096, blocks: 2_048, trains: 1 });
            let mut echo = Echo { stop: stop.clone(), reading, high_bytes: 16_384, open: 0 };
            let sockets = Sockets { listeners: vec![listener], udp: Vec::new() };
            run(&mut echo, &mut port, sockets, &options, &bell, &[], &counters).unwrap();
            (echo.open, port.tcp_count(), port.blocks().used())
        });
        client(address);
        stop.store(true, Ordering::Relaxed);
        bell.wake();
        worker.join().unwrap();
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
