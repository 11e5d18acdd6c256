//! What operators see of a node: `/metrics`, `/status`, `/healthz`. Reads counters that the workers write; asks nobody.

use std::sync::Arc;

use controlplane::logs::RecordStats;
use controlplane::report::pressure;
use controlplane::resolve::ResolveStats;
use controlplane::view::page::Page;
use controlplane::view::{Health, MetricsText, Reloads, Source, Unit};
use dataplane::exchange::link::Way;
use dataplane::node::{Running, WorkerView};
use dataplane::role::control::{Control, Stage};
use dataplane::role::counters::CounterKind;
use dataplane::role::status::TunnelStatus;
use dataplane::tmp::TunnelCounters;
use serde_json::{Value, json};

use crate::config::NodeConfig;
use crate::redirect_board::RedirectBoard;
use crate::settings::Board;
use crate::watch_compression;
use crate::watch_endpoint;
use crate::watch_page;
use crate::watch_paths;
use crate::watch_rings;

/// The page's source.
pub(crate) struct Watch {
    end: &'static str,
    /// Its name in the tree, if it has one.
    node: String,
    workers: Vec<WorkerView>,
    control: Arc<Control>,
    records: Arc<RecordStats>,
    names: Arc<ResolveStats>,
    listening: Vec<String>,
    board: Arc<Board>,
    reloads: Arc<Reloads>,
    redirects: Arc<RedirectBoard>,
}

impl Watch {
    pub(crate) fn new(
        config: &NodeConfig,
        running: &Running,
        records: Arc<RecordStats>,
        names: Arc<ResolveStats>,
        (board, reloads, redirects): (Arc<Board>, Arc<Reloads>, Arc<RedirectBoard>),
    ) -> Self {
        Self {
            end: config.end.name(),
            node: name(config),
            workers: running.views().to_vec(),
            control: running.control().clone(),
            records,
            names,
            listening: running.listening().iter().map(ToString::to_string).collect(),
            board,
            reloads,
            redirects,
        }
    }

    /// Who is at the far end of a tunnel, by the operator's name.
    fn far_end(&self, tunnel: &TunnelStatus) -> String {
        let plan = self.control.plan();
        let route = tunnel.route.and_then(|route| plan.routes.get(usize::from(route)));
        let peer = || plan.peers.get(tunnel.peer as usize).map(|peer| peer.label.clone());
        route.map(|route| route.name.clone()).or_else(peer).unwrap_or_default()
    }

    /// Whether a tunnel only waits for its last streams.
    fn is_closing(&self, tunnel: &TunnelStatus) -> bool {
        let plan = self.control.plan();
        match tunnel.route {
            Some(route) => plan.is_retired(Way::Route(route)),
            None => plan.peers.get(tunnel.peer as usize).is_some_and(|peer| peer.retired.is_some()),
        }
    }

    /// The tunnels that users go over, each with the name of its far end.
    pub(crate) fn sampled_by_name(&self) -> Vec<(String, TunnelStatus)> {
        let name = |(_, tunnel)| (self.far_end(&tunnel), tunnel);
        self.sampled().into_iter().map(name).collect()
    }

    /// The tunnels that have samples: one that closes may have the name of its successor.
    fn sampled(&self) -> Vec<(usize, TunnelStatus)> {
        let mut tunnels = self.tunnels();
        tunnels.retain(|(_, tunnel)| !self.is_closing(tunnel));
        tunnels
    }

    /// The tunnels with worker and far end.
    pub(crate) fn named_tunnels(&self) -> impl Iterator<Item = (usize, String, TunnelStatus)> {
        self.tunnels().into_iter().map(|(worker, tunnel)| (worker, self.far_end(&tunnel), tunnel))
    }

    fn tunnels(&self) -> Vec<(usize, TunnelStatus)> {
        let of = |(worker, view): (usize, &WorkerView)| {
            view.status.read().into_iter().map(move |tunnel| (worker, tunnel)).collect::<Vec<_>>()
        };
        self.workers.iter().enumerate().flat_map(of).collect()
    }

    fn role_metrics(&self, text: &mut MetricsText) {
        let mut rows = Vec::new();
        for (worker, view) in self.workers.iter().enumerate() {
            view.counters.each(|name, kind, help, value| rows.push((name, kind, help, worker, value)));
        }
        rows.sort_by_key(|row| row.0);
        for family in rows.chunk_by(|a, b| a.0 == b.0) {
            let (name, kind, help, ..) = family[0];
            let name = format!("longhaul_{name}");
            match kind {
                CounterKind::Total => {
                    let mut samples = text.counter(&name, Unit::None, help);
                    for (.., worker, value) in family {
                        samples.value(&[("worker", worker)], *value);
                    }
                }
                CounterKind::Gauge => {
                    let mut samples = text.gauge(&name, Unit::None, help);
                    for (.., worker, value) in family {
                        samples.value(&[("worker", worker)], *value as f64);
                    }
                }
            }
        }
    }

