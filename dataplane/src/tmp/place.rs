//! Where datagrams of a path come from and go to: the peer's address, and the socket of ours that is used for it.
//!
//! A machine with several addresses has a socket for each; an answer that left by another one would come from an
//! address that the peer did not write to. Which sockets there are is the driver's business: here they are numbers.

use core::net::SocketAddr;

/// The two ends of a datagram's way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Of the peer.
    pub address: SocketAddr,
    /// Of ours, counted from 0.
    pub socket: u8,
}

impl From<SocketAddr> for Place {
    fn from(address: SocketAddr) -> Self {
        Self { address, socket: 0 }
    }
}
