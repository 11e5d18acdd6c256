//! The door of the name server: from its flags to what it is told, and its run.

use crate::args::dns::DnsArgs;
use crate::exit::Exit;
use crate::form::given::take_all;
use crate::key_file;
use crate::machine::Machine;
use crate::print_config::Effective;
use crate::problem::{Problems, Wrong};
use controlplane::dns::cookie::{Secret, Secrets};
use controlplane::dns::engine::Settings;
use controlplane::dns::limits::{NSID_BYTES_MAX, UDP_BYTES_DEFAULT, UDP_BYTES_MIN};
use controlplane::dns::load::{self, Loaded, ZoneSource};
use controlplane::dns::policy::steering::Steering;
use controlplane::dns::rate::Rate;
use controlplane::dns::server::options::{ServerOptions, TcpOptions};
use controlplane::dns::server::query_log::QueryLog;
use controlplane::dns::server::start::{Server, StartError};
use controlplane::dns::server::watch::{DnsWatch, Reloads};
use controlplane::dns::subnets::Subnets;
use controlplane::logs::LogTarget;
use controlplane::logs::daemon::{self, Level};
use controlplane::notify;
use controlplane::signal::{Signal, Signals};
use controlplane::view::Admin;
use core::net::SocketAddr;
use core::time::Duration;
use dataplane::reactor::machine;
use dataplane::tmp::random::{Random, SystemRandom};
use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Instant;

/// Threads at most: more than the cores of any machine that serves DNS.
const THREADS_MAX: usize = 256;
/// Datagrams per system call at most: UIO_MAXIOV bounds it.
const BATCH_MAX: usize = 1_024;
/// Largest answer over UDP that a flag may allow; larger ones are fragments for certain.
const UDP_SIZE_MAX: u16 = 4_096;
/// How often the main thread looks whether the workers still run while it waits for signals.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// Descriptors that are no connections: sockets, polls, logs, and some to spare.
const DESCRIPTORS_BESIDE: usize = 256;

/// What the name server is told.
#[derive(Clone, Debug)]
pub(crate) struct DnsConfig {
    server: ServerOptions,
    zones: Vec<ZoneSource>,
    admin: Option<SocketAddr>,
    admin_hosts: Vec<String>,
    query_log: LogTarget,
    log_level: Level,
}

/// Reads and checks all flags; everything that is wrong at once. Zones are not read yet.
pub(crate) fn configure(args: &DnsArgs) -> Result<DnsConfig, Problems> {
    let mut problems = Problems::default();
    let listen: Vec<_> = take_all(&args.listen, "listen", &mut problems);
    let zones = take_all(&args.zone, "zone", &mut problems);
    problems.require(
        !zones.is_empty() || !args.zone.is_empty(),
        "--zone",
        "is missing",
        "give a zone: --zone example.test=FILE",
    );
    for (at, (text, address)) in listen.iter().enumerate() {
        let is_free = address.port() == 0 || listen[..at].iter().all(|(_, other)| other != address);
        problems.require(
            is_free,
            format_args!("--listen {text}"),
            "is there twice",
            "give every address once",
        );
    }
    let server = ServerOptions {
        listen: listen.into_iter().map(|(_, address)| address).collect(),
        threads: threads(args, &mut problems),
        batch: bounded(args.batch.take_or("batch", &mut problems, 1), 1, BATCH_MAX, "--batch", &mut problems),
        udp_buffer_bytes: args.udp_buffer.take_or("udp_buffer", &mut problems, 0),
        settings: settings(args, &mut problems),
        tcp: tcp(args, &mut problems),
        log_sample: bounded(
            args.query_log_sample.take_or("query_log_sample", &mut problems, 1),
            1,
            u32::MAX,
            "--query-log-sample",
            &mut problems,
        ),
    };
    let config = DnsConfig {
        server,
        zones: zones.into_iter().map(|(_, zone)| zone).collect(),
        admin: args.admin.take_or("admin", &mut problems, None),
        admin_hosts: args.admin_host.clone(),
        query_log: match args.query_log.to_str() {
            Some("off") => LogTarget::Nowhere,
            Some("stderr") => LogTarget::StandardError,
            Some(_) | None => LogTarget::File(args.query_log.clone()),
        },
        log_level: args.log_level.take_or("log_level", &mut problems, Level::Info),
    };
    problems.into_result(config)
}

/// What `--print-config` shows in place of what was written.
pub(crate) fn effective(config: &DnsConfig) -> Effective {
    vec![("threads", config.server.threads.to_string())]
}

fn bounded<N: Copy + PartialOrd + core::fmt::Display>(
    value: N,
    least: N,
    most: N,
    flag: &str,
    problems: &mut Problems,
) -> N {
    let is_good = value >= least && value <= most;
    problems.require(
        is_good,
        format_args!("{flag} {value}"),
        "is out of bounds",
        format!("give {least} to {most}"),
    );
    value
}

fn threads(args: &DnsArgs, problems: &mut Problems) -> usize {
    let auto = || Machine::look().cpus.len().clamp(1, THREADS_MAX);
    let given = args.threads.take_or("threads", problems, Some(1));
    given.map_or_else(auto, |threads| bounded(threads, 1, THREADS_MAX, "--threads", problems))
}

