//! One connection to the origin, without its socket. What follows what is drawn in `stage`.
//!
//! Calling contract: `space`/`filled`/`end_input` and time are inputs; after each input call `advance`, then write
//! `output` and tell `sent`; repeat while either moved. `deadline` says when `advance` is due without input,
//! `outcome` what is to become of the socket once the output is empty.

use crate::http1::{Body, ChunkDecoder, Coding, Framing};
use crate::origin::buffer::Buffer;
use crate::origin::head::{self, HEAD_BYTES_MAX, Length};
use crate::origin::options::Mode;
use crate::origin::request::{self, Parsed, Request};
use crate::origin::stage::{After, Left, Outcome, Pace, Stage};
use crate::origin::websocket::{Frames, Step};
use crate::route::Route;
use dataplane::time::{Duration, Instant};
use ring::digest::{Context, SHA256};
use std::io::Write;

/// The longest request head, bytes; also how much of an upload or of pipelined requests is taken ahead.
const INPUT_BYTES: usize = 16 << 10;

/// How much of an answer is made ahead of the socket, bytes.
const OUTPUT_BYTES: usize = 32 << 10;

/// Room for one server-sent event with its chunk framing, bytes.
const EVENT_BYTES_MAX: usize = 128;

/// How long after the last byte left a reset is sent: a reset at once would overtake that byte in the client's
/// kernel.
const RESET_AFTER: Duration = Duration::from_millis(20);

/// How long a client may take to end its side after we ended ours: closing at once with its bytes unread would
/// reset the connection and lose what it has not read yet.
const LINGER: Duration = Duration::from_secs(2);

/// The connection.
pub(crate) struct Connection {
    input: Buffer,
    output: Buffer,
    /// An answer that is neither seeded nor short: `/echo`, `/hash`, `/headers`.
    answer: Vec<u8>,
    body: Body,
    digest: Context,
    uploaded_bytes: u64,
    stage: Stage,
    input_ended: bool,
    requests: u64,
}

impl Connection {
    /// A new connection with its buffers.
    pub(crate) fn new(mode: Mode) -> Self {
        let mut connection = Self {
            input: Buffer::new(INPUT_BYTES),
            output: Buffer::new(OUTPUT_BYTES),
            answer: Vec::new(),
            body: Body::new(b"", 0, Coding::Plain),
            digest: Context::new(&SHA256),
            uploaded_bytes: 0,
            stage: Stage::Head,
            input_ended: false,
            requests: 0,
        };
        connection.reopen(mode);
        connection
    }

    /// Makes it new again, keeping the buffers.
    pub(crate) fn reopen(&mut self, mode: Mode) {
        self.input.clear();
        self.output.clear();
        self.answer.clear();
        (self.input_ended, self.requests) = (false, 0);
        self.stage = match mode {
            Mode::Http => Stage::Head,
            Mode::TcpEcho => Stage::TcpEcho,
        };
    }

    /// Where to read to; nothing while there is no room.
    pub(crate) fn space(&mut self) -> &mut [u8] {
        self.input.space()
    }

    /// So many bytes were read to `space`.
    pub(crate) fn filled(&mut self, count: usize) {
        self.input.filled(count);
    }

    /// The client will send no more.
    pub(crate) fn end_input(&mut self) {
        self.input_ended = true;
    }

    /// Whether there is any use in reading.
    pub(crate) fn wants_input(&self) -> bool {
        !self.input_ended && self.input.room() > 0
    }

    /// What is to be written.
    pub(crate) fn output(&self) -> &[u8] {
        self.output.data()
    }

    /// So many bytes of it were written.
    pub(crate) fn sent(&mut self, count: usize) {
        self.output.consume(count);
    }

    /// Requests begun since the last call.
    pub(crate) fn take_requests(&mut self) -> u64 {
        core::mem::take(&mut self.requests)
    }

