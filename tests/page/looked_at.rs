//! The pages in Chromium: what they show is what `/status` says, what bites is text, nothing runs, nothing overflows.

use crate::browser::Browser;
use crate::network::{HOSTILE, Network};
use crate::process::{Node, until};
use serde_json::Value;
use std::path::PathBuf;

/// Widths of a telephone, of half a screen and of a wall.
const WIDTHS: [u32; 4] = [320, 640, 1_280, 2_560];

fn url(node: &Node) -> String {
    format!("http://{}/", node.admin())
}

fn status(node: &Node) -> Value {
    serde_json::from_str(&node.page("/status").1).unwrap()
}

/// The cells of a table by row, as they are read.
fn table(browser: &Browser, id: &str) -> Vec<Vec<String>> {
    let rows = format!(
        "[...document.querySelectorAll('#{id} tbody tr')].map(row => [...row.cells].map(cell => cell.innerText))"
    );
    serde_json::from_value(browser.value(&rows)).unwrap()
}

fn row<'r>(rows: &'r [Vec<String>], first: &str) -> &'r [String] {
    rows.iter()
        .find(|row| row[0].lines().next() == Some(first))
        .unwrap_or_else(|| panic!("{first}: {rows:?}"))
}

/// Where an operator of this test may look at what the browser saw: a folder, if `LONGHAUL_SCREENSHOTS` names one.
fn keep(browser: &Browser, name: &str) {
    let Some(folder) = std::env::var_os("LONGHAUL_SCREENSHOTS").map(PathBuf::from) else { return };
    std::fs::write(folder.join(format!("{name}.png.base64")), browser.screenshot()).unwrap();
}

/// No width makes the window scroll sideways, no element is cut off, by day and by night; and nothing complains.
fn fits(browser: &Browser, name: &str) {
    for width in WIDTHS {
        browser.resize(width, 900);
        let wide = browser.value("document.documentElement.scrollWidth");
        assert!(wide.as_u64().unwrap() <= u64::from(width), "{name}: {wide} in a window of {width}");
        let cut = browser.value(
            "[...document.querySelectorAll('h1, h2, dd, p, td, li')].filter(element => \
             element.getBoundingClientRect().right > window.innerWidth + 1 && !element.closest('.scroll')).length",
        );
        assert_eq!(cut, 0, "{name}: cut off at {width}");
        keep(browser, &format!("{name}-{width}"));
    }
    let ground = || browser.value("getComputedStyle(document.body).backgroundColor");
    browser.scheme("light");
    let by_day = ground();
    browser.scheme("dark");
    assert_ne!(ground(), by_day, "{name}: it has a night");
    browser.resize(1_280, 900);
    keep(browser, &format!("{name}-dark"));
    browser.scheme("light");
    assert_eq!(browser.console(), Vec::<Value>::new(), "{name}: the console has something to say");
}

/// What people who hear a page need of it.
fn is_told(browser: &Browser, name: &str) {
    let count = |selector: &str| browser.value(&format!("document.querySelectorAll('{selector}').length"));
    assert_eq!(browser.value("document.documentElement.lang"), "en");
    assert_eq!((count("h1"), count("main"), count("title")), (1.into(), 1.into(), 1.into()), "{name}");
    assert_eq!(count("th:not([scope])"), 0, "{name}: every heading says what it is of");
    assert_eq!(count("table[role=table] td:not([role=cell])"), 0, "{name}");
    assert_eq!(count("section:not([aria-labelledby])"), 0, "{name}");
    assert_eq!((count("script"), count("[onclick]")), (0.into(), 0.into()), "{name}");
    // Every link into the page leads somewhere.
    let lost = browser.value(
        "[...document.querySelectorAll('a[href^=\"#\"]')].filter(link => !document.querySelector(link.hash)).length",
    );
    assert_eq!(lost, 0, "{name}");
}

#[test]
fn the_pages_show_the_network_in_a_browser() {
    let Some(browser) = Browser::start() else { return };
    let network = Network::start();
    browser.without_scripts();
    browser.open(&url(&network.dns));
    assert_eq!(browser.value("document.title"), "Name server ns1 · Longhaul");
    name_server(&browser, &network);
    for (node, name) in
        [(&network.dns, "dns"), (&network.probe, "probe"), (&network.front, "front"), (&network.back, "back")]
    {
        browser.open(&url(node));
        is_told(&browser, name);
        fits(&browser, name);
    }
    prober(&browser, &network);
    ends(&browser, &network);
    bounded(&browser, &network);
}

