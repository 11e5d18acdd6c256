//! Seeds.

use super::*;

fn seeds() -> std::ops::Range<u64> {
    let number = |name: &str, default: u64| {
        std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
    };
    let first = number("SIM_SEED", 0);
    first..first + number("SIM_SEEDS", 200)
}

#[test]
fn alone() {
    let report = run_many(seeds(), 2, false, &Options { alone: true, ..Options::default() });
    assert!(report.violations.is_empty(), "{}", report.text());
}

#[test]
fn pairs() {
    let report = run_many(seeds(), 2, false, &Options::default());
    assert!(report.violations.is_empty(), "{}", report.text());
}
