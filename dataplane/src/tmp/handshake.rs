//! The two messages that make keys: Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s, by `snow`. [TMP-60]
//!
//! Not here: when to send one (`dial`), whom to answer (`endpoint_handshake`), cookies (`cookie`). INIT
//! carries no application data, because whoever records it can replay it [TMP-60.2]. Handshakes are rare, so this
//! file may allocate.

use crate::tmp::id::ReceiverId;
use crate::tmp::key::{PresharedKey, PrivateKey, PublicKey};
use crate::tmp::key_log::{KeyLog, LoggedSecret};
use crate::tmp::mac::{equal, hash, mac16};
use crate::tmp::packet::{
    INIT_BYTES, INIT_HEADER_BYTES, MAC_BYTES, OWNER_ANY, RESP, RESP_BYTES_MAX, RESP_HEADER_BYTES,
    write_answer_header, write_init_header,
};
use crate::tmp::params::{InitParams, RESP_PARAMS_BYTES_MAX, RespParams};
use crate::tmp::random::Random;
use crate::tmp::seal::{Cipher, OpenKey, SealKey};
use snow::params::{CipherChoice, DHChoice, HashChoice, NoiseParams};
use snow::resolvers::{CryptoResolver, DefaultResolver};
use snow::{Builder, HandshakeState};
use zeroize::Zeroizing;

const NOISE_NAME: &str = "Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s";
const PROLOGUE_LABEL: &[u8; 16] = b"longhaul tmp v1 ";
const PSK_PLACE: u8 = 2;

const KEY_BYTES: usize = 32;
const TAG_BYTES: usize = 16;
const INIT_NOISE_END: usize = INIT_MAC1_AT;
/// Where the two codes of an INIT stand.
pub(in crate::tmp) const INIT_MAC1_AT: usize = INIT_BYTES - 2 * MAC_BYTES;
pub(in crate::tmp) const INIT_MAC2_AT: usize = INIT_BYTES - MAC_BYTES;
/// Ephemeral 32, sealed static 48, and the tag of the parameters.
const INIT_PARAMS_BYTES: usize =
    INIT_NOISE_END - INIT_HEADER_BYTES - KEY_BYTES - (KEY_BYTES + TAG_BYTES) - TAG_BYTES;

/// This machine's key pair and what follows from it.
pub(in crate::tmp) struct Identity {
    private: PrivateKey,
    public: PublicKey,
    mac1_key: [u8; KEY_BYTES],
}

impl Identity {
    /// The identity of a private key.
    pub(in crate::tmp) fn new(private: PrivateKey) -> Self {
        let public = private.public();
        Self { private, public, mac1_key: mac1_key(&public) }
    }

    /// The public half.
    pub(in crate::tmp) const fn public(&self) -> &PublicKey {
        &self.public
    }

    /// The private half.
    pub(in crate::tmp) const fn private(&self) -> &PrivateKey {
        &self.private
    }

    /// Whether the first code of an INIT is good: whoever made it knows our public key. [TMP-63]
    pub(in crate::tmp) fn mac1_is_good(&self, init: &[u8]) -> bool {
        let (body, rest) = init.split_at(INIT_MAC1_AT);
        rest.first_chunk().is_some_and(|code| equal(code, &mac16(&self.mac1_key, &[body])))
    }
}

impl core::fmt::Debug for Identity {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Identity({})", self.public)
    }
}

fn mac1_key(public: &PublicKey) -> [u8; KEY_BYTES] {
    hash("longhaul tmp mac1", &[public.bytes()])
}

/// The keys of one epoch, for one end.
#[derive(Debug)]
pub(in crate::tmp) struct Keys {
    pub(in crate::tmp) seal: SealKey,
    pub(in crate::tmp) open: OpenKey,
}

/// An INIT that waits for its RESP.
pub(in crate::tmp) struct Initiation {
    state: HandshakeState,
    responder: PublicKey,
}

