//! `Trunk` at work: pouring streams into parts, and the parts' bytes into packets. See `owner` for the turn's order.

use crate::compression::BadBlock;
use crate::exchange::failure::Failure;
use crate::exchange::link::{Answer, Ask, Downstream, Upstream};
use crate::port::{Ecn, Port};
use crate::role::plan::Plan;
use crate::role::trunk::carriers::Outcome;
use crate::role::trunk::line::Line;
use crate::role::trunk::owner::Trunk;
use crate::role::trunk::stream::{End, Queued, Stream};
use crate::time::Instant;
use crate::tmp::carrier::Blend;
use crate::tmp::endpoint::EndpointEvent;
use crate::tmp::event::Event;
use crate::tmp::id::{StreamId, TunnelId};
use crate::tmp::place::Bearer;

/// What a trunk pours into: the other parts of the node.
pub struct Parts<'a> {
    /// Where streams of the far end ask.
    pub up: &'a mut dyn Upstream,
    /// Where answers of the far end go.
    pub down: &'a mut dyn Downstream,
    /// Sites, origins and who may open what.
    pub plan: &'a Plan,
}

/// All blenders of a trunk, as the endpoint sees them.
struct Blenders<'a> {
    lines: &'a mut [Option<Line>],
    now: Instant,
}

impl Blend for Blenders<'_> {
    fn next(&mut self, tunnel: TunnelId, room: usize) -> Option<(StreamId, usize)> {
        self.lines.get_mut(tunnel.0.slot as usize)?.as_mut()?.next(self.now, room)
    }
}

impl Trunk {
    /// Tunnel → parts: what has arrived since the last call.
    pub fn deliver(&mut self, now: Instant, port: &mut Port, parts: &mut Parts<'_>) {
        self.say_unsaid(now, port, parts);
        while let Some(event) = self.endpoint.poll_event() {
            self.on_endpoint_event(now, port, parts, event);
        }
        let mut index = 0;
        while let Some(slot) = self.awake_slot(index) {
            while let Some(event) = self.both_in_turn(slot).and_then(|(tunnel, _)| tunnel.poll_event()) {
                self.on_tunnel_event(now, port, parts, slot, event);
            }
            self.pour_listed(now, port, parts, slot);
            index += 1;
        }
        self.give_up_waiting(now, port, parts);
    }

    /// Whether `deliver` would do something.
    pub fn has_work(&self) -> bool {
        !self.unsaid.is_empty()
            || self.awake_lines().any(|line| line.streams.has_listed() || !line.short.is_empty())
    }

    /// Whether `transmit` could not say all that it had to say. What waits for an acknowledgement does not count: that
    /// wakes the worker by itself.
    pub fn owes_room(&self) -> bool {
        self.owes_room
    }

    /// Parts → network: sends what may be sent.
    pub fn transmit(&mut self, now: Instant, port: &mut Port, parts: &mut Parts<'_>) {
        self.flush_staged();
        self.endpoint.handle_batch_end(now);
        let mut index = 0;
        while let Some(slot) = self.awake_slot(index) {
            self.mirror(now, slot);
            index += 1;
        }
        while let Some(buffer) = port.train() {
            let mut blenders = Blenders { lines: &mut self.lines, now };
            let segments_max = self.options.segments_max;
            let Some(sent) = self.endpoint.transmit(now, buffer, segments_max, &mut blenders) else { break };
            let ecn = Ecn::from_bits(sent.ecn as u8);
            if sent.to.bearer() == Bearer::Stream {
                self.train.clear();
                self.train.extend_from_slice(&buffer[..sent.bytes]);
                let train = (self.train.as_slice(), sent.segment_bytes);
                if self.carriers.send(now, port, sent.to.address, train) == Outcome::Full {
                    self.endpoint.hold(sent.to, true);
                }
                continue;
            }
            // Without a socket of its family a peer's address is as good as a black hole: the tunnel stays down.
            if let Some(socket) = self.socket_to(sent.to) {
                port.send_train(socket, sent.to.address, sent.bytes, sent.segment_bytes, ecn);
            }
        }
        self.owes_room = false;
        let mut index = 0;
        while let Some(slot) = self.awake_slot(index) {
            self.pay_room(now, port, parts, slot);
            index += 1;
        }
    }

