//! Making connections: a socket, then IORING_OP_CONNECT, whose address the driver keeps until the completion.

#![allow(unsafe_code, reason = "entries of a ring carry pointers")]

use core::net::SocketAddr;
use std::io;
use std::os::fd::{AsRawFd, IntoRawFd, OwnedFd};

use io_uring::opcode;
use io_uring::types::Fd;

use crate::port::{Input, Role, TcpId};
use crate::reactor::errno::tcp_failure;
use crate::reactor::operation::{Completion, Kind, Name};
use crate::reactor::options::DriverOptions;
use crate::reactor::socket::stream;
use crate::reactor::uring::blocking::make_blocking;
use crate::reactor::uring::connection::{Life, NO_RECORD};
use crate::reactor::uring::turn::{Turn, errno};
use crate::reactor::uring::worker::Worker;

impl Worker<'_> {
    /// Starts the connects that the role asked for, as many as there are records of addresses.
    pub(crate) fn start_connects<R: Role>(
        &mut self,
        turn: &mut Turn<'_, R>,
        options: &DriverOptions,
    ) -> io::Result<()> {
        while self.addresses.has_room() {
            let Some((tcp, to)) = turn.port.take_connect() else { break };
            self.start_connect(turn, tcp, to, options)?;
        }
        Ok(())
    }

    fn start_connect<R: Role>(
        &mut self,
        turn: &mut Turn<'_, R>,
        tcp: TcpId,
        to: SocketAddr,
        options: &DriverOptions,
    ) -> io::Result<()> {
        let Some(token) = turn.port.token(tcp) else {
            // The role has thought better of it meanwhile.
            turn.port.release(tcp);
            return Ok(());
        };
        self.counters.connects.bump();
        // A socket, its options, and FIONBIO.
        self.counters.syscalls.add(4);
        let socket = stream(to, &options.connect).and_then(|socket| make_blocking(&socket).map(|()| socket));
        match socket {
            Ok(socket) => self.connect(tcp, to, socket),
            Err(error) => {
                self.counters.connect_errors.bump();
                let failure = tcp_failure(error.raw_os_error().unwrap_or(libc::ENOMEM));
                turn.tell(Input::Failed { tcp, token, failure });
                turn.port.release(tcp);
                self.restless = true;
                Ok(())
            }
        }
    }

    fn connect(&mut self, tcp: TcpId, to: SocketAddr, socket: OwnedFd) -> io::Result<()> {
        let fd = Fd(socket.as_raw_fd());
        let connection = self.connections.open(tcp, socket.into_raw_fd(), Life::Connecting);
        let Some((record, address)) = self.addresses.keep(to) else {
            panic!("connects are taken only while there are records");
        };
        connection.record = record;
        connection.in_flight = 1;
        let entry = opcode::Connect::new(fd, address.as_ptr().cast(), address.len()).build();
        // SAFETY: the address lies in its record, which is released only after the connect's completion.
        unsafe { self.ring.push(entry, Name::of_tcp(Kind::Connect, tcp))? };
        self.settle_later(tcp);
        Ok(())
    }

    /// A connect has ended.
    pub(crate) fn on_connect<R: Role>(
        &mut self,
        turn: &mut Turn<'_, R>,
        completion: Completion,
    ) -> io::Result<()> {
        let Some(tcp) = self.owner(completion.name, !completion.more) else { return Ok(()) };
        let Some(connection) = self.connections.get(tcp) else { return Ok(()) };
        let record = core::mem::replace(&mut connection.record, NO_RECORD);
        self.addresses.release(record);
        if self.heard(tcp).is_none() {
            return self.release_if_quiet(turn.port, tcp);
        }
        if completion.result < 0 {
            self.counters.connect_errors.bump();
            return self.fail(turn, tcp, tcp_failure(errno(completion.result)));
        }
        if let Some(connection) = self.connections.get(tcp) {
            connection.life = Life::Open;
        }
        if let Some(token) = turn.port.token(tcp) {
            turn.tell(Input::Connected { tcp, token });
        }
        self.settle_later(tcp);
        Ok(())
    }
}
