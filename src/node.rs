//! The node: starts the workers and the threads beside them (log, names, page), waits for signals, drains.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use controlplane::control::{Answer, Door, Inbox, Order, Word};
use controlplane::logs::{LogOptions, LogTarget, LogWriter, Records, Reopen, daemon};
use controlplane::notify;
use controlplane::resolve::{ResolveOptions, Resolver};
use controlplane::signal::{Signal, Signals};
use controlplane::view::{Reloads, Source};
use dataplane::node::{self, NodeOptions, Running, StartError};
use dataplane::reactor::machine;
use dataplane::reactor::spsc::Consumer;
use dataplane::role::control::Stage;
use dataplane::role::counters::Counters;

use crate::admin_page::AdminPage;
use crate::args::ctl::CtlCommand;
use crate::config::{AccessLog, End, NodeConfig};
use crate::control;
use crate::dns::TakenKeys;
use crate::exit::{Exit, failed};
use crate::explain_route;
use crate::node_files::{NodeFiles, Renewed};
use crate::node_tree::TreeSource;
use crate::outfit;
use crate::redirect_board::RedirectBoard;
use crate::redirector::{Redirector, RedirectorConfig};
use crate::settings::Board;
use crate::tell::Teller;
use crate::tunnel_log::TunnelLog;
use crate::watch::Watch;

/// How often the main thread looks whether the workers still run while it waits for signals.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// A node with the threads beside it.
pub(crate) struct Node {
    running: Running,
    log: LogWriter,
    resolver: Resolver,
    page: Option<AdminPage>,
    end: &'static str,
    drain_timeout: Duration,
    files: NodeFiles,
    board: Arc<Board>,
    reloads: Arc<Reloads>,
    /// What `ctl status` shows: the same as the page.
    watch: Watch,
    teller: Option<Teller>,
    redirector: Option<Redirector>,
    redirects: Arc<RedirectBoard>,
    tunnel_log: TunnelLog,
}

/// Runs a node until it is told to stop. Blocks; what went wrong has been logged when it returns.
pub(crate) fn run(config: &NodeConfig, tree: Option<&TreeSource>) -> Exit {
    // Before any thread: they inherit what is blocked, so that only this thread hears signals.
    let signals = match Signals::block() {
        Ok(signals) => signals,
        Err(error) => return failed("cannot listen to signals", &error),
    };
    let door = match control::open(config.control.as_deref()) {
        Ok(door) => door,
        Err(exit) => return exit,
    };
    let node = match Node::start_from(config, tree, door.as_ref()) {
        Ok(node) => node,
        Err(exit) => return exit,
    };
    match Inbox::new(signals, door) {
        Ok(inbox) => node.serve(inbox),
        Err(error) => failed("cannot listen to signals and commands", &error),
    }
}

impl Node {
    /// Starts everything that the flags say; what went wrong has been logged on an error.
    pub(crate) fn start(config: &NodeConfig) -> Result<Self, Exit> {
        Self::start_from(config, None, None)
    }

