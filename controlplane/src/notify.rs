//! What the service manager wants to hear: ready, alive, stopping.
//!
//! Without a manager (no NOTIFY_SOCKET) everything here does nothing. Source: sd_notify(3), sd_watchdog_enabled(3).

use crate::logs::daemon;
use sd_notify::NotifyState;
use std::time::Duration;

/// Says that the process serves; `status` is shown by `systemctl status`. Call it when every listener is bound and
/// what the role cannot do without is there.
pub fn ready(status: &str) {
    say(&[NotifyState::Ready, NotifyState::Status(status)]);
}

/// Says in words how it goes.
pub fn status(status: &str) {
    say(&[NotifyState::Status(status)]);
}

/// Says that the process has begun to stop; it may take its time up to the manager's limit.
pub fn stopping() {
    say(&[NotifyState::Stopping]);
}

/// How often to call [`alive`], if the manager watches: half its limit, so that one late call does no harm.
pub fn alive_interval() -> Option<Duration> {
    sd_notify::watchdog_enabled().map(|limit| limit / 2)
}

/// Says that the process does its work. Call it only after the workers have shown that they do theirs: a thread that
/// does nothing else would be alive for ever.
pub fn alive() {
    say(&[NotifyState::Watchdog]);
}

/// A manager that cannot be told will act on what it does not hear; here it is only noted.
fn say(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        daemon::warning("the service manager cannot be told", &[("cause", &error)]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixDatagram;
    use std::process::Command;

    /// The part of the next test that runs in a process of its own, because the socket's name is an environment
    /// variable. Alone it has no manager and shows that this does no harm.
    #[test]
    fn spoken_in_a_process_of_its_own() {
        ready("serving a.example");
        if alive_interval() == Some(Duration::from_secs(1)) {
            alive();
        }
        stopping();
    }

    #[test]
    fn a_manager_hears_everything() {
        let path = std::env::temp_dir().join(format!("longhaul-notify-{}", std::process::id()));
        let manager = UnixDatagram::bind(&path).unwrap();
        manager.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["notify::tests::spoken_in_a_process_of_its_own", "--exact"])
            .env("NOTIFY_SOCKET", &path)
            .env("WATCHDOG_USEC", "2000000")
            .env_remove("WATCHDOG_PID")
            .output()
            .unwrap();
        assert!(child.status.success(), "{child:?}");
        std::fs::remove_file(&path).unwrap();
        for want in ["READY=1\nSTATUS=serving a.example\n", "WATCHDOG=1\n", "STOPPING=1\n"] {
            let mut datagram = [0; 256];
            let bytes = manager.recv(&mut datagram).unwrap();
            assert_eq!(std::str::from_utf8(&datagram[..bytes]).unwrap(), want);
        }
    }
}
