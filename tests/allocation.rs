//! In steady state a worker allocates nothing: a pair in this process, an allocator that counts what threads named
//! `worker-…` ask for, and thousands of requests over connections of many kinds after a warm-up.
//!
//! Start and growth are not counted: what is counted begins when tables and queues have had the size that they need.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop where it is")]
#![allow(unsafe_code, reason = "an allocator")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::backtrace::Backtrace;
use std::cell::Cell;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use dataplane::blender::Options as BlenderOptions;
use dataplane::compression::Codec;
use dataplane::exchange::link::{Kind, Way};
use dataplane::node::{self, Io, NodeOptions, Running, TunnelSetup, WorkerPlace};
use dataplane::reactor::options::DriverOptions;
use dataplane::reactor::socket::{ListenOptions, UdpOptions};
use dataplane::reactor::spsc::Consumer;
use dataplane::role::control::Stage;
use dataplane::role::limits::Limits;
use dataplane::role::plan::{Listener, Origin, Peer, Plan, Route, Site};
use dataplane::tmp::key::{PrivateKey, PublicKey};
use dataplane::tmp::options::TunnelOptions;
use dataplane::tmp::random::SystemRandom;
use dataplane::tmp::spread::PathUse;
use tools::load::LoadOptions;
use tools::origin::OriginOptions;

/// Requests of the warm-up and of what is counted, of each kind.
const REQUESTS: u64 = 3_000;

static COUNTS: AtomicBool = AtomicBool::new(false);
static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);
static FIRST: Mutex<Option<String>> = Mutex::new(None);

/// Whether a thread is one of those that are counted.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Thread {
    Unknown,
    Worker,
    Other,
}

thread_local! {
    static THREAD: Cell<Thread> = const { Cell::new(Thread::Unknown) };
}

/// The system's allocator, watched.
struct Counting;

impl Counting {
    fn note(&self) {
        if !COUNTS.load(Ordering::Relaxed) {
            return;
        }
        // A thread that is ending has no locals any more; it is no worker in steady state.
        let thread = THREAD.try_with(Cell::get).unwrap_or(Thread::Other);
        let thread = if thread == Thread::Unknown { Self::learn() } else { thread };
        if thread == Thread::Worker && ALLOCATIONS.fetch_add(1, Ordering::Relaxed) == 0 {
            // Taking the backtrace allocates, which must not be counted.
            THREAD.set(Thread::Other);
            *FIRST.lock().unwrap() = Some(Backtrace::force_capture().to_string());
            THREAD.set(Thread::Worker);
        }
    }

    /// Reads the kernel's name of this thread: asking the standard library could allocate.
    fn learn() -> Thread {
        let mut name = [0_u8; 16];
        // SAFETY: the kernel writes at most 16 bytes, which is what there is room for.
        unsafe { libc::prctl(libc::PR_GET_NAME, name.as_mut_ptr()) };
        let thread = if name.starts_with(b"worker-") { Thread::Worker } else { Thread::Other };
        THREAD.set(thread);
        thread
    }
}

