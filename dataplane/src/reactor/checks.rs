//! What every driver must do, checked over loopback with plain blocking clients. A driver's tests say
//! `driver_checks!(run)` and get one test per check.
//!
//! No check waits by sleeping: it waits for an event of the role, for bytes, or for the end of the driver's
//! thread. A check that would hang fails after `PATIENCE`.

use core::net::SocketAddr;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream, UdpSocket};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use socket2::SockRef;

use crate::port::{Ecn, Port, PortOptions, TcpFailure};
use crate::reactor::counters::DriverCounters;
use crate::reactor::datagram::{ReceiveHeader, SendHeader, receive, send};
use crate::reactor::echo::{Command, Commands, Echo, Event, QUEUE_HIGH_BYTES};
use crate::reactor::options::{DriverOptions, Sockets};
use crate::reactor::socket::{ListenOptions, UdpOptions, listen, local_address, set_option, udp};
use crate::reactor::wake::Waker;
use crate::time::Duration;

/// A driver's `run` for the test role.
pub(crate) type Run =
    fn(&mut Echo, &mut Port, Sockets, &DriverOptions, &Waker, &[Waker], &DriverCounters) -> io::Result<()>;

/// After this a check has failed. Far above what any takes, because the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(20);

/// How a check wants its driver.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    pub(crate) tcp_max: usize,
    pub(crate) target: Option<SocketAddr>,
    pub(crate) address: &'static str,
    /// The UDP socket refuses UDP_SEGMENT as a device without checksum offload does.
    pub(crate) unsegmented: bool,
    pub(crate) options: DriverOptions,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            tcp_max: 256,
            target: None,
            address: "127.0.0.1:0",
            unsegmented: false,
            options: DriverOptions::default(),
        }
    }
}

/// A driver at work on its own thread.
#[derive(Debug)]
pub(crate) struct Bench {
    pub(crate) listeners: Vec<SocketAddr>,
    pub(crate) udp: SocketAddr,
    pub(crate) counters: Arc<DriverCounters>,
    events: Receiver<Event>,
    commands: Commands,
    bell: Waker,
    peer: Waker,
    thread: JoinHandle<io::Result<(usize, usize)>>,
}

impl Bench {
    pub(crate) fn start(run: Run, setup: Setup) -> Self {
        let at: SocketAddr = setup.address.parse().unwrap();
        // Small send buffers make back-pressure come early.
        let listening = ListenOptions { send_buffer_bytes: Some(32 * 1_024), ..ListenOptions::default() };
        let listeners: Vec<OwnedFd> = (0..3).map(|_| listen(at, &listening).unwrap()).collect();
        let udp = udp(at, &UdpOptions { receive_buffer_bytes: 1 << 20, ..UdpOptions::default() }).unwrap();
        let addresses: Vec<SocketAddr> =
            listeners.iter().map(|each| local_address(each.as_fd()).unwrap()).collect();
        if setup.unsegmented {
            // The kernel segments only what it can checksum.
            set_option(udp.as_fd(), libc::SOL_SOCKET, libc::SO_NO_CHECK, 1).unwrap();
        }
        let udp_address = local_address(udp.as_fd()).unwrap();
        let target = setup.target.unwrap_or(addresses[0]);
        let (sender, events) = channel();
        let commands = Commands::new(Mutex::default());
        let (bell, peer) = (Waker::new().unwrap(), Waker::new().unwrap());
        let counters = Arc::new(DriverCounters::default());
        let thread = {
            let peers = [bell.clone(), peer.clone()];
            let (commands, counters) = (commands.clone(), counters.clone());
            thread::spawn(move || {
                let mut role = Echo::new(commands, sender, Some(target));
                let sizes =
                    PortOptions { tcp_max: setup.tcp_max, block_bytes: 4_096, blocks: 2_048, trains: 8 };
                let mut port = Port::new(&sizes);
                let sockets = Sockets { listeners, udp: vec![udp] };
                run(&mut role, &mut port, sockets, &setup.options, &peers[0], &peers, &counters)?;
                Ok((port.tcp_count(), port.blocks().used()))
            })
        };
        Self { listeners: addresses, udp: udp_address, counters, events, commands, bell, peer, thread }
    }

    pub(crate) fn tell(&self, command: Command) {
        self.commands.lock().unwrap().push_back(command);
        self.bell.wake();
    }

    /// The next event.
    pub(crate) fn next(&self) -> Event {
        self.events.recv_timeout(PATIENCE).unwrap()
    }

    /// Events up to the one that `is_it` knows, which is last.
    pub(crate) fn wait_for(&self, is_it: impl Fn(&Event) -> bool) -> Vec<Event> {
        let mut seen = vec![self.next()];
        while !is_it(&seen[seen.len() - 1]) {
            seen.push(self.next());
        }
        seen
    }

