//! A small reader of HTTP/1.1 messages for the scripted clients and origins. It knows only what well-behaved peers
//! write (what comes out of a node must be that), and it shares no code with the parser under test.

use core::ops::Range;

/// What a head says, of a request or an answer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Head {
    /// Zero for a request.
    pub(crate) status: u16,
    pub(crate) method: String,
    /// The exchange that the target or `X-Exchange` names.
    pub(crate) exchange: Option<u32>,
    pub(crate) minor: u8,
    pub(crate) length: Option<usize>,
    pub(crate) is_chunked: bool,
    pub(crate) closes: bool,
    pub(crate) keeps: bool,
    pub(crate) expects: bool,
    pub(crate) upgrades: bool,
    pub(crate) host: String,
    pub(crate) forwarded_for: String,
    pub(crate) has_via: bool,
}

/// One piece of news.
#[derive(Debug)]
pub(crate) enum Got {
    /// A head; for an answer the reader goes on by itself as its framing says.
    Head(Box<Head>),
    /// Bytes of the body, in the input.
    Data(Range<usize>),
    /// The value of `X-Trailer`.
    Trailer(usize),
    /// The message is whole.
    End,
    /// No sense.
    Bad(&'static str),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Head,
    Length(usize),
    Size,
    Data(usize),
    DataEnd,
    Trailers,
    UntilClose,
    Opaque,
    End,
    Bad,
}

/// Reads message after message.
#[derive(Debug)]
pub(crate) struct Reader {
    state: State,
    line: Vec<u8>,
    /// Answers are read, to requests of this kind.
    pub(crate) is_answer: bool,
    pub(crate) is_to_head: bool,
}

impl Reader {
    pub(crate) fn new(is_answer: bool) -> Self {
        Self { state: State::Head, line: Vec::new(), is_answer, is_to_head: false }
    }

    /// Whether the end of the connection would end the message in order.
    pub(crate) fn may_end(&self) -> bool {
        matches!(self.state, State::UntilClose | State::Opaque)
    }

    /// Reads from here on whatever comes as data.
    pub(crate) fn set_opaque(&mut self) {
        self.state = State::Opaque;
    }

    /// The next news in `bytes`, and how many of them it took. No news: all were taken.
    pub(crate) fn next(&mut self, bytes: &[u8]) -> (usize, Option<Got>) {
        let mut at = 0;
        loop {
            let rest = &bytes[at..];
            match self.state {
                State::End => {
                    self.state = State::Head;
                    return (at, Some(Got::End));
                }
                State::Bad => return (bytes.len(), None),
                _ if rest.is_empty() => return (at, None),
                State::Length(left) => return self.data(at, rest.len().min(left), left, State::End),
                State::Data(left) => return self.data(at, rest.len().min(left), left, State::DataEnd),
                State::UntilClose | State::Opaque => return (bytes.len(), Some(Got::Data(at..bytes.len()))),
                State::Head => {
                    let taken = self.take_until(rest, b"\r\n\r\n");
                    at += taken;
                    if self.line.ends_with(b"\r\n\r\n") {
                        return (at, Some(self.head()));
                    }
                }
                State::Size | State::DataEnd | State::Trailers => {
                    at += self.take_until(rest, b"\r\n");
                    if self.line.ends_with(b"\r\n")
                        && let Some(got) = self.end_line()
                    {
                        return (at, Some(got));
                    }
                }
            }
        }
    }

    fn data(&mut self, at: usize, count: usize, left: usize, then: State) -> (usize, Option<Got>) {
        self.state = match (left - count, self.state) {
            (0, _) => then,
            (left, State::Length(_)) => State::Length(left),
            (left, _) => State::Data(left),
        };
        (at + count, Some(Got::Data(at..at + count)))
    }

    /// Moves bytes to the line until it ends so.
    fn take_until(&mut self, bytes: &[u8], end: &[u8]) -> usize {
        for (index, byte) in bytes.iter().enumerate() {
            self.line.push(*byte);
            if *byte == b'\n' && self.line.ends_with(end) {
                return index + 1;
            }
        }
        bytes.len()
    }

