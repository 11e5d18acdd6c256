//! The tunnel behind the real endpoint, keys and all: that the two sides of the seam mean the same.

use crate::time::{Duration, Instant};
use crate::tmp::carrier::{Blend, Ecn, Fill};
use crate::tmp::endpoint::{Endpoint, EndpointEvent, EndpointOptions};
use crate::tmp::endpoint_world::{BACK, FRONT, address, key, peer};
use crate::tmp::event::Event;
use crate::tmp::id::{PeerId, StreamId, TunnelId};
use crate::tmp::options::TunnelOptions;
use crate::tmp::pair::{RoundRobin, small_options};
use crate::tmp::random::PredictableRandom;
use crate::tmp::tunnel::Tunnel;

impl Blend for RoundRobin {
    fn next(&mut self, _: TunnelId, room: usize) -> Option<(StreamId, usize)> {
        Fill::next(self, room)
    }
}

struct End {
    endpoint: Endpoint<Tunnel>,
    blender: RoundRobin,
    tunnel: Option<TunnelId>,
    read: usize,
    trains: usize,
}

fn end(which: usize) -> End {
    end_with(which, small_options())
}

fn end_with(which: usize, tunnel: TunnelOptions) -> End {
    let mut options: EndpointOptions<TunnelOptions> = EndpointOptions::new(key(which as u64), tunnel);
    options.is_responder = which == BACK;
    options.tunnels_max = 4;
    let mut endpoint = Endpoint::new(options, Box::new(PredictableRandom::new(which as u64 + 7)));
    endpoint.add_peer(peer(1 - which, 5)).unwrap();
    End { endpoint, blender: RoundRobin::default(), tunnel: None, read: 0, trains: 0 }
}

impl End {
    /// Takes events, reads what there is, and says what is sent.
    fn work(&mut self, now: Instant) -> Vec<Vec<u8>> {
        if self.endpoint.deadline().is_some_and(|at| at <= now) {
            self.endpoint.tick(now);
        }
        while let Some(event) = self.endpoint.poll_event() {
            if let EndpointEvent::Accepted { tunnel, .. } = event {
                self.tunnel = Some(tunnel);
            }
        }
        if let Some(tunnel) = self.tunnel.and_then(|id| self.endpoint.tunnel(id)) {
            while let Some(event) = tunnel.poll_event() {
                if let Event::Readable(stream) = event {
                    while !tunnel.read(stream).is_empty() {
                        let bytes = tunnel.read(stream).len();
                        assert!(tunnel.read(stream).iter().all(|byte| *byte == 7));
                        tunnel.consumed(stream, bytes);
                        self.read += bytes;
                    }
                }
            }
            while let Some(sendable) = tunnel.poll_sendable() {
                self.blender.set(sendable.stream, sendable.bytes, sendable.lost);
            }
        }
        let mut out = Vec::new();
        let mut buffer = vec![0; 65_000];
        while let Some(train) = self.endpoint.transmit(now, &mut buffer, 44, &mut self.blender) {
            self.trains += usize::from(train.segments() > 1);
            out.extend(buffer[..train.bytes].chunks(train.segment_bytes).map(<[u8]>::to_vec));
        }
        out
    }
}

#[test]
fn a_megabyte_passes_sealed_over_a_lossy_wire() {
    let mut ends = [end(FRONT), end(BACK)];
    let mut now = Instant::from_us(1_000_000);
    let id = ends[FRONT].endpoint.connect(now, PeerId(0)).unwrap();
    ends[FRONT].tunnel = Some(id);
    let bytes = vec![7; 1_000_000];
    let tunnel = ends[FRONT].endpoint.tunnel(id).unwrap();
    let stream = tunnel.open(0, 0).unwrap();
    let mut written = 0;
    let mut count = 0;
    for _ in 0..20_000 {
        if let Some(tunnel) = ends[FRONT].endpoint.tunnel(id) {
            written += tunnel.write(stream, &bytes[written..]);
        }
        for which in [FRONT, BACK] {
            let datagrams = ends[which].work(now);
            let to = &mut ends[1 - which].endpoint;
            for mut datagram in datagrams {
                count += 1;
                // One in forty is lost, the handshake not excepted.
                if count % 40 != 1 {
                    to.handle_datagram(now, address(which as u8), Ecn::Capable0, &mut datagram);
                }
            }
            to.handle_batch_end(now);
        }
        if ends[BACK].read == bytes.len() {
            break;
        }
        now += Duration::from_millis(1);
    }
    assert_eq!(ends[BACK].read, bytes.len());
    assert!(ends[FRONT].trains > 10, "packets leave in trains: {}", ends[FRONT].trains);
    let snapshot = ends[FRONT].endpoint.tunnel(id).unwrap().snapshot();
    assert!(snapshot.mtu_bytes == 1_452 && snapshot.counters.lost_packets > 0, "{snapshot:?}");
}

/// Of 1,500 bytes IPv4 and UDP take 28, header and tag 25, and the piece's own head 8. Along a whole download, acknowledgements of
/// the other direction and all, 95 % of what is sent is payload.
#[test]
fn a_full_packet_of_1500_bytes_carries_1439() {
    let options = || TunnelOptions { datagram_bytes_max: 1_472, ..small_options() };
    let mut ends = [end_with(FRONT, options()), end_with(BACK, options())];
    let mut now = Instant::from_us(1_000_000);
    let id = ends[FRONT].endpoint.connect(now, PeerId(0)).unwrap();
    ends[FRONT].tunnel = Some(id);
    let stream = ends[FRONT].endpoint.tunnel(id).unwrap().open(0, 0).unwrap();
    let (mut most, mut sent) = (0, 0);
    for _ in 0..4_000 {
        if let Some(tunnel) = ends[FRONT].endpoint.tunnel(id) {
            tunnel.write(stream, &[7; 20_000]);
        }
        for mut datagram in ends[FRONT].work(now) {
            let before = ends[BACK].read;
            sent += datagram.len() + 28;
            ends[BACK].endpoint.handle_datagram(now, address(FRONT as u8), Ecn::Capable0, &mut datagram);
            ends[BACK].endpoint.handle_batch_end(now);
            for mut answer in ends[BACK].work(now) {
                ends[FRONT].endpoint.handle_datagram(now, address(BACK as u8), Ecn::Capable0, &mut answer);
                ends[FRONT].endpoint.handle_batch_end(now);
            }
            let carried = ends[BACK].read - before;
            assert!(datagram.len() <= 1_472 && carried <= 1_439, "{} carries {carried}", datagram.len());
            most = most.max(carried);
        }
        now += Duration::from_millis(1);
    }
    assert_eq!(most, 1_439);
    let share = ends[BACK].read as f64 / sent as f64;
    assert!(ends[BACK].read > 10_000_000 && share > 0.95, "{} bytes, {share}", ends[BACK].read);
}
