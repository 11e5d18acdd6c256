//! Why an exchange ends without a whole answer: one closed list for both ends of the tunnel.
//!
//! The code crosses the tunnel as the error code of a RESET frame, so numbers are never reused; a code that this
//! version does not know reads as `Unknown`. The status and the sentence are what the client is shown.
//! [EXC-20]

macro_rules! failures {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $status:literal, $sentence:literal;)*) => {
        /// Why an exchange ended early.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Failure {
            $($(#[$doc])* $name,)*
        }

        impl Failure {
            /// Every failure, in the order of its code.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The number that crosses the tunnel.
            pub const fn code(self) -> u16 {
                match self { $(Self::$name => $code,)* }
            }

            /// The inverse of `code`; `Unknown` for numbers of a later version.
            pub const fn from_code(code: u16) -> Self {
                match code { $($code => Self::$name,)* _ => Self::Unknown }
            }

            /// The HTTP status that answers it when nothing was answered yet.
            pub const fn status(self) -> u16 {
                match self { $(Self::$name => $status,)* }
            }

            /// One sentence for the client's page and for the log.
            pub const fn sentence(self) -> &'static str {
                match self { $(Self::$name => $sentence,)* }
            }
        }
    };
}

failures! {
    /// A code of a later version.
    Unknown = 0, 502, "The far end gave up for a reason that this version does not know.";
    /// Whoever asked no longer wants the answer.
    Cancelled = 1, 499, "The client went away.";
    /// No such site here.
    UnknownSite = 2, 421, "No site of this name is served here.";
    /// The back-end does not let this front-end reach that site.
    SiteNotAllowed = 3, 421, "This front-end may not open that site.";
    /// The origin's name has no address yet.
    Unresolved = 4, 503, "The name of the origin server does not resolve yet.";
    /// The origin refuses connections or cannot be reached.
    ConnectFailed = 5, 502, "The origin server cannot be reached.";
    /// The origin did not accept in time.
    ConnectTimeout = 6, 504, "The origin server did not accept the connection in time.";
    /// The origin did not answer in time.
    AnswerTimeout = 7, 504, "The origin server did not answer in time.";
    /// The origin closed before it had answered.
    OriginClosed = 8, 502, "The origin server closed the connection without an answer.";
    /// The origin's answer is not HTTP as we accept it.
    BadAnswer = 9, 502, "The origin server gave an answer that cannot be passed on safely.";
    /// Something here is full.
    Shed = 10, 503, "The service is at its limit; please try again in a moment.";
    /// The tunnel had no path for too long.
    TunnelTimeout = 11, 504, "The way to the origin was lost and did not come back in time.";
    /// The other end of the tunnel started anew.
    Restarted = 12, 502, "The far end was restarted while the request was under way.";
    /// Nothing moved for too long in the middle of a body.
    Stalled = 13, 504, "The transfer stood still for too long.";
    /// This end is about to stop.
    Draining = 14, 503, "The service is about to restart; please try again in a moment.";
    /// The stream did not begin as it must, or did not hold what its head promised.
    BadStream = 15, 502, "The far end of the tunnel sent something that does not make sense.";
    /// The origin cut its answer short.
    Truncated = 16, 502, "The origin server cut its answer short.";
    /// The site does not serve what was asked of it (plain TCP for a web site, or the other way round).
    WrongKind = 17, 502, "The origin of this site speaks another protocol.";
    /// Room is left, but kept for more important classes.
    ShedClass = 18, 503, "The service is busy with more urgent requests; please try again in a moment.";
}

impl Failure {
    /// Seconds after which a client may try again, where saying so makes sense.
    pub const fn retry_after_s(self) -> Option<u32> {
        if self.status() == 503 { Some(1) } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_dense_and_return() {
        for (index, failure) in Failure::ALL.iter().enumerate() {
            assert_eq!(failure.code() as usize, index);
            assert_eq!(Failure::from_code(failure.code()), *failure);
        }
        assert_eq!(Failure::from_code(u16::MAX), Failure::Unknown);
    }
}
