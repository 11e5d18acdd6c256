//! One client's connection.
//!
//! ```text
//!             ┌──────────────── answered, keep-alive ───────────────┐
//!             ▼                                                     │
//! Preface ─► Head ──head whole──► Body ──last byte──► Waiting ──────┤
//!                  ├── no body ─────────────────────► Waiting       ├─ answered, close ─► Linger ─► gone
//!                  └── upgrade ─► Upgrading ──101──► Opaque ────────┘
//! ```
//! Plain TCP goes from Preface (or at once) to Opening, and from there to Opaque, mostly in one step.

use core::net::SocketAddr;

use crate::port::TcpId;
use crate::stdx::chain::Chain;
use crate::stdx::slab::Handle;
use crate::time::Instant;

/// How a head begins whose answer has no body, a refusal's neither.
pub(crate) const HEAD: &[u8] = b"HEAD ";

/// Where a client's connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// A PROXY protocol header must come first.
    Preface,
    /// Plain TCP: the ring to the tunnel's core has no room for the opening yet.
    Opening,
    /// Between requests, or within a head.
    Head,
    /// The body of a request is under way.
    Body,
    /// The request is whole, its answer is not.
    Waiting,
    /// A WebSocket was asked for; what the client sends meanwhile waits.
    Upgrading,
    /// Bytes pass unread.
    Opaque,
    /// Opaque, and the client has sent FIN.
    HalfClosed,
    /// The last answer is on its way; what still comes is thrown away.
    Linger,
}

/// One connection. An idle one owns no block of any pool.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) tcp: TcpId,
    pub(crate) peer: SocketAddr,
    pub(crate) listener: u16,
    pub(crate) phase: Phase,
    /// It was beyond the limit and is only told so.
    pub(crate) is_shed: bool,
    /// It stands on the list for the next flush.
    pub(crate) is_listed: bool,
    /// Reading is off until what is held has gone on.
    pub(crate) is_held: bool,
    /// The client has sent FIN.
    pub(crate) has_ended: bool,
    /// Bytes in its queue when it was last looked at; zero: it is not waited for.
    pub(crate) queued_seen: u32,
    /// Requests answered or under way.
    pub(crate) requests: u32,
    /// Bytes that came and could not go on yet.
    pub(crate) stash: Chain,
    pub(crate) exchange: Option<Handle>,
    pub(crate) deadline: Instant,
    /// The earliest entry that the wheel holds for this client.
    pub(crate) timer: Instant,
    /// When the first byte of the head came, or the lingering began.
    pub(crate) began: Instant,
}
