//! A few messages in confidence between two machines over any stream of bytes: the one that begins knows the other's key and
//! shares a secret with it, as `Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s` (by `snow`) has it. Not the tunnel: no paths, no loss, no
//! new keys; and no I/O. Whoever carries the messages keeps their order and their lengths.
//!
//! ```text
//!   Opening::begin ── message 1: key, hello ──► Heard::take
//!   Opening::finish ◄── message 2 ───────────── Heard::answer, once the secret that belongs to the hello is found
//!   Conversation::seal ◄──────────────────────► Conversation::open
//! ```
//! Message 1 can be said again by anybody who heard it. So nothing is done for it: what comes in the conversation proves that
//! its sender has both the key and the secret, now.

use crate::tmp::handshake::Resolver;
use crate::tmp::key::{KEY_BYTES, PrivateKey, PublicKey};
use crate::tmp::random::Random;
use snow::{Builder, HandshakeState, TransportState};
use zeroize::Zeroizing;

const NOISE_NAME: &str = "Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s";
/// Where the secret is mixed in: behind the second message.
const PSK_PLACE: u8 = 2;
/// Bytes of a message at most, as Noise has it.
pub const MESSAGE_BYTES_MAX: usize = 65_535;
/// What sealing adds.
pub const TAG_BYTES: usize = 16;
/// Bytes of text in a message at most.
pub const TEXT_BYTES_MAX: usize = MESSAGE_BYTES_MAX - TAG_BYTES;
/// Bytes of a hello at most.
pub const HELLO_BYTES_MAX: usize = 256;

/// A conversation that was begun.
#[derive(Debug)]
pub struct Opening(Box<HandshakeState>);

/// A conversation that somebody else has begun.
#[derive(Debug)]
pub struct Heard {
    state: Box<HandshakeState>,
    initiator: PublicKey,
    hello: Vec<u8>,
}

/// A conversation.
#[derive(Debug)]
pub struct Conversation(Box<TransportState>);

fn builder<'a>(
    own: &'a PrivateKey,
    label: &'a [u8],
    random: &mut dyn Random,
) -> Result<Builder<'a>, snow::Error> {
    let noise = NOISE_NAME.parse()?;
    Builder::with_resolver(noise, Box::new(Resolver::new(random)))
        .prologue(label)?
        .local_private_key(own.bytes())
}

impl Opening {
    /// Begins one with `responder` about what `label` names; `hello` says which secret it is, to the responder only. `None` if
    /// the key is none.
    pub fn begin(
        own: &PrivateKey,
        responder: &PublicKey,
        secret: &[u8; KEY_BYTES],
        (label, hello): (&[u8], &[u8]),
        random: &mut dyn Random,
    ) -> Option<(Self, Vec<u8>)> {
        assert!(hello.len() <= HELLO_BYTES_MAX, "a hello is short");
        let builder = builder(own, label, random).ok()?;
        let builder = builder.remote_public_key(responder.bytes()).ok()?.psk(PSK_PLACE, secret).ok()?;
        let mut state = Box::new(builder.build_initiator().ok()?);
        let mut message = vec![0; HELLO_BYTES_MAX + 2 * KEY_BYTES + 2 * TAG_BYTES];
        let length = state.write_message(hello, &mut message).ok()?;
        message.truncate(length);
        Some((Self(state), message))
    }

    /// Takes the answer; `None` if it is none, or of somebody who has another key or secret.
    pub fn finish(mut self, answer: &[u8]) -> Option<Conversation> {
        let mut nothing = [0; HELLO_BYTES_MAX];
        self.0.read_message(answer, &mut nothing).ok()?;
        Some(Conversation(Box::new(self.0.into_transport_mode().ok()?)))
    }
}

impl Heard {
    /// Takes a first message; `None` if it is none, or not for this key and label.
    pub fn take(own: &PrivateKey, label: &[u8], message: &[u8], random: &mut dyn Random) -> Option<Self> {
        let mut state = Box::new(builder(own, label, random).ok()?.build_responder().ok()?);
        let mut hello = vec![0; HELLO_BYTES_MAX];
        let length = state.read_message(message, &mut hello).ok()?;
        hello.truncate(length);
        let initiator = PublicKey::from_bytes(state.get_remote_static()?.try_into().ok()?);
        Some(Self { state, initiator, hello })
    }

    /// Who begins, as he says; only what comes in the conversation proves it.
    pub fn initiator(&self) -> PublicKey {
        self.initiator
    }

