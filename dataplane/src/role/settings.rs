//! What an operator may change while the node runs. Plain data, checked by whoever made it; a worker takes a change
//! over as a whole at the end of a turn, and exchanges under way go on.

use crate::blender::RINGS;
use crate::compression::Codec;

/// The values in force. What a node has no part for (weights without tunnels) is never looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Weights of the rings, highest first.
    pub weights: [u32; RINGS],
    /// Largest piece of one stream that leaves in one turn, bytes.
    pub sub_packet_bytes: u32,
    /// Largest datagram (UDP payload) to search for and to fill, bytes.
    pub datagram_bytes_max: u16,
    /// How full the exchanges may be before requests of each class are refused, percent.
    pub shed_at_percent: [u32; RINGS],
    /// What streams are compressed with; `None`: not.
    pub codec: Option<Codec>,
}
