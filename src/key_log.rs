//! The file that --key-log writes: secrets of sessions, for its owner alone.

use crate::exit::Exit;
use controlplane::logs::daemon;
use dataplane::tmp::key_log::KeyLog;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

#[derive(Debug)]
struct KeyLogFile(Mutex<File>);

impl KeyLog for KeyLogFile {
    fn put(&self, line: &str) {
        let mut file = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // A disk that is full costs what could be read of a capture, and no tunnel.
        if let Err(error) = file.write_all(format!("{line}\n").as_bytes()) {
            daemon::warning("--key-log: a secret could not be written", &[("why", &error)]);
        }
    }
}

/// Opens the file, makes it readable by nobody else, and says loudly what it is.
pub(crate) fn open(path: &Path) -> Result<Arc<dyn KeyLog>, Exit> {
    let opened = OpenOptions::new().append(true).create(true).mode(0o600).open(path);
    let closed = opened.and_then(|file| {
        file.set_permissions(std::fs::Permissions::from_mode(0o600))?;
        Ok(file)
    });
    match closed {
        Ok(file) => {
            daemon::warning(
                "SECRETS ARE LOGGED (--key-log): whoever has this file and a capture reads every byte of the tunnels",
                &[
                    ("file", &path.display()),
                    ("do", &"take the flag away when you have seen enough, and delete the file"),
                ],
            );
            Ok(Arc::new(KeyLogFile(Mutex::new(file))))
        }
        Err(error) => {
            daemon::error("--key-log cannot be written", &[("file", &path.display()), ("why", &error)]);
            Err(Exit::Usage)
        }
    }
}
