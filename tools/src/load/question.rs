//! Questions leave as datagrams and answers find their places. UDP only: an answer that was cut off (TC) counts as an
//! answer, it is not asked again over TCP.

use crate::load::dns;
use crate::load::generator::Generator;
use crate::load::place::Phase;
use core::net::SocketAddr;
use dataplane::port::{Ecn, Port, SocketId};
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
        port.send_train(socket(place, to), to, bytes, bytes, Ecn::NotCapable);
    }

    /// Datagrams came, end to end.
    pub(crate) fn heard(&mut self, from: SocketAddr, segment_bytes: usize, bytes: &[u8], now: Instant) {
        for datagram in bytes.chunks(segment_bytes.max(1)) {
            let Some((id, rcode)) = dns::answer(datagram) else { continue };
            let Some(place) = self.desk.whose(id) else { continue };
            let Some(ask) = self.places[place].waiting.front() else { continue };
            if self.plan.hosts[self.plan.templates[ask.template].host].address != from {
                continue;
            }
            self.desk.forget(place);
            let Some(ask) = self.pop(place) else { continue };
            self.tally.of(ask.class).bytes += datagram.len() as u64;
            self.tally.answered_dns(ask.class, rcode, ask.intended, now);
            self.places[place].phase = Phase::Idle;
            self.settle(place, now);
        }
    }
}

/// The first sockets are IPv4's, the others IPv6's.
fn socket(place: usize, to: SocketAddr) -> SocketId {
    let family = if to.is_ipv4() { 0 } else { SOCKETS };
    SocketId((family + place % SOCKETS) as u16)
}
