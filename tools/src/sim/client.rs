//! Scripted clients: each has some exchanges to do, over one connection after another, and checks every byte of
//! what it gets.

use core::net::SocketAddr;
use std::collections::VecDeque;

use dataplane::http::desync::REFUSED;

use crate::sim::check::End;
use crate::sim::content::Content;
use crate::sim::message::push_request;
use crate::sim::pipe::Owner;
use crate::sim::reader::{Got, Head, Reader};
use crate::sim::shape::{Carries, ClientFault, Framing, OriginFault, Shape};
use crate::sim::speech::{Speech, Spoken, Stop};
use crate::sim::stage::Stage;
use crate::sim::world::Event;

/// After that a client that reads nothing goes away.
const STUCK_US: u64 = 90_000_000;
/// Who has said nothing for so long may find its connection closed as idle; below every idle time-out of a scenario.
const STALE_US: u64 = 4_500_000;
/// How often a client asks anew when a connection ends before it has begun to answer.
const ATTEMPTS_MAX: u8 = 4;
/// The same, where the connection could not be made or another exchange was the reason.
const TRIES_MAX: u16 = 60;

/// Where a client can connect, and what it must say first.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Doors {
    pub(crate) http: SocketAddr,
    pub(crate) http_proxied: SocketAddr,
    pub(crate) tcp: SocketAddr,
    pub(crate) tcp_proxied: SocketAddr,
}

/// How a client is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Manners {
    pub(crate) address: SocketAddr,
    /// It comes through a proxy that says so, in version 1 or 2; 0: directly.
    pub(crate) proxied: u8,
    /// Requests that it sends without waiting.
    pub(crate) depth: usize,
}

/// The answer that is being read.
#[derive(Debug, Default)]
struct Answer {
    head: Option<Box<Head>>,
    body: usize,
    /// Bytes of the connection since the last answer was whole.
    bytes: usize,
    trailer: Option<usize>,
    /// The text of a node's page.
    page: Vec<u8>,
}

/// One connection of a client.
#[derive(Debug)]
struct Line {
    pipe: u32,
    speech: Speech,
    reader: Reader,
    answer: Answer,
    /// No further request may be said on it.
    is_last: bool,
    /// The node has said that it will close it.
    is_closing: bool,
    stuck_us: Option<u64>,
    rest_us: u64,
    finished_early: bool,
    /// A head has come that may allow more to be said.
    has_news: bool,
    is_page: bool,
    /// Answers that came whole.
    answered: usize,
    /// When the last request was said, and whether one was said so late that the node may just have hung up.
    said_us: u64,
    is_stale: bool,
}

/// A client.
#[derive(Debug)]
pub(crate) struct Client {
    me: u32,
    doors: Doors,
    manners: Manners,
    todo: VecDeque<u32>,
    open: VecDeque<u32>,
    line: Option<Line>,
    resume_us: u64,
    buffer: Vec<u8>,
}

impl Client {
    pub(crate) fn new(me: u32, doors: Doors, manners: Manners, todo: VecDeque<u32>, resume_us: u64) -> Self {
        let (open, buffer) = (VecDeque::new(), Vec::new());
        Self { me, doors, manners, todo, open, line: None, resume_us, buffer }
    }

