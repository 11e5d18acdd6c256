//! What an endpoint sends: short answers first, then handshakes, then trains of DATA packets. [TMP-24]

use crate::time::Instant;
use crate::tmp::carrier::{Blend, Carrier, Ecn, Fill, Filled};
use crate::tmp::endpoint::{Endpoint, due_at};
use crate::tmp::id::{PathId, StreamId, TunnelId};
use crate::tmp::limits::{
    DATA_HEADER_BYTES, DATA_OVERHEAD_BYTES, DATAGRAM_BYTES_MAX, DATAGRAM_BYTES_MIN, PATHS_MAX,
    PAYLOAD_BYTES_MIN, TAG_BYTES,
};
use crate::tmp::link::Link;
use crate::tmp::place::Place;

/// Datagrams to one address, one behind the other in the buffer, for one send with segmentation (GSO).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transmit {
    /// Where they go.
    pub to: Place,
    /// Bytes in all.
    pub bytes: usize,
    /// Length of every datagram but the last, which may be shorter.
    pub segment_bytes: usize,
    /// The mark that they shall bear.
    pub ecn: Ecn,
}

impl Transmit {
    /// How many datagrams they are.
    pub const fn segments(&self) -> usize {
        self.bytes.div_ceil(self.segment_bytes)
    }

    const fn single(to: Place, bytes: usize, ecn: Ecn) -> Self {
        Self { to, bytes, segment_bytes: bytes, ecn }
    }
}

/// The blender's grants for one tunnel out of those for all.
struct FillOf<'a> {
    tunnel: TunnelId,
    blend: &'a mut dyn Blend,
}

impl Fill for FillOf<'_> {
    fn next(&mut self, room: usize) -> Option<(StreamId, usize)> {
        let granted = self.blend.next(self.tunnel, room);
        assert!(granted.is_none_or(|(_, bytes)| (1..=room).contains(&bytes)), "a grant fits its room");
        granted
    }
}

impl<C: Carrier> Endpoint<C> {
    /// Builds what is to be sent next into `buffer` (`DATAGRAM_BYTES_MIN` at least): up to `segments_max`
    /// packets of one tunnel, or one handshake packet. `None`: nothing until `deadline` or the next input.
    pub fn transmit(
        &mut self,
        now: Instant,
        buffer: &mut [u8],
        segments_max: usize,
        blend: &mut dyn Blend,
    ) -> Option<Transmit> {
        assert!(buffer.len() >= DATAGRAM_BYTES_MIN && segments_max > 0, "there is room for one datagram");
        let short = self.outbox.pop(buffer).map(|(to, len)| Transmit::single(to, len, Ecn::NotCapable));
        let transmit = short.or_else(|| self.transmit_links(now, buffer, segments_max, blend))?;
        self.counters.datagrams_out += transmit.segments() as u64;
        self.counters.bytes_out += transmit.bytes as u64;
        Some(transmit)
    }

    /// Asks every link that is awake in turn, beginning after the one that sent last. When none has anything left, those
    /// that were given nothing lately go to rest.
    fn transmit_links(
        &mut self,
        now: Instant,
        buffer: &mut [u8],
        segments_max: usize,
        blend: &mut dyn Blend,
    ) -> Option<Transmit> {
        let count = self.links.awake();
        for step in 0..count {
            let index = (self.transmit_turn + step) % count;
            let tunnel = TunnelId(self.links.awake_at(index));
            let transmit = self
                .transmit_init(now, tunnel, buffer)
                .or_else(|| self.transmit_data(now, tunnel, buffer, segments_max, blend));
            if transmit.is_some() {
                self.transmit_turn = index + 1;
                // What it has sent makes room, which its role asks about.
                let _sender = self.links.get_mut(tunnel.0);
                return transmit;
            }
        }
        let silence_max = self.options.silence_max;
        self.links.rest(now, |link| due_at(link, silence_max));
        None
    }

