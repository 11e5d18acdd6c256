//! Who is sent on, by tables and at random.

use super::*;
use crate::dns::policy::figures::{Figure, Figures, Reported};
use crate::dns::policy::model::{
    Action, Kind, Override, Persistence, Policy, Rules, Server, Unknown, WhenAllDown,
};
use core::net::Ipv4Addr;
use dataplane::stdx::prng::Prng;
use std::sync::Arc;

const NOW_S: u64 = 1_000_000;
const CLIENT: &str = "198.51.100.7";

/// Servers `s0`, `s1` …, all members of one policy.
fn steering(count: u16, figures: &str) -> Steering {
    let server = |at: u16| Server {
        name: format!("s{at}"),
        domain: format!("d{at}"),
        v4: vec![Ipv4Addr::new(192, 0, 2, at as u8)],
        v6: vec![format!("2001:db8::{at}").parse().unwrap()],
        v6_prefix: None,
        slow_start_s: 0,
        weight: 1.0,
        cost: 0.0,
        order: None,
    };
    let servers: Vec<Server> = (0..count).map(server).collect();
    let policy = Policy {
        name: "web".into(),
        kind: Kind::Best(Rules::default()),
        members: (0..count).map(ServerId).collect(),
        ttl_s: 30,
        answers: 1,
        persistence: Persistence::Forever,
        stale_s: 60,
        when_all_down: WhenAllDown::All,
        unknown: Unknown::AfterUp,
    };
    let names: Vec<&str> = servers.iter().map(|server| server.name.as_str()).collect();
    let figures = Figures::read(figures, &names, NOW_S).unwrap();
    Steering::new(servers, vec![policy], None).with_figures(figures)
}

fn terms(own: u16, count: u16) -> Terms {
    Terms { policy: 0, own: ServerId(own), targets: (0..count).map(ServerId).collect(), better_by_ms: 50.0 }
}

