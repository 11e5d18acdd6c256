//! The name server from the tree: policies over the wire, figures that change, reloads, the last good tree.

use crate::client::{addresses, ask, question, shown, udp};
use crate::process::{Node, until};
use crate::{FIGURES, Network, TREE, run};
use std::fs;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};

fn start(network: &Network, flags: &[&str]) -> Node {
    let fixed =
        ["dns", "--config", &network.tree, "--node", "fra1", "--threads", "1", "--admin", "127.0.0.1:0"];
    Node::start(&[&fixed[..], flags].concat())
}

/// A question of a client in this /24, and perhaps for words about the answer.
fn from(name: &str, qtype: u16, network: [u8; 3], words: bool) -> Vec<u8> {
    let mut bytes = question(name, qtype, Some(1_232));
    let mut options = vec![0, 8, 0, 7, 0, 1, 24, 0];
    options.extend(network);
    if words {
        options.extend([0, 15, 0, 0]);
    }
    let at = bytes.len() - 2;
    bytes[at..].copy_from_slice(&(options.len() as u16).to_be_bytes());
    bytes.extend(options);
    bytes
}

const NEAR_FRA: [u8; 3] = [198, 51, 100];
const NEAR_NYC: [u8; 3] = [203, 0, 113];

fn choice(to: SocketAddr, network: [u8; 3]) -> Vec<String> {
    addresses(&ask(to, &from("shop.test", 1, network, false)))
}

#[test]
fn every_client_is_sent_to_its_best() {
    let network = Network::new();
    let node = start(&network, &[]);
    let to = node.address();
    assert_eq!(choice(to, NEAR_FRA), ["192.0.2.1"]);
    assert_eq!(choice(to, NEAR_NYC), ["192.0.2.2"]);
    assert_eq!(addresses(&ask(to, &from("img.shop.test", 1, NEAR_FRA, false))), ["203.0.113.9"]);
    let scoped = ask(to, &from("shop.test", 1, NEAR_FRA, false));
    assert!(scoped.windows(8).any(|window| window == [0, 7, 0, 1, 24, 24, 198, 51]), "scope 24");
    let fixed = ask(to, &from("txt.shop.test", 16, NEAR_FRA, false));
    assert!(fixed.windows(8).any(|window| window == [0, 7, 0, 1, 24, 0, 198, 51]), "scope 0");
    assert!(
        shown(&ask(to, &question("shop.test", 15, None))).contains("mx 10 ns.shop.test."),
        "records beside the policy"
    );
    assert!(shown(&ask(to, &question("shop.test", 16, None))).contains("soa"), "no such type");
    assert_eq!(
        addresses(&ask(to, &question("log.net.test", 1, None))),
        ["192.0.2.3"],
        "a role, though it is down"
    );
    assert_eq!(addresses(&ask(to, &question("nyc1.net.test", 28, None))), ["2001:db8::2"], "a machine");
}

/// The number of a decision: on request in the answer, in the low half of AAAA, in the log.
#[test]
fn a_decision_is_the_same_everywhere() {
    let network = Network::new();
    let log = network.folder.path("queries.log");
    let node = start(&network, &["--query-log", &log]);
    let answer = ask(node.address(), &from("shop.test", 28, NEAR_FRA, true));
    let text = String::from_utf8_lossy(&answer).into_owned();
    let words = &text[text.find("decision=").expect("words")..];
    assert!(words.contains("policy=web rule=Policy fra1"), "{words}");
    let id = &words["decision=".len()..][..16];
    let address: std::net::Ipv6Addr = addresses(&answer)[0].parse().unwrap();
    assert_eq!(format!("{:016x}", address.to_bits() as u64), id);
    assert_eq!(address.segments()[..4], [0x2001, 0xdb8, 1, 2]);
    let line =
        until("the line", || fs::read_to_string(&log).unwrap_or_default().lines().next().map(str::to_owned));
    let line: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(
        (&line["decision"], &line["policy"], &line["servers"]),
        (&id.into(), &"web".into(), &"fra1".into())
    );
}

