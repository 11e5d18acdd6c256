//! The blender decides whose bytes leave next: five priority rings of sources, composed into loops.
//!
//! It knows no tunnel, no packet format, no stream and no clock; a role pours what it picks into a tunnel.
//! The algorithm is that of the seeds (`literal`), or the same with a bounded loop, deficits and grants on
//! arrival (`bounded`). Rings are numbered 0 (highest) to 4; all quantities are bytes of payload.
//!
//! # Nobody starves
//!
//! Bounded, a ready source of a ring with a weight gets a turn in every loop: its ring's share is `S × weight` bytes for each
//! source that is ready when the loop begins, `S × weight` is a sub-packet at least, and the debt that an earlier loop may
//! have left is smaller than one. A source that becomes ready within a loop brings its ring a sub-packet at least, or waits for
//! the next loop. So it waits for the rest of one loop and for the next one, [`WAIT_LOOPS_MAX`] beginning of a loop in
//! between. A retransmission jumps the queue of its ring and may make the others of that ring wait one turn longer.
//!
//! A loop has, in bytes, with `w` the weights, `N` the sources of each ring, `sub` the sub-packet and
//! `s = sub / least weight`, rounded up:
//!
//! ```text
//!   shares at its beginning    max(LOOP, s Σ w n)             at most   LOOP + s Σ w n      (n ready then)
//!   shares on arrival          LOOP in all, beyond the least            LOOP + Σ max(s w, sub) m      (m came, n + m ≤ N)
//!   overdrawn                  less than a sub-packet by each ring      5 sub
//!   ───────────────────────────────────────────────────────────────────────────────────────────────
//!   together                   2 LOOP + Σ max(s w, sub) N + 5 sub       and twice that is the bound: Options::gap_bytes_max
//! ```
//! A trunk lets the sub-packet grow with the pace of its tunnel (`Options::sub_packet_at`), so the bound keeps its length in
//! time: a turn is what leaves in 250 µs, and 512 B at least. By default (LOOP 64 KiB, sub 512 B, weights 16,8,4,2,1) with 2 streams in each of rings 0 to 3 and one in ring 4: 334 KB, 53 ms
//! at 50 Mbit/s; with 200 in each ring 6.6 MB, for then a loop has a sub-packet for each of 1,000. A ring of weight 0 has a
//! turn when all others are empty, and once per `BACKGROUND_EVERY_BYTES`. `literal` promises nothing: a share may round to
//! nothing.

mod blend;
mod cascade;
mod counters;
mod options;
mod quotas;
mod rings;

#[cfg(test)]
mod properties;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;

pub use blend::{Blender, Grant};
pub use counters::{Counters, RingCounters};
pub use options::{
    BACKGROUND_EVERY_BYTES, LOOP_BYTES_MAX, Mode, Options, PACKET_ROOM_MIN, RINGS, SLIVER_BYTES,
    SUB_PACKET_BYTES, SUB_PACKET_BYTES_MAX, SUB_PACKET_BYTES_MIN, WAIT_LOOPS_MAX, WEIGHTS,
};
