//! Every bound of reports, with unit, value and reason.

use dataplane::time::Duration;

/// Bytes of a report: what fits every path without being cut (IPv6's smallest MTU less its headers).
pub const REPORT_BYTES_MAX: usize = 1_200;

/// Bytes of a node's name.
pub const NODE_BYTES_MAX: usize = 63;

/// Bytes of a target's or far end's name.
pub const NAME_BYTES_MAX: usize = 200;

/// A report's time may be so far in the future: clocks that are set by NTP differ by milliseconds, those that are not by minutes.
pub const FUTURE_MAX: Duration = Duration::from_secs(5);

/// And so far in the past.
pub const PAST_MAX: Duration = Duration::from_secs(30);

/// How often a node is heard at least, whether it has something to say or not.
pub const HEARTBEAT: Duration = Duration::from_secs(1);

/// How long what a probe has seen waits for more to go with it.
pub const GATHER: Duration = Duration::from_millis(20);

/// When a change is said again, after the first time: one lost report must not delay what everybody waits for.
pub const AGAIN: [Duration; 2] = [Duration::from_millis(200), Duration::from_millis(600)];

/// Intervals after which a vote does not count any more.
pub const VOTE_INTERVALS: u32 = 3;

/// Tunnels of one front-end that are kept; more are an error of the node, or a lie.
pub const TUNNELS_MAX: usize = 256;

/// A node that was not heard for so long is shown as silent.
pub const SILENT_AFTER: Duration = Duration::from_secs(5);
