//! The two groups of receive buffers of TCP connections under one numbering, and the queues of those that wait
//! for a role that does not read.
//!
//! ```text
//! number:  0 … small-1 | small … small+large-1
//! ```

use std::io;

use io_uring::Submitter;

use crate::reactor::buffers::BufferRing;
use crate::reactor::uring::held::{Filled, HeldLinks, HeldQueue};

/// Which of the two groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Size {
    /// Heads, idle connections.
    Small,
    /// Bodies.
    Large,
}

/// How many buffers of how many bytes, small and large.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    /// Bytes of each, and how many.
    pub(crate) small: (usize, usize),
    /// Bytes of each, and how many.
    pub(crate) large: (usize, usize),
}

/// The buffers.
pub(crate) struct TcpBuffers {
    small: BufferRing,
    large: BufferRing,
    links: HeldLinks,
}

impl TcpBuffers {
    /// Makes both groups and registers them as groups 0 and 1.
    pub(crate) fn new(submitter: &Submitter<'_>, shape: Shape) -> io::Result<Self> {
        let small = BufferRing::new(submitter, 0, shape.small.0, shape.small.1)?;
        let large = BufferRing::new(submitter, 1, shape.large.0, shape.large.1)?;
        let links = HeldLinks::new(small.count() + large.count());
        Ok(Self { small, large, links })
    }

    /// One group.
    pub(crate) fn group(&self, size: Size) -> &BufferRing {
        match size {
            Size::Small => &self.small,
            Size::Large => &self.large,
        }
    }

    /// Notes that a completion named a buffer of a group, and how far it is filled.
    pub(crate) fn take(&mut self, size: Size, buffer: u16, bytes: usize) -> Filled {
        let offset = match size {
            Size::Small => 0,
            Size::Large => self.small.count() as u32,
        };
        self.ring(size).take(buffer);
        Filled { number: offset + u32::from(buffer), bytes: bytes as u32 }
    }

    /// What the kernel put into a buffer that was taken.
    pub(crate) fn bytes(&self, filled: Filled) -> &[u8] {
        let (size, buffer) = self.place(filled);
        self.group(size).bytes(buffer, filled.bytes as usize)
    }

    /// Gives a buffer back.
    pub(crate) fn recycle(&mut self, filled: Filled) {
        let (size, buffer) = self.place(filled);
        self.ring(size).recycle(buffer);
    }

    /// Shows the kernel what was given back.
    pub(crate) fn publish(&mut self) {
        self.small.publish();
        self.large.publish();
    }

    /// Appends a buffer to a connection's queue.
    pub(crate) fn hold(&mut self, queue: &mut HeldQueue, filled: Filled) {
        self.links.push(queue, filled);
    }

    /// Takes the oldest buffer out of a connection's queue.
    pub(crate) fn unhold(&mut self, queue: &mut HeldQueue) -> Option<Filled> {
        self.links.pop(queue)
    }

    fn ring(&mut self, size: Size) -> &mut BufferRing {
        match size {
            Size::Small => &mut self.small,
            Size::Large => &mut self.large,
        }
    }

    fn place(&self, filled: Filled) -> (Size, u16) {
        let small = self.small.count() as u32;
        if filled.number < small {
            (Size::Small, filled.number as u16)
        } else {
            (Size::Large, (filled.number - small) as u16)
        }
    }
}
