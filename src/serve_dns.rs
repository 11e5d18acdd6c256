//! The name server running: loads, starts, reloads whole or not at all, reads figures when they change, ends.

use crate::admin_page::AdminPage;
use crate::args::ctl::CtlCommand;
use crate::control;
use crate::dns::{DnsConfig, TreeSource};
use crate::exit::{Exit, failed};
use crate::explain;
use crate::figures_file::FiguresFile;
use crate::guide::{self, Guide};
use crate::reports::Reports;
use crate::settings::Board;
use crate::tree;
use controlplane::control::{Answer, Inbox, Order, Word};
use controlplane::dns::load::{self, Loaded};
use controlplane::dns::policy::steering::Steering;
use controlplane::dns::server::foretell::Telling;
use controlplane::dns::server::query_log::QueryLog;
use controlplane::dns::server::start::{Server, StartError};
use controlplane::dns::server::watch::DnsWatch;
use controlplane::logs::daemon;
use controlplane::notify;
use controlplane::signal::{Signal, Signals};
use controlplane::tree::network::Network;
use controlplane::view::{Reloads, Source};
use core::net::SocketAddr;
use core::time::Duration;
use dataplane::reactor::machine;
use mio::{Events, Poll, Token, Waker};
use std::io::ErrorKind;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

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
    let door = match control::open(config.control.as_deref()) {
        Ok(door) => door,
        Err(exit) => return exit,
    };
    let inbox = Inbox::new(signals, door).and_then(|inbox| inbox.waker().map(|waker| (inbox, waker)));
    let (inbox, waker) = match inbox {
        Ok(both) => both,
        Err(error) => return failed("cannot listen to signals and commands", &error),
    };
    match Running::start(config, waker) {
        Ok(running) => running.serve(inbox),
        Err(exit) => exit,
    }
}

/// Serves in a thread of a process that hears its signals elsewhere, until `stop`; `started` is told where it answers and
/// where it takes reports.
pub(crate) fn run_until(
    config: &DnsConfig,
    stop: &AtomicBool,
    started: impl FnOnce((SocketAddr, SocketAddr)),
) -> Exit {
    let poll = Poll::new().and_then(|poll| Waker::new(poll.registry(), Token(0)).map(|waker| (poll, waker)));
    let (mut poll, waker) = match poll {
        Ok((poll, waker)) => (poll, Arc::new(waker)),
        Err(error) => return failed("no poll", &error),
    };
    let mut running = match Running::start(config, waker) {
        Ok(running) => running,
        Err(exit) => return exit,
    };
    let reports = running.reports.as_ref().and_then(|reports| reports.listening().first().copied());
    if let (Some(address), Some(reports)) = (running.server.listening().first(), reports) {
        started((*address, reports));
    }
    let mut events = Events::with_capacity(1);
    while !stop.load(Ordering::Acquire) {
        // An interruption ends the wait early, and that is all.
        let _woken = poll.poll(&mut events, Some(LOOK_EVERY));
        running.look();
    }
    running.finish(true)
}

/// A server with the threads beside it.
struct Running<'c> {
    config: &'c DnsConfig,
    server: Server,
    log: Option<QueryLog>,
    page: Option<AdminPage>,
    reloads: Arc<Reloads>,
    is_stopping: Arc<AtomicBool>,
    figures: FiguresFile,
    board: Board,
    guide: Guide,
    /// Users who may give commands, beside the process's own and root.
    users: Vec<(String, Vec<String>)>,
    reports: Option<Reports>,
}

