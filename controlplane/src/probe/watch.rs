//! What operators see of a prober: `/metrics`, `/status`, `/healthz`.

use crate::probe::board::{Board, Entry};
use crate::probe::outcome::{Cause, Outcome, hex};
use crate::probe::resolver_thread::ResolverWatch;
use crate::probe::tables;
use crate::probe::target::Target;
use crate::report::pressure;
use crate::view::page::{Cell, Page, Tone, count, percent};
use crate::view::{Health, MetricsText, Source, Unit};
use dataplane::reactor::clock;
use dataplane::time::Instant;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What the prober's thread tells the page.
#[derive(Debug)]
pub struct Telling {
    /// What is known of the targets.
    pub board: Mutex<Board>,
    /// Probes started.
    pub started: AtomicU64,
    /// Probes that started late for want of a place.
    pub late: AtomicU64,
    /// Reports made.
    pub reports: AtomicU64,
    /// Datagrams with reports that could not be sent.
    pub reports_failed: AtomicU64,
    /// Turns of the prober's loop, for the watchdog.
    pub turns: AtomicU64,
    /// What is shown of probes of resolvers, if it makes any.
    pub resolvers: Mutex<Option<ResolverWatch>>,
    /// It is about to end.
    pub is_stopping: AtomicBool,
}

impl Telling {
    /// Of targets about which nothing is known.
    pub fn new(targets: Vec<Arc<Target>>) -> Self {
        Self {
            board: Mutex::new(Board::new(targets)),
            started: AtomicU64::new(0),
            late: AtomicU64::new(0),
            reports: AtomicU64::new(0),
            reports_failed: AtomicU64::new(0),
            turns: AtomicU64::new(0),
            resolvers: Mutex::new(None),
            is_stopping: AtomicBool::new(false),
        }
    }

    /// Shows probes of resolvers, or none any more.
    pub fn set_resolvers(&self, watch: Option<ResolverWatch>) {
        *self.resolvers.lock().unwrap_or_else(PoisonError::into_inner) = watch;
    }

