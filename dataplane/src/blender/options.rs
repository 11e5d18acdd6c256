//! What an operator may choose about blending, and the bounds on it, each with its reason.

/// How many priority rings there are; 0 is the highest. Five is the seeds' figure.
pub const RINGS: usize = 5;

/// Weights of the rings unless told otherwise: each ring counts twice the one below it.
pub const WEIGHTS: [u32; RINGS] = [16, 8, 4, 2, 1];

/// The largest piece of one source that leaves in one turn, in bytes, unless told otherwise (the seeds' figure).
pub const SUB_PACKET_BYTES: u32 = 512;

/// The smallest sub-packet that may be configured: two slivers, so that one can always be cut in two fit pieces.
pub const SUB_PACKET_BYTES_MIN: u32 = 2 * SLIVER_BYTES;

/// The largest sub-packet that may be configured: more than any packet holds serves no purpose, and a loop's
/// values stay far from overflow.
pub const SUB_PACKET_BYTES_MAX: u32 = 65_535;

/// The largest that a sub-packet becomes by itself where a tunnel is fast: what a few packets hold.
pub(crate) const TURN_BYTES_MAX: u32 = 8_192;

/// A piece below this many bytes costs more than 15 % in headers; none is sent unless it ends its source's data.
pub const SLIVER_BYTES: u32 = 64;

/// The room that a fresh packet must offer, in bytes, so that some piece always fits it.
pub const PACKET_ROOM_MIN: usize = 2 * SLIVER_BYTES as usize;

/// The bound on one bounded loop, in bytes: 45 packets, 5 ms at 100 Mbit/s. The caller may raise it to 2 ms at
/// its pacing rate. A ready source always gets one sub-packet per loop, so very many of them outgrow the bound.
pub const LOOP_BYTES_MAX: u64 = 65_536;

/// A bounded blender serves rings of weight 0 once per this many bytes of the others, so that they do not
/// starve: about once a second at 8 Mbit/s. (Bytes and not time because the blender has no clock.)
pub const BACKGROUND_EVERY_BYTES: u64 = 1 << 20;

/// Loops of the bounded mode that begin, at the most, while a ready source waits for its turn.
pub const WAIT_LOOPS_MAX: u32 = 1;

const _: () = assert!(SUB_PACKET_BYTES >= SUB_PACKET_BYTES_MIN && SUB_PACKET_BYTES <= SUB_PACKET_BYTES_MAX);

/// Which reading of the algorithm runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// The seeds' loop with nothing added. Quotas cut sub-packets, also into slivers; a loop may be as long as
    /// what waits in the fullest ring; a ring that was empty when the loop started waits for the next one.
    Literal,
    /// The seeds' loop, bounded in length; a ring may overdraw its quota by a part of one sub-packet and pays it
    /// back in the next loop; a source that becomes ready meanwhile brings its ring its share of the loop at once.
    #[default]
    Bounded,
}

/// How to blend. Plain data; `check` says whether it makes sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Bytes per loop of one ready source, relative to those of the other rings. A ring of weight 0 is served
    /// when all others are empty (and once per `BACKGROUND_EVERY_BYTES` when bounded).
    pub weights: [u32; RINGS],
    /// The largest piece of one source that leaves in one turn.
    pub sub_packet_bytes: u32,
    /// Which reading of the algorithm.
    pub mode: Mode,
    /// The bound on one loop of the bounded mode.
    pub loop_bytes_max: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            weights: WEIGHTS,
            sub_packet_bytes: SUB_PACKET_BYTES,
            mode: Mode::default(),
            loop_bytes_max: LOOP_BYTES_MAX,
        }
    }
}

impl Options {
    /// The most bytes that leave between a source's becoming ready (or its last turn) and its next turn, when rings have
    /// at most so many `sources`, ready or not, and none jumps the queue. See the room's page for why. 0 for no bound:
    /// `literal` promises none, and a ring of weight 0 has its own.
    pub fn gap_bytes_max(&self, sources: &[u32; RINGS]) -> u64 {
        let Some(least) = self.weights.iter().copied().filter(|weight| *weight > 0).min() else { return 0 };
        if self.mode == Mode::Literal {
            return 0;
        }
        let (sub, scale_min) =
            (u64::from(self.sub_packet_bytes), u64::from(self.sub_packet_bytes.div_ceil(least)));
        let shares = self.weights.iter().zip(sources).map(|(weight, count)| {
            u64::from(*count).saturating_mul((u64::from(*weight).saturating_mul(scale_min)).max(sub))
        });
        let of_all = shares.fold(0u64, u64::saturating_add);
        let of_a_loop = (2 * self.loop_bytes_max).saturating_add(of_all).saturating_add(RINGS as u64 * sub);
        of_a_loop.saturating_mul(2)
    }

    /// The sub-packet at a pace: what leaves in `turn_us`, if that is more than `sub_packet_bytes`, in powers of two so that
    /// it seldom changes. On a fast path short turns cost both ends work for every piece and gain nobody time. The
    /// literal mode knows nothing of it.
    pub fn sub_packet_at(&self, bytes_per_s: u64, turn_us: u32) -> u32 {
        if self.mode == Mode::Literal {
            return self.sub_packet_bytes;
        }
        let turn_bytes = u128::from(bytes_per_s) * u128::from(turn_us) / 1_000_000;
        let turn_bytes = u32::try_from(turn_bytes).unwrap_or(u32::MAX).min(TURN_BYTES_MAX);
        let whole = turn_bytes.checked_ilog2().map_or(0, |power| 1 << power);
        self.sub_packet_bytes.max(whole)
    }

    /// What is wrong with the options, in words for the operator.
    pub fn check(&self) -> Result<(), &'static str> {
        if !(SUB_PACKET_BYTES_MIN..=SUB_PACKET_BYTES_MAX).contains(&self.sub_packet_bytes) {
            return Err("a sub-packet has 128 to 65535 bytes");
        }
        if self.loop_bytes_max == 0 || self.loop_bytes_max > u64::from(u32::MAX) {
            return Err("a loop has 1 to 4294967295 bytes");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_is_longer_where_the_path_is_fast() {
        let at = |mbps: u64| Options::default().sub_packet_at(mbps * 125_000, 250);
        assert_eq!([10, 50, 100, 1_000, 40_000].map(at), [512, 1_024, 2_048, 8_192, 8_192]);
        assert_eq!(Options::default().sub_packet_at(u64::MAX, 0), 512);
        let large = Options { sub_packet_bytes: 20_000, ..Options::default() };
        assert_eq!(large.sub_packet_at(u64::MAX, 250), 20_000);
        let literal = Options { mode: Mode::Literal, ..Options::default() };
        assert_eq!(literal.sub_packet_at(u64::MAX, 250), 512);
    }

    #[test]
    fn the_default_is_sound_and_nonsense_is_refused() {
        assert_eq!(Options::default().check(), Ok(()));
        assert!(Options { sub_packet_bytes: 127, ..Options::default() }.check().is_err());
        assert!(Options { loop_bytes_max: 0, ..Options::default() }.check().is_err());
    }
}