/// `s0` is here; states as `u`p, `d`own, `o`ld, `?`; latencies in ms, negative: unknown.
fn figures(states: &str, ms: &[i32]) -> String {
    let state = |(at, state): (usize, char)| match state {
        'u' => Some(format!(r#""s{at}": {{"state": "up"}}"#)),
        'd' => Some(format!(r#""s{at}": {{"state": "down"}}"#)),
        'o' => Some(format!(r#""s{at}": {{"state": "up", "at": 1}}"#)),
        _ => None,
    };
    let states: Vec<String> = states.chars().enumerate().filter_map(state).collect();
    let latency = |(at, ms): (usize, &i32)| {
        (*ms >= 0).then(|| format!(r#"{{"network": "198.51.100.0/24", "from": "s{at}", "ms": {ms}}}"#))
    };
    let latencies: Vec<String> = ms.iter().enumerate().filter_map(latency).collect();
    format!(r#"{{"at": {NOW_S}, "servers": {{{}}}, "latency": [{}]}}"#, states.join(","), latencies.join(","))
}

fn verdict(steering: &Steering, held: Option<u16>) -> Verdict {
    let client = Client::of(CLIENT.parse().unwrap());
    judge(steering, &terms(0, 3), client, held, NOW_S, &mut Decision::default())
}

#[test]
fn only_what_is_known_and_better_moves_anybody() {
    use Verdict::{Here, There};
    let cases: [(&str, [i32; 3], Option<u16>, Verdict); 16] = [
        ("uuu", [100, 20, 30], None, There(1)),
        ("uuu", [100, 51, 60], None, Here(Why::NotBetter)),
        ("uuu", [100, 50, 60], None, There(1)),
        // Half as much keeps who was sent.
        ("uuu", [100, 75, 80], Some(1), There(1)),
        ("uuu", [100, 76, 80], Some(1), Here(Why::NotBetter)),
        ("uuu", [100, 40, 30], Some(1), There(1)),
        ("uuu", [100, 40, 10], Some(1), There(2)),
        // What is down, old or unknown is nobody's target.
        ("udu", [100, 20, 30], None, There(2)),
        ("udo", [100, 20, 30], Some(1), Here(Why::NoTarget)),
        ("u?u", [100, 20, -1], None, Here(Why::NoTarget)),
        // Who does not know where he stands sends nobody on; who is down does.
        ("ouu", [100, 20, 30], None, Here(Why::OwnUnknown)),
        ("?uu", [100, 20, 30], None, Here(Why::OwnUnknown)),
        ("uuu", [-1, 20, 30], None, Here(Why::OwnUnknown)),
        ("duu", [10, 20, 30], None, There(1)),
        ("ddd", [10, 20, 30], None, Here(Why::NobodyKnown)),
        ("???", [100, 20, 30], None, Here(Why::NobodyKnown)),
    ];
    for (states, ms, held, due) in cases {
        assert_eq!(verdict(&steering(3, &figures(states, &ms)), held), due, "{states} {ms:?} {held:?}");
    }
    let steering = steering(3, &figures("uuu", &[100, 20, 30]));
    let elsewhere = Terms { own: ServerId(9), ..terms(0, 3) };
    let client = Client::of(CLIENT.parse().unwrap());
    let said = judge(&steering, &elsewhere, client, None, NOW_S, &mut Decision::default());
    assert_eq!(said, Here(Why::NoMember));
    assert!(said != There(0) && Why::NoMember.words().contains("no member"));
}

#[test]
fn orders_and_soured_ways_count() {
    let steering = steering(3, &figures("uuu", &[10, 20, 200]));
    assert_eq!(verdict(&steering, None), Verdict::Here(Why::NotBetter));
    let drained = steering.with_orders(|name| {
        (name == "s0").then(|| Override {
            action: Action::Drain,
            reason: "x".into(),
            until_s: None,
            by_uid: None,
        })
    });
    assert_eq!(verdict(&drained, None), Verdict::There(1));
    let sour = |place: usize| {
        let mut health = vec![Default::default(); 3];
        let soured = Some(Figure { value: true, at_s: NOW_S });
        health[place] = crate::dns::policy::figures::Health { soured, ..Default::default() };
        Arc::new(Reported { health, ..Reported::default() })
    };
    assert_eq!(verdict(&drained.with_reported(sour(1)), Some(1)), Verdict::There(2), "never to a soured way");
    assert_eq!(verdict(&steering.with_reported(sour(0)), None), Verdict::There(1), "away from it");
}

#[test]
fn a_table_finds_what_a_judgement_says() {
    let text = format!(
        r#"{{"at": {NOW_S}, "servers": {{"s0": {{"state": "up"}}, "s1": {{"state": "up"}}, "s2": {{"state": "up"}}}},
            "latency": [{{"network": "10.0.0.0/8", "from": "s0", "ms": 100}}, {{"network": "10.0.0.0/8", "from": "s1", "ms": 10}},
                        {{"network": "10.1.0.0/16", "from": "s0", "ms": 10}}, {{"network": "10.1.0.0/16", "from": "s1", "ms": 100}},
                        {{"network": "10.2.0.0/16", "from": "s1", "ms": 1}},
                        {{"network": "192.0.2.0/24", "from": "s0", "ms": 1}}, {{"network": "192.0.2.0/24", "from": "s1", "ms": 1}},
                        {{"network": "2001:db8::/56", "from": "s0", "ms": 99}}, {{"network": "2001:db8::/56", "from": "s2", "ms": 9}}]}}"#
    );
    let steering = steering(3, &text);
    let made = table(&steering, &terms(0, 3), &Prefixes::default(), NOW_S).unwrap();
    for (client, due) in [
        ("10.9.9.9", Some(1)),
        ("10.1.2.3", None),
        // Nobody knows how far it is from here, so that it stays, whatever the larger network says.
        ("10.2.0.1", None),
        ("192.0.2.7", None),
        ("2001:db8::1", Some(2)),
        ("203.0.113.1", None),
    ] {
        assert_eq!(made.find(client.parse().unwrap()).copied().flatten(), due, "{client}");
    }
    // What is served here anyway needs no entry.
    assert_eq!(made.len(), 4);
}

/// Figures that wander and servers that come and go, for a day: every verdict keeps its promises, and who wavers within the
/// hysteresis is moved by nothing.
#[test]
fn a_day_of_figures_at_random_breaks_no_promise() {
    let mut random = Prng::new(84);
    let (mut moves, mut held): (u32, Option<u16>) = (0, None);
    for minute in 0..1_440 {
        let states: String =
            (0..3).map(|_| ['u', 'u', 'u', 'u', 'd', '?'][random.below(6) as usize]).collect();
        let ms = [80 + random.below(24) as i32, 20 + random.below(24) as i32, random.below(400) as i32 - 40];
        let steering = steering(3, &figures(&states, &ms));
        let said = verdict(&steering, held);
        let state = |at: u16| states.as_bytes()[usize::from(at)];
        match said {
            Verdict::There(to) => {
                let gain = f32::from(ms[0] as i16) - f32::from(ms[usize::from(to)] as i16);
                let due = if held == Some(to) { 25.0 } else { 50.0 };
                assert!(
                    to != 0 && state(to) == b'u' && ms[usize::from(to)] >= 0,
                    "{minute}: {states} {ms:?}"
                );
                assert!(state(0) == b'd' || state(0) == b'u' && gain >= due, "{minute}: {states} {ms:?}");
            }
            Verdict::Here(Why::NotBetter) => assert_eq!(state(0), b'u'),
            Verdict::Here(_) => {}
        }
        held = if let Verdict::There(to) = said { Some(to) } else { None };
        // Without faults, around the limit: 50 ms ± 12.
        let wavering = [100, 50 + random.below(24) as i32 - 12, 300];
        let calm = verdict(&super::tests::steering(3, &figures("uuu", &wavering)), Some(1));
        moves += u32::from(calm != Verdict::There(1));
    }
    assert_eq!(moves, 0, "within the hysteresis nobody moves");
}

/// As much as one front-end tells of at most, before twenty POPs; prints what the table costs.
#[test]
fn a_front_ends_own_networks_make_a_table() {
    const NETWORKS: u32 = 20_000;
    let one = |network: u32, from: u32, ms: u32| {
        let base = Ipv4Addr::from(10 << 24 | network << 8);
        format!(r#"{{"network": "{base}/24", "from": "s{from}", "ms": {ms}}}"#)
    };
    let latencies = (0..NETWORKS)
        .flat_map(|network| [one(network, 0, 90), one(network, 1 + network % 19, 1 + network % 60)]);
    let up: Vec<String> = (0..20).map(|at| format!(r#""s{at}": {{"state": "up"}}"#)).collect();
    let latencies: Vec<String> = latencies.collect();
    let text = format!(
        r#"{{"at": {NOW_S}, "servers": {{{}}}, "latency": [{}]}}"#,
        up.join(","),
        latencies.join(",")
    );
    let steering = steering(20, &text);
    let begun = std::time::Instant::now();
    let made = table(&steering, &terms(0, 20), &Prefixes::default(), NOW_S).unwrap();
    println!("a table of {NETWORKS} networks and 20 POPs: {} ms", begun.elapsed().as_millis());
    let near = (0..NETWORKS).filter(|network| network % 60 < 40).count();
    assert_eq!(made.len(), near);
}
