//! What a run of load found: counts, latencies, errors by kind. Serializes to JSON; prints as a plain table.

use std::collections::BTreeMap;

/// The result of a run.
#[derive(Clone, Debug, Default, serde::Serialize)]
pub struct LoadReport {
    /// Requests answered whole and, where that was checked, rightly; whatever their status.
    pub requests: u64,
    /// Body bytes received, chunk framing not counted.
    pub bytes: u64,
    /// Body bytes sent, chunk framing not counted.
    pub uploaded_bytes: u64,
    /// Bodies whose every byte was checked and right.
    pub verified: u64,
    /// Requests cut off on purpose.
    pub aborted: u64,
    /// Requests that should have started (open loop) and never did: every connection was busy until the end.
    pub unsent: u64,
    /// Connections made.
    pub connections: u64,
    /// What went wrong, by kind.
    pub errors: Errors,
    /// From the start of the first request to the end of the last.
    pub seconds: f64,
    /// Requests answered whole per second.
    pub rate_per_second: f64,
    /// Body bytes per second, both ways.
    pub bytes_per_second: f64,
    /// How long answers took, from the (intended) start to the last byte.
    pub latency: Latency,
    /// How late the generator itself started requests that had a connection; open loop only.
    pub scheduling: Option<Latency>,
    /// The generator's own CPU time, s.
    pub own_cpu_seconds: f64,
    /// The driver that moved the bytes: `uring` or `epoll`.
    pub io: &'static str,
    /// Requests that were neither answered nor given up when the run was broken off.
    pub unfinished: u64,
    /// The same for each class.
    pub classes: Vec<ClassReport>,
    /// DNS answers by code.
    pub rcodes: BTreeMap<String, u64>,
    /// The CPU time of the processes that were named.
    pub cpu: Option<Cpu>,
    /// The first few failures in words.
    pub failures: Vec<String>,
}

/// What became of one class; the words mean what they mean in the whole report.
#[derive(Clone, Debug, Default, serde::Serialize)]
pub struct ClassReport {
    /// Its name.
    pub name: String,
    /// Requests answered whole and rightly.
    pub requests: u64,
    /// Body bytes received.
    pub bytes: u64,
    /// Body bytes sent.
    pub uploaded_bytes: u64,
    /// Bodies whose every byte was checked and right.
    pub verified: u64,
    /// Requests cut off on purpose.
    pub aborted: u64,
    /// Requests that never started.
    pub unsent: u64,
    /// Requests without an end when the run was broken off.
    pub unfinished: u64,
    /// Connections made for its requests.
    pub connections: u64,
    /// What went wrong.
    pub errors: Errors,
    /// Requests answered whole per second.
    pub rate_per_second: f64,
    /// Body bytes per second, both ways.
    pub bytes_per_second: f64,
    /// How long answers took.
    pub latency: Latency,
}

/// Failed requests by kind; each failed request is counted once.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Errors {
    /// The connection could not be made.
    pub connect: u64,
    /// The connection was reset.
    pub reset: u64,
    /// The whole answer was not there in time.
    pub timeout: u64,
    /// The connection ended before the answer did.
    pub truncated: u64,
    /// Right framing, wrong bytes or length.
    pub wrong_body: u64,
    /// Not HTTP/1.1 as RFC 9112 has it.
    pub malformed: u64,
    /// Answers of status 400 and above, by status. Such answers also count as `requests`.
    pub status: BTreeMap<u16, u64>,
    /// DNS answers with another code than NOERROR and NXDOMAIN. Such answers also count as `requests`.
    pub rcode: BTreeMap<String, u64>,
}

impl Errors {
    /// All of them.
    pub fn total(&self) -> u64 {
        self.connect
            + self.reset
            + self.timeout
            + self.truncated
            + self.wrong_body
            + self.malformed
            + self.status.values().sum::<u64>()
            + self.rcode.values().sum::<u64>()
    }
}

/// Quantiles of the answered requests, µs.
#[derive(Clone, Debug, Default, serde::Serialize)]
pub struct Latency {
    /// The mean.
    pub mean_us: f64,
    /// Half were faster.
    pub p50_us: u64,
    /// 90 % were faster.
    pub p90_us: u64,
    /// 99 % were faster.
    pub p99_us: u64,
    /// 99.9 % were faster.
    pub p999_us: u64,
    /// The slowest.
    pub max_us: u64,
}

/// CPU time of the observed processes, with their threads and children.
#[derive(Clone, Debug, Default, serde::Serialize)]
pub struct Cpu {
    /// User and system time in all, seconds.
    pub seconds: f64,
    /// The same for each process that was named.
    pub seconds_by_pid: BTreeMap<u32, f64>,
    /// Answered requests per CPU-second; 0 if no time was measured.
    pub requests_per_cpu_second: f64,
}