    /// What he says first.
    pub fn hello(&self) -> &[u8] {
        &self.hello
    }

    /// Answers with the secret that belongs to the hello.
    pub fn answer(mut self, secret: &[u8; KEY_BYTES]) -> Option<(Conversation, Vec<u8>)> {
        self.state.set_psk(usize::from(PSK_PLACE), secret).ok()?;
        let mut message = vec![0; KEY_BYTES + 2 * TAG_BYTES];
        let length = self.state.write_message(&[], &mut message).ok()?;
        message.truncate(length);
        Some((Conversation(Box::new(self.state.into_transport_mode().ok()?)), message))
    }
}

impl Conversation {
    /// Seals a message of [`TEXT_BYTES_MAX`] at most.
    pub fn seal(&mut self, text: &[u8]) -> Vec<u8> {
        assert!(text.len() <= TEXT_BYTES_MAX, "the caller cuts what is longer");
        let mut message = vec![0; text.len() + TAG_BYTES];
        let sealed = self.0.write_message(text, &mut message);
        assert!(sealed.is_ok_and(|length| length == message.len()), "fewer than 2^64 messages were sealed");
        message
    }

    /// Opens the next message; `None` if it was changed, said before, or is of somebody else.
    pub fn open(&mut self, message: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let mut text = Zeroizing::new(vec![0; message.len()]);
        let length = self.0.read_message(message, &mut text).ok()?;
        text.truncate(length);
        Some(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tmp::random::PredictableRandom;

    struct World {
        keys: [PrivateKey; 3],
        random: PredictableRandom,
    }

    impl World {
        fn new() -> Self {
            let mut random = PredictableRandom::new(5);
            Self { keys: core::array::from_fn(|_| PrivateKey::generate(&mut random)), random }
        }

        fn begin(&mut self, to: usize, secret: u8) -> (Opening, Vec<u8>) {
            let to = self.keys[to].public();
            Opening::begin(&self.keys[0], &to, &[secret; 32], (b"test", b"hi"), &mut self.random).unwrap()
        }

        fn hear(&mut self, message: &[u8]) -> Option<Heard> {
            Heard::take(&self.keys[1], b"test", message, &mut self.random)
        }
    }

    #[test]
    fn two_who_know_each_other_speak_in_confidence() {
        let mut world = World::new();
        let (opening, first) = world.begin(1, 7);
        let heard = world.hear(&first).unwrap();
        assert_eq!((heard.initiator(), heard.hello()), (world.keys[0].public(), &b"hi"[..]));
        let (mut theirs, second) = heard.answer(&[7; 32]).unwrap();
        let mut ours = opening.finish(&second).unwrap();
        for text in [&b"a question"[..], b"", &[9; TEXT_BYTES_MAX]] {
            let sealed = ours.seal(text);
            assert_eq!(&*theirs.open(&sealed).unwrap(), text);
            assert!(theirs.open(&sealed).is_none(), "said again");
            assert_eq!(&*ours.open(&theirs.seal(text)).unwrap(), text);
        }
    }

    #[test]
    fn another_key_secret_label_or_byte_ends_it() {
        let mut world = World::new();
        let (_, to_another) = world.begin(2, 7);
        assert!(world.hear(&to_another).is_none());
        let (opening, first) = world.begin(1, 7);
        assert!(Heard::take(&world.keys[1], b"else", &first, &mut world.random).is_none());
        let (_, second) = world.hear(&first).unwrap().answer(&[8; 32]).unwrap();
        assert!(opening.finish(&second).is_none(), "another secret");
        for at in 0..first.len() {
            let mut changed = first.clone();
            changed[at] ^= 1;
            let unsound = world.hear(&changed).and_then(|heard| heard.answer(&[7; 32]));
            let (opening, _) = world.begin(1, 7);
            assert!(unsound.is_none_or(|(_, second)| opening.finish(&second).is_none()), "{at}");
        }
        for cut in 0..first.len() {
            assert!(world.hear(&first[..cut]).is_none());
        }
    }

    #[test]
    fn who_says_the_first_message_again_can_say_nothing_more() {
        let mut world = World::new();
        let (opening, first) = world.begin(1, 7);
        let (_, second) = world.hear(&first).unwrap().answer(&[7; 32]).unwrap();
        let mut ours = opening.finish(&second).unwrap();
        let question = ours.seal(b"a question");
        let (mut again, _) = world.hear(&first).unwrap().answer(&[7; 32]).unwrap();
        assert!(again.open(&question).is_none());
    }
}
