//! What the page shows of the name server: counters, zones, how the last reload went.

use crate::dns::code::{ResponseCode, type_name};
use crate::dns::counters::{Count, Counters, TYPES_COUNTED};
use crate::dns::policy::model::{Server, ServerId};
use crate::dns::policy::steering::Steering;
use crate::dns::server::decisions::Decisions;
use crate::dns::server::tables;
use crate::dns::server::world::Published;
use crate::report::findings;
use crate::report::intake::SharedLedger;
use crate::report::pressure;
use crate::report::shown;
use crate::report::tables as of_reports;
use crate::view::page::{Cell, Page, bytes, count, percent};
use crate::view::{Health, MetricsText, Reloads, Source, Unit};
use dataplane::reactor::clock;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Zones that `/status` names one by one.
const ZONES_SHOWN_MAX: usize = 1_000;

/// The source of the pages.
#[derive(Debug)]
pub struct DnsWatch {
    /// The program's version.
    pub version: &'static str,
    /// What the threads count.
    pub counters: Vec<Arc<Counters>>,
    /// The zones.
    pub published: Arc<Published>,
    /// How reloading went.
    pub reloads: Arc<Reloads>,
    /// The server is about to end.
    pub is_stopping: Arc<AtomicBool>,
    /// Where it listens.
    pub listening: Vec<String>,
    /// Lines that the query log has written, if there is one.
    pub log_lines: Option<Arc<AtomicU64>>,
    /// What nodes report, if reports are taken.
    pub reports: Option<SharedLedger>,
    /// The last decisions.
    pub decisions: Decisions,
    /// Who this is, as NSID says it; may be empty.
    pub name: String,
}

/// Name without prefix, unit, help, where it is.
type Row = (&'static str, Unit, &'static str, fn(&Counters) -> &Count);

const COUNTED: [Row; 14] = [
    ("dns_request_bytes", Unit::Bytes, "Bytes of requests.", |c| &c.bytes_in),
    ("dns_response_bytes", Unit::Bytes, "Bytes of answers.", |c| &c.bytes_out),
    ("dns_requests_ipv6", Unit::None, "Requests from IPv6 addresses.", |c| &c.ipv6),
    ("dns_truncated", Unit::None, "Answers that were cut.", |c| &c.truncated),
    ("dns_ignored", Unit::None, "Requests that got no answer: too short, or answers themselves.", |c| {
        &c.ignored
    }),
    ("dns_cookies_good", Unit::None, "Requests with a cookie of ours.", |c| &c.cookies_good),
    ("dns_subnets", Unit::None, "Requests with a client subnet.", |c| &c.subnets),
    ("dns_decisions", Unit::None, "Answers whose addresses a policy chose.", |c| &c.decisions),
    ("dns_send_errors", Unit::None, "Answers that could not be sent.", |c| &c.send_errors),
    ("dns_tcp_connections", Unit::None, "TCP connections taken.", |c| &c.connections),
    ("dns_tcp_refused", Unit::None, "TCP connections closed for want of room.", |c| &c.connections_refused),
    ("dns_tcp_timed_out", Unit::None, "TCP connections closed at a time-out.", |c| &c.connections_timed_out),
    (
        "dns_forecasts_lost",
        Unit::None,
        "Forecasts of latencies that were not handed over to be graded.",
        |c| &c.forecasts_lost,
    ),
    ("dns_log_lines_lost", Unit::None, "Lines of the query log that were lost.", |c| &c.log_lines_lost),
];

impl DnsWatch {
    /// Where the figures of each server come from, and who disagrees, as far as nodes report them.
    fn sources(&self) -> Value {
        let Some(ledger) = &self.reports else { return Value::Null };
        let ledger = ledger.lock();
        let sources = findings::sources(&ledger, clock::unix_us()).into_iter().map(Value::from);
        Value::Object(ledger.expected().servers.iter().cloned().zip(sources).collect())
    }

    fn by_worker(&self) -> impl Iterator<Item = (usize, &Counters)> {
        self.counters.iter().enumerate().map(|(worker, counters)| (worker, &**counters))
    }

