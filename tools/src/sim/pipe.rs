//! TCP connections as pairs of byte pipes with latency and finite buffers. What one end writes arrives at the
//! other in order, in pieces, late; a FIN keeps its place, a reset may overtake.
//!
//! ```text
//!   writer ─► bytes: |arrived, unread│in flight| ─► reader        capacity bounds both together
//! ```
//! Like a kernel: closing with unread bytes, or being sent bytes after closing, makes a reset.

use core::net::SocketAddr;
use std::collections::VecDeque;

use crate::sim::world::{Event, World};

/// Who is told about an end of a pipe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    /// Nobody any more, or not yet.
    Nobody,
    /// A worker's connection in this slot of its table.
    Worker(u16, u32),
    /// A scripted client or origin.
    Actor(u32),
}

/// How a pipe behaves.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Habits {
    pub(crate) latency_us: u64,
    pub(crate) jitter_us: u64,
    pub(crate) capacity_bytes: usize,
    /// Chance that a write is taken short, in a million.
    pub(crate) short_ppm: u32,
}

#[derive(Clone, Copy, Debug)]
enum Mark {
    Bytes(usize),
    Fin,
}

/// One direction.
#[derive(Debug, Default)]
struct Half {
    bytes: VecDeque<u8>,
    arrived: usize,
    marks: VecDeque<(u64, Mark)>,
    last_us: u64,
    fin_sent: bool,
    fin_arrived: bool,
    reset_sent: bool,
    reset_arrived: bool,
    reader_gone: bool,
    writer_waits: bool,
}

/// One connection.
#[derive(Debug)]
pub(crate) struct Pipe {
    pub(crate) owners: [Owner; 2],
    /// Who dials, and whom.
    pub(crate) addresses: [SocketAddr; 2],
    pub(crate) habits: Habits,
    /// Both sides know that it stands.
    pub(crate) stands: bool,
    halves: [Half; 2],
}

/// All connections of a run; their numbers are not used again.
#[derive(Debug, Default)]
pub(crate) struct Pipes {
    pipes: Vec<Pipe>,
    pub(crate) short_writes: u64,
    pub(crate) full_writes: u64,
    pub(crate) resets: u64,
}

impl Pipes {
    /// A connection that is being made by `dialer`.
    pub(crate) fn add(&mut self, dialer: Owner, from: SocketAddr, to: SocketAddr, habits: Habits) -> u32 {
        let halves = [Half::default(), Half::default()];
        let owners = [dialer, Owner::Nobody];
        self.pipes.push(Pipe { owners, addresses: [from, to], habits, stands: false, halves });
        (self.pipes.len() - 1) as u32
    }

    pub(crate) fn get(&mut self, pipe: u32) -> &mut Pipe {
        &mut self.pipes[pipe as usize]
    }

    pub(crate) fn owner(&self, pipe: u32, end: u8) -> Owner {
        self.pipes[pipe as usize].owners[usize::from(end)]
    }

