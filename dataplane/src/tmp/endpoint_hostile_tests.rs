//! What strangers, replays, floods and bad luck may do to an endpoint: nothing that lasts.

use crate::time::Duration;
use crate::tmp::carrier::Ecn;
use crate::tmp::counters::Dropped;
use crate::tmp::endpoint::{EndpointEvent, PeerOptions, Refused};
use crate::tmp::endpoint_world::{BACK, FRONT, Grants, World, address, endpoint, key, options, peer};
use crate::tmp::frame::Frame;
use crate::tmp::frame_writer::FrameWriter;
use crate::tmp::id::{PathId, PeerId, StreamId};
use crate::tmp::limits::{
    CHALLENGE_EXPIRES, INITS_PER_SECOND_UNPROVEN, RESETS_PER_SECOND_MAX, UNCONFIRMED_KEPT,
};
use crate::tmp::link::CloseReason;
use crate::tmp::packet::{COOKIE, DATA, INIT, INIT_BYTES, RESET, RESP};

/// [TMP-60] [TMP-63.1] [TMP-63.2]
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
    let own = PeerOptions::new(key(FRONT as u64).public(), None);
    assert_eq!(world.ends[FRONT].add_peer(own), Err(Refused::BadKey));
    assert_eq!(world.ends[FRONT].add_peer(peer(BACK, 5)), Err(Refused::BadKey));
    assert_eq!(world.ends[BACK].connect(world.now, PeerId(0)), Err(Refused::NoAddress));
    for _ in 0..4 {
        world.dial();
    }
    assert_eq!(world.ends[FRONT].connect(world.now, PeerId(0)), Err(Refused::Full));
}

#[test]
fn a_peer_that_is_allowed_no_more_keeps_its_tunnel_and_gets_no_other() {
    let (mut world, tunnel) = World::connected();
    world.ends[BACK].allow(PeerId(0), false);
    world.assert_alive(tunnel);
    world.dial();
    world.run();
    assert_eq!(world.dropped(BACK, Dropped::NotAllowed), 1);
    world.ends[BACK].allow(PeerId(0), true);
    world.dial();
    world.run();
    assert_eq!(world.dropped(BACK, Dropped::NotAllowed), 1);
}

/// [TMP-64]
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

/// [TMP-64.1]
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

/// [TMP-70] [TMP-71.3]
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

/// [TMP-10.1] [TMP-84]
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

/// [TMP-84] [TMP-85]
#[test]
fn duplicates_are_counted_and_do_not_move_the_address() {
    let (mut world, tunnel) = World::connected();
    world.assert_alive(tunnel);
    let (_, to, bytes) = world.sent.iter().rfind(|d| d.2[0] == DATA && d.1 == address(1)).unwrap().clone();
    world.deliver((address(9), to, bytes));
    assert_eq!(world.dropped(BACK, Dropped::Duplicate), 1);
    assert_eq!(world.ends[BACK].place_of(world.accepted(), PathId(0)), Some(address(0).into()));
}

/// [TMP-92]
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

/// [TMP-91] [TMP-91.1]
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

/// [TMP-86.1]
#[test]
fn an_address_that_proves_nothing_is_left_again() {
    let (mut world, tunnel) = World::connected();
    let accepted = world.accepted();
    world.say(FRONT, tunnel, "diverted");
    let (_, to, bytes) = world.collect(FRONT).remove(0);
    world.deliver((address(66), to, bytes));
    assert_eq!(world.ends[BACK].place_of(accepted, PathId(0)), Some(address(66).into()));
    world.pass_if(CHALLENGE_EXPIRES + Duration::from_millis(100), |_| true);
    assert_eq!(world.ends[BACK].place_of(accepted, PathId(0)), Some(address(0).into()));
    world.assert_alive(tunnel);
}

/// [TMP-40.1]
#[test]
fn a_peer_that_breaks_the_protocol_is_closed() {
    let (mut world, tunnel) = World::connected();
    let accepted = world.accepted();
    // A frame that stands for a broken rule, put in the place of data by hand.
    let mut payload = [0; 64];
    let mut writer = FrameWriter::new(&mut payload);
    writer.put(&Frame::Stop { stream: StreamId::default(), code: 0 });
    let link = world.ends[FRONT].links.get_mut(tunnel.0).unwrap();
    let mut packet = [0; 9 + 64 + 16];
    packet[9..73].copy_from_slice(&payload);
    link.session.as_mut().unwrap().seal(world.now, (PathId(0), 50), true, &mut packet);
    world.deliver((address(0), address(1), packet.to_vec()));
    assert_eq!(world.ends[BACK].counters().violations, 1);
    world.collect(BACK);
    let reason = CloseReason::Protocol;
    assert_eq!(world.events(BACK), [EndpointEvent::Closed { tunnel: accepted, reason }]);
}

/// [TMP-63.1]
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
