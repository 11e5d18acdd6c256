//! Reports in order and out of it: forged, replayed, old, of the future, by nodes that may not; probes that lie; restarts.

use super::*;
use crate::dns::policy::figures::{Basis, Figures};
use crate::dns::policy::forecast::Told;
use crate::report::expected::ExpectedTarget;
use crate::report::findings;
use crate::report::kept;
use crate::report::key::{ReportKey, Secret};
use crate::report::poll::Rules;
use crate::report::shown;
use crate::report::wire::{LatencyEntry, ReportWriter};
use std::sync::Arc;

const NODES: [&str; 5] = ["p0", "p1", "p2", "front", "idle"];
const NOW_US: u64 = 1_800_000_000_000_000;
const STALE_US: u64 = 5_000_000;

fn key(node: &str) -> ReportKey {
    Secret::new([9; 32]).of_node(node)
}

/// Three probers look at `web` of server 0; `front` is server 1.
fn expected() -> Expected {
    let node = |name: &&str| ExpectedNode {
        name: (*name).to_owned(),
        key: Some(key(name)),
        is_front: *name == "front",
        server: (*name == "front").then_some(1),
        asked_at: (*name == "front" || *name == "p0").then(|| ([127, 0, 0, 1], 7355).into()),
    };
    let rules = Rules { quorum: 0, stale_us: STALE_US };
    let target = ExpectedTarget { name: "web".into(), server: Some(0), lookers: vec![0, 1, 2], rules };
    Expected {
        nodes: NODES.iter().map(node).collect(),
        targets: vec![target],
        servers: vec!["own".into(), "front".into()],
        ..Expected::default()
    }
}

fn target(is_up: bool) -> Entry {
    Entry::Target(TargetEntry {
        target: "web".into(),
        is_up,
        cause: if is_up { 0 } else { Cause::Refused as u8 },
        age_ms: 10,
        total_us: 3_000,
        connect_us: 1_000,
        load: Some(0.25),
        lag_s: None,
    })
}

fn tunnel(to: &str) -> TunnelEntry {
    TunnelEntry {
        to: to.into(),
        is_up: true,
        rtt_us: 40_000,
        queue_us: 0,
        sent: 100,
        lost: 0,
        peer_loss_ppm: 0,
        headroom_kbps: 0,
    }
}

struct World {
    ledger: Ledger,
    now_us: u64,
    sequence: u64,
}

impl World {
    fn new() -> Self {
        Self { ledger: Ledger::new(expected()), now_us: NOW_US, sequence: 0 }
    }

    fn datagram(&mut self, node: &str, entries: &[Entry]) -> Vec<u8> {
        self.sequence += 1;
        let (speaker, boot_us) = (Speaker::Prober, NOW_US - 60_000_000);
        let head = Head { speaker, node, boot_us, sequence: self.sequence, at_us: self.now_us };
        signed(&head, &key(node), entries)
    }

    fn say(&mut self, node: &str, entries: &[Entry]) -> Result<bool, Refusal> {
        let datagram = self.datagram(node, entries);
        self.ledger.take(&datagram, self.now_us)
    }

    fn verdict(&self) -> Option<bool> {
        self.ledger.polls()[0].verdict
    }

    fn refused(&self, node: &str, reason: Refusal) -> u64 {
        let place = NODES.iter().position(|known| *known == node).unwrap();
        self.ledger.nodes()[place].refused[reason as usize]
    }

    fn words(&self) -> String {
        findings::sources(&self.ledger, self.now_us).concat().join("\n")
    }
}

fn signed(head: &Head<'_>, key: &ReportKey, entries: &[Entry]) -> Vec<u8> {
    let mut writer = ReportWriter::new(head);
    assert!(entries.iter().all(|entry| writer.put(entry)));
    writer.finish(key)
}

