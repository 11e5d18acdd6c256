//! Messages on which two readers could disagree about where they end or whom they are for, and the status that each
//! gets. Data only, so that the same table serves the tests here and the tests over real sockets. The forms are the
//! known families of request smuggling and those of RFC 9112 §11; the bytes are our own.

/// Where a message is found out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layer {
    /// By [`parse_request`](crate::http::parse_request).
    Head,
    /// By [`BodyReader`](crate::http::BodyReader), when the head has been accepted.
    Body,
}

/// One message that is refused.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// What is wrong with it.
    pub name: &'static str,
    /// What a client sends.
    pub bytes: &'static [u8],
    /// The status that it gets.
    pub status: u16,
    /// Where it is found out.
    pub layer: Layer,
}

const fn head(name: &'static str, bytes: &'static [u8], status: u16) -> Row {
    Row { name, bytes, status, layer: Layer::Head }
}

const fn body(name: &'static str, bytes: &'static [u8], status: u16) -> Row {
    Row { name, bytes, status, layer: Layer::Body }
}

/// `start`, as many `a` as fit, `end`.
const fn padded<const BYTES: usize>(start: &[u8], end: &[u8]) -> [u8; BYTES] {
    let mut bytes = [b'a'; BYTES];
    bytes.split_at_mut(start.len()).0.copy_from_slice(start);
    bytes.split_at_mut(BYTES - end.len()).1.copy_from_slice(end);
    bytes
}

/// `start`, `unit` as often as it fits, `end`.
const fn repeated<const BYTES: usize>(start: &[u8], unit: &[u8], end: &[u8]) -> [u8; BYTES] {
    let mut bytes = padded::<BYTES>(start, end);
    let mut at = 0;
    assert!((BYTES - start.len() - end.len()).is_multiple_of(unit.len()), "whole units");
    while start.len() + at + end.len() < BYTES {
        bytes[start.len() + at] = unit[at % unit.len()];
        at += 1;
    }
    bytes
}

