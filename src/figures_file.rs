//! The file of what was measured: where it is, and whether it was written since it was read last.

use controlplane::tree::network::Network;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// The file of figures and when it was last written.
#[derive(Debug, Default)]
pub(crate) struct FiguresFile {
    path: Option<PathBuf>,
    written: Option<SystemTime>,
}

impl FiguresFile {
    /// That of a tree, if it names one.
    pub(crate) fn of(network: Option<&Network>) -> Self {
        let path = network.and_then(|network| network.figures.clone());
        let mut file = Self { path, written: None };
        file.has_changed();
        file
    }

    /// Where it is.
    pub(crate) fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// Whether it was written since the last look.
    pub(crate) fn has_changed(&mut self) -> bool {
        let Some(path) = &self.path else { return false };
        let written = fs::metadata(path).and_then(|metadata| metadata.modified()).ok();
        let has_changed = written.is_some() && written != self.written;
        self.written = written;
        has_changed
    }
}
