//! What a node says to the name servers: gathers entries, makes datagrams of them, says changes again, is heard once a
//! second at least. No socket: it hands out datagrams.

use crate::report::key::ReportKey;
use crate::report::limits::{AGAIN, FUTURE_MAX, GATHER, HEARTBEAT};
use crate::report::wire::{Entry, Head, ReportWriter, Speaker};
use dataplane::time::Instant;
use std::collections::VecDeque;

/// The reporter of one process.
///
/// Contract: [`say`](Self::say) and [`change`](Self::change) at any time, [`poll`](Self::poll) until it has nothing more, then
/// wait until [`deadline`](Self::deadline) at most.
#[derive(Debug)]
pub struct Sender {
    speaker: Speaker,
    node: String,
    key: ReportKey,
    boot_us: u64,
    sequence: u64,
    waiting: VecDeque<Entry>,
    /// When what waits is sent.
    flush_at: Option<Instant>,
    /// What is said again, and when.
    again: VecDeque<(Instant, Entry)>,
    heard_at: Option<Instant>,
}

impl Sender {
    /// The reporter of `node`'s process that began at `boot_us`.
    pub fn new(speaker: Speaker, node: &str, key: ReportKey, boot_us: u64) -> Self {
        Self {
            speaker,
            node: node.to_owned(),
            key,
            boot_us,
            sequence: 0,
            waiting: VecDeque::new(),
            flush_at: None,
            again: VecDeque::new(),
            heard_at: None,
        }
    }

    /// Says something, soon.
    pub fn say(&mut self, entry: Entry, now: Instant) {
        self.waiting.push_back(entry);
        self.flush_at.get_or_insert(now + GATHER);
    }

    /// Says something at once, and again after a while.
    pub fn change(&mut self, entry: &Entry, now: Instant) {
        self.waiting.push_back(entry.clone());
        self.flush_at = Some(now);
        self.again.extend(AGAIN.map(|span| (now + span, entry.clone())));
    }

    /// What is said from now on replaces what was to be said again.
    pub fn forget(&mut self, is_old: impl Fn(&Entry) -> bool) {
        self.again.retain(|(_, entry)| !is_old(entry));
    }

    /// When there will be something to send.
    pub fn deadline(&self) -> Instant {
        let heartbeat = self.heard_at.map_or(Instant::ORIGIN, |at| at + HEARTBEAT);
        let again = self.again.iter().map(|(at, _)| *at).min();
        [self.flush_at, again].into_iter().flatten().fold(heartbeat, Instant::min)
    }

    /// The next datagram for all name servers, if it is time. `unix_us` is what the time is for others.
    pub fn poll(&mut self, now: Instant, unix_us: u64) -> Option<Vec<u8>> {
        if now < self.deadline() {
            return None;
        }
        while let Some(place) = self.again.iter().position(|(at, _)| *at <= now) {
            self.waiting.extend(self.again.remove(place).map(|(_, entry)| entry));
        }
        // A clock that was set back by much: name servers take nothing from a process that begins in the future.
        if self.boot_us > unix_us + FUTURE_MAX.as_micros() as u64 {
            (self.boot_us, self.sequence) = (unix_us, 0);
        }
        let Self { speaker, boot_us, sequence, .. } = *self;
        let head = Head { speaker, node: &self.node, boot_us, sequence, at_us: unix_us };
        let mut writer = ReportWriter::new(&head);
        while self.waiting.front().is_some_and(|entry| writer.put(entry)) {
            self.waiting.pop_front();
        }
        self.sequence += 1;
        self.heard_at = Some(now);
        // What found no room goes with the next one, at once.
        self.flush_at = (!self.waiting.is_empty()).then_some(now);
        Some(writer.finish(&self.key))
    }

    /// Reports that were made.
    pub const fn sent(&self) -> u64 {
        self.sequence
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::key::Secret;
    use crate::report::wire::{TargetEntry, Unproven};
    use dataplane::time::Duration;

    fn entry(name: &str) -> Entry {
        Entry::Target(TargetEntry {
            target: name.into(),
            is_up: true,
            cause: 0,
            age_ms: 1,
            total_us: 2,
            connect_us: 3,
            load: None,
            lag_s: None,
        })
    }

    fn sender() -> Sender {
        Sender::new(Speaker::Prober, "fra1", Secret::new([1; 32]).of_node("fra1"), 5)
    }

    /// All that is sent in `span` of virtual time: when, with how many entries.
    fn run(sender: &mut Sender, from: Instant, span: Duration) -> Vec<(u64, usize)> {
        let (mut now, mut sent) = (from, Vec::new());
        while now < from + span {
            while let Some(datagram) = sender.poll(now, 1_000) {
                let report = Unproven::read(&datagram).unwrap();
                assert_eq!(report.head.sequence + 1, sender.sent());
                let entries = report.proven(&Secret::new([1; 32]).of_node("fra1")).unwrap();
                sent.push((now.us_since(from) / 1_000, entries.count()));
            }
            now = sender.deadline().max(now + Duration::from_millis(1));
        }
        sent
    }

    #[test]
    fn it_is_heard_every_second_and_gathers() {
        let mut sender = sender();
        let start = Instant::from_us(7_000_000);
        assert_eq!(run(&mut sender, start, Duration::from_millis(2_500)), [(0, 0), (1_000, 0), (2_000, 0)]);
        let start = Instant::from_us(9_500_000);
        (0..100).for_each(|at| sender.say(entry(&format!("web/server-{at}")), start));
        let sent = run(&mut sender, start, Duration::from_millis(900));
        assert_eq!(sent.iter().map(|(_, count)| count).sum::<usize>(), 100);
        assert!(sent.len() < 6 && sent.iter().all(|(at, _)| *at == 20), "{sent:?}");
    }

    #[test]
    fn changes_are_said_at_once_and_again_unless_they_are_old() {
        let mut sender = sender();
        let start = Instant::from_us(1_000_000);
        run(&mut sender, start - Duration::from_millis(10), Duration::from_millis(5));
        sender.change(&entry("a"), start);
        assert_eq!(run(&mut sender, start, Duration::from_millis(900)), [(0, 1), (200, 1), (600, 1)]);
        let start = Instant::from_us(3_000_000);
        sender.change(&entry("a"), start);
        sender.forget(|old| *old == entry("a"));
        assert_eq!(run(&mut sender, start, Duration::from_millis(900)), [(0, 1)]);
    }
}
