//! The parameters that travel sealed inside INIT and RESP: type 1, length 1, value. [TMP-62]
//!
//! Type 0 is padding and ends the list. Unknown types are stepped over, so that a later version can add some.

use crate::tmp::id::ReceiverId;
use crate::tmp::limits::PATHS_MAX;
use crate::tmp::path_limits::PathLimits;
use crate::tmp::seal::Cipher;
use crate::tmp::spread::{PathUse, Spread};

const PADDING: u8 = 0;
const AES_IS_FAST: u8 = 1;
const LANE: u8 = 2;
const CONTINUES: u8 = 3;
const CIPHER: u8 = 4;
const CONTINUED: u8 = 5;
const RECEIVER: u8 = 6;
const SPREAD: u8 = 7;
const CARRIED: u8 = 8;
const LIMITS: u8 = 9;
const ROLE_WORD: u8 = 10;

const CIPHER_AES_256_GCM: u8 = 1;
const CIPHER_CHACHA20_POLY1305: u8 = 2;

const CARRIED_BYTES: usize = 11;

/// Room that the parameters of a RESP take at most.
pub(in crate::tmp) const RESP_PARAMS_BYTES_MAX: usize = 24;

/// What the responder's packets had carried on one path, as the initiator remembers it. [TMP-163]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::tmp) struct Carried {
    pub(in crate::tmp) kbps: u32,
    pub(in crate::tmp) rtt_us: u32,
    pub(in crate::tmp) age_s: u16,
}

/// What the role at one end says of itself to the role at the other. Opaque here. [TMP-62.3]
pub type RoleWord = [u8; 5];

/// What an initiator says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::tmp) struct InitParams {
    /// The initiator has AES in hardware.
    pub(in crate::tmp) aes_is_fast: bool,
    /// Tells the tunnels of one initiator apart.
    pub(in crate::tmp) lane: u32,
    /// The responder's id of the session whose keys this handshake shall replace.
    pub(in crate::tmp) continues: Option<ReceiverId>,
    /// How the tunnel uses its paths.
    pub(in crate::tmp) chosen: PathUse,
    /// What is remembered of the paths.
    pub(in crate::tmp) carried: [Option<Carried>; PATHS_MAX],
    /// What its role says.
    pub(in crate::tmp) role_word: Option<RoleWord>,
}

/// What a responder says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::tmp) struct RespParams {
    /// The cipher for both directions.
    pub(in crate::tmp) cipher: Cipher,
    /// The session that INIT named is known and continues; otherwise this begins a new one.
    pub(in crate::tmp) continued: bool,
    /// How the responder wants to be named.
    pub(in crate::tmp) receiver: ReceiverId,
    /// What its role says.
    pub(in crate::tmp) role_word: Option<RoleWord>,
}

impl Carried {
    fn to_bytes(self, path: u8) -> [u8; CARRIED_BYTES] {
        let mut bytes = [0; CARRIED_BYTES];
        bytes[0] = path;
        bytes[1..5].copy_from_slice(&self.kbps.to_be_bytes());
        bytes[5..9].copy_from_slice(&self.rtt_us.to_be_bytes());
        bytes[9..].copy_from_slice(&self.age_s.to_be_bytes());
        bytes
    }

    fn from_bytes(bytes: [u8; CARRIED_BYTES]) -> (usize, Self) {
        let [path, k0, k1, k2, k3, r0, r1, r2, r3, a0, a1] = bytes;
        let (kbps, rtt_us) = (u32::from_be_bytes([k0, k1, k2, k3]), u32::from_be_bytes([r0, r1, r2, r3]));
        (usize::from(path), Self { kbps, rtt_us, age_s: u16::from_be_bytes([a0, a1]) })
    }
}

impl InitParams {
    /// Writes the list at the front of `out`, which is zeroed behind it.
    pub(in crate::tmp) fn write(&self, out: &mut [u8]) {
        out.fill(0);
        let mut list = ListWriter { out, at: 0 };
        list.put(AES_IS_FAST, &[u8::from(self.aes_is_fast)]);
        list.put(LANE, &self.lane.to_be_bytes());
        if let Some(id) = self.continues {
            list.put(CONTINUES, &id.0.to_be_bytes());
        }
        let PathUse { spread, limits } = self.chosen;
        if spread != Spread::default() {
            list.put(SPREAD, &[spread.to_u8()]);
        }
        if !limits.is_none() {
            list.put(LIMITS, &limits.to_bytes());
        }
        for (path, carried) in (0..).zip(&self.carried) {
            if let Some(carried) = carried {
                list.put(CARRIED, &carried.to_bytes(path));
            }
        }
        if let Some(word) = self.role_word {
            list.put(ROLE_WORD, &word);
        }
    }

    /// Reads a list; `None` if it is malformed. What is missing has its default.
    pub(in crate::tmp) fn read(bytes: &[u8]) -> Option<Self> {
        let mut params = Self::default();
        for entry in (ListReader { rest: bytes }) {
            match entry? {
                (AES_IS_FAST, value) => params.aes_is_fast = *value.first()? != 0,
                (LANE, value) => params.lane = u32::from_be_bytes(value.try_into().ok()?),
                (CONTINUES, value) => params.continues = Some(read_id(value)?),
                (CARRIED, value) => {
                    let (path, carried) = Carried::from_bytes(value.try_into().ok()?);
                    if let Some(place) = params.carried.get_mut(path) {
                        *place = Some(carried);
                    }
                }
                (SPREAD, value) => params.chosen.spread = Spread::from_u8(*value.first()?),
                (LIMITS, value) => params.chosen.limits = PathLimits::from_bytes(value.try_into().ok()?),
                (ROLE_WORD, value) => params.role_word = Some(value.try_into().ok()?),
                _ => {}
            }
        }
        Some(params)
    }
}

