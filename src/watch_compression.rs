//! What operators see of compression on the tunnels: bytes before and after, by codec and direction, and what was not
//! compressed, by reason.

use controlplane::view::{MetricsText, Unit};
use core::fmt::Display;
use dataplane::compression::{BadBlock, Codec, CodecBytes, CompressionCounters, Why};
use dataplane::role::status::TunnelStatus;
use serde_json::{Map, Value, json};

use crate::watch_rings::Named;

const DIRECTIONS: [&str; 2] = ["sent", "received"];

type Read = fn(&CodecBytes) -> u64;

const BYTES: [(&str, &str, Read); 3] = [
    ("longhaul_compression_plain_bytes", "Bytes of compressed halves of streams as they are.", |b| b.plain),
    ("longhaul_compression_packed_bytes", "The same as they crossed the tunnel.", |b| b.packed),
    ("longhaul_compression_saved_bytes", "By how much that was less.", CodecBytes::saved),
];

/// The metrics of all tunnels.
pub(crate) fn metrics(tunnels: &[Named<'_>], text: &mut MetricsText) {
    for (name, help, read) in BYTES {
        let mut samples = text.counter(name, Unit::Bytes, help);
        for (worker, to, tunnel) in tunnels {
            each_codec(&tunnel.compression, |direction, codec, bytes| {
                let labels: [(&str, &dyn Display); 4] =
                    [("worker", worker), ("to", to), ("direction", &direction), ("codec", &codec.name())];
                samples.value(&labels, read(bytes));
            });
        }
    }
    let help = "Halves of streams that this end began to compress whole (on), or not, or not whole, by reason; \
                random and tiny were begun, and given up.";
    let mut samples = text.counter("longhaul_compression_streams", Unit::None, help);
    for (worker, to, tunnel) in tunnels {
        each_outcome(&tunnel.compression, |outcome, count| {
            samples.value(&[("worker", worker), ("to", to), ("outcome", &outcome)], count);
        });
    }
    let help = "Halves of streams that were refused because their blocks make no sense.";
    let mut samples = text.counter("longhaul_compression_refused", Unit::None, help);
    for (worker, to, tunnel) in tunnels {
        for bad in BadBlock::ALL {
            let count = tunnel.compression.refused[*bad as usize];
            samples.value(&[("worker", worker), ("to", to), ("reason", &bad.name())], count);
        }
    }
}

fn each_codec(counters: &CompressionCounters, mut visit: impl FnMut(&'static str, Codec, &CodecBytes)) {
    for (direction, all) in DIRECTIONS.into_iter().zip([&counters.sent, &counters.received]) {
        for codec in Codec::ALL {
            visit(direction, codec, &all[CompressionCounters::place(codec)]);
        }
    }
}

fn each_outcome(counters: &CompressionCounters, mut visit: impl FnMut(&'static str, u64)) {
    visit("on", counters.whole);
    for why in Why::ALL {
        visit(why.name(), counters.not[*why as usize]);
    }
}

/// One tunnel, for `/status`: what there is.
pub(crate) fn status(tunnel: &TunnelStatus) -> Value {
    let counters = &tunnel.compression;
    let mut status: Map<String, Value> = Map::new();
    each_codec(counters, |direction, codec, bytes| {
        if bytes.plain > 0 {
            let row = json!({ "plain_bytes": bytes.plain, "packed_bytes": bytes.packed, "saved_bytes": bytes.saved() });
            status.insert(format!("{direction}_{}", codec.name()), row);
        }
    });
    let mut outcomes: Map<String, Value> = Map::new();
    each_outcome(counters, |outcome, count| {
        outcomes.insert(outcome.to_owned(), count.into());
    });
    let refused =
        BadBlock::ALL.iter().map(|bad| (bad.name().to_owned(), counters.refused[*bad as usize].into()));
    status.insert("streams".to_owned(), outcomes.into());
    status.insert("refused".to_owned(), refused.collect::<Map<_, Value>>().into());
    status.into()
}
