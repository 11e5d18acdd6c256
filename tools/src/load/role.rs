//! The generator as the driver sees it.

use crate::load::generator::{Generator, SECOND, Word};
use core::cmp::Reverse;
use core::sync::atomic::Ordering;
use dataplane::port::{Input, Port, Role};
use dataplane::time::{Duration, Instant};

/// How often the stop flag is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// How long a run that is broken off waits for what is under way.
const GRACE: Duration = Duration::from_millis(500);

impl Role for Generator<'_> {
    fn handle(&mut self, now: Instant, input: Input<'_>, port: &mut Port) {
        match input {
            Input::Connected { token, .. } => self.connected(token.0 as usize),
            Input::Read { token, bytes, .. } => self.received(token.0 as usize, bytes, now, port),
            Input::ReadEnd { token, .. } => self.ended(token.0 as usize, now, port),
            Input::Wrote { token, .. } => self.wrote(token.0 as usize, now, port),
            Input::Failed { token, failure, .. } => self.lost(token.0 as usize, failure, now, port),
            Input::Datagrams { from, segment_bytes, bytes, .. } => {
                self.heard(from, segment_bytes, bytes, now, port);
            }
            Input::Accepted { .. } | Input::Tick => {}
        }
    }

    fn flush(&mut self, now: Instant, port: &mut Port) {
        if self.is_over {
            return;
        }
        if self.wheel.deadline().is_some_and(|deadline| deadline <= now) {
            self.expire(now, port);
        }
        self.start_due(now, port);
        if !self.stop.load(Ordering::Relaxed) {
            self.open_until = now;
        }
        self.looks_at = now + LOOK_EVERY;
        if now >= self.second_end() {
            self.tell_second();
        }
        if self.stopped_at.is_none() && self.stop.load(Ordering::Relaxed) {
            self.stopped_at = Some(now);
        }
        let is_cut = self.stopped_at.is_some_and(|stopped| now >= stopped + GRACE);
        if is_cut || self.outstanding == 0 && !self.has_more(now) {
            self.finish();
        }
    }

    fn deadline(&self) -> Option<Instant> {
        let mut next = self.second_end().min(self.looks_at);
        if let Some(deadline) = self.wheel.deadline() {
            next = next.min(deadline);
        }
        if let Some(Reverse((until, _))) = self.resting.peek() {
            next = next.min(*until);
        }
        if self.left > 0 && self.stopped_at.is_none() {
            // A closed loop has started by now whatever it could.
            let open = self.lines.iter().filter(|line| line.schedule.is_open_loop() && !line.free.is_empty());
            next = open.filter_map(|line| line.schedule.due_at(Instant::ORIGIN)).fold(next, Instant::min);
        }
        Some(next)
    }

    fn may_sleep(&mut self) -> bool {
        true
    }

    fn awake(&mut self) {}

    fn is_finished(&self) -> bool {
        self.is_over
    }
}

impl Generator<'_> {
    fn second_end(&self) -> Instant {
        self.start + SECOND * (self.second as u32 + 1)
    }

    /// Whether another request may ever start.
    fn has_more(&self, now: Instant) -> bool {
        self.may_start(now) && self.lines.iter().any(|line| line.schedule.due_at(now).is_some())
    }

    fn tell_second(&mut self) {
        let tally = self.tally.take();
        self.say(Word::Second(self.second, Box::new(tally)));
        self.second += 1;
    }

    fn finish(&mut self) {
        self.is_over = true;
        if let Some(stopped) = self.stopped_at {
            self.tally.ended(stopped);
        }
        self.count_unsent();
        for place in &self.places {
            for ask in &place.waiting {
                self.tally.classes[ask.class].counts.unfinished += 1;
            }
        }
        self.tell_second();
        self.say(Word::End);
    }

    /// What was due while it could start, and never did, by class as the weights have it.
    fn count_unsent(&mut self) {
        for (line, crowd) in self.lines.iter().zip(&self.plan.crowds) {
            let unsent = line.schedule.overdue(self.open_until, self.left);
            let all = crowd.classes.last().map_or(1, |(_, sum)| *sum).max(1);
            let mut counted = 0;
            for (class, sum) in &crowd.classes {
                let until = unsent * sum / all;
                self.tally.classes[*class].counts.unsent += until - counted;
                counted = until;
            }
        }
    }

    /// Whoever collects may be gone: then nobody wants to know.
    fn say(&self, word: Word) {
        let _ = self.listener.send(word);
    }
}
