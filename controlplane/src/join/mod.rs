//! How a machine joins the network: whoever holds the tree invites it, it says who it is, and the tree has it from then on.
//! Pure: invitations, what is said in the conversation, what becomes of the tree. No socket and no file here.
//!
//! ```text
//!   holder ── invitation (one use, some hours, roles) ──► by hand ──► new machine
//!   new machine ── conversation under the invitation's secret: name, roles, addresses ──► holder: tree, or why not
//! ```

pub mod invitation;
pub mod registry;
pub mod request;
