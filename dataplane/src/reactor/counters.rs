//! What a driver counts. One struct for both drivers, so that the page, the tests and the benchmarks compare
//! like with like.
//!
//! Each counter has a single writer, the worker's thread, and any number of readers: relaxed loads and stores,
//! no locked instruction. Readers may see one counter a moment before another.

use core::sync::atomic::{AtomicU64, Ordering};

/// One number with one writer.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds. Only the worker's own thread may.
    pub fn add(&self, count: u64) {
        self.0.store(self.0.load(Ordering::Relaxed).wrapping_add(count), Ordering::Relaxed);
    }

    /// Adds one. Only the worker's own thread may.
    pub fn bump(&self) {
        self.add(1);
    }

    /// The count; any thread may ask.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

macro_rules! driver_counters {
    ($($name:ident: $help:literal,)*) => {
        /// The counters of one worker's driver. All only grow.
        #[derive(Debug, Default)]
        #[repr(align(128))]
        pub struct DriverCounters {
            $(#[doc = $help] pub $name: Counter,)*
        }

        impl DriverCounters {
            /// Every counter as (name, help, value), in the order of the struct.
            pub fn all(&self) -> impl Iterator<Item = (&'static str, &'static str, u64)> + '_ {
                [$((stringify!($name), $help, &self.$name),)*]
                    .into_iter()
                    .map(|(name, help, counter)| (name, help, counter.get()))
            }
        }
    };
}

driver_counters! {
    loops: "Turns of the loop.",
    sleeps: "Turns in which the worker went to sleep.",
    syscalls: "System calls made by the driver.",
    ticks: "Ticks delivered to the role.",
    accepts: "Connections accepted.",
    accept_errors: "Accepts that failed.",
    accept_sheds: "Connections closed at once because descriptors were short.",
    accept_pauses: "Times accepting stopped for want of descriptors or memory.",
    connects: "Connections asked for.",
    connect_errors: "Connections that did not come to be.",
    reads: "Reads of TCP connections that brought bytes.",
    read_bytes: "Bytes read from TCP connections.",
    read_budget_stops: "Times a connection had to wait because it had used up its share of a turn.",
    read_starvations: "Times reading stopped for want of receive buffers.",
    writes: "Writes to TCP connections that took bytes.",
    write_bytes: "Bytes written to TCP connections.",
    write_short: "Writes that took less than was offered.",
    closes: "Connections closed in order.",
    aborts: "Connections ended with a reset.",
    failures: "Connections that failed.",
    datagrams_in: "Datagrams received.",
    datagram_bytes_in: "Bytes of the datagrams received.",
    trains_in: "Receives of datagrams; each may bring several.",
    datagram_drops: "Datagrams that the kernel dropped because a socket's buffer was full.",
    datagrams_truncated: "Datagrams thrown away because they exceeded the buffer.",
    datagrams_out: "Datagrams sent.",
    datagram_bytes_out: "Bytes of the datagrams sent.",
    trains_out: "Sends of datagrams; each may carry several.",
    datagrams_too_large: "Datagrams that exceeded the path's MTU (probes do).",
    datagrams_refused: "Datagrams that could not be sent for other reasons.",
    send_waits: "Times a send of datagrams had to wait for room in the socket's buffer.",
    enobufs: "Times the kernel or the driver ran short of buffers.",
    gso_fallbacks: "Sockets that lost UDP_SEGMENT because a device could not segment.",
    wakes_out: "Other workers woken.",
    wakes_in: "Times this worker was woken.",
    timer_arms: "Times the kernel timer was set.",
    stale_completions: "Completions for connections that had gone; always zero unless the driver is wrong.",
    completion_overflows: "Times the completion queue overflowed.",
    rearms: "Multishot operations armed again.",
    cancels: "Operations cancelled.",
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_counter_is_listed_under_its_name() {
        let counters = DriverCounters::default();
        counters.accepts.bump();
        counters.reads.add(7);
        let listed: Vec<_> = counters.all().filter(|(_, _, value)| *value > 0).collect();
        assert_eq!(
            listed,
            [
                ("accepts", "Connections accepted.", 1),
                ("reads", "Reads of TCP connections that brought bytes.", 7)
            ]
        );
    }
}
