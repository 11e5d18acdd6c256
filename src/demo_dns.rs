//! The demo's name server, in a thread of the same process, and a user who asks it.

use crate::args::dns::DnsArgs;
use crate::exit::Exit;
use crate::problem::Problems;
use crate::{dns, key_file, serve_dns};
use controlplane::probe::prober::{Prober, ProberOptions};
use controlplane::probe::target::{Pace, Target};
use controlplane::probe::url::Url;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;
use dataplane::reactor::clock;
use dataplane::tmp::random::{Random, SystemRandom};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;

/// The name that users ask for.
pub(crate) const NAME: &str = "demo.test";
/// The file of the secret behind the reports.
pub(crate) const REPORTS_KEY: &str = "reports.key";

/// The name server.
pub(crate) struct NameServer {
    /// Where users ask.
    pub(crate) address: SocketAddr,
    /// Where it takes reports.
    pub(crate) reports: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Exit>,
}

impl NameServer {
    /// Starts the node `ns` of the tree in a folder.
    pub(crate) fn start(folder: &Path) -> Result<Self, Exit> {
        let tree = folder.join("longhaul.toml").display().to_string();
        let flags = ["--config", &tree, "--node", "ns", "--threads", "1", "--listen", "127.0.0.1:0"];
        let args = DnsArgs::from_flags(flags.into_iter().chain(["--reports", "127.0.0.1:0"]))
            .map_err(|e| fail(&e))?;
        let config = dns::configure(&args).map_err(wrong)?;
        let (tell, told) = mpsc::channel();
        let stop = Arc::new(AtomicBool::new(false));
        let stopping = stop.clone();
        let run = move || {
            serve_dns::run_until(&config, &stopping, move |addresses| {
                // Who asked for a start waits for this; nobody else does.
                let _told = tell.send(addresses);
            })
        };
        let thread = std::thread::Builder::new().name("demo-dns".to_owned());
        let thread = thread.spawn(run).map_err(|error| fail(&error))?;
        let (address, reports) = told.recv().map_err(|_| fail(&"the name server did not start"))?;
        Ok(Self { address, reports, stop, thread })
    }

    /// Where a user is sent now.
    pub(crate) fn answer(&self) -> Option<IpAddr> {
        let url = Url::read(&format!("dns://{}/{NAME}", self.address)).ok()?;
        let pace = Pace { timeout: Duration::from_secs(1), ..Pace::default() };
        let target = Arc::new(Target { pace, ..Target::of(NAME, url) });
        let options =
            ProberOptions { targets: vec![target], seed: clock::unix_us(), ..ProberOptions::default() };
        let outcome = Prober::new(options).ok()?.once().ok()?.pop()?;
        outcome.seen.said.parse().ok()
    }

    /// Ends it.
    pub(crate) fn stop(self) {
        self.stop.store(true, Ordering::Release);
        let _ended = self.thread.join();
    }
}

/// Makes the secret behind the reports.
pub(crate) fn write_secret(folder: &Path) -> Result<(), String> {
    let mut secret = [0; 32];
    SystemRandom::new().fill(&mut secret);
    key_file::create(&folder.join(REPORTS_KEY), &key_file::report_secret_text(&secret))
        .map_err(|wrong| wrong.to_string())
}

/// The zone that both demos have.
pub(crate) fn zone() -> String {
    format!(
        "[zone.\"{NAME}\"]\nrecords = \"\"\"\n@ 5 SOA ns hostmaster 1 3600 600 86400 5\n@ 5 NS ns\nns 5 A 127.0.0.1\n\"\"\"\n\
         [node.ns]\nroles = [\"dns\"]\n[site.\"{NAME}\".dns]\npolicy = \"web\"\n"
    )
}

fn wrong(problems: Problems) -> Exit {
    problems.print("demo");
    Exit::Failed
}

fn fail(why: &dyn core::fmt::Display) -> Exit {
    eprintln!("longhaul demo: {why}");
    Exit::Failed
}
