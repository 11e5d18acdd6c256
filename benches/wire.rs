//! What one core sends and receives of a tunnel over loopback sockets, beside bare loops that only seal packets and send them in
//! trains (UDP_SEGMENT), or receive trains (UDP_GRO) and open them: what streams, acknowledgements, windows and timers cost on
//! top of what cannot be saved.
//!
//! `cargo bench --bench wire`. Two threads, each on a core of its own if there are two; a figure is the CPU time of the thread
//! that does the work, so that waiting for the other counts for nothing. Real endpoints with real keys, the drivers' system calls, one
//! stream, no role and no driver. Loopback: the sender pays for most of the receiver's network stack, in all rows alike.

use core::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use dataplane::port::Ecn as Mark;
use dataplane::reactor::clock;
use dataplane::reactor::datagram::{ReceiveHeader, SEND_BYTES_MAX, SendHeader, receive, send};
use dataplane::reactor::socket::{UdpOptions, local_address, udp};
use dataplane::tmp::limits::{DATA_HEADER_BYTES, DATA_OVERHEAD_BYTES};
use dataplane::tmp::seal::{Cipher, OpenKey, SealKey};
use dataplane::tmp::{
    Blend, Ecn, Endpoint, EndpointOptions, Event, PeerOptions, PrivateKey, StreamId, SystemRandom, Tunnel,
    TunnelId, TunnelOptions,
};
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};

/// Payload of a row's run, and of a packet: what a tunnel's packets of 1,452 bytes carry of one stream.
const BYTES: usize = 512 << 20;
const PAYLOAD_BYTES: usize = 1_452 - DATA_OVERHEAD_BYTES;
const ROUNDS: usize = 3;
/// Longest train, as the drivers send it.
const SEGMENTS_MAX: usize = 64;
/// What waits to be sent at most: many streams' worth, so that trains can be long. With the 64 KiB of one stream of a role they are
/// short, and either end costs half as much again.
const UNSENT_BYTES_MAX: usize = 1 << 20;
/// The bare receiver is done when nothing comes for so long: what found the socket full is gone.
const SILENCE: Duration = Duration::from_millis(300);

/// CPU seconds of the two threads per GB of payload that they sent or received.
#[derive(Clone, Copy, Debug)]
struct Cost {
    sender: f64,
    receiver: f64,
}

fn main() {
    println!("| round | bare seal + send, s per GB | ours | ratio | bare receive + open | ours | ratio |");
    println!("|---:|---:|---:|---:|---:|---:|---:|");
    let mut ratios = Vec::new();
    for round in 1..=ROUNDS {
        let (bare, ours) = (bare(), tunnel());
        let (sender, receiver) = (bare.sender / ours.sender, bare.receiver / ours.receiver);
        println!(
            "| {round} | {:.3} | {:.3} | {sender:.2} | {:.3} | {:.3} | {receiver:.2} |",
            bare.sender, ours.sender, bare.receiver, ours.receiver,
        );
        ratios.push([sender, receiver]);
    }
    let median = |which: usize| {
        let mut all: Vec<f64> = ratios.iter().map(|pair| pair[which]).collect();
        all.sort_by(f64::total_cmp);
        all[all.len() / 2]
    };
    println!(
        "\nOf what bare loops do, median: sender {:.2}, receiver {:.2}; 0.5 is due.",
        median(0),
        median(1)
    );
}

/// Seconds that this thread has been on a core.
fn cpu_s() -> f64 {
    let told =
        std::fs::read_to_string("/proc/thread-self/schedstat").expect("the kernel counts threads' time");
    let ns: f64 =
        told.split(' ').next().and_then(|word| word.parse().ok()).expect("the first word is a number");
    ns / 1e9
}

/// A socket, and what a thread needs to wait for it.
struct Wire {
    socket: OwnedFd,
    poll: Poll,
    events: Events,
    sending: SendHeader,
    receiving: ReceiveHeader,
    buffer: Vec<u8>,
}

/// A socket of its own on the loopback, and its address.
fn bound() -> (OwnedFd, SocketAddr) {
    let options = UdpOptions { reuse_port: false, ..UdpOptions::default() };
    let here = "127.0.0.1:0".parse().expect("it is an address");
    let socket = udp(here, &options).expect("loopback has a port");
    let address = local_address(socket.as_fd()).expect("it is bound");
    (socket, address)
}

