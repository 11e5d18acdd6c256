//! The TCP connections of the worker: what the kernel said about each (slots), and closing the gap between that
//! and what the role wishes.
//!
//! ```text
//!   connecting ──writable──► standing ──FIN──► read_ended          finished: our FIN has left
//!        │                      │ error, unread bytes: broken ──► read to the end, then failed
//!        └────error──► failed ◄─┘ error, nothing to read
//! ```
//! Edge-triggered: `readable` and `writable` stay true until the kernel says EAGAIN or takes or gives less than
//! asked for (epoll(7), question 9). A reset does not take away what had come in before it: a server that
//! answers early and closes is heard out.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use core::net::SocketAddr;

use mio::event::Event;
use mio::unix::SourceFd;
use mio::{Interest, Registry};

use crate::port::{Ending, Input, Reading, Role, TcpFailure, TcpId};
use crate::reactor::epoll::source::Source;
use crate::reactor::epoll::stage::Stage;
use crate::reactor::errno::tcp_failure;
use crate::reactor::options::DriverOptions;
use crate::reactor::socket::{self, ConnectOptions};
use crate::reactor::stream;

/// Bytes that one connection may bring per turn (io_uring.md, rule 12): a greedy one must not starve the others.
const READ_BUDGET_BYTES: usize = 64 * 1_024;

/// Notices that one round usually makes; more make the list grow once.
const NOTICES: usize = 1_024;

/// What the kernel said about one connection.
#[derive(Debug, Default)]
struct Slot {
    socket: Option<OwnedFd>,
    generation: u32,
    connecting: bool,
    readable: bool,
    writable: bool,
    /// FIN or worse is there: a short read no longer means that the socket is empty.
    hung_up: bool,
    /// The role has been told of the FIN.
    read_ended: bool,
    finished: bool,
    /// Nothing can be sent any more, but there is something to read.
    broken: bool,
    /// `Failed` waits to be delivered.
    failed: bool,
    /// It stands in `readers`.
    queued: bool,
}

const _: () = assert!(size_of::<Slot>() <= 24, "a connection costs the driver 24 bytes");

#[derive(Clone, Copy, Debug)]
enum Notice {
    Wrote(TcpId),
    Failed(TcpId, TcpFailure),
}

#[derive(Debug)]
pub(crate) struct Connections {
    slots: Vec<Slot>,
    /// Connections that have bytes and are read, in the order of their turn; and the list being served.
    readers: Vec<TcpId>,
    served: Vec<TcpId>,
    /// What the role must be told after the wishes have been read; and the list being delivered.
    notices: Vec<Notice>,
    delivered: Vec<Notice>,
    buffer: Box<[u8]>,
    small_bytes: usize,
    large_bytes: usize,
    connect: ConnectOptions,
}

impl Connections {
    pub(crate) fn new(tcp_max: usize, options: &DriverOptions) -> Self {
        let (small_bytes, large_bytes) = (options.small.bytes, options.large.bytes);
        Self {
            slots: Vec::with_capacity(tcp_max),
            readers: Vec::with_capacity(tcp_max),
            served: Vec::with_capacity(tcp_max),
            notices: Vec::with_capacity(NOTICES),
            delivered: Vec::with_capacity(NOTICES),
            buffer: vec![0; small_bytes.max(large_bytes)].into_boxed_slice(),
            small_bytes,
            large_bytes,
            connect: options.connect.clone(),
        }
    }

    /// Whether something waits that needs no event.
    pub(crate) fn is_busy(&self) -> bool {
        !self.readers.is_empty() || !self.notices.is_empty()
    }

    /// Takes an accepted connection in.
    pub(crate) fn adopt<R: Role>(
        &mut self,
        tcp: TcpId,
        socket: OwnedFd,
        registry: &Registry,
        stage: &Stage<'_, R>,
    ) -> io::Result<()> {
        register(tcp, &socket, registry, stage)?;
        *self.place(tcp) =
            Slot { socket: Some(socket), generation: tcp.0.generation, writable: true, ..Slot::default() };
        Ok(())
    }

