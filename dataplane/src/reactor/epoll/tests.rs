//! The suite that all drivers pass, and what only this one promises.

use std::io::{Read, Write};
use std::os::fd::AsRawFd;

use socket2::{Domain, SockRef, Socket, Type};

use crate::port::TcpFailure;
use crate::reactor::checks::{Bench, Setup, driver_checks};
use crate::reactor::echo::{Command, Event};
use crate::reactor::epoll::run::run;
use crate::reactor::machine::{DescriptorLimit, descriptor_limit, set_descriptor_limit};
use crate::time::Duration;

driver_checks!(run);

#[test]
fn a_reset_is_noticed_while_nothing_is_read() {
    let bench = Bench::start(run, Setup::default());
    let client = bench.client(2);
    bench.wait_for(|event| *event == Event::Accepted(2));
    SockRef::from(&client).set_linger(Some(Duration::ZERO)).unwrap();
    drop(client);
    bench.wait_for(|event| *event == Event::Failed(TcpFailure::Reset));
    bench.wait_for_count(0);
    bench.end();
}

#[test]
fn what_came_before_a_reset_is_heard_out() {
    let bench = Bench::start(run, Setup::default());
    let mut client = bench.client(2);
    bench.wait_for(|event| *event == Event::Accepted(2));
    client.write_all(&[7; 10_000]).unwrap();
    SockRef::from(&client).set_linger(Some(Duration::ZERO)).unwrap();
    drop(client);
    assert_eq!(bench.report(), (1, 0, 0));
    bench.tell(Command::ReadHushed);
    bench.wait_for(|event| *event == Event::Failed(TcpFailure::Reset));
    assert_eq!(bench.report(), (0, 0, 10_000));
    bench.end();
}

#[test]
fn a_request_costs_three_system_calls() {
    let bench = Bench::start(run, Setup::default());
    let mut client = bench.client(0);
    let ask = |client: &mut std::net::TcpStream| {
        client.write_all(b"question").unwrap();
        client.read_exact(&mut [0; 8]).unwrap();
    };
    ask(&mut client);
    bench.report();
    let before = bench.counters.syscalls.get();
    (0..100).for_each(|_| ask(&mut client));
    bench.report();
    let spent = bench.counters.syscalls.get() - before;
    assert!(spent <= 310, "poll, read and write each: {spent}");
    drop(client);
    bench.end();
}

/// The descriptor limit is the process's: the test runs itself again, alone.
#[test]
fn without_descriptors_a_client_is_shed_and_the_next_is_served() {
    const NAME: &str = "reactor::epoll::tests::without_descriptors_a_client_is_shed_and_the_next_is_served";
    const MARK: &str = "LONGHAUL_TEST_ALONE";
    if std::env::var_os(MARK).is_some() {
        return shed_and_serve();
    }
    let alone = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", NAME])
        .env(MARK, "1")
        .output()
        .unwrap();
    assert!(alone.status.success(), "{}", String::from_utf8_lossy(&alone.stdout));
}

fn shed_and_serve() {
    let bench = Bench::start(run, Setup::default());
    bench.report();
    let clients: Vec<Socket> =
        (0..2).map(|_| Socket::new(Domain::IPV4, Type::STREAM, None).unwrap()).collect();
    let limit = descriptor_limit().unwrap();
    // The lowest free descriptor: from here on nothing can be opened.
    let soft = clients[0].try_clone().unwrap().as_raw_fd() as u64;
    set_descriptor_limit(DescriptorLimit { soft, ..limit }).unwrap();
    clients[0].connect(&bench.listeners[0].into()).unwrap();
    assert!(matches!((&clients[0]).read(&mut [0; 1]), Ok(0) | Err(_)), "closed, not left to wait");
    set_descriptor_limit(limit).unwrap();
    clients[1].connect(&bench.listeners[0].into()).unwrap();
    (&clients[1]).write_all(b"hello").unwrap();
    (&clients[1]).read_exact(&mut [0; 5]).unwrap();
    assert_eq!((bench.counters.accept_sheds.get(), bench.counters.accepts.get()), (1, 1));
    assert!(bench.counters.loops.get() < 50, "no busy waiting");
    bench.end();
}
