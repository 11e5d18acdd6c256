//! Who names whom: the crates' modules as files, the paths in them, and the arrows between files.

pub(crate) mod arrow;
pub(crate) mod circle;
pub(crate) mod krate;
pub(crate) mod path;
