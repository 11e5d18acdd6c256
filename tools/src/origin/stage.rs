//! The stages of a connection to the origin: data, and the two questions that a driver asks of them.
//!
//! ```text
//!         ┌──────────────── next request ───────────────┐
//! Head ─► Upload ─► Waiting ─► Sending | Answering | Events ─► Closing ─► Lingering ─► Ended
//!   └───────────────────────► WebSocket ───────────────────────▲    Resetting ─► Reset
//! ```

use crate::http1::ChunkDecoder;
use crate::origin::request::Request;
use crate::origin::websocket::Frames;
use dataplane::time::{Duration, Instant};

/// Where a connection stands.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Stage {
    /// Takes a request head.
    Head,
    /// Takes a request's body.
    Upload { request: Request, left: Left },
    /// Says nothing until then.
    Waiting { request: Request, until: Instant },
    /// Sends the seeded body; counts wire bytes.
    Sending { sent: u64, stop: u64, pace: Option<Pace>, after: After },
    /// Sends what was rendered for this request.
    Answering { sent: usize, after: After },
    /// Sends server-sent events.
    Events { sent: u64, count: u64, pace: Pace, chunked: bool, after: After },
    /// Echoes frames.
    WebSocket(Frames),
    /// Echoes bytes.
    TcpEcho,
    /// Drops bytes.
    TcpDiscard,
    /// Resets once the output has left and had time to arrive.
    Resetting { at: Option<Instant> },
    /// Ends its sending side once the output has left.
    Closing,
    /// Has ended its side and waits for the client's end, taking and dropping what comes.
    Lingering { until: Instant },
    /// Is to be reset.
    Reset,
    /// Is to be closed.
    Ended,
}

/// What is left of a request's body.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Left {
    /// So many bytes.
    Bytes(u64),
    /// Chunks up to the terminator.
    Chunks(ChunkDecoder),
}

/// The shortest interval of a drip: with none, a drip to a client that does not read would spin.
const INTERVAL_MIN: Duration = Duration::from_millis(1);

/// A drip: `piece` bytes each `interval`; `allowed` may be sent by now.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    pub(crate) piece: u64,
    pub(crate) interval: Duration,
    pub(crate) allowed: u64,
    pub(crate) next: Instant,
}

impl Pace {
    /// The first piece may go at once.
    pub(crate) fn new(piece: u64, interval: Duration, now: Instant) -> Self {
        let interval = interval.max(INTERVAL_MIN);
        Self { piece, interval, allowed: piece, next: now + interval }
    }

    /// Grants what is due, but nothing for time in which the client did not read.
    pub(crate) fn grant(&mut self, now: Instant, sent: u64) {
        if now >= self.next {
            self.allowed = sent + self.piece;
            self.next = now + self.interval;
        }
    }
}

/// What follows an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum After {
    /// The next request.
    Next,
    /// The connection's end.
    Close,
    /// The connection's end, abruptly.
    Reset,
}

/// What is to become of the socket when the output is empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It stays.
    Open,
    /// Its sending side is to be shut down; then call `linger`.
    Shut,
    /// It is to be closed.
    Close,
    /// It is to be reset.
    Reset,
}

impl Stage {
    /// When time alone moves it.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        match *self {
            Self::Waiting { until, .. } | Self::Lingering { until } => Some(until),
            Self::Sending { pace: Some(pace), .. } | Self::Events { pace, .. } => Some(pace.next),
            Self::Resetting { at } => at,
            Self::Head
            | Self::Upload { .. }
            | Self::Sending { pace: None, .. }
            | Self::Answering { .. }
            | Self::WebSocket(_)
            | Self::TcpEcho
            | Self::TcpDiscard
            | Self::Closing
            | Self::Reset
            | Self::Ended => None,
        }
    }

    /// What is to become of the socket, once the output is empty.
    pub(crate) fn outcome(&self) -> Outcome {
        match *self {
            Self::Closing => Outcome::Shut,
            Self::Reset => Outcome::Reset,
            Self::Ended => Outcome::Close,
            Self::Head
            | Self::Upload { .. }
            | Self::Waiting { .. }
            | Self::Sending { .. }
            | Self::Answering { .. }
            | Self::Events { .. }
            | Self::WebSocket(_)
            | Self::TcpEcho
            | Self::TcpDiscard
            | Self::Resetting { .. }
            | Self::Lingering { .. } => Outcome::Open,
        }
    }
}
