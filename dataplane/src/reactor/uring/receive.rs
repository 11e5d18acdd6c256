//! Receiving from TCP connections.
//!
//! ```text
//!   small: one multishot receive stays armed (heads, idle connections)
//!   large: one receive at a time, armed again when the role still wants to read (bodies: multishot would read
//!          ahead without limit)
//! ```
//! A role that stops reading is given nothing more. What comes meanwhile is held, and is given first when it
//! reads again. An armed receive is not cancelled at once: nearly every connection that stops reading is a client
//! that waits for its answer and sends nothing, and then the receive is simply still armed when reading goes on.
//! It is cancelled when bytes come that must be held, or when more than half of the group's buffers are in use.

#![allow(unsafe_code, reason = "entries of a ring carry pointers")]

use std::io;

use io_uring::types::Fd;
use io_uring::{opcode, squeue};

use crate::port::{Input, Port, Reading, Role, TcpFailure, TcpId};
use crate::reactor::errno::tcp_failure;
use crate::reactor::operation::{Completion, Kind, Name};
use crate::reactor::uring::connection::{Life, PeerEnd, Receiving};
use crate::reactor::uring::held::Filled;
use crate::reactor::uring::tcp_buffers::Size;
use crate::reactor::uring::turn::{Turn, errno};
use crate::reactor::uring::worker::Worker;

/// Held buffers at which a receive is cancelled although the role reads: the role is slower than the peer.
const HELD_MAX: u16 = 16;

