//! The latencies of each second as an HdrHistogram interval log (V2, deflated), which HistogramLogAnalyzer, hdr-plot
//! and their like read. One tag per class; everything in µs, starts in seconds since the run's.

use crate::load::collect::Watcher;
use crate::load::generator::SECOND;
use crate::load::options::LoadError;
use crate::load::tally::Tally;
use hdrhistogram::serialization::V2DeflateSerializer;
use hdrhistogram::serialization::interval_log::{IntervalLogWriterBuilder, IntervalLogWriterError, Tag};
use std::fs::File;
use std::io::{BufWriter, Error, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// The log under way.
pub(crate) struct HdrLog {
    path: PathBuf,
    file: BufWriter<File>,
    tags: Vec<String>,
    failed: Option<Error>,
}

impl HdrLog {
    /// Makes the file and writes its head.
    pub(crate) fn create(path: &Path, classes: Vec<String>, start: SystemTime) -> Result<Self, LoadError> {
        let refuse = |error| LoadError::File(path.to_owned(), error);
        let mut file = BufWriter::new(File::create(path).map_err(refuse)?);
        let mut head = IntervalLogWriterBuilder::new();
        head.add_comment("[Histogram log format version 1.3]").with_start_time(start);
        head.begin_log_with(&mut file, &mut V2DeflateSerializer::new()).map_err(refuse)?;
        // A tag ends at a comma, and spaces would end it for some readers.
        let tag = |name: String| name.replace([',', ' ', '\t', '\r', '\n'], "_");
        Ok(Self { path: path.to_owned(), file, tags: classes.into_iter().map(tag).collect(), failed: None })
    }

    /// Writes what is held back; the first error of all that happened.
    pub(crate) fn finish(mut self) -> Result<(), LoadError> {
        let failed = self.failed.take();
        let flushed = failed.map_or_else(|| self.file.flush(), Err);
        flushed.map_err(|error| LoadError::File(self.path, error))
    }

    fn write(&mut self, number: u64, tally: &Tally) -> Result<(), Error> {
        let mut serializer = V2DeflateSerializer::new();
        let mut writer = IntervalLogWriterBuilder::new().begin_log_with(&mut self.file, &mut serializer)?;
        for (class, tag) in tally.classes.iter().zip(&self.tags) {
            let written =
                writer.write_histogram(&class.latency_us, SECOND * number as u32, SECOND, Tag::new(tag));
            written.map_err(|error| match error {
                IntervalLogWriterError::IoError(error) => error,
                IntervalLogWriterError::SerializeError(error) => Error::other(error.to_string()),
            })?;
        }
        Ok(())
    }
}

impl Watcher for HdrLog {
    fn second(&mut self, number: u64, tally: &Tally) {
        if self.failed.is_none() {
            self.failed = self.write(number, tally).err();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataplane::time::Instant;
    use hdrhistogram::Histogram;
    use hdrhistogram::serialization::Deserializer;
    use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};

    #[test]
    fn what_is_written_reads_back() {
        let path = std::env::temp_dir().join(format!("longhaul-load-hdr-{}", std::process::id()));
        let mut log = HdrLog::create(&path, vec!["a b".into(), "c".into()], SystemTime::now()).unwrap();
        let mut tally = Tally::new(2);
        for us in 1..=1_000 {
            tally.answered(0, 200, false, Instant::ORIGIN, Instant::from_us(us));
        }
        log.second(0, &tally.take());
        log.second(1, &tally);
        log.finish().unwrap();
        let text = std::fs::read(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        let entries: Vec<_> = IntervalLogIterator::new(&text).map(Result::unwrap).collect();
        let intervals = entries.iter().filter_map(|entry| match entry {
            LogEntry::Interval(interval) => Some(interval),
            _ => None,
        });
        let read: Vec<_> = intervals
            .map(|interval| {
                let bytes = base64(interval.encoded_histogram());
                let histogram: Histogram<u64> = Deserializer::new().deserialize(&mut &bytes[..]).unwrap();
                (interval.tag().unwrap().as_str().to_owned(), interval.start_timestamp(), histogram.len())
            })
            .collect();
        assert_eq!(read[0], ("a_b".into(), core::time::Duration::ZERO, 1_000));
        assert_eq!((read.len(), read[3].clone()), (4, ("c".into(), SECOND, 0)));
    }

    /// RFC 4648 §4, for this test alone.
    fn base64(text: &str) -> Vec<u8> {
        let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let (mut bits, mut count, mut bytes) = (0u32, 0, Vec::new());
        for byte in text.bytes().filter(|byte| *byte != b'=') {
            bits = bits << 6 | alphabet.iter().position(|known| *known == byte).unwrap() as u32;
            count += 6;
            if count >= 8 {
                count -= 8;
                bytes.push((bits >> count) as u8);
            }
        }
        bytes
    }
}
