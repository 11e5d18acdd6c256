//! One request and its answer, without a connection: where it is cut off, what came, whether it is right.

use crate::load::answer::{Answer, Known, Malformed};
use crate::load::target::{Reply, Target};
use crate::load::template::Template;
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

/// A request that waits for its answer.
#[derive(Debug)]
pub(crate) struct Ask {
    /// Index of the class.
    pub(crate) class: usize,
    /// Index of the template.
    pub(crate) template: usize,
    /// The request, unless all of the template's are alike.
    pub(crate) made: Option<Box<Target>>,
    /// From when its latency counts.
    pub(crate) intended: Instant,
    /// Where it is cut off.
    pub(crate) abort: Abort,
}

impl Ask {
    /// The request.
    pub(crate) fn target<'a>(&'a self, templates: &'a [Template]) -> &'a Target {
        let fixed = templates[self.template].fixed.as_ref();
        let Some(target) = self.made.as_deref().or(fixed) else {
            panic!("what varies was made for this request");
        };
        target
    }
}

/// What has come of the answer to the oldest request.
#[derive(Debug)]
pub(crate) struct Reception {
    answer: Answer,
    /// Body bytes of an answer that is no HTTP.
    plain_bytes: u64,
    has_ended: bool,
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
    /// The body has this length, which is wrong.
    WrongLength(u64),
    /// The range is not the one that was asked for.
    WrongRange,
    /// Below 400, but not what the path asks for.
    WrongStatus,
}

impl Reception {
    /// Nothing has come.
    pub(crate) fn new() -> Self {
        Self { answer: Answer::new(), plain_bytes: 0, has_ended: false, wrong_at: None }
    }

    /// The answer to `target` comes next.
    pub(crate) fn reset(&mut self, target: &Target) {
        self.answer.reset(target.reply == Reply::Http(true));
        (self.plain_bytes, self.has_ended, self.wrong_at) = (0, false, None);
    }

    /// The status; 0 while there is none.
    pub(crate) fn status(&self) -> u16 {
        self.answer.status()
    }

    /// Body bytes so far.
    pub(crate) fn body_bytes(&self) -> u64 {
        self.answer.body_bytes() + self.plain_bytes
    }

    /// Whether another request may follow on the connection.
    pub(crate) fn is_persistent(&self, target: &Target) -> bool {
        match target.reply {
            Reply::Http(_) => self.answer.is_persistent(),
            Reply::Echo => true,
            Reply::Bulk | Reply::Dns => false,
        }
    }

    /// Whether all of it has come.
    pub(crate) fn is_done(&self, target: &Target) -> bool {
        match target.reply {
            Reply::Http(_) => self.answer.is_done(),
            Reply::Echo => self.plain_bytes == target.request_bytes(),
            Reply::Bulk => self.has_ended,
            Reply::Dns => false,
        }
    }

    /// Whether the place to cut it off has come, for what was received.
    pub(crate) fn is_abort_due(&self, abort: Abort) -> bool {
        match abort {
            Abort::Never | Abort::Sent(_) => false,
            Abort::Received(after) => self.answer.status() > 0 && self.answer.body_bytes() >= after,
        }
    }

    /// Bytes came; answers how many of them belong to the answer.
    pub(crate) fn received(
        &mut self,
        target: &Target,
        known: &mut Known,
        input: &[u8],
    ) -> Result<usize, Malformed> {
        let wrong_at = &mut self.wrong_at;
        if let Reply::Http(_) = target.reply {
            return self.answer.feed(input, known, |status, offset, bytes| {
                let comparable = status == target.status || (status == 206 && target.is_conditional);
                if comparable && wrong_at.is_none() {
                    *wrong_at = target.expected.first_difference(offset, bytes);
                }
            });
        }
        let left = target.request_bytes() - self.plain_bytes;
        let count = left.min(input.len() as u64) as usize;
        if wrong_at.is_none() {
            *wrong_at = target.expected.first_difference(self.plain_bytes, &input[..count]);
        }
        self.plain_bytes += count as u64;
        // A server that gives back more than it got is no echo.
        if target.reply == Reply::Bulk && count < input.len() {
            return Err(Malformed("more came back than was sent"));
        }
        Ok(count)
    }

    /// The connection ended; true if that completes the answer.
    pub(crate) fn end(&mut self, target: &Target) -> bool {
        match target.reply {
            Reply::Http(_) => self.answer.end(),
            Reply::Echo | Reply::Dns => false,
            Reply::Bulk => {
                self.has_ended = true;
                true
            }
        }
    }

    /// Judges a whole answer.
    pub(crate) fn judge(&self, target: &Target) -> Judgement {
        let status = self.answer.status();
        let Some(size) = target.expected.size_bytes() else {
            return Judgement::Right { verified: false };
        };
        match status {
            206 if target.is_conditional => return self.judge_ranges(target),
            304 if target.is_conditional => return Judgement::Right { verified: false },
            _ if status == target.status => {}
            _ if status >= 400 => return Judgement::Right { verified: false },
            _ => return Judgement::WrongStatus,
        }
        match self.wrong_at {
            Some(at) => Judgement::WrongByte(at),
            // A server that swallows what it gets is as good as one that gives it back.
            None if target.reply == Reply::Bulk && self.plain_bytes == 0 => {
                Judgement::Right { verified: false }
            }
            None if self.body_bytes() != size => Judgement::WrongLength(self.body_bytes()),
            None => Judgement::Right { verified: true },
        }
    }

