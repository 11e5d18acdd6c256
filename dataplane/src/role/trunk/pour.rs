//! `Trunk` at work: pouring streams into parts and parts into streams. See `owner` for the turn's order.

use crate::exchange::envelope::{OpeningEnvelope, Parsed};
use crate::exchange::failure::Failure;
use crate::exchange::link::{Answer, Ask, Asker, Downstream, Kind, Opening, Served, Upstream, Way};
use crate::port::{Port, TRAIN_BYTES};
use crate::role::plan::Plan;
use crate::role::trunk::owner::Trunk;
use crate::role::trunk::stream::{End, Stream};
use crate::stdx::slab::Handle;
use crate::time::{Duration, Instant};
use crate::tmp::endpoint::EndpointEvent;
use crate::tmp::id::StreamId;
use crate::tmp::tunnel::Event;

/// How often streams that wait for a lost path are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// What a trunk pours into: the other parts of the node.
pub struct Parts<'a> {
    /// Where streams of the far end ask.
    pub up: &'a mut dyn Upstream,
    /// Where answers of the far end go.
    pub down: &'a mut dyn Downstream,
    /// Sites, origins and who may open what.
    pub plan: &'a Plan,
}

impl Trunk {
    /// Tunnel → parts: what has arrived since the last call.
    pub fn deliver(&mut self, now: Instant, port: &mut Port, parts: &mut Parts<'_>) {
        while let Some(event) = self.endpoint.poll_event() {
            self.on_endpoint_event(now, port, parts, event);
        }
        for line in 0..self.lines.len() {
            self.on_tunnel_events(now, port, parts, line);
            let count = self.lines[line].streams.listed_count();
            for index in 0..count {
                if let Some(id) = self.lines[line].streams.listed_at(index) {
                    self.pour(now, port, parts, line, id);
                }
            }
            self.lines[line].streams.forget_listed(count);
        }
        self.refuse(now, port, parts.down);
        if now >= self.next_look {
            self.next_look = now + LOOK_EVERY;
            self.give_up_waiting(now, port, parts.down);
        }
    }

    /// Parts → network: builds one train; false when nothing more may or need be sent.
    pub fn transmit(&mut self, now: Instant, port: &mut Port, parts: &mut Parts<'_>) -> bool {
        for line in 0..self.lines.len() {
            self.mirror(line);
        }
        let mut sent = false;
        while let Some(buffer) = port.train() {
            debug_assert_eq!(buffer.len(), TRAIN_BYTES);
            let Some(transmit) = self.endpoint.transmit(now, buffer, self.options.segments_max, &mut self.lines)
            else {
                break;
            };
            port.send_train(self.socket, transmit.to, transmit.bytes, transmit.segment_bytes, transmit.ecn);
            sent = true;
        }
        for line in 0..self.lines.len() {
            self.settle(now, port, parts, line);
        }
        sent
    }

    fn on_endpoint_event(&mut self, now: Instant, port: &mut Port, parts: &mut Parts<'_>, event: EndpointEvent) {
        match event {
            EndpointEvent::Connected { tunnel } => {
                if let Some(line) = self.line_of(tunnel) {
                    self.lines[line].down_since = None;
                }
            }
            EndpointEvent::Accepted { tunnel, peer } => {
                let line = self.add_line(now, tunnel, peer.index());
                self.lines[usize::from(line)].down_since = None;
            }
            EndpointEvent::Restarted { tunnel } => {
                if let Some(line) = self.line_of(tunnel) {
                    self.fail_all(now, port, parts, line, Failure::Restarted);
                    self.lines[line].down_since = Some(now);
                }
            }
            EndpointEvent::Closed { tunnel } => {
                if let Some(line) = self.line_of(tunnel) {
                    self.fail_all(now, port, parts, line, Failure::Restarted);
                    self.lines[line].is_closed = true;
                }
            }
        }
    }

    fn on_tunnel_events(&mut self, now: Instant, port: &mut Port, parts: &mut Parts<'_>, line: usize) {
        let tunnel = self.lines[line].tunnel;
        while let Some(event) = self.endpoint.tunnel(tunnel).and_then(|tunnel| tunnel.poll_event()) {
            match event {
                Event::Opened { stream, class, kind: _ } => self.accept(now, line, stream, class),
                Event::Readable(stream) => self.lines[line].streams.list(stream),
                Event::Reset { stream, code } => {
                    self.fail(now, port, parts, line, stream, Failure::from_code(code));
                }
                Event::Stopped { stream, code: _ } => self.fail(now, port, parts, line, stream, Failure::Cancelled),
                Event::Writable(_) | Event::Closed(_) => {}
                Event::PathLost => self.lines[line].down_since = Some(now),
                Event::PathFound => self.lines[line].down_since = None,
                Event::PeerClosed => self.fail_all(now, port, parts, line, Failure::Restarted),
            }
        }
    }
}
