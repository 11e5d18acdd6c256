//! Lists of cpus: `0,2-5`, as the kernel writes them.

use crate::form::given::Form;
use crate::problem::Wrong;

/// A list, in the order given.
pub(crate) struct CpuList;

/// Cpus are numbered below this (the kernel's largest CONFIG_NR_CPUS); keeps `0-4000000000` from being expanded.
const CPUS_MAX: usize = 8_192;

impl Form for CpuList {
    type Value = Vec<usize>;

    fn read(text: &str) -> Result<Vec<usize>, Wrong> {
        let mut cpus = Vec::new();
        for part in text.split(',') {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let (first, last) = (number(first)?, number(last)?);
            if first > last {
                return Err(Wrong::new("has a range that runs backwards", "write the smaller number first"));
            }
            cpus.extend(first..=last);
        }
        let mut sorted = cpus.clone();
        sorted.sort_unstable();
        sorted.dedup();
        if sorted.len() < cpus.len() {
            return Err(Wrong::new("names a cpu twice", "name each once"));
        }
        Ok(cpus)
    }
}

/// Writes a list the way it is read: runs as ranges.
pub(crate) fn write(cpus: &[usize]) -> String {
    let mut parts: Vec<(usize, usize)> = Vec::new();
    for &cpu in cpus {
        match parts.last_mut() {
            Some((_, last)) if *last + 1 == cpu => *last = cpu,
            Some(_) | None => parts.push((cpu, cpu)),
        }
    }
    let part = |(first, last): &(usize, usize)| {
        if first == last { first.to_string() } else { format!("{first}-{last}") }
    };
    parts.iter().map(part).collect::<Vec<_>>().join(",")
}

fn number(text: &str) -> Result<usize, Wrong> {
    let wrong = || Wrong::new("is no list of cpus", "write numbers and ranges, such as 0,2-5");
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number {
        return Err(wrong());
    }
    text.parse().ok().filter(|cpu| *cpu < CPUS_MAX).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read_and_written() {
        assert_eq!(CpuList::read("0,2-5"), Ok(vec![0, 2, 3, 4, 5]));
        assert_eq!(CpuList::read("3,1"), Ok(vec![3, 1]));
        assert_eq!(write(&[0, 2, 3, 4, 5]), "0,2-5");
        for text in ["", "a", "1,", "5-2", "1,1", "0-3,2", "1-", "0-9999999999", "-1", "all"] {
            assert!(CpuList::read(text).is_err(), "{text}");
        }
    }
}
