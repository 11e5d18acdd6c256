//! Sizes in bytes: `512`, `64k`, `8m`, `1g`; the letters stand for powers of 1,024.

use crate::form::given::{Form, Written};
use crate::problem::Wrong;
use core::marker::PhantomData;

/// A size that fits `N`.
pub(crate) struct Size<N>(PhantomData<N>);

impl<N> Form for Size<N>
where
    N: TryFrom<u64> + Clone + Send + Sync + 'static,
{
    type Value = N;

    fn read(text: &str) -> Result<N, Wrong> {
        let bytes = read(text)?;
        N::try_from(bytes).map_err(|_| Wrong::new("is larger than this size can be", "give less"))
    }
}

impl<N> Written for Size<N>
where
    N: TryFrom<u64> + TryInto<u64> + Clone + Send + Sync + 'static,
{
    fn write(value: &N) -> String {
        write(value.clone().try_into().unwrap_or(u64::MAX))
    }
}

/// Reads a size.
pub(crate) fn read(text: &str) -> Result<u64, Wrong> {
    let (digits, shift) = match text.char_indices().last() {
        Some((at, 'k' | 'K')) => (&text[..at], 10),
        Some((at, 'm' | 'M')) => (&text[..at], 20),
        Some((at, 'g' | 'G')) => (&text[..at], 30),
        Some(_) | None => (text, 0),
    };
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let count: Option<u64> = if is_number { digits.parse().ok() } else { None };
    count
        .and_then(|count| count.checked_mul(1 << shift))
        .ok_or_else(|| Wrong::new("is no size", "write bytes, or a number with k, m or g, such as 64k"))
}

/// Writes a size with the largest letter that keeps it exact.
pub(crate) fn write(bytes: u64) -> String {
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
            assert_eq!(read(text), Ok(bytes));
            assert_eq!(write(bytes), text);
        }
        assert_eq!((read("1024"), write(1_025)), (Ok(1_024), "1025".to_owned()));
    }

    #[test]
    fn what_is_no_size_is_refused() {
        for text in ["", "k", "-1", "1.5m", "64kb", "0x10", "+5", "99999999999g", "é"] {
            assert!(read(text).is_err(), "{text}");
        }
        assert!(Size::<u32>::read("4g").is_err());
    }
}
