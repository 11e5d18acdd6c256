//! What a path asks of the origin, and so what a client may expect of the answer.
//!
//! ```text
//! /bytes/N       Content-Length, ranges      /slow/N?ms=M&piece=P  P bytes every M ms (10 ms, a sixteenth)
//! /chunked/N     chunked                     /delay/SPREAD/N       milliseconds of silence, then N bytes
//! /close/N       until the connection ends   /status/CODE          that status, 64 bytes where a body may be
//! /trailers      chunked, one trailer field  /headers/N            N filler fields (at most 1000), 128 bytes
//! /b128 /b16k /b1m   like /bytes             /echo                 JSON: head, fields, body size and sha256
//! /reset/N       RST after N of 2N+1024      /hash                 sha256 of the body, hexadecimal
//! /early-close/N FIN after N of 2N+1024      /sse?n=N&ms=M         N server-sent events, one every M ms
//! /ws            WebSocket echo              /load                 JSON: how busy the origin is
//! ```
//! N takes the suffixes k, m and g (1024). CODE is 200 to 599, or 100, 102, 103: that interim answer, then 200. SPREAD is
//! a number or a distribution (`spread`). Bodies are the seeded object named by the whole target (`content`), except
//! those of echo, hash, sse and load. `docs/origin.md` has the whole grammar, with what the query adds.

use crate::spread::Spread;
use core::time::Duration;

/// The largest body, bytes.
pub const BODY_BYTES_MAX: u64 = 1 << 30;

/// The longest delay or interval, ms: an hour, so that arithmetic on instants stays far from its ends.
pub const DELAY_MS_MAX: u64 = 3_600_000;

/// The most filler fields: they must fit a head of 64 KiB.
pub const FILLER_FIELDS_MAX: u64 = 1_000;

/// The size of bodies whose size is not asked for, bytes.
const STATUS_BODY_BYTES: u64 = 64;
const HEADERS_BODY_BYTES: u64 = 128;
const TRAILERS_BODY_BYTES: u64 = 1_024;

/// One behaviour.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Route {
    /// A body with Content-Length.
    Bytes {
        /// Body bytes.
        size: u64,
    },
    /// A chunked body.
    Chunked {
        /// Body bytes.
        size: u64,
    },
    /// A body that ends with the connection.
    UntilClose {
        /// Body bytes.
        size: u64,
    },
    /// A body that drips.
    Slow {
        /// Body bytes.
        size: u64,
        /// Bytes at a time.
        piece: u64,
        /// Time between pieces.
        interval: Duration,
    },
    /// Silence, then a body.
    Delay {
        /// How long nothing is said, ms.
        wait_ms: Spread,
        /// Body bytes.
        size: u64,
    },
    /// A status.
    Status(u16),
    /// An interim answer with this status, then 200.
    Interim(u16),
    /// What was asked, told back.
    Echo,
    /// The sha256 of what was sent.
    Hash,
    /// A reset within the body.
    Reset {
        /// Body bytes before it.
        after: u64,
    },
    /// An end within the body.
    EarlyClose {
        /// Body bytes before it.
        after: u64,
    },
    /// Server-sent events.
    Events {
        /// How many.
        count: u64,
        /// Time between them.
        interval: Duration,
    },
    /// WebSocket echo.
    WebSocket,
    /// How busy the origin is.
    Load,
    /// A chunked body with a trailer field.
    Trailers,
    /// Many header fields.
    Headers {
        /// How many.
        count: u64,
    },
    /// No such path: 404.
    Unknown,
}

impl Route {
    /// The behaviour asked for by a request target in origin form.
    pub fn parse(target: &str) -> Self {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let mut parts = path.strip_prefix('/').unwrap_or("").split('/');
        let name = parts.next().unwrap_or("");
        let (first, second) = (parts.next(), parts.next());
        if parts.next().is_some() {
            return Self::Unknown;
        }
        match (first, second) {
            (None, _) => Self::bare(name, query),
            (Some(argument), None) => Self::with_one(name, argument, query),
            (Some(wait), Some(size)) if name == "delay" => Self::delay(wait, size),
            (Some(_), Some(_)) => None,
        }
        .unwrap_or(Self::Unknown)
    }

    /// The size of the seeded body in an answer, if there is one.
    pub fn body_bytes(&self) -> Option<u64> {
        match *self {
            Self::Bytes { size }
            | Self::Chunked { size }
            | Self::UntilClose { size }
            | Self::Slow { size, .. }
            | Self::Delay { size, .. } => Some(size),
            Self::Status(204 | 304) => Some(0),
            Self::Status(_) | Self::Interim(_) => Some(STATUS_BODY_BYTES),
            Self::Reset { after } | Self::EarlyClose { after } => Some(2 * after + 1_024),
            Self::Trailers => Some(TRAILERS_BODY_BYTES),
            Self::Headers { .. } => Some(HEADERS_BODY_BYTES),
            Self::Unknown => Some(STATUS_BODY_BYTES),
            Self::Echo | Self::Hash | Self::Events { .. } | Self::WebSocket | Self::Load => None,
        }
    }

    /// The status of a proper answer.
    pub fn status(&self) -> u16 {
        match *self {
            Self::Status(status) => status,
            Self::Unknown => 404,
            Self::WebSocket => 101,
            Self::Bytes { .. }
            | Self::Chunked { .. }
            | Self::UntilClose { .. }
            | Self::Slow { .. }
            | Self::Delay { .. }
            | Self::Echo
            | Self::Hash
            | Self::Reset { .. }
            | Self::EarlyClose { .. }
            | Self::Events { .. }
            | Self::Trailers
            | Self::Interim(_)
            | Self::Load
            | Self::Headers { .. } => 200,
        }
    }

