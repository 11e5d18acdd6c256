//! Sizes in bytes as operators write them: `512`, `64k`, `8m`, `1g`; the letters stand for powers of 1,024.

/// Reads a size; `None` for what is none, or beyond 64 bits.
pub fn read(text: &str) -> Option<u64> {
    let (digits, shift) = match text.char_indices().last() {
        Some((at, 'k' | 'K')) => (&text[..at], 10),
        Some((at, 'm' | 'M')) => (&text[..at], 20),
        Some((at, 'g' | 'G')) => (&text[..at], 30),
        Some(_) | None => (text, 0),
    };
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let count: u64 = if is_number { digits.parse().ok()? } else { return None };
    count.checked_mul(1 << shift)
}

/// Writes a size with the largest letter that keeps it exact.
pub fn write(bytes: u64) -> String {
    for (shift, letter) in [(30, "g"), (20, "m"), (10, "k")] {
        if bytes > 0 && bytes.is_multiple_of(1 << shift) {
            return format!("{}{letter}", bytes >> shift);
        }
    }
    bytes.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_and_written_the_same() {
        for (text, bytes) in [("0", 0), ("512", 512), ("64k", 65_536), ("8m", 8 << 20), ("1g", 1 << 30)] {
            assert_eq!(read(text), Some(bytes));
            assert_eq!(write(bytes), text);
        }
        assert_eq!((read("1024"), write(1_025)), (Some(1_024), "1025".to_owned()));
    }

    #[test]
    fn what_is_no_size_is_refused() {
        for text in ["", "k", "-1", "1.5m", "64kb", "0x10", "+5", "99999999999g", "é"] {
            assert!(read(text).is_none(), "{text}");
        }
    }
}
