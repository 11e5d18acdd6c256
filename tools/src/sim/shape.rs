//! What an exchange is to be: drawn once per seed, known to the client that asks and to the origin that answers.

use dataplane::http::desync::REFUSED;
use dataplane::stdx::prng::Prng;

use crate::sim::fault::{Fault, Faults};

/// What travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Carries {
    /// A request and its answer.
    Http,
    /// A request to switch, then bytes both ways.
    WebSocket,
    /// Bytes both ways.
    Tcp,
    /// Bytes that the parser refuses: a row of the table of such.
    Malformed(usize),
}

/// How a body is framed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// There is none.
    None,
    /// By a length.
    Length,
    /// In chunks of at most so many bytes.
    Chunked(usize),
    /// By the end of the connection.
    UntilClose,
}

/// What the client does wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ClientFault {
    /// Nothing.
    None,
    /// FIN after so many thousandths of the request.
    FinInRequest(u32),
    /// A reset after so many thousandths of the request.
    ResetInRequest(u32),
    /// A reset after so many bytes of the answer (head included).
    ResetInAnswer(usize),
    /// FIN after so many bytes of the answer.
    FinInAnswer(usize),
    /// Stands still for ever after so many thousandths of the request.
    StallInRequest(u32),
    /// Never reads its answer.
    StallInAnswer,
}

/// What the origin does wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OriginFault {
    /// Nothing.
    None,
    /// FIN instead of an answer.
    CloseBeforeAnswer,
    /// A reset instead of an answer.
    ResetBeforeAnswer,
    /// Bytes that are no answer.
    Garbage(usize),
    /// FIN after so many thousandths of the answer, head included.
    Truncate(u32),
    /// A reset there.
    Reset(u32),
    /// Nothing at all.
    Never,
    /// Stands still for ever after so many thousandths.
    Stall(u32),
    /// Answers while the request is still coming, and closes.
    Early,
    /// More interim answers than are taken.
    ManyInterim,
}

/// Where it is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Site {
    /// The origin of this number in the scenario.
    Origin(usize),
    /// A name that nobody serves.
    Unknown,
    /// A name that the back-end does not open to this front-end.
    NotAllowed,
    /// A name whose origin has no address.
    Unresolved,
    /// The name of the plain TCP origin.
    OtherKind,
}

/// An exchange before it happens.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub(crate) carries: Carries,
    pub(crate) site: Site,
    pub(crate) method: &'static str,
    pub(crate) minor: u8,
    pub(crate) request: Framing,
    pub(crate) request_bytes: usize,
    pub(crate) expects: bool,
    pub(crate) closes: bool,
    pub(crate) absolute: bool,
    pub(crate) padding_bytes: usize,
    pub(crate) class: u8,
    pub(crate) status: u16,
    pub(crate) answer: Framing,
    pub(crate) answer_bytes: usize,
    pub(crate) answer_minor: u8,
    pub(crate) interim: u8,
    pub(crate) trailers: bool,
    pub(crate) origin_closes: bool,
    pub(crate) client_fault: ClientFault,
    pub(crate) origin_fault: OriginFault,
    /// Bytes that the client reads at once, and how long it rests after them; zero: as it likes.
    pub(crate) read_pace: (usize, u64),
    /// The same for what it writes.
    pub(crate) write_pace: (usize, u64),
    /// The same for what the origin writes.
    pub(crate) answer_pace: (usize, u64),
}

/// What a seed's scenario allows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scale {
    /// Bytes of the largest usual body.
    pub(crate) body_bytes: usize,
    /// Bytes beyond which a request's body is refused.
    pub(crate) body_bytes_max: usize,
    /// Origins that HTTP sites have.
    pub(crate) origins: usize,
}

