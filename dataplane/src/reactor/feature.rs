//! What this machine offers to the drivers: the questions of `longhaul doctor`, and the quick one of `--io auto`.
//!
//! Features are tried, not read off a version number: kernels are patched, containers forbid, hosts differ.
//! The whole probe takes well under two seconds and leaves nothing behind.

mod datagrams;
mod latency;
mod machine;
mod reason;
mod report;
mod ring;

pub use reason::Reason;
pub use report::{Grade, Report, Row};

/// Whether the io_uring driver would run here; if not, why, and what to do.
pub fn usable() -> Result<(), Reason> {
    ring::usable()
}

/// All questions, in the order in which an operator would ask them.
pub fn probe() -> Report {
    let mut rows = ring::rows();
    rows.extend(datagrams::rows());
    rows.extend(machine::rows());
    rows.push(latency::row());
    Report { rows }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_says_what_to_do_unless_all_is_well() {
        let report = probe();
        println!("{report}");
        assert!(report.rows.len() >= 15);
        for row in &report.rows {
            assert!(!row.name.is_empty() && !row.found.is_empty());
            assert_eq!(row.advice.is_empty(), row.grade == Grade::Ok, "{row:?}");
        }
        assert_eq!(usable().is_ok(), report.rows[0].grade == Grade::Ok);
    }

    #[test]
    fn the_kernels_word_becomes_a_reason() {
        let reason = |errno| Reason::of("create", &std::io::Error::from_raw_os_error(errno));
        assert_eq!((reason(libc::ENOSYS), reason(libc::EINVAL)), (Reason::Absent, Reason::TooOld));
        assert!(matches!(reason(libc::EPERM), Reason::Filtered | Reason::SwitchedOff { .. }));
        assert_eq!(reason(libc::EIO), Reason::Unexpected { step: "create", errno: libc::EIO });
    }

    #[test]
    fn every_reason_has_a_cause_and_a_cure() {
        for reason in [
            Reason::Absent,
            Reason::SwitchedOff { level: 2 },
            Reason::Filtered,
            Reason::TooOld,
            Reason::NoMemory,
            Reason::NoDescriptors,
            Reason::Operation("send"),
            Reason::Unexpected { step: "enable", errno: 5 },
        ] {
            let text = reason.to_string();
            assert!(text.contains(": ") && text.len() > 40, "{text}");
        }
    }
}