    /// Starts the connections that the role asked for.
    pub(crate) fn start_connects<R: Role>(&mut self, stage: &mut Stage<'_, R>, registry: &Registry) {
        while let Some((tcp, to)) = stage.port.take_connect() {
            *self.place(tcp) = Slot { generation: tcp.0.generation, connecting: true, ..Slot::default() };
            if stage.port.ending(tcp).is_some() {
                continue;
            }
            stage.counters.connects.bump();
            match start_connect(tcp, to, &self.connect, registry, stage) {
                Ok(socket) => self.place(tcp).socket = Some(socket),
                Err(error) => self.fail(stage, tcp, error.raw_os_error().unwrap_or(0)),
            }
        }
    }

    pub(crate) fn on_event<R: Role>(&mut self, stage: &mut Stage<'_, R>, tcp: TcpId, event: &Event) {
        let Some(slot) = self.slot(tcp) else { return };
        slot.hung_up |= event.is_read_closed();
        slot.readable |= event.is_readable() || event.is_read_closed() || event.is_error();
        slot.writable |= event.is_writable();
        if stage.port.ending(tcp).is_some() {
            return;
        }
        if slot.connecting {
            self.on_connected(stage, tcp);
        } else if event.is_error() {
            self.on_error(stage, tcp);
        }
        self.write(stage, tcp);
        self.queue_reader(stage, tcp);
    }

    /// Reads every connection that has bytes and is read, each up to its share.
    pub(crate) fn serve_readers<R: Role>(&mut self, stage: &mut Stage<'_, R>) {
        core::mem::swap(&mut self.readers, &mut self.served);
        for at in 0..self.served.len() {
            let tcp = self.served[at];
            if let Some(slot) = self.slot(tcp) {
                slot.queued = false;
                self.read(stage, tcp);
            }
        }
        self.served.clear();
    }

    /// Closes the gap between wishes and kernel for all connections whose wishes have changed.
    pub(crate) fn reconcile<R: Role>(&mut self, stage: &mut Stage<'_, R>) {
        while let Some(tcp) = stage.port.take_dirty() {
            if let Some(ending) = stage.port.ending(tcp) {
                self.end(stage, tcp, ending);
                continue;
            }
            self.write(stage, tcp);
            if stage.port.take_mark(tcp) {
                self.notices.push(Notice::Wrote(tcp));
            }
            self.queue_reader(stage, tcp);
        }
    }

    /// Tells the role what came of its wishes; whether there was anything.
    pub(crate) fn deliver_notices<R: Role>(&mut self, stage: &mut Stage<'_, R>) -> bool {
        core::mem::swap(&mut self.notices, &mut self.delivered);
        for at in 0..self.delivered.len() {
            match self.delivered[at] {
                Notice::Wrote(tcp) => self.deliver_wrote(stage, tcp),
                Notice::Failed(tcp, failure) => self.deliver_failed(stage, tcp, failure),
            }
        }
        let any = !self.delivered.is_empty();
        self.delivered.clear();
        any
    }

    fn deliver_wrote<R: Role>(&mut self, stage: &mut Stage<'_, R>, tcp: TcpId) {
        if self.slot(tcp).is_some()
            && let Some(token) = stage.port.token(tcp)
        {
            stage.deliver(Input::Wrote { tcp, token });
        }
    }

    /// A connection that the role has ended meanwhile is silent; `reconcile` lets it go.
    fn deliver_failed<R: Role>(&mut self, stage: &mut Stage<'_, R>, tcp: TcpId, failure: TcpFailure) {
        if let Some(token) = stage.port.token(tcp) {
            stage.deliver(Input::Failed { tcp, token, failure });
            *self.place(tcp) = Slot::default();
            stage.counters.syscalls.bump();
            stage.port.release(tcp);
        }
    }

    /// The connection that `tcp` names, unless it is gone or about to be.
    fn slot(&mut self, tcp: TcpId) -> Option<&mut Slot> {
        self.slots
            .get_mut(tcp.0.slot as usize)
            .filter(|slot| slot.generation == tcp.0.generation && slot.socket.is_some() && !slot.failed)
    }

    /// The place of `tcp`, whatever is in it.
    fn place(&mut self, tcp: TcpId) -> &mut Slot {
        let at = tcp.0.slot as usize;
        while self.slots.len() <= at {
            self.slots.push(Slot::default());
        }
        &mut self.slots[at]
    }

