//! `Trunk` at unpacking: what has come on a stream goes to the part at this end, as it is or out of its blocks.
//!
//! A block is unpacked when it has come whole and this end has credit left, and handed on as far as the credit goes. What is
//! left of it stays packed where it lay; the worker keeps the bytes of the block that it unpacked last, and no others.

use crate::compression::{BadBlock, CompressionCounters, Front, Terms, Why};
use crate::exchange::envelope::{OpeningEnvelope, Parsed};
use crate::exchange::failure::Failure;
use crate::exchange::link::{Answer, Ask, Asker, Kind, Opening, Way};
use crate::port::Port;
use crate::role::plan::Plan;
use crate::role::trunk::owner::Trunk;
use crate::role::trunk::pack::packed_bytes_max;
use crate::role::trunk::pour::Parts;
use crate::role::trunk::stream::{End, Queued, Stream};
use crate::time::Instant;
use crate::tmp::id::StreamId;

/// Bytes handed over at once: a record of the rings between cores holds no more.
const PIECE_BYTES_MAX: usize = 16 << 10;

/// What a stream has for this end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Piece {
    /// So many bytes as they lie, and whether more of them may come.
    Bytes(usize, bool),
    /// What is left of the block that was unpacked: from there on, of so many, in so many of the stream.
    Unpacked { given: usize, length: usize, block_bytes: usize },
}

/// What became of a piece.
enum Given {
    /// So many bytes of it were taken.
    Bytes(usize),
    /// The far end must say more first, or this end must grant more.
    Waits,
    /// A ring to another core was full.
    RingFull,
    /// The stream has been refused.
    Refused,
}

impl Trunk {
    /// Hands what a stream has to the part at this end; false if a ring to another core was full.
    pub(crate) fn pour(
        &mut self,
        now: Instant,
        port: &mut Port,
        parts: &mut Parts<'_>,
        slot: usize,
        id: StreamId,
    ) -> bool {
        loop {
            let piece = match self.look(slot, id) {
                Ok(Some(piece)) => piece,
                Ok(None) => break,
                Err(bad) => {
                    self.refuse(now, port, parts, (slot, id), bad);
                    return true;
                }
            };
            match self.give(now, port, parts, (slot, id), piece) {
                Given::Bytes(taken) => self.take_off(slot, id, piece, taken),
                Given::Waits | Given::Refused => return true,
                Given::RingFull => return false,
            }
        }
        self.tell_end(now, port, parts, slot, id);
        true
    }

