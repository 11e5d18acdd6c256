//! One io_uring: how it is made, what it may do, and how it is entered. Not what the operations mean.
//!
//! The kernel floor is 6.1 (DEFER_TASKRUN); younger flags are tried and dropped when refused. Before the ring is
//! enabled it is restricted to the operations that this driver uses, because io_uring passes seccomp by: a
//! forbidden operation ends with EACCES. Sizes are in entries, spans in µs.

#![allow(unsafe_code, reason = "entries of a ring carry pointers")]

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

use io_uring::register::Restriction;
use io_uring::types::{Fd, SubmitArgs, Timespec};
use io_uring::{CompletionQueue, EnterFlags, IoUring, SubmissionQueue, Submitter, cqueue, opcode, squeue};

use crate::reactor::at_once::AtOnce;
use crate::reactor::operation::{Completion, Name};
use crate::time::Duration;

/// No completion queue is made smaller than this for want of memory: below it the driver would overflow at once.
const CQ_ENTRIES_MIN: u32 = 256;

/// An enter that waits for one completion brings at most this many (IO_LOCAL_TW_DEFAULT_MAX): when so many came,
/// more may be ready, and the driver enters again instead of sleeping.
pub(crate) const BATCH_CAP: usize = 20;

/// The operations that the driver uses; the ring refuses all others.
pub(crate) const OPERATIONS: [(u8, &str); 10] = [
    (opcode::AcceptMulti::CODE, "accept"),
    (opcode::RecvMulti::CODE, "recv"),
    (opcode::RecvMsgMulti::CODE, "recvmsg"),
    (opcode::Send::CODE, "send"),
    (opcode::SendMsg::CODE, "sendmsg"),
    (opcode::Connect::CODE, "connect"),
    (opcode::Close::CODE, "close"),
    (opcode::AsyncCancel::CODE, "cancel"),
    (opcode::Write::CODE, "write"),
    (opcode::PollAdd::CODE, "poll"),
];

/// The longest wait that gathers: it needs a limit, and whoever is woken by this one waits again.
const GATHERING_WAIT_MAX: Duration = Duration::from_secs(60);

/// Enters that may pass without the kernel taking an operation; then it has no memory left for them.
const SUBMIT_TRIES: u32 = 1_000;

/// IORING_UNREGISTER_RING_FDS, the one register call that is made after the ring is enabled.
const UNREGISTER_RING_FDS: u8 = 21;

/// Set once the kernel has refused NO_SQARRAY, so that other workers do not ask again.
static SQARRAY_NEEDED: AtomicBool = AtomicBool::new(false);

/// Makes a ring, disabled: the thread that enables it becomes its only issuer.
///
/// `cq_entries` is halved, down to a floor, while the kernel says ENOMEM.
pub(crate) fn create(sq_entries: u32, cq_entries: u32) -> io::Result<IoUring> {
    let mut cq_entries = cq_entries.max(sq_entries).next_power_of_two();
    loop {
        let array = SQARRAY_NEEDED.load(Ordering::Relaxed);
        match build(sq_entries, cq_entries, !array) {
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) && !array => {
                SQARRAY_NEEDED.store(true, Ordering::Relaxed);
            }
            Err(error)
                if error.raw_os_error() == Some(libc::ENOMEM)
                    && cq_entries / 2 >= CQ_ENTRIES_MIN.max(sq_entries) =>
            {
                cq_entries /= 2;
            }
            result => return result,
        }
    }
}

fn build(sq_entries: u32, cq_entries: u32, without_array: bool) -> io::Result<IoUring> {
    let mut builder = IoUring::builder();
    builder
        .dontfork()
        .setup_single_issuer()
        .setup_defer_taskrun()
        .setup_taskrun_flag()
        .setup_submit_all()
        .setup_cqsize(cq_entries)
        .setup_clamp()
        .setup_r_disabled();
    if without_array {
        builder.setup_no_sqarray();
    }
    builder.build(sq_entries)
}

/// How long an enter waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wait {
    /// Not at all.
    No,
    /// For `completions`, at most `limit` (for ever when `None`); after `least_us` one is enough.
    For {
        /// How many completions to wait for.
        completions: u32,
        /// The longest wait.
        limit: Option<Duration>,
        /// After so many µs a single completion ends the wait; zero: no such bound.
        least_us: u32,
    },
}

