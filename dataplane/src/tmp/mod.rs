//! TMP, the tunnel protocol: an encrypted, multiplexed datagram protocol between a front-end and a back-end.
//!
//! `SPEC.md` beside this file is the normative text; code and tests cite its requirements as `[TMP-n]`.
//! Lowest first: `limits`, `id`, `error`, `varint` · `frame` (plaintext), `packet` (datagrams) ·
//! `carrier` (the seam) · `key`, `random`, `seal`, `cookie`, `reset`, `handshake` · `session` · `endpoint`.
//! No I/O, no clock.

pub mod ack_frame;
pub mod carrier;
mod cookie;
pub mod counters;
mod dial;
pub mod endpoint;
mod endpoint_handshake;
#[cfg(test)]
mod endpoint_hostile_tests;
mod endpoint_receive;
#[cfg(test)]
mod endpoint_tests;
mod endpoint_transmit;
#[cfg(test)]
mod endpoint_world;
mod epoch;
pub mod error;
pub mod frame;
pub mod frame_writer;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
mod handshake;
pub mod id;
pub mod key;
pub mod limits;
mod link;
mod mac;
mod outbox;
pub mod packet;
mod params;
mod peer_address;
#[cfg(any(test, fuzzing))]
mod plain_carrier;
pub mod random;
mod rate;
mod receivers;
mod reset;
pub mod seal;
mod session;
#[cfg(test)]
mod spec_citations;
mod unconfirmed;
pub mod varint;

pub use carrier::{Blend, Carrier, Ecn, Fill, Filled, Handled};
pub use counters::{Counters, Dropped};
pub use endpoint::{Endpoint, EndpointEvent, EndpointOptions, PeerOptions, Refused};
pub use endpoint_transmit::Transmit;
pub use id::{PeerId, Side, StreamId, TunnelId};
pub use key::{KeyError, KeyKind, PresharedKey, PrivateKey, PublicKey};
pub use link::CloseReason;
pub use random::{PredictableRandom, Random, SystemRandom};
