//! For tests of the endpoint: two of them, a wire in memory, virtual time, a trivial carrier.

use crate::time::{Duration, Instant};
use crate::tmp::carrier::{Blend, Ecn};
use crate::tmp::counters::Dropped;
use crate::tmp::endpoint::{Endpoint, EndpointEvent, EndpointOptions, PeerOptions};
use crate::tmp::id::{PeerId, StreamId, TunnelId};
use crate::tmp::key::{PresharedKey, PrivateKey};
use crate::tmp::plain_carrier::PlainCarrier;
use crate::tmp::random::PredictableRandom;
use core::net::SocketAddr;

pub(in crate::tmp) type Datagram = (SocketAddr, SocketAddr, Vec<u8>);

pub(in crate::tmp) const FRONT: usize = 0;
pub(in crate::tmp) const BACK: usize = 1;

pub(in crate::tmp) struct Grants(pub(in crate::tmp) Vec<(StreamId, usize)>);

impl Blend for Grants {
    fn next(&mut self, _: TunnelId, room: usize) -> Option<(StreamId, usize)> {
        let (stream, left) = self.0.first_mut()?;
        let (stream, granted) = (*stream, room.min(*left));
        *left -= granted;
        if *left == 0 {
            self.0.remove(0);
        }
        Some((stream, granted))
    }
}

/// A front-end and a back-end, and all datagrams that were ever sent.
pub(in crate::tmp) struct World {
    pub(in crate::tmp) now: Instant,
    pub(in crate::tmp) ends: [Endpoint<PlainCarrier>; 2],
    pub(in crate::tmp) at: [SocketAddr; 2],
    pub(in crate::tmp) sent: Vec<Datagram>,
    pub(in crate::tmp) events: [Vec<EndpointEvent>; 2],
}

pub(in crate::tmp) fn address(host: u8) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, host], 4000))
}

pub(in crate::tmp) fn key(seed: u64) -> PrivateKey {
    PrivateKey::generate(&mut PredictableRandom::new(seed))
}

pub(in crate::tmp) fn options(which: usize) -> EndpointOptions<()> {
    let mut options = EndpointOptions::new(key(which as u64), ());
    options.is_responder = which == BACK;
    options.tunnels_max = 4;
    options.unconfirmed_max = 4;
    options
}

pub(in crate::tmp) fn endpoint(options: EndpointOptions<()>, seed: u64) -> Endpoint<PlainCarrier> {
    Endpoint::new(options, Box::new(PredictableRandom::new(seed)))
}

pub(in crate::tmp) fn peer(which: usize, psk: u64) -> PeerOptions {
    let psk = (psk > 0).then(|| PresharedKey::generate(&mut PredictableRandom::new(psk)));
    let places = (which == BACK).then(|| address(1).into()).into_iter().collect();
    PeerOptions { places, ..PeerOptions::new(key(which as u64).public(), psk) }
}

impl World {
    /// Both ends know each other; nothing was sent yet.
    pub(in crate::tmp) fn new() -> Self {
        Self::with_psks(5, 5)
    }

    pub(in crate::tmp) fn with_psks(front: u64, back: u64) -> Self {
        let mut ends = [endpoint(options(FRONT), 100), endpoint(options(BACK), 200)];
        ends[FRONT].add_peer(peer(BACK, front)).unwrap();
        ends[BACK].add_peer(peer(FRONT, back)).unwrap();
        let events = [Vec::new(), Vec::new()];
        let now = Instant::from_us(1_000_000_000);
        Self { now, ends, at: [address(0), address(1)], sent: Vec::new(), events }
    }

    /// A world in which the front-end is connected.
    pub(in crate::tmp) fn connected() -> (Self, TunnelId) {
        let mut world = Self::new();
        let tunnel = world.dial();
        world.run();
        assert_eq!(world.events(FRONT), [EndpointEvent::Connected { tunnel }]);
        assert!(matches!(world.events(BACK)[..], [EndpointEvent::Accepted { .. }]));
        (world, tunnel)
    }

    pub(in crate::tmp) fn dial(&mut self) -> TunnelId {
        self.ends[FRONT].connect(self.now, PeerId(0)).unwrap()
    }