/// A ring in use by its one thread.
pub(crate) struct Ring<'a> {
    submitter: Submitter<'a>,
    sq: SubmissionQueue<'a>,
    cq: CompletionQueue<'a>,
    flags: EnterFlags,
    has_min_wait: bool,
    has_registered_fd: bool,
    /// Operations that will still end with a completion.
    in_flight: usize,
    at_once: AtOnce,
    enters: u64,
}

/// How long cancelled operations may take to come back before the rest is cancelled too.
const SETTLE: Duration = Duration::from_millis(10);

impl<'a> Ring<'a> {
    /// Takes the ring into use by the calling thread; it stays disabled.
    pub(crate) fn new(io_uring: &'a mut IoUring) -> Self {
        let no_iowait = io_uring.params().is_feature_no_iowait();
        let has_min_wait = io_uring.params().is_feature_min_timeout();
        let queued_max = io_uring.params().sq_entries() as usize;
        let (mut submitter, sq, cq) = io_uring.split();
        // The index lives in this one submitter. A kernel before 5.18 would refuse; then the descriptor serves.
        let has_registered_fd = submitter.register_ring_fd().is_ok();
        let mut flags = EnterFlags::GETEVENTS | EnterFlags::EXT_ARG;
        // Without NO_IOWAIT an idle worker looks like 100 % iowait.
        if no_iowait {
            flags |= EnterFlags::NO_IOWAIT;
        }
        Self {
            submitter,
            sq,
            cq,
            flags,
            has_min_wait,
            has_registered_fd,
            in_flight: 0,
            at_once: AtOnce::for_queue(queued_max),
            enters: 0,
        }
    }

    /// Whether an enter can wait for a batch with a bound (6.12).
    pub(crate) fn has_min_wait(&self) -> bool {
        self.has_min_wait
    }

    /// What younger kernels offer, and whether this one does.
    pub(crate) fn abilities(&self) -> [(&'static str, bool); 4] {
        [
            ("registered ring", self.has_registered_fd),
            ("queue without array", !SQARRAY_NEEDED.load(Ordering::Relaxed)),
            ("bounded batch wait", self.has_min_wait),
            ("sleep without iowait", self.flags.contains(EnterFlags::NO_IOWAIT)),
        ]
    }

    /// The registering half, for what must be registered before `enable`.
    pub(crate) fn submitter(&self) -> &Submitter<'a> {
        &self.submitter
    }

    /// Restricts the ring to what the driver does and makes the calling thread its only issuer.
    pub(crate) fn enable(&mut self) -> io::Result<()> {
        let flags = squeue::Flags::BUFFER_SELECT | squeue::Flags::SKIP_SUCCESS;
        let mut restrictions: [Restriction; OPERATIONS.len() + 2] = core::array::from_fn(|at| match at {
            0 => Restriction::sqe_flags_allowed(flags.bits()),
            1 => Restriction::register_op(UNREGISTER_RING_FDS),
            _ => Restriction::sqe_op(OPERATIONS[at - 2].0),
        });
        self.submitter.register_restrictions(&mut restrictions)?;
        self.submitter.register_enable_rings()
    }

    /// Queues an operation; enters the kernel first if the queue is full.
    ///
    /// # Safety
    /// Everything the entry points to stays where it is, and unchanged where the kernel reads it, until the
    /// operation's last completion, or for ever if it has none.
    pub(crate) unsafe fn push(&mut self, entry: squeue::Entry, name: Name) -> io::Result<()> {
        let entry = if name.kind.is_counted() { entry } else { entry.flags(squeue::Flags::SKIP_SUCCESS) };
        let entry = entry.user_data(name.to_u64());
        let mut tries = 0;
        // SAFETY: the caller promises for what the entry points to.
        while unsafe { self.sq.push(&entry) }.is_err() {
            tries += 1;
            if tries > SUBMIT_TRIES {
                return Err(io::Error::from_raw_os_error(libc::EAGAIN));
            }
            self.enter(Wait::No)?;
        }
        self.in_flight += usize::from(name.kind.is_counted());
        Ok(())
    }

