//! Every bound of the tunnel protocol, named as in `SPEC.md`, with its unit and its reason.
//!
//! Sizes are bytes of UDP payload unless the name says otherwise.

use crate::time::Duration;

/// Clear bytes in front of the sealed payload of a DATA packet: type 1, receiver id 4, path and number 4. [TMP-20]
pub const DATA_HEADER_BYTES: usize = 9;

/// Paths that one tunnel has at most: two bits of the number in the header name the path. [TMP-160]
pub const PATHS_MAX: usize = 4;

/// Bits of a packet's number that its header has; the two above them name the path. [TMP-21]
pub const NUMBER_BITS: u32 = 30;

/// Length of the authentication tag of both ciphers.
pub const TAG_BYTES: usize = 16;

/// What a DATA packet adds to its payload.
pub const DATA_OVERHEAD_BYTES: usize = DATA_HEADER_BYTES + TAG_BYTES;

/// The least DATA packet. A RESET naming two tokens is as long, so that an answer never outgrows what
/// provoked it. [TMP-22]
pub const DATA_BYTES_MIN: usize = 44;

/// The least payload (plaintext frames) of a DATA packet; a carrier pads up to it. [TMP-22]
pub const PAYLOAD_BYTES_MIN: usize = DATA_BYTES_MIN - DATA_OVERHEAD_BYTES;

/// A path must carry datagrams of this size (UDP payload); INIT is padded to it and so validates it. [TMP-12]
pub const DATAGRAM_BYTES_MIN: usize = 1200;

/// No UDP datagram is longer (IPv4: 65,535 less both headers).
pub const DATAGRAM_BYTES_MAX: usize = 65_507;

/// The payload that fits a datagram of `DATAGRAM_BYTES_MIN`.
pub const PAYLOAD_BYTES_BASE: usize = DATAGRAM_BYTES_MIN - DATA_OVERHEAD_BYTES;

/// Most ranges that an ACK frame carries when we write it: 32 holes describe any loss pattern that RACK can
/// still use, in less than 150 bytes. [TMP-44]
pub const ACK_RANGES_SENT_MAX: usize = 32;

/// Most ranges that we accept in one ACK frame; bounds the work that one frame can cause. [TMP-44]
pub const ACK_RANGES_ACCEPTED_MAX: usize = 64;

/// Packets that one REPAIR may name: with more of them the odds that just one is missing fall. [TMP-150]
pub const REPAIR_RUN_MAX: usize = 32;

/// What a REPAIR has besides the sum. [TMP-150]
pub const REPAIR_OVERHEAD_BYTES: usize = 4;

/// Unit of the delay fields of ACK and ACK_POLICY, in µs; sixteen bits reach 524 ms. [TMP-44]
pub const ACK_DELAY_UNIT_US: u64 = 8;

/// Longest reason text in a CLOSE frame; its length is one byte. [TMP-50]
pub const CLOSE_REASON_BYTES_MAX: usize = 255;

/// No credit window is wider: offsets are the low 32 bits of 64 and stay unambiguous. [TMP-42]
pub const CREDIT_WINDOW_BYTES_MAX: u64 = 1 << 30;

/// Streams that one tunnel carries at once; slot 65,535 is never used. [TMP-41]
pub const STREAMS_MAX: usize = 65_535;

/// Age at which the initiator begins a new handshake. [TMP-80]
pub const REKEY_AFTER: Duration = Duration::from_secs(120);

/// Age at which keys are no longer used, either way. [TMP-80]
pub const REJECT_AFTER: Duration = Duration::from_secs(180);

/// Packets sealed or received under one key after which the initiator begins a new handshake. [TMP-80]
pub const REKEY_AFTER_PACKETS: u64 = 1 << 22;

/// Packets sealed under one key after which it seals no more: the confidentiality limit of AES-GCM
/// (RFC 9001 §6.6). [TMP-80]
pub const REJECT_AFTER_PACKETS: u64 = 1 << 23;

/// Packets that failed to open under one key after which it opens no more: the integrity limit of
/// ChaCha20-Poly1305 (RFC 9001 §6.6), the lower one of both ciphers. [TMP-81]
pub const FORGED_PACKETS_MAX: u64 = 1 << 36;