    fn on_connected<R: Role>(&mut self, stage: &mut Stage<'_, R>, tcp: TcpId) {
        let Some(slot) = self.slot(tcp) else { return };
        let Some(socket) = &slot.socket else { return };
        stage.counters.syscalls.bump();
        if let Some(errno) = stream::take_error(socket.as_fd()) {
            self.fail(stage, tcp, errno);
        } else if slot.writable
            && let Some(token) = stage.port.token(tcp)
        {
            slot.connecting = false;
            stage.deliver(Input::Connected { tcp, token });
        }
    }

    /// The kernel has an error for the connection: heard out if bytes came before it, failed otherwise.
    fn on_error<R: Role>(&mut self, stage: &mut Stage<'_, R>, tcp: TcpId) {
        let reads = stage.port.reading(tcp) != Reading::Off;
        let sends = stage.port.queued_bytes(tcp) > 0;
        let Some(slot) = self.slot(tcp) else { return };
        let Some(socket) = &slot.socket else { return };
        stage.counters.syscalls.bump();
        if !slot.read_ended && (reads || !sends) && stream::unread_bytes(socket.as_fd()) > 0 {
            slot.broken = true;
            return;
        }
        stage.counters.syscalls.bump();
        if let Some(errno) = stream::take_error(socket.as_fd()) {
            self.fail(stage, tcp, errno);
        }
    }

    fn queue_reader<R: Role>(&mut self, stage: &Stage<'_, R>, tcp: TcpId) {
        let reads = stage.port.reading(tcp) != Reading::Off;
        let Some(slot) = self.slot(tcp) else { return };
        if reads && slot.readable && !slot.queued && !slot.connecting && !slot.read_ended {
            slot.queued = true;
            self.readers.push(tcp);
        }
    }

    fn read<R: Role>(&mut self, stage: &mut Stage<'_, R>, tcp: TcpId) {
        let mut left_bytes = READ_BUDGET_BYTES;
        while let Some(token) = stage.port.token(tcp) {
            let wanted_bytes = match stage.port.reading(tcp) {
                Reading::Off => return,
                Reading::Small => self.small_bytes,
                Reading::Large => self.large_bytes,
            };
            if left_bytes == 0 {
                stage.counters.read_budget_stops.bump();
                return self.queue_reader(stage, tcp);
            }
            let Some(count) = self.read_once(stage, tcp, wanted_bytes.min(left_bytes)) else { return };
            if count == 0 {
                return stage.deliver(Input::ReadEnd { tcp, token });
            }
            left_bytes -= count;
            stage.deliver(Input::Read { tcp, token, bytes: &self.buffer[..count] });
        }
    }

