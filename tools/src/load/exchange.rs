//! One request and its answer, without a socket: what is to be sent, what came, whether it is right.

use crate::http1::Body;
use crate::load::answer::{Answer, Malformed};
use crate::load::target::Target;
use dataplane::stdx::prng::Prng;
use dataplane::time::Instant;

/// Where a request is cut off on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Abort {
    /// Nowhere.
    Never,
    /// Once so many bytes of it were sent.
    Sent(u64),
    /// Once so many body bytes of the answer came.
    Received(u64),
}

impl Abort {
    /// Draws whether and where.
    pub(crate) fn draw(random: &mut Prng, ppm: u32, target: &Target) -> Self {
        if ppm == 0 || !random.ppm(ppm) {
            Self::Never
        } else if target.upload.is_some() && random.ppm(500_000) {
            Self::Sent(random.below(target.request_bytes()))
        } else {
            Self::Received(random.below(target.size_bytes_likely + 1))
        }
    }
}

/// The exchange under way on a connection.
#[derive(Debug)]
pub(crate) struct Exchange {
    /// Index of the target.
    pub(crate) target: usize,
    /// From when its latency counts.
    pub(crate) intended: Instant,
    /// Where it is cut off.
    pub(crate) abort: Abort,
    sent: u64,
    answer: Answer,
    /// The first wrong byte of the body.
    wrong_at: Option<u64>,
}

/// How a whole answer is to be judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Judgement {
    /// As it should be, or not looked at.
    Right {
        /// Every byte of the body was checked.
        verified: bool,
    },
    /// The body differs at this offset.
    WrongByte(u64),
    /// The body is too short.
    WrongLength(u64),
    /// Below 400, but not what the path asks for.
    WrongStatus,
}

impl Exchange {
    /// An exchange that has ended.
    pub(crate) fn new() -> Self {
        Self {
            target: 0,
            intended: Instant::ORIGIN,
            abort: Abort::Never,
            sent: 0,
            answer: Answer::new(),
            wrong_at: None,
        }
    }

    /// Begins the next.
    pub(crate) fn begin(&mut self, target: usize, intended: Instant, abort: Abort) {
        self.answer.reset();
        (self.target, self.intended, self.abort, self.sent, self.wrong_at) =
            (target, intended, abort, 0, None);
    }

    /// The answer so far.
    pub(crate) fn answer(&self) -> &Answer {
        &self.answer
    }

    /// Whether the whole request was sent.
    pub(crate) fn is_sent(&self, target: &Target) -> bool {
        self.sent == target.request_bytes()
    }

    /// Whether the place to cut it off has come.
    pub(crate) fn is_abort_due(&self) -> bool {
        match self.abort {
            Abort::Never => false,
            Abort::Sent(after) => self.sent >= after,
            Abort::Received(after) => self.answer.status() > 0 && self.answer.body_bytes() >= after,
        }
    }

    /// The next bytes to send: from the target itself where that is possible, else made in `scratch`.
    pub(crate) fn to_send<'a>(&self, target: &'a Target, scratch: &'a mut [u8]) -> &'a [u8] {
        let limit = match self.abort {
            Abort::Sent(after) => after,
            Abort::Never | Abort::Received(_) => u64::MAX,
        };
        let head_bytes = target.head.len() as u64;
        let allowed = limit.min(target.request_bytes()).saturating_sub(self.sent);
        let Some(upload) = &target.upload else {
            let start = self.sent as usize;
            return &target.head[start..start + allowed as usize];
        };
        let count = allowed.min(scratch.len() as u64) as usize;
        let from_head = head_bytes.saturating_sub(self.sent).min(count as u64) as usize;
        let (head, body) = scratch[..count].split_at_mut(from_head);
        if from_head > 0 {
            head.copy_from_slice(&target.head[self.sent as usize..][..from_head]);
        }
        upload.fill((self.sent + from_head as u64).saturating_sub(head_bytes), body);
        &scratch[..count]
    }