    /// What stands at the front of a stream. Marks are taken off on the way.
    fn look(&mut self, slot: usize, id: StreamId) -> Result<Option<Piece>, BadBlock> {
        loop {
            let packed_bytes_max = packed_bytes_max(self.options.credit_bytes_min);
            let Some((tunnel, line, press)) = self.pressed(slot) else { return Ok(None) };
            let Some(stream) = line.streams.get_mut(id) else { return Ok(None) };
            let lying = tunnel.read(id);
            if lying.is_empty() {
                return Ok(None);
            }
            if stream.end == End::Nobody {
                return Ok(Some(Piece::Bytes(lying.len(), false)));
            }
            let mut head = [0; Front::BYTES];
            let front = if lying.len() < head.len() {
                let count = tunnel.peek(id, &mut head);
                &head[..count]
            } else {
                lying
            };
            let codec = stream.incoming.codec().map(CompressionCounters::place);
            match stream.incoming.look(front, packed_bytes_max)? {
                Front::Wait => {
                    let is_all = tunnel.left_bytes(id).is_some_and(|left| left <= front.len() as u64);
                    return if is_all { Err(BadBlock::Cut) } else { Ok(None) };
                }
                Front::Mark(bytes) => {
                    tunnel.consumed(id, bytes);
                    stream.saved_bytes -= bytes as i64;
                    if let Some(codec) = codec {
                        line.compression.received[codec].add(0, bytes);
                    }
                }
                Front::First { answer_may } => {
                    let is_opening = stream.end == End::Opening;
                    tunnel.consumed(id, 1);
                    if let Some(codec) = stream.incoming.codec().map(CompressionCounters::place) {
                        line.compression.received[codec].add(0, 1);
                    }
                    if answer_may && is_opening {
                        self.begin_answer(slot, id);
                    }
                }
                Front::Bytes(bytes) => {
                    let count = lying.len().min(bytes);
                    return Ok(Some(Piece::Bytes(count, count < bytes && !tunnel.is_read_last(id))));
                }
                Front::Packed { codec, tag_bytes, packed_bytes, length, given } => {
                    let block_bytes = tag_bytes + packed_bytes;
                    let piece = Piece::Unpacked { given, length, block_bytes };
                    if stream.credit == 0 || (given > 0 && press.unpacked_of == Some((slot, id))) {
                        return Ok(Some(piece));
                    }
                    let block = if lying.len() >= block_bytes {
                        &lying[..block_bytes]
                    } else {
                        press.gathered.resize(block_bytes, 0);
                        if tunnel.peek(id, &mut press.gathered) < block_bytes {
                            let left = tunnel.left_bytes(id);
                            let is_cut = left.is_some_and(|left| left < block_bytes as u64);
                            return if is_cut { Err(BadBlock::Cut) } else { Ok(None) };
                        }
                        &press.gathered[..]
                    };
                    press.unpacked_of = None;
                    press.unpacked.resize(length, 0);
                    press.decoder.unpack(codec, &block[tag_bytes..], &mut press.unpacked)?;
                    press.unpacked_of = Some((slot, id));
                    return Ok(Some(piece));
                }
            }
        }
    }

    fn give(
        &mut self,
        now: Instant,
        port: &mut Port,
        parts: &mut Parts<'_>,
        (slot, id): (usize, StreamId),
        piece: Piece,
    ) -> Given {
        let asker = Self::stream_asker(slot, id);
        let Some((tunnel, line, press)) = self.pressed(slot) else { return Given::Waits };
        let peer = line.peer;
        let Some(stream) = line.streams.get_mut(id) else { return Given::Waits };
        let (bytes, may_grow) = match piece {
            Piece::Bytes(count, may_grow) => (&tunnel.read(id)[..count], may_grow),
            Piece::Unpacked { given, .. } if stream.credit > 0 => (&press.unpacked[given..], false),
            Piece::Unpacked { .. } => return Given::Waits,
        };
        let count = bytes.len().min(stream.credit as usize).min(PIECE_BYTES_MAX);
        let is_taken = match stream.end {
            End::Nobody => return Given::Bytes(bytes.len()),
            End::Opening => {
                return match begin(now, port, parts, (peer.0 as usize, asker), stream, bytes) {
                    Begun::Partial if may_grow => Given::Waits,
                    Begun::Opened(length) => Given::Bytes(length),
                    Begun::Refused(length, failure) => {
                        tunnel.abort(id, failure.code());
                        Given::Bytes(length)
                    }
                    Begun::Partial | Begun::Invalid => {
                        stream.end = End::Nobody;
                        tunnel.abort(id, Failure::BadStream.code());
                        Given::Refused
                    }
                };
            }
            End::Asker(_) | End::Server(..) if count == 0 => return Given::Waits,
            End::Asker(asker) => {
                tell_aside(now, port, parts, stream, asker);
                parts.down.answer(now, port, asker, Answer::Data(&bytes[..count]))
            }
            End::Server(way, served) => {
                parts.up.ask(now, port, way, asker, served, Ask::Data(&bytes[..count]))
            }
        };
        if !is_taken {
            return Given::RingFull;
        }
        stream.credit -= count as u32;
        Given::Bytes(count)
    }

