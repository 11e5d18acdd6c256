//! TMP, the tunnel protocol: an encrypted, multiplexed datagram protocol between a front-end and a back-end.
//!
//! `SPEC.md` beside this file is the normative text; code and tests cite its requirements as `[TMP-n]`.
//! Lowest first: `limits`, `id`, `error`, `varint` · `frame` (plaintext), `packet` (datagrams) ·
//! `carrier` (the seam) · `key`, `random`, `seal`, `cookie`, `reset`, `handshake` · `session` · `endpoint`.
//! No I/O, no clock.

pub mod ack_frame;
pub mod carrier;
pub mod error;
pub mod frame;
pub mod frame_writer;
pub mod id;
pub mod limits;
pub mod varint;