impl Worker<'_> {
    /// A receive has brought bytes, an end, or an error.
    pub(crate) fn on_receive<R: Role>(
        &mut self,
        turn: &mut Turn<'_, R>,
        completion: Completion,
    ) -> io::Result<()> {
        let size = if completion.name.kind == Kind::ReceiveSmall { Size::Small } else { Size::Large };
        let bytes = completion.result.max(0) as usize;
        let filled = completion.buffer.map(|buffer| self.buffers.take(size, buffer, bytes));
        let Some(tcp) = self.owner(completion.name, !completion.more) else {
            self.give_back(filled);
            return Ok(());
        };
        if !completion.more
            && let Some(connection) = self.connections.get(tcp)
        {
            connection.receiving = Receiving::Idle;
            self.settle_later(tcp);
        }
        if self.heard(tcp).is_none() {
            self.give_back(filled);
            return self.release_if_quiet(turn.port, tcp);
        }
        match (completion.result, filled) {
            (1.., Some(filled)) => self.take_in(turn, tcp, filled),
            (result, filled) => {
                self.give_back(filled);
                self.on_no_bytes(turn, tcp, result)
            }
        }
    }

    /// A receive has ended without bytes.
    fn on_no_bytes<R: Role>(&mut self, turn: &mut Turn<'_, R>, tcp: TcpId, result: i32) -> io::Result<()> {
        match errno(result) {
            0 => self.note_end(turn, tcp, PeerEnd::Finished),
            libc::ENOBUFS => {
                self.starve(tcp);
                Ok(())
            }
            libc::ECANCELED | libc::EINTR | libc::EAGAIN => Ok(()),
            errno => self.note_end(turn, tcp, PeerEnd::Failed(tcp_failure(errno))),
        }
    }

    /// Gives bytes to the role, or holds them.
    fn take_in<R: Role>(&mut self, turn: &mut Turn<'_, R>, tcp: TcpId, filled: Filled) -> io::Result<()> {
        let (number, reads_max) = (self.turn, self.reads_max);
        let reads = turn.port.reading(tcp) != Reading::Off;
        let wanted = turn.port.token(tcp).is_some();
        let Some(connection) = self.heard(tcp).filter(|_| wanted) else {
            self.give_back(Some(filled));
            return Ok(());
        };
        if connection.held.is_empty() && reads && connection.may_read(number, reads_max) {
            self.give(turn, tcp, filled);
            return Ok(());
        }
        self.hold(tcp, filled, reads)
    }

    /// Keeps bytes for later, and stops a receive that would bring ever more of them.
    fn hold(&mut self, tcp: TcpId, filled: Filled, reads: bool) -> io::Result<()> {
        let Some(connection) = self.connections.get(tcp) else { return Ok(()) };
        self.buffers.hold(&mut connection.held, filled);
        connection.held_count += 1;
        if connection.receiving == Receiving::Small && (!reads || connection.held_count >= HELD_MAX) {
            self.cancel_receive(tcp)?;
        }
        if reads {
            self.counters.read_budget_stops.bump();
            self.resume_later(tcp);
        }
        Ok(())
    }

    /// Gives the role one buffer's bytes and the buffer back to the kernel.
    fn give<R: Role>(&mut self, turn: &mut Turn<'_, R>, tcp: TcpId, filled: Filled) {
        if let Some(token) = turn.port.token(tcp) {
            turn.tell(Input::Read { tcp, token, bytes: self.buffers.bytes(filled) });
            self.counters.reads.bump();
            self.counters.read_bytes.add(u64::from(filled.bytes));
        }
        self.buffers.recycle(filled);
    }

    fn give_back(&mut self, filled: Option<Filled>) {
        if let Some(filled) = filled {
            self.buffers.recycle(filled);
        }
    }

    /// Delivers what was held for roles that read again, each its share of a turn.
    pub(crate) fn resume_held<R: Role>(&mut self, turn: &mut Turn<'_, R>) -> io::Result<()> {
        for _ in 0..self.waiting.resuming.len() {
            let Some(tcp) = self.waiting.resuming.pop_front() else { break };
            if let Some(connection) = self.connections.get(tcp) {
                connection.resuming = false;
            }
            self.resume_one(turn, tcp)?;
        }
        Ok(())
    }

    fn resume_one<R: Role>(&mut self, turn: &mut Turn<'_, R>, tcp: TcpId) -> io::Result<()> {
        let (number, reads_max) = (self.turn, self.reads_max);
        while turn.port.reading(tcp) != Reading::Off {
            let Some(connection) = self.connections.get(tcp).filter(|connection| connection.is_heard())
            else {
                return Ok(());
            };
            if !connection.may_read(number, reads_max) {
                self.resume_later(tcp);
                return Ok(());
            }
            let Some(filled) = self.buffers.unhold(&mut connection.held) else {
                let end = connection.end;
                self.settle_later(tcp);
                return self.note_end(turn, tcp, end);
            };
            connection.held_count -= 1;
            self.give(turn, tcp, filled);
        }
        Ok(())
    }

    /// Remembers how the peer's bytes end, and tells the role if it has read all that came before.
    pub(crate) fn note_end<R: Role>(
        &mut self,
        turn: &mut Turn<'_, R>,
        tcp: TcpId,
        end: PeerEnd,
    ) -> io::Result<()> {
        let reads = turn.port.reading(tcp) != Reading::Off;
        let Some(connection) = self.heard(tcp).filter(|connection| connection.end != PeerEnd::Told) else {
            return Ok(());
        };
        connection.end = end;
        let has_read_all = connection.held.is_empty();
        match end {
            PeerEnd::Finished if reads && has_read_all => {
                connection.end = PeerEnd::Told;
                if let Some(token) = turn.port.token(tcp) {
                    turn.tell(Input::ReadEnd { tcp, token });
                }
                Ok(())
            }
            // A role that does not read is told of a failure all the same: what is held is worth nothing then.
            PeerEnd::Failed(failure) if has_read_all || !reads => self.fail(turn, tcp, failure),
            PeerEnd::None | PeerEnd::Told | PeerEnd::Finished | PeerEnd::Failed(_) => Ok(()),
        }
    }

    /// Brings receiving in line with the wish about reading.
    pub(crate) fn want_reading(&mut self, port: &Port, tcp: TcpId) -> io::Result<()> {
        let wish = port.reading(tcp);
        let Some(connection) = self.connections.get(tcp).filter(|connection| connection.life == Life::Open)
        else {
            return Ok(());
        };
        let waits = !connection.held.is_empty() || !matches!(connection.end, PeerEnd::None | PeerEnd::Told);
        if wish != Reading::Off && waits {
            self.resume_later(tcp);
            return Ok(());
        }
        let over = connection.end != PeerEnd::None;
        match (connection.receiving, wish) {
            (Receiving::Idle, Reading::Off) => self.watch(tcp),
            (Receiving::Idle, Reading::Small) if !over => self.receive_small(tcp),
            (Receiving::Idle, Reading::Large) if !over => self.receive_large(tcp),
            (Receiving::Small, Reading::Large) => self.cancel_receive(tcp),
            (Receiving::Small, Reading::Off) if waits || self.is_scarce(Size::Small) => {
                self.cancel_receive(tcp)
            }
            (Receiving::Large, Reading::Off) if waits || self.is_scarce(Size::Large) => {
                self.cancel_receive(tcp)
            }
            // A single receive ends with the next bytes anyway, and the small ones follow then.
            (Receiving::Large, Reading::Small | Reading::Large | Reading::Off)
            | (Receiving::Small, Reading::Small | Reading::Off)
            | (Receiving::Idle, Reading::Small | Reading::Large)
            | (Receiving::Cancelled | Receiving::Starved, _) => Ok(()),
        }
    }

    /// Whether more than half of a group's buffers are in use.
    fn is_scarce(&self, size: Size) -> bool {
        let group = self.buffers.group(size);
        group.free() * 2 < group.count()
    }

    fn receive_small(&mut self, tcp: TcpId) -> io::Result<()> {
        let group = self.buffers.group(Size::Small).group();
        self.arm(tcp, Kind::ReceiveSmall, Receiving::Small, |fd| {
            opcode::RecvMulti::new(Fd(fd), group).build()
        })
    }

    fn receive_large(&mut self, tcp: TcpId) -> io::Result<()> {
        let group = self.buffers.group(Size::Large).group();
        self.arm(tcp, Kind::ReceiveLarge, Receiving::Large, |fd| {
            let receive = opcode::Recv::new(Fd(fd), core::ptr::null_mut(), 0).buf_group(group);
            receive.build().flags(squeue::Flags::BUFFER_SELECT)
        })
    }

    fn arm(
        &mut self,
        tcp: TcpId,
        kind: Kind,
        receiving: Receiving,
        entry: impl FnOnce(i32) -> squeue::Entry,
    ) -> io::Result<()> {
        let Some(connection) = self.connections.get(tcp) else { return Ok(()) };
        connection.receiving = receiving;
        connection.in_flight += 1;
        // SAFETY: a receive with provided buffers points to nothing; the buffers outlive the ring's operations.
        unsafe { self.ring.push(entry(connection.fd), Name::of_tcp(kind, tcp)) }
    }

    fn cancel_receive(&mut self, tcp: TcpId) -> io::Result<()> {
        let Some(connection) = self.connections.get(tcp) else { return Ok(()) };
        let kind =
            if connection.receiving == Receiving::Small { Kind::ReceiveSmall } else { Kind::ReceiveLarge };
        connection.receiving = Receiving::Cancelled;
        self.counters.cancels.bump();
        self.ring.cancel(Name::of_tcp(kind, tcp))
    }

    /// Polls a connection that is not read for a reset, which nobody would notice otherwise.
    fn watch(&mut self, tcp: TcpId) -> io::Result<()> {
        let Some(connection) = self.connections.get(tcp).filter(|connection| !connection.watched) else {
            return Ok(());
        };
        connection.watched = true;
        connection.in_flight += 1;
        let fd = connection.fd;
        // Errors and hang-ups are reported without being asked for.
        self.ring.poll(fd, 0, false, Name::of_tcp(Kind::Watch, tcp))
    }

    /// The poll for resets has ended.
    pub(crate) fn on_watch<R: Role>(
        &mut self,
        turn: &mut Turn<'_, R>,
        completion: Completion,
    ) -> io::Result<()> {
        let Some(tcp) = self.owner(completion.name, !completion.more) else { return Ok(()) };
        let Some(connection) = self.heard(tcp) else { return self.release_if_quiet(turn.port, tcp) };
        let is_error = completion.result > 0 && completion.result as i16 & libc::POLLERR != 0;
        // A receive that is armed hears of the error itself, after the bytes that came before it.
        if !is_error || connection.receiving != Receiving::Idle {
            // After a hang-up in order there is nothing more to watch for.
            connection.watched = !is_error;
            return Ok(());
        }
        self.note_end(turn, tcp, PeerEnd::Failed(TcpFailure::Reset))
    }
}
