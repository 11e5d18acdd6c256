//! What goes to standard output. A reader that went away early (`| head`) is no error of ours.

use core::fmt::Display;
use std::io::Write;

/// Writes one line.
pub(crate) fn line(line: &dyn Display) {
    text(&format!("{line}\n"));
}

/// Writes text that ends with its own line end.
pub(crate) fn text(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}