    /// One read into the buffer: 0 is the peer's end, `None` that there is nothing to tell now.
    fn read_once<R: Role>(
        &mut self,
        stage: &mut Stage<'_, R>,
        tcp: TcpId,
        wanted_bytes: usize,
    ) -> Option<usize> {
        self.slot(tcp)?;
        let slot = &mut self.slots[tcp.0.slot as usize];
        if !slot.readable || slot.read_ended {
            return None;
        }
        stage.counters.syscalls.bump();
        match stream::read(slot.socket.as_ref()?.as_fd(), &mut self.buffer[..wanted_bytes]) {
            Ok(0) if slot.broken => self.fail(stage, tcp, libc::ECONNRESET),
            Ok(0) => {
                slot.read_ended = true;
                return Some(0);
            }
            Ok(count) => {
                slot.readable = slot.hung_up || count == wanted_bytes;
                stage.counters.reads.bump();
                stage.counters.read_bytes.add(count as u64);
                return Some(count);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => slot.readable = false,
            Err(error) => self.fail(stage, tcp, error.raw_os_error().unwrap_or(0)),
        }
        None
    }

    /// Writes what is queued as far as the kernel takes it, and FIN behind it if it is wished.
    fn write<R: Role>(&mut self, stage: &mut Stage<'_, R>, tcp: TcpId) {
        while stage.port.queued_bytes(tcp) > 0 {
            let Some(slot) = self.slot(tcp) else { return };
            if slot.broken {
                return self.give_up_unread(stage, tcp);
            }
            if !slot.writable || slot.connecting {
                return;
            }
            self.write_once(stage, tcp);
        }
        self.finish(stage, tcp);
    }

    fn write_once<R: Role>(&mut self, stage: &mut Stage<'_, R>, tcp: TcpId) {
        let Some(slot) = self.slot(tcp) else { return };
        let Some(socket) = &slot.socket else { return };
        stage.counters.syscalls.bump();
        match stream::write(socket.as_fd(), stage.port.outgoing(tcp)) {
            Ok((taken, offered)) => {
                slot.writable = taken == offered;
                stage.counters.writes.bump();
                stage.counters.write_bytes.add(taken as u64);
                if taken < offered {
                    stage.counters.write_short.bump();
                }
                if stage.port.sent(tcp, taken) {
                    self.notices.push(Notice::Wrote(tcp));
                }
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => slot.writable = false,
            Err(error) => self.on_write_error(stage, tcp, error.raw_os_error().unwrap_or(0)),
        }
    }

    fn on_write_error<R: Role>(&mut self, stage: &mut Stage<'_, R>, tcp: TcpId, errno: i32) {
        let reads = stage.port.reading(tcp) != Reading::Off;
        let Some(slot) = self.slot(tcp) else { return };
        let Some(socket) = &slot.socket else { return };
        stage.counters.syscalls.bump();
        if reads && !slot.read_ended && stream::unread_bytes(socket.as_fd()) > 0 {
            slot.broken = true;
            slot.readable = true;
        } else {
            self.fail(stage, tcp, errno);
        }
    }

    /// A broken connection that has something to send and is not read: hearing it out would take for ever.
    fn give_up_unread<R: Role>(&mut self, stage: &Stage<'_, R>, tcp: TcpId) {
        if stage.port.reading(tcp) == Reading::Off {
            self.fail(stage, tcp, libc::ECONNRESET);
        }
    }

    fn finish<R: Role>(&mut self, stage: &Stage<'_, R>, tcp: TcpId) {
        if !stage.port.is_finishing(tcp) {
            return;
        }
        let Some(slot) = self.slot(tcp) else { return };
        if slot.finished || slot.connecting || slot.broken {
            return;
        }
        slot.finished = true;
        stage.counters.syscalls.bump();
        // ENOTCONN: a reset came first, and is reported as such.
        let _ = slot.socket.as_ref().map(|socket| stream::finish(socket.as_fd()));
    }

    /// Closing takes the descriptor out of epoll as well: nothing else holds it.
    fn end<R: Role>(&mut self, stage: &mut Stage<'_, R>, tcp: TcpId, ending: Ending) {
        let slot = core::mem::take(self.place(tcp));
        if let Some(socket) = &slot.socket {
            stage.counters.syscalls.bump();
            match ending {
                Ending::Close => stage.counters.closes.bump(),
                Ending::Abort => reset(socket.as_fd(), stage),
            }
        }
        stage.port.release(tcp);
    }

    fn fail<R: Role>(&mut self, stage: &Stage<'_, R>, tcp: TcpId, errno: i32) {
        let slot = self.place(tcp);
        assert!(!slot.failed, "a connection fails once");
        slot.failed = true;
        let counter = if slot.connecting { &stage.counters.connect_errors } else { &stage.counters.failures };
        counter.bump();
        self.notices.push(Notice::Failed(tcp, tcp_failure(errno)));
    }
}

fn reset<R: Role>(socket: BorrowedFd<'_>, stage: &Stage<'_, R>) {
    stage.counters.aborts.bump();
    stage.counters.syscalls.bump();
    // A socket that cannot be told to reset is gone already.
    let _ = stream::reset_on_close(socket);
}

fn register<R: Role>(
    tcp: TcpId,
    socket: &OwnedFd,
    registry: &Registry,
    stage: &Stage<'_, R>,
) -> io::Result<()> {
    stage.counters.syscalls.bump();
    let interest = Interest::READABLE | Interest::WRITABLE;
    registry.register(&mut SourceFd(&socket.as_raw_fd()), Source::Tcp(tcp).to_token(), interest)
}

/// Registered after connect has begun: before, epoll would report a socket that hangs up.
fn start_connect<R: Role>(
    tcp: TcpId,
    to: SocketAddr,
    options: &ConnectOptions,
    registry: &Registry,
    stage: &Stage<'_, R>,
) -> io::Result<OwnedFd> {
    stage.counters.syscalls.add(4);
    let socket = socket::stream(to, options)?;
    // A connection that stands at once is writable at once, and goes the way of the others.
    let _ = socket::connect(socket.as_fd(), to)?;
    register(tcp, &socket, registry, stage)?;
    Ok(socket)
}
