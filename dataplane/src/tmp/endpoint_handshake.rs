//! What an endpoint does with INIT, RESP and COOKIE, and with the first packet under new keys. [TMP-60]

use crate::tmp::carrier::Carrier;
use crate::tmp::cookie::Admission;
use crate::tmp::counters::Dropped;
use crate::tmp::endpoint::{Endpoint, EndpointEvent};
use crate::tmp::endpoint_receive::{Arrived, deliver};
use crate::tmp::epoch::Epoch;
use crate::tmp::handshake::{Arrival, ephemeral_of};
use crate::tmp::id::{PathId, PeerId, ReceiverId, Side, TunnelId};
use crate::tmp::learned::Learned;
use crate::tmp::limits::PATHS_MAX;
use crate::tmp::link::{CloseReason, Link};
use crate::tmp::packet::{INIT_BYTES, RESP_BYTES_MAX};
use crate::tmp::params::{RespParams, RoleWord};
use crate::tmp::peer_address::PeerAddress;
use crate::tmp::receivers::Named;
use crate::tmp::seal::Cipher;
use crate::tmp::session::Session;
use crate::tmp::unconfirmed::Unconfirmed;

impl<C: Carrier> Endpoint<C> {
    /// An INIT: cheap checks first, the key exchange last.
    pub(in crate::tmp) fn init(
        &mut self,
        arrived: Arrived,
        sender: ReceiverId,
        datagram: &[u8],
    ) -> Result<(), Dropped> {
        let init: &[u8; INIT_BYTES] = datagram.try_into().map_err(|_| Dropped::NotOurs)?;
        if !self.options.is_responder || !self.identity.mac1_is_good(init) {
            return Err(Dropped::BadHandshake);
        }
        match self.gate.judge(arrived.now, arrived.from.address, init) {
            Admission::Admit => {}
            Admission::Challenge => return self.challenge(arrived, sender, init),
            Admission::Refuse => return Err(Dropped::TooBusy),
        }
        if let Some(resp) = self.waiting.resp_for(&ephemeral_of(init)) {
            self.counters.inits_answered += u64::from(self.outbox.push(arrived.from, resp));
            return Ok(());
        }
        let arrival = Arrival::read(&self.identity, init, &mut *self.random).ok_or(Dropped::BadHandshake)?;
        let known = self.peer_by_key(&arrival.initiator);
        let allowed = known.filter(|peer| self.peers[peer.0 as usize].is_allowed);
        let peer = allowed.ok_or(Dropped::NotAllowed)?;
        self.answer(arrived, (sender, ephemeral_of(init)), peer, arrival)
    }

    fn challenge(
        &mut self,
        arrived: Arrived,
        sender: ReceiverId,
        init: &[u8; INIT_BYTES],
    ) -> Result<(), Dropped> {
        let question = (arrived.from.address, init, sender);
        let cookie = self.gate.challenge(arrived.now, question, &mut *self.random);
        self.counters.cookies_sent += u64::from(self.outbox.push(arrived.from, &cookie));
        Err(Dropped::TooBusy)
    }

    /// Makes keys and lets them wait for their first use. Nothing else changes: the INIT may be a replay.
    fn answer(
        &mut self,
        arrived: Arrived,
        (sender, ephemeral): (ReceiverId, [u8; 32]),
        peer: PeerId,
        arrival: Arrival,
    ) -> Result<(), Dropped> {
        let (now, lane, chosen) = (arrived.now, arrival.params.lane, arrival.params.chosen);
        let (carried, role_word) = (arrival.params.carried, arrival.params.role_word);
        let continues = arrival.params.continues.and_then(|id| self.session_named(id, peer, lane));
        if continues.is_none() && self.links.is_full() && self.accepted_on(peer, lane).is_none() {
            return Err(Dropped::NoRoom);
        }
        if let Some(evicted) = self.waiting.evict(peer, lane, continues.is_some()) {
            self.receivers.remove(evicted);
            self.counters.unconfirmed_evicted += 1;
        }
        let own_id = self.receivers.insert(Named::Unconfirmed, &mut *self.random).ok_or(Dropped::NoRoom)?;
        let both_aes = arrival.params.aes_is_fast && self.options.aes_is_fast;
        let cipher = if both_aes { Cipher::Aes256Gcm } else { Cipher::ChaCha20Poly1305 };
        let params = RespParams {
            cipher,
            continued: continues.is_some(),
            receiver: own_id,
            role_word: self.options.role_word,
        };
        let mut resp = [0; RESP_BYTES_MAX];
        let psk = &self.peers[peer.0 as usize].psk;
        let (keys, resp_bytes) =
            arrival.answer(psk, sender, &params, &mut resp, self.options.key_log.as_deref());
        self.waiting.push(Unconfirmed {
            epoch: Epoch::new(now, own_id, sender, keys),
            peer,
            lane,
            continues,
            place: arrived.from,
            chosen,
            carried,
            role_word,
            ephemeral,
            resp,
            resp_bytes,
            made_at: now,
        });
        self.counters.inits_answered += u64::from(self.outbox.push(arrived.from, &resp[..resp_bytes]));
        Ok(())
    }

