//! What the kernel's error numbers mean to a driver: three closed answers, one per kind of call.
//!
//! Not a list of all errors. Numbers that no driver expects fall to the mildest answer that cannot spin.

use crate::port::TcpFailure;

/// What becomes of a connection on which a call failed with `errno`.
///
/// EAGAIN, EINPROGRESS and EINTR are not failures and must not be asked about.
pub fn tcp_failure(errno: i32) -> TcpFailure {
    match errno {
        libc::ECONNREFUSED => TcpFailure::Refused,
        libc::ETIMEDOUT => TcpFailure::TimedOut,
        libc::ENETUNREACH
        | libc::EHOSTUNREACH
        | libc::ENETDOWN
        | libc::EHOSTDOWN
        | libc::EACCES
        | libc::EPERM
        | libc::EAFNOSUPPORT
        | libc::EINVAL => TcpFailure::Unreachable,
        libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM | libc::EADDRNOTAVAIL => {
            TcpFailure::Exhausted
        }
        // ECONNRESET, EPIPE, ECONNABORTED, and whatever else ends a standing connection.
        _ => TcpFailure::Reset,
    }
}

/// What to do after an accept that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AcceptFailure {
    /// Nobody waits any more.
    Empty,
    /// This one client is gone; the next may be there (accept(2): treat network errors like EAGAIN, by retrying).
    Next,
    /// Descriptors or memory are short: stop, and come back after a pause.
    Exhausted,
    /// The listener is unusable: stop for good.
    Broken,
}

/// Reads the error of accept.
pub fn accept_failure(errno: i32) -> AcceptFailure {
    match errno {
        libc::EAGAIN => AcceptFailure::Empty,
        libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM => AcceptFailure::Exhausted,
        libc::EBADF | libc::EINVAL | libc::ENOTSOCK | libc::EOPNOTSUPP | libc::EFAULT | libc::ECANCELED => {
            AcceptFailure::Broken
        }
        _ => AcceptFailure::Next,
    }
}

/// What to do after a send of datagrams that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DatagramFailure {
    /// The socket's buffer is full: wait until it is writable.
    Full,
    /// The error of an earlier datagram came back, or a signal came in between: send again, once.
    Again,
    /// EIO or EINVAL: for a train this means that the device cannot segment; one at a time from now on.
    Segmentation,
    /// EMSGSIZE: bigger than the path takes. Normal for probes; the datagrams are gone.
    TooLarge,
    /// The kernel is short of memory (ENOBUFS, ENOMEM): the datagrams are gone.
    Short,
    /// Not to be sent there (no route, filtered): the datagrams are gone.
    Refused,
}

/// Reads the error of sendmsg on a UDP socket.
pub fn datagram_failure(errno: i32) -> DatagramFailure {
    match errno {
        libc::EAGAIN => DatagramFailure::Full,
        libc::ECONNREFUSED | libc::EINTR => DatagramFailure::Again,
        libc::EIO | libc::EINVAL => DatagramFailure::Segmentation,
        libc::EMSGSIZE => DatagramFailure::TooLarge,
        libc::ENOBUFS | libc::ENOMEM => DatagramFailure::Short,
        _ => DatagramFailure::Refused,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_numbers_have_their_meaning() {
        assert_eq!(tcp_failure(libc::EPIPE), TcpFailure::Reset);
        assert_eq!(tcp_failure(libc::EHOSTUNREACH), TcpFailure::Unreachable);
        assert_eq!(accept_failure(libc::ECONNABORTED), AcceptFailure::Next);
        assert_eq!(accept_failure(libc::EMFILE), AcceptFailure::Exhausted);
        assert_eq!(datagram_failure(libc::EIO), DatagramFailure::Segmentation);
        assert_eq!(datagram_failure(libc::ENETUNREACH), DatagramFailure::Refused);
    }
}
