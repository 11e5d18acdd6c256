//! Origins before an asker that is played by the test: what a far end must not be able to do.

use core::net::SocketAddr;
use std::sync::Arc;

use crate::exchange::envelope::{OPENING_BYTES_MAX, OpeningEnvelope};
use crate::exchange::link::{Answer, Ask, Asker, Downstream, Kind, Opening, Served, Upstream, Way};
use crate::port::{Port, PortOptions};
use crate::role::control::Control;
use crate::role::counters::Counters;
use crate::role::limits::Limits;
use crate::role::origins::Origins;
use crate::role::plan::{Origin, Plan};
use crate::role::token;
use crate::time::Instant;

const NOW: Instant = Instant::from_us(1);
const UPGRADE: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n";

struct Asking;

impl Downstream for Asking {
    fn answer(&mut self, _: Instant, _: &mut Port, _: Asker, _: Answer<'_>) -> bool {
        true
    }
}

fn origins() -> (Origins, Port) {
    let origin = Origin { site: "a".to_owned(), kind: Kind::Http, label: "a".to_owned(), proxy: None };
    let plan = Plan { origins: vec![origin], ..Plan::default() };
    let limits = Limits { exchanges_max: 4, pool_max: 4, held_bytes: 1 << 20, ..Limits::default() };
    let control = Arc::new(Control::new(1));
    control.publish(0, &[SocketAddr::from(([127, 0, 0, 1], 80))]);
    let mut origins = Origins::new(Arc::new(plan), Arc::new(limits), Arc::new(Counters::default()), control);
    let mut port = Port::new(&PortOptions { tcp_max: 4, block_bytes: 4_096, blocks: 64, trains: 1 });
    origins.flush(NOW, &mut port, &mut Asking);
    (origins, port)
}

/// Asks for something, and says whether that made a new connection.
fn ask(origins: &mut Origins, port: &mut Port, request: &[u8], finishes: bool) -> bool {
    let client = SocketAddr::from(([10, 0, 0, 2], 4_000));
    let envelope = OpeningEnvelope { kind: Kind::Http, decision: 1, client, site: b"a" };
    let mut bytes = [0; OPENING_BYTES_MAX];
    let length = envelope.encode(&mut bytes);
    let opening = Opening { class: 0, kind: Kind::Http, envelope: &bytes[..length] };
    let served: Served = origins.open(NOW, port, Way::Origin(0), Asker(1), &opening).unwrap();
    assert!(origins.ask(NOW, port, Way::Origin(0), Asker(1), served, Ask::Data(request)));
    if finishes {
        assert!(origins.ask(NOW, port, Way::Origin(0), Asker(1), served, Ask::Finish));
    }
    let Some((tcp, _)) = port.take_connect() else { return false };
    let (_, connection) = token::unpack(port.token(tcp).unwrap()).unwrap();
    origins.on_connected(NOW, port, connection);
    origins.flush(NOW, port, &mut Asking);
    let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    origins.on_read(NOW, port, &mut Asking, connection, answer);
    true
}

#[test]
fn a_connection_whose_fin_is_said_is_not_used_again() {
    let (mut origins, mut port) = origins();
    assert!(ask(&mut origins, &mut port, UPGRADE, true));
    assert!(ask(&mut origins, &mut port, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", true));
    assert!(!ask(&mut origins, &mut port, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", true), "this one is kept");
}
