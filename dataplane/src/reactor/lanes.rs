//! Five rings from one producer core to one consumer core, one per priority, so that what is urgent never waits
//! behind what is not. Lane 0 is the highest.
//!
//! The sender is the only writer of its lanes' counters and the receiver of its own, so they are plain loads and
//! stores that anybody may read. Waking the consumer is the caller's affair (`Sleep`, after `publish`).

use crossbeam::utils::CachePadded;

use crate::blender::RINGS;
use crate::reactor::atomics::{Arc, AtomicU64, Ordering};
use crate::reactor::spsc::{Consumer, Producer, channel};

/// As many lanes as the blender has rings: a class means the same on both sides of a core boundary.
pub const LANES: usize = RINGS;

/// What a visitor answers about a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is dealt with: the slot goes back to the sender.
    Taken,
    /// There is no room for it now: it stays first in its lane, and the lane waits for the next `drain`.
    Left,
}

#[derive(Debug, Default)]
struct Tally {
    items: AtomicU64,
    bytes: AtomicU64,
    full: AtomicU64,
}

/// What both ends share besides the rings.
#[derive(Debug)]
struct Shared {
    /// Batches published, over all lanes: an idle consumer looks at this one line and not at five.
    batches: CachePadded<AtomicU64>,
    sent: [CachePadded<Tally>; LANES],
    received: [CachePadded<Tally>; LANES],
}

/// The sending end, on the producer's core.
#[derive(Debug)]
pub struct Sender {
    lanes: [Producer; LANES],
    shared: Arc<Shared>,
}

/// The receiving end, on the consumer's core.
#[derive(Debug)]
pub struct Receiver {
    lanes: [Consumer; LANES],
    shared: Arc<Shared>,
    batches_seen: u64,
    /// The last `drain` went through all that `batches_seen` had brought.
    drained: bool,
}

/// Reads the counters from any core.
#[derive(Clone, Debug)]
pub struct Observer(Arc<Shared>);

/// One lane since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LaneCounters {
    /// Records committed.
    pub items: u64,
    /// Bytes in them.
    pub bytes: u64,
    /// Times a `reserve` found the lane full.
    pub full: u64,
    /// Records taken by the receiver.
    pub items_received: u64,
    /// Bytes in those.
    pub bytes_received: u64,
}

/// Five rings of `slots` (a power of two) records of at most `slot_bytes` each.
pub fn lanes(slots: usize, slot_bytes: usize) -> (Sender, Receiver) {
    let shared = Arc::new(Shared {
        batches: CachePadded::new(AtomicU64::new(0)),
        sent: Default::default(),
        received: Default::default(),
    });
    let (mut producers, mut consumers) = (Vec::with_capacity(LANES), Vec::with_capacity(LANES));
    for (producer, consumer) in (0..LANES).map(|_| channel(slots, slot_bytes)) {
        producers.push(producer);
        consumers.push(consumer);
    }
    let sender = Sender { lanes: all(producers), shared: shared.clone() };
    (sender, Receiver { lanes: all(consumers), shared, batches_seen: 0, drained: true })
}

fn all<T: core::fmt::Debug>(ends: Vec<T>) -> [T; LANES] {
    <[T; LANES]>::try_from(ends).expect("one ring was made per lane")
}

impl Sender {
    /// The memory of the next free slot of the lane; `None`, counted, when it is full.
    pub fn reserve(&mut self, class: u8) -> Option<&mut [u8]> {
        let index = usize::from(class);
        let slot = self.lanes[index].reserve();
        if slot.is_none() {
            add(&self.shared.sent[index].full, 1);
        }
        slot
    }

    /// The record in the reserved slot is complete and has `len` bytes.
    pub fn commit(&mut self, class: u8, len: usize) {
        let index = usize::from(class);
        self.lanes[index].commit(len);
        count(&self.shared.sent[index], len);
    }

    /// Shows all committed records to the receiver. Says whether there were any: then ask `Sleep::must_wake`.
    pub fn publish(&mut self) -> bool {
        let mut any = false;
        for lane in &mut self.lanes {
            any |= lane.publish();
        }
        if any {
            let batches = self.shared.batches.load(Ordering::Relaxed);
            self.shared.batches.store(batches.wrapping_add(1), Ordering::Release);
        }
        any
    }

    /// Whether the lane takes so many records now.
    pub fn has_room(&mut self, class: u8, records: usize) -> bool {
        self.lanes[usize::from(class)].free(records) >= records
    }

    /// A reader of the counters.
    pub fn observer(&self) -> Observer {
        Observer(self.shared.clone())
    }
}

