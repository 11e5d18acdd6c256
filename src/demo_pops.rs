//! The demo's network: a second front-end in another POP over the same back-end, a name server that sends users to one of the
//! two, a prober that looks at both. `--check` ends one POP and sees that its user is moved.

use crate::args::probe::ProbeArgs;
use crate::demo_dns::{self, NAME, NameServer};
use crate::exit::Exit;
use crate::node::Node;
use crate::pair::Pair;
use crate::problem::Problems;
use crate::{probe, serve_probe};
use core::net::{IpAddr, Ipv4Addr, SocketAddr};
use core::time::Duration;
use dataplane::role::control::Stage;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Instant;

/// Where the second POP is. All of 127.0.0.0/8 is this machine.
const WEST: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
/// How long a start or a move may take before it counts as failed. A quiet machine needs two seconds.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often users ask where they should go.
const ASK_EVERY: Duration = Duration::from_millis(50);

/// The second POP, the name server and the prober.
pub(crate) struct Pops {
    east: SocketAddr,
    west: Option<Node>,
    west_address: SocketAddr,
    name_server: NameServer,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<Exit>>,
}

impl Pops {
    /// Starts them beside the pair, whose front-end is at `east` and whose back-end's tunnels are at `tunnel`.
    pub(crate) fn start(pair: &Pair, east: SocketAddr, tunnel: SocketAddr) -> Result<Self, Exit> {
        let west = Node::start(&pair.west(SocketAddr::new(WEST.into(), east.port()), tunnel)?)
            .or_else(|_| Node::start(&pair.west(SocketAddr::new(WEST.into(), 0), tunnel)?))?;
        let west_address = west.running().listening()[0];
        write_network(pair.folder(), east, west_address).map_err(|what| fail(&what))?;
        let stop = Arc::new(AtomicBool::new(false));
        let name_server = NameServer::start(pair.folder())?;
        let reports = name_server.reports;
        let mut pops = Self { east, west: Some(west), west_address, name_server, stop, threads: Vec::new() };
        pops.start_probe(pair.folder(), reports)?;
        Ok(pops)
    }

    /// Where users ask.
    pub(crate) fn line(&self) -> String {
        format!(
            "two POPs: {} and {}; `dig -p {} @{} {NAME}` says where a user is sent",
            self.east,
            self.west_address,
            self.name_server.address.port(),
            self.name_server.address.ip()
        )
    }

    fn start_probe(&mut self, folder: &Path, reports: SocketAddr) -> Result<(), Exit> {
        let tree = folder.join("longhaul.toml").display().to_string();
        let reports = reports.to_string();
        let args = ProbeArgs::from_flags(["--config", &tree, "--node", "prober", "--report-to", &reports]);
        let config = probe::configure(&args.map_err(|e| fail(&e))?).map_err(wrong)?;
        let stop = self.stop.clone();
        let thread = std::thread::Builder::new().name("demo-probe".to_owned());
        let run = move || serve_probe::run_until(&config, &stop);
        self.threads.push(thread.spawn(run).map_err(|error| fail(&error))?);
        Ok(())
    }

    /// The front-end behind an answer.
    fn front(&self, answer: IpAddr) -> Option<(&'static str, SocketAddr)> {
        match answer {
            east if east == self.east.ip() => Some(("east", self.east)),
            west if west == self.west_address.ip() => Some(("west", self.west_address)),
            _ => None,
        }
    }

    fn until(
        &self,
        what: &str,
        is_there: impl Fn(IpAddr) -> bool,
    ) -> Result<(&'static str, SocketAddr), String> {
        let begun = Instant::now();
        loop {
            if let Some(found) =
                self.name_server.answer().filter(|answer| is_there(*answer)).and_then(|at| self.front(at))
            {
                return Ok(found);
            }
            if begun.elapsed() > PATIENCE {
                return Err(format!("{what} not within {} s", PATIENCE.as_secs()));
            }
            std::thread::sleep(ASK_EVERY);
        }
    }

    /// Sends a user to the west, ends that POP under him, and follows him; `fetch` proves that a POP serves.
    pub(crate) fn check(
        &mut self,
        fetch: impl Fn(SocketAddr) -> Result<(), String>,
    ) -> Result<String, String> {
        let west_ip = self.west_address.ip();
        let (_, at) = self.until("the name server sent nobody to the west", |answer| answer == west_ip)?;
        fetch(at)?;
        if let Some(west) = self.west.take() {
            (west.running().stopper())(Stage::Stopping);
            west.finish();
        }
        let ended = Instant::now();
        let (name, at) = self.until("the user was not moved", |answer| answer != west_ip)?;
        let moved_ms = ended.elapsed().as_millis();
        fetch(at)?;
        Ok(format!(
            "the POP west was ended under its user; {moved_ms} ms later he was sent to {name}, and served"
        ))
    }

    /// Ends what is left.
    pub(crate) fn stop(self) {
        self.stop.store(true, Ordering::Release);
        if let Some(west) = self.west {
            (west.running().stopper())(Stage::Stopping);
            west.finish();
        }
        for thread in self.threads {
            let _ended = thread.join();
        }
        self.name_server.stop();
    }
}

/// The tree of the demo's network: users are sent west, for as long as that is up.
fn write_network(folder: &Path, east: SocketAddr, west: SocketAddr) -> Result<(), String> {
    demo_dns::write_secret(folder)?;
    let front = |name: &str, at: SocketAddr| {
        format!(
            "[node.{name}]\nroles = [\"front\"]\naddresses = [\"{}\"]\n[probe.{name}]\nurl = \"http://{at}/bytes/1\"\n\
             servers = [\"{name}\"]\ninterval = \"300ms\"\ntimeout = \"250ms\"\n",
            at.ip()
        )
    };
    let text = format!(
        "reports.key = \"{}\"\n{}[node.prober]\nroles = [\"probe\"]\n[policy.web]\nkind = \"failover\"\n\
         members = [\"west\", \"east\"]\nttl = \"5s\"\n{}{}",
        demo_dns::REPORTS_KEY,
        demo_dns::zone(),
        front("east", east),
        front("west", west)
    );
    fs::write(folder.join("longhaul.toml"), text).map_err(|error| error.to_string())
}

fn wrong(problems: Problems) -> Exit {
    problems.print("demo");
    Exit::Failed
}

fn fail(why: &dyn core::fmt::Display) -> Exit {
    eprintln!("longhaul demo: {why}");
    Exit::Failed
}