    fn on_endpoint_event(
        &mut self,
        now: Instant,
        port: &mut Port,
        parts: &mut Parts<'_>,
        event: EndpointEvent,
    ) {
        match event {
            EndpointEvent::Connected { tunnel } => {
                if let Some(line) = self.line(tunnel) {
                    line.down_since = None;
                }
            }
            EndpointEvent::Accepted { tunnel, peer } => self.add_line(tunnel, peer, None, None),
            EndpointEvent::Restarted { tunnel, reason: _ } => {
                self.fail_all(now, port, parts, tunnel, Failure::Restarted);
                if let Some(line) = self.line(tunnel) {
                    let (peer, route) = (line.peer, line.route);
                    self.add_line(tunnel, peer, route, Some(now));
                }
            }
            EndpointEvent::Closed { tunnel, reason: _ } => {
                self.fail_all(now, port, parts, tunnel, Failure::Restarted);
                let Some(line) = self.line(tunnel) else { return };
                if let Some(route) = line.route {
                    self.routes[usize::from(route)] = None;
                }
                self.lines[tunnel.0.slot as usize] = None;
            }
        }
    }

    fn on_tunnel_event(
        &mut self,
        now: Instant,
        port: &mut Port,
        parts: &mut Parts<'_>,
        slot: usize,
        event: Event,
    ) {
        let credit = self.options.stream_bytes;
        match event {
            Event::Opened { stream, class, kind: _ } => {
                self.streams_opened += 1;
                let record = Stream::new(now, stream, End::Opening, class, credit);
                if let Some((_, line)) = self.both(slot) {
                    line.streams.insert(record);
                }
            }
            Event::Readable(stream) => {
                if let Some((_, line)) = self.both(slot) {
                    line.streams.list(stream);
                }
                // An end without further bytes: the tunnel may say in the same breath that it forgets the stream.
                self.tell_end(now, port, parts, slot, stream);
            }
            Event::Reset { stream, code } => {
                self.tell_failed(now, port, parts, slot, stream, Failure::from_code(code));
            }
            Event::Stopped { stream, code } => {
                self.on_stopped(now, port, parts, slot, stream, Failure::from_code(code));
            }
            Event::Closed(stream) => self.on_closed(now, port, parts, slot, stream),
            Event::PathLost => {
                if let Some((_, line)) = self.both(slot) {
                    line.down_since = line.down_since.or(Some(now));
                }
                self.may_wait = true;
            }
            Event::PathFound => {
                if let Some((_, line)) = self.both(slot) {
                    line.down_since = None;
                }
            }
            // The endpoint says the same with `Closed`. `Writable` follows a short write, and those fail.
            Event::PeerClosed { .. } | Event::Writable(_) => {}
        }
    }

    fn pour_listed(&mut self, now: Instant, port: &mut Port, parts: &mut Parts<'_>, slot: usize) {
        let mut blocked = core::mem::take(&mut self.blocked);
        while let Some(id) = self.both_in_turn(slot).and_then(|(_, line)| line.streams.take_listed()) {
            if !self.pour(now, port, parts, slot, id) {
                blocked.push(id);
            }
        }
        if !blocked.is_empty()
            && let Some((_, line)) = self.both(slot)
        {
            blocked.drain(..).for_each(|id| line.streams.list(id));
        }
        blocked.clear();
        self.blocked = blocked;
        while let Some(id) = self.both_in_turn(slot).and_then(|(_, line)| line.short.pop()) {
            // A stopped stream takes nothing either, but its answer is on its way.
            let stream = self.both(slot).and_then(|(_, line)| line.streams.get_mut(id));
            if stream.is_some_and(|stream| !stream.is_stopped) {
                self.tell_failed(now, port, parts, slot, id, Failure::Shed);
            }
        }
    }

    /// Tells this end the far end's last byte, once.
    pub(crate) fn tell_end(
        &mut self,
        now: Instant,
        port: &mut Port,
        parts: &mut Parts<'_>,
        slot: usize,
        id: StreamId,
    ) {
        let Some((tunnel, line)) = self.both(slot) else { return };
        let Some(stream) = line.streams.get_mut(id) else { return };
        if stream.is_told_end || !tunnel.is_read_finished(id) {
            return;
        }
        if !stream.incoming.may_end() && stream.end != End::Nobody {
            self.refuse(now, port, parts, (slot, id), BadBlock::Cut);
            return;
        }
        stream.is_told_end = true;
        match stream.end {
            End::Asker(asker) => {
                if !parts.down.answer(now, port, asker, Answer::Finish) {
                    self.unsaid.push((asker, Answer::Finish));
                }
            }
            End::Server(way, served) => {
                let asker = Self::stream_asker(slot, id);
                let told = parts.up.ask(now, port, way, asker, served, Ask::Finish);
                assert!(told, "origins of this worker take every word");
            }
            End::Opening => {
                tunnel.abort(id, Failure::BadStream.code());
                stream.end = End::Nobody;
            }
            End::Nobody => {}
        }
    }

