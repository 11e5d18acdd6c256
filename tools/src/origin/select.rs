//! Which part of an object a request wants, if any (RFC 9110 §13, §14): validators are compared, ranges taken apart.

use crate::http1::{Ranges, http_date_seconds};

/// The most ranges of one request that are served as parts; more are answered with the whole (§14.2 allows it: many
/// small ranges are an attack more often than a wish).
pub(crate) const PARTS_MAX: usize = 16;

/// What is to be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Selection {
    /// The object.
    Whole,
    /// 304.
    NotModified,
    /// 412.
    Failed,
    /// 416.
    Unsatisfiable,
    /// 206: the ranges in `parts`.
    Parts,
}

/// What identifies an object's present state.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Validators<'a> {
    /// The entity tag with its quotes, `W/` in front if weak.
    pub(crate) etag: Option<&'a str>,
    /// When it was last modified, seconds since 1970.
    pub(crate) last_modified: Option<i64>,
}

/// Judges the fields of a GET or HEAD for an object of `size` bytes; ranges, first and last byte, go to `parts`.
pub(crate) fn select(
    headers: &[httparse::Header<'_>],
    validators: Validators<'_>,
    size: u64,
    has_ranges: bool,
    parts: &mut Vec<(u64, u64)>,
) -> Selection {
    let field = |name: &str| {
        let found = headers.iter().find(|header| header.name.eq_ignore_ascii_case(name));
        found.and_then(|header| core::str::from_utf8(header.value).ok()).map(str::trim)
    };
    if let Some(tags) = field("if-match") {
        if !is_listed(tags, validators.etag, true) {
            return Selection::Failed;
        }
    } else if let Some(date) = field("if-unmodified-since").and_then(http_date_seconds)
        && validators.last_modified.is_some_and(|modified| modified > date)
    {
        return Selection::Failed;
    }
    if let Some(tags) = field("if-none-match") {
        if is_listed(tags, validators.etag, false) {
            return Selection::NotModified;
        }
    } else if let Some(date) = field("if-modified-since").and_then(http_date_seconds)
        && validators.last_modified.is_some_and(|modified| modified <= date)
    {
        return Selection::NotModified;
    }
    let Some(range) = field("range").filter(|_| has_ranges) else { return Selection::Whole };
    if field("if-range").is_some_and(|condition| !still_holds(condition, validators)) {
        return Selection::Whole;
    }
    ranges(range, size, parts)
}

/// Whether a list of tags, or `*`, names the object; `strong` comparison holds weak tags for different.
fn is_listed(list: &str, etag: Option<&str>, strong: bool) -> bool {
    let opaque = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    list == "*"
        || etag.is_some_and(|own| {
            !(strong && own.starts_with("W/"))
                && list
                    .split(',')
                    .any(|tag| !(strong && tag.trim().starts_with("W/")) && opaque(tag) == opaque(own))
        })
}

/// If-Range: a strong tag, or the date of the last modification to the second.
fn still_holds(condition: &str, validators: Validators<'_>) -> bool {
    if condition.starts_with('"') || condition.starts_with("W/") {
        return is_listed(condition, validators.etag, true);
    }
    http_date_seconds(condition).is_some_and(|date| validators.last_modified == Some(date))
}

/// What is malformed, too many or larger than the whole is answered with the whole.
fn ranges(list: &str, size: u64, parts: &mut Vec<(u64, u64)>) -> Selection {
    let Some(ranges) = Ranges::read(list, size) else { return Selection::Whole };
    let bytes: u64 = ranges.inside.iter().map(|(first, last)| last - first + 1).sum();
    *parts = ranges.inside;
    match ranges.asked {
        _ if parts.is_empty() => Selection::Unsatisfiable,
        asked if asked > PARTS_MAX => Selection::Whole,
        _ if parts.len() > 1 && bytes > size => Selection::Whole,
        _ => Selection::Parts,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selected(fields: &[(&str, &str)]) -> (Selection, Vec<(u64, u64)>) {
        let headers: Vec<_> =
            fields.iter().map(|(name, value)| httparse::Header { name, value: value.as_bytes() }).collect();
        let validators = Validators { etag: Some("\"v1\""), last_modified: Some(784_111_777) };
        let mut parts = Vec::new();
        let selection = select(&headers, validators, 100, true, &mut parts);
        (selection, parts)
    }

    #[test]
    fn ranges_are_taken_apart() {
        let parts = |range: &str| selected(&[("Range", range)]);
        assert_eq!(parts("bytes=0-9"), (Selection::Parts, vec![(0, 9)]));
        assert_eq!(parts("bytes=90-200, -5"), (Selection::Parts, vec![(90, 99), (95, 99)]));
        assert_eq!(parts("bytes=99-,0-0"), (Selection::Parts, vec![(99, 99), (0, 0)]));
        assert_eq!(parts("bytes=100-").0, Selection::Unsatisfiable);
        assert_eq!(parts("bytes=-0").0, Selection::Unsatisfiable);
        for whole in ["bytes=", "bytes=5-3", "bytes=x-", "items=0-1", "bytes=0-,0-,0-", "bytes=-"] {
            assert_eq!(parts(whole).0, Selection::Whole, "{whole}");
        }
        let many = format!("bytes={}", "1-1,".repeat(PARTS_MAX + 1));
        assert_eq!(parts(&many).0, Selection::Whole);
    }

    #[test]
    fn conditions_decide_first() {
        let date = "Sun, 06 Nov 1994 08:49:37 GMT";
        let earlier = "Sun, 06 Nov 1994 08:49:36 GMT";
        let cases = [
            (&[("If-None-Match", "\"v0\", W/\"v1\"")][..], Selection::NotModified),
            (&[("If-None-Match", "*")], Selection::NotModified),
            (&[("If-None-Match", "\"v0\""), ("If-Modified-Since", date)], Selection::Whole),
            (&[("If-Modified-Since", date)], Selection::NotModified),
            (&[("If-Modified-Since", earlier)], Selection::Whole),
            (&[("If-Match", "W/\"v1\"")], Selection::Failed),
            (&[("If-Match", "\"v1\"")], Selection::Whole),
            (&[("If-Unmodified-Since", earlier)], Selection::Failed),
            (&[("Range", "bytes=0-1"), ("If-Range", "\"v1\"")], Selection::Parts),
            (&[("Range", "bytes=0-1"), ("If-Range", "\"v2\"")], Selection::Whole),
            (&[("Range", "bytes=0-1"), ("If-Range", date)], Selection::Parts),
            (&[("Range", "bytes=0-1"), ("If-Range", earlier)], Selection::Whole),
        ];
        for (fields, selection) in cases {
            assert_eq!(selected(fields).0, selection, "{fields:?}");
        }
    }
}
