//! A WebSocket echo (RFC 6455): the handshake's proof, and frames taken in masked and given back unmasked as they
//! come, so a frame of any size passes through a small buffer. Messages are echoed frame by frame.

use crate::origin::buffer::Buffer;
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};

/// RFC 6455 §1.3: what is hashed behind the client's key.
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// A key is sixteen bytes in base64.
const KEY_BYTES: usize = 24;

/// The value of `Sec-WebSocket-Accept`.
pub(crate) type Accept = [u8; 28];

/// The proof for the handshake in `headers`, if its key and version are right.
pub(crate) fn accept(headers: &[httparse::Header<'_>]) -> Option<Accept> {
    let value = |name: &str| {
        headers.iter().find(|header| header.name.eq_ignore_ascii_case(name)).map(|header| header.value)
    };
    let key = value("sec-websocket-key").filter(|key| key.len() == KEY_BYTES)?;
    value("sec-websocket-version").filter(|version| *version == b"13")?;
    let mut text = [0; KEY_BYTES + GUID.len()];
    text[..KEY_BYTES].copy_from_slice(key);
    text[KEY_BYTES..].copy_from_slice(GUID);
    let hash = digest(&SHA1_FOR_LEGACY_USE_ONLY, &text);
    let mut proof = [b'='; 28];
    base64(hash.as_ref(), &mut proof);
    Some(proof)
}

/// Base64 (RFC 4648 §4); `out` already holds the padding.
fn base64(bytes: &[u8], out: &mut [u8]) {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (three, four) in bytes.chunks(3).zip(out.chunks_mut(4)) {
        let word =
            three.iter().fold(0u32, |word, byte| word << 8 | u32::from(*byte)) << (8 * (3 - three.len()));
        for (place, slot) in four.iter_mut().enumerate().take(three.len() + 1) {
            *slot = ALPHABET[(word >> (18 - 6 * place) & 63) as usize];
        }
    }
}

const FINAL: u8 = 0x80;
const OPCODE: u8 = 0x0f;
const RESERVED: u8 = 0x70;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

/// Room for the longest frame head that is written.
const HEAD_BYTES_MAX: usize = 10;

/// A protocol error, close code 1002.
const CLOSE_PROTOCOL_ERROR: [u8; 4] = [FINAL | CLOSE, 2, 0x03, 0xea];

/// The echo's place in the stream of frames.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Frames {
    remaining: u64,
    mask: [u8; 4],
    mask_at: usize,
    /// The payload is taken in and not given back (a pong).
    mute: bool,
    /// The frame under way is a close.
    closing: bool,
}

/// What one step did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// It needs more input or more room.
    Blocked,
    /// Something moved.
    Moved,
    /// The close was answered; nothing more is said.
    Closed,
}

impl Frames {
    /// Moves at most one frame head or one run of payload from `input` to `output`.
    pub(crate) fn advance(&mut self, input: &mut Buffer, output: &mut Buffer) -> Step {
        if self.remaining > 0 {
            self.payload(input, output)
        } else if self.closing {
            Step::Closed
        } else {
            self.head(input, output)
        }
    }

    fn payload(&mut self, input: &mut Buffer, output: &mut Buffer) -> Step {
        let room = if self.mute { usize::MAX } else { output.room() };
        let count = self.remaining.min(input.data().len().min(room) as u64) as usize;
        if count == 0 {
            return Step::Blocked;
        }
        if !self.mute {
            let space = &mut output.space()[..count];
            for (slot, byte) in space.iter_mut().zip(input.data()) {
                *slot = byte ^ self.mask[self.mask_at];
                self.mask_at = (self.mask_at + 1) % 4;
            }
            output.filled(count);
        }
        input.consume(count);
        self.remaining -= count as u64;
        Step::Moved
    }

    fn head(&mut self, input: &mut Buffer, output: &mut Buffer) -> Step {
        let data = input.data();
        if data.len() < 2 || output.room() < HEAD_BYTES_MAX {
            return Step::Blocked;
        }
        let (first, short) = (data[0], data[1] & 0x7f);
        let opcode = first & OPCODE;
        let length_bytes = match short {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        let bad_control = opcode >= CLOSE && (short > 125 || first & FINAL == 0);
        if data[1] & 0x80 == 0
            || first & RESERVED != 0
            || bad_control
            || opcode > PONG
            || (3..CLOSE).contains(&opcode)
        {
            output.push(&CLOSE_PROTOCOL_ERROR);
            return Step::Closed;
        }
        let Some(head) = data.get(2..2 + length_bytes + 4) else {
            return Step::Blocked;
        };
        let (length, mask) = head.split_at(length_bytes);
        let extended = length.iter().fold(0u64, |word, byte| word << 8 | u64::from(*byte));
        self.remaining = if length_bytes == 0 { u64::from(short) } else { extended };
        self.mask.copy_from_slice(mask);
        (self.mask_at, self.mute, self.closing) = (0, opcode == PONG, opcode == CLOSE);
        if !self.mute {
            let answer = if opcode == PING { first & !OPCODE | PONG } else { first };
            output.push(&[answer, short]);
            output.push(length);
        }
        input.consume(2 + length_bytes + 4);
        Step::Moved
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_proof_is_the_one_of_the_rfc() {
        let headers = [
            httparse::Header { name: "Sec-WebSocket-Key", value: b"dGhlIHNhbXBsZSBub25jZQ==" },
            httparse::Header { name: "sec-websocket-version", value: b"13" },
        ];
        assert_eq!(accept(&headers).as_ref(), Some(b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
        assert_eq!(accept(&headers[..1]), None);
    }

    fn exchange(wire: &[u8], piece: usize) -> (Vec<u8>, bool) {
        let (mut input, mut output) = (Buffer::new(32), Buffer::new(16));
        let (mut frames, mut answer) = (Frames::default(), Vec::new());
        for bytes in wire.chunks(piece) {
            input.push(bytes);
            loop {
                let step = frames.advance(&mut input, &mut output);
                let written = output.data().len();
                answer.extend_from_slice(output.data());
                output.clear();
                match step {
                    Step::Closed => return (answer, true),
                    Step::Blocked if written == 0 => break,
                    Step::Blocked | Step::Moved => {}
                }
            }
        }
        (answer, false)
    }

    #[test]
    fn frames_come_back_unmasked_however_they_arrive() {
        let mut wire = b"\x81\x85\x01\x02\x03\x04".to_vec();
        wire.extend(b"hello".iter().zip([1, 2, 3, 4, 1]).map(|(byte, mask)| byte ^ mask));
        wire.extend(b"\x89\x81\0\0\0\0p\x8a\x80\0\0\0\0\x88\x82\0\0\0\0\x03\xe8");
        for piece in 1..=32 {
            let expected = b"\x81\x05hello\x8a\x01p\x88\x02\x03\xe8".to_vec();
            assert_eq!(exchange(&wire, piece), (expected, true));
        }
    }

    #[test]
    fn long_frames_keep_their_length_form() {
        let mut wire = b"\x82\xfe\x01\x00\0\0\0\0".to_vec();
        wire.extend([7; 256]);
        let (answer, closed) = exchange(&wire, 13);
        assert_eq!((answer.len(), &answer[..4], closed), (260, &b"\x82\x7e\x01\x00"[..], false));
    }

    #[test]
    fn an_unmasked_frame_is_a_protocol_error() {
        assert_eq!(exchange(b"\x81\x01a", 3), (CLOSE_PROTOCOL_ERROR.to_vec(), true));
    }
}
