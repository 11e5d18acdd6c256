//! Scripted origins: one actor per connection that a node makes. It checks what it is asked, and answers, or
//! misbehaves, as the exchange's shape says.

use crate::sim::content::Content;
use crate::sim::fault::Fault;
use crate::sim::message::{host, push_answer, push_switch};
use crate::sim::reader::{Got, Head, Reader};
use crate::sim::shape::{Carries, ClientFault, Framing, GARBAGE, OriginFault, Shape};
use crate::sim::speech::{Speech, Spoken, Stop};
use crate::sim::stage::Stage;

/// How long an origin reads on after its FIN.
const LINGER_US: u64 = 5_000_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// The exchange of a plain stream is not known yet.
    Naming,
    /// Between requests or inside one.
    Asked,
    /// The answer is being said.
    Answering,
    /// Bytes both ways.
    Opaque,
    /// Nothing more is said.
    Ending,
}

/// One connection.
#[derive(Debug)]
pub(crate) struct OriginEnd {
    pipe: u32,
    phase: Phase,
    reader: Reader,
    speech: Speech,
    exchange: Option<u32>,
    is_known: bool,
    read: usize,
    closes: bool,
    /// When an idle or ended connection is closed.
    until_us: Option<u64>,
    name: Vec<u8>,
    /// A PROXY header must come first, and this of it has.
    preface: Option<Vec<u8>>,
    buffer: Vec<u8>,
}

impl OriginEnd {
    pub(crate) fn new(pipe: u32, is_tcp: bool, is_proxied: bool) -> Self {
        Self {
            pipe,
            phase: if is_tcp { Phase::Naming } else { Phase::Asked },
            reader: Reader::new(false),
            speech: Speech::default(),
            exchange: None,
            is_known: false,
            read: 0,
            closes: false,
            until_us: None,
            name: Vec::new(),
            preface: is_proxied.then(Vec::new),
            buffer: Vec::new(),
        }
    }

    /// Does what can be done now; false if the connection is over. `wake` is when to come again at the latest.
    pub(crate) fn step(&mut self, stage: &mut Stage<'_>, wake: &mut Option<u64>) -> bool {
        if stage.pipes.is_reset(self.pipe, 1) {
            stage.pipes.reset(stage.world, self.pipe, 1);
            return false;
        }
        loop {
            match self.speech.speak(stage.world, stage.pipes, self.pipe, 1) {
                Spoken::Reset => return false,
                Spoken::Resting(until) => *wake = Some(until),
                Spoken::Blocked | Spoken::Halted => {}
                Spoken::All => {
                    if !self.on_said(stage) {
                        return false;
                    }
                }
            }
            if stage.pipes.readable(self.pipe, 1) == 0 {
                break;
            }
            let most = stage.world.dice.actor.between(1, 20_000) as usize;
            let mut buffer = core::mem::take(&mut self.buffer);
            stage.pipes.read(stage.world, self.pipe, 1, most, &mut buffer);
            let goes_on = self.take(stage, &buffer);
            self.buffer = buffer;
            if !goes_on {
                return false;
            }
        }
        if stage.pipes.is_at_end(self.pipe, 1) && !self.on_fin(stage) {
            return false;
        }
        self.look_at_clock(stage, wake)
    }

    fn look_at_clock(&mut self, stage: &mut Stage<'_>, wake: &mut Option<u64>) -> bool {
        let Some(until) = self.until_us else { return true };
        if stage.world.now_us >= until {
            stage.book.hits.hit("origin closed an idle connection");
            stage.pipes.close(stage.world, self.pipe, 1);
            return false;
        }
        *wake = Some(wake.map_or(until, |at| at.min(until)));
        true
    }

    /// Everything that there was to say has been said.
    fn on_said(&mut self, stage: &mut Stage<'_>) -> bool {
        if self.phase != Phase::Answering {
            return true;
        }
        if self.closes {
            if let Some(exchange) = self.exchange {
                stage.book.of(exchange).origin_finished = true;
            }
            self.end(stage);
            return true;
        }
        self.phase = Phase::Asked;
        (self.exchange, self.read) = (None, 0);
        if stage.setting.faults.has(Fault::IdleCloses) && stage.world.dice.actor.ppm(500_000) {
            self.until_us = Some(stage.world.now_us + stage.world.dice.actor.below(3_000_000));
        }
        true
    }

    fn end(&mut self, stage: &mut Stage<'_>) {
        self.phase = Phase::Ending;
        stage.pipes.finish(stage.world, self.pipe, 1);
        self.until_us = Some(stage.world.now_us + LINGER_US);
    }