    fn driver_metrics(&self, text: &mut MetricsText) {
        let mut rows = Vec::new();
        for (worker, view) in self.workers.iter().enumerate() {
            rows.extend(view.driver.all().map(|(name, help, value)| (name, help, worker, value)));
        }
        rows.sort_by_key(|row| row.0);
        for family in rows.chunk_by(|a, b| a.0 == b.0) {
            let name = format!("longhaul_io_{}", family[0].0);
            let mut samples = text.counter(&name, Unit::None, family[0].1);
            for (.., worker, value) in family {
                samples.value(&[("worker", worker)], *value);
            }
        }
    }

    fn tunnel_metrics(&self, text: &mut MetricsText) {
        let tunnels = self.sampled();
        type Read = fn(&TunnelStatus) -> f64;
        let gauges: [(&str, Unit, &str, Read); 15] = [
            ("longhaul_tunnel_up", Unit::None, "Whether bytes come through.", |t| {
                f64::from(u8::from(t.is_up))
            }),
            ("longhaul_tunnel_streams_open", Unit::None, "Streams open.", |t| t.streams as f64),
            ("longhaul_tunnel_rtt_seconds", Unit::Seconds, "Smoothed round trip time.", |t| {
                t.transport.srtt_us as f64 / 1e6
            }),
            ("longhaul_tunnel_rtt_min_seconds", Unit::Seconds, "Least round trip time.", |t| {
                t.transport.min_rtt_us as f64 / 1e6
            }),
            ("longhaul_tunnel_window_bytes", Unit::Bytes, "Congestion window.", |t| {
                t.transport.window_bytes as f64
            }),
            ("longhaul_tunnel_in_flight_bytes", Unit::Bytes, "Bytes sent and not acknowledged.", |t| {
                t.transport.in_flight_bytes as f64
            }),
            ("longhaul_tunnel_mtu_bytes", Unit::Bytes, "UDP payload that the path carries.", |t| {
                t.transport.mtu_bytes as f64
            }),
            (
                "longhaul_tunnel_pacing_bytes_per_second",
                Unit::None,
                "Pace at which packets may leave.",
                |t| t.transport.pacing_bytes_per_s as f64,
            ),
            (
                "longhaul_tunnel_delivery_bytes_per_second",
                Unit::None,
                "Largest rate of late at which the peer received.",
                |t| t.transport.delivery_bytes_per_s as f64,
            ),
            ("longhaul_tunnel_queue_seconds", Unit::Seconds, "Queue on the way to the peer.", |t| {
                t.transport.queue_us as f64 / 1e6
            }),
            (
                "longhaul_tunnel_peer_queue_seconds",
                Unit::Seconds,
                "Queue on the way from the peer, as the peer says.",
                |t| t.transport.peer.map_or(0.0, |peer| f64::from(peer.forward_queue_us) / 1e6),
            ),
            (
                "longhaul_tunnel_peer_rtt_seconds",
                Unit::Seconds,
                "Smoothed round trip time, as the peer says.",
                |t| t.transport.peer.map_or(0.0, |peer| f64::from(peer.srtt_us) / 1e6),
            ),
            (
                "longhaul_tunnel_peer_loss_ratio",
                Unit::Ratio,
                "Share of the peer's packets lost in its last ten seconds, as the peer says.",
                |t| t.transport.peer.map_or(0.0, |peer| f64::from(peer.loss_ppm_10s) / 1e6),
            ),
            (
                "longhaul_tunnel_peer_delivery_bytes_per_second",
                Unit::None,
                "Rate at which we received over the peer's last report, as the peer says.",
                |t| t.transport.peer.map_or(0.0, |peer| f64::from(peer.delivered_kbps) * 125.0),
            ),
            (
                "longhaul_tunnel_loss_ratio",
                Unit::Ratio,
                "Share of packets lost in the last ten seconds.",
                |t| f64::from(t.transport.loss_ppm) / 1e6,
            ),
        ];
        for (name, unit, help, read) in gauges {
            let mut samples = text.gauge(name, unit, help);
            for (worker, tunnel) in &tunnels {
                samples.value(&[("worker", worker), ("to", &self.far_end(tunnel))], read(tunnel));
            }
        }
        self.packet_metrics(text, &tunnels);
        self.flow_metrics(text, &tunnels);
        let rings: Vec<_> =
            tunnels.iter().map(|(worker, tunnel)| (*worker, self.far_end(tunnel), tunnel)).collect();
        watch_rings::metrics(&rings, text);
        watch_compression::metrics(&rings, text);
        watch_paths::metrics(&rings, text);
    }

