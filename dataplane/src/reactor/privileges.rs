//! Giving up root once everything is bound: the process goes on as another user, for good.
//!
//! Not here: capabilities given by a service manager (systemd's `AmbientCapabilities=`), which end with the process.

#![allow(unsafe_code, reason = "the user database and the calls that change users are foreign functions")]

use std::ffi::{CStr, CString};
use std::io;
use std::mem::MaybeUninit;

/// Bytes for the strings of one entry of the user database; sysconf(_SC_GETPW_R_SIZE_MAX) is 1,024 on glibc, and
/// directories in the network have longer ones.
const ENTRY_BYTES: usize = 16_384;

/// A user with the group that a process takes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The user's name, for its supplementary groups.
    name: CString,
    /// The user's number.
    pub user: u32,
    /// The group's number.
    pub group: u32,
}

impl Identity {
    /// The user of a name, with its own group or another one; `None` if there is no such user or group.
    ///
    /// # Errors
    /// What the user database says when it cannot be read.
    pub fn look_up(user: &str, group: Option<&str>) -> io::Result<Option<Self>> {
        let Ok(name) = CString::new(user) else { return Ok(None) };
        let Some((number, own)) = user_entry(&name)? else { return Ok(None) };
        let group = match group.map(CString::new) {
            None => Some(own),
            Some(Ok(group)) => group_entry(&group)?,
            Some(Err(_)) => None,
        };
        Ok(group.map(|group| Self { name, user: number, group }))
    }

    /// Makes all threads of the process this user, with its groups and no capability, and checks that there is no way
    /// back.
    ///
    /// # Errors
    /// What the kernel says; EPERM without CAP_SETUID and CAP_SETGID. The process must then end: it may be half changed.
    pub fn take_on(&self) -> io::Result<()> {
        // SAFETY: the name is a C string that lives across the call. glibc and musl change all threads (nptl(7)).
        check(unsafe { libc::initgroups(self.name.as_ptr(), self.group) })?;
        // SAFETY: setresgid and setresuid take numbers only.
        check(unsafe { libc::setresgid(self.group, self.group, self.group) })?;
        // SAFETY: as above.
        check(unsafe { libc::setresuid(self.user, self.user, self.user) })?;
        // SAFETY: setuid takes a number only. For root it is the identity, for everybody else it must be refused.
        let is_back = self.user != 0 && unsafe { libc::setuid(0) } == 0;
        assert!(!is_back, "a process that gave up root has it no more");
        Ok(())
    }
}

/// Whether this process may become another user.
pub fn is_root() -> bool {
    // SAFETY: geteuid takes nothing and cannot fail.
    unsafe { libc::geteuid() == 0 }
}

/// Number and group of a user.
fn user_entry(name: &CStr) -> io::Result<Option<(u32, u32)>> {
    let mut entry = MaybeUninit::<libc::passwd>::uninit();
    let mut strings = vec![0; ENTRY_BYTES];
    let mut found = core::ptr::null_mut();
    // SAFETY: all pointers are valid for the call, and the length is the buffer's own.
    let code = unsafe {
        libc::getpwnam_r(name.as_ptr(), entry.as_mut_ptr(), strings.as_mut_ptr(), ENTRY_BYTES, &raw mut found)
    };
    // SAFETY: a pointer that is not null points to `entry`, which the call has filled; numbers are read only.
    answer(code, unsafe { found.as_ref() }.map(|entry| (entry.pw_uid, entry.pw_gid)))
}

/// Number of a group.
fn group_entry(name: &CStr) -> io::Result<Option<u32>> {
    let mut entry = MaybeUninit::<libc::group>::uninit();
    let mut strings = vec![0; ENTRY_BYTES];
    let mut found = core::ptr::null_mut();
    // SAFETY: all pointers are valid for the call, and the length is the buffer's own.
    let code = unsafe {
        libc::getgrnam_r(name.as_ptr(), entry.as_mut_ptr(), strings.as_mut_ptr(), ENTRY_BYTES, &raw mut found)
    };
    // SAFETY: a pointer that is not null points to `entry`, which the call has filled; the number is read only.
    answer(code, unsafe { found.as_ref() }.map(|entry| entry.gr_gid))
}

/// What a look-up says. Some databases say with an error that there is no entry (getpwnam_r(3), "ERRORS").
fn answer<T>(code: i32, found: Option<T>) -> io::Result<Option<T>> {
    match code {
        0 | libc::ENOENT | libc::ESRCH => Ok(found),
        code => Err(io::Error::from_raw_os_error(code)),
    }
}

fn check(code: i32) -> io::Result<()> {
    if code == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_and_groups_are_found_by_name() {
        let root = Identity::look_up("root", None).unwrap().expect("every machine has root");
        assert_eq!((root.user, root.group), (0, 0));
        assert_eq!(Identity::look_up("root", Some("no-such-group")).unwrap(), None);
        assert_eq!(Identity::look_up("no-such-user", None).unwrap(), None);
        assert_eq!(Identity::look_up("ro\0ot", None).unwrap(), None);
    }
}
