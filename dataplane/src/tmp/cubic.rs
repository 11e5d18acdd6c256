//! The congestion window of one CUBIC flow (RFC 9438), with HyStart++ for slow start. Unit: bytes; the formulas
//! count in packets.
//!
//! ```text
//!  slow start ──loss, CE or HyStart++──► avoidance (cubic, or Reno where that is faster) ──loss──► × 0.7
//! ```
//! It does not detect losses and does not pace. Acks of a tunnel that had nothing to send do not grow the
//! window (RFC 9438 §5.8): whoever calls says whether the window was in use. A reaction to losses that turn out
//! to have been late packets is taken back. [TMP-130]

use crate::time::{Duration, Instant};
use crate::tmp::hystart::HyStart;

/// RFC 6928: ten packets.
pub const WINDOW_PACKETS_INITIAL: u64 = 10;
/// RFC 9002 §7.2: never below two packets.
pub const WINDOW_PACKETS_MIN: u64 = 2;
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

/// One acknowledged packet, as a controller sees it.
#[derive(Clone, Copy, Debug)]
pub struct AckedPacket {
    /// Its number.
    pub number: u64,
    /// Its size.
    pub bytes: u64,
    /// The window was in use when it was under way: its ack is leave to grow.
    pub used_window: bool,
}

#[derive(Clone, Copy, Debug)]
struct Epoch {
    start: Instant,
    /// Where the cubic is flat, packets: the last maximum, or where the epoch began if that was higher.
    plateau: f64,
    /// Seconds until the cubic is back at the plateau.
    k_s: f64,
    /// Reno's window, packets.
    estimate: f64,
}

#[derive(Clone, Copy, Debug)]
struct Undo {
    window: f64,
    threshold: f64,
    window_max: f64,
    /// Packets lost in this reaction that have not shown up since.
    losses: u64,
}

/// The controller. Windows are in packets of `packet_bytes`, with fractions.
#[derive(Clone, Debug)]
pub struct Cubic {
    packet_bytes: u64,
    window: f64,
    window_limit: f64,
    threshold: f64,
    window_max: f64,
    window_before: f64,
    epoch: Option<Epoch>,
    /// Packets below this were sent before the last reaction.
    recovery_end: u64,
    undo: Option<Undo>,
    hystart: HyStart,
    grew: Instant,
}

impl Cubic {
    /// In slow start, with ten packets; never above `window_packets_max`.
    pub fn new(packet_bytes: u64, window_packets_max: u64) -> Self {
        Self {
            packet_bytes,
            window: WINDOW_PACKETS_INITIAL as f64,
            window_limit: window_packets_max as f64,
            threshold: f64::INFINITY,
            window_max: 0.0,
            window_before: 0.0,
            epoch: None,
            recovery_end: 0,
            undo: None,
            hystart: HyStart::new(0),
            grew: Instant::ORIGIN,
        }
    }

    /// Bytes that may be in flight.
    pub fn window_bytes(&self) -> u64 {
        (self.window * self.packet_bytes as f64) as u64
    }

    /// Whether the window still doubles.
    pub fn is_slow_start(&self) -> bool {
        self.window < self.threshold
    }

    /// Whether packet `number` was sent before the last reaction.
    pub const fn is_recovering(&self, number: u64) -> bool {
        number < self.recovery_end
    }

    /// The packet size of the path changed; the window stays the same in bytes.
    pub fn set_packet_bytes(&mut self, packet_bytes: u64) {
        let factor = self.packet_bytes as f64 / packet_bytes as f64;
        self.window = (self.window * factor).max(WINDOW_PACKETS_MIN as f64);
        self.threshold *= factor;
        self.window_max *= factor;
        self.packet_bytes = packet_bytes;
        self.epoch = None;
    }

    /// An rtt sample: `number` is the newest packet of its ack, `number_next` what will be sent next.
    pub fn sampled(&mut self, number: u64, number_next: u64, rtt_us: u64) {
        if self.is_slow_start() && self.hystart.acked(number, number_next, rtt_us) {
            self.threshold = self.window;
        }
    }

    /// One packet was acknowledged.
    pub fn acked(&mut self, now: Instant, packet: AckedPacket, smoothed_rtt_us: u64) {
        let idle = now.since(self.grew);
        self.grew = now;
        if self.is_recovering(packet.number) {
            return;
        }
        if !packet.used_window {
            // Time in which the window was not needed does not count for the cubic.
            if let Some(epoch) = &mut self.epoch {
                epoch.start += idle;
            }
            return;
        }
        let packets = packet.bytes as f64 / self.packet_bytes as f64;
        if self.is_slow_start() {
            let growth_bytes = self.hystart.growth_bytes(packet.bytes);
            self.window += growth_bytes as f64 / self.packet_bytes as f64;
        } else {
            self.avoid(now, packets, smoothed_rtt_us);
        }
        self.window = self.window.min(self.window_limit);
    }

