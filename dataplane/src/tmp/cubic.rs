//! The congestion window of one virtual CUBIC flow (RFC 9438). Unit: packets, with fractions.
//!
//! ```text
//!  slow start ──loss, CE or the end of slow start──► avoidance (cubic, or Reno where that is faster) ──loss──► × 0.7
//! ```
//! It does not detect losses, does not pace and does not know when slow start should end: that is said by the
//! `ensemble`, of which it is one member. Acks of a tunnel that had nothing to send do not grow the window
//! (RFC 9438 §5.8). A reaction to losses that turn out to have been late packets is taken back. [TMP-130]

use crate::time::{Duration, Instant};

/// A flow keeps one packet, so that N flows keep N.
pub const WINDOW_PACKETS_MIN: f64 = 1.0;
/// RFC 9438 §5.1, packets per s³.
const C: f64 = 0.4;
/// What a loss leaves, RFC 9438 §4.6.
const BETA_LOSS: f64 = 0.7;
/// What a congestion mark leaves (ABE, RFC 8511).
const BETA_MARK: f64 = 0.85;
/// Reno's increase that is as fair with `BETA_LOSS`, RFC 9438 §4.3.
const ALPHA: f64 = 3.0 * (1.0 - BETA_LOSS) / (1.0 + BETA_LOSS);

/// What told us of congestion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    /// A packet was lost.
    Loss,
    /// A packet was marked.
    Mark,
}

#[derive(Clone, Copy, Debug)]
struct Epoch {
    start: Instant,
    /// Where the cubic is flat: the last maximum, or where the epoch began if that was higher.
    plateau: f64,
    /// Seconds until the cubic is back at the plateau.
    k_s: f64,
    /// Reno's window.
    estimate: f64,
}

#[derive(Clone, Copy, Debug)]
struct Undo {
    window: f64,
    threshold: f64,
    window_max: f64,
    /// Packets lost in this reaction that have not shown up since.
    losses: u32,
}

/// The flow.
#[derive(Clone, Debug)]
pub struct Cubic {
    window: f64,
    threshold: f64,
    window_max: f64,
    window_before: f64,
    epoch: Option<Epoch>,
    /// Packets below this were sent before the last reaction.
    recovery_end: u64,
    undo: Option<Undo>,
    grew: Instant,
}

impl Cubic {
    /// A flow with that window, in slow start up to `threshold`.
    pub const fn new(window: f64, threshold: f64) -> Self {
        Self {
            window: window.max(WINDOW_PACKETS_MIN),
            threshold,
            window_max: 0.0,
            window_before: 0.0,
            epoch: None,
            recovery_end: 0,
            undo: None,
            grew: Instant::ORIGIN,
        }
    }

    /// Packets that may be in flight.
    pub const fn window(&self) -> f64 {
        self.window
    }

    /// Whether the window still doubles.
    pub fn is_slow_start(&self) -> bool {
        self.window < self.threshold
    }

    /// Whether packet `number` was sent before the last reaction.
    pub const fn is_recovering(&self, number: u64) -> bool {
        number < self.recovery_end
    }

    /// Slow start is over.
    pub const fn end_slow_start(&mut self) {
        self.threshold = self.threshold.min(self.window);
    }

    /// All windows times `factor`, as when the packet size changes or another controller hands over.
    pub fn scale(&mut self, factor: f64) {
        self.window = (self.window * factor).max(WINDOW_PACKETS_MIN);
        self.threshold *= factor;
        self.window_max *= factor;
        (self.epoch, self.undo) = (None, None);
    }

    /// The window, whatever it was; slow start goes on if it was under way.
    pub const fn set_window(&mut self, window: f64) {
        self.window = window.max(WINDOW_PACKETS_MIN);
    }

    /// Begins again with a window; what was sent before `number_next` says nothing of it.
    pub const fn begin_again(&mut self, window: f64, number_next: u64) {
        *self = Self::new(window, f64::INFINITY);
        self.recovery_end = number_next;
    }

