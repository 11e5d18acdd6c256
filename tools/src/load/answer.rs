//! Takes one answer apart as its bytes come (RFC 9112): head, body by its framing, end. Strict: what is ambiguous
//! or unfinished is an error, for a judge must not look away.

use crate::http1::{ChunkDecoder, Fields, Framing, content_range};
use crate::load::parts::{Boundary, Parts};
use core::mem::MaybeUninit;

/// The longest head that is taken, bytes: `/headers/1000` fits.
const HEAD_BYTES_MAX: usize = 64 << 10;

/// The most fields in a head.
const FIELDS_MAX: usize = 1_100;

/// The most interim (1xx) answers before the real one.
const INTERIM_MAX: u32 = 8;

/// The answer is not HTTP/1.1; says what is wrong with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed(pub(crate) &'static str);

#[derive(Clone, Copy, Debug)]
enum Stage {
    Head,
    Bytes(u64),
    Chunks(ChunkDecoder),
    UntilClose,
    Done,
}

/// The last whole head that a server sent for something, and what it said. Heads repeat (but for the second in
/// Date), and an equal one need not be parsed again: parsing is a function of the bytes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Known {
    bytes: Vec<u8>,
    head: Option<Head>,
}

/// The longest head that is remembered, bytes.
const KNOWN_BYTES_MAX: usize = 2_048;

/// An answer under way.
#[derive(Debug)]
pub(crate) struct Answer {
    stage: Stage,
    /// It has no body, whatever its head says.
    head_only: bool,
    /// First and last byte of the range that it carries, if it says so.
    range: Option<(u64, u64)>,
    /// The ranges that it carries, if it says that there are several.
    parts: Option<Parts>,
    /// The beginning of a head that came in pieces.
    head: Vec<u8>,
    interim: u32,
    status: u16,
    persistent: bool,
    body_bytes: u64,
}

impl Answer {
    /// Nothing has come yet.
    pub(crate) fn new() -> Self {
        Self {
            stage: Stage::Head,
            head_only: false,
            range: None,
            parts: None,
            head: Vec::new(),
            interim: 0,
            status: 0,
            persistent: false,
            body_bytes: 0,
        }
    }

    /// Makes it new again; `head_only` if the request was HEAD.
    pub(crate) fn reset(&mut self, head_only: bool) {
        self.head.clear();
        (self.head_only, self.range, self.parts) = (head_only, None, None);
        (self.stage, self.interim, self.status) = (Stage::Head, 0, 0);
        (self.persistent, self.body_bytes) = (false, 0);
    }

    /// The final status; 0 while there is none.
    pub(crate) fn status(&self) -> u16 {
        self.status
    }

    /// Whether another request may follow on the connection.
    pub(crate) fn is_persistent(&self) -> bool {
        self.persistent
    }

    /// Body bytes so far.
    pub(crate) fn body_bytes(&self) -> u64 {
        self.body_bytes
    }

    /// First and last byte of each part of the object that it carries; none if it does not say that it is partial.
    pub(crate) fn ranges(&self) -> &[(u64, u64)] {
        self.parts.as_ref().map_or(self.range.as_slice(), Parts::ranges)
    }

    /// Whether it has several parts, or one in the form for several.
    pub(crate) fn has_parts(&self) -> bool {
        self.parts.is_some()
    }

    /// Whether all of it has come.
    pub(crate) fn is_done(&self) -> bool {
        matches!(self.stage, Stage::Done)
    }

    /// The connection ended; true if that completes the answer.
    pub(crate) fn end(&mut self) -> bool {
        let has_all = self.parts.as_mut().is_none_or(|parts| parts.end().is_ok());
        if matches!(self.stage, Stage::UntilClose) && has_all {
            self.stage = Stage::Done;
        }
        self.is_done()
    }