/// How long the replaced keys still open packets that were under way: three times the longest probe
/// time-out would be 9 s; late packets older than 3 s are of no use to anyone. [TMP-82]
pub const PREVIOUS_KEYS_KEPT: Duration = Duration::from_secs(3);

/// First and last pause between two INIT packets while a tunnel is not connected. [TMP-61]
pub const INIT_PAUSE_MIN: Duration = Duration::from_millis(250);

/// See `INIT_PAUSE_MIN`; there is no last try.
pub const INIT_PAUSE_MAX: Duration = Duration::from_secs(3);

/// An initiator that has sent and heard nothing for so long begins a new handshake: it finds a restarted
/// peer whose RESET was lost, and a path that came back. [TMP-83]
pub const SILENCE_BEFORE_INIT: Duration = Duration::from_secs(5);

/// Handshakes answered but not confirmed, per peer and lane; the older one is evicted. [TMP-64]
pub const UNCONFIRMED_PER_LANE_MAX: usize = 2;

/// INIT packets per second beyond which senders must prove their address by a cookie. [TMP-70]
pub const INITS_PER_SECOND_UNPROVEN: u64 = 100;

/// INIT packets per second from proven addresses that are worked on: each costs about half a millisecond.
/// [TMP-70]
pub const INITS_PER_SECOND_PROVEN: u64 = 200;

/// How long one cookie secret makes cookies; the one before it is still accepted. [TMP-71]
pub const COOKIE_SECRET_PERIOD: Duration = Duration::from_secs(120);

/// How long an initiator uses a cookie that it was given. [TMP-71]
pub const COOKIE_USED_FOR: Duration = Duration::from_secs(120);

/// RESET packets per second that one endpoint sends at most: enough for every peer after a restart, too few
/// to be of use to an attacker. [TMP-91]
pub const RESETS_PER_SECOND_MAX: u64 = 100;

/// Tokens in one RESET packet at most: one for each peer that could have sent the unknown packet. [TMP-90]
pub const RESET_TOKENS_MAX: usize = 16;

/// Sent packets whose tags are remembered in order to judge a RESET; when a peer is gone the sender soon
/// falls silent but for probes, so the last ones are the ones answered. [TMP-92]
pub const TAGS_REMEMBERED: usize = 256;

/// Bytes sent to an address that has not answered a PATH_CHALLENGE, per byte received from it. [TMP-86]
pub const UNVALIDATED_BYTES_FACTOR: u64 = 3;

/// Pause between two challenges of one address. [TMP-86]
pub const CHALLENGE_PAUSE: Duration = Duration::from_millis(500);

/// How long a new address may stay unproven before packets go to the last proven one again. [TMP-86]
pub const CHALLENGE_EXPIRES: Duration = Duration::from_secs(3);

/// How long keys that the responder has made wait for the initiator's first packet under them. [TMP-64]
pub const UNCONFIRMED_KEPT: Duration = Duration::from_secs(10);

/// How long one ephemeral key serves for repeated INIT packets. [TMP-61]
pub const INIT_REPEATED_FOR: Duration = Duration::from_secs(15);

/// Receiver ids that one endpoint has at once: twelve slot bits in the id. [TMP-11]
pub const RECEIVER_SLOTS_MAX: usize = 1 << 12;

const _: () = assert!(REKEY_AFTER_PACKETS < REJECT_AFTER_PACKETS);
const _: () = assert!(REJECT_AFTER_PACKETS < 1 << 31);
const _: () = assert!(REKEY_AFTER.as_secs() < REJECT_AFTER.as_secs());
const _: () = assert!(ACK_RANGES_SENT_MAX <= ACK_RANGES_ACCEPTED_MAX);
const _: () = assert!(ACK_RANGES_ACCEPTED_MAX <= 256);
const _: () = assert!(PATHS_MAX == 1 << (u32::BITS - NUMBER_BITS));
const _: () = assert!(DATA_OVERHEAD_BYTES == 25);
