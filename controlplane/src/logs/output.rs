//! Where log lines go: a file that may be rotated, standard error, or nowhere.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Access logs name clients and what they asked for: the owner writes, its group reads, nobody else.
const FILE_MODE: u32 = 0o640;

/// An open place for lines. Only `write` is used of [`Write`]: what lies above counts what was taken.
pub(crate) trait Output: Write {
    /// Opens the same name again, after a rotation; on an error the old place stays in use.
    fn reopen(&mut self) -> io::Result<()>;
}

impl Output for Box<dyn Output + Send> {
    fn reopen(&mut self) -> io::Result<()> {
        (**self).reopen()
    }
}

/// Lines appended to a file.
#[derive(Debug)]
pub(crate) struct LogFile {
    path: PathBuf,
    file: File,
}

impl LogFile {
    /// Opens or makes the file.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        Ok(Self { path: path.to_owned(), file: open(path)? })
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).mode(FILE_MODE).open(path)
}

impl Write for LogFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Output for LogFile {
    fn reopen(&mut self) -> io::Result<()> {
        self.file = open(&self.path)?;
        Ok(())
    }
}

/// Lines to standard error, for containers and the journal.
#[derive(Debug)]
pub(crate) struct StandardError;

impl Write for StandardError {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        io::stderr().lock().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Output for StandardError {
    fn reopen(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// No lines: only the figures are wanted.
#[derive(Debug)]
pub(crate) struct Nowhere;

impl Write for Nowhere {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Output for Nowhere {
    fn reopen(&mut self) -> io::Result<()> {
        Ok(())
    }
}
