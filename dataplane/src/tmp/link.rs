//! One tunnel as the endpoint sees it: what it carries, its session, its handshake. [TMP-65]
//!
//! A link without a session is waiting for its first handshake or has lost its peer; only an initiator's
//! link can be in that state, an acceptor's is removed instead.

use crate::time::Instant;
use crate::tmp::carrier::Carrier;
use crate::tmp::dial::Dial;
use crate::tmp::id::{PathId, PeerId, ReceiverId, Side};
use crate::tmp::learned::LearnedPaths;
use crate::tmp::limits::PATHS_MAX;
use crate::tmp::params::RoleWord;
use crate::tmp::session::Session;

/// Why a tunnel was closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseReason {
    /// `Endpoint::close` was called.
    Local,
    /// The peer sent CLOSE.
    Peer {
        /// From the frame.
        code: u16,
    },
    /// The peer has lost its state: it said so, or it began a new session in the place of this one.
    PeerRestarted,
    /// Nothing was heard for as long as the options allow.
    Silent,
    /// The peer broke the protocol.
    Protocol,
}

/// One tunnel.
#[derive(Debug)]
pub(in crate::tmp) struct Link<C> {
    pub(in crate::tmp) carrier: C,
    pub(in crate::tmp) side: Side,
    pub(in crate::tmp) peer: PeerId,
    pub(in crate::tmp) lane: u32,
    pub(in crate::tmp) session: Option<Session>,
    pub(in crate::tmp) dial: Option<Dial>,
    /// CLOSE is about to be sent, and then the link ends for this reason.
    pub(in crate::tmp) ending: Option<CloseReason>,
    /// Datagrams came since the last end of a batch.
    pub(in crate::tmp) touched: bool,
    /// What is known of paths from before, as long as they are not there.
    pub(in crate::tmp) learned: LearnedPaths,
    /// What the peer's role has said of itself in the handshake that began the session.
    pub(in crate::tmp) peer_word: Option<RoleWord>,
}

impl<C: Carrier> Link<C> {
    /// A link without handshake and session.
    pub(in crate::tmp) const fn new(carrier: C, side: Side, peer: PeerId, lane: u32) -> Self {
        Self {
            carrier,
            side,
            peer,
            lane,
            session: None,
            dial: None,
            ending: None,
            touched: false,
            learned: [None; PATHS_MAX],
            peer_word: None,
        }
    }

    /// What is known of every path, from now or from before.
    pub(in crate::tmp) fn memory(&self, now: Instant) -> LearnedPaths {
        let fresh = self.carrier.learned(now);
        core::array::from_fn(|path| fresh[path].or(self.learned[path]))
    }

    /// The session has a path: with care it goes on from what is known of it. [TMP-163]
    pub(in crate::tmp) fn resume(&mut self, path: PathId) {
        if let Some(learned) = self.learned[path.index()].take() {
            self.carrier.resume(path, learned);
        }
    }

    /// Whether an initiator should begin a handshake now.
    pub(in crate::tmp) fn wants_dial(&self, now: Instant) -> bool {
        match self.side {
            Side::Acceptor => false,
            Side::Initiator => {
                self.dial.is_none()
                    && self.ending.is_none()
                    && self.session.as_ref().is_none_or(|session| session.wants_handshake(now))
            }
        }
    }

    /// Lets the carrier do what is due: challenges first, because they decide how much may be sent.
    pub(in crate::tmp) fn tick_carrier(&mut self, now: Instant) {
        let Some(session) = &mut self.session else {
            return;
        };
        for path in session.path_ids() {
            if let Some(token) = session.path_mut(path).and_then(|known| known.address.challenge(now)) {
                self.carrier.queue_path_challenge(path, token);
            }
        }
        if self.carrier.deadline().is_some_and(|at| at <= now) {
            self.carrier.tick(now);
        }
    }

    /// When anything of this link is due.
    pub(in crate::tmp) fn deadline(&self) -> Option<Instant> {
        let dial = self.dial.as_ref().map(Dial::deadline);
        let Some(session) = &self.session else {
            return dial;
        };
        let handshake = (self.side == Side::Initiator && dial.is_none()).then(|| session.handshake_at());
        let carrier = if session.is_mute() { None } else { self.carrier.deadline() };
        [dial, handshake, session.deadline(), carrier].into_iter().flatten().min()
    }

    /// Whether the session has this path.
    pub(in crate::tmp) fn has_path(&self, path: PathId) -> bool {
        self.session.as_ref().is_some_and(|session| session.place(path).is_some())
    }

    /// All ids that name this link.
    pub(in crate::tmp) fn own_ids(&self) -> impl Iterator<Item = ReceiverId> {
        let session = self.session.iter().flat_map(Session::own_ids);
        session.chain(self.dial.as_ref().map(|dial| dial.own_id))
    }
}