// SAFETY: every call goes to the system's allocator as it came; counting touches no memory of the caller.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        self.note();
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: the caller's promises are passed on.
        unsafe { System.dealloc(memory, layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        self.note();
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, bytes: usize) -> *mut u8 {
        self.note();
        // SAFETY: the caller's promises are passed on.
        unsafe { System.realloc(memory, layout, bytes) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// A driver, and what both ends compress with.
type Arm = (Io, Option<Codec>);

fn local() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

fn options(io: Io, plan: Plan, tunnels: TunnelSetup) -> NodeOptions {
    NodeOptions {
        may_ask_origins: false,
        plan: Arc::new(plan),
        limits: Arc::new(Limits::default()),
        workers: vec![WorkerPlace { cpu: None, accepts: true, owns_tunnels: true }],
        io,
        driver: DriverOptions::default(),
        listen: ListenOptions::default(),
        udp: UdpOptions { reuse_port: true, ..UdpOptions::default() },
        tunnels: Some(tunnels),
        trains: 64,
        ring_slots: 256,
        record_slots: 4_096,
        huge_pages: false,
    }
}

fn setup(key: PrivateKey, codec: Option<Codec>) -> TunnelSetup {
    TunnelSetup {
        key,
        psk: None,
        sockets: vec![local().into()],
        transport: TunnelOptions::default(),
        blender: BlenderOptions::default(),
        turn_us: 250,
        tunnels_max: 16,
        codec,
        key_log: None,
    }
}

fn back((io, codec): Arm, key: PrivateKey, front: PublicKey, origin: SocketAddr) -> Running {
    let site = "*".to_owned();
    let plan = Plan {
        origins: vec![Origin {
            site: site.clone(),
            kind: Kind::Http,
            label: "origin".to_owned(),
            proxy: None,
            retired: None,
        }]
        .into(),
        peers: vec![Peer {
            label: "front".to_owned(),
            public_key: front,
            sites: [site.into_bytes()].into(),
            retired: None,
        }],
        pseudonym: "back".to_owned(),
        ..Plan::default()
    };
    let running = node::start(options(io, plan, setup(key, codec))).unwrap();
    (running.publisher())(0, &[origin]);
    running
}

fn front((io, codec): Arm, key: PrivateKey, back: PublicKey, tunnel: SocketAddr) -> Running {
    let plan = Plan {
        listeners: vec![Listener { address: local(), proxy: false, tcp_site: None, carries_tunnels: false }],
        sites: vec![Site { name: "*".to_owned(), way: Way::Route(0), others: Vec::new(), alias_of: None, retired: None }].into(),
        routes: vec![Route {
            name: "east".to_owned(),
            public_key: back,
            addresses: vec![tunnel],
            carriers: Vec::new(),
            chosen: PathUse::default(),
            owner: 0,
            retired: None,
        }],
        pseudonym: "front".to_owned(),
        // Conditions that look at every field, cookie and key, and do not fit.
        rules: Arc::new(
            controlplane::rule_file::read(
                "[[rule]]\ncookie = 'a=*b'\nclass = 0\n[[rule]]\nquery = 'none'\nclass = 0\n[[rule]]\nurgency = 7\nclass = 0\n",
            )
            .unwrap(),
        ),
        ..Plan::default()
    };
    node::start(options(io, plan, setup(key, codec))).unwrap()
}

/// Takes the access records as the log's thread does, and throws them away.
fn empty(mut records: Vec<Consumer>, stop: Arc<AtomicBool>) {
    while !stop.load(Ordering::Acquire) {
        for ring in &mut records {
            while ring.front().is_some() {
                ring.release();
            }
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Thousands of requests of every common kind over kept connections.
fn load(address: SocketAddr) {
    let url = |path: &str| format!("http://{address}{path}");
    let downloads =
        ["/b128", "/bytes/16k", "/chunked/20k", "/bytes/100k", "/bytes/50k?text", "/chunked/9k?text"];
    let downloads = downloads.map(url).to_vec();
    let base =
        LoadOptions { connections: 32, requests: Some(REQUESTS), verify: true, ..LoadOptions::default() };
    let upload = |chunked| LoadOptions {
        urls: vec![url("/hash")],
        upload_bytes: Some(30_000),
        upload_chunked: chunked,
        requests: Some(REQUESTS / 10),
        ..base.clone()
    };
    for options in [LoadOptions { urls: downloads, ..base.clone() }, upload(false), upload(true)] {
        let report = tools::load::run(&options).unwrap();
        assert!(report.is_clean(), "{report}");
    }
}

fn wait_up(front: &Running) {
    let begun = Instant::now();
    while !front.views()[0].status.read().iter().any(|tunnel| tunnel.is_up) {
        assert!(begun.elapsed() < Duration::from_secs(20), "the tunnel does not come up");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn steady(arm: Arm) -> u64 {
    let origin = tools::origin::spawn(&OriginOptions::default()).unwrap();
    let mut random = SystemRandom::new();
    let keys = [(); 2].map(|()| PrivateKey::generate(&mut random));
    let publics = keys.each_ref().map(PrivateKey::public);
    let [front_key, back_key] = keys;
    let mut back = back(arm, back_key, publics[0], origin.address());
    let mut front = front(arm, front_key, publics[1], back.tunnel_addresses()[0]);
    let records = [front.take_records(), back.take_records()].into_iter().flatten().collect();
    let stop = Arc::new(AtomicBool::new(false));
    let told = stop.clone();
    let log = std::thread::spawn(move || empty(records, told));
    wait_up(&front);
    load(front.listening()[0]);
    load(front.listening()[0]);
    ALLOCATIONS.store(0, Ordering::Relaxed);
    COUNTS.store(true, Ordering::Relaxed);
    load(front.listening()[0]);
    COUNTS.store(false, Ordering::Relaxed);
    let allocations = ALLOCATIONS.load(Ordering::Relaxed);
    for running in [front, back] {
        (running.stopper())(Stage::Stopping);
        running.join().unwrap();
    }
    stop.store(true, Ordering::Release);
    log.join().unwrap();
    allocations
}

/// A count that nothing moves would prove nothing: one allocation of a thread with a worker's name is seen.
fn the_count_counts() {
    COUNTS.store(true, Ordering::Relaxed);
    let thread = std::thread::Builder::new().name("worker-check".to_owned());
    let allocate = || drop(std::hint::black_box(Box::new([0_u8; 64])));
    thread.spawn(allocate).unwrap().join().unwrap();
    COUNTS.store(false, Ordering::Relaxed);
    assert!(ALLOCATIONS.load(Ordering::Relaxed) > 0);
    assert!(FIRST.lock().unwrap().take().is_some());
}

/// One test for both drivers: the count is the process's.
#[test]
fn workers_allocate_nothing_per_request() {
    the_count_counts();
    let mut drivers = vec![Io::Epoll];
    match dataplane::reactor::feature::usable() {
        Ok(()) => drivers.insert(0, Io::Uring),
        Err(reason) => {
            println!("SKIPPED: io_uring does not work here: {reason}");
            assert!(
                std::env::var_os("LONGHAUL_REQUIRE_ALL").is_none_or(|all| all != "1"),
                "io_uring is required"
            );
        }
    }
    // One driver with each codec is enough: what packs knows no driver.
    let mut arms: Vec<Arm> = drivers.iter().map(|io| (*io, None)).collect();
    arms.extend(Codec::ALL.map(|codec| (drivers[0], Some(codec))));
    for arm in arms {
        let allocations = steady(arm);
        let first = FIRST.lock().unwrap().take().unwrap_or_default();
        println!("{arm:?}: {allocations} allocations in {} requests", REQUESTS + 2 * (REQUESTS / 10));
        assert_eq!(allocations, 0, "{arm:?}: the first one here:\n{first}");
    }
}
