//! The data plane's inner parts, each alone and warm in the cache: for finding which part a change made slower, not for
//! saying how fast the product is (`benches/pair` and `benches/wan` do that).
//!
//! `cargo bench --bench micro [-- PART OF A NAME]`. No I/O; one row uses two cores.

#![allow(missing_docs, reason = "criterion's macros make items without any")]

use core::hint::black_box;
use core::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use dataplane::blender::{Blender, Mode, Options, RINGS};
use dataplane::compression::{BLOCK_BYTES_MAX, Codec, Decoder, Encoder};
use dataplane::http::{
    Asked, Client, ConnectionChoice, FieldTable, Forwarding, Limits, Parsed, RequestEmission, RequestHead,
    ResponseEmission, ResponseHead, Scheme, Version, emit_request, emit_response, parse_request,
    parse_response,
};
use dataplane::reactor::lanes::{LANES, Receiver, Sender, Verdict, lanes};
use dataplane::role::waits::Waits;
use dataplane::time::Instant as Now;
use dataplane::tmp::id::PathId;
use dataplane::tmp::limits::DATA_OVERHEAD_BYTES;
use dataplane::tmp::place::Bearer;
use dataplane::tmp::seal::{Cipher, OpenKey, SealKey};
use dataplane::tmp::spread::PathUse;
use dataplane::tmp::{Carrier, Ecn, Fill, Handled, Side, StreamId, Tunnel, TunnelOptions};
use tools::content::Object;

/// How long a row is warmed up and measured: all of them together take a minute.
const WARM_UP: Duration = Duration::from_millis(300);
const MEASURE: Duration = Duration::from_millis(1_500);
/// Bytes that nearly fill a packet on an Ethernet path.
const PAYLOAD_BYTES: usize = 1_400;
/// Ready streams, over all rings, among which the blender chooses.
const SOURCES: u32 = 1_000;
/// Bytes of a record between two cores: a reference to what waits, not the bytes themselves.
const RECORD_BYTES: usize = 64;
/// Virtual time between two packets, µs: 1,400 B each 5 µs are 2.2 Gbit/s.
const PACKET_EVERY_US: u64 = 5;

/// What the load generator sends.
const SMALL_REQUEST: &[u8] = b"GET /b128 HTTP/1.1\r\nHost: shop.example\r\nUser-Agent: load\r\n\r\n";

/// What a browser sends.
const BROWSER_REQUEST: &[u8] = b"GET /catalogue/shoes?page=2&sort=price HTTP/1.1\r\n\
    Host: shop.example\r\nConnection: keep-alive\r\nsec-ch-ua: \"Chromium\";v=\"130\", \"Not?A_Brand\";v=\"99\"\r\n\
    sec-ch-ua-mobile: ?0\r\nsec-ch-ua-platform: \"Linux\"\r\nUpgrade-Insecure-Requests: 1\r\n\
    User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36\r\n\
    Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8\r\n\
    Sec-Fetch-Site: same-origin\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-User: ?1\r\nSec-Fetch-Dest: document\r\n\
    Referer: https://shop.example/catalogue\r\nAccept-Encoding: gzip, deflate, br, zstd\r\n\
    Accept-Language: en-GB,en;q=0.9,de;q=0.8\r\nCookie: session=0123456789abcdef0123456789abcdef; basket=17; theme=dark\r\n\r\n";

/// What an origin answers.
const RESPONSE: &[u8] = b"HTTP/1.1 200 OK\r\nServer: origin\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n\
    Content-Type: text/html; charset=utf-8\r\nContent-Length: 16384\r\nConnection: keep-alive\r\n\
    Cache-Control: max-age=60\r\nETag: \"5f3a-1b2c3d4e\"\r\nVary: Accept-Encoding\r\n\r\n";

criterion_group! {
    name = parts;
    config = Criterion::default().warm_up_time(WARM_UP).measurement_time(MEASURE).without_plots();
    targets = heads, blending, hops, ciphers, packets, blocks
}
criterion_main!(parts);

/// One row: how long `operation` takes.
fn row(criterion: &mut Criterion, name: &str, mut operation: impl FnMut()) {
    criterion.bench_function(name, |bencher| bencher.iter(&mut operation));
}

