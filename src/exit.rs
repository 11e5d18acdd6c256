//! The exit statuses, as data: what the process says to scripts and to systemd. The README carries this table.

use std::process::ExitCode;

use controlplane::logs::daemon;

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// All that was asked was done.
    Done,
    /// It could not be done, or it broke off.
    Failed,
    /// The flags or the files that they name are wrong; nothing was started.
    Usage,
    /// A check ran and found a difference.
    Different,
    /// This machine is not able to do it.
    Unable,
    /// It could not be done now and may be tried again (sysexits' EX_TEMPFAIL).
    TryAgain,
}

/// Status, name and meaning of each, in order.
pub(crate) const TABLE: [(Exit, u8, &str); 6] = [
    (Exit::Done, 0, "done"),
    (Exit::Failed, 1, "failed while running; the last lines of the log say why"),
    (Exit::Usage, 2, "wrong flags or files; nothing was started"),
    (Exit::Different, 3, "a check found a difference (`demo --check`, `load --verify`, `sim`)"),
    (Exit::Unable, 4, "this machine is not able (`doctor`, `--io uring`)"),
    (Exit::TryAgain, 75, "not now: an address is in use or a resource is short; try again"),
];

impl Exit {
    /// The number that the shell sees.
    pub(crate) fn status(self) -> u8 {
        let row = TABLE.iter().find(|(exit, _, _)| *exit == self);
        let Some((_, status, _)) = row else { panic!("every exit stands in the table") };
        *status
    }
}

impl Exit {
    /// What a number means.
    pub(crate) fn of_status(status: u8) -> Option<Self> {
        TABLE.iter().find(|(_, known, _)| *known == status).map(|(exit, _, _)| *exit)
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.status())
    }
}

/// Logs what could not be done, and why.
pub(crate) fn failed(what: &str, why: &dyn core::fmt::Display) -> Exit {
    daemon::error(what, &[("why", why)]);
    Exit::Failed
}

/// The table as the help shows it.
pub(crate) fn help() -> String {
    let row = |(_, status, meaning): &(Exit, u8, &str)| format!("  {status:>2}  {meaning}\n");
    let rows: String = TABLE.iter().map(row).collect();
    format!("Exit statuses:\n{}", rows.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_differ_and_rise() {
        assert!(TABLE.is_sorted_by(|a, b| a.1 < b.1));
        assert_eq!(Exit::Usage.status(), 2);
        assert!(help().contains(" 75  not now"));
    }
}
