//! The prober running: a thread that probes, a page, signals; a reload takes the tree whole or not at all.

use crate::admin_page::AdminPage;
use crate::exit::{Exit, failed};
use crate::probe::{self, ProbeConfig, ResolversConfig};
use crate::resolvers::Resolvers;
use crate::tree;
use controlplane::control::{Inbox, Word};
use controlplane::logs::daemon;
use controlplane::notify;
use controlplane::probe::board::Board;
use controlplane::probe::limits::FLIGHTS_MAX;
use controlplane::probe::prober::{Observation, Prober, ProberOptions};
use controlplane::probe::resolver_thread::ResolverThread;
use controlplane::probe::target::Target;
use controlplane::probe::watch::{ProbeWatch, Telling};
use controlplane::report::outlet::Outlet;
use controlplane::report::pressure;
use controlplane::report::sender::Sender;
use controlplane::report::wire::{Entry, Speaker, TargetEntry};
use controlplane::signal::{Signal, Signals};
use core::time::Duration;
use dataplane::reactor::{clock, machine};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Instant;

/// How often the main thread looks at the others while it waits for signals.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// How long the prober's thread waits at most until it looks whether it should end.
const TURN_MAX: Duration = Duration::from_millis(100);
/// How often the machine's own pressure is told.
const PRESSURE_EVERY: Duration = Duration::from_secs(1);
/// Descriptors beside those of probes, of which each has two at most.
const DESCRIPTORS_BESIDE: usize = 256;

/// Probes until it is told to stop.
pub(crate) fn run(config: &ProbeConfig) -> Exit {
    daemon::set_level_max(config.log_level);
    // Before any thread: they inherit what is blocked, so that only this thread hears signals.
    let inbox = Signals::block().and_then(|signals| Inbox::new(signals, None));
    let inbox = match inbox {
        Ok(inbox) => inbox,
        Err(error) => return failed("cannot listen to signals", &error),
    };
    match Running::start(config) {
        Ok(running) => running.serve(inbox),
        Err(exit) => exit,
    }
}

/// Probes in a thread of a process that hears its signals elsewhere, until `stop`.
pub(crate) fn run_until(config: &ProbeConfig, stop: &AtomicBool) -> Exit {
    match Running::start(config) {
        Ok(running) => {
            while !stop.load(Ordering::Acquire) {
                std::thread::sleep(TURN_MAX);
            }
            running.finish(true)
        }
        Err(exit) => exit,
    }
}

struct Running<'c> {
    config: &'c ProbeConfig,
    telling: Arc<Telling>,
    probing: Option<Probing>,
    resolvers: Resolvers,
    /// The thread that probes resolvers, and what it was told.
    resolving: Option<(ResolverThread, ResolversConfig)>,
    page: Option<AdminPage>,
}

/// The prober's thread.
struct Probing {
    thread: JoinHandle<io::Result<()>>,
    stop: Arc<AtomicBool>,
}

impl Probing {
    fn start(
        prober: Prober,
        telling: Arc<Telling>,
        outlet: Option<Outlet>,
        resolvers: Resolvers,
    ) -> Result<Self, String> {
        let stop = Arc::new(AtomicBool::new(false));
        let told = stop.clone();
        let thread = std::thread::Builder::new().name("prober".to_owned());
        let thread = thread.spawn(move || run_prober(prober, &telling, outlet, &resolvers, &told));
        Ok(Self { thread: thread.map_err(|error| format!("no thread: {error}"))?, stop })
    }

    fn stop(self) -> io::Result<()> {
        self.stop.store(true, Ordering::Release);
        self.thread.join().unwrap_or_else(|_| Err(io::Error::other("the prober's thread failed")))
    }
}

/// Probes that may be under way at once, as descriptors allow: each has two at most.
fn flights_max(targets: usize) -> io::Result<usize> {
    let wanted = 2 * FLIGHTS_MAX.min(targets) + DESCRIPTORS_BESIDE;
    let held = usize::try_from(machine::raise_descriptor_limit(wanted as u64)?).unwrap_or(usize::MAX);
    if held < wanted {
        let instead =
            "raise LimitNOFILE (systemd) or ulimit -n: where many targets are silent, probes start late";
        daemon::warning(
            "fewer descriptors than probes",
            &[("wanted", &wanted), ("held", &held), ("do", &instead)],
        );
    }
    Ok(held.saturating_sub(DESCRIPTORS_BESIDE) / 2)
}

fn prober(config: &ProbeConfig, targets: Vec<Arc<Target>>) -> Result<Prober, String> {
    let flights_max = flights_max(targets.len()).map_err(|error| error.to_string())?;
    Prober::new(ProberOptions {
        targets,
        flights_max: Some(flights_max),
        keys: config.keys.clone(),
        name_servers: config.name_servers.clone(),
        seed: clock::unix_us(),
    })
}

