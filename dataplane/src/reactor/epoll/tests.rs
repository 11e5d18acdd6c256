//! The suite that all drivers pass, and what only this one promises.

use std::io::{Read, Write};

use socket2::SockRef;

use crate::port::TcpFailure;
use crate::reactor::checks::{Bench, Setup, driver_checks};
use crate::reactor::echo::{Command, Event};
use crate::reactor::epoll::run::run;
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
