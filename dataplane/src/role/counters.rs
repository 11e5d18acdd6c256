//! What one worker counts. Each counter has one writer, the worker, so adding is a plain load and store; readers on
//! other threads see a value that was true a moment ago.

use core::sync::atomic::{AtomicU64, Ordering};

/// One number, written by one thread.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds `count`; only the owning worker calls this.
    pub fn add(&self, count: u64) {
        self.0.store(self.0.load(Ordering::Relaxed).wrapping_add(count), Ordering::Relaxed);
    }

    /// Sets a gauge; only the owning worker calls this.
    pub fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    /// The value, from any thread.
    pub fn read(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

macro_rules! counters {
    ($($name:ident: $metric:literal, $kind:ident, $help:literal;)*) => {
        /// The counters of one worker's role.
        #[derive(Debug, Default)]
        pub struct Counters {
            $(#[doc = $help] pub $name: Counter,)*
        }

        impl Counters {
            /// Metric name (without prefix and `_total`), whether it only grows, help text and value of each.
            pub fn each(&self, mut visit: impl FnMut(&'static str, CounterKind, &'static str, u64)) {
                $(visit($metric, CounterKind::$kind, $help, self.$name.read());)*
            }
        }
    };
}

/// Whether a number only grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CounterKind {
    /// It only grows.
    Total,
    /// It goes up and down.
    Gauge,
}

counters! {
    clients_accepted: "clients_accepted", Total, "Client connections accepted.";
    clients: "clients", Gauge, "Client connections open.";
    clients_shed: "clients_shed", Total, "Client connections answered 503 because the limit was reached.";
    clients_timed_out: "clients_timed_out", Total, "Client connections ended because the client was too slow.";
    requests: "requests", Total, "Requests whose head was read whole.";
    requests_refused: "requests_refused", Total, "Requests refused by the parser or by a limit.";
    redirects: "redirects", Total, "Requests answered with a redirection to a machine of ours that serves the client better.";
    alt_svc_hints: "alt_svc_hints", Total, "Answers that named such a machine (Alt-Svc).";
    exchanges: "exchanges_open", Gauge, "Exchanges under way.";
    answers: "answers", Total, "Exchanges that were answered completely.";
    failures: "failures", Total, "Exchanges that ended with an error of ours (4xx or 5xx page, or a cut body).";
    aborts: "client_aborts", Total, "Exchanges that the client gave up.";
    reroutes: "reroutes", Total, "Exchanges that went over another route because theirs was down.";
    tcp_streams: "tcp_streams", Total, "Plain TCP connections carried.";
    origin_connections: "origin_connections", Gauge, "Connections to origins open.";
    origin_connects: "origin_connects", Total, "Connections to origins made.";
    origin_reuses: "origin_reuses", Total, "Requests sent over a pooled connection.";
    origin_retries: "origin_retries", Total, "Requests sent again because a pooled connection had died.";
    origin_failures: "origin_failures", Total, "Requests that an origin failed to answer.";
    streams: "tunnel_streams", Gauge, "Streams open in the tunnels of this worker.";
    streams_opened: "tunnel_streams_opened", Total, "Streams opened in the tunnels of this worker.";
    cross_core_items: "cross_core_items", Total, "Records sent to other workers over the priority rings.";
    cross_core_full: "cross_core_full", Total, "Times a priority ring to another worker was full.";
    pool_shortages: "pool_shortages", Total, "Times a buffer pool had no block left.";
    records_dropped: "access_records_dropped", Total, "Access records dropped because the log was slow or full.";
}