impl Initiation {
    /// Makes an INIT into `out`, complete but for the second code, which is zero.
    pub(in crate::tmp) fn new(
        identity: &Identity,
        responder: &PublicKey,
        psk: &PresharedKey,
        sender: ReceiverId,
        params: &InitParams,
        random: &mut dyn Random,
        out: &mut [u8; INIT_BYTES],
    ) -> Self {
        write_init_header(out, params.continues.map_or(OWNER_ANY, ReceiverId::owner), sender);
        let mut payload = [0; INIT_PARAMS_BYTES];
        params.write(&mut payload);
        let prologue = prologue_of(out);
        let mut state = builder(identity, psk, &prologue, random)
            .and_then(|builder| builder.remote_public_key(responder.bytes()))
            .and_then(Builder::build_initiator)
            .expect("keys have the right length");
        let written = state.write_message(&payload, &mut out[INIT_HEADER_BYTES..INIT_NOISE_END]);
        assert_eq!(written, Ok(INIT_NOISE_END - INIT_HEADER_BYTES), "the parameters fill an INIT");
        let code = mac16(&mac1_key(responder), &[&out[..INIT_MAC1_AT]]);
        out[INIT_MAC1_AT..INIT_MAC2_AT].copy_from_slice(&code);
        out[INIT_MAC2_AT..].fill(0);
        Self { state, responder: *responder }
    }

    /// Whose answer is awaited.
    pub(in crate::tmp) const fn responder(&self) -> &PublicKey {
        &self.responder
    }

    /// Reads a RESP; `None`, and still waiting, if it does not answer this INIT. [TMP-63.2]
    pub(in crate::tmp) fn finish(
        &mut self,
        identity: &Identity,
        resp: &[u8],
        log: Option<&dyn KeyLog>,
    ) -> Option<(Keys, RespParams)> {
        let (body, code) = resp.split_last_chunk::<MAC_BYTES>()?;
        if !equal(code, &mac16(&identity.mac1_key, &[body])) {
            return None;
        }
        let mut payload = [0; RESP_BYTES_MAX];
        let len = self.state.read_message(&body[RESP_HEADER_BYTES..], &mut payload).ok()?;
        let params = RespParams::read(&payload[..len])?;
        let ids = [params.receiver, answered(resp)];
        Some((split(&mut self.state, params.cipher, ids, log), params))
    }
}

impl core::fmt::Debug for Initiation {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Initiation(to {})", self.responder)
    }
}

/// An INIT that was read and is good; it may be a replay.
pub(in crate::tmp) struct Arrival {
    state: HandshakeState,
    pub(in crate::tmp) initiator: PublicKey,
    pub(in crate::tmp) params: InitParams,
}

impl Arrival {
    /// Reads an INIT; `None` if it was not made for this identity.
    pub(in crate::tmp) fn read(
        identity: &Identity,
        init: &[u8; INIT_BYTES],
        random: &mut dyn Random,
    ) -> Option<Self> {
        let prologue = prologue_of(init);
        let mut state = builder(identity, &PresharedKey::none(), &prologue, random)
            .and_then(Builder::build_responder)
            .expect("keys have the right length");
        let mut payload = [0; INIT_PARAMS_BYTES];
        let len = state.read_message(&init[INIT_HEADER_BYTES..INIT_NOISE_END], &mut payload).ok()?;
        let params = InitParams::read(&payload[..len])?;
        let initiator = PublicKey::from_bytes(state.get_remote_static()?.try_into().ok()?);
        Some(Self { state, initiator, params })
    }

    /// Makes the RESP to `sender` into `out`: the keys and its length. [TMP-13]
    pub(in crate::tmp) fn answer(
        mut self,
        psk: &PresharedKey,
        sender: ReceiverId,
        params: &RespParams,
        out: &mut [u8; RESP_BYTES_MAX],
        log: Option<&dyn KeyLog>,
    ) -> (Keys, usize) {
        write_answer_header(out, RESP, sender);
        let mut payload = [0; RESP_PARAMS_BYTES_MAX];
        let payload_len = params.write(&mut payload);
        let end = RESP_HEADER_BYTES + KEY_BYTES + payload_len + TAG_BYTES;
        let set = self.state.set_psk(usize::from(PSK_PLACE), psk.bytes());
        assert!(set.is_ok(), "the pattern has this place");
        let written = self.state.write_message(&payload[..payload_len], &mut out[RESP_HEADER_BYTES..end]);
        assert_eq!(written, Ok(end - RESP_HEADER_BYTES), "a RESP has a known length");
        let code = mac16(&mac1_key(&self.initiator), &[&out[..end]]);
        out[end..end + MAC_BYTES].copy_from_slice(&code);
        let ids = [params.receiver, sender];
        (split(&mut self.state, params.cipher, ids, log), end + MAC_BYTES)
    }
}

impl core::fmt::Debug for Arrival {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Arrival(from {})", self.initiator)
    }
}

/// The ephemeral public key of an INIT: two copies of one INIT have it in common and nothing else does.
pub(in crate::tmp) fn ephemeral_of(init: &[u8; INIT_BYTES]) -> [u8; KEY_BYTES] {
    let mut ephemeral = [0; KEY_BYTES];
    ephemeral.copy_from_slice(&init[INIT_HEADER_BYTES..INIT_HEADER_BYTES + KEY_BYTES]);
    ephemeral
}