    /// The accepted tunnel that one of our ids names, if it is this peer's. [TMP-66]
    fn session_named(&self, id: ReceiverId, peer: PeerId, lane: u32) -> Option<TunnelId> {
        let Some(Named::Epoch(tunnel)) = self.receivers.get(id) else {
            return None;
        };
        self.is_accepted_on(tunnel, peer, lane).then_some(tunnel)
    }

    /// The accepted tunnel of this peer and lane.
    fn accepted_on(&self, peer: PeerId, lane: u32) -> Option<TunnelId> {
        self.links.handles().map(TunnelId).find(|tunnel| self.is_accepted_on(*tunnel, peer, lane))
    }

    fn is_accepted_on(&self, tunnel: TunnelId, peer: PeerId, lane: u32) -> bool {
        self.links.get(tunnel.0).is_some_and(|link| {
            link.side == Side::Acceptor && link.peer == peer && link.lane == lane && link.ending.is_none()
        })
    }

    /// The first packet under keys that wait: if it opens, the initiator has them and they are taken into use.
    pub(in crate::tmp) fn confirm(
        &mut self,
        arrived: Arrived,
        (id, mark): (ReceiverId, u32),
        packet: &mut [u8],
    ) -> Result<(), Dropped> {
        let unconfirmed = self.waiting.take(id).ok_or(Dropped::UnknownId)?;
        match unconfirmed.continues {
            Some(tunnel) => self.confirm_rekey(arrived, tunnel, unconfirmed, (mark, packet)),
            None => self.confirm_new(arrived, unconfirmed, (mark, packet)),
        }
    }

    fn confirm_rekey(
        &mut self,
        arrived: Arrived,
        tunnel: TunnelId,
        mut unconfirmed: Unconfirmed,
        (mark, packet): (u32, &mut [u8]),
    ) -> Result<(), Dropped> {
        let id = unconfirmed.epoch.own_id;
        let link = self.links.get_mut(tunnel.0);
        let Some((link, session)) = link.and_then(|link| link.session.take().map(|session| (link, session)))
        else {
            self.receivers.remove(id);
            return Err(Dropped::UnknownId);
        };
        let session = link.session.insert(session);
        match session.confirm(arrived.now, (mark, packet), unconfirmed.epoch) {
            Err(epoch) => {
                unconfirmed.epoch = epoch;
                self.waiting.put_back(unconfirmed);
                Err(Dropped::Unauthentic)
            }
            Ok((opened, dropped)) => {
                self.receivers.rename(id, Named::Epoch(tunnel));
                dropped.into_iter().for_each(|id| self.receivers.remove(id));
                self.counters.handshakes_done += 1;
                let verdict = deliver(&mut *self.random, link, arrived, &opened);
                self.judge(arrived.now, tunnel, verdict)
            }
        }
    }

    fn confirm_new(
        &mut self,
        arrived: Arrived,
        mut unconfirmed: Unconfirmed,
        (mark, packet): (u32, &mut [u8]),
    ) -> Result<(), Dropped> {
        let (id, peer, lane) = (unconfirmed.epoch.own_id, unconfirmed.peer, unconfirmed.lane);
        let (chosen, carried, peer_word) = (unconfirmed.chosen, unconfirmed.carried, unconfirmed.role_word);
        let begun = Session::begin(arrived.now, (mark, packet), unconfirmed.epoch, unconfirmed.place);
        let (session, opened) = match begun {
            Ok(begun) => begun,
            Err(epoch) => {
                unconfirmed.epoch = epoch;
                self.waiting.put_back(unconfirmed);
                return Err(Dropped::Unauthentic);
            }
        };
        if let Some(replaced) = self.accepted_on(peer, lane) {
            self.remove(arrived.now, replaced, CloseReason::PeerRestarted);
        }
        let carrier = C::new(&self.options.carrier, Side::Acceptor, arrived.now);
        let mut link = Link::new(carrier, Side::Acceptor, peer, lane);
        (link.session, link.peer_word) = (Some(session), peer_word);
        let remembered = core::mem::take(&mut self.peers[peer.0 as usize].learned);
        let told = carried.map(|carried| Some(Learned::told(arrived.now, carried?)));
        link.learned = core::array::from_fn(|path| remembered[path].or(told[path]));
        let Some(handle) = self.links.insert(link) else {
            self.receivers.remove(id);
            return Err(Dropped::NoRoom);
        };
        let tunnel = TunnelId(handle);
        self.receivers.rename(id, Named::Epoch(tunnel));
        self.counters.handshakes_done += 1;
        self.report(EndpointEvent::Accepted { tunnel, peer });
        let link = self.links.get_mut(handle).ok_or(Dropped::NoRoom)?;
        link.carrier.on_connected(arrived.now, (opened.path, arrived.from.bearer()), chosen);
        link.resume(opened.path);
        let verdict = deliver(&mut *self.random, link, arrived, &opened);
        self.judge(arrived.now, tunnel, verdict)
    }

