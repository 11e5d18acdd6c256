//! One thread of the load as a role: places for connections, schedules, timers, counts. What it does with them stands
//! in the sibling files: start (requests leave), receive (answers come), question (DNS), role (the contract with the
//! driver). No socket and no clock but the one it is given.

use crate::load::answer::Known;
use crate::load::desk::Desk;
use crate::load::exchange::Ask;
use crate::load::options::LoadOptions;
use crate::load::place::{Phase, Place};
use crate::load::plan::Plan;
use crate::load::schedule::{Schedule, Share};
use crate::load::tally::{Failure, Tally};
use core::cmp::Reverse;
use core::sync::atomic::{AtomicBool, Ordering};
use dataplane::port::Port;
use dataplane::stdx::prng::Prng;
use dataplane::stdx::wheel::Wheel;
use dataplane::time::{Duration, Instant};
use std::collections::{BinaryHeap, VecDeque};
use std::sync::mpsc::Sender;

/// Bytes of a body made at once.
const SCRATCH_BYTES: usize = 64 << 10;

/// How long a place rests after a connection could not be made: long enough not to hammer a server that is down,
/// short against any restart.
const PAUSE: Duration = Duration::from_millis(10);

/// Timers that are looked at in one go.
const DUE_MAX: usize = 1_024;

/// The span of one tally.
pub(crate) const SECOND: Duration = Duration::from_secs(1);

/// What a thread tells the one that collects.
#[derive(Debug)]
pub(crate) enum Word {
    /// The counts of one second of the run, numbered from 0.
    Second(u64, Box<Tally>),
    /// The thread is done.
    End,
}

/// The part of a crowd that lives on this thread.
#[derive(Debug)]
pub(crate) struct Line {
    /// When its requests start.
    pub(crate) schedule: Schedule,
    /// Places that can take a request; the last was used last, its connection is the warmest.
    pub(crate) free: VecDeque<u32>,
    /// Since when there has been one.
    pub(crate) free_since: Instant,
}

/// The thread's world.
pub(crate) struct Generator<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) options: &'a LoadOptions,
    pub(crate) stop: &'a AtomicBool,
    /// The present; turns of the driver are too long to measure lateness by.
    pub(crate) clock: fn() -> Instant,
    pub(crate) lines: Vec<Line>,
    pub(crate) places: Vec<Place>,
    /// Places that rest, and until when.
    pub(crate) resting: BinaryHeap<Reverse<(Instant, u32)>>,
    pub(crate) wheel: Wheel,
    pub(crate) due: Vec<u64>,
    /// The last head for each template.
    pub(crate) known: Vec<Known>,
    /// What each class has asked for, where it asks in turn.
    pub(crate) turns: Vec<u64>,
    pub(crate) random: Prng,
    /// Requests that may still start.
    pub(crate) left: u64,
    /// Requests without an end.
    pub(crate) outstanding: usize,
    /// After this, requests that are due but found no connection are no longer sent.
    pub(crate) give_up_at: Instant,
    /// When it was first seen that the run is to be broken off.
    pub(crate) stopped_at: Option<Instant>,
    /// When requests that were due could last start: what is due later is nobody's debt.
    pub(crate) open_until: Instant,
    pub(crate) is_over: bool,
    /// When the stop flag is looked at next, at the latest.
    pub(crate) looks_at: Instant,
    pub(crate) tally: Tally,
    pub(crate) listener: Sender<Word>,
    pub(crate) start: Instant,
    /// Which second is being counted.
    pub(crate) second: u64,
    pub(crate) scratch: Box<[u8]>,
    /// How much of a body is queued ahead of the kernel, bytes.
    pub(crate) upload_ahead: usize,
    pub(crate) desk: Desk,
}

/// What a generator is made of.
pub(crate) struct Parts<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) options: &'a LoadOptions,
    pub(crate) stop: &'a AtomicBool,
    pub(crate) clock: fn() -> Instant,
    pub(crate) share: Share,
    pub(crate) start: Instant,
    pub(crate) listener: Sender<Word>,
    pub(crate) upload_ahead: usize,
}

