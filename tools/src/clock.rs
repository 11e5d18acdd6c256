//! The tools' one reader of the operating system's clock. Instants are µs since the clock was made.

use dataplane::time::Instant;

/// A monotonic clock with its own origin; copies agree with each other.
#[derive(Clone, Copy, Debug)]
pub struct Clock(std::time::Instant);

impl Clock {
    /// A clock that reads zero now.
    pub fn start() -> Self {
        Self(std::time::Instant::now())
    }

    /// The time now.
    pub fn now(&self) -> Instant {
        Instant::from_us(self.0.elapsed().as_micros() as u64)
    }
}
