//! What a name server does with reports: takes them in, makes figures of them, keeps what they came to over a restart.

use crate::dns::{ReportsConfig, TakenKeys};
use crate::exit::Exit;
use crate::explain_probe;
use crate::tree;
use controlplane::dns::policy::figures::{Reported, Ways};
use controlplane::dns::policy::forecast::Told;
use controlplane::dns::policy::model::Server;
use controlplane::dns::server::foretell::Telling;
use controlplane::logs::daemon;
use controlplane::report::asker::Asker;
use controlplane::report::findings;
use controlplane::report::intake::{Intake, SharedLedger};
use controlplane::report::kept;
use controlplane::report::key::Secret;
use controlplane::report::ledger::Ledger;
use controlplane::tree::network::Network;
use controlplane::tree::probes::Probe;
use core::net::SocketAddr;
use core::time::Duration;
use dataplane::reactor::clock;
use mio::Waker;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::Instant;

/// Figures are made anew at least so often: their ages go on.
const REFRESH: Duration = Duration::from_secs(1);
/// And the ways of clients, which are many and change slowly.
const REFRESH_WAYS: Duration = Duration::from_secs(5);
/// How often what is known is kept.
const KEEP: Duration = Duration::from_secs(10);

/// The reports of a running name server.
pub(crate) struct Reports {
    config: ReportsConfig,
    telling: Telling,
    /// What the tree has probed: what is explained.
    probes: Vec<Probe>,
    intake: Intake,
    ledger: SharedLedger,
    ways: Arc<Ways>,
    ways_at: Instant,
    made_at: Instant,
    kept_at: Instant,
}

impl Reports {
    /// Begins to listen. Why not has been logged on an error.
    pub(crate) fn start(
        config: &ReportsConfig,
        network: &Network,
        telling: &Telling,
        told: Receiver<Told>,
        waker: Arc<Waker>,
    ) -> Result<Self, Exit> {
        let mut ledger = Ledger::new(config.keys.expected(network, &network.servers));
        if let Some(file) = &config.state {
            restore(file, &mut ledger);
        }
        let ledger = SharedLedger::new(ledger);
        let asker = config.node.as_ref().map(|node| Asker::new(node, clock::unix_us()));
        let intake = Intake::start(&config.listen, ledger.clone(), told, asker, waker);
        let intake = intake.map_err(|(address, error)| {
            daemon::error("cannot take reports", &[("address", &address), ("why", &error)]);
            if error.kind() == ErrorKind::AddrInUse { Exit::TryAgain } else { Exit::Failed }
        })?;
        let listening: Vec<String> = intake.listening().iter().map(ToString::to_string).collect();
        daemon::notice("reports are taken", &[("reports_udp", &listening.join(","))]);
        let now = Instant::now();
        let mut reports = Self {
            config: config.clone(),
            telling: telling.clone(),
            probes: network.probes.clone(),
            intake,
            ledger,
            ways: Arc::default(),
            ways_at: now,
            made_at: now,
            kept_at: now,
        };
        reports.make_ways(now);
        reports.ask_of(network);
        Ok(reports)
    }

    /// The ledger, for the page.
    pub(crate) fn ledger(&self) -> SharedLedger {
        self.ledger.clone()
    }

    /// Where reports are taken.
    pub(crate) fn listening(&self) -> &[SocketAddr] {
        self.intake.listening()
    }

    /// Whether its thread has ended by itself.
    pub(crate) fn has_ended(&self) -> bool {
        self.intake.has_ended()
    }

    /// What is believed now.
    pub(crate) fn now(&mut self) -> Arc<Reported> {
        self.made_at = Instant::now();
        Arc::new(findings::reported(&self.ledger.lock(), self.ways.clone(), clock::unix_us()))
    }

    /// What is believed now, with the words that say why.
    pub(crate) fn explained(&mut self) -> Arc<Reported> {
        self.make_ways(Instant::now());
        let sources = findings::sources(&self.ledger.lock(), clock::unix_us());
        Arc::new(Reported { sources, ..Reported::clone(&self.now()) })
    }

    /// What is believed of a target, in words.
    pub(crate) fn explain_probe(&self, name: &str) -> Result<String, Vec<String>> {
        explain_probe::text(&self.ledger.lock(), &self.probes, name, clock::unix_us())
    }

