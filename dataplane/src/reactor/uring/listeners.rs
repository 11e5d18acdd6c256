//! The listening sockets of a worker: which are armed, and the clients that were accepted while the role wanted
//! none. Not the accepting itself.

#![allow(unsafe_code, reason = "poll and accept are foreign functions")]

use std::collections::VecDeque;
use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};

use crate::port::ListenerId;
use crate::reactor::socket::stop_listening;
use crate::time::Instant;

/// Clients that wait at most for the role to accept again. The multishot accept is cancelled at the first of them
/// and can bring one batch of completions more; the rest waits in the kernel's backlog.
const WAITING_MAX: usize = 256;

/// One listening socket.
#[derive(Debug)]
pub(crate) struct Listener {
    socket: OwnedFd,
    /// Its multishot accept is in flight.
    pub(crate) armed: bool,
    /// That accept has been cancelled.
    pub(crate) cancelled: bool,
    /// The kernel says that it is none.
    pub(crate) broken: bool,
}

impl Listener {
    /// Refuses clients from now on. A listener that cannot be stopped is closed at the end, a little later.
    pub(crate) fn stop(&mut self) {
        self.broken = true;
        let _stopped = stop_listening(self.socket.as_fd());
    }

    /// Its descriptor.
    pub(crate) fn fd(&self) -> i32 {
        self.socket.as_raw_fd()
    }
}

/// All of them.
#[derive(Debug)]
pub(crate) struct Listeners {
    /// In the order in which the node was given them.
    pub(crate) sockets: Box<[Listener]>,
    /// Accepted, and not yet shown to the role.
    waiting: VecDeque<(OwnedFd, ListenerId)>,
    /// Given up to accept and refuse one client when descriptors are short.
    spare: Option<File>,
    /// Nothing is armed before this.
    pub(crate) retry_at: Option<Instant>,
}

impl Listeners {
    /// Takes the sockets over.
    pub(crate) fn new(sockets: Vec<OwnedFd>) -> Self {
        let listener = |socket| Listener { socket, armed: false, cancelled: false, broken: false };
        Self {
            sockets: sockets.into_iter().map(listener).collect(),
            waiting: VecDeque::with_capacity(WAITING_MAX),
            spare: spare(),
            retry_at: None,
        }
    }

    /// Whether clients wait.
    pub(crate) fn has_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Keeps a client for later; one too many is sent away.
    pub(crate) fn wait(&mut self, client: OwnedFd, listener: ListenerId) {
        if self.waiting.len() < WAITING_MAX {
            self.waiting.push_back((client, listener));
        }
    }

    /// The client that waits longest.
    pub(crate) fn next_waiting(&mut self) -> Option<(OwnedFd, ListenerId)> {
        self.waiting.pop_front()
    }

    /// Accepts one client in place of the spare descriptor and sends it away: without that it would knock for ever
    /// and the accept would spin.
    pub(crate) fn turn_one_away(&mut self, at: usize) {
        self.spare = None;
        let fd = self.sockets[at].fd();
        let mut poll = libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
        // SAFETY: `poll` is one valid record for the length of the call, which does not wait. The accept is given
        // no address to fill, and does not block since a client waits and only this thread accepts here.
        let client = unsafe {
            if libc::poll(&raw mut poll, 1, 0) == 1 {
                libc::accept4(fd, core::ptr::null_mut(), core::ptr::null_mut(), libc::SOCK_CLOEXEC)
            } else {
                -1
            }
        };
        if client >= 0 {
            // SAFETY: accept made the descriptor just now; it belongs to nobody else.
            drop(unsafe { OwnedFd::from_raw_fd(client) });
        }
        self.spare = spare();
    }
}

fn spare() -> Option<File> {
    File::open("/dev/null").ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reactor::socket::{ListenOptions, listen, local_address};
    use std::io::Read;
    use std::net::TcpStream;
    use std::os::fd::AsFd;

    #[test]
    fn a_client_is_turned_away_and_nobody_is_waited_for() {
        let listener = listen("127.0.0.1:0".parse().unwrap(), &ListenOptions::default()).unwrap();
        let address = local_address(listener.as_fd()).unwrap();
        let mut listeners = Listeners::new(vec![listener]);
        listeners.turn_one_away(0);
        let mut client = TcpStream::connect(address).unwrap();
        listeners.turn_one_away(0);
        assert_eq!(client.read(&mut [0]).unwrap(), 0);
        assert!(listeners.spare.is_some() && !listeners.has_waiting());
    }

    #[test]
    fn those_who_wait_are_served_in_order_and_bounded() {
        let mut listeners = Listeners::new(Vec::new());
        for number in 0..WAITING_MAX as u16 + 3 {
            listeners.wait(File::open("/dev/null").unwrap().into(), ListenerId(number));
        }
        let served: Vec<u16> =
            core::iter::from_fn(|| listeners.next_waiting()).map(|(_, listener)| listener.0).collect();
        assert_eq!(served, (0..WAITING_MAX as u16).collect::<Vec<_>>());
    }
}
