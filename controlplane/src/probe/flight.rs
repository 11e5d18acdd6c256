//! One probe under way: its name, its connection, its TLS, its dialogue, each phase timed. Driven by readiness; ends with an
//! outcome, at its time-out at the latest.
//!
//! ```text
//! Naming ──► Connecting ──► Securing ──► Talking ──► outcome
//!    ▲           (UDP: straight to Talking)  │
//!    └────────────── redirect ───────────────┘
//! ```

use crate::probe::limits::NAME_TRY;
use crate::probe::names::Names;
use crate::probe::outcome::{Cause, Failure, Outcome, Phases, Seen};
use crate::probe::step::Step;
use crate::probe::talk::{KnockKeys, Talk};
use crate::probe::target::Target;
use crate::probe::tls::Authorities;
use crate::probe::url::{Kind, Url};
use crate::probe::wire::{Got, Wire};
use crate::resolve::answer::{Answer, Reading, read_answer};
use crate::resolve::question::{Family, Question};
use core::net::{IpAddr, SocketAddr};
use dataplane::reactor::clock;
use dataplane::stdx::prng::Prng;
use dataplane::time::{Duration, Instant};
use mio::{Registry, Token};
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

/// What all probes share.
#[derive(Debug)]
pub struct World<'w> {
    /// Where sockets are registered.
    pub registry: &'w Registry,
    /// Names that are known.
    pub names: &'w mut Names,
    /// Authorities by their file; `None` is the system's.
    pub authorities: &'w HashMap<Option<PathBuf>, Authorities>,
    /// Keys for back-ends.
    pub keys: Option<&'w KnockKeys>,
    /// Numbers for questions.
    pub random: &'w mut Prng,
    /// Room to read into.
    pub buffer: &'w mut [u8],
    /// The time.
    pub now: Instant,
}

/// Which socket of a probe is ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ready {
    /// The first one.
    First,
    /// That of the content.
    Content,
}

#[derive(Debug)]
enum Stage {
    Naming(Naming),
    Connecting(Wire),
    Securing(Wire),
    Talking(Wire, Talk),
    Over,
}

#[derive(Debug)]
struct Naming {
    wire: Wire,
    question: Question,
    tries: usize,
}

/// The probe.
#[derive(Debug)]
pub struct Flight {
    target: Arc<Target>,
    url: Url,
    peer: Option<IpAddr>,
    redirects: u8,
    tokens: (Token, Token),
    started: Instant,
    phase_at: Instant,
    phases: Phases,
    /// When something is said again that may have been lost: a question, an INIT.
    again_at: Option<Instant>,
    deadline: Instant,
    stage: Stage,
    content: Option<Wire>,
}

/// What was seen and how it is judged, once it is over.
type Done = Option<(Seen, Result<(), Failure>)>;
/// The same of one that is over, or what broke it off.
type Ended = Result<(Seen, Result<(), Failure>), Failure>;

impl Flight {
    /// Begins a probe whose sockets have these tokens.
    pub fn begin(
        target: Arc<Target>,
        tokens: (Token, Token),
        world: &mut World<'_>,
    ) -> (Self, Option<Outcome>) {
        let now = world.now;
        let mut flight = Self {
            url: target.url.clone(),
            peer: None,
            redirects: 0,
            tokens,
            started: now,
            phase_at: now,
            phases: Phases::default(),
            again_at: None,
            deadline: now + target.pace.timeout,
            stage: Stage::Over,
            content: None,
            target,
        };
        let outcome = flight.find(world).err().map(|failure| flight.outcome(Err(failure)));
        (flight, outcome)
    }

    /// When it wants to be woken.
    pub fn deadline(&self) -> Instant {
        self.again_at.map_or(self.deadline, |again_at| again_at.min(self.deadline))
    }

