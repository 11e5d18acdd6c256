//! Entry points for a fuzzer, and a seeded smoke test of each. Compiled for tests and under `cfg(fuzzing)`.

use crate::time::Instant;
use crate::tmp::carrier::{Blend, Ecn};
use crate::tmp::endpoint::{Endpoint, EndpointOptions, PeerOptions};
use crate::tmp::frame::{Frame, Frames};
use crate::tmp::frame_writer::{FrameWriter, encoded_len};
use crate::tmp::id::{StreamId, TunnelId};
use crate::tmp::key::PrivateKey;
use crate::tmp::limits::DATAGRAM_BYTES_MIN;
use crate::tmp::plain_carrier::PlainCarrier;
use crate::tmp::random::PredictableRandom;
use core::net::SocketAddr;

pub use crate::tmp::fuzz_handshake::fuzz_handshake;
pub use crate::tmp::fuzz_pieces::{fuzz_ack_ranges, fuzz_reassembly};
pub use crate::tmp::fuzz_tunnel::fuzz_tunnel;

struct Nobody;

impl Blend for Nobody {
    fn next(&mut self, _: TunnelId, _: usize) -> Option<(StreamId, usize)> {
        None
    }
}

/// Walks `bytes` as a payload; what can be read can be written again and reads the same.
pub fn fuzz_frames(bytes: &[u8]) {
    for frame in Frames::new(bytes) {
        let Ok(frame) = frame else {
            return;
        };
        match frame {
            Frame::Ack(ack) => {
                let largest = u64::from(ack.header.largest_low) | 1 << 40;
                let ranges = ack.ranges(largest).map_or(0, Iterator::count);
                assert!(ranges <= crate::tmp::limits::ACK_RANGES_ACCEPTED_MAX, "ranges are bounded");
            }
            Frame::Sub(sub) => assert!(sub.data.len() <= bytes.len(), "data lies in the payload"),
            _ => again(&frame),
        }
    }
}

fn again(frame: &Frame<'_>) {
    let Some(len) = encoded_len(frame) else {
        return;
    };
    let mut room = vec![0; len];
    assert!(FrameWriter::new(&mut room).put(frame), "it fits its own length");
    assert_eq!(Frames::new(&room).next(), Some(Ok(*frame)), "it reads the same");
}

/// Throws `bytes` as one datagram at an endpoint that answers one peer and dials another: it keeps its state and
/// answers with no more bytes than it got.
pub fn fuzz_datagram(bytes: &[u8]) {
    let mut random = PredictableRandom::new(1);
    let [own, peer] = [(); 2].map(|()| PrivateKey::generate(&mut random));
    let mut options = EndpointOptions::new(own, ());
    options.is_responder = true;
    options.tunnels_max = 2;
    options.unconfirmed_max = 2;
    let mut endpoint = Endpoint::<PlainCarrier>::new(options, Box::new(PredictableRandom::new(2)));
    let address = SocketAddr::from(([192, 0, 2, 1], 1));
    let peer = PeerOptions { places: vec![address.into()], ..PeerOptions::new(peer.public(), None) };
    let now = Instant::from_us(1_000_000);
    let Ok(peer) = endpoint.add_peer(peer) else {
        return;
    };
    let tunnel = endpoint.connect(now, peer);
    let mut buffer = [0; DATAGRAM_BYTES_MIN];
    while endpoint.transmit(now, &mut buffer, 1, &mut Nobody).is_some() {}
    let mut datagram = bytes.to_vec();
    endpoint.handle_datagram(now, SocketAddr::from(([192, 0, 2, 9], 9)), Ecn::NotCapable, &mut datagram);
    endpoint.handle_batch_end(now);
    let mut answered = 0;
    while let Some(transmit) = endpoint.transmit(now, &mut buffer, 1, &mut Nobody) {
        answered += transmit.bytes;
    }
    assert!(answered <= bytes.len(), "an answer is never larger than what provoked it");
    assert!(endpoint.poll_event().is_none(), "nothing happens without keys");
    assert_eq!(endpoint.tunnels().collect::<Vec<_>>(), tunnel.into_iter().collect::<Vec<_>>());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stdx::prng::Prng;

    #[test]
    fn random_and_nearly_good_bytes_do_no_harm() {
        let mut prng = Prng::new(11);
        for turn in 0..3000u64 {
            let len = prng.below(if turn % 8 == 0 { 1300 } else { 80 }) as usize;
            let mut bytes = vec![0; len];
            prng.fill(&mut bytes);
            if let Some(first) = bytes.first_mut() {
                *first &= 0x3f;
            }
            fuzz_frames(&bytes);
        }
        for turn in 0..300u64 {
            let lens = [1200, 64, 44, 60, 76, 200];
            let mut bytes = vec![0; lens[turn as usize % lens.len()]];
            prng.fill(&mut bytes);
            bytes[0] = 0x11 + (turn % 6) as u8;
            bytes[1] = prng.below(3) as u8;
            bytes[2] = 1;
            fuzz_datagram(&bytes);
        }
    }

    #[test]
    fn random_choices_keep_every_promise_of_the_transport() {
        let mut prng = Prng::new(12);
        for turn in 0..1_500u64 {
            let mut bytes = vec![0; prng.below(1 + turn.min(700)) as usize];
            prng.fill(&mut bytes);
            fuzz_ack_ranges(&bytes);
            fuzz_reassembly(&bytes);
            if turn % 3 == 0 {
                fuzz_tunnel(&bytes);
            }
            if turn % 50 == 0 {
                fuzz_handshake(&bytes);
            }
        }
    }

    /// Every input that the fuzzers found worth keeping; their targets bear the names of the folders.
    #[test]
    fn the_committed_corpus_does_no_harm() {
        type Target = (&'static str, fn(&[u8]));
        let targets: [Target; 6] = [
            ("framing", fuzz_frames),
            ("datagram", fuzz_datagram),
            ("handshake", fuzz_handshake),
            ("ack_ranges", fuzz_ack_ranges),
            ("reassembly", fuzz_reassembly),
            ("tunnel", fuzz_tunnel),
        ];
        for (target, check) in targets {
            let folder = format!("{}/../fuzz/corpus/{target}", env!("CARGO_MANIFEST_DIR"));
            let entries = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{folder}: {error}"));
            let inputs: Vec<_> = entries.map(|entry| std::fs::read(entry.unwrap().path()).unwrap()).collect();
            assert!(!inputs.is_empty(), "{folder} has lost its inputs");
            inputs.iter().for_each(|input| check(input));
        }
    }
}
