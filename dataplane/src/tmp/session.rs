//! One tunnel's cryptographic life at one end: current and previous keys, numbers, the peer's address. [TMP-80]
//!
//! Not here: handshakes (`dial`, `endpoint_handshake`), and whether a number came twice (the carrier's
//! received set). Numbers go on over all epochs; keys that wait for their first use are in `unconfirmed`.

use crate::time::Instant;
use crate::tmp::epoch::Epoch;
use crate::tmp::id::ReceiverId;
use crate::tmp::limits::{DATA_BYTES_MIN, DATA_HEADER_BYTES, PREVIOUS_KEYS_KEPT, SILENCE_BEFORE_INIT};
use crate::tmp::packet::{full_number, write_data_header};
use crate::tmp::peer_address::PeerAddress;
use crate::tmp::reset::{SentTags, Trigger};
use core::net::SocketAddr;

/// Numbers of several paths will differ here; version 1 has one path.
const PATH: u32 = 0;

/// A connected tunnel's keys and address.
#[derive(Debug)]
pub(in crate::tmp) struct Session {
    current: Epoch,
    previous: Option<Epoch>,
    /// Set when the peer has used the current keys: it will not go back.
    previous_ends: Option<Instant>,
    largest: Option<u64>,
    /// Where the peer is.
    pub(in crate::tmp) address: PeerAddress,
    tags: SentTags,
    heard_at: Instant,
    unanswered_since: Option<Instant>,
    /// The keys have ended and no handshake has made new ones yet; as of the last `tick`.
    keys_ended: bool,
}

/// A packet that was opened.
#[derive(Debug)]
pub(in crate::tmp) struct Opened<'a> {
    /// Its full number.
    pub(in crate::tmp) number: u64,
    /// No higher number was seen before.
    pub(in crate::tmp) is_newest: bool,
    /// The frames.
    pub(in crate::tmp) payload: &'a mut [u8],
}

impl Session {
    /// A session whose handshake has just proven `address`.
    pub(in crate::tmp) fn new(now: Instant, epoch: Epoch, address: SocketAddr) -> Self {
        Self {
            current: epoch,
            previous: None,
            previous_ends: None,
            largest: None,
            address: PeerAddress::new(address),
            tags: SentTags::new(),
            heard_at: now,
            unanswered_since: None,
            keys_ended: false,
        }
    }

    /// Takes newer keys into use; gives back the id of the keys that are now dropped, if any. [TMP-82]
    pub(in crate::tmp) fn install(&mut self, now: Instant, epoch: Epoch) -> Option<ReceiverId> {
        let replaced = core::mem::replace(&mut self.current, epoch);
        self.previous_ends = None;
        self.keys_ended = false;
        self.heard(now);
        self.previous.replace(replaced).map(|dropped| dropped.own_id)
    }

    /// The peer has been heard, and not in a repeated packet: whatever was sent before is answered.
    pub(in crate::tmp) fn heard(&mut self, now: Instant) {
        self.heard_at = now;
        self.unanswered_since = None;
    }

    /// The number that `number_low` stands for.
    fn number(&self, number_low: u32) -> u64 {
        full_number(self.largest.map_or(0, |largest| largest + 1), number_low)
    }

