//! Everything behind one UDP port of one worker: peers, handshakes, sessions, and the carriers behind them.
//!
//! Contract. Inputs: `handle_datagram`, `handle_batch_end`, `tick`, and the methods of a carrier got by
//! `tunnel`. Outputs: `poll_event` and `transmit`, to be drained after every batch of inputs; then wait until
//! `deadline` at most. `transmit` is called until it gives `None`. Nothing here blocks, fails or allocates per
//! packet; handshakes allocate a little. This file holds the table and its times; what comes in is in
//! `endpoint_receive` and `endpoint_handshake`, what goes out in `endpoint_transmit`.

use crate::time::{Duration, Instant};
use crate::tmp::carrier::Carrier;
use crate::tmp::cookie::Gate;
use crate::tmp::counters::{Counters, Dropped};
use crate::tmp::dial::Dial;
use crate::tmp::error::CLOSE_PROTOCOL;
use crate::tmp::handshake::Identity;
use crate::tmp::id::{PathId, PeerId, Side, TunnelId};
use crate::tmp::key::{PresharedKey, PrivateKey, PublicKey};
use crate::tmp::key_log::KeyLog;
use crate::tmp::learned::LearnedPaths;
use crate::tmp::limits::{
    INIT_PAUSE_MAX, INIT_PAUSE_MIN, PATHS_MAX, RECEIVER_SLOTS_MAX, RESETS_PER_SECOND_MAX,
};
use crate::tmp::link::{CloseReason, Link};
use crate::tmp::links::Links;
use crate::tmp::outbox::Outbox;
use crate::tmp::params::{InitParams, RoleWord};
use crate::tmp::place::Place;
use crate::tmp::random::Random;
use crate::tmp::rate::Rate;
use crate::tmp::receivers::{Named, Receivers};
use crate::tmp::reset::ResetKey;
use crate::tmp::seal::Cipher;
use crate::tmp::session::Session;
use crate::tmp::spread::PathUse;
use crate::tmp::unconfirmed::WaitingRoom;
use std::collections::VecDeque;
use std::sync::Arc;

/// Ids that one link has at most: current keys, previous keys, a handshake.
const IDS_PER_LINK: usize = 3;

/// Events that wait at most, per tunnel: a drained queue never holds more, for each input makes at most three
/// (a session is replaced: one closed, one accepted; a peer restarts: restarted, connected).
const EVENTS_PER_TUNNEL: usize = 4;

/// Peers that an endpoint knows at most; finding one by its key is a walk through the list, once per handshake.
pub const PEERS_MAX: usize = 4096;

/// What an endpoint is and may use.
#[derive(Clone, Debug)]
pub struct EndpointOptions<O> {
    /// This machine's key.
    pub private_key: PrivateKey,
    /// This worker: the first byte of every receiver id that it gives out; below `owners`.
    pub owner: u8,
    /// How many workers this machine has, 255 at most. Packets for the others are not answered with RESET.
    pub owners: u8,
    /// Whether INITs are answered.
    pub is_responder: bool,
    /// Tunnels at once, of either side.
    pub tunnels_max: usize,
    /// Handshakes answered and not confirmed, at once.
    pub unconfirmed_max: usize,
    /// An accepted tunnel from which nothing was heard for so long is closed.
    pub silence_max: Duration,
    /// Whether to offer AES: `Cipher::aes_is_fast()` unless a test wants otherwise.
    pub aes_is_fast: bool,
    /// Where the secrets of sessions go, if anywhere: whoever has them reads every byte.
    pub key_log: Option<Arc<dyn KeyLog>>,
    /// What the role says of itself to that of every peer. [TMP-62.3]
    pub role_word: Option<RoleWord>,
    /// What every carrier is made with.
    pub carrier: O,
}

impl<O> EndpointOptions<O> {
    /// The defaults: one worker, no answers, 64 tunnels, 64 unconfirmed, 10 min of silence.
    pub fn new(private_key: PrivateKey, carrier: O) -> Self {
        Self {
            private_key,
            owner: 0,
            owners: 1,
            is_responder: false,
            tunnels_max: 64,
            unconfirmed_max: 64,
            silence_max: Duration::from_secs(600),
            aes_is_fast: Cipher::aes_is_fast(),
            key_log: None,
            role_word: None,
            carrier,
        }
    }
}

