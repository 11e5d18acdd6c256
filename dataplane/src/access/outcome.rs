//! What an exchange was and how it ended: the closed sets of words that a record is made of.
//!
//! Each has a one-byte code for the slot and a name for logs and metrics. A member more is a line here; codes are
//! not kept stable, for both ends of a ring come from one build.

/// A closed set of names with a one-byte code each, and the way back from both.
macro_rules! closed_set {
    ($(#[$outer:meta])* $set:ident { $($(#[$inner:meta])* $name:ident = $text:literal,)+ }) => {
        $(#[$outer])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $set { $($(#[$inner])* $name,)+ }

        impl $set {
            /// Every member, in the order of their codes.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// The name as logs and metrics show it.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $text,)+ }
            }

            /// The byte that stands for it in a slot.
            pub(crate) const fn code(self) -> u8 {
                self as u8
            }

            /// The member with this code.
            pub(crate) fn from_code(code: u8) -> Option<Self> {
                Self::ALL.get(usize::from(code)).copied()
            }
        }
    };
}

closed_set! {
    /// What the exchange was.
    Kind {
        /// One HTTP request and its response.
        Http = "http",
        /// One plain TCP connection.
        Tcp = "tcp",
        /// One connection that was upgraded to WebSocket.
        WebSocket = "websocket",
    }
}

closed_set! {
    /// The client's HTTP version.
    Version {
        /// No HTTP was spoken, or not enough of it to tell.
        None = "",
        /// HTTP/1.0.
        Http10 = "HTTP/1.0",
        /// HTTP/1.1.
        Http11 = "HTTP/1.1",
    }
}

closed_set! {
    /// Which wait ran out.
    Wait {
        /// The client's request head did not come in time.
        RequestHead = "request_head",
        /// The client's request body stood still.
        RequestBody = "request_body",
        /// No room in the tunnel or no credit came in time.
        Queue = "queue",
        /// The other machine did not answer through the tunnel.
        Tunnel = "tunnel",
        /// The origin did not accept a connection in time.
        OriginConnect = "origin_connect",
        /// The origin sent no first byte in time.
        OriginFirstByte = "origin_first_byte",
        /// The origin's response body stood still.
        OriginBody = "origin_body",
        /// The client took nothing of the response for too long.
        ClientWrite = "client_write",
        /// A connection (TCP, WebSocket) was idle for too long.
        Idle = "idle",
        /// The deadline for the whole exchange passed.
        Total = "total",
    }
}

closed_set! {
    /// Why an exchange was refused before an origin saw it.
    Refusal {
        /// The request breaks the grammar or contradicts itself (400).
        BadRequest = "bad_request",
        /// The request's method or an upgrade is not served here (405, 501).
        Method = "method",
        /// The HTTP version is not spoken here (505).
        Version = "version",
        /// The target is longer than allowed (414).
        TargetTooLong = "target_too_long",
        /// The request head is larger than allowed (431).
        HeadTooLarge = "head_too_large",
        /// The request body is larger than allowed (413).
        BodyTooLarge = "body_too_large",
        /// An expectation that is not supported (417).
        Expectation = "expectation",
        /// The site is not one of ours (421).
        UnknownSite = "unknown_site",
        /// No route leads to an origin for this request (404, 502).
        NoRoute = "no_route",
        /// No tunnel of the route is up (503).
        TunnelDown = "tunnel_down",
        /// No origin of the route is up or its name has no address yet (503).
        NoOrigin = "no_origin",
        /// A bound on connections, streams or memory was reached (503).
        Overload = "overload",
        /// Room is kept for requests of more important classes (503).
        ClassShed = "class_shed",
        /// The client asks more often than allowed (429).
        RateLimit = "rate_limit",
        /// The machine is draining and takes nothing new (503).
        Draining = "draining",
    }
}

closed_set! {
    /// The rule that decided where the exchange went.
    Rule {
        /// Nothing was decided: the exchange ended before.
        None = "none",
        /// The site's exact name is in the table.
        SiteExact = "site_exact",
        /// A wildcard of the table covers the site's name.
        SiteWildcard = "site_wildcard",
        /// No name matched, and the table has a default.
        SiteDefault = "site_default",
        /// The listener is bound to one route: plain TCP.
        Listener = "listener",
        /// The name is one machine's own for a site.
        SiteAlias = "site_alias",
        /// Another machine of ours serves this client better: it was sent there.
        Redirect = "redirect",
    }
}

/// How an exchange ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ended {
    /// Everything was delivered.
    Complete,
    /// The client went away first.
    ClientAborted,
    /// The origin could not be reached, or closed before its first byte.
    OriginUnreachable,
    /// The origin answered with what is no valid response.
    OriginInvalid,
    /// The origin closed in the middle of its response.
    OriginTruncated,
    /// The tunnel went down under the exchange.
    TunnelLost,
    /// The process stopped before the exchange was over.
    Stopped,
    /// A wait ran out.
    TimedOut(Wait),
    /// It was refused before an origin saw it.
    Refused(Refusal),
}

impl Ended {
    /// The name as logs and metrics show it; the detail is separate.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::ClientAborted => "client_aborted",
            Self::OriginUnreachable => "origin_unreachable",
            Self::OriginInvalid => "origin_invalid",
            Self::OriginTruncated => "origin_truncated",
            Self::TunnelLost => "tunnel_lost",
            Self::Stopped => "stopped",
            Self::TimedOut(_) => "timeout",
            Self::Refused(_) => "refused",
        }
    }

    /// Which wait ran out, or why it was refused; `None` for the endings that say all themselves.
    pub const fn detail(self) -> Option<&'static str> {
        match self {
            Self::TimedOut(wait) => Some(wait.name()),
            Self::Refused(refusal) => Some(refusal.name()),
            Self::Complete
            | Self::ClientAborted
            | Self::OriginUnreachable
            | Self::OriginInvalid
            | Self::OriginTruncated
            | Self::TunnelLost
            | Self::Stopped => None,
        }
    }

    /// The two bytes that stand for it in a slot: the ending and its detail.
    pub(crate) const fn codes(self) -> [u8; 2] {
        match self {
            Self::Complete => [0, 0],
            Self::ClientAborted => [1, 0],
            Self::OriginUnreachable => [2, 0],
            Self::OriginInvalid => [3, 0],
            Self::OriginTruncated => [4, 0],
            Self::TunnelLost => [5, 0],
            Self::Stopped => [6, 0],
            Self::TimedOut(wait) => [7, wait.code()],
            Self::Refused(refusal) => [8, refusal.code()],
        }
    }

    /// The ending with these codes.
    pub(crate) fn from_codes(codes: [u8; 2]) -> Option<Self> {
        match codes {
            [0, 0] => Some(Self::Complete),
            [1, 0] => Some(Self::ClientAborted),
            [2, 0] => Some(Self::OriginUnreachable),
            [3, 0] => Some(Self::OriginInvalid),
            [4, 0] => Some(Self::OriginTruncated),
            [5, 0] => Some(Self::TunnelLost),
            [6, 0] => Some(Self::Stopped),
            [7, wait] => Wait::from_code(wait).map(Self::TimedOut),
            [8, refusal] => Refusal::from_code(refusal).map(Self::Refused),
            _ => None,
        }
    }
}
