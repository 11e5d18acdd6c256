//! How hard this machine is pressed, by the kernel's own word (PSI, `/proc/pressure`): the share of the last ten seconds in
//! which something waited for a processor, for memory, for a disk. It says what a load average and a use in per cent do not:
//! whether anybody is the worse for it. A kernel without it says nothing.

use crate::report::wire::PressureEntry;
use serde_json::{Value, json};
use std::fs;

/// Reads it.
pub fn read() -> PressureEntry {
    let of = |what: &str| some(&fs::read_to_string(format!("/proc/pressure/{what}")).ok()?);
    PressureEntry { cpu: of("cpu"), memory: of("memory"), io: of("io") }
}

/// The same for `/status`, where probes of our own machines read it as load.
pub fn status() -> Value {
    let PressureEntry { cpu, memory, io } = read();
    json!({ "cpu": cpu, "memory": memory, "io": io })
}

/// The `avg10` of the line `some`, as a share.
fn some(text: &str) -> Option<f32> {
    let line = text.lines().find(|line| line.starts_with("some "))?;
    let percent: f32 = line.split(' ').find_map(|word| word.strip_prefix("avg10="))?.parse().ok()?;
    (0.0..=100.0).contains(&percent).then_some(percent / 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_word_is_read() {
        let text = "some avg10=12.50 avg60=1.00 avg300=0.10 total=99\nfull avg10=3.00 avg60=0.00 avg300=0.00 total=9\n";
        assert_eq!(some(text), Some(0.125));
        for broken in ["", "full avg10=1.00", "some avg10=x", "some avg10=200.0", "some avg60=1.0"] {
            assert_eq!(some(broken), None, "{broken}");
        }
        let _whatever_this_machine_says = read();
    }
}
