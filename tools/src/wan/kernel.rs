//! What no safe crate has: attaching to a TUN device, and real-time scheduling of the calling thread.

#![allow(unsafe_code, reason = "TUNSETIFF and sched_setscheduler(2) have no safe form")]

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;

/// Opens the device of that name in the calling thread's network namespace; reads and writes are whole IP packets, and
/// do not block. Without IFF_VNET_HDR the kernel hands no segmentation or checksum over to us: it cuts every packet to
/// the device's MTU itself.
pub(crate) fn open_tun(name: &str) -> io::Result<File> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(libc::O_NONBLOCK | libc::O_CLOEXEC)
        .open("/dev/net/tun")?;
    let mut request = libc::ifreq {
        ifr_name: [0; libc::IFNAMSIZ],
        ifr_ifru: libc::__c_anonymous_ifr_ifru {
            ifru_flags: (libc::IFF_TUN | libc::IFF_NO_PI) as libc::c_short,
        },
    };
    // One byte stays zero: the kernel wants the name's end.
    if name.len() >= request.ifr_name.len() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    for (to, byte) in request.ifr_name.iter_mut().zip(name.bytes()) {
        *to = byte as libc::c_char;
    }
    // SAFETY: TUNSETIFF reads and writes one `ifreq`, which is initialised and outlives the call; the descriptor is open.
    let code = unsafe { libc::ioctl(file.as_raw_fd(), libc::TUNSETIFF as _, &raw mut request) };
    if code == 0 { Ok(file) } else { Err(io::Error::last_os_error()) }
}

/// Puts the calling thread before all ordinary ones (SCHED_FIFO, lowest priority): woken, it runs at once. Needs
/// CAP_SYS_NICE.
pub(crate) fn schedule_in_real_time() -> io::Result<()> {
    let parameter = libc::sched_param { sched_priority: 1 };
    // SAFETY: 0 is the calling thread; `parameter` is initialised and outlives the call, which only reads it.
    let code = unsafe { libc::sched_setscheduler(0, libc::SCHED_FIFO, &raw const parameter) };
    if code == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
