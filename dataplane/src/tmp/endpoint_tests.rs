//! Two endpoints that mean well: connecting, rekeying, roaming, restarting, closing.

use crate::time::Duration;
use crate::tmp::endpoint::{Endpoint, EndpointEvent};
use crate::tmp::endpoint_world::{BACK, FRONT, Grants, World, address, endpoint, options, peer};
use crate::tmp::error::CLOSE_DONE;
use crate::tmp::id::{PathId, PeerId};
use crate::tmp::limits::{
    DATA_BYTES_MIN, PAYLOAD_BYTES_BASE, PREVIOUS_KEYS_KEPT, REJECT_AFTER, REKEY_AFTER, SILENCE_BEFORE_INIT,
};
use crate::tmp::link::CloseReason;
use crate::tmp::packet::{DATA, INIT, RESET, RESP};
use crate::tmp::plain_carrier::PlainCarrier;

#[test]
fn a_tunnel_connects_and_carries_both_ways() {
    let (mut world, tunnel) = World::connected();
    world.assert_alive(tunnel);
    assert_eq!((world.kinds_sent(INIT), world.kinds_sent(RESP)), (1, 1));
    assert_eq!(world.ends[BACK].peer_of(world.accepted()), Some(PeerId(0)));
    assert_eq!(world.ends[FRONT].place_of(tunnel, PathId(0)), Some(address(1).into()));
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

/// [TMP-23] [TMP-62.2]
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

/// [TMP-61]
#[test]
fn init_is_repeated_until_the_peer_is_there() {
    let mut world = World::new();
    let tunnel = world.dial();
    world.pass_if(Duration::from_secs(30), |_| false);
    assert!((10..20).contains(&world.kinds_sent(INIT)));
    world.pass_if(Duration::from_secs(4), |_| true);
    world.assert_alive(tunnel);
}

/// [TMP-61.1]
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

/// [TMP-62.1]
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

/// [TMP-80] [TMP-82]
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
    let numbers: Vec<_> = world.carrier(BACK, accepted).seen.iter().map(|(_, number)| *number).collect();
    assert_eq!(numbers, (0..numbers.len() as u64).collect::<Vec<_>>(), "numbers go on over all keys");
}

/// [TMP-82.1]
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

/// [TMP-65.1]
#[test]
fn an_idle_tunnel_confirms_its_new_keys() {
    let (mut world, tunnel) = World::connected();
    world.pass_if(REKEY_AFTER + Duration::from_secs(1), |_| true);
    assert_eq!(world.ends[BACK].counters().handshakes_done, 2);
    world.pass_if(REJECT_AFTER - REKEY_AFTER, |_| true);
    world.assert_alive(tunnel);
}

/// [TMP-66] [TMP-80.1]
#[test]
fn streams_survive_a_path_that_is_gone_longer_than_the_keys_live() {
    let (mut world, tunnel) = World::connected();
    world.say(FRONT, tunnel, "into the dark");
    world.pass_if(REJECT_AFTER + Duration::from_secs(20), |_| false);
    world.pass_if(Duration::from_secs(4), |_| true);
    assert!(world.events(FRONT).is_empty() && world.events(BACK).is_empty(), "the session goes on");
    world.assert_alive(tunnel);
}

/// [TMP-83]
#[test]
fn silence_after_a_question_begins_a_handshake() {
    let (mut world, tunnel) = World::connected();
    world.say(FRONT, tunnel, "hello?");
    world.pass_if(SILENCE_BEFORE_INIT + Duration::from_millis(100), |bytes| bytes[0] != DATA);
    assert_eq!(world.ends[FRONT].counters().handshakes_done, 2);
}

/// [TMP-90.1] [TMP-92.1]
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

/// [TMP-66.1] [TMP-83]
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

/// [TMP-65]
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

/// [TMP-92.1]
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

/// [TMP-85] [TMP-86]
#[test]
fn roaming_follows_the_peer_after_a_proof() {
    let (mut world, tunnel) = World::connected();
    let accepted = world.accepted();
    world.at[FRONT] = address(8);
    world.say(FRONT, tunnel, "from elsewhere");
    let moved = world.collect(FRONT).remove(0);
    world.deliver(moved.clone());
    assert_eq!(world.ends[BACK].place_of(accepted, PathId(0)), Some(address(8).into()));
    assert_eq!(world.carrier(BACK, accepted).path_changes, 1);
    world.carrier(BACK, accepted).to_send.extend((0..20).map(|_| vec![0; 1000]));
    let bytes: usize = world.collect(BACK).iter().map(|datagram| datagram.2.len()).sum();
    assert!(bytes <= 3 * moved.2.len(), "three times what came, until proven");
    world.pass_if(Duration::from_secs(2), |_| true);
    assert_eq!(world.ends[BACK].counters().moves, 1);
    world.carrier(BACK, accepted).to_send.clear();
    world.run();
    world.assert_alive(tunnel);
    assert_eq!(world.ends[BACK].place_of(accepted, PathId(0)), Some(address(8).into()));
}

/// [TMP-50] [TMP-50.1]
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
fn a_silent_peer_is_closed_in_the_end_by_the_acceptor_only() {
    let (mut world, _) = World::connected();
    let accepted = world.accepted();
    world.now += Duration::from_secs(601);
    world.run_if(|_| false);
    assert_eq!(world.events(BACK), [EndpointEvent::Closed { tunnel: accepted, reason: CloseReason::Silent }]);
    assert!(world.events(FRONT).is_empty());
    assert_eq!(world.ends[BACK].receivers.len(), 0);
}

/// [TMP-24]
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

/// [TMP-80.1]
#[test]
fn when_keys_have_ended_the_carrier_does_not_keep_the_worker_awake() {
    let (mut world, tunnel) = World::connected();
    world.pass_if(REJECT_AFTER + Duration::from_secs(1), |_| false);
    world.carrier(FRONT, tunnel).wakes_at = Some(world.now);
    world.ends[FRONT].tick(world.now);
    assert!(world.ends[FRONT].deadline().is_some_and(|at| at > world.now));
}

#[test]
fn an_endpoint_may_be_made_on_one_thread_and_live_on_another() {
    const fn assert_send<T: Send>() {}
    assert_send::<Endpoint<PlainCarrier>>();
}
