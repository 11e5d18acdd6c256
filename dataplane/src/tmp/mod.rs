//! TMP, the tunnel protocol: an encrypted, multiplexed datagram protocol between a front-end and a back-end.
//!
//! `SPEC.md` beside this file is the normative text; code and tests cite its requirements as `[TMP-n]`.
//! Lowest first: `limits`, `id`, `error`, `varint` · `frame` (plaintext), `packet` (datagrams) ·
//! `carrier` (the seam) · `key`, `random`, `seal`, `cookie`, `reset`, `handshake` · `session` · `endpoint`.
//! No I/O, no clock.

#![allow(dead_code, reason = "the endpoint that uses the parts is being built")]

pub mod ack_frame;
pub mod carrier;
mod cookie;
pub mod error;
pub mod frame;
pub mod frame_writer;
mod handshake;
pub mod id;
pub mod key;
pub mod limits;
mod mac;
pub mod packet;
mod params;
pub mod random;
mod rate;
mod reset;
pub mod seal;
pub mod varint;
