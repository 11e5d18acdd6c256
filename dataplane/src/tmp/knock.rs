//! One knock at a responder's door, to see whether it is there: an INIT and its answer, without a tunnel behind it.
//!
//! RESP shows that the responder has its key and knows ours; COOKIE, that it has its key and is busy [TMP-70]. A responder that
//! does not know our key is silent [TMP-63.1]. Neither confirms keys, so that the responder forgets us after a while [TMP-64].

use crate::tmp::cookie::{open_cookie, sign_with_cookie};
use crate::tmp::handshake::{Identity, Initiation};
use crate::tmp::id::ReceiverId;
use crate::tmp::key::{PresharedKey, PrivateKey, PublicKey};
use crate::tmp::packet::{INIT_BYTES, Packet};
use crate::tmp::params::InitParams;
use crate::tmp::random::Random;
use crate::tmp::seal::Cipher;

/// What answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opened {
    /// A RESP that opens.
    Answered,
    /// A COOKIE that opens; the INIT is signed with it now and may be sent again.
    Busy,
}

/// An INIT that waits for its answer.
#[derive(Debug)]
pub struct Knock {
    identity: Identity,
    initiation: Initiation,
    sender: ReceiverId,
    init: Box<[u8; INIT_BYTES]>,
}

impl Knock {
    /// Makes one.
    pub fn new(own: PrivateKey, responder: &PublicKey, psk: &PresharedKey, random: &mut dyn Random) -> Self {
        let identity = Identity::new(own);
        let mut number = [0; 4];
        random.fill(&mut number);
        let sender = ReceiverId(u32::from_be_bytes(number));
        let params = InitParams { aes_is_fast: Cipher::aes_is_fast(), ..InitParams::default() };
        let mut init = Box::new([0; INIT_BYTES]);
        let initiation = Initiation::new(&identity, responder, psk, sender, &params, random, &mut init);
        Self { identity, initiation, sender, init }
    }

    /// The datagram to send.
    pub fn datagram(&self) -> &[u8] {
        &self.init[..]
    }

    /// Takes a datagram; `None` if it does not answer this knock.
    pub fn take(&mut self, datagram: &[u8]) -> Option<Opened> {
        match Packet::parse(datagram)? {
            Packet::Resp { receiver } if receiver == self.sender => {
                self.initiation.finish(&self.identity, datagram, None).map(|_| Opened::Answered)
            }
            Packet::Cookie { receiver } if receiver == self.sender => {
                let cookie = open_cookie(datagram, &self.init, self.initiation.responder())?;
                sign_with_cookie(&mut self.init, &cookie);
                Some(Opened::Busy)
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tmp::endpoint_world::{BACK, Datagram, FRONT, World, address, key};
    use crate::tmp::random::PredictableRandom;

    fn knock(own: u64, psk: u64, seed: u64) -> Knock {
        let psk = PresharedKey::generate(&mut PredictableRandom::new(psk));
        Knock::new(key(own), &key(BACK as u64).public(), &psk, &mut PredictableRandom::new(seed))
    }

    fn answer(world: &mut World, knock: &Knock) -> Option<Datagram> {
        world.deliver((address(9), address(1), knock.datagram().to_vec()));
        world.collect(BACK).pop()
    }

    #[test]
    fn who_is_known_is_answered_and_leaves_no_tunnel() {
        let mut world = World::new();
        let mut first = knock(FRONT as u64, 5, 1);
        let (_, _, resp) = answer(&mut world, &first).unwrap();
        let other = &mut knock(FRONT as u64, 5, 2);
        assert_eq!(other.take(&resp), None, "another knock's answer");
        let mut broken = resp.clone();
        *broken.last_mut().unwrap() ^= 1;
        assert_eq!((first.take(&broken), first.take(&[])), (None, None));
        assert_eq!(first.take(&resp), Some(Opened::Answered));
        assert_eq!(world.ends[BACK].tunnels().count(), 0);
    }

    #[test]
    fn who_is_not_known_hears_nothing() {
        assert!(answer(&mut World::new(), &knock(77, 5, 1)).is_none());
        // Of another secret, the answer does not open.
        let mut wrong = knock(FRONT as u64, 6, 1);
        let (_, _, resp) = answer(&mut World::new(), &wrong).unwrap();
        assert_eq!(wrong.take(&resp), None);
    }

    /// [TMP-70] [TMP-71]
    #[test]
    fn a_busy_responder_gives_a_cookie_with_which_it_answers() {
        let mut world = World::new();
        let mut seed = 10;
        let (mut busy, cookie) = loop {
            seed += 1;
            let busy = knock(FRONT as u64, 5, seed);
            let (_, _, bytes) = answer(&mut world, &busy).unwrap();
            if matches!(Packet::parse(&bytes), Some(Packet::Cookie { .. })) {
                break (busy, bytes);
            }
        };
        assert_eq!(busy.take(&cookie), Some(Opened::Busy));
        let (_, _, resp) = answer(&mut world, &busy).unwrap();
        assert_eq!(busy.take(&resp), Some(Opened::Answered));
    }
}
