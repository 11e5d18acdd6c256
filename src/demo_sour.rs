//! The demo's way that sours: two POPs over one back-end, each over an emulated path of its own, and a name server that sends
//! users to the better one. That one's path begins to lose packets while users are served over it, and its users are sent to
//! the other. Needs no root: the paths lie in the tunnels' own datagrams.
//!
//! ```text
//! users ─► west (best) ═══ path, loses 5 % after a while ═══► back-end ─► origin
//! users ─► east ══════════ path ════════════════════════════►
//!          └── reports ──► name server ── where users are sent
//! ```

use crate::args::demo::{DemoConfig, WanDemo};
use crate::demo_dns::{self, NameServer, REPORTS_KEY};
use crate::exit::Exit;
use crate::node::Node;
use crate::pair::{self, Pair};
use controlplane::report::tunnel_watch::HOLD_S;
use core::net::{IpAddr, Ipv4Addr, SocketAddr};
use dataplane::role::control::Stage;
use std::fs;
use std::path::Path;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tools::load::{LoadOptions, LoadReport};
use tools::origin::{OriginOptions, OriginThread};
use tools::wan::{Running, UdpEnds, WanOptions, Way, spawn};

/// How long the tunnels may take to come up over the longest path that is allowed, with loss.
const UP_WITHIN: Duration = Duration::from_secs(30);
/// How long a move may take before it counts as none.
const PATIENCE: Duration = Duration::from_secs(30);
/// Within which users must be moved.
const MOVED_WITHIN: Duration = Duration::from_secs(3);
/// How often users ask where they should go.
const ASK_EVERY: Duration = Duration::from_millis(50);
/// What users ask for each second: a few hundred packets, so that loss can be told from chance.
const REQUESTS_PER_S: f64 = 300.0;
/// For how long, before and behind the moment.
const BUSY_FOR: Duration = Duration::from_secs(12);
/// How long the way is good before that.
const GOOD_FOR: Duration = Duration::from_secs(3);
/// What then goes wrong.
const SOUR: &str = "loss=5%";
/// Decides what chance decides.
const SEED: u64 = 2;
/// Where the POPs are. All of 127.0.0.0/8 is this machine.
const EAST: Ipv4Addr = Ipv4Addr::LOCALHOST;
const WEST: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

/// Sours a way, and prints what becomes of its users; with `--check` it fails if they are not moved in time.
pub(crate) fn run(config: &DemoConfig, wan: &WanDemo) -> Exit {
    let world = match World::start(config, wan) {
        Ok(world) => world,
        Err(why) => return fail(&why),
    };
    let shown = world.show(wan);
    world.stop();
    match shown {
        Ok(moved) if moved <= MOVED_WITHIN || !config.check => {
            if config.check {
                println!("check passed");
            }
            Exit::Done
        }
        Ok(moved) => {
            let (moved_ms, due_s) = (moved.as_millis(), MOVED_WITHIN.as_secs());
            eprintln!(
                "longhaul demo: check failed: users were moved after {moved_ms} ms, due within {due_s} s"
            );
            Exit::Different
        }
        Err(why) => {
            eprintln!("longhaul demo: check failed: {why}");
            Exit::Different
        }
    }
}

struct World {
    origin: OriginThread,
    back: Node,
    east: Node,
    west: Node,
    /// The paths under east and west.
    paths: [Running; 2],
    name_server: NameServer,
    _pair: Pair,
}

