//! Fields of an answer that the query or the origin's flags ask for: Cache-Control, ETag, Last-Modified, Location,
//! Accept-Ranges. Rendered once, when the request is understood.
//!
//! ```text
//! ?cc=max-age=60   Cache-Control: max-age=60      ?etag=v1  ETag: "v1"     ?etag=W/v1  ETag: W/"v1"
//! ?lm=784111777    Last-Modified: Sun, 06 Nov …   ?to=/b128 Location: /b128
//! ```

use crate::content::path_hash;
use crate::http1::http_date;
use crate::origin::options::Habits;
use crate::origin::select::Validators;
use crate::route::parameter_text;
use std::io::Write;

/// The longest value of a query's parameter, bytes; what is longer is left out.
const VALUE_BYTES_MAX: usize = 256;

/// Room for all fields together.
pub(crate) const FIELDS_BYTES_MAX: usize = 4 * (VALUE_BYTES_MAX + 32);

/// What an answer says beside its framing.
#[derive(Debug, Default)]
pub(crate) struct Manners {
    etag: String,
    last_modified: Option<i64>,
}

impl Manners {
    /// Reads the query of `target`, and writes the fields to `out`.
    pub(crate) fn read(target: &str, habits: &Habits, out: &mut Vec<u8>) -> Self {
        out.clear();
        let query = target.split_once('?').map_or("", |(_, query)| query);
        if query.is_empty() && habits.are_plain() {
            return Self::default();
        }
        let asked = |name: &str| parameter_text(query, name).and_then(decoded);
        let etag = match asked("etag") {
            Some(tag) => quoted(&tag),
            None if habits.etag => format!("\"{:016x}\"", path_hash(target.as_bytes())),
            None => String::new(),
        };
        let last_modified = asked("lm").and_then(|text| text.parse().ok()).or(habits.last_modified);
        let cache_control = asked("cc").or_else(|| habits.cache_control.clone());
        let mut put = |name: &str, value: &str| {
            let written = write!(out, "{name}: {value}\r\n");
            assert!(written.is_ok(), "memory can be written");
        };
        if let Some(value) = cache_control {
            put("cache-control", &value);
        }
        if !etag.is_empty() {
            put("etag", &etag);
        }
        let date = last_modified.and_then(http_date);
        if let Some(date) = &date {
            put("last-modified", date);
        }
        if let Some(value) = asked("to") {
            put("location", &value);
        }
        Self { etag, last_modified: last_modified.filter(|_| date.is_some()) }
    }

    /// What conditions are compared with.
    pub(crate) fn validators(&self) -> Validators<'_> {
        let etag = Some(self.etag.as_str()).filter(|etag| !etag.is_empty());
        Validators { etag, last_modified: self.last_modified }
    }
}

fn quoted(tag: &str) -> String {
    let (weak, opaque) = tag.strip_prefix("W/").map_or(("", tag), |opaque| ("W/", opaque));
    format!("{weak}\"{}\"", opaque.trim_matches('"'))
}

/// Percent-decoding; `None` if the value cannot stand in a field.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || char::from(rest.next()?).to_digit(16);
        bytes.push((digit()? << 4 | digit()?) as u8);
    }
    let fits = bytes.len() <= VALUE_BYTES_MAX && bytes.iter().all(|byte| (b' '..0x7f).contains(byte));
    fits.then(|| String::from_utf8(bytes).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rendered(target: &str, habits: &Habits) -> String {
        let mut out = Vec::new();
        let _ = Manners::read(target, habits, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_query_and_the_habits_make_fields() {
        let plain = Habits::default();
        assert_eq!(rendered("/bytes/1", &plain), "");
        assert_eq!(
            rendered("/bytes/1?cc=max-age=60,%20public&etag=W/v1&lm=784111777", &plain),
            "cache-control: max-age=60, public\r\netag: W/\"v1\"\r\n\
             last-modified: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
        );
        assert_eq!(rendered("/status/302?to=/b128", &plain), "location: /b128\r\n");
        let all = Habits { cache_control: Some("no-store".into()), etag: true, ..Habits::default() };
        let text = rendered("/bytes/1?cc=private", &all);
        assert!(text.starts_with("cache-control: private\r\netag: \"") && text.len() == 50, "{text}");
    }

    #[test]
    fn nothing_breaks_out_of_a_field() {
        for value in ["a%0d%0aX:y", "%", "%zz", "%ff", &"x".repeat(300)] {
            assert_eq!(rendered(&format!("/?cc={value}"), &Habits::default()), "", "{value}");
        }
    }
}