    /// Connections in the table, the longest queue so far, and bytes read from hushed connections.
    pub(crate) fn report(&self) -> (usize, usize, usize) {
        self.tell(Command::Report);
        match self.wait_for(|event| matches!(event, Event::Reported { .. })).pop() {
            Some(Event::Reported { tcp_count, queued_max, hushed_bytes }) => {
                (tcp_count, queued_max, hushed_bytes)
            }
            other => panic!("{other:?} is no report"),
        }
    }

    /// Asks until the table holds `count` connections.
    pub(crate) fn wait_for_count(&self, count: usize) {
        let began = std::time::Instant::now();
        while self.report().0 != count {
            assert!(began.elapsed() < PATIENCE, "the table does not come to {count}");
            thread::yield_now();
        }
    }

    pub(crate) fn client(&self, listener: usize) -> TcpStream {
        let client = TcpStream::connect(self.listeners[listener]).unwrap();
        client.set_read_timeout(Some(PATIENCE)).unwrap();
        client.set_write_timeout(Some(PATIENCE)).unwrap();
        client
    }

    /// Ends the driver; nothing may be left in the port.
    pub(crate) fn end(self) -> Arc<DriverCounters> {
        self.tell(Command::Finish);
        assert_eq!(self.thread.join().unwrap().unwrap(), (0, 0), "connections and blocks left");
        self.counters
    }
}