    /// So many packets were acknowledged while the window was in use; in slow start it grows by `slow_growth`.
    pub fn grow(&mut self, now: Instant, packets: f64, slow_growth: f64, smoothed_rtt_us: u64) {
        self.grew = now;
        if self.is_slow_start() {
            self.window += slow_growth;
        } else {
            self.avoid(now, packets, smoothed_rtt_us);
        }
    }

    /// Acknowledged while the window was not in use: such time does not count for the cubic.
    pub fn rest(&mut self, now: Instant) {
        let idle = now.since(self.grew);
        self.grew = now;
        if let Some(epoch) = &mut self.epoch {
            epoch.start += idle;
        }
    }

    /// Packet `number` was lost or marked; `number_next` is what will be sent next. One reaction per round; true if
    /// this was one.
    pub fn congested(&mut self, number: u64, number_next: u64, sign: Sign) -> bool {
        if self.is_recovering(number) {
            if let (Sign::Loss, Some(undo)) = (sign, &mut self.undo) {
                undo.losses += 1;
            }
            return false;
        }
        self.undo = (sign == Sign::Loss).then_some(Undo {
            window: self.window,
            threshold: self.threshold,
            window_max: self.window_max,
            losses: 1,
        });
        self.recovery_end = number_next;
        let beta = match sign {
            Sign::Loss => BETA_LOSS,
            Sign::Mark => BETA_MARK,
        };
        self.window_before = self.window;
        // Fast convergence, RFC 9438 §4.7: whoever is below its last maximum makes more room.
        self.window_max =
            if self.window < self.window_max { self.window * (1.0 + beta) / 2.0 } else { self.window };
        self.window = (self.window * beta).max(WINDOW_PACKETS_MIN);
        self.threshold = self.window;
        self.epoch = None;
        true
    }

    /// A packet that had been counted as lost was only late. The reaction is undone when that holds for all of
    /// its packets.
    pub fn loss_was_spurious(&mut self) {
        let Some(undo) = &mut self.undo else { return };
        undo.losses = undo.losses.saturating_sub(1);
        if undo.losses > 0 {
            return;
        }
        self.window = self.window.max(undo.window);
        (self.threshold, self.window_max) = (undo.threshold, undo.window_max);
        (self.epoch, self.undo, self.recovery_end) = (None, None, 0);
    }

    /// Everything sent over three probe time-outs was lost (RFC 9002 §7.6): begin again. The path was gone, which
    /// says nothing of its width, so slow start may lead back to where it was before.
    pub const fn collapse(&mut self, number_next: u64) {
        if let Some(undo) = self.undo {
            self.threshold = undo.threshold.max(undo.window);
        }
        self.window = WINDOW_PACKETS_MIN;
        self.recovery_end = number_next;
        (self.epoch, self.undo) = (None, None);
    }

