//! How answers begin: their heads, and the stage that sends what follows.

use crate::origin::busy;
use crate::origin::connection::{Connection, World};
use crate::origin::head::{self, Head, Length};
use crate::origin::request::Request;
use crate::origin::select::Selection;
use crate::origin::stage::{After, Pace, Stage};
use crate::origin::websocket::Frames;
use crate::route::{DELAY_MS_MAX, Route};
use dataplane::time::{Duration, Instant};
use std::io::Write;

/// The media type of seeded bytes.
const BYTES: &str = "application/octet-stream";

/// What stands between the parts of an answer with several ranges.
const BOUNDARY: &str = "longhaul-part-7f3a9c51e2d8b406";

/// The media type of such an answer.
const MULTIPART: &str = "multipart/byteranges; boundary=longhaul-part-7f3a9c51e2d8b406";

/// The most body bytes of several ranges; above it the whole object is sent.
const PARTS_BYTES_MAX: u64 = 1 << 20;

impl Connection {
    /// The request is whole: answers it, after the silence that it asked for.
    pub(crate) fn respond(&mut self, request: Request, world: &mut World<'_>) {
        let delay_ms = match request.route {
            Route::Delay { wait_ms, .. } => Some(wait_ms),
            _ => request.delay_ms,
        };
        let Some(delay_ms) = delay_ms else { return self.answer_now(&request, world) };
        let us = delay_ms.draw(world.random).min(DELAY_MS_MAX as f64) * 1e3;
        self.stage = Stage::Waiting { request, until: world.now + Duration::from_micros(us as u64) };
    }

    /// Begins the answer.
    pub(crate) fn answer_now(&mut self, request: &Request, world: &World<'_>) {
        if let Route::Interim(status) = request.route
            && request.minor >= 1
        {
            self.output.print(format_args!("HTTP/1.1 {status} {}\r\n\r\n", head::reason(status)));
        }
        match request.route {
            Route::Echo => self.respond_echo(request, world),
            Route::Hash => self.respond_hash(request, world),
            Route::Headers { count } => self.respond_headers(request, count, world),
            Route::Events { count, interval } => self.respond_events(request, count, interval, world),
            Route::WebSocket => self.respond_websocket(request),
            Route::Load => self.respond_load(request, world),
            Route::Bytes { .. }
            | Route::Chunked { .. }
            | Route::UntilClose { .. }
            | Route::Slow { .. }
            | Route::Delay { .. }
            | Route::Status(_)
            | Route::Interim(_)
            | Route::Reset { .. }
            | Route::EarlyClose { .. }
            | Route::Trailers
            | Route::Unknown => self.send_selected(request, world),
        }
    }

    /// Answers with what is wanted of the seeded body.
    fn send_selected(&mut self, request: &Request, world: &World<'_>) {
        let size = self.body.object().size_bytes();
        let (status, length, told) = match request.selection {
            Selection::Whole => return self.send_body(request, world),
            Selection::NotModified => (304, Length::None, None),
            Selection::Failed => (412, Length::Bytes(0), None),
            Selection::Unsatisfiable => (416, Length::Bytes(0), Some(format!("bytes */{size}"))),
            Selection::Parts => match self.told.parts[..] {
                [(first, last)] => {
                    (206, Length::Bytes(last - first + 1), Some(format!("bytes {first}-{last}/{size}")))
                }
                _ => return self.send_parts(request, size, world),
            },
        };
        if let Some(told) = told {
            let written = write!(self.told.fields, "content-range: {told}\r\n");
            assert!(written.is_ok(), "memory can be written");
        }
        let kind = self.body.object().media_type();
        self.write_head(head::of(request, status, kind, length), request, world);
        let after = after(request);
        match (status, &self.told.parts[..]) {
            (206, [(first, last)]) if !request.head_only => {
                let pace = pace(request, *first, world.now);
                self.stage = Stage::Sending { sent: *first, stop: last + 1, pace, after };
            }
            _ => self.finish(after, world),
        }
    }

