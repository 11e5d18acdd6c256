//! A value or one word that stands for having none: `auto`, `off`, `all`, `shared`, `none`.

use crate::form::given::{Form, Written};
use crate::problem::Wrong;
use core::marker::PhantomData;

/// A word.
pub(crate) trait Instead: 'static {
    /// It.
    const WORD: &str;
}

/// `auto`: the node finds out.
pub(crate) struct Auto;

/// `off`: it is not done.
pub(crate) struct Off;

/// `all`: no choice is made.
pub(crate) struct All;

/// `shared`: nobody is set apart.
pub(crate) struct Shared;

impl Instead for Auto {
    const WORD: &str = "auto";
}

impl Instead for Off {
    const WORD: &str = "off";
}

impl Instead for All {
    const WORD: &str = "all";
}

impl Instead for Shared {
    const WORD: &str = "shared";
}

/// The word of `W`, which becomes `None`, or a value of `F`.
pub(crate) struct Otherwise<W, F>(PhantomData<(W, F)>);

impl<W: Instead, F: Form> Form for Otherwise<W, F> {
    type Value = Option<F::Value>;

    fn read(text: &str) -> Result<Self::Value, Wrong> {
        if text == W::WORD { Ok(None) } else { F::read(text).map(Some) }
    }
}

impl<W: Instead, F: Written> Written for Otherwise<W, F> {
    fn write(value: &Self::Value) -> String {
        value.as_ref().map_or_else(|| W::WORD.to_owned(), F::write)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::form::size::Size;

    #[test]
    fn the_word_is_none() {
        type Limit = Otherwise<Auto, Size<u64>>;
        assert_eq!(Limit::read("auto"), Ok(None));
        assert_eq!(Limit::read("1k"), Ok(Some(1_024)));
        assert!(Limit::read("off").is_err());
        assert_eq!((Limit::write(&None), Limit::write(&Some(1))), ("auto".into(), "1".into()));
    }
}
