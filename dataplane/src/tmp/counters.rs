//! What an endpoint has seen and done, in plain numbers since it began.

/// Why a datagram was dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dropped {
    /// No packet of version 1.
    NotOurs,
    /// For another worker of this machine.
    OtherOwner,
    /// An id that names nothing here.
    UnknownId,
    /// An INIT or RESP by someone who does not know our public key, or junk.
    BadHandshake,
    /// A good INIT by a key that is not on the list.
    NotAllowed,
    /// More INITs than the gate lets through.
    TooBusy,
    /// No room for another tunnel or id, or the role does not drain its events.
    NoRoom,
    /// A DATA packet that does not open: forged, corrupted, or under keys too old.
    Unauthentic,
    /// A DATA packet whose number came before.
    Duplicate,
    /// A RESET or COOKIE that answers nothing we have sent.
    Unasked,
}

impl Dropped {
    /// How many reasons there are.
    pub const COUNT: usize = 10;

    /// All reasons, in the order of `Counters::dropped`.
    pub const ALL: [Self; Self::COUNT] = [
        Self::NotOurs,
        Self::OtherOwner,
        Self::UnknownId,
        Self::BadHandshake,
        Self::NotAllowed,
        Self::TooBusy,
        Self::NoRoom,
        Self::Unauthentic,
        Self::Duplicate,
        Self::Unasked,
    ];

    /// A name for metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NotOurs => "not_ours",
            Self::OtherOwner => "other_owner",
            Self::UnknownId => "unknown_id",
            Self::BadHandshake => "bad_handshake",
            Self::NotAllowed => "not_allowed",
            Self::TooBusy => "too_busy",
            Self::NoRoom => "no_room",
            Self::Unauthentic => "unauthentic",
            Self::Duplicate => "duplicate",
            Self::Unasked => "unasked",
        }
    }
}

/// The numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Datagrams handed in.
    pub datagrams_in: u64,
    /// Their bytes.
    pub bytes_in: u64,
    /// Datagrams handed out.
    pub datagrams_out: u64,
    /// Their bytes.
    pub bytes_out: u64,
    /// Datagrams dropped, by reason (index: `Dropped as usize`).
    pub dropped: [u64; Dropped::COUNT],
    /// INIT packets sent, repeats included.
    pub inits_sent: u64,
    /// INIT packets answered with RESP, repeats included.
    pub inits_answered: u64,
    /// Handshakes that became sessions or new keys of sessions.
    pub handshakes_done: u64,
    /// Unconfirmed handshakes that were pushed out or ran out of time.
    pub unconfirmed_evicted: u64,
    /// COOKIE packets sent.
    pub cookies_sent: u64,
    /// COOKIE packets believed.
    pub cookies_taken: u64,
    /// RESET packets sent.
    pub resets_sent: u64,
    /// RESET packets believed.
    pub resets_taken: u64,
    /// Times that a peer's address changed.
    pub moves: u64,
    /// Tunnels closed because the peer broke the protocol.
    pub violations: u64,
}

impl Counters {
    /// All but the datagrams handed in and out, which drivers count, and the drops: name, help text and value.
    pub fn each(&self, mut visit: impl FnMut(&'static str, &'static str, u64)) {
        visit("inits_sent", "INIT packets sent, repeats included.", self.inits_sent);
        visit("inits_answered", "INIT packets answered with RESP, repeats included.", self.inits_answered);
        visit("handshakes", "Handshakes that made a session or new keys of one.", self.handshakes_done);
        visit("unconfirmed_evicted", "Handshakes that nobody confirmed in time.", self.unconfirmed_evicted);
        visit("cookies_sent", "COOKIE packets sent under load.", self.cookies_sent);
        visit("cookies_taken", "COOKIE packets believed.", self.cookies_taken);
        visit("resets_sent", "RESET packets sent.", self.resets_sent);
        visit("resets_taken", "RESET packets believed.", self.resets_taken);
        visit("moves", "Times that a peer's address changed.", self.moves);
        visit("violations", "Tunnels closed because the peer broke the protocol.", self.violations);
    }

    /// Counts a dropped datagram.
    pub(in crate::tmp) fn drop_for(&mut self, reason: Dropped) {
        self.dropped[reason as usize] += 1;
    }

    /// How many datagrams were dropped for `reason`.
    pub const fn dropped_for(&self, reason: Dropped) -> u64 {
        self.dropped[reason as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_its_own_place_and_name() {
        for (index, reason) in Dropped::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, index);
            assert_eq!(Dropped::ALL.iter().filter(|other| other.name() == reason.name()).count(), 1);
        }
    }
}