    fn resolvers(&self) -> Option<ResolverWatch> {
        self.resolvers.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The board, for a short while.
    pub fn board(&self) -> MutexGuard<'_, Board> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The source of the pages.
#[derive(Clone, Debug)]
pub struct ProbeWatch {
    /// The program's version.
    pub version: &'static str,
    /// Who probes, if the tree says.
    pub node: Option<String>,
    /// What is known.
    pub telling: Arc<Telling>,
}

/// Seconds of a phase.
type Phase = (&'static str, fn(&Outcome) -> u32);

const PHASES: [Phase; 5] = [
    ("name", |o| o.phases.name_us),
    ("connect", |o| o.phases.connect_us),
    ("tls", |o| o.phases.tls_us),
    ("first_byte", |o| o.phases.first_byte_us),
    ("total", |o| o.phases.total_us),
];

impl ProbeWatch {
    fn gauges(board: &Board, text: &mut MetricsText) {
        type Read = fn(&Entry, Instant) -> Option<f64>;
        let now = clock::now();
        let rows: [(&str, Unit, &str, Read); 8] = [
            ("longhaul_probe_up", Unit::None, "Whether a target is up, by rise and fall.", |e, _| {
                e.state.is_up().map(|up| f64::from(u8::from(up)))
            }),
            ("longhaul_probe_success", Unit::None, "Whether a target's last probe was good.", |e, _| {
                e.last.as_ref().map(|(_, last)| f64::from(u8::from(last.is_good())))
            }),
            ("longhaul_probe_age_seconds", Unit::Seconds, "Time since a target's last probe.", |e, now| {
                e.last.as_ref().map(|(at, _)| now.since(*at).as_secs_f64())
            }),
            ("longhaul_probe_load_ratio", Unit::Ratio, "How busy a target says it is.", |e, _| {
                e.last.as_ref()?.1.seen.load.map(f64::from)
            }),
            (
                "longhaul_probe_certificate_end_seconds",
                Unit::Seconds,
                "End of a certificate's life, Unix time.",
                |e, _| e.last.as_ref()?.1.seen.certificate_until_s.map(|at_s| at_s as f64),
            ),
            (
                "longhaul_probe_modified_seconds",
                Unit::Seconds,
                "Last-Modified of the content, Unix time.",
                |e, _| e.last.as_ref()?.1.seen.modified_s.map(|at_s| at_s as f64),
            ),
            (
                "longhaul_probe_lag_seconds",
                Unit::Seconds,
                "How far content is behind its reference's.",
                |e, _| e.lag.map(|lag| lag.as_secs_f64()),
            ),
            (
                "longhaul_probe_damped",
                Unit::None,
                "Whether a target is slow to come back because it flaps.",
                |e, now| Some(f64::from(u8::from(e.state.is_damped(now)))),
            ),
        ];
        for (name, unit, help, read) in rows {
            let mut samples = text.gauge(name, unit, help);
            for (target, entry) in board.lines() {
                if let Some(value) = read(entry, now) {
                    samples.value(&[("target", &target.name)], value);
                }
            }
        }
    }

    fn phases(board: &Board, text: &mut MetricsText) {
        let name = "longhaul_probe_duration_seconds";
        let mut samples = text.gauge(name, Unit::Seconds, "Time of a target's last probe, by phase.");
        for (target, entry) in board.lines() {
            let Some((_, last)) = &entry.last else { continue };
            for (phase, read) in PHASES {
                samples.value_us(&[("target", &target.name), ("phase", &phase)], read(last).into());
            }
        }
    }

    fn counts(board: &Board, text: &mut MetricsText) {
        let mut samples = text.counter("longhaul_probe_good", Unit::None, "Good probes.");
        for (target, entry) in board.lines() {
            samples.value(&[("target", &target.name)], entry.good);
        }
        let mut samples = text.counter("longhaul_probe_bad", Unit::None, "Bad probes, by cause.");
        for (target, entry) in board.lines() {
            for (cause, count) in Cause::ALL.iter().zip(entry.bad).filter(|(_, count)| *count > 0) {
                samples.value(&[("target", &target.name), ("cause", &cause.name())], count);
            }
        }
    }
}

/// A target as JSON.
fn line(target: &Target, entry: &Entry, now: Instant) -> Value {
    let last = entry.last.as_ref();
    let phases = last.map(|(_, last)| {
        let each = PHASES.iter().map(|(name, read)| (format!("{name}_us"), Value::from(read(last))));
        Value::Object(each.collect())
    });
    let seen = last.map(|(_, last)| &last.seen);
    json!({
        "name": target.name, "url": target.url.to_string(), "server": target.server,
        "up": entry.state.is_up(), "for_s": entry.state.is_up().map(|_| now.since(entry.since).as_secs()),
        "damped": entry.state.is_damped(now),
        "age_s": last.map(|(at, _)| now.since(*at).as_secs()),
        "failure": last.and_then(|(_, last)| last.failure.as_ref()).map(|failure| {
            json!({ "cause": failure.cause.name(), "what": failure.what })
        }),
        "phases": phases,
        "status": seen.and_then(|seen| seen.status), "bytes": seen.map(|seen| seen.bytes),
        "load": seen.and_then(|seen| seen.load), "etag": seen.and_then(|seen| seen.etag.as_deref()),
        "modified_s": seen.and_then(|seen| seen.modified_s),
        "sha256": seen.and_then(|seen| seen.digest).map(|digest| hex(&digest)),
        "certificate_until_s": seen.and_then(|seen| seen.certificate_until_s),
        "lag_s": entry.lag.map(|lag| lag.as_secs()),
        "down_within_ms": target.pace.down_within().as_millis() as u64,
    })
}

impl Source for ProbeWatch {
    fn metrics(&mut self, text: &mut MetricsText) {
        text.info("longhaul_build", "The program.", &[("version", &self.version), ("end", &"probe")]);
        let (started, late) = (&self.telling.started, &self.telling.late);
        text.counter("longhaul_probes", Unit::None, "Probes started.")
            .value(&[], started.load(Ordering::Relaxed));
        text.counter("longhaul_probes_late", Unit::None, "Probes that waited for a place.")
            .value(&[], late.load(Ordering::Relaxed));
        let (made, failed) = (&self.telling.reports, &self.telling.reports_failed);
        text.counter("longhaul_reports_made", Unit::None, "Reports made for the name servers.")
            .value(&[], made.load(Ordering::Relaxed));
        text.counter(
            "longhaul_reports_unsent",
            Unit::None,
            "Datagrams with reports that the kernel did not take.",
        )
        .value(&[], failed.load(Ordering::Relaxed));
        if let Some(resolvers) = self.telling.resolvers() {
            resolvers.metrics(text);
        }
        let board = self.telling.board();
        Self::gauges(&board, text);
        Self::phases(&board, text);
        Self::counts(&board, text);
    }

    fn status(&mut self) -> Value {
        let now = clock::now();
        let board = self.telling.board();
        json!({
            "version": self.version, "end": "probe", "node": self.node,
            "pressure": pressure::status(),
            "resolvers": self.telling.resolvers().map(|resolvers| resolvers.status()),
            "probes": self.telling.started.load(Ordering::Relaxed), "late": self.telling.late.load(Ordering::Relaxed),
            "targets": board.lines().map(|(target, entry)| line(target, entry, now)).collect::<Vec<_>>(),
        })
    }

    fn page(&mut self) -> Page {
        let told = |counter: &AtomicU64| count(counter.load(Ordering::Relaxed));
        let telling = &self.telling;
        let mut page = Page::new(format!("Prober {}", self.node.as_deref().unwrap_or_default()).trim_end());
        let unsent = telling.reports_failed.load(Ordering::Relaxed);
        let tone = if unsent > 0 { Tone::Warn } else { Tone::Plain };
        page.fact(
            "Probes",
            Cell::of(told(&telling.started)).detail(format!("{} began late", told(&telling.late))),
        )
        .fact(
            "Reports",
            Cell::of(told(&telling.reports))
                .detail(format!("{} datagrams not sent", count(unsent)))
                .tone(tone),
        );
        if let Some(resolvers) = telling.resolvers() {
            page.fact("Resolvers probed", resolvers.cell());
        }
        page.fact(
            "Waits for a processor",
            Cell::maybe(pressure::read().cpu.map(|share| percent(share.into()))),
        )
        .fact("Version", Cell::of(self.version));
        page.table(tables::targets(&telling.board(), clock::now()));
        page
    }

    fn health(&mut self) -> Health {
        if self.telling.is_stopping.load(Ordering::Relaxed) { Health::Draining } else { Health::Ok }
    }
}