/// The name server's page against its status.
fn name_server(browser: &Browser, network: &Network) {
    let status = status(&network.dns);
    let servers = table(browser, "servers");
    let of_status = status["servers"].as_array().unwrap();
    assert_eq!(servers.len(), of_status.len());
    for server in of_status {
        let shown = row(&servers, server["name"].as_str().unwrap());
        let state = match server["up"].as_bool() {
            Some(true) => "up",
            Some(false) => "down",
            None => "never measured",
        };
        assert_eq!(shown[2].lines().next(), Some(state), "{shown:?}");
        assert_eq!(shown[1], server["domain"].as_str().unwrap());
    }
    let order = &row(&servers, "own")[6];
    assert!(order.starts_with("drain") && order.contains("rack & <b>cage</b>"), "{order}");
    assert_eq!(
        (row(&servers, "fra1")[2].lines().next(), row(&servers, "nyc1")[2].lines().next()),
        (Some("up"), Some("down"))
    );

    let sites = table(browser, "sites");
    assert_eq!(sites.len(), 3);
    assert_eq!(row(&sites, "*.shop.test.")[1], "web");
    let nodes = table(browser, "nodes");
    assert_eq!(nodes.len(), status["reports"]["nodes"].as_array().unwrap().len());
    assert!(row(&nodes, "fra1")[1].ends_with("ago") && row(&nodes, "ns1")[1] == "never", "{nodes:?}");
    let probes = table(browser, "probes");
    let targets = status["reports"]["targets"].as_array().unwrap();
    assert_eq!(probes.len(), targets.len());
    for target in targets {
        let shown = row(&probes, target["name"].as_str().unwrap());
        let wanted = if target["up"] == true { "up" } else { "down" };
        assert_eq!(shown[2].lines().next(), Some(wanted), "{shown:?}");
    }
    let liar = &row(&probes, "web/fra1")[4];
    assert!(liar.contains("nyc1 says down (body)"), "{liar}");
    let tunnels = table(browser, "tunnels");
    assert_eq!((tunnels.len(), tunnels[0][0].as_str(), tunnels[0][1].as_str()), (1, "fra1", "home"));
    assert_eq!(tunnels[0][2], "good");

    // A name that would be a script is text, and nothing but text.
    let decisions = table(browser, "decisions");
    assert_eq!(decisions.len(), 3, "{decisions:?}");
    // Brackets are written as in a zone file.
    let written = HOSTILE.replace('(', "\\(").replace(')', "\\)");
    let hostile =
        decisions.iter().find(|row| row[1].starts_with(&written)).unwrap_or_else(|| panic!("{decisions:?}"));
    assert!(hostile[3] == "fra1" && hostile[5].starts_with("web"), "{hostile:?}");
    assert!(decisions[0][1].starts_with("static.shop.test."), "the newest is first: {decisions:?}");
    assert_eq!(browser.value("document.querySelectorAll('#decisions script, #servers b').length"), 0);
}

fn prober(browser: &Browser, network: &Network) {
    browser.open(&url(&network.probe));
    assert_eq!(browser.value("document.title"), "Prober fra1 · Longhaul");
    let shown = table(browser, "probes");
    for target in status(&network.probe)["targets"].as_array().unwrap() {
        let shown = row(&shown, target["name"].as_str().unwrap());
        assert!(shown[0].contains(target["url"].as_str().unwrap()), "{shown:?}");
        let is_up = target["up"] == true;
        assert_eq!(shown[1].lines().next(), Some(if is_up { "up" } else { "down" }), "{shown:?}");
        let said = if is_up { "good" } else { target["failure"]["cause"].as_str().unwrap() };
        assert_eq!(shown[2].lines().next(), Some(said), "{shown:?}");
    }
}

fn ends(browser: &Browser, network: &Network) {
    browser.open(&url(&network.front));
    assert_eq!(browser.value("document.title"), "Front-end fra1 · Longhaul");
    let tunnels = table(browser, "tunnels");
    let status = status(&network.front);
    assert_eq!(tunnels.len(), status["tunnels"].as_array().unwrap().len());
    assert_eq!((tunnels[0][0].as_str(), tunnels[0][1].as_str()), ("home", "up"));
    let sites = table(browser, "sites");
    assert_eq!((sites[0][0].as_str(), sites[0][1].as_str()), ("*", "over home"));
    browser.open(&url(&network.back));
    let origins = table(browser, "origins");
    assert_eq!(origins[0][0], "*");
    assert!(origins[0][1].contains(&network.origin().port().to_string()), "{origins:?}");
}

/// However much is asked: a hundred decisions, the newest.
fn bounded(browser: &Browser, network: &Network) {
    for _ in 0..300 {
        network.ask_from("127.0.0.1", "shop.test");
    }
    let decisions = until("a hundred are shown", || {
        browser.open(&url(&network.dns));
        Some(table(browser, "decisions")).filter(|rows| rows.len() == 100)
    });
    assert!(decisions.iter().all(|row| row.len() == 6));
    assert_eq!(browser.console(), Vec::<Value>::new());
}
