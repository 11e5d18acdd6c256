//! The blender decides whose bytes leave next: five priority rings of sources, composed into loops.
//!
//! It knows no tunnel, no packet format, no stream and no clock; a role pours what it picks into a tunnel.
//! The algorithm is that of the seeds (`literal`), or the same with a bounded loop, deficits and grants on
//! arrival (`bounded`). Rings are numbered 0 (highest) to 4; all quantities are bytes of payload.

mod blend;
mod cascade;
mod counters;
mod options;
mod quotas;
mod rings;

#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;

pub use blend::{Blender, Grant};
pub use counters::{Counters, RingCounters};
pub use options::{
    BACKGROUND_EVERY_BYTES, LOOP_BYTES_MAX, Mode, Options, PACKET_ROOM_MIN, RINGS, SLIVER_BYTES,
    SUB_PACKET_BYTES, SUB_PACKET_BYTES_MAX, SUB_PACKET_BYTES_MIN, WEIGHTS,
};
