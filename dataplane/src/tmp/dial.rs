//! The initiator's handshakes: when to send INIT, again and again for as long as it takes. [TMP-61]
//!
//! One INIT is repeated for some time, so that a RESP to any copy of it is good on however long a path; then
//! a fresh one is made.

use crate::time::{Duration, Instant};
use crate::tmp::cookie::{Cookie, open_cookie, sign_with_cookie};
use crate::tmp::handshake::{Identity, Initiation, Keys};
use crate::tmp::id::ReceiverId;
use crate::tmp::key::{PresharedKey, PublicKey};
use crate::tmp::key_log::KeyLog;
use crate::tmp::limits::{COOKIE_USED_FOR, INIT_PAUSE_MAX, INIT_PAUSE_MIN, INIT_REPEATED_FOR};
use crate::tmp::packet::INIT_BYTES;
use crate::tmp::params::{InitParams, RespParams};
use crate::tmp::random::Random;

/// A handshake that is going on.
#[derive(Debug)]
pub(in crate::tmp) struct Dial {
    /// How the responder names us in its answer.
    pub(in crate::tmp) own_id: ReceiverId,
    /// What the INIT says.
    pub(in crate::tmp) params: InitParams,
    initiation: Option<Initiation>,
    init: Box<[u8; INIT_BYTES]>,
    made_at: Instant,
    next_at: Instant,
    pause: Duration,
    tries: u32,
    cookie: Option<(Cookie, Instant)>,
}

impl Dial {
    /// A handshake whose first INIT is due at `now`.
    pub(in crate::tmp) fn new(now: Instant, own_id: ReceiverId, params: InitParams) -> Self {
        Self {
            own_id,
            params,
            initiation: None,
            init: Box::new([0; INIT_BYTES]),
            made_at: now,
            next_at: now,
            pause: INIT_PAUSE_MIN,
            tries: 0,
            cookie: None,
        }
    }

    /// When the next INIT is due.
    pub(in crate::tmp) const fn deadline(&self) -> Instant {
        self.next_at
    }

    /// How many INITs were sent.
    pub(in crate::tmp) const fn tries(&self) -> u32 {
        self.tries
    }

    /// The INIT to be sent now; `None` if none is due.
    pub(in crate::tmp) fn init_due(
        &mut self,
        now: Instant,
        identity: &Identity,
        (responder, psk): (&PublicKey, &PresharedKey),
        random: &mut dyn Random,
    ) -> Option<&[u8; INIT_BYTES]> {
        if now < self.next_at {
            return None;
        }
        if self.initiation.is_none() || now.since(self.made_at) >= INIT_REPEATED_FOR {
            let init = &mut *self.init;
            self.initiation =
                Some(Initiation::new(identity, responder, psk, self.own_id, &self.params, random, init));
            self.made_at = now;
        }
        match &self.cookie {
            Some((cookie, until)) if now < *until => sign_with_cookie(&mut self.init, cookie),
            _ => {}
        }
        self.next_at = now + self.pause;
        self.pause = (self.pause * 2).min(INIT_PAUSE_MAX);
        self.tries += 1;
        Some(&self.init)
    }

    /// A COOKIE came: sign with it and try again at once, but only for the first one of an INIT, lest a
    /// replayed COOKIE makes us send without end. False if it does not answer our INIT. [TMP-71.3]
    pub(in crate::tmp) fn handle_cookie(&mut self, now: Instant, datagram: &[u8]) -> bool {
        let Some(initiation) = &self.initiation else {
            return false;
        };
        let Some(cookie) = open_cookie(datagram, &self.init, initiation.responder()) else {
            return false;
        };
        if self.cookie.is_none_or(|(known, _)| known != cookie) {
            self.cookie = Some((cookie, now + COOKIE_USED_FOR));
            self.next_at = now;
        }
        true
    }

    /// A RESP came; `None` if it does not answer our INIT.
    pub(in crate::tmp) fn finish(
        &mut self,
        identity: &Identity,
        resp: &[u8],
        log: Option<&dyn KeyLog>,
    ) -> Option<(Keys, RespParams)> {
        self.initiation.as_mut()?.finish(identity, resp, log)
    }

    /// Puts the next INIT off: the peer has just ended the tunnel on purpose.
    pub(in crate::tmp) fn hold_until(&mut self, at: Instant) {
        self.next_at = at;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tmp::key::PrivateKey;
    use crate::tmp::random::PredictableRandom;

    #[test]
    fn init_is_repeated_with_growing_pauses_for_ever_and_made_anew_now_and_then() {
        let mut random = PredictableRandom::new(1);
        let identity = Identity::new(PrivateKey::generate(&mut random));
        let responder = PrivateKey::generate(&mut random).public();
        let params = InitParams { aes_is_fast: true, ..InitParams::default() };
        let mut dial = Dial::new(Instant::ORIGIN, ReceiverId(1), params);
        let (mut times, mut inits) = (Vec::new(), Vec::new());
        for _ in 0..20 {
            let now = dial.deadline();
            let to = (&responder, &PresharedKey::none());
            inits.push(*dial.init_due(now, &identity, to, &mut random).unwrap());
            assert!(dial.init_due(now, &identity, to, &mut random).is_none());
            times.push(now.as_us() / 1000);
        }
        assert_eq!(times[..8], [0, 250, 750, 1750, 3750, 6750, 9750, 12750]);
        assert_eq!(times[19] - times[18], 3000);
        assert_eq!(inits[0], inits[7]);
        assert_ne!(inits[7], inits[8]);
    }
}
