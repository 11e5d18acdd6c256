//! Two endpoints and what may happen between them: a wire in memory, virtual time, a trivial carrier.

use super::*;
use crate::tmp::carrier::{Blend, Ecn};
use crate::tmp::error::CLOSE_DONE;
use crate::tmp::frame::Frame;
use crate::tmp::id::StreamId;
use crate::tmp::limits::{
    CHALLENGE_EXPIRES, DATA_BYTES_MIN, INITS_PER_SECOND_UNPROVEN, PAYLOAD_BYTES_BASE, PREVIOUS_KEYS_KEPT,
    REJECT_AFTER, REKEY_AFTER, SILENCE_BEFORE_INIT, UNCONFIRMED_KEPT,
};
use crate::tmp::packet::{COOKIE, DATA, INIT, INIT_BYTES, RESET, RESP};
use crate::tmp::plain_carrier::PlainCarrier;
use crate::tmp::random::PredictableRandom;

type Datagram = (SocketAddr, SocketAddr, Vec<u8>);

const FRONT: usize = 0;
const BACK: usize = 1;

struct Grants(Vec<(StreamId, usize)>);

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
struct World {
    now: Instant,
    ends: [Endpoint<PlainCarrier>; 2],
    at: [SocketAddr; 2],
    sent: Vec<Datagram>,
    events: [Vec<EndpointEvent>; 2],
}

fn address(host: u8) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, host], 4000))
}

fn key(seed: u64) -> PrivateKey {
    PrivateKey::generate(&mut PredictableRandom::new(seed))
}

fn options(which: usize) -> EndpointOptions<()> {
    let mut options = EndpointOptions::new(key(which as u64), ());
    options.is_responder = which == BACK;
    options.tunnels_max = 4;
    options.unconfirmed_max = 4;
    options
}

fn endpoint(options: EndpointOptions<()>, seed: u64) -> Endpoint<PlainCarrier> {
    Endpoint::new(options, Box::new(PredictableRandom::new(seed)))
}

fn peer(which: usize, psk: u64) -> PeerOptions {
    let psk = (psk > 0).then(|| PresharedKey::generate(&mut PredictableRandom::new(psk)));
    let address = (which == BACK).then(|| address(1));
    PeerOptions { public: key(which as u64).public(), psk, address }
}

impl World {
    /// Both ends know each other; nothing was sent yet.
    fn new() -> Self {
        Self::with_psks(5, 5)
    }

    fn with_psks(front: u64, back: u64) -> Self {
        let mut ends = [endpoint(options(FRONT), 100), endpoint(options(BACK), 200)];
        ends[FRONT].add_peer(peer(BACK, front)).unwrap();
        ends[BACK].add_peer(peer(FRONT, back)).unwrap();
        let events = [Vec::new(), Vec::new()];
        let now = Instant::from_us(1_000_000_000);
        Self { now, ends, at: [address(0), address(1)], sent: Vec::new(), events }
    }

    /// A world in which the front-end is connected.
    fn connected() -> (Self, TunnelId) {
        let mut world = Self::new();
        let tunnel = world.dial();
        world.run();
        assert_eq!(world.events(FRONT), [EndpointEvent::Connected { tunnel }]);
        assert!(matches!(world.events(BACK)[..], [EndpointEvent::Accepted { .. }]));
        (world, tunnel)
    }

    fn dial(&mut self) -> TunnelId {
        self.ends[FRONT].connect(self.now, PeerId(0)).unwrap()
    }

    fn events(&mut self, which: usize) -> Vec<EndpointEvent> {
        core::mem::take(&mut self.events[which])
    }

    fn accepted(&self) -> TunnelId {
        self.ends[BACK].tunnels().next().unwrap()
    }

    fn carrier(&mut self, which: usize, tunnel: TunnelId) -> &mut PlainCarrier {
        self.ends[which].tunnel(tunnel).unwrap()
    }