    /// Does what can be done now; false when it has nothing left to do.
    pub(crate) fn step(&mut self, stage: &mut Stage<'_>, wake: &mut Option<u64>) -> bool {
        let Some(mut line) = self.line.take() else { return self.begin(stage, wake) };
        let pipe = line.pipe;
        if stage.pipes.is_reset(pipe, 0) && stage.pipes.readable(pipe, 0) == 0 {
            return self.lose(stage, line, wake);
        }
        if !stage.pipes.get(pipe).stands {
            self.line = Some(line);
            return true;
        }
        if !stage.pipes.is_at_end(pipe, 0) {
            self.ask(stage, &mut line);
        }
        match line.speech.speak(stage.world, stage.pipes, pipe, 0) {
            Spoken::Reset => return self.lose(stage, line, wake),
            Spoken::Resting(until) => *wake = Some(until),
            Spoken::Blocked | Spoken::All | Spoken::Halted => {}
        }
        if self.is_stuck(stage, &mut line, wake) {
            stage.pipes.reset(stage.world, pipe, 0);
            return self.lose(stage, line, wake);
        }
        let listens_on = self.listen(stage, &mut line, wake);
        if !listens_on || (stage.pipes.is_reset(pipe, 0) && stage.pipes.readable(pipe, 0) == 0) {
            return self.lose(stage, line, wake);
        }
        if stage.pipes.is_at_end(pipe, 0) {
            return self.on_fin(stage, line, wake);
        }
        if core::mem::take(&mut line.has_news) {
            *wake = Some(stage.world.now_us + 1);
        } else if self.may_ask(&line) {
            let soon = stage.world.now_us + stage.world.dice.actor.between(1, 20_000);
            *wake = Some(wake.map_or(soon, |at| at.min(soon)));
        }
        let is_said = !line.speech.is_pending() && (self.todo.is_empty() || line.is_last);
        if self.open.is_empty() && (is_said || line.is_closing) {
            stage.pipes.close(stage.world, pipe, 0);
            return self.lose(stage, line, wake);
        }
        self.line = Some(line);
        true
    }

    /// Where it stands, for the report of a run that hangs.
    pub(crate) fn state(&self) -> String {
        let line = self.line.as_ref().map(|line| (line.pipe, line.speech.is_pending(), line.answer.bytes));
        format!("client {} asks {:?}, pipe, pending, read {line:?}, then {:?}", self.me, self.open, self.todo)
    }

    /// Starts a connection when it is time and there is something to ask.
    fn begin(&mut self, stage: &mut Stage<'_>, wake: &mut Option<u64>) -> bool {
        let Some(first) = self.todo.front() else { return false };
        if stage.world.now_us < self.resume_us {
            *wake = Some(self.resume_us);
            return true;
        }
        let is_tcp = stage.book.shape(*first).carries == Carries::Tcp;
        let to = match (is_tcp, self.manners.proxied) {
            (false, 0) => self.doors.http,
            (false, _) => self.doors.http_proxied,
            (true, 0) => self.doors.tcp,
            (true, _) => self.doors.tcp_proxied,
        };
        let habits = stage.setting.habits(&mut stage.world.dice.tcp);
        let pipe = stage.pipes.add(Owner::Actor(self.me), self.manners.address, to, habits);
        stage.world.at(stage.world.now_us + habits.latency_us, Event::Connect(pipe));
        let mut speech = Speech::default();
        self.introduce(&mut speech);
        self.line = Some(Line {
            pipe,
            speech,
            reader: Reader::new(true),
            answer: Answer::default(),
            is_last: false,
            is_closing: false,
            stuck_us: None,
            rest_us: 0,
            finished_early: false,
            has_news: false,
            is_page: false,
            answered: 0,
            said_us: stage.world.now_us,
            is_stale: false,
        });
        true
    }

    fn introduce(&self, speech: &mut Speech) {
        match self.manners.proxied {
            0 => {}
            1 => speech.more().extend_from_slice(b"PROXY TCP4 10.9.0.1 10.0.0.1 4000 80\r\n"),
            _ => {
                let start = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c";
                speech.more().extend_from_slice(start);
                speech.more().extend_from_slice(&[10, 9, 0, 2, 10, 0, 0, 1, 15, 160, 0, 80]);
            }
        }
    }

    fn may_ask(&self, line: &Line) -> bool {
        !line.is_last && !line.is_closing && self.open.len() < self.manners.depth && !self.todo.is_empty()
    }

    /// Says further requests, as many as may wait for their answers.
    fn ask(&mut self, stage: &mut Stage<'_>, line: &mut Line) {
        while self.may_ask(line)
            && let Some(exchange) = self.todo.front().copied()
        {
            let shape = stage.book.shape(exchange);
            if shape.carries == Carries::Tcp && line.answered + self.open.len() > 0 {
                // It needs a connection of its own.
                line.is_last = true;
                return;
            }
            if shape.client_fault != ClientFault::None && !self.open.is_empty() {
                // What it does to the connection must not befall others.
                return;
            }
            self.todo.pop_front();
            self.open.push_back(exchange);
            stage.world.note("client asks", exchange.into(), line.pipe.into());
            line.is_stale |= stage.world.now_us > line.said_us + STALE_US;
            line.said_us = stage.world.now_us;
            self.say(stage, line, exchange, &shape);
        }
    }