impl World {
    fn start(config: &DemoConfig, wan: &WanDemo) -> Result<Self, String> {
        let told = |exit: Exit| format!("it did not start (status {})", exit.status());
        let origin = tools::origin::spawn(&OriginOptions::default()).map_err(|error| error.to_string())?;
        let pair = Pair::new(config, origin.address()).map_err(told)?;
        let back = pair.back(EAST.into()).and_then(|config| Node::start(&config)).map_err(told)?;
        let tunnel = back.running().tunnel_addresses()[0];
        write_network(pair.folder())?;
        let name_server = NameServer::start(pair.folder()).map_err(told)?;
        let path = || {
            let ends =
                UdpEnds::bind(SocketAddr::new(EAST.into(), 0), tunnel).map_err(|error| error.to_string())?;
            let at = ends.address();
            let options = WanOptions { rules: wan.rules.clone(), seed: SEED };
            Ok::<_, String>((spawn(options, ends).map_err(|error| error.to_string())?, at))
        };
        let ((path_east, over_east), (path_west, over_west)) = (path()?, path()?);
        let (reports, key) =
            (name_server.reports.to_string(), pair.folder().join(REPORTS_KEY).display().to_string());
        let flags = |node: &'static str| {
            ["--report-to", &reports, "--report-key", &key, "--report-as", node].map(str::to_owned)
        };
        let east = pair
            .front_with(over_east, &flags("east"))
            .and_then(|config| Node::start(&config))
            .map_err(told)?;
        let at = SocketAddr::new(WEST.into(), 0);
        let west = pair
            .west_with(at, over_west, &flags("west"))
            .and_then(|config| Node::start(&config))
            .map_err(told)?;
        let paths = [path_east, path_west];
        Ok(Self { origin, back, east, west, paths, name_server, _pair: pair })
    }

    /// Lets it sour; how long users took to be moved.
    fn show(&self, wan: &WanDemo) -> Result<Duration, String> {
        pair::wait_up(self.east.running(), UP_WITHIN)?;
        pair::wait_up(self.west.running(), UP_WITHIN)?;
        self.until("the name server sent nobody to the west", WEST.into())?;
        println!("two POPs, each over a path of its own: {}", wan.spec);
        println!("users are sent to west, the better one; {REQUESTS_PER_S} requests a second go there");
        let users = self.users();
        std::thread::sleep(GOOD_FOR);
        if self.name_server.answer() != Some(WEST.into()) {
            return Err(format!("users left the west before its path was soured; is {} too bad?", wan.spec));
        }
        let steering = self.paths[1].steering();
        let set = |spec: &str| steering.set(&[Way::Up, Way::Down], spec).map_err(|error| error.what);
        set(SOUR)?;
        let soured = Instant::now();
        println!("west's path to the origin begins to lose: {SOUR}, each way");
        self.until("users were not moved", EAST.into())?;
        let moved = soured.elapsed();
        println!("users are sent to east after {} ms", moved.as_millis());
        fetch(self.east.running().listening()[0])?;
        println!("east serves them, every byte right");
        let report = users.join().map_err(|_| "the users' thread has failed".to_owned())??;
        if !report.is_clean() {
            return Err(format!("requests under way at the west went wrong:\n{report}"));
        }
        println!("the {} requests that went on at the west were answered, every byte right", report.requests);
        set("loss=0%")?;
        set(&wan.spec)?;
        println!(
            "the path is good again: users return {HOLD_S} s after they left at the earliest, if it stays good; \
             twice as late each time it sours again within ten minutes"
        );
        Ok(moved)
    }

    /// Users at the west.
    fn users(&self) -> JoinHandle<Result<LoadReport, String>> {
        let options = LoadOptions {
            urls: vec![format!("http://{}/bytes/100", self.west.running().listening()[0])],
            rate_per_second: Some(REQUESTS_PER_S),
            connections: 64,
            duration: Some(BUSY_FOR),
            timeout: PATIENCE,
            verify: true,
            ..LoadOptions::default()
        };
        std::thread::spawn(move || tools::load::run(&options).map_err(|error| error.to_string()))
    }

    fn until(&self, what: &str, sent_to: IpAddr) -> Result<(), String> {
        let begun = Instant::now();
        while self.name_server.answer() != Some(sent_to) {
            if begun.elapsed() > PATIENCE {
                return Err(format!("{what} within {} s", PATIENCE.as_secs()));
            }
            std::thread::sleep(ASK_EVERY);
        }
        Ok(())
    }

    fn stop(self) {
        for node in [self.east, self.west, self.back] {
            (node.running().stopper())(Stage::Stopping);
            node.finish();
        }
        self.name_server.stop();
        let _counts = self.origin.stop();
    }
}

/// A few verified requests to a front-end.
fn fetch(front: SocketAddr) -> Result<(), String> {
    let options = LoadOptions {
        urls: vec![format!("http://{front}/bytes/16k")],
        requests: Some(8),
        connections: 2,
        verify: true,
        timeout: PATIENCE,
        ..LoadOptions::default()
    };
    let report = tools::load::run(&options).map_err(|error| error.to_string())?;
    if report.is_clean() { Ok(()) } else { Err(format!("the east does not serve:\n{report}")) }
}

/// The tree: west is best, because the other one costs something.
fn write_network(folder: &Path) -> Result<(), String> {
    demo_dns::write_secret(folder)?;
    let text = format!(
        "reports.key = \"{REPORTS_KEY}\"\n{}[node.east]\nroles = [\"front\"]\naddresses = [\"{EAST}\"]\ncost = 1\n\
         [node.west]\nroles = [\"front\"]\naddresses = [\"{WEST}\"]\n[policy.web]\nttl = \"1s\"\nscore.cost = 20\n",
        demo_dns::zone()
    );
    fs::write(folder.join("longhaul.toml"), text).map_err(|error| error.to_string())
}

fn fail(why: &str) -> Exit {
    eprintln!("longhaul demo: {why}");
    Exit::Failed
}
