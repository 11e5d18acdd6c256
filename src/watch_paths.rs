//! What operators see of a tunnel's paths, where it may have several.

use controlplane::view::{MetricsText, Unit};
use dataplane::role::status::TunnelStatus;
use dataplane::tmp::forecast::Quality;
use dataplane::tmp::place::{Bearer, Place};
use dataplane::tmp::stats::PathSnapshot;
use serde_json::{Value, json};

use crate::watch_rings::Named;

/// Name without prefix, unit, help, where it is.
type Gauge = (&'static str, Unit, &'static str, fn(&PathSnapshot) -> f64);
type Total = (&'static str, Unit, &'static str, fn(&PathSnapshot) -> u64);

const GAUGES: [Gauge; 6] = [
    ("path_active", Unit::None, "Whether a path carries what goes out on one path alone.", |p| {
        f64::from(u8::from(p.is_active))
    }),
    ("path_good", Unit::None, "Whether nothing speaks against a path.", |p| {
        f64::from(u8::from(p.suspicion.is_none()))
    }),
    ("path_rtt_seconds", Unit::Seconds, "Smoothed round trip time of a path.", |p| p.srtt_us as f64 / 1e6),
    ("path_window_bytes", Unit::Bytes, "Congestion window of a path.", |p| p.window_bytes as f64),
    ("path_queue_seconds", Unit::Seconds, "Queue on the way to the peer.", |p| p.queue_us as f64 / 1e6),
    ("path_loss_ratio", Unit::Ratio, "Packets lost on a path in the last ten seconds.", |p| {
        f64::from(p.loss_ppm) / 1e6
    }),
];

const TOTALS: [Total; 3] = [
    ("path_suspected", Unit::None, "How often a path was found bad.", |p| p.suspected),
    ("path_sent_bytes", Unit::Bytes, "Datagrams sent on a path.", |p| p.sent_bytes),
    ("path_received_bytes", Unit::Bytes, "Datagrams received on a path.", |p| p.received_bytes),
];

/// The metrics of all paths.
pub(crate) fn metrics(tunnels: &[Named<'_>], text: &mut MetricsText) {
    let paths = || {
        tunnels.iter().flat_map(|(worker, to, tunnel)| {
            let paths = tunnel.transport.paths.iter().enumerate();
            paths.filter_map(move |(path, snapshot)| Some((worker, to, path, snapshot.as_ref()?)))
        })
    };
    for (name, unit, help, read) in GAUGES {
        let name = format!("longhaul_{name}");
        let mut samples = text.gauge(&name, unit, help);
        for (worker, to, path, snapshot) in paths() {
            samples.value(&[("worker", worker), ("to", to), ("path", &path)], read(snapshot));
        }
    }
    for (name, unit, help, read) in TOTALS {
        let name = format!("longhaul_{name}");
        let mut samples = text.counter(&name, unit, help);
        for (worker, to, path, snapshot) in paths() {
            samples.value(&[("worker", worker), ("to", to), ("path", &path)], read(snapshot));
        }
    }
}

/// Where a path leads to, as a route names it.
pub(crate) fn address_text(place: Place) -> String {
    let over = if place.bearer() == Bearer::Stream { "tcp+" } else { "" };
    format!("{over}{}", place.address)
}

fn quality(quality: Quality) -> Value {
    json!({ "rtt_us": quality.rtt_us, "bytes_per_s": quality.bytes_per_s })
}

/// The paths of a tunnel for `/status`.
pub(crate) fn status(tunnel: &TunnelStatus) -> Vec<Value> {
    let paths = tunnel.transport.paths.iter().zip(&tunnel.places).enumerate();
    let one = |(path, (snapshot, place)): (usize, (&Option<PathSnapshot>, &Option<Place>))| {
        let path_of = snapshot.as_ref()?;
        Some(json!({
            "path": path, "address": place.map(address_text), "active": path_of.is_active,
            "suspicion": path_of.suspicion.map(|suspicion| suspicion.name()), "suspected": path_of.suspected,
            "rtt_us": path_of.srtt_us, "rtt_min_us": path_of.min_rtt_us, "window_bytes": path_of.window_bytes,
            "in_flight_bytes": path_of.in_flight_bytes, "delivery_bytes_per_s": path_of.delivery_bytes_per_s,
            "queue_us": path_of.queue_us, "loss_ppm": path_of.loss_ppm,
            "sent_bytes": path_of.sent_bytes, "received_bytes": path_of.received_bytes,
            "moved_here": path_of.forecast.map(|forecast| json!({
                "from_path": forecast.from.index(), "expected": quality(forecast.expected), "came": forecast.came.map(quality),
            })),
        }))
    };
    paths.filter_map(one).collect()
}
