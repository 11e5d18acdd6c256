//! Questions about io_uring: can a ring be made, does it know our operations, and does it keep its promises.

#![allow(unsafe_code, reason = "entries of a ring carry pointers")]

use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;

use io_uring::{IoUring, Probe, opcode, types};

use crate::reactor::buffers::BufferRing;
use crate::reactor::feature::reason::Reason;
use crate::reactor::feature::report::Row;
use crate::reactor::operation::{Completion, Kind, Name};
use crate::reactor::ring::{OPERATIONS, Ring, Wait, create};
use crate::time::Duration;

/// No check waits longer than this for the kernel.
const PATIENCE: Duration = Duration::from_millis(200);

/// Makes a small ring as the driver would, and gives it back.
pub(crate) fn usable() -> Result<(), Reason> {
    let mut io_uring = create(8, 64).map_err(|error| Reason::of("create", &error))?;
    if let Some(name) = missing_operation(&io_uring)? {
        return Err(Reason::Operation(name));
    }
    let mut ring = Ring::new(&mut io_uring);
    BufferRing::new(ring.submitter(), 0, 64, 1).map_err(|error| Reason::of("register buffers", &error))?;
    ring.enable().map_err(|error| Reason::of("restrict and enable", &error))
}

fn missing_operation(io_uring: &IoUring) -> Result<Option<&'static str>, Reason> {
    let mut probe = Probe::new();
    io_uring.submitter().register_probe(&mut probe).map_err(|error| Reason::of("probe", &error))?;
    Ok(OPERATIONS.iter().find(|(code, _)| !probe.is_supported(*code)).map(|(_, name)| *name))
}

/// All questions about io_uring; one row if there is none.
pub(crate) fn rows() -> Vec<Row> {
    const NAME: &str = "io_uring";
    if let Err(reason) = usable() {
        return vec![Row::fail(NAME, "not usable", reason.to_string())];
    }
    vec![
        Row::ok(NAME, format!("usable, {} operations known, the ring takes no others", OPERATIONS.len())),
        abilities(),
        answer("io_uring restrictions", "a forbidden operation is refused", is_restricted()),
        answer("io_uring buffer rings", "a receive goes on after ENOBUFS", recovers()),
    ]
}

fn answer(name: &'static str, promise: &'static str, kept: io::Result<bool>) -> Row {
    const ADVICE: &str = "start with --io epoll and report this with the kernel's version";
    match kept {
        Ok(true) => Row::ok(name, promise),
        Ok(false) => Row::fail(name, format!("not kept: {promise}"), ADVICE),
        Err(error) => Row::fail(name, format!("failed: {error}"), ADVICE),
    }
}

fn abilities() -> Row {
    const NAME: &str = "io_uring abilities";
    let abilities = create(8, 64).map(|mut io_uring| Ring::new(&mut io_uring).abilities());
    let Ok(abilities) = abilities else {
        return Row::fail(NAME, "the ring could not be made again", "raise LimitNOFILE and the memory limit");
    };
    let missing: Vec<&str> = abilities.iter().filter(|(_, has)| !has).map(|(name, _)| *name).collect();
    if missing.is_empty() {
        let all: Vec<&str> = abilities.iter().map(|(name, _)| *name).collect();
        Row::ok(NAME, all.join(", "))
    } else {
        Row::warn(
            NAME,
            format!("missing: {}", missing.join(", ")),
            "runs, a little slower; Linux 6.15 has them all",
        )
    }
}

/// Whether the ring refuses an operation that the driver does not use.
fn is_restricted() -> io::Result<bool> {
    let mut io_uring = create(8, 64)?;
    let mut ring = Ring::new(&mut io_uring);
    ring.enable()?;
    // SAFETY: a nop points to nothing.
    unsafe { ring.push(opcode::Nop::new().build(), Name::of_index(Kind::Wake, 0))? };
    Ok(next(&mut ring)?.is_some_and(|completion| completion.result == -libc::EACCES))
}

/// Whether a multishot receive that ran out of buffers ends with ENOBUFS, loses nothing and can be armed again.
fn recovers() -> io::Result<bool> {
    let mut io_uring = create(8, 64)?;
    let mut ring = Ring::new(&mut io_uring);
    let mut buffers = BufferRing::new(ring.submitter(), 0, 4, 1)?;
    ring.enable()?;
    let (reader, mut writer) = UnixStream::pair()?;
    let mut check = || -> io::Result<bool> {
        writer.write_all(b"onestwos")?;
        arm(&mut ring, &reader, &buffers)?;
        let Some(first) = next(&mut ring)?.and_then(|completion| completion.buffer) else { return Ok(false) };
        buffers.take(first);
        let has_first = buffers.bytes(first, 4) == b"ones";
        let end = next(&mut ring)?;
        if !end.is_some_and(|end| end.result == -libc::ENOBUFS && !end.more) {
            return Ok(false);
        }
        buffers.recycle(first);
        buffers.publish();
        arm(&mut ring, &reader, &buffers)?;
        let Some(second) = next(&mut ring)?.and_then(|completion| completion.buffer) else {
            return Ok(false);
        };
        buffers.take(second);
        Ok(has_first && buffers.bytes(second, 4) == b"twos")
    };
    let kept = check();
    ring.quiesce(10, |_| {});
    kept
}

fn arm(ring: &mut Ring<'_>, reader: &UnixStream, buffers: &BufferRing) -> io::Result<()> {
    let entry = opcode::RecvMulti::new(types::Fd(reader.as_raw_fd()), buffers.group()).build();
    // SAFETY: a receive with provided buffers points to nothing; `recovers` quiesces the ring before they go.
    unsafe { ring.push(entry, Name::of_index(Kind::ReceiveSmall, 0)) }
}

/// The next completion, if one comes in time.
fn next(ring: &mut Ring<'_>) -> io::Result<Option<Completion>> {
    if ring.ready() == 0 {
        ring.enter(Wait::For { completions: 1, limit: Some(PATIENCE), least_us: 0 })?;
    }
    Ok(ring.next_completion())
}
