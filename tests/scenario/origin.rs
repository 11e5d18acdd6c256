//! An origin server that does what the test says, connection by connection.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener};
use std::thread;

use crate::scenario::patience::{A_MOMENT, until};
use crate::scenario::wire::Wire;

/// A listener whose connections the test serves itself.
pub(crate) struct Origin(TcpListener);

impl Origin {
    pub(crate) fn new() -> Self {
        Self::on("127.0.0.1:0".parse().unwrap())
    }

    pub(crate) fn on(address: SocketAddr) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        listener.set_nonblocking(true).unwrap();
        Self(listener)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.0.local_addr().unwrap()
    }

    /// As `--origin` names it.
    pub(crate) fn http(&self) -> String {
        format!("http://{}", self.address())
    }

    /// As `--origin` names it for plain TCP.
    pub(crate) fn tcp(&self) -> String {
        format!("tcp://{}", self.address())
    }

    /// The next connection.
    pub(crate) fn accept(&self) -> Wire {
        until("a connection to the origin", || self.try_accept())
    }

    /// Nobody connects for a moment.
    pub(crate) fn stays_alone(&self) {
        thread::sleep(A_MOMENT);
        assert!(self.try_accept().is_none(), "a connection that should not be");
    }

    fn try_accept(&self) -> Option<Wire> {
        match self.0.accept() {
            Ok((stream, _)) => Some(Wire::of(stream)),
            Err(error) if error.kind() == ErrorKind::WouldBlock => None,
            Err(error) => panic!("{error}"),
        }
    }
}

/// An address of this machine on which nobody listens.
pub(crate) fn address_of_nobody() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}
