//! Which reports of a node were there already: the newest process, the newest sequence number, and which of the 64 before
//! it came (RFC 6479's idea, in one word). What never came is counted as lost; what comes late is taken back.

/// Numbers behind the newest one that may still come.
const WIDTH: u64 = 64;

/// The window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Window {
    boot_us: u64,
    next: u64,
    /// Bit `n`: the report `n + 1` before `next` has come.
    came: u64,
    lost: u64,
}

/// Why a report is not new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotNew {
    /// It came already, or too many came since.
    Replayed,
    /// It is of a process that was replaced since.
    EarlierBoot,
}

impl Window {
    /// A window that was kept: nothing up to this number is new any more.
    pub const fn kept(boot_us: u64, next: u64) -> Self {
        Self { boot_us, next, came: u64::MAX, lost: 0 }
    }

    /// The process and the number that would be next.
    pub const fn place(&self) -> (u64, u64) {
        (self.boot_us, self.next)
    }

    /// Reports that never came.
    pub const fn lost(&self) -> u64 {
        self.lost
    }

    /// Takes the number of a report whose code is good.
    pub fn take(&mut self, boot_us: u64, sequence: u64) -> Result<(), NotNew> {
        if boot_us < self.boot_us {
            return Err(NotNew::EarlierBoot);
        }
        if boot_us > self.boot_us {
            // What the old process said last, and what this one said before we listened, is not known to be lost.
            *self = Self { boot_us, next: sequence.saturating_add(1), came: 1, lost: self.lost };
            return Ok(());
        }
        if sequence >= self.next {
            let ahead = sequence - self.next;
            self.came = self.came.checked_shl(u32::try_from(ahead + 1).unwrap_or(u32::MAX)).unwrap_or(0) | 1;
            self.lost += ahead;
            self.next = sequence.saturating_add(1);
            return Ok(());
        }
        let behind = self.next - 1 - sequence;
        if behind >= WIDTH || self.came >> behind & 1 == 1 {
            return Err(NotNew::Replayed);
        }
        self.came |= 1 << behind;
        self.lost = self.lost.saturating_sub(1);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{prop, proptest};
    use std::collections::BTreeSet;

    #[test]
    fn each_is_taken_once_and_gaps_are_counted() {
        let mut window = Window::default();
        assert_eq!(window.take(9, 5), Ok(()));
        assert_eq!(window.lost(), 0, "what came before we listened is not lost");
        assert_eq!(window.take(9, 5), Err(NotNew::Replayed));
        assert_eq!((window.take(9, 8), window.lost()), (Ok(()), 2));
        assert_eq!((window.take(9, 6), window.lost()), (Ok(()), 1), "it came late");
        assert_eq!(window.take(9, 6), Err(NotNew::Replayed));
        assert_eq!(window.take(8, 100), Err(NotNew::EarlierBoot));
        assert_eq!((window.take(10, 0), window.take(9, 9)), (Ok(()), Err(NotNew::EarlierBoot)));
        assert_eq!((window.take(10, 1_000), window.lost()), (Ok(()), 1_000));
        assert_eq!(window.take(10, 900), Err(NotNew::Replayed), "too old to know");
        assert_eq!(window.take(10, u64::MAX), Ok(()));
        let mut kept = Window::kept(10, 50);
        assert_eq!((kept.take(10, 49), kept.take(10, 50)), (Err(NotNew::Replayed), Ok(())));
    }

    proptest! {
        /// Beside a set that forgets nothing: never twice, and all that are near enough once.
        #[test]
        fn nothing_is_taken_twice(steps in prop::collection::vec(0u64..200, 1..400)) {
            let (mut window, mut seen) = (Window::default(), BTreeSet::new());
            window.take(1, 0).unwrap();
            seen.insert(0);
            for sequence in steps {
                let newest = *seen.last().unwrap();
                let taken = window.take(1, sequence).is_ok();
                let is_near = sequence + WIDTH > newest;
                assert_eq!(taken, is_near && seen.insert(sequence));
            }
        }
    }
}