    /// Packet `number` was lost or marked; `number_next` is what will be sent next. One reaction per round.
    pub fn congested(&mut self, number: u64, number_next: u64, sign: Sign) {
        if self.is_recovering(number) {
            if let (Sign::Loss, Some(undo)) = (sign, &mut self.undo) {
                undo.losses += 1;
            }
            return;
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
        self.window = (self.window * beta).max(WINDOW_PACKETS_MIN as f64);
        self.threshold = self.window;
        self.epoch = None;
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
    pub fn collapse(&mut self, number_next: u64) {
        if let Some(undo) = self.undo {
            self.threshold = undo.threshold.max(undo.window);
        }
        self.window = WINDOW_PACKETS_MIN as f64;
        self.recovery_end = number_next;
        self.hystart = HyStart::new(number_next);
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

    const PACKET: u64 = 1_000;

    /// Acks one full window per rtt for `rounds`; the windows after each round, in packets.
    fn rounds(cubic: &mut Cubic, number: &mut u64, now: &mut Instant, rtt_us: u64, rounds: u32) -> Vec<u64> {
        let mut windows = Vec::new();
        for _ in 0..rounds {
            *now += Duration::from_micros(rtt_us);
            let packets = cubic.window_bytes() / PACKET;
            for _ in 0..packets {
                let packet = AckedPacket { number: *number, bytes: PACKET, used_window: true };
                cubic.acked(*now, packet, rtt_us);
                cubic.sampled(*number, *number + packets, rtt_us);
                *number += 1;
            }
            windows.push(cubic.window_bytes() / PACKET);
        }
        windows
    }

    #[test]
    fn doubles_in_slow_start_and_keeps_seven_tenths_after_a_loss() {
        let (mut number, mut now) = (0, Instant::ORIGIN);
        let mut cubic = Cubic::new(PACKET, 1_000_000);
        assert_eq!(rounds(&mut cubic, &mut number, &mut now, 50_000, 4), [20, 40, 80, 160]);
        cubic.congested(number, number + 160, Sign::Loss);
        assert_eq!(cubic.window_bytes(), 112 * PACKET);
        cubic.congested(number + 100, number + 200, Sign::Loss);
        assert_eq!(cubic.window_bytes(), 112 * PACKET, "one reaction per round");
        cubic.congested(number + 160, number + 200, Sign::Mark);
        assert_eq!(cubic.window_bytes(), 95_200);
    }

    #[test]
    fn returns_to_the_last_maximum_after_k() {
        let (mut number, mut now) = (0, Instant::ORIGIN);
        let mut cubic = Cubic::new(PACKET, 1_000_000);
        rounds(&mut cubic, &mut number, &mut now, 100_000, 5);
        assert_eq!(cubic.window_bytes(), 320 * PACKET);
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
        let (mut number, mut now) = (0, Instant::ORIGIN);
        let mut cubic = Cubic::new(PACKET, 1_000_000);
        rounds(&mut cubic, &mut number, &mut now, 1_000, 3);
        cubic.congested(number, number, Sign::Loss);
        let windows = rounds(&mut cubic, &mut number, &mut now, 1_000, 40);
        assert!((75..=80).contains(&windows[39]), "56 + 40 × 0.53: {}", windows[39]);
    }

    #[test]
    fn an_unused_window_does_not_grow() {
        let mut cubic = Cubic::new(PACKET, 1_000_000);
        for number in 0..1_000 {
            cubic.acked(Instant::ORIGIN, AckedPacket { number, bytes: PACKET, used_window: false }, 10_000);
        }
        assert_eq!(cubic.window_bytes(), WINDOW_PACKETS_INITIAL * PACKET);
    }

    #[test]
    fn late_packets_undo_the_reaction_only_when_all_arrive() {
        let (mut number, mut now) = (0, Instant::ORIGIN);
        let mut cubic = Cubic::new(PACKET, 1_000_000);
        rounds(&mut cubic, &mut number, &mut now, 50_000, 3);
        cubic.congested(number, number + 50, Sign::Loss);
        cubic.congested(number + 1, number + 50, Sign::Loss);
        cubic.loss_was_spurious();
        assert_eq!(cubic.window_bytes(), 56 * PACKET);
        cubic.loss_was_spurious();
        assert!(cubic.window_bytes() == 80 * PACKET && cubic.is_slow_start());
    }

    #[test]
    fn stays_within_its_bounds() {
        let (mut number, mut now) = (0, Instant::ORIGIN);
        let mut cubic = Cubic::new(PACKET, 500);
        assert_eq!(rounds(&mut cubic, &mut number, &mut now, 50_000, 9).last(), Some(&500));
        for _ in 0..40 {
            cubic.congested(number, number, Sign::Loss);
            number += 1;
        }
        assert_eq!(cubic.window_bytes(), WINDOW_PACKETS_MIN * PACKET);
        cubic.collapse(number);
        assert_eq!(cubic.window_bytes(), WINDOW_PACKETS_MIN * PACKET);
    }
}