/// Bytes that no origin should send as an answer, with their names in the report.
pub(crate) const GARBAGE: &[(&str, &[u8])] = &[
    ("answer of other text", b"hello\r\n\r\n"),
    ("answer of two lengths", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!"),
    ("answer of bare line feeds", b"HTTP/1.1 200 OK\nContent-Length: 5\n\nhello"),
    ("answer of version two", b"HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n"),
    ("answer of a short status", b"HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n"),
    (
        "answer of both framings",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ),
    (
        "answer of a switch that was not asked for",
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
    ),
    ("answer of a blank in a name", b"HTTP/1.1 200 OK\r\nContent Length: 5\r\n\r\nhello"),
    ("answer of NULs", b"\0\0\0\0\0\0\0\0\r\n\r\n"),
    ("answer of an unknown coding", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
    ("interim answer of a length", b"HTTP/1.1 103 Early Hints\r\nContent-Length: 5\r\n\r\nhello"),
];
/// Interim answers without end, in the report.
pub(crate) const MANY_INTERIM: &str = "answer of interim answers without end";

impl Shape {
    /// Draws one.
    pub(crate) fn draw(dice: &mut Prng, faults: &Faults, scale: &Scale) -> Self {
        let row = dice.below(REFUSED.len() as u64) as usize;
        // A long head through a buffer of one byte takes longer than any client may.
        let has_time = scale.body_bytes > 2_000 || REFUSED[row].bytes.len() < 400;
        let carries = match dice.below(100) {
            0..4 => Carries::WebSocket,
            4..10 => Carries::Tcp,
            10..25 if faults.has(Fault::Malformed) && has_time => Carries::Malformed(row),
            _ => Carries::Http,
        };
        let method =
            ["GET", "GET", "GET", "HEAD", "POST", "POST", "PUT", "DELETE", "OPTIONS"][dice.below(9) as usize];
        let has_body = matches!(method, "POST" | "PUT") || (method == "DELETE" && dice.ppm(300_000));
        let minor = u8::from(!dice.ppm(120_000));
        let request = match (has_body, minor, dice.below(2)) {
            (false, ..) => Framing::None,
            (true, 1, 1) => Framing::Chunked(1 + body_bytes(dice, 2_000)),
            (true, ..) => Framing::Length,
        };
        let site = match dice.below(40) {
            0 => Site::Unknown,
            1 => [Site::NotAllowed, Site::Unresolved, Site::OtherKind][dice.below(3) as usize],
            _ => Site::Origin(dice.below(scale.origins as u64) as usize),
        };
        let answer_minor = u8::from(!dice.ppm(100_000));
        let status = [200, 200, 200, 200, 200, 404, 500, 204, 304][dice.below(9) as usize];
        let answer = match (status, answer_minor, dice.below(6)) {
            (204 | 304, ..) => Framing::None,
            (_, 1, 0..=2) => Framing::Chunked(1 + body_bytes(dice, 3_000)),
            (_, _, 3) => Framing::UntilClose,
            _ => Framing::Length,
        };
        let mut shape = Self {
            carries,
            site,
            method,
            minor,
            request,
            request_bytes: if has_body { body_bytes(dice, scale.body_bytes) } else { 0 },
            expects: has_body && minor == 1 && dice.ppm(250_000),
            closes: dice.ppm(200_000),
            absolute: dice.ppm(50_000),
            padding_bytes: if dice.ppm(100_000) {
                dice.below((scale.body_bytes as u64).min(3_000) / 8) as usize
            } else {
                0
            },
            class: dice.below(5) as u8,
            status,
            answer,
            answer_bytes: if answer == Framing::None { 0 } else { body_bytes(dice, scale.body_bytes) },
            answer_minor,
            interim: if dice.ppm(100_000) { dice.between(1, 3) as u8 } else { 0 },
            trailers: dice.ppm(300_000),
            origin_closes: dice.ppm(150_000),
            client_fault: ClientFault::None,
            origin_fault: OriginFault::None,
            read_pace: (0, 0),
            write_pace: (0, 0),
            answer_pace: (0, 0),
        };
        if matches!(carries, Carries::Tcp | Carries::WebSocket) {
            shape.request_bytes = body_bytes(dice, scale.body_bytes);
            shape.answer_bytes = body_bytes(dice, scale.body_bytes);
            (shape.method, shape.request, shape.answer) = ("GET", Framing::None, Framing::None);
            (shape.minor, shape.answer_minor, shape.status) = (1, 1, 101);
            (shape.expects, shape.closes) = (false, false);
        } else if has_body && dice.ppm(30_000) {
            shape.request_bytes = scale.body_bytes_max + 1 + dice.below(2_000) as usize;
        }
        shape.draw_faults(dice, faults);
        shape
    }

    fn draw_faults(&mut self, dice: &mut Prng, faults: &Faults) {
        let share = |dice: &mut Prng| dice.below(1_000) as u32;
        if faults.has(Fault::ClientAborts) && dice.ppm(250_000) {
            let answer_at = dice.below(self.answer_bytes as u64 + 300) as usize;
            self.client_fault = match dice.below(6) {
                0 => ClientFault::FinInRequest(share(dice)),
                1 => ClientFault::ResetInRequest(share(dice)),
                2 => ClientFault::ResetInAnswer(answer_at),
                3 => ClientFault::FinInAnswer(answer_at),
                4 => ClientFault::StallInRequest(share(dice)),
                _ => ClientFault::StallInAnswer,
            };
        }
        if faults.has(Fault::BadOrigins) && dice.ppm(250_000) {
            self.origin_fault = match dice.below(12) {
                0 => OriginFault::CloseBeforeAnswer,
                1 => OriginFault::ResetBeforeAnswer,
                2 | 3 => OriginFault::Garbage(dice.below(GARBAGE.len() as u64) as usize),
                4 | 5 => OriginFault::Truncate(share(dice)),
                6 | 7 => OriginFault::Reset(share(dice)),
                8 => OriginFault::Never,
                9 => OriginFault::Stall(share(dice)),
                10 => OriginFault::ManyInterim,
                _ => OriginFault::Early,
            };
            // It closes behind its answer, and says so: what comes after that is not for it.
            self.origin_closes |= self.origin_fault == OriginFault::Early;
        }
        let pace = |dice: &mut Prng, bytes: usize| {
            // At most 40 rests, 8 s in all: below every time-out that is about standing still.
            let piece = (bytes / 40 + 1).max(1 + dice.below(400) as usize);
            (piece, dice.between(100, 200_000))
        };
        if faults.has(Fault::SlowReaders) && dice.ppm(300_000) {
            self.read_pace = pace(dice, self.answer_bytes + 500);
        }
        if faults.has(Fault::SlowWriters) && dice.ppm(300_000) {
            let asked = match self.carries {
                Carries::Malformed(row) => REFUSED[row].bytes.len(),
                Carries::Http | Carries::WebSocket | Carries::Tcp => {
                    self.request_bytes + self.padding_bytes + 300
                }
            };
            self.write_pace = pace(dice, asked);
            self.answer_pace = pace(dice, self.answer_bytes + 300);
        }
    }

    /// Whether a retry on another connection is allowed.
    pub(crate) fn is_repeatable(&self) -> bool {
        matches!(self.method, "GET" | "HEAD" | "PUT" | "DELETE" | "OPTIONS")
            && (self.request == Framing::None || (self.request == Framing::Length && self.request_bytes == 0))
    }

    /// Whether the answer to it has a body at all.
    pub(crate) fn has_answer_body(&self) -> bool {
        self.method != "HEAD" && self.answer != Framing::None
    }
}

/// Bytes of a body: often none or few, now and then many.
fn body_bytes(dice: &mut Prng, most: usize) -> usize {
    let most = most as u64;
    let bytes = match dice.below(10) {
        0 | 1 => 0,
        2..=5 => dice.below(200.min(most) + 1),
        6..=8 => dice.below(most / 8 + 1),
        _ => dice.below(most + 1),
    };
    bytes as usize
}
