//! Blocking mode. The socket layer makes its sockets non-blocking, as epoll needs them; on such a one io_uring may
//! answer EAGAIN instead of waiting.

#![allow(unsafe_code, reason = "FIONBIO is an ioctl")]

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

/// Makes a socket blocking, with one system call.
pub(crate) fn make_blocking(socket: &OwnedFd) -> io::Result<()> {
    let mut off: libc::c_int = 0;
    // SAFETY: FIONBIO reads one int, which `off` is for the length of the call.
    let code = unsafe { libc::ioctl(socket.as_raw_fd(), libc::FIONBIO, &raw mut off) };
    if code == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
