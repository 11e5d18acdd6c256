//! Reports: what nodes tell the name servers over UDP, each datagram authenticated, numbered and dated.
//!
//! Lowest first: `limits`, `key` · `wire` (the datagram), `window` (which came already), `refusal` · `sender` (a node's side) · `poll` (k of n
//! decide), `tunnel_watch` (has a way soured?), `latencies`, `grades` (what answers foretold, and what
//! came of it), `cold` (resolvers whose way nobody knows), `expected` (who may say what) · `ledger` (all that was said) ·
//! `findings` (what it comes to), `shown`, `tables`, `kept` · `pressure` (PSI), `client_rtt` (the kernel's word) · the drivers: `outlet` sends,
//! `intake` receives; `asker` asks probers for resolvers, `asked` is a prober's ear for it.

pub mod asked;
pub mod asker;
pub mod client_rtt;
pub mod cold;
pub mod expected;
pub mod findings;
pub mod fuzz;
pub mod grades;
pub mod intake;
pub mod kept;
pub mod key;
pub mod latencies;
pub mod ledger;
pub mod limits;
pub mod outlet;
pub mod poll;
pub mod pressure;
pub mod refusal;
pub mod sender;
pub mod shown;
#[cfg(test)]
mod simulation;
pub mod tables;
pub mod tunnel_watch;
pub mod window;
pub mod wire;
