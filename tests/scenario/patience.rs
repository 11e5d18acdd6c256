//! Waiting with a bound: a condition is looked at until it holds or the deadline is over.

use std::thread;
use std::time::{Duration, Instant};

/// The longest wait for anything that should happen: far more than any of it takes on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// How long something must not happen before a test believes that it does not.
pub(crate) const A_MOMENT: Duration = Duration::from_millis(150);

const LOOK_EVERY: Duration = Duration::from_millis(2);

/// Looks until there is something, or panics with `what` was waited for.
pub(crate) fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        thread::sleep(LOOK_EVERY);
    }
}
