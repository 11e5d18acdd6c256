//! What a driver is given when it starts: its sockets and its sizes. Both drivers take the same; each uses what
//! it has a use for, and the fields say which.

use std::os::fd::OwnedFd;

use crate::reactor::socket::ConnectOptions;

/// The sockets of one worker, in the order in which the role numbers them.
#[derive(Debug, Default)]
pub struct Sockets {
    /// Listening sockets; index = `ListenerId`. Made by `socket::listen`.
    pub listeners: Vec<OwnedFd>,
    /// UDP sockets; index = `SocketId`. Made by `socket::udp`.
    pub udp: Vec<OwnedFd>,
}

/// Receive buffers of one kind.
#[derive(Clone, Copy, Debug)]
pub struct BufferOptions {
    /// Bytes of each.
    pub bytes: usize,
    /// How many (io_uring rounds up to a power of two; epoll keeps one of each kind, whatever this says).
    pub count: usize,
}

/// Sizes and habits of a driver.
#[derive(Clone, Debug)]
pub struct DriverOptions {
    /// Buffers for `Reading::Small`.
    pub small: BufferOptions,
    /// Buffers for `Reading::Large`.
    pub large: BufferOptions,
    /// Buffers for datagrams. `bytes` of payload: a train that the kernel coalesced (UDP_GRO) takes 65,535.
    pub datagrams: BufferOptions,
    /// Events or completions taken per turn of the loop, before the role is flushed.
    pub batch: usize,
    /// µs to go on looking before sleeping; 0 sleeps at once. Costs a core, saves a wake-up of about 5.5 µs.
    pub spin_us: u32,
    /// µs to wait for a batch to fill on a busy loop (io_uring min_wait); 0 is off. Not used by epoll.
    pub batch_wait_us: u32,
    /// µs that a role may ask to let its inputs gather while the driver sleeps (io_uring min_wait); 0 is off. Not used by epoll.
    pub coalesce_us: u32,
    /// Most segments of one UDP_SEGMENT send, 1..=64; 1 sends every datagram by itself.
    pub gso_segments_max: usize,
    /// Options of the connections that the role asks for.
    pub connect: ConnectOptions,
    /// Entries of the submission queue (io_uring only).
    pub submission_entries: u32,
    /// Entries of the completion queue (io_uring only); at least twice the provided buffers.
    pub completion_entries: u32,
}

/// The kernel's bound for one UDP_SEGMENT send (UDP_MAX_SEGMENTS; 128 since Linux 6.9, 64 before).
pub const GSO_SEGMENTS_MAX: usize = 64;

impl Default for DriverOptions {
    fn default() -> Self {
        Self {
            // A request head of a browser is 0.5–2 KiB; 1,024 of them may be in flight in one turn.
            small: BufferOptions { bytes: 4_096, count: 1_024 },
            // Half of what one connection may take per turn (64 KiB), so that a body of 16 KiB comes in with its head.
            large: BufferOptions { bytes: 32_768, count: 256 },
            datagrams: BufferOptions { bytes: 65_536, count: 128 },
            batch: 256,
            spin_us: 0,
            batch_wait_us: 0,
            coalesce_us: 0,
            gso_segments_max: GSO_SEGMENTS_MAX,
            connect: ConnectOptions::default(),
            submission_entries: 1_024,
            completion_entries: 8_192,
        }
    }
}
