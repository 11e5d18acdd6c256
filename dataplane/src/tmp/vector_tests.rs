//! The test vectors of `SPEC.md`, Annex A, which `tests/interop/vectors.py` makes without our code: what we make is
//! the same.

use crate::tmp::ack_frame::AckHeader;
use crate::tmp::frame::{Frame, Opening};
use crate::tmp::frame_writer::{FrameWriter, SubHeader};
use crate::tmp::handshake::{Identity, Initiation};
use crate::tmp::id::{PathId, ReceiverId, StreamId};
use crate::tmp::key::{PresharedKey, PrivateKey};
use crate::tmp::limits::{DATA_HEADER_BYTES, TAG_BYTES};
use crate::tmp::mac::{hash, mac32};
use crate::tmp::packet::{INIT_BYTES, packet_mark, write_data_header};
use crate::tmp::params::InitParams;
use crate::tmp::random::Random;
use crate::tmp::reset::{ResetKey, Trigger, write_reset};
use crate::tmp::seal::{Cipher, OpenKey, SealKey};
use std::collections::BTreeMap;

const SPEC: &str = include_str!("SPEC.md");
const RECEIVER: ReceiverId = ReceiverId(0x07a1_b2c3);
const NUMBER: u64 = (1 << 32) + 2;

/// The lines `name = value` of the annex.
fn vectors() -> BTreeMap<&'static str, &'static str> {
    let (_, annex) = SPEC.split_once("## Annex A").unwrap();
    annex.lines().filter_map(|line| line.split_once(" = ")).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex<const N: usize>(text: &str) -> [u8; N] {
    core::array::from_fn(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).unwrap())
}

/// A key pair from the annex' private key in hexadecimal.
fn private(vectors: &BTreeMap<&str, &str>, name: &str) -> PrivateKey {
    let mut key = Given(unhex(vectors[name]));
    PrivateKey::generate(&mut key)
}

/// Gives the same bytes each time.
#[derive(Debug)]
struct Given([u8; 32]);

impl Random for Given {
    fn fill(&mut self, out: &mut [u8]) {
        out.copy_from_slice(&self.0);
    }
}

/// [TMP-5] [TMP-3]
#[test]
fn keys_have_this_text() {
    let vectors = vectors();
    let own = private(&vectors, "private key");
    assert_eq!(*own.to_text(), vectors["private key text"]);
    assert_eq!(own.public().to_text(), vectors["public key text"]);
    assert_eq!(hex(own.public().bytes()), vectors["public key"]);
    let mac1_key = hash("longhaul tmp mac1", &[own.public().bytes()]);
    assert_eq!(hex(&mac1_key), vectors["mac1 key of the public key"]);
}

/// [TMP-60] [TMP-60.1] [TMP-62.1] [TMP-63]
#[test]
fn an_init_is_these_bytes() {
    let vectors = vectors();
    let identity = Identity::new(private(&vectors, "private key"));
    let theirs = private(&vectors, "their private key").public();
    let params = InitParams { aes_is_fast: true, ..InitParams::default() };
    let mut random = Given(unhex(vectors["INIT ephemeral private key"]));
    let mut init = [0; INIT_BYTES];
    Initiation::new(&identity, &theirs, &PresharedKey::none(), RECEIVER, &params, &mut random, &mut init);
    assert_eq!(hex(&init[..104]), vectors["INIT begins"]);
    assert_eq!(hex(&init[1168..1184]), vectors["INIT mac1"]);
    assert_eq!(hex(&hash("", &[&init])), vectors["BLAKE2s-256 of INIT"]);
}

/// [TMP-23] [TMP-23.1] [TMP-23.2] [TMP-44]
#[test]
fn packets_are_these_bytes() {
    let vectors = vectors();
    let secret = unhex(vectors["secret"]);
    assert_eq!(hex(&mac32(&secret, &[b"tmp key"])), vectors["AEAD key"]);
    assert_eq!(hex(&mac32(&secret, &[b"tmp iv"])[..12]), vectors["AEAD IV"]);
    let mut frames = [0; 64];
    let mut writer = FrameWriter::new(&mut frames);
    assert!(writer.put(&Frame::Ping));
    let header = AckHeader { path: 0, largest_low: 99, delay_units: 0, rx_time_us: 0x0102_0304, ecn: None };
    assert!(writer.put_ack(&header, [(90, 99), (80, 80), (1, 70)]));
    let frames_len = writer.len();
    assert_eq!(hex(&frames[..frames_len]), vectors["PING and ACK"]);
    let ciphers =
        [(Cipher::Aes256Gcm, "DATA, AES-256-GCM"), (Cipher::ChaCha20Poly1305, "DATA, ChaCha20-Poly1305")];
    for (cipher, name) in ciphers {
        let mut packet = vec![0; DATA_HEADER_BYTES + frames_len + TAG_BYTES];
        write_data_header(&mut packet, RECEIVER, packet_mark(PathId(0), NUMBER));
        packet[DATA_HEADER_BYTES..DATA_HEADER_BYTES + frames_len].copy_from_slice(&frames[..frames_len]);
        SealKey::new(cipher, &secret).seal(0, NUMBER, &mut packet);
        assert_eq!(hex(&packet), vectors[name]);
        let opened = OpenKey::new(cipher, &secret).open(0, NUMBER, &mut packet).unwrap();
        assert_eq!(*opened, frames[..frames_len]);
    }
}

/// [TMP-46] [TMP-90]
#[test]
fn pieces_and_tokens_are_these_bytes() {
    let vectors = vectors();
    let mut out = [0; 64];
    let mut writer = FrameWriter::new(&mut out);
    let opening = Some(Opening { class: 3, kind: 1, credit_bytes: 65_536 });
    let stream = StreamId { slot: 5, generation: 1 };
    let header = SubHeader { stream, offset_low: 7, is_final: true, opening };
    writer.put_sub(&header, 5).unwrap().copy_from_slice(b"hello");
    let len = writer.len();
    assert_eq!(hex(&out[..len]), vectors["SUB with OPEN and FIN"]);
    let theirs = private(&vectors, "their private key");
    let shared = theirs.shared(&private(&vectors, "private key").public()).unwrap();
    let trigger = Trigger { unknown: RECEIVER, mark: 0, tag: 0x0001_0203_0405_0607 };
    let mut reset = [0; crate::tmp::reset::RESET_BYTES_MAX];
    let len = write_reset(&mut reset, 44, &theirs.public(), &trigger, [&ResetKey::new(&shared)].into_iter());
    assert_eq!(hex(&reset[len - 16..len]), vectors["RESET token"]);
}