    fn say(&mut self, stage: &mut Stage<'_>, line: &mut Line, exchange: u32, shape: &Shape) {
        let from = { line.speech.more().len() };
        stage.book.of(exchange).said += 1;
        match shape.carries {
            Carries::Malformed(row) => line.speech.more().extend_from_slice(REFUSED[row].bytes),
            Carries::Tcp => {
                line.speech.more().extend_from_slice(format!("{exchange:08x}").as_bytes());
                Content::new(exchange, false).append(0, shape.request_bytes, line.speech.more());
                line.reader.set_opaque();
            }
            Carries::WebSocket => {
                push_request(shape, exchange, true, line.speech.more());
            }
            Carries::Http => {
                let head = push_request(shape, exchange, false, line.speech.more());
                if shape.expects {
                    line.speech.stop(from + head, Stop::AwaitContinue(1_000_000));
                }
            }
        }
        let length = line.speech.len() - from;
        line.is_last |= shape.carries != Carries::Http
            || (shape.minor == 1) == shape.closes
            || shape.client_fault != ClientFault::None;
        if self.open.front() == Some(&exchange) {
            line.reader.is_to_head = shape.method == "HEAD" && shape.carries == Carries::Http;
        }
        line.speech.pace(from, from + length, shape.write_pace);
        let at = |share: u32| from + length * share as usize / 1_000;
        match shape.client_fault {
            ClientFault::FinInRequest(share) => line.speech.cut(at(share), Stop::Finish),
            ClientFault::ResetInRequest(share) => line.speech.cut(at(share), Stop::Reset),
            ClientFault::StallInRequest(share) => line.speech.cut(at(share), Stop::Halt),
            ClientFault::StallInAnswer => line.stuck_us = Some(stage.world.now_us + STUCK_US),
            ClientFault::None if shape.carries == Carries::Tcp => self.finish_stream(stage, line, exchange),
            ClientFault::None | ClientFault::ResetInAnswer(_) | ClientFault::FinInAnswer(_) => {}
        }
        if matches!(shape.client_fault, ClientFault::StallInRequest(_)) {
            line.stuck_us = Some(stage.world.now_us + STUCK_US);
        }
    }

    fn finish_stream(&self, stage: &mut Stage<'_>, line: &mut Line, exchange: u32) {
        line.speech.stop(line.speech.len(), Stop::Finish);
        stage.book.of(exchange).client_finished = true;
    }

    /// A client that stands still goes away in the end.
    fn is_stuck(&self, stage: &Stage<'_>, line: &mut Line, wake: &mut Option<u64>) -> bool {
        let Some(until) = line.stuck_us else { return false };
        *wake = Some(wake.map_or(until, |at| at.min(until)));
        stage.world.now_us >= until
    }

    /// Reads what there is; false if this client has cut the connection.
    fn listen(&mut self, stage: &mut Stage<'_>, line: &mut Line, wake: &mut Option<u64>) -> bool {
        while stage.pipes.readable(line.pipe, 0) > 0 {
            let shape = self.open.front().map(|exchange| stage.book.shape(*exchange));
            if shape.is_some_and(|shape| shape.client_fault == ClientFault::StallInAnswer) {
                return true;
            }
            let (piece, rest_us) = shape.map_or((0, 0), |shape| shape.read_pace);
            if piece > 0 && stage.world.now_us < line.rest_us {
                *wake = Some(wake.map_or(line.rest_us, |at| at.min(line.rest_us)));
                return true;
            }
            let most = if piece > 0 { piece } else { stage.world.dice.actor.between(1, 20_000) as usize };
            let mut buffer = core::mem::take(&mut self.buffer);
            stage.pipes.read(stage.world, line.pipe, 0, most, &mut buffer);
            // A piece that a narrow pipe has cut small earns a short rest, or a short answer would take minutes.
            line.rest_us = stage.world.now_us + rest_us * buffer.len() as u64 / most.max(1) as u64;
            line.answer.bytes += buffer.len();
            let goes_on = self.take(stage, line, &buffer);
            self.buffer = buffer;
            if !goes_on || self.cuts(stage, line) {
                return false;
            }
        }
        true
    }

