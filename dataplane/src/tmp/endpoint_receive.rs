//! What an endpoint does with a datagram: DATA and RESET. Handshakes are in `endpoint_handshake`.

use crate::time::Instant;
use crate::tmp::carrier::{Carrier, Ecn, Handled};
use crate::tmp::counters::Dropped;
use crate::tmp::endpoint::Endpoint;
use crate::tmp::error::CLOSE_PROTOCOL;
use crate::tmp::id::{ReceiverId, Side, TunnelId};
use crate::tmp::link::{CloseReason, Link};
use crate::tmp::packet::{OWNER_ANY, Packet};
use crate::tmp::peer_address::Move;
use crate::tmp::place::Place;
use crate::tmp::random::{Random, random_u64};
use crate::tmp::receivers::Named;
use crate::tmp::reset::{RESET_BYTES_MAX, Trigger, half_tag, reset_is_genuine, write_reset};
use crate::tmp::session::Opened;

/// Where a datagram came from and how.
#[derive(Clone, Copy, Debug)]
pub(in crate::tmp) struct Arrived {
    pub(in crate::tmp) now: Instant,
    pub(in crate::tmp) from: Place,
    pub(in crate::tmp) ecn: Ecn,
    pub(in crate::tmp) bytes: usize,
}

/// What a carrier said, and what the endpoint has to do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::tmp) struct Verdict {
    pub(in crate::tmp) handled: Handled,
    pub(in crate::tmp) moved: bool,
}

impl<C: Carrier> Endpoint<C> {
    /// One datagram (one segment of what GRO has merged). Its bytes are decrypted in place. Never fails; what
    /// is wrong is counted.
    pub fn handle_datagram(&mut self, now: Instant, from: impl Into<Place>, ecn: Ecn, datagram: &mut [u8]) {
        self.counters.datagrams_in += 1;
        self.counters.bytes_in += datagram.len() as u64;
        let arrived = Arrived { now, from: from.into(), ecn, bytes: datagram.len() };
        if let Err(reason) = self.sort(arrived, datagram) {
            self.counters.drop_for(reason);
        }
    }

    /// All datagrams that were waiting have been handed in.
    pub fn handle_batch_end(&mut self, now: Instant) {
        for index in 0..self.links.awake() {
            if let Some(link) = self.links.in_turn(self.links.awake_at(index))
                && core::mem::take(&mut link.touched)
            {
                link.carrier.handle_batch_end(now);
            }
        }
    }

    fn sort(&mut self, arrived: Arrived, datagram: &mut [u8]) -> Result<(), Dropped> {
        let packet = Packet::parse(datagram).ok_or(Dropped::NotOurs)?;
        if !self.has_room_for_events() {
            return Err(Dropped::NoRoom);
        }
        match packet {
            Packet::Data { receiver, mark } => self.data(arrived, (receiver, mark), datagram),
            Packet::Init { sender } => self.init(arrived, sender, datagram),
            Packet::Resp { receiver } => self.resp(arrived, receiver, datagram),
            Packet::Cookie { receiver } => self.cookie(arrived, receiver, datagram),
            Packet::Reset { unknown, mark } => self.reset(arrived, (unknown, mark), datagram),
        }
    }

    fn data(
        &mut self,
        arrived: Arrived,
        (id, mark): (ReceiverId, u32),
        packet: &mut [u8],
    ) -> Result<(), Dropped> {
        match self.receivers.get(id) {
            Some(Named::Epoch(tunnel)) => {
                let link = self.links.get_mut(tunnel.0).ok_or(Dropped::UnknownId)?;
                let session = link.session.as_mut().ok_or(Dropped::UnknownId)?;
                let opened = session.open(arrived.now, (id, mark), packet).ok_or(Dropped::Unauthentic)?;
                let verdict = deliver(&mut *self.random, link, arrived, &opened);
                self.judge(arrived.now, tunnel, verdict)
            }
            Some(Named::Unconfirmed) => self.confirm(arrived, (id, mark), packet),
            Some(Named::Dial(_)) => Err(Dropped::UnknownId),
            None => self.unknown(arrived, (id, mark), packet),
        }
    }

    /// Acts upon what a carrier made of a payload.
    pub(in crate::tmp) fn judge(
        &mut self,
        now: Instant,
        tunnel: TunnelId,
        verdict: Verdict,
    ) -> Result<(), Dropped> {
        self.counters.moves += u64::from(verdict.moved);
        match verdict.handled {
            Handled::New => Ok(()),
            Handled::Duplicate => Err(Dropped::Duplicate),
            Handled::Closed { code } => {
                self.ended(now, tunnel, CloseReason::Peer { code });
                Ok(())
            }
            Handled::Violation => {
                self.counters.violations += 1;
                self.end(now, tunnel, CloseReason::Protocol, CLOSE_PROTOCOL);
                Ok(())
            }
        }
    }