    /// Its time is over, or something is to be said again.
    pub fn wake(&mut self, world: &mut World<'_>) -> Option<Outcome> {
        let now = world.now;
        if now >= self.deadline {
            let what = format!(
                "nothing whole within {} ms: {}",
                self.target.pace.timeout.as_millis(),
                self.waits_for()
            );
            return Some(self.outcome(Err(Failure::new(Cause::TimeOut, what))));
        }
        if self.again_at.is_some_and(|again_at| now >= again_at) {
            self.again_at = Some(now + NAME_TRY);
            let said = match &mut self.stage {
                Stage::Naming(naming) => {
                    let (family, tries) = (naming.question.family(), naming.tries + 1);
                    self.ask(family, tries, world)
                }
                Stage::Talking(wire, Talk::Dns(question)) => wire.send(question.bytes()),
                Stage::Talking(wire, Talk::Tmp(knock)) => wire.send(knock.datagram()),
                _ => Ok(()),
            };
            return said.err().map(|failure| self.outcome(Err(failure)));
        }
        None
    }

    /// Goes on after a socket became ready.
    pub fn advance(&mut self, ready: Ready, world: &mut World<'_>) -> Option<Outcome> {
        let ended = match ready {
            Ready::First => self.advance_first(world),
            Ready::Content => self.advance_content(world),
        };
        match ended {
            Ok(None) => None,
            Ok(Some(done)) => Some(self.outcome(Ok(done))),
            Err(failure) => Some(self.outcome(Err(failure))),
        }
    }