    fn packet_metrics(&self, text: &mut MetricsText, tunnels: &[(usize, TunnelStatus)]) {
        type Read = fn(&TunnelCounters) -> u64;
        let counters: [(&str, Unit, &str, Read); 10] = [
            ("longhaul_tunnel_sent_packets", Unit::None, "Packets sent.", |c| c.sent_packets),
            ("longhaul_tunnel_sent_bytes", Unit::Bytes, "Their sizes as datagrams.", |c| c.sent_bytes),
            ("longhaul_tunnel_received_packets", Unit::None, "Packets received.", |c| c.received_packets),
            ("longhaul_tunnel_received_bytes", Unit::Bytes, "Their sizes as datagrams.", |c| {
                c.received_bytes
            }),
            ("longhaul_tunnel_lost_packets", Unit::None, "Packets given up.", |c| c.lost_packets),
            ("longhaul_tunnel_retransmitted_bytes", Unit::Bytes, "Stream bytes sent again.", |c| {
                c.retransmitted_bytes
            }),
            ("longhaul_tunnel_repairs_sent", Unit::None, "Packets of repair data sent.", |c| c.repairs_sent),
            ("longhaul_tunnel_repair_bytes", Unit::Bytes, "Their sizes as datagrams.", |c| {
                c.repair_bytes_sent
            }),
            ("longhaul_tunnel_repairs_received", Unit::None, "Packets of repair data received.", |c| {
                c.repairs_received
            }),
            (
                "longhaul_tunnel_repaired_packets",
                Unit::None,
                "Packets of the peer that were lost and given back by repair data.",
                |c| c.repaired_packets,
            ),
        ];
        for (name, unit, help, read) in counters {
            let mut samples = text.counter(name, unit, help);
            for (worker, tunnel) in tunnels {
                let to = self.far_end(tunnel);
                samples.value(&[("worker", worker), ("to", &to)], read(&tunnel.transport.counters));
            }
        }
    }

    fn flow_metrics(&self, text: &mut MetricsText, tunnels: &[(usize, TunnelStatus)]) {
        let mut samples = text.gauge(
            "longhaul_tunnel_flows",
            Unit::None,
            "Streams open (hosted) and with something to send lately (active), and the virtual flows of the window (effective).",
        );
        for (worker, tunnel) in tunnels {
            let flows = tunnel.transport.flows;
            for (kind, count) in
                [("hosted", flows.hosted), ("active", flows.active), ("effective", flows.effective)]
            {
                let to = self.far_end(tunnel);
                samples.value(&[("worker", worker), ("to", &to), ("kind", &kind)], f64::from(count));
            }
        }
        let mut samples = text.gauge(
            "longhaul_tunnel_mode",
            Unit::None,
            "1 for the controller that decides on the window, with the reason.",
        );
        for (worker, tunnel) in tunnels {
            let (mode, reason) = (tunnel.transport.mode.name(), tunnel.transport.reason.name());
            let to = self.far_end(tunnel);
            let labels: [(&str, &dyn core::fmt::Display); 4] =
                [("worker", worker), ("to", &to), ("mode", &mode), ("reason", &reason)];
            samples.value(&labels, 1.0);
        }
    }

