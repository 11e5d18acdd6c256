//! The name server running: loads, starts, reloads whole or not at all, reads figures when they change, ends.

use crate::dns::{DnsConfig, TreeSource};
use crate::exit::Exit;
use crate::tree;
use controlplane::dns::load::{self, Loaded};
use controlplane::dns::policy::steering::Steering;
use controlplane::dns::server::query_log::QueryLog;
use controlplane::dns::server::start::{Server, StartError};
use controlplane::dns::server::watch::{DnsWatch, Reloads};
use controlplane::logs::daemon;
use controlplane::notify;
use controlplane::signal::{Signal, Signals};
use controlplane::tree::network::Network;
use controlplane::view::Admin;
use core::time::Duration;
use dataplane::reactor::machine;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Instant, SystemTime};

/// How often the main thread looks at the workers and at the file of figures while it waits for signals.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// Descriptors that are no connections: sockets, polls, logs, and some to spare.
const DESCRIPTORS_BESIDE: usize = 256;

/// Serves until it is told to stop.
pub(crate) fn run(config: &DnsConfig) -> Exit {
    daemon::set_level_max(config.log_level);
    // Before any thread: they inherit what is blocked, so that only this thread hears signals.
    let signals = match Signals::block() {
        Ok(signals) => signals,
        Err(error) => return failed("cannot listen to signals", &error),
    };
    match Running::start(config) {
        Ok(running) => running.serve(&signals),
        Err(exit) => exit,
    }
}

/// A server with the threads beside it.
struct Running<'c> {
    config: &'c DnsConfig,
    server: Server,
    log: Option<QueryLog>,
    page: Option<(JoinHandle<io::Result<()>>, Arc<AtomicBool>)>,
    reloads: Arc<Reloads>,
    figures: FiguresFile,
}

/// The file of figures and when it was last written.
#[derive(Debug, Default)]
struct FiguresFile {
    path: Option<PathBuf>,
    written: Option<SystemTime>,
}

impl FiguresFile {
    fn of(network: Option<&Network>) -> Self {
        let path = network.and_then(|network| network.figures.clone());
        let mut file = Self { path, written: None };
        file.has_changed();
        file
    }

    /// Whether it was written since the last look.
    fn has_changed(&mut self) -> bool {
        let Some(path) = &self.path else { return false };
        let written = fs::metadata(path).and_then(|metadata| metadata.modified()).ok();
        let has_changed = written.is_some() && written != self.written;
        self.written = written;
        has_changed
    }
}

impl<'c> Running<'c> {
    fn start(config: &'c DnsConfig) -> Result<Self, Exit> {
        machine::forbid_core_dumps().map_err(|error| failed("cannot forbid core dumps", &error))?;
        let wanted = config.server.threads * config.server.tcp.connections_max + DESCRIPTORS_BESIDE;
        match machine::raise_descriptor_limit(wanted as u64) {
            Ok(held) if held < wanted as u64 => daemon::warning(
                "fewer descriptors than connections",
                &[("wanted", &wanted), ("held", &held), ("do", &"raise LimitNOFILE or lower --tcp-max")],
            ),
            Ok(_) => {}
            Err(error) => return Err(failed("cannot read the limit on descriptors", &error)),
        }
        let reloads: Arc<Reloads> = Arc::default();
        if let Some(broken) =
            config.tree.as_ref().map(|tree| &tree.broken).filter(|broken| !broken.is_empty())
        {
            say_all(broken);
            daemon::error("the tree is broken; the last good one serves", &[("problems", &broken.len())]);
            reloads.failed(broken.clone());
        }
        let network = config.tree.as_ref().map(|tree| &tree.network);
        let figures = FiguresFile::of(network);
        let (Loaded { catalog, .. }, steering) = load(config, network).map_err(|problems| {
            say_all(&problems);
            daemon::error("nothing was started", &[("problems", &problems.len())]);
            Exit::Usage
        })?;
        let log = QueryLog::start(&config.query_log)
            .map_err(|error| failed("cannot open the query log", &error))?;
        let server =
            Server::start(config.server.clone(), catalog, steering, log.as_ref()).map_err(|error| {
                daemon::error("cannot start", &[("why", &error)]);
                match error {
                    StartError::Bind(_, _, error) if error.kind() == ErrorKind::AddrInUse => Exit::TryAgain,
                    StartError::Bind(..) | StartError::System(_) => Exit::Failed,
                }
            })?;
        let mut running = Self { config, server, log, page: None, reloads, figures };
        running.start_page()?;
        if let Some(tree) = config.tree.as_ref().filter(|tree| tree.broken.is_empty()) {
            keep(tree, &tree.text);
        }
        let listening: Vec<String> = running.server.listening().iter().map(ToString::to_string).collect();
        daemon::notice(
            "started",
            &[("end", &"dns"), ("threads", &config.server.threads), ("listening", &listening.join(","))],
        );
        notify::ready("serving");
        Ok(running)
    }

