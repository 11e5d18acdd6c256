//! Short datagrams that wait to be sent: answers to handshakes and to unknown packets. Bounded; what finds no
//! room is dropped, because the other side asks again.

use crate::tmp::packet::RESP_BYTES_MAX;
use crate::tmp::place::Place;
use crate::tmp::reset::RESET_BYTES_MAX;
use std::collections::VecDeque;

/// Longest datagram that waits here.
pub(in crate::tmp) const OUTBOX_BYTES_MAX: usize = RESET_BYTES_MAX;

/// Datagrams that wait at most: a turn of a driver brings up to 256, and under a flood each has its answer. Whatever
/// finds no room may be the answer to an honest one.
const OUTBOX_DATAGRAMS_MAX: usize = 256;

const _: () = assert!(RESP_BYTES_MAX <= OUTBOX_BYTES_MAX);

#[derive(Debug)]
struct Waiting {
    to: Place,
    bytes: [u8; OUTBOX_BYTES_MAX],
    len: usize,
}

/// First in, first out.
#[derive(Debug)]
pub(in crate::tmp) struct Outbox(VecDeque<Waiting>);

impl Outbox {
    /// An empty one.
    pub(in crate::tmp) fn new() -> Self {
        Self(VecDeque::with_capacity(OUTBOX_DATAGRAMS_MAX))
    }

    /// Queues a copy of `datagram`; false if there is no room.
    pub(in crate::tmp) fn push(&mut self, to: Place, datagram: &[u8]) -> bool {
        if self.0.len() == OUTBOX_DATAGRAMS_MAX {
            return false;
        }
        let mut bytes = [0; OUTBOX_BYTES_MAX];
        bytes[..datagram.len()].copy_from_slice(datagram);
        self.0.push_back(Waiting { to, bytes, len: datagram.len() });
        true
    }

    /// Copies the oldest into `buffer` and says where it goes and how long it is.
    pub(in crate::tmp) fn pop(&mut self, buffer: &mut [u8]) -> Option<(Place, usize)> {
        let waiting = self.0.pop_front()?;
        buffer[..waiting.len].copy_from_slice(&waiting.bytes[..waiting.len]);
        Some((waiting.to, waiting.len))
    }

    /// Nothing waits.
    pub(in crate::tmp) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
