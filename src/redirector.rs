//! The thread of a front-end that knows which of its clients another one serves better: hears what all nodes report, as a name
//! server does, scores as it does, and gives the workers a table of networks. They only read it.

use crate::dns::{ReportsConfig, TakenKeys};
use crate::exit::{Exit, failed};
use crate::figures_file::FiguresFile;
use crate::redirect_board::{Holding, RedirectBoard, SiteTable};
use crate::reports::Reports;
use crate::tree;
use controlplane::dns::policy::elsewhere::{self, Terms};
use controlplane::dns::policy::model::ServerId;
use controlplane::dns::policy::steering::Steering;
use controlplane::dns::server::foretell::Telling;
use controlplane::logs::daemon;
use controlplane::tree::network::Network;
use controlplane::tree::redirects::SiteRedirect;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;
use dataplane::reactor::clock;
use dataplane::role::redirects::{RedirectStatus, RedirectTarget, Redirects, SiteRedirects, Verdicts};
use mio::{Events, Poll, Token, Waker};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Instant;

/// How often the file of figures and the stop are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// After tables that took long to make, the next ones wait for so many times as long: a twentieth of a core is enough; but never
/// longer than this, for users must leave what has gone wrong.
const REST_TIMES: u32 = 20;
const REST_MAX: Duration = Duration::from_secs(2);
/// How long a client that was told of a better machine may go on there, seconds; as old as figures may be.
const HINT_S: u32 = 60;

/// How a front-end hears others, and who it is.
#[derive(Clone, Debug)]
pub(crate) struct RedirectorConfig {
    pub(crate) node: String,
    pub(crate) reports: ReportsConfig,
}

impl RedirectorConfig {
    /// Of a node that takes reports under its own private key.
    pub(crate) fn new(node: &str, listen: &[SocketAddr], keys: TakenKeys) -> Self {
        Self {
            node: node.to_owned(),
            reports: ReportsConfig { listen: listen.to_vec(), keys, node: None, state: None },
        }
    }
}

/// The thread.
pub(crate) struct Redirector {
    thread: JoinHandle<()>,
    shared: Arc<Shared>,
    waker: Arc<Waker>,
}

#[derive(Debug, Default)]
struct Shared {
    stop: AtomicBool,
    /// Another tree.
    next: Mutex<Option<Network>>,
}

impl Redirector {
    /// Begins to listen, to score and to publish; why not has been logged on an error.
    pub(crate) fn start(
        config: RedirectorConfig,
        network: Network,
        board: Arc<RedirectBoard>,
        publish: impl Fn(Arc<Redirects>) + Send + 'static,
    ) -> Result<Self, Exit> {
        let poll =
            Poll::new().and_then(|poll| Waker::new(poll.registry(), Token(0)).map(|waker| (poll, waker)));
        let (poll, waker) = poll.map_err(|error| failed("no poll", &error))?;
        let waker = Arc::new(waker);
        // Nobody answers DNS here, and so there is nothing to foretell and nobody to ask for.
        let (telling, told) = Telling::new();
        let reports = Reports::start(&config.reports, &network, &telling, told, waker.clone())?;
        board.begin(reports.ledger());
        let shared = Arc::new(Shared::default());
        let mut running = Running {
            node: config.node,
            steering: Steering::default(),
            figures: FiguresFile::default(),
            network: Network::default(),
            reports,
            sites: Vec::new(),
            board,
            publish: Box::new(publish),
            before: Vec::new(),
            is_full: false,
            rested_at: Instant::now(),
            is_due: false,
        };
        running.take(network);
        let told = shared.clone();
        let thread = std::thread::Builder::new().name("redirector".to_owned());
        let thread = thread.spawn(move || running.run(poll, &told));
        let thread = thread.map_err(|error| failed("no thread", &error))?;
        Ok(Self { thread, shared, waker })
    }

    /// Another tree.
    pub(crate) fn replace(&self, network: Network) {
        *self.shared.next.lock().unwrap_or_else(PoisonError::into_inner) = Some(network);
        let _woken = self.waker.wake();
    }

    /// Ends it.
    pub(crate) fn stop(self) {
        self.shared.stop.store(true, Ordering::Release);
        let _woken = self.waker.wake();
        let _ended = self.thread.join();
    }
}

struct Running {
    node: String,
    network: Network,
    steering: Steering,
    figures: FiguresFile,
    reports: Reports,
    sites: Vec<SiteTable>,
    board: Arc<RedirectBoard>,
    publish: Box<dyn Fn(Arc<Redirects>) + Send>,
    /// Tables that a worker may have still: it must not be the one that frees them.
    before: Vec<Arc<Redirects>>,
    /// It was said that there are too many.
    is_full: bool,
    /// When tables may be made again, and whether there is something new to make them of.
    rested_at: Instant,
    is_due: bool,
}

impl Running {
    fn run(mut self, mut poll: Poll, shared: &Shared) {
        let mut events = Events::with_capacity(1);
        while !shared.stop.load(Ordering::Acquire) {
            // An interruption ends the wait early, and that is all.
            let _woken = poll.poll(&mut events, Some(LOOK_EVERY));
            let next = shared.next.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(network) = next {
                self.take(network);
            }
            self.look();
        }
        self.reports.finish();
    }

