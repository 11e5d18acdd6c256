//! Requests leave: what is due finds a place, is made, and is queued at its connection.

use crate::load::exchange::{Abort, Ask};
use crate::load::generator::Generator;
use crate::load::place::Phase;
use crate::load::tally::Failure;
use crate::load::target::Reply;
use crate::load::url::Scheme;
use core::cmp::Reverse;
use dataplane::port::{Port, Reading, Token};
use dataplane::time::Instant;

impl Generator<'_> {
    /// Starts what is due, as far as there are free places.
    pub(crate) fn start_due(&mut self, now: Instant, port: &mut Port) {
        while let Some(Reverse((until, place))) = self.resting.peek().copied()
            && until <= now
        {
            self.resting.pop();
            self.list(place as usize, now);
        }
        for line in 0..self.lines.len() {
            self.start_line(line, now, port);
        }
    }

    fn start_line(&mut self, number: usize, now: Instant, port: &mut Port) {
        let is_open_loop = self.lines[number].schedule.is_open_loop();
        while let Some(place) = self.lines[number].free.back().copied() {
            let now = if is_open_loop { (self.clock)() } else { now };
            if !self.may_start(now) {
                return;
            }
            let entry = &mut self.places[place as usize];
            if entry.rests_until > now {
                self.lines[number].free.pop_back();
                entry.listed = false;
                self.resting.push(Reverse((entry.rests_until, place)));
                continue;
            }
            let line = &mut self.lines[number];
            let Some(intended) = line.schedule.next(now) else { return };
            if is_open_loop {
                // A request that had to wait for a connection is not late by our fault.
                self.tally.started_late(now.us_since(intended.max(line.free_since)));
            }
            line.free.pop_back();
            self.left -= 1;
            self.start(place as usize, intended, now, port);
        }
    }

    fn start(&mut self, place: usize, intended: Instant, now: Instant, port: &mut Port) {
        self.places[place].listed = false;
        let ask = self.choose(self.places[place].crowd, intended);
        let plan = self.plan;
        let host = &plan.hosts[plan.templates[ask.template].host];
        self.outstanding += 1;
        let give_up_at = now + self.options.timeout;
        let target = ask.target(&plan.templates);
        let needs_new = target.reply == Reply::Bulk;
        let entry = &mut self.places[place];
        if entry.waiting.is_empty() {
            entry.reception.reset(target);
            entry.deadline = give_up_at;
        }
        entry.waiting.push_back(ask);
        if host.scheme == Scheme::Dns {
            entry.phase = Phase::Busy;
            self.arm(place);
            return self.ask_nameserver(place, port);
        }
        if !entry.leads_to(host.address) || needs_new {
            self.close(place, false, port);
            let entry = &mut self.places[place];
            entry.tcp = port.connect(host.address, Token(place as u64));
            (entry.phase, entry.address, entry.has_read_end) = (Phase::Connecting, host.address, false);
            let Some(tcp) = entry.tcp else {
                return self.failed(place, Failure::Connect, "the table of connections is full", now, port);
            };
            port.read(tcp, Reading::Small);
        } else if entry.phase == Phase::Idle {
            entry.phase = Phase::Busy;
        }
        self.arm(place);
        if !self.write(place, port) {
            return self.failed(place, Failure::Connect, "no room in the send buffers", now, port);
        }
        let entry = &mut self.places[place];
        if entry.can_take(self.options.pipeline) {
            entry.listed = true;
            self.lines[entry.crowd].free.push_front(place as u32);
        }
    }

    /// Chooses what a crowd asks next.
    fn choose(&mut self, crowd: usize, intended: Instant) -> Ask {
        let plan = self.plan;
        let crowd = &plan.crowds[crowd];
        let class = match crowd.classes[..] {
            [(only, _)] => only,
            _ => {
                let all = crowd.classes.last().map_or(1, |(_, sum)| *sum);
                let at = self.random.below(all);
                crowd.classes[crowd.classes.partition_point(|(_, sum)| *sum <= at)].0
            }
        };
        let of = &plan.classes[class];
        let object = of.popularity.choose(&mut self.turns[class], &mut self.random);
        let urls = of.templates.len() as u64;
        let (url, rank) = match (of.has_ranks, urls) {
            (true, 1) => (0, object + 1),
            (true, _) => (self.random.below(urls), object + 1),
            (false, _) => (object, 1),
        };
        let template = of.templates.start + url as usize;
        let made = match &plan.templates[template].fixed {
            Some(_) => None,
            None => Some(Box::new(plan.templates[template].make(rank, &mut self.random))),
        };
        let mut ask = Ask { class, template, made, intended, abort: Abort::Never };
        if self.options.abort_ppm > 0 {
            let target = ask.target(&plan.templates);
            if let Reply::Http(_) = target.reply {
                ask.abort = Abort::draw(&mut self.random, self.options.abort_ppm, target);
            }
        }
        ask
    }

    /// Queues the newest request of a place; false if the port has no room.
    fn write(&mut self, place: usize, port: &mut Port) -> bool {
        let templates = &self.plan.templates;
        let entry = &mut self.places[place];
        let (Some(tcp), Some(ask)) = (entry.tcp, entry.waiting.back()) else { return false };
        let target = ask.target(templates);
        let limit = abort_limit(ask.abort).min(target.head.len() as u64) as usize;
        if limit > 0 && !port.write(tcp, &target.head[..limit]) {
            return false;
        }
        if target.upload.is_some() || matches!(ask.abort, Abort::Sent(_)) {
            entry.uploaded = Some(0);
            self.upload(place, port);
        }
        true
    }

    /// Queues more of a body, as much as is wanted ahead of the kernel.
    pub(crate) fn upload(&mut self, place: usize, port: &mut Port) {
        let Self { plan, places, scratch, tally, upload_ahead, .. } = self;
        let entry = &mut places[place];
        let (Some(tcp), Some(ask), Some(mut at)) = (entry.tcp, entry.waiting.back(), entry.uploaded) else {
            return;
        };
        let target = ask.target(&plan.templates);
        let end = abort_limit(ask.abort).min(target.request_bytes()).saturating_sub(target.head.len() as u64);
        while at < end && port.queued_bytes(tcp) < *upload_ahead {
            let room = (*upload_ahead - port.queued_bytes(tcp)).min(scratch.len());
            let count = (end - at).min(room as u64) as usize;
            let Some(body) = &target.upload else { break };
            body.fill(at, &mut scratch[..count]);
            if !port.write(tcp, &scratch[..count]) {
                break;
            }
            tally.of(ask.class).uploaded_bytes += body.data_before(at + count as u64) - body.data_before(at);
            at += count as u64;
        }
        entry.uploaded = Some(at);
        if at < end {
            port.notify_at(tcp, *upload_ahead / 2);
        } else if let Abort::Sent(_) = ask.abort {
            port.notify_at(tcp, 0);
        } else {
            entry.uploaded = None;
            if target.reply == Reply::Bulk {
                port.finish(tcp);
            }
        }
    }

    /// The kernel has taken what was queued: more of the body, or the end that was drawn for it.
    pub(crate) fn wrote(&mut self, place: usize, now: Instant, port: &mut Port) {
        let entry = &self.places[place];
        let Some(tcp) = entry.tcp else { return };
        let is_due = entry.waiting.back().is_some_and(|ask| matches!(ask.abort, Abort::Sent(_)));
        if is_due && port.queued_bytes(tcp) == 0 && self.is_queued(place) {
            return self.abort(place, now, port);
        }
        self.upload(place, port);
    }

    /// Whether all that is to be sent of the newest request has been queued.
    fn is_queued(&self, place: usize) -> bool {
        let entry = &self.places[place];
        let Some(ask) = entry.waiting.back() else { return true };
        let target = ask.target(&self.plan.templates);
        let end = abort_limit(ask.abort).min(target.request_bytes()).saturating_sub(target.head.len() as u64);
        entry.uploaded.is_none_or(|at| at >= end)
    }

    /// Cuts a request off, as was drawn for it.
    pub(crate) fn abort(&mut self, place: usize, now: Instant, port: &mut Port) {
        if let Some(ask) = self.pop(place) {
            self.tally.aborted(ask.class, now);
        }
        self.close(place, true, port);
        self.list(place, now);
    }
}

/// How many bytes of a request may be sent.
fn abort_limit(abort: Abort) -> u64 {
    match abort {
        Abort::Sent(after) => after,
        Abort::Never | Abort::Received(_) => u64::MAX,
    }
}
