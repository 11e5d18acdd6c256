//! One exchange as the clients' side sees it: what was asked, what has come back, what the log will say.

use core::net::SocketAddr;

use crate::access::{Ended, Rule};
use crate::compression::Terms;
use crate::exchange::envelope::ReplyEnvelope;
use crate::exchange::failure::Failure;
use crate::exchange::link::{Kind, Served, Way};
use crate::http::{Asked, BodyReader, Trailers, Version};
use crate::rules::Verdict;
use crate::stdx::chain::Chain;
use crate::stdx::slab::Handle;
use crate::time::Instant;

/// Bytes of a method and target that the log keeps.
pub(crate) const LINE_BYTES_MAX: usize = 448;

/// Where the answer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Down {
    /// The reply envelope has not come.
    Envelope,
    /// The final head has not come.
    Head,
    /// The body is under way.
    Body,
    /// Bytes pass unread.
    Opaque,
    /// The far end has said its last byte of an opaque stream.
    Done,
}

/// How a body is written for this client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reframe {
    /// As it comes: it is normal already.
    Verbatim,
    /// Without chunks, for an HTTP/1.0 client that reads until the end.
    Data,
    /// In chunks, because its end is not announced.
    Chunks,
    /// Not at all.
    Nothing,
}

/// Where an exchange stands that may move.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Move {
    /// It stays.
    #[default]
    No,
    /// The ring to its server was full when it was asked for.
    Owed,
    /// Its server has failed it.
    Failed(Failure),
    /// Its server has given it back: nothing of it has left.
    Returned,
}

/// One exchange.
#[derive(Debug)]
pub(crate) struct Exchange {
    pub(crate) client: Handle,
    /// Who asks: the connection's other end, or whom a trusted proxy names.
    pub(crate) peer: SocketAddr,
    pub(crate) way: Way,
    pub(crate) served: Served,
    pub(crate) kind: Kind,
    /// What the rules say of it; the class is that of its stream.
    pub(crate) verdict: Verdict,
    pub(crate) site: u16,
    pub(crate) decision: u64,
    pub(crate) rule: Rule,
    /// What may be compressed of it on a tunnel.
    pub(crate) terms: Terms,
    /// It came under the name that all machines share, and by no hint: the client may be told of a better one.
    pub(crate) may_hint: bool,

    // the way up
    /// Bytes that may still be sent.
    pub(crate) room: u32,
    pub(crate) request_body: BodyReader,
    pub(crate) request_trailers: Trailers,
    /// The body goes on in chunks.
    pub(crate) is_chunked: bool,
    pub(crate) request_bytes: u64,
    /// The last byte was sent; the word that it was the last may still be owed.
    pub(crate) is_sent: bool,
    pub(crate) owes_finish: bool,
    /// Idempotent and without a body: may be sent a second time.
    pub(crate) is_repeatable: bool,
    /// What was sent, to be sent over another route: see `reroute`.
    pub(crate) kept: Chain,
    pub(crate) moving: Move,
    /// How often it went over another route than before.
    pub(crate) reroutes: u8,

    // the way down
    pub(crate) down: Down,
    /// Bytes answered for which the server has not got a new grant.
    pub(crate) owed: u32,
    pub(crate) asked: Asked,
    pub(crate) version: Version,
    pub(crate) keep_alive: bool,
    pub(crate) answer_body: BodyReader,
    pub(crate) answer_trailers: Trailers,
    pub(crate) reframe: Reframe,
    pub(crate) status: u16,
    pub(crate) answer_bytes: u64,
    /// Something of the answer was written to the client.
    pub(crate) has_head: bool,
    /// The beginning of an envelope or head that is not whole.
    pub(crate) held: Chain,
    pub(crate) reply: ReplyEnvelope,

    // the record
    pub(crate) began: Instant,
    pub(crate) opened: Instant,
    pub(crate) first_byte: Option<Instant>,
    /// How long the request's first bytes waited for room in the tunnel, in µs.
    pub(crate) queue_us: Option<u32>,
    /// How many bytes less than were said the tunnel carried, both ways.
    pub(crate) saved_bytes: u64,
    pub(crate) ended: Ended,
    pub(crate) line: [u8; LINE_BYTES_MAX],
    pub(crate) method_bytes: u16,
    pub(crate) line_bytes: u16,
    pub(crate) is_line_cut: bool,
}

impl Exchange {
    /// Keeps method and target for the log, cut to what fits.
    pub(crate) fn set_line(&mut self, method: &[u8], path: &[u8], query: Option<&[u8]>) {
        let mut used = 0;
        let mut is_cut = false;
        let (mark, query): (&[u8], &[u8]) = query.map_or((b"", b""), |query| (b"?", query));
        for (index, part) in [method, path, mark, query].into_iter().enumerate() {
            let count = part.len().min(LINE_BYTES_MAX - used);
            self.line[used..used + count].copy_from_slice(&part[..count]);
            used += count;
            is_cut |= count < part.len();
            if index == 0 {
                self.method_bytes = used as u16;
            }
        }
        (self.line_bytes, self.is_line_cut) = (used as u16, is_cut);
    }

    /// The method as sent.
    pub(crate) fn method(&self) -> &[u8] {
        &self.line[..usize::from(self.method_bytes)]
    }

    /// The target, perhaps cut.
    pub(crate) fn target(&self) -> &[u8] {
        &self.line[usize::from(self.method_bytes)..usize::from(self.line_bytes)]
    }
}
