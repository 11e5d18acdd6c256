//! Origins before an asker that is played by the test: what a far end must not be able to do.

use core::net::SocketAddr;
use std::sync::Arc;

use crate::compression::{Terms, Why};
use crate::exchange::envelope::{OPENING_BYTES_MAX, OpeningEnvelope};
use crate::exchange::failure::Failure;
use crate::exchange::link::{Answer, Ask, Asker, Downstream, Kind, Opening, Served, Upstream, Way};
use crate::port::{Port, PortOptions};
use crate::role::control::Control;
use crate::role::counters::Counters;
use crate::role::limits::Limits;
use crate::role::origins::Origins;
use crate::role::plan::{Origin, Plan};
use crate::role::token;
use crate::time::{Duration, Instant};

const NOW: Instant = Instant::from_us(1);
const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const UPGRADE: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n";

/// The asker: notes why it was failed.
#[derive(Default)]
struct Asking(Option<Failure>);

impl Downstream for Asking {
    fn answer(&mut self, _: Instant, _: &mut Port, _: Asker, answer: Answer<'_>) -> bool {
        if let Answer::Failed(failure) = answer {
            self.0 = Some(failure);
        }
        true
    }
}

/// One origin of so many addresses, exchanges and pooled connections for each of `count` origins.
fn of(count: usize, addresses: u8, exchanges_max: usize) -> (Origins, Port) {
    let origin =
        Origin { site: "a".to_owned(), kind: Kind::Http, label: "a".to_owned(), proxy: None, retired: None };
    let plan = Plan { origins: vec![origin; count].into(), ..Plan::default() };
    let limits = Limits { exchanges_max, pool_max: 4, held_bytes: 1 << 20, ..Limits::default() };
    let tcp_max = limits.origin_connections_max();
    let control = Arc::new(Control::new(Arc::default(), 1));
    let addresses: Vec<_> = (1..=addresses).map(|last| SocketAddr::from(([127, 0, 0, last], 80))).collect();
    (0..count).for_each(|origin| control.publish(origin, &addresses));
    let mut origins = Origins::new(Arc::new(plan), Arc::new(limits), Arc::new(Counters::default()), control);
    let mut port = Port::new(&PortOptions { tcp_max, block_bytes: 4_096, blocks: 64, trains: 1 });
    origins.flush(NOW, &mut port, &mut Asking::default());
    (origins, port)
}

fn origins() -> (Origins, Port) {
    of(1, 1, 4)
}

fn say(origins: &mut Origins, port: &mut Port, origin: u16, request: &[u8], finishes: bool) {
    let client = SocketAddr::from(([10, 0, 0, 2], 4_000));
    let envelope = OpeningEnvelope { kind: Kind::Http, decision: 1, client, site: b"a" };
    let mut bytes = [0; OPENING_BYTES_MAX];
    let length = envelope.encode(&mut bytes);
    let terms = Terms::nothing(Why::Rule);
    let opening = Opening { class: 0, kind: Kind::Http, envelope: &bytes[..length], terms };
    let way = Way::Origin(origin);
    let served: Served = origins.open(NOW, port, way, Asker(1), &opening).unwrap();
    assert!(origins.ask(NOW, port, way, Asker(1), served, Ask::Data(request)));
    if finishes {
        assert!(origins.ask(NOW, port, way, Asker(1), served, Ask::Finish));
    }
}

/// Asks for something, and says whether that made a new connection.
fn ask(origins: &mut Origins, port: &mut Port, request: &[u8], finishes: bool) -> bool {
    ask_of(origins, port, 0, request, finishes)
}

fn ask_of(origins: &mut Origins, port: &mut Port, origin: u16, request: &[u8], finishes: bool) -> bool {
    say(origins, port, origin, request, finishes);
    let Some((tcp, _)) = port.take_connect() else { return false };
    let (_, connection) = token::unpack(port.token(tcp).unwrap()).unwrap();
    origins.on_connected(NOW, port, connection);
    origins.flush(NOW, port, &mut Asking::default());
    let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    origins.on_read(NOW, port, &mut Asking::default(), connection, answer);
    true
}

