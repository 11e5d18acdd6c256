//! TMP, the tunnel protocol: an encrypted, multiplexed datagram protocol between a front-end and a back-end.
//!
//! `SPEC.md` beside this file is the normative text; code and tests cite its requirements as `[TMP-n]`.
//! Lowest first: `limits`, `id`, `error`, `varint` · `frame` (plaintext), `packet` (datagrams) ·
//! `carrier` (the seam) · `key`, `random`, `seal`, `cookie`, `reset`, `handshake` · `session` · `endpoint`.
//! The transport, lowest first: `rtt`, `pacer`, `mtu`, `cubic`, `hystart`, `delivery`, `record`, `ranges` · congestion
//! control: `ensemble`, `model`, `supervisor`, `resume` · `congestion` · `sent`, `received`, `loss`, `credit`, `quality`,
//! `activity`, `repair`, `mending`, `health`, `path_limits`, `forecast`, `fullness` · `send_stream`, `receive_stream` · `streams` · `path` · `paths` · `tunnel`.
//! Where datagrams of a path go is a `place`; how several paths are used, a `spread`.
//! No I/O, no clock.

pub mod ack_frame;
pub mod activity;
#[cfg(test)]
mod bottleneck;
#[cfg(test)]
mod bottleneck_tcp;
#[cfg(test)]
mod bottleneck_tests;
pub mod carrier;
pub mod carries;
pub mod congestion;
pub mod conversation;
mod cookie;
pub mod counters;
pub mod credit;
pub mod cubic;
pub mod delivery;
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
mod endpoint_tunnel_tests;
#[cfg(test)]
mod endpoint_tunnel_world;
#[cfg(test)]
mod endpoint_world;
pub mod ensemble;
mod epoch;
pub mod error;
pub mod event;
#[cfg(test)]
mod fairness_tests;
pub mod forecast;
pub mod frame;
pub mod frame_writer;
pub mod fullness;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
#[cfg(any(test, fuzzing))]
mod fuzz_handshake;
#[cfg(any(test, fuzzing))]
mod fuzz_input;
#[cfg(any(test, fuzzing))]
mod fuzz_pieces;
#[cfg(any(test, fuzzing))]
mod fuzz_tunnel;
mod handshake;
pub mod health;
pub mod hystart;
pub mod id;
pub mod key;
pub mod key_log;
pub mod knock;
pub mod learned;
pub mod limits;
mod link;
mod links;
pub mod loss;
mod mac;
pub mod marks;
pub mod mending;
pub mod model;
pub mod mtu;
pub mod offset;
pub mod options;
mod outbox;
pub mod pacer;
pub mod packet;
mod packet_in;
mod packet_out;
#[cfg(test)]
mod pair;
#[cfg(test)]
mod pair_link;
#[cfg(test)]
mod pair_tests;
mod params;
pub mod path;
pub mod path_acks;
pub mod path_limits;
pub mod paths;
#[cfg(test)]
mod paths_tests;
mod peer_address;
pub mod place;
#[cfg(any(test, fuzzing))]
mod plain_carrier;
pub mod profile;
pub mod quality;
pub mod random;
pub mod ranges;
mod rate;
pub mod reassembly;
pub mod receive_stream;
pub mod received;
mod receivers;
pub mod record;
pub mod repair;
mod reset;
pub mod resume;
pub mod rtt;
#[cfg(test)]
mod rule_breaker_tests;
pub mod seal;
#[cfg(test)]
mod sealed_tunnel_tests;
pub mod send_stream;
pub mod sent;
mod session;
pub mod signals;
pub mod spread;
pub mod stats;
pub mod stream;
pub mod stream_frames;
pub mod stream_pieces;
pub mod stream_table;
pub mod streams;
pub mod supervisor;
pub mod tunnel;
mod unconfirmed;
pub mod varint;
#[cfg(test)]
mod vector_tests;

pub use carrier::{Blend, Carrier, Ecn, Fill, Filled, Handled};
pub use counters::{Counters, Dropped};
pub use endpoint::{Endpoint, EndpointEvent, EndpointOptions, PeerOptions, Refused};
pub use endpoint_transmit::Transmit;
pub use event::{Event, Full, Sendable};
pub use id::{PeerId, Side, StreamId, TunnelId};
pub use key::{KeyError, KeyKind, PresharedKey, PrivateKey, PublicKey};
pub use link::CloseReason;
pub use options::{BadOption, TunnelOptions};
pub use params::RoleWord;
pub use random::{PredictableRandom, Random, SystemRandom};
pub use stats::{Snapshot, TunnelCounters};
pub use tunnel::Tunnel;
