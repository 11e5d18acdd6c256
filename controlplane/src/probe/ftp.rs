//! A file fetched over FTP in passive mode (RFC 959, RFC 2428): the whole retrieval is one probe, its total time the
//! response time. The address that a server names for the content is not believed, only its port: the content comes from
//! where the control connection leads, or a target could make us knock at other people's doors.
//!
//! ```text
//! Greeting ─220─► User ─331─► Password ─230─► Type ─200─► Passive ─227─► Transfer ─150─► Content ─226─► done
//!                   └─230─────────────────────►┘            └─50x─► Extended ─229─┘  (226 may come before the content ends)
//! ```

use crate::probe::content::Content;
use crate::probe::limits::FTP_REPLY_BYTES_MAX;
use crate::probe::outcome::{Cause, Failure, Seen};
use crate::probe::step::Step;
use crate::probe::target::Target;
use core::net::{IpAddr, SocketAddr};

/// What was sent last, and so what the next reply answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Greeting,
    User,
    Password,
    Type,
    Extended,
    Passive,
    Transfer,
    Content,
}

/// The dialogue on the control connection.
///
/// Contract: [`take`](Self::take) for what comes on it, with an empty `out` that is then sent; [`take_content`](Self::take_content)
/// and [`content_ended`](Self::content_ended) for the second connection; [`end`](Self::end) when the control connection closes.
#[derive(Debug)]
pub struct FtpDialogue {
    stage: Stage,
    line: Vec<u8>,
    peer: IpAddr,
    content: Content,
    is_content_whole: bool,
    is_confirmed: bool,
    seen: Seen,
}

impl FtpDialogue {
    /// Before the greeting of the server at `peer`.
    pub fn new(target: &Target, peer: IpAddr) -> Self {
        Self {
            stage: Stage::Greeting,
            line: Vec::new(),
            peer,
            content: Content::new(target.expect.body.is_some(), target.is_digested),
            is_content_whole: false,
            is_confirmed: false,
            seen: Seen::default(),
        }
    }

    /// Takes bytes of the control connection.
    pub fn take(&mut self, target: &Target, bytes: &[u8], out: &mut Vec<u8>) -> Step {
        for byte in bytes {
            self.line.push(*byte);
            if self.line.len() > FTP_REPLY_BYTES_MAX {
                return self.failed(Cause::Malformed, "a reply that does not end");
            }
            if *byte != b'\n' {
                continue;
            }
            match last_line(&self.line) {
                Reply::More => {}
                Reply::Broken => return self.failed(Cause::Malformed, "what it said is no reply of FTP"),
                Reply::Whole(code) => {
                    let text = String::from_utf8_lossy(&self.line).into_owned();
                    self.line.clear();
                    let step = self.replied(target, code, &text, out);
                    if step != Step::More {
                        return step;
                    }
                }
            }
        }
        Step::More
    }

    /// Takes bytes of the file.
    pub fn take_content(&mut self, bytes: &[u8]) -> Step {
        match self.content.take(bytes) {
            Ok(()) => Step::More,
            Err(failure) => self.over(Err(failure)),
        }
    }

    /// The file's connection has closed.
    pub fn content_ended(&mut self, target: &Target) -> Step {
        self.is_content_whole = true;
        self.whole(target)
    }

    /// The control connection has closed.
    pub fn end(&mut self) -> Step {
        self.failed(Cause::Closed, "closed before the file was whole")
    }