impl LoadReport {
    /// Whether every request that should have been made was made and answered as it should.
    pub fn is_clean(&self) -> bool {
        self.errors.total() == 0 && self.unsent == 0
    }
}

impl core::fmt::Display for LoadReport {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        writeln!(f, "requests      {:>14}   in {:.3} s, {}", self.requests, self.seconds, self.io)?;
        writeln!(f, "rate          {:>14.1} /s", self.rate_per_second)?;
        writeln!(f, "throughput    {:>14.1} Mbit/s", self.bytes_per_second * 8e-6)?;
        writeln!(f, "received      {:>14} bytes", self.bytes)?;
        if self.uploaded_bytes > 0 {
            writeln!(f, "sent          {:>14} bytes", self.uploaded_bytes)?;
        }
        writeln!(f, "verified      {:>14}", self.verified)?;
        writeln!(f, "connections   {:>14}", self.connections)?;
        let rare = [("aborted", self.aborted), ("unsent", self.unsent), ("unfinished", self.unfinished)];
        for (what, count) in rare.iter().filter(|(_, count)| *count > 0) {
            writeln!(f, "{what:<14}{count:>14}")?;
        }
        self.table(f)?;
        let own = self.own_cpu_seconds;
        let each = if self.requests > 0 { own * 1e6 / self.requests as f64 } else { 0.0 };
        writeln!(f, "generator's cpu{own:>13.2} s   {each:.2} us/request")?;
        if let Some(cpu) = &self.cpu {
            writeln!(
                f,
                "cpu           {:>14.2} s   {:.0} requests per CPU-second",
                cpu.seconds, cpu.requests_per_cpu_second
            )?;
        }
        for (code, count) in &self.rcodes {
            writeln!(f, "{code:<14}{count:>14}")?;
        }
        self.errors.fmt(f)?;
        self.failures.iter().try_for_each(|failure| writeln!(f, "  {failure}"))
    }
}

impl LoadReport {
    /// One row for each class, one for all if there are several, one for the generator's own lateness.
    fn table(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{:<14}{:>11}{:>11}{:>9}", "latency, us", "requests", "/s", "errors")?;
        writeln!(f, "{:>10}{:>10}{:>10}{:>10}{:>10}{:>10}", "mean", "p50", "p90", "p99", "p99.9", "max")?;
        for class in self.classes.iter().filter(|_| self.classes.len() > 1) {
            let counts = (class.requests, class.rate_per_second, class.errors.total());
            row(f, &class.name, counts, &class.latency)?;
        }
        row(f, "all", (self.requests, self.rate_per_second, self.errors.total()), &self.latency)?;
        let Some(own) = &self.scheduling else { return Ok(()) };
        write!(f, "{:<45}", "start later than intended by")?;
        columns(f, own)
    }
}

fn row(
    f: &mut core::fmt::Formatter<'_>,
    name: &str,
    (requests, rate, errors): (u64, f64, u64),
    latency: &Latency,
) -> core::fmt::Result {
    write!(f, "  {name:<12}{requests:>11}{rate:>11.1}{errors:>9}")?;
    columns(f, latency)
}

fn columns(f: &mut core::fmt::Formatter<'_>, latency: &Latency) -> core::fmt::Result {
    let Latency { mean_us, p50_us, p90_us, p99_us, p999_us, max_us } = latency;
    writeln!(f, "{mean_us:>10.1}{p50_us:>10}{p90_us:>10}{p99_us:>10}{p999_us:>10}{max_us:>10}")
}

impl core::fmt::Display for Errors {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        writeln!(f, "errors        {:>14}", self.total())?;
        let kinds = [
            ("connect", self.connect),
            ("reset", self.reset),
            ("timeout", self.timeout),
            ("truncated", self.truncated),
            ("wrong body", self.wrong_body),
            ("malformed", self.malformed),
        ];
        for (kind, count) in kinds.iter().filter(|(_, count)| *count > 0) {
            writeln!(f, "  {kind:<12}{count:>14}")?;
        }
        for (status, count) in &self.status {
            writeln!(f, "  status {status:<5}{count:>14}")?;
        }
        self.rcode.iter().try_for_each(|(code, count)| writeln!(f, "  {code:<12}{count:>14}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_prints_and_serializes() {
        let errors = Errors { reset: 2, status: BTreeMap::from([(503, 4)]), ..Errors::default() };
        let report = LoadReport { requests: 10, errors, cpu: Some(Cpu::default()), ..LoadReport::default() };
        assert!(!report.is_clean());
        let table = report.to_string();
        assert!(
            table.contains("status 503") && table.contains("reset") && !table.contains("timeout"),
            "{table}"
        );
        let json = serde_json::to_value(&report).unwrap();
        assert_eq!(json["errors"]["status"]["503"], 4);
        assert_eq!(json["latency"]["p999_us"], 0);
    }
}
