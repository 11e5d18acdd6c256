//! Answers come: bytes go to the oldest request of their place, whole answers are judged and counted.

use crate::load::exchange::Judgement;
use crate::load::generator::Generator;
use crate::load::place::Phase;
use crate::load::tally::Failure;
use crate::load::target::Reply;
use dataplane::port::{Port, TcpFailure};
use dataplane::time::{Duration, Instant};

/// How long a server that said close may take to close.
const ENDING: Duration = Duration::from_secs(1);

impl Generator<'_> {
    /// The connection stands.
    pub(crate) fn connected(&mut self, place: usize) {
        let entry = &mut self.places[place];
        entry.phase = Phase::Busy;
        if let Some(ask) = entry.waiting.front() {
            self.tally.of(ask.class).connections += 1;
        }
    }

    /// Bytes came.
    pub(crate) fn received(&mut self, place: usize, bytes: &[u8], now: Instant, port: &mut Port) {
        let mut rest = bytes;
        while !rest.is_empty() {
            let Self { plan, places, known, tally, .. } = self;
            let entry = &mut places[place];
            let Some(ask) = entry.waiting.front() else { return self.unasked(place, now, port) };
            let target = ask.target(&plan.templates);
            if target.reply == Reply::Dns {
                return self.heard_over_tcp(place, rest, now, port);
            }
            let before = entry.reception.body_bytes();
            let taken = entry.reception.received(target, &mut known[ask.template], rest);
            tally.of(ask.class).bytes += entry.reception.body_bytes() - before;
            let taken = match taken {
                Ok(taken) => taken,
                Err(malformed) => return self.failed(place, Failure::Malformed, malformed.0, now, port),
            };
            rest = &rest[taken..];
            if entry.reception.is_abort_due(ask.abort) {
                return self.abort(place, now, port);
            }
            if entry.reception.is_done(target) {
                if !rest.is_empty() && entry.waiting.len() == 1 {
                    return self.failed(place, Failure::Malformed, "bytes after the answer", now, port);
                }
                self.answered(place, now, port);
            }
        }
    }

    /// Without a request nothing is expected but the end; whatever comes, the connection is of no more use.
    fn unasked(&mut self, place: usize, now: Instant, port: &mut Port) {
        self.close(place, false, port);
        self.list(place, now);
    }

    /// The oldest request is answered whole.
    fn answered(&mut self, place: usize, now: Instant, port: &mut Port) {
        let plan = self.plan;
        let Some(ask) = self.pop(place) else { return };
        let target = ask.target(&plan.templates);
        let entry = &mut self.places[place];
        let status = entry.reception.status();
        let words = match entry.reception.judge(target) {
            Judgement::Right { verified } => {
                self.tally.answered(ask.class, status, verified, ask.intended, now);
                None
            }
            Judgement::WrongByte(at) => Some(format!("the body is wrong from byte {at}")),
            Judgement::WrongLength(bytes) => Some(format!("the body has {bytes} bytes")),
            Judgement::WrongRange => Some("the range is not the one that was asked for".into()),
            Judgement::WrongStatus => Some(format!("status {status} where {} is right", target.status)),
        };
        if let Some(words) = words {
            let url = &plan.templates[ask.template].url;
            self.tally.failed(ask.class, Failure::WrongBody, now, || format!("{url}: {words}"));
        }
        if let Some(think) = plan.classes[ask.class].think_ms {
            entry.rests_until = now + Duration::from_micros((think.draw(&mut self.random) * 1e3) as u64);
        }
        let is_sent = entry.uploaded.is_none();
        let says_close = !entry.reception.is_persistent(target);
        let is_kept = is_sent && !says_close && self.options.keep_alive && !entry.has_read_end;
        if is_kept {
            self.next_in_line(place, now);
        } else if !entry.waiting.is_empty() {
            return self.failed(
                place,
                Failure::Truncated,
                "the connection ended before the answer",
                now,
                port,
            );
        } else if is_sent && says_close && !entry.has_read_end {
            entry.phase = Phase::Ending;
            entry.deadline = now + ENDING.min(self.options.timeout);
            return self.arm(place);
        } else {
            self.close(place, false, port);
        }
        self.settle(place, now);
    }

    /// The next answer on a connection that stays belongs to the next request.
    fn next_in_line(&mut self, place: usize, now: Instant) {
        let entry = &mut self.places[place];
        let Some(ask) = entry.waiting.front() else {
            entry.phase = Phase::Idle;
            return;
        };
        entry.reception.reset(ask.target(&self.plan.templates));
        // It was asked before now, so this is generous; what is to be found is a server that says nothing at all.
        entry.deadline = now + self.options.timeout;
        self.arm(place);
    }

    /// The server has sent its last byte.
    pub(crate) fn ended(&mut self, place: usize, now: Instant, port: &mut Port) {
        let entry = &mut self.places[place];
        entry.has_read_end = true;
        let Some(ask) = entry.waiting.front() else {
            let was_ending = entry.phase == Phase::Ending;
            self.close(place, false, port);
            if was_ending {
                self.settle(place, now);
            }
            return;
        };
        if entry.reception.end(ask.target(&self.plan.templates)) {
            return self.answered(place, now, port);
        }
        let got = entry.reception.body_bytes();
        let words = format!("the connection ended after {got} body bytes");
        self.failed(place, Failure::Truncated, &words, now, port);
    }

    /// The connection is gone, or never came to be.
    pub(crate) fn lost(&mut self, place: usize, failure: TcpFailure, now: Instant, port: &mut Port) {
        let entry = &mut self.places[place];
        entry.tcp = None;
        match entry.phase {
            Phase::Connecting => self.failed(place, Failure::Connect, words(failure), now, port),
            Phase::Busy => self.failed(place, Failure::Reset, words(failure), now, port),
            Phase::Idle => {}
            Phase::Ending => {
                self.close(place, false, port);
                self.settle(place, now);
            }
        }
    }
}

fn words(failure: TcpFailure) -> &'static str {
    match failure {
        TcpFailure::Refused => "the connection was refused",
        TcpFailure::Unreachable => "there is no way to the address",
        TcpFailure::TimedOut => "the connection timed out",
        TcpFailure::Reset => "the connection was reset",
        TcpFailure::Exhausted => "the system is short of ports, descriptors or memory",
    }
}