    fn replied(&mut self, target: &Target, code: u16, text: &str, out: &mut Vec<u8>) -> Step {
        self.seen.status = Some(code);
        let (user, password) = match &target.url.user {
            Some(user) => user.split_once(':').unwrap_or((user, "")),
            None => ("anonymous", "longhaul-probe@"),
        };
        let now = self.stage;
        let mut send = |stage: Stage, command: &str| {
            out.extend_from_slice(command.as_bytes());
            out.extend_from_slice(b"\r\n");
            self.stage = stage;
            Step::More
        };
        match (now, code) {
            // 120: the service will be ready soon.
            (Stage::Greeting, 120) => Step::More,
            (Stage::Greeting, 220) => send(Stage::User, &format!("USER {user}")),
            (Stage::User, 331) => send(Stage::Password, &format!("PASS {password}")),
            (Stage::User | Stage::Password, 230) => send(Stage::Type, "TYPE I"),
            (Stage::Type, 200) if self.peer.is_ipv4() => send(Stage::Passive, "PASV"),
            (Stage::Type, 200) => send(Stage::Extended, "EPSV"),
            (Stage::Passive, 500..=502) => send(Stage::Extended, "EPSV"),
            (Stage::Extended | Stage::Passive, 227 | 229) => self.passive(target, text, out),
            (Stage::Transfer, 125 | 150) => {
                self.stage = Stage::Content;
                Step::More
            }
            (Stage::Content, 226 | 250) => {
                self.is_confirmed = true;
                self.whole(target)
            }
            _ => self.failed(Cause::Status, &format!("{}: {}", now.command(), text.trim())),
        }
    }

    fn passive(&mut self, target: &Target, text: &str, out: &mut Vec<u8>) -> Step {
        let Some(port) = passive_port(text) else {
            return self.failed(Cause::Malformed, &format!("no port for the file in {:?}", text.trim()));
        };
        out.extend_from_slice(format!("RETR {}\r\n", target.url.path.trim_start_matches('/')).as_bytes());
        self.stage = Stage::Transfer;
        Step::Content(SocketAddr::new(self.peer, port))
    }

    fn whole(&mut self, target: &Target) -> Step {
        if !self.is_content_whole || !self.is_confirmed {
            return Step::More;
        }
        self.seen.bytes = self.content.bytes();
        self.seen.digest = self.content.digest();
        // A code of FTP is no status of HTTP: that it is good was judged on the way.
        let judged = target.expect.judge(&Seen { status: None, ..self.seen.clone() }, self.content.kept());
        self.over(judged)
    }

    fn failed(&mut self, cause: Cause, what: &str) -> Step {
        self.over(Err(Failure::new(cause, what)))
    }

    fn over(&mut self, judged: Result<(), Failure>) -> Step {
        self.seen.bytes = self.content.bytes();
        Step::Done(core::mem::take(&mut self.seen), judged)
    }
}

impl Stage {
    const fn command(self) -> &'static str {
        match self {
            Self::Greeting => "its greeting",
            Self::User => "USER",
            Self::Password => "PASS",
            Self::Type => "TYPE",
            Self::Extended => "EPSV",
            Self::Passive => "PASV",
            Self::Transfer | Self::Content => "RETR",
        }
    }
}

enum Reply {
    More,
    Broken,
    Whole(u16),
}

/// Whether the last line of `text` ends a reply: three digits and a blank; `220-` begins one of several lines.
fn last_line(text: &[u8]) -> Reply {
    let lines = text.strip_suffix(b"\n").unwrap_or(text);
    let last = lines.rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
    let code = |line: &[u8]| {
        let digits = line.get(..3).filter(|digits| digits.iter().all(u8::is_ascii_digit))?;
        core::str::from_utf8(digits).ok()?.parse::<u16>().ok()
    };
    let is_first = last.len() == lines.len();
    match (code(last), last.get(3)) {
        (Some(code), Some(b' ' | b'\r') | None) => Reply::Whole(code),
        (Some(_), Some(b'-')) => Reply::More,
        _ if is_first => Reply::Broken,
        _ => Reply::More,
    }
}