    /// Ends that somebody still holds.
    pub(crate) fn held(&self) -> impl Iterator<Item = (usize, Owner)> + '_ {
        let ends = self.pipes.iter().enumerate().flat_map(|(at, pipe)| pipe.owners.map(|owner| (at, owner)));
        ends.filter(|(_, owner)| *owner != Owner::Nobody)
    }

    /// Writes what fits; how much.
    pub(crate) fn write(&mut self, world: &mut World, pipe: u32, end: u8, bytes: &[u8]) -> usize {
        let Pipe { habits, halves, .. } = &mut self.pipes[pipe as usize];
        let half = &mut halves[usize::from(end)];
        assert!(!half.fin_sent, "nothing is written after FIN");
        if half.reset_sent || bytes.is_empty() {
            return 0;
        }
        if half.reset_arrived {
            // The reader has gone, the writer has not heard of it: the kernel takes the bytes and nobody gets them.
            return bytes.len();
        }
        let mut count = bytes.len().min(habits.capacity_bytes - half.bytes.len());
        if count > 1 && world.dice.tcp.ppm(habits.short_ppm) {
            count = world.dice.tcp.between(1, count as u64) as usize;
            self.short_writes += 1;
        }
        if count < bytes.len() {
            half.writer_waits = true;
            self.full_writes += u64::from(count == 0);
        }
        if half.bytes.len() + count < habits.capacity_bytes && count < bytes.len() {
            // Taken short although there was room: the writer may try again soon.
            world.at(world.now_us + habits.latency_us, Event::Room(pipe, end));
        }
        if count > 0 {
            half.bytes.extend(&bytes[..count]);
            send(world, habits, half, pipe, end, Mark::Bytes(count));
        }
        count
    }

    /// Sends FIN behind what was written.
    pub(crate) fn finish(&mut self, world: &mut World, pipe: u32, end: u8) {
        let Pipe { habits, halves, .. } = &mut self.pipes[pipe as usize];
        let half = &mut halves[usize::from(end)];
        if !half.fin_sent && !half.reset_sent {
            half.fin_sent = true;
            send(world, habits, half, pipe, end, Mark::Fin);
        }
    }

    /// Sends a reset and lets go of the end.
    pub(crate) fn reset(&mut self, world: &mut World, pipe: u32, end: u8) {
        let Pipe { habits, halves, owners, .. } = &mut self.pipes[pipe as usize];
        owners[usize::from(end)] = Owner::Nobody;
        halves[usize::from(1 - end)].reader_gone = true;
        let half = &mut halves[usize::from(end)];
        if !half.reset_sent {
            half.reset_sent = true;
            self.resets += 1;
            let delay = habits.latency_us + world.dice.tcp.below(habits.jitter_us + 1);
            world.at(world.now_us + delay, Event::Reset(pipe, end));
        }
    }

    /// Lets go of the end in order: FIN, or a reset if something was left unread.
    pub(crate) fn close(&mut self, world: &mut World, pipe: u32, end: u8) {
        let Pipe { halves, owners, .. } = &mut self.pipes[pipe as usize];
        let incoming = &mut halves[usize::from(1 - end)];
        if incoming.arrived > 0 {
            return self.reset(world, pipe, end);
        }
        incoming.reader_gone = true;
        owners[usize::from(end)] = Owner::Nobody;
        self.finish(world, pipe, end);
    }

    /// Moves what is due from flight to the reader's buffer.
    pub(crate) fn arrive(&mut self, world: &mut World, pipe: u32, end: u8) {
        let half = &mut self.pipes[pipe as usize].halves[usize::from(end)];
        let mut came_too_late = false;
        while half.marks.front().is_some_and(|(at, _)| *at <= world.now_us) {
            match half.marks.pop_front() {
                Some((_, Mark::Bytes(count))) => {
                    half.arrived += count;
                    came_too_late |= half.reader_gone;
                }
                Some((_, Mark::Fin)) => half.fin_arrived = true,
                None => {}
            }
        }
        if came_too_late {
            self.reset(world, pipe, 1 - end);
        }
    }

    /// The other end's reset is here: what was in flight is lost, what had arrived can still be read.
    pub(crate) fn take_reset(&mut self, world: &mut World, pipe: u32, end: u8) {
        let keeps = world.dice.tcp.ppm(600_000);
        let half = &mut self.pipes[pipe as usize].halves[usize::from(end)];
        half.reset_arrived = true;
        half.marks.clear();
        if !keeps {
            half.arrived = 0;
        }
        half.bytes.truncate(half.arrived);
        let own = &mut self.pipes[pipe as usize].halves[usize::from(1 - end)];
        // What this end had sent and is still in flight is lost; what has arrived is the other's.
        own.reset_sent = true;
        own.marks.clear();
        own.bytes.truncate(own.arrived);
    }

    /// Bytes that this end could read now.
    pub(crate) fn readable(&self, pipe: u32, end: u8) -> usize {
        self.pipes[pipe as usize].halves[usize::from(1 - end)].arrived
    }

    /// Reads at most `most` bytes into `into`, which is emptied first.
    pub(crate) fn read(&mut self, world: &mut World, pipe: u32, end: u8, most: usize, into: &mut Vec<u8>) {
        let Pipe { habits, halves, .. } = &mut self.pipes[pipe as usize];
        let half = &mut halves[usize::from(1 - end)];
        let count = most.min(half.arrived);
        into.clear();
        into.extend(half.bytes.drain(..count));
        half.arrived -= count;
        if count > 0 && half.writer_waits {
            half.writer_waits = false;
            world.at(world.now_us + habits.latency_us, Event::Room(pipe, 1 - end));
        }
    }

    /// Whether this end has read everything up to the other's FIN.
    pub(crate) fn is_at_end(&self, pipe: u32, end: u8) -> bool {
        let half = &self.pipes[pipe as usize].halves[usize::from(1 - end)];
        half.fin_arrived && half.arrived == 0
    }

    /// Whether the other end has reset the connection.
    pub(crate) fn is_reset(&self, pipe: u32, end: u8) -> bool {
        self.pipes[pipe as usize].halves[usize::from(1 - end)].reset_arrived
    }

    /// Whether this end has sent its FIN.
    pub(crate) fn is_finished(&self, pipe: u32, end: u8) -> bool {
        self.pipes[pipe as usize].halves[usize::from(end)].fin_sent
    }
}

fn send(world: &mut World, habits: &Habits, half: &mut Half, pipe: u32, end: u8, mark: Mark) {
    let at = world.now_us + habits.latency_us + world.dice.tcp.below(habits.jitter_us + 1);
    half.last_us = half.last_us.max(at);
    half.marks.push_back((half.last_us, mark));
    world.at(half.last_us, Event::Arrive(pipe, end));
}
