//! The io_uring driver: one ring, one thread, one role. Production's way to run a role; `epoll` is the other, and
//! both speak `port`.
//!
//! ```text
//!   completions ──► inputs ──► Role::handle … Role::flush ──► wishes ──► operations ──► one enter
//! ```
//! A turn takes what the kernel has posted, gives it to the role, brings connections in line with the role's
//! wishes, and enters the kernel once: that call submits everything, and waits if there is nothing more to do.
//! The kernel borrows memory only from things that the worker or the port owns, and the worker does not end
//! before the kernel has let go of all of it. Nothing is allocated after the start.

mod accept;
mod blocking;
mod connect;
mod connection;
mod datagrams;
mod end;
mod held;
mod listeners;
mod receive;
mod records;
mod send;
mod starved;
mod tcp_buffers;
mod turn;
mod wishes;
mod worker;

use std::io;
use std::os::fd::OwnedFd;

use io_uring::IoUring;

use crate::port::{Input, Port, Role};
use crate::reactor::alarm::Alarm;
use crate::reactor::clock;
use crate::reactor::counters::DriverCounters;
use crate::reactor::feature::Reason;
use crate::reactor::operation::{Completion, Kind, Name};
use crate::reactor::options::{BufferOptions, DriverOptions, Sockets};
use crate::reactor::ring::{BATCH_CAP, Ring, Wait, create};
use crate::reactor::uring::blocking::make_blocking;
use crate::reactor::uring::connection::Connections;
use crate::reactor::uring::datagrams::Datagrams;
use crate::reactor::uring::listeners::Listeners;
use crate::reactor::uring::records::{Addresses, Messages};
use crate::reactor::uring::starved::STARVED_MAX;
use crate::reactor::uring::tcp_buffers::{Shape, TcpBuffers};
use crate::reactor::uring::turn::Turn;
use crate::reactor::uring::worker::{Waiting, Worker};
use crate::reactor::wake::Waker;
use crate::time::{Duration, Instant};

/// Bytes that one connection is given in a turn, so that a greedy one does not starve the others.
const TURN_BYTES: usize = 64 * 1_024;

/// Reads that one connection is given in a turn, however short they are.
const TURN_READS_MAX: usize = 32;

/// Gathering sends in flight; a send that finds no record goes out slice by slice.
const MESSAGES: usize = 512;

/// Connects in flight; further ones wait in the port.
const ADDRESSES: usize = 256;

/// Completions of the last turn from which waiting for a batch pays.
const BUSY_TURN: usize = 16;

/// Completions for which a role that is patient is woken before its patience is over.
const GATHERED: u32 = 16;

/// Runs `role` on this thread until it is finished.
///
/// `waker` is this worker's own bell; `peers` are the bells of all workers by number, for `Port::wake`.
/// Fails if the ring cannot be made (the error says why, as a `feature::Reason`), or if the kernel refuses to be entered.
pub fn run<R: Role>(
    role: &mut R,
    port: &mut Port,
    sockets: Sockets,
    options: &DriverOptions,
    waker: &Waker,
    peers: &[Waker],
    counters: &DriverCounters,
) -> io::Result<()> {
    let mut io_uring = create(options.submission_entries, completion_entries(options))
        .map_err(|error| io::Error::new(error.kind(), Reason::of("create", &error)))?;
    let mut worker = start(&mut io_uring, port, sockets, options, counters)?;
    worker.listen(waker)?;
    loop {
        let now = clock::now();
        let mut turn = Turn { now, role, port };
        let taken = worker.take_inputs(&mut turn, options)?;
        turn.role.flush(now, turn.port);
        worker.carry_out(&mut turn, options, peers)?;
        if turn.role.is_finished() {
            worker.finish(turn.port);
            return Ok(());
        }
        worker.rest(&mut turn, taken, options)?;
        worker.listen(waker)?;
    }
}

/// Room for two completions of every provided buffer and some of every submission: then multishots cannot
/// overflow the queue.
fn completion_entries(options: &DriverOptions) -> u32 {
    let buffers =
        [options.small, options.large, options.datagrams].map(|buffers: BufferOptions| buffers.count);
    let least = 2 * buffers.iter().sum::<usize>() as u32 + 4 * options.submission_entries;
    options.completion_entries.max(least)
}

