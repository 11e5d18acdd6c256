//! Tests of the sink over an output whose room the test decides: nothing is lost uncounted, nothing is torn.

use super::*;
use dataplane::stdx::prng::Prng;
use std::io::{self, Write};

/// Takes `room` bytes in pieces of at most 7 and then has no space left.
#[derive(Default)]
struct Disk {
    files: Vec<Vec<u8>>,
    room: usize,
}

impl Write for Disk {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(self.room).min(7);
        if taken == 0 {
            return Err(ErrorKind::StorageFull.into());
        }
        self.room -= taken;
        self.files.last_mut().unwrap().extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Output for Disk {
    fn reopen(&mut self) -> io::Result<()> {
        self.files.push(Vec::new());
        Ok(())
    }
}

fn sink(room: usize) -> Sink<Disk> {
    Sink::new(Disk { files: vec![Vec::new()], room })
}

fn put(sink: &mut Sink<Disk>, number: u64) {
    sink.line(|line| line.push_str(&format!("{{\"n\":{number}}}\n")));
}

fn at(seconds: u64) -> Instant {
    Instant::from_us(seconds * 1_000_000)
}

/// The lines of a file, each whole JSON, as (exchanges, missing according to gap lines).
fn tally(file: &[u8]) -> (u64, u64) {
    let text = std::str::from_utf8(file).unwrap();
    assert!(text.is_empty() || text.ends_with('\n'), "{text}");
    text.lines().fold((0, 0), |(lines, missing), line| {
        let value: serde_json::Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("torn: {line}"));
        match value.get("gap") {
            Some(gap) => (lines, missing + gap.as_u64().unwrap()),
            None => (lines + 1, missing),
        }
    })
}

#[test]
fn lines_are_written_together_and_in_order() {
    let mut sink = sink(usize::MAX);
    (0..3).for_each(|number| put(&mut sink, number));
    assert!(sink.output.files[0].is_empty());
    sink.flush(at(0), 0);
    assert_eq!(sink.output.files[0], b"{\"n\":0}\n{\"n\":1}\n{\"n\":2}\n");
}

#[test]
fn a_full_disk_leaves_a_gap_line_and_no_torn_one() {
    let mut sink = sink(11);
    (0..4).for_each(|number| put(&mut sink, number));
    sink.flush(at(0), 0);
    assert_eq!(sink.output.files[0], b"{\"n\":0}\n{\"n");
    put(&mut sink, 4);
    sink.output.room = usize::MAX;
    sink.flush(at(0), 0);
    assert_eq!(sink.output.files[0].len(), 11, "it waits before it tries again");
    sink.flush(at(1), 0);
    put(&mut sink, 5);
    sink.flush(at(1), 0);
    assert_eq!(tally(&sink.output.files[0]), (3, 3));
    assert_eq!(sink.counts(), SinkCounts { written: 3, lost: 3, write_errors: 1 });
}

#[test]
fn records_lost_in_rings_are_told_without_an_error() {
    let mut sink = sink(usize::MAX);
    sink.lost_in_rings(9);
    sink.flush(at(0), 0);
    sink.flush(at(0), 0);
    assert_eq!(tally(&sink.output.files[0]), (0, 9));
}

#[test]
fn rotation_starts_a_clean_file_even_from_the_middle_of_a_line() {
    let mut sink = sink(11);
    (0..2).for_each(|number| put(&mut sink, number));
    sink.flush(at(0), 0);
    sink.output.room = usize::MAX;
    sink.reopen(at(0), 0).unwrap();
    put(&mut sink, 2);
    sink.flush(at(0), 0);
    assert_eq!(tally(&sink.output.files[1]), (1, 1));
}

#[test]
fn whatever_the_disk_does_every_line_is_there_or_counted() {
    for seed in 0..300 {
        let mut random = Prng::new(seed);
        let mut sink = sink(0);
        let (mut in_rings, mut taken) = (0, 0);
        for second in 0..60 {
            sink.output.room = random.below(120) as usize;
            let lines = random.below(6);
            (0..lines).for_each(|number| put(&mut sink, number));
            taken += lines;
            if random.below(8) == 0 {
                sink.lost_in_rings(2);
                in_rings += 2;
            }
            sink.flush(at(second), 0);
        }
        sink.output.room = usize::MAX;
        sink.flush(at(100), 0);
        let counts = sink.counts();
        assert_eq!(counts.written + counts.lost, taken, "{seed}");
        assert_eq!(tally(&sink.output.files[0]), (counts.written, counts.lost + in_rings), "{seed}");
    }
}