    /// Where one range was asked for, that one must have come. Of several a server may merge neighbours and change the
    /// order (RFC 9110 §15.3.7.2), but every byte must be in one of the parts.
    fn judge_ranges(&self, target: &Target) -> Judgement {
        let came = self.answer.ranges();
        let is_inside =
            |(first, last): &(u64, u64)| came.iter().any(|part| part.0 <= *first && *last <= part.1);
        let is_asked = match (&target.ranges[..], came) {
            (_, []) => false,
            ([], _) => true,
            ([asked], came) => came == [*asked],
            (asked, _) => asked.iter().all(is_inside),
        };
        match (self.wrong_at, came) {
            (Some(at), _) => Judgement::WrongByte(at),
            _ if !is_asked => Judgement::WrongRange,
            // Parts that are too short or too long end the taking apart.
            (None, [(first, last)]) if !self.answer.has_parts() && self.body_bytes() != last - first + 1 => {
                Judgement::WrongLength(self.body_bytes())
            }
            _ => Judgement::Right { verified: true },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content::Object;
    use crate::load::class::ClassSpec;
    use crate::load::template::Habits;
    use crate::load::url::Url;

    fn target(text: &str, class: &ClassSpec) -> Target {
        let habits = Habits { keep_alive: true, verify: true };
        let template = Template::new(text, &Url::parse(text).unwrap(), 0, class, habits).unwrap();
        template.make(1, &mut Prng::new(1))
    }

    fn judge(target: &Target, wire: &[u8]) -> Judgement {
        let mut reception = Reception::new();
        reception.reset(target);
        assert_eq!(reception.received(target, &mut Known::default(), wire), Ok(wire.len()));
        assert!(reception.end(target));
        reception.judge(target)
    }

    fn answer(status: &str, body: &[u8]) -> Vec<u8> {
        let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n", body.len());
        [head.as_bytes(), body].concat()
    }

    #[test]
    fn answers_are_judged() {
        let target = target("http://127.0.0.1/bytes/30", &ClassSpec::default());
        let mut body = [0; 30];
        Object::new(b"/bytes/30", 30).fill(0, &mut body);
        let judged = |status: &str, body: &[u8]| judge(&target, &answer(status, body));
        assert_eq!(judged("200 X", &body), Judgement::Right { verified: true });
        assert_eq!(judged("200 X", &body[..29]), Judgement::WrongLength(29));
        assert_eq!(judged("200 X", &[&body[..], b"x"].concat()), Judgement::WrongByte(30));
        assert_eq!(judged("206 X", &body), Judgement::WrongStatus);
        assert_eq!(judged("503 X", b"sorry"), Judgement::Right { verified: false });
        body[28] ^= 4;
        assert_eq!(judged("200 X", &body), Judgement::WrongByte(28));
    }

    #[test]
    fn a_range_is_judged_where_it_lies() {
        let class = ClassSpec { range_bytes: Some(10), ..ClassSpec::default() };
        let target = target("http://127.0.0.1/bytes/3000", &class);
        let [(first, last)] = target.ranges[..] else { panic!("one range") };
        let mut body = [0; 10];
        Object::new(b"/bytes/3000", 3_000).fill(first, &mut body);
        let ranged = |first: u64, last: u64| format!("206 X\r\nContent-Range: bytes {first}-{last}/3000");
        let right = answer(&ranged(first, last), &body);
        assert_eq!(judge(&target, &right), Judgement::Right { verified: true });
        let elsewhere = if first == 0 { 1 } else { first - 1 };
        let moved = answer(&ranged(elsewhere, elsewhere + 9), &body);
        assert!(matches!(judge(&target, &moved), Judgement::WrongByte(_) | Judgement::WrongRange));
        let short = answer(&ranged(first, last), &body[..9]);
        assert_eq!(judge(&target, &short), Judgement::WrongLength(9));
        body[9] ^= 1;
        assert_eq!(judge(&target, &answer(&ranged(first, last), &body)), Judgement::WrongByte(last));
    }

    #[test]
    fn several_ranges_are_judged_part_by_part() {
        let fields = vec![("Range".to_owned(), "bytes=0-9,100-119,-5,900-".to_owned())];
        let target = target("http://127.0.0.1/bytes/300", &ClassSpec { fields, ..ClassSpec::default() });
        let mut object = [0; 300];
        Object::new(b"/bytes/300", 300).fill(0, &mut object);
        let whole = |object: &[u8], parts: &[(usize, usize)]| {
            let mut body = Vec::new();
            for (first, last) in parts {
                let head = format!("\r\n--b\r\nContent-Range: bytes {first}-{last}/300\r\n\r\n");
                body.extend_from_slice(head.as_bytes());
                body.extend_from_slice(&object[*first..=*last]);
            }
            body.extend_from_slice(b"\r\n--b--\r\n");
            answer("206 X\r\nContent-Type: multipart/byteranges; boundary=b", &body)
        };
        let right = Judgement::Right { verified: true };
        assert_eq!(judge(&target, &whole(&object, &[(0, 9), (100, 119), (295, 299)])), right);
        assert_eq!(judge(&target, &whole(&object, &[(295, 299), (0, 119)])), right);
        assert_eq!(judge(&target, &whole(&object, &[(0, 9), (295, 299)])), Judgement::WrongRange);
        assert_eq!(judge(&target, &whole(&object, &[(0, 9), (100, 118), (295, 299)])), Judgement::WrongRange);
        let alone = |first: usize, last: usize| {
            let head = format!("206 X\r\nContent-Range: bytes {first}-{last}/300");
            judge(&target, &answer(&head, &object[first..=last]))
        };
        assert_eq!((alone(0, 299), alone(0, 119)), (right, Judgement::WrongRange));
        assert_eq!(judge(&target, &answer("206 X", &object)), Judgement::WrongRange);
        object[107] ^= 1;
        let spoiled = whole(&object, &[(0, 9), (100, 119), (295, 299)]);
        assert_eq!(judge(&target, &spoiled), Judgement::WrongByte(107));
    }
}