    /// A DATA packet whose id names nothing: if it was sent to this worker, say so in a way that its sender,
    /// if it is a peer, can believe. [TMP-91] [TMP-90.1] [TMP-91.1]
    fn unknown(
        &mut self,
        arrived: Arrived,
        (id, mark): (ReceiverId, u32),
        packet: &[u8],
    ) -> Result<(), Dropped> {
        let owner = id.owner();
        if owner != self.options.owner && (owner < self.options.owners || owner == OWNER_ANY) {
            return Err(Dropped::OtherOwner);
        }
        if self.peers.is_empty() || !self.resets.allow(arrived.now) {
            return Err(Dropped::UnknownId);
        }
        let trigger = Trigger { unknown: id, mark, tag: half_tag(packet) };
        let mut out = [0; RESET_BYTES_MAX];
        let start = self.reset_turn % self.peers.len();
        let (before, after) = self.peers.split_at(start);
        let keys = after.iter().chain(before).map(|peer| &peer.reset_key);
        let len = write_reset(&mut out, packet.len(), self.identity.public(), &trigger, keys);
        self.reset_turn = start + tokens_in(len);
        if self.outbox.push(arrived.from, &out[..len]) {
            self.counters.resets_sent += 1;
        }
        Err(Dropped::UnknownId)
    }

    /// A RESET: believed if it answers a packet that we have sent lately. [TMP-92]
    fn reset(
        &mut self,
        arrived: Arrived,
        (unknown, mark): (ReceiverId, u32),
        datagram: &[u8],
    ) -> Result<(), Dropped> {
        let tunnel = self.reset_tunnel((unknown, mark), datagram).ok_or(Dropped::Unasked)?;
        self.counters.resets_taken += 1;
        match self.links.get(tunnel.0).map(|link| link.side) {
            Some(Side::Initiator) => self.restart(arrived.now, tunnel, CloseReason::PeerRestarted),
            Some(Side::Acceptor) => self.remove(arrived.now, tunnel, CloseReason::PeerRestarted),
            None => {}
        }
        Ok(())
    }

    /// The tunnel that a genuine RESET is about.
    fn reset_tunnel(&self, (unknown, mark): (ReceiverId, u32), datagram: &[u8]) -> Option<TunnelId> {
        self.links.handles().map(TunnelId).find(|tunnel| {
            let link = self.links.get(tunnel.0);
            let session = link.and_then(|link| link.session.as_ref());
            let trigger = session.and_then(|session| session.trigger(unknown, mark));
            let peer = link.map(|link| &self.peers[link.peer.0 as usize]);
            trigger.zip(peer).is_some_and(|(trigger, peer)| {
                reset_is_genuine(datagram, &peer.reset_key, &peer.public, &trigger)
            })
        })
    }
}

const fn tokens_in(reset_bytes: usize) -> usize {
    use crate::tmp::packet::{MAC_BYTES, RESET_HEADER_BYTES};
    (reset_bytes - RESET_HEADER_BYTES) / MAC_BYTES
}

/// Hands an opened payload to its carrier and follows the peer's address.
pub(in crate::tmp) fn deliver<C: Carrier>(
    random: &mut dyn Random,
    link: &mut Link<C>,
    arrived: Arrived,
    opened: &Opened<'_>,
) -> Verdict {
    link.touched = true;
    if opened.is_new_path {
        link.carrier.open_path(arrived.now, (opened.path, arrived.from.bearer()));
        link.resume(opened.path);
    }
    let packet = (opened.path, opened.number);
    let handled = link.carrier.handle_packet(arrived.now, packet, arrived.ecn, opened.payload);
    let is_new = matches!(handled, Handled::New) || opened.is_new_path;
    let Some(session) = link.session.as_mut().filter(|_| is_new) else {
        return Verdict { handled, moved: false };
    };
    if let Some(token) = link.carrier.take_path_response() {
        session.answered(token);
    }
    let from = (arrived.from, arrived.bytes);
    let moved = session.heard_on(arrived.now, opened, from, || random_u64(random));
    if moved != Move::Stays {
        // Whatever was full leads elsewhere now.
        link.carrier.hold_path(opened.path, false);
    }
    if moved == Move::Host {
        link.carrier.on_path_changed(arrived.now, (opened.path, arrived.from.bearer()));
    }
    let known = session.path_mut(opened.path);
    if let Some(token) = known.and_then(|known| known.address.challenge(arrived.now)) {
        link.carrier.queue_path_challenge(opened.path, token);
    }
    Verdict { handled, moved: moved != Move::Stays }
}
