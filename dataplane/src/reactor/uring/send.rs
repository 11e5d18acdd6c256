//! Sending to TCP connections: one send in flight per connection, gathering what is queued.
//!
//! Two sends in flight could overtake each other once one meets a full socket. The bytes stay in the port's
//! blocks until it is known how many the kernel took; what follows goes out with the next send. A send that carries all
//! there is, and whose end nobody waits for, goes at once (`at_once`); where a socket is full the next one waits.

#![allow(unsafe_code, reason = "entries of a ring carry pointers")]

use std::io;

use io_uring::opcode;
use io_uring::types::Fd;

use crate::port::{Input, Port, Role, TcpId};
use crate::reactor::errno::tcp_failure;
use crate::reactor::operation::{Completion, Kind, Name};
use crate::reactor::uring::connection::{NO_RECORD, Sending};
use crate::reactor::uring::records::Gathered;
use crate::reactor::uring::turn::{Turn, errno};
use crate::reactor::uring::worker::Worker;

/// The kernel retries short sends by itself, or calls them failures; no signal comes when the peer has gone.
const FLAGS: i32 = libc::MSG_WAITALL | libc::MSG_NOSIGNAL;

impl Worker<'_> {
    /// Sends the front of the write queue, which is not empty; nothing else of the connection is being sent.
    pub(crate) fn start_send(&mut self, port: &Port, tcp: TcpId) -> io::Result<()> {
        let mut slices = port.outgoing(tcp);
        let (Some(first), second) = (slices.next(), slices.next()) else { return Ok(()) };
        let Some(connection) = self.connections.get(tcp) else { return Ok(()) };
        let fd = Fd(connection.fd);
        // When all records are in use, the first slice goes alone.
        let gathered = second.and_then(|_| self.messages.gather(port.outgoing(tcp)));
        let bytes = gathered.as_ref().map_or(first.len(), |message| message.bytes);
        let at_once =
            connection.sending == Sending::Idle && bytes == port.queued_bytes(tcp) && !port.awaits_sent(tcp);
        let flags = if at_once { FLAGS | libc::MSG_DONTWAIT } else { FLAGS };
        let entry = match gathered {
            Some(Gathered { record, header, .. }) => {
                connection.record = record;
                opcode::SendMsg::new(fd, header).flags(flags as u32).build()
            }
            None => opcode::Send::new(fd, first.as_ptr(), first.len() as u32).flags(flags).build(),
        };
        connection.sending = if at_once { Sending::AtOnce } else { Sending::Waiting };
        connection.in_flight += 1;
        self.counters.writes.bump();
        // SAFETY: the record is released, and the port drops or releases these blocks, only after the end of the send
        // is known; the blocks' memory never moves, the port outlives the worker, and the worker does not end
        // before the kernel has let go.
        unsafe {
            if at_once {
                self.ring.push_at_once(entry, Name::of_tcp(Kind::SendAtOnce, tcp), bytes)
            } else {
                self.ring.push(entry, Name::of_tcp(Kind::Send, tcp))
            }
        }
    }

    /// A send has ended; one that goes at once completes only if it fell short.
    pub(crate) fn on_send<R: Role>(
        &mut self,
        turn: &mut Turn<'_, R>,
        completion: Completion,
    ) -> io::Result<()> {
        let Completion { name, result, .. } = completion;
        let next = if name.kind == Kind::SendAtOnce { Sending::Full } else { Sending::Idle };
        self.end_send(turn, name, result, next)
    }

    /// The kernel has taken a send whole.
    pub(crate) fn on_sent_at_once<R: Role>(
        &mut self,
        turn: &mut Turn<'_, R>,
        name: Name,
        bytes: usize,
    ) -> io::Result<()> {
        self.end_send(turn, name, bytes as i32, Sending::Idle)
    }

    fn end_send<R: Role>(
        &mut self,
        turn: &mut Turn<'_, R>,
        name: Name,
        result: i32,
        next: Sending,
    ) -> io::Result<()> {
        let Some(tcp) = self.owner(name, true) else { return Ok(()) };
        let Some(connection) = self.connections.get(tcp) else { return Ok(()) };
        connection.sending = next;
        let record = core::mem::replace(&mut connection.record, NO_RECORD);
        if record != NO_RECORD {
            self.messages.release(record);
        }
        if self.heard(tcp).is_none() {
            return self.release_if_quiet(turn.port, tcp);
        }
        self.settle_later(tcp);
        match result {
            sent @ 0.. => {
                self.on_sent(turn, tcp, sent as usize);
                Ok(())
            }
            result => match errno(result) {
                libc::EINTR | libc::EAGAIN | libc::ECANCELED => Ok(()),
                errno => self.fail(turn, tcp, tcp_failure(errno)),
            },
        }
    }

    fn on_sent<R: Role>(&mut self, turn: &mut Turn<'_, R>, tcp: TcpId, bytes: usize) {
        self.counters.write_bytes.add(bytes as u64);
        let has_fallen = turn.port.sent(tcp, bytes);
        if has_fallen && let Some(token) = turn.port.token(tcp) {
            turn.tell(Input::Wrote { tcp, token });
        }
    }

    /// Tells the roles that asked for it that their write queues have fallen to the mark.
    pub(crate) fn tell_wrote<R: Role>(&mut self, turn: &mut Turn<'_, R>) {
        for at in 0..self.waiting.wrote.len() {
            let tcp = self.waiting.wrote[at];
            if self.heard(tcp).is_some()
                && let Some(token) = turn.port.token(tcp)
            {
                turn.tell(Input::Wrote { tcp, token });
            }
        }
        self.waiting.wrote.clear();
    }
}