fn run_prober(
    mut prober: Prober,
    telling: &Telling,
    mut outlet: Option<Outlet>,
    resolvers: &Resolvers,
    stop: &AtomicBool,
) -> io::Result<()> {
    let mut ended = Vec::new();
    let mut pressure_at = clock::now();
    while !stop.load(Ordering::Acquire) {
        let now = clock::now();
        let until_report = outlet.as_ref().map_or(TURN_MAX, |outlet| outlet.sender.deadline().since(now));
        prober.turn(TURN_MAX.min(until_report), &mut ended)?;
        let now = clock::now();
        if !ended.is_empty() {
            let mut board = telling.board();
            for observation in ended.drain(..) {
                let has_changed = note(&prober, &mut board, &observation);
                if let Some(outlet) = &mut outlet {
                    say(outlet, &prober, &board, &observation, has_changed);
                }
            }
        }
        if let Some(outlet) = &mut outlet {
            resolvers.take().into_iter().for_each(|entry| outlet.sender.say(Entry::Resolver(entry), now));
            if now >= pressure_at {
                outlet.sender.say(Entry::Pressure(pressure::read()), now);
                pressure_at = now + PRESSURE_EVERY;
            }
            outlet.flush(now);
            let (sent, failed) = outlet.counts();
            telling.reports.store(sent, Ordering::Relaxed);
            telling.reports_failed.store(failed, Ordering::Relaxed);
        }
        telling.turns.fetch_add(1, Ordering::Relaxed);
        let (started, late) = prober.counts();
        telling.started.store(started, Ordering::Relaxed);
        telling.late.store(late, Ordering::Relaxed);
    }
    Ok(())
}

/// Tells the name servers; a change at once, and again after a while.
fn say(outlet: &mut Outlet, prober: &Prober, board: &Board, observation: &Observation, has_changed: bool) {
    let (target, entry) = (&prober.targets()[observation.target], board.entry(observation.target));
    let (Some(is_up), Some((at, last))) = (entry.state.is_up(), &entry.last) else { return };
    let now = clock::now();
    let said = Entry::Target(TargetEntry {
        target: target.name.clone(),
        is_up,
        cause: last.failure.as_ref().map_or(0, |failure| failure.cause as u8),
        age_ms: u32::try_from(now.us_since(*at) / 1_000).unwrap_or(u32::MAX),
        total_us: last.phases.total_us,
        connect_us: last.phases.connect_us,
        load: last.seen.load,
        lag_s: entry.lag.map(|lag| u32::try_from(lag.as_secs()).unwrap_or(u32::MAX)),
    });
    if has_changed {
        let is_of_target = |old: &Entry| matches!(old, Entry::Target(old) if old.target == target.name);
        outlet.sender.forget(is_of_target);
        outlet.sender.change(&said, now);
    } else {
        outlet.sender.say(said, now);
    }
}

/// Puts an outcome on the board; whether the target's state has changed, which is worth a line of the log.
fn note(prober: &Prober, board: &mut Board, observation: &Observation) -> bool {
    let Observation { target, at, outcome } = observation;
    if !board.take(*target, outcome.clone(), *at) {
        return false;
    }
    let (entry, name) = (board.entry(*target), &prober.targets()[*target].name);
    let failure = entry.last.as_ref().and_then(|(_, last)| last.failure.as_ref());
    match failure {
        Some(failure) => {
            let cause = failure.cause.name();
            daemon::warning("a target is down", &[("target", name), ("cause", &cause), ("why", failure)]);
        }
        None => daemon::notice("a target is up", &[("target", name)]),
    }
    true
}

/// The node's voice, if it has name servers to talk to.
fn outlet(config: &ProbeConfig) -> Result<Option<Outlet>, String> {
    let Some(report) = &config.report else { return Ok(None) };
    let sender = Sender::new(Speaker::Prober, &report.node, report.key.clone(), clock::unix_us());
    Outlet::new(sender, report.to.clone(), report.to_fronts.clone())
        .map(Some)
        .map_err(|error| format!("no socket for reports: {error}"))
}

impl<'c> Running<'c> {
    fn start(config: &'c ProbeConfig) -> Result<Self, Exit> {
        machine::forbid_core_dumps().map_err(|error| failed("cannot forbid core dumps", &error))?;
        let telling = Arc::new(Telling::new(config.targets.clone()));
        let resolvers = Resolvers::default();
        let resolving =
            config.resolvers.clone().map(|wanted| resolvers.start(config, wanted, None)).transpose();
        let resolving = resolving.map_err(|(what, exit)| {
            daemon::error("nothing was started", &[("why", &what)]);
            exit
        })?;
        if let Some((thread, _)) = &resolving {
            telling.set_resolvers(Some(thread.watch()));
        }
        let prober = prober(config, config.targets.clone()).map_err(|what| {
            daemon::error("nothing was started", &[("why", &what)]);
            Exit::Usage
        })?;
        let probing = Probing::start(
            prober,
            telling.clone(),
            outlet(config).map_err(|what| failed("cannot report", &what))?,
            resolvers.clone(),
        )
        .map_err(|what| failed("cannot start", &what))?;
        let mut running = Self { config, telling, probing: Some(probing), resolvers, resolving, page: None };
        let watch = ProbeWatch {
            version: env!("CARGO_PKG_VERSION"),
            node: Some(running.config.node.clone()),
            telling: running.telling.clone(),
        };
        running.page = AdminPage::start(running.config.admin, &running.config.admin_hosts, watch)?;
        daemon::notice(
            "started",
            &[
                ("end", &"probe"),
                ("node", &config.node),
                ("targets", &config.targets.len()),
                ("reports_to", &config.report.as_ref().map_or(0, |report| report.to.len())),
            ],
        );
        if config.targets.is_empty() {
            daemon::warning("this node looks at nothing", &[("do", &"add [probe.NAME] to the tree")]);
        }
        notify::ready("probing");
        Ok(running)
    }

