//! Lists of cpus: `0,2-5`, as the kernel writes them.

use crate::form::given::Form;
use crate::problem::Wrong;
use dataplane::reactor::placement::parse_cpus;

/// A list, in the order given.
pub(crate) struct CpuList;

impl Form for CpuList {
    type Value = Vec<usize>;

    fn read(text: &str) -> Result<Vec<usize>, Wrong> {
        parse_cpus(text)
            .map_err(|error| Wrong::new(format!("is no list of cpus: {error}"), "give numbers and ranges"))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read_and_written() {
        assert_eq!(CpuList::read("0,2-5"), Ok(vec![0, 2, 3, 4, 5]));
        assert_eq!(CpuList::read("3,1"), Ok(vec![3, 1]));
        assert_eq!(write(&[0, 2, 3, 4, 5]), "0,2-5");
        for text in ["", "a", "5-2", "1,1", "0-3,2", "1-", "0-9999999999", "-1", "all"] {
            assert!(CpuList::read(text).is_err(), "{text}");
        }
    }
}
