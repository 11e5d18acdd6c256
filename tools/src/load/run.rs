//! One run: settle the plan, start the threads, listen to them, report.

use crate::descriptors;
use crate::drive::{self, Seat};
use crate::load::collect::{Collected, Progress, Watcher, collect};
use crate::load::cpu::{Meter, own_seconds};
use crate::load::generator::{Generator, Parts, Word};
use crate::load::hdr_log::HdrLog;
use crate::load::options::{LoadError, LoadOptions};
use crate::load::picture;
use crate::load::plan::Plan;
use crate::load::question::SOCKETS;
use crate::load::reach;
use crate::load::report::LoadReport;
use crate::load::schedule::Share;
use crate::load::url::Scheme;
use core::net::SocketAddr;
use core::sync::atomic::AtomicBool;
use dataplane::node::Io;
use dataplane::port::{Port, PortOptions};
use dataplane::reactor::clock;
use dataplane::reactor::options::{BufferOptions, DriverOptions, Sockets};
use dataplane::reactor::socket::{self, UdpOptions};
use dataplane::reactor::wake::Waker;
use dataplane::time::Instant;
use std::sync::mpsc::{Sender, channel};
use std::time::SystemTime;

/// Bytes of a block of a write queue: a request's head fits.
const BLOCK_BYTES: usize = 2_048;

/// How much of a body is queued ahead of the kernel for one connection, bytes.
const UPLOAD_AHEAD: usize = 128 << 10;

/// What all write queues of a thread may hold, where bodies are sent.
const QUEUES_BYTES: usize = 64 << 20;

/// Datagrams that can be on their way at once.
const TRAINS: usize = 256;

/// Receive buffers: of 16 KiB, as many bodies are longer than a head, and answers are taken in at once.
const RECEIVE: BufferOptions = BufferOptions { bytes: 16 << 10, count: 512 };

/// Runs the load to its end and reports. Blocks; errors are the operator's (options, limits), never the peer's.
pub fn run(options: &LoadOptions) -> Result<LoadReport, LoadError> {
    run_until(options, &AtomicBool::new(false))
}

/// The same, ending early once `stop` is set: nothing starts any more, and what is under way has half a second.
pub fn run_until(options: &LoadOptions, stop: &AtomicBool) -> Result<LoadReport, LoadError> {
    let plan = Plan::new(options)?;
    let io = options.io.settle().map_err(LoadError::Uring)?;
    let wanted = plan.connections();
    let allowed = descriptors::room_for(wanted);
    if allowed < wanted {
        return Err(LoadError::Descriptors { wanted, allowed });
    }
    let names: Vec<String> = plan.classes.iter().map(|class| class.name.clone()).collect();
    let hdr = options.hdr.as_deref().map(|path| HdrLog::create(path, names.clone(), SystemTime::now()));
    let mut hdr = hdr.transpose()?;
    if let Some(path) = &options.plot {
        // Better now than after the run.
        std::fs::File::create(path).map_err(|error| LoadError::File(path.clone(), error))?;
    }
    if options.look_first {
        reach::look(&plan)?;
    }
    let meter = (!options.pids.is_empty()).then(|| Meter::start(&options.pids));
    let own = own_seconds();
    let start = clock::now();
    let mut progress = options.progress.then(|| Progress { of_seconds: options.duration });
    let mut watchers: Vec<&mut dyn Watcher> = Vec::new();
    watchers.extend(hdr.as_mut().map(|watcher| watcher as &mut dyn Watcher));
    watchers.extend(progress.as_mut().map(|watcher| watcher as &mut dyn Watcher));
    let collected = run_all(&plan, options, stop, io, start, &mut watchers)?;
    drop(watchers);
    drop(progress);
    let own = own_seconds() - own;
    hdr.map_or(Ok(()), HdrLog::finish)?;
    if let Some(path) = &options.plot {
        let title = options.urls.first().map_or("", String::as_str);
        let svg = picture::draw(&collected, &names, title, collected.total.seconds(start));
        std::fs::write(path, svg).map_err(|error| LoadError::File(path.clone(), error))?;
    }
    let mut report = collected.total.report(start, names.iter().map(String::as_str));
    report.own_cpu_seconds = own;
    report.io = if io == Io::Uring { "uring" } else { "epoll" };
    report.cpu = meter.map(|meter| meter.finish(report.requests));
    Ok(report)
}

