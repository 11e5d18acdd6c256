//! Reading a body where it lies (RFC 9112 §6, §7.1): the reader says which bytes of the input are data; it copies
//! nothing but trailers. One sits in every connection record, so it is small.
//!
//! ```text
//! Length ─────────────────────────────────────────────► Done
//! UntilClose ───────────────────────── (end of stream: finish)
//! Size ─┬─► Extension ─┬─► SizeLf ─┬─► Data ─► DataCr ─► DataLf ─► Size
//!       └──────────────┘           └─► TrailerStart ─┬─► EndLf ─► Done
//!                                          ▲  └─► TrailerLine ─┐
//!                                          └───────────────────┘
//! ```

use core::ops::Range;

use crate::http::framing::{RequestBody, ResponseBody};
use crate::http::limits::{CHUNK_EXCESS_BYTES_MAX, CHUNK_EXTENSION_BYTES_MAX, CHUNK_SIZE_DIGITS_MAX};
use crate::http::refusal::Refusal;
use crate::http::trailer::Trailers;

/// Reads one body. Feed it with [`BodyReader::read`] until it is done; what it did not consume then belongs to the
/// next message. When the stream ends before, ask [`BodyReader::finish`]. After a refusal it is used no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BodyReader {
    /// Data bytes left of the length or chunk; in a size line, the size so far.
    remaining: u64,
    /// Bytes of the size line so far, line end not counted.
    line_bytes: u16,
    /// Framing bytes spent beyond the fair share.
    excess_bytes: u16,
    state: State,
}

const _: () = assert!(size_of::<BodyReader>() == 16);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Done,
    Length,
    UntilClose,
    Size,
    Extension,
    SizeLf,
    Data,
    DataCr,
    DataLf,
    TrailerStart,
    TrailerLine,
    EndLf,
}

/// What one call of [`BodyReader::read`] did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Bytes of the input that are dealt with; never fewer than where `data` ends.
    pub consumed: usize,
    /// Where the data lies in the input; empty if only framing was read.
    pub data: Range<usize>,
    /// True if the body is whole.
    pub done: bool,
}

impl BodyReader {
    /// A reader for a request's body.
    pub fn for_request(body: RequestBody) -> Self {
        Self::new(body.into())
    }

    /// A reader for a response's body.
    pub fn for_response(body: ResponseBody) -> Self {
        Self::new(body)
    }

    fn new(body: ResponseBody) -> Self {
        let (state, remaining) = match body {
            ResponseBody::None | ResponseBody::Length(0) => (State::Done, 0),
            ResponseBody::Length(bytes) => (State::Length, bytes),
            ResponseBody::Chunked => (State::Size, 0),
            ResponseBody::UntilClose => (State::UntilClose, 0),
        };
        Self { remaining, line_bytes: 0, excess_bytes: 0, state }
    }

    /// True if the body is whole; at once for a message without one.
    pub fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// How many data bytes are still to come, where that was announced.
    pub fn remaining_bytes(&self) -> Option<u64> {
        match self.state {
            State::Done => Some(0),
            State::Length => Some(self.remaining),
            _ => None,
        }
    }

    /// Reads from `input` up to the end of the first run of data, or of the input if there is none. Call again
    /// with the rest until the input is consumed or the body done. `trailers` belong to this body.
    pub fn read(&mut self, input: &[u8], trailers: &mut Trailers) -> Result<Step, Refusal> {
        let mut at = 0;
        while at < input.len() && self.state != State::Done {
            match self.state {
                State::Length | State::Data | State::UntilClose => {
                    let end = at + self.take_data(input.len() - at);
                    return Ok(Step { consumed: end, data: at..end, done: self.is_done() });
                }
                State::TrailerLine => {
                    let (taken, whole) = trailers.take(&input[at..])?;
                    self.state = if whole { State::TrailerStart } else { State::TrailerLine };
                    at += taken;
                }
                // The first byte of a trailer line is looked at, not consumed.
                State::TrailerStart if !matches!(input[at], b'\r' | b'\n') => self.state = State::TrailerLine,
                _ => {
                    self.state = self.after_framing(input[at])?;
                    at += 1;
                }
            }
        }
        Ok(Step { consumed: at, data: at..at, done: self.is_done() })
    }

