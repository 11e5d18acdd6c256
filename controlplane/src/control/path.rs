//! The socket's name in the file system: taken if nobody lives there, given back at the end.

use dataplane::reactor::socket::listen_privately;
use std::fmt;
use std::fs::{self, Metadata, Permissions};
use std::io::{self, ErrorKind};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

/// Callers that may wait to be let in.
const BACKLOG: i32 = 16;

/// Why there is no door.
#[derive(Debug)]
pub enum BindError {
    /// Another process answers there.
    Living(PathBuf),
    /// Something else than a socket has the name.
    Occupied(PathBuf),
    /// The system refuses.
    System(PathBuf, io::Error),
}

impl fmt::Display for BindError {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Living(path) => {
                write!(to, "{}: another process answers there; end it, or give another path", path.display())
            }
            Self::Occupied(path) => {
                write!(to, "{}: is there and is no socket; give another path", path.display())
            }
            Self::System(path, error) => {
                let cure = match error.kind() {
                    ErrorKind::NotFound => "; make its folder",
                    ErrorKind::InvalidInput => "; give a path of at most 107 bytes",
                    ErrorKind::PermissionDenied => "; its folder must be writable",
                    _ => "",
                };
                write!(to, "{}: {error}{cure}", path.display())
            }
        }
    }
}

impl std::error::Error for BindError {}

/// A name that is ours until it is dropped; the listener must live longer, for it keeps the inode's number from being
/// used again.
#[derive(Debug)]
pub(crate) struct SocketPath {
    path: PathBuf,
    /// Device and inode, so that never another's socket is removed.
    identity: (u64, u64),
}

impl SocketPath {
    /// Takes the name; the socket listens.
    pub(crate) fn take(path: &Path) -> Result<(Self, OwnedFd), BindError> {
        let wrong = |error| BindError::System(path.to_owned(), error);
        clear(path)?;
        let socket = listen_privately(path, BACKLOG).map_err(|error| match error.kind() {
            // Somebody else took it since we looked.
            ErrorKind::AddrInUse => BindError::Living(path.to_owned()),
            _ => wrong(error),
        })?;
        let identity = identity(&fs::symlink_metadata(path).map_err(wrong)?);
        Ok((Self { path: path.to_owned(), identity }, socket))
    }

    /// Who may connect: everybody, or the owner alone. Who may stay the door decides.
    pub(crate) fn open_to_all(&self, to_all: bool) -> io::Result<()> {
        fs::set_permissions(&self.path, Permissions::from_mode(if to_all { 0o666 } else { 0o600 }))
    }

    /// Gives the socket to another user, whom the process is about to become.
    pub(crate) fn give_to(&self, user: u32, group: u32) -> io::Result<()> {
        chown(&self.path, Some(user), Some(group))
    }
}

impl Drop for SocketPath {
    fn drop(&mut self) {
        let is_ours = fs::symlink_metadata(&self.path).is_ok_and(|found| identity(&found) == self.identity);
        if is_ours {
            // Without the right to change the folder any more the socket stays, and the next process removes it.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Removes what a dead process has left.
fn clear(path: &Path) -> Result<(), BindError> {
    let wrong = |error| BindError::System(path.to_owned(), error);
    let found = match fs::symlink_metadata(path) {
        Ok(found) => found,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(wrong(error)),
    };
    if !found.file_type().is_socket() {
        return Err(BindError::Occupied(path.to_owned()));
    }
    // Without waiting: a living process that is too busy to let us in is living.
    match mio::net::UnixStream::connect(path) {
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => {}
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) if error.kind() != ErrorKind::WouldBlock => return Err(wrong(error)),
        Ok(_) | Err(_) => return Err(BindError::Living(path.to_owned())),
    }
    // Another that starts at the same moment may have cleared it and taken the name.
    match fs::symlink_metadata(path) {
        Ok(again) if identity(&again) == identity(&found) => fs::remove_file(path).map_err(wrong),
        Ok(_) | Err(_) => Ok(()),
    }
}

fn identity(metadata: &Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixListener;

    fn path(name: &str) -> PathBuf {
        std::env::temp_dir().join(format!("longhaul-control-{name}-{}", std::process::id()))
    }

    #[test]
    fn a_dead_process_s_socket_is_taken_and_a_living_one_s_is_not() {
        let path = path("stale");
        drop(UnixListener::bind(&path).unwrap());
        let (held, _socket) = SocketPath::take(&path).unwrap();
        assert!(matches!(SocketPath::take(&path), Err(BindError::Living(_))));
        drop(held);
        assert!(!path.exists(), "the name is given back");
    }

    #[test]
    fn nothing_but_a_socket_of_ours_is_removed() {
        let path = path("other");
        fs::write(&path, "text").unwrap();
        assert!(matches!(SocketPath::take(&path), Err(BindError::Occupied(_))));
        fs::remove_file(&path).unwrap();
        let (held, _socket) = SocketPath::take(&path).unwrap();
        fs::remove_file(&path).unwrap();
        let _other = UnixListener::bind(&path).unwrap();
        drop(held);
        assert!(path.exists(), "it is another's now");
        fs::remove_file(&path).unwrap();
        let nowhere = path.join("no-such-folder");
        assert!(SocketPath::take(&nowhere).unwrap_err().to_string().contains("folder"));
        let long = SocketPath::take(Path::new(&"x".repeat(200))).unwrap_err().to_string();
        assert!(long.contains("107 bytes"), "{long}");
    }
}
