//! Sending to TCP connections: one send in flight per connection, gathering what is queued.
//!
//! Two sends in flight could overtake each other once one meets a full socket. The bytes stay in the port's
//! blocks until the completion says how many the kernel took; what follows goes out with the next send.

#![allow(unsafe_code, reason = "entries of a ring carry pointers")]

use std::io;

use io_uring::opcode;
use io_uring::types::Fd;

use crate::port::{Input, Port, Role, TcpId};
use crate::reactor::errno::tcp_failure;
use crate::reactor::operation::{Completion, Kind, Name};
use crate::reactor::uring::connection::NO_RECORD;
use crate::reactor::uring::turn::{Turn, errno};
use crate::reactor::uring::worker::Worker;

/// The kernel retries short sends by itself, and no signal comes when the peer has gone.
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
        let entry = match gathered {
            Some((record, header)) => {
                connection.record = record;
                opcode::SendMsg::new(fd, header).flags(FLAGS as u32).build()
            }
            None => opcode::Send::new(fd, first.as_ptr(), first.len() as u32).flags(FLAGS).build(),
        };
        connection.sending = true;
        connection.in_flight += 1;
        self.counters.writes.bump();
        // SAFETY: the record is released, and the port drops or releases these blocks, only after the send's
        // completion; the blocks' memory never moves, the port outlives the worker, and the worker does not end
        // before the kernel has let go.
        unsafe { self.ring.push(entry, Name::of_tcp(Kind::Send, tcp)) }
    }

    /// A send has ended.
    pub(crate) fn on_send<R: Role>(
        &mut self,
        turn: &mut Turn<'_, R>,
        completion: Completion,
    ) -> io::Result<()> {
        let Some(tcp) = self.owner(completion.name, !completion.more) else { return Ok(()) };
        let Some(connection) = self.connections.get(tcp) else { return Ok(()) };
        connection.sending = false;
        let record = core::mem::replace(&mut connection.record, NO_RECORD);
        if record != NO_RECORD {
            self.messages.release(record);
        }
        if self.heard(tcp).is_none() {
            return self.release_if_quiet(turn.port, tcp);
        }
        self.settle_later(tcp);
        match completion.result {
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
