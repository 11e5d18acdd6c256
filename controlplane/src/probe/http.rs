//! One request and its answer (RFC 9112), read by the planes' own strict reader: what it refuses, our front-ends and
//! back-ends refuse too, so that a target that sends garbage is down for us before a user meets it.

use crate::probe::content::Content;
use crate::probe::expect::LoadFrom;
use crate::probe::outcome::{Cause, Failure, Seen};
use crate::probe::step::Step;
use crate::probe::target::Target;
use crate::probe::url::Url;
use dataplane::http::{
    Asked, BodyReader, FieldTable, Fields, Limits, Parsed, Refusal, Trailers, parse_imf_fixdate,
    parse_response,
};

/// Bytes of an ETag that are kept; longer ones are none that anybody compares.
const ETAG_BYTES_MAX: usize = 128;

/// The exchange.
///
/// Contract: [`request`] is sent, then [`take`](Self::take) for what comes, [`end`](Self::end) when the peer closes; after a
/// step that is not `More` it is used no more.
#[derive(Debug)]
pub struct HttpExchange {
    head: Vec<u8>,
    body: Option<BodyReader>,
    interim: u8,
    content: Content,
    trailers: Trailers,
    seen: Seen,
}

/// The request for an URL. `host` replaces the URL's own in the Host field.
pub fn request(url: &Url, host: Option<&str>) -> Vec<u8> {
    let authority = host.map_or_else(|| url.authority(), str::to_owned);
    let version = env!("CARGO_PKG_VERSION");
    format!(
        "GET {} HTTP/1.1\r\nHost: {authority}\r\nUser-Agent: longhaul-probe/{version}\r\nAccept: */*\r\n\
         Connection: close\r\n\r\n",
        url.path
    )
    .into_bytes()
}

impl HttpExchange {
    /// After the request, with so many redirects behind it.
    pub fn new(target: &Target, redirects: u8) -> Self {
        let keeps = target.expect.body.is_some() || matches!(target.load, LoadFrom::Json | LoadFrom::Status);
        Self {
            head: Vec::new(),
            body: None,
            interim: 0,
            content: Content::new(keeps, target.is_digested),
            trailers: Trailers::new(&Limits::default()),
            seen: Seen { redirects, ..Seen::default() },
        }
    }

    /// Takes what came from `url`.
    pub fn take(&mut self, target: &Target, url: &Url, bytes: &[u8]) -> Step {
        if self.body.is_some() {
            return self.take_body(target, bytes).unwrap_or_else(|failure| self.failed(failure));
        }
        self.head.extend_from_slice(bytes);
        loop {
            match self.take_head(target, url) {
                Ok(Some(step)) => return step,
                Ok(None) => {}
                Err(failure) => return self.failed(failure),
            }
        }
    }

    /// The peer has closed.
    pub fn end(&mut self, target: &Target) -> Step {
        match self.body {
            Some(body) if body.finish().is_ok() => self.whole(target),
            Some(_) => self.failed(Failure::new(Cause::Closed, "closed before the body was whole")),
            None if self.head.is_empty() => {
                self.failed(Failure::new(Cause::Closed, "closed without an answer"))
            }
            None => self.failed(Failure::new(Cause::Closed, "closed before the head was whole")),
        }
    }