    fn serve(mut self, mut inbox: Inbox) -> Exit {
        let alive_every = notify::alive_interval();
        let mut alive_at = Instant::now();
        let mut turns_seen = None;
        while self.is_running() {
            if let Some(every) = alive_every.filter(|_| Instant::now() >= alive_at) {
                // A prober that stands still is what the watchdog is for.
                let turns = self.telling.turns.load(Ordering::Relaxed);
                if turns_seen.replace(turns) != Some(turns) {
                    notify::alive();
                }
                alive_at = Instant::now() + every;
            }
            match inbox.wait(LOOK_EVERY) {
                Some(Word::Signal(Signal::Terminate)) => return self.finish(true),
                Some(Word::Signal(Signal::Reload)) => match self.reload() {
                    Ok(targets) => daemon::notice("targets are probed anew", &[("targets", &targets)]),
                    Err(problems) => {
                        problems.iter().for_each(|line| daemon::error(line, &[]));
                        daemon::error(
                            "nothing was reloaded; the old targets stay",
                            &[("problems", &problems.len())],
                        );
                    }
                },
                // It keeps no file open, and has no control door.
                Some(Word::Signal(Signal::Reopen) | Word::Order(_)) | None => {}
            }
        }
        self.finish(false)
    }

    /// Whole or not at all; what is known of targets that stay is kept.
    fn reload(&mut self) -> Result<usize, Vec<String>> {
        let opened = tree::open(&self.config.file)?;
        let targets = probe::targets(&opened.network, &self.config.node);
        // Made before the old one ends: what is wrong with a file of authorities shows here.
        let prober = prober(self.config, targets.clone()).map_err(|what| vec![what])?;
        if let Some(before) = self.probing.take() {
            before.stop().map_err(|error| vec![error.to_string()])?;
        }
        let mut board = Board::new(targets.clone());
        board.inherit(&self.telling.board());
        *self.telling.board() = board;
        let outlet = outlet(self.config).map_err(|what| vec![what])?;
        let started = Probing::start(prober, self.telling.clone(), outlet, self.resolvers.clone());
        self.probing = Some(started.map_err(|what| vec![what])?);
        let wanted = self.config.report.as_ref();
        self.resolve(wanted.and_then(|report| probe::resolvers(&opened.network, report)))?;
        Ok(targets.len())
    }

    fn is_running(&self) -> bool {
        let has_ended = self.resolving.as_ref().is_some_and(|(thread, _)| thread.has_ended());
        !has_ended && self.probing.as_ref().is_some_and(|probing| !probing.thread.is_finished())
    }

    /// Probes resolvers as another tree wants it; whom it has probed is known still.
    fn resolve(&mut self, wanted: Option<ResolversConfig>) -> Result<(), Vec<String>> {
        if self.resolving.as_ref().map(|(_, config)| config) == wanted.as_ref() {
            return Ok(());
        }
        let before = self.resolving.take().map(|(before, _)| before.stop()).transpose();
        let book = before.map_err(|error| vec![error.to_string()])?;
        let started = wanted.map(|wanted| self.resolvers.start(self.config, wanted, book)).transpose();
        self.resolving = started.map_err(|(what, _)| vec![what])?;
        self.telling.set_resolvers(self.resolving.as_ref().map(|(thread, _)| thread.watch()));
        Ok(())
    }

    fn finish(self, was_asked: bool) -> Exit {
        notify::stopping();
        self.telling.is_stopping.store(true, Ordering::Relaxed);
        let ended = self.probing.map_or(Ok(()), Probing::stop);
        let resolved = self.resolving.map_or(Ok(()), |(thread, _)| thread.stop().map(drop));
        let ended = ended.and(resolved);
        if let Some(page) = self.page {
            page.stop();
        }
        match ended {
            Ok(()) => {
                daemon::notice("ended", &[("end", &"probe")]);
                if was_asked { Exit::Done } else { Exit::Failed }
            }
            Err(error) => failed("the prober has failed", &error),
        }
    }
}
