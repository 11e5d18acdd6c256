//! Trees that send clients elsewhere, and those that must not.

use super::*;
use crate::tree::duties::{Duty, flags};
use crate::tree::network::Network;
use std::path::Path;

const TREE: &str = r#"
reports.key = "reports.key"
[zone."example"]
records = "@ 1 SOA a b 1 1 1 1 1"
[node.fra]
roles = ["front", "dns"]
addresses = ["192.0.2.1"]
key = "fra.key"
public_key = "FRA"
front.url = "http://fra.{site}:8080"
[node.nyc]
roles = ["front", "probe"]
addresses = ["192.0.2.2"]
key = "nyc.key"
public_key = "NYC"
front.url = "https://NYC.{site}"
front.reports = ["0.0.0.0:9000"]
[node.sin]
roles = ["front"]
addresses = ["192.0.2.3"]
key = "sin.key"
public_key = "SIN"
[policy.web]
[policy.turn]
kind = "weighted"
[site."shop.example"]
origins = ["http://192.0.2.80"]
dns.policy = "web"
redirect.status = "302"
[site."pay.example"]
origins = ["http://192.0.2.80"]
fronts = ["fra", "nyc"]
redirect = { alt_svc = "on", policy = "web", to = ["nyc"], better_by = "20ms" }
[site."else.example"]
origins = ["http://192.0.2.80"]
dns.policy = "web"
"#;

fn read(text: &str) -> Result<Network, Vec<String>> {
    let problems = |problems: Vec<Problem>| problems.iter().map(ToString::to_string).collect::<Vec<_>>();
    let tree = Tree::read(text).map_err(problems)?;
    Network::of(&tree, Path::new("/etc/longhaul")).map_err(problems)
}

#[test]
fn sites_name_their_targets_and_everybody_knows_the_own_names() {
    let network = read(TREE).unwrap();
    let said: Vec<String> = network
        .redirects
        .iter()
        .map(|site| {
            let to: Vec<&str> = site.targets.iter().map(|target| target.base.as_str()).collect();
            format!("{} {:?} {} {} {}", site.site, site.status, site.hints, site.better_by_ms, to.join(","))
        })
        .collect();
    assert_eq!(
        said,
        [
            "pay.example None true 20 https://nyc.pay.example",
            "shop.example Some(302) false 50 http://fra.shop.example:8080,https://nyc.shop.example",
        ]
    );
    assert_eq!(network.redirects[0].targets[0].authority, "nyc.pay.example:443");
    let to: Vec<String> = network.reporting.to_fronts.iter().map(|(to, key)| format!("{key}@{to}")).collect();
    assert_eq!(to, ["FRA@192.0.2.1:7354", "NYC@192.0.2.2:9000", "SIN@192.0.2.3:7354"]);

    let tree = Tree::read(TREE).unwrap();
    let flags = flags(&tree, Path::new("/etc/longhaul"), "sin", Duty::Front).unwrap();
    let of = |name: &str| -> Vec<&str> {
        flags.iter().filter(|(flag, _)| flag == name).map(|(_, value)| value.as_str()).collect()
    };
    assert_eq!(of("site-alias"), ["fra.shop.example=shop.example", "nyc.shop.example=shop.example"]);
    assert_eq!(of("reports"), ["0.0.0.0:7354", "[::]:7354"]);
    assert_eq!(of("report-to")[1..], to);
}

#[test]
fn without_redirects_nobody_listens() {
    let off = TREE.replace("redirect.status = \"302\"", "").replace("alt_svc = \"on\"", "alt_svc = \"off\"");
    let network = read(&off).unwrap();
    assert!(network.redirects.is_empty() && network.reporting.to_fronts.is_empty());
}

#[test]
fn what_could_make_a_loop_or_nothing_is_refused() {
    let cases = [
        // A name that is two things.
        ("http://fra.{site}:8080", "http://else.example", "else.example is a site's name"),
        ("http://fra.{site}:8080", "http://shop.example:81", "shop.example is a site's name"),
        ("https://NYC.{site}", "http://nyc.test", "nyc.test would be nyc's name for several sites"),
        ("https://NYC.{site}", "http://fra.{site}", "fra.shop.example is fra's own name already"),
        ("http://fra.{site}:8080", "http://fra.{site}/path", "without a path"),
        ("http://fra.{site}:8080", "http://user@fra.{site}", "is no name of a machine"),
        ("http://fra.{site}:8080", "ftp://fra.{site}", "is no name of a machine"),
        ("http://fra.{site}:8080", "http://fra.{site}:0", "is no name of a machine"),
        // What is better?
        ("policy = \"web\", to", "policy = \"turn\", to", "has no scores"),
        ("policy = \"web\", to", "policy = \"wbe\", to", "there is no policy wbe; web is near"),
        ("policy = \"web\", to", "to", "nothing says which machine is better"),
        ("better_by = \"20ms\"", "better_by = \"4ms\"", "differ by 5 ms"),
        // Where to?
        ("to = [\"nyc\"]", "to = [\"sin\"]", "sin is no front-end of site \"pay.example\""),
        ("to = [\"nyc\"]", "to = [\"nowhere\"]", "nowhere is no front-end"),
        ("front.url = \"https://NYC.{site}\"", "", "nyc has no name of its own"),
        ("[policy.web]", "[policy.web]\nmembers = [\"fra\"]", "nyc is no member of policy.web"),
        ("redirect.status = \"302\"", "redirect.status = \"301\"", "write one of \"off\", \"302\", \"307\""),
        (
            "[site.\"else.example\"]",
            "[site.\"*\"]\nredirect.status = \"302\"",
            "site \"*\" has no name of its own",
        ),
        // Who knows?
        ("reports.key = \"reports.key\"\n", "", "give reports.key"),
        ("public_key = \"SIN\"", "", "sin has no public_key"),
        ("key = \"nyc.key\"", "", "nyc has no key"),
    ];
    for (old, new, due) in cases {
        assert!(TREE.contains(old), "{old}");
        let said = read(&TREE.replacen(old, new, 1)).unwrap_err().join("\n");
        assert!(said.contains(due), "{new}: {said}");
    }
}