    fn start_from(config: &NodeConfig, tree: Option<&TreeSource>, door: Option<&Door>) -> Result<Self, Exit> {
        machine::forbid_core_dumps().map_err(|error| failed("cannot forbid core dumps", &error))?;
        let options = outfit::options(config)?;
        let driver = options.io;
        let mut running = start_workers(options)?;
        let records = running.take_records();
        let log = start_log(config, &running, records)?;
        let resolver = start_resolver(config, &running)?;
        let (board, reloads) = (Arc::new(Board::of_node(config)), Arc::new(Reloads::default()));
        let files = NodeFiles::new(config, tree);
        if !files.broken().is_empty() {
            say_all(files.broken());
            let problems = files.broken().len();
            daemon::error("the tree is broken; the last good one serves", &[("problems", &problems)]);
            reloads.begin_with_last_good(files.broken().to_vec());
        }
        let redirects: Arc<RedirectBoard> = Arc::default();
        let watch = || {
            let changing = (board.clone(), reloads.clone(), redirects.clone());
            Watch::new(config, &running, log.stats(), resolver.stats(), changing)
        };
        let page = AdminPage::start(config.seeing.admin, &config.seeing.admin_hosts, watch())?;
        let teller = config.report.as_ref();
        let teller = teller.map(|report| Teller::start(report, watch(), client_ports(config, &running)));
        let teller = teller.transpose();
        let teller = teller.map_err(|error| failed("cannot report", &error))?;
        let redirector = start_redirector(config, tree, redirects.clone(), &running)?;
        let watch = watch();
        take_on(config, door)?;
        keep(&files);
        let listening: Vec<String> = running.listening().iter().map(ToString::to_string).collect();
        let tunnels: Vec<String> = running.tunnel_addresses().iter().map(ToString::to_string).collect();
        daemon::notice(
            "started",
            &[
                ("end", &config.end.name()),
                ("io", &format!("{driver:?}").to_lowercase()),
                ("workers", &running.views().len()),
                ("listening", &listening.join(",")),
                ("tunnel_udp", &tunnels.join(",")),
            ],
        );
        notify::ready("serving");
        let (end, drain_timeout) = (config.end.name(), config.limits.drain_timeout);
        let tunnel_log = TunnelLog::default();
        Ok(Self {
            running,
            log,
            resolver,
            page,
            end,
            drain_timeout,
            files,
            board,
            reloads,
            watch,
            tunnel_log,
            teller,
            redirector,
            redirects,
        })
    }

    /// The workers, for a demo that looks at them.
    #[allow(dead_code, reason = "only the demonstration looks")]
    pub(crate) fn running(&self) -> &Running {
        &self.running
    }

    fn serve(mut self, mut inbox: Inbox) -> Exit {
        let alive_every = notify::alive_interval();
        let mut alive_at = Instant::now();
        let mut loops_seen = Vec::new();
        inbox.invite(control::guests(self.files.users()));
        while !self.running.has_ended() {
            if alive_every.is_some() && Instant::now() >= alive_at {
                // A worker that stands still is what the watchdog is for.
                let loops: Vec<u64> =
                    self.running.views().iter().map(|view| view.driver.loops.get()).collect();
                if loops.iter().zip(&loops_seen).all(|(now, before)| now != before) || loops_seen.is_empty() {
                    notify::alive();
                }
                loops_seen = loops;
                alive_at = Instant::now() + alive_every.unwrap_or(LOOK_EVERY);
            }
            self.tunnel_log.look(self.watch.named_tunnels());
            match inbox.wait(LOOK_EVERY) {
                Some(Word::Signal(Signal::Terminate)) => self.advance(),
                Some(Word::Signal(Signal::Reopen)) => self.reopen(),
                Some(Word::Signal(Signal::Reload)) => {
                    let _told = self.reload();
                    inbox.invite(control::guests(self.files.users()));
                }
                Some(Word::Order(order)) => {
                    let mut reloads = false;
                    let answer = control::obey(&order, |command| {
                        reloads = matches!(command, CtlCommand::Reload);
                        self.obey(&order, command)
                    });
                    if reloads {
                        inbox.invite(control::guests(self.files.users()));
                    }
                    inbox.answer(&order, &answer);
                }
                None => {}
            }
        }
        self.finish()
    }

    fn obey(&mut self, order: &Order, command: CtlCommand) -> Answer {
        match command {
            CtlCommand::Show => Answer::done(self.board.lines()),
            CtlCommand::Set { setting, value } => {
                let publish = |settings| self.running.publish_settings(settings);
                control::set(&self.board, &setting, &value, order.from.uid, publish)
            }
            CtlCommand::Reload => self.reload(),
            CtlCommand::Reopen => {
                self.reopen();
                Answer::done(vec!["the access log is opened again".to_owned()])
            }
            CtlCommand::Drain => self.drain(),
            CtlCommand::Status => Answer::done(vec![format!("{:#}", self.watch.status())]),
            CtlCommand::Override { .. } => control::not_here("override", "a name server"),
            CtlCommand::Figures { .. } => control::not_here("figures", "a name server"),
            CtlCommand::Explain { name, client, .. } => match self.redirects.explain(&name, client) {
                Ok(lines) => Answer::done(lines),
                Err(what) => Answer::wrong(vec![format!("explain: {what}")]),
            },
            CtlCommand::ExplainProbe { .. } => control::not_here("explain-probe", "a name server"),
            CtlCommand::ExplainRoute { site } => self.explain_route(&site),
        }
    }