    /// Reads a head; `None` after an interim one.
    fn take_head(&mut self, target: &Target, url: &Url) -> Result<Option<Step>, Failure> {
        let limits = Limits::default();
        let mut table = FieldTable::new(&limits);
        let (head, bytes) = match parse_response(&self.head, Asked::Ordinary, &limits, &mut table) {
            Parsed::Partial => return Ok(Some(Step::More)),
            Parsed::Invalid(refusal) => return Err(malformed(refusal)),
            Parsed::Complete { head, bytes } => (head, bytes),
        };
        if head.is_interim() {
            self.interim += 1;
            self.head.drain(..bytes);
            let is_fine = self.interim <= limits.interim_max;
            return if is_fine { Ok(None) } else { Err(malformed(Refusal::InterimMany)) };
        }
        let status = head.status;
        let location = (matches!(status, 301 | 302 | 303 | 307 | 308))
            .then(|| head.fields.find(b"Location").map(<[u8]>::to_vec))
            .flatten();
        note_fields(&mut self.seen, &head.fields, &target.load);
        self.seen.status = Some(status);
        self.body = Some(BodyReader::for_response(head.body));
        if let Some(location) = location.filter(|_: &Vec<u8>| target.redirects > 0) {
            return self.follow(target, url, &location).map(Some);
        }
        let rest = self.head.split_off(bytes);
        self.take_body(target, &rest).map(Some)
    }

    fn follow(&self, target: &Target, url: &Url, location: &[u8]) -> Result<Step, Failure> {
        let wrong = |what: String| Failure::new(Cause::Redirect, what);
        if self.seen.redirects >= target.redirects {
            return Err(wrong(format!("more than {} redirects: a circle, or nearly", target.redirects)));
        }
        let text =
            core::str::from_utf8(location).map_err(|_| wrong("redirects to what is no text".into()))?;
        let next = url.join(text).map_err(|what| wrong(format!("redirects to {text:?}, which {what}")))?;
        if next == *url {
            return Err(wrong(format!("redirects to itself: {next}")));
        }
        Ok(Step::Follow(next))
    }

    fn take_body(&mut self, target: &Target, mut bytes: &[u8]) -> Result<Step, Failure> {
        let Some(mut body) = self.body else { return Ok(Step::More) };
        while !body.is_done() && !bytes.is_empty() {
            let step = body.read(bytes, &mut self.trailers).map_err(malformed)?;
            self.content.take(&bytes[step.data])?;
            bytes = &bytes[step.consumed..];
        }
        self.body = Some(body);
        Ok(if body.is_done() { self.whole(target) } else { Step::More })
    }

    fn whole(&mut self, target: &Target) -> Step {
        let Self { content, seen, .. } = self;
        seen.bytes = content.bytes();
        seen.digest = content.digest();
        seen.load = target.load.of_body(content.kept()).or(seen.load);
        let judged = target.expect.judge(seen, content.kept());
        Step::Done(core::mem::take(seen), judged)
    }

    fn failed(&mut self, failure: Failure) -> Step {
        self.seen.bytes = self.content.bytes();
        Step::Done(core::mem::take(&mut self.seen), Err(failure))
    }
}

fn note_fields(seen: &mut Seen, fields: &Fields<'_>, load: &LoadFrom) {
    let date = |value: &[u8]| parse_imf_fixdate(value.trim_ascii());
    seen.modified_s = fields.find(b"Last-Modified").and_then(date);
    seen.etag = fields
        .find(b"ETag")
        .filter(|etag| etag.len() <= ETAG_BYTES_MAX)
        .map(|etag| String::from_utf8_lossy(etag).into_owned());
    if let LoadFrom::Field(name) = load {
        seen.load = fields.find(name.as_bytes()).and_then(LoadFrom::of_field);
    }
}