/// A machine that this one talks to.
#[derive(Clone, Debug)]
pub struct PeerOptions {
    /// Its name.
    pub public: PublicKey,
    /// If both ends were given one.
    pub psk: Option<PresharedKey>,
    /// Where it listens, if it is to be connected to: a path leads to each, `PATHS_MAX` at most.
    pub places: Vec<Place>,
    /// How a tunnel to it uses its paths.
    pub chosen: PathUse,
}

impl PeerOptions {
    /// A peer that connects.
    pub fn new(public: PublicKey, psk: Option<PresharedKey>) -> Self {
        Self { public, psk, places: Vec::new(), chosen: PathUse::default() }
    }
}

/// Why a peer or a tunnel cannot be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// `tunnels_max` or `PEERS_MAX` is reached.
    Full,
    /// The peer has no address to connect to.
    NoAddress,
    /// The key is our own, is known already, or is no proper key.
    BadKey,
}

/// What the role should know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndpointEvent {
    /// A tunnel of ours has its first keys, or has them again after `Restarted`.
    Connected {
        /// Which.
        tunnel: TunnelId,
    },
    /// A peer has connected.
    Accepted {
        /// The new tunnel.
        tunnel: TunnelId,
        /// Whose.
        peer: PeerId,
    },
    /// The peer of a tunnel of ours has lost its state or closed it: all streams are dead, and a fresh carrier
    /// stands in the old one's place under the same id. `Connected` follows.
    Restarted {
        /// Which.
        tunnel: TunnelId,
        /// What happened.
        reason: CloseReason,
    },
    /// The tunnel and its carrier are gone.
    Closed {
        /// Which it was.
        tunnel: TunnelId,
        /// Why.
        reason: CloseReason,
    },
}

/// A machine that this one talks to, with what is derived from its key.
#[derive(Debug)]
pub(in crate::tmp) struct Peer {
    pub(in crate::tmp) public: PublicKey,
    pub(in crate::tmp) psk: PresharedKey,
    pub(in crate::tmp) places: Vec<Place>,
    pub(in crate::tmp) chosen: PathUse,
    pub(in crate::tmp) reset_key: ResetKey,
    /// Whether its INITs are answered.
    pub(in crate::tmp) is_allowed: bool,
    /// What its last tunnel left behind.
    pub(in crate::tmp) learned: LearnedPaths,
}

/// The endpoint.
pub struct Endpoint<C: Carrier> {
    pub(in crate::tmp) options: EndpointOptions<C::Options>,
    pub(in crate::tmp) identity: Identity,
    pub(in crate::tmp) random: Box<dyn Random>,
    pub(in crate::tmp) peers: Vec<Peer>,
    pub(in crate::tmp) links: Links<C>,
    pub(in crate::tmp) receivers: Receivers,
    pub(in crate::tmp) waiting: WaitingRoom,
    pub(in crate::tmp) gate: Gate,
    pub(in crate::tmp) outbox: Outbox,
    pub(in crate::tmp) resets: Rate,
    /// Where the tokens of the next RESET begin, so that every peer has its turn.
    pub(in crate::tmp) reset_turn: usize,
    /// Which of the awake links `transmit` looks at first, so that every tunnel has its turn.
    pub(in crate::tmp) transmit_turn: usize,
    events: VecDeque<EndpointEvent>,
    pub(in crate::tmp) counters: Counters,
}

impl<C: Carrier> Endpoint<C> {
    /// An endpoint without peers.
    pub fn new(options: EndpointOptions<C::Options>, mut random: Box<dyn Random>) -> Self {
        assert!(options.owner < options.owners, "workers are counted from 0");
        let ids_max = options.tunnels_max * IDS_PER_LINK + options.unconfirmed_max;
        assert!(ids_max <= RECEIVER_SLOTS_MAX, "tunnels_max x 3 + unconfirmed_max is at most 4096");
        let identity = Identity::new(options.private_key.clone());
        Self {
            peers: Vec::new(),
            links: Links::new(options.tunnels_max),
            receivers: Receivers::new(options.owner, ids_max),
            waiting: WaitingRoom::new(options.unconfirmed_max),
            gate: Gate::new(identity.public(), &mut *random),
            identity,
            outbox: Outbox::new(),
            resets: Rate::new(RESETS_PER_SECOND_MAX),
            reset_turn: 0,
            transmit_turn: 0,
            events: VecDeque::with_capacity(options.tunnels_max * EVENTS_PER_TUNNEL),
            counters: Counters::default(),
            options,
            random,
        }
    }

