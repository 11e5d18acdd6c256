//! A path in a box: delay, jitter, rate, loss and the other things that befall packets between two places.
//!
//! ```text
//! spec ──► rules ─┐                     ┌── udp   relays datagrams between clients and a target
//! preset ─────────┴► link ×2 = path ──► run ┤
//!                    (no I/O, no clock)   └── tun   joins two network namespaces, whole IP packets
//! ```
//! Up is from the client's side (namespace `NAME-a`) to the server's (`NAME-b`), down is back. A link is a
//! bottleneck (rate and tail-drop queue), then chance (loss, black-outs), then distance (delay, jitter).

mod chance;
pub mod control;
mod counters;
mod kernel;
mod link;
mod namespace;
mod packet;
mod path;
mod preset;
mod rules;
mod run;
mod shaper;
mod spec;
#[cfg(test)]
mod tests;
pub mod topology;
mod trace;
mod tun;
mod udp;
mod wander;
mod way;

pub use counters::LinkCounters;
pub use link::Link;
pub use namespace::{Namespace, inside};
pub use packet::Packet;
pub use path::Path;
pub use preset::PRESETS;
pub use rules::{Blackout, GilbertElliott, Pace, QueueLimit, Rules};
pub use run::{Lateness, PathReport, Running, Steering, WanError, WanOptions, spawn};
pub use spec::{PathRules, SpecError, read};
pub use tun::TunEnds;
pub use udp::UdpEnds;
pub use way::Way;