    fn requests(&self, text: &mut MetricsText) {
        let mut samples = text.counter("longhaul_dns_requests", Unit::None, "Requests, by how they came.");
        for (worker, counters) in self.by_worker() {
            samples.value(&[("worker", &worker), ("transport", &"udp")], counters.udp.get());
            samples.value(&[("worker", &worker), ("transport", &"tcp")], counters.tcp.get());
        }
        let mut samples = text.counter("longhaul_dns_questions", Unit::None, "Questions, by type.");
        for (worker, counters) in self.by_worker() {
            for (place, count) in counters.types.iter().enumerate() {
                let name =
                    TYPES_COUNTED.get(place).map_or_else(|| "other".to_owned(), |rtype| type_name(*rtype));
                samples.value(&[("worker", &worker), ("type", &name)], count.get());
            }
        }
        let mut samples = text.counter("longhaul_dns_responses", Unit::None, "Answers, by code.");
        for (worker, counters) in self.by_worker() {
            for (code, count) in ResponseCode::ALL.iter().zip(&counters.codes) {
                samples.value(&[("worker", &worker), ("code", &code.name())], count.get());
            }
        }
    }

    fn limited(&self, text: &mut MetricsText) {
        let mut samples = text.counter(
            "longhaul_dns_limited",
            Unit::None,
            "Answers over the rate limit, by what became of them.",
        );
        for (worker, counters) in self.by_worker() {
            samples.value(&[("worker", &worker), ("fate", &"dropped")], counters.limited_dropped.get());
            samples.value(&[("worker", &worker), ("fate", &"slipped")], counters.limited_slipped.get());
        }
        let mut samples = text.gauge("longhaul_dns_tcp_open", Unit::None, "TCP connections open now.");
        for (worker, counters) in self.by_worker() {
            samples.value(&[("worker", &worker)], counters.connections_open.get() as f64);
        }
    }

    fn zones(&self, text: &mut MetricsText) {
        let world = self.published.newest();
        text.gauge(
            "longhaul_dns_generation",
            Unit::None,
            "Number of the generation of zones that is served.",
        )
        .value(&[], world.generation as f64);
        text.gauge("longhaul_dns_zones", Unit::None, "Zones.").value(&[], world.catalog.zones().len() as f64);
        text.gauge("longhaul_dns_records", Unit::None, "Records of all zones.")
            .value(&[], world.catalog.record_count() as f64);
        text.gauge("longhaul_dns_catalog_bytes", Unit::Bytes, "Memory of all zones.")
            .value(&[], world.catalog.bytes() as f64);
        self.reloads.metrics(text, "longhaul_dns_reloads", "longhaul_dns_last_good");
    }
}

/// What is known about each server, each figure with its age in seconds.
fn servers(steering: &Steering) -> Vec<Value> {
    let now_s = clock::unix_us() / 1_000_000;
    let servers = steering.servers().iter().enumerate();
    let one = |(place, server): (usize, &Server)| {
        let health = steering.figures().health(ServerId(place as u16));
        let order = server.order.as_ref();
        json!({
            "name": server.name,
            "domain": server.domain,
            "up": health.is_up.map(|up| up.value),
            "up_age_s": health.is_up.map(|up| up.age_s(now_s)),
            "load": health.load.map(|load| load.value),
            "load_age_s": health.load.map(|load| load.age_s(now_s)),
            "loss": health.loss.map(|loss| loss.value),
            "loss_age_s": health.loss.map(|loss| loss.age_s(now_s)),
            "soured": health.soured.map(|soured| soured.value),
            "soured_age_s": health.soured.map(|soured| soured.age_s(now_s)),
            "order": order.map(|order| order.action.name()),
            "order_reason": order.map(|order| order.reason.as_str()),
            "order_until_s": order.and_then(|order| order.until_s),
            "order_by_uid": order.and_then(|order| order.by_uid),
        })
    };
    servers.map(one).collect()
}

