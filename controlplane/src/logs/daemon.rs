//! The daemon's own messages: one line each, for people, on standard error.
//!
//! Not the access log, and not for workers: a line may block on a full pipe. Under systemd the journal adds the
//! time, and the prefix `<N>` tells it the level (sd-daemon(3)); elsewhere the line carries both itself.

use jiff::Timestamp;
use std::fmt::{Display, Write as _};
use std::io::Write as _;
use std::os::unix::fs::MetadataExt;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU8, Ordering};

/// How much a message matters; the numbers are syslog's (RFC 5424 §6.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Something does not work and a person has to act.
    Error = 3,
    /// Something works worse than it should.
    Warning = 4,
    /// What an operator wants to find later: start, stop, reopened logs, changed addresses.
    Notice = 5,
    /// The ordinary course of things.
    Info = 6,
    /// For those who look for a mistake.
    Debug = 7,
}

impl Level {
    const fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Notice => "notice",
            Self::Info => "info",
            Self::Debug => "debug",
        }
    }
}

/// Names with values, shown as `name=value` behind the message.
pub type Fields<'a> = &'a [(&'a str, &'a dyn Display)];

static LEVEL_MAX: AtomicU8 = AtomicU8::new(Level::Info as u8);

/// Shows messages up to `level` from now on; the default is [`Level::Info`].
pub fn set_level_max(level: Level) {
    LEVEL_MAX.store(level as u8, Ordering::Relaxed);
}

/// Writes one message. A standard error that takes nothing loses it: there is nobody left to tell.
pub fn log(level: Level, message: &str, fields: Fields<'_>) {
    if level as u8 > LEVEL_MAX.load(Ordering::Relaxed) {
        return;
    }
    let time = if stderr_is_journal() { None } else { Some(Timestamp::now()) };
    let line = line(level, time, message, fields);
    let _ = std::io::stderr().lock().write_all(line.as_bytes());
}

/// [`log`] at [`Level::Error`].
pub fn error(message: &str, fields: Fields<'_>) {
    log(Level::Error, message, fields);
}

/// [`log`] at [`Level::Warning`].
pub fn warning(message: &str, fields: Fields<'_>) {
    log(Level::Warning, message, fields);
}

/// [`log`] at [`Level::Notice`].
pub fn notice(message: &str, fields: Fields<'_>) {
    log(Level::Notice, message, fields);
}

/// [`log`] at [`Level::Info`].
pub fn info(message: &str, fields: Fields<'_>) {
    log(Level::Info, message, fields);
}

/// [`log`] at [`Level::Debug`].
pub fn debug(message: &str, fields: Fields<'_>) {
    log(Level::Debug, message, fields);
}

/// The same words for whoever asks for them later: behind the time of now, without a level or a line end.
pub fn dated(message: &str, fields: Fields<'_>) -> String {
    let mut line = format!("{:.3} ", Timestamp::now());
    push_words(&mut line, message, fields);
    line
}

/// Without a time the line is the journal's.
fn line(level: Level, time: Option<Timestamp>, message: &str, fields: Fields<'_>) -> String {
    let mut line = match time {
        None => format!("<{}>", level as u8),
        Some(time) => format!("{time:.3} {} ", level.name()),
    };
    push_words(&mut line, message, fields);
    line.push('\n');
    line
}

fn push_words(line: &mut String, message: &str, fields: Fields<'_>) {
    push_escaped(line, message);
    for (name, value) in fields {
        push_field(line, name, &value.to_string());
    }
}

/// Quotes what would otherwise not be one word.
fn push_field(line: &mut String, name: &str, value: &str) {
    let is_word = !value.is_empty() && !value.contains([' ', '"', '=']);
    let quote = if is_word { "" } else { "\"" };
    let value = if is_word { value.to_owned() } else { value.replace('"', "\\\"") };
    for part in [" ", name, "=", quote] {
        line.push_str(part);
    }
    push_escaped(line, &value);
    line.push_str(quote);
}

/// One message is one line, and nothing in it moves a terminal's cursor.
fn push_escaped(line: &mut String, text: &str) {
    for c in text.chars() {
        if c.is_control() {
            write!(line, "{}", c.escape_default()).expect("a String takes every text");
        } else {
            line.push(c);
        }
    }
}

/// systemd names the device and inode that it connected; a redirected standard error is no journal.
fn stderr_is_journal() -> bool {
    static ANSWER: OnceLock<bool> = OnceLock::new();
    *ANSWER.get_or_init(|| {
        let stream = std::env::var("JOURNAL_STREAM").unwrap_or_default();
        let stderr = std::fs::metadata("/proc/self/fd/2");
        stderr.is_ok_and(|stderr| stream == format!("{}:{}", stderr.dev(), stderr.ino()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_journal_gets_a_prefix_and_others_a_time() {
        assert_eq!(line(Level::Notice, None, "listening", &[("port", &80)]), "<5>listening port=80\n");
        let time = Timestamp::from_millisecond(1_700_000_000_042).unwrap();
        assert_eq!(line(Level::Error, Some(time), "gone", &[]), "2023-11-14T22:13:20.042Z error gone\n");
    }

    #[test]
    fn a_message_stays_one_line_and_a_value_one_value() {
        let text = line(Level::Info, None, "a\nb", &[("x", &"c d=\"\u{1b}\r\""), ("y", &"")]);
        assert_eq!(text, "<6>a\\nb x=\"c d=\\\"\\u{1b}\\r\\\"\" y=\"\"\n");
    }
}