/// The port in `(h1,h2,h3,h4,p1,p2)` or in `(|||port|)`.
fn passive_port(text: &str) -> Option<u16> {
    if let Some((_, rest)) = text.split_once("|||") {
        return rest.split('|').next()?.parse().ok().filter(|port| *port > 0);
    }
    // Some servers leave the brackets out: what counts is the run of six numbers.
    let start = text.get(4..)?.find(|c: char| c.is_ascii_digit())? + 4;
    let run = text[start..].split(|c: char| !(c.is_ascii_digit() || c == ',')).next()?;
    let numbers: Vec<u8> = run.split(',').map(|number| number.parse().ok()).collect::<Option<_>>()?;
    let [_, _, _, _, high, low] = numbers[..] else { return None };
    Some(u16::from_be_bytes([high, low])).filter(|port| *port > 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::url::Url;

    fn target() -> Target {
        Target { is_digested: true, ..Target::of("t", Url::read("ftp://a.test/pub/f").unwrap()) }
    }

    #[test]
    fn a_file_is_fetched() {
        let target = target();
        let mut dialogue = FtpDialogue::new(&target, "192.0.2.1".parse().unwrap());
        let mut say = |reply: &str| {
            let mut out = Vec::new();
            let step = dialogue.take(&target, reply.as_bytes(), &mut out);
            (step, String::from_utf8(out).unwrap())
        };
        assert_eq!(say("220-Welcome\r\n to us\r\n220 go\r\n"), (Step::More, "USER anonymous\r\n".into()));
        assert_eq!(say("331 who\r\n").1, "PASS longhaul-probe@\r\n");
        assert_eq!(say("230 in\r\n").1, "TYPE I\r\n");
        assert_eq!(say("200 ok\r\n").1, "PASV\r\n");
        // The server names another machine: it is not believed.
        let (step, out) = say("227 Entering Passive Mode (10,0,0,1,4,1).\r\n");
        assert_eq!(
            (step, out.as_str()),
            (Step::Content("192.0.2.1:1025".parse().unwrap()), "RETR pub/f\r\n")
        );
        assert_eq!(say("150 here\r\n").0, Step::More);
        assert_eq!(say("226 done\r\n").0, Step::More, "the content is still on its way");
        assert_eq!(dialogue.take_content(b"hello"), Step::More);
        let Step::Done(seen, Ok(())) = dialogue.content_ended(&target) else { panic!("it is whole") };
        assert_eq!((seen.bytes, seen.status), (5, Some(226)));
        assert!(seen.digest.is_some());
    }

    #[test]
    fn refusals_and_garbage_end_it() {
        let target = target();
        for (replies, cause) in [
            ("530 not today\r\n", Cause::Status),
            ("220 go\r\n530 no such user\r\n", Cause::Status),
            ("HTTP/1.1 400 Bad\r\n", Cause::Malformed),
            ("220 a\r\n331 b\r\n230 c\r\n200 d\r\n227 here (1,2,3)\r\n", Cause::Malformed),
            ("220 a\r\n331 b\r\n230 c\r\n200 d\r\n227 (1,2,3,4,5,6)\r\n550 no file\r\n", Cause::Status),
        ] {
            let mut dialogue = FtpDialogue::new(&target, "192.0.2.1".parse().unwrap());
            let steps =
                replies.as_bytes().chunks(1).map(|byte| dialogue.take(&target, byte, &mut Vec::new()));
            let failed = steps.into_iter().find_map(|step| match step {
                Step::Done(_, Err(failure)) => Some(failure.cause),
                _ => None,
            });
            assert_eq!(failed, Some(cause), "{replies}");
        }
        let mut dialogue = FtpDialogue::new(&target, "192.0.2.1".parse().unwrap());
        let endless = dialogue.take(&target, &[b'2'; FTP_REPLY_BYTES_MAX + 1], &mut Vec::new());
        assert!(matches!(endless, Step::Done(_, Err(_))));
    }

    #[test]
    fn passive_replies_are_read() {
        for (text, port) in [
            ("227 Entering Passive Mode (10,0,0,1,4,1).", Some(1025)),
            ("227 =10,0,0,1,0,21", Some(21)),
            ("229 Entering Extended Passive Mode (|||6446|)", Some(6446)),
            ("229 (|||0|)", None),
            ("227 (1,2,3,4,256,1)", None),
            ("227", None),
        ] {
            assert_eq!(passive_port(text), port, "{text}");
        }
    }
}
