//! Sizes in bytes: `512`, `64k`, `8m`, `1g`; the letters stand for powers of 1,024.

use crate::form::given::{Form, Written};
use crate::problem::Wrong;
use controlplane::size;
use core::marker::PhantomData;

pub(crate) use controlplane::size::write;

/// A size that fits `N`.
pub(crate) struct Size<N>(PhantomData<N>);

impl<N> Form for Size<N>
where
    N: TryFrom<u64> + Clone + Send + Sync + 'static,
{
    type Value = N;

    fn read(text: &str) -> Result<N, Wrong> {
        let bytes = read(text)?;
        N::try_from(bytes).map_err(|_| Wrong::new("is larger than this size can be", "give less"))
    }
}

impl<N> Written for Size<N>
where
    N: TryFrom<u64> + TryInto<u64> + Clone + Send + Sync + 'static,
{
    fn write(value: &N) -> String {
        write(value.clone().try_into().unwrap_or(u64::MAX))
    }
}

/// Reads a size.
pub(crate) fn read(text: &str) -> Result<u64, Wrong> {
    size::read(text)
        .ok_or_else(|| Wrong::new("is no size", "write bytes, or a number with k, m or g, such as 64k"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_size_or_too_large_is_refused() {
        assert_eq!(Size::<u32>::read("64k"), Ok(65_536));
        assert!(Size::<u32>::read("64kb").is_err() && Size::<u32>::read("4g").is_err());
    }
}
