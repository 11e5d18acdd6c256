//! `longhaul demo`: an origin, a back-end and a front-end in one process, over real sockets on loopback, joined by a real
//! tunnel. With `--check` a relay stands in the tunnel and reads along, as anybody on the Internet could.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use controlplane::signal::{Signal, Signals};
use dataplane::role::control::Stage;
use tools::content::MARKER;
use tools::load::{LoadOptions, LoadReport};
use tools::origin::{OriginOptions, OriginThread};

use crate::args::demo::DemoConfig;
use crate::demo_pops::Pops;
use crate::exit::Exit;
use crate::node::Node;
use crate::pair::{self, Pair};
use crate::relay::{Relay, Seen};

/// How long the tunnel may take to come up before the check gives up. Loopback needs milliseconds.
const UP_WITHIN: Duration = Duration::from_secs(10);
/// The whole check ends within this, whatever hangs.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// Everything that a demo runs.
struct Demo {
    origin: OriginThread,
    back: Node,
    front: Node,
    relay: Option<Relay>,
    pops: Pops,
}

/// Runs the demo.
pub(crate) fn run(config: &DemoConfig) -> Exit {
    let signals = match Signals::block() {
        Ok(signals) => signals,
        Err(error) => return fail("cannot listen to signals", &error),
    };
    match (Demo::start(config), config.check) {
        (Ok(demo), true) => demo.check(),
        (Ok(demo), false) => demo.serve(&signals),
        (Err(exit), _) => exit,
    }
}

impl Demo {
    fn start(config: &DemoConfig) -> Result<Self, Exit> {
        let origin = tools::origin::spawn(&OriginOptions::default())
            .map_err(|e| fail("the origin did not start", &e))?;
        let pair = Pair::new(config, origin.address())?;
        let back = Node::start(&pair.back(Ipv4Addr::LOCALHOST.into())?)?;
        let tunnel = back.running().tunnel_addresses()[0];
        let relay =
            config.check.then(|| Relay::start(tunnel)).transpose().map_err(|e| fail("no relay", &e))?;
        let toward = relay.as_ref().map_or(tunnel, Relay::address);
        let front = Node::start(&pair.front(toward)?)?;
        let pops = Pops::start(&pair, front.running().listening()[0], tunnel)?;
        Ok(Self { origin, back, front, relay, pops })
    }

    fn address(&self) -> SocketAddr {
        self.front.running().listening()[0]
    }

    fn check(mut self) -> Exit {
        let outcome = self.checks();
        let seen = self.relay.as_ref().map(Relay::seen);
        let judged = outcome.and_then(|bodies| judge(bodies, &seen.unwrap_or_default()));
        let moved = judged.and_then(|said| Ok((said, self.pops.check(fetch_one)?)));
        self.stop();
        match moved {
            Ok((said, moved)) => {
                println!("{said}");
                println!("{moved}");
                println!("check passed");
                Exit::Done
            }
            Err(why) => {
                eprintln!("longhaul demo: check failed: {why}");
                Exit::Different
            }
        }
    }

    /// Fetches every kind of body, each byte compared; the bytes that must have crossed the tunnel.
    fn checks(&self) -> Result<u64, String> {
        pair::wait_up(self.front.running(), UP_WITHIN)?;
        let url = |path: &str| format!("http://{}{path}", self.address());
        let base =
            LoadOptions { verify: true, connections: 8, timeout: ANSWER_WITHIN, ..LoadOptions::default() };
        let downloads =
            ["/bytes/0", "/bytes/1", "/bytes/128", "/bytes/16k", "/bytes/1m", "/chunked/200k", "/close/70k"];
        let mut bodies = 0;
        for path in downloads {
            let report =
                fetch(path, &LoadOptions { urls: vec![url(path)], requests: Some(16), ..base.clone() })?;
            bodies += report.bytes;
        }
        for chunked in [false, true] {
            let upload = LoadOptions {
                urls: vec![url("/hash")],
                upload_bytes: Some(300_000),
                upload_chunked: chunked,
                requests: Some(16),
                ..base.clone()
            };
            let report = fetch("/hash", &upload)?;
            bodies += report.bytes + report.uploaded_bytes;
        }
        Ok(bodies)
    }

    fn serve(self, signals: &Signals) -> Exit {
        if let Err(why) = pair::wait_up(self.front.running(), UP_WITHIN) {
            eprintln!("longhaul demo: {why}");
            return Exit::Failed;
        }
        println!("{}", self.picture());
        match self.show() {
            Ok(report) => println!("{report}"),
            Err(error) => println!("(the show could not run: {error})"),
        }
        println!("{}", pair::tunnel_line(self.front.running()));
        println!("{}", self.pops.line());
        println!(
            "serving http://{}/ until interrupted (try /bytes/1m, /chunked/100k, /echo)",
            self.address()
        );
        while !matches!(signals.wait(Duration::from_secs(1)), Some(Signal::Terminate)) {}
        self.stop()
    }

    /// Two seconds of verified load through the pair.
    fn show(&self) -> Result<LoadReport, String> {
        let paths = ["/bytes/128", "/bytes/16k", "/chunked/20k", "/bytes/128"];
        let options = LoadOptions {
            urls: paths.iter().map(|path| format!("http://{}{path}", self.address())).collect(),
            duration: Some(Duration::from_secs(2)),
            verify: true,
            ..LoadOptions::default()
        };
        tools::load::run(&options).map_err(|error| error.to_string())
    }

    fn picture(&self) -> String {
        let (front, back) = (self.address(), self.back.running().tunnel_addresses()[0]);
        format!(
            "client ──TCP──► front-end {front} ══TMP (UDP, encrypted)══► back-end {back} ──TCP──► origin {}",
            self.origin.address()
        )
    }

    fn stop(self) -> Exit {
        self.pops.stop();
        (self.front.running().stopper())(Stage::Stopping);
        let front = self.front.finish();
        (self.back.running().stopper())(Stage::Stopping);
        let back = self.back.finish();
        drop(self.relay);
        let _counts = self.origin.stop();
        if front == Exit::Done { back } else { front }
    }
}

/// A few verified requests to a front-end.
fn fetch_one(front: SocketAddr) -> Result<(), String> {
    let options = LoadOptions {
        urls: vec![format!("http://{front}/bytes/16k")],
        requests: Some(8),
        connections: 2,
        verify: true,
        timeout: ANSWER_WITHIN,
        ..LoadOptions::default()
    };
    fetch("/bytes/16k", &options).map(drop)
}

fn fetch(what: &str, options: &LoadOptions) -> Result<LoadReport, String> {
    let report = tools::load::run(options).map_err(|error| format!("{what}: {error}"))?;
    if report.is_clean() { Ok(report) } else { Err(format!("{what}:\n{report}")) }
}

/// What the relay saw must be as much as was carried, and unreadable.
fn judge(bodies: u64, seen: &Seen) -> Result<String, String> {
    let marker = String::from_utf8_lossy(MARKER);
    if seen.bytes < bodies {
        return Err(format!("{bodies} body bytes arrived, but the tunnel carried only {}", seen.bytes));
    }
    if seen.markers > 0 {
        return Err(format!("the text {marker:?} of the bodies can be read in {} datagrams", seen.markers));
    }
    Ok(format!(
        "every byte of {bodies} is right; the tunnel carried {} bytes in {} datagrams, {marker:?} in none of them",
        seen.bytes, seen.datagrams
    ))
}

fn fail(what: &str, why: &dyn core::fmt::Display) -> Exit {
    eprintln!("longhaul demo: {what}: {why}");
    Exit::Failed
}