impl RespParams {
    /// Writes the list at the front of `out` and says how long it is.
    pub(in crate::tmp) fn write(&self, out: &mut [u8; RESP_PARAMS_BYTES_MAX]) -> usize {
        let mut list = ListWriter { out, at: 0 };
        let cipher = match self.cipher {
            Cipher::Aes256Gcm => CIPHER_AES_256_GCM,
            Cipher::ChaCha20Poly1305 => CIPHER_CHACHA20_POLY1305,
        };
        list.put(CIPHER, &[cipher]);
        list.put(RECEIVER, &self.receiver.0.to_be_bytes());
        if self.continued {
            list.put(CONTINUED, &[]);
        }
        if let Some(word) = self.role_word {
            list.put(ROLE_WORD, &word);
        }
        list.at
    }

    /// Reads a list; `None` if it is malformed, names no cipher that we have, or no id.
    pub(in crate::tmp) fn read(bytes: &[u8]) -> Option<Self> {
        let (mut cipher, mut receiver, mut continued, mut role_word) = (None, None, false, None);
        for entry in (ListReader { rest: bytes }) {
            match entry? {
                (CIPHER, &[CIPHER_AES_256_GCM]) => cipher = Some(Cipher::Aes256Gcm),
                (CIPHER, &[CIPHER_CHACHA20_POLY1305]) => cipher = Some(Cipher::ChaCha20Poly1305),
                (RECEIVER, value) => receiver = Some(read_id(value)?),
                (CONTINUED, _) => continued = true,
                (ROLE_WORD, value) => role_word = Some(value.try_into().ok()?),
                _ => {}
            }
        }
        Some(Self { cipher: cipher?, continued, receiver: receiver?, role_word })
    }
}

fn read_id(value: &[u8]) -> Option<ReceiverId> {
    Some(ReceiverId(u32::from_be_bytes(value.try_into().ok()?)))
}

struct ListWriter<'a> {
    out: &'a mut [u8],
    at: usize,
}

impl ListWriter<'_> {
    fn put(&mut self, kind: u8, value: &[u8]) {
        self.out[self.at..self.at + 2].copy_from_slice(&[kind, value.len() as u8]);
        self.out[self.at + 2..self.at + 2 + value.len()].copy_from_slice(value);
        self.at += 2 + value.len();
    }
}

struct ListReader<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for ListReader<'a> {
    /// An entry, or `None` in its place where the list is cut off.
    type Item = Option<(u8, &'a [u8])>;

    fn next(&mut self) -> Option<Self::Item> {
        let kind = *self.rest.first()?;
        if kind == PADDING {
            return None;
        }
        let len = self.rest.get(1).map_or(usize::MAX, |len| usize::from(*len));
        let Some(value) = self.rest.get(2..).and_then(|rest| rest.get(..len)) else {
            self.rest = &[];
            return Some(None);
        };
        self.rest = &self.rest[2 + len..];
        Some(Some((kind, value)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{any, proptest};

    /// [TMP-62.1] [TMP-62.2] [TMP-62.3]
    #[test]
    fn parameters_round_trip() {
        for continues in [None, Some(ReceiverId(0x0102_0304))] {
            let spread = if continues.is_some() { Spread::Best } else { Spread::Failover };
            let limits = PathLimits { loss_ppm: continues.map_or(0, |id| id.0), ..PathLimits::default() };
            let chosen = PathUse { spread, limits };
            let carried = continues.map(|id| Carried { kbps: id.0, rtt_us: 5, age_s: 300 });
            let carried = [None, carried, None, carried];
            let role_word = continues.map(|_| [1, 2, 3, 4, 5]);
            let params =
                InitParams { aes_is_fast: true, lane: 0x0102_0304, continues, chosen, carried, role_word };
            let mut out = [0xff; 96];
            params.write(&mut out);
            assert_eq!(InitParams::read(&out), Some(params));
        }
        for (cipher, continued) in [(Cipher::Aes256Gcm, true), (Cipher::ChaCha20Poly1305, false)] {
            let role_word = continued.then_some([9, 8, 7, 6, 5]);
            let params = RespParams { cipher, continued, receiver: ReceiverId(9), role_word };
            let mut out = [0; RESP_PARAMS_BYTES_MAX];
            let len = params.write(&mut out);
            assert_eq!(RespParams::read(&out[..len]), Some(params));
        }
    }

    /// [TMP-62]
    #[test]
    fn unknown_types_are_stepped_over_and_cut_lists_refused() {
        assert_eq!(InitParams::read(&[77, 1, 5, 2, 4, 0, 0, 0, 3]).unwrap().lane, 3);
        assert_eq!(InitParams::read(&[77, 9, 5]), None);
        assert_eq!(InitParams::read(&[2]), None);
        assert_eq!(InitParams::read(&[2, 1, 0]), None);
        assert_eq!(InitParams::read(&[8, 1, 0]), None);
        assert_eq!(InitParams::read(&[8, 11, 9, 0, 0, 0, 1, 0, 0, 0, 1, 0, 1]), Some(InitParams::default()));
        assert_eq!(RespParams::read(&[4, 1, 9, 6, 4, 0, 0, 0, 1]), None);
    }

    proptest! {
        #[test]
        fn any_list_is_judged(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = (InitParams::read(&bytes), RespParams::read(&bytes));
        }
    }
}
