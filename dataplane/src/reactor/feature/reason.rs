//! Why the io_uring driver cannot run here: cause and cure in one sentence each.

use core::fmt;
use std::fs;
use std::io;

/// Why not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// ENOSYS: the kernel has none, or a filter pretends so.
    Absent,
    /// EPERM, and the administrator's switch says so.
    SwitchedOff {
        /// kernel.io_uring_disabled.
        level: u32,
    },
    /// EPERM though the switch is on: a seccomp filter, as containers bring it.
    Filtered,
    /// EINVAL: a set-up flag is unknown.
    TooOld,
    /// ENOMEM.
    NoMemory,
    /// EMFILE or ENFILE.
    NoDescriptors,
    /// An operation that the driver needs is unknown.
    Operation(&'static str),
    /// Something else.
    Unexpected {
        /// What was tried.
        step: &'static str,
        /// What the kernel said.
        errno: i32,
    },
}

impl Reason {
    /// Reads the error of `step`.
    pub(crate) fn of(step: &'static str, error: &io::Error) -> Self {
        match error.raw_os_error().unwrap_or(0) {
            libc::ENOSYS => Self::Absent,
            libc::EPERM | libc::EACCES => match switch() {
                0 => Self::Filtered,
                level => Self::SwitchedOff { level },
            },
            libc::EINVAL => Self::TooOld,
            libc::ENOMEM => Self::NoMemory,
            libc::EMFILE | libc::ENFILE => Self::NoDescriptors,
            errno => Self::Unexpected { step, errno },
        }
    }
}

fn switch() -> u32 {
    let text = fs::read_to_string("/proc/sys/kernel/io_uring_disabled").unwrap_or_default();
    text.trim().parse().unwrap_or(0)
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent => f.write_str(
                "the kernel has no io_uring, or a seccomp filter hides it (ENOSYS): use Linux 6.1 or newer, allow \
                 io_uring_setup, io_uring_enter and io_uring_register in the filter, or start with --io epoll",
            ),
            Self::SwitchedOff { level: 1 } => f.write_str(
                "io_uring is reserved for a group (kernel.io_uring_disabled = 1): add this user's group with \
                 `sysctl kernel.io_uring_group=<gid>`, or start with --io epoll",
            ),
            Self::SwitchedOff { level } => write!(
                f,
                "io_uring is switched off (kernel.io_uring_disabled = {level}): allow it with \
                 `sysctl kernel.io_uring_disabled=0` (or 1 and kernel.io_uring_group), or start with --io epoll"
            ),
            Self::Filtered => f.write_str(
                "io_uring is forbidden (EPERM), probably by the seccomp profile of the container: allow \
                 io_uring_setup, io_uring_enter and io_uring_register in the profile, or start with --io epoll",
            ),
            Self::TooOld => f.write_str(
                "the kernel's io_uring lacks what the driver needs (EINVAL): use Linux 6.1 or newer, or start with \
                 --io epoll",
            ),
            Self::NoMemory => f.write_str(
                "there is no memory for a ring (ENOMEM): raise the memory limit of the service, or make the buffer \
                 pools smaller",
            ),
            Self::NoDescriptors => f.write_str(
                "there are no file descriptors left for a ring (EMFILE): raise LimitNOFILE of the service or \
                 `ulimit -n`",
            ),
            Self::Operation(name) => write!(
                f,
                "the kernel's io_uring does not know the operation {name}: use Linux 6.1 or newer, or start with \
                 --io epoll"
            ),
            Self::Unexpected { step, errno } => write!(
                f,
                "io_uring fails at \"{step}\": {}; start with --io epoll and report this",
                io::Error::from_raw_os_error(*errno)
            ),
        }
    }
}

impl core::error::Error for Reason {}