    /// A RESP: new keys for a tunnel of ours.
    pub(in crate::tmp) fn resp(
        &mut self,
        arrived: Arrived,
        receiver: ReceiverId,
        datagram: &[u8],
    ) -> Result<(), Dropped> {
        let Some(Named::Dial(tunnel)) = self.receivers.get(receiver) else {
            return Err(Dropped::UnknownId);
        };
        let link = self.links.get_mut(tunnel.0).ok_or(Dropped::UnknownId)?;
        let dial = link.dial.as_mut().ok_or(Dropped::UnknownId)?;
        let (keys, params) = dial
            .finish(&self.identity, datagram, self.options.key_log.as_deref())
            .ok_or(Dropped::BadHandshake)?;
        let was_asked = dial.params.continues.is_some();
        link.dial = None;
        self.receivers.rename(receiver, Named::Epoch(tunnel));
        self.counters.handshakes_done += 1;
        let epoch = Epoch::new(arrived.now, receiver, params.receiver, keys);
        if params.continued && was_asked {
            self.continue_session(arrived, tunnel, epoch);
        } else {
            self.new_session(arrived, tunnel, epoch, params.role_word);
        }
        Ok(())
    }

    fn continue_session(&mut self, arrived: Arrived, tunnel: TunnelId, epoch: Epoch) {
        let Some(link) = self.links.get_mut(tunnel.0) else {
            return;
        };
        if let Some(session) = link.session.as_mut() {
            let dropped = session.install(arrived.now, epoch);
            dropped.into_iter().for_each(|id| self.receivers.remove(id));
        }
        link.carrier.queue_ping();
    }

    /// The responder knows of no session: whatever there was before is lost. [TMP-66.1]
    fn new_session(&mut self, arrived: Arrived, tunnel: TunnelId, epoch: Epoch, word: Option<RoleWord>) {
        let Some(link) = self.links.get_mut(tunnel.0) else {
            return;
        };
        if let Some(lost) = link.session.take() {
            lost.own_ids().for_each(|id| self.receivers.remove(id));
            link.learned = link.memory(arrived.now);
            link.carrier = C::new(&self.options.carrier, Side::Initiator, arrived.now);
            let reason = CloseReason::PeerRestarted;
            self.report(EndpointEvent::Restarted { tunnel, reason });
        }
        if let Some(link) = self.links.get_mut(tunnel.0) {
            link.peer_word = word;
        }
        self.connected(arrived, tunnel, epoch);
    }

    /// The path is the one whose address has answered; the others are opened beside it. [TMP-65.1] [TMP-160.1]
    fn connected(&mut self, arrived: Arrived, tunnel: TunnelId, epoch: Epoch) {
        let now = arrived.now;
        let Some(link) = self.links.get_mut(tunnel.0) else {
            return;
        };
        let peer = &self.peers[link.peer.0 as usize];
        let places = || (0..PATHS_MAX as u8).map(PathId).zip(&peer.places);
        let at = places().find(|(_, place)| **place == arrived.from).map_or(PathId(0), |(path, _)| path);
        let mut session = Session::new(now, epoch, at, arrived.from);
        link.carrier.on_connected(now, (at, arrived.from.bearer()), peer.chosen);
        for (path, place) in places().filter(|(path, _)| *path != at) {
            session.add_path(now, path, PeerAddress::new(*place));
            link.carrier.open_path(now, (path, place.bearer()));
        }
        session.path_ids().for_each(|path| link.resume(path));
        link.session = Some(session);
        link.carrier.queue_ping();
        self.report(EndpointEvent::Connected { tunnel });
    }

    /// A COOKIE: the responder is busy and wants our address proven.
    pub(in crate::tmp) fn cookie(
        &mut self,
        arrived: Arrived,
        receiver: ReceiverId,
        datagram: &[u8],
    ) -> Result<(), Dropped> {
        let Some(Named::Dial(tunnel)) = self.receivers.get(receiver) else {
            return Err(Dropped::Unasked);
        };
        let link = self.links.get_mut(tunnel.0);
        let dial = link.and_then(|link| link.dial.as_mut()).ok_or(Dropped::Unasked)?;
        if !dial.handle_cookie(arrived.now, datagram) {
            return Err(Dropped::Unasked);
        }
        self.counters.cookies_taken += 1;
        Ok(())
    }
}