    /// Gives up in the middle of an answer, if the shape says so.
    fn cuts(&self, stage: &mut Stage<'_>, line: &mut Line) -> bool {
        let Some(exchange) = self.open.front() else { return false };
        match stage.book.shape(*exchange).client_fault {
            ClientFault::ResetInAnswer(at) if line.answer.bytes >= at => {
                stage.pipes.reset(stage.world, line.pipe, 0);
                true
            }
            ClientFault::FinInAnswer(at) if line.answer.bytes >= at && !line.finished_early => {
                line.finished_early = true;
                line.speech.cut(0, Stop::Finish);
                false
            }
            _ => false,
        }
    }

    fn take(&mut self, stage: &mut Stage<'_>, line: &mut Line, bytes: &[u8]) -> bool {
        let mut at = 0;
        while at < bytes.len() {
            if self.open.is_empty() && line.is_page {
                // Who is turned away before the method was read gets a body even for HEAD.
                return true;
            }
            if self.open.is_empty() {
                stage.world.violate(|| "a client was sent more than it had asked for".to_owned());
                return false;
            }
            let (taken, got) = line.reader.next(&bytes[at..]);
            let from = at;
            at += taken;
            match got {
                None => {}
                Some(Got::Head(head)) => self.on_head(stage, line, head),
                Some(Got::Data(range)) => {
                    self.on_data(stage, line, &bytes[from + range.start..from + range.end])
                }
                Some(Got::Trailer(value)) => line.answer.trailer = Some(value),
                Some(Got::End) => self.on_whole(stage, line),
                Some(Got::Bad(what)) => {
                    stage.world.violate(|| format!("a client was sent {what} that is none"));
                    return false;
                }
            }
        }
        if let (_, Some(Got::End)) = line.reader.next(&[]) {
            self.on_whole(stage, line);
        }
        true
    }

    fn on_head(&mut self, stage: &mut Stage<'_>, line: &mut Line, head: Box<Head>) {
        let Some(exchange) = self.open.front().copied() else { return };
        let shape = stage.book.shape(exchange);
        line.has_news = true;
        if head.status == 100 {
            line.speech.go_on();
        }
        if (100..200).contains(&head.status) && head.status != 101 {
            return;
        }
        if head.exchange.is_some_and(|other| other != exchange) {
            let other = head.exchange;
            stage.world.violate(|| format!("exchange {exchange} was given the answer to {other:?}"));
        }
        line.is_closing |= head.closes || (head.minor == 0 && !head.keeps);
        // The answer came before the request was whole: what was not said is not said.
        if line.is_closing && line.speech.is_pending() && shape.client_fault == ClientFault::None {
            line.speech.go_on();
        }
        if head.status == 101 && shape.client_fault == ClientFault::None {
            Content::new(exchange, false).append(0, shape.request_bytes, line.speech.more());
            self.finish_stream(stage, line, exchange);
        }
        line.answer.head = Some(head);
    }

    fn on_data(&mut self, stage: &mut Stage<'_>, line: &mut Line, bytes: &[u8]) {
        let Some(exchange) = self.open.front().copied() else { return };
        let is_tcp = stage.book.shape(exchange).carries == Carries::Tcp;
        if is_tcp || line.answer.head.as_ref().is_some_and(|head| head.exchange.is_some()) {
            stage.book.check_bytes(stage.world, exchange, true, line.answer.body, bytes);
        }
        if !is_tcp && line.answer.head.as_ref().is_some_and(|head| head.exchange.is_none()) {
            line.answer.page.extend_from_slice(bytes);
        }
        line.answer.body += bytes.len();
    }

