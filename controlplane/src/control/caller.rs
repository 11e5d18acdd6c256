//! One caller of the control door: a line in, an answer out, and again, until it goes or takes too long.

use crate::control::answer::{Answer, LINE_BYTES_MAX, words};
use dataplane::reactor::socket::PeerCredentials;
use std::io::{ErrorKind, Read, Write};
use std::time::{Duration, Instant};

/// For a whole line to come, or for an answer to be taken.
const PATIENCE: Duration = Duration::from_secs(10);

/// What became of a caller.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It may say more, or take more.
    Waits,
    /// It has said this; it is heard again once it has its answer.
    Says(Vec<String>),
    /// It is gone, or has to go.
    Over,
}

/// A caller over any stream that does not block.
#[derive(Debug)]
pub(crate) struct Caller<S> {
    stream: S,
    pub(crate) from: PeerCredentials,
    input: Vec<u8>,
    output: Vec<u8>,
    /// Bytes of the output that have left.
    sent: usize,
    /// Nothing is read while a command is carried out.
    awaits_answer: bool,
    ends: bool,
    deadline: Instant,
}

impl<S: Read + Write> Caller<S> {
    pub(crate) fn new(stream: S, from: PeerCredentials, now: Instant) -> Self {
        Self {
            stream,
            from,
            input: Vec::new(),
            output: Vec::new(),
            sent: 0,
            awaits_answer: false,
            ends: false,
            deadline: now + PATIENCE,
        }
    }

    /// When it has taken too long; never while we are the ones who owe something.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        (!self.awaits_answer).then_some(self.deadline)
    }

    /// Answers, and hears no more.
    pub(crate) fn dismiss(&mut self, now: Instant, answer: &Answer) -> Fate {
        self.ends = true;
        self.answer(now, answer)
    }

    /// Answers what was said last.
    pub(crate) fn answer(&mut self, now: Instant, answer: &Answer) -> Fate {
        self.output = answer.to_line().into_bytes();
        (self.sent, self.awaits_answer, self.deadline) = (0, false, now + PATIENCE);
        self.advance(now)
    }

    /// Goes on as far as the stream lets it.
    pub(crate) fn advance(&mut self, now: Instant) -> Fate {
        if self.awaits_answer {
            return Fate::Waits;
        }
        match self.send() {
            Some(true) if self.ends => return Fate::Over,
            Some(true) => {}
            Some(false) => return Fate::Waits,
            None => return Fate::Over,
        }
        loop {
            if let Some(end) = self.input.iter().position(|byte| *byte == b'\n') {
                return self.take(now, end);
            }
            if self.input.len() >= LINE_BYTES_MAX {
                return self.dismiss(now, &Answer::wrong(vec!["the command is too long".to_owned()]));
            }
            match self.receive() {
                Some(0) | None => return Fate::Over,
                Some(usize::MAX) => return Fate::Waits,
                Some(_) => {}
            }
        }
    }

    fn take(&mut self, now: Instant, end: usize) -> Fate {
        let said = words(&self.input[..end]);
        self.input.drain(..=end);
        let Some(said) = said else {
            let what = r#"this is no command; one is a line of JSON such as ["show"]"#;
            return self.dismiss(now, &Answer::wrong(vec![what.to_owned()]));
        };
        self.awaits_answer = true;
        Fate::Says(said)
    }

    /// Bytes that came; `usize::MAX` for "none yet".
    fn receive(&mut self) -> Option<usize> {
        let mut piece = [0; 64 << 10];
        loop {
            match self.stream.read(&mut piece) {
                Ok(count) => {
                    self.input.extend_from_slice(&piece[..count]);
                    return Some(count);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Some(usize::MAX),
                Err(_) => return None,
            }
        }
    }

    /// Whether all has left; `None` if the caller is gone.
    fn send(&mut self) -> Option<bool> {
        while self.sent < self.output.len() {
            match self.stream.write(&self.output[self.sent..]) {
                Ok(0) => return None,
                Ok(count) => self.sent += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Some(false),
                Err(_) => return None,
            }
        }
        Some(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::BufRead;
    use std::os::unix::net::UnixStream;

    fn pair() -> (UnixStream, Caller<UnixStream>, Instant) {
        let (far, near) = UnixStream::pair().unwrap();
        near.set_nonblocking(true).unwrap();
        let now = Instant::now();
        (far, Caller::new(near, PeerCredentials { pid: 1, uid: 0 }, now), now)
    }

    fn line(far: &UnixStream) -> String {
        let mut line = String::new();
        std::io::BufReader::new(far).read_line(&mut line).unwrap();
        line
    }

    #[test]
    fn commands_come_in_pieces_and_are_answered_in_turn() {
        let (mut far, mut caller, now) = pair();
        assert_eq!(caller.advance(now), Fate::Waits);
        far.write_all(b"[\"a\"").unwrap();
        assert_eq!(caller.advance(now), Fate::Waits);
        far.write_all(b"]\n[\"b\"]\n").unwrap();
        assert_eq!(caller.advance(now), Fate::Says(vec!["a".into()]));
        assert_eq!((caller.advance(now), caller.deadline()), (Fate::Waits, None), "one at a time");
        assert_eq!(caller.answer(now, &Answer::done(vec![])), Fate::Says(vec!["b".into()]));
        assert_eq!(line(&far), "{\"lines\":[],\"status\":0}\n");
        assert_eq!(caller.answer(now, &Answer::done(vec![])), Fate::Waits);
        assert_eq!(caller.deadline(), Some(now + PATIENCE));
        drop(far);
        assert_eq!(caller.advance(now), Fate::Over);
    }

    #[test]
    fn what_is_no_command_is_told_so_and_shown_out() {
        let (mut far, mut caller, now) = pair();
        far.write_all(b"set weights 1,1,1,1,1\n").unwrap();
        assert_eq!(caller.advance(now), Fate::Over);
        assert!(line(&far).contains("this is no command"));
    }
}