    /// Takes what belongs to the answer from the front of `input` and shows each run of body bytes, with the
    /// status and its offset in the object, to `look`. Answers how much it took: less than all only when the answer
    /// is done.
    pub(crate) fn feed(
        &mut self,
        input: &[u8],
        known: &mut Known,
        mut look: impl FnMut(u16, u64, &[u8]),
    ) -> Result<usize, Malformed> {
        let mut at = 0;
        while at < input.len() {
            let rest = &input[at..];
            let (consumed, data) = match &mut self.stage {
                Stage::Done => break,
                Stage::Head => (self.take_head(rest, known)?, 0..0),
                Stage::UntilClose => (rest.len(), 0..rest.len()),
                Stage::Bytes(left) => {
                    let run = (*left).min(rest.len() as u64) as usize;
                    *left -= run as u64;
                    if *left == 0 {
                        self.stage = Stage::Done;
                    }
                    (run, 0..run)
                }
                Stage::Chunks(decoder) => {
                    let decoded = decoder.decode(rest).map_err(|_| Malformed("broken chunk framing"))?;
                    if decoder.is_done() {
                        self.stage = Stage::Done;
                    }
                    (decoded.consumed, decoded.data)
                }
            };
            if !data.is_empty() {
                self.show(&rest[data], &mut look)?;
            }
            at += consumed;
            if let (Stage::Done, Some(parts)) = (&self.stage, &mut self.parts) {
                parts.end().map_err(Malformed)?;
            }
        }
        Ok(at)
    }

    /// Shows body bytes with their offset in the object.
    fn show(&mut self, body: &[u8], look: &mut impl FnMut(u16, u64, &[u8])) -> Result<(), Malformed> {
        let status = self.status;
        match &mut self.parts {
            Some(parts) => parts.feed(body, |at, bytes| look(status, at, bytes)).map_err(Malformed)?,
            None => look(status, self.range.map_or(0, |(first, _)| first) + self.body_bytes, body),
        }
        self.body_bytes += body.len() as u64;
        Ok(())
    }

    /// Takes a head, or as much of it as is there; answers how much of `input` that is.
    fn take_head(&mut self, input: &[u8], known: &mut Known) -> Result<usize, Malformed> {
        if self.head.is_empty() {
            if let Some(head) = known.head
                && input.starts_with(&known.bytes)
            {
                self.begin(head)?;
                return Ok(known.bytes.len());
            }
            let Some((head_bytes, head)) = parse(input)? else {
                self.head.extend_from_slice(input);
                return self.within_bounds(input.len());
            };
            if head_bytes <= KNOWN_BYTES_MAX {
                known.bytes.clear();
                known.bytes.extend_from_slice(&input[..head_bytes]);
                known.head = Some(head);
            }
            self.begin(head)?;
            return Ok(head_bytes);
        }
        let before = self.head.len();
        self.head.extend_from_slice(input);
        let Some((head_bytes, head)) = parse(&self.head)? else {
            return self.within_bounds(input.len());
        };
        self.head.clear();
        self.begin(head)?;
        Ok(head_bytes - before)
    }

    fn within_bounds(&self, taken: usize) -> Result<usize, Malformed> {
        if self.head.len() > HEAD_BYTES_MAX { Err(Malformed("the head is too long")) } else { Ok(taken) }
    }

    fn begin(&mut self, head: Head) -> Result<(), Malformed> {
        if head.status == 101 || self.interim > INTERIM_MAX {
            return Err(Malformed("an interim answer that nobody asked for"));
        }
        if head.status < 200 {
            self.interim += 1;
            return Ok(());
        }
        (self.status, self.persistent, self.range) = (head.status, head.persistent, head.range);
        self.parts = head.boundary.filter(|_| !self.head_only).map(Parts::new);
        let framing = if self.head_only { Framing::None } else { head.framing };
        self.stage = match framing {
            Framing::None => Stage::Done,
            Framing::Length(length) => Stage::Bytes(length),
            Framing::Chunked => Stage::Chunks(ChunkDecoder::default()),
            Framing::UntilClose => {
                self.persistent = false;
                Stage::UntilClose
            }
        };
        Ok(())
    }
}

#[derive(Clone, Copy, Debug)]
struct Head {
    status: u16,
    persistent: bool,
    framing: Framing,
    range: Option<(u64, u64)>,
    boundary: Option<Boundary>,
}