impl Source for DnsWatch {
    fn metrics(&mut self, text: &mut MetricsText) {
        text.info("longhaul_build", "The program.", &[("version", &self.version), ("end", &"dns")]);
        self.requests(text);
        self.limited(text);
        for (name, unit, help, read) in COUNTED {
            let name = format!("longhaul_{name}");
            let mut samples = text.counter(&name, unit, help);
            for (worker, counters) in self.by_worker() {
                samples.value(&[("worker", &worker)], read(counters).get());
            }
        }
        self.zones(text);
        if let Some(ledger) = &self.reports {
            shown::metrics(&ledger.lock(), text, clock::unix_us());
        }
    }

    fn status(&mut self) -> Value {
        let world = self.published.newest();
        let zone = |zone: &crate::dns::catalog::Zone| json!({ "apex": zone.apex.to_string(), "serial": zone.serial, "records": zone.records });
        let zones: Vec<Value> = world.catalog.zones().iter().take(ZONES_SHOWN_MAX).map(zone).collect();
        let total = |read: fn(&Counters) -> u64| self.counters.iter().map(|c| read(c)).sum::<u64>();
        json!({
            "version": self.version,
            "end": "dns",
            "listening": self.listening,
            "workers": self.counters.len(),
            "pressure": pressure::status(),
            "generation": world.generation,
            "zones": zones,
            "policies": world.steering.policies().iter().map(|policy| policy.name.as_str()).collect::<Vec<_>>(),
            "servers": servers(&world.steering),
            "sources": self.sources(),
            "networks_measured": world.steering.figures().networks(),
            "zones_total": world.catalog.zones().len(),
            "records": world.catalog.record_count(),
            "catalog_bytes": world.catalog.bytes(),
            "requests": { "udp": total(|c| c.udp.get()), "tcp": total(|c| c.tcp.get()) },
            "reports": self.reports.as_ref().map(|ledger| shown::status(&ledger.lock(), clock::unix_us())),
            "reload": self.reloads.status(),
            "query_log": { "lines": self.log_lines.as_ref().map(|lines| lines.load(Ordering::Relaxed)) },
        })
    }

    fn page(&mut self) -> Page {
        let world = self.published.newest();
        let total = |read: fn(&Counters) -> u64| self.counters.iter().map(|c| read(c)).sum::<u64>();
        let mut page = Page::new(format!("Name server {}", self.name).trim_end());
        let zones = world.catalog.zones().len() as u64;
        page.fact("Listens on", Cell::of(self.listening.join(", ")))
            .fact(
                "Questions",
                Cell::of(count(total(|c| c.udp.get()) + total(|c| c.tcp.get()))).detail("over UDP and TCP"),
            )
            .fact("Decided by policies", Cell::of(count(total(|c| c.decisions.get()))))
            .fact(
                "Zones",
                Cell::of(count(zones)).detail(format!(
                    "{} records, {}",
                    count(world.catalog.record_count() as u64),
                    bytes(world.catalog.bytes() as u64)
                )),
            )
            .fact("Client networks measured", Cell::of(count(world.steering.figures().networks() as u64)))
            .fact(
                "Generation",
                Cell::of(world.generation).detail(self.reloads.words()).tone(self.reloads.tone()),
            )
            .fact(
                "Waits for a processor",
                Cell::maybe(pressure::read().cpu.map(|share| percent(share.into()))),
            )
            .fact("Version", Cell::of(self.version));
        let now_us = clock::unix_us();
        page.table(tables::names(&world.catalog, &world.steering))
            .table(tables::servers(&world.steering, now_us / 1_000_000));
        if let Some(ledger) = &self.reports {
            let ledger = ledger.lock();
            page.table(of_reports::nodes(&ledger, now_us))
                .table(of_reports::targets(&ledger, now_us))
                .table(of_reports::tunnels(&ledger, now_us))
                .table(of_reports::forecasts(&ledger));
        }
        page.table(tables::decisions(&self.decisions));
        page
    }

    fn health(&mut self) -> Health {
        if self.is_stopping.load(Ordering::Relaxed) { Health::Draining } else { Health::Ok }
    }
}
