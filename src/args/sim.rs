//! The flags of `longhaul sim`.

use crate::form::given::Given;
use crate::form::seeds::Seeds;
use std::path::PathBuf;

/// The scenario's form and examples.
const EXAMPLES: &str = "\
A seed decides everything: topology, path, faults, what clients ask and origins answer. A scenario
file gives some of it, and the seed the rest:
  topology = \"pair\"             # alone, pair, or pair of a front-end with two workers: pair-two;
                                # with two back-ends: twins, twins-two
  paths = 2                     # to each back-end, 1 to 3; and route_mode, as --route-mode of front
  exchanges = 40                # of all clients together
  faults = [\"Loss\", \"TinyBuffers\"]      # instead of the drawn ones; [] for none
  latency = \"50ms\"              # one way; beside it jitter, queue (times), rate (kbit/s, a number)
  loss = 10000                  # datagrams per million
  [[incident]]                  # instead of the drawn timetable
  at = \"300ms\"
  what = \"partition\"            # kill-front, kill-back, partition and dark-path (one path, by its number
  lasts = \"2s\"                  # in `path`) have `lasts`; drain, reset; shrink has `bytes`: larger datagrams vanish

What must hold: every byte arrives as it was sent and in order; what looks whole is whole; every
exchange ends; in worlds whose faults destroy nothing every exchange succeeds; after the last one
nothing is left anywhere. Each seed is run twice, and both runs must be the same, event by event.

The trace has a line for each datagram of the tunnel and for each note. Behind a note stand two
numbers: of exchanges (asks, asked, ended) the exchange and the connection or how it ended; of
connections the connection (worker x 1000 + slot) and how many bytes.

Examples:
  longhaul sim --seed 4711 --plot 4711.svg       the trace as text, time and sequence as a plot
  longhaul sim --seeds 0..2000                   what a commit is checked with
  longhaul sim --seeds 0..200 --scenario long-path.toml

Exit statuses: 0 every promise was kept, 2 wrong flags or file, 3 one was broken; the seeds that
broke it and the command that runs each again are printed.";

/// Runs the production roles in memory under virtual time, with seeds and faults, and judges every byte
#[derive(clap::Args, Clone, Debug)]
#[command(after_long_help = EXAMPLES, group(clap::ArgGroup::new("what").required(true).args(["seed", "seeds"])))]
pub(crate) struct SimArgs {
    /// Run this seed and print its trace
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,
    /// Run these seeds, from A on, without B, and print how often each fault and refusal was met
    #[arg(long, value_name = "A..B")]
    pub(crate) seeds: Option<Given<Seeds>>,
    /// TOML file with what is not left to the seed
    #[arg(long, value_name = "FILE")]
    pub(crate) scenario: Option<PathBuf>,
    /// Where --seed draws its datagrams and exchanges: an SVG file
    #[arg(long, value_name = "FILE", requires = "seed")]
    pub(crate) plot: Option<PathBuf>,
    /// Run each seed once only: half the time, and two runs are not compared
    #[arg(long)]
    pub(crate) once: bool,
    /// Threads for --seeds; the machine's cores if not given
    #[arg(long, value_name = "COUNT")]
    pub(crate) threads: Option<std::num::NonZeroUsize>,
}
