//! `longhaul demo --wan SPEC`: pages over a long path, through the pair and by the kernel's own TCP, side by side.
//!
//! ```text
//! direct, cubic   user ─────────── path 1, kernel TCP ───────────► origin
//! direct, bbr     user ─────────── path 2, kernel TCP ───────────► origin
//! Longhaul        user ─► front-end ═══ path 3, TMP ═══► back-end ─► origin
//! ```
//! Each has a path of its own (two namespaces, TUN devices, the emulator) with the same rules and seed, so they do not
//! share a bottleneck. The user sits beside the front-end: a last mile would be added to all three alike.

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use controlplane::signal::{Signal, Signals};
use dataplane::role::control::Stage;
use tools::origin::{OriginOptions, OriginThread};
use tools::page::Page;
use tools::plot::{Axis, Plot, Series, Shape, page};
use tools::wan::topology::{self, TopologyOptions};
use tools::wan::{Namespace, Running, TunEnds, WanError, WanOptions, inside, spawn};

use crate::args::demo::{DemoConfig, WanDemo};
use crate::demo_sour;
use crate::exit::Exit;
use crate::node::Node;
use crate::pair::{self, Pair};

/// How long pages are begun.
const PAGES_FOR: Duration = Duration::from_secs(8);
/// From one page to the next, whatever became of the last.
const PAGE_EVERY: Duration = Duration::from_millis(250);
/// How long the tunnel may take to come up over the longest path that is allowed, with loss.
const UP_WITHIN: Duration = Duration::from_secs(30);
/// What the names of this demo's namespaces begin with; the process id follows.
const PREFIX: &str = "lh-demo";
/// Decides what chance decides, for all three.
const SEED: u64 = 1;

/// The rows, in the order of the table: name, and what the kernel's TCP is told where that is what crosses.
const ROWS: [(&str, Option<&str>); 3] =
    [("direct TCP, cubic", Some("cubic")), ("direct TCP, bbr", Some("bbr")), ("Longhaul", None)];

/// Runs the demo.
pub(crate) fn run(config: &DemoConfig, wan: &WanDemo) -> Exit {
    let signals = match Signals::block() {
        Ok(signals) => signals,
        Err(error) => return fail(&format!("cannot listen to signals: {error}")),
    };
    offer_what_was_left();
    let mut rows = Vec::new();
    for (name, congestion) in ROWS {
        match Row::start(config, wan, name, congestion) {
            Ok(row) => rows.push(row),
            Err(Cause::Skip(why)) => println!("{name} is left out: {why}"),
            Err(Cause::Refused(why)) => {
                eprintln!("longhaul demo: --wan compares with the kernel's own TCP, over namespaces: {why}");
                return Exit::Usage;
            }
            Err(Cause::Told(exit)) => return exit,
        }
    }
    let page = Page::default();
    println!("{}", introduction(wan, &page));
    load_pages(&rows, &page, &signals);
    let done = show(wan, &page, &rows);
    rows.into_iter().for_each(Row::stop);
    println!();
    match demo_sour::run(config, wan) {
        Exit::Done => done,
        other => other,
    }
}

/// Names namespaces of demos that ended without removing them.
fn offer_what_was_left() {
    for name in topology::list() {
        let owner = name.strip_prefix(PREFIX).and_then(|rest| rest.trim_start_matches('-').split('-').next());
        if owner.is_some_and(|id| id.parse::<u32>().is_ok() && !Path::new("/proc").join(id).exists()) {
            println!("a demo that crashed left namespaces: remove them with `longhaul wan topo down {name}`");
        }
    }
}

/// Why a row does not run.
enum Cause {
    /// Only this one.
    Skip(String),
    /// None does.
    Refused(String),
    /// None does, and the reason has been said.
    Told(Exit),
}

impl From<WanError> for Cause {
    fn from(error: WanError) -> Self {
        Self::Refused(error.to_string())
    }
}

impl From<io::Error> for Cause {
    fn from(error: io::Error) -> Self {
        Self::Refused(error.to_string())
    }
}

/// Namespaces, removed when dropped.
struct Topology(String);

