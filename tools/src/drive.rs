//! Runs a tool's role on the production drivers of the data plane: the generator and the origin are roles behind the
//! same `Port` as the pair's ends, so they have io_uring, its fall-back and many cores without a driver of their own,
//! and every load run is one more test of the drivers. What that costs: a driver fault shows on both sides of a
//! measurement; so figures are also checked against generators of other houses (wrk).

use dataplane::node::Io;
use dataplane::port::{Port, Role};
use dataplane::reactor::counters::DriverCounters;
use dataplane::reactor::feature::{Reason, usable};
use dataplane::reactor::options::{DriverOptions, Sockets};
use dataplane::reactor::wake::Waker;
use dataplane::reactor::{epoll, machine, placement, uring};

/// Timers are as fine as the kernel makes them; its usual slack is 50 µs.
const TIMER_SLACK_NS: u32 = 1;

/// Which driver is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IoChoice {
    /// io_uring where it works, else epoll.
    #[default]
    Auto,
    /// io_uring or nothing.
    Uring,
    /// epoll.
    Epoll,
}

impl IoChoice {
    /// The driver to use; io_uring's refusal where it was insisted on.
    pub fn settle(self) -> Result<Io, Reason> {
        match (self, usable_once(self)) {
            (Self::Epoll, _) => Ok(Io::Epoll),
            (_, Ok(())) => Ok(Io::Uring),
            (Self::Auto, Err(_)) => Ok(Io::Epoll),
            (Self::Uring, Err(reason)) => Err(reason),
        }
    }
}

fn usable_once(choice: IoChoice) -> Result<(), Reason> {
    if choice == IoChoice::Epoll { Ok(()) } else { usable() }
}

/// What one thread runs on.
#[derive(Debug)]
pub(crate) struct Seat {
    /// The driver.
    pub(crate) io: Io,
    /// Its sizes.
    pub(crate) driver: DriverOptions,
    /// Its sockets.
    pub(crate) sockets: Sockets,
    /// Its bell.
    pub(crate) waker: Waker,
    /// Where it is pinned; `None`: wherever the kernel likes.
    pub(crate) cpu: Option<usize>,
}

/// Runs `role` on this thread until it is finished.
pub(crate) fn run<R: Role>(seat: Seat, role: &mut R, port: &mut Port) -> std::io::Result<()> {
    let Seat { io, driver, sockets, waker, cpu } = seat;
    if let Some(cpu) = cpu {
        placement::pin(cpu)?;
    }
    machine::set_timer_slack(TIMER_SLACK_NS)?;
    let counters = DriverCounters::default();
    match io {
        Io::Uring => uring::run(role, port, sockets, &driver, &waker, &[], &counters),
        Io::Epoll => epoll::run(role, port, sockets, &driver, &waker, &[], &counters),
    }
}
