//! Dates in header fields (RFC 9110 §5.6.7), as seconds since 1970.

use jiff::Timestamp;
use jiff::fmt::rfc2822::{DateTimeParser, DateTimePrinter};

/// `Sun, 06 Nov 1994 08:49:37 GMT` as seconds; `None` if it is none.
pub fn http_date_seconds(text: &str) -> Option<i64> {
    DateTimeParser::new().parse_timestamp(text).ok().map(Timestamp::as_second)
}

/// The date of a second; `None` if it is beyond the calendar.
pub fn http_date(seconds: i64) -> Option<String> {
    let timestamp = Timestamp::from_second(seconds).ok()?;
    DateTimePrinter::new().timestamp_to_rfc9110_string(&timestamp).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read_as_they_are_written() {
        let text = "Sun, 06 Nov 1994 08:49:37 GMT";
        assert_eq!(http_date_seconds(text), Some(784_111_777));
        assert_eq!(http_date(784_111_777).as_deref(), Some(text));
        assert_eq!((http_date_seconds("yesterday"), http_date(i64::MAX)), (None, None));
    }
}
