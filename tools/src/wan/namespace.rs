//! Network namespaces by name, as `ip netns` keeps them.

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

/// Where `ip netns` binds them.
const FOLDER: &str = "/run/netns";

/// An open namespace: it lives at least as long as this.
#[derive(Debug)]
pub struct Namespace(File);

impl Namespace {
    /// Opens the namespace of that name.
    pub fn open(name: &str) -> io::Result<Self> {
        File::open(path(name)).map(Self)
    }

    /// Moves the calling thread into it; threads that it starts later are in it too. Needs CAP_SYS_ADMIN.
    pub fn enter(&self) -> io::Result<()> {
        Ok(move_into_link_name_space(self.0.as_fd(), Some(LinkNameSpaceType::Network))?)
    }
}

/// The file of the namespace of that name.
pub(crate) fn path(name: &str) -> PathBuf {
    Path::new(FOLDER).join(name)
}

/// The names of all namespaces.
pub(crate) fn names() -> Vec<String> {
    let entries = std::fs::read_dir(FOLDER).into_iter().flatten().flatten();
    let mut names: Vec<_> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort();
    names
}

/// Runs `work` in a thread inside the namespace and returns what it did. A thread cannot easily come back out of one,
/// so it is a thread of its own.
pub fn inside<T: Send>(name: &str, work: impl FnOnce() -> T + Send) -> io::Result<T> {
    let namespace = Namespace::open(name)?;
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            namespace.enter()?;
            Ok(work())
        });
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}