    /// Queues a send that must carry MSG_DONTWAIT and MSG_WAITALL: `taken_at_once` tells when the kernel took all of its
    /// `bytes`, a completion when it did not.
    ///
    /// # Safety
    /// As for `push`, until either is heard.
    pub(crate) unsafe fn push_at_once(
        &mut self,
        entry: squeue::Entry,
        name: Name,
        bytes: usize,
    ) -> io::Result<()> {
        assert!(name.kind.is_at_once(), "of others silence says nothing");
        // SAFETY: the caller promises for what the entry points to.
        unsafe { self.push(entry, name)? };
        self.at_once.push(name, bytes);
        Ok(())
    }

    /// Gives the kernel what is queued, lets it post what is ready, and waits.
    pub(crate) fn enter(&mut self, wait: Wait) -> io::Result<()> {
        self.sq.sync();
        self.cq.sync();
        self.enters += 1;
        let timespec;
        let mut args = SubmitArgs::new();
        let mut want = 0;
        if let Wait::For { completions, limit, least_us } = wait {
            want = completions;
            let gathers = self.has_min_wait && least_us > 0;
            if gathers {
                args = args.min_wait_usec(least_us);
            }
            // Without a limit the kernel would end the wait after `least_us` even if nothing came.
            if let Some(limit) = limit.or_else(|| gathers.then_some(GATHERING_WAIT_MAX)) {
                timespec = Timespec::from(limit);
                args = args.timespec(&timespec);
            }
        }
        // SAFETY: `args` is what EXT_ARG announces, and it and the timespec outlive the call.
        let result =
            unsafe { self.submitter.enter(self.sq.len() as u32, want, self.flags.bits(), Some(&args)) };
        self.sq.sync();
        self.cq.sync();
        if self.sq.is_empty() && !self.sq.cq_overflow() {
            self.at_once.submitted();
        }
        match result {
            Ok(_) => Ok(()),
            Err(error) => match error.raw_os_error() {
                // The time was up; a signal came; completions wait to be taken before more can be submitted.
                Some(libc::ETIME | libc::EINTR | libc::EBUSY | libc::EAGAIN) => Ok(()),
                _ => Err(error),
            },
        }
    }

    /// The next completion that has been posted.
    pub(crate) fn next_completion(&mut self) -> Option<Completion> {
        let entry = self.cq.next()?;
        let name = Name::from_u64(entry.user_data());
        let more = cqueue::more(entry.flags());
        if !more && name.kind.is_counted() {
            self.in_flight -= 1;
        }
        if name.kind.is_at_once() {
            self.at_once.refuse(name);
        }
        Some(Completion { name, result: entry.result(), buffer: cqueue::buffer_select(entry.flags()), more })
    }

    /// A send at once that the kernel took whole, and its bytes. Ask only after `next_completion` gave `None`.
    pub(crate) fn taken_at_once(&mut self) -> Option<(Name, usize)> {
        self.at_once.take()
    }

    /// Whether it is open what became of sends at once.
    pub(crate) fn awaits_at_once(&self) -> bool {
        !self.at_once.is_empty()
    }

    /// Completions that wait to be taken, without entering the kernel.
    pub(crate) fn ready(&mut self) -> usize {
        self.cq.sync();
        self.cq.len()
    }

    /// Whether an enter would bring completions at once.
    pub(crate) fn has_work(&self) -> bool {
        self.sq.taskrun() || self.sq.cq_overflow()
    }

    /// Whether completions did not fit their queue: nothing is lost, but most multishots end.
    pub(crate) fn has_overflowed(&self) -> bool {
        self.sq.cq_overflow()
    }

    /// How often the kernel was entered since this was last asked.
    pub(crate) fn take_enters(&mut self) -> u64 {
        core::mem::take(&mut self.enters)
    }

