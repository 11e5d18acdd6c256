//! Key files of one test, in a folder that goes with it.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

/// A folder for keys and logs.
pub(crate) struct Keys(PathBuf);

impl Keys {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("longhaul-scenario-{}-{count}", std::process::id()));
        fs::create_dir(&folder).unwrap();
        Self(folder)
    }

    /// A file of this folder, there or not.
    pub(crate) fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }

    /// A new private key in the file `name`; its public key.
    pub(crate) fn make(&self, name: &str) -> String {
        self.run(&["key", "new", "--out", &self.path(name)])
    }

    /// A new preshared key in the file `name`.
    pub(crate) fn make_shared(&self, name: &str) -> String {
        self.run(&["key", "psk", "--out", &self.path(name)]);
        self.path(name)
    }

    fn run(&self, flags: &[&str]) -> String {
        let output = Command::new(env!("CARGO_BIN_EXE_longhaul")).args(flags).output().unwrap();
        assert!(output.status.success(), "{flags:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }
}

impl Drop for Keys {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