    fn drain_events(&mut self) {
        for (end, events) in self.ends.iter_mut().zip(&mut self.events) {
            events.extend(core::iter::from_fn(|| end.poll_event()));
        }
    }

    /// Takes out everything that one end wants to send.
    fn collect(&mut self, which: usize) -> Vec<Datagram> {
        let mut buffer = vec![0; 20_000];
        let mut out = Vec::new();
        self.ends[which].tick(self.now);
        while let Some(train) = self.ends[which].transmit(self.now, &mut buffer, 8, &mut Grants(Vec::new())) {
            for segment in buffer[..train.bytes].chunks(train.segment_bytes) {
                out.push((self.at[which], train.to, segment.to_vec()));
            }
        }
        self.drain_events();
        self.sent.extend(out.iter().cloned());
        out
    }

    fn deliver(&mut self, (from, to, mut bytes): Datagram) {
        if let Some(which) = self.at.iter().position(|at| *at == to) {
            self.ends[which].handle_datagram(self.now, from, Ecn::Capable0, &mut bytes);
            self.ends[which].handle_batch_end(self.now);
            self.drain_events();
        }
    }

    /// Carries datagrams that `passes` to and fro until nobody has anything to say at this instant.
    fn run_if(&mut self, passes: impl Fn(&[u8]) -> bool) {
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

    fn run(&mut self) {
        self.run_if(|_| true);
    }

    /// Lets time pass in steps of 50 ms.
    fn pass_if(&mut self, span: Duration, passes: impl Fn(&[u8]) -> bool) {
        let end = self.now + span;
        while self.now < end {
            self.now += Duration::from_millis(50);
            self.run_if(&passes);
        }
    }

    fn say(&mut self, which: usize, tunnel: TunnelId, text: &str) {
        self.carrier(which, tunnel).to_send.push_back(text.as_bytes().to_vec());
    }

    /// A word each way arrives.
    fn assert_alive(&mut self, tunnel: TunnelId) {
        let accepted = self.accepted();
        self.say(FRONT, tunnel, "to the back");
        self.say(BACK, accepted, "to the front");
        self.run();
        assert_eq!(self.carrier(BACK, accepted).came.pop().unwrap(), b"to the back");
        assert_eq!(self.carrier(FRONT, tunnel).came.pop().unwrap(), b"to the front");
    }

    /// The back-end starts anew: same keys, nothing else.
    fn restart_back(&mut self) {
        self.ends[BACK] = endpoint(options(BACK), 300 + self.now.as_us());
        self.ends[BACK].add_peer(peer(FRONT, 5)).unwrap();
    }

    fn kinds_sent(&self, kind: u8) -> usize {
        self.sent.iter().filter(|datagram| datagram.2[0] == kind).count()
    }

    fn last_sent(&self, kind: u8) -> Datagram {
        self.sent.iter().rfind(|datagram| datagram.2[0] == kind).unwrap().clone()
    }

    fn dropped(&self, which: usize, reason: Dropped) -> u64 {
        self.ends[which].counters().dropped_for(reason)
    }
}

#[test]
fn a_tunnel_connects_and_carries_both_ways() {
    let (mut world, tunnel) = World::connected();
    world.assert_alive(tunnel);
    assert_eq!((world.kinds_sent(INIT), world.kinds_sent(RESP)), (1, 1));
    assert_eq!(world.ends[BACK].peer_of(world.accepted()), Some(PeerId(0)));
    assert_eq!(world.ends[FRONT].address_of(tunnel), Some(address(1)));
    assert!(world.sent.iter().all(|datagram| datagram.2.len() >= DATA_BYTES_MIN));
    assert!(world.carrier(FRONT, tunnel).batch_ends > 0);
}

#[test]
fn what_was_written_before_the_handshake_arrives_after_it() {
    let mut world = World::new();
    let tunnel = world.dial();
    world.say(FRONT, tunnel, "early");
    world.run();
    let accepted = world.accepted();
    assert_eq!(world.carrier(BACK, accepted).came, [b"early"]);
}

#[test]
fn without_aes_at_one_end_the_other_cipher_is_used() {
    let mut world = World::new();
    let mut slow = options(FRONT);
    slow.aes_is_fast = false;
    world.ends[FRONT] = endpoint(slow, 7);
    world.ends[FRONT].add_peer(peer(BACK, 5)).unwrap();
    let tunnel = world.dial();
    world.run();
    world.assert_alive(tunnel);
}

#[test]
fn wrong_psk_unknown_key_and_wrong_responder_key_never_connect() {
    let mut world = World::with_psks(5, 6);
    world.dial();
    world.pass_if(Duration::from_secs(2), |_| true);
    assert!(world.events(FRONT).is_empty() && world.events(BACK).is_empty());
    assert!(world.dropped(FRONT, Dropped::BadHandshake) > 0);

    let mut world = World::new();
    let mut stranger = options(FRONT);
    stranger.private_key = key(77);
    world.ends[FRONT] = endpoint(stranger, 7);
    world.ends[FRONT].add_peer(peer(BACK, 5)).unwrap();
    world.dial();
    world.run();
    assert_eq!((world.dropped(BACK, Dropped::NotAllowed), world.kinds_sent(RESP)), (1, 0));

    let mut world = World::new();
    let wrong = PeerOptions { public: key(78).public(), ..peer(BACK, 5) };
    let id = world.ends[FRONT].add_peer(wrong).unwrap();
    world.ends[FRONT].connect(world.now, id).unwrap();
    world.run();
    assert_eq!((world.dropped(BACK, Dropped::BadHandshake), world.kinds_sent(RESP)), (1, 0));
}

#[test]
fn bad_peers_are_refused() {
    let mut world = World::new();
    let own = PeerOptions { public: key(FRONT as u64).public(), psk: None, address: None };
    assert_eq!(world.ends[FRONT].add_peer(own), Err(Refused::BadKey));
    assert_eq!(world.ends[FRONT].add_peer(peer(BACK, 5)), Err(Refused::BadKey));
    assert_eq!(world.ends[BACK].connect(world.now, PeerId(0)), Err(Refused::NoAddress));
    for _ in 0..4 {
        world.dial();
    }
    assert_eq!(world.ends[FRONT].connect(world.now, PeerId(0)), Err(Refused::Full));
}

#[test]
fn init_is_repeated_until_the_peer_is_there() {
    let mut world = World::new();
    let tunnel = world.dial();
    world.pass_if(Duration::from_secs(30), |_| false);
    assert!((10..20).contains(&world.kinds_sent(INIT)));
    world.pass_if(Duration::from_secs(4), |_| true);
    world.assert_alive(tunnel);
}

#[test]
fn on_a_long_path_the_resp_to_the_first_of_many_inits_is_good() {
    let mut world = World::new();
    let tunnel = world.dial();
    let mut under_way = Vec::new();
    for _ in 0..40 {
        under_way.extend(world.collect(FRONT));
        world.now += Duration::from_millis(50);
    }
    assert!(under_way.len() >= 4, "several INITs were under way");
    under_way.into_iter().for_each(|init| world.deliver(init));
    world.run();
    world.assert_alive(tunnel);
    assert_eq!(world.ends[BACK].counters().handshakes_done, 1);
    assert_eq!(world.ends[BACK].counters().unconfirmed_evicted, 0);
}

#[test]
fn a_replayed_init_disturbs_nothing_and_runs_out_of_time() {
    let (mut world, tunnel) = World::connected();
    let init = world.last_sent(INIT);
    for _ in 0..3 {
        world.deliver(init.clone());
    }
    world.run();
    assert_eq!(world.dropped(FRONT, Dropped::UnknownId), 3, "the stale answers name no handshake");
    world.assert_alive(tunnel);
    let evicted = world.ends[BACK].counters().unconfirmed_evicted;
    world.pass_if(UNCONFIRMED_KEPT, |_| true);
    assert_eq!(world.ends[BACK].counters().unconfirmed_evicted, evicted + 1);
    assert!(world.events(FRONT).is_empty() && world.events(BACK).is_empty());
}

#[test]
fn of_unconfirmed_handshakes_on_one_lane_the_older_are_evicted() {
    let mut world = World::new();
    let mut inits = Vec::new();
    for seed in 0..5 {
        world.ends[FRONT] = endpoint(options(FRONT), 400 + seed);
        world.ends[FRONT].add_peer(peer(BACK, 5)).unwrap();
        world.dial();
        inits.push(world.collect(FRONT).remove(0));
    }
    inits.into_iter().for_each(|init| world.deliver(init));
    assert_eq!(world.ends[BACK].waiting.len(), 2);
    assert_eq!(world.ends[BACK].counters().unconfirmed_evicted, 3);
    world.run();
    assert!(matches!(world.events(BACK)[..], [EndpointEvent::Accepted { .. }]), "the newest is still good");
}

#[test]
fn several_tunnels_of_one_peer_live_side_by_side() {
    let mut world = World::new();
    let tunnels = [world.dial(), world.dial(), world.dial()];
    world.run();
    assert_eq!(world.ends[BACK].tunnels().count(), 3);
    for tunnel in tunnels {
        world.say(FRONT, tunnel, "x");
    }
    world.run();
    let accepted: Vec<_> = world.ends[BACK].tunnels().collect();
    assert!(accepted.into_iter().all(|tunnel| world.carrier(BACK, tunnel).came.len() == 1));
}

#[test]
fn under_load_a_cookie_is_asked_for_and_given() {
    let mut world = World::new();
    let tunnel = world.dial();
    let init = world.collect(FRONT).remove(0);
    for host in 0..INITS_PER_SECOND_UNPROVEN {
        world.deliver((address(host as u8 + 2), address(1), init.2.clone()));
    }
    world.deliver(init);
    world.collect(BACK);
    // The outbox was full of answers to the flood; the next INIT finds room again.
    world.now += Duration::from_micros(300_000);
    let again = world.collect(FRONT);
    for host in 0..40 {
        world.deliver((address(host + 2), address(1), again[0].2.clone()));
    }
    world.collect(BACK);
    again.into_iter().for_each(|init| world.deliver(init));
    world.run();
    world.assert_alive(tunnel);
    assert!(world.kinds_sent(COOKIE) > 0);
    assert_eq!(world.ends[FRONT].counters().cookies_taken, 1);
}

#[test]
fn junk_and_damage_change_nothing() {
    let (mut world, tunnel) = World::connected();
    world.assert_alive(tunnel);
    let mut prng = crate::stdx::prng::Prng::new(3);
    let history = world.sent.clone();
    for (from, to, bytes) in history {
        for _ in 0..20 {
            let mut damaged = bytes.clone();
            let at = prng.below(damaged.len() as u64) as usize;
            damaged[at] ^= 1 << prng.below(8);
            world.deliver((from, to, damaged));
            let cut = prng.below(bytes.len() as u64) as usize;
            world.deliver((from, to, bytes[..cut].to_vec()));
        }
        // Replays and reflections.
        world.deliver((from, to, bytes.clone()));
        world.deliver((to, from, bytes));
    }
    world.run();
    assert!(world.events(FRONT).is_empty() && world.events(BACK).is_empty());
    world.assert_alive(tunnel);
    assert_eq!(world.ends[BACK].tunnels().count(), 1);
}

#[test]
fn duplicates_are_counted_and_do_not_move_the_address() {
    let (mut world, tunnel) = World::connected();
    world.assert_alive(tunnel);
    let (_, to, bytes) = world.sent.iter().rfind(|d| d.2[0] == DATA && d.1 == address(1)).unwrap().clone();
    world.deliver((address(9), to, bytes));
    assert_eq!(world.dropped(BACK, Dropped::Duplicate), 1);
    assert_eq!(world.ends[BACK].address_of(world.accepted()), Some(address(0)));
}

#[test]
fn keys_are_replaced_under_traffic_without_loss() {
    let (mut world, tunnel) = World::connected();
    let accepted = world.accepted();
    let mut said = 0;
    let end = world.now + REKEY_AFTER * 3 + Duration::from_secs(5);
    while world.now < end {
        world.now += Duration::from_secs(1);
        world.say(FRONT, tunnel, "f");
        world.say(BACK, accepted, "b");
        world.run();
        said += 1;
    }
    assert_eq!(world.carrier(BACK, accepted).came.len(), said);
    assert_eq!(world.carrier(FRONT, tunnel).came.len(), said);
    assert_eq!(world.ends[BACK].counters().handshakes_done, 4);
    assert!(world.events(FRONT).is_empty() && world.events(BACK).is_empty());
    let numbers: Vec<_> = world.carrier(BACK, accepted).seen.iter().copied().collect();
    assert_eq!(numbers, (0..numbers.len() as u64).collect::<Vec<_>>(), "numbers go on over all keys");
}

#[test]
fn packets_under_the_previous_keys_are_taken_for_a_while() {
    let (mut world, tunnel) = World::connected();
    let accepted = world.accepted();
    world.now += REKEY_AFTER;
    world.say(BACK, accepted, "late");
    world.say(BACK, accepted, "too late");
    let late = world.collect(BACK);
    assert_eq!(late.len(), 2);
    world.run();
    assert_eq!(world.kinds_sent(INIT), 2);
    world.assert_alive(tunnel);
    world.deliver(late[0].clone());
    assert_eq!(world.carrier(FRONT, tunnel).came, [b"late"]);
    world.pass_if(PREVIOUS_KEYS_KEPT, |_| true);
    world.deliver(late[1].clone());
    assert_eq!(world.carrier(FRONT, tunnel).came.len(), 1);
    assert_eq!(world.ends[FRONT].receivers.len(), 1);
    world.run();
    assert!(world.events(BACK).is_empty(), "a RESET about old keys is not believed");
}

#[test]
fn an_idle_tunnel_confirms_its_new_keys() {
    let (mut world, tunnel) = World::connected();
    world.pass_if(REKEY_AFTER + Duration::from_secs(1), |_| true);
    assert_eq!(world.ends[BACK].counters().handshakes_done, 2);
    world.pass_if(REJECT_AFTER - REKEY_AFTER, |_| true);
    world.assert_alive(tunnel);
}

#[test]
fn streams_survive_a_path_that_is_gone_longer_than_the_keys_live() {
    let (mut world, tunnel) = World::connected();
    world.say(FRONT, tunnel, "into the dark");
    world.pass_if(REJECT_AFTER + Duration::from_secs(20), |_| false);
    world.pass_if(Duration::from_secs(4), |_| true);
    assert!(world.events(FRONT).is_empty() && world.events(BACK).is_empty(), "the session goes on");
    world.assert_alive(tunnel);
}

#[test]
fn silence_after_a_question_begins_a_handshake() {
    let (mut world, tunnel) = World::connected();
    world.say(FRONT, tunnel, "hello?");
    world.pass_if(SILENCE_BEFORE_INIT + Duration::from_millis(100), |bytes| bytes[0] != DATA);
    assert_eq!(world.ends[FRONT].counters().handshakes_done, 2);
}

#[test]
fn a_restarted_responder_resets_and_is_connected_again_at_once() {
    let (mut world, tunnel) = World::connected();
    world.restart_back();
    world.say(FRONT, tunnel, "lost");
    world.run();
    let reason = CloseReason::PeerRestarted;
    let events = [EndpointEvent::Restarted { tunnel, reason }, EndpointEvent::Connected { tunnel }];
    assert_eq!(world.events(FRONT), events);
    assert_eq!(world.carrier(FRONT, tunnel).next_number, 1, "the carrier is fresh");
    world.assert_alive(tunnel);
    let (_, _, reset) = world.last_sent(RESET);
    assert!(reset.len() <= DATA_BYTES_MIN);
}

#[test]
fn a_restarted_responder_whose_reset_is_lost_is_found_by_silence() {
    let (mut world, tunnel) = World::connected();
    world.restart_back();
    world.say(FRONT, tunnel, "lost");
    world.pass_if(SILENCE_BEFORE_INIT + Duration::from_secs(1), |bytes| bytes[0] != RESET);
    let reason = CloseReason::PeerRestarted;
    let events = [EndpointEvent::Restarted { tunnel, reason }, EndpointEvent::Connected { tunnel }];
    assert_eq!(world.events(FRONT), events);
    world.assert_alive(tunnel);
}

#[test]
fn a_restarted_initiator_replaces_its_own_old_tunnel() {
    let (mut world, _) = World::connected();
    let old = world.accepted();
    world.ends[FRONT] = endpoint(options(FRONT), 999);
    world.ends[FRONT].add_peer(peer(BACK, 5)).unwrap();
    let tunnel = world.dial();
    world.run();
    let events = world.events(BACK);
    assert_eq!(events[0], EndpointEvent::Closed { tunnel: old, reason: CloseReason::PeerRestarted });
    assert!(matches!(events[1..], [EndpointEvent::Accepted { .. }]));
    world.assert_alive(tunnel);
}

#[test]
fn an_acceptor_believes_a_reset_of_its_peer_too() {
    let (mut world, _) = World::connected();
    let accepted = world.accepted();
    world.ends[FRONT] = endpoint(options(FRONT), 999);
    world.ends[FRONT].add_peer(peer(BACK, 5)).unwrap();
    world.say(BACK, accepted, "lost");
    world.run();
    let reason = CloseReason::PeerRestarted;
    assert_eq!(world.events(BACK), [EndpointEvent::Closed { tunnel: accepted, reason }]);
    assert_eq!(world.ends[BACK].receivers.len(), 0);
}

#[test]
fn a_reset_by_anyone_else_or_about_another_packet_is_not_believed() {
    let (mut world, tunnel) = World::connected();
    world.say(FRONT, tunnel, "one");
    let data = world.collect(FRONT).remove(0);
    // A stranger with a key of its own answers the packet.
    let mut stranger = options(BACK);
    stranger.private_key = key(55);
    let mut stranger = endpoint(stranger, 1);
    stranger.add_peer(peer(FRONT, 5)).unwrap();
    stranger.handle_datagram(world.now, address(0), Ecn::NotCapable, &mut data.2.clone());
    let mut buffer = [0; 1500];
    let train = stranger.transmit(world.now, &mut buffer, 1, &mut Grants(Vec::new())).unwrap();
    assert_eq!(buffer[0], RESET);
    world.deliver((address(1), address(0), buffer[..train.bytes].to_vec()));
    assert_eq!(world.dropped(FRONT, Dropped::Unasked), 1);
    // The peer itself, provoked beforehand by an invented packet with the right id and number.
    let mut invented = data.2.clone();
    *invented.last_mut().unwrap() ^= 1;
    let mut restarted = endpoint(options(BACK), 2);
    restarted.add_peer(peer(FRONT, 5)).unwrap();
    restarted.handle_datagram(world.now, address(0), Ecn::NotCapable, &mut invented);
    // The half of the tag that counts is the first one, so change that as well.
    let mut other = data.2.clone();
    let at = other.len() - 16;
    other[at] ^= 1;
    restarted.handle_datagram(world.now, address(0), Ecn::NotCapable, &mut other);
    restarted.transmit(world.now, &mut buffer, 1, &mut Grants(Vec::new())).unwrap();
    let train = restarted.transmit(world.now, &mut buffer, 1, &mut Grants(Vec::new())).unwrap();
    world.deliver((address(1), address(0), buffer[..train.bytes].to_vec()));
    assert_eq!(world.dropped(FRONT, Dropped::Unasked), 2);
    world.deliver(data);
    world.run();
    world.assert_alive(tunnel);
    assert!(world.events(FRONT).is_empty());
}

#[test]
fn unknown_packets_are_answered_in_bounds_and_never_for_another_worker() {
    let mut world = World::new();
    let mut two = options(BACK);
    two.owners = 2;
    world.ends[BACK] = endpoint(two, 5);
    world.ends[BACK].add_peer(peer(FRONT, 5)).unwrap();
    let mut junk = vec![9; 1200];
    junk[0] = DATA;
    junk[1] = 1;
    world.deliver((address(0), address(1), junk.clone()));
    assert_eq!(world.dropped(BACK, Dropped::OtherOwner), 1);
    junk[1] = 7;
    for _ in 0..500 {
        world.deliver((address(9), address(1), junk.clone()));
        world.collect(BACK);
    }
    assert_eq!(world.kinds_sent(RESET) as u64, RESETS_PER_SECOND_MAX);
}

#[test]
fn roaming_follows_the_peer_after_a_proof() {
    let (mut world, tunnel) = World::connected();
    let accepted = world.accepted();
    world.at[FRONT] = address(8);
    world.say(FRONT, tunnel, "from elsewhere");
    let moved = world.collect(FRONT).remove(0);
    world.deliver(moved.clone());
    assert_eq!(world.ends[BACK].address_of(accepted), Some(address(8)));
    assert_eq!(world.carrier(BACK, accepted).path_changes, 1);
    world.carrier(BACK, accepted).to_send.extend((0..20).map(|_| vec![0; 1000]));
    let bytes: usize = world.collect(BACK).iter().map(|datagram| datagram.2.len()).sum();
    assert!(bytes <= 3 * moved.2.len(), "three times what came, until proven");
    world.pass_if(Duration::from_secs(2), |_| true);
    assert_eq!(world.ends[BACK].counters().moves, 1);
    world.carrier(BACK, accepted).to_send.clear();
    world.run();
    world.assert_alive(tunnel);
    assert_eq!(world.ends[BACK].address_of(accepted), Some(address(8)));
}

#[test]
fn an_address_that_proves_nothing_is_left_again() {
    let (mut world, tunnel) = World::connected();
    let accepted = world.accepted();
    world.say(FRONT, tunnel, "diverted");
    let (_, to, bytes) = world.collect(FRONT).remove(0);
    world.deliver((address(66), to, bytes));
    assert_eq!(world.ends[BACK].address_of(accepted), Some(address(66)));
    world.pass_if(CHALLENGE_EXPIRES + Duration::from_millis(100), |_| true);
    assert_eq!(world.ends[BACK].address_of(accepted), Some(address(0)));
    world.assert_alive(tunnel);
}

#[test]
fn a_closed_tunnel_is_gone_at_both_ends_but_an_initiator_dials_again() {
    let (mut world, tunnel) = World::connected();
    let accepted = world.accepted();
    world.ends[FRONT].close(world.now, tunnel, CLOSE_DONE);
    world.run();
    assert_eq!(world.events(FRONT), [EndpointEvent::Closed { tunnel, reason: CloseReason::Local }]);
    let reason = CloseReason::Peer { code: CLOSE_DONE };
    assert_eq!(world.events(BACK), [EndpointEvent::Closed { tunnel: accepted, reason }]);
    assert_eq!((world.ends[FRONT].receivers.len(), world.ends[BACK].receivers.len()), (0, 0));

    let (mut world, tunnel) = World::connected();
    let accepted = world.accepted();
    world.ends[BACK].close(world.now, accepted, CLOSE_DONE);
    world.pass_if(Duration::from_secs(1), |_| true);
    let events = [EndpointEvent::Restarted { tunnel, reason }, EndpointEvent::Connected { tunnel }];
    assert_eq!(world.events(FRONT), events);
    world.assert_alive(tunnel);
}

#[test]
fn a_peer_that_breaks_the_protocol_is_closed() {
    let (mut world, tunnel) = World::connected();
    let accepted = world.accepted();
    world.carrier(FRONT, tunnel).queue_close(7);
    world.carrier(BACK, accepted).to_send.push_back(vec![1]);
    // A frame that stands for a broken rule, put in the place of data by hand.
    let mut payload = [0; 64];
    let mut writer = crate::tmp::frame_writer::FrameWriter::new(&mut payload);
    writer.put(&Frame::Stop { stream: StreamId::default(), code: 0 });
    let link = world.ends[FRONT].links.get_mut(tunnel.0).unwrap();
    let mut packet = [0; 9 + 64 + 16];
    packet[9..73].copy_from_slice(&payload);
    link.session.as_mut().unwrap().seal(world.now, 50, true, &mut packet);
    world.deliver((address(0), address(1), packet.to_vec()));
    assert_eq!(world.ends[BACK].counters().violations, 1);
    world.collect(BACK);
    let reason = CloseReason::Protocol;
    assert_eq!(world.events(BACK), [EndpointEvent::Closed { tunnel: accepted, reason }]);
}

#[test]
fn a_silent_peer_is_closed_in_the_end_by_the_acceptor_only() {
    let (mut world, _) = World::connected();
    let accepted = world.accepted();
    world.now += Duration::from_secs(601);
    world.run_if(|_| false);
    assert_eq!(world.events(BACK), [EndpointEvent::Closed { tunnel: accepted, reason: CloseReason::Silent }]);
    assert!(world.events(FRONT).is_empty());
    assert_eq!(world.ends[BACK].receivers.len(), 0);
}

#[test]
fn trains_have_equal_segments_and_only_the_last_is_shorter() {
    let (mut world, tunnel) = World::connected();
    let full = PAYLOAD_BYTES_BASE - 8;
    world.carrier(FRONT, tunnel).to_send.extend([full, full, 100, full].map(|len| vec![1; len]));
    let mut buffer = vec![0; 20_000];
    let mut trains = Vec::new();
    while let Some(train) = world.ends[FRONT].transmit(world.now, &mut buffer, 8, &mut Grants(Vec::new())) {
        trains.push((train.segment_bytes, train.segments(), train.bytes));
    }
    assert_eq!(trains, [(1200, 3, 2400 + 100 + 10 + 25), (1200, 1, 1200)]);
}

#[test]
fn a_damaged_init_of_the_right_length_is_dropped_before_any_key_exchange() {
    let mut world = World::new();
    world.dial();
    let (from, to, mut init) = world.collect(FRONT).remove(0);
    assert_eq!(init.len(), INIT_BYTES);
    init[300] ^= 1;
    world.deliver((from, to, init));
    assert_eq!(world.dropped(BACK, Dropped::BadHandshake), 1);
}

#[test]
fn deadlines_lead_through_a_whole_life_without_polling() {
    let (mut world, tunnel) = World::connected();
    let end = world.now + REKEY_AFTER * 2 + Duration::from_secs(10);
    let mut wakes = 0;
    while let Some(at) = world.ends.iter().filter_map(Endpoint::deadline).min().filter(|at| *at < end) {
        assert!(at > world.now || wakes == 0, "a deadline that was served lies ahead");
        world.now = at.max(world.now);
        world.run();
        wakes += 1;
    }
    assert_eq!(world.ends[BACK].counters().handshakes_done, 3);
    assert!(wakes < 12, "{wakes} wakes");
    world.assert_alive(tunnel);
}
