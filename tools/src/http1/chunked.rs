//! Takes a chunked body apart (RFC 9112 §7.1), strictly: CRLF only, no empty sizes, bounded lines. Extensions and
//! trailer fields are skipped.

use core::ops::Range;

/// A chunk extension or a trailer section longer than this is refused, bytes. Nobody sends either in earnest.
const LINE_BYTES_MAX: u32 = 8_192;

/// A size has at most this many hexadecimal digits: more would not fit 64 bits.
const SIZE_DIGITS_MAX: u32 = 15;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Size { digits: u32 },
    Extension,
    SizeLineFeed,
    Data,
    DataReturn,
    DataLineFeed,
    TrailerStart,
    Trailer,
    TrailerLineFeed,
    EndLineFeed,
    Done,
}

/// The framing is broken; nothing after it on this connection can be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChunkedError;

/// What one call found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decoded {
    /// Bytes of the input that are used up, framing and data.
    pub consumed: usize,
    /// The data among them; may be empty.
    pub data: Range<usize>,
}

/// The decoder; feed it until `is_done`.
#[derive(Clone, Copy, Debug)]
pub struct ChunkDecoder {
    state: State,
    remaining: u64,
    line_bytes: u32,
}

impl Default for ChunkDecoder {
    fn default() -> Self {
        Self { state: State::Size { digits: 0 }, remaining: 0, line_bytes: 0 }
    }
}

impl ChunkDecoder {
    /// Whether the terminator, trailers included, has been seen. What follows is the next message.
    pub fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// Takes framing and at most one run of data from the front of `input`. Call again with the rest while it
    /// consumes something and is not done.
    pub fn decode(&mut self, input: &[u8]) -> Result<Decoded, ChunkedError> {
        let mut at = 0;
        while at < input.len() && self.state != State::Done {
            if self.state == State::Data {
                let run = self.remaining.min((input.len() - at) as u64) as usize;
                self.remaining -= run as u64;
                if self.remaining == 0 {
                    self.state = State::DataReturn;
                }
                return Ok(Decoded { consumed: at + run, data: at..at + run });
            }
            self.state = self.step(input[at])?;
            at += 1;
        }
        Ok(Decoded { consumed: at, data: at..at })
    }

    fn step(&mut self, byte: u8) -> Result<State, ChunkedError> {
        match (self.state, byte) {
            (State::Size { digits }, _) => self.size(digits, byte),
            (State::Extension, b'\r') => Ok(State::SizeLineFeed),
            (State::Extension, _) => self.within_line(byte, State::Extension),
            (State::SizeLineFeed, b'\n') => {
                self.line_bytes = 0;
                Ok(if self.remaining == 0 { State::TrailerStart } else { State::Data })
            }
            (State::DataReturn, b'\r') => Ok(State::DataLineFeed),
            (State::DataLineFeed, b'\n') => Ok(State::Size { digits: 0 }),
            (State::TrailerStart, b'\r') => Ok(State::EndLineFeed),
            (State::Trailer, b'\r') => Ok(State::TrailerLineFeed),
            (State::TrailerStart | State::Trailer, _) => self.within_line(byte, State::Trailer),
            (State::TrailerLineFeed, b'\n') => Ok(State::TrailerStart),
            (State::EndLineFeed, b'\n') => Ok(State::Done),
            (
                State::SizeLineFeed
                | State::DataReturn
                | State::DataLineFeed
                | State::TrailerLineFeed
                | State::EndLineFeed
                | State::Data
                | State::Done,
                _,
            ) => Err(ChunkedError),
        }
    }

    fn size(&mut self, digits: u32, byte: u8) -> Result<State, ChunkedError> {
        match (byte, (byte as char).to_digit(16)) {
            (_, Some(digit)) if digits < SIZE_DIGITS_MAX => {
                self.remaining = if digits == 0 { 0 } else { self.remaining << 4 } | u64::from(digit);
                Ok(State::Size { digits: digits + 1 })
            }
            (b'\r', None) if digits > 0 => Ok(State::SizeLineFeed),
            (b';' | b' ' | b'\t', None) if digits > 0 => Ok(State::Extension),
            _ => Err(ChunkedError),
        }
    }

    fn within_line(&mut self, byte: u8, next: State) -> Result<State, ChunkedError> {
        self.line_bytes += 1;
        let control = byte < b' ' && byte != b'\t';
        if control || self.line_bytes > LINE_BYTES_MAX { Err(ChunkedError) } else { Ok(next) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode_in_pieces(wire: &[u8], piece: usize) -> Result<(Vec<u8>, usize, bool), ChunkedError> {
        let (mut decoder, mut data, mut at) = (ChunkDecoder::default(), Vec::new(), 0);
        while at < wire.len() && !decoder.is_done() {
            let input = &wire[at..(at + piece).min(wire.len())];
            let decoded = decoder.decode(input)?;
            data.extend_from_slice(&input[decoded.data.clone()]);
            at += decoded.consumed;
        }
        Ok((data, at, decoder.is_done()))
    }

    #[test]
    fn every_way_of_cutting_gives_the_same_body() {
        let wire = b"5;x=\"y\"\r\nhello\r\n00a\r\n0123456789\r\n0\r\nX-A: b\r\nY: z\r\n\r\nNEXT";
        for piece in 1..wire.len() {
            let expected = (b"hello0123456789".to_vec(), wire.len() - 4, true);
            assert_eq!(decode_in_pieces(wire, piece), Ok(expected));
        }
    }

    #[test]
    fn a_missing_terminator_is_not_done() {
        assert_eq!(decode_in_pieces(b"1\r\na\r\n0\r\n", 64).map(|x| x.2), Ok(false));
    }

    #[test]
    fn broken_framing_is_refused() {
        let broken: [&[u8]; 8] = [
            b"\r\n",
            b"g\r\n",
            b"1\na",
            b"1\r\nab",
            b"1\r\na\n",
            b"-1\r\n",
            b"1234567890abcdef0\r\n",
            b"0\r\nX: a\nY: b\r\n\r\n",
        ];
        for wire in broken {
            assert_eq!(decode_in_pieces(wire, 3), Err(ChunkedError), "{}", wire.escape_ascii());
        }
    }
}
