//! Several flows over one simulated bottleneck in virtual time, for tests of congestion control: whole tunnels of the
//! real core, and reference flows that speak TCP's CUBIC, Reno or a small BBR (`bottleneck_tcp`).
//!
//! Link 0 leads from the initiators, link 1 back; data may flow either way, its acknowledgements share the other
//! link. Packets are counted with their IP headers. Equal seeds give equal runs.

use crate::time::{Duration, Instant};
use crate::tmp::bottleneck_tcp::{ACK_BYTES, SEGMENT_BYTES, Tcp};
use crate::tmp::carrier::{Carrier, Ecn, Handled};
use crate::tmp::id::{PathId, Side};
use crate::tmp::limits::DATA_OVERHEAD_BYTES;
use crate::tmp::options::TunnelOptions;
use crate::tmp::pair::End;
use crate::tmp::pair_link::{Link, LinkOptions, Packet};
use std::collections::BTreeSet;

/// IPv4 and UDP.
const HEADERS_BYTES: usize = 28;
/// What TCP with time stamps carries of a packet of 1,500.
const TCP_PAYLOAD_BYTES: u64 = 1_448;

/// Who contends.
#[derive(Debug)]
pub(in crate::tmp) enum Flow {
    /// Both ends of a tunnel.
    Tunnel(Box<[End; 2]>),
    /// A sender at the initiators' side.
    Tcp(Box<Tcp>),
}

/// What the bottleneck (link 0 and 1) saw of one flow.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::tmp) struct Tally {
    /// Packets that found room in the queue, and the time they waited there.
    pub(in crate::tmp) queued: [u64; 2],
    pub(in crate::tmp) waited_us: [u64; 2],
    /// Packets that found none.
    pub(in crate::tmp) dropped: [u64; 2],
    pub(in crate::tmp) sent_bytes: [u64; 2],
}

impl Tally {
    /// Mean wait in the queue of a link since `before`.
    pub(in crate::tmp) fn queue_ms(&self, before: &Self, link: usize) -> f64 {
        let packets = self.queued[link] - before.queued[link];
        (self.waited_us[link] - before.waited_us[link]) as f64 / packets.max(1) as f64 / 1e3
    }
}

/// The world.
#[derive(Debug)]
pub(in crate::tmp) struct World {
    pub(in crate::tmp) now: Instant,
    pub(in crate::tmp) links: [Link; 2],
    pub(in crate::tmp) flows: Vec<Flow>,
    pub(in crate::tmp) tallies: Vec<Tally>,
    /// Bytes that acceptors answer with, by class of the stream.
    pub(in crate::tmp) answers: [usize; 4],
    extra_us: Vec<u64>,
    wakes: BTreeSet<(Instant, usize)>,
    wake_of: Vec<Option<Instant>>,
}

impl World {
    /// An empty world.
    pub(in crate::tmp) fn new(seed: u64, links: [LinkOptions; 2]) -> Self {
        Self {
            now: Instant::ORIGIN,
            links: [Link::new(links[0], seed * 2 + 1_000), Link::new(links[1], seed * 2 + 1_001)],
            flows: Vec::new(),
            tallies: Vec::new(),
            answers: [0; 4],
            extra_us: Vec::new(),
            wakes: BTreeSet::new(),
            wake_of: Vec::new(),
        }
    }

    /// Adds a tunnel; its number.
    pub(in crate::tmp) fn add_tunnel(&mut self, options: &TunnelOptions) -> usize {
        let ends = [Side::Initiator, Side::Acceptor].map(|side| End::new(options, side));
        self.add(Flow::Tunnel(Box::new(ends)), 0)
    }

    /// Adds a TCP flow whose way is so much longer; its number.
    pub(in crate::tmp) fn add_tcp(&mut self, tcp: Tcp, extra_us: u64) -> usize {
        self.add(Flow::Tcp(Box::new(tcp)), extra_us)
    }

    /// Both ends of a tunnel.
    pub(in crate::tmp) fn ends(&mut self, flow: usize) -> &mut [End; 2] {
        match &mut self.flows[flow] {
            Flow::Tunnel(ends) => ends,
            Flow::Tcp(_) => panic!("flow {flow} is no tunnel"),
        }
    }

    /// Bytes that arrived for good since the beginning: at the acceptor (0) or the initiator (1).
    pub(in crate::tmp) fn goodput_bytes(&self, flow: usize, link: usize) -> u64 {
        match &self.flows[flow] {
            Flow::Tunnel(ends) => ends[1 - link].read_bytes,
            Flow::Tcp(tcp) if link == 0 => tcp.delivered * TCP_PAYLOAD_BYTES,
            Flow::Tcp(_) => 0,
        }
    }

