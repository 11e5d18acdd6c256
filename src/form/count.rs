//! Plain numbers: how many of something, or a quantity whose unit stands in the flag's name.

use crate::form::given::{Form, Written};
use crate::problem::Wrong;
use core::fmt::Display;
use core::marker::PhantomData;
use core::str::FromStr;

/// A number that fits `N`.
pub(crate) struct Count<N>(PhantomData<N>);

impl<N> Form for Count<N>
where
    N: FromStr + Clone + Send + Sync + 'static,
{
    type Value = N;

    fn read(text: &str) -> Result<N, Wrong> {
        let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if !is_number {
            return Err(Wrong::new("is no number", "write digits only"));
        }
        text.parse().map_err(|_| Wrong::new("is more than this number can be", "give less"))
    }
}

impl<N> Written for Count<N>
where
    N: FromStr + Display + Clone + Send + Sync + 'static,
{
    fn write(value: &N) -> String {
        value.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_digits_that_fit_are_numbers() {
        assert_eq!(Count::<u8>::read("255"), Ok(255));
        for text in ["", "256", "-1", "+1", "1k", "1_000"] {
            assert!(Count::<u8>::read(text).is_err(), "{text}");
        }
    }
}
