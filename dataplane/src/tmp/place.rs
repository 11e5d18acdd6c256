//! Where datagrams of a path come from and go to: the peer's address, and the socket of ours that is used for it.
//!
//! A machine with several addresses has a socket for each; an answer that left by another one would come from an
//! address that the peer did not write to. Which sockets there are is the driver's business: here they are numbers.

use core::net::SocketAddr;

/// The socket of places that a byte stream leads to.
const STREAM_SOCKET: u8 = u8::MAX;

/// What bears the packets of a path.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Bearer {
    /// Datagrams, which get lost: the path has to be measured, and packets to be paced.
    #[default]
    Datagrams,
    /// A byte stream (TCP), which loses nothing and knows its own rate: packets leave while it takes them. [TMP-170.1]
    Stream,
}

/// The two ends of a datagram's way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Of the peer.
    pub address: SocketAddr,
    /// Of ours, counted from 0.
    pub socket: u8,
}

impl Place {
    /// A place that is reached over a byte stream.
    pub const fn over_stream(address: SocketAddr) -> Self {
        Self { address, socket: STREAM_SOCKET }
    }

    /// What bears the packets of a path that leads there.
    pub const fn bearer(self) -> Bearer {
        if self.socket == STREAM_SOCKET { Bearer::Stream } else { Bearer::Datagrams }
    }
}

impl From<SocketAddr> for Place {
    fn from(address: SocketAddr) -> Self {
        Self { address, socket: 0 }
    }
}