    pub(in crate::tmp) fn events(&mut self, which: usize) -> Vec<EndpointEvent> {
        core::mem::take(&mut self.events[which])
    }

    pub(in crate::tmp) fn accepted(&self) -> TunnelId {
        self.ends[BACK].tunnels().next().unwrap()
    }

    pub(in crate::tmp) fn carrier(&mut self, which: usize, tunnel: TunnelId) -> &mut PlainCarrier {
        self.ends[which].tunnel(tunnel).unwrap()
    }

    pub(in crate::tmp) fn drain_events(&mut self) {
        for (end, events) in self.ends.iter_mut().zip(&mut self.events) {
            events.extend(core::iter::from_fn(|| end.poll_event()));
        }
    }

    /// Takes out everything that one end wants to send.
    pub(in crate::tmp) fn collect(&mut self, which: usize) -> Vec<Datagram> {
        let mut buffer = vec![0; 20_000];
        let mut out = Vec::new();
        self.ends[which].tick(self.now);
        while let Some(train) = self.ends[which].transmit(self.now, &mut buffer, 8, &mut Grants(Vec::new())) {
            for segment in buffer[..train.bytes].chunks(train.segment_bytes) {
                out.push((self.at[which], train.to.address, segment.to_vec()));
            }
        }
        self.drain_events();
        self.sent.extend(out.iter().cloned());
        out
    }

    pub(in crate::tmp) fn deliver(&mut self, (from, to, mut bytes): Datagram) {
        if let Some(which) = self.at.iter().position(|at| *at == to) {
            self.ends[which].handle_datagram(self.now, from, Ecn::Capable0, &mut bytes);
            self.ends[which].handle_batch_end(self.now);
            self.drain_events();
        }
    }

    /// Carries datagrams that `passes` to and fro until nobody has anything to say at this instant.
    pub(in crate::tmp) fn run_if(&mut self, passes: impl Fn(&[u8]) -> bool) {
        for _ in 0..50 {
            let datagrams: Vec<_> = [FRONT, BACK].into_iter().flat_map(|which| self.collect(which)).collect();
            if datagrams.is_empty() {
                return;
            }
            datagrams
                .into_iter()
                .filter(|datagram| passes(&datagram.2))
                .for_each(|datagram| self.deliver(datagram));
        }
        panic!("the two never fall silent");
    }

    pub(in crate::tmp) fn run(&mut self) {
        self.run_if(|_| true);
    }

    /// Lets time pass in steps of 50 ms.
    pub(in crate::tmp) fn pass_if(&mut self, span: Duration, passes: impl Fn(&[u8]) -> bool) {
        let end = self.now + span;
        while self.now < end {
            self.now += Duration::from_millis(50);
            self.run_if(&passes);
        }
    }

    pub(in crate::tmp) fn say(&mut self, which: usize, tunnel: TunnelId, text: &str) {
        self.carrier(which, tunnel).to_send.push_back(text.as_bytes().to_vec());
    }

    /// A word each way arrives.
    pub(in crate::tmp) fn assert_alive(&mut self, tunnel: TunnelId) {
        let accepted = self.accepted();
        self.say(FRONT, tunnel, "to the back");
        self.say(BACK, accepted, "to the front");
        self.run();
        assert_eq!(self.carrier(BACK, accepted).came.pop().unwrap(), b"to the back");
        assert_eq!(self.carrier(FRONT, tunnel).came.pop().unwrap(), b"to the front");
    }

    /// The back-end starts anew: same keys, nothing else.
    pub(in crate::tmp) fn restart_back(&mut self) {
        self.ends[BACK] = endpoint(options(BACK), 300 + self.now.as_us());
        self.ends[BACK].add_peer(peer(FRONT, 5)).unwrap();
    }

    pub(in crate::tmp) fn kinds_sent(&self, kind: u8) -> usize {
        self.sent.iter().filter(|datagram| datagram.2[0] == kind).count()
    }

    pub(in crate::tmp) fn last_sent(&self, kind: u8) -> Datagram {
        self.sent.iter().rfind(|datagram| datagram.2[0] == kind).unwrap().clone()
    }

    pub(in crate::tmp) fn dropped(&self, which: usize, reason: Dropped) -> u64 {
        self.ends[which].counters().dropped_for(reason)
    }
}
