//! Fuzz entry for handshakes by somebody who gets past the first code: the parameters as such, and a good INIT and a good
//! RESP that were changed and signed again. Whoever cannot make the AEAD's tag changes nothing.

use crate::time::Instant;
use crate::tmp::carrier::{Blend, Ecn};
use crate::tmp::endpoint::{Endpoint, EndpointOptions, PeerOptions};
use crate::tmp::fuzz_input::Input;
use crate::tmp::handshake::{INIT_MAC1_AT, INIT_MAC2_AT};
use crate::tmp::id::{StreamId, TunnelId};
use crate::tmp::key::{PrivateKey, PublicKey};
use crate::tmp::mac::{hash, mac16};
use crate::tmp::packet::MAC_BYTES;
use crate::tmp::params::{InitParams, RESP_PARAMS_BYTES_MAX, RespParams};
use crate::tmp::plain_carrier::PlainCarrier;
use crate::tmp::random::PredictableRandom;
use core::net::SocketAddr;
use std::sync::OnceLock;

const NOW: Instant = Instant::from_us(1_000_000);

struct Nobody;

impl Blend for Nobody {
    fn next(&mut self, _: TunnelId, _: usize) -> Option<(StreamId, usize)> {
        None
    }
}

/// Both keys, and the two messages of an undisturbed handshake between the ends that `end` makes.
struct Fixture {
    keys: [PrivateKey; 2],
    init: Vec<u8>,
    resp: Vec<u8>,
}

fn address(host: usize) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, host as u8], 4000))
}

/// The same end each time: 0 dials, 1 answers.
fn end(keys: &[PrivateKey; 2], which: usize) -> Endpoint<PlainCarrier> {
    let mut options = EndpointOptions::new(keys[which].clone(), ());
    (options.is_responder, options.tunnels_max, options.unconfirmed_max) = (which == 1, 2, 2);
    let mut end = Endpoint::new(options, Box::new(PredictableRandom::new(which as u64)));
    let places = (which == 0).then(|| address(1).into()).into_iter().collect();
    let peer = PeerOptions { places, ..PeerOptions::new(keys[1 - which].public(), None) };
    let added = end.add_peer(peer);
    if let (Ok(peer), 0) = (added, which) {
        assert!(end.connect(NOW, peer).is_ok(), "there is room for a tunnel");
    }
    end
}

fn sent(end: &mut Endpoint<PlainCarrier>) -> Vec<u8> {
    let mut buffer = [0; 1_500];
    end.tick(NOW);
    end.transmit(NOW, &mut buffer, 1, &mut Nobody).map_or(Vec::new(), |train| buffer[..train.bytes].to_vec())
}

fn deliver(end: &mut Endpoint<PlainCarrier>, from: usize, datagram: &[u8]) {
    end.handle_datagram(NOW, address(from), Ecn::NotCapable, &mut datagram.to_vec());
    end.handle_batch_end(NOW);
}

fn fixture() -> &'static Fixture {
    static FIXTURE: OnceLock<Fixture> = OnceLock::new();
    FIXTURE.get_or_init(|| {
        let mut random = PredictableRandom::new(9);
        let keys = [(); 2].map(|()| PrivateKey::generate(&mut random));
        let (mut front, mut back) = (end(&keys, 0), end(&keys, 1));
        let init = sent(&mut front);
        deliver(&mut back, 0, &init);
        let resp = sent(&mut back);
        Fixture { keys, init, resp }
    })
}

/// Writes a fresh first code in front of `end`, as anybody can who knows the receiver's public key.
fn sign(packet: &mut [u8], end: usize, receiver: &PublicKey) {
    let code = mac16(&hash("longhaul tmp mac1", &[receiver.bytes()]), &[&packet[..end]]);
    packet[end..end + MAC_BYTES].copy_from_slice(&code);
}

/// Flips bits where the input says; whether anything before `end` is another.
fn change(input: &mut Input<'_>, packet: &mut [u8], end: usize) -> bool {
    let before = packet[..end].to_vec();
    for _ in 0..input.u8() % 8 {
        let at = usize::from(input.u16()) % end;
        packet[at] ^= input.u8();
    }
    packet[..end] != before[..]
}

/// `bytes` as parameters, and as changes of an INIT and of a RESP.
pub fn fuzz_handshake(bytes: &[u8]) {
    parameters(bytes);
    let mut input = Input(bytes);
    init(&mut input);
    resp(&mut input);
}

fn parameters(bytes: &[u8]) {
    if let Some(params) = InitParams::read(bytes) {
        let mut room = [0; 128];
        params.write(&mut room);
        assert_eq!(InitParams::read(&room), Some(params), "what is read and written reads the same");
    }
    if let Some(params) = RespParams::read(bytes) {
        let mut room = [0; RESP_PARAMS_BYTES_MAX];
        let len = params.write(&mut room);
        assert_eq!(RespParams::read(&room[..len]), Some(params), "what is read and written reads the same");
    }
}

fn init(input: &mut Input<'_>) {
    let Fixture { keys, init, .. } = fixture();
    let mut packet = init.clone();
    let is_changed = change(input, &mut packet, INIT_MAC1_AT);
    if input.u8() & 1 == 0 {
        sign(&mut packet, INIT_MAC1_AT, &keys[1].public());
    }
    packet[INIT_MAC2_AT] ^= input.u8();
    let mut back = end(keys, 1);
    deliver(&mut back, 0, &packet);
    let answer = sent(&mut back);
    assert!(answer.len() <= packet.len(), "an answer is never larger than what provoked it");
    assert!(back.poll_event().is_none() && back.tunnels().next().is_none(), "an INIT alone changes nothing");
    let answered = back.counters().inits_answered;
    assert!(!is_changed || answered == 0, "an INIT that was changed is not answered");
}

fn resp(input: &mut Input<'_>) {
    let Fixture { keys, resp, .. } = fixture();
    let mut packet = resp.clone();
    let end_at = packet.len() - MAC_BYTES;
    let is_changed = change(input, &mut packet, end_at);
    sign(&mut packet, end_at, &keys[0].public());
    let mut front = end(keys, 0);
    sent(&mut front);
    deliver(&mut front, 1, &packet);
    let is_connected = front.poll_event().is_some();
    // Three bytes of the header are not looked at.
    let is_changed = is_changed && (packet[..5] != resp[..5] || packet[8..end_at] != resp[8..end_at]);
    assert_eq!(is_connected, !is_changed, "a RESP makes keys if and only if nobody has changed it");
}
