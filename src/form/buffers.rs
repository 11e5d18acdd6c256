//! Groups of buffers: `SIZE:COUNT`, such as `4k:2048`.

use crate::config::Buffers;
use crate::form::given::{Form, Written};
use crate::form::size;
use crate::problem::Wrong;

/// A group.
pub(crate) struct BufferGroup;

/// Bytes of a buffer: one that is smaller costs more in completions than it saves, a larger one exceeds what one
/// receive ever fills.
const BYTES: core::ops::RangeInclusive<u64> = 512..=1 << 20;

/// Buffers of a group; the kernel numbers them with sixteen bits and takes a power of two.
const COUNT_MAX: usize = 32_768;

impl Form for BufferGroup {
    type Value = Buffers;

    fn read(text: &str) -> Result<Buffers, Wrong> {
        let (bytes, count) = text
            .split_once(':')
            .ok_or_else(|| Wrong::new("has no colon", "write SIZE:COUNT, such as 4k:2048"))?;
        let bytes = size::read(bytes)?;
        let count: usize = count.parse().unwrap_or(0);
        if !BYTES.contains(&bytes) {
            return Err(Wrong::new("has buffers of a useless size", "give 512 to 1m"));
        }
        if !count.is_power_of_two() || count > COUNT_MAX {
            return Err(Wrong::new("has no power of two as its count", "give one of 2, 4, 8 … 32768"));
        }
        Ok(Buffers { bytes: bytes as usize, count })
    }
}

impl Written for BufferGroup {
    fn write(value: &Buffers) -> String {
        format!("{}:{}", size::write(value.bytes as u64), value.count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_a_size_and_a_count() {
        let group = Buffers { bytes: 4_096, count: 2_048 };
        assert_eq!(BufferGroup::read("4k:2048"), Ok(group));
        assert_eq!(BufferGroup::write(&group), "4k:2048");
        for text in ["4k", "4k:", "4k:100", "4k:65536", ":2", "100:2", "2m:2", "4k:0"] {
            assert!(BufferGroup::read(text).is_err(), "{text}");
        }
    }
}
