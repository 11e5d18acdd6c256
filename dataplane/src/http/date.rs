//! The preferred date form of HTTP, `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110 §5.6.7), from and to seconds since
//! 1970. The two obsolete forms are not read. The calendar is Howard Hinnant's civil-from-days.

/// Bytes of such a date.
pub const IMF_FIXDATE_BYTES: usize = 29;

/// A date as text.
pub type ImfFixdate = [u8; IMF_FIXDATE_BYTES];

const DAYS: &[u8; 21] = b"ThuFriSatSunMonTueWed";
const MONTHS: &[u8; 36] = b"JanFebMarAprMayJunJulAugSepOctNovDec";

/// Seconds at the end of the year 9999, behind which the form has no more digits.
const UNIX_S_MAX: u64 = 253_402_300_799;

/// Writes the time `unix_s` seconds after 1970; times after the year 9999 are written as its last second.
pub fn format_imf_fixdate(unix_s: u64) -> ImfFixdate {
    let unix_s = unix_s.min(UNIX_S_MAX);
    let (days, second) = (unix_s / 86_400, unix_s % 86_400);
    let (year, month, day) = civil_from_days(days);
    let mut text = *b"Day, 00 Mon 0000 00:00:00 GMT";
    text[..3].copy_from_slice(three(DAYS, days % 7));
    put_two(&mut text, 5, day);
    text[8..11].copy_from_slice(three(MONTHS, month - 1));
    put_two(&mut text, 12, year / 100);
    put_two(&mut text, 14, year % 100);
    put_two(&mut text, 17, second / 3600);
    put_two(&mut text, 20, second / 60 % 60);
    put_two(&mut text, 23, second % 60);
    text
}

/// Reads such a date; `None` for any other text, for a day that does not exist or is not that weekday, and for
/// times before 1970. A leap second reads as the second after it.
pub fn parse_imf_fixdate(text: &[u8]) -> Option<u64> {
    let text: &ImfFixdate = text.try_into().ok()?;
    let month = MONTHS.chunks(3).position(|name| name == &text[8..11])? as u64 + 1;
    let year = two(text, 12)? * 100 + two(text, 14)?;
    let (day, hour) = (two(text, 5)?, two(text, 17)?);
    let (minute, second) = (two(text, 20)?, two(text, 23)?);
    if year < 1970 || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let days = days_from_civil(year, month, day);
    let unix_s = days * 86_400 + hour * 3600 + minute * 60 + second;
    let mut again = format_imf_fixdate(days * 86_400);
    again[17..25].copy_from_slice(&text[17..25]);
    (day > 0 && again == *text).then_some(unix_s)
}

fn three(names: &[u8], at: u64) -> &[u8] {
    &names[at as usize * 3..][..3]
}

fn put_two(text: &mut ImfFixdate, at: usize, number: u64) {
    text[at] = b'0' + (number / 10) as u8;
    text[at + 1] = b'0' + (number % 10) as u8;
}

fn two(text: &ImfFixdate, at: usize) -> Option<u64> {
    let digit = |byte: u8| byte.is_ascii_digit().then(|| u64::from(byte - b'0'));
    Some(digit(text[at])? * 10 + digit(text[at + 1])?)
}

/// Year, month and day of the day so many after 1970-01-01.
fn civil_from_days(days: u64) -> (u64, u64, u64) {
    // Years start in March here, so that the leap day is the last of one.
    let shifted = days + 719_468;
    let era = shifted / 146_097;
    let day_of_era = shifted % 146_097;
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (year_of_era + era * 400 + u64::from(month <= 2), month, day)
}

/// The inverse, for years from 1970 on.
fn days_from_civil(year: u64, month: u64, day: u64) -> u64 {
    let year = year - u64::from(month <= 2);
    let (era, year_of_era) = (year / 400, year % 400);
    let shifted_month = if month > 2 { month - 3 } else { month + 9 };
    let day_of_year = (153 * shifted_month + 2) / 5 + day.saturating_sub(1);
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_times_read_and_write() {
        for (unix_s, text) in [
            (0, b"Thu, 01 Jan 1970 00:00:00 GMT"),
            (784_111_777, b"Sun, 06 Nov 1994 08:49:37 GMT"),
            (951_782_400, b"Tue, 29 Feb 2000 00:00:00 GMT"),
            (1_709_164_799, b"Wed, 28 Feb 2024 23:59:59 GMT"),
            (UNIX_S_MAX, b"Fri, 31 Dec 9999 23:59:59 GMT"),
        ] {
            assert_eq!(
                format_imf_fixdate(unix_s).escape_ascii().to_string(),
                text.escape_ascii().to_string()
            );
            assert_eq!(parse_imf_fixdate(text), Some(unix_s));
        }
        assert_eq!(format_imf_fixdate(u64::MAX), format_imf_fixdate(UNIX_S_MAX));
    }

    #[test]
    fn every_day_of_nine_centuries_reads_back() {
        for day in 0..330_000_u64 {
            let unix_s = day * 86_400 + day % 86_400;
            assert_eq!(parse_imf_fixdate(&format_imf_fixdate(unix_s)), Some(unix_s));
        }
    }

    #[test]
    fn other_texts_are_no_dates() {
        for text in [
            &b""[..],
            b"Sunday, 06-Nov-94 08:49:37 GMT",
            b"Sun Nov  6 08:49:37 1994",
            b"Mon, 06 Nov 1994 08:49:37 GMT",
            b"Sun, 06 nov 1994 08:49:37 GMT",
            b"Tue, 30 Feb 2000 00:00:00 GMT",
            b"Wed, 00 Mar 2000 00:00:00 GMT",
            b"Sun, 06 Nov 1994 24:00:00 GMT",
            b"Sun, 06 Nov 1994 08:49:37 UTC",
            b"Wed, 31 Dec 1969 23:59:59 GMT",
            b"Sun, +6 Nov 1994 08:49:37 GMT",
        ] {
            assert_eq!(parse_imf_fixdate(text), None, "{}", text.escape_ascii());
        }
    }
}