    /// The far end reads no more of a stream: whoever writes it here stops working. A request that was sent whole
    /// has no other way to be given up, for its own direction is over and cannot be reset any more.
    fn on_stopped(
        &mut self,
        now: Instant,
        port: &mut Port,
        parts: &mut Parts<'_>,
        slot: usize,
        id: StreamId,
        failure: Failure,
    ) {
        let Some((_, line)) = self.both(slot) else { return };
        let Some(stream) = line.streams.get_mut(id) else { return };
        match stream.end {
            End::Server(..) => self.tell_failed(now, port, parts, slot, id, failure),
            // An HTTP answer that came before the request was whole; the answer itself tells the asker.
            End::Asker(_) => {
                stream.is_stopped = true;
                line.streams.list(id);
            }
            End::Opening | End::Nobody => {}
        }
    }

    /// The tunnel has forgotten a stream.
    fn on_closed(&mut self, now: Instant, port: &mut Port, parts: &mut Parts<'_>, slot: usize, id: StreamId) {
        let Some((_, line)) = self.both(slot) else { return };
        line.remove_sendable(id);
        let Some(stream) = line.streams.remove(id) else { return };
        match stream.end {
            End::Asker(asker) => {
                self.forget_asker(asker);
                if !stream.is_told_end
                    && !parts.down.answer(now, port, asker, Answer::Failed(Failure::Cancelled))
                {
                    self.unsaid.push((asker, Answer::Failed(Failure::Cancelled)));
                }
            }
            End::Server(way, served) if !stream.is_told_end => {
                let _told = parts.up.ask(now, port, way, Self::stream_asker(slot, id), served, Ask::Abandon);
            }
            End::Server(..) | End::Opening | End::Nobody => {}
        }
    }

    /// The blender learns what could leave.
    fn mirror(&mut self, now: Instant, slot: usize) {
        let (blender, turn_us) = (self.options.blender, self.options.turn_us);
        let Some((tunnel, line)) = self.both_in_turn(slot) else { return };
        line.set_turn(blender.sub_packet_at(tunnel.pace_bytes_per_s(), turn_us));
        while let Some(sendable) = tunnel.poll_sendable() {
            line.set_sendable(now, &sendable);
        }
    }

    /// Gives room to whoever's bytes have left.
    fn pay_room(&mut self, now: Instant, port: &mut Port, parts: &mut Parts<'_>, slot: usize) {
        let stream_bytes = self.options.stream_bytes;
        let portion = stream_bytes / 4;
        while let Some(id) = self.both_in_turn(slot).and_then(|(_, line)| line.take_progressed()) {
            let Some((tunnel, line)) = self.both(slot) else { return };
            let Some(stream) = line.streams.get_mut(id) else { continue };
            if stream.queued == Queued::Waiting {
                let us = now.us_since(stream.opened);
                stream.queued = Queued::Left(u32::try_from(us).unwrap_or(u32::MAX));
            }
            let left = stream.owed.saturating_sub(tunnel.unsent_bytes(id) as u32);
            // What this end may still hand in must fit the tunnel's buffer, which keeps what is not acknowledged.
            let promised = stream_bytes.saturating_sub(stream.owed);
            let promised = promised + stream.outgoing.growth_max() as u32;
            let fits = (tunnel.writable_bytes(id) as u32).saturating_sub(promised);
            let room = left.min(fits);
            if room < portion {
                if left >= portion {
                    line.streams.list_owing(id);
                }
                continue;
            }
            let paid = match stream.end {
                End::Asker(asker) => parts.down.answer(now, port, asker, Answer::Room(room)),
                End::Server(way, served) => {
                    parts.up.ask(now, port, way, Self::stream_asker(slot, id), served, Ask::Grant(room))
                }
                End::Opening | End::Nobody => true,
            };
            if paid {
                stream.owed -= room;
            } else {
                line.streams.list_owing(id);
                self.owes_room = true;
            }
        }
        self.retry_owing(slot);
    }

    /// Streams whose room could not be said because a ring was full are looked at again in the next turn.
    fn retry_owing(&mut self, slot: usize) {
        while let Some(id) = self.both_in_turn(slot).and_then(|(_, line)| line.streams.take_owing()) {
            if let Some((_, line)) = self.both(slot) {
                line.note_progress(id);
            }
        }
    }

    fn line(&mut self, tunnel: TunnelId) -> Option<&mut Line> {
        self.lines.get_mut(tunnel.0.slot as usize)?.as_mut().filter(|line| line.tunnel == tunnel)
    }
}
