//! What a dialogue with a target comes to after each input.

use crate::probe::outcome::{Failure, Seen};
use crate::probe::url::Url;
use core::net::SocketAddr;

/// What is to be done next.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Nothing but to wait for more.
    More,
    /// Open a second connection there: what comes over it is content.
    Content(SocketAddr),
    /// Ask there instead.
    Follow(Url),
    /// It is over.
    Done(Seen, Result<(), Failure>),
}