fn malformed(refusal: Refusal) -> Failure {
    Failure::new(Cause::Malformed, refusal.reason())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::expect::Expect;

    fn target() -> Target {
        Target::of("t", Url::read("http://a.test/x").unwrap())
    }

    /// The step that the last piece of an answer makes, whole and byte by byte alike.
    fn steps(target: &Target, answer: &[u8], ends: bool) -> Step {
        let run = |pieces: &mut dyn Iterator<Item = &[u8]>| {
            let mut exchange = HttpExchange::new(target, 0);
            for piece in pieces {
                let step = exchange.take(target, &target.url, piece);
                if step != Step::More {
                    return step;
                }
            }
            if ends { exchange.end(target) } else { Step::More }
        };
        let whole = run(&mut [answer].into_iter());
        assert_eq!(run(&mut answer.chunks(1)), whole, "cuts change nothing");
        whole
    }

    fn failure(target: &Target, answer: &[u8], ends: bool) -> Cause {
        match steps(target, answer, ends) {
            Step::Done(_, Err(failure)) => failure.cause,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn answers_are_read_in_every_framing() {
        let target = Target {
            is_digested: true,
            load: LoadFrom::Field("x-load".into()),
            expect: Expect { body: Some("hello".into()), ..Expect::default() },
            ..target()
        };
        for (answer, ends) in [
            (&b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-Load: 0.5\r\nETag: \"e\"\r\n\r\nhello"[..], false),
            (b"HTTP/1.1 103 Early\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-Load: 0.5\r\nETag: \"e\"\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n", false),
            (b"HTTP/1.0 200 OK\r\nX-Load: 0.5\r\nETag: \"e\"\r\n\r\nhello", true),
        ] {
            let Step::Done(seen, Ok(())) = steps(&target, answer, ends) else { panic!("{answer:?}") };
            assert_eq!((seen.status, seen.bytes, seen.load, seen.etag.as_deref()), (Some(200), 5, Some(0.5), Some("\"e\"")));
            assert_eq!(seen.digest.unwrap()[..2], [0x2c, 0xf2]);
        }
    }

    #[test]
    fn each_way_to_be_wrong_has_its_cause() {
        let target = target();
        for (answer, ends, cause) in [
            (&b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n"[..], false, Cause::Status),
            (b"SSH-2.0-OpenSSH_9\r\n", false, Cause::Malformed),
            (
                b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
                false,
                Cause::Malformed,
            ),
            (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell", true, Cause::Closed),
            (b"HTTP/1.1 200 OK\r\n", true, Cause::Closed),
            (b"", true, Cause::Closed),
            (b"HTTP/1.1 302 Found\r\nLocation: /y\r\nContent-Length: 0\r\n\r\n", false, Cause::Status),
        ] {
            assert_eq!(failure(&target, answer, ends), cause, "{}", String::from_utf8_lossy(answer));
        }
        let endless = [&b"HTTP/1.1 200 OK\r\n"[..], &b"X-Y: z\r\n".repeat(10_000)].concat();
        let mut exchange = HttpExchange::new(&target, 0);
        let step = endless
            .chunks(4_096)
            .map(|piece| exchange.take(&target, &target.url, piece))
            .find(|step| *step != Step::More);
        assert!(matches!(step, Some(Step::Done(_, Err(failure))) if failure.cause == Cause::Malformed));
    }

    #[test]
    fn redirects_are_followed_as_far_as_allowed() {
        let target = Target { redirects: 2, ..target() };
        let to = |location: &str| {
            format!("HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n")
        };
        let Step::Follow(next) = steps(&target, to("/y").as_bytes(), false) else { panic!("it follows") };
        assert_eq!(next.to_string(), "http://a.test/y");
        for location in ["/x", "ftp://a.test/f", "\u{e9} y"] {
            assert_eq!(failure(&target, to(location).as_bytes(), false), Cause::Redirect, "{location}");
        }
        let mut late = HttpExchange::new(&target, 2);
        let step = late.take(&target, &target.url, to("/y").as_bytes());
        assert!(
            matches!(step, Step::Done(_, Err(failure)) if failure.cause == Cause::Redirect),
            "a circle ends"
        );
    }

    #[test]
    fn the_request_says_who_asks() {
        let text = String::from_utf8(request(&Url::read("http://a.test:81/x?y").unwrap(), None)).unwrap();
        assert!(
            text.starts_with("GET /x?y HTTP/1.1\r\nHost: a.test:81\r\nUser-Agent: longhaul-probe/"),
            "{text}"
        );
        assert!(
            String::from_utf8(request(&target().url, Some("b.test"))).unwrap().contains("Host: b.test\r\n")
        );
    }
}