    fn waits_for(&self) -> &'static str {
        match &self.stage {
            Stage::Naming(_) => "no answer about its name",
            Stage::Connecting(_) => "no connection",
            Stage::Securing(_) => "no end of the TLS handshake",
            Stage::Talking(..) if self.phases.first_byte_us == 0 => "no answer",
            Stage::Talking(..) => "the answer did not end",
            Stage::Over => "nothing to wait for",
        }
    }

    /// Ends the running phase. By the clock and not by the turn's time: a quick peer answers within the turn.
    fn phase(&mut self) -> u32 {
        let now = clock::now();
        let span_us = now.us_since(self.phase_at);
        self.phase_at = now;
        u32::try_from(span_us).unwrap_or(u32::MAX)
    }

    fn outcome(&mut self, ended: Ended) -> Outcome {
        let certificate_until_s = match &self.stage {
            Stage::Securing(wire) | Stage::Talking(wire, _) => wire.certificate_until_s(),
            _ => None,
        };
        self.phases.total_us = u32::try_from(clock::now().us_since(self.started)).unwrap_or(u32::MAX);
        (self.stage, self.content) = (Stage::Over, None);
        let (mut seen, judged) = ended.unwrap_or_else(|failure| (Seen::default(), Err(failure)));
        seen.certificate_until_s = certificate_until_s;
        Outcome { phases: self.phases, seen, failure: judged.err() }
    }

    /// Finds the address of the URL's host, or asks for it.
    fn find(&mut self, world: &mut World<'_>) -> Result<(), Failure> {
        match world.names.known(&self.url.host, world.now) {
            Some(address) => {
                // Nobody was asked: what this took belongs to no phase.
                let _nothing = self.phase();
                self.connect(address, world)
            }
            None => {
                self.again_at = Some(world.now + NAME_TRY);
                self.ask(Family::V4, 0, world)
            }
        }
    }

    fn ask(&mut self, family: Family, tries: usize, world: &mut World<'_>) -> Result<(), Failure> {
        let servers = world.names.servers();
        let host = &self.url.host;
        let question = Question::new(host, family, world.random.next_u64() as u16)
            .ok_or_else(|| Failure::new(Cause::Name, format!("{host:?} is no name of a host")))?;
        let server = servers.get(tries % servers.len().max(1));
        let server = *server.ok_or_else(|| Failure::new(Cause::Name, "there is no name server to ask"))?;
        let mut wire = Wire::udp(server, world.registry, self.tokens.0)?;
        wire.send(question.bytes())?;
        self.stage = Stage::Naming(Naming { wire, question, tries });
        Ok(())
    }

    fn connect(&mut self, address: IpAddr, world: &mut World<'_>) -> Result<(), Failure> {
        self.again_at = None;
        self.peer = Some(address);
        let to = SocketAddr::new(address, self.url.port);
        match self.url.kind {
            Kind::Dns | Kind::Tmp => {
                self.again_at = Some(world.now + NAME_TRY);
                let wire = Wire::udp(to, world.registry, self.tokens.0)?;
                self.talk(wire, world).map(drop)
            }
            _ => {
                self.stage = Stage::Connecting(Wire::tcp(to, world.registry, self.tokens.0)?);
                Ok(())
            }
        }
    }

    /// Begins the dialogue; what it comes to, if a ready socket is the answer.
    fn talk(&mut self, mut wire: Wire, world: &mut World<'_>) -> Result<Done, Failure> {
        let mut out = Vec::new();
        let peer = self.peer.unwrap_or(IpAddr::V4(core::net::Ipv4Addr::UNSPECIFIED));
        let talk =
            Talk::begin(&self.target, (&self.url, peer, self.redirects), world.keys, world.random, &mut out)?;
        if talk.is_over_at_once() {
            return Ok(Some((Seen::default(), Ok(()))));
        }
        if !out.is_empty() {
            wire.send(&out)?;
        }
        self.stage = Stage::Talking(wire, talk);
        Ok(None)
    }

    fn advance_first(&mut self, world: &mut World<'_>) -> Result<Done, Failure> {
        loop {
            match core::mem::replace(&mut self.stage, Stage::Over) {
                Stage::Naming(naming) => return self.named(naming, world).map(|()| None),
                Stage::Connecting(wire) => {
                    if !wire.is_connected()? {
                        self.stage = Stage::Connecting(wire);
                        return Ok(None);
                    }
                    self.phases.connect_us += self.phase();
                    if let Some(done) = self.connected(wire, world)? {
                        return Ok(Some(done));
                    }
                }
                Stage::Securing(wire) => {
                    // Kept in its place, so that a certificate that was seen is told even when it is refused.
                    self.stage = Stage::Securing(wire);
                    let Stage::Securing(wire) = &mut self.stage else { return Ok(None) };
                    if !wire.is_secure()? {
                        return Ok(None);
                    }
                    self.phases.tls_us += self.phase();
                    if let Stage::Securing(wire) = core::mem::replace(&mut self.stage, Stage::Over) {
                        self.talk(wire, world)?;
                    }
                }
                Stage::Talking(wire, talk) => {
                    self.stage = Stage::Talking(wire, talk);
                    return self.listen(world);
                }
                Stage::Over => return Ok(None),
            }
        }
    }

    fn connected(&mut self, mut wire: Wire, world: &mut World<'_>) -> Result<Done, Failure> {
        if self.url.kind != Kind::Https {
            return self.talk(wire, world);
        }
        let authorities = world.authorities.get(&self.target.authorities);
        let authorities =
            authorities.ok_or_else(|| Failure::new(Cause::Local, "no authorities were read"))?;
        let name = self.target.host.as_deref().filter(|_| self.url.host == self.target.url.host);
        let name =
            name.map_or(self.url.host.as_str(), |host| host.rsplit_once(':').map_or(host, |(host, _)| host));
        wire.secure(authorities.begin(name, self.target.is_verified)?);
        self.stage = Stage::Securing(wire);
        Ok(None)
    }

    /// Reads what a name server says.
    fn named(&mut self, mut naming: Naming, world: &mut World<'_>) -> Result<(), Failure> {
        loop {
            let bytes = match naming.wire.read(world.buffer) {
                Ok(Got::Bytes(bytes)) => bytes,
                Ok(Got::Nothing | Got::End) => {
                    self.stage = Stage::Naming(naming);
                    return Ok(());
                }
                // Nobody is there: the next server's turn, at once.
                Err(_) if naming.tries + 1 < world.names.servers().len() => {
                    return self.ask(naming.question.family(), naming.tries + 1, world);
                }
                Err(failure) => {
                    return Err(Failure::new(Cause::Name, format!("no name server answers: {failure}")));
                }
            };
            let host = self.url.host.clone();
            match read_answer(&naming.question, &world.buffer[..bytes]) {
                Reading::Foreign => {}
                Reading::Answer(Answer::Addresses { addresses, ttl_s }) => {
                    let Some(address) = addresses.first() else { continue };
                    self.phases.name_us += self.phase();
                    world.names.learn(&host, *address, ttl_s, world.now);
                    return self.connect(*address, world);
                }
                Reading::Answer(Answer::Nothing) if naming.question.family() == Family::V4 => {
                    return self.ask(Family::V6, naming.tries, world);
                }
                Reading::Answer(Answer::Nothing) => {
                    return Err(Failure::new(Cause::Name, format!("{host} has no address")));
                }
                Reading::Answer(Answer::Failed) | Reading::Truncated => {
                    return Err(Failure::new(
                        Cause::Name,
                        format!("the name server could not tell about {host}"),
                    ));
                }
            }
        }
    }

    /// Reads what the target says, until there is nothing more or it is over.
    fn listen(&mut self, world: &mut World<'_>) -> Result<Done, Failure> {
        loop {
            let Stage::Talking(wire, talk) = &mut self.stage else { return Ok(None) };
            wire.flush()?;
            let mut out = Vec::new();
            let step = match wire.read(world.buffer)? {
                Got::Nothing => return Ok(None),
                Got::End => talk.end(&self.target),
                Got::Bytes(bytes) => {
                    if self.phases.first_byte_us == 0 {
                        let span_us = clock::now().us_since(self.phase_at).max(1);
                        self.phases.first_byte_us = u32::try_from(span_us).unwrap_or(u32::MAX);
                    }
                    talk.take(&self.target, &self.url, &world.buffer[..bytes], &mut out)
                }
            };
            if !out.is_empty() {
                wire.send(&out)?;
            }
            if let Some(done) = self.step(step, world)? {
                return Ok(Some(done));
            }
        }
    }

    fn advance_content(&mut self, world: &mut World<'_>) -> Result<Done, Failure> {
        loop {
            let (Some(content), Stage::Talking(_, talk)) = (&mut self.content, &mut self.stage) else {
                return Ok(None);
            };
            if !content.is_connected()? {
                return Ok(None);
            }
            let step = match content.read(world.buffer)? {
                Got::Nothing => return Ok(None),
                Got::End => {
                    self.content = None;
                    talk.take_content(&self.target, &[])
                }
                Got::Bytes(bytes) => talk.take_content(&self.target, &world.buffer[..bytes]),
            };
            if let Some(done) = self.step(step, world)? {
                return Ok(Some(done));
            }
        }
    }

    /// A redirect to the name by which this very machine is asked stays with it, wherever else that name leads.
    fn at_home(&self, url: Url) -> Url {
        let own =
            self.target.host.as_deref().map(|host| host.rsplit_once(':').map_or(host, |(host, _)| host));
        if url.kind == self.target.url.kind && own.is_some_and(|own| own.eq_ignore_ascii_case(&url.host)) {
            return Url { host: self.target.url.host.clone(), port: self.target.url.port, ..url };
        }
        url
    }

    fn step(&mut self, step: Step, world: &mut World<'_>) -> Result<Done, Failure> {
        match step {
            Step::More => Ok(None),
            Step::Done(seen, judged) => Ok(Some((seen, judged))),
            Step::Content(to) => {
                self.content = Some(Wire::tcp(to, world.registry, self.tokens.1)?);
                Ok(None)
            }
            Step::Follow(url) => {
                self.redirects += 1;
                self.url = self.at_home(url);
                self.phase_at = clock::now();
                self.phases.first_byte_us = 0;
                self.stage = Stage::Over;
                self.find(world).map(|()| None)
            }
        }
    }
}

/// Pause between two looks of a prober that has nothing to do.
pub const IDLE: Duration = Duration::from_millis(250);