fn parse(input: &[u8]) -> Result<Option<(usize, Head)>, Malformed> {
    let mut storage = [const { MaybeUninit::uninit() }; FIELDS_MAX];
    let mut answer = httparse::Response::new(&mut []);
    let config = httparse::ParserConfig::default();
    let parsed = config.parse_response_with_uninit_headers(&mut answer, input, &mut storage);
    let head_bytes = match parsed {
        Ok(httparse::Status::Complete(bytes)) => bytes,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(httparse::Error::TooManyHeaders) => return Err(Malformed("too many fields")),
        Err(_) => return Err(Malformed("the head is no HTTP/1.1 head")),
    };
    let (minor, status) = (answer.version.unwrap_or(1), answer.code.unwrap_or(0));
    if status < 100 {
        return Err(Malformed("the status is out of range"));
    }
    let fields = Fields::read(answer.headers, minor).map_err(|_| Malformed("the framing is ambiguous"))?;
    let framing = fields.answer_framing(status, false);
    let field = |name: &str| {
        let headers = answer.headers.iter().filter(|_| status == 206);
        headers.clone().find(|header| header.name.eq_ignore_ascii_case(name)).map(|header| header.value)
    };
    let (range, boundary) =
        (field("content-range").and_then(content_range), field("content-type").and_then(Boundary::read));
    let persistent = fields.persistent(minor);
    Ok(Some((head_bytes, Head { status, persistent, framing, range, boundary })))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(wire: &[u8], piece: usize) -> Result<(Answer, Vec<u8>, usize), Malformed> {
        let (mut answer, mut body, mut at) = (Answer::new(), Vec::new(), 0);
        for input in wire.chunks(piece) {
            at += answer.feed(input, &mut Known::default(), |_, offset, bytes| {
                assert_eq!(offset, body.len() as u64);
                body.extend_from_slice(bytes);
            })?;
        }
        Ok((answer, body, at))
    }

    #[test]
    fn every_way_of_cutting_gives_the_same_answer() {
        let wires: [&[u8]; 4] = [
            b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
            b"HTTP/1.1 200 OK\r\n\r\nhello",
        ];
        for (index, wire) in wires.iter().enumerate() {
            for piece in 1..=wire.len() {
                let (mut answer, body, at) = take(wire, piece).unwrap();
                assert_eq!((&body[..], at, answer.status()), (&b"hello"[..], wire.len(), 200));
                assert_eq!((answer.is_done(), answer.is_persistent()), (index != 3, index != 3));
                assert!(answer.end());
            }
        }
    }

    #[test]
    fn what_is_cut_short_is_not_done() {
        let wires: [&[u8]; 3] = [
            b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Le",
        ];
        for wire in wires {
            assert!(!take(wire, 7).unwrap().0.end(), "{}", wire.escape_ascii());
        }
    }

    #[test]
    fn a_head_that_comes_again_says_the_same() {
        let wire = b"HTTP/1.1 206 X\r\nContent-Range: bytes 7-9/20\r\nContent-Length: 3\r\n\r\nabc";
        let (mut answer, mut known) = (Answer::new(), Known::default());
        for _ in 0..3 {
            let mut seen = Vec::new();
            answer.reset(false);
            let fed = answer.feed(wire, &mut known, |status, at, bytes| seen.push((status, at, bytes.len())));
            assert_eq!((fed, answer.is_done(), answer.ranges()), (Ok(wire.len()), true, &[(7, 9)][..]));
            assert_eq!(seen, [(206, 7, 3)]);
        }
        // A longer head with the same beginning is another head.
        answer.reset(false);
        let other = b"HTTP/1.1 206 X\r\nContent-Range: bytes 7-9/20\r\nContent-Length: 3\r\nX: y\r\n\r\nabc";
        assert_eq!(answer.feed(other, &mut known, |_, _, _| {}), Ok(other.len()));
        answer.reset(true);
        assert_eq!(answer.feed(&wire[..wire.len() - 3], &mut known, |_, _, _| {}), Ok(wire.len() - 3));
        assert!(answer.is_done());
    }

    #[test]
    fn what_follows_is_left_alone() {
        let (answer, _, at) = take(b"HTTP/1.1 204 No Content\r\n\r\nHTTP", 64).unwrap();
        assert!(answer.is_done());
        assert_eq!(at, 27);
    }

    #[test]
    fn ambiguous_heads_are_malformed() {
        let wires: [&[u8]; 4] = [
            b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
            b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
            b"SSH-2.0-x\r\n\r\n",
        ];
        for wire in wires {
            assert!(take(wire, 9).is_err(), "{}", wire.escape_ascii());
        }
        let endless = [b"HTTP/1.1 200 OK\r\nX: ".to_vec(), vec![b'x'; 2 * HEAD_BYTES_MAX]].concat();
        assert!(take(&endless, 4_096).is_err());
    }
}
