//! `Trunk` as the two ends of an exchange speak to it: the asking one, whose exchange goes out over a tunnel, and the serving
//! one, which answers what came in. What they say is written into streams; `pour` hands on what streams bring.

use crate::compression::EXPANSION_BYTES_MAX;
use crate::exchange::failure::Failure;
use crate::exchange::link::{Answer, Ask, Asker, Downstream, Opening, Served, Upstream, Way};
use crate::port::Port;
use crate::role::trunk::owner::Trunk;
use crate::role::trunk::stream::{End, Queued, Stream};
use crate::stdx::slab::Handle;
use crate::time::Instant;
use crate::tmp::id::StreamId;

/// The asking end: exchanges of this process go out over a tunnel.
impl Upstream for Trunk {
    fn open(
        &mut self,
        now: Instant,
        _: &mut Port,
        way: Way,
        asker: Asker,
        opening: &Opening<'_>,
    ) -> Result<Served, Failure> {
        let Way::Route(route) = way else { panic!("origins are not served by tunnels") };
        let slot = self.routes.get(usize::from(route)).copied().flatten().ok_or(Failure::TunnelTimeout)?;
        if self.asker_place(asker).is_some_and(|(living, ..)| is_older(asker, living)) {
            // A slot used again in another class: the newer opening has overtaken this one, whose asker is gone.
            return Err(Failure::Cancelled);
        }
        let credit = self.options.stream_bytes;
        self.may_wait |= self.lines[slot as usize].as_ref().is_some_and(|line| !line.is_up());
        let Some((tunnel, _)) = self.both(slot as usize) else { return Err(Failure::TunnelTimeout) };
        let id = tunnel.open(opening.class, opening.kind.to_u8()).map_err(|_| Failure::Shed)?;
        let mut stream = Stream::new(now, id, End::Asker(asker), opening.class, credit);
        // With its envelope in blocks a half is a little longer, never by much.
        let is_roomy = tunnel.writable_bytes(id) >= opening.envelope.len() + EXPANSION_BYTES_MAX;
        stream.outgoing = self.begin_half(slot as usize, opening.terms);
        let is_plain = stream.outgoing.is_plain();
        let Some((tunnel, line)) = self.both(slot as usize) else { return Err(Failure::TunnelTimeout) };
        if !is_roomy {
            tunnel.abort(id, Failure::Shed.code());
            return Err(Failure::Shed);
        }
        line.streams.insert(stream);
        if is_plain {
            tunnel.write(id, opening.envelope);
        } else {
            self.stage(slot as usize, id, opening.envelope);
        }
        self.streams_opened += 1;
        *self.asker_place(asker) = Some((asker, slot, id));
        Ok(Served(Handle { slot, generation: 0 }))
    }

    fn ask(&mut self, _: Instant, _: &mut Port, _: Way, asker: Asker, _: Served, ask: Ask<'_>) -> bool {
        let Some((living, slot, id)) = *self.asker_place(asker) else { return true };
        if living != asker {
            // The slot has a new exchange. That the older one is given up may be said late, when the ring was full.
            if matches!(ask, Ask::Abandon) {
                self.abandon_older(asker);
            }
            return true;
        }
        let slot = slot as usize;
        match ask {
            Ask::Data(bytes) => self.write(slot, id, bytes),
            Ask::Finish => {
                self.flush_staged();
                if let Some((tunnel, _)) = self.both(slot) {
                    tunnel.finish(id);
                }
            }
            Ask::Grant(bytes) => {
                if let Some((_, line)) = self.both(slot)
                    && let Some(stream) = line.streams.get_mut(id)
                {
                    stream.credit += bytes;
                    line.streams.list(id);
                }
            }
            Ask::Abandon => {
                self.forget_asker(asker);
                self.abandon(slot, id, Failure::Cancelled);
            }
            Ask::TakeBack => {
                let stream = self.both(slot).and_then(|(_, line)| line.streams.get_mut(id));
                if stream.is_some_and(|stream| stream.queued == Queued::Waiting) {
                    self.forget_asker(asker);
                    self.abandon(slot, id, Failure::Cancelled);
                    self.unsaid.push((asker, Answer::Returned));
                }
            }
        }
        true
    }
}

