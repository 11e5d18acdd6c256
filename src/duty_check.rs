//! What a front-end or back-end would find wrong with the values that a tree gives its flags, found before it is started and
//! on another machine: `longhaul config check`. Not here: what only the node's own machine knows (its key files, cpus,
//! memory, users), and flags that its command line may still give.

use crate::args::back::BackArgs;
use crate::args::front::FrontArgs;
use crate::{back, front};
use controlplane::tree::duties::{Duty, Flag};

/// Flags whose values are good or not by the machine that has them.
const OF_THE_MACHINE: [&str; 12] = [
    "key",
    "psk",
    "key-log",
    "rules",
    "report-key",
    "control",
    "access-log",
    "cpus",
    "numa",
    "mem-limit",
    "user",
    "group",
];

/// What is wrong with `flags`, one line each.
pub(crate) fn wrong_values(duty: Duty, flags: &[Flag]) -> Vec<String> {
    let words: Vec<String> = flags.iter().map(|(flag, value)| format!("--{flag}={value}")).collect();
    let found = match duty {
        Duty::Front => FrontArgs::from_flags(words).map(|args| front::configure(&args).err()),
        Duty::Back => BackArgs::from_flags(words).map(|args| back::configure(&args).err()),
    };
    let lines = match found {
        Ok(None) => return Vec::new(),
        Ok(Some(problems)) => problems.lines().to_vec(),
        Err(sentence) => return vec![sentence],
    };
    let checked = flags.iter().filter(|(flag, _)| !OF_THE_MACHINE.contains(&flag.as_str()));
    let said: Vec<String> = checked.map(|(flag, value)| format!("--{flag} {value}: ")).collect();
    lines.into_iter().filter(|line| said.iter().any(|said| line.starts_with(said.as_str()))).collect()
}
