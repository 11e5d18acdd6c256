//! One connection to the origin, without its socket. What follows what is drawn in `stage`; how answers are made stands
//! in `respond`, how they are sent in `send`.
//!
//! Calling contract: `take`/`end_input` and time are inputs; after each input call `advance` with an empty buffer,
//! and send what is in it; repeat while it moved. `deadline` says when `advance` is due without input, `outcome` what
//! is to become of the socket once all is sent.

use crate::http1::{Body, ChunkDecoder, Coding, Framing};
use crate::origin::buffer::Buffer;
use crate::origin::head::{self, HEAD_BYTES_MAX};
use crate::origin::options::{Habits, Mode};
use crate::origin::request::{self, Parsed, Request, Told};
use crate::origin::shared::Shared;
use crate::origin::stage::{After, Left, Outcome, Stage};
use crate::origin::websocket::{Frames, Step};
use crate::route::Route;
use dataplane::stdx::prng::Prng;
use dataplane::time::{Duration, Instant};
use ring::digest::{Context, SHA256};
use std::io::Write;

/// The longest request head, bytes.
const HEAD_INPUT_BYTES: usize = 16 << 10;

/// The most that comes in at once, bytes: what the driver's buffers hold.
pub(crate) const READ_BYTES: usize = 16 << 10;

/// How much of an answer is made at once, bytes.
pub(crate) const OUTPUT_BYTES: usize = 32 << 10;

/// How long after the last byte left a reset is sent: a reset at once would overtake that byte in the client's
/// kernel.
const RESET_AFTER: Duration = Duration::from_millis(20);

/// How long a client may take to end its side after we ended ours: closing at once with its bytes unread would
/// reset the connection and lose what it has not read yet.
const LINGER: Duration = Duration::from_secs(2);

/// What lies around a connection while it advances.
pub(crate) struct World<'a> {
    /// The present.
    pub(crate) now: Instant,
    /// Draws the delays.
    pub(crate) random: &'a mut Prng,
    /// What the threads share.
    pub(crate) shared: &'a Shared,
    /// What all answers have in common.
    pub(crate) habits: &'a Habits,
    /// Everything that was made before has been sent.
    pub(crate) is_drained: bool,
}

/// The connection.
pub(crate) struct Connection {
    pub(crate) input: Buffer,
    /// Lent for the time of an `advance`.
    pub(crate) output: Buffer,
    pub(crate) told: Told,
    /// The target of the request under way.
    pub(crate) target: Vec<u8>,
    /// An answer that is neither seeded nor short: `/echo`, `/hash`, `/headers`, `/load`.
    pub(crate) answer: Vec<u8>,
    pub(crate) body: Body,
    pub(crate) digest: Context,
    pub(crate) uploaded_bytes: u64,
    pub(crate) stage: Stage,
    pub(crate) input_ended: bool,
    requests: u64,
    /// The request under way counts among those in flight.
    pub(crate) is_in_flight: bool,
}

impl Connection {
    /// A new connection with its buffers.
    pub(crate) fn new(mode: Mode) -> Self {
        let mut connection = Self {
            input: Buffer::new(HEAD_INPUT_BYTES + READ_BYTES),
            output: Buffer::new(0),
            told: Told::default(),
            target: Vec::new(),
            answer: Vec::new(),
            body: Body::new(b"", 0, Coding::Plain),
            digest: Context::new(&SHA256),
            uploaded_bytes: 0,
            stage: Stage::Head,
            input_ended: false,
            requests: 0,
            is_in_flight: false,
        };
        connection.reopen(mode);
        connection
    }

    /// Makes it new again, keeping the buffers.
    pub(crate) fn reopen(&mut self, mode: Mode) {
        self.input.clear();
        self.answer.clear();
        (self.input_ended, self.requests, self.is_in_flight) = (false, 0, false);
        self.stage = match mode {
            Mode::Http => Stage::Head,
            Mode::TcpEcho => Stage::TcpEcho,
            Mode::TcpDiscard => Stage::TcpDiscard,
        };
    }

    /// Bytes came; the caller has looked whether they are wanted.
    pub(crate) fn take(&mut self, bytes: &[u8]) {
        self.input.push(bytes);
    }

