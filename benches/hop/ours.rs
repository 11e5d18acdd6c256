//! What a worker's role does about its rings, and nothing else, in our drivers; and a consumer that never sleeps.

use std::sync::Arc;

use core_affinity::CoreId;
use dataplane::port::{Input, Port, PortOptions, Role};
use dataplane::reactor::counters::DriverCounters;
use dataplane::reactor::options::{DriverOptions, Sockets};
use dataplane::reactor::sleep::Sleep;
use dataplane::reactor::wake::Waker;
use dataplane::reactor::{epoll, uring};
use dataplane::time::Instant as Now;

use crate::cross::{ASLEEP, AWAKE, Far, Run, cross};

pub(crate) fn awake(there: CoreId) -> Run {
    cross(there, AWAKE, |far| far.take_all(core::hint::spin_loop), || || {})
}

pub(crate) fn epoll_driver(there: CoreId) -> Run {
    driven(there, 0, false)
}

pub(crate) fn uring_driver(there: CoreId) -> Run {
    driven(there, 0, true)
}

pub(crate) fn uring_spins_shortly(there: CoreId) -> Run {
    driven(there, 50, true)
}

pub(crate) fn uring_spins(there: CoreId) -> Run {
    driven(there, 300, true)
}

struct Sleeper<'a, 'b> {
    far: &'a mut Far<'b>,
    sleep: Arc<Sleep>,
}

impl Role for Sleeper<'_, '_> {
    fn handle(&mut self, _: Now, _: Input<'_>, _: &mut Port) {}

    fn flush(&mut self, _: Now, _: &mut Port) {
        self.far.take();
    }

    fn deadline(&self) -> Option<Now> {
        None
    }

    fn may_sleep(&mut self) -> bool {
        // Here and not before the driver: to make a ring and its buffers takes milliseconds.
        self.far.is_up();
        self.sleep.prepare();
        self.far.is_empty()
    }

    fn awake(&mut self) {
        self.sleep.cancel();
    }

    fn is_finished(&self) -> bool {
        self.far.is_done()
    }
}

fn driven(there: CoreId, spin_us: u32, on_uring: bool) -> Run {
    let (sleep, waker) = (Arc::new(Sleep::new()), Waker::new().expect("an eventfd"));
    let (flag, bell) = (sleep.clone(), waker.clone());
    let consume = move |far: &mut Far<'_>| {
        let mut port = Port::new(&PortOptions { tcp_max: 1, block_bytes: 4_096, blocks: 1, trains: 1 });
        let (options, counters) =
            (DriverOptions { spin_us, ..DriverOptions::default() }, DriverCounters::default());
        let mut role = Sleeper { far, sleep };
        let run = if on_uring { uring::run } else { epoll::run };
        run(&mut role, &mut port, Sockets::default(), &options, &waker, &[], &counters)
            .expect("the driver runs");
    };
    cross(there, ASLEEP, consume, || {
        move || {
            if flag.must_wake() {
                bell.wake();
            }
        }
    })
}