fn heads(criterion: &mut Criterion) {
    let limits = Limits::default();
    let mut table = FieldTable::new(&limits);
    let mut out = Vec::with_capacity(limits.head_bytes_max);
    for (what, bytes) in [("small", SMALL_REQUEST), ("browser's", BROWSER_REQUEST)] {
        let size = bytes.len();
        row(criterion, &format!("http: parse a {what} request head, {size} B"), || {
            black_box(request(black_box(bytes), &limits, &mut table));
        });
        let head = request(bytes, &limits, &mut table);
        row(criterion, &format!("http: emit a {what} request head, {size} B"), || {
            out.clear();
            emit_request(&head, &forwarded(&head), &mut out);
            black_box(&out);
        });
    }
    row(criterion, &format!("http: parse a response head, {} B", RESPONSE.len()), || {
        black_box(response(black_box(RESPONSE), &limits, &mut table));
    });
    let head = response(RESPONSE, &limits, &mut table);
    row(criterion, &format!("http: emit a response head, {} B", RESPONSE.len()), || {
        out.clear();
        emit_response(&head, &passed_on(&head), &mut out);
        black_box(&out);
    });
}

/// What compression costs and brings, by the block of 8 KiB: 8 times the nanoseconds of a KiB.
fn blocks(criterion: &mut Criterion) {
    let mut html = vec![0; 64 << 10];
    Object::new(b"/bytes/64k?text", html.len() as u64).fill(0, &mut html);
    let html = html[32 << 10..].first_chunk::<BLOCK_BYTES_MAX>().map_or(&[][..], |block| block).to_vec();
    let json: Vec<u8> = (0..).flat_map(json_item).take(BLOCK_BYTES_MAX).collect();
    let noise =
        (0..BLOCK_BYTES_MAX as u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8 ^ (n >> 3) as u8);
    let noise: Vec<u8> = noise.collect();
    let contents =
        [("HTML", &html[..]), ("JSON", &json), ("noise", &noise), ("a browser's head", BROWSER_REQUEST)];
    for codec in Codec::ALL {
        let (mut encoder, mut decoder) = (Encoder::default(), Decoder::default());
        for (what, bytes) in contents {
            let Some(packed) = encoder.pack(codec, bytes, usize::MAX).map(<[u8]>::to_vec) else { continue };
            let name = format!("{} of {what}, {} B to {}", codec.name(), bytes.len(), packed.len());
            row(criterion, &format!("compression: pack {name}"), || {
                black_box(encoder.pack(codec, black_box(bytes), usize::MAX));
            });
            let mut into = vec![0; bytes.len()];
            row(criterion, &format!("compression: unpack {name}"), || {
                assert_eq!(decoder.unpack(codec, black_box(&packed), &mut into), Ok(()));
            });
        }
    }
}

fn json_item(n: u32) -> Vec<u8> {
    let (price, stock) = (n.wrapping_mul(7_919) % 10_000, n.wrapping_mul(31) % 97);
    format!("{{\"id\":{n},\"name\":\"item {n}\",\"price\":{price},\"currency\":\"EUR\",\"stock\":{stock},\"tags\":[\"a{}\"]}},", n % 7)
        .into_bytes()
}

fn request<'a>(bytes: &'a [u8], limits: &Limits, table: &'a mut FieldTable) -> RequestHead<'a> {
    whole(parse_request(bytes, limits, table))
}

fn response<'a>(bytes: &'a [u8], limits: &Limits, table: &'a mut FieldTable) -> ResponseHead<'a> {
    whole(parse_response(bytes, Asked::Ordinary, limits, table))
}

fn whole<T>(parsed: Parsed<T>) -> T {
    match parsed {
        Parsed::Complete { head, .. } => head,
        Parsed::Partial => panic!("the head is whole"),
        Parsed::Invalid(refusal) => panic!("the head is valid: {refusal:?}"),
    }
}

/// What a front-end writes for the back-end.
fn forwarded<'a>(head: &RequestHead<'a>) -> RequestEmission<'a> {
    let client = Client { address: IpAddr::V4(Ipv4Addr::new(192, 0, 2, 17)), scheme: Scheme::Http };
    RequestEmission {
        host: head.host.bytes,
        forwarding: Forwarding { client: Some(client), trusted: false, via: Some(b"longhaul-front") },
        connection: ConnectionChoice::KeepAlive,
        expect_continue: false,
        extra: &[],
    }
}

