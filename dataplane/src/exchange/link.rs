//! The contract between the part that asks and the part that serves, whatever lies between them.
//!
//! ```text
//!   clients ──ask──► trunk ══ tunnel ══ trunk ──ask──► origins
//!   clients ──ask──────────────────────────────► origins          (front-end or back-end alone)
//!           ◄──────────────── answer ───────────
//! ```
//! Flow control is credit in both directions and starts at the same number on both sides (`stream_bytes`): the
//! asker may send that many bytes and gets more by `Answer::Room`; the server may answer that many bytes and gets
//! more by `Ask::Grant`. Within its credit a side always takes everything at once, so nobody holds half a slice.
//! Asks are taken while the asker runs and answers while the server runs; neither calls back from inside the
//! other's call, it remembers and acts when the node next calls its `flush`.

use crate::compression::{Scope, Terms};
use crate::exchange::failure::Failure;
use crate::port::Port;
use crate::stdx::slab::Handle;
use crate::time::Instant;

/// Who asked: opaque to the server, unique as long as the exchange lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Asker(pub u64);

/// What the server calls the exchange; the asker hands it back with every further word.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Served(pub Handle);

/// What kind of bytes a stream carries; one byte on the wire. [EXC-1]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// One normalised HTTP/1.1 message each way.
    Http,
    /// The bytes of one TCP connection.
    Tcp,
}

impl Kind {
    /// The wire's number.
    pub const fn to_u8(self) -> u8 {
        match self {
            Self::Http => 0,
            Self::Tcp => 1,
        }
    }

    /// From the wire's number.
    pub const fn from_u8(byte: u8) -> Option<Self> {
        match byte {
            0 => Some(Self::Http),
            1 => Some(Self::Tcp),
            _ => None,
        }
    }
}

/// Where an exchange goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Way {
    /// Over the tunnel of this route.
    Route(u16),
    /// Straight to this origin, from this process.
    Origin(u16),
}

/// How an exchange begins.
#[derive(Clone, Copy, Debug)]
pub struct Opening<'a> {
    /// Priority class, 0 (highest) to 4.
    pub class: u8,
    /// What the bytes are.
    pub kind: Kind,
    /// The encoded opening envelope.
    pub envelope: &'a [u8],
    /// What may be compressed, where it goes over a tunnel.
    pub terms: Terms,
}

/// What the asker says after the opening.
#[derive(Clone, Copy, Debug)]
pub enum Ask<'a> {
    /// Bytes, within the credit.
    Data(&'a [u8]),
    /// That was the last byte.
    Finish,
    /// The asker wants no more of this; the exchange is forgotten on both sides.
    Abandon,
    /// So many more bytes may be answered.
    Grant(u32),
    /// The asker would rather open it elsewhere: if nothing of it has left, it is forgotten and `Answer::Returned` said; else
    /// this changes nothing.
    TakeBack,
}

/// What the server says.
#[derive(Clone, Copy, Debug)]
pub enum Answer<'a> {
    /// Bytes, within the credit.
    Data(&'a [u8]),
    /// That was the last byte; the server has forgotten the exchange if the asker has finished too.
    Finish,
    /// That was the last byte, and no more of the request is read: the server has forgotten the exchange.
    Enough,
    /// It went wrong; the server has forgotten the exchange.
    Failed(Failure),
    /// Nothing of it has left, and the server has forgotten it: `Ask::TakeBack` was said in time.
    Returned,
    /// So many more bytes may be sent.
    Room(u32),
    /// The request's first bytes waited so many µs for their packet. For the log: said once, or never.
    Queued(u32),
    /// For the log: the tunnel carried so many bytes less than were said since this was said last.
    Saved(u32),
    /// What may be compressed of what is answered from here on. For a tunnel; said once, before the final head.
    Compress(Scope),
    /// From here on the answer belongs to this class: for a tunnel, which has one ring for each.
    Class(u8),
}

/// How a way stands; the better the later.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// Nothing comes through.
    #[default]
    Down,
    /// It works, beyond a limit of the operator's.
    Strained,
    /// Nothing speaks against it.
    Good,
}

/// The serving side as the asker sees it.
pub trait Upstream {
    /// How exchanges that go this way would fare, as far as is known.
    fn standing(&self, _way: Way) -> Standing {
        Standing::Good
    }

    /// Whether they would get through.
    fn is_up(&self, way: Way) -> bool {
        self.standing(way) != Standing::Down
    }

    /// Whether an exchange of this class could begin now with so many bytes of a message; false when the ring to
    /// another core is full: look again at the next flush.
    fn can_open(&mut self, _way: Way, _class: u8, _first_bytes: usize) -> bool {
        true
    }

    /// Begins an exchange. On an error nothing was begun and no answer will come.
    fn open(
        &mut self,
        now: Instant,
        port: &mut Port,
        way: Way,
        asker: Asker,
        opening: &Opening<'_>,
    ) -> Result<Served, Failure>;

    /// Goes on with it; false when the ring to another core is full, and then nothing was taken: say it again at
    /// the next flush.
    #[must_use]
    fn ask(
        &mut self,
        now: Instant,
        port: &mut Port,
        way: Way,
        asker: Asker,
        served: Served,
        ask: Ask<'_>,
    ) -> bool;
}

/// The asking side as the server sees it.
pub trait Downstream {
    /// Takes an answer; false when the ring to another core is full, and then nothing was taken.
    #[must_use]
    fn answer(&mut self, now: Instant, port: &mut Port, asker: Asker, answer: Answer<'_>) -> bool;
}
