//! Every bound of the prober, with unit, value and reason.

use dataplane::time::Duration;

/// Bytes of an answer that are read at most; a larger one fails. Enough for an image of a disk's boot sector or a film's
/// first minute, and a target that sends for ever ends here or at its time-out.
pub const BODY_BYTES_MAX: u64 = 64 << 20;

/// First bytes of a body that are kept: searched for text, read as JSON. `/status` of a large node is some 30 KiB.
pub const BODY_KEPT_BYTES: usize = 64 << 10;

/// Bytes that a server may say on a control connection of FTP before it is cut: greetings are a few hundred.
pub const FTP_REPLY_BYTES_MAX: usize = 16 << 10;

/// Redirects that are followed at most, whatever a target allows.
pub const REDIRECTS_MAX: u8 = 10;

/// Probes under way at once: of 10,000 targets at 10 s and 3 s, all of which are silent, 3,000 are. Each has a socket or two;
/// beyond it, or beyond what descriptors allow, probes start late, which is counted.
pub const FLIGHTS_MAX: usize = 8_192;

/// First probes after a start, per second: a restart of the prober must not look like a flood.
pub const FIRST_PER_SECOND: u64 = 1_000;

/// Tries of a name server before the next one is asked.
pub const NAME_TRY: Duration = Duration::from_millis(1_000);

/// A name's addresses are kept no shorter than this, whatever its TTL says: a target is asked once a second at most.
pub const NAME_TTL_S_MIN: u32 = 1;

/// And no longer than this.
pub const NAME_TTL_S_MAX: u32 = 300;

/// Falls within this time count as flapping; each one more doubles what is asked of a target before it is up again.
pub const FLAP_WINDOW: Duration = Duration::from_secs(300);

/// Doublings at most: 32 times `rise`.
pub const FLAP_DOUBLINGS_MAX: u32 = 5;

/// Digests of a reference that are remembered, so that a mirror that lags is told from one that is wrong.
pub const DIGESTS_KEPT: usize = 8;

/// The smallest interval: 100 probes a second of one target is a benchmark, not a probe.
pub const INTERVAL_MIN: Duration = Duration::from_millis(10);
