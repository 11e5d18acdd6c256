//! What operators see of the blenders: the numbers that they decide with, per tunnel and ring, and how long streams waited
//! for their turns.

use controlplane::view::{MetricsText, Unit};
use core::fmt::Display;
use dataplane::blender::RingCounters;
use dataplane::role::status::TunnelStatus;
use dataplane::role::waits::WaitHistogram;
use serde_json::{Value, json};

/// A tunnel with its worker and the name of its far end.
pub(crate) type Named<'a> = (usize, String, &'a TunnelStatus);

/// Name without prefix, unit, help, where it is.
type Gauge = (&'static str, Unit, &'static str, fn(&RingCounters) -> f64);
type Total = (&'static str, Unit, &'static str, fn(&RingCounters) -> u64);

const GAUGES: [Gauge; 5] = [
    ("ring_streams", Unit::None, "Streams of each ring, idle ones included (nSockets).", |r| {
        r.sources.into()
    }),
    ("ring_ready", Unit::None, "Streams of each ring with bytes waiting (nReady).", |r| r.ready.into()),
    ("ring_waiting_bytes", Unit::Bytes, "Bytes that wait in each ring (nBytes).", |r| r.bytes as f64),
    ("ring_weight", Unit::None, "Weight of each ring.", |r| r.weight.into()),
    (
        "ring_quota_bytes",
        Unit::Bytes,
        "What the composing loop still lets each ring send (of nSendNorm); below zero: a debt.",
        |r| r.quota_bytes as f64,
    ),
];

const TOTALS: [Total; 2] = [
    ("ring_sub_packets", Unit::None, "Sub-packets that left by each ring.", |r| r.sub_packets),
    ("ring_sent_bytes", Unit::Bytes, "Bytes that left by each ring.", |r| r.bytes_sent),
];

/// The metrics of all tunnels.
pub(crate) fn metrics(tunnels: &[Named<'_>], text: &mut MetricsText) {
    for (name, unit, help, read) in GAUGES {
        let name = format!("longhaul_{name}");
        let mut samples = text.gauge(&name, unit, help);
        each_ring(tunnels, |labels, _, counters| {
            samples.value(labels, read(counters));
        });
    }
    for (name, unit, help, read) in TOTALS {
        let name = format!("longhaul_{name}");
        let mut samples = text.counter(&name, unit, help);
        each_ring(tunnels, |labels, _, counters| {
            samples.value(labels, read(counters));
        });
    }
    let help = "Bytes per unit of weight and ready stream in the last composing loop (S).";
    let mut samples = text.gauge("longhaul_blender_scale_bytes", Unit::Bytes, help);
    for (worker, to, tunnel) in tunnels {
        samples.value(&[("worker", worker), ("to", to)], tunnel.blender.scale_bytes as f64);
    }
    let mut samples = text.counter("longhaul_blender_loops", Unit::None, "Composing loops begun.");
    for (worker, to, tunnel) in tunnels {
        samples.value(&[("worker", worker), ("to", to)], tunnel.blender.loops);
    }
    let help = "How long streams with bytes waiting waited for their turn, by ring.";
    let mut samples = text.histogram("longhaul_ring_wait_seconds", Unit::Seconds, help);
    each_ring(tunnels, |labels, waits, _| {
        let buckets: Vec<(f64, u64)> = waits.buckets().map(|(us, count)| (us as f64 / 1e6, count)).collect();
        samples.value(labels, &buckets, waits.sum_us as f64 / 1e6, waits.count());
    });
}

fn each_ring(
    tunnels: &[Named<'_>],
    mut visit: impl FnMut(&[(&str, &dyn Display)], &WaitHistogram, &RingCounters),
) {
    for (worker, to, tunnel) in tunnels {
        for (ring, (counters, waits)) in tunnel.blender.rings.iter().zip(&tunnel.waits).enumerate() {
            visit(&[("worker", worker), ("to", to), ("ring", &ring)], waits, counters);
        }
    }
}

/// The rings of a tunnel, highest first, for `/status`.
pub(crate) fn status(tunnel: &TunnelStatus) -> Vec<Value> {
    let one = |(ring, waits): (&RingCounters, &WaitHistogram)| {
        // Buckets in which nothing lies would make half of the page.
        let mut before = 0;
        let mut waited = Vec::new();
        for (us, count) in waits.buckets() {
            if count > before {
                waited.push(json!({ "up_to_us": us, "count": count - before }));
            }
            before = count;
        }
        json!({
            "weight": ring.weight, "sources": ring.sources, "ready": ring.ready, "bytes": ring.bytes,
            "quota_bytes": ring.quota_bytes, "sub_packets": ring.sub_packets, "bytes_sent": ring.bytes_sent,
            "waits": {
                "count": waits.count(), "sum_us": waits.sum_us, "max_us": waits.max_us,
                "loops_max": waits.loops_max, "buckets": waited,
            },
        })
    };
    tunnel.blender.rings.iter().zip(&tunnel.waits).map(one).collect()
}
