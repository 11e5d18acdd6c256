//! The few things that one end of a tunnel says to the other beside streams and acknowledgements: they wait here
//! for the next packet.

/// What waits to be said on one path.
#[derive(Clone, Copy, Debug, Default)]
pub struct PathSignals {
    /// PATH_CHALLENGE to send.
    pub challenge: Option<u64>,
    /// PATH_RESPONSE to send.
    pub response: Option<u64>,
    /// PING to send.
    pub ping: bool,
}

impl PathSignals {
    /// Whether anything has to be sent.
    pub const fn any(&self) -> bool {
        self.challenge.is_some() || self.response.is_some() || self.ping
    }
}

/// What waits to be said on any path, and what was heard.
#[derive(Clone, Copy, Debug, Default)]
pub struct Signals {
    /// The token of a PATH_RESPONSE that came.
    pub answer: Option<u64>,
    /// CLOSE to send.
    pub close: Option<u16>,
    /// The peer's CLOSE, not yet told to the role.
    pub peer_closed: Option<u16>,
}
