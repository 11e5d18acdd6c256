//! What the workers have counted, for those who look: one writer each, read at any time.

use crate::dns::code::ResponseCode;
use core::sync::atomic::{AtomicU64, Ordering};

/// A count with one writer.
#[derive(Debug, Default)]
pub struct Count(AtomicU64);

impl Count {
    /// Adds; only the one writer may.
    pub fn add(&self, more: u64) {
        self.0.store(self.0.load(Ordering::Relaxed).wrapping_add(more), Ordering::Relaxed);
    }

    /// Reads.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Types that are counted by themselves; all others together.
pub const TYPES_COUNTED: [u16; 10] = [1, 28, 2, 5, 6, 12, 15, 16, 33, 65];

/// The counts of one worker.
#[derive(Debug, Default)]
pub struct Counters {
    /// Requests over UDP.
    pub udp: Count,
    /// Requests over TCP.
    pub tcp: Count,
    /// Requests from IPv6 addresses, of all.
    pub ipv6: Count,
    /// Bytes of requests.
    pub bytes_in: Count,
    /// Bytes of answers.
    pub bytes_out: Count,
    /// Requests by type: [`TYPES_COUNTED`], then all others.
    pub types: [Count; TYPES_COUNTED.len() + 1],
    /// Answers by code, as in [`ResponseCode::ALL`].
    pub codes: [Count; ResponseCode::ALL.len()],
    /// Answers that were cut.
    pub truncated: Count,
    /// Requests that get no answer: too short, or answers themselves.
    pub ignored: Count,
    /// Answers not sent because of the rate limit.
    pub limited_dropped: Count,
    /// Answers sent cut because of the rate limit.
    pub limited_slipped: Count,
    /// Requests with a cookie of ours.
    pub cookies_good: Count,
    /// Requests with a client subnet.
    pub subnets: Count,
    /// Addresses that a policy chose.
    pub decisions: Count,
    /// Answers that could not be sent.
    pub send_errors: Count,
    /// TCP connections taken.
    pub connections: Count,
    /// TCP connections open now.
    pub connections_open: Count,
    /// TCP connections refused or closed for want of room.
    pub connections_refused: Count,
    /// TCP connections closed at a time-out.
    pub connections_timed_out: Count,
    /// Lines of the query log that were lost.
    pub log_lines_lost: Count,
    /// Forecasts that were made and not handed over: too many waited already.
    pub forecasts_lost: Count,
}

impl Counters {
    /// Counts a request by its type.
    pub fn count_type(&self, qtype: u16) {
        let place = TYPES_COUNTED.iter().position(|known| *known == qtype).unwrap_or(TYPES_COUNTED.len());
        self.types[place].add(1);
    }
}
