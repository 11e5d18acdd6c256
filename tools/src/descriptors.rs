//! How many file descriptors this process may open (RLIMIT_NOFILE, a count).

use rustix::process::{Resource, getrlimit, setrlimit};

/// Descriptors a tool needs beside its connections: standard streams, poll, wakers, timers, listeners, /proc.
pub const RESERVED: u64 = 64;

/// Lifts the soft limit to the hard one if `connections` need it, and answers how many connections then fit.
///
/// A refused lift is no error: the answer is smaller, and the caller says what that means for it.
pub fn room_for(connections: u64) -> u64 {
    let wanted = connections.saturating_add(RESERVED);
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current.is_some_and(|soft| soft < wanted) {
        let hard = limit.maximum.unwrap_or(u64::MAX);
        let before = limit.current;
        limit.current = Some(hard.min(wanted));
        if setrlimit(Resource::Nofile, limit).is_err() {
            limit.current = before;
        }
    }
    limit.current.map_or(connections, |soft| soft.saturating_sub(RESERVED).min(connections))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_connections_always_fit() {
        assert_eq!(room_for(8), 8);
        assert!(room_for(u64::MAX / 2) < u64::MAX / 2);
    }
}