impl Wire {
    /// Made by the thread that uses it: what the kernel borrows does not travel.
    fn new(socket: OwnedFd) -> Self {
        let poll = Poll::new().expect("epoll is there");
        let registry = poll.registry();
        registry
            .register(&mut SourceFd(&socket.as_raw_fd()), Token(0), Interest::READABLE)
            .expect("a socket can be waited for");
        let buffer = vec![0; 1 << 16];
        let (sending, receiving) = (SendHeader::new(), ReceiveHeader::new());
        Self { socket, poll, events: Events::with_capacity(4), sending, receiving, buffer }
    }

    /// Hands everything that has come to `take`, one datagram after the other; whether there was any.
    fn receive_all(&mut self, mut take: impl FnMut(SocketAddr, Mark, &mut [u8])) -> bool {
        let mut any = false;
        while let Ok(Some(received)) = receive(self.socket.as_fd(), &mut self.receiving, &mut self.buffer) {
            any = true;
            let bytes = &mut self.buffer[..received.bytes];
            bytes
                .chunks_mut(received.segment_bytes)
                .for_each(|datagram| take(received.from, received.ecn, datagram));
        }
        any
    }

    /// Until something comes, or for so long.
    fn wait(&mut self, limit: Duration) {
        self.poll.poll(&mut self.events, Some(limit)).expect("waiting works");
    }
}

fn on_core(which: usize) {
    let cores = core_affinity::get_core_ids().unwrap_or_default();
    if let Some(core) = cores.get(which % cores.len().max(1)) {
        core_affinity::set_for_current(*core);
    }
}

/// Seals and sends; receives and opens.
fn bare() -> Cost {
    let (socket, to) = bound();
    let receiver = thread::spawn(move || {
        on_core(1);
        let mut wire = Wire::new(socket);
        let mut key = OpenKey::new(Cipher::Aes256Gcm, &[1; 32]);
        let (begun, mut opened, mut number) = (cpu_s(), 0, 0);
        loop {
            let any = wire.receive_all(|_, _, packet| {
                // The number stands in the clear, as in a tunnel's packets.
                number = packet[..8].first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes));
                opened += usize::from(key.open(0, number, packet).is_some());
            });
            if !any {
                wire.wait(SILENCE);
                if wire.events.is_empty() {
                    break;
                }
            }
        }
        (cpu_s() - begun) / (opened * PAYLOAD_BYTES) as f64 * 1e9
    });
    let sender = thread::spawn(move || {
        on_core(0);
        let mut wire = Wire::new(bound().0);
        let mut key = SealKey::new(Cipher::Aes256Gcm, &[1; 32]);
        let packet_bytes = PAYLOAD_BYTES + DATA_OVERHEAD_BYTES;
        let payload = vec![0x5a; PAYLOAD_BYTES];
        let (begun, mut number) = (cpu_s(), 0_u64);
        while (number as usize) * PAYLOAD_BYTES < BYTES {
            let count = SEGMENTS_MAX.min(SEND_BYTES_MAX / packet_bytes);
            let train = &mut wire.buffer[..count * packet_bytes];
            for packet in train.chunks_mut(packet_bytes) {
                number += 1;
                packet[..8].copy_from_slice(&number.to_be_bytes());
                // A tunnel copies what it sends out of the stream's memory, too.
                packet[DATA_HEADER_BYTES..][..PAYLOAD_BYTES].copy_from_slice(&payload);
                key.seal(0, number, packet);
            }
            let _ = send(wire.socket.as_fd(), &mut wire.sending, to, train, packet_bytes, Mark::NotCapable);
        }
        (cpu_s() - begun) / (number as usize * PAYLOAD_BYTES) as f64 * 1e9
    });
    let sender = sender.join().expect("the sender counts");
    Cost { sender, receiver: receiver.join().expect("the receiver counts") }
}

/// Grants one stream whatever it asks for.
#[derive(Default)]
struct OneStream(Option<(StreamId, usize)>);

impl Blend for OneStream {
    fn next(&mut self, _: TunnelId, room: usize) -> Option<(StreamId, usize)> {
        let (stream, waiting) = self.0.filter(|(_, waiting)| *waiting > 0)?;
        let bytes = waiting.min(room);
        self.0 = Some((stream, waiting - bytes));
        Some((stream, bytes))
    }
}

/// One end of a tunnel on its socket.
struct End {
    wire: Wire,
    endpoint: Endpoint<Tunnel>,
    granted: OneStream,
}

impl End {
    fn new(socket: OwnedFd, endpoint: Endpoint<Tunnel>) -> Self {
        Self { wire: Wire::new(socket), endpoint, granted: OneStream::default() }
    }