impl Topology {
    fn up(name: &str, congestion: Option<&str>) -> Result<Self, Cause> {
        topology::up(name, &TopologyOptions::default()).map_err(|error| Cause::Refused(error.to_string()))?;
        let made = Self(name.to_owned());
        if let Some(congestion) = congestion {
            topology::set_congestion(name, congestion).map_err(|error| Cause::Skip(error.to_string()))?;
        }
        Ok(made)
    }

    fn side(&self, side: char) -> String {
        topology::namespace(&self.0, side)
    }
}

impl Drop for Topology {
    fn drop(&mut self) {
        // What cannot be removed now is found and offered by the next demo.
        let _ = topology::down(&self.0);
    }
}

/// One way to the origin. Fields end in this order: what runs, then the path, then the namespaces.
struct Row {
    name: &'static str,
    /// Where the user asks.
    address: SocketAddr,
    users: Namespace,
    nodes: Option<(Node, Node)>,
    origin: OriginThread,
    times: Mutex<Times>,
    path: Running,
    _pair: Option<Pair>,
    _topology: Topology,
}

/// What became of the pages.
#[derive(Default)]
struct Times {
    ms: Vec<f64>,
    failures: BTreeMap<String, usize>,
}

impl Row {
    fn start(
        config: &DemoConfig,
        wan: &WanDemo,
        name: &'static str,
        congestion: Option<&str>,
    ) -> Result<Self, Cause> {
        let id = format!("{PREFIX}-{}-{}", std::process::id(), congestion.unwrap_or("tmp"));
        let topology = Topology::up(&id, congestion)?;
        let path = spawn(WanOptions { rules: wan.rules.clone(), seed: SEED }, TunEnds::open(&id)?)?;
        let far = Ipv4Addr::from(topology::ADDRESSES[1]);
        let listen = if congestion.is_some() { far } else { Ipv4Addr::LOCALHOST };
        let options =
            OriginOptions { listen: vec![SocketAddr::from((listen, 0))], ..OriginOptions::default() };
        let origin = inside(&topology.side('b'), || tools::origin::spawn(&options))?
            .map_err(|error| Cause::Refused(error.to_string()))?;
        let (mut address, mut nodes, mut keys) = (origin.address(), None, None);
        if congestion.is_none() {
            let pair = Pair::new(config, origin.address()).map_err(Cause::Told)?;
            let (front, back) = start_pair(&pair, &topology, far)?;
            address = front.running().listening()[0];
            (nodes, keys) = (Some((front, back)), Some(pair));
        }
        let users = Namespace::open(&topology.side('a'))?;
        let times = Mutex::default();
        Ok(Self { name, address, users, nodes, origin, times, path, _pair: keys, _topology: topology })
    }

    /// Loads one page in the calling thread.
    fn load(&self, page: &Page) {
        let loaded = self.users.enter().map_err(Into::into).and_then(|()| page.load(self.address));
        let Ok(mut times) = self.times.lock() else { return };
        match loaded {
            Ok(time) => times.ms.push(time.as_secs_f64() * 1e3),
            Err(error) => *times.failures.entry(error.to_string()).or_default() += 1,
        }
    }

    /// The times of the pages that loaded, ascending, and how many did not.
    fn times(&self) -> (Vec<f64>, usize) {
        let Ok(times) = self.times.lock() else { return (Vec::new(), 0) };
        let mut ms = times.ms.clone();
        ms.sort_by(f64::total_cmp);
        (ms, times.failures.values().sum())
    }

    fn stop(self) {
        if let Some((front, back)) = self.nodes {
            for node in [front, back] {
                (node.running().stopper())(Stage::Stopping);
                node.finish();
            }
        }
        // The pages have been counted; what the origin counted beside them is not shown.
        let _ = self.origin.stop();
    }
}

/// Starts both nodes, each in its namespace, and waits for the tunnel between them.
fn start_pair(pair: &Pair, topology: &Topology, far: Ipv4Addr) -> Result<(Node, Node), Cause> {
    let back = pair.back(far.into()).map_err(Cause::Told)?;
    let back = inside(&topology.side('b'), || Node::start(&back))?.map_err(Cause::Told)?;
    let front = pair.front(back.running().tunnel_addresses()[0]).map_err(Cause::Told)?;
    let front = inside(&topology.side('a'), || Node::start(&front))?.map_err(Cause::Told)?;
    pair::wait_up(front.running(), UP_WITHIN).map_err(Cause::Refused)?;
    Ok((front, back))
}

