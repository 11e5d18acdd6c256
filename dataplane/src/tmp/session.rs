//! One tunnel's cryptographic life at one end: current and previous keys, and of each path the numbers and the peer's
//! address. [TMP-80]
//!
//! Not here: handshakes (`dial`, `endpoint_handshake`), and whether a number came twice (the carrier's
//! received set). Numbers go on over all epochs; keys that wait for their first use are in `unconfirmed`.

use crate::time::Instant;
use crate::tmp::epoch::Epoch;
use crate::tmp::id::{PathId, ReceiverId};
use crate::tmp::limits::{
    DATA_BYTES_MIN, DATA_HEADER_BYTES, PATHS_MAX, PREVIOUS_KEYS_KEPT, SILENCE_BEFORE_INIT,
};
use crate::tmp::packet::{full_number, packet_mark, split_mark, write_data_header};
use crate::tmp::peer_address::{Move, PeerAddress};
use crate::tmp::place::Place;
use crate::tmp::reset::{SentTags, Trigger};

/// What is known of one path.
#[derive(Debug)]
pub(in crate::tmp) struct SessionPath {
    /// The largest number that was authenticated.
    largest: Option<u64>,
    /// Where the peer is.
    pub(in crate::tmp) address: PeerAddress,
    heard_at: Instant,
}

/// A connected tunnel's keys and paths.
#[derive(Debug)]
pub(in crate::tmp) struct Session {
    current: Epoch,
    previous: Option<Epoch>,
    /// Set when the peer has used the current keys: it will not go back.
    previous_ends: Option<Instant>,
    paths: [Option<SessionPath>; PATHS_MAX],
    /// The peer may open further paths.
    accepts_paths: bool,
    tags: SentTags,
    heard_at: Instant,
    unanswered_since: Option<Instant>,
    /// The keys have ended and no handshake has made new ones yet; as of the last `tick`.
    keys_ended: bool,
}

/// A packet that was opened.
#[derive(Debug)]
pub(in crate::tmp) struct Opened<'a> {
    /// Its path.
    pub(in crate::tmp) path: PathId,
    /// The session does not have the path yet.
    pub(in crate::tmp) is_new_path: bool,
    /// Its full number.
    pub(in crate::tmp) number: u64,
    /// No higher number was seen before.
    pub(in crate::tmp) is_newest: bool,
    /// The frames.
    pub(in crate::tmp) payload: &'a mut [u8],
}

impl Session {
    /// The session of an initiator, whose handshake has just proven `place`, on `path`.
    pub(in crate::tmp) fn new(now: Instant, epoch: Epoch, path: PathId, place: Place) -> Self {
        let mut session = Self::without_path(now, epoch);
        session.add_path(now, path, PeerAddress::new(place));
        session
    }

    fn without_path(now: Instant, epoch: Epoch) -> Self {
        Self {
            current: epoch,
            previous: None,
            previous_ends: None,
            paths: [const { None }; PATHS_MAX],
            accepts_paths: false,
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

    /// Adds a path.
    pub(in crate::tmp) fn add_path(&mut self, now: Instant, path: PathId, address: PeerAddress) {
        self.paths[path.index()] = Some(SessionPath { largest: None, address, heard_at: now });
    }

    /// The paths that there are.
    pub(in crate::tmp) fn path_ids(&self) -> impl Iterator<Item = PathId> + use<> {
        let has = self.paths.each_ref().map(Option::is_some);
        (0..PATHS_MAX as u8).map(PathId).filter(move |path| has[path.index()])
    }

    /// One path, if there is.
    pub(in crate::tmp) fn path_mut(&mut self, path: PathId) -> Option<&mut SessionPath> {
        self.paths[path.index()].as_mut()
    }

    /// Where the peer is on a path.
    pub(in crate::tmp) fn place(&self, path: PathId) -> Option<Place> {
        self.paths[path.index()].as_ref().map(|path| path.address.current())
    }

    /// The path on which the peer was heard last.
    pub(in crate::tmp) fn path_heard_last(&self) -> Option<PathId> {
        self.path_ids().max_by_key(|path| {
            let heard = self.paths[path.index()].as_ref().map(|path| path.heard_at);
            (heard, core::cmp::Reverse(*path))
        })
    }

    /// A PATH_RESPONSE came, on whatever path.
    pub(in crate::tmp) fn answered(&mut self, token: u64) {
        self.paths.iter_mut().flatten().for_each(|path| path.address.answered(token));
    }

    /// The path and the number that the mark of a header stands for.
    fn number(&self, mark: u32) -> Option<(PathId, u64)> {
        let (path, number_low) = split_mark(mark);
        let known = self.paths[path.index()].as_ref();
        if known.is_none() && !self.accepts_paths {
            return None;
        }
        let largest = known.and_then(|path| path.largest);
        Some((path, full_number(largest.map_or(0, |largest| largest + 1), number_low)))
    }

    /// Opens a packet that names one of our keys.
    pub(in crate::tmp) fn open<'a>(
        &mut self,
        now: Instant,
        (id, mark): (ReceiverId, u32),
        packet: &'a mut [u8],
    ) -> Option<Opened<'a>> {
        let (path, number) = self.number(mark)?;
        let is_current = id == self.current.own_id;
        let epoch = if is_current { Some(&mut self.current) } else { self.previous.as_mut() };
        let payload = epoch.filter(|epoch| epoch.own_id == id)?.open(now, (path, number), packet)?;
        Some(self.note_opened(now, (path, number), is_current, payload))
    }