    /// Cancels everything that is in flight and waits until nothing is, giving each completion to `on_completion`.
    ///
    /// After this the kernel touches no memory that was lent to it. Should it not let go within `limit` rounds of
    /// 100 ms, the process ends: to go on would let it write into memory that is somebody else's by then.
    pub(crate) fn quiesce(&mut self, limit: u32, mut on_completion: impl FnMut(Completion)) {
        // What is being cancelled by name comes back by itself; only what is left is cancelled wholesale, because the
        // kernel then looks through all of it for each (measured: 4.4 s for 5,000 receives, by name 0.02 s).
        let mut progresses = true;
        for _ in 0..limit {
            while progresses && !(self.in_flight == 0 && self.sq.is_empty()) {
                let before = self.in_flight;
                progresses =
                    self.enter(Wait::For { completions: 1, limit: Some(SETTLE), least_us: 0 }).is_ok();
                while let Some(completion) = self.next_completion() {
                    on_completion(completion);
                }
                progresses &= self.in_flight != before;
            }
            if self.in_flight == 0 && self.sq.is_empty() {
                return;
            }
            let entry = opcode::AsyncCancel2::new(io_uring::types::CancelBuilder::any()).build();
            // SAFETY: a cancel points to nothing.
            let pushed = unsafe { self.push(entry, Name::SILENT) };
            progresses = true;
            let wait = Wait::For { completions: 1, limit: Some(Duration::from_millis(100)), least_us: 0 };
            let entered = self.enter(if self.in_flight == 0 { Wait::No } else { wait });
            while let Some(completion) = self.next_completion() {
                on_completion(completion);
            }
            if pushed.and(entered).is_err() {
                break;
            }
        }
        if self.in_flight == 0 {
            return;
        }
        std::process::abort();
    }

    /// Queues the close of a descriptor.
    pub(crate) fn close(&mut self, fd: i32) -> io::Result<()> {
        // SAFETY: a close points to nothing.
        unsafe { self.push(opcode::Close::new(Fd(fd)).build(), Name::SILENT) }
    }

    /// Queues the cancelling of one operation; that operation's own last completion tells how it went.
    pub(crate) fn cancel(&mut self, name: Name) -> io::Result<()> {
        // SAFETY: a cancel points to nothing.
        unsafe { self.push(opcode::AsyncCancel::new(name.to_u64()).build(), Name::SILENT) }
    }

    /// Queues a multishot accept.
    pub(crate) fn accept(&mut self, fd: i32, name: Name) -> io::Result<()> {
        let entry = opcode::AcceptMulti::new(Fd(fd)).flags(libc::SOCK_CLOEXEC).build();
        // SAFETY: a multishot accept is given no address to fill.
        unsafe { self.push(entry, name) }
    }

    /// Queues a poll for errors and hang-ups (`events` 0) or for more, once or until it is cancelled.
    pub(crate) fn poll(&mut self, fd: i32, events: i16, multi: bool, name: Name) -> io::Result<()> {
        let entry = opcode::PollAdd::new(Fd(fd), events as u32).multi(multi).build();
        // SAFETY: a poll points to nothing.
        unsafe { self.push(entry, name) }
    }

    /// Queues the writing of one to an eventfd.
    pub(crate) fn signal(&mut self, fd: i32) -> io::Result<()> {
        static ONE: u64 = 1;
        let entry = opcode::Write::new(Fd(fd), (&raw const ONE).cast(), 8).build();
        // SAFETY: the kernel reads a static that nobody writes.
        unsafe { self.push(entry, Name::SILENT) }
    }
}

impl Drop for Ring<'_> {
    fn drop(&mut self) {
        // The thread's table would keep the ring alive until the thread ends.
        if self.has_registered_fd {
            let _ = self.submitter.unregister_ring_fd();
        }
    }
}