/// The serving end: fetches of this process answer what came in over a tunnel.
impl Downstream for Trunk {
    fn answer(&mut self, _: Instant, _: &mut Port, asker: Asker, answer: Answer<'_>) -> bool {
        let (slot, id) = Self::of_stream_asker(asker);
        match answer {
            Answer::Finish | Answer::Enough => self.flush_staged(),
            Answer::Failed(_) => self.press.forget(slot, id),
            _ => {}
        }
        let Some((tunnel, line)) = self.both(slot) else { return true };
        let Some(stream) = line.streams.get_mut(id) else { return true };
        match answer {
            Answer::Data(bytes) => self.write(slot, id, bytes),
            Answer::Finish => tunnel.finish(id),
            Answer::Enough => {
                stream.end = End::Nobody;
                tunnel.finish(id);
                tunnel.stop(id, Failure::Cancelled.code());
            }
            Answer::Failed(failure) => {
                stream.end = End::Nobody;
                tunnel.abort(id, failure.code());
            }
            Answer::Room(bytes) => {
                stream.credit += bytes;
                line.streams.list(id);
            }
            Answer::Class(class) => {
                stream.class = class;
                tunnel.set_class(id, class);
            }
            // Origins send at once; only a tunnel lets bytes wait, or gives them back.
            Answer::Queued(_) | Answer::Returned | Answer::Saved(_) => {}
            Answer::Compress(scope) => self.decide(slot, id, scope),
        }
        true
    }
}

impl Trunk {
    /// How the server of a stream calls the stream.
    pub(crate) fn stream_asker(slot: usize, id: StreamId) -> Asker {
        Asker(0xff << 56 | (slot as u64) << 24 | u64::from(id.slot) << 8 | u64::from(id.generation))
    }

    /// The inverse of `stream_asker`.
    fn of_stream_asker(asker: Asker) -> (usize, StreamId) {
        let id = StreamId { slot: (asker.0 >> 8) as u16, generation: asker.0 as u8 };
        ((asker.0 >> 24) as u32 as usize, id)
    }

    fn asker_place(&mut self, asker: Asker) -> &mut Option<(Asker, u32, StreamId)> {
        let (worker, slot) = ((asker.0 >> 56) as usize, asker.0 as u32 as usize);
        let row = &mut self.askers[worker];
        if row.len() <= slot {
            row.resize(slot + 1, None);
        }
        &mut row[slot]
    }

    pub(crate) fn forget_asker(&mut self, asker: Asker) {
        let place = self.asker_place(asker);
        if place.is_some_and(|(living, ..)| living == asker) {
            *place = None;
        }
    }

    /// Writes into a stream. The parts keep to their credit, so only a pool that is used up can refuse.
    fn write(&mut self, slot: usize, id: StreamId, bytes: &[u8]) {
        // What was gathered before the half became plain goes first.
        let is_staged = self.press.of == Some((slot, id));
        let Some((tunnel, line)) = self.both(slot) else { return };
        let Some(stream) = line.streams.get_mut(id).filter(|stream| !stream.is_stopped) else { return };
        if !is_staged && stream.outgoing.is_plain() {
            if tunnel.write(id, bytes) < bytes.len() {
                line.short.push(id);
                return;
            }
            stream.owed += bytes.len() as u32;
            return;
        }
        stream.owed += bytes.len() as u32;
        let is_head = stream.outgoing.wants_head();
        self.stage(slot, id, bytes);
        if is_head {
            self.flush_staged();
        }
    }

    /// Ends the stream of an asker whose place has gone to another. Looks at every stream, for it is rare.
    fn abandon_older(&mut self, asker: Asker) {
        let is_its = |stream: &&Stream| stream.end == End::Asker(asker);
        let found = self.lines.iter().enumerate().find_map(|(slot, line)| {
            let streams = &line.as_ref()?.streams;
            let stream = (0..streams.slots()).filter_map(|at| streams.at(at)).find(is_its)?;
            Some((slot, stream.id))
        });
        if let Some((slot, id)) = found {
            self.abandon(slot, id, Failure::Cancelled);
        }
    }

    /// Ends a stream that nobody at this end wants any more.
    pub(crate) fn abandon(&mut self, slot: usize, id: StreamId, failure: Failure) {
        self.press.forget(slot, id);
        let Some((tunnel, line)) = self.both(slot) else { return };
        if let Some(stream) = line.streams.get_mut(id) {
            stream.end = End::Nobody;
        }
        tunnel.abort(id, failure.code());
    }
}

/// Whether `one` had its slot before `other`; generations count round in 24 bits.
fn is_older(one: Asker, other: Asker) -> bool {
    let generation = |asker: Asker| (asker.0 >> 32) as u32 & 0x00ff_ffff;
    let ahead = generation(other).wrapping_sub(generation(one)) & 0x00ff_ffff;
    (1..1 << 23).contains(&ahead)
}
