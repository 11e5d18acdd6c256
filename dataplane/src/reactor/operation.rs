//! The names of operations: what travels in `user_data`, and what a completion says.
//!
//! ```text
//! user_data = kind:8 | generation:24 | slot:32        never a pointer
//! ```
//! The slot is that of the connection, listener, socket or train that the operation belongs to. The generation
//! is a tripwire, not the mechanism: a slot is freed only when nothing of it is in flight.

use crate::port::TcpId;

/// Bits of a generation that fit into a name.
const GENERATION_MASK: u32 = 0x00ff_ffff;

/// What an operation does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    /// Multishot accept of a listener.
    Accept = 1,
    /// Multishot receive of a connection into small buffers.
    ReceiveSmall,
    /// One receive of a connection into a large buffer.
    ReceiveLarge,
    /// A send of a connection.
    Send,
    /// The connect of a connection.
    Connect,
    /// A poll that only a reset ends, for a connection that is not read.
    Watch,
    /// Multishot recvmsg of a datagram socket.
    Datagrams,
    /// A sendmsg of a train.
    Train,
    /// Multishot poll of the worker's own eventfd.
    Wake,
    /// Multishot poll of the worker's alarm.
    Alarm,
    /// Cancel, close, the write to a peer's eventfd: heard of only when they fail.
    Silent,
    /// A send of a connection that ends with the enter that submits it (`at_once`): heard of only when it falls short.
    SendAtOnce,
    /// The same for a train.
    TrainAtOnce,
}

impl Kind {
    /// Whether the operation always ends with a completion, so that it counts as in flight until then.
    pub(crate) const fn is_counted(self) -> bool {
        !matches!(self, Self::Silent | Self::SendAtOnce | Self::TrainAtOnce)
    }

    /// Whether silence about the operation means that it is done.
    pub(crate) const fn is_at_once(self) -> bool {
        matches!(self, Self::SendAtOnce | Self::TrainAtOnce)
    }

    const fn from_u8(byte: u8) -> Option<Self> {
        Some(match byte {
            1 => Self::Accept,
            2 => Self::ReceiveSmall,
            3 => Self::ReceiveLarge,
            4 => Self::Send,
            5 => Self::Connect,
            6 => Self::Watch,
            7 => Self::Datagrams,
            8 => Self::Train,
            9 => Self::Wake,
            10 => Self::Alarm,
            11 => Self::Silent,
            12 => Self::SendAtOnce,
            13 => Self::TrainAtOnce,
            _ => return None,
        })
    }
}

/// Names one operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Name {
    /// What it does.
    pub(crate) kind: Kind,
    /// The low bits of the slot's generation; zero where slots are never reused.
    pub(crate) generation: u32,
    /// Whose it is.
    pub(crate) slot: u32,
}

impl Name {
    /// An operation whose completion, if there is one, concerns nobody.
    pub(crate) const SILENT: Self = Self { kind: Kind::Silent, generation: 0, slot: 0 };

    /// An operation of a connection.
    pub(crate) const fn of_tcp(kind: Kind, tcp: TcpId) -> Self {
        Self { kind, generation: tcp.0.generation & GENERATION_MASK, slot: tcp.0.slot }
    }

    /// An operation of something that lives as long as the driver.
    pub(crate) const fn of_index(kind: Kind, index: usize) -> Self {
        Self { kind, generation: 0, slot: index as u32 }
    }

    /// Whether this names an operation of `tcp`.
    pub(crate) const fn is_of(self, tcp: TcpId) -> bool {
        self.slot == tcp.0.slot && self.generation == tcp.0.generation & GENERATION_MASK
    }

    /// As it travels.
    pub(crate) const fn to_u64(self) -> u64 {
        (self.kind as u64) << 56 | (self.generation as u64) << 32 | self.slot as u64
    }

    /// The inverse; only names that we made come back, so anything else is our own mistake.
    pub(crate) fn from_u64(word: u64) -> Self {
        let Some(kind) = Kind::from_u8((word >> 56) as u8) else {
            panic!("completions carry names that this driver made");
        };
        Self { kind, generation: (word >> 32) as u32 & GENERATION_MASK, slot: word as u32 }
    }
}

/// What the kernel says about an operation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Completion {
    /// Which operation.
    pub(crate) name: Name,
    /// Bytes, a descriptor, or a negated errno.
    pub(crate) result: i32,
    /// The provided buffer it filled, if any.
    pub(crate) buffer: Option<u16>,
    /// Whether more completions of the same operation follow; if not, it has ended, whatever the result.
    pub(crate) more: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stdx::slab::Handle;

    #[test]
    fn names_travel_unharmed() {
        let tcp = TcpId(Handle { slot: u32::MAX - 1, generation: 0xff00_0007 });
        for byte in 1..=13 {
            let kind = Kind::from_u8(byte).unwrap();
            let name = Name::of_tcp(kind, tcp);
            assert_eq!((Name::from_u64(name.to_u64()), kind as u8), (name, byte));
            assert!(name.is_of(tcp));
        }
        assert!(Kind::from_u8(0).is_none() && Kind::from_u8(14).is_none());
    }

    #[test]
    fn another_generation_is_somebody_else() {
        let tcp = TcpId(Handle { slot: 3, generation: 7 });
        let next = TcpId(Handle { slot: 3, generation: 8 });
        assert!(!Name::of_tcp(Kind::Send, tcp).is_of(next));
    }
}