    /// What is believed now, if that is worth publishing: something has changed, or it is a while ago.
    pub(crate) fn look(&mut self) -> Option<Arc<Reported>> {
        let now = Instant::now();
        if self.kept_at + KEEP <= now {
            self.keep();
        }
        // By a clock of their own: who has explanations made all the time puts off the rest, and must not put off these.
        let are_ways_old = self.ways_at + REFRESH_WAYS <= now;
        if are_ways_old {
            self.make_ways(now);
        }
        (self.intake.take_news() || are_ways_old || self.made_at + REFRESH <= now).then(|| self.now())
    }

    /// Another tree: who may say what has changed.
    pub(crate) fn replace(&mut self, network: &Network) -> Arc<Reported> {
        let expected = self.config.keys.expected(network, &network.servers);
        self.ledger.lock().replace(expected);
        self.probes.clone_from(&network.probes);
        self.ask_of(network);
        self.make_ways(Instant::now());
        self.now()
    }

    /// Whether answers tell of resolvers that nobody knows.
    fn ask_of(&self, network: &Network) {
        let manners = &network.reporting.manners;
        let is_asked = manners.is_on && self.config.node.is_some();
        self.telling.set_refresh(is_asked.then_some(manners.every.as_secs()));
        let is_name_server = matches!(self.config.keys, TakenKeys::Secret(_));
        if manners.is_on && is_name_server && self.config.node.is_none() {
            let what = "resolvers are probed for nobody: this name server has no name";
            daemon::warning(what, &[("do", &"give --node NAME")]);
        }
    }

    fn make_ways(&mut self, now: Instant) {
        self.ways = Arc::new(findings::ways(&self.ledger.lock(), clock::unix_us()));
        self.ways_at = now;
    }

    /// Keeps what is known, if it is to be kept.
    fn keep(&mut self) {
        self.kept_at = Instant::now();
        let Some(file) = &self.config.state else { return };
        let text = kept::write(&self.ledger.lock());
        if let Err(problems) = tree::replace(file, &text) {
            problems.iter().for_each(|problem| daemon::error(problem, &[]));
            daemon::warning("what was reported is not kept over a restart", &[]);
        }
    }

    /// Keeps what is known and ends.
    pub(crate) fn finish(mut self) {
        self.keep();
        if let Err(error) = self.intake.stop() {
            daemon::error("the thread of reports has failed", &[("why", &error)]);
        }
    }
}

/// Reads back what was kept; a broken file costs what was known, and nothing else.
fn restore(file: &Path, ledger: &mut Ledger) {
    let read = match fs::read_to_string(file) {
        Ok(text) => kept::read(&text, ledger),
        Err(error) if error.kind() == ErrorKind::NotFound => return,
        Err(error) => Err(format!("cannot be read: {error}")),
    };
    match read {
        Ok(()) => daemon::notice("what was reported before is known again, with its age", &[]),
        Err(what) => {
            let line = format!("{}: {what}", file.display());
            daemon::warning(&line, &[("do", &"nothing: it is written anew; what was known is lost")]);
        }
    }
}

/// What was kept in a file, for explanations.
pub(crate) fn kept_ledger(file: &Path, network: &Network, servers: &[Server]) -> Result<Ledger, Vec<String>> {
    let wrong = |what: String| vec![format!("--reports-state {}: {what}", file.display())];
    let text = fs::read_to_string(file).map_err(|error| wrong(format!("cannot be read: {error}")))?;
    // Nobody signs what was kept: any secret will do.
    let keys = TakenKeys::Secret(Secret::new([0; 32]));
    let mut ledger = Ledger::new(keys.expected(network, servers));
    kept::read(&text, &mut ledger).map_err(wrong)?;
    ledger.tick(clock::unix_us());
    Ok(ledger)
}

/// What that comes to.
pub(crate) fn kept_figures(
    file: &Path,
    network: &Network,
    servers: &[Server],
) -> Result<Arc<Reported>, Vec<String>> {
    let ledger = kept_ledger(file, network, servers)?;
    let now_us = clock::unix_us();
    let ways = Arc::new(findings::ways(&ledger, now_us));
    let sources = findings::sources(&ledger, now_us);
    Ok(Arc::new(Reported { sources, ..findings::reported(&ledger, ways, now_us) }))
}