    /// So many bytes were sent; answers how many body bytes, framing not counted, were among them.
    pub(crate) fn sent(&mut self, target: &Target, count: usize) -> u64 {
        let data = |sent: u64| {
            let wire = sent.saturating_sub(target.head.len() as u64);
            target.upload.as_ref().map_or(0, |upload: &Body| upload.data_before(wire))
        };
        let before = data(self.sent);
        self.sent += count as u64;
        data(self.sent) - before
    }

    /// Bytes came; answers how many of them belong to the answer.
    pub(crate) fn received(&mut self, target: &Target, input: &[u8]) -> Result<usize, Malformed> {
        let wrong_at = &mut self.wrong_at;
        self.answer.feed(input, |status, offset, bytes| {
            if status == target.status && wrong_at.is_none() {
                *wrong_at = target.expected.first_difference(offset, bytes);
            }
        })
    }

    /// The connection ended; true if that completes the answer.
    pub(crate) fn end(&mut self) -> bool {
        self.answer.end()
    }

    /// Judges a whole answer.
    pub(crate) fn judge(&self, target: &Target) -> Judgement {
        let Some(size) = target.expected.size_bytes() else {
            return Judgement::Right { verified: false };
        };
        match (self.answer.status(), self.wrong_at) {
            (status, _) if status != target.status && status >= 400 => Judgement::Right { verified: false },
            (status, _) if status != target.status => Judgement::WrongStatus,
            (_, Some(at)) => Judgement::WrongByte(at),
            (_, None) if self.answer.body_bytes() != size => Judgement::WrongLength(self.answer.body_bytes()),
            (_, None) => Judgement::Right { verified: true },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::options::LoadOptions;

    fn exchange(target: &Target, wire: &[u8]) -> Judgement {
        let mut exchange = Exchange::new();
        assert_eq!(exchange.received(target, wire), Ok(wire.len()));
        assert!(exchange.end());
        exchange.judge(target)
    }

    #[test]
    fn answers_are_judged() {
        let options = LoadOptions { verify: true, ..LoadOptions::default() };
        let target = Target::new("http://127.0.0.1/bytes/30", &options).unwrap();
        let mut body = [0; 30];
        crate::content::Object::new(b"/bytes/30", 30).fill(0, &mut body);
        let answer = |status: &str, body: &[u8]| {
            let head = format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\n\r\n", body.len());
            exchange(&target, &[head.as_bytes(), body].concat())
        };
        assert_eq!(answer("200", &body), Judgement::Right { verified: true });
        assert_eq!(answer("200", &body[..29]), Judgement::WrongLength(29));
        assert_eq!(answer("200", &[&body[..], b"x"].concat()), Judgement::WrongByte(30));
        assert_eq!(answer("206", &body), Judgement::WrongStatus);
        assert_eq!(answer("503", b"sorry"), Judgement::Right { verified: false });
        body[28] ^= 4;
        assert_eq!(answer("200", &body), Judgement::WrongByte(28));
    }

    #[test]
    fn uploads_are_made_in_any_pieces() {
        let options =
            LoadOptions { upload_bytes: Some(20_000), upload_chunked: true, ..LoadOptions::default() };
        let target = Target::new("http://127.0.0.1/hash", &options).unwrap();
        let send = |piece: usize| {
            let (mut exchange, mut wire, mut data) = (Exchange::new(), Vec::new(), 0);
            while !exchange.is_sent(&target) {
                let mut scratch = vec![0; piece];
                let bytes = exchange.to_send(&target, &mut scratch).to_vec();
                data += exchange.sent(&target, bytes.len());
                wire.extend(bytes);
            }
            assert_eq!(data, 20_000);
            wire
        };
        assert_eq!(send(7), send(65_536));
        assert!(send(1_000).ends_with(b"\r\n0\r\n\r\n"));
    }
}