    /// The answer to the first open exchange is whole.
    fn on_whole(&mut self, stage: &mut Stage<'_>, line: &mut Line) {
        let Some(exchange) = self.open.pop_front() else { return };
        let answer = core::mem::take(&mut line.answer);
        let Some(head) = answer.head else { return };
        let shape = stage.book.shape(exchange);
        let is_origins = head.exchange.is_some();
        let due =
            is_origins && shape.trailers && matches!(shape.answer, Framing::Chunked(_)) && head.is_chunked;
        if due && shape.has_answer_body() && answer.trailer != Some(shape.answer_bytes) {
            let seen = answer.trailer;
            stage
                .world
                .violate(|| format!("exchange {exchange}: trailer {seen:?} for {}", shape.answer_bytes));
        }
        line.is_page = !is_origins && (line.answered == 0 || shape.client_fault != ClientFault::None);
        if !answer.page.is_empty() {
            stage.book.on_page(stage.world, exchange, &answer.page);
        }
        stage.book.on_whole(stage.world, exchange, head.status, is_origins, answer.body);
        line.answered += 1;
        if let Some(next) = self.open.front() {
            let shape = stage.book.shape(*next);
            line.reader.is_to_head = shape.method == "HEAD" && shape.carries == Carries::Http;
        }
        if line.is_closing {
            line.is_last = true;
        }
    }

    /// The node has sent FIN and all before it was read.
    fn on_fin(&mut self, stage: &mut Stage<'_>, mut line: Line, wake: &mut Option<u64>) -> bool {
        let Some(exchange) = self.open.front().copied().filter(|_| line.reader.may_end()) else {
            stage.pipes.close(stage.world, line.pipe, 0);
            return self.lose(stage, line, wake);
        };
        let shape = stage.book.shape(exchange);
        let is_opaque = matches!(shape.carries, Carries::Tcp | Carries::WebSocket);
        if !is_opaque {
            self.on_whole(stage, &mut line);
        } else if shape.client_fault == ClientFault::None {
            if line.speech.is_pending() {
                // Half closed: this client goes on with its half.
                if core::mem::take(&mut line.has_news) {
                    *wake = Some(stage.world.now_us + 1);
                }
                self.line = Some(line);
                return true;
            }
            self.open.pop_front();
            stage.book.on_opaque_end(stage.world, exchange, line.answer.body);
        }
        stage.pipes.close(stage.world, line.pipe, 0);
        self.lose(stage, line, wake)
    }

    /// The connection is over: what was not answered is asked again, or has ended.
    fn lose(&mut self, stage: &mut Stage<'_>, line: Line, wake: &mut Option<u64>) -> bool {
        if stage.pipes.owner(line.pipe, 0) != Owner::Nobody {
            stage.pipes.reset(stage.world, line.pipe, 0);
        }
        let mut was_excused = line.is_closing || line.is_stale || !stage.pipes.get(line.pipe).stands;
        let (mut again, mut is_first) = (VecDeque::new(), true);
        // Where a later answer is cut, the reset takes the tail of the one before along.
        let is_taken_along = self
            .open
            .iter()
            .skip(1)
            .any(|exchange| stage.book.shape(*exchange).origin_fault != OriginFault::None);
        if let Some(exchange) = self.open.front().filter(|_| is_taken_along) {
            stage.book.of(*exchange).is_excused = true;
        }
        while let Some(exchange) = self.open.pop_front() {
            let shape = stage.book.shape(exchange);
            let has_begun = is_first && line.answer.bytes > 0;
            is_first = false;
            let entry = stage.book.of(exchange);
            entry.attempts += u8::from(!was_excused);
            entry.tries += 1;
            if shape.client_fault != ClientFault::None {
                stage.book.on_end(stage.world, exchange, End::Aborted);
            } else if has_begun || shape.carries == Carries::Tcp {
                stage.book.on_end(stage.world, exchange, End::Cut);
            } else if entry.attempts >= ATTEMPTS_MAX
                || entry.tries >= TRIES_MAX
                || (entry.must_succeed && !was_excused)
            {
                stage.book.on_end(stage.world, exchange, End::Unanswered);
            } else {
                again.push_back(exchange);
            }
            // What stood behind it had no chance.
            was_excused = true;
        }
        while let Some(exchange) = again.pop_back() {
            self.todo.push_front(exchange);
        }
        self.resume_us = stage.world.now_us + stage.world.dice.actor.between(100, 300_000);
        self.begin(stage, wake)
    }
}