    fn on_fin(&mut self, stage: &mut Stage<'_>) -> bool {
        match (self.phase, self.exchange) {
            (Phase::Opaque, Some(exchange)) => {
                let entry = &*stage.book.of(exchange);
                let (whole, finished, read) = (entry.shape.request_bytes, entry.client_finished, self.read);
                let cuts = entry.shape.client_fault != ClientFault::None
                    || entry.shape.origin_fault != OriginFault::None;
                if !cuts && (read != whole || !finished) {
                    stage.world.violate(|| {
                        format!(
                            "exchange {exchange}: a stream looks whole to its origin with {read} of {whole} B"
                        )
                    });
                }
                if stage.pipes.is_finished(self.pipe, 1) {
                    stage.pipes.close(stage.world, self.pipe, 1);
                    return false;
                }
                true
            }
            // A node that half-closes has cut its request, or is done with us.
            _ => {
                stage.pipes.close(stage.world, self.pipe, 1);
                false
            }
        }
    }

    fn take(&mut self, stage: &mut Stage<'_>, bytes: &[u8]) -> bool {
        let mut at = self.take_preface(stage, bytes);
        if self.phase == Phase::Naming {
            let named = (bytes.len() - at).min(8 - self.name.len());
            self.name.extend_from_slice(&bytes[at..at + named]);
            at += named;
            if self.name.len() < 8 {
                return true;
            }
            self.begin_tcp(stage);
        }
        while at < bytes.len() {
            let (taken, got) = self.reader.next(&bytes[at..]);
            let from = at;
            at += taken;
            match got {
                None => {}
                Some(Got::Head(head)) => self.on_head(stage, &head),
                Some(Got::Data(range)) => self.on_data(stage, &bytes[from + range.start..from + range.end]),
                Some(Got::Trailer(value)) => self.on_trailer(stage, value),
                Some(Got::End) => self.on_whole_request(stage),
                Some(Got::Bad(what)) => {
                    let pipe = self.pipe;
                    stage.world.violate(|| format!("an origin was sent {what} that is none, pipe {pipe}"));
                }
            }
        }
        // A request without a body ends with its head.
        if let (_, Some(Got::End)) = self.reader.next(&[]) {
            self.on_whole_request(stage);
        }
        true
    }

    /// Takes a PROXY header, of either version; how many bytes belong to it.
    fn take_preface(&mut self, stage: &mut Stage<'_>, bytes: &[u8]) -> usize {
        let Some(preface) = &mut self.preface else { return 0 };
        for (index, byte) in bytes.iter().enumerate() {
            preface.push(*byte);
            let is_binary = preface.starts_with(b"\r\n\r\n\0\r\nQUIT\n");
            let is_whole = if is_binary {
                preface.len() > 15 && preface.len() == 16 + usize::from(preface[15])
            } else {
                preface.starts_with(b"PROXY TCP4 10.") && preface.ends_with(b"\r\n")
            };
            if is_whole {
                self.preface = None;
                return index + 1;
            }
        }
        if preface.len() > 300 {
            stage.world.violate(|| "an origin was sent no PROXY header".to_owned());
        }
        bytes.len()
    }

    fn on_head(&mut self, stage: &mut Stage<'_>, head: &Head) {
        if self.phase == Phase::Ending {
            // It came too late: the connection is closing, and what follows belongs to no exchange.
            self.exchange = None;
            return;
        }
        if self.phase != Phase::Asked || self.exchange.is_some() {
            stage.world.violate(|| "an origin was asked again before it had answered".to_owned());
        }
        self.until_us = None;
        self.is_known = head.exchange.is_some_and(|id| (id as usize) < stage.book.exchanges.len());
        self.exchange = head.exchange.filter(|_| self.is_known);
        self.read = 0;
        let Some(exchange) = self.exchange else { return };
        stage.world.note("origin asked", exchange.into(), self.pipe.into());
        stage.book.on_asked(stage.world, exchange);
        let shape = stage.book.shape(exchange);
        let is_right = head.method == shape.method
            && head.host == host(shape.site)
            && head.has_via
            && head.forwarded_for.starts_with("10.")
            && head.minor == 1
            && !head.closes;
        if !is_right {
            let shown = format!("{head:?}");
            stage.world.violate(|| format!("exchange {exchange}: an origin was sent a wrong head: {shown}"));
        }
        if shape.origin_fault == OriginFault::Early {
            self.answer(stage, exchange, &shape);
        } else if head.expects && shape.origin_fault == OriginFault::None && shape.answer_minor == 1 {
            self.speech.more().extend_from_slice(b"HTTP/1.1 100 Continue\r\n\r\n");
        }
    }