impl<'a> Generator<'a> {
    /// A generator that has done nothing yet.
    pub(crate) fn new(parts: Parts<'a>) -> Self {
        let Parts { plan, options, share, start, .. } = parts;
        let seed = options.seed.wrapping_add(share.index);
        let mut places = Vec::new();
        let mut lines = Vec::new();
        for (index, crowd) in plan.crowds.iter().enumerate() {
            let first = places.len() as u32;
            places.extend((0..share.of(crowd.connections)).map(|_| Place::new(index)));
            let rate = crowd.rate_per_second;
            let schedule =
                Schedule::new(start, rate, crowd.arrivals, options.duration, share, seed ^ index as u64);
            let free = (first..places.len() as u32).rev().collect();
            lines.push(Line { schedule, free, free_since: start });
        }
        places.iter_mut().for_each(|place| place.listed = true);
        let last_start = options.duration.map(|duration| start + duration);
        Self {
            plan,
            options,
            stop: parts.stop,
            clock: parts.clock,
            lines,
            resting: BinaryHeap::with_capacity(places.len()),
            wheel: Wheel::new(places.len()),
            due: Vec::with_capacity(DUE_MAX),
            known: vec![Known::default(); plan.templates.len()],
            turns: vec![seed; plan.classes.len()],
            random: Prng::new(seed),
            left: options.requests.map_or(u64::MAX, |requests| share.of(requests)),
            outstanding: 0,
            give_up_at: last_start.map_or(Instant::from_us(u64::MAX), |last| last + options.timeout),
            stopped_at: None,
            open_until: start,
            is_over: false,
            looks_at: start,
            tally: Tally::new(plan.classes.len()),
            listener: parts.listener,
            start,
            second: 0,
            scratch: vec![0; SCRATCH_BYTES].into_boxed_slice(),
            upload_ahead: parts.upload_ahead,
            desk: Desk::new(places.len(), seed),
            places,
        }
    }

    /// Whether requests that are due may still start.
    pub(crate) fn may_start(&self, now: Instant) -> bool {
        self.left > 0 && now < self.give_up_at && !self.stop.load(Ordering::Relaxed)
    }

    /// The oldest request of a place, out of its queue.
    pub(crate) fn pop(&mut self, place: usize) -> Option<Ask> {
        let ask = self.places[place].waiting.pop_front();
        self.outstanding -= usize::from(ask.is_some());
        ask
    }

    /// Puts a place among the free ones, if it can take a request.
    pub(crate) fn list(&mut self, place: usize, now: Instant) {
        let entry = &mut self.places[place];
        if entry.listed || !entry.can_take(self.options.pipeline) {
            return;
        }
        entry.listed = true;
        let line = &mut self.lines[entry.crowd];
        if line.free.is_empty() {
            line.free_since = now;
        }
        line.free.push_back(place as u32);
    }

    /// A place has no more to do with its last request: it thinks, or takes another.
    pub(crate) fn settle(&mut self, place: usize, now: Instant) {
        let until = self.places[place].rests_until;
        if until > now { self.rest(place, until) } else { self.list(place, now) }
    }

    /// Keeps a place from requests until then; one that is listed is found out when its turn comes.
    pub(crate) fn rest(&mut self, place: usize, until: Instant) {
        let entry = &mut self.places[place];
        entry.rests_until = until;
        if !entry.listed {
            self.resting.push(Reverse((until, place as u32)));
        }
    }

    /// Ends a place's connection, with a reset if asked for.
    pub(crate) fn close(&mut self, place: usize, reset: bool, port: &mut Port) {
        let place = &mut self.places[place];
        place.uploaded = None;
        if place.waiting.is_empty() {
            place.phase = Phase::Idle;
        }
        if let Some(tcp) = place.tcp.take() {
            if reset { port.abort(tcp) } else { port.close(tcp) }
        }
    }

    /// All requests of a place fail for the same reason; the place begins anew.
    pub(crate) fn failed(
        &mut self,
        place: usize,
        failure: Failure,
        words: &str,
        now: Instant,
        port: &mut Port,
    ) {
        let plan = self.plan;
        while let Some(ask) = self.pop(place) {
            let url = &plan.templates[ask.template].url;
            self.tally.failed(ask.class, failure, now, || format!("{url}: {words}"));
        }
        self.close(place, false, port);
        if failure == Failure::Connect {
            self.rest(place, now + PAUSE);
        } else {
            self.list(place, now);
        }
    }

    /// Makes the wheel look after the place's deadline.
    pub(crate) fn arm(&mut self, place: usize) {
        let entry = &mut self.places[place];
        if entry.armed.is_none_or(|armed| entry.deadline < armed) {
            entry.armed = Some(entry.deadline);
            self.wheel.set(entry.deadline, place as u64);
        }
    }

    /// Gives up what has taken too long.
    pub(crate) fn expire(&mut self, now: Instant, port: &mut Port) {
        self.due.clear();
        self.wheel.expire(now, &mut self.due, DUE_MAX);
        for index in 0..self.due.len() {
            let place = self.due[index] as usize;
            let entry = &mut self.places[place];
            if entry.armed.is_some_and(|armed| armed > now) {
                continue;
            }
            entry.armed = None;
            match entry.phase {
                Phase::Idle => {}
                _ if entry.deadline > now => self.arm(place),
                Phase::Ending => {
                    self.close(place, false, port);
                    self.settle(place, now);
                }
                Phase::Connecting | Phase::Busy => {
                    let got = entry.reception.body_bytes();
                    let words = format!("no whole answer in time; {got} body bytes");
                    self.failed(place, Failure::Timeout, &words, now, port);
                }
            }
        }
    }
}