#[test]
fn a_connection_whose_fin_is_said_is_not_used_again() {
    let (mut origins, mut port) = origins();
    assert!(ask(&mut origins, &mut port, UPGRADE, true));
    assert!(ask(&mut origins, &mut port, GET, true));
    assert!(!ask(&mut origins, &mut port, GET, true), "this one is kept");
}

#[test]
fn an_address_that_swallows_connections_is_left_for_the_next_one_three_times_at_the_most() {
    let (mut origins, mut port) = of(1, 5, 4);
    let (mut asking, mut now) = (Asking::default(), NOW);
    say(&mut origins, &mut port, 0, GET, true);
    let mut tried = Vec::new();
    while let Some((_, address)) = port.take_connect() {
        tried.push(address);
        assert_eq!((origins.connections().0, asking.0), (1, None));
        now += Duration::from_secs(6);
        (0..2).for_each(|_| origins.flush(now, &mut port, &mut asking));
    }
    tried.sort_unstable();
    tried.dedup();
    assert_eq!((tried.len(), asking.0), (3, Some(Failure::ConnectTimeout)));
    assert_eq!((origins.connections().0, origins.fetches()), (0, 0));
}

#[test]
fn idle_connections_make_room_for_new_ones() {
    let count = 200;
    let (mut origins, mut port) = of(count, 1, 4);
    for origin in 0..count as u16 {
        assert!(ask_of(&mut origins, &mut port, origin, GET, true), "origin {origin} got its connection");
        while let Some(tcp) = port.take_dirty() {
            if port.ending(tcp).is_some() {
                port.release(tcp);
            }
        }
    }
    assert_eq!(origins.connections(), (4, 4));
    assert!(!ask_of(&mut origins, &mut port, count as u16 - 1, GET, true), "the youngest are kept");
}

#[test]
fn a_request_that_lost_a_piece_does_not_end_as_if_it_were_whole() {
    let (mut origins, _) = origins();
    let mut port = Port::new(&PortOptions { tcp_max: 4, block_bytes: 64, blocks: 1, trains: 1 });
    let upload = [UPGRADE, &[b'x'; 100]].concat();
    say(&mut origins, &mut port, 0, &upload, true);
    let (tcp, _) = port.take_connect().unwrap();
    let (_, connection) = token::unpack(port.token(tcp).unwrap()).unwrap();
    origins.on_connected(NOW, &mut port, connection);
    assert!(!port.is_finishing(tcp), "FIN behind a gap would hide it");
    let mut asking = Asking::default();
    origins.flush(NOW, &mut port, &mut asking);
    assert_eq!(asking.0, Some(Failure::Shed));
}

/// A client that reads a few bytes per second of what an origin said before its end was cut here: nothing tells this side
/// of progress but credit, which comes in portions.
#[test]
fn an_origin_that_has_said_and_taken_all_is_not_timed_any_more() {
    for (queued, wanted) in [(&b""[..], None), (b"more", Some(Failure::Stalled))] {
        let (mut origins, mut port) = origins();
        say(&mut origins, &mut port, 0, UPGRADE, false);
        let (tcp, _) = port.take_connect().unwrap();
        let (_, connection) = token::unpack(port.token(tcp).unwrap()).unwrap();
        origins.on_connected(NOW, &mut port, connection);
        port.sent(tcp, port.queued_bytes(tcp));
        let mut asking = Asking::default();
        let answer =
            b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nall";
        origins.on_read(NOW, &mut port, &mut asking, connection, answer);
        origins.on_read_end(NOW, &mut port, &mut asking, connection);
        assert!(port.write(tcp, queued));
        for minutes in 1..100 {
            origins.flush(NOW + Duration::from_secs(60 * minutes), &mut port, &mut asking);
        }
        assert_eq!((asking.0, origins.fetches()), (wanted, usize::from(wanted.is_none())));
    }
}