    /// Takes in what has come; whether there was any.
    fn receive(&mut self) -> bool {
        let now = clock::now();
        let endpoint = &mut self.endpoint;
        let any = self.wire.receive_all(|from, mark, datagram| {
            endpoint.handle_datagram(now, from, Ecn::from_bits(mark.to_bits()), datagram);
        });
        self.endpoint.handle_batch_end(now);
        if self.endpoint.deadline().is_some_and(|at| at <= now) {
            self.endpoint.tick(now);
        }
        while self.endpoint.poll_event().is_some() {}
        any
    }

    fn send(&mut self) {
        let now = clock::now();
        let Wire { socket, sending, buffer, .. } = &mut self.wire;
        while let Some(sent) = self.endpoint.transmit(now, buffer, SEGMENTS_MAX, &mut self.granted) {
            let (bytes, mark) = (&buffer[..sent.bytes], Mark::from_bits(sent.ecn as u8));
            for piece in bytes.chunks(SEND_BYTES_MAX / sent.segment_bytes * sent.segment_bytes) {
                let _ = send(socket.as_fd(), sending, sent.to.address, piece, sent.segment_bytes, mark);
            }
        }
    }

    fn wait(&mut self) {
        let left_us = self.endpoint.deadline().map_or(100_000, |at| at.us_since(clock::now()));
        self.wire.wait(Duration::from_micros(left_us));
    }
}

/// Both ends of a tunnel, one stream from the initiator to the acceptor.
fn tunnel() -> Cost {
    let mut random = SystemRandom::new();
    let keys = [PrivateKey::generate(&mut random), PrivateKey::generate(&mut random)];
    let [mut near, mut far] = [false, true].map(|is_responder| {
        let mut options =
            EndpointOptions::new(keys[usize::from(is_responder)].clone(), TunnelOptions::default());
        options.is_responder = is_responder;
        Endpoint::new(options, Box::new(SystemRandom::new()))
    });
    let ((near_socket, _), (far_socket, to)) = (bound(), bound());
    far.add_peer(PeerOptions::new(keys[0].public(), None)).expect("there is room for a peer");
    let peer = PeerOptions { places: vec![to.into()], ..PeerOptions::new(keys[1].public(), None) };
    let peer = near.add_peer(peer).expect("there is room for a peer");
    let tunnel = near.connect(clock::now(), peer).expect("the peer has an address");
    let (done, is_done) = channel();
    let receiver = thread::spawn(move || {
        on_core(1);
        let cost = take_all(&mut End::new(far_socket, far));
        done.send(()).expect("the sender waits for it");
        cost
    });
    let sender = thread::spawn(move || {
        on_core(0);
        let mut near = End::new(near_socket, near);
        let (begun, written) = (cpu_s(), give_all(&mut near, tunnel, || is_done.try_recv().is_ok()));
        (cpu_s() - begun) / written as f64 * 1e9
    });
    let receiver = receiver.join().expect("the receiver counts");
    Cost { sender: sender.join().expect("the sender counts"), receiver }
}

/// Writes until the other end has what it wants; how many bytes.
fn give_all(near: &mut End, id: TunnelId, mut is_done: impl FnMut() -> bool) -> usize {
    let bytes = vec![0x5a; 64 << 10];
    let (mut stream, mut written) = (None, 0);
    while !is_done() {
        near.receive();
        if near.endpoint.is_connected(id)
            && let Some(tunnel) = near.endpoint.tunnel(id)
        {
            let stream = *stream.get_or_insert_with(|| tunnel.open(2, 0).expect("a new tunnel has room"));
            while tunnel.poll_event().is_some() {}
            // A role holds back what waits to be sent, too.
            while tunnel.unsent_bytes(stream) < UNSENT_BYTES_MAX {
                let taken = tunnel.write(stream, &bytes);
                written += taken;
                if taken < bytes.len() {
                    break;
                }
            }
            while let Some(sendable) = tunnel.poll_sendable() {
                near.granted.0 = Some((sendable.stream, sendable.bytes));
            }
        }
        near.send();
        near.wait();
    }
    written
}

/// Reads until enough has come; CPU seconds per GB.
fn take_all(far: &mut End) -> f64 {
    let (begun, mut got) = (cpu_s(), 0);
    while got < BYTES {
        far.receive();
        let id = far.endpoint.tunnels().next();
        if let Some(tunnel) = id.and_then(|id| far.endpoint.tunnel(id)) {
            while let Some(event) = tunnel.poll_event() {
                let Event::Readable(stream) = event else { continue };
                while !tunnel.read(stream).is_empty() {
                    let bytes = tunnel.read(stream).len();
                    tunnel.consumed(stream, bytes);
                    got += bytes;
                }
            }
            while tunnel.poll_sendable().is_some() {}
        }
        far.send();
        far.wait();
    }
    (cpu_s() - begun) / got as f64 * 1e9
}