#[test]
fn figures_are_read_when_they_change_and_broken_ones_are_not_taken() {
    let network = Network::new();
    let node = start(&network, &[]);
    let figures = network.folder.path("figures.json");
    assert_eq!(choice(node.address(), NEAR_FRA), ["192.0.2.1"]);
    fs::write(&figures, FIGURES.replace(r#""fra1": {"state": "up"}"#, r#""fra1": {"state": "down"}"#))
        .unwrap();
    until("clients move", || (choice(node.address(), NEAR_FRA) == ["192.0.2.2"]).then_some(()));
    let (_, status) = node.page("/status");
    let status: serde_json::Value = serde_json::from_str(&status).unwrap();
    let server = |name: &str| {
        status["servers"].as_array().unwrap().iter().find(|s| s["name"] == name).unwrap().clone()
    };
    assert_eq!((&server("fra1")["up"], &server("nyc1")["up"]), (&false.into(), &true.into()));
    assert!(server("nyc1")["load_age_s"].is_u64());
    fs::write(&figures, "{").unwrap();
    node.wait_for("the figures are not taken");
    assert_eq!(choice(node.address(), NEAR_FRA), ["192.0.2.2"]);
    fs::write(&figures, FIGURES).unwrap();
    until("clients return", || (choice(node.address(), NEAR_FRA) == ["192.0.2.1"]).then_some(()));
}

#[test]
fn a_tree_is_reloaded_whole_or_not_at_all() {
    let network = Network::new();
    let node = start(&network, &[]);
    network.edit("[dns]", "[override.fra1]\naction = \"drain\"\nreason = \"new kernel\"\n[dns]");
    node.signal("HUP");
    node.wait_for("generation=2");
    until("the drain holds", || (choice(node.address(), NEAR_FRA) == ["192.0.2.2"]).then_some(()));
    let good = fs::read_to_string(&network.tree).unwrap();
    fs::write(
        &network.tree,
        good.replace("action = \"drain\"", "action = \"up\"").replace("ttl = \"10s\"", "ttl = 10"),
    )
    .unwrap();
    node.signal("HUP");
    node.wait_for("policy.web.ttl does not take this");
    node.wait_for("nothing was reloaded; the old zones stay");
    assert_eq!(choice(node.address(), NEAR_FRA), ["192.0.2.2"], "nothing of the broken tree");
    assert!(node.page("/status").1.contains("policy.web.ttl does not take this"));
}

#[test]
fn the_last_good_tree_serves_when_the_tree_is_broken() {
    let network = Network::new();
    let kept = network.folder.path("last-good.toml");
    let flags = ["--last-good", kept.as_str()];
    drop(start(&network, &flags));
    assert_eq!(fs::read_to_string(&kept).unwrap(), TREE);
    fs::write(&network.tree, "[policy\n").unwrap();
    let node = start(&network, &flags);
    node.wait_for("the tree is broken; the last good one serves");
    assert_eq!(choice(node.address(), NEAR_FRA), ["192.0.2.1"]);
    assert!(node.page("/status").1.contains("longhaul.toml:1:"), "and the page says so");
    assert_eq!(fs::read_to_string(&kept).unwrap(), TREE, "it is kept");
    let (status, said) = run(&["dns", "--config", &network.tree, "--node", "fra1"]);
    assert!(status == 2 && said.contains("longhaul.toml:1:"), "{said}");
}

#[test]
fn flags_win_and_it_is_shown_where_values_come_from() {
    let network = Network::new();
    let print =
        |flags: &[&str]| run(&[&["dns", "--config", &network.tree, "--print-config"][..], flags].concat()).1;
    let said = print(&["--node", "fra1"]);
    assert!(said.contains("listen = 127.0.0.1:0  # tree") && said.contains("nsid = fra1  # tree"), "{said}");
    let said = print(&["--node", "fra1", "--listen", "127.0.0.1:5300", "--nsid", "x"]);
    assert!(said.contains("listen = 127.0.0.1:5300  # flag") && said.contains("nsid = x  # flag"), "{said}");
    let said = print(&[]);
    assert!(said.contains("listen = [::]:53  # default"), "{said}");
    let (status, said) = run(&["dns", "--config", &network.tree, "--node", "ams1"]);
    assert!(
        status == 2 && said.contains("--node ams1: is no node of the tree; give one of fra1, nyc1, sin1"),
        "{said}"
    );
}

/// A tree of two thousand sites, each generation with addresses of its own: every answer has two of them, of a policy and of
/// a zone alike. None may have those of two generations, none may be lost while the next is made.
#[test]
fn a_large_tree_is_reloaded_under_load_and_no_answer_mixes_generations() {
    const SITES: usize = 2_000;
    const RELOADS: usize = 12;
    /// Questions on their way at once.
    const AT_ONCE: usize = 16;
    let text = |generation: usize| {
        let mut text = format!(
            "[node.fra1]\nroles = [\"front\", \"dns\"]\npublic_key = \"x\"\naddresses = [\"192.0.2.{generation}\"]\n\
             [node.nyc1]\nroles = [\"front\"]\npublic_key = \"y\"\naddresses = [\"198.51.100.{generation}\"]\n\
             [policy.web]\nanswers = 2\n[zone.\"shop.test\"]\nrecords = \"\"\"\n$TTL 9\n@ SOA a b {generation} 1 1 1 1\n\
             @ NS a\na A 192.0.2.{generation}\na A 198.51.100.{generation}\n\"\"\"\n"
        );
        for site in 0..SITES {
            text.push_str(&format!("[site.\"s{site}.shop.test\".dns]\npolicy = \"web\"\n"));
        }
        text
    };
    let network = Network::new();
    fs::write(&network.tree, text(1)).unwrap();
    let node = start(&network, &["--listen", "127.0.0.1:0", "--rate-limit", "0"]);
    let (stop, to) = (AtomicBool::new(false), node.address());
    let whole = |answer: &[u8]| {
        let found = addresses(answer);
        let last = |network: &str| -> Option<usize> {
            found.iter().find_map(|address| address.strip_prefix(network)?.parse().ok())
        };
        let (one, other) = (last("192.0.2."), last("198.51.100."));
        assert!(found.len() == 2 && one.is_some() && one == other, "{found:?}");
        one.unwrap()
    };
    /// Ends the questions whatever becomes of the test: else one that fails would wait for them for ever.
    struct Stop<'a>(&'a AtomicBool);
    impl Drop for Stop<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
    std::thread::scope(|scope| {
        let stopping = Stop(&stop);
        let asking = scope.spawn(|| {
            let (socket, mut seen, mut site) = (udp(to), Vec::new(), 0);
            while !stop.load(Ordering::Relaxed) {
                for _ in 0..AT_ONCE {
                    site = (site + 1) % (SITES + 1);
                    let name = if site == SITES { "a".to_owned() } else { format!("s{site}") };
                    socket.send(&question(&format!("{name}.shop.test"), 1, None)).unwrap();
                }
                for _ in 0..AT_ONCE {
                    let mut answer = [0; 512];
                    let bytes = socket.recv(&mut answer).expect("no answer is lost");
                    seen.push(whole(&answer[..bytes]));
                }
            }
            seen
        });
        for generation in 2..=RELOADS + 1 {
            fs::write(&network.tree, text(generation)).unwrap();
            node.signal("HUP");
            node.wait_for(&format!("generation={generation}"));
            // What is announced is what answers.
            assert_eq!(whole(&ask(to, &question("s1.shop.test", 1, None))), generation);
        }
        drop(stopping);
        let seen = asking.join().unwrap();
        assert!(seen.is_sorted(), "no thread goes back to an older generation");
        let mut generations = seen.clone();
        generations.dedup();
        assert!(generations.len() > 2 && seen.len() > AT_ONCE * RELOADS, "{generations:?}");
    });
}