#[test]
fn what_is_not_in_order_is_refused_and_counted_by_reason() {
    let mut world = World::new();
    let good = world.datagram("p0", &[target(true)]);
    assert_eq!(world.ledger.take(&good, world.now_us), Ok(true));
    assert_eq!(world.ledger.take(&good, world.now_us), Err(Refusal::Replayed));
    let (speaker, boot_us) = (Speaker::Prober, NOW_US - 60_000_000);
    let head = Head { speaker, node: "p0", boot_us, sequence: 50, at_us: NOW_US };
    let cases = [
        (signed(&head, &key("p1"), &[target(false)]), Refusal::Forged),
        (signed(&Head { at_us: NOW_US + 6_000_000, ..head }, &key("p0"), &[]), Refusal::Future),
        (signed(&Head { boot_us: NOW_US + 5_000_001, ..head }, &key("p0"), &[]), Refusal::Future),
        (signed(&Head { at_us: NOW_US - 31_000_000, ..head }, &key("p0"), &[]), Refusal::Old),
        (signed(&Head { boot_us: head.boot_us - 1, ..head }, &key("p0"), &[]), Refusal::EarlierBoot),
    ];
    for (datagram, refusal) in cases {
        assert_eq!(world.ledger.take(&datagram, NOW_US), Err(refusal));
    }
    let counted = [Refusal::Forged, Refusal::Future, Refusal::Old, Refusal::Replayed, Refusal::EarlierBoot];
    assert_eq!(counted.map(|reason| world.refused("p0", reason)), [1, 2, 1, 1, 1]);
    let stranger = signed(&Head { node: "nobody", ..head }, &key("nobody"), &[target(false)]);
    assert_eq!(world.ledger.take(&stranger, NOW_US), Err(Refusal::Stranger));
    assert_eq!(world.ledger.take(b"hello", NOW_US), Err(Refusal::Malformed));
    let refused = world.ledger.refused();
    assert_eq!((refused[Refusal::Stranger as usize], refused[Refusal::Malformed as usize]), (1, 1));
    assert_eq!(world.verdict(), Some(true), "nothing of all that counts");
}

#[test]
fn nobody_says_what_is_not_his_to_say() {
    let mut world = World::new();
    assert_eq!(world.say("idle", &[target(false)]), Err(Refusal::NotAllowed), "it does not look at this");
    assert_eq!(
        world.say("p0", &[Entry::Tunnel(tunnel("home"))]),
        Err(Refusal::NotAllowed),
        "it is no front-end"
    );
    let latency = LatencyEntry { network: "192.0.2.0/24".parse().unwrap(), rtt_us: 1, count: 1 };
    assert_eq!(world.say("p0", &[Entry::Latency(latency)]), Err(Refusal::NotAllowed));
    let Entry::Target(unknown) = target(true) else { panic!("a target") };
    let unknown = Entry::Target(TargetEntry { target: "none".into(), ..unknown });
    assert_eq!(world.say("p0", &[unknown, target(true)]), Ok(true), "the good part counts");
    assert_eq!((world.refused("p0", Refusal::NotAllowed), world.verdict()), (3, Some(true)));
    let Entry::Target(odd) = target(false) else { panic!("a target") };
    assert_eq!(world.say("p1", &[Entry::Target(TargetEntry { cause: 99, ..odd })]), Err(Refusal::Malformed));
    let flood =
        (0..TUNNELS_MAX + 1).map(|at| world.say("front", &[Entry::Tunnel(tunnel(&format!("t{at}")))]));
    assert_eq!(flood.last(), Some(Err(Refusal::TooMany)));
}

#[test]
fn a_probe_that_lies_is_outvoted_and_named() {
    let mut world = World::new();
    for node in ["p0", "p1"] {
        world.say(node, &[target(true)]).unwrap();
    }
    assert_eq!(world.say("p2", &[target(false)]), Ok(false), "one of three moves nobody");
    world.now_us += 2_000_000;
    for (node, is_up) in [("p0", true), ("p1", true), ("p2", false)] {
        world.say(node, &[target(is_up)]).unwrap();
    }
    assert_eq!(world.verdict(), Some(true));
    let words = world.words();
    assert!(words.contains("p2 says down (refused), 3.0 ms, 0 s ago, OUTVOTED for 2 s"), "{words}");
    assert!(
        words.contains("web: up for 2 s, 3 of 3 heard")
            && !words.contains("p0 says up, 3.0 ms, 0 s ago, OUT"),
        "{words}"
    );
    // It lies about load, too: the middle counts.
    let Entry::Target(lie) = target(false) else { panic!("a target") };
    world.say("p2", &[Entry::Target(TargetEntry { load: Some(1.0), age_ms: 0, ..lie })]).unwrap();
    let reported = findings::reported(&world.ledger, Arc::default(), world.now_us);
    assert_eq!(reported.health[0].load.unwrap().value, 0.25);
    // Two of three are believed.
    assert_eq!(world.say("p1", &[target(false)]), Ok(true));
    assert_eq!(world.verdict(), Some(false));
    assert!(
        world.words().contains("p0 says up, 3.0 ms, 2 s ago, OUTVOTED for 0 s")
            || world.words().contains("p0 says up, 3.0 ms, 0 s ago, OUTVOTED"),
        "{}",
        world.words()
    );
}

