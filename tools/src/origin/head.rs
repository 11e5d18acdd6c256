//! Writes the heads of answers.

use crate::origin::buffer::Buffer;
use crate::origin::fields::FIELDS_BYTES_MAX;
use crate::origin::request::Request;

/// Room for any head but that of `/headers/N`.
pub(crate) const HEAD_BYTES_MAX: usize = 512 + FIELDS_BYTES_MAX;

/// How the client will know where the body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Length {
    /// Content-Length.
    Bytes(u64),
    /// Transfer-Encoding: chunked.
    Chunked,
    /// Chunked, with a trailer announced.
    ChunkedWithTrailer,
    /// The connection's end.
    UntilClose,
    /// There is no body.
    None,
}

/// What a head says beside its length.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Head {
    /// The status.
    pub(crate) status: u16,
    /// The media type.
    pub(crate) kind: &'static str,
    /// The body's length.
    pub(crate) length: Length,
    /// Whether the connection goes on afterwards.
    pub(crate) persistent: bool,
    /// The `load-index` field.
    pub(crate) load_index: Option<f64>,
}

/// Appends a head to `output`, without the empty line that ends it.
pub(crate) fn open(output: &mut Buffer, head: Head, minor: u8) {
    let Head { status, kind, length, persistent, load_index } = head;
    output.print(format_args!("HTTP/1.1 {status} {}\r\nserver: longhaul-origin\r\n", reason(status)));
    if let Some(index) = load_index {
        output.print(format_args!("load-index: {index:.3}\r\n"));
    }
    match length {
        Length::Bytes(count) => {
            output.print(format_args!("content-type: {kind}\r\ncontent-length: {count}\r\n"))
        }
        Length::Chunked => {
            output.print(format_args!("content-type: {kind}\r\ntransfer-encoding: chunked\r\n"))
        }
        Length::ChunkedWithTrailer => output.print(format_args!(
            "content-type: {kind}\r\ntransfer-encoding: chunked\r\ntrailer: x-content-hash\r\n"
        )),
        Length::UntilClose => output.print(format_args!("content-type: {kind}\r\n")),
        Length::None => {}
    }
    match (persistent, minor) {
        (false, _) => output.push(b"connection: close\r\n"),
        (true, 0) => output.push(b"connection: keep-alive\r\n"),
        (true, _) => {}
    }
}

/// Appends a whole head with these further fields.
pub(crate) fn whole(output: &mut Buffer, head: Head, minor: u8, fields: &[u8]) {
    open(output, head, minor);
    output.push(fields);
    output.push(b"\r\n");
}

/// Appends the answer to a WebSocket handshake.
pub(crate) fn switching(output: &mut Buffer, accept: &[u8]) {
    output.push(b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n");
    output.push(b"sec-websocket-accept: ");
    output.push(accept);
    output.push(b"\r\n\r\n");
}

/// Appends a refusal; the connection ends after it.
pub(crate) fn refusal(output: &mut Buffer, status: u16) {
    let head =
        Head { status, kind: "text/plain", length: Length::Bytes(0), persistent: false, load_index: None };
    whole(output, head, 1, b"");
}

/// A head with the given persistence for `request`.
pub(crate) fn of(request: &Request, status: u16, kind: &'static str, length: Length) -> Head {
    Head { status, kind, length, persistent: request.persistent, load_index: None }
}

/// The reason phrase; clients are to ignore it (RFC 9112 §4).
pub(crate) fn reason(status: u16) -> &'static str {
    match status {
        100 => "Continue",
        102 => "Processing",
        103 => "Early Hints",
        200 => "OK",
        201 => "Created",
        204 => "No Content",
        206 => "Partial Content",
        301 => "Moved Permanently",
        302 => "Found",
        304 => "Not Modified",
        400 => "Bad Request",
        403 => "Forbidden",
        404 => "Not Found",
        410 => "Gone",
        412 => "Precondition Failed",
        416 => "Range Not Satisfiable",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        _ => "Status",
    }
}