fn tcp(args: &DnsArgs, problems: &mut Problems) -> TcpOptions {
    TcpOptions {
        connections_max: bounded(
            args.tcp_max.take_or("tcp_max", problems, 1),
            1,
            1_000_000,
            "--tcp-max",
            problems,
        ),
        connections_per_client_max: bounded(
            args.tcp_per_client_max.take_or("tcp_per_client_max", problems, 1),
            1,
            1_000_000,
            "--tcp-per-client-max",
            problems,
        ),
        idle: args.tcp_idle.take_or("tcp_idle", problems, Duration::from_secs(1)),
        ..TcpOptions::default()
    }
}

fn settings(args: &DnsArgs, problems: &mut Problems) -> Settings {
    let is_fitting = args.nsid.len() <= NSID_BYTES_MAX;
    problems.require(is_fitting, "--nsid", "is too long", format!("give at most {NSID_BYTES_MAX} bytes"));
    let udp_bytes_max = args.udp_size.take_or("udp_size", problems, UDP_BYTES_DEFAULT);
    let idle = args.tcp_idle.take_or("tcp_idle", &mut Problems::default(), Duration::ZERO);
    Settings {
        udp_bytes_max: bounded(udp_bytes_max, UDP_BYTES_MIN as u16, UDP_SIZE_MAX, "--udp-size", problems),
        nsid: args.nsid.clone().into_bytes(),
        secrets: secrets(&args.cookies, problems),
        rate: Rate {
            per_second: bounded(
                args.rate_limit.take_or("rate_limit", problems, 0),
                0,
                1_000_000,
                "--rate-limit",
                problems,
            ),
            slip: args.rate_slip.take_or("rate_slip", problems, 0),
        },
        rate_exempt: args.rate_exempt.take_or("rate_exempt", problems, Subnets::default()),
        rate_key: random(),
        keepalive_ds: u16::try_from(idle.as_millis() / 100).unwrap_or(u16::MAX),
    }
}

fn random() -> [u8; 16] {
    let mut bytes = [0; 16];
    SystemRandom::new().fill(&mut bytes);
    bytes
}

fn secrets(path: &Path, problems: &mut Problems) -> Option<Secrets> {
    match path.to_str() {
        Some("off") => None,
        Some("auto") => Some(Secrets { current: Secret(random()), other: None }),
        Some(_) | None => {
            let read = key_file::cookie_secrets(path);
            read.map_err(|wrong| problems.add("--cookies", &wrong)).ok()
        }
    }
}

/// Makes a secret for `--cookies`.
pub(crate) fn new_cookie_secret(out: &Path) -> Result<(), Wrong> {
    let hex: String = random().iter().map(|byte| format!("{byte:02x}")).collect();
    key_file::create(out, &hex)
}

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

struct Running<'c> {
    config: &'c DnsConfig,
    server: Server,
    log: Option<QueryLog>,
    page: Option<(JoinHandle<io::Result<()>>, Arc<AtomicBool>)>,
    reloads: Arc<Reloads>,
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
        let Loaded { catalog, .. } = load(&config.zones).map_err(|problems| {
            for line in &problems {
                daemon::error(line, &[]);
            }
            daemon::error("nothing was started", &[("problems", &problems.len())]);
            Exit::Usage
        })?;
        let log = QueryLog::start(&config.query_log)
            .map_err(|error| failed("cannot open the query log", &error))?;
        let server = Server::start(config.server.clone(), catalog, Steering::default(), log.as_ref())
            .map_err(|error| {
                daemon::error("cannot start", &[("why", &error)]);
                match error {
                    StartError::Bind(_, _, error) if error.kind() == ErrorKind::AddrInUse => Exit::TryAgain,
                    StartError::Bind(..) | StartError::System(_) => Exit::Failed,
                }
            })?;
        let mut running = Self { config, server, log, page: None, reloads: Arc::default() };
        running.start_page()?;
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

    fn serve(self, signals: &Signals) -> Exit {
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
                None => {}
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
    fn reload(&self) {
        match load(&self.config.zones) {
            Ok(Loaded { catalog, .. }) => {
                let generation = self.server.published().replace(catalog, Steering::default());
                self.reloads.worked();
                daemon::notice("zones are serving anew", &[("generation", &generation)]);
            }
            Err(problems) => {
                for line in &problems {
                    daemon::error(line, &[]);
                }
                daemon::error("nothing was reloaded; the old zones stay", &[("problems", &problems.len())]);
                self.reloads.failed(problems);
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

/// Loads the zones and says how it went.
fn load(zones: &[ZoneSource]) -> Result<Loaded, Vec<String>> {
    let begun = Instant::now();
    let loaded = load::load(zones)?;
    for line in &loaded.warnings {
        daemon::warning(line, &[]);
    }
    let catalog = &loaded.catalog;
    daemon::info(
        "zones loaded",
        &[
            ("zones", &catalog.zones().len()),
            ("records", &catalog.record_count()),
            ("bytes", &catalog.bytes()),
            ("ms", &begun.elapsed().as_millis()),
        ],
    );
    Ok(loaded)
}

fn failed(what: &str, why: &dyn core::fmt::Display) -> Exit {
    daemon::error(what, &[("why", &why)]);
    Exit::Failed
}
