//! One hop over the rings between two cores, one way, as a distribution: a record's time from `publish` on one core to its
//! being read on the other. To a core that is awake and spins, and to one that sleeps, so that the hop has the wake-up in it:
//! the bell, the kernel's scheduler, the way back. Asleep in our drivers, and beside them in the same minute with nothing but
//! a bell (`bare`): what a row of ours has above those is ours, what is below is the machine's.
//!
//! `cargo bench --bench hop`. Wants two cores that nobody else uses: it takes some twenty seconds. It prints p50, p99 and p99.9
//! in microseconds, not means, because a mean hides the one in a hundred; how long the consumer was ready while others had
//! its core, which makes tails of milliseconds and says nothing about us; and what the host took from the machine. The
//! second table is the same with a thread of lowest priority that keeps the consumer's core from halting: what it saves is
//! what halting costs, on a virtual machine an exit to the host and back. Clocks are CLOCK_MONOTONIC on both cores, read
//! once on each side, some 25 ns each, which are in the figures.

mod bare;
mod cross;
mod machine;
mod ours;

use core_affinity::CoreId;

use crate::cross::Run;

/// Every row has its turn in each round, so that a slow phase of the machine meets all.
const ROUNDS: usize = 10;

/// The row that ours are held against: the bell that ours have, and the plainest wait.
const FLOOR: usize = 2;

/// A row: what the consumer does, and how to have it done.
type Row = (&'static str, fn(CoreId) -> Run);

const ROWS: [Row; 9] = [
    ("awake", ours::awake),
    ("asleep, futex (park)", bare::parked),
    ("asleep, eventfd, read(2)", bare::read),
    ("asleep, eventfd, io_uring poll", bare::polled),
    ("asleep, IORING_OP_MSG_RING", bare::messaged),
    ("**asleep, our epoll driver**", ours::epoll_driver),
    ("**asleep, our io_uring driver**", ours::uring_driver),
    ("the same, --spin-us 50", ours::uring_spins_shortly),
    ("the same, --spin-us 300", ours::uring_spins),
];

fn main() {
    let cores = core_affinity::get_core_ids().unwrap_or_default();
    let [first, .., last] = cores[..] else {
        println!("SKIPPED: a hop needs two cores");
        return;
    };
    if let Err(reason) = dataplane::reactor::feature::usable() {
        println!("SKIPPED: io_uring does not work here: {reason}");
        return;
    }
    core_affinity::set_for_current(first);
    println!("A record every {} µs to one that sleeps.\n", cross::ASLEEP.apart.as_micros());
    table("the consumer's core halts when idle", last);
    let _busy = machine::keep_from_halting(last);
    table("the consumer's core is kept from halting", last);
}

fn table(what: &str, there: CoreId) {
    let (mut runs, stolen) = (ROWS.map(|_| Run::default()), machine::stolen_ms());
    for _ in 0..ROUNDS {
        for (run, (_, row)) in runs.iter_mut().zip(ROWS) {
            run.add(row(there));
        }
    }
    let stolen = machine::stolen_ms() - stolen;
    runs.iter_mut().for_each(|run| run.hops_ns.sort_unstable());
    println!("| {what} | p50 µs | p99 µs | p99.9 µs | p50 × read(2) | hops | ready, not running: ms |");
    println!("|---|---:|---:|---:|---:|---:|---:|");
    for ((name, _), run) in ROWS.iter().zip(&runs) {
        println!(
            "| {name} | {:.2} | {:.2} | {:.2} | {:.2} | {} | {} |",
            run.at_us(0.5),
            run.at_us(0.99),
            run.at_us(0.999),
            run.at_us(0.5) / runs[FLOOR].at_us(0.5),
            run.hops_ns.len(),
            run.queued_ns / 1_000_000
        );
    }
    println!("\nThe host took {stolen} ms.\n");
}
