//! Streams whose tunnel is gone: they wait for a lost path, and fail at once when the far end has forgotten them.

use crate::exchange::failure::Failure;
use crate::exchange::link::{Answer, Ask};
use crate::port::Port;
use crate::role::trunk::owner::Trunk;
use crate::role::trunk::pour::Parts;
use crate::role::trunk::stream::End;
use crate::time::{Duration, Instant};
use crate::tmp::id::{StreamId, TunnelId};

/// How often streams that wait for a lost path are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(100);

impl Trunk {
    /// Fails what has waited for a lost path longer than `tunnel_wait`. Only the asking end gives up: the serving
    /// end cannot know whether its peer still waits.
    pub(crate) fn give_up_waiting(&mut self, now: Instant, port: &mut Port, parts: &mut Parts<'_>) {
        if !self.may_wait || now < self.next_look {
            return;
        }
        self.next_look = now + LOOK_EVERY;
        self.may_wait = self.lines.iter().flatten().any(|line| !line.is_up() && line.streams() > 0);
        let wait = self.options.tunnel_wait;
        for slot in 0..self.lines.len() {
            let Some(line) = self.lines[slot].as_ref() else { continue };
            let Some(since) = line.down_since else { continue };
            for stream_slot in 0..line.streams.slots() {
                let Some(stream) = self.lines[slot].as_ref().and_then(|line| line.streams.at(stream_slot))
                else {
                    continue;
                };
                let id = stream.id;
                if matches!(stream.end, End::Asker(_)) && now >= stream.opened.max(since) + wait {
                    self.tell_failed(now, port, parts, slot, id, Failure::TunnelTimeout);
                }
            }
        }
    }

    /// Fails every stream of a tunnel.
    pub(crate) fn fail_all(
        &mut self,
        now: Instant,
        port: &mut Port,
        parts: &mut Parts<'_>,
        tunnel: TunnelId,
        failure: Failure,
    ) {
        let slot = tunnel.0.slot as usize;
        let Some(slots) =
            self.lines.get(slot).and_then(|line| line.as_ref()).map(|line| line.streams.slots())
        else {
            return;
        };
        for stream in 0..slots {
            let id =
                self.lines[slot].as_ref().and_then(|line| line.streams.at(stream)).map(|stream| stream.id);
            if let Some(id) = id {
                self.tell_failed(now, port, parts, slot, id, failure);
            }
        }
    }

    /// Ends a stream at both ends: this end is told why, the far end is asked to forget it.
    pub(crate) fn tell_failed(
        &mut self,
        now: Instant,
        port: &mut Port,
        parts: &mut Parts<'_>,
        slot: usize,
        id: StreamId,
        failure: Failure,
    ) {
        let Some(line) = self.lines.get_mut(slot).and_then(|line| line.as_mut()) else { return };
        let Some(stream) = line.streams.get_mut(id) else { return };
        let end = core::mem::replace(&mut stream.end, End::Nobody);
        match end {
            End::Asker(asker) => {
                if !parts.down.answer(now, port, asker, Answer::Failed(failure)) {
                    self.unsaid.push((asker, Answer::Failed(failure)));
                }
            }
            End::Server(way, served) => {
                let asker = Self::stream_asker(slot, id);
                let told = parts.up.ask(now, port, way, asker, served, Ask::Abandon);
                assert!(told, "origins of this worker take every word");
            }
            End::Opening | End::Nobody => {}
        }
        if let End::Asker(asker) = end {
            self.forget_asker(asker);
        }
        self.abandon(slot, id, failure);
    }

    /// Says what could not be said before.
    pub(crate) fn say_unsaid(&mut self, now: Instant, port: &mut Port, parts: &mut Parts<'_>) {
        self.unsaid.retain(|(asker, answer)| !parts.down.answer(now, port, *asker, *answer));
    }
}
