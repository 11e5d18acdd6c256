//! Questions leave as datagrams and answers find their places. An answer that was cut off (TC) is asked for again over
//! TCP, on a connection of its own as resolvers do it (RFC 7766 §5); its latency is that of both together.

use crate::load::dns;
use crate::load::generator::Generator;
use crate::load::place::Phase;
use crate::load::tally::Failure;
use core::net::SocketAddr;
use dataplane::port::{Ecn, Port, Reading, SocketId, Token};
use dataplane::time::Instant;

/// UDP sockets of a thread for each family: so many ports spread the questions over a server's sockets.
pub(crate) const SOCKETS: usize = 8;

impl Generator<'_> {
    /// Sends the question of a place. Without memory for it nothing is sent: the time-out tells.
    pub(crate) fn ask_nameserver(&mut self, place: usize, port: &mut Port) {
        let Some(ask) = self.places[place].waiting.back() else { return };
        let to = self.plan.hosts[self.plan.templates[ask.template].host].address;
        let id = self.desk.ask(place);
        let turn = &mut self.turns[ask.class];
        *turn = turn.wrapping_add(1);
        let Some(out) = port.train() else { return };
        let bytes = self.plan.questions.write(ask.template, *turn, id, &mut self.random, out);
        let kept = self.desk.wire(place);
        kept.clear();
        kept.extend_from_slice(&out[..bytes]);
        port.send_train(socket(place, to), to, bytes, bytes, Ecn::NotCapable);
    }

    /// Datagrams came, end to end.
    pub(crate) fn heard(
        &mut self,
        from: SocketAddr,
        segment_bytes: usize,
        bytes: &[u8],
        now: Instant,
        port: &mut Port,
    ) {
        for datagram in bytes.chunks(segment_bytes.max(1)) {
            let Some(answer) = dns::answer(datagram) else { continue };
            let Some(place) = self.desk.whose(answer.id) else { continue };
            let Some(ask) = self.places[place].waiting.front() else { continue };
            if self.plan.hosts[self.plan.templates[ask.template].host].address != from {
                continue;
            }
            self.desk.forget(place);
            if answer.is_cut {
                self.ask_over_tcp(place, from, now, port);
            } else {
                self.answered_by_nameserver(place, answer.rcode, datagram.len(), now);
            }
        }
    }

    /// Asks the question of a place once more. The time that it may take goes on running.
    fn ask_over_tcp(&mut self, place: usize, to: SocketAddr, now: Instant, port: &mut Port) {
        let question = dns::framed(self.desk.wire(place));
        self.desk.wire(place).clear();
        let entry = &mut self.places[place];
        entry.tcp = port.connect(to, Token(place as u64));
        (entry.phase, entry.address, entry.has_read_end) = (Phase::Connecting, to, false);
        let Some(tcp) = entry.tcp else {
            return self.failed(place, Failure::Connect, "the table of connections is full", now, port);
        };
        port.read(tcp, Reading::Small);
        if !port.write(tcp, &question) {
            self.failed(place, Failure::Connect, "no room in the send buffers", now, port);
        }
    }

    /// Bytes came over TCP.
    pub(crate) fn heard_over_tcp(&mut self, place: usize, bytes: &[u8], now: Instant, port: &mut Port) {
        let come = self.desk.wire(place);
        come.extend_from_slice(bytes);
        let Some(message) = dns::unframed(come) else { return };
        let (answer, bytes) = (dns::answer(message), message.len());
        match answer {
            Some(answer) if answer.id == self.desk.id(place) && !answer.is_cut => {
                self.close(place, false, port);
                self.answered_by_nameserver(place, answer.rcode, bytes, now);
            }
            _ => self.failed(place, Failure::Malformed, "no answer to the question over TCP", now, port),
        }
    }

    fn answered_by_nameserver(&mut self, place: usize, rcode: u8, bytes: usize, now: Instant) {
        let Some(ask) = self.pop(place) else { return };
        self.tally.of(ask.class).bytes += bytes as u64;
        self.tally.answered_dns(ask.class, rcode, ask.intended, now);
        self.places[place].phase = Phase::Idle;
        self.settle(place, now);
    }
}

/// The first sockets are IPv4's, the others IPv6's.
fn socket(place: usize, to: SocketAddr) -> SocketId {
    let family = if to.is_ipv4() { 0 } else { SOCKETS };
    SocketId((family + place % SOCKETS) as u16)
}