    /// RFC 9438 §4.2 to §4.5.
    fn avoid(&mut self, now: Instant, packets: f64, smoothed_rtt_us: u64) {
        let window = self.window;
        let plateau = self.window_max.max(window);
        let epoch = self.epoch.get_or_insert_with(|| Epoch {
            start: now,
            plateau,
            k_s: ((plateau - window) / C).cbrt(),
            estimate: window,
        });
        let alpha = if epoch.estimate < self.window_before { ALPHA } else { 1.0 };
        epoch.estimate += alpha * packets / window;
        let Epoch { plateau, k_s, .. } = *epoch;
        let cubic = |span: Duration| C * (span.as_secs_f64() - k_s).powi(3) + plateau;
        let elapsed = now.since(epoch.start);
        if cubic(elapsed) < epoch.estimate {
            self.window = window.max(epoch.estimate);
        } else {
            let target = cubic(elapsed + Duration::from_micros(smoothed_rtt_us)).clamp(window, 1.5 * window);
            self.window += (target - window) / window * packets;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Acks one full window per rtt for `rounds`; the windows after each round, in whole packets.
    fn rounds(cubic: &mut Cubic, number: &mut u64, now: &mut Instant, rtt_us: u64, rounds: u32) -> Vec<u64> {
        let mut windows = Vec::new();
        for _ in 0..rounds {
            *now += Duration::from_micros(rtt_us);
            for _ in 0..cubic.window() as u64 {
                if !cubic.is_recovering(*number) {
                    cubic.grow(*now, 1.0, 1.0, rtt_us);
                }
                *number += 1;
            }
            windows.push(cubic.window() as u64);
        }
        windows
    }

    fn new() -> (Cubic, u64, Instant) {
        (Cubic::new(10.0, f64::INFINITY), 0, Instant::ORIGIN)
    }

    #[test]
    fn doubles_in_slow_start_and_keeps_seven_tenths_after_a_loss() {
        let (mut cubic, mut number, mut now) = new();
        assert_eq!(rounds(&mut cubic, &mut number, &mut now, 50_000, 4), [20, 40, 80, 160]);
        assert!(cubic.congested(number, number + 160, Sign::Loss));
        assert_eq!(cubic.window(), 112.0);
        assert!(!cubic.congested(number + 100, number + 200, Sign::Loss), "one reaction per round");
        assert!(cubic.congested(number + 160, number + 200, Sign::Mark));
        assert_eq!(cubic.window(), 95.2);
    }

    #[test]
    fn returns_to_the_last_maximum_after_k() {
        let (mut cubic, mut number, mut now) = new();
        rounds(&mut cubic, &mut number, &mut now, 100_000, 5);
        assert_eq!(cubic.window(), 320.0);
        cubic.congested(number, number, Sign::Loss);
        // K = cbrt(0.3 × 320 / 0.4) = 6.2 s, that is 62 rounds of 100 ms.
        let windows = rounds(&mut cubic, &mut number, &mut now, 100_000, 90);
        assert!(windows.is_sorted());
        assert!((285..=300).contains(&windows[20]), "steep at first: {}", windows[20]);
        assert!((318..=321).contains(&windows[62]), "flat at the old maximum: {}", windows[62]);
        assert!(windows[89] > 325, "then steeper again: {}", windows[89]);
    }

    #[test]
    fn grows_as_reno_on_short_paths() {
        let (mut cubic, mut number, mut now) = new();
        rounds(&mut cubic, &mut number, &mut now, 1_000, 3);
        cubic.congested(number, number, Sign::Loss);
        let windows = rounds(&mut cubic, &mut number, &mut now, 1_000, 40);
        assert!((75..=80).contains(&windows[39]), "56 + 40 × 0.53: {}", windows[39]);
    }

    #[test]
    fn time_in_which_the_window_was_not_needed_does_not_count() {
        let (mut cubic, mut number, mut now) = new();
        rounds(&mut cubic, &mut number, &mut now, 100_000, 5);
        cubic.congested(number, number, Sign::Loss);
        let mut rested = cubic.clone();
        let busy = rounds(&mut cubic, &mut number.clone(), &mut now.clone(), 100_000, 20);
        rounds(&mut rested, &mut number, &mut now, 100_000, 5);
        now += Duration::from_secs(60);
        rested.rest(now);
        let after = rounds(&mut rested, &mut number, &mut now, 100_000, 15);
        assert!(after[14].abs_diff(busy[19]) <= 2, "{after:?} {busy:?}");
    }

    #[test]
    fn late_packets_undo_the_reaction_only_when_all_arrive() {
        let (mut cubic, mut number, mut now) = new();
        rounds(&mut cubic, &mut number, &mut now, 50_000, 3);
        cubic.congested(number, number + 50, Sign::Loss);
        cubic.congested(number + 1, number + 50, Sign::Loss);
        cubic.loss_was_spurious();
        assert_eq!(cubic.window(), 56.0);
        cubic.loss_was_spurious();
        assert!(cubic.window() == 80.0 && cubic.is_slow_start());
    }

    #[test]
    fn keeps_one_packet_whatever_happens() {
        let (mut cubic, mut number, _) = new();
        for _ in 0..40 {
            cubic.congested(number, number, Sign::Loss);
            number += 1;
        }
        assert_eq!(cubic.window(), WINDOW_PACKETS_MIN);
        cubic.collapse(number);
        assert_eq!(cubic.window(), WINDOW_PACKETS_MIN);
    }
}