    /// Opens a packet that names one of our keys.
    pub(in crate::tmp) fn open<'a>(
        &mut self,
        now: Instant,
        (id, number_low): (ReceiverId, u32),
        packet: &'a mut [u8],
    ) -> Option<Opened<'a>> {
        let number = self.number(number_low);
        let is_current = id == self.current.own_id;
        let epoch = if is_current { Some(&mut self.current) } else { self.previous.as_mut() };
        let payload = epoch.filter(|epoch| epoch.own_id == id)?.open(now, (PATH, number), packet)?;
        let is_newest = self.note_opened(now, number, is_current);
        Some(Opened { number, is_newest, payload })
    }

    /// Tries keys that nobody has used yet on a packet; on success they become the current ones and the id
    /// of dropped keys is given back.
    pub(in crate::tmp) fn confirm<'a>(
        &mut self,
        now: Instant,
        (number_low, packet): (u32, &'a mut [u8]),
        mut epoch: Epoch,
    ) -> Result<(Opened<'a>, Option<ReceiverId>), Epoch> {
        let number = self.number(number_low);
        let Some(payload) = epoch.open(now, (PATH, number), packet) else {
            return Err(epoch);
        };
        let dropped = self.install(now, epoch);
        let is_newest = self.note_opened(now, number, true);
        Ok((Opened { number, is_newest, payload }, dropped))
    }

    /// Tries fresh keys without a session on the first packet under them.
    pub(in crate::tmp) fn begin<'a>(
        now: Instant,
        (number_low, packet): (u32, &'a mut [u8]),
        mut epoch: Epoch,
        address: SocketAddr,
    ) -> Result<(Self, Opened<'a>), Epoch> {
        let number = full_number(0, number_low);
        let Some(payload) = epoch.open(now, (PATH, number), packet) else {
            return Err(epoch);
        };
        let mut session = Self::new(now, epoch, address);
        let is_newest = session.note_opened(now, number, true);
        Ok((session, Opened { number, is_newest, payload }))
    }

    fn note_opened(&mut self, now: Instant, number: u64, is_current: bool) -> bool {
        if is_current && self.previous.is_some() && self.previous_ends.is_none() {
            self.previous_ends = Some(now + PREVIOUS_KEYS_KEPT);
        }
        let is_newest = self.largest.is_none_or(|largest| number > largest);
        if is_newest {
            self.largest = Some(number);
        }
        is_newest
    }

    /// Whether a packet may be sent at all.
    pub(in crate::tmp) fn can_seal(&self, now: Instant) -> bool {
        self.current.can_seal(now)
    }

    /// How long the next packet may be, as long as the peer's address is not proven.
    pub(in crate::tmp) fn packet_bytes_max(&self) -> usize {
        usize::try_from(self.address.allowed_bytes()).unwrap_or(usize::MAX)
    }

    /// Completes a packet whose payload is written behind the room for the header, for sending now.
    pub(in crate::tmp) fn seal(&mut self, now: Instant, number: u64, is_eliciting: bool, packet: &mut [u8]) {
        write_data_header(&mut packet[..DATA_HEADER_BYTES], self.current.peer_id, number);
        self.current.seal(PATH, number, packet);
        self.tags.remember(number, packet);
        self.address.sent(packet.len());
        if is_eliciting && self.unanswered_since.is_none() {
            self.unanswered_since = Some(now);
        }
    }

    /// Nothing can be sent however much the carrier would like to: its deadlines do not count.
    pub(in crate::tmp) fn is_mute(&self) -> bool {
        self.keys_ended || self.packet_bytes_max() < DATA_BYTES_MIN
    }

    /// What a RESET about `number_low` must answer; `None` if we have sent no such packet lately. [TMP-92]
    pub(in crate::tmp) fn trigger(&self, unknown: ReceiverId, number_low: u32) -> Option<Trigger> {
        let tag = self.tags.get(number_low).filter(|_| unknown == self.current.peer_id)?;
        Some(Trigger { unknown, number_low, tag })
    }

    /// How the peer knows this session. [TMP-66]
    pub(in crate::tmp) const fn peer_id(&self) -> ReceiverId {
        self.current.peer_id
    }

    /// Whether the initiator should begin a handshake: the keys are old, or nothing is heard. [TMP-83]
    pub(in crate::tmp) fn wants_handshake(&self, now: Instant) -> bool {
        self.current.wants_rekey(now) || self.silent_at().is_some_and(|at| at <= now)
    }

    fn silent_at(&self) -> Option<Instant> {
        self.unanswered_since.map(|since| since + SILENCE_BEFORE_INIT)
    }

    /// When something authentic was last heard.
    pub(in crate::tmp) const fn heard_at(&self) -> Instant {
        self.heard_at
    }

    /// When `wants_handshake` may become true by the passing of time.
    pub(in crate::tmp) fn handshake_at(&self) -> Instant {
        let rekey = self.current.rekey_at();
        self.silent_at().map_or(rekey, |silent| silent.min(rekey))
    }

    /// Drops the previous keys when their time has come and gives their id back; judges the address.
    pub(in crate::tmp) fn tick(&mut self, now: Instant) -> Option<ReceiverId> {
        self.address.tick(now);
        self.keys_ended = !self.can_seal(now);
        self.previous_ends.take_if(|ends| *ends <= now)?;
        self.previous.take().map(|dropped| dropped.own_id)
    }

    /// When `tick` has something to do.
    pub(in crate::tmp) fn deadline(&self) -> Option<Instant> {
        let address = self.address.deadline();
        [self.previous_ends, address].into_iter().flatten().min()
    }

    /// All ids that name keys of this session.
    pub(in crate::tmp) fn own_ids(&self) -> impl Iterator<Item = ReceiverId> {
        let previous = self.previous.as_ref().map(|epoch| epoch.own_id);
        [Some(self.current.own_id), previous].into_iter().flatten()
    }
}
