//! What a scripted client or origin has to say: bytes, and what happens at certain offsets on the way.

use std::collections::VecDeque;

use crate::sim::pipe::Pipes;
use crate::sim::world::World;

/// What happens when the bytes before an offset have been written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// Nothing for so many µs.
    Rest(u64),
    /// Nothing until `go_on` is called, or this time has passed.
    AwaitContinue(u64),
    /// FIN; nothing follows.
    Finish,
    /// A reset.
    Reset,
    /// Nothing ever.
    Halt,
}

/// How far a call of `speak` came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Spoken {
    /// The pipe is full.
    Blocked,
    /// Nothing before this time, in µs.
    Resting(u64),
    /// Everything was said.
    All,
    /// The connection was reset and let go of.
    Reset,
    /// Nothing will be said any more.
    Halted,
}

/// Bytes and stops.
#[derive(Debug, Default)]
pub(crate) struct Speech {
    bytes: Vec<u8>,
    said: usize,
    stops: VecDeque<(usize, Stop)>,
    until_us: u64,
    halted: bool,
}

impl Speech {
    /// Room for more bytes, behind all that is there.
    pub(crate) fn more(&mut self) -> &mut Vec<u8> {
        if self.said == self.bytes.len() && self.stops.is_empty() {
            self.bytes.clear();
            self.said = 0;
        }
        &mut self.bytes
    }

    /// Bytes in it, said or not: the offset of what comes next.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// How many bytes have been said.
    pub(crate) fn said(&self) -> usize {
        self.said
    }

    /// Whether something is still to be said or done.
    pub(crate) fn is_pending(&self) -> bool {
        self.said < self.bytes.len() || !self.stops.is_empty()
    }

    /// Adds a stop; stops are added in the order of their offsets.
    pub(crate) fn stop(&mut self, at: usize, stop: Stop) {
        let at = self.stops.back().map_or(at, |(last, _)| at.max(*last));
        self.stops.push_back((at, stop));
    }

    /// Adds rests of `rest_us` each `piece` bytes between two offsets.
    pub(crate) fn pace(&mut self, from: usize, to: usize, (piece, rest_us): (usize, u64)) {
        if piece > 0 {
            (from..to).step_by(piece).skip(1).for_each(|at| self.stop(at, Stop::Rest(rest_us)));
        }
    }

    /// Drops all stops and bytes behind an offset and puts one last stop there.
    pub(crate) fn cut(&mut self, at: usize, stop: Stop) {
        let at = at.max(self.said);
        self.stops.retain(|(offset, _)| *offset < at);
        self.bytes.truncate(at);
        self.stops.push_back((at, stop));
    }

    /// Ends a wait for 100-continue.
    pub(crate) fn go_on(&mut self) {
        self.until_us = 0;
    }

    /// Says what can be said now.
    pub(crate) fn speak(&mut self, world: &mut World, pipes: &mut Pipes, pipe: u32, end: u8) -> Spoken {
        loop {
            if self.halted {
                return Spoken::Halted;
            }
            if world.now_us < self.until_us {
                return Spoken::Resting(self.until_us);
            }
            let limit = self.stops.front().map_or(self.bytes.len(), |(at, _)| *at);
            while self.said < limit {
                let count = pipes.write(world, pipe, end, &self.bytes[self.said..limit]);
                if count == 0 {
                    return Spoken::Blocked;
                }
                self.said += count;
            }
            let Some((_, stop)) = self.stops.pop_front() else { return Spoken::All };
            match stop {
                Stop::Rest(us) | Stop::AwaitContinue(us) => self.until_us = world.now_us + us,
                Stop::Finish => {
                    pipes.finish(world, pipe, end);
                    self.halted = true;
                }
                Stop::Reset => {
                    pipes.reset(world, pipe, end);
                    return Spoken::Reset;
                }
                Stop::Halt => self.halted = true,
            }
        }
    }
}