    /// The stream ended here: is the body whole?
    pub fn finish(&self) -> Result<(), Refusal> {
        match self.state {
            State::Done | State::UntilClose => Ok(()),
            _ => Err(Refusal::BodyTruncated),
        }
    }

    /// How many of `available` bytes are data; moves on if they are the last.
    fn take_data(&mut self, available: usize) -> usize {
        if self.state == State::UntilClose {
            return available;
        }
        let taken = usize::try_from(self.remaining).map_or(available, |remaining| remaining.min(available));
        self.remaining -= taken as u64;
        if self.remaining == 0 {
            self.state = if self.state == State::Length { State::Done } else { State::DataCr };
        }
        taken
    }

    /// The state after one byte of chunk framing.
    fn after_framing(&mut self, byte: u8) -> Result<State, Refusal> {
        match (self.state, byte) {
            (State::Size, _) => self.after_size_byte(byte),
            (State::Extension, _) => self.after_extension_byte(byte),
            (State::SizeLf, b'\n') => self.after_size_line(),
            (State::DataCr, b'\r') => Ok(State::DataLf),
            (State::DataLf, b'\n') => Ok(State::Size),
            (State::TrailerStart, b'\r') => Ok(State::EndLf),
            (State::EndLf, b'\n') => Ok(State::Done),
            (State::TrailerStart, _) => Err(Refusal::BareLf),
            (State::SizeLf | State::EndLf, _) => Err(Refusal::BareCr),
            (State::DataCr | State::DataLf, _) => Err(Refusal::ChunkEnd),
            (State::Done | State::Length | State::UntilClose | State::Data | State::TrailerLine, _) => {
                unreachable!("these states read no framing byte")
            }
        }
    }

    fn after_size_byte(&mut self, byte: u8) -> Result<State, Refusal> {
        let digits = self.line_bytes;
        match byte {
            b'\r' if digits > 0 => Ok(State::SizeLf),
            b';' if digits > 0 => Ok(State::Extension),
            b'\n' => Err(Refusal::BareLf),
            _ => {
                let digit = (byte as char).to_digit(16).ok_or(Refusal::ChunkSize)?;
                if digits == CHUNK_SIZE_DIGITS_MAX {
                    return Err(Refusal::ChunkSize);
                }
                self.line_bytes += 1;
                self.remaining = self.remaining << 4 | u64::from(digit);
                Ok(State::Size)
            }
        }
    }

    /// Extensions are dropped (RFC 9112 §7.1.1 lets every recipient), but must be text and short.
    fn after_extension_byte(&mut self, byte: u8) -> Result<State, Refusal> {
        match byte {
            b'\r' => Ok(State::SizeLf),
            b'\n' => Err(Refusal::BareLf),
            _ if byte.is_ascii_control() && byte != b'\t' => Err(Refusal::ChunkExtension),
            _ if self.line_bytes == CHUNK_SIZE_DIGITS_MAX + CHUNK_EXTENSION_BYTES_MAX => {
                Err(Refusal::ChunkExtension)
            }
            _ => {
                self.line_bytes += 1;
                Ok(State::Extension)
            }
        }
    }

    fn after_size_line(&mut self) -> Result<State, Refusal> {
        // The line, its end and the end of the data, against a fair share of 16 B and twice the data.
        let spent = u64::from(self.excess_bytes) + u64::from(self.line_bytes) + 4;
        let excess = spent.saturating_sub(self.remaining.saturating_mul(2).saturating_add(16));
        if excess > u64::from(CHUNK_EXCESS_BYTES_MAX) {
            return Err(Refusal::ChunkOverhead);
        }
        self.excess_bytes = excess as u16;
        self.line_bytes = 0;
        Ok(if self.remaining == 0 { State::TrailerStart } else { State::Data })
    }
}

#[cfg(test)]
mod tests;