    /// When `advance` is due.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.stage.deadline()
    }

    /// What is to become of the socket.
    pub(crate) fn outcome(&self) -> Outcome {
        if self.output.is_empty() { self.stage.outcome() } else { Outcome::Open }
    }

    /// The sending side was shut down: waits a while for the client's end.
    pub(crate) fn linger(&mut self, now: Instant) {
        self.stage = Stage::Lingering { until: now + LINGER };
    }

    /// Goes on as far as input, room and time allow.
    pub(crate) fn advance(&mut self, now: Instant) {
        while self.step(now) {}
    }

    /// One step; false if nothing moved.
    fn step(&mut self, now: Instant) -> bool {
        match self.stage {
            Stage::Head => self.head(now),
            Stage::Upload { request, left } => self.upload(request, left, now),
            Stage::Waiting { request, until } => {
                let due = now >= until;
                if due {
                    self.send_body(&request, now);
                }
                due
            }
            Stage::Sending { sent, stop, pace, after } => self.send(sent, stop, pace, after, now),
            Stage::Answering { sent, after } => self.answer(sent, after),
            Stage::Events { sent, count, pace, chunked, after } => {
                self.events(sent, count, pace, chunked, after, now)
            }
            Stage::WebSocket(frames) => self.websocket(frames),
            Stage::TcpEcho => self.tcp_echo(),
            Stage::Resetting { at } => self.resetting(at, now),
            Stage::Lingering { until } => self.lingering(until, now),
            Stage::Closing | Stage::Reset | Stage::Ended => false,
        }
    }

    fn head(&mut self, now: Instant) -> bool {
        if self.output.room() < 2 * HEAD_BYTES_MAX {
            return false;
        }
        match request::parse(self.input.data(), &mut self.answer) {
            Parsed::Partial if self.input.room() == 0 => self.refuse(431),
            Parsed::Partial if self.input_ended => self.stage = Stage::Closing,
            Parsed::Partial => return false,
            Parsed::Bad(status) => self.refuse(status),
            Parsed::Complete { request, target, head_bytes } => {
                let size = request.route.body_bytes().unwrap_or(0);
                let coding = coding(&request);
                self.body = Body::new(&self.input.data()[target], size, coding);
                self.input.consume(head_bytes);
                self.requests += 1;
                self.begin(request, now);
            }
        }
        true
    }

    fn refuse(&mut self, status: u16) {
        head::refusal(&mut self.output, status);
        self.stage = Stage::Closing;
    }

    /// The head is complete: takes the body first, whatever is done with it.
    fn begin(&mut self, request: Request, now: Instant) {
        let left = match request.framing {
            Framing::None | Framing::UntilClose => Left::Bytes(0),
            Framing::Length(length) => Left::Bytes(length),
            Framing::Chunked => Left::Chunks(ChunkDecoder::default()),
        };
        if matches!(request.route, Route::Echo | Route::Hash) {
            (self.digest, self.uploaded_bytes) = (Context::new(&SHA256), 0);
        }
        if matches!(left, Left::Bytes(0)) {
            return self.respond(request, now);
        }
        if request.expect_continue && self.input.is_empty() {
            self.output.push(b"HTTP/1.1 100 Continue\r\n\r\n");
        }
        self.stage = Stage::Upload { request, left };
    }

    fn upload(&mut self, request: Request, mut left: Left, now: Instant) -> bool {
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
            self.respond(request, now);
        } else if consumed == 0 && self.input_ended {
            self.stage = Stage::Closing;
        }
        done || consumed > 0 || self.input_ended
    }

    /// Begins the answer.
    fn respond(&mut self, request: Request, now: Instant) {
        match request.route {
            Route::Delay { wait, .. } => self.stage = Stage::Waiting { request, until: now + wait },
            Route::Echo => self.respond_echo(&request),
            Route::Hash => self.respond_hash(&request),
            Route::Headers { count } => self.respond_headers(&request, count),
            Route::Events { count, interval } => self.respond_events(&request, count, interval, now),
            Route::WebSocket => self.respond_websocket(&request),
            Route::Bytes { .. }
            | Route::Chunked { .. }
            | Route::UntilClose { .. }
            | Route::Slow { .. }
            | Route::Status(_)
            | Route::Reset { .. }
            | Route::EarlyClose { .. }
            | Route::Trailers
            | Route::Unknown => self.send_body(&request, now),
        }
    }

    /// Answers with the seeded body.
    fn send_body(&mut self, request: &Request, now: Instant) {
        let status = request.route.status();
        let size = self.body.object().size_bytes();
        let mut head = head::of(request, status, "application/octet-stream", Length::Bytes(size));
        match request.route {
            Route::Chunked { .. } if request.minor >= 1 => head.length = Length::Chunked,
            Route::Trailers if request.minor >= 1 => head.length = Length::ChunkedWithTrailer,
            Route::UntilClose { .. } | Route::Chunked { .. } | Route::Trailers => {
                (head.length, head.persistent) = (Length::UntilClose, false);
            }
            Route::Status(204 | 304) => head.length = Length::None,
            _ => {}
        }
        let next = if head.persistent { After::Next } else { After::Close };
        let (stop, after) = match request.route {
            _ if request.head_only => (0, next),
            Route::Reset { after } => (after, After::Reset),
            Route::EarlyClose { after } => (after, After::Close),
            _ => (self.body.wire_bytes(), next),
        };
        head::whole(&mut self.output, head, request.minor);
        let pace = match request.route {
            Route::Slow { piece, interval, .. } => Some(Pace::new(piece, interval, now)),
            _ => None,
        };
        self.stage = Stage::Sending { sent: 0, stop, pace, after };
    }

    fn respond_echo(&mut self, request: &Request) {
        let digest = self.digest.clone().finish();
        let told = write!(
            self.answer,
            ",\"body_bytes\":{},\"body_sha256\":\"{}\"}}",
            self.uploaded_bytes,
            Hexadecimal(digest.as_ref())
        );
        assert!(told.is_ok(), "memory can be written");
        self.respond_answer(request, "application/json");
    }

    fn respond_hash(&mut self, request: &Request) {
        let digest = self.digest.clone().finish();
        self.answer.clear();
        let told = write!(self.answer, "{}", Hexadecimal(digest.as_ref()));
        assert!(told.is_ok(), "memory can be written");
        self.respond_answer(request, "text/plain");
    }

    fn respond_answer(&mut self, request: &Request, kind: &'static str) {
        let head = head::of(request, 200, kind, Length::Bytes(self.answer.len() as u64));
        head::whole(&mut self.output, head, request.minor);
        self.begin_answer(request);
    }

    /// The filler fields and the body go through `answer`: they may be longer than the output's room.
    fn respond_headers(&mut self, request: &Request, count: u64) {
        let length = Length::Bytes(self.body.wire_bytes());
        head::open(
            &mut self.output,
            head::of(request, 200, "application/octet-stream", length),
            request.minor,
        );
        self.answer.clear();
        for index in 0..count {
            let told = write!(self.answer, "x-filler-{index}: {index:016x}\r\n");
            assert!(told.is_ok(), "memory can be written");
        }
        self.answer.extend_from_slice(b"\r\n");
        if !request.head_only {
            let start = self.answer.len();
            self.answer.resize(start + self.body.wire_bytes() as usize, 0);
            self.body.fill(0, &mut self.answer[start..]);
        }
        self.stage = Stage::Answering { sent: 0, after: after(request) };
    }

    fn begin_answer(&mut self, request: &Request) {
        if request.head_only {
            self.answer.clear();
        }
        self.stage = Stage::Answering { sent: 0, after: after(request) };
    }

    fn respond_events(&mut self, request: &Request, count: u64, interval: Duration, now: Instant) {
        let chunked = request.minor >= 1;
        let length = if chunked { Length::Chunked } else { Length::UntilClose };
        let mut head = head::of(request, 200, "text/event-stream", length);
        head.persistent &= chunked;
        let after = if head.persistent { After::Next } else { After::Close };
        head::whole(&mut self.output, head, request.minor);
        self.stage = if request.head_only {
            Stage::Sending { sent: 0, stop: 0, pace: None, after }
        } else {
            Stage::Events { sent: 0, count, pace: Pace::new(1, interval, now), chunked, after }
        };
    }

    fn respond_websocket(&mut self, request: &Request) {
        match request.websocket {
            Some(accept) if request.is_get && request.minor >= 1 => {
                head::switching(&mut self.output, &accept);
                self.stage = Stage::WebSocket(Frames::default());
            }
            _ => self.refuse(400),
        }
    }

    fn send(&mut self, sent: u64, stop: u64, mut pace: Option<Pace>, after: After, now: Instant) -> bool {
        if let Some(pace) = &mut pace {
            pace.grant(now, sent);
        }
        let allowed = pace.map_or(stop, |pace| pace.allowed.min(stop));
        let count = (allowed - sent).min(self.output.room() as u64) as usize;
        self.body.fill(sent, &mut self.output.space()[..count]);
        self.output.filled(count);
        let sent = sent + count as u64;
        self.stage = Stage::Sending { sent, stop, pace, after };
        if sent == stop {
            self.finish(after);
        }
        count > 0 || sent == stop
    }

    fn answer(&mut self, sent: usize, after: After) -> bool {
        let count = (self.answer.len() - sent).min(self.output.room());
        self.output.push(&self.answer[sent..sent + count]);
        let sent = sent + count;
        self.stage = Stage::Answering { sent, after };
        if sent == self.answer.len() {
            self.finish(after);
        }
        count > 0 || sent == self.answer.len()
    }

    fn events(
        &mut self,
        mut sent: u64,
        count: u64,
        mut pace: Pace,
        chunked: bool,
        after: After,
        now: Instant,
    ) -> bool {
        pace.grant(now, sent);
        let has_room = self.output.room() >= EVENT_BYTES_MAX;
        if sent == count && has_room {
            self.output.push(if chunked { b"0\r\n\r\n" } else { b"" });
            self.finish(after);
            return true;
        }
        let due = has_room && sent < pace.allowed;
        if due {
            self.event(sent, chunked);
            sent += 1;
        }
        self.stage = Stage::Events { sent, count, pace, chunked, after };
        due
    }

    fn event(&mut self, index: u64, chunked: bool) {
        if chunked {
            let bytes = 23 + 2 * (index.checked_ilog10().unwrap_or(0) + 1);
            self.output.print(format_args!("{bytes:x}\r\n"));
        }
        self.output.print(format_args!("id: {index}\ndata: {{\"event\":{index}}}\n\n"));
        if chunked {
            self.output.push(b"\r\n");
        }
    }

    fn finish(&mut self, after: After) {
        self.stage = match after {
            After::Next => Stage::Head,
            After::Close => Stage::Closing,
            After::Reset => Stage::Resetting { at: None },
        };
    }

    fn websocket(&mut self, mut frames: Frames) -> bool {
        let step = frames.advance(&mut self.input, &mut self.output);
        self.stage = Stage::WebSocket(frames);
        let over =
            step == Step::Closed || (step == Step::Blocked && self.input_ended && self.output.is_empty());
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

    fn resetting(&mut self, at: Option<Instant>, now: Instant) -> bool {
        self.input.clear();
        let (stage, moved) = match at {
            None if self.output.is_empty() => (Stage::Resetting { at: Some(now + RESET_AFTER) }, true),
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

fn after(request: &Request) -> After {
    if request.persistent { After::Next } else { After::Close }
}

fn coding(request: &Request) -> Coding {
    match request.route {
        Route::Chunked { .. } if request.minor >= 1 => Coding::Chunked,
        Route::Trailers if request.minor >= 1 => Coding::ChunkedWithTrailer,
        _ => Coding::Plain,
    }
}

struct Hexadecimal<'a>(&'a [u8]);

impl core::fmt::Display for Hexadecimal<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}