    /// Begins with a tree, or goes on with another.
    fn take(&mut self, network: Network) {
        let reported = self.reports.replace(&network);
        let steering = Steering::new(network.servers.clone(), network.policies.clone(), None);
        self.figures = FiguresFile::of(Some(&network));
        self.steering = self.with_file(steering).with_reported(reported);
        self.network = network;
        let own = self.steering.servers().iter().position(|server| server.name == self.node);
        let redirects = self.network.redirects.iter().filter(|site| site.is_served_by(&self.node));
        let before = core::mem::take(&mut self.sites);
        self.sites = own.map_or_else(Vec::new, |own| {
            redirects.map(|redirect| site_table(redirect, ServerId(own as u16), &before)).collect()
        });
        self.make(true);
    }

    /// What the file of figures says, if it can be read; else what was known grows old.
    fn with_file(&self, steering: Steering) -> Steering {
        let Some(path) = self.figures.path().filter(|path| path.exists()) else { return steering };
        match tree::figures(path, &steering) {
            Ok(figures) => steering.with_figures(figures),
            Err(problems) => {
                problems.iter().for_each(|problem| daemon::error(problem, &[]));
                daemon::error("the figures are not taken; what was known grows old", &[]);
                steering
            }
        }
    }

    fn look(&mut self) {
        let file_changed = self.figures.has_changed();
        if file_changed {
            let reported = self.steering.figures().reported();
            self.steering = self.with_file(self.steering.clone()).with_reported(reported);
        }
        let reported = self.reports.look();
        let has_news = reported.is_some();
        if let Some(reported) = reported {
            self.steering = self.steering.with_reported(reported);
        }
        self.is_due |= file_changed || has_news;
        if self.is_due && Instant::now() >= self.rested_at {
            self.make(false);
        }
    }

    /// Makes the tables anew, and gives them to the workers if they are others.
    fn make(&mut self, is_other_tree: bool) {
        let begun = Instant::now();
        let now_s = clock::unix_us() / 1_000_000;
        let mut made: Vec<(Terms, Arc<Verdicts>)> = Vec::new();
        // Another tree may say otherwise how clients are sent.
        let mut has_changed = is_other_tree;
        let mut is_full = false;
        for site in &mut self.sites {
            let known = made.iter().find(|(terms, _)| *terms == site.terms);
            let verdicts = known.map(|(_, verdicts)| verdicts.clone()).unwrap_or_else(|| {
                let table = elsewhere::table(&self.steering, &site.terms, &site.verdicts, now_s);
                is_full |= table.is_err();
                let table = Arc::new(table.unwrap_or_default());
                made.push((site.terms.clone(), table.clone()));
                table
            });
            if *verdicts != *site.verdicts {
                site.verdicts = verdicts;
                has_changed = true;
            }
        }
        if is_full && !self.is_full {
            let most = elsewhere::SENT_MAX;
            daemon::error(
                "more client networks than a table holds: nobody is sent elsewhere",
                &[("most", &most)],
            );
        }
        self.is_full = is_full;
        if has_changed {
            self.tell();
        }
        self.board.show(Arc::new(Holding { steering: self.steering.clone(), sites: self.sites.clone() }));
        // The newest stays: it is what workers have from now on.
        let newest = self.before.len().saturating_sub(1);
        let mut place = 0;
        self.before.retain(|table| {
            place += 1;
            place > newest || Arc::strong_count(table) > 1
        });
        self.is_due = false;
        self.rested_at = Instant::now() + (begun.elapsed() * REST_TIMES).min(REST_MAX);
    }

    fn tell(&mut self) {
        let servers = &self.network.servers;
        let v4 = servers.iter().flat_map(|server| &server.v4).map(|address| IpAddr::V4(*address));
        let v6 = servers.iter().flat_map(|server| &server.v6).map(|address| IpAddr::V6(*address));
        let redirects = Arc::new(Redirects::new(self.sites.iter().map(for_workers), v4.chain(v6)));
        self.before.push(redirects.clone());
        (self.publish)(redirects);
    }
}

fn site_table(redirect: &SiteRedirect, own: ServerId, before: &[SiteTable]) -> SiteTable {
    let targets: Vec<ServerId> = redirect.targets.iter().map(|target| target.server).collect();
    let terms = Terms { policy: redirect.policy, own, targets, better_by_ms: redirect.better_by_ms };
    let same = before.iter().find(|known| known.redirect == *redirect);
    SiteTable {
        verdicts: same.map(|known| known.verdicts.clone()).unwrap_or_default(),
        redirect: redirect.clone(),
        terms,
    }
}

fn for_workers(site: &SiteTable) -> (String, SiteRedirects) {
    let SiteTable { redirect, verdicts, .. } = site;
    let targets = redirect.targets.iter().map(|target| RedirectTarget {
        node: target.node.as_str().into(),
        base: target.base.clone(),
        alternative: format!("http%2F1.1=\"{}\"; ma={HINT_S}", target.authority),
    });
    let rules = SiteRedirects {
        status: redirect.status.map(|status| match status {
            307 => RedirectStatus::Temporary,
            _ => RedirectStatus::Found,
        }),
        hints: redirect.hints,
        targets: targets.collect(),
        verdicts: verdicts.clone(),
    };
    (redirect.site.clone(), rules)
}
