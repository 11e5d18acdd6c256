//! `Trunk` at packing: what parts say into streams in blocks. See `press` for the stage.

use crate::compression::{
    Codec, CompressionCounters, Offer, Outgoing, Packed, Scope, TAG_BYTES_MAX, Terms, Why,
};
use crate::role::trunk::line::Line;
use crate::role::trunk::owner::Trunk;
use crate::role::trunk::press::{Press, STAGE_BYTES};
use crate::tmp::id::StreamId;
use crate::tmp::tunnel::Tunnel;

impl Trunk {
    /// How the half of a new stream of ours begins.
    pub(crate) fn begin_half(&mut self, slot: usize, terms: Terms) -> Outgoing {
        let Some(codec) = self.options.codec else { return Outgoing::PLAIN };
        let can = self.peer_can(slot, codec);
        let Some((_, line)) = self.both(slot) else { return Outgoing::PLAIN };
        if !can {
            line.compression.note(Some(Why::Peer));
            return Outgoing::PLAIN;
        }
        line.compression.note(terms.own.why());
        let mut outgoing = Outgoing::in_blocks(codec, terms.answer_may);
        outgoing.decide(terms.own);
        outgoing
    }

    /// How the half of a stream that the peer opened begins, if it lets us use blocks.
    pub(crate) fn begin_answer(&mut self, slot: usize, id: StreamId) {
        let Some(codec) = self.options.codec.filter(|codec| self.peer_can(slot, *codec)) else { return };
        if let Some((_, line)) = self.both(slot)
            && let Some(stream) = line.streams.get_mut(id)
        {
            stream.outgoing = Outgoing::in_blocks(codec, false);
        }
    }

    /// What of an answer may be compressed is known now.
    pub(crate) fn decide(&mut self, slot: usize, id: StreamId, scope: Scope) {
        let Some(codec) = self.options.codec else { return };
        self.flush_staged();
        let can = self.peer_can(slot, codec);
        let Some((_, line)) = self.both(slot) else { return };
        let Some(stream) = line.streams.get_mut(id) else { return };
        let may = stream.outgoing.is_undecided();
        stream.outgoing.decide(scope);
        let not_may = if can { Why::Asker } else { Why::Peer };
        line.compression.note(scope.why().or(if may { None } else { Some(not_may) }));
    }

    fn peer_can(&self, slot: usize, codec: Codec) -> bool {
        let tunnel = self.lines.get(slot).and_then(|line| line.as_ref()).map(|line| line.tunnel);
        let word = tunnel.and_then(|tunnel| self.endpoint.role_word_of(tunnel));
        word.is_some_and(|word| Offer::from_bytes(word).can(codec))
    }

    /// Gathers bytes of a half in blocks.
    pub(crate) fn stage(&mut self, slot: usize, id: StreamId, bytes: &[u8]) {
        if self.press.of != Some((slot, id)) {
            self.flush_staged();
        }
        let mut rest = bytes;
        while !rest.is_empty() {
            self.press.of = Some((slot, id));
            let (now, later) = rest.split_at(rest.len().min(STAGE_BYTES - self.press.staged.len()));
            self.press.staged.extend_from_slice(now);
            rest = later;
            if self.press.staged.len() == STAGE_BYTES {
                self.flush_staged();
            }
        }
    }

    /// Packs what was gathered and writes it into its stream. The parts keep to their credit, and a half hardly grows, so only
    /// a pool that is used up can refuse.
    pub(crate) fn flush_staged(&mut self) {
        let Some((slot, id)) = self.press.of.take() else { return };
        let packed_bytes_max = packed_bytes_max(self.options.credit_bytes_min);
        let Some((tunnel, line, press)) = self.pressed(slot) else { return };
        press.packed.clear();
        if let Some(stream) = line.streams.get_mut(id).filter(|stream| !stream.is_stopped) {
            let encoder = &mut press.encoder;
            let Packed { plain_bytes, packed_bytes, given_up } =
                stream.outgoing.pack(encoder, &press.staged, packed_bytes_max, &mut press.packed);
            stream.saved_bytes += plain_bytes as i64 - packed_bytes as i64;
            let codec = CompressionCounters::place(stream.outgoing.codec());
            line.compression.sent[codec].add(plain_bytes, packed_bytes);
            if given_up.is_some() {
                line.compression.note(given_up);
            }
            if tunnel.write(id, &press.packed) < press.packed.len() {
                line.short.push(id);
            }
        }
        press.staged.clear();
    }

    /// A tunnel, its line, and the press that serves all of them.
    pub(crate) fn pressed(&mut self, slot: usize) -> Option<(&mut Tunnel, &mut Line, &mut Press)> {
        let line = self.lines.get_mut(slot)?.as_mut()?;
        let tunnel = self.endpoint.tunnel(line.tunnel)?;
        Some((tunnel, line, &mut self.press))
    }
}

/// What a packed block may have so that with its tag it always fits the least credit, of which up to a quarter may be
/// taken and not yet granted again. [EXC-32]
pub(crate) const fn packed_bytes_max(credit_bytes_min: usize) -> usize {
    credit_bytes_min / 4 * 3 - TAG_BYTES_MAX
}