/// The clear header of the INIT is part of what both ends must agree on. [TMP-60.1]
fn prologue_of(init: &[u8; INIT_BYTES]) -> [u8; PROLOGUE_LABEL.len() + INIT_HEADER_BYTES] {
    let mut prologue = [0; PROLOGUE_LABEL.len() + INIT_HEADER_BYTES];
    prologue[..PROLOGUE_LABEL.len()].copy_from_slice(PROLOGUE_LABEL);
    prologue[PROLOGUE_LABEL.len()..].copy_from_slice(&init[..INIT_HEADER_BYTES]);
    prologue
}

fn builder<'a>(
    identity: &'a Identity,
    psk: &'a PresharedKey,
    prologue: &'a [u8],
    random: &mut dyn Random,
) -> Result<Builder<'a>, snow::Error> {
    let noise = NOISE_NAME.parse::<NoiseParams>()?;
    Builder::with_resolver(noise, Box::new(Resolver::new(random)))
        .prologue(prologue)?
        .local_private_key(identity.private.bytes())?
        .psk(PSK_PLACE, psk.bytes())
}

/// The initiator's id that a RESP names.
fn answered(resp: &[u8]) -> ReceiverId {
    ReceiverId(resp.get(1..5).and_then(|id| id.try_into().ok()).map_or(0, u32::from_be_bytes))
}

/// The keys of both directions. `ids` are what their packets name: those to the responder, those to the initiator.
fn split(state: &mut HandshakeState, cipher: Cipher, ids: [ReceiverId; 2], log: Option<&dyn KeyLog>) -> Keys {
    let (from_initiator, to_initiator) = state.dangerously_get_raw_split();
    let (from_initiator, to_initiator) = (Zeroizing::new(from_initiator), Zeroizing::new(to_initiator));
    if let Some(log) = log {
        for (receiver, secret) in ids.into_iter().zip([&from_initiator, &to_initiator]) {
            log.put(&LoggedSecret { receiver, cipher, secret: secret.clone() }.to_line());
        }
    }
    let (seal, open) = if state.is_initiator() {
        (&from_initiator, &to_initiator)
    } else {
        (&to_initiator, &from_initiator)
    };
    Keys { seal: SealKey::new(cipher, seal), open: OpenKey::new(cipher, open) }
}

/// Snow's own primitives, but ephemeral keys out of our source of random bytes. A handshake draws one
/// ephemeral key, so its bytes are drawn beforehand and the source need not be shared.
pub(in crate::tmp) struct Resolver {
    drawn: Zeroizing<[u8; KEY_BYTES]>,
}

impl Resolver {
    pub(in crate::tmp) fn new(random: &mut dyn Random) -> Self {
        let mut drawn = Zeroizing::new([0; KEY_BYTES]);
        random.fill(&mut *drawn);
        Self { drawn }
    }
}

impl CryptoResolver for Resolver {
    fn resolve_rng(&self) -> Option<Box<dyn snow::types::Random>> {
        Some(Box::new(Drawn(Some(self.drawn.clone()))))
    }

    fn resolve_dh(&self, choice: &DHChoice) -> Option<Box<dyn snow::types::Dh>> {
        DefaultResolver.resolve_dh(choice)
    }

    fn resolve_hash(&self, choice: &HashChoice) -> Option<Box<dyn snow::types::Hash>> {
        DefaultResolver.resolve_hash(choice)
    }

    fn resolve_cipher(&self, choice: &CipherChoice) -> Option<Box<dyn snow::types::Cipher>> {
        DefaultResolver.resolve_cipher(choice)
    }
}

/// Gives its bytes once; a second draw fails rather than repeat a key.
struct Drawn(Option<Zeroizing<[u8; KEY_BYTES]>>);