/// What a front-end writes for the client.
fn passed_on(head: &ResponseHead<'_>) -> ResponseEmission<'static> {
    ResponseEmission {
        version: Version::Http11,
        framing: head.framing_towards(Version::Http11),
        connection: ConnectionChoice::KeepAlive,
        via: Some(b"longhaul-front"),
        date: None,
        extra: &[],
    }
}

fn blending(criterion: &mut Criterion) {
    let cases =
        [(Mode::Bounded, 10), (Mode::Bounded, SOURCES), (Mode::Bounded, 60_000), (Mode::Literal, SOURCES)];
    for (mode, sources) in cases {
        let mut blender = Blender::new(Options { mode, ..Options::default() }, sources as usize);
        for key in 0..sources {
            // More than can leave while it is measured.
            blender.set(key, (key % RINGS as u32) as u8, 1 << 32, false);
        }
        row(criterion, &format!("blender: a sub-packet of 512 B, {sources} ready streams, {mode:?}"), || {
            black_box(blender.next(512));
        });
    }
    let (mut waits, mut turn) = (Waits::default(), 0);
    (0..SOURCES).for_each(|key| waits.begin(Now::ORIGIN, key, (key % RINGS as u32) as u8, 0));
    row(criterion, &format!("blender: how long one of {SOURCES} streams waited for its turn"), || {
        turn += 1;
        waits.turn(Now::from_us(turn), (turn % u64::from(SOURCES)) as u32, turn / u64::from(SOURCES));
    });
    let mut blender = Blender::new(Options::default(), SOURCES as usize);
    let mut key = 0;
    row(criterion, "blender: a stream becomes ready and sends its 300 B", || {
        key = (key + 1) % SOURCES;
        blender.set(key, 2, 300, false);
        black_box(blender.next(PAYLOAD_BYTES));
    });
}

fn hops(criterion: &mut Criterion) {
    for batch in [1, 32] {
        let (mut sender, mut receiver) = lanes(256, RECORD_BYTES);
        row(
            criterion,
            &format!("ring: {batch} records of {RECORD_BYTES} B on one core, in one batch"),
            || {
                (0..batch).for_each(|_| push(&mut sender));
                sender.publish();
                assert_eq!(take(&mut receiver), batch, "what was published is there");
            },
        );
    }
    let cores = core_affinity::get_core_ids().unwrap_or_default();
    if let [first, .., last] = cores[..] {
        criterion.bench_function("ring: a record to another core that is awake, and back", |bencher| {
            bencher.iter_custom(|bounces| bounce(first, last, bounces));
        });
    }
}

fn push(sender: &mut Sender) {
    let slot = sender.reserve(2);
    slot.expect("the ring is emptied in time").fill(7);
    sender.commit(2, RECORD_BYTES);
}

fn take(receiver: &mut Receiver) -> usize {
    receiver.drain(&[usize::MAX; LANES], |_, record| {
        black_box(record);
        Verdict::Taken
    })
}

fn take_one(receiver: &mut Receiver) {
    while take(receiver) == 0 {
        core::hint::spin_loop();
    }
}

/// Bounces one record between two cores that never sleep; every bounce is two hops.
fn bounce(here: core_affinity::CoreId, there: core_affinity::CoreId, bounces: u64) -> Duration {
    let (mut out, mut arrivals) = lanes(256, RECORD_BYTES);
    let (mut back, mut returns) = lanes(256, RECORD_BYTES);
    std::thread::scope(|scope| {
        scope.spawn(move || {
            core_affinity::set_for_current(there);
            for _ in 0..bounces {
                take_one(&mut arrivals);
                push(&mut back);
                back.publish();
            }
        });
        let near = scope.spawn(move || {
            core_affinity::set_for_current(here);
            let begun = Instant::now();
            for _ in 0..bounces {
                push(&mut out);
                out.publish();
                take_one(&mut returns);
            }
            begun.elapsed()
        });
        near.join().expect("the near core counts")
    })
}

fn ciphers(criterion: &mut Criterion) {
    for cipher in [Cipher::Aes256Gcm, Cipher::ChaCha20Poly1305] {
        let mut packet = vec![0x5a; PAYLOAD_BYTES + DATA_OVERHEAD_BYTES];
        let mut key = SealKey::new(cipher, &[1; 32]);
        let mut number = 0;
        row(criterion, &format!("seal: {PAYLOAD_BYTES} B, {cipher:?}"), || {
            number += 1;
            // A fast machine comes to the limit of a key; another one costs nothing among so many packets.
            if key.is_spent() {
                key = SealKey::new(cipher, &[1; 32]);
            }
            key.seal(0, number, black_box(&mut packet));
        });
        let mut sealed = vec![0x5a; packet.len()];
        SealKey::new(cipher, &[1; 32]).seal(0, 9, &mut sealed);
        let mut key = OpenKey::new(cipher, &[1; 32]);
        row(criterion, &format!("open: {PAYLOAD_BYTES} B, {cipher:?}, with a copy of the packet"), || {
            packet.copy_from_slice(&sealed);
            assert!(key.open(0, 9, black_box(&mut packet)).is_some(), "the packet is authentic");
        });
    }
}

fn packets(criterion: &mut Criterion) {
    let mut bulk = Ends::new();
    row(
        criterion,
        &format!("tunnel: {PAYLOAD_BYTES} B of one stream from write to read, and the acknowledgement"),
        || {
            bulk.carry(0, bulk.stream, PAYLOAD_BYTES, false);
        },
    );
    let mut exchanges = Ends::new();
    row(criterion, "tunnel: an exchange of 300 B and 400 B on a stream of its own", || exchanges.exchange());
}

/// Grants one stream whatever it asks for.
#[derive(Default)]
struct OneStream(Option<(StreamId, usize)>);

impl Fill for OneStream {
    fn next(&mut self, room: usize) -> Option<(StreamId, usize)> {
        let (stream, waiting) = self.0.filter(|(_, waiting)| *waiting > 0)?;
        let bytes = waiting.min(room);
        self.0 = Some((stream, waiting - bytes));
        Some((stream, bytes))
    }
}

/// Two tunnels in plaintext with nothing between them. End 0 is the initiator.
struct Ends {
    tunnels: [Tunnel; 2],
    now_us: u64,
    stream: StreamId,
    bytes: [u8; PAYLOAD_BYTES],
    payload: [u8; 2 * PAYLOAD_BYTES],
}

impl Ends {
    fn new() -> Self {
        let options = TunnelOptions { streams_max: 1_024, ..TunnelOptions::default() };
        let mut tunnels =
            [Side::Initiator, Side::Acceptor].map(|side| Tunnel::new(&options, side, Now::ORIGIN));
        tunnels.iter_mut().for_each(|tunnel| {
            tunnel.on_connected(Now::ORIGIN, (PathId(0), Bearer::Datagrams), PathUse::default())
        });
        let stream = tunnels[0].open(2, 0).expect("a new tunnel has room for a stream");
        let (bytes, payload) = ([0x5a; PAYLOAD_BYTES], [0; 2 * PAYLOAD_BYTES]);
        Self { tunnels, now_us: 0, stream, bytes, payload }
    }

    /// A request, its answer, and the end of both.
    fn exchange(&mut self) {
        let stream = self.tunnels[0].open(2, 0).expect("streams are closed in time");
        self.carry(0, stream, 300, true);
        self.carry(1, stream, 400, true);
        self.step();
    }

    /// Writes `bytes` at one end, perhaps the last ones, and lets time pass until the other has read them.
    fn carry(&mut self, from: usize, stream: StreamId, bytes: usize, are_last: bool) {
        let written = self.tunnels[from].write(stream, &self.bytes[..bytes]);
        assert_eq!(written, bytes, "what was written before has arrived");
        if are_last {
            self.tunnels[from].finish(stream);
        }
        let mut missing = bytes;
        while missing > 0 {
            self.step();
            let to = &mut self.tunnels[1 - from];
            let read = black_box(to.read(stream)).len();
            to.consumed(stream, read);
            missing -= read;
        }
    }

    /// Time passes, and each end hears what the other has to say.
    fn step(&mut self) {
        self.now_us += PACKET_EVERY_US;
        self.transmit(0);
        self.transmit(1);
    }

    fn transmit(&mut self, from: usize) {
        let now = Now::from_us(self.now_us);
        if self.tunnels[from].deadline().is_some_and(|at| at <= now) {
            self.tunnels[from].tick(now);
        }
        let mut fill = OneStream::default();
        while self.tunnels[from].poll_event().is_some() {}
        while let Some(sendable) = self.tunnels[from].poll_sendable() {
            fill.0 = Some((sendable.stream, sendable.bytes));
        }
        let mut any = false;
        loop {
            let room = self.tunnels[from].payload_bytes_next(now, PathId(0));
            let Some(filled) =
                self.tunnels[from].fill_packet(now, PathId(0), &mut self.payload[..room], &mut fill)
            else {
                break;
            };
            let payload = &self.payload[..filled.len_bytes];
            let handled =
                self.tunnels[1 - from].handle_packet(now, (PathId(0), filled.number), Ecn::Capable0, payload);
            assert_eq!(handled, Handled::New, "nothing comes twice or wrong");
            any = true;
        }
        if any {
            self.tunnels[1 - from].handle_batch_end(now);
        }
    }
}