impl Receiver {
    /// Shows waiting records to `visit`, highest lane first, at most `budget` of each lane, until it leaves one
    /// (then the next lane is tried). Returns how many were taken.
    pub fn drain(&mut self, budget: &[usize; LANES], mut visit: impl FnMut(u8, &[u8]) -> Verdict) -> usize {
        if self.is_empty() {
            return 0;
        }
        // Read before the lanes: what comes later changes it again.
        self.batches_seen = self.shared.batches.load(Ordering::Acquire);
        self.drained = true;
        let mut taken = 0;
        for (index, &budget) in budget.iter().enumerate() {
            taken += self.drain_lane(index, budget, &mut visit);
        }
        taken
    }

    /// Whether nothing waits: no batch since a `drain` that left nothing. After `Sleep::prepare`, this is the
    /// second look; it may say no where all is gone already, but only until the next `drain`.
    pub fn is_empty(&self) -> bool {
        self.drained && self.shared.batches.load(Ordering::Acquire) == self.batches_seen
    }

    fn drain_lane(
        &mut self,
        index: usize,
        budget: usize,
        visit: &mut impl FnMut(u8, &[u8]) -> Verdict,
    ) -> usize {
        let lane = &mut self.lanes[index];
        for taken in 0..budget {
            let Some(record) = lane.front() else {
                return taken;
            };
            let len = record.len();
            if visit(index as u8, record) == Verdict::Left {
                self.drained = false;
                return taken;
            }
            lane.release();
            count(&self.shared.received[index], len);
        }
        self.drained &= lane.is_empty();
        budget
    }
}

impl Observer {
    /// One lane since the start.
    pub fn counters(&self, class: u8) -> LaneCounters {
        let (sent, received) = (&self.0.sent[usize::from(class)], &self.0.received[usize::from(class)]);
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        LaneCounters {
            items: read(&sent.items),
            bytes: read(&sent.bytes),
            full: read(&sent.full),
            items_received: read(&received.items),
            bytes_received: read(&received.bytes),
        }
    }
}

fn count(tally: &Tally, bytes: usize) {
    add(&tally.items, 1);
    add(&tally.bytes, bytes as u64);
}

/// One writer per counter: a load and a store, no locked instruction.
fn add(counter: &AtomicU64, amount: u64) {
    counter.store(counter.load(Ordering::Relaxed).wrapping_add(amount), Ordering::Relaxed);
}

#[cfg(all(test, not(loom)))]
mod stress;

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn send(sender: &mut Sender, class: u8, record: &[u8]) -> bool {
        let Some(slot) = sender.reserve(class) else {
            return false;
        };
        slot[..record.len()].copy_from_slice(record);
        sender.commit(class, record.len());
        true
    }

    fn received(receiver: &mut Receiver, budget: usize) -> Vec<(u8, Vec<u8>)> {
        let mut records = Vec::new();
        receiver.drain(&[budget; LANES], |class, record| {
            records.push((class, record.to_vec()));
            Verdict::Taken
        });
        records
    }

    #[test]
    fn the_highest_lane_is_first_and_each_has_its_budget() {
        let (mut sender, mut receiver) = lanes(4, 8);
        assert!(
            send(&mut sender, 4, b"low") && send(&mut sender, 0, b"high") && send(&mut sender, 0, b"next")
        );
        assert!(receiver.is_empty() && sender.publish() && !receiver.is_empty());
        assert_eq!(received(&mut receiver, 1), [(0, b"high".to_vec()), (4, b"low".to_vec())]);
        assert!(!receiver.is_empty());
        assert_eq!(received(&mut receiver, 8), [(0, b"next".to_vec())]);
        assert!(receiver.is_empty() && !sender.publish());
    }

    #[test]
    fn a_record_that_is_left_stays_first_and_holds_up_its_lane_alone() {
        let (mut sender, mut receiver) = lanes(4, 8);
        assert!(send(&mut sender, 1, b"a") && send(&mut sender, 1, b"b") && send(&mut sender, 2, b"c"));
        sender.publish();
        let taken = receiver.drain(&[9; LANES], |class, _| match class {
            1 => Verdict::Left,
            _ => Verdict::Taken,
        });
        assert!(taken == 1 && !receiver.is_empty());
        assert_eq!(received(&mut receiver, 9), [(1, b"a".to_vec()), (1, b"b".to_vec())]);
    }

    #[test]
    fn counters_tell_what_passed_and_what_found_no_room() {
        let (mut sender, mut receiver) = lanes(1, 8);
        let observer = sender.observer();
        assert!(send(&mut sender, 3, b"12345") && !send(&mut sender, 3, b"6"));
        sender.publish();
        assert_eq!(received(&mut receiver, 1).len(), 1);
        let wanted = LaneCounters { items: 1, bytes: 5, full: 1, items_received: 1, bytes_received: 5 };
        assert_eq!((observer.counters(3), observer.counters(0)), (wanted, LaneCounters::default()));
    }
}
