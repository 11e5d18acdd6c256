//! Moves bytes of one TCP connection with plain system calls, and asks the kernel about it. No state of its own.
//!
//! Errors come back as the kernel gives them: `errno` says what they mean. Nothing here blocks.

#![allow(unsafe_code, reason = "FIONREAD is an ioctl")]

use core::time::Duration;
use std::io::{self, IoSlice, Read};
use std::net::Shutdown;
use std::os::fd::{AsRawFd, BorrowedFd};

use socket2::SockRef;

/// Slices that one write gathers (io_uring.md, rule 5).
pub const SLICES_MAX: usize = 8;

/// Reads once; 0 is the peer's end.
pub fn read(connection: BorrowedFd<'_>, into: &mut [u8]) -> io::Result<usize> {
    (&*SockRef::from(&connection)).read(into)
}

/// Writes the first `SLICES_MAX` of `slices` once: how many bytes were taken, and how many were offered.
pub fn write<'a>(
    connection: BorrowedFd<'_>,
    slices: impl Iterator<Item = &'a [u8]>,
) -> io::Result<(usize, usize)> {
    let mut gathered = [IoSlice::new(&[]); SLICES_MAX];
    let mut count = 0;
    let mut offered = 0;
    for slice in slices.take(SLICES_MAX) {
        gathered[count] = IoSlice::new(slice);
        count += 1;
        offered += slice.len();
    }
    let taken =
        SockRef::from(&connection).send_vectored_with_flags(&gathered[..count], libc::MSG_NOSIGNAL)?;
    Ok((taken, offered))
}

/// Sends FIN; reading goes on.
pub fn finish(connection: BorrowedFd<'_>) -> io::Result<()> {
    SockRef::from(&connection).shutdown(Shutdown::Write)
}

/// Makes the close that follows a reset.
pub fn reset_on_close(connection: BorrowedFd<'_>) -> io::Result<()> {
    SockRef::from(&connection).set_linger(Some(Duration::ZERO))
}

/// The error that waits at the connection, if any; the kernel forgets it.
pub fn take_error(connection: BorrowedFd<'_>) -> Option<i32> {
    match SockRef::from(&connection).take_error() {
        Ok(waiting) => waiting.and_then(|error| error.raw_os_error()),
        Err(error) => error.raw_os_error(),
    }
}

/// Bytes that have come in and were not read; they stay readable after a reset.
pub fn unread_bytes(connection: BorrowedFd<'_>) -> usize {
    let mut bytes: libc::c_int = 0;
    // SAFETY: FIONREAD writes one int, and `bytes` is one for the length of the call.
    let code = unsafe { libc::ioctl(connection.as_raw_fd(), libc::FIONREAD, &raw mut bytes) };
    if code == 0 { bytes.max(0) as usize } else { 0 }
}