    /// Takes off the stream what was handed on.
    fn take_off(&mut self, slot: usize, id: StreamId, piece: Piece, taken: usize) {
        let Some((tunnel, line, press)) = self.pressed(slot) else { return };
        let Some(stream) = line.streams.get_mut(id) else { return };
        let codec = stream.incoming.codec().map(CompressionCounters::place);
        match piece {
            // What nobody wants is thrown away as it lies.
            Piece::Bytes(..) if stream.end == End::Nobody => tunnel.consumed(id, taken),
            Piece::Unpacked { .. } if stream.end == End::Nobody => {}
            Piece::Bytes(..) => {
                stream.incoming.took_bytes(taken);
                tunnel.consumed(id, taken);
                if let Some(codec) = codec {
                    line.compression.received[codec].add(taken, taken);
                }
            }
            Piece::Unpacked { length, block_bytes, .. } => {
                if stream.incoming.gave(taken, length) {
                    press.unpacked_of = None;
                    tunnel.consumed(id, block_bytes);
                    stream.saved_bytes += length as i64 - block_bytes as i64;
                    if let Some(codec) = codec {
                        line.compression.received[codec].add(length, block_bytes);
                    }
                }
            }
        }
    }

    /// The far end's half makes no sense: whoever is at this end is told, and the stream ends. [EXC-34]
    pub(crate) fn refuse(
        &mut self,
        now: Instant,
        port: &mut Port,
        parts: &mut Parts<'_>,
        (slot, id): (usize, StreamId),
        bad: BadBlock,
    ) {
        if let Some((_, line)) = self.both(slot) {
            line.compression.refused[bad as usize] += 1;
        }
        self.tell_failed(now, port, parts, slot, id, Failure::BadStream);
    }
}

/// Said with bytes of the answer, so that it wakes nobody by itself.
fn tell_aside(now: Instant, port: &mut Port, parts: &mut Parts<'_>, stream: &mut Stream, asker: Asker) {
    if let Queued::Left(us) = stream.queued
        && parts.down.answer(now, port, asker, Answer::Queued(us))
    {
        stream.queued = Queued::Told;
    }
    if let Ok(saved @ 1..) = u32::try_from(stream.saved_bytes)
        && parts.down.answer(now, port, asker, Answer::Saved(saved))
    {
        stream.saved_bytes = 0;
    }
}

/// What became of an opening.
enum Begun {
    Partial,
    Invalid,
    /// The envelope took so many bytes, and the origins have the exchange.
    Opened(usize),
    /// The same, and they do not.
    Refused(usize, Failure),
}

/// Reads the opening envelope and asks the origins. [EXC-8]
fn begin(
    now: Instant,
    port: &mut Port,
    parts: &mut Parts<'_>,
    (peer, asker): (usize, Asker),
    stream: &mut Stream,
    bytes: &[u8],
) -> Begun {
    let (envelope, length) = match OpeningEnvelope::parse(bytes) {
        Parsed::Complete(envelope, length) => (envelope, length),
        Parsed::Partial => return Begun::Partial,
        Parsed::Invalid => return Begun::Invalid,
    };
    let opened = choose(parts.plan, peer, &envelope).and_then(|way| {
        let opening = Opening {
            class: stream.class,
            kind: envelope.kind,
            envelope: &bytes[..length],
            terms: Terms::nothing(Why::Opaque),
        };
        parts.up.open(now, port, way, asker, &opening).map(|served| (way, served))
    });
    match opened {
        Ok((way, served)) => {
            stream.end = End::Server(way, served);
            Begun::Opened(length)
        }
        Err(failure) => {
            stream.end = End::Nobody;
            Begun::Refused(length, failure)
        }
    }
}

/// Which origin serves what the far end asks for, if it may ask.
fn choose(plan: &Plan, peer: usize, envelope: &OpeningEnvelope<'_>) -> Result<Way, Failure> {
    if !plan.is_allowed(peer, envelope.site) {
        return Err(Failure::SiteNotAllowed);
    }
    let other = match envelope.kind {
        Kind::Http => Kind::Tcp,
        Kind::Tcp => Kind::Http,
    };
    match plan.origin(envelope.site, envelope.kind) {
        Some(origin) => Ok(Way::Origin(origin)),
        None if plan.origin(envelope.site, other).is_some() => Err(Failure::WrongKind),
        None => Err(Failure::UnknownSite),
    }
}