    fn bare(name: &str, query: &str) -> Option<Self> {
        Some(match name {
            "b128" => Self::Bytes { size: 128 },
            "b16k" => Self::Bytes { size: 16 << 10 },
            "b1m" => Self::Bytes { size: 1 << 20 },
            "echo" => Self::Echo,
            "hash" => Self::Hash,
            "ws" => Self::WebSocket,
            "load" => Self::Load,
            "trailers" => Self::Trailers,
            "sse" => Self::Events {
                count: parameter(query, "n").unwrap_or(10),
                interval: milliseconds(parameter(query, "ms").unwrap_or(100))?,
            },
            _ => return None,
        })
    }

    fn with_one(name: &str, argument: &str, query: &str) -> Option<Self> {
        Some(match name {
            "bytes" => Self::Bytes { size: size(argument)? },
            "chunked" => Self::Chunked { size: size(argument)? },
            "close" => Self::UntilClose { size: size(argument)? },
            "slow" => Self::slow(size(argument)?, query)?,
            "status" => match argument.parse().ok()? {
                code @ (100 | 102 | 103) => Self::Interim(code),
                code @ 200..=599 => Self::Status(code),
                _ => return None,
            },
            "reset" => Self::Reset { after: size(argument)? },
            "early-close" => Self::EarlyClose { after: size(argument)? },
            "headers" => {
                Self::Headers { count: argument.parse().ok().filter(|count| *count <= FILLER_FIELDS_MAX)? }
            }
            _ => return None,
        })
    }

    fn slow(size: u64, query: &str) -> Option<Self> {
        let piece = parameter(query, "piece").unwrap_or(size / 16).max(1);
        let interval = milliseconds(parameter(query, "ms").unwrap_or(10))?;
        Some(Self::Slow { size, piece, interval })
    }

    fn delay(wait: &str, bytes: &str) -> Option<Self> {
        Some(Self::Delay { wait_ms: spread_ms(wait)?, size: size(bytes)? })
    }
}

/// The target in origin form: an absolute URI loses its scheme and authority.
pub fn origin_form(target: &str) -> &str {
    let Some((_, rest)) = target.split_once("://").filter(|(scheme, _)| !scheme.contains('/')) else {
        return target;
    };
    rest.find('/').map_or("/", |slash| &rest[slash..])
}

/// A size with its unit: `64m`; `None` if it is none or too great.
pub fn size(text: &str) -> Option<u64> {
    let (digits, shift) = match text.as_bytes().last()? {
        b'k' => (&text[..text.len() - 1], 10),
        b'm' => (&text[..text.len() - 1], 20),
        b'g' => (&text[..text.len() - 1], 30),
        _ => (text, 0),
    };
    let count: u64 = digits.parse().ok()?;
    count.checked_mul(1 << shift).filter(|size| *size <= BODY_BYTES_MAX)
}

/// A distribution of milliseconds.
pub fn spread_ms(text: &str) -> Option<Spread> {
    let number = |text: &str| text.parse().ok().filter(|ms: &f64| *ms >= 0.0 && *ms <= DELAY_MS_MAX as f64);
    Spread::parse(text, number)
}

fn milliseconds(ms: u64) -> Option<Duration> {
    (ms <= DELAY_MS_MAX).then(|| Duration::from_millis(ms))
}

/// The text of a query's parameter, as it was written.
pub fn parameter_text<'a>(query: &'a str, name: &str) -> Option<&'a str> {
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs.find(|(key, _)| *key == name).map(|(_, value)| value)
}

fn parameter(query: &str, name: &str) -> Option<u64> {
    parameter_text(query, name)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_say_what_they_mean() {
        let ms = Duration::from_millis;
        let cases = [
            ("/bytes/64m", Route::Bytes { size: 64 << 20 }),
            ("/bytes/1g?x=1", Route::Bytes { size: 1 << 30 }),
            ("/bytes/2g", Route::Unknown),
            ("/bytes/", Route::Unknown),
            ("/bytes/1/2", Route::Unknown),
            ("/b16k", Route::Bytes { size: 16_384 }),
            ("/slow/160?ms=5", Route::Slow { size: 160, piece: 10, interval: ms(5) }),
            ("/slow/8?piece=3", Route::Slow { size: 8, piece: 3, interval: ms(10) }),
            ("/delay/20/1k", Route::Delay { wait_ms: Spread::Fixed(20.0), size: 1_024 }),
            ("/delay/exp:5/1", Route::Delay { wait_ms: Spread::Exponential(5.0), size: 1 }),
            ("/delay/-1/1", Route::Unknown),
            ("/status/103", Route::Interim(103)),
            ("/status/503", Route::Status(503)),
            ("/status/101", Route::Unknown),
            ("/sse?n=3&ms=1", Route::Events { count: 3, interval: ms(1) }),
            ("/headers/1001", Route::Unknown),
            ("/", Route::Unknown),
            ("*", Route::Unknown),
        ];
        for (target, route) in cases {
            assert_eq!(Route::parse(target), route, "{target}");
        }
    }

    #[test]
    fn an_absolute_target_loses_its_authority() {
        assert_eq!(origin_form("http://example.org:80/b128?x=http://y/"), "/b128?x=http://y/");
        assert_eq!(origin_form("http://example.org"), "/");
        assert_eq!(origin_form("/a?b=http://c/d"), "/a?b=http://c/d");
    }
}
