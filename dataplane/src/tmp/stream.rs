//! One stream as the table keeps it: both halves and what waits to be said about it.

use crate::stdx::slab::Handle;
use crate::tmp::activity::Seen;
use crate::tmp::frame::Opening;
use crate::tmp::id::StreamId;
use crate::tmp::receive_stream::ReceiveStream;
use crate::tmp::send_stream::SendStream;

/// Events that wait to be polled, a set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags(u8);

impl Flags {
    /// The peer opened it.
    pub const OPENED: Self = Self(1);
    /// There is something to read.
    pub const READABLE: Self = Self(2);
    /// There is room to write.
    pub const WRITABLE: Self = Self(4);
    /// The peer gave up sending.
    pub const RESET: Self = Self(8);
    /// The peer gave up reading.
    pub const STOPPED: Self = Self(16);
    /// Nothing is left to do.
    pub const CLOSED: Self = Self(32);

    /// Adds one.
    pub const fn raise(&mut self, flag: Self) {
        self.0 |= flag.0;
    }

    /// Takes one out; whether it was in.
    pub const fn take(&mut self, flag: Self) -> bool {
        let was = self.has(flag);
        self.0 &= !flag.0;
        was
    }

    /// Whether it is in.
    pub const fn has(self, flag: Self) -> bool {
        self.0 & flag.0 != 0
    }

    /// Whether none is.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

/// Control frames that have to be sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Due {
    /// CREDIT.
    pub credit: bool,
    /// RESET.
    pub reset: bool,
    /// STOP.
    pub stop: bool,
    /// PRIO.
    pub class: bool,
}

impl Due {
    /// Whether any has.
    pub const fn any(self) -> bool {
        self.credit || self.reset || self.stop || self.class
    }
}

/// One stream.
#[derive(Debug)]
pub struct Stream {
    /// Its name on the wire.
    pub id: StreamId,
    /// Class, opaque.
    pub class: u8,
    /// What it carries, opaque.
    pub kind: u8,
    /// What every SUB has to say until anything of the stream was acknowledged.
    pub opening: Option<Opening>,
    /// What we send.
    pub send: SendStream,
    /// What the peer sends.
    pub receive: ReceiveStream,
    /// Events not yet polled.
    pub events: Flags,
    /// The peer's code of the RESET event.
    pub reset_code: u16,
    /// The peer's code of the STOPPED event.
    pub stop_code: u16,
    /// Control frames not yet sent.
    pub due: Due,
    /// Bytes that the blender was told and has not granted.
    pub told_bytes: usize,
    /// When it had something to send last.
    pub seen: Seen,
    /// An older use of the same slot that is not done here yet.
    pub older: Option<Handle>,
}

impl Stream {
    /// A stream with nothing sent or received.
    pub fn new(id: StreamId, class: u8, kind: u8, send: SendStream, receive: ReceiveStream) -> Self {
        Self {
            id,
            class,
            kind,
            opening: None,
            send,
            receive,
            events: Flags::default(),
            reset_code: 0,
            stop_code: 0,
            due: Due::default(),
            told_bytes: 0,
            seen: Seen::default(),
            older: None,
        }
    }

    /// Whether both halves have nothing left to do.
    pub fn is_done(&self) -> bool {
        self.send.is_done() && self.receive.is_done()
    }
}
