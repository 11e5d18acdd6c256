//! One exchange as the origins' side sees it.
//!
//! ```text
//! up     Head ──whole, valid──► Body ──last byte──► Done          down   Head ──final──► Body ──last byte──► gone
//!          └── upgrade, plain TCP ──► Opaque ──Finish──► Done              └── 101, plain TCP ──► Opaque
//! ```

use core::net::SocketAddr;

use crate::exchange::failure::Failure;
use crate::exchange::link::{Asker, Kind};
use crate::http::{Asked, BodyReader, Trailers};
use crate::rules::Later;
use crate::stdx::chain::Chain;
use crate::stdx::slab::Handle;
use crate::time::Instant;

/// Where the request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Up {
    /// The head is not whole yet.
    Head,
    /// The body is under way.
    Body,
    /// Bytes pass unread: plain TCP, or after an upgrade was asked for.
    Opaque,
    /// The last byte has been handed to the connection.
    Done,
}

/// Where the answer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Down {
    /// The final head has not come yet.
    Head,
    /// The body is under way.
    Body,
    /// Bytes pass unread.
    Opaque,
    /// Plain TCP: the origin has sent FIN.
    Done,
}

/// One exchange.
#[derive(Debug)]
pub(crate) struct Fetch {
    pub(crate) asker: Asker,
    pub(crate) origin: u16,
    pub(crate) kind: Kind,
    /// The class of its stream; rules about answers may change it.
    pub(crate) class: u8,
    /// The class that its answer gets when it has grown long.
    pub(crate) later: Option<Later>,
    /// Bytes of the answer's body so far.
    pub(crate) answer_bytes: u64,
    pub(crate) client: SocketAddr,
    pub(crate) connection: Option<Handle>,
    pub(crate) up: Up,
    pub(crate) down: Down,
    pub(crate) request_body: BodyReader,
    pub(crate) answer_body: BodyReader,
    /// Of the request; an empty one owns no memory.
    pub(crate) request_trailers: Trailers,
    /// Of the answer.
    pub(crate) answer_trailers: Trailers,
    pub(crate) asked: Asked,
    /// The request proves who asks: nothing of its answer is compressed.
    pub(crate) has_credentials: bool,
    /// The answer's body is chunked on our side of the origin.
    pub(crate) is_chunked: bool,
    /// The connection may be used again after this answer.
    pub(crate) keeps_alive: bool,
    /// May be sent a second time: idempotent, no body, nothing of an answer yet, first attempt.
    pub(crate) is_repeatable: bool,
    /// The pooled connection was used before.
    pub(crate) is_reused: bool,
    /// The asker said its last byte.
    pub(crate) is_finished: bool,
    /// Something of the answer came.
    pub(crate) has_answered: bool,
    /// The reply envelope has gone down.
    pub(crate) has_said_envelope: bool,
    /// From the opening to the origin's first byte.
    pub(crate) first_byte_us: u32,
    pub(crate) attempts: u8,
    /// Attempts that were new connections.
    pub(crate) connects: u8,
    /// Which of the origin's addresses was tried last, counted round; a further attempt takes the next one, whatever
    /// other fetches have taken meanwhile.
    pub(crate) turn: Option<usize>,
    pub(crate) interim_count: u8,
    /// Bytes for the origin that wait for the connection to stand, or that are kept for a second attempt.
    pub(crate) pending: Chain,
    /// Bytes in the connection's queue when the deadline was last reached.
    pub(crate) queued_seen: u32,
    /// Bytes from the origin that wait for credit or for the rest of a head.
    pub(crate) held: Chain,
    /// The origin sent FIN while bytes were held.
    pub(crate) has_ended: bool,
    /// Bytes that may still be answered.
    pub(crate) credit: u32,
    /// Bytes taken from the asker for which it has not got new room.
    pub(crate) owed: u32,
    pub(crate) opened: Instant,
    pub(crate) deadline: Instant,
    /// The earliest entry that the wheel holds for this fetch.
    pub(crate) timer: Instant,
    /// To be told at the next flush.
    pub(crate) failure: Option<Failure>,
    /// It stands on the list for the next flush.
    pub(crate) is_listed: bool,
}