/// A ring for a test, or `None` where there is no io_uring: then the test says so and is skipped, unless
/// LONGHAUL_REQUIRE_ALL=1 forbids that.
#[cfg(test)]
pub(crate) fn create_for_test(sq_entries: u32, cq_entries: u32) -> Option<IoUring> {
    match create(sq_entries, cq_entries) {
        Ok(io_uring) => Some(io_uring),
        Err(error) => {
            let is_required = std::env::var("LONGHAUL_REQUIRE_ALL").is_ok_and(|value| value == "1");
            assert!(!is_required, "io_uring is required here: {error}");
            println!("skipped: io_uring is not available: {error}");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reactor::alarm::Alarm;
    use crate::reactor::clock;
    use crate::reactor::operation::Kind;
    use crate::reactor::wake::Waker;

    #[test]
    fn quiescing_takes_back_what_would_never_end() {
        let Some(mut io_uring) = create_for_test(2, 16) else { return };
        let mut ring = Ring::new(&mut io_uring);
        ring.enable().unwrap();
        let bell = Waker::new().unwrap();
        for at in 0..7 {
            ring.poll(bell.fd(), libc::POLLIN, at % 2 == 0, Name::of_index(Kind::Wake, at)).unwrap();
        }
        let mut ended = Vec::new();
        ring.quiesce(20, |completion| ended.push((completion.name.slot, completion.result)));
        ended.sort_unstable();
        assert_eq!(ended, (0..7).map(|at| (at, -libc::ECANCELED)).collect::<Vec<_>>());
        assert_eq!(ring.in_flight, 0);
    }

    #[test]
    fn of_a_send_at_once_only_falling_short_is_heard() {
        use std::os::fd::AsRawFd;
        let Some(mut io_uring) = create_for_test(4, 16) else { return };
        let mut ring = Ring::new(&mut io_uring);
        ring.enable().unwrap();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let from = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (_to, _) = listener.accept().unwrap();
        let bytes = vec![7_u8; 16 << 20];
        let mut send = |index: usize, length: usize| {
            let flags = libc::MSG_DONTWAIT | libc::MSG_WAITALL | libc::MSG_NOSIGNAL;
            let entry =
                opcode::Send::new(Fd(from.as_raw_fd()), bytes.as_ptr(), length as u32).flags(flags).build();
            let name = Name::of_index(Kind::SendAtOnce, index);
            // SAFETY: the bytes outlive the enter, and the send does not.
            unsafe { ring.push_at_once(entry, name, length).unwrap() };
            assert!(
                ring.awaits_at_once() && ring.taken_at_once().is_none(),
                "nothing is known before the enter"
            );
            ring.enter(Wait::No).unwrap();
            let heard = ring.next_completion().map(|completion| (completion.name, completion.result));
            (heard, ring.taken_at_once())
        };
        assert_eq!(send(1, 1_000), (None, Some((Name::of_index(Kind::SendAtOnce, 1), 1_000))));
        let (heard, taken) = send(2, bytes.len());
        let (name, result) = heard.unwrap();
        assert_eq!((name, taken), (Name::of_index(Kind::SendAtOnce, 2), None));
        assert!((1..bytes.len() as i32).contains(&result), "a part was taken, and is told: {result}");
        let full = (Some((Name::of_index(Kind::SendAtOnce, 3), -libc::EAGAIN)), None);
        while send(3, 1_000) != full {}
        assert_eq!(ring.in_flight, 0);
    }

    #[test]
    fn a_wait_ends_in_time_and_a_signal_ends_it_sooner() {
        let Some(mut io_uring) = create_for_test(2, 16) else { return };
        let mut ring = Ring::new(&mut io_uring);
        ring.enable().unwrap();
        let wait = |limit| Wait::For { completions: 1, limit, least_us: 0 };
        ring.enter(wait(Some(Duration::from_micros(50)))).unwrap();
        assert!(ring.next_completion().is_none());
        let bell = Waker::new().unwrap();
        ring.poll(bell.fd(), libc::POLLIN, false, Name::of_index(Kind::Wake, 3)).unwrap();
        ring.signal(bell.fd()).unwrap();
        ring.enter(wait(None)).unwrap();
        let completion = ring.next_completion().unwrap();
        assert_eq!((completion.name, completion.more), (Name::of_index(Kind::Wake, 3), false));
        assert_eq!(ring.take_enters(), 2);
    }

    #[test]
    fn a_wait_that_gathers_goes_on_until_something_comes() {
        let Some(mut io_uring) = create_for_test(2, 16) else { return };
        let mut ring = Ring::new(&mut io_uring);
        ring.enable().unwrap();
        if !ring.has_min_wait() {
            println!("skipped: waiting for several completions with a bound needs Linux 6.12");
            return;
        }
        let mut alarm = Alarm::new().unwrap();
        ring.poll(alarm.fd(), libc::POLLIN, false, Name::of_index(Kind::Alarm, 0)).unwrap();
        alarm.arm(clock::now() + Duration::from_millis(20)).unwrap();
        ring.enter(Wait::For { completions: 16, limit: Some(Duration::from_secs(60)), least_us: 1_000 })
            .unwrap();
        assert!(ring.next_completion().is_some(), "it ended with its gathering, and nothing had come");
    }
}
