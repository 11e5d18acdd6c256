//! Policies by tables, persistence and fail-over in virtual time.

use super::*;
use crate::dns::policy::model::Override;
use crate::dns::policy::rendezvous::server_hash;

const NOW_S: u64 = 1_000_000;

struct Bench {
    servers: Vec<Server>,
    hashes: Vec<u64>,
    figures: String,
    place: Place,
}

impl Bench {
    /// Servers `s0`, `s1` … each in a domain of its own, with one address of each family.
    fn new(count: usize) -> Self {
        let server = |at: usize| Server {
            name: format!("s{at}"),
            domain: format!("d{at}"),
            v4: vec![core::net::Ipv4Addr::new(192, 0, 2, at as u8)],
            v6: vec![format!("2001:db8::{at}").parse().unwrap()],
            v6_prefix: None,
            slow_start_s: 0,
            weight: 1.0,
            cost: 0.0,
            order: None,
        };
        let servers: Vec<Server> = (0..count).map(server).collect();
        let hashes = servers.iter().map(|server| server_hash(&server.name)).collect();
        Self { servers, hashes, figures: "{}".into(), place: Place::default() }
    }

    /// `states`: `u` up, `d` down, `?` never measured, `o` measured long ago; all at `NOW_S`.
    fn states(mut self, states: &str) -> Self {
        let one = |(at, state): (usize, char)| match state {
            'u' => Some(format!(r#""s{at}": {{"state": "up"}}"#)),
            'd' => Some(format!(r#""s{at}": {{"state": "down"}}"#)),
            'o' => Some(format!(r#""s{at}": {{"state": "up", "at": 1}}"#)),
            _ => None,
        };
        let servers: Vec<String> = states.chars().enumerate().filter_map(one).collect();
        self.figures = format!(r#"{{"at": {NOW_S}, "servers": {{{}}}}}"#, servers.join(","));
        self
    }

    fn decide_at(&self, policy: &Policy, client: &str, family: Family, now_s: u64, nonce: u64) -> Decision {
        let names: Vec<&str> = self.servers.iter().map(|server| server.name.as_str()).collect();
        let figures = Figures::read(&self.figures, &names, 0).unwrap();
        let grounds = Grounds {
            servers: &self.servers,
            hashes: &self.hashes,
            figures: &figures,
            place: self.place,
            client: Client::of(client.parse().unwrap()),
            family,
            now_s,
            nonce,
        };
        let mut decision = Decision::default();
        decide(policy, &grounds, &mut decision);
        decision
    }

    fn decide(&self, policy: &Policy) -> Decision {
        self.decide_at(policy, "198.51.100.7", Family::V4, NOW_S, 9)
    }

    fn chosen(&self, policy: &Policy) -> Vec<u16> {
        self.decide(policy).chosen.iter().map(|server| server.0).collect()
    }
}

fn policy(kind: Kind, members: u16) -> Policy {
    Policy {
        name: "web".into(),
        kind,
        members: (0..members).map(ServerId).collect(),
        ttl_s: 30,
        answers: 1,
        persistence: Persistence::Forever,
        stale_s: 60,
        when_all_down: WhenAllDown::All,
        unknown: Unknown::AfterUp,
    }
}

/// Every mix of states, under every word for the unknown and for "all down".
#[test]
fn the_rule_follows_from_states_and_words() {
    let fallback = WhenAllDown::Fallback(vec!["203.0.113.1".parse().unwrap()]);
    let cases = [
        ("uuu", Unknown::AfterUp, WhenAllDown::All, Rule::Policy, vec![0]),
        ("duu", Unknown::AfterUp, WhenAllDown::All, Rule::Policy, vec![1]),
        ("?uu", Unknown::AfterUp, WhenAllDown::All, Rule::Policy, vec![1]),
        ("?uu", Unknown::Up, WhenAllDown::All, Rule::Policy, vec![0]),
        ("?uu", Unknown::Down, WhenAllDown::All, Rule::Policy, vec![1]),
        ("ouu", Unknown::AfterUp, WhenAllDown::All, Rule::Policy, vec![1]),
        ("???", Unknown::AfterUp, WhenAllDown::All, Rule::AmongUnknown, vec![0]),
        ("d?d", Unknown::AfterUp, WhenAllDown::All, Rule::AmongUnknown, vec![1]),
        ("dod", Unknown::AfterUp, WhenAllDown::ServFail, Rule::AmongUnknown, vec![1]),
        ("???", Unknown::Up, WhenAllDown::ServFail, Rule::Policy, vec![0]),
        ("???", Unknown::Down, WhenAllDown::All, Rule::AllDownAll, vec![0]),
        ("???", Unknown::Down, WhenAllDown::ServFail, Rule::AllDownServFail, vec![]),
        ("ddd", Unknown::AfterUp, WhenAllDown::All, Rule::AllDownAll, vec![0]),
        ("ddd", Unknown::Up, WhenAllDown::Nothing, Rule::AllDownNothing, vec![]),
        ("ddd", Unknown::AfterUp, fallback, Rule::AllDownFallback, vec![]),
    ];
    for (states, unknown, when_all_down, rule, chosen) in cases {
        let policy = Policy { unknown, when_all_down: when_all_down.clone(), ..policy(Kind::Failover, 3) };
        let bench = Bench::new(3).states(states);
        let what = format!("{states} {unknown:?} {when_all_down:?}");
        assert_eq!(bench.decide(&policy).rule, rule, "{what}");
        assert_eq!(bench.chosen(&policy), chosen, "{what}");
    }
}

#[test]
fn the_best_score_wins_and_small_differences_do_not_count() {
    let mut bench = Bench::new(4);
    let figures = |latency: [f64; 4], rest: &str| {
        let one = |(at, ms): (usize, f64)| {
            format!(r#"{{"network": "198.51.100.0/24", "from": "s{at}", "ms": {ms}}}"#)
        };
        let latency: Vec<String> = latency.into_iter().enumerate().map(one).collect();
        let up: Vec<String> = (0..4)
            .map(|at| format!(r#""s{at}": {{"state": "up"{}}}"#, if at == 0 { rest } else { "" }))
            .collect();
        format!(r#"{{"at": {NOW_S}, "servers": {{{}}}, "latency": [{}]}}"#, up.join(","), latency.join(","))
    };
    let best = policy(Kind::Best(Rules::default()), 4);
    bench.figures = figures([10.0, 30.0, 50.0, 90.0], "");
    assert_eq!(bench.chosen(&best), [0]);
    let decision = bench.decide(&best);
    assert_eq!(
        (decision.scope, decision.judged[1].fate, decision.judged[3].score.unwrap().total_ms),
        (24, Fate::Worse, 90.0)
    );
    // Half loaded counts 50 ms, five per cent of loss as much again.
    bench.figures = figures([10.0, 30.0, 50.0, 90.0], r#", "load": 0.5, "loss": 0.05"#);
    assert_eq!(bench.chosen(&best), [1]);
    assert_eq!(bench.decide(&best).judged[0].score.unwrap().total_ms, 110.0);
    bench.servers[3].weight = 10.0;
    assert_eq!(bench.chosen(&best), [3], "looks ten times nearer");
    bench.servers[3].cost = 50.0;
    let costly = policy(Kind::Best(Rules { cost_ms: 10.0, ..Rules::default() }), 4);
    assert_eq!(bench.chosen(&costly), [1]);
    // Four that are as good: networks are shared out among them, each staying with its own.
    bench = Bench::new(4);
    bench.figures = figures([10.0, 11.0, 12.0, 13.0], "");
    let mut seen = [0; 4];
    for host in 0..200 {
        let client = format!("198.51.{host}.7");
        let choose = |nonce| bench.decide_at(&best, &client, Family::V4, NOW_S, nonce).chosen[0];
        assert_eq!(choose(1), choose(2));
        seen[usize::from(choose(1).0)] += 1;
    }
    assert!(seen.iter().all(|count| *count > 20), "{seen:?}");
}

#[test]
fn places_have_their_lists() {
    let rule = |place: &str, members: &[u16]| GeoRule { place: place.into(), members: members.to_vec() };
    let geo = policy(Kind::Geo(vec![rule("DE", &[2]), rule("EU", &[1, 2]), rule("*", &[0])]), 4);
    let bench = |states: &str, country: &[u8; 2], continent: &[u8; 2]| {
        let place = Place { country: Some(*country), continent: Some(*continent), bits: 20 };
        Bench { place, ..Bench::new(4).states(states) }
    };
    assert_eq!(bench("uuuu", b"DE", b"EU").chosen(&geo), [2]);
    assert_eq!(bench("uudu", b"DE", b"EU").chosen(&geo), [1], "the continent's next");
    assert_eq!(bench("uddu", b"DE", b"EU").chosen(&geo), [0], "everybody's");
    assert_eq!(bench("uuuu", b"US", b"NA").chosen(&geo), [0]);
    let decision = bench("uuuu", b"FR", b"EU").decide(&geo);
    assert_eq!(
        (decision.chosen[0], decision.scope, decision.judged[3].fate),
        (ServerId(1), 20, Fate::Elsewhere)
    );
    assert_eq!(Bench::new(4).states("uuuu").chosen(&geo), [0], "nobody knows where");
}

#[test]
fn static_names_have_all_and_several_answers_are_spread() {
    let all = Policy { answers: 3, ..policy(Kind::Static, 3) };
    assert_eq!(Bench::new(3).states("d?u").chosen(&all), [0, 1, 2]);
    let mut bench = Bench::new(5).states("uuuuu");
    for (server, domain) in [(0, "a"), (1, "a"), (2, "a"), (3, "b"), (4, "a")] {
        bench.servers[server].domain = domain.into();
    }
    let two = Policy { answers: 2, ..policy(Kind::Failover, 5) };
    let decision = bench.decide(&two);
    assert_eq!(decision.chosen, [ServerId(0), ServerId(3)]);
    assert_eq!((decision.judged[1].fate, decision.judged[4].fate), (Fate::SameDomain, Fate::Behind));
    let four = Policy { answers: 4, ..policy(Kind::Failover, 5) };
    assert_eq!(bench.chosen(&four), [0, 3, 1, 2], "no more domains: the rest in order");
}

#[test]
fn orders_count_more_than_figures_and_end() {
    let order = |action, until_s| Some(Override { action, reason: "r".into(), until_s, by_uid: None });
    let mut bench = Bench::new(3).states("udu");
    let first = policy(Kind::Failover, 3);
    bench.servers[0].order = order(Action::Drain, Some(NOW_S + 1));
    assert_eq!(bench.chosen(&first), [2]);
    bench.servers[1].order = order(Action::Up, None);
    assert_eq!(bench.chosen(&first), [1]);
    bench.servers[1].order = order(Action::Down, None);
    bench.servers[2].order = order(Action::Down, None);
    let decision = bench.decide(&first);
    assert_eq!((decision.rule, decision.chosen.len()), (Rule::AllDownAll, 1));
    let later = bench.decide_at(&first, "198.51.100.7", Family::V4, NOW_S + 1, 9);
    assert_eq!((later.rule, later.chosen[0]), (Rule::Policy, ServerId(0)), "the drain has ended");
}

#[test]
fn a_family_without_addresses_is_answered_with_none() {
    let mut bench = Bench::new(2).states("uu");
    bench.servers.iter_mut().for_each(|server| server.v6.clear());
    let decision = bench.decide_at(&policy(Kind::Weighted, 2), "198.51.100.7", Family::V6, NOW_S, 9);
    assert_eq!(
        (decision.rule, decision.chosen.len(), decision.judged[0].fate),
        (Rule::Policy, 0, Fate::NoAddress)
    );
}

#[test]
fn a_clock_that_jumps_makes_nobody_silent() {
    let bench = Bench::new(3).states("udu");
    let first = policy(Kind::Failover, 3);
    for now_s in [0, 1, NOW_S - 5_000, NOW_S + 61, NOW_S + 1_000_000_000, u64::MAX] {
        let decision = bench.decide_at(&first, "198.51.100.7", Family::V4, now_s, 9);
        assert_eq!(decision.chosen.len(), 1, "at {now_s}");
    }
    let back = bench.decide_at(&first, "198.51.100.7", Family::V4, 5, 9);
    assert_eq!(back.judged[1].standing, Standing::Down(0), "what was measured in the future is new");
}

#[test]
fn without_persistence_every_answer_is_drawn() {
    let bench = Bench::new(3).states("uuu");
    let drawn = Policy { persistence: Persistence::Off, ..policy(Kind::Weighted, 3) };
    let mut seen = [0; 3];
    for nonce in 0..300 {
        let decision = bench.decide_at(
            &drawn,
            "198.51.100.7",
            Family::V4,
            NOW_S,
            crate::dns::policy::rendezvous::mixed(nonce, 7),
        );
        assert_eq!(decision.scope, 0);
        seen[usize::from(decision.chosen[0].0)] += 1;
    }
    assert!(seen.iter().all(|count| *count > 60), "{seen:?}");
}

/// 1,000 clients and 20 POPs over a simulated day: POPs go and come back; after every change only the clients of the POPs
/// that went have moved, and those of the POPs that came back have returned; nobody is ever sent to one that is down.
#[test]
fn only_those_move_whose_choice_is_down() {
    let weighted = policy(Kind::Weighted, 20);
    let client = |at: u32| format!("10.{}.{}.9", at >> 8, at & 255);
    let mut down = [false; 20];
    let mut seed = 42u64;
    let mut choices: Vec<u16> = Vec::new();
    let home: Vec<u16> = choose_all(&weighted, &[false; 20], client);
    for hour in 0..24 {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let pop = (seed >> 40) as usize % 20;
        down[pop] = !down[pop];
        let now = choose_all(&weighted, &down, client);
        for at in 0..1_000 {
            assert!(!down[usize::from(now[at])], "hour {hour}: client {at} is sent to a POP that is down");
            if !down[usize::from(home[at])] {
                assert_eq!(now[at], home[at], "hour {hour}: client {at} is not at home though it is up");
            }
            if let Some(before) = choices.get(at).filter(|before| !down[usize::from(**before)]) {
                let has_returned = now[at] == pop as u16 && !down[pop];
                assert!(now[at] == *before || has_returned, "hour {hour}: client {at} moved for nothing");
            }
        }
        choices = now;
    }
}

fn choose_all(policy: &Policy, down: &[bool; 20], client: impl Fn(u32) -> String) -> Vec<u16> {
    let states: String = down.iter().map(|down| if *down { 'd' } else { 'u' }).collect();
    let bench = Bench::new(20).states(&states);
    let names: Vec<&str> = bench.servers.iter().map(|server| server.name.as_str()).collect();
    let figures = Figures::read(&bench.figures, &names, 0).unwrap();
    let mut decision = Decision::default();
    let choose = |at| {
        let grounds = Grounds {
            servers: &bench.servers,
            hashes: &bench.hashes,
            figures: &figures,
            place: Place::default(),
            client: Client::of(client(at).parse().unwrap()),
            family: Family::V4,
            now_s: NOW_S,
            nonce: u64::from(at),
        };
        decide(policy, &grounds, &mut decision);
        decision.chosen[0].0
    };
    (0..1_000).map(choose).collect()
}

#[test]
fn who_starts_slowly_grows_with_the_time_it_is_known_to_serve() {
    let mut bench = Bench::new(2).states("uu");
    bench.servers[0].slow_start_s = 600;
    bench.servers[0].weight = 2.0;
    let best = policy(Kind::Best(Rules::default()), 2);
    let weight = |bench: &Bench, since_s: Option<u64>| {
        let health = Health { up_since_s: since_s, ..Health::default() };
        weight_now(&bench.servers[0], Standing::Up(0), health, NOW_S)
    };
    // Whose beginning nobody has seen has all of it.
    for (up_for_s, due) in
        [(None, 2.0), (Some(0), 0.2), (Some(300), 1.1), (Some(600), 2.0), (Some(9_000), 2.0)]
    {
        let weight = weight(&bench, up_for_s.map(|up_for_s| NOW_S - up_for_s));
        assert!((weight - due).abs() < 1e-6, "{up_for_s:?}: {weight}");
    }
    let ordered = Health { up_since_s: Some(NOW_S), ..Health::default() };
    assert_eq!(weight_now(&bench.servers[0], Standing::OrderedUp, ordered, NOW_S), 2.0);
    bench.servers[0].slow_start_s = 0;
    assert_eq!(weight(&bench, Some(NOW_S)), 2.0);

    // In a decision: as far as the other, it seems ten times as far at first, and half as far in the end.
    bench.servers[0].slow_start_s = 600;
    let names: Vec<&str> = bench.servers.iter().map(|server| server.name.as_str()).collect();
    for (up_for_s, chosen) in [(0, 1), (120, 1), (600, 0)] {
        let up = Figure { value: true, at_s: NOW_S };
        let health = |since_s| Health { is_up: Some(up), up_since_s: Some(since_s), ..Health::default() };
        let health = vec![health(NOW_S - up_for_s), health(1)];
        let reported = crate::dns::policy::figures::Reported { health, ..Default::default() };
        let figures = Figures::read("{}", &names, 0).unwrap().with_reported(std::sync::Arc::new(reported));
        let grounds = Grounds {
            servers: &bench.servers,
            hashes: &bench.hashes,
            figures: &figures,
            place: Place::default(),
            client: Client::of("198.51.100.7".parse().unwrap()),
            family: Family::V4,
            now_s: NOW_S,
            nonce: 9,
        };
        let mut decision = Decision::default();
        decide(&best, &grounds, &mut decision);
        assert_eq!(decision.chosen, [ServerId(chosen)], "{up_for_s}");
        assert_eq!(decision.judged[1].weight, 1.0);
    }
}