fn run_all(
    plan: &Plan,
    options: &LoadOptions,
    stop: &AtomicBool,
    io: Io,
    start: Instant,
    watchers: &mut [&mut dyn Watcher],
) -> Result<Collected, LoadError> {
    let (teller, words) = channel();
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..options.threads)
            .map(|index| {
                let (teller, share) =
                    (teller.clone(), Share { index: index as u64, count: options.threads as u64 });
                let thread = std::thread::Builder::new().name(format!("load-{index}"));
                let work = move || work(plan, options, stop, io, share, start, teller);
                thread.spawn_scoped(scope, work).map_err(LoadError::Driver)
            })
            .collect();
        drop(teller);
        let collected = collect(&words, options.threads, plan.classes.len(), watchers);
        for thread in threads {
            let ended = thread?.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            ended.map_err(LoadError::Driver)?;
        }
        Ok(collected)
    })
}

/// One thread.
fn work(
    plan: &Plan,
    options: &LoadOptions,
    stop: &AtomicBool,
    io: Io,
    share: Share,
    start: Instant,
    listener: Sender<Word>,
) -> std::io::Result<()> {
    let places: u64 = plan.crowds.iter().map(|crowd| share.of(crowd.connections)).sum();
    let places = places as usize;
    let sends_bodies = plan.templates.iter().any(|template| template.sends_bodies());
    let ahead = if sends_bodies {
        (QUEUES_BYTES / places.max(1)).clamp(2 * BLOCK_BYTES, UPLOAD_AHEAD)
    } else {
        BLOCK_BYTES
    };
    let head = plan.templates.iter().map(|template| template.head_bytes_likely()).max().unwrap_or(0);
    // Twice: a connection that was given up keeps its queue until the kernel has let go of it.
    let each = (head + BLOCK_BYTES) * options.pipeline + ahead + 2 * BLOCK_BYTES;
    let asks_dns = plan.hosts.iter().any(|host| host.scheme == Scheme::Dns);
    let mut port = Port::new(&PortOptions {
        tcp_max: 2 * places + 16,
        block_bytes: BLOCK_BYTES,
        blocks: 2 * places.max(1) * each.div_ceil(BLOCK_BYTES),
        trains: if asks_dns { TRAINS } else { 1 },
    });
    let mut generator = Generator::new(Parts {
        plan,
        options,
        stop,
        clock: clock::now,
        share,
        start,
        listener,
        upload_ahead: ahead,
    });
    let seat = Seat {
        io,
        driver: driver(asks_dns),
        sockets: if asks_dns { sockets(plan)? } else { Sockets::default() },
        waker: Waker::new()?,
        cpu: options.cpus.get(share.index as usize).copied(),
    };
    drive::run(seat, &mut generator, &mut port)
}

fn driver(asks_dns: bool) -> DriverOptions {
    let few = BufferOptions { bytes: 2_048, count: 2 };
    DriverOptions {
        small: RECEIVE,
        // Never asked for: a generator takes in at once whatever comes.
        large: few,
        datagrams: if asks_dns { BufferOptions { bytes: 65_536, count: 64 } } else { few },
        ..DriverOptions::default()
    }
}

/// `SOCKETS` of each family that is asked; the other family's stand there too, so that numbers stay what they are.
fn sockets(plan: &Plan) -> std::io::Result<Sockets> {
    let options = UdpOptions {
        reuse_port: false,
        receive_buffer_bytes: 1 << 20,
        send_buffer_bytes: 1 << 20,
        ..UdpOptions::default()
    };
    let asks_v6 = plan.hosts.iter().any(|host| host.address.is_ipv6());
    let any: [SocketAddr; 2] = [SocketAddr::from(([0; 4], 0)), SocketAddr::from(([0u16; 8], 0))];
    let families = &any[..if asks_v6 { 2 } else { 1 }];
    let all = families.iter().flat_map(|address| [*address; SOCKETS]);
    Ok(Sockets {
        listeners: Vec::new(),
        udp: all.map(|address| socket::udp(address, &options)).collect::<Result<_, _>>()?,
    })
}