    fn start_page(&mut self) -> Result<(), Exit> {
        let Some(address) = self.config.admin else { return Ok(()) };
        let mut admin =
            Admin::bind(address).map_err(|error| failed("cannot serve the admin page", &error))?;
        self.config.admin_hosts.iter().for_each(|name| admin.allow_host(name));
        if let Ok(bound) = admin.local_addr() {
            daemon::notice("admin page", &[("address", &bound)]);
        }
        let watch = DnsWatch {
            version: env!("CARGO_PKG_VERSION"),
            counters: self.server.counters().to_vec(),
            published: self.server.published(),
            reloads: self.reloads.clone(),
            listening: self.server.listening().iter().map(ToString::to_string).collect(),
            log_lines: self.log.as_ref().map(QueryLog::written),
        };
        let stop = Arc::new(AtomicBool::new(false));
        let told = stop.clone();
        let thread = std::thread::Builder::new().name("admin".to_owned());
        let thread =
            thread.spawn(move || admin.run(watch, &told)).map_err(|error| failed("no thread", &error))?;
        self.page = Some((thread, stop));
        Ok(())
    }

    fn serve(mut self, signals: &Signals) -> Exit {
        let alive_every = notify::alive_interval();
        let mut alive_at = Instant::now();
        let mut turns_seen = Vec::new();
        while !self.server.has_ended() {
            if alive_every.is_some() && Instant::now() >= alive_at {
                // A worker that stands still is what the watchdog is for.
                let turns = self.server.turns();
                if turns.iter().zip(&turns_seen).all(|(now, before)| now != before) {
                    notify::alive();
                }
                turns_seen = turns;
                alive_at = Instant::now() + alive_every.unwrap_or(LOOK_EVERY);
            }
            match signals.wait(LOOK_EVERY) {
                Some(Signal::Terminate) => return self.finish(true),
                Some(Signal::Reopen) => self.reopen(),
                Some(Signal::Reload) => self.reload(),
                None => self.look_at_figures(),
            }
        }
        self.finish(false)
    }

    fn reopen(&self) {
        if let Some(log) = &self.log {
            log.reopen();
            daemon::notice("the query log is opened again", &[]);
        }
    }

    /// Whole or not at all.
    fn reload(&mut self) {
        match self.load_anew() {
            Ok(generation) => {
                self.reloads.worked();
                daemon::notice("zones are serving anew", &[("generation", &generation)]);
            }
            Err(problems) => {
                self.reloads.failed(problems.clone());
                say_all(&problems);
                daemon::error("nothing was reloaded; the old zones stay", &[("problems", &problems.len())]);
            }
        }
    }

    fn load_anew(&mut self) -> Result<u64, Vec<String>> {
        let opened = self.config.tree.as_ref().map(|source| tree::open(&source.file)).transpose()?;
        let network = opened.as_ref().map(|opened| &opened.network);
        let figures = FiguresFile::of(network);
        let (Loaded { catalog, .. }, steering) = load(self.config, network)?;
        let generation = self.server.published().replace(catalog, steering);
        self.figures = figures;
        if let (Some(source), Some(opened)) = (&self.config.tree, &opened) {
            keep(source, &opened.text);
        }
        Ok(generation)
    }

    /// Reads what was measured if the file has changed; a broken one leaves what is known as it is, to grow old.
    fn look_at_figures(&mut self) {
        if !self.figures.has_changed() {
            return;
        }
        let (Some(path), published) = (&self.figures.path, self.server.published()) else { return };
        let steering = published.newest().steering.clone();
        match tree::figures(path, &steering) {
            Ok(figures) => {
                published.replace_steering(steering.with_figures(figures));
                daemon::debug("figures read", &[]);
            }
            Err(problems) => {
                self.reloads.failed(problems.clone());
                say_all(&problems);
                daemon::error("the figures are not taken; what was known grows old", &[]);
            }
        }
    }

    fn finish(self, was_asked: bool) -> Exit {
        notify::stopping();
        self.reloads.stopping();
        let ended = self.server.stop();
        if let Some((thread, stop)) = self.page {
            stop.store(true, Ordering::Release);
            let _ended = thread.join();
        }
        if let Some(log) = self.log {
            log.stop();
        }
        match ended {
            Ok(()) => {
                daemon::notice("ended", &[("end", &"dns")]);
                if was_asked { Exit::Done } else { Exit::Failed }
            }
            Err(error) => failed("a worker has failed", &error),
        }
    }
}

fn say_all(lines: &[String]) {
    for line in lines {
        daemon::error(line, &[]);
    }
}

/// Keeps a tree that has worked, for a start that finds a broken one.
fn keep(source: &TreeSource, text: &str) {
    let Some(kept) = &source.last_good else { return };
    if let Err(problems) = tree::replace(kept, text) {
        say_all(&problems);
        daemon::warning("the tree serves, but is not kept as the last good one", &[]);
    }
}

/// Loads all zones, policies and figures, and says how it went.
fn load(config: &DnsConfig, network: Option<&Network>) -> Result<(Loaded, Steering), Vec<String>> {
    let begun = Instant::now();
    let (loaded, steering) = match network {
        None => (load::load(&config.zones)?, Steering::default()),
        Some(network) => {
            let mut network = network.clone();
            network.zones.extend(config.zones.iter().cloned());
            tree::load(&network)?
        }
    };
    for line in &loaded.warnings {
        daemon::warning(line, &[]);
    }
    let catalog = &loaded.catalog;
    daemon::info(
        "zones loaded",
        &[
            ("zones", &catalog.zones().len()),
            ("records", &catalog.record_count()),
            ("policies", &steering.policies().len()),
            ("bytes", &catalog.bytes()),
            ("ms", &begun.elapsed().as_millis()),
        ],
    );
    Ok((loaded, steering))
}

fn failed(what: &str, why: &dyn core::fmt::Display) -> Exit {
    daemon::error(what, &[("why", &why)]);
    Exit::Failed
}