    /// Has an end look at what changed: whoever writes or opens a stream from outside calls this afterwards.
    pub(in crate::tmp) fn touch(&mut self, flow: usize) {
        for end in [0, 1] {
            self.step(flow, end);
        }
        self.note_wake(flow);
    }

    /// Lets a span of time pass.
    pub(in crate::tmp) fn run(&mut self, span: Duration) {
        let until = self.now + span;
        let (mut last, mut still) = (self.now, 0_u32);
        while let Some(next) = self.next_at().filter(|next| *next <= until) {
            self.now = self.now.max(next);
            still = if self.now == last { still + 1 } else { 0 };
            assert!(still < 200_000, "time stands still at {last:?}");
            last = self.now;
            self.step_links();
            self.step_wakes();
        }
        self.now = until;
    }

    fn add(&mut self, flow: Flow, extra_us: u64) -> usize {
        self.flows.push(flow);
        self.tallies.push(Tally::default());
        self.extra_us.push(extra_us);
        self.wake_of.push(None);
        let index = self.flows.len() - 1;
        self.note_wake(index);
        index
    }

    fn next_at(&self) -> Option<Instant> {
        let links = self.links.iter().filter_map(Link::next_at);
        links.chain(self.wakes.first().map(|(at, _)| *at)).min()
    }

    fn step_links(&mut self) {
        for link in [0, 1] {
            while let Some(packet) = self.links[link].arrived(self.now) {
                let flow = packet.flow as usize;
                self.receive(flow, 1 - link, packet);
                self.step(flow, 1 - link);
                self.note_wake(flow);
            }
        }
    }

    fn step_wakes(&mut self) {
        while let Some((at, flow)) = self.wakes.first().copied().filter(|(at, _)| *at <= self.now) {
            self.wakes.remove(&(at, flow));
            self.wake_of[flow] = None;
            self.touch(flow);
        }
    }

    fn note_wake(&mut self, flow: usize) {
        let wake = match &self.flows[flow] {
            Flow::Tunnel(ends) => ends.iter().filter_map(|end| end.tunnel.deadline()).min(),
            Flow::Tcp(tcp) => tcp.deadline(),
        };
        if wake == self.wake_of[flow] {
            return;
        }
        if let Some(old) = self.wake_of[flow] {
            self.wakes.remove(&(old, flow));
        }
        self.wake_of[flow] = wake;
        self.wakes.extend(wake.map(|at| (at, flow)));
    }

    fn receive(&mut self, flow: usize, end: usize, packet: Packet) {
        match &mut self.flows[flow] {
            Flow::Tunnel(ends) => {
                let tunnel = &mut ends[end].tunnel;
                let handled =
                    tunnel.handle_packet(self.now, (PathId(0), packet.number), packet.ecn, &packet.payload);
                assert!(matches!(handled, Handled::New | Handled::Duplicate), "{handled:?}");
                tunnel.handle_batch_end(self.now);
            }
            Flow::Tcp(tcp) if end == 1 => {
                let ack = Packet { number: tcp.received(packet.number), ..packet };
                self.send(flow, 1, ACK_BYTES, ack);
            }
            Flow::Tcp(tcp) => tcp.acked(self.now, packet.number),
        }
    }

    /// What a flow does at one end.
    fn step(&mut self, flow: usize, end: usize) {
        let (now, answers) = (self.now, self.answers);
        let mut payload = [0; 2_000];
        if let Flow::Tunnel(ends) = &mut self.flows[flow] {
            ends[end].advance(now, answers, false);
        }
        while let Some((number, ecn, bytes, payload)) = match &mut self.flows[flow] {
            Flow::Tunnel(ends) => ends[end].fill(&mut payload).map(|filled| {
                let bytes = filled.len_bytes + DATA_OVERHEAD_BYTES + HEADERS_BYTES;
                (filled.number, filled.ecn, bytes, payload[..filled.len_bytes].to_vec())
            }),
            Flow::Tcp(_) if end == 1 => None,
            Flow::Tcp(tcp) => {
                tcp.send(now).map(|number| (number, Ecn::NotCapable, SEGMENT_BYTES, Vec::new()))
            }
        } {
            let packet = Packet { flow: flow as u32, extra_us: self.extra_us[flow], number, ecn, payload };
            self.send(flow, end, bytes, packet);
        }
    }

    fn send(&mut self, flow: usize, link: usize, bytes: usize, packet: Packet) {
        let tally = &mut self.tallies[flow];
        tally.sent_bytes[link] += bytes as u64;
        match self.links[link].send(self.now, bytes, packet) {
            Some(wait_us) => {
                tally.queued[link] += 1;
                tally.waited_us[link] += wait_us;
            }
            None => tally.dropped[link] += 1,
        }
    }
}
