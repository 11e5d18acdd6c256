//! The query log: one of so many requests as a JSON line, written by a thread of its own; no worker ever waits for it.

use crate::dns::code::type_name;
use crate::dns::edns::Subnet;
use crate::dns::engine::{Outcome, Transport};
use crate::dns::name::{Name, Text};
use crate::dns::policy::decide::Decision;
use crate::dns::policy::model::Policy;
use crate::dns::policy::steering::Steering;
use crate::dns::query::{Reading, read};
use crate::logs::json::Object;
use crate::logs::output::{LogFile, Output, StandardError};
use crate::logs::sink::Sink;
use crate::logs::{LogTarget, Reopen, daemon};
use core::net::SocketAddr;
use core::time::Duration;
use dataplane::reactor::clock;
use jiff::Timestamp;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;

/// Lines on their way to the thread; more are lost and counted.
const LINES_WAITING_MAX: usize = 4_096;
/// How long a line may lie before it is written.
const FLUSH_EVERY: Duration = Duration::from_millis(100);

/// A worker's end: says which requests are due, takes their lines.
#[derive(Debug)]
pub struct Tap {
    sample: u32,
    until_next: u32,
    lines: SyncSender<String>,
}

impl Tap {
    /// Whether this request is one of the sample.
    pub fn is_due(&mut self) -> bool {
        self.until_next -= 1;
        let is_due = self.until_next == 0;
        if is_due {
            self.until_next = self.sample;
        }
        is_due
    }

    /// Hands a line over; false if it was lost.
    pub fn push(&self, line: String) -> bool {
        self.lines.try_send(line).is_ok()
    }
}

/// The running log.
#[derive(Debug)]
pub struct QueryLog {
    lines: Option<SyncSender<String>>,
    reopen: Reopen,
    written: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
}

impl QueryLog {
    /// Opens the target and starts the thread; `None` where nothing is to be logged.
    pub fn start(target: &LogTarget) -> io::Result<Option<Self>> {
        let output: Box<dyn Output + Send> = match target {
            LogTarget::File(path) => Box::new(LogFile::open(path)?),
            LogTarget::StandardError => Box::new(StandardError),
            LogTarget::Nowhere => return Ok(None),
        };
        let (lines, waiting) = sync_channel(LINES_WAITING_MAX);
        let (reopen, written) = (Reopen::default(), Arc::new(AtomicU64::new(0)));
        let mut work =
            Work { waiting, sink: Sink::new(output), reopen: reopen.clone(), written: written.clone() };
        let thread = std::thread::Builder::new().name("query-log".into()).spawn(move || work.run())?;
        Ok(Some(Self { lines: Some(lines), reopen, written, thread: Some(thread) }))
    }

    /// An end for a worker that logs one of `sample` requests, from 1.
    pub fn tap(&self, sample: u32) -> Option<Tap> {
        let sample = sample.max(1);
        self.lines.clone().map(|lines| Tap { sample, until_next: sample, lines })
    }

    /// Asks for the file to be opened again.
    pub fn reopen(&self) {
        self.reopen.request();
    }

    /// Lines written so far.
    pub fn written(&self) -> Arc<AtomicU64> {
        self.written.clone()
    }

    /// Writes what is there and ends; the workers' ends must be gone.
    pub fn stop(mut self) {
        self.lines = None;
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            daemon::error("the query log's thread failed", &[]);
        }
    }
}

struct Work {
    waiting: Receiver<String>,
    sink: Sink<Box<dyn Output + Send>>,
    reopen: Reopen,
    written: Arc<AtomicU64>,
}

impl Work {
    fn run(&mut self) {
        loop {
            let next = self.waiting.recv_timeout(FLUSH_EVERY);
            let now = clock::now();
            let unix_ms = clock::unix_us() / 1_000;
            if self.reopen.take()
                && let Err(error) = self.sink.reopen(now, unix_ms)
            {
                daemon::error(
                    "the query log cannot be reopened; the old file stays in use",
                    &[("cause", &error)],
                );
            }
            match &next {
                Ok(line) => self.sink.line(|buffer| buffer.push_str(line)),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    self.sink.flush(now, unix_ms)
                }
            }
            if self.sink.is_full() {
                self.sink.flush(now, unix_ms);
            }
            self.written.store(self.sink.counts().written, Ordering::Relaxed);
            if next == Err(RecvTimeoutError::Disconnected) {
                return;
            }
        }
    }
}

/// What a policy decided about it.
#[derive(Debug)]
pub(crate) struct Decided<'a> {
    pub(crate) policy: &'a Policy,
    pub(crate) decision: &'a Decision,
    pub(crate) steering: &'a Steering,
}

/// The line of one request. It is read once more for it: what is logged rarely must cost the others nothing.
pub(crate) fn line(
    unix_us: u64,
    message: &[u8],
    (from, transport): (SocketAddr, Transport),
    zone: Option<&Name>,
    outcome: &Outcome,
    decided: Option<Decided<'_>>,
) -> String {
    let mut line = String::with_capacity(256);
    let mut object = Object::open(&mut line);
    if let Ok(time) = Timestamp::from_microsecond(unix_us.cast_signed()) {
        object.plain("time", format_args!("{time:.3}"));
    }
    object.plain("client", from.ip().to_canonical());
    object.bare("port", from.port());
    object.plain("transport", if transport == Transport::Udp { "udp" } else { "tcp" });
    let mut name = Name::ROOT;
    match read(message, &mut name) {
        Reading::Query(query) => {
            object.bytes("name", query.name.to_string().as_bytes());
            object.plain("type", type_name(query.qtype));
            if let Some(Subnet { address, bits }) = query.edns.and_then(|edns| edns.subnet) {
                object.plain("subnet", format_args!("{address}/{bits}"));
            }
        }
        Reading::Bad(..) | Reading::Ignored => object.plain("malformed", "true"),
    }
    if let Some(zone) = zone {
        object.bytes("zone", Text(zone.wire()).to_string().as_bytes());
    }
    object.plain("code", outcome.code.name());
    object.bare("bytes", outcome.bytes);
    if outcome.truncated {
        object.bare("truncated", true);
    }
    if outcome.limited {
        object.bare("limited", true);
    }
    if let Some(Decided { policy, decision, steering }) = decided {
        object.plain("decision", format_args!("{:016x}", decision.id));
        object.bytes("policy", policy.name.as_bytes());
        object.plain("rule", format_args!("{:?}", decision.rule));
        let chosen: Vec<&str> =
            decision.chosen.iter().map(|server| steering.server(*server).name.as_str()).collect();
        object.bytes("servers", chosen.join(",").as_bytes());
    }
    object.close();
    line.push('\n');
    line
}