    /// Several ranges: multipart/byteranges (RFC 9110 §14.6), made whole ahead, so no more than its bound.
    fn send_parts(&mut self, request: &Request, size: u64, world: &World<'_>) {
        let bytes: u64 = self.told.parts.iter().map(|(first, last)| last - first + 1).sum();
        if bytes > PARTS_BYTES_MAX {
            return self.send_body(request, world);
        }
        self.answer.clear();
        for (first, last) in self.told.parts.clone() {
            let written = write!(
                self.answer,
                "\r\n--{BOUNDARY}\r\ncontent-type: {BYTES}\r\ncontent-range: bytes {first}-{last}/{size}\r\n\r\n"
            );
            assert!(written.is_ok(), "memory can be written");
            let start = self.answer.len();
            self.answer.resize(start + (last - first + 1) as usize, 0);
            self.body.fill(first, &mut self.answer[start..]);
        }
        let written = write!(self.answer, "\r\n--{BOUNDARY}--\r\n");
        assert!(written.is_ok(), "memory can be written");
        self.respond_answer(request, 206, MULTIPART, world);
    }

    /// Answers with the seeded body.
    fn send_body(&mut self, request: &Request, world: &World<'_>) {
        let status = request.route.status();
        let size = self.body.object().size_bytes();
        let mut head = head::of(request, status, self.body.object().media_type(), Length::Bytes(size));
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
        self.write_head(head, request, world);
        self.stage = Stage::Sending { sent: 0, stop, pace: pace(request, 0, world.now), after };
    }

    fn write_head(&mut self, mut head: Head, request: &Request, world: &World<'_>) {
        head.load_index = world.shared.told_index();
        head::whole(&mut self.output, head, request.minor, &self.told.fields);
    }

    fn respond_load(&mut self, request: &Request, world: &World<'_>) {
        let target = String::from_utf8_lossy(&self.target);
        busy::load(&target, world.shared, &mut self.answer);
        self.respond_answer(request, 200, "application/json", world);
    }

    fn respond_echo(&mut self, request: &Request, world: &World<'_>) {
        core::mem::swap(&mut self.answer, &mut self.told.echo);
        let digest = self.digest.clone().finish();
        let told = write!(
            self.answer,
            ",\"body_bytes\":{},\"body_sha256\":\"{}\"}}",
            self.uploaded_bytes,
            Hexadecimal(digest.as_ref())
        );
        assert!(told.is_ok(), "memory can be written");
        self.respond_answer(request, 200, "application/json", world);
    }

    fn respond_hash(&mut self, request: &Request, world: &World<'_>) {
        let digest = self.digest.clone().finish();
        self.answer.clear();
        let told = write!(self.answer, "{}", Hexadecimal(digest.as_ref()));
        assert!(told.is_ok(), "memory can be written");
        self.respond_answer(request, 200, "text/plain", world);
    }

    fn respond_answer(&mut self, request: &Request, status: u16, kind: &'static str, world: &World<'_>) {
        let head = head::of(request, status, kind, Length::Bytes(self.answer.len() as u64));
        self.write_head(head, request, world);
        if request.head_only {
            self.answer.clear();
        }
        self.stage = Stage::Answering { sent: 0, after: after(request) };
    }

    /// The filler fields and the body go through `answer`: they may be longer than the output's room.
    fn respond_headers(&mut self, request: &Request, count: u64, world: &World<'_>) {
        let length = Length::Bytes(self.body.wire_bytes());
        let mut head = head::of(request, 200, BYTES, length);
        head.load_index = world.shared.told_index();
        head::open(&mut self.output, head, request.minor);
        self.output.push(&self.told.fields);
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

    fn respond_events(&mut self, request: &Request, count: u64, interval: Duration, world: &World<'_>) {
        let chunked = request.minor >= 1;
        let length = if chunked { Length::Chunked } else { Length::UntilClose };
        let mut head = head::of(request, 200, "text/event-stream", length);
        head.persistent &= chunked;
        let after = if head.persistent { After::Next } else { After::Close };
        self.write_head(head, request, world);
        self.stage = if request.head_only {
            Stage::Sending { sent: 0, stop: 0, pace: None, after }
        } else {
            Stage::Events { sent: 0, count, pace: Pace::new(1, interval, world.now), chunked, after }
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
}

fn pace(request: &Request, first: u64, now: Instant) -> Option<Pace> {
    let Route::Slow { piece, interval, .. } = request.route else { return None };
    let mut pace = Pace::new(piece, interval, now);
    pace.allowed += first;
    Some(pace)
}

fn after(request: &Request) -> After {
    if request.persistent { After::Next } else { After::Close }
}

struct Hexadecimal<'a>(&'a [u8]);

impl core::fmt::Display for Hexadecimal<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}