fn start<'a>(
    io_uring: &'a mut IoUring,
    port: &Port,
    sockets: Sockets,
    options: &DriverOptions,
    counters: &'a DriverCounters,
) -> io::Result<Worker<'a>> {
    sockets.listeners.iter().chain(&sockets.udp).try_for_each(|socket: &OwnedFd| make_blocking(socket))?;
    let mut ring = Ring::new(io_uring);
    let shape = Shape {
        small: (options.small.bytes, options.small.count),
        large: (options.large.bytes, options.large.count),
    };
    let buffers = TcpBuffers::new(ring.submitter(), shape)?;
    let datagrams = Datagrams::new(
        ring.submitter(),
        sockets.udp,
        options.datagrams,
        port.train_count(),
        options.gso_segments_max,
    )?;
    ring.enable()?;
    Ok(Worker {
        ring,
        buffers,
        connections: Connections::new(port.tcp_max()),
        waiting: Waiting::new(port.tcp_max()),
        messages: Messages::new(MESSAGES.min(port.tcp_max())),
        addresses: Addresses::new(ADDRESSES),
        listeners: Listeners::new(sockets.listeners),
        datagrams,
        counters,
        turn: 0,
        reads_max: (TURN_BYTES / options.small.bytes).clamp(1, TURN_READS_MAX) as u8,
        restless: false,
        woken: false,
        starved_since: None,
        alarm: Alarm::new()?,
        bell_is_dead: true,
        alarm_is_dead: true,
    })
}

