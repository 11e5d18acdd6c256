//! The epoll driver (being built).

use std::io;

use crate::port::{Port, Role};
use crate::reactor::counters::DriverCounters;
use crate::reactor::options::{DriverOptions, Sockets};
use crate::reactor::wake::Waker;

/// Runs `role` on this thread until it is finished.
///
/// `waker` is this worker's own bell; `peers` are the bells of all workers by number, for `Port::wake`.
pub fn run<R: Role>(
    _role: &mut R,
    _port: &mut Port,
    _sockets: Sockets,
    _options: &DriverOptions,
    _waker: &Waker,
    _peers: &[Waker],
    _counters: &DriverCounters,
) -> io::Result<()> {
    Err(io::Error::from(io::ErrorKind::Unsupported))
}