    fn transmit_init(&mut self, now: Instant, tunnel: TunnelId, buffer: &mut [u8]) -> Option<Transmit> {
        let link = self.links.in_turn(tunnel.0)?;
        let dial = link.dial.as_mut()?;
        let peer = &self.peers[link.peer.0 as usize];
        let session = link.session.as_ref();
        let found_at = session.and_then(|session| session.place(session.path_heard_last()?));
        // A peer that has moved may still be where it was configured, or be there again: try all in turn.
        let places = found_at.iter().chain(&peer.places);
        let count = peer.places.len() + usize::from(found_at.is_some());
        let to = *places.cycle().nth(dial.tries() as usize % count.max(1))?;
        let init = dial.init_due(now, &self.identity, (&peer.public, &peer.psk), &mut *self.random)?;
        buffer[..init.len()].copy_from_slice(init);
        self.counters.inits_sent += 1;
        Some(Transmit::single(to, init.len(), Ecn::NotCapable))
    }

    fn transmit_data(
        &mut self,
        now: Instant,
        tunnel: TunnelId,
        buffer: &mut [u8],
        segments_max: usize,
        blend: &mut dyn Blend,
    ) -> Option<Transmit> {
        let link = self.links.in_turn(tunnel.0)?;
        let ending = link.ending;
        // A link that ends sends its CLOSE and nothing behind it.
        let segments_max = if ending.is_some() { 1 } else { segments_max };
        let mut fill = FillOf { tunnel, blend };
        let paths: [bool; PATHS_MAX] = core::array::from_fn(|path| link.has_path(PathId(path as u8)));
        let transmit = (0..)
            .map(PathId)
            .zip(paths)
            .filter(|(_, is_there)| *is_there)
            .find_map(|(path, _)| build_train(now, (link, path), buffer, segments_max, &mut fill));
        if let Some(reason) = ending {
            self.ended(now, tunnel, reason);
        }
        transmit
    }
}

/// Packets of equal length on one path, as many as carrier, keys, address and buffer allow; only the last may be shorter.
fn build_train<C: Carrier>(
    now: Instant,
    (link, path): (&mut Link<C>, PathId),
    buffer: &mut [u8],
    segments_max: usize,
    fill: &mut FillOf<'_>,
) -> Option<Transmit> {
    let to = link.session.as_ref()?.place(path)?;
    let room = packet_room(now, (link, path), buffer.len())?;
    let (mut bytes, mut first) = (0, None);
    for _ in 0..segments_max {
        let Some(filled) = build_packet(now, (link, path), &mut buffer[bytes..], room, fill) else {
            break;
        };
        bytes += filled.len_bytes + DATA_OVERHEAD_BYTES;
        first.get_or_insert(filled);
        if filled.len_bytes < room || packet_room(now, (link, path), buffer.len() - bytes) != Some(room) {
            break;
        }
    }
    let first = first?;
    Some(Transmit { to, bytes, segment_bytes: first.len_bytes + DATA_OVERHEAD_BYTES, ecn: first.ecn })
}

/// Room for the payload of the next packet; `None` if no packet may be sent.
fn packet_room<C: Carrier>(
    now: Instant,
    (link, path): (&Link<C>, PathId),
    buffer_bytes: usize,
) -> Option<usize> {
    let session = link.session.as_ref().filter(|session| session.can_seal(now))?;
    let longest = session.packet_bytes_max(path).min(buffer_bytes).min(DATAGRAM_BYTES_MAX);
    let room = longest.checked_sub(DATA_OVERHEAD_BYTES)?.min(link.carrier.payload_bytes_next(now, path));
    (room >= PAYLOAD_BYTES_MIN).then_some(room)
}

/// One packet at the front of `buffer`: reserve, fill, seal, account.
fn build_packet<C: Carrier>(
    now: Instant,
    (link, path): (&mut Link<C>, PathId),
    buffer: &mut [u8],
    room: usize,
    fill: &mut FillOf<'_>,
) -> Option<Filled> {
    let packet = buffer.get_mut(..room + DATA_OVERHEAD_BYTES)?;
    let payload = &mut packet[DATA_HEADER_BYTES..DATA_HEADER_BYTES + room];
    let filled = link.carrier.fill_packet(now, path, payload, fill)?;
    assert!((PAYLOAD_BYTES_MIN..=room).contains(&filled.len_bytes), "a carrier pads and fits its room");
    let end = DATA_HEADER_BYTES + filled.len_bytes + TAG_BYTES;
    link.session.as_mut()?.seal(now, (path, filled.number), filled.is_eliciting, &mut packet[..end]);
    Some(filled)
}