impl Worker<'_> {
    /// Gives the role all that has happened; how many completions there were.
    fn take_inputs<R: Role>(&mut self, turn: &mut Turn<'_, R>, options: &DriverOptions) -> io::Result<usize> {
        self.turn = self.turn.wrapping_add(1);
        self.restless = false;
        self.counters.loops.bump();
        self.tell_wrote(turn);
        self.resume_held(turn)?;
        let mut taken = 0;
        while taken < options.batch {
            let Some(completion) = self.ring.next_completion() else {
                self.take_silence(turn)?;
                break;
            };
            taken += 1;
            self.take_one(turn, completion)?;
        }
        let is_due = turn.role.deadline().is_some_and(|deadline| deadline <= turn.now);
        if core::mem::take(&mut self.woken) || is_due {
            self.counters.ticks.bump();
            turn.tell(Input::Tick);
        }
        Ok(taken)
    }

    fn take_one<R: Role>(&mut self, turn: &mut Turn<'_, R>, completion: Completion) -> io::Result<()> {
        match completion.name.kind {
            Kind::Accept => self.on_accept(turn, completion),
            Kind::ReceiveSmall | Kind::ReceiveLarge => self.on_receive(turn, completion),
            Kind::Send | Kind::SendAtOnce => self.on_send(turn, completion),
            Kind::Connect => self.on_connect(turn, completion),
            Kind::Watch => self.on_watch(turn, completion),
            Kind::Datagrams => {
                self.datagrams.on_receive(turn, completion, self.counters);
                Ok(())
            }
            Kind::Train | Kind::TrainAtOnce => {
                let ended = (completion.name, completion.result);
                self.datagrams.on_sent(&mut self.ring, turn.port, ended, self.counters)
            }
            Kind::Wake => {
                self.woken = true;
                self.bell_is_dead |= !completion.more;
                self.counters.wakes_in.bump();
                Ok(())
            }
            Kind::Alarm => {
                self.alarm.rang();
                self.alarm_is_dead |= !completion.more;
                Ok(())
            }
            // A cancel that found nothing: the operation that it was about tells more.
            Kind::Silent => Ok(()),
        }
    }

    /// Every posted completion has been taken: the sends at once that none was about are done.
    fn take_silence<R: Role>(&mut self, turn: &mut Turn<'_, R>) -> io::Result<()> {
        while let Some((name, bytes)) = self.ring.taken_at_once() {
            match name.kind {
                Kind::SendAtOnce => self.on_sent_at_once(turn, name, bytes)?,
                _ => {
                    self.datagrams.on_sent(&mut self.ring, turn.port, (name, bytes as i32), self.counters)?
                }
            }
        }
        Ok(())
    }

    /// Turns the role's wishes into operations.
    fn carry_out<R: Role>(
        &mut self,
        turn: &mut Turn<'_, R>,
        options: &DriverOptions,
        peers: &[Waker],
    ) -> io::Result<()> {
        self.start_connects(turn, options)?;
        self.settle_all(turn)?;
        self.datagrams.start_trains(&mut self.ring, turn.port)?;
        self.want_clients(turn)?;
        // What was given back in this turn must be seen before anything is armed that would find no buffer.
        self.buffers.publish();
        self.datagrams.publish();
        self.relieve_starved(turn)?;
        self.datagrams.arm(&mut self.ring, turn.now, self.counters)?;
        self.wake_peers(turn.port.take_wakes(), peers)
    }

    fn wake_peers(&mut self, mut bits: u64, peers: &[Waker]) -> io::Result<()> {
        while bits != 0 {
            let worker = bits.trailing_zeros() as usize;
            bits &= bits - 1;
            if let Some(peer) = peers.get(worker) {
                self.counters.wakes_out.bump();
                self.ring.signal(peer.fd())?;
            }
        }
        Ok(())
    }

    /// Polls the worker's bell and alarm until further notice. They are never read: each ring is an edge of its own.
    fn listen(&mut self, waker: &Waker) -> io::Result<()> {
        if core::mem::take(&mut self.bell_is_dead) {
            self.ring.poll(waker.fd(), libc::POLLIN, true, Name::of_index(Kind::Wake, 0))?;
        }
        if core::mem::take(&mut self.alarm_is_dead) {
            self.ring.poll(self.alarm.fd(), libc::POLLIN, true, Name::of_index(Kind::Alarm, 0))?;
        }
        Ok(())
    }

    /// Enters the kernel, and sleeps there if there is nothing to do.
    fn rest<R: Role>(
        &mut self,
        turn: &mut Turn<'_, R>,
        taken: usize,
        options: &DriverOptions,
    ) -> io::Result<()> {
        if self.ring.has_overflowed() {
            self.counters.completion_overflows.bump();
        }
        let deadline = self.next_deadline(turn.role.deadline());
        let is_due = deadline.is_some_and(|deadline| deadline <= turn.now);
        let has_work = is_due
            || self.is_busy(turn.port, taken)
            || (options.spin_us > 0 && self.spin(turn.role, deadline, options.spin_us));
        if has_work {
            self.enter(Wait::No)
        } else if turn.role.may_sleep() {
            let slept = self.sleep(deadline, taken, turn.role.patience_us(), options);
            turn.role.awake();
            slept
        } else {
            turn.role.awake();
            self.woken = true;
            self.enter(Wait::No)
        }
    }

    fn is_busy(&mut self, port: &Port, taken: usize) -> bool {
        self.restless
            || taken >= BATCH_CAP
            // The role may have wanted to send more, and no completion will say that there is room again.
            || (port.is_out_of_trains() && self.ring.awaits_at_once())
            || !self.waiting.wrote.is_empty()
            || !self.waiting.resuming.is_empty()
            || self.ring.ready() > 0
    }

    fn next_deadline(&self, role: Option<Instant>) -> Option<Instant> {
        let starved = self.starved_since.map(|since| since + STARVED_MAX);
        [role, self.listeners.retry_at, self.datagrams.retry_at(), starved].into_iter().flatten().min()
    }

    fn sleep(
        &mut self,
        deadline: Option<Instant>,
        taken: usize,
        patience_us: u32,
        options: &DriverOptions,
    ) -> io::Result<()> {
        self.counters.sleeps.bump();
        if let Some(deadline) = deadline
            && self.alarm.arm(deadline)?
        {
            self.counters.timer_arms.bump();
            self.counters.syscalls.bump();
        }
        let fills = options.batch_wait_us > 0 && taken >= BUSY_TURN;
        let (completions, least_us) = match (self.ring.has_min_wait(), fills) {
            (true, true) => ((taken as u32 / 2).min(64), options.batch_wait_us.max(patience_us)),
            (true, false) if patience_us > 0 => (GATHERED, patience_us),
            (..) => (1, 0),
        };
        self.enter(Wait::For { completions, limit: None, least_us })
    }

    fn enter(&mut self, wait: Wait) -> io::Result<()> {
        let result = self.ring.enter(wait);
        self.counters.syscalls.add(self.ring.take_enters());
        result
    }

    /// Submits, then looks for work for `spin_us`; true if there is some.
    fn spin<R: Role>(&mut self, role: &mut R, deadline: Option<Instant>, spin_us: u32) -> bool {
        if self.enter(Wait::No).is_err() {
            return true;
        }
        let end = clock::now() + Duration::from_micros(u64::from(spin_us));
        let end = deadline.map_or(end, |deadline| deadline.min(end));
        loop {
            if self.ring.ready() > 0 || self.ring.has_work() {
                return true;
            }
            // Looks into the rings from other workers; whoever fills them in between rings the bell.
            let is_idle = role.may_sleep();
            role.awake();
            self.woken |= !is_idle;
            if !is_idle || clock::now() >= end {
                return !is_idle;
            }
            (0..32).for_each(|_| core::hint::spin_loop());
        }
    }
}

#[cfg(test)]
mod tests;