    fn on_data(&mut self, stage: &mut Stage<'_>, bytes: &[u8]) {
        if let Some(exchange) = self.exchange {
            stage.book.check_bytes(stage.world, exchange, false, self.read, bytes);
        }
        self.read += bytes.len();
    }

    fn on_trailer(&mut self, stage: &mut Stage<'_>, value: usize) {
        if self.exchange.is_some_and(|exchange| stage.book.shape(exchange).request_bytes != value) {
            stage.world.violate(|| "an origin was sent a wrong trailer".to_owned());
        }
    }

    fn on_whole_request(&mut self, stage: &mut Stage<'_>) {
        let Some(exchange) = self.exchange else { return };
        let shape = stage.book.shape(exchange);
        let (read, whole) = (self.read, shape.request_bytes);
        if read != whole && shape.carries == Carries::Http {
            stage
                .world
                .violate(|| format!("exchange {exchange}: a request looks whole with {read} of {whole} B"));
        }
        if self.phase == Phase::Asked {
            self.answer(stage, exchange, &shape);
        }
    }

    /// The speech for an exchange.
    fn answer(&mut self, stage: &mut Stage<'_>, exchange: u32, shape: &Shape) {
        self.phase = Phase::Answering;
        self.closes = shape.origin_closes || shape.answer == Framing::UntilClose;
        if shape.carries == Carries::WebSocket {
            push_switch(exchange, self.speech.more());
            self.pour(stage, exchange, shape);
        } else {
            let from = self.speech.len();
            push_answer(shape, exchange, self.speech.more());
            self.speech.pace(from, self.speech.len(), shape.answer_pace);
        }
        self.misbehave(stage, shape);
    }

    /// The half of an opaque stream that comes from here.
    fn pour(&mut self, stage: &mut Stage<'_>, exchange: u32, shape: &Shape) {
        self.phase = Phase::Opaque;
        self.reader.set_opaque();
        let from = self.speech.len();
        Content::new(exchange, true).append(0, shape.answer_bytes, self.speech.more());
        self.speech.pace(from, self.speech.len(), shape.answer_pace);
        let speaks_on = matches!(
            shape.origin_fault,
            OriginFault::None | OriginFault::Early | OriginFault::Garbage(_) | OriginFault::ManyInterim
        );
        if speaks_on {
            stage.book.of(exchange).origin_finished = true;
        }
        self.speech.stop(self.speech.len(), Stop::Finish);
    }

    fn misbehave(&mut self, stage: &mut Stage<'_>, shape: &Shape) {
        let is_message = matches!(shape.origin_fault, OriginFault::Garbage(_) | OriginFault::ManyInterim);
        if is_message && self.phase == Phase::Opaque {
            return;
        }
        let from = self.speech.said();
        let at = |share: u32| from + (self.speech.len() - from) * share as usize / 1_000;
        match shape.origin_fault {
            OriginFault::None => return,
            OriginFault::CloseBeforeAnswer => self.speech.cut(from, Stop::Finish),
            OriginFault::ResetBeforeAnswer => self.speech.cut(from, Stop::Reset),
            OriginFault::Never => self.speech.cut(from, Stop::Halt),
            OriginFault::Truncate(share) => self.speech.cut(at(share), Stop::Finish),
            OriginFault::Reset(share) => self.speech.cut(at(share), Stop::Reset),
            OriginFault::Stall(share) => self.speech.cut(at(share), Stop::Halt),
            OriginFault::Garbage(index) => {
                self.speech.cut(from, Stop::Rest(0));
                self.speech.more().extend_from_slice(GARBAGE[index].1);
                self.speech.stop(self.speech.len(), Stop::Halt);
            }
            OriginFault::ManyInterim => {
                self.speech.cut(from, Stop::Rest(0));
                let interim = b"HTTP/1.1 103 Early Hints\r\nLink: </y>\r\n\r\n";
                (0..40).for_each(|_| self.speech.more().extend_from_slice(interim));
                self.speech.stop(self.speech.len(), Stop::Halt);
            }
            OriginFault::Early => self.closes = true,
        }
        stage.book.hits.hit("origin misbehaved");
    }

    fn begin_tcp(&mut self, stage: &mut Stage<'_>) {
        let id = str::from_utf8(&self.name).ok().and_then(|name| u32::from_str_radix(name, 16).ok());
        let known = id.filter(|id| (*id as usize) < stage.book.exchanges.len());
        let Some(exchange) = known else {
            stage.world.violate(|| "a plain stream began with other bytes than its client's".to_owned());
            return;
        };
        stage.world.note("origin stream", exchange.into(), self.pipe.into());
        self.exchange = Some(exchange);
        let shape = stage.book.shape(exchange);
        self.pour(stage, exchange, &shape);
        self.misbehave(stage, &shape);
    }
}