    fn tunnel_status(&self, worker: usize, tunnel: &TunnelStatus) -> Value {
        let path = &tunnel.transport;
        json!({
            "worker": worker, "to": self.far_end(tunnel), "up": tunnel.is_up,
            "closing": self.is_closing(tunnel), "streams": tunnel.streams,
            "rtt_us": path.srtt_us, "rtt_min_us": path.min_rtt_us, "window_bytes": path.window_bytes,
            "in_flight_bytes": path.in_flight_bytes, "mtu_bytes": path.mtu_bytes, "loss_ppm": path.loss_ppm,
            "pacing_bytes_per_s": path.pacing_bytes_per_s, "delivery_bytes_per_s": path.delivery_bytes_per_s,
            "queue_us": path.queue_us, "mode": path.mode.name(), "mode_reason": path.reason.name(),
            "flows": { "hosted": path.flows.hosted, "active": path.flows.active, "effective": path.flows.effective },
            "peer": path.peer.map(|peer| json!({
                "rtt_us": peer.srtt_us, "rtt_min_us": peer.min_rtt_us, "queue_us": peer.forward_queue_us,
                "loss_ppm": peer.loss_ppm_10s, "loss_ppm_10min": peer.loss_ppm_10min,
                "delivery_bytes_per_s": u64::from(peer.delivered_kbps) * 125, "reorder_us": peer.reorder_us,
                "mtu_bytes": peer.mtu_bytes, "streams_active": peer.streams_active,
            })),
            "sent_packets": path.counters.sent_packets, "sent_bytes": path.counters.sent_bytes,
            "received_packets": path.counters.received_packets, "received_bytes": path.counters.received_bytes,
            "lost_packets": path.counters.lost_packets, "spurious_packets": path.counters.spurious_packets,
            "retransmitted_bytes": path.counters.retransmitted_bytes,
            "repairs_sent": path.counters.repairs_sent, "repair_bytes_sent": path.counters.repair_bytes_sent,
            "repairs_received": path.counters.repairs_received, "repaired_packets": path.counters.repaired_packets,
            "repairs_beyond": path.counters.repairs_beyond,
            "probe_timeouts": path.counters.probe_timeouts, "path_losses": path.counters.path_losses,
            "scale_bytes": tunnel.blender.scale_bytes, "loops": tunnel.blender.loops,
            "sub_packet_bytes": tunnel.blender.sub_packet_bytes,
            "route_mode": path.spread.name(), "paths": watch_paths::status(tunnel), "rings": watch_rings::status(tunnel),
            "compression": watch_compression::status(tunnel),
        })
    }
}

/// What the tree calls this node, as far as reports are made in its name.
fn name(config: &NodeConfig) -> String {
    config.report.as_ref().map(|report| report.node.clone()).unwrap_or_default()
}

impl Source for Watch {
    fn metrics(&mut self, text: &mut MetricsText) {
        text.info(
            "longhaul_build",
            "The program.",
            &[("version", &env!("CARGO_PKG_VERSION")), ("end", &self.end)],
        );
        self.role_metrics(text);
        self.driver_metrics(text);
        self.tunnel_metrics(text);
        watch_endpoint::metrics(&self.workers, text);
        self.records.metrics(text);
        self.names.metrics(text);
        self.reloads.metrics(text, "longhaul_reloads", "longhaul_last_good");
        self.redirects.metrics(text);
    }

    fn status(&mut self) -> Value {
        let worker = |(index, view): (usize, &WorkerView)| {
            let mut counters = serde_json::Map::new();
            view.counters.each(|name, _, _, value| {
                counters.insert(name.to_owned(), value.into());
            });
            let io: serde_json::Map<String, Value> =
                view.driver.all().map(|(name, _, value)| (name.to_owned(), value.into())).collect();
            json!({ "worker": index, "cpu": view.cpu, "role": counters, "io": io,
                "endpoint": watch_endpoint::status(view) })
        };
        let (tunnels, plan) = (self.tunnels(), self.control.plan());
        json!({
            "version": env!("CARGO_PKG_VERSION"),
            "end": self.end,
            "stage": format!("{:?}", self.control.stage()).to_lowercase(),
            "listening": self.listening,
            "pressure": pressure::status(),
            "workers": self.workers.iter().enumerate().map(worker).collect::<Vec<_>>(),
            "tunnels": tunnels.iter().map(|(w, tunnel)| self.tunnel_status(*w, tunnel)).collect::<Vec<_>>(),
            "generation": plan.generation,
            "sites": plan.sites.iter().filter(|site| site.retired.is_none()).count(),
            "origins": plan.origins.iter().filter(|o| o.retired.is_none()).map(|o| &o.label).collect::<Vec<_>>(),
            "names": self.names.status(),
            "log": self.records.status(),
            "settings": self.board.status(),
            "reload": self.reloads.status(),
            "redirects": self.redirects.status(),
        })
    }

    fn page(&mut self) -> Page {
        let tunnels = self.tunnels().into_iter();
        watch_page::page(watch_page::Shown {
            end: self.end,
            node: &self.node,
            control: &self.control,
            workers: &self.workers,
            listening: &self.listening,
            reloads: &self.reloads,
            tunnels: tunnels
                .map(|(_, tunnel)| (self.far_end(&tunnel), self.is_closing(&tunnel), tunnel))
                .collect(),
        })
    }

    fn health(&mut self) -> Health {
        if self.control.stage() != Stage::Running {
            return Health::Draining;
        }
        let has_routes = self.control.plan().routes.iter().any(|route| route.retired.is_none());
        if has_routes && !self.tunnels().iter().any(|(_, tunnel)| tunnel.is_up) {
            return Health::Failing("no tunnel is up".to_owned());
        }
        Health::Ok
    }
}
