//! The flag by which a consumer core says that it is about to sleep, so that producers wake it then and only
//! then: a wake-up costs a system call, and most batches find the consumer awake.
//!
//! Order is all. The consumer stores the flag, fences, looks at its rings once more, and sleeps. A producer
//! publishes, fences, and takes the flag. Of the two fences one comes first: either the producer sees the flag,
//! or the consumer sees the records. Fences and not sequentially consistent accesses: those order only
//! themselves, and the model checker treats them as acquire and release. How to wake is the driver's affair.

use crossbeam::utils::CachePadded;

use crate::reactor::atomics::{AtomicBool, Ordering, fence};

/// One per consumer core, shared with all its producers.
#[derive(Debug)]
pub struct Sleep {
    sleeping: CachePadded<AtomicBool>,
}

impl Default for Sleep {
    fn default() -> Self {
        Self::new()
    }
}

impl Sleep {
    /// An awake consumer.
    pub fn new() -> Self {
        Self { sleeping: CachePadded::new(AtomicBool::new(false)) }
    }

    /// Consumer: I shall sleep. Look at every ring after this; if one has something, `cancel` instead of sleeping.
    pub fn prepare(&self) {
        self.announce();
        fence(Ordering::SeqCst);
    }

    /// Consumer: I am awake, whoever or whatever woke me. A wake-up may still be under way; it does no harm.
    ///
    /// A swap and not a store: it follows a system call, so its price is nothing, and every write then knows the
    /// one before it, which the model checker needs to put them in order.
    pub fn cancel(&self) {
        self.sleeping.swap(false, Ordering::AcqRel);
    }

    /// Producer, after `publish`: whether to wake the consumer. Of several producers one is told so.
    pub fn must_wake(&self) -> bool {
        fence(Ordering::SeqCst);
        self.take()
    }

    fn announce(&self) {
        self.sleeping.store(true, Ordering::Relaxed);
    }

    /// The load first keeps the line shared while the consumer is awake.
    fn take(&self) -> bool {
        self.sleeping.load(Ordering::Relaxed)
            && self.sleeping.compare_exchange(true, false, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }

    /// `prepare` without its fence, so that the model can show what the fence is for.
    #[cfg(all(test, loom))]
    pub(crate) fn prepare_unfenced(&self) {
        self.announce();
    }

    /// `must_wake` without its fence, for the same purpose.
    #[cfg(all(test, loom))]
    pub(crate) fn must_wake_unfenced(&self) -> bool {
        self.take()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn one_producer_is_told_to_wake_a_sleeper() {
        let sleep = Sleep::new();
        assert!(!sleep.must_wake());
        sleep.prepare();
        assert!(sleep.must_wake() && !sleep.must_wake());
        sleep.prepare();
        sleep.cancel();
        assert!(!sleep.must_wake());
    }
}
