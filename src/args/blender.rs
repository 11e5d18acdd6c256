//! How streams share a tunnel.

use crate::config::{BlenderMode, BlenderTuning};
use crate::form::count::Count;
use crate::form::given::Given;
use crate::form::size::Size;
use crate::form::weights::Weights;
use crate::form::word::Word;
use crate::problem::{Problems, Wrong};

/// Bytes of a sub-packet: two slivers of 64 B at least, so that a piece can always be cut in two; at most what a
/// datagram holds.
const SUB_PACKET_BYTES: core::ops::RangeInclusive<u32> = 128..=65_535;

/// How long a turn lasts unless a flag says otherwise, and at most.
const TURN_US: u32 = 250;
const TURN_US_MAX: u32 = 100_000;

/// Counts and weights of the rings.
#[derive(clap::Args, Clone, Debug)]
#[command(next_help_heading = "Blender")]
pub(crate) struct BlenderArgs {
    /// Which reading of the composing loop: `literal` adds nothing to it, `bounded` bounds its length and serves
    /// what arrives meanwhile
    #[arg(long, value_name = "MODE", default_value_t = Given::of(BlenderMode::Bounded))]
    blender: Given<Word<BlenderMode>>,
    /// Bytes per loop of a ready stream of each ring relative to the others, ring 0 (highest) first
    #[arg(long, value_name = "W0,…,W4", default_value_t = Given::of([16, 8, 4, 2, 1]))]
    weights: Given<Weights>,
    /// Largest piece of one stream that leaves in one turn, bytes
    #[arg(long, value_name = "SIZE", default_value_t = Given::of(512))]
    sub_packet: Given<Size<u32>>,
    /// Microseconds that a turn may last at the tunnel's pace where that is more than a sub-packet, 8 KiB at most (`bounded`):
    /// longer turns on fast paths, which cost both ends less; 0 keeps to --sub-packet
    #[arg(long, value_name = "US", default_value_t = Given::of(TURN_US))]
    turn_us: Given<Count<u32>>,
}

/// The size, if it will do.
pub(crate) fn check_sub_packet(bytes: u32) -> Result<u32, Wrong> {
    let is_good = SUB_PACKET_BYTES.contains(&bytes);
    if is_good { Ok(bytes) } else { Err(Wrong::new("is no usable sub-packet", "give 128 to 65535")) }
}

impl BlenderArgs {
    /// What the flags say.
    pub(crate) fn tuning(&self, problems: &mut Problems) -> BlenderTuning {
        let sub_packet_bytes = self.sub_packet.take_or("sub_packet", problems, 512);
        if let Err(wrong) = check_sub_packet(sub_packet_bytes) {
            problems.add(format_args!("--sub-packet {}", self.sub_packet), &wrong);
        }
        let turn_us = self.turn_us.take_or("turn_us", problems, 0);
        problems.require(
            turn_us <= TURN_US_MAX,
            format_args!("--turn-us {turn_us}"),
            "is longer than a tenth of a second",
            "give less",
        );
        BlenderTuning {
            turn_us,
            weights: self.weights.take_or("weights", problems, [1; 5]),
            sub_packet_bytes,
            mode: self.blender.take_or("blender", problems, BlenderMode::Bounded),
        }
    }
}
