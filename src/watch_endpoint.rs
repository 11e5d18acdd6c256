//! What operators see of the tunnels' endpoints: datagrams refused, by reason, and handshakes. One endpoint per worker.

use controlplane::view::{MetricsText, Unit};
use dataplane::node::WorkerView;
use dataplane::tmp::{Counters, Dropped};
use serde_json::{Map, Value, json};

/// The metrics of all workers' endpoints.
pub(crate) fn metrics(workers: &[WorkerView], text: &mut MetricsText) {
    let all: Vec<Counters> = workers.iter().map(|view| view.status.read_endpoint()).collect();
    let help = "Datagrams of tunnels that were dropped, by reason.";
    let mut samples = text.counter("longhaul_tunnel_datagrams_dropped", Unit::None, help);
    for (worker, counters) in all.iter().enumerate() {
        for reason in Dropped::ALL {
            samples.value(&[("worker", &worker), ("reason", &reason.name())], counters.dropped_for(reason));
        }
    }
    let mut rows = Vec::new();
    for (worker, counters) in all.iter().enumerate() {
        counters.each(|name, help, value| rows.push((name, help, worker, value)));
    }
    rows.sort_by_key(|row| row.0);
    for family in rows.chunk_by(|a, b| a.0 == b.0) {
        let name = format!("longhaul_tunnel_{}", family[0].0);
        let mut samples = text.counter(&name, Unit::None, family[0].1);
        for (.., worker, value) in family {
            samples.value(&[("worker", worker)], *value);
        }
    }
}

/// One worker's endpoint, for `/status`.
pub(crate) fn status(view: &WorkerView) -> Value {
    let counters = view.status.read_endpoint();
    let dropped = Dropped::ALL.into_iter();
    let dropped: Map<_, _> =
        dropped.map(|reason| (reason.name().to_owned(), counters.dropped_for(reason).into())).collect();
    let mut status = Map::new();
    counters.each(|name, _, value| {
        status.insert(name.to_owned(), value.into());
    });
    status.insert("dropped".to_owned(), json!(dropped));
    status.into()
}
