//! The configuration tree `longhaul.toml`: one definition of every leaf, and what comes out of it: reading with all errors at
//! once, the effective values, edits that keep comments, differences in words, the reference page and the JSON Schema.
//!
//! Lowest first: `path`, `form` · `definition` (the leaves) · `read` · `reference`, `edit`, `show` · `probes` (targets
//! and who looks at them), `redirects` (who sends clients where), `reporting` (who tells whom) · `network` (what the name server makes of a tree), `duties` (what front-ends and back-ends do) · `differ`.

pub mod definition;
pub mod differ;
pub mod duties;
pub mod edit;
pub mod form;
pub mod network;
pub mod path;
pub mod probes;
pub mod read;
pub mod redirects;
pub mod reference;
pub mod reporting;
pub mod resolvers;
pub mod show;