    /// Tries keys that nobody has used yet on a packet; on success they become the current ones and the id
    /// of dropped keys is given back.
    pub(in crate::tmp) fn confirm<'a>(
        &mut self,
        now: Instant,
        (mark, packet): (u32, &'a mut [u8]),
        mut epoch: Epoch,
    ) -> Result<(Opened<'a>, Option<ReceiverId>), Epoch> {
        let Some(place) = self.number(mark) else { return Err(epoch) };
        let Some(payload) = epoch.open(now, place, packet) else {
            return Err(epoch);
        };
        let dropped = self.install(now, epoch);
        Ok((self.note_opened(now, place, true, payload), dropped))
    }

    /// Tries fresh keys without a session on the first packet under them; the RESP went to `place`, which is thereby
    /// proven.
    pub(in crate::tmp) fn begin<'a>(
        now: Instant,
        (mark, packet): (u32, &'a mut [u8]),
        mut epoch: Epoch,
        place: Place,
    ) -> Result<(Self, Opened<'a>), Epoch> {
        let (path, number_low) = split_mark(mark);
        let number = full_number(0, number_low);
        let Some(payload) = epoch.open(now, (path, number), packet) else {
            return Err(epoch);
        };
        let mut session = Self { accepts_paths: true, ..Self::new(now, epoch, path, place) };
        let opened = session.note_opened(now, (path, number), true, payload);
        Ok((session, opened))
    }

    fn note_opened<'a>(
        &mut self,
        now: Instant,
        (id, number): (PathId, u64),
        is_current: bool,
        payload: &'a mut [u8],
    ) -> Opened<'a> {
        if is_current && self.previous.is_some() && self.previous_ends.is_none() {
            self.previous_ends = Some(now + PREVIOUS_KEYS_KEPT);
        }
        let Some(path) = self.path_mut(id) else {
            return Opened { path: id, is_new_path: true, number, is_newest: true, payload };
        };
        let is_newest = path.largest.is_none_or(|largest| number > largest);
        if is_newest {
            path.largest = Some(number);
        }
        Opened { path: id, is_new_path: false, number, is_newest, payload }
    }

    /// The packet was no repeated one: its path is alive. The path is added if it is new; `token` is a fresh random
    /// number in case a challenge begins.
    pub(in crate::tmp) fn heard_on(
        &mut self,
        now: Instant,
        opened: &Opened<'_>,
        (from, bytes): (Place, usize),
        token: impl FnOnce() -> u64,
    ) -> Move {
        self.heard(now);
        if opened.is_new_path {
            let mut address = PeerAddress::claimed(now, from, token());
            address.heard(now, from, bytes, true, || 0);
            let largest = Some(opened.number);
            self.paths[opened.path.index()] = Some(SessionPath { largest, address, heard_at: now });
            return Move::Stays;
        }
        let Some(path) = self.path_mut(opened.path) else { return Move::Stays };
        path.heard_at = now;
        path.address.heard(now, from, bytes, opened.is_newest, token)
    }

    /// Whether a packet may be sent at all.
    pub(in crate::tmp) fn can_seal(&self, now: Instant) -> bool {
        self.current.can_seal(now)
    }

    /// How long the next packet on a path may be, as long as the peer's address is not proven.
    pub(in crate::tmp) fn packet_bytes_max(&self, path: PathId) -> usize {
        let allowed = self.paths[path.index()].as_ref().map_or(0, |path| path.address.allowed_bytes());
        usize::try_from(allowed).unwrap_or(usize::MAX)
    }

    /// Completes a packet whose payload is written behind the room for the header, for sending now.
    pub(in crate::tmp) fn seal(
        &mut self,
        now: Instant,
        (path, number): (PathId, u64),
        is_eliciting: bool,
        packet: &mut [u8],
    ) {
        let mark = packet_mark(path, number);
        write_data_header(&mut packet[..DATA_HEADER_BYTES], self.current.peer_id, mark);
        self.current.seal((path, number), packet);
        self.tags.remember(mark, packet);
        if let Some(path) = self.path_mut(path) {
            path.address.sent(packet.len());
        }
        if is_eliciting && self.unanswered_since.is_none() {
            self.unanswered_since = Some(now);
        }
    }

    /// Nothing can be sent however much the carrier would like to: its deadlines do not count.
    pub(in crate::tmp) fn is_mute(&self) -> bool {
        self.keys_ended || self.path_ids().all(|path| self.packet_bytes_max(path) < DATA_BYTES_MIN)
    }

    /// What a RESET about a packet must answer; `None` if we have sent no such packet lately. [TMP-92]
    pub(in crate::tmp) fn trigger(&self, unknown: ReceiverId, mark: u32) -> Option<Trigger> {
        let tag = self.tags.get(mark).filter(|_| unknown == self.current.peer_id)?;
        Some(Trigger { unknown, mark, tag })
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

    /// Drops the previous keys when their time has come and gives their id back; judges the addresses.
    pub(in crate::tmp) fn tick(&mut self, now: Instant) -> Option<ReceiverId> {
        self.paths.iter_mut().flatten().for_each(|path| path.address.tick(now));
        self.keys_ended = !self.can_seal(now);
        self.previous_ends.take_if(|ends| *ends <= now)?;
        self.previous.take().map(|dropped| dropped.own_id)
    }

    /// When `tick` has something to do.
    pub(in crate::tmp) fn deadline(&self) -> Option<Instant> {
        let addresses = self.paths.iter().flatten().filter_map(|path| path.address.deadline());
        addresses.chain(self.previous_ends).min()
    }

    /// All ids that name keys of this session.
    pub(in crate::tmp) fn own_ids(&self) -> impl Iterator<Item = ReceiverId> {
        let previous = self.previous.as_ref().map(|epoch| epoch.own_id);
        [Some(self.current.own_id), previous].into_iter().flatten()
    }
}