    /// Makes a machine known: it may be connected to, and (at a responder) it may connect.
    pub fn add_peer(&mut self, peer: PeerOptions) -> Result<PeerId, Refused> {
        if self.peers.len() == PEERS_MAX {
            return Err(Refused::Full);
        }
        if peer.public == *self.identity.public() || self.peer_by_key(&peer.public).is_some() {
            return Err(Refused::BadKey);
        }
        let shared = self.identity.private().shared(&peer.public).ok_or(Refused::BadKey)?;
        self.peers.push(Peer {
            public: peer.public,
            psk: peer.psk.unwrap_or_else(PresharedKey::none),
            places: peer.places,
            chosen: peer.chosen,
            reset_key: ResetKey::new(&shared),
            is_allowed: true,
            learned: LearnedPaths::default(),
        });
        Ok(PeerId(self.peers.len() as u32 - 1))
    }

    /// Whether a peer may connect from now on; tunnels that are connected stay until they are closed.
    pub fn allow(&mut self, peer: PeerId, is_allowed: bool) {
        self.peers[peer.0 as usize].is_allowed = is_allowed;
    }

    /// A peer listens elsewhere from now on; tunnels that are connected stay where they are.
    pub fn set_places(&mut self, peer: PeerId, places: Vec<Place>, chosen: PathUse) {
        let peer = &mut self.peers[peer.0 as usize];
        (peer.places, peer.chosen) = (places, chosen);
    }

    /// Begins a tunnel to a peer and keeps it up until `close`. Streams may be opened at once.
    pub fn connect(&mut self, now: Instant, peer: PeerId) -> Result<TunnelId, Refused> {
        if self.peers[peer.0 as usize].places.is_empty() {
            return Err(Refused::NoAddress);
        }
        let carrier = C::new(&self.options.carrier, Side::Initiator, now);
        let inserted = self.links.insert(Link::new(carrier, Side::Initiator, peer, 0));
        let tunnel = TunnelId(inserted.ok_or(Refused::Full)?);
        let lane = u32::from(self.options.owner) << 24 | tunnel.0.slot;
        if let Some(link) = self.links.get_mut(tunnel.0) {
            link.lane = lane;
        }
        self.begin_dial(now, tunnel);
        Ok(tunnel)
    }

    /// Ends a tunnel: CLOSE with `code` is sent once if there are keys, then `Closed` is reported.
    pub fn close(&mut self, now: Instant, tunnel: TunnelId, code: u16) {
        self.end(now, tunnel, CloseReason::Local, code);
    }

    /// The carrier of a tunnel, for its streams: whoever takes it so may give it something to do.
    pub fn tunnel(&mut self, tunnel: TunnelId) -> Option<&mut C> {
        self.links.get_mut(tunnel.0).map(|link| &mut link.carrier)
    }

    /// The carrier of a tunnel, to ask it what it has to say.
    pub fn tunnel_in_turn(&mut self, tunnel: TunnelId) -> Option<&mut C> {
        self.links.in_turn(tunnel.0).map(|link| &mut link.carrier)
    }

    /// The carrier of a tunnel, to be looked at.
    pub fn look_at(&self, tunnel: TunnelId) -> Option<&C> {
        self.links.get(tunnel.0).map(|link| &link.carrier)
    }

    /// How many tunnels may have something to say or to do: `awake_at` counts them. What the others are is as it was at the
    /// end of the turn before.
    pub fn awake(&self) -> usize {
        self.links.awake()
    }

    /// One of them; it may be gone. More may be added while they are walked.
    pub fn awake_at(&self, index: usize) -> TunnelId {
        TunnelId(self.links.awake_at(index))
    }

