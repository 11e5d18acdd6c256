//! What must be true of the nodes when the work is done, and what a run counts for the report.

use crate::sim::check::Exchange;
use crate::sim::driver::Worker;
use crate::sim::fault::{Fault, Faults};
use crate::sim::pipe::{Owner, Pipes};
use crate::sim::scenario::Process;
use crate::sim::shape::{Carries, ClientFault, OriginFault};
use crate::sim::world::Hits;

/// Nobody works for a client that has gone; the first complaint.
pub(crate) fn is_quiet(workers: &[&Worker]) -> Option<String> {
    for worker in workers {
        let parts = worker.node.parts();
        let me = worker.me;
        let exchanges = parts.clients.as_ref().map_or(0, |clients| clients.exchanges());
        let fetches = parts.origins.as_ref().map_or(0, |origins| origins.fetches());
        let streams = parts.trunk.as_ref().map_or(0, |trunk| trunk.streams());
        if exchanges + fetches + streams > 0 {
            return Some(format!(
                "worker {me} still has {exchanges} exchanges, {fetches} fetches, {streams} streams for clients that have gone"
            ));
        }
    }
    None
}

/// Nothing is left anywhere; the first complaint.
pub(crate) fn is_empty(workers: &[&Worker], pipes: &Pipes, _: &[Process]) -> Option<String> {
    if let Some(complaint) = is_quiet(workers) {
        return Some(complaint);
    }
    for worker in workers {
        let parts = worker.node.parts();
        let me = worker.me;
        let clients = parts.clients.as_ref().map_or(0, |clients| clients.clients());
        let connections = parts.origins.as_ref().map_or((0, 0), |origins| origins.connections());
        if clients > 0 || connections != (0, 0) {
            return Some(format!(
                "worker {me} still has {clients} clients, {connections:?} connections to origins"
            ));
        }
        let held = parts.clients.as_ref().map_or(0, |clients| clients.held_blocks());
        let pending = parts.origins.as_ref().map_or(0, |origins| origins.held_blocks());
        let queued = worker.port.blocks().used();
        let tcp = worker.port.tcp_count();
        if held + pending + queued + tcp > 0 {
            return Some(format!(
                "worker {me} still holds {held} + {pending} blocks, {queued} blocks of queues, {tcp} connections"
            ));
        }
        if !parts.crossing.is_empty() {
            return Some(format!("something waits in the rings to worker {me}"));
        }
        let gauges = [&parts.counters.clients, &parts.counters.exchanges, &parts.counters.origin_connections];
        if gauges.iter().any(|gauge| gauge.read() > 0) {
            return Some(format!("worker {me} shows what it no longer has"));
        }
    }
    let worker_ends = pipes.held().filter(|(_, owner)| matches!(owner, Owner::Worker(..))).count();
    (worker_ends > 0).then(|| format!("{worker_ends} connections are held by drivers that have ended them"))
}

/// Counts the faults that are in the exchanges' shapes, and what the nodes counted.
pub(crate) fn count(faults: &Faults, exchanges: &[Exchange], processes: &[Process], hits: &mut Hits) {
    for Exchange { shape, .. } in exchanges {
        let has = [
            (Fault::ClientAborts, shape.client_fault != ClientFault::None),
            (Fault::BadOrigins, shape.origin_fault != OriginFault::None),
            (Fault::SlowReaders, shape.read_pace.0 > 0),
            (Fault::SlowWriters, shape.write_pace.0 > 0),
            (Fault::Malformed, matches!(shape.carries, Carries::Malformed(_))),
        ];
        has.iter().filter(|(_, has)| *has).for_each(|(fault, _)| hits.hit(fault.name()));
    }
    let total = |name: &str| {
        let mut sum = 0;
        for counters in processes.iter().flat_map(|process| &process.counters) {
            counters.each(|metric, _, _, value| sum += if metric == name { value } else { 0 });
        }
        sum
    };
    let counted = [
        ("clients_shed", Fault::FewConnections.name()),
        ("pool_shortages", Fault::SmallPools.name()),
        ("origin_retries", "retry on another connection"),
        ("origin_reuses", "pooled connection"),
        ("cross_core_items", "word between workers"),
        ("clients_timed_out", "slow client ended"),
        ("reroutes", "exchange over another route"),
    ];
    counted.iter().filter(|(metric, _)| total(metric) > 0).for_each(|(_, name)| hits.hit(name));
    if faults.has(Fault::IdleCloses) && hits.0.contains_key("origin closed an idle connection") {
        hits.hit(Fault::IdleCloses.name());
    }
}