    /// The tunnels are looked at once more, so that what is told of them is of now.
    fn explain_route(&mut self, site: &str) -> Answer {
        if self.end != End::Front.name() {
            return control::not_here("explain-route", "a front-end");
        }
        self.tunnel_log.look(self.watch.named_tunnels());
        let plan = self.running.control().plan();
        let tunnels = self.watch.sampled_by_name();
        let standing = |route| self.running.control().standing(route);
        let known = explain_route::Known {
            plan: &plan,
            standing: &standing,
            tunnels: &tunnels,
            log: &self.tunnel_log,
        };
        match explain_route::text(&known, site) {
            Ok(text) => Answer::done(text.lines().map(str::to_owned).collect()),
            Err(wrong) => Answer::wrong(vec![wrong]),
        }
    }

    /// Unlike a second signal, a second command cuts nothing.
    fn drain(&self) -> Answer {
        let seconds = self.drain_timeout.as_secs();
        let state = if self.running.control().stage() == Stage::Running {
            self.advance();
            "draining"
        } else {
            "is draining already"
        };
        Answer::done(vec![format!("{state}; what is left is cut after {seconds} s")])
    }

    /// The first word drains, the second ends at once.
    pub(crate) fn advance(&self) {
        let stage = match self.running.control().stage() {
            Stage::Running => Stage::Draining,
            Stage::Draining | Stage::Stopping => Stage::Stopping,
        };
        notify::stopping();
        if stage == Stage::Draining {
            let seconds = self.drain_timeout.as_secs();
            daemon::notice("draining; a second signal ends at once", &[("timeout_s", &seconds)]);
        } else {
            daemon::warning("stopping at once", &[]);
        }
        (self.running.stopper())(stage);
    }

    fn reopen(&self) {
        let reopen: Reopen = self.log.reopen();
        reopen.request();
        daemon::notice("the access log is opened again", &[]);
    }

    /// Reads the tree again, or the rules file; with anything wrong everything stays as it is.
    fn reload(&mut self) -> Answer {
        match self.files.renew(&self.running, &self.resolver, &self.board) {
            Ok(Renewed { said, waiting }) => {
                keep(&self.files);
                if let (Some(teller), Some(report)) = (&self.teller, self.files.report()) {
                    teller.retarget(report);
                }
                if let Some(redirector) = &self.redirector {
                    redirector.replace(self.files.network().cloned().unwrap_or_default());
                }
                self.reloads.worked(waiting.clone());
                let waiting: Vec<String> =
                    waiting.iter().map(|value| format!("waits for a restart: {value}")).collect();
                said.iter().for_each(|line| daemon::notice(line, &[]));
                waiting.iter().for_each(|line| daemon::warning(line, &[]));
                Answer::done([said, waiting].concat())
            }
            Err(mut problems) => {
                say_all(&problems);
                daemon::error("nothing was reloaded; what was there stays", &[("problems", &problems.len())]);
                self.reloads.failed(problems.clone());
                problems.push("nothing was reloaded; what was there stays".to_owned());
                Answer::wrong(problems)
            }
        }
    }

    /// Waits for the workers and ends the threads beside them.
    pub(crate) fn finish(self) -> Exit {
        let asked = self.running.control().stage() != Stage::Running;
        let ended = self.running.join();
        self.resolver.stop();
        if let Some(page) = self.page {
            page.stop();
        }
        self.log.stop();
        if let Some(redirector) = self.redirector {
            redirector.stop();
        }
        if let Some(teller) = self.teller {
            teller.stop();
        }
        match ended {
            Ok(cut) => {
                daemon::notice("ended", &[("end", &self.end), ("exchanges_cut", &cut)]);
                if asked { Exit::Done } else { Exit::Failed }
            }
            Err(error) => failed("a worker has failed", &error),
        }
    }
}

fn say_all(lines: &[String]) {
    lines.iter().for_each(|line| daemon::error(line, &[]));
}

/// Keeps a tree that has worked, for a start that finds a broken one.
fn keep(files: &NodeFiles) {
    if let Err(problems) = files.keep() {
        say_all(&problems);
        daemon::warning("the tree serves, but is not kept as the last good one", &[]);
    }
}

