//! When slow start should end before it loses packets: HyStart++ (RFC 9406). Unit: µs.
//!
//! ```text
//!  Slow ──rtt rose by 1/8──► Conservative ──5 rounds──► Done
//!    ▲                            │
//!    └──────rtt fell again────────┘
//! ```
//! It owns no window; it says how much of an acknowledged byte may be added to it.

/// Samples a round needs before it is judged, RFC 9406 §4.3.
const SAMPLES_MIN: u32 = 8;
/// Bounds of the rise that counts, RFC 9406 §4.3: 4 and 16 ms.
const RISE_US: (u64, u64) = (4_000, 16_000);
/// Conservative slow start grows by a quarter, RFC 9406 §4.3.
const CONSERVATIVE_DIVISOR: u64 = 4;
/// Rounds of conservative slow start before it was right to leave, RFC 9406 §4.3.
const CONSERVATIVE_ROUNDS: u8 = 5;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Slow,
    Conservative { baseline_us: u64, rounds: u8 },
}

/// The state of one slow start.
#[derive(Clone, Debug)]
pub struct HyStart {
    phase: Phase,
    /// The round ends when this packet is acknowledged.
    round_end: u64,
    last_round_us: u64,
    round_us: u64,
    samples: u32,
}

impl Default for HyStart {
    fn default() -> Self {
        Self::new(0)
    }
}

impl HyStart {
    /// A slow start whose first round ends with packet `number`.
    pub const fn new(number: u64) -> Self {
        Self {
            phase: Phase::Slow,
            round_end: number,
            last_round_us: u64::MAX,
            round_us: u64::MAX,
            samples: 0,
        }
    }

    /// Takes one ack: its newest packet, the next number to be sent, the rtt measured. True when slow start is
    /// over.
    pub fn acked(&mut self, number: u64, number_next: u64, rtt_us: u64) -> bool {
        let mut over = false;
        if number >= self.round_end {
            over = self.end_round();
            self.round_end = number_next;
        }
        self.round_us = self.round_us.min(rtt_us);
        self.samples += 1;
        self.judge();
        over
    }

    /// By how much the window grows for `bytes` acknowledged.
    pub const fn growth_bytes(&self, bytes: u64) -> u64 {
        match self.phase {
            Phase::Slow => bytes,
            Phase::Conservative { .. } => bytes / CONSERVATIVE_DIVISOR,
        }
    }

    fn end_round(&mut self) -> bool {
        (self.last_round_us, self.round_us, self.samples) = (self.round_us, u64::MAX, 0);
        match &mut self.phase {
            Phase::Slow => false,
            Phase::Conservative { rounds, .. } => {
                *rounds += 1;
                *rounds >= CONSERVATIVE_ROUNDS
            }
        }
    }

    fn judge(&mut self) {
        if self.samples < SAMPLES_MIN {
            return;
        }
        match self.phase {
            Phase::Slow if self.last_round_us != u64::MAX => {
                let rise_us = (self.last_round_us / 8).clamp(RISE_US.0, RISE_US.1);
                if self.round_us >= self.last_round_us + rise_us {
                    self.phase = Phase::Conservative { baseline_us: self.round_us, rounds: 0 };
                }
            }
            Phase::Conservative { baseline_us, .. } if self.round_us < baseline_us => {
                self.phase = Phase::Slow
            }
            Phase::Slow | Phase::Conservative { .. } => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Plays rounds of ten acks each with the given rtt; the round after which slow start was over, and growth.
    fn play(rtts_us: &[u64]) -> (Option<usize>, u64) {
        let mut hystart = HyStart::new(0);
        for (round, rtt_us) in rtts_us.iter().enumerate() {
            for ack in 0..10 {
                let number = round as u64 * 10 + ack;
                if hystart.acked(number, round as u64 * 10 + 10, *rtt_us) {
                    return (Some(round), hystart.growth_bytes(100));
                }
            }
        }
        (None, hystart.growth_bytes(100))
    }

    #[test]
    fn leaves_when_the_rtt_stays_up_and_returns_when_it_falls() {
        assert_eq!(play(&[100_000; 12]), (None, 100));
        assert_eq!(play(&[100_000, 111_000, 111_000]), (None, 100));
        assert_eq!(play(&[100_000, 113_000]), (None, 25));
        assert_eq!(play(&[100_000, 113_000, 113_000, 113_000, 113_000, 113_000, 113_000]), (Some(6), 25));
        assert_eq!(play(&[100_000, 113_000, 101_000]), (None, 100));
    }
}
