//! (stub until the endpoint lands)
use crate::time::Instant;
use crate::tmp::carrier::{Blend, Carrier, Ecn};
use crate::tmp::id::{PeerId, TunnelId};
use core::net::SocketAddr;

/// Event.
#[derive(Clone, Copy, Debug)]
pub enum EndpointEvent {
    /// up
    Connected {
        /// t
        tunnel: TunnelId,
    },
    /// accepted
    Accepted {
        /// t
        tunnel: TunnelId,
        /// p
        peer: PeerId,
    },
    /// restarted
    Restarted {
        /// t
        tunnel: TunnelId,
    },
    /// closed
    Closed {
        /// t
        tunnel: TunnelId,
    },
}
/// Train.
#[derive(Clone, Copy, Debug)]
pub struct Transmit {
    /// to
    pub to: SocketAddr,
    /// bytes
    pub bytes: usize,
    /// seg
    pub segment_bytes: usize,
    /// ecn
    pub ecn: Ecn,
}
/// Endpoint.
pub struct Endpoint<C: Carrier> {
    c: core::marker::PhantomData<C>,
}
#[allow(missing_docs, unused_variables, clippy::all, reason = "stub")]
impl<C: Carrier> Endpoint<C> {
    pub fn connect(&mut self, now: Instant, peer: PeerId) -> Option<TunnelId> {
        todo!()
    }
    pub fn handle_datagram(&mut self, now: Instant, from: SocketAddr, ecn: Ecn, datagram: &mut [u8]) {
        todo!()
    }
    pub fn handle_batch_end(&mut self, now: Instant) {
        todo!()
    }
    pub fn tick(&mut self, now: Instant) {
        todo!()
    }
    pub fn deadline(&self) -> Option<Instant> {
        todo!()
    }
    pub fn poll_event(&mut self) -> Option<EndpointEvent> {
        todo!()
    }
    pub fn tunnel(&mut self, id: TunnelId) -> Option<&mut C> {
        todo!()
    }
    pub fn close(&mut self, id: TunnelId) {
        todo!()
    }
    pub fn transmit(
        &mut self,
        now: Instant,
        buffer: &mut [u8],
        segments_max: usize,
        blend: &mut dyn Blend,
    ) -> Option<Transmit> {
        todo!()
    }
}
