//! HTTP/1.1 messages, sans-IO and strict (RFC 9110, RFC 9112): parse a head, read a body, emit both again.
//!
//! Not here: connections, sockets, timers, caches, choice of server; those are the roles'. One grammar serves
//! at four places (client to us, tunnel both ways, origin to us), so our own chain cannot disagree with itself
//! about where a message ends. What is ambiguous is refused, never repaired.
//!
//! The way of a message: [`parse_request`] or [`parse_response`] over the bytes so far, [`BodyReader`] over what
//! follows, [`emit_request`] or [`emit_response`] plus the chunk writer towards the next hop.

mod body;
mod chunked;
mod connection;
mod date;
pub mod desync;
mod emit;
mod field;
mod forwarding;
mod framing;
pub mod fuzz;
mod host;
mod known;
mod limits;
mod line;
mod method;
mod page;
mod parsed;
mod redirection;
mod refusal;
mod request;
mod response;
mod status;
mod target;
mod token;
mod trailer;
mod version;

pub use body::{BodyReader, Step};
pub use chunked::{CHUNK_END, CHUNK_PREFIX_BYTES_MAX, chunk_prefix, push_last_chunk};
pub use connection::{ConnectionChoice, Upgrade};
pub use date::{IMF_FIXDATE_BYTES, ImfFixdate, format_imf_fixdate, parse_imf_fixdate};
pub use emit::{RequestEmission, ResponseEmission, emit_request, emit_response};
pub use field::{Field, FieldTable, Fields};
pub use forwarding::{Client, Forwarding, Scheme, client_behind};
pub use framing::{RequestBody, ResponseBody};
pub use host::{HOST_BYTES_MAX, Host};
pub use known::Known;
pub use limits::Limits;
pub use method::Method;
pub use page::{CONTINUE, ErrorPage, error_page};
pub use parsed::Parsed;
pub use redirection::{Redirection, redirection};
pub use refusal::Refusal;
pub use request::{RequestHead, parse_request};
pub use response::{Asked, ResponseHead, parse_response};
pub use status::reason_phrase;
pub use target::Target;
pub use trailer::Trailers;
pub use version::Version;