#[test]
fn what_nobody_says_any_more_grows_old() {
    let mut world = World::new();
    for node in ["p0", "p1", "p2"] {
        world.say(node, &[target(true)]).unwrap();
    }
    world.now_us += 3 * STALE_US;
    assert!(!world.ledger.tick(world.now_us));
    let reported = findings::reported(&world.ledger, Arc::default(), world.now_us);
    let figure = reported.health[0].is_up.unwrap();
    assert!(figure.value && figure.age_s(world.now_us / 1_000_000) >= 15, "policies see its age: {figure:?}");
    assert!(world.words().contains("0 of 3 heard"), "{}", world.words());
    assert_eq!(world.say("p2", &[target(false)]), Ok(true), "the only one that is heard");
}

#[test]
fn a_datagram_that_was_overtaken_changes_nothing() {
    let mut world = World::new();
    let early = world.datagram("p0", &[target(true)]);
    world.now_us += 1_000_000;
    assert_eq!(world.say("p0", &[target(false)]), Ok(true));
    assert_eq!(world.ledger.take(&early, world.now_us), Ok(false));
    assert_eq!((world.verdict(), world.ledger.nodes()[0].lost()), (Some(false), 0));
}

#[test]
fn it_outlives_a_restart_with_its_age() {
    let mut world = World::new();
    for (node, is_up) in [("p0", true), ("p1", true), ("p2", false)] {
        world.say(node, &[target(is_up)]).unwrap();
    }
    let replayed = world.datagram("p0", &[target(false)]);
    world.ledger.take(&replayed, world.now_us).unwrap();
    let kept = kept::write(&world.ledger);
    let mut after = Ledger::new(expected());
    kept::read(&kept, &mut after).unwrap();
    assert_eq!(after.polls()[0].votes, world.ledger.polls()[0].votes);
    assert_eq!(after.polls()[0].verdict, world.verdict());
    assert_eq!(after.take(&replayed, world.now_us), Err(Refusal::Replayed), "a restart opens no window");
    world.ledger = after;
    world.now_us += 2_000_000;
    assert!(world.say("p0", &[target(true)]).is_ok());
    assert_eq!(world.verdict(), Some(true));
    for broken in [
        "",
        "[]",
        "{\"nodes\": {}}",
        "{\"nodes\": {\"p0\": {}}, \"targets\": {}}",
        "{\"nodes\": {}, \"targets\": {\"web\": {\"votes\": [1]}}}",
    ] {
        assert!(kept::read(broken, &mut Ledger::new(expected())).is_err(), "{broken}");
    }
    assert!(
        kept::read(
            r#"{"nodes": {"gone": {"probe": {"boot_us": 1, "next": 2}, "front": {"boot_us": 0, "next": 0}}}, "targets": {}}"#,
            &mut Ledger::new(expected())
        )
        .is_ok()
    );
}

#[test]
fn another_tree_keeps_what_stays() {
    let mut world = World::new();
    for node in ["p0", "p1"] {
        world.say(node, &[target(true)]).unwrap();
    }
    let mut tree = expected();
    tree.nodes.swap(0, 2);
    tree.targets[0].lookers = vec![2, 1];
    tree.targets.push(ExpectedTarget { name: "new".into(), server: None, ..tree.targets[0].clone() });
    world.ledger.replace(tree);
    assert_eq!(world.verdict(), Some(true));
    assert!(world.ledger.polls()[0].votes.iter().all(Option::is_some), "p0 and p1 at their new places");
    assert_eq!(world.ledger.polls()[1].verdict, None);
    assert_eq!(world.ledger.nodes()[2].taken, 1, "p0 is at another place");
}

/// A resolver that floods, a node gone mad: what is refused costs nothing that grows.
#[test]
fn floods_leave_nothing_behind() {
    let mut world = World::new();
    for at in 0..20_000u64 {
        let head = Head { speaker: Speaker::Prober, node: "p0", boot_us: 1, sequence: at, at_us: NOW_US };
        let datagram = signed(&head, &key("p1"), &[target(false)]);
        assert_eq!(world.ledger.take(&datagram, NOW_US), Err(Refusal::Forged));
    }
    assert_eq!((world.refused("p0", Refusal::Forged), world.verdict()), (20_000, None));
}

