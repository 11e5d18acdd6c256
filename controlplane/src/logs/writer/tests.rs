//! Tests of the log thread over real files: every record becomes a line, a rotation loses none.

use super::*;
use dataplane::access::{Kind, SLOT_BYTES};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::Mutex;
use std::sync::atomic::AtomicU64;

/// A ring in so far as the log thread sees one.
#[derive(Clone, Default)]
struct Ring {
    records: Arc<Mutex<Vec<Vec<u8>>>>,
    dropped: Arc<AtomicU64>,
}

impl Ring {
    fn push(&self, status: u16) {
        let blank = AccessRecord::blank(0, 0, Kind::Http, "192.0.2.1:1".parse().unwrap());
        let mut slot = [0; SLOT_BYTES];
        let used = AccessRecord { status, ..blank }.encode(&mut slot);
        self.records.lock().unwrap().push(slot[..used].to_vec());
    }
}

impl Records for Ring {
    fn drain(&mut self, budget: usize, each: &mut dyn FnMut(&[u8])) -> usize {
        let mut records = self.records.lock().unwrap();
        let count = budget.min(records.len());
        records.drain(..count).for_each(|record| each(&record));
        count
    }

    fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}

/// A folder of this test's own, gone with it.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("longhaul-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn start(path: PathBuf, rings: &[Ring]) -> LogWriter {
    let sources = rings.iter().map(|ring| Box::new(ring.clone()) as Box<dyn Records + Send>).collect();
    LogWriter::start(LogOptions { target: LogTarget::File(path), idle_poll_ms: 1 }, sources).unwrap()
}

fn statuses(path: &PathBuf) -> Vec<u64> {
    let text = fs::read_to_string(path).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    lines.filter_map(|line| line["status"].as_u64()).collect()
}

/// Waits for the thread to have done something, without saying when it has to.
fn until(done: impl Fn() -> bool) {
    while !done() {
        std::thread::yield_now();
    }
}

#[test]
fn stopping_writes_everything_that_was_in_the_rings() {
    let folder = Folder::new("log-stop");
    let rings = [Ring::default(), Ring::default()];
    let writer = start(folder.file("access.log"), &rings);
    (0..1000).for_each(|number| rings[number % 2].push(200 + number as u16 % 5));
    rings[1].records.lock().unwrap().push(b"no record".to_vec());
    rings[0].dropped.store(7, Ordering::Relaxed);
    let stats = writer.stats();
    writer.stop();
    assert_eq!(statuses(&folder.file("access.log")).len(), 1000);
    let text = fs::read_to_string(folder.file("access.log")).unwrap();
    assert_eq!(text.matches("{\"gap\":7,").count(), 1);
    let figures = stats.lock().log;
    assert_eq!((figures.lines_written, figures.lost_in_rings, figures.unreadable), (1000, 7, 1));
    let mode = fs::metadata(folder.file("access.log")).unwrap().permissions().mode();
    assert_eq!(mode & 0o137, 0, "{mode:o}");
}

#[test]
fn a_rotation_loses_no_line() {
    let folder = Folder::new("log-rotate");
    let ring = Ring::default();
    let writer = start(folder.file("access.log"), std::slice::from_ref(&ring));
    let (stats, reopen) = (writer.stats(), writer.reopen());
    ring.push(200);
    until(|| stats.lock().log.lines_written == 1);
    fs::rename(folder.file("access.log"), folder.file("access.log.1")).unwrap();
    ring.push(201);
    until(|| stats.lock().log.lines_written == 2);
    reopen.request();
    until(|| folder.file("access.log").exists());
    ring.push(202);
    writer.stop();
    assert_eq!(statuses(&folder.file("access.log.1")), [200, 201]);
    assert_eq!(statuses(&folder.file("access.log")), [202]);
}

#[test]
fn a_full_disk_is_counted_and_stops_nobody() {
    let ring = Ring::default();
    let writer = start(PathBuf::from("/dev/full"), std::slice::from_ref(&ring));
    let stats = writer.stats();
    ring.push(200);
    until(|| stats.lock().log.write_errors > 0);
    ring.push(200);
    until(|| ring.records.lock().unwrap().is_empty());
    writer.stop();
    let figures = stats.lock().log;
    assert_eq!((figures.lines_written, figures.lost_at_output), (0, 2));
}

#[test]
fn a_folder_that_is_not_there_is_told_at_the_start() {
    let target = LogTarget::File(PathBuf::from("/nonexistent/access.log"));
    assert!(LogWriter::start(LogOptions::to(target), Vec::new()).is_err());
}
