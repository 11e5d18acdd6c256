//! Bringing connections in line with what the role wishes of them: after each batch of inputs, for those whose
//! wish has changed and for those of which an operation has ended.

#![allow(unsafe_code, reason = "descriptors by number")]

use std::io;
use std::os::fd::BorrowedFd;

use crate::port::{Role, TcpId};
use crate::reactor::stream;
use crate::reactor::uring::connection::Life;
use crate::reactor::uring::turn::Turn;
use crate::reactor::uring::worker::Worker;

impl Worker<'_> {
    /// Settles all connections that need it.
    pub(crate) fn settle_all<R: Role>(&mut self, turn: &mut Turn<'_, R>) -> io::Result<()> {
        while let Some(tcp) = turn.port.take_dirty() {
            self.settle(turn, tcp)?;
        }
        while let Some(tcp) = self.waiting.pending.pop() {
            if let Some(connection) = self.connections.get(tcp) {
                connection.pending = false;
                self.settle(turn, tcp)?;
            }
        }
        Ok(())
    }

    fn settle<R: Role>(&mut self, turn: &mut Turn<'_, R>, tcp: TcpId) -> io::Result<()> {
        // A connection that is not known yet stands in the queue of connects; one that is closing is done with.
        let Some(life) = self.heard(tcp).map(|connection| connection.life) else { return Ok(()) };
        if let Some(ending) = turn.port.ending(tcp) {
            return self.end(turn.port, tcp, ending);
        }
        if turn.port.take_mark(tcp) {
            self.waiting.wrote.push(tcp);
        }
        if life == Life::Connecting {
            return Ok(());
        }
        self.want_writing(turn, tcp)?;
        self.want_reading(turn.port, tcp)
    }

    /// Sends what is queued, then FIN if that is wished.
    fn want_writing<R: Role>(&mut self, turn: &mut Turn<'_, R>, tcp: TcpId) -> io::Result<()> {
        let Some(connection) = self.connections.get(tcp).filter(|connection| !connection.is_sending()) else {
            return Ok(());
        };
        if turn.port.queued_bytes(tcp) > 0 {
            return self.start_send(turn.port, tcp);
        }
        if turn.port.is_finishing(tcp) && !connection.finished {
            connection.finished = true;
            // Not IORING_OP_SHUTDOWN: the kernel hands it to a thread of its own, which looks the descriptor up
            // later, when it may be closed and its number a stranger's.
            //
            // SAFETY: the connection owns the descriptor, which is open until its close is queued.
            let socket = unsafe { BorrowedFd::borrow_raw(connection.fd) };
            self.counters.syscalls.bump();
            // A peer that has reset meanwhile needs no FIN; the receive tells of it.
            let _ = stream::finish(socket);
        }
        Ok(())
    }
}
