//! What a front-end tells the name servers each second: its tunnels and how hard its machine is pressed.

use crate::args::reporting::ReportConfig;
use crate::watch::Watch;
use controlplane::logs::daemon;
use controlplane::report::client_rtt::ClientRtt;
use controlplane::report::outlet::Outlet;
use controlplane::report::pressure;
use controlplane::report::sender::Sender;
use controlplane::report::wire::{Entry, Speaker, TunnelEntry};
use core::time::Duration;
use dataplane::reactor::clock;
use dataplane::role::status::TunnelStatus;
use dataplane::time::Instant;
use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

/// How often tunnels are told of. Workers show them every half second.
const EVERY: Duration = Duration::from_secs(1);
/// How often the kernel is asked how far clients are.
const CLIENTS_EVERY: Duration = Duration::from_secs(10);
/// How soon the thread ends when it is told to.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// The thread.
#[derive(Debug)]
pub(crate) struct Teller {
    thread: JoinHandle<()>,
    stop: Arc<AtomicBool>,
    /// To whom from now on, where that has changed.
    next: Arc<Mutex<Option<ReportConfig>>>,
}

impl Teller {
    /// Begins to tell what `watch` sees, and how far the clients at these ports are.
    pub(crate) fn start(config: &ReportConfig, watch: Watch, ports: Vec<u16>) -> io::Result<Self> {
        let sender = Sender::new(Speaker::FrontEnd, &config.node, config.key.clone(), clock::unix_us());
        let mut outlet = Outlet::new(sender, config.to.clone(), config.to_fronts.clone())?;
        let next: Arc<Mutex<Option<ReportConfig>>> = Arc::default();
        let waiting = next.clone();
        let stop = Arc::new(AtomicBool::new(false));
        let told = stop.clone();
        let thread = std::thread::Builder::new().name("reports".to_owned());
        let thread = thread.spawn(move || {
            let mut before = Before::default();
            let mut at = clock::now();
            let mut clients = Clients::new(ports);
            while !told.load(Ordering::Acquire) {
                let now = clock::now();
                if let Some(next) = waiting.lock().unwrap_or_else(PoisonError::into_inner).take()
                    && let Err(error) = outlet.retarget(next.to, next.to_fronts)
                {
                    daemon::error("no socket for reports", &[("why", &error)]);
                }
                if now >= at {
                    before.entries(&watch).into_iter().for_each(|entry| outlet.sender.say(entry, now));
                    clients.entries(now).into_iter().for_each(|entry| outlet.sender.say(entry, now));
                    at = now + EVERY;
                }
                outlet.flush(now);
                std::thread::sleep(outlet.sender.deadline().min(at).since(now).min(LOOK_EVERY));
            }
        })?;
        Ok(Self { thread, stop, next })
    }

    /// Tells these from now on, in the same name and under the same key.
    pub(crate) fn retarget(&self, config: &ReportConfig) {
        *self.next.lock().unwrap_or_else(PoisonError::into_inner) = Some(config.clone());
    }

    /// Ends it.
    pub(crate) fn stop(self) {
        self.stop.store(true, Ordering::Release);
        let _ended = self.thread.join();
    }
}

/// How far clients are: asked of the kernel now and then.
struct Clients {
    kernel: Option<ClientRtt>,
    ports: Vec<u16>,
    at: Instant,
}

impl Clients {
    fn new(ports: Vec<u16>) -> Self {
        let told = |error: io::Error| daemon::warning("clients' distances are not told", &[("why", &error)]);
        let kernel = if ports.is_empty() { None } else { ClientRtt::open().map_err(told).ok() };
        Self { kernel, ports, at: clock::now() }
    }

    fn entries(&mut self, now: Instant) -> Vec<Entry> {
        let Some(kernel) = self.kernel.as_mut().filter(|_| now >= self.at) else { return Vec::new() };
        self.at = now + CLIENTS_EVERY;
        match kernel.look(&self.ports) {
            Ok(networks) => networks.into_iter().map(Entry::Latency).collect(),
            Err(error) => {
                daemon::warning("clients' distances are not told any more", &[("why", &error)]);
                self.kernel = None;
                Vec::new()
            }
        }
    }
}

/// Bytes that were sent over each tunnel, and when, µs: what is sent per second follows.
#[derive(Default)]
struct Before(HashMap<String, (u64, u64)>);

impl Before {
    fn entries(&mut self, watch: &Watch) -> Vec<Entry> {
        let now_us = clock::now().as_us();
        let mut entries = vec![Entry::Pressure(pressure::read())];
        let tunnels = joined(watch.sampled_by_name());
        for (to, tunnel) in tunnels {
            let sent_bytes = tunnel.transport.counters.sent_bytes;
            let (bytes, at_us) =
                self.0.insert(to.clone(), (sent_bytes, now_us)).unwrap_or((sent_bytes, now_us));
            let per_s = sent_bytes.saturating_sub(bytes) * 1_000_000 / (now_us - at_us).max(1);
            entries.push(Entry::Tunnel(entry(to, &tunnel, per_s)));
        }
        entries
    }
}

/// Of several tunnels to one far end, the worst: users do not choose which one carries them.
fn joined(tunnels: Vec<(String, TunnelStatus)>) -> HashMap<String, TunnelStatus> {
    let mut joined: HashMap<String, TunnelStatus> = HashMap::new();
    let badness =
        |tunnel: &TunnelStatus| (!tunnel.is_up, tunnel.transport.loss_ppm, tunnel.transport.srtt_us);
    for (to, tunnel) in tunnels {
        match joined.get(&to) {
            Some(known) if badness(known) >= badness(&tunnel) => {}
            Some(_) | None => drop(joined.insert(to, tunnel)),
        }
    }
    joined
}

fn entry(to: String, tunnel: &TunnelStatus, sent_bytes_per_s: u64) -> TunnelEntry {
    let path = &tunnel.transport;
    let small = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
    TunnelEntry {
        to,
        is_up: tunnel.is_up,
        rtt_us: small(path.srtt_us),
        queue_us: small(path.queue_us),
        sent: path.counters.sent_packets,
        // Those that were only late were not lost.
        lost: path.counters.lost_packets.saturating_sub(path.counters.spurious_packets),
        peer_loss_ppm: path.peer.map_or(0, |peer| peer.loss_ppm_10s),
        headroom_kbps: small(path.pacing_bytes_per_s.saturating_sub(sent_bytes_per_s) / 125),
    }
}
