//! The part that owns tunnels: streams in, streams out, and the blender between them and the packets.
//!
//! ```text
//!   ask / answer ─► stream's send buffer ─► blender ─► packets ═══► stream's receive buffer ─► answer / ask
//! ```
//! At the front-end an exchange of a client is at this end of a stream, at the back-end a fetch from an origin;
//! the pouring is the same. Not here: what the bytes mean.

mod arrivals;
mod carriers;
mod ends;
mod line;
mod owner;
mod pack;
mod pour;
mod press;
mod stream;
mod unpack;
mod wait;

pub use carriers::CARRIERS_MAX;
pub use line::Line;
pub use owner::{Trunk, TrunkOptions};
pub use pour::Parts;

#[cfg(test)]
mod tests;
