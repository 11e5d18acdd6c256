//! Files with one secret key each: made with mode 0600 and never overwritten, read only if nobody else can read them.

use crate::problem::Wrong;
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;
use zeroize::Zeroizing;

/// Bytes of a key file that are read at most: a key's text, and room for white space.
const FILE_BYTES_MAX: usize = 256;

/// Makes the file with the key's text in it. What stands there already stays as it is.
pub(crate) fn create(path: &Path, text: &str) -> Result<(), Wrong> {
    let opened = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let mut file = opened.map_err(|error| wrong_on_create(path, &error))?;
    let written = file.write_all(text.as_bytes()).and_then(|()| file.write_all(b"\n"));
    written.and_then(|()| file.sync_all()).map_err(|error| wrong_on_create(path, &error))
}

/// Reads the key's text. The checks are made on the open file, so that it cannot be exchanged in between.
pub(crate) fn read(path: &Path) -> Result<Zeroizing<String>, Wrong> {
    // A pipe would block the open, and never be a key file.
    let opened = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path);
    let file = opened.map_err(|error| wrong_on_read(path, &error))?;
    check(path, &file)?;
    let mut bytes = Zeroizing::new(Vec::with_capacity(FILE_BYTES_MAX + 1));
    let limit = FILE_BYTES_MAX as u64 + 1;
    file.take(limit).read_to_end(&mut bytes).map_err(|error| wrong_on_read(path, &error))?;
    let text = core::str::from_utf8(&bytes).ok().filter(|text| text.len() <= FILE_BYTES_MAX);
    let text = text.ok_or_else(|| {
        Wrong::new(format!("{} is no key file", path.display()), "give one that `longhaul key` made")
    })?;
    Ok(Zeroizing::new(text.trim().to_owned()))
}

fn check(path: &Path, file: &File) -> Result<(), Wrong> {
    let shown = path.display();
    let metadata = file.metadata().map_err(|error| wrong_on_read(path, &error))?;
    if !metadata.is_file() {
        return Err(Wrong::new(format!("{shown} is no regular file"), "give one that `longhaul key` made"));
    }
    let mode = metadata.permissions().mode() & 0o7777;
    if mode & 0o077 != 0 {
        let what = format!("{shown} is open to others than its owner (mode {mode:04o})");
        return Err(Wrong::new(what, format!("chmod 600 {shown}, or make a new key if someone may have read it")));
    }
    if metadata.size() == 0 {
        return Err(Wrong::new(format!("{shown} is empty"), "remove it and make the key again"));
    }
    Ok(())
}

fn wrong_on_create(path: &Path, error: &io::Error) -> Wrong {
    let shown = path.display();
    match error.kind() {
        ErrorKind::AlreadyExists => {
            Wrong::new(format!("{shown} exists and is not overwritten"), "give another name, or remove it")
        }
        _ => Wrong::new(format!("{shown} cannot be written: {error}"), "give a file in a folder that you may write"),
    }
}

fn wrong_on_read(path: &Path, error: &io::Error) -> Wrong {
    let shown = path.display();
    match error.kind() {
        ErrorKind::NotFound => {
            Wrong::new(format!("{shown} does not exist"), format!("make it: longhaul key new --out {shown}"))
        }
        _ => Wrong::new(format!("{shown} cannot be read: {error}"), "give a file that this user owns"),
    }
}
