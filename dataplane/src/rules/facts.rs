//! What rules are told about a request.

use core::net::IpAddr;

use crate::http::{Fields, RequestHead};

/// What is known of a request, or of a plain TCP connection, when its class is asked for.
#[derive(Clone, Copy, Debug)]
pub struct RequestFacts<'a> {
    /// Name of the site that it belongs to, as the operator wrote it; the Host where the site is `*`.
    pub site: &'a [u8],
    /// Who asks.
    pub client: IpAddr,
    /// The port of the listener that it came to.
    pub port: u16,
    /// The message; `None` for plain TCP.
    pub message: Option<MessageFacts<'a>>,
}

/// The parts of a request's head that rules look at.
#[derive(Clone, Copy, Debug)]
pub struct MessageFacts<'a> {
    /// The method, as sent.
    pub(crate) method: &'a [u8],
    /// The path, as sent.
    pub(crate) path: &'a [u8],
    /// What follows the first question mark.
    pub(crate) query: Option<&'a [u8]>,
    /// All fields.
    pub(crate) fields: Fields<'a>,
}

impl<'a> MessageFacts<'a> {
    /// The parts of a head.
    pub const fn of(head: &RequestHead<'a>) -> Self {
        Self {
            method: head.method_bytes,
            path: head.target.path,
            query: head.target.query,
            fields: head.fields,
        }
    }
}
