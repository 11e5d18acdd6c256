//! Which part of an object: the list in a Range field (RFC 9110 §14.1.2), `bytes=0-99,200-,-50`, and Content-Range
//! (§14.4), `bytes 10-19/200`.

/// What a list of ranges asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ranges {
    /// How many ranges stand in the list.
    pub asked: usize,
    /// First and last byte of those that lie in the object, in the order of the list, cut at the object's end.
    pub inside: Vec<(u64, u64)>,
}

impl Ranges {
    /// Reads `list` for an object of `size_bytes`; `None` if it is none, or of another unit: then it is to be ignored.
    pub fn read(list: &str, size_bytes: u64) -> Option<Self> {
        let mut ranges = Self::default();
        let list = list.strip_prefix("bytes=")?;
        for range in list.split(',').map(str::trim).filter(|range| !range.is_empty()) {
            ranges.asked += 1;
            let (first, last) = range.split_once('-')?;
            let number = |text: &str| if text.is_empty() { Some(None) } else { text.parse().ok().map(Some) };
            let (first, last) = match (number(first)?, number(last)?) {
                (None, None) => return None,
                (Some(first), Some(last)) if first > last => return None,
                (Some(first), last) => (first, last.unwrap_or(u64::MAX)),
                (None, Some(0)) => continue,
                (None, Some(suffix)) => (size_bytes.saturating_sub(suffix), u64::MAX),
            };
            if first < size_bytes {
                ranges.inside.push((first, last.min(size_bytes - 1)));
            }
        }
        (ranges.asked > 0).then_some(ranges)
    }
}

/// First and last byte that a Content-Range names; `None` if it names none.
pub fn content_range(value: &[u8]) -> Option<(u64, u64)> {
    let (range, _) = core::str::from_utf8(value).ok()?.trim().strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    Some((first.parse().ok()?, last.parse().ok()?)).filter(|(first, last)| first <= last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_taken_apart() {
        let inside = |list: &str| Ranges::read(list, 100).map(|ranges| ranges.inside);
        assert_eq!(inside("bytes=0-9"), Some(vec![(0, 9)]));
        assert_eq!(inside("bytes=90-200, -5"), Some(vec![(90, 99), (95, 99)]));
        assert_eq!(inside("bytes=99-,0-0"), Some(vec![(99, 99), (0, 0)]));
        assert_eq!((inside("bytes=100-"), inside("bytes=-0")), (Some(vec![]), Some(vec![])));
        for none in ["bytes=", "bytes=5-3", "bytes=x-", "items=0-1", "bytes=-", "bytes=,"] {
            assert_eq!(inside(none), None, "{none}");
        }
        assert_eq!(Ranges::read("bytes=1-1,200-300", 100).map(|ranges| ranges.asked), Some(2));
    }

    #[test]
    fn a_content_range_is_read_or_refused() {
        assert_eq!(content_range(b" bytes 10-19/200"), Some((10, 19)));
        assert_eq!(content_range(b"bytes 0-0/*"), Some((0, 0)));
        for none in ["bytes */200", "bytes 9-8/20", "10-19/200", "bytes 1-2"] {
            assert_eq!(content_range(none.as_bytes()), None, "{none}");
        }
    }
}