/// A POP has a prober and a front-end: two processes of one node. The one that began later once shut the other one out.
#[test]
fn two_processes_of_one_node_are_heard_both() {
    let mut world = World::new();
    let head = |speaker, boot_us, sequence| {
        let at_us = NOW_US;
        signed(&Head { speaker, node: "front", boot_us, sequence, at_us }, &key("front"), &[])
    };
    for sequence in 0..3 {
        for (speaker, boot_us) in [(Speaker::Prober, NOW_US - 9), (Speaker::FrontEnd, NOW_US - 5)] {
            assert_eq!(world.ledger.take(&head(speaker, boot_us, sequence), NOW_US), Ok(false));
        }
    }
    let again = head(Speaker::Prober, NOW_US - 9, 1);
    assert_eq!(world.ledger.take(&again, NOW_US), Err(Refusal::Replayed), "each has a window of its own");
    let earlier = head(Speaker::FrontEnd, NOW_US - 6, 9);
    assert_eq!(world.ledger.take(&earlier, NOW_US), Err(Refusal::EarlierBoot));
    assert_eq!((world.ledger.nodes()[3].taken, world.ledger.nodes()[3].lost()), (6, 0));
}

/// From a resolver of whom nobody knows to the latency of its network: name server, probers, name server.
#[test]
fn a_resolver_that_probers_measure_is_unknown_no_more() {
    let mut world = World::new();
    let address: IpAddr = "45.1.2.3".parse().unwrap();
    let entry = |outcome, rtt_us| Entry::Resolver(ResolverEntry { address, outcome, rtt_us });
    let answered = entry(Outcome::Answered, 23_000);
    // Nobody wants it: nobody is asked, and nobody may say it.
    world.ledger.told(Told::Unknown(address), NOW_US);
    assert!(world.ledger.batch(NOW_US).is_empty());
    assert_eq!(world.say("front", core::slice::from_ref(&answered)), Err(Refusal::NotAllowed));
    let manners = Manners { is_on: true, ..Manners::default() };
    world.ledger.replace(Expected { manners, ..expected() });
    world.ledger.told(Told::Unknown(address), NOW_US);
    assert_eq!(world.ledger.batch(NOW_US), [address]);
    // A node that takes no requests, and a request in place of a report.
    assert_eq!(world.say("p1", core::slice::from_ref(&answered)), Err(Refusal::NotAllowed));
    assert_eq!(world.say("front", &[Entry::Ask(address)]), Err(Refusal::NotAllowed));
    assert_eq!(world.ledger.latencies().all().count(), 0);
    assert_eq!(world.say("p0", &[entry(Outcome::Silent, 0)]), Ok(false));
    assert_eq!(world.ledger.latencies().all().count(), 0, "silence is no distance");
    assert_eq!(world.say("front", &[answered]), Ok(false));
    let ways = Arc::new(findings::ways(&world.ledger, NOW_US));
    let figures = Figures::default().with_reported(Arc::new(findings::reported(&world.ledger, ways, NOW_US)));
    let (ways, scope) = figures.ways("45.1.2.200".parse().unwrap(), 32);
    let way = ways.from(1).unwrap();
    assert_eq!((scope, way.ms.value, way.basis), (24, 23.0, Basis::Resolver));
    assert_eq!(way.ms.at_s, NOW_US / 1_000_000);
    assert_eq!(ways.from(0), None);
    let text = shown::status(&world.ledger, NOW_US)["resolvers"].to_string();
    assert!(
        text.contains("\"answered\":1") && text.contains("\"silent\":1") && text.contains("\"asked\":1"),
        "{text}"
    );
}

/// A name server's request, sent on to a name server, is no report of the node with whose key it was made.
#[test]
fn a_request_is_no_report() {
    let mut world = World::new();
    let (speaker, node, boot_us, at_us) = (Speaker::NameServer, "p0", NOW_US - 60_000_000, NOW_US);
    let request = signed(&Head { speaker, node, boot_us, sequence: 1, at_us }, &key("p0"), &[target(false)]);
    assert_eq!(world.ledger.take(&request, NOW_US), Err(Refusal::NotAllowed));
    assert_eq!((world.verdict(), world.refused("p0", Refusal::NotAllowed)), (None, 1));
}