    fn end_line(&mut self) -> Option<Got> {
        let line = core::mem::take(&mut self.line);
        let text = line.strip_suffix(b"\r\n").and_then(|text| str::from_utf8(text).ok());
        let Some(text) = text else { return Some(self.bad("a line that is no text")) };
        match self.state {
            State::Size => match usize::from_str_radix(text, 16) {
                Ok(0) => self.state = State::Trailers,
                Ok(size) => self.state = State::Data(size),
                Err(_) => return Some(self.bad("a chunk size")),
            },
            State::DataEnd if text.is_empty() => self.state = State::Size,
            State::DataEnd => return Some(self.bad("the end of a chunk")),
            _ if text.is_empty() => self.state = State::End,
            _ => {
                let value = text.split_once(": ").filter(|(name, _)| name.eq_ignore_ascii_case("x-trailer"));
                return Some(match value.and_then(|(_, value)| value.parse().ok()) {
                    Some(value) => Got::Trailer(value),
                    None => self.bad("a trailer"),
                });
            }
        }
        None
    }

    fn bad(&mut self, what: &'static str) -> Got {
        self.state = State::Bad;
        Got::Bad(what)
    }

    fn head(&mut self) -> Got {
        let bytes = core::mem::take(&mut self.line);
        let Some(head) = parse(&bytes, self.is_answer) else { return self.bad("a head") };
        let is_interim = (100..200).contains(&head.status) && head.status != 101;
        let is_bodyless = self.is_to_head || matches!(head.status, 204 | 304);
        self.state = match (&head, self.is_answer) {
            (Head { is_chunked: true, length: Some(_), .. }, _) => return self.bad("two framings"),
            _ if is_interim => State::Head,
            (Head { status: 101, .. }, _) => State::Opaque,
            (_, true) if is_bodyless => State::End,
            (Head { is_chunked: true, .. }, _) => State::Size,
            (Head { length: Some(0), .. }, _) => State::End,
            (Head { length: Some(length), .. }, _) => State::Length(*length),
            (_, true) => State::UntilClose,
            (_, false) => State::End,
        };
        Got::Head(Box::new(head))
    }
}

fn parse(bytes: &[u8], is_answer: bool) -> Option<Head> {
    let mut head = Head::default();
    let mut fields = [httparse::EMPTY_HEADER; 160];
    let fields: &[httparse::Header<'_>] = if is_answer {
        let mut answer = httparse::Response::new(&mut fields);
        answer.parse(bytes).ok().filter(|status| status.is_complete())?;
        (head.status, head.minor) = (answer.code?, answer.version?);
        answer.headers
    } else {
        let mut request = httparse::Request::new(&mut fields);
        request.parse(bytes).ok().filter(|status| status.is_complete())?;
        head.method = request.method?.to_owned();
        head.minor = request.version?;
        let id = request.path?.strip_prefix("/c").and_then(|path| path.split_once('/'));
        head.exchange = id.and_then(|(_, id)| id.parse().ok());
        request.headers
    };
    for field in fields {
        let value = str::from_utf8(field.value).ok()?;
        match field.name.to_ascii_lowercase().as_str() {
            "content-length" if head.length.is_some() => return None,
            "content-length" => head.length = Some(value.parse().ok()?),
            "transfer-encoding" => head.is_chunked = value == "chunked",
            "connection" => {
                let value = value.to_ascii_lowercase();
                head.closes |= value.contains("close");
                head.keeps |= value.contains("keep-alive");
            }
            "expect" => head.expects = value.eq_ignore_ascii_case("100-continue"),
            "upgrade" => head.upgrades = true,
            "x-exchange" => head.exchange = value.parse().ok(),
            "host" => head.host = value.to_owned(),
            "x-forwarded-for" => head.forwarded_for = value.to_owned(),
            "via" => head.has_via = true,
            _ => {}
        }
    }
    Some(head)
}