impl<'c> Running<'c> {
    fn start(config: &'c DnsConfig, waker: Arc<Waker>) -> Result<Self, Exit> {
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
            reloads.begin_with_last_good(broken.clone());
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
        let (telling, told) = Telling::new();
        let server = Server::start(
            config.server.clone(),
            catalog,
            guide::with_orders(&steering, &config.orders),
            log.as_ref(),
            config.reports.is_some().then_some(&telling),
        )
        .map_err(|error| {
            daemon::error("cannot start", &[("why", &error)]);
            match error {
                StartError::Bind(_, _, error) if error.kind() == ErrorKind::AddrInUse => Exit::TryAgain,
                StartError::Bind(..) | StartError::System(_) => Exit::Failed,
            }
        })?;
        let guide = Guide::new(server.published(), steering, config.orders.clone(), config.overrides.clone());
        let reports = config.reports.as_ref().zip(network);
        let start = |(config, network)| Reports::start(config, network, &telling, told, waker);
        let reports = reports.map(start).transpose()?;
        let mut running = Self {
            config,
            server,
            log,
            page: None,
            reloads,
            is_stopping: Arc::default(),
            figures,
            board: Board::of_log_level(config.log_level),
            guide,
            users: network.map(|network| network.users.clone()).unwrap_or_default(),
            reports,
        };
        if let Some(reports) = &mut running.reports {
            running.guide.take_reported(reports.now());
        }
        let watch = running.watch();
        running.page = AdminPage::start(running.config.admin, &running.config.admin_hosts, watch)?;
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

    fn watch(&self) -> DnsWatch {
        DnsWatch {
            version: env!("CARGO_PKG_VERSION"),
            counters: self.server.counters().to_vec(),
            published: self.server.published(),
            reloads: self.reloads.clone(),
            is_stopping: self.is_stopping.clone(),
            listening: self.server.listening().iter().map(ToString::to_string).collect(),
            log_lines: self.log.as_ref().map(QueryLog::written),
            reports: self.reports.as_ref().map(Reports::ledger),
            decisions: self.server.decisions(),
            name: String::from_utf8_lossy(&self.config.server.settings.nsid).into_owned(),
        }
    }

    fn serve(mut self, mut inbox: Inbox) -> Exit {
        let alive_every = notify::alive_interval();
        let mut alive_at = Instant::now();
        let mut turns_seen = Vec::new();
        inbox.invite(control::guests(&self.users));
        while !self.server.has_ended() && !self.reports.as_ref().is_some_and(Reports::has_ended) {
            if alive_every.is_some() && Instant::now() >= alive_at {
                // A worker that stands still is what the watchdog is for.
                let turns = self.server.turns();
                if turns.iter().zip(&turns_seen).all(|(now, before)| now != before) {
                    notify::alive();
                }
                turns_seen = turns;
                alive_at = Instant::now() + alive_every.unwrap_or(LOOK_EVERY);
            }
            match inbox.wait(LOOK_EVERY) {
                Some(Word::Signal(Signal::Terminate)) => return self.finish(true),
                Some(Word::Signal(Signal::Reopen)) => self.reopen(),
                Some(Word::Signal(Signal::Reload)) => {
                    let _told = self.reload();
                    inbox.invite(control::guests(&self.users));
                }
                Some(Word::Order(order)) => {
                    let (mut drains, mut reloads) = (false, false);
                    let answer = control::obey(&order, |command| {
                        drains = matches!(command, CtlCommand::Drain);
                        reloads = matches!(command, CtlCommand::Reload);
                        self.obey(&order, command)
                    });
                    if reloads {
                        inbox.invite(control::guests(&self.users));
                    }
                    inbox.answer(&order, &answer);
                    if drains {
                        return self.finish(true);
                    }
                }
                None => {}
            }
            self.look();
        }
        self.finish(false)
    }

    /// Looks at everything that changes by itself.
    fn look(&mut self) {
        self.look_at_figures();
        if let Some(reported) = self.reports.as_mut().and_then(Reports::look) {
            self.guide.take_reported(reported);
        }
        self.guide.end_orders();
    }

    fn reopen(&self) {
        if let Some(log) = &self.log {
            log.reopen();
            daemon::notice("the query log is opened again", &[]);
        }
    }

    /// Whole or not at all.
    fn reload(&mut self) -> Answer {
        let begun = Instant::now();
        match self.load_anew() {
            Ok(generation) => {
                self.reloads.worked(Vec::new());
                let ms = begun.elapsed().as_millis();
                daemon::notice("zones are serving anew", &[("generation", &generation), ("ms", &ms)]);
                Answer::done(vec![format!("zones are serving anew, generation {generation}")])
            }
            Err(mut problems) => {
                self.reloads.failed(problems.clone());
                say_all(&problems);
                daemon::error("nothing was reloaded; the old zones stay", &[("problems", &problems.len())]);
                problems.push("nothing was reloaded; the old zones stay".to_owned());
                Answer::wrong(problems)
            }
        }
    }

    fn load_anew(&mut self) -> Result<u64, Vec<String>> {
        let opened = self.config.tree.as_ref().map(|source| tree::open(&source.file)).transpose()?;
        let network = opened.as_ref().map(|opened| &opened.network);
        let figures = FiguresFile::of(network);
        let (Loaded { catalog, .. }, steering) = load(self.config, network)?;
        let steering = match (&mut self.reports, network) {
            (Some(reports), Some(network)) => steering.with_reported(reports.replace(network)),
            _ => steering,
        };
        let generation = self.guide.replace(catalog, steering);
        self.figures = figures;
        self.users = network.map(|network| network.users.clone()).unwrap_or_default();
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
        let Some(path) = self.figures.path() else { return };
        match tree::figures(path, self.guide.steering()) {
            Ok(figures) => {
                self.guide.take_figures(figures);
                daemon::debug("figures read", &[]);
            }
            Err(problems) => {
                self.reloads.failed(problems.clone());
                say_all(&problems);
                daemon::error("the figures are not taken; what was known grows old", &[]);
            }
        }
    }

    fn obey(&mut self, order: &Order, command: CtlCommand) -> Answer {
        match command {
            CtlCommand::Show => Answer::done(self.board.lines()),
            CtlCommand::Set { setting, value } => {
                control::set(&self.board, &setting, &value, order.from.uid, |_| {})
            }
            CtlCommand::Reload => self.reload(),
            CtlCommand::Reopen => {
                self.reopen();
                Answer::done(vec!["the query log is opened again".to_owned()])
            }
            CtlCommand::Drain => Answer::done(vec!["ending".to_owned()]),
            CtlCommand::Status => Answer::done(vec![format!("{:#}", self.watch().status())]),
            CtlCommand::Override { order: wanted } => self.guide.obey(order.from.uid, &wanted),
            CtlCommand::Figures { table } => self.guide.read_figures(&table),
            CtlCommand::ExplainRoute { .. } => control::not_here("explain-route", "a front-end"),
            CtlCommand::ExplainProbe { name } => match &self.reports {
                None => Answer::wrong(vec!["explain-probe: nobody reports to this name server".to_owned()]),
                Some(reports) => reports.explain_probe(&name).map_or_else(Answer::wrong, |text| {
                    Answer::done(text.lines().map(str::to_owned).collect())
                }),
            },
            CtlCommand::Explain { name, client, r#type } => {
                // What is explained is what is known now, not what was published last.
                if let Some(reports) = &mut self.reports {
                    self.guide.take_reported(reports.explained());
                }
                let world = self.server.published().newest();
                let text = explain::explained(&world.catalog, &world.steering, &name, client, &r#type);
                text.map_or_else(Answer::wrong, |text| {
                    Answer::done(text.lines().map(str::to_owned).collect())
                })
            }
        }
    }

    fn finish(self, was_asked: bool) -> Exit {
        notify::stopping();
        self.is_stopping.store(true, Ordering::Relaxed);
        let ended = self.server.stop();
        if let Some(page) = self.page {
            page.stop();
        }
        if let Some(log) = self.log {
            log.stop();
        }
        if let Some(reports) = self.reports {
            reports.finish();
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
