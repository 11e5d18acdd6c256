//! The seam between the sealed world and the plain one: what an `Endpoint` asks of the transport behind it, and
//! what the transport asks of the blender.
//!
//! An `Endpoint` handles datagrams, keys and addresses; a `Carrier` handles packet numbers, frames and
//! streams; neither sees the other's business. Times are `now` of the driver.
//!
//! Contract. A carrier exists before its session has keys: streams may be opened and written at once, but
//! `fill_packet` is called only after `on_connected`. Every payload handed to `handle_packet` was
//! authenticated; whether its number is a duplicate is for the carrier's received set to say. After any
//! input the endpoint asks `deadline` again.

use crate::time::Instant;
use crate::tmp::id::{PathId, Side, StreamId, TunnelId};
use crate::tmp::learned::{Learned, LearnedPaths};
use crate::tmp::place::Bearer;
use crate::tmp::spread::PathUse;

/// The two ECN bits of the IP header (RFC 3168).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum Ecn {
    /// Not capable, or unknown.
    #[default]
    NotCapable = 0,
    /// ECT(1).
    Capable1 = 1,
    /// ECT(0), which we send.
    Capable0 = 2,
    /// Congestion was experienced on the path.
    Congested = 3,
}

impl Ecn {
    /// From the low two bits of the traffic class byte.
    pub const fn from_bits(bits: u8) -> Self {
        match bits & 3 {
            0 => Self::NotCapable,
            1 => Self::Capable1,
            2 => Self::Capable0,
            _ => Self::Congested,
        }
    }
}

/// The blender's side of packet building, for one tunnel: whose bytes are next.
pub trait Fill {
    /// Grants the next bytes: a stream and at most `room` bytes of it, never zero. `None`: nobody is ready. A
    /// grant is always honoured exactly; consecutive grants of one stream travel as one SUB frame.
    fn next(&mut self, room: usize) -> Option<(StreamId, usize)>;
}

/// The blenders of all tunnels of one endpoint, handed to `Endpoint::transmit`.
pub trait Blend {
    /// As `Fill::next`, for `tunnel`.
    fn next(&mut self, tunnel: TunnelId, room: usize) -> Option<(StreamId, usize)>;
}

/// One payload that a carrier has filled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Filled {
    /// The packet's number: one more than the last of its path, never reused while the carrier lives. [TMP-21]
    pub number: u64,
    /// Bytes written at the front of the payload: `PAYLOAD_BYTES_MIN` at least (the carrier pads). [TMP-22]
    pub len_bytes: usize,
    /// The mark that the packet shall bear; the packets of one train bear that of the first.
    pub ecn: Ecn,
    /// The peer will acknowledge this packet (it holds more than ACK, PAD and CLOSE): if then nothing is heard
    /// for long, the endpoint suspects a restart.
    pub is_eliciting: bool,
}

/// What became of an authenticated payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handled {
    /// New and digested.
    New,
    /// The number was received before, or is too old to tell: the payload was not looked at. [TMP-84]
    Duplicate,
    /// The peer closed the tunnel by a CLOSE frame.
    Closed {
        /// From the frame.
        code: u16,
    },
    /// A frame was malformed or broke a rule. The peer is authenticated, so this is a bug of its: the
    /// endpoint closes the tunnel with `CLOSE_PROTOCOL`.
    Violation,
}

/// The transport state machine of one tunnel, as the endpoint sees it.
pub trait Carrier: Sized {
    /// What `new` needs besides the side.
    type Options: Clone;

    /// A fresh carrier, its numbers beginning at 0. Called when a tunnel is connected or accepted, and at the
    /// initiator again when the peer has lost its state.
    fn new(options: &Self::Options, side: Side, now: Instant) -> Self;

    /// The first keys are there (or again, after the carrier was made anew): packets may leave, on this path; and how
    /// those that `open_path` adds are used.
    fn on_connected(&mut self, now: Instant, path: (PathId, Bearer), chosen: PathUse);

    /// There is a further path.
    fn open_path(&mut self, now: Instant, path: (PathId, Bearer));

    /// The peer answers from another address: forget what was learnt of the path (rtt, window, mtu).
    fn on_path_changed(&mut self, now: Instant, path: (PathId, Bearer));

    /// What is known of the paths that there are.
    fn learned(&self, now: Instant) -> LearnedPaths;

    /// This is known of a path that was just opened. [TMP-163]
    fn resume(&mut self, path: PathId, learned: Learned);

    /// The stream that bears a path takes no more packets for now, or takes them again. [TMP-170.1]
    fn hold_path(&mut self, path: PathId, is_held: bool);

    /// One authenticated payload; its path was opened. The number is the full 64-bit number.
    fn handle_packet(&mut self, now: Instant, packet: (PathId, u64), ecn: Ecn, payload: &[u8]) -> Handled;

    /// The driver has handed in all datagrams that were waiting: acknowledge them together.
    fn handle_batch_end(&mut self, now: Instant);

    /// Length of the next payload on a path if it is full: path mtu less `DATA_OVERHEAD_BYTES`, or more if the next
    /// packet would be an mtu probe. All packets of one train have this length but the last.
    fn payload_bytes_next(&self, now: Instant, path: PathId) -> usize;

    /// Builds the next payload for a path into `payload`, which has `payload_bytes_next`, or less while the peer's address
    /// is not proven (room for PATH_CHALLENGE then goes before all else, and there are no mtu probes); `None` if nothing may or need be
    /// sent now. A returned packet is regarded as sent.
    fn fill_packet(
        &mut self,
        now: Instant,
        path: PathId,
        payload: &mut [u8],
        fill: &mut dyn Fill,
    ) -> Option<Filled>;

    /// When `tick` or the next `fill_packet` is due (timers, pacing); may lie in the past.
    fn deadline(&self) -> Option<Instant>;

    /// Time has passed.
    fn tick(&mut self, now: Instant);

    /// Sends PATH_CHALLENGE with `token` on a path soon. (PATH_RESPONSE to the peer's challenges is the carrier's own matter.)
    fn queue_path_challenge(&mut self, path: PathId, token: u64);

    /// Sends a PING (or anything that elicits an acknowledgement) soon: it confirms new keys to the peer.
    fn queue_ping(&mut self);

    /// The token of a PATH_RESPONSE that came in, once each; the last one wins.
    fn take_path_response(&mut self) -> Option<u64>;

    /// The next `fill_packet` shall give one packet with CLOSE (`code`), whatever window and pacer say.
    fn queue_close(&mut self, code: u16);
}
