//! The flags of `longhaul plot`.

use std::path::PathBuf;

/// The form and an example.
const EXAMPLES: &str = "\
The file holds a JSON list of plots:
  [{\"title\": \"...\", \"x\": {\"label\": \"time, s\", \"scale\": \"linear\"}, \"y\": {\"label\": ..., \"scale\": ...},
    \"series\": [{\"label\": \"...\", \"shape\": \"line\", \"points\": [[0, 1.5], [1, 2]]}]}]
  scales: linear, log, percentile; shapes: line, steps, points, bars (with \"categories\": [\"a\", ...])

Example:
  longhaul plot run.json --out run.svg";

/// Draws plots that are written as JSON as one SVG file: what benches/ shows
#[derive(clap::Args, Clone, Debug)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct PlotArgs {
    /// The file with the plots
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// The SVG file to write
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,
}