impl snow::types::Random for Drawn {
    fn try_fill_bytes(&mut self, dest: &mut [u8]) -> Result<(), snow::Error> {
        let bytes = self.0.take().filter(|bytes| bytes.len() == dest.len()).ok_or(snow::Error::Rng)?;
        dest.copy_from_slice(&*bytes);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tmp::packet::Packet;
    use crate::tmp::random::PredictableRandom;
    use crate::tmp::spread::Spread;

    struct Ends {
        initiator: Identity,
        responder: Identity,
        random: PredictableRandom,
    }

    impl Ends {
        fn new(seed: u64) -> Self {
            let mut random = PredictableRandom::new(seed);
            let initiator = Identity::new(PrivateKey::generate(&mut random));
            let responder = Identity::new(PrivateKey::generate(&mut random));
            Self { initiator, responder, random }
        }

        fn init(&mut self, psk: &PresharedKey) -> (Initiation, [u8; INIT_BYTES]) {
            let mut out = [0; INIT_BYTES];
            let params = InitParams {
                aes_is_fast: true,
                lane: 7,
                continues: Some(ReceiverId(0x0900_0001)),
                chosen: Spread::Bond.into(),
                ..InitParams::default()
            };
            let to = *self.responder.public();
            let initiation = Initiation::new(
                &self.initiator,
                &to,
                psk,
                ReceiverId(3),
                &params,
                &mut self.random,
                &mut out,
            );
            (initiation, out)
        }

        fn resp(&mut self, init: &[u8; INIT_BYTES], psk: &PresharedKey) -> (Keys, Vec<u8>) {
            let arrival = Arrival::read(&self.responder, init, &mut self.random).unwrap();
            assert_eq!(arrival.initiator, *self.initiator.public());
            assert_eq!((arrival.params.lane, arrival.params.continues), (7, Some(ReceiverId(0x0900_0001))));
            let params = RespParams {
                cipher: Cipher::Aes256Gcm,
                continued: true,
                receiver: ReceiverId(8),
                role_word: None,
            };
            let mut out = [0; RESP_BYTES_MAX];
            let (keys, len) = arrival.answer(psk, ReceiverId(3), &params, &mut out, None);
            (keys, out[..len].to_vec())
        }
    }

    /// [TMP-13.1] [TMP-60]
    #[test]
    fn both_ends_come_to_the_same_keys() {
        let mut ends = Ends::new(1);
        let psk = PresharedKey::generate(&mut ends.random);
        let (mut initiation, init) = ends.init(&psk);
        assert_eq!(Packet::owner(&init), Some(9));
        assert!(ends.responder.mac1_is_good(&init) && !ends.initiator.mac1_is_good(&init));
        let (mut theirs, resp) = ends.resp(&init, &psk);
        assert_eq!(Packet::parse(&resp), Some(Packet::Resp { receiver: ReceiverId(3) }));
        assert!(resp.len() < init.len());
        let (mut ours, params) = initiation.finish(&ends.initiator, &resp, None).unwrap();
        assert_eq!((params.continued, params.receiver), (true, ReceiverId(8)));
        let mut packet = [4; 60];
        ours.seal.seal(0, 1, &mut packet);
        assert!(theirs.open.open(0, 1, &mut packet).is_some());
        theirs.seal.seal(0, 1, &mut packet);
        assert!(ours.open.open(0, 1, &mut packet).is_some());
        assert!(initiation.finish(&ends.initiator, &resp, None).is_none(), "a RESP serves once");
    }

    /// [TMP-63.2]
    #[test]
    fn a_wrong_psk_or_identity_or_a_changed_bit_makes_no_keys() {
        let mut ends = Ends::new(2);
        let psk = PresharedKey::generate(&mut ends.random);
        let (mut initiation, init) = ends.init(&psk);
        let (_, wrong) = ends.resp(&init, &PresharedKey::none());
        assert!(initiation.finish(&ends.initiator, &wrong, None).is_none());
        assert!(Arrival::read(&ends.initiator, &init, &mut ends.random).is_none());
        for at in [1, 5, 8, 45, 500, INIT_MAC1_AT - 1] {
            let mut changed = init;
            changed[at] ^= 1;
            assert!(Arrival::read(&ends.responder, &changed, &mut ends.random).is_none(), "byte {at}");
        }
        let (_, resp) = ends.resp(&init, &psk);
        for at in RESP_HEADER_BYTES..resp.len() {
            let mut changed = resp.clone();
            changed[at] ^= 1;
            assert!(initiation.finish(&ends.initiator, &changed, None).is_none(), "byte {at}");
        }
        assert!(
            initiation.finish(&ends.initiator, &resp, None).is_some(),
            "junk does not disturb a waiting INIT"
        );
    }

    #[test]
    fn a_resp_to_an_earlier_init_is_stale() {
        let mut ends = Ends::new(3);
        let psk = PresharedKey::none();
        let (_, first) = ends.init(&psk);
        let (mut second, init) = ends.init(&psk);
        assert_ne!(ephemeral_of(&first), ephemeral_of(&init));
        let (_, stale) = ends.resp(&first, &psk);
        assert!(second.finish(&ends.initiator, &stale, None).is_none());
    }
}