static FIELDS_MANY: [u8; 25 + 110 * 6 + 2] = repeated(b"GET / HTTP/1.1\r\nHost: a\r\n", b"X: y\r\n", b"\r\n");
static TRAILERS_MANY: [u8; 59 + 40 * 6 + 2] =
    repeated(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", b"X: y\r\n", b"\r\n");
static TRAILER_TOO_LONG: [u8; 5_000] =
    padded(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: ", b"\r\n\r\n");
static CHUNK_OF_ONE_BYTE: [u8; 200] = padded(b"1;", b"\r\nx\r\n");
static CHUNKS_OF_ONE_BYTE: [u8; 56 + 110 * 200 + 5] = repeated(
    b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
    &CHUNK_OF_ONE_BYTE,
    b"0\r\n\r\n",
);
static TARGET_TOO_LONG: [u8; 9000] = padded(b"GET /", b" HTTP/1.1\r\nHost: a\r\n\r\n");
static VALUE_TOO_LONG: [u8; 34_000] = padded(b"GET / HTTP/1.1\r\nHost: a\r\nX: ", b"\r\n\r\n");
static EXTENSION_TOO_LONG: [u8; 600] =
    padded(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;", b"\r\nhello\r\n0\r\n\r\n");

/// What is refused under the default limits, with the status it gets.
pub const REFUSED: &[Row] = &[
    head("both lengths, chunked last", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG", 400),
    head("both lengths, chunked first", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n5c\r\n", 400),
    head("two different lengths", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!", 400),
    head("two equal lengths", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello", 400),
    head("list of equal lengths", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5, 5\r\n\r\nhello", 400),
    head("list of different lengths", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5, 6\r\n\r\nhello", 400),
    head("length with a plus", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +5\r\n\r\nhello", 400),
    head("length with a minus", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -5\r\n\r\nhello", 400),
    head("length in hexadecimal", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x5\r\n\r\nhello", 400),
    head("length with a fraction", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5.0\r\n\r\nhello", 400),
    head("length with an inner blank", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1 5\r\n\r\nhello", 400),
    head("length with a separator", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1_0\r\n\r\nhellohello", 400),
    head("empty length", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\n", 400),
    head("length in quotes", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: \"5\"\r\n\r\nhello", 400),
    head("length beyond 64 bits", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 18446744073709551621\r\n\r\nhello", 400),
    head("length of many zeros", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 000000000000000000005\r\n\r\nhello", 400),
    head("length with a form feed", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: \x0c5\r\n\r\nhello", 400),
    head("length with arabic digits", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: \xd9\xa5\r\n\r\nhello", 400),
    head("folded length", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n 5\r\n\r\nhello", 400),
    head("chunked twice", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", 400),
    head("chunked in two fields", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    head("chunked and identity in two fields", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n", 400),
    head("chunked not last", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n", 400),
    head("another coding before chunked", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501),
    head("identity", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\n\r\n", 501),
    head("identity before chunked", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity, chunked\r\n\r\n0\r\n\r\n", 501),
    head("a coding that ends like chunked", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 501),
    head("a coding that starts like chunked", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunkedx\r\n\r\n0\r\n\r\n", 501),
    head("chunked with a parameter", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked;q=0.5\r\n\r\n0\r\n\r\n", 400),
    head("chunked in quotes", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n", 400),
    head("chunked with a comma", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked,\r\n\r\n0\r\n\r\n", 400),
    head("chunked after a comma", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: ,chunked\r\n\r\n0\r\n\r\n", 400),
    head("chunked after a vertical tab", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n", 400),
    head("chunked before a NUL", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\0\r\n\r\n0\r\n\r\n", 400),
    head("empty coding", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n\r\n", 400),
    head("folded coding", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n", 400),
    head("coding behind a folded field", b"POST / HTTP/1.1\r\nHost: a\r\nX: y\r\n\tTransfer-Encoding: chunked\r\n\r\n", 400),
    head("blank before the colon of a coding", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n", 400),
    head("tab before the colon of a coding", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding\t: chunked\r\n\r\n0\r\n\r\n", 400),
    head("blank before the colon of a length", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length : 5\r\n\r\nhello", 400),
    head("vertical tab before a field name", b"POST / HTTP/1.1\r\nHost: a\r\n\x0bTransfer-Encoding: chunked\r\n\r\n", 400),
    head("carriage return before a colon", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding\r: chunked\r\n\r\n", 400),
    head("coding in HTTP/1.0", b"POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    head("bare line feeds throughout", b"GET / HTTP/1.1\nHost: a\n\n", 400),
    head("bare line feed after the request line", b"GET / HTTP/1.1\nHost: a\r\n\r\n", 400),
    head("bare line feed after a field", b"GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n", 400),
    head("bare line feed as the blank line", b"GET / HTTP/1.1\r\nHost: a\r\n\n", 400),
    head("bare carriage return in a value", b"GET / HTTP/1.1\r\nHost: a\r\nX: y\rContent-Length: 5\r\n\r\n", 400),
    head("bare carriage return as the blank line", b"GET / HTTP/1.1\r\nHost: a\r\n\rX", 400),
    head("two carriage returns at a line's end", b"GET / HTTP/1.1\r\nHost: a\r\nX: y\r\r\n\r\n", 400),
    head("carriage return in the target", b"GET /\r HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    head("two blank lines before the request", b"\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    head("line feed before the request", b"\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    head("NUL in a value", b"GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n", 400),
    head("NUL in a name", b"GET / HTTP/1.1\r\nHost: a\r\nX\0: a\r\n\r\n", 400),
    head("delete in a value", b"GET / HTTP/1.1\r\nHost: a\r\nX: \x7f\r\n\r\n", 400),
    head("empty field name", b"GET / HTTP/1.1\r\nHost: a\r\n: x\r\n\r\n", 400),
    head("field without a colon", b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length\r\n\r\n", 400),
    head("blank in a field name", b"GET / HTTP/1.1\r\nHost: a\r\nX Y: z\r\n\r\n", 400),
    head("name with a slash", b"GET / HTTP/1.1\r\nHost: a\r\nX/Y: z\r\n\r\n", 400),
    head("name with a high byte", b"GET / HTTP/1.1\r\nHost: a\r\nX\xa0: z\r\n\r\n", 400),
    head("folded field", b"GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n", 400),
    head("blank before the first field", b"GET / HTTP/1.1\r\n Host: a\r\n\r\n", 400),
    head("blanks as the blank line", b"GET / HTTP/1.1\r\nHost: a\r\n  \r\n\r\n", 400),
    head("no host", b"GET / HTTP/1.1\r\n\r\n", 400),
    head("two hosts", b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
    head("two equal hosts", b"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400),
    head("two hosts in HTTP/1.0", b"GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n", 400),
    head("empty host", b"GET / HTTP/1.1\r\nHost:\r\n\r\n", 400),
    head("list of hosts", b"GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", 400),
    head("host with a path", b"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400),
    head("host with a user", b"GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", 400),
    head("host with a word for a port", b"GET / HTTP/1.1\r\nHost: a:b\r\n\r\n", 400),
    head("host with a port out of range", b"GET / HTTP/1.1\r\nHost: a:70000\r\n\r\n", 400),
    head("host with a blank", b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400),
    head("host of an open bracket", b"GET / HTTP/1.1\r\nHost: [::1\r\n\r\n", 400),
    head("wrong host beside an absolute target", b"GET http://a/ HTTP/1.1\r\nHost: b/c\r\n\r\n", 400),
    head("absolute target without a host field", b"GET http://a/ HTTP/1.1\r\n\r\n", 400),
    head("absolute target of another scheme", b"GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    head("absolute target with a user", b"GET http://u@a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    head("absolute target without a name", b"GET http:///x HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    head("target without a slash", b"GET x HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    head("target with a fragment", b"GET /#x HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    head("target with a high byte", b"GET /\xff HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    head("target with a NUL", b"GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    head("target with a blank", b"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    head("asterisk with another method", b"GET * HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    head("two blanks after the method", b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    head("tab after the method", b"GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    head("blank before the method", b" GET / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    head("method with a colon", b"GE:T / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    head("blank after the version", b"GET / HTTP/1.1 \r\nHost: a\r\n\r\n", 400),
    head("no version", b"GET /\r\n\r\n", 400),
    head("version in small letters", b"GET / http/1.1\r\nHost: a\r\n\r\n", 400),
    head("version of two digits", b"GET / HTTP/1.10\r\nHost: a\r\n\r\n", 400),
    head("version with a zero before", b"GET / HTTP/01.1\r\nHost: a\r\n\r\n", 400),
    head("version without a minor", b"GET / HTTP/1\r\nHost: a\r\n\r\n", 400),
    head("version two", b"GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505),
    head("version nine tenths", b"GET / HTTP/0.9\r\nHost: a\r\n\r\n", 505),
    head("preface of HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    head("a TLS greeting", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
    head("CONNECT", b"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n", 501),
    head("TRACE", b"TRACE / HTTP/1.1\r\nHost: a\r\n\r\n", 405),
    head("a method of forty letters", b"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA / HTTP/1.1\r\nHost: a\r\n\r\n", 501),
    head("another expectation", b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 200-ok\r\nContent-Length: 5\r\n\r\nhello", 417),
    head("connection that is no list of tokens", b"GET / HTTP/1.1\r\nHost: a\r\nConnection: a b\r\n\r\n", 400),
    body("chunk size with a prefix", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0x5\r\nhello\r\n0\r\n\r\n", 400),
    body("chunk size with a plus", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n+5\r\nhello\r\n0\r\n\r\n", 400),
    body("chunk size with a minus", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\nhello\r\n0\r\n\r\n", 400),
    body("chunk size after a blank", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n 5\r\nhello\r\n0\r\n\r\n", 400),
    body("chunk size before a blank", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5 \r\nhello\r\n0\r\n\r\n", 400),
    body("chunk size before a tab and an extension", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\t;x\r\nhello\r\n0\r\n\r\n", 400),
    body("empty chunk size", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\r\nhello\r\n0\r\n\r\n", 400),
    body("chunk size of an extension only", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n;x\r\nhello\r\n0\r\n\r\n", 400),
    body("chunk size of seventeen digits", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n00000000000000005\r\nhello\r\n0\r\n\r\n", 400),
    body("chunk size beyond 64 bits", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000005\r\nhello\r\n0\r\n\r\n", 400),
    body("chunk size with an underscore", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1_0\r\n0123456789abcdef\r\n0\r\n\r\n", 400),
    body("chunk size that is no number", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nfive\r\nhello\r\n0\r\n\r\n", 400),
    body("chunk size before a NUL", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\0\r\nhello\r\n0\r\n\r\n", 400),
    body("chunk size line with a bare line feed", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\nhello\r\n0\r\n\r\n", 400),
    body("chunk size line with a bare carriage return", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\rXhello\r\n0\r\n\r\n", 400),
    body("extension with a bare line feed", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;x\nhello\r\n0\r\n\r\n", 400),
    body("extension with a bare carriage return", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;x\ry\r\nhello\r\n0\r\n\r\n", 400),
    body("extension with a NUL", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;x\0\r\nhello\r\n0\r\n\r\n", 400),
    body("chunk data longer than its size", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhello\r\n0\r\n\r\n", 400),
    body("chunk data shorter than its size", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nhello\r\n0\r\n\r\n", 400),
    body("chunk data that ends in a bare line feed", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\n0\r\n\r\n", 400),
    body("chunk data that ends in two other bytes", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhelloXX0\r\n\r\n", 400),
    body("chunk data that ends in a carriage return and another byte", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\rX0\r\n\r\n", 400),
    body("last chunk with a bare line feed", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\n\n", 400),
    body("end of the body with a bare line feed", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\n", 400),
    body("end of the body with a bare carriage return", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\rX", 400),
    body("trailer with a bare line feed", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: y\n\r\n", 400),
    body("trailer with a blank before its colon", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX : y\r\n\r\n", 400),
    body("trailer without a name", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n: y\r\n\r\n", 400),
    body("folded trailer", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: y\r\n z\r\n\r\n", 400),
    body("trailer with a NUL", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: \0\r\n\r\n", 400),
    body("a request where a trailer should be", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    head("a target that is too long", &TARGET_TOO_LONG, 414),
    head("a value that is too long", &VALUE_TOO_LONG, 431),
    body("an extension that is too long", &EXTENSION_TOO_LONG, 400),
    head("fields without end", &FIELDS_MANY, 431),
    body("trailers without end", &TRAILERS_MANY, 431),
    body("a trailer that is too long", &TRAILER_TOO_LONG, 431),
    body("chunks of more framing than data", &CHUNKS_OF_ONE_BYTE, 400),
];

/// What looks odd and is accepted, each with its one reading: the bytes of a whole message and nothing after it.
pub const ACCEPTED: &[(&str, &[u8])] = &[
    ("a blank line before the request", b"\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("a version above one point one", b"GET / HTTP/1.2\r\nHost: a\r\n\r\n"),
    ("HTTP/1.0 without a host", b"GET / HTTP/1.0\r\n\r\n"),
    ("an absolute target beside another host", b"GET http://a/x HTTP/1.1\r\nHost: b\r\n\r\n"),
    ("an asterisk", b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("a method of one's own", b"PURGE / HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("a length with zeros before it", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 005\r\n\r\nhello"),
    ("a length between tabs", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\t5\t\r\n\r\nhello"),
    ("a length of zero", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"),
    ("a body with GET", b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"),
    ("a coding in capitals", b"POST / HTTP/1.1\r\nHost: a\r\nTRANSFER-ENCODING: CHUNKED\r\n\r\n5\r\nhello\r\n0\r\n\r\n"),
    ("a coding without a blank", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:chunked\r\n\r\n0\r\n\r\n"),
    ("a length with an underscore", b"POST / HTTP/1.1\r\nHost: a\r\nContent_Length: 5\r\n\r\n"),
    ("chunk sizes with zeros and capitals", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n000A\r\n0123456789\r\n000\r\n\r\n"),
    ("a chunk extension", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b;c=\"d\"\r\nhello\r\n0;z\r\n\r\n"),
    ("trailers", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX: y\r\nContent-Length: 7\r\n\r\n"),
    ("an unknown protocol to upgrade to", b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMA\r\n\r\n"),
    ("high bytes in a value", b"GET / HTTP/1.1\r\nHost: a\r\nX: caf\xe9\r\n\r\n"),
    ("an empty value", b"GET / HTTP/1.1\r\nHost: a\r\nX:\r\n\r\n"),
    ("a host with an empty port", b"GET / HTTP/1.1\r\nHost: a:\r\n\r\n"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::body::BodyReader;
    use crate::http::field::FieldTable;
    use crate::http::limits::Limits;
    use crate::http::parsed::Parsed;
    use crate::http::refusal::Refusal;
    use crate::http::request::parse_request;
    use crate::http::trailer::Trailers;

    /// How a whole message is read: where it was found out, or how many bytes it took and what its data are.
    fn read(bytes: &[u8]) -> Result<(usize, Vec<u8>), (Layer, Option<Refusal>)> {
        let limits = Limits::default();
        let mut table = FieldTable::new(&limits);
        let (mut reader, mut at) = match parse_request(bytes, &limits, &mut table) {
            Parsed::Complete { head, bytes } => (BodyReader::for_request(head.body), bytes),
            Parsed::Partial => return Err((Layer::Head, None)),
            Parsed::Invalid(refusal) => return Err((Layer::Head, Some(refusal))),
        };
        let (mut trailers, mut data) = (Trailers::new(&limits), Vec::new());
        while !reader.is_done() {
            if at == bytes.len() {
                return Err((Layer::Body, None));
            }
            let step =
                reader.read(&bytes[at..], &mut trailers).map_err(|refusal| (Layer::Body, Some(refusal)))?;
            data.extend_from_slice(&bytes[at..][step.data]);
            at += step.consumed;
        }
        Ok((at, data))
    }

    #[test]
    fn every_row_is_refused_with_its_status_at_its_layer() {
        assert!(REFUSED.len() >= 60);
        for row in REFUSED {
            let outcome = read(row.bytes);
            let Err((layer, Some(refusal))) = outcome else { panic!("{}: {outcome:?}", row.name) };
            assert_eq!((layer, refusal.status()), (row.layer, row.status), "{}: {refusal:?}", row.name);
        }
    }

    #[test]
    fn every_accepted_message_is_read_to_its_end() {
        for (name, bytes) in ACCEPTED {
            assert_eq!(read(bytes).map(|(taken, _)| taken), Ok(bytes.len()), "{name}");
        }
    }

    #[test]
    fn names_are_unique() {
        let mut names: Vec<_> =
            REFUSED.iter().map(|row| row.name).chain(ACCEPTED.iter().map(|row| row.0)).collect();
        names.sort_unstable();
        assert!(names.windows(2).all(|pair| pair[0] != pair[1]));
    }
}