    /// All tunnels of the moment.
    pub fn tunnels(&self) -> impl Iterator<Item = TunnelId> + '_ {
        self.links.handles().map(TunnelId)
    }

    /// Whose tunnel it is.
    pub fn peer_of(&self, tunnel: TunnelId) -> Option<PeerId> {
        self.links.get(tunnel.0).map(|link| link.peer)
    }

    /// The key of a peer.
    pub fn public_key_of(&self, peer: PeerId) -> Option<&PublicKey> {
        self.peers.get(peer.0 as usize).map(|peer| &peer.public)
    }

    /// What the role at the other end of a tunnel has said of itself; `None` while that is not known.
    pub fn role_word_of(&self, tunnel: TunnelId) -> Option<RoleWord> {
        self.links.get(tunnel.0)?.peer_word
    }

    /// Where the other end of a connected tunnel is, on one of its paths.
    pub fn place_of(&self, tunnel: TunnelId, path: PathId) -> Option<Place> {
        self.links.get(tunnel.0)?.session.as_ref()?.place(path)
    }

    /// The stream that leads to a place takes no more for now, or takes packets again. [TMP-170.1]
    pub fn hold(&mut self, place: Place, is_held: bool) {
        for slot in 0..self.links.slots() as u32 {
            let Some(handle) = self.links.handle_at(slot) else { continue };
            let leads_there = |link: &Link<C>, path| {
                link.session.as_ref().is_some_and(|session| session.place(path) == Some(place))
            };
            for path in (0..PATHS_MAX).map(|path| PathId(path as u8)) {
                if self.links.get(handle).is_some_and(|link| leads_there(link, path))
                    && let Some(link) = self.links.get_mut(handle)
                {
                    link.carrier.hold_path(path, is_held);
                }
            }
        }
    }

    /// Whether a tunnel has keys.
    pub fn is_connected(&self, tunnel: TunnelId) -> bool {
        self.links.get(tunnel.0).is_some_and(|link| link.session.is_some())
    }

    /// This worker, as it stands in the receiver ids that it gives out.
    pub const fn owner(&self) -> u8 {
        self.options.owner
    }

    /// This machine's name.
    pub const fn public_key(&self) -> &PublicKey {
        self.identity.public()
    }

    /// What was seen and done.
    pub const fn counters(&self) -> &Counters {
        &self.counters
    }

    /// The next event.
    pub fn poll_event(&mut self) -> Option<EndpointEvent> {
        self.events.pop_front()
    }

    /// When `tick` or `transmit` has something to do; `None`: only after input.
    pub fn deadline(&self) -> Option<Instant> {
        if !self.outbox.is_empty() {
            return Some(Instant::ORIGIN);
        }
        let awake = (0..self.links.awake()).filter_map(|index| {
            due_at(self.links.get(self.links.awake_at(index))?, self.options.silence_max)
        });
        awake.chain(self.links.deadline()).chain(self.waiting.deadline()).min()
    }

    /// Time has passed: ends what is silent, drops what is old, begins handshakes that are due.
    pub fn tick(&mut self, now: Instant) {
        while let Some(id) = self.waiting.expire_one(now) {
            self.receivers.remove(id);
            self.counters.unconfirmed_evicted += 1;
        }
        self.links.wake_due(now);
        for index in 0..self.links.awake() {
            self.tick_link(now, TunnelId(self.links.awake_at(index)));
        }
    }

    fn tick_link(&mut self, now: Instant, tunnel: TunnelId) {
        let Some(link) = self.links.in_turn(tunnel.0) else {
            return;
        };
        if let Some(id) = link.session.as_mut().and_then(|session| session.tick(now)) {
            self.receivers.remove(id);
        }
        link.tick_carrier(now);
        let heard_at = link.session.as_ref().map(Session::heard_at);
        let is_silent = heard_at.is_some_and(|at| now.since(at) >= self.options.silence_max);
        let (side, wants_dial) = (link.side, link.wants_dial(now));
        if side == Side::Acceptor && is_silent && self.has_room_for_events() {
            self.remove(now, tunnel, CloseReason::Silent);
        } else if wants_dial {
            self.begin_dial(now, tunnel);
        }
    }

    /// Begins a handshake that continues the session, if there is one.
    pub(in crate::tmp) fn begin_dial(&mut self, now: Instant, tunnel: TunnelId) {
        let Some(link) = self.links.get_mut(tunnel.0) else {
            return;
        };
        let Some(own_id) = self.receivers.insert(Named::Dial(tunnel), &mut *self.random) else {
            // Every link has its share of ids, so this cannot be; but a later tick tries again anyway.
            self.counters.drop_for(Dropped::NoRoom);
            return;
        };
        let continues = link.session.as_ref().map(Session::peer_id);
        let chosen = self.peers[link.peer.0 as usize].chosen;
        let carried = link.memory(now).map(|learned| learned.and_then(|learned| learned.tell(now)));
        let aes_is_fast = self.options.aes_is_fast;
        let role_word = self.options.role_word;
        let params = InitParams { aes_is_fast, lane: link.lane, continues, chosen, carried, role_word };
        link.dial = Some(Dial::new(now, own_id, params));
    }

    /// Sends CLOSE if that is possible, and ends the link thereafter.
    pub(in crate::tmp) fn end(&mut self, now: Instant, tunnel: TunnelId, reason: CloseReason, code: u16) {
        let Some(link) = self.links.get_mut(tunnel.0).filter(|link| link.ending.is_none()) else {
            return;
        };
        link.ending = Some(reason);
        if link.session.as_ref().is_some_and(|session| session.can_seal(now)) {
            link.carrier.queue_close(code);
        } else {
            self.ended(now, tunnel, reason);
        }
    }

    /// The link has sent its CLOSE, or never will: an initiator's tunnel starts anew unless the role ended it.
    pub(in crate::tmp) fn ended(&mut self, now: Instant, tunnel: TunnelId, reason: CloseReason) {
        let side = self.links.get(tunnel.0).map(|link| link.side);
        match (side, reason) {
            (Some(Side::Initiator), CloseReason::Local) | (Some(Side::Acceptor), _) => {
                self.remove(now, tunnel, reason)
            }
            (Some(Side::Initiator), _) => self.restart(now, tunnel, reason),
            (None, _) => {}
        }
    }

    /// Removes a link and all that names it.
    pub(in crate::tmp) fn remove(&mut self, now: Instant, tunnel: TunnelId, reason: CloseReason) {
        let Some(link) = self.links.remove(tunnel.0) else {
            return;
        };
        self.peers[link.peer.0 as usize].learned = link.memory(now);
        link.own_ids().for_each(|id| self.receivers.remove(id));
        self.report(EndpointEvent::Closed { tunnel, reason });
    }

    /// Puts a fresh carrier in the place of one whose peer is lost, and dials.
    pub(in crate::tmp) fn restart(&mut self, now: Instant, tunnel: TunnelId, reason: CloseReason) {
        let Some(link) = self.links.get_mut(tunnel.0) else {
            return;
        };
        let carrier = C::new(&self.options.carrier, Side::Initiator, now);
        let fresh = Link { learned: link.memory(now), ..Link::new(carrier, link.side, link.peer, link.lane) };
        let old = core::mem::replace(link, fresh);
        old.own_ids().for_each(|id| self.receivers.remove(id));
        self.begin_dial(now, tunnel);
        self.report(EndpointEvent::Restarted { tunnel, reason });
        if let Some(dial) = self.links.get_mut(tunnel.0).and_then(|link| link.dial.as_mut()) {
            dial.hold_until(now + pause_after(reason));
        }
    }

    /// The peer with this key.
    pub fn peer_by_key(&self, key: &PublicKey) -> Option<PeerId> {
        let index = self.peers.iter().position(|peer| peer.public == *key)?;
        Some(PeerId(index as u32))
    }

    /// Whether the role has drained its events far enough for one more input.
    pub(in crate::tmp) fn has_room_for_events(&self) -> bool {
        self.events.len() + EVENTS_PER_TUNNEL <= self.options.tunnels_max * EVENTS_PER_TUNNEL
    }

    /// Queues an event.
    pub(in crate::tmp) fn report(&mut self, event: EndpointEvent) {
        self.events.push_back(event);
    }
}

/// When anything of a link is due, its end for silence included.
pub(in crate::tmp) fn due_at<C: Carrier>(link: &Link<C>, silence_max: Duration) -> Option<Instant> {
    let silent = link.session.as_ref().filter(|_| link.side == Side::Acceptor);
    let silent_at = silent.map(|session| session.heard_at() + silence_max);
    [link.deadline(), silent_at].into_iter().flatten().min()
}

/// How long to wait before dialling a peer again: not at all if it is just back, long if the two of us do not
/// understand each other, because then it will happen again.
const fn pause_after(reason: CloseReason) -> Duration {
    match reason {
        CloseReason::PeerRestarted | CloseReason::Silent | CloseReason::Local => Duration::ZERO,
        CloseReason::Peer { code: CLOSE_PROTOCOL } | CloseReason::Protocol => INIT_PAUSE_MAX,
        CloseReason::Peer { .. } => INIT_PAUSE_MIN,
    }
}

impl<C: Carrier> core::fmt::Debug for Endpoint<C> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Endpoint({}, {} tunnels)", self.identity.public(), self.links.len())
    }
}
