//! The rules file: which class requests and answers get, as the site owner writes it.
//!
//! ```toml
//! default = 2                      # the class of what no rule fits
//!
//! [[rule]]                         # about requests; the first that fits holds
//! name = "checkout"
//! path = "/checkout/*"
//! class = 0
//! compress = false
//!
//! [[answer]]                       # about answers, where they enter the tunnel
//! type = "text/html"
//! class = 1
//!
//! [[answer]]                       # whatever it is: a long one steps back
//! after = "256k"
//! class = 4
//! ```
//! `docs/rules.md` has every key.

mod answer;
mod request;
mod table;
mod value;

pub use table::{read, rule_of_one_condition};
