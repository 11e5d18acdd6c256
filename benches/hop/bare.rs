//! The same records with nothing but a bell, rung for each of them: what the kernel and the machine take for a wake-up,
//! without a driver, a role, or a flag that says who sleeps. The floor of `ours`.

#![allow(unsafe_code, reason = "an eventfd, and operations of io_uring")]

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicI32, Ordering};
use std::thread::Thread;

use core_affinity::CoreId;
use io_uring::types::Fd;
use io_uring::{IoUring, cqueue, opcode, squeue};

use crate::cross::{ASLEEP, Far, Run, cross};

/// Entries of the rings.
const ENTRIES: u32 = 64;

/// A futex, as the standard library parks threads.
pub(crate) fn parked(there: CoreId) -> Run {
    let sleeper: OnceLock<Thread> = OnceLock::new();
    let consume = |far: &mut Far<'_>| {
        sleeper.get_or_init(std::thread::current);
        far.take_all(std::thread::park);
    };
    cross(there, ASLEEP, consume, || || sleeper.get().expect("it is up").unpark())
}

/// An eventfd, read by a thread that blocks in it.
pub(crate) fn read(there: CoreId) -> Run {
    let bell = &eventfd();
    let wait = |mut bell: &File| bell.read_exact(&mut [0; 8]).expect("a ring");
    cross(there, ASLEEP, |far| far.take_all(|| wait(bell)), || || ring(bell))
}

/// An eventfd, polled until further notice by an io_uring of the kind that our driver has.
pub(crate) fn polled(there: CoreId) -> Run {
    let bell = &eventfd();
    let poll = opcode::PollAdd::new(Fd(bell.as_raw_fd()), libc::POLLIN as u32).multi(true).build();
    let consume = |far: &mut Far<'_>| {
        let mut far_ring = io_uring();
        push(&mut far_ring, &poll);
        far.take_all(|| {
            if !wait(&mut far_ring) {
                push(&mut far_ring, &poll);
            }
        });
    };
    cross(there, ASLEEP, consume, || || ring(bell))
}

/// A message from one io_uring to the other: no descriptor of a bell at all.
pub(crate) fn messaged(there: CoreId) -> Run {
    let far_fd = &AtomicI32::new(-1);
    let consume = |far: &mut Far<'_>| {
        let mut far_ring = io_uring();
        far_fd.store(far_ring.as_raw_fd(), Ordering::Release);
        far.take_all(|| {
            wait(&mut far_ring);
        });
    };
    cross(there, ASLEEP, consume, || {
        let mut near_ring = io_uring();
        let fd = Fd(far_fd.load(Ordering::Acquire));
        move || {
            push(&mut near_ring, &opcode::MsgRingData::new(fd, 0, 0, None).build());
            near_ring.submit().expect("the message leaves");
            near_ring.completion().for_each(drop);
        }
    })
}

fn eventfd() -> File {
    // SAFETY: eventfd takes no pointer.
    let fd = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC) };
    assert!(fd >= 0, "an eventfd");
    // SAFETY: the descriptor was just made and belongs to nobody else.
    File::from(unsafe { OwnedFd::from_raw_fd(fd) })
}

fn ring(mut bell: &File) {
    bell.write_all(&1_u64.to_ne_bytes()).expect("a bell can be rung");
}

fn io_uring() -> IoUring {
    let mut builder = IoUring::builder();
    builder.setup_single_issuer().setup_defer_taskrun().build(ENTRIES).expect("an io_uring")
}

fn push(ring: &mut IoUring, entry: &squeue::Entry) {
    // SAFETY: neither a poll nor a message points to anything.
    unsafe { ring.submission().push(entry).expect("there is room") };
}

/// Sleeps until something has come; whether there will be more of it.
fn wait(ring: &mut IoUring) -> bool {
    ring.submit_and_wait(1).expect("the ring can be waited for");
    ring.completion().all(|entry| cqueue::more(entry.flags()))
}