    /// The client will send no more.
    pub(crate) fn end_input(&mut self) {
        self.input_ended = true;
    }

    /// Whether there is any use in reading.
    pub(crate) fn wants_input(&self) -> bool {
        !self.input_ended && self.input.room() >= READ_BYTES
    }

    /// Requests begun since the last call.
    pub(crate) fn take_requests(&mut self) -> u64 {
        core::mem::take(&mut self.requests)
    }

    /// When `advance` is due.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.stage.deadline()
    }

    /// What is to become of the socket, once all is sent.
    pub(crate) fn outcome(&self) -> Outcome {
        self.stage.outcome()
    }

    /// Whether it goes on only once all that was made has been sent.
    pub(crate) fn waits_for_drain(&self) -> bool {
        match self.stage {
            Stage::Resetting { at: None } => true,
            Stage::WebSocket(_) => self.input_ended,
            _ => false,
        }
    }

    /// The sending side was shut down: waits a while for the client's end.
    pub(crate) fn linger(&mut self, now: Instant) {
        self.stage = Stage::Lingering { until: now + LINGER };
    }

    /// Goes on as far as input, the room in `output` and time allow; true if anything moved.
    pub(crate) fn advance(&mut self, world: &mut World<'_>, output: &mut Buffer) -> bool {
        core::mem::swap(&mut self.output, output);
        let mut moved = false;
        while self.step(world) {
            moved = true;
        }
        core::mem::swap(&mut self.output, output);
        moved
    }

    /// The connection is gone: its request is no longer under way.
    pub(crate) fn leave(&mut self, shared: &Shared) {
        if core::mem::take(&mut self.is_in_flight) {
            shared.end();
        }
    }

    /// One step; false if nothing moved.
    fn step(&mut self, world: &mut World<'_>) -> bool {
        let now = world.now;
        match self.stage {
            Stage::Head => self.head(world),
            Stage::Upload { request, left } => self.upload(request, left, world),
            Stage::Waiting { request, until } => {
                let due = now >= until;
                if due {
                    self.answer_now(&request, world);
                }
                due
            }
            Stage::Sending { sent, stop, pace, after } => self.send(sent, stop, pace, after, world),
            Stage::Answering { sent, after } => self.send_answer(sent, after, world),
            Stage::Events { sent, count, pace, chunked, after } => {
                self.events(sent, count, pace, chunked, after, world)
            }
            Stage::WebSocket(frames) => self.websocket(frames, world.is_drained),
            Stage::TcpEcho => self.tcp_echo(),
            Stage::TcpDiscard => self.tcp_discard(),
            Stage::Resetting { at } => self.resetting(at, world),
            Stage::Lingering { until } => self.lingering(until, now),
            Stage::Closing | Stage::Reset | Stage::Ended => false,
        }
    }

    fn head(&mut self, world: &mut World<'_>) -> bool {
        if self.output.room() < 2 * HEAD_BYTES_MAX || self.input.is_empty() && !self.input_ended {
            return false;
        }
        match request::parse(self.input.data(), world.habits, &mut self.told) {
            Parsed::Partial if self.input.data().len() >= HEAD_INPUT_BYTES => self.refuse(431),
            Parsed::Partial if self.input_ended => self.stage = Stage::Closing,
            Parsed::Partial => return false,
            Parsed::Bad(status) => self.refuse(status),
            Parsed::Complete { mut request, target, head_bytes } => {
                self.count(&mut request, world);
                let size = request.route.body_bytes().unwrap_or(0);
                let coding = coding(&request);
                self.target.clear();
                self.target.extend_from_slice(&self.input.data()[target]);
                self.body = Body::new(&self.target, size, coding);
                self.input.consume(head_bytes);
                self.begin(request, world);
            }
        }
        true
    }

    /// One more request under way; if it is one too many, it becomes a 503.
    fn count(&mut self, request: &mut Request, world: &World<'_>) {
        self.requests += 1;
        if request.route == Route::Load {
            return;
        }
        self.is_in_flight = true;
        if world.shared.begin() {
            return;
        }
        request.route = Route::Status(503);
        self.told.fields.clear();
        let written = write!(self.told.fields, "retry-after: {}\r\n", world.habits.retry_after_s);
        assert!(written.is_ok(), "memory can be written");
    }

    pub(crate) fn refuse(&mut self, status: u16) {
        head::refusal(&mut self.output, status);
        self.stage = Stage::Closing;
    }

    /// The head is complete: takes the body first, whatever is done with it.
    fn begin(&mut self, request: Request, world: &mut World<'_>) {
        let left = match request.framing {
            Framing::None | Framing::UntilClose => Left::Bytes(0),
            Framing::Length(length) => Left::Bytes(length),
            Framing::Chunked => Left::Chunks(ChunkDecoder::default()),
        };
        if matches!(request.route, Route::Echo | Route::Hash) {
            (self.digest, self.uploaded_bytes) = (Context::new(&SHA256), 0);
        }
        if matches!(left, Left::Bytes(0)) {
            return self.respond(request, world);
        }
        if request.expect_continue && self.input.is_empty() {
            self.output.push(b"HTTP/1.1 100 Continue\r\n\r\n");
        }
        self.stage = Stage::Upload { request, left };
    }

    fn upload(&mut self, request: Request, mut left: Left, world: &mut World<'_>) -> bool {
        let input = self.input.data();
        let (consumed, data, done) = match &mut left {
            Left::Bytes(count) => {
                let run = (*count).min(input.len() as u64) as usize;
                *count -= run as u64;
                (run, 0..run, *count == 0)
            }
            Left::Chunks(decoder) => match decoder.decode(input) {
                Ok(decoded) => (decoded.consumed, decoded.data, decoder.is_done()),
                Err(_) => {
                    self.refuse(400);
                    return true;
                }
            },
        };
        if matches!(request.route, Route::Echo | Route::Hash) {
            self.digest.update(&input[data.clone()]);
            self.uploaded_bytes += data.len() as u64;
        }
        self.input.consume(consumed);
        self.stage = Stage::Upload { request, left };
        if done {
            self.respond(request, world);
        } else if consumed == 0 && self.input_ended {
            self.stage = Stage::Closing;
        }
        done || consumed > 0 || self.input_ended
    }

    pub(crate) fn finish(&mut self, after: After, world: &World<'_>) {
        self.leave(world.shared);
        self.stage = match after {
            After::Next => Stage::Head,
            After::Close => Stage::Closing,
            After::Reset => Stage::Resetting { at: None },
        };
    }

    fn websocket(&mut self, mut frames: Frames, is_drained: bool) -> bool {
        let step = frames.advance(&mut self.input, &mut self.output);
        self.stage = Stage::WebSocket(frames);
        let is_drained = is_drained && self.output.is_empty();
        let over = step == Step::Closed || (step == Step::Blocked && self.input_ended && is_drained);
        if over {
            self.stage = Stage::Closing;
        }
        over || step == Step::Moved
    }

    fn tcp_echo(&mut self) -> bool {
        let count = self.input.data().len().min(self.output.room());
        self.output.push(&self.input.data()[..count]);
        self.input.consume(count);
        let over = self.input_ended && self.input.is_empty();
        if over {
            self.stage = Stage::Closing;
        }
        over || count > 0
    }

    fn tcp_discard(&mut self) -> bool {
        self.input.clear();
        if self.input_ended {
            self.stage = Stage::Closing;
        }
        self.input_ended
    }

    fn resetting(&mut self, at: Option<Instant>, world: &World<'_>) -> bool {
        self.input.clear();
        let now = world.now;
        let (stage, moved) = match at {
            None if world.is_drained && self.output.is_empty() => {
                (Stage::Resetting { at: Some(now + RESET_AFTER) }, true)
            }
            Some(at) if now >= at => (Stage::Reset, true),
            Some(_) | None => (self.stage, false),
        };
        self.stage = stage;
        moved
    }

    fn lingering(&mut self, until: Instant, now: Instant) -> bool {
        self.input.clear();
        let over = self.input_ended || now >= until;
        if over {
            self.stage = Stage::Ended;
        }
        over
    }
}

fn coding(request: &Request) -> Coding {
    match request.route {
        Route::Chunked { .. } if request.minor >= 1 => Coding::Chunked,
        Route::Trailers if request.minor >= 1 => Coding::ChunkedWithTrailer,
        _ => Coding::Plain,
    }
}