/// Begins a page on every row again and again, and waits until all have ended; ends early on a signal.
fn load_pages(rows: &[Row], page: &Page, signals: &Signals) {
    let begun = Instant::now();
    std::thread::scope(|scope| {
        for turn in 0.. {
            let due = PAGE_EVERY * turn;
            if due >= PAGES_FOR {
                return;
            }
            let wait = due.saturating_sub(begun.elapsed());
            if !wait.is_zero() && matches!(signals.wait(wait), Some(Signal::Terminate)) {
                return;
            }
            for row in rows {
                scope.spawn(|| row.load(page));
            }
        }
    });
}

fn introduction(wan: &WanDemo, page: &Page) -> String {
    format!(
        "path: {}\npage: a document and {} objects, {} KiB, over up to {} new connections, every byte compared; \
         one begun every {} ms for {} s\nthe user is beside the front-end, or beside its end of the path",
        wan.spec,
        page.object_bytes.len(),
        page.bytes() >> 10,
        page.connections,
        PAGE_EVERY.as_millis(),
        PAGES_FOR.as_secs()
    )
}

/// Prints the table and writes the plot.
fn show(wan: &WanDemo, page: &Page, rows: &[Row]) -> Exit {
    let ours = rows.last().and_then(|row| quantile(&row.times().0, 0.5));
    println!(
        "\n{:<18} {:>6} {:>10} {:>8} {:>9} {:>7} {:>12}",
        "", "pages", "median ms", "p90 ms", "worst ms", "failed", "of Longhaul"
    );
    for row in rows {
        let (ms, failed) = row.times();
        let none = || "-".to_owned();
        let at = |share| quantile(&ms, share).map_or_else(none, |ms| format!("{ms:.0}"));
        let ratio =
            quantile(&ms, 0.5).zip(ours).map_or_else(none, |(ms, ours)| format!("{:.2} x", ms / ours));
        println!(
            "{:<18} {:>6} {:>10} {:>8} {:>9} {:>7} {:>12}",
            row.name,
            ms.len(),
            at(0.5),
            at(0.9),
            at(1.0),
            failed,
            ratio
        );
    }
    println!();
    for row in rows {
        let report = row.path.report();
        let (up, down) = (report.up, report.down);
        println!(
            "{}: {} packets up, {} down, {} lost by chance, {} in full queues; handed out {} us late at p99",
            row.name,
            up.packets,
            down.packets,
            up.dropped_loss + down.dropped_loss,
            up.dropped_queue + down.dropped_queue,
            report.late_us.p99
        );
        explain_failures(row);
    }
    match std::fs::write(&wan.plot, plot(wan, page, rows)) {
        Ok(()) => println!("plot: {}", wan.plot.display()),
        Err(error) => return fail(&format!("cannot write {}: {error}", wan.plot.display())),
    }
    if rows.iter().any(|row| row.times().1 > 0) { Exit::Different } else { Exit::Done }
}

fn explain_failures(row: &Row) {
    let Ok(times) = row.times.lock() else { return };
    for (why, count) in &times.failures {
        println!("{}: {count} pages failed: {why}", row.name);
    }
}

/// The value at that share of ascending ones; `None` without any.
fn quantile(ascending: &[f64], share: f64) -> Option<f64> {
    let last = ascending.len().checked_sub(1)?;
    ascending.get((last as f64 * share).round() as usize).copied()
}

/// How many pages were there after how long.
fn plot(wan: &WanDemo, page_shown: &Page, rows: &[Row]) -> String {
    let title = format!("Pages of {} KiB over {}", page_shown.bytes() >> 10, wan.spec);
    let mut plot = Plot::new(&title, Axis::linear("time to load, ms"), Axis::linear("share of pages, %"));
    for row in rows {
        let (ms, failed) = row.times();
        let all = (ms.len() + failed).max(1) as f64;
        let first = ms.first().map(|ms| (*ms, 0.0));
        let points = ms.iter().enumerate().map(|(at, ms)| (*ms, (at + 1) as f64 / all * 100.0));
        let points = first.into_iter().chain(points).collect();
        plot = plot.with(Series { label: row.name.to_owned(), shape: Shape::Steps, points });
    }
    page(&[plot])
}

fn fail(why: &str) -> Exit {
    eprintln!("longhaul demo: {why}");
    Exit::Failed
}