/// The ports where clients themselves connect, and not a balancer that speaks for them.
fn client_ports(config: &NodeConfig, running: &Running) -> Vec<u16> {
    let listeners = config.plan.listeners.iter().zip(running.listening());
    listeners.filter(|(listener, _)| !listener.proxy).map(|(_, at)| at.port()).collect()
}

fn start_workers(options: NodeOptions) -> Result<Running, Exit> {
    node::start(options).map_err(|error| {
        daemon::error("cannot start", &[("why", &error)]);
        match error {
            StartError::Bind(_, error) if error.kind() == io::ErrorKind::AddrInUse => Exit::TryAgain,
            StartError::Bind(..) | StartError::Device(..) | StartError::System(_) => Exit::Failed,
        }
    })
}

/// Hears the others and knows whom they serve better, if the tree says that clients are sent there.
fn start_redirector(
    config: &NodeConfig,
    tree: Option<&TreeSource>,
    board: Arc<RedirectBoard>,
    running: &Running,
) -> Result<Option<Redirector>, Exit> {
    let network = tree.and_then(|tree| tree.network.clone());
    let (Some(network), Some(key), Some(report)) = (network, &config.report_identity, &config.report) else {
        if !config.hears.is_empty() {
            let why = "there is no tree that says of a site of ours that its clients are sent elsewhere";
            daemon::warning("no reports are taken", &[("why", &why)]);
        }
        return Ok(None);
    };
    if config.hears.is_empty() {
        return Ok(None);
    }
    let hearing = RedirectorConfig::new(&report.node, &config.hears, TakenKeys::Pairs(key.clone()));
    Redirector::start(hearing, network, board, running.redirects_publisher()).map(Some)
}

fn start_log(config: &NodeConfig, running: &Running, records: Vec<Consumer>) -> Result<LogWriter, Exit> {
    let target = match &config.seeing.access_log {
        Some(AccessLog::File(path)) => LogTarget::File(path.clone()),
        Some(AccessLog::Stderr) => LogTarget::StandardError,
        None => LogTarget::Nowhere,
    };
    let counters = running.views().iter().map(|view| view.counters.clone());
    let source = |(ring, counters)| Box::new(RecordRing { ring, counters }) as Box<dyn Records + Send>;
    let sources = records.into_iter().zip(counters).map(source).collect();
    LogWriter::start(LogOptions::to(target), sources)
        .map_err(|error| failed("cannot open the access log", &error))
}

fn start_resolver(config: &NodeConfig, running: &Running) -> Result<Resolver, Exit> {
    let names = config.origins.iter().map(|origin| (origin.host.clone(), origin.port)).collect();
    let publish = running.publisher();
    Resolver::start(names, ResolveOptions::default(), Box::new(publish))
        .map_err(|error| failed("cannot resolve the origins' names", &error))
}

/// Becomes the operator's unprivileged user: the last act of starting, when all that needs root is done.
fn take_on(config: &NodeConfig, door: Option<&Door>) -> Result<(), Exit> {
    let Some(identity) = &config.identity else { return Ok(()) };
    if let Some(AccessLog::File(path)) = &config.seeing.access_log {
        std::os::unix::fs::chown(path, Some(identity.user), Some(identity.group))
            .map_err(|error| failed("cannot give the access log to the new user", &error))?;
    }
    if let Some(door) = door {
        door.give_to(identity.user, identity.group)
            .map_err(|error| failed("cannot give the control door to the new user", &error))?;
    }
    identity.take_on().map_err(|error| failed("cannot become another user", &error))?;
    daemon::notice("privileges dropped", &[("uid", &identity.user), ("gid", &identity.group)]);
    Ok(())
}

/// The access records of one worker, as the log's thread takes them.
struct RecordRing {
    ring: Consumer,
    counters: Arc<Counters>,
}

impl Records for RecordRing {
    fn drain(&mut self, budget: usize, each: &mut dyn FnMut(&[u8])) -> usize {
        let mut taken = 0;
        while taken < budget {
            let Some(record) = self.ring.front() else { break };
            each(record);
            self.ring.release();
            taken += 1;
        }
        taken
    }

    fn dropped(&self) -> u64 {
        self.counters.records_dropped.read()
    }
}
