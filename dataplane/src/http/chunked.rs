//! Writing chunks (RFC 9112 §7.1): what goes before and after the data, so that the data itself is never copied.

use crate::http::trailer::Trailers;

/// Bytes of the longest prefix: sixteen digits and a line end.
pub const CHUNK_PREFIX_BYTES_MAX: usize = 18;

/// What follows the data of a chunk.
pub const CHUNK_END: &[u8] = b"\r\n";

/// What goes before `data_bytes` of data. Zero is our mistake, as it would end the body.
pub fn chunk_prefix(data_bytes: usize, buffer: &mut [u8; CHUNK_PREFIX_BYTES_MAX]) -> &[u8] {
    assert!(data_bytes > 0, "an empty chunk ends the body");
    let mut at = CHUNK_PREFIX_BYTES_MAX - 2;
    buffer[at..].copy_from_slice(b"\r\n");
    let mut rest = data_bytes;
    while rest > 0 {
        at -= 1;
        buffer[at] = b"0123456789abcdef"[rest & 15];
        rest >>= 4;
    }
    &buffer[at..]
}

/// Appends the end of the body: the last chunk, the trailers that were kept, a blank line.
pub fn push_last_chunk(trailers: &Trailers, out: &mut Vec<u8>) {
    out.extend_from_slice(b"0\r\n");
    out.extend_from_slice(trailers.lines());
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_are_hexadecimal_without_leading_zeros() {
        let mut buffer = [0; CHUNK_PREFIX_BYTES_MAX];
        assert_eq!(chunk_prefix(1, &mut buffer), b"1\r\n");
        assert_eq!(chunk_prefix(0x1a0, &mut buffer), b"1a0\r\n");
        assert_eq!(chunk_prefix(usize::MAX, &mut buffer), b"ffffffffffffffff\r\n");
    }
}
