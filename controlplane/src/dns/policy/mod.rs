//! Policy: which of several servers a client is sent to, and why. Pure: takes figures, a client and the time, gives a
//! decision out of closed sets; whoever answers obeys, whoever explains shows the same decision.
//!
//! Lowest first: `model` (servers, policies) · `figures` (what was measured), `rendezvous` · `decide`, `forecast` · `steering`,
//! which holds them all for an answer · `elsewhere` (who is better served where he is not), `explain`, and `orders`, which an
//! operator gives while it runs.

pub mod decide;
pub mod elsewhere;
pub mod explain;
pub mod figures;
pub mod forecast;
pub mod geo;
pub mod model;
pub mod orders;
pub mod rendezvous;
pub mod steering;