pub(crate) fn pattern(bytes: usize) -> Vec<u8> {
    (0..bytes as u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

fn ask(client: &mut TcpStream, question: &[u8]) {
    client.write_all(question).unwrap();
    let mut answer = vec![0; question.len()];
    client.read_exact(&mut answer).unwrap();
    assert_eq!(answer, question);
}

pub(crate) fn many_connections_are_echoed_at_once(run: Run) {
    for address in ["127.0.0.1:0", "[::1]:0"] {
        let bench = Bench::start(run, Setup { address, ..Setup::default() });
        let mut clients: Vec<TcpStream> = (0..100).map(|_| bench.client(0)).collect();
        for round in 0..3_u8 {
            for (number, client) in clients.iter_mut().enumerate() {
                client.write_all(&[number as u8, round, 7]).unwrap();
            }
            for (number, client) in clients.iter_mut().enumerate() {
                let mut answer = [0; 3];
                client.read_exact(&mut answer).unwrap();
                assert_eq!(answer, [number as u8, round, 7]);
            }
        }
        assert_eq!(bench.report().0, 100);
        drop(clients);
        bench.wait_for_count(0);
        let counters = bench.end();
        assert_eq!((counters.accepts.get(), counters.read_bytes.get()), (100, 900));
        assert_eq!((counters.write_bytes.get(), counters.closes.get()), (900, 100));
    }
}

pub(crate) fn a_slow_reader_holds_up_its_own_sender(run: Run) {
    let bench = Bench::start(run, Setup::default());
    let bytes = pattern(4 << 20);
    let client = bench.client(0);
    let mut reader = client.try_clone().unwrap();
    let sent = bytes.clone();
    let writer = thread::spawn(move || {
        (&client).write_all(&sent).unwrap();
        client.shutdown(Shutdown::Write).unwrap();
    });
    // Nothing is read here before the role has stopped reading there.
    bench.wait_for(|event| *event == Event::Paused);
    ask(&mut bench.client(0), b"another connection goes on");
    let mut got = Vec::with_capacity(bytes.len());
    reader.read_to_end(&mut got).unwrap();
    writer.join().unwrap();
    assert!(got == bytes, "every byte once, in order");
    bench.wait_for_count(0);
    let queued_max = bench.report().1;
    // What was read before the wish to stop could be seen may still come in: one turn's share.
    assert!((QUEUE_HIGH_BYTES..QUEUE_HIGH_BYTES + 64 * 1_024).contains(&queued_max), "{queued_max}");
    bench.end();
}

pub(crate) fn a_half_closed_connection_is_answered_to_the_end(run: Run) {
    let bench = Bench::start(run, Setup::default());
    let mut client = bench.client(0);
    let bytes = pattern(20_000);
    client.write_all(&bytes).unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    let mut got = Vec::new();
    client.read_to_end(&mut got).unwrap();
    assert_eq!(got, bytes);
    bench.wait_for_count(0);
    bench.end();
}

pub(crate) fn an_end_without_a_byte_is_told(run: Run) {
    let bench = Bench::start(run, Setup::default());
    drop(bench.client(0));
    bench.wait_for(|event| *event == Event::ReadEnd);
    bench.wait_for_count(0);
    bench.end();
}

pub(crate) fn an_abort_reaches_the_client_as_a_reset(run: Run) {
    let bench = Bench::start(run, Setup::default());
    let mut client = bench.client(0);
    client.write_all(b"abort").unwrap();
    assert_eq!(client.read(&mut [0; 1]).unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    bench.wait_for_count(0);
    assert_eq!(bench.end().aborts.get(), 1);
}

pub(crate) fn a_clients_reset_fails_the_connection(run: Run) {
    let bench = Bench::start(run, Setup::default());
    let mut client = bench.client(0);
    ask(&mut client, b"hello");
    SockRef::from(&client).set_linger(Some(Duration::ZERO)).unwrap();
    drop(client);
    bench.wait_for(|event| *event == Event::Failed(TcpFailure::Reset));
    bench.wait_for_count(0);
    bench.end();
}

pub(crate) fn a_relay_carries_both_ways(run: Run) {
    let bench = Bench::start(run, Setup::default());
    let bytes = pattern(1 << 20);
    let client = bench.client(1);
    let mut reader = client.try_clone().unwrap();
    let sent = bytes.clone();
    let writer = thread::spawn(move || {
        (&client).write_all(&sent).unwrap();
        client.shutdown(Shutdown::Write).unwrap();
    });
    let mut got = Vec::with_capacity(bytes.len());
    reader.read_to_end(&mut got).unwrap();
    writer.join().unwrap();
    assert!(got == bytes, "every byte once, in order");
    bench.wait_for_count(0);
    let counters = bench.end();
    assert_eq!((counters.connects.get(), counters.accepts.get()), (1, 2));
}

pub(crate) fn a_refused_connection_fails(run: Run) {
    // Bound and not listening: nobody else can come to listen there.
    let closed = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    closed.bind(&"127.0.0.1:0".parse::<SocketAddr>().unwrap().into()).unwrap();
    let target = local_address(closed.as_fd()).unwrap();
    let bench = Bench::start(run, Setup { target: Some(target), ..Setup::default() });
    let mut client = bench.client(1);
    bench.wait_for(|event| *event == Event::Failed(TcpFailure::Refused));
    assert_eq!(client.read(&mut [0; 1]).unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    bench.wait_for_count(0);
    assert_eq!(bench.end().connect_errors.get(), 1);
}

pub(crate) fn clients_wait_while_accepting_is_paused(run: Run) {
    let bench = Bench::start(run, Setup::default());
    ask(&mut bench.client(0), b"before");
    bench.tell(Command::Accept(false));
    // Two turns of the loop: the driver has seen the wish and its kernel has let go.
    bench.wait_for_count(0);
    bench.report();
    let mut client = bench.client(0);
    client.write_all(b"early").unwrap();
    bench.report();
    assert_eq!(bench.report().0, 0);
    bench.tell(Command::Accept(true));
    bench.wait_for(|event| *event == Event::Accepted(0));
    let mut answer = [0; 5];
    client.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"early");
    drop(client);
    bench.end();
}

pub(crate) fn a_full_table_makes_clients_wait(run: Run) {
    let bench = Bench::start(run, Setup { tcp_max: 2, ..Setup::default() });
    let (mut first, mut second) = (bench.client(0), bench.client(0));
    ask(&mut first, b"one");
    ask(&mut second, b"two");
    let mut third = bench.client(0);
    third.write_all(b"three").unwrap();
    assert_eq!(bench.report().0, 2);
    drop(first);
    let mut answer = [0; 5];
    third.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"three");
    drop((second, third));
    bench.wait_for_count(0);
    bench.end();
}

pub(crate) fn a_mark_that_is_reached_already_is_told_at_once(run: Run) {
    let bench = Bench::start(run, Setup::default());
    let mut client = bench.client(0);
    client.write_all(b"mark").unwrap();
    assert_eq!(bench.wait_for(|event| *event == Event::Wrote).len(), 2, "Accepted, Wrote");
    ask(&mut client, b"and on");
    drop(client);
    bench.end();
}

pub(crate) fn deadlines_are_kept_near_and_far(run: Run) {
    let bench = Bench::start(run, Setup::default());
    for us in [1, 300, 5_000, 25_000] {
        bench.tell(Command::TickIn(Duration::from_micros(us)));
        let seen = bench.wait_for(|event| matches!(event, Event::Deadline { .. }));
        assert_eq!(seen.len(), 1);
    }
    let counters = bench.end();
    assert!(counters.ticks.get() <= 16 && counters.loops.get() < 100, "no busy waiting");
}

pub(crate) fn an_idle_driver_sleeps(run: Run) {
    let bench = Bench::start(run, Setup::default());
    let mut clients: Vec<TcpStream> = (0..10).map(|_| bench.client(0)).collect();
    for client in &mut clients {
        ask(client, b"hello");
    }
    bench.report();
    let before = bench.counters.loops.get();
    bench.report();
    assert!(bench.counters.loops.get() - before <= 4, "one wake-up is a turn or two");
    drop(clients);
    bench.end();
}

pub(crate) fn a_wish_to_wake_rings_the_other_workers_bell(run: Run) {
    let bench = Bench::start(run, Setup::default());
    bench.tell(Command::Wake(1));
    bench.report();
    let began = std::time::Instant::now();
    while !bench.peer.drain() {
        assert!(began.elapsed() < PATIENCE, "the bell is not rung");
        thread::yield_now();
    }
    assert_eq!(bench.end().wakes_out.get(), 1);
}

/// Sends a train of eleven to the driver and takes the echo apart.
fn train_there_and_back(bench: &Bench, address: &str) {
    let bytes = pattern(10 * 1_200 + 300);
    let client = udp(address.parse().unwrap(), &UdpOptions::default()).unwrap();
    send(client.as_fd(), &mut SendHeader::new(), bench.udp, &bytes, 1_200, Ecn::Capable0).unwrap();
    let client = UdpSocket::from(client);
    client.set_nonblocking(false).unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    let (mut header, mut into) = (ReceiveHeader::new(), vec![0; 65_536]);
    let (mut got, mut datagrams) = (Vec::new(), 0);
    while got.len() < bytes.len() {
        let received = receive(client.as_fd(), &mut header, &mut into).unwrap().unwrap();
        assert_eq!((received.from, received.ecn), (bench.udp, Ecn::Capable0));
        datagrams += received.datagrams();
        got.extend_from_slice(&into[..received.bytes]);
    }
    assert!(got == bytes && datagrams == 11, "{datagrams} datagrams, {} bytes", got.len());
}

pub(crate) fn trains_go_round_in_both_families(run: Run) {
    for (address, segments_max) in [("127.0.0.1:0", 64), ("[::1]:0", 64), ("127.0.0.1:0", 1)] {
        let options = DriverOptions { gso_segments_max: segments_max, ..DriverOptions::default() };
        let bench = Bench::start(run, Setup { address, options, ..Setup::default() });
        train_there_and_back(&bench, address);
        let counters = bench.end();
        assert_eq!((counters.datagrams_in.get(), counters.datagrams_out.get()), (11, 11));
        assert_eq!(counters.datagram_bytes_out.get(), 12_300);
        assert!(segments_max > 1 || counters.trains_out.get() == 11);
        assert_eq!((counters.gso_fallbacks.get(), counters.datagram_drops.get()), (0, 0));
    }
}

pub(crate) fn a_train_that_cannot_be_segmented_goes_one_by_one(run: Run) {
    let bench = Bench::start(run, Setup { unsegmented: true, ..Setup::default() });
    train_there_and_back(&bench, "127.0.0.1:0");
    train_there_and_back(&bench, "127.0.0.1:0");
    let counters = bench.end();
    assert_eq!((counters.gso_fallbacks.get(), counters.datagrams_out.get()), (1, 22));
    assert_eq!((counters.trains_out.get(), counters.datagrams_refused.get()), (22, 0));
}

pub(crate) fn connections_in_flight_are_gone_when_the_role_is_finished(run: Run) {
    let bench = Bench::start(run, Setup::default());
    let mut client = bench.client(0);
    ask(&mut client, b"hello");
    let _relayed = bench.client(1);
    bench.wait_for(|event| *event == Event::Connected);
    bench.end();
    assert_eq!(client.read(&mut [0; 1]).unwrap(), 0, "closed in order");
}

/// One test per check, for the driver whose `run` is named.
macro_rules! driver_checks {
    ($run:path; $($check:ident),* $(,)?) => {
        $(#[test] fn $check() { $crate::reactor::checks::$check($run); })*
    };
    ($run:path) => {
        $crate::reactor::checks::driver_checks! { $run;
            many_connections_are_echoed_at_once,
            a_slow_reader_holds_up_its_own_sender,
            a_half_closed_connection_is_answered_to_the_end,
            an_end_without_a_byte_is_told,
            an_abort_reaches_the_client_as_a_reset,
            a_clients_reset_fails_the_connection,
            a_relay_carries_both_ways,
            a_refused_connection_fails,
            clients_wait_while_accepting_is_paused,
            a_full_table_makes_clients_wait,
            a_mark_that_is_reached_already_is_told_at_once,
            deadlines_are_kept_near_and_far,
            an_idle_driver_sleeps,
            a_wish_to_wake_rings_the_other_workers_bell,
            trains_go_round_in_both_families,
            a_train_that_cannot_be_segmented_goes_one_by_one,
            connections_in_flight_are_gone_when_the_role_is_finished,
        }
    };
}
pub(crate) use driver_checks;
