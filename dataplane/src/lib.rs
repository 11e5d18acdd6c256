//! The data plane: protocol cores without I/O, the roles made of them, and the drivers that run roles.
//!
//! Tiers, lowest first; an import may only point down (`tests/arrows.rs` keeps it so):
//! `time, access` · `stdx` · `port, http, tmp, blender` · `rules, exchange, reactor` · `role` · `node`.
//! All unsafe code lives in `reactor`; every other module forbids it.

#[forbid(unsafe_code)]
pub mod access;
#[forbid(unsafe_code)]
pub mod blender;
#[forbid(unsafe_code)]
pub mod compression;
#[forbid(unsafe_code)]
pub mod exchange;
#[forbid(unsafe_code)]
pub mod http;
#[forbid(unsafe_code)]
pub mod node;
#[forbid(unsafe_code)]
pub mod port;
pub mod reactor;
#[forbid(unsafe_code)]
pub mod role;
#[forbid(unsafe_code)]
pub mod rules;
#[forbid(unsafe_code)]
pub mod stdx;
#[forbid(unsafe_code)]
pub mod time;
#[forbid(unsafe_code)]
pub mod tmp;
