//! A recorded link, in the form of Mahimahi's traces (Netravali et al., 2015): one line per chance to deliver 1,500 B,
//! with its time in whole ms; lines may repeat, never go back, and the whole repeats after its last line.

use core::fmt;

/// Bytes that one line lets through.
const LINE_BYTES: usize = 1_500;
/// Lines of a trace at most: an hour at 300 Mbit/s.
const LINES_MAX: usize = 90_000_000;

/// A trace: at least one line, and a last time above zero.
#[derive(Clone, PartialEq, Eq)]
pub struct Trace {
    at_ms: Vec<u32>,
}

impl fmt::Debug for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Trace({} lines, {} ms)", self.at_ms.len(), self.period_ms())
    }
}

impl Trace {
    /// Reads the text; the error names the line.
    pub fn read(text: &str) -> Result<Self, String> {
        let mut at_ms: Vec<u32> = Vec::new();
        for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            let number = number + 1;
            let at = line.trim().parse().map_err(|_| format!("line {number}: {line:?} is no time in ms"))?;
            if at_ms.last().is_some_and(|last| at < *last) {
                return Err(format!("line {number}: the time goes back to {at}"));
            }
            if at_ms.len() == LINES_MAX {
                return Err(format!("line {number}: more than {LINES_MAX} lines"));
            }
            at_ms.push(at);
        }
        match at_ms.last() {
            None => Err("it has no line".to_owned()),
            Some(0) => Err("all of it happens at 0 ms".to_owned()),
            Some(_) => Ok(Self { at_ms }),
        }
    }

    fn period_ms(&self) -> u64 {
        self.at_ms.last().map_or(1, |last| u64::from(*last))
    }

    /// Bits per second in the mean.
    pub(crate) fn bits_per_s(&self) -> f64 {
        self.at_ms.len() as f64 * LINE_BYTES as f64 * 8.0 * 1e3 / self.period_ms() as f64
    }

    fn time_ns(&self, line: u64) -> u64 {
        let count = self.at_ms.len() as u64;
        let within = u64::from(self.at_ms[(line % count) as usize]);
        (line / count * self.period_ms() + within) * 1_000_000
    }

    /// The first line at or after that time.
    fn line_at(&self, ns: u64) -> u64 {
        let count = self.at_ms.len() as u64;
        let round = ns / 1_000_000 / self.period_ms();
        let into_ns = ns - round * self.period_ms() * 1_000_000;
        let within = self.at_ms.partition_point(|at| u64::from(*at) * 1_000_000 < into_ns);
        round * count + within as u64
    }
}

/// A place in a trace: chances before it are used up or gone by.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cursor {
    line: u64,
    used_bytes: usize,
}

impl Cursor {
    /// When a packet that came at `arrived_ns` has left, ns since the trace began.
    pub(crate) fn depart(&mut self, trace: &Trace, arrived_ns: u64, len_bytes: usize) -> u64 {
        if trace.time_ns(self.line) < arrived_ns {
            *self = Self { line: trace.line_at(arrived_ns), used_bytes: 0 };
        }
        let mut missing = len_bytes;
        loop {
            let taken = missing.min(LINE_BYTES - self.used_bytes);
            let at = trace.time_ns(self.line);
            missing -= taken;
            self.used_bytes += taken;
            if self.used_bytes == LINE_BYTES {
                *self = Self { line: self.line + 1, used_bytes: 0 };
            }
            if missing == 0 {
                return at;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    #[test]
    fn packets_leave_when_the_recorded_ones_did() {
        let trace = Trace::read("1\n1\n5\n\n10\n").unwrap();
        let mut cursor = Cursor::default();
        let departed: Vec<_> = [(0, 1_500), (0, 750), (0, 1_500), (0, 750), (11 * MS, 1_500), (16 * MS, 1)]
            .map(|(arrived, len)| cursor.depart(&trace, arrived, len) / MS)
            .into();
        assert_eq!(departed, [1, 1, 5, 5, 11, 20]);
        assert!((trace.bits_per_s() - 4.8e6).abs() < 1.0);
    }

    #[test]
    fn what_is_no_trace_is_refused_by_line() {
        for (text, why) in [
            ("", "no line"),
            ("0\n0\n", "0 ms"),
            ("1\nx\n", "line 2"),
            ("5\n4\n", "goes back"),
            ("-1", "line 1"),
        ] {
            let said = Trace::read(text).unwrap_err();
            assert!(said.contains(why), "{text:?}: {said}");
        }
    }
}
