//! For tests of the whole of TMP: an endpoint with real tunnels, and what a role does with it.

use crate::tmp::carrier::Blend;
use crate::tmp::endpoint::{Endpoint, EndpointEvent, EndpointOptions, PeerOptions};
use crate::tmp::event::Event;
use crate::tmp::id::{StreamId, TunnelId};
use crate::tmp::key::PrivateKey;
use crate::tmp::options::TunnelOptions;
use crate::tmp::place::Place;
use crate::tmp::random::PredictableRandom;
use crate::tmp::spread::PathUse;
use crate::tmp::tunnel::Tunnel;
use std::collections::{BTreeMap, VecDeque};

/// First come, first served.
#[derive(Default)]
pub(in crate::tmp) struct Queue(VecDeque<(TunnelId, StreamId, usize)>);

impl Blend for Queue {
    fn next(&mut self, tunnel: TunnelId, room: usize) -> Option<(StreamId, usize)> {
        let index = self.0.iter().position(|entry| entry.0 == tunnel)?;
        let (_, stream, left) = &mut self.0[index];
        let (stream, granted) = (*stream, room.min(*left));
        *left -= granted;
        if *left == 0 {
            self.0.remove(index);
        }
        Some((stream, granted))
    }
}

pub(in crate::tmp) struct End {
    pub(in crate::tmp) endpoint: Endpoint<Tunnel>,
    pub(in crate::tmp) queue: Queue,
    /// Bytes that are still to be written to a stream.
    pub(in crate::tmp) unwritten: BTreeMap<StreamId, Vec<u8>>,
    pub(in crate::tmp) read: BTreeMap<StreamId, Vec<u8>>,
    /// Bytes that were ever read.
    pub(in crate::tmp) read_bytes: usize,
    pub(in crate::tmp) finished: usize,
    pub(in crate::tmp) events: Vec<EndpointEvent>,
}

/// End 0 connects to these places of end 1, which answers each question with itself.
pub(in crate::tmp) fn end_of(which: u8, seed: u64, places: Vec<Place>, chosen: impl Into<PathUse>) -> End {
    let key = |which: u8| PrivateKey::generate(&mut PredictableRandom::new(u64::from(which)));
    let carrier = TunnelOptions {
        streams_max: 64,
        send_budget_bytes: 16 << 20,
        receive_budget_bytes: 32 << 20,
        packets_in_flight_max: 8_192,
        ..TunnelOptions::default()
    };
    let mut options = EndpointOptions::new(key(which), carrier);
    options.is_responder = which == 1;
    options.tunnels_max = 2;
    let mut endpoint = Endpoint::new(options, Box::new(PredictableRandom::new(seed)));
    let peer =
        PeerOptions { places, chosen: chosen.into(), ..PeerOptions::new(key(1 - which).public(), None) };
    endpoint.add_peer(peer).unwrap();
    End {
        endpoint,
        queue: Queue::default(),
        unwritten: BTreeMap::new(),
        read: BTreeMap::new(),
        read_bytes: 0,
        finished: 0,
        events: Vec::new(),
    }
}

impl End {
    /// What a role does after every batch of inputs: events, streams, blender.
    pub(in crate::tmp) fn attend(&mut self) {
        while let Some(event) = self.endpoint.poll_event() {
            if matches!(event, EndpointEvent::Restarted { .. } | EndpointEvent::Closed { .. }) {
                self.queue.0.clear();
                self.unwritten.clear();
                self.read.clear();
            }
            self.events.push(event);
        }
        let Some(id) = self.endpoint.tunnels().next() else {
            return;
        };
        let is_acceptor = !matches!(self.events.first(), Some(EndpointEvent::Connected { .. }) | None);
        let Some(tunnel) = self.endpoint.tunnel(id) else {
            return;
        };
        while let Some(event) = tunnel.poll_event() {
            if let Event::Readable(stream) = event {
                let got = self.read.entry(stream).or_default();
                while !tunnel.read(stream).is_empty() {
                    let piece = tunnel.read(stream).len();
                    self.read_bytes += piece;
                    got.extend_from_slice(tunnel.read(stream));
                    tunnel.consumed(stream, piece);
                }
                if tunnel.is_read_finished(stream) {
                    self.finished += 1;
                    if is_acceptor {
                        // The answer is the question.
                        self.unwritten.insert(stream, self.read.remove(&stream).unwrap());
                    }
                }
            }
        }
        self.unwritten.retain(|stream, bytes| {
            let written = tunnel.write(*stream, bytes);
            bytes.drain(..written);
            if bytes.is_empty() {
                tunnel.finish(*stream);
            }
            !bytes.is_empty()
        });
        while let Some(sendable) = tunnel.poll_sendable() {
            self.queue.0.retain(|entry| entry.1 != sendable.stream);
            if sendable.bytes > 0 {
                self.queue.0.push_back((id, sendable.stream, sendable.bytes));
            }
        }
    }
}
