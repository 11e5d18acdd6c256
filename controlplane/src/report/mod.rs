//! Reports: what nodes tell the name servers over UDP, each datagram authenticated, numbered and dated.
//!
//! Lowest first: `limits`, `key` · `wire` (the datagram), `window` (which came already) · `sender` (a node's side) · `poll` (k of n
//! decide), `tunnel_watch` (has a way soured?), `expected` (who may say what) · `ledger` (all that was said) · the drivers.

pub mod expected;
pub mod fuzz;
pub mod key;
pub mod limits;
pub mod poll;
pub mod sender;
pub mod tunnel_watch;
pub mod window;
pub mod wire;
