//! The five rings and the table of sources in them: doubly linked through the table itself, so that every
//! operation is O(1) and none allocates. The counts per ring (sources, ready, bytes) are kept here.
//!
//! A source is *known* from its first `enter` to its `forget`, and *ready* (linked) while bytes wait in it.

use crate::blender::cascade::RingSet;
use crate::blender::options::RINGS;

/// A class for sources that nobody has made known.
const UNKNOWN: u8 = u8::MAX;

/// No neighbour, no head.
const NONE: u32 = u32::MAX;

#[derive(Clone, Copy, Debug)]
struct Source {
    bytes: u64,
    next: u32,
    previous: u32,
    /// The loop in which the source last had a share, counted from 1 and wrapping.
    share: u32,
    class: u8,
}

/// One ring: where its turn stands and what is in it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ring {
    head: u32,
    /// Sources of this class, idle ones included.
    pub(crate) sources: u32,
    /// Sources with bytes waiting.
    pub(crate) ready: u32,
    /// Bytes that wait in them.
    pub(crate) bytes: u64,
}

/// At which end of its ring a source that becomes ready stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// Next in turn.
    Head,
    /// Last in turn.
    Tail,
}

/// The table and its rings.
#[derive(Debug)]
pub(crate) struct Rings {
    table: Vec<Source>,
    rings: [Ring; RINGS],
    ready: RingSet,
    /// Looks at a source, so that a test can show that they do not grow with the sources.
    #[cfg(test)]
    visits: core::cell::Cell<u64>,
}

impl Rings {
    pub(crate) fn new(sources_max: usize) -> Self {
        assert!(sources_max < NONE as usize, "keys fit u32");
        let unknown = Source { bytes: 0, next: NONE, previous: NONE, share: 0, class: UNKNOWN };
        let empty = Ring { head: NONE, sources: 0, ready: 0, bytes: 0 };
        Self {
            table: vec![unknown; sources_max],
            rings: [empty; RINGS],
            ready: 0,
            #[cfg(test)]
            visits: core::cell::Cell::new(0),
        }
    }

    fn at(&self, key: u32) -> &Source {
        #[cfg(test)]
        self.visits.set(self.visits.get() + 1);
        &self.table[key as usize]
    }

    fn at_mut(&mut self, key: u32) -> &mut Source {
        #[cfg(test)]
        self.visits.set(self.visits.get() + 1);
        &mut self.table[key as usize]
    }

    /// Looks at a source since the start.
    #[cfg(test)]
    pub(crate) fn visits(&self) -> u64 {
        self.visits.get()
    }

    /// The rings, highest first.
    pub(crate) fn all(&self) -> &[Ring; RINGS] {
        &self.rings
    }

    /// The rings that hold a ready source.
    pub(crate) fn ready(&self) -> RingSet {
        self.ready
    }

    /// The source whose turn it is in a ring that is not empty.
    pub(crate) fn head(&self, ring: usize) -> u32 {
        let head = self.rings[ring].head;
        assert!(head != NONE, "the ring has a ready source");
        head
    }

    /// Bytes that wait in the source.
    pub(crate) fn bytes(&self, key: u32) -> u64 {
        self.at(key).bytes
    }

    /// The class of a known source.
    pub(crate) fn class(&self, key: u32) -> Option<u8> {
        match self.at(key).class {
            UNKNOWN => None,
            class => Some(class),
        }
    }

    /// Makes the source known in `class`, or moves it there (to the tail, with its bytes).
    pub(crate) fn enter(&mut self, key: u32, class: u8) {
        assert!(usize::from(class) < RINGS, "classes are 0 to 4");
        if self.class(key) == Some(class) {
            return;
        }
        let bytes = self.bytes(key);
        self.forget(key);
        self.at_mut(key).class = class;
        self.rings[usize::from(class)].sources += 1;
        self.put(key, bytes, End::Tail);
    }

    /// The source is gone, with what waited in it.
    pub(crate) fn forget(&mut self, key: u32) {
        let Some(class) = self.class(key) else {
            return;
        };
        self.put(key, 0, End::Tail);
        self.rings[usize::from(class)].sources -= 1;
        self.at_mut(key).share = 0;
        self.at_mut(key).class = UNKNOWN;
    }

    /// The source has its share of loop `number`. Says whether it had none of it before.
    pub(crate) fn note_share(&mut self, key: u32, number: u32) -> bool {
        core::mem::replace(&mut self.at_mut(key).share, number) != number
    }

    /// Now `bytes` wait in a known source. One that becomes ready is linked at `end`; one that is ready already
    /// stays where it stands, unless `end` is the head.
    pub(crate) fn put(&mut self, key: u32, bytes: u64, end: End) {
        let source = self.at_mut(key);
        let before = core::mem::replace(&mut source.bytes, bytes);
        let class = source.class;
        let ring = &mut self.rings[usize::from(class)];
        ring.bytes = ring.bytes - before + bytes;
        match (before > 0, bytes > 0) {
            (false, true) => self.link(key, end),
            (true, false) => self.unlink(key),
            (true, true) if end == End::Head => self.relink(key, end),
            (true, true) | (false, false) => {}
        }
    }

    /// `bytes` of the source have left; it keeps its place, or is unlinked when nothing waits any more.
    pub(crate) fn take(&mut self, key: u32, bytes: u64) {
        let waiting = self.bytes(key);
        assert!(bytes <= waiting, "no more leaves than waits");
        self.put(key, waiting - bytes, End::Tail);
    }

    /// The source had its turn: it becomes the last of its ring, if it is still ready.
    pub(crate) fn rotate(&mut self, key: u32) {
        let source = *self.at(key);
        if source.bytes == 0 {
            return;
        }
        let ring = &mut self.rings[usize::from(source.class)];
        if ring.head == key {
            ring.head = source.next;
        } else {
            self.relink(key, End::Tail);
        }
    }

    fn relink(&mut self, key: u32, end: End) {
        self.unlink(key);
        self.link(key, end);
    }

    fn link(&mut self, key: u32, end: End) {
        let class = self.at(key).class;
        let ring = &mut self.rings[usize::from(class)];
        ring.ready += 1;
        self.ready |= 1 << class;
        if ring.head == NONE {
            ring.head = key;
            self.at_mut(key).next = key;
            self.at_mut(key).previous = key;
            return;
        }
        // In a circle the place before the head is both the tail's and, once the head moves back, the head's.
        let head = ring.head;
        if end == End::Head {
            ring.head = key;
        }
        let tail = core::mem::replace(&mut self.at_mut(head).previous, key);
        self.at_mut(tail).next = key;
        self.at_mut(key).next = head;
        self.at_mut(key).previous = tail;
    }

    fn unlink(&mut self, key: u32) {
        let Source { next, previous, class, .. } = *self.at(key);
        let ring = &mut self.rings[usize::from(class)];
        ring.ready -= 1;
        if next == key {
            ring.head = NONE;
            self.ready &= !(1 << class);
            return;
        }
        if ring.head == key {
            ring.head = next;
        }
        self.at_mut(previous).next = next;
        self.at_mut(next).previous = previous;
    }

    /// Counts everything anew from the links, for tests: whether the kept counts are the true ones.
    #[cfg(test)]
    pub(crate) fn counts_hold(&self) -> bool {
        (0..RINGS).all(|index| {
            let ring = &self.rings[index];
            let (mut ready, mut bytes, mut key) = (0, 0, ring.head);
            while key != NONE && ready <= self.table.len() as u32 {
                ready += 1;
                bytes += self.table[key as usize].bytes;
                let next = self.table[key as usize].next;
                if self.table[next as usize].previous != key {
                    return false;
                }
                key = if next == ring.head { NONE } else { next };
            }
            let sources = self.table.iter().filter(|source| usize::from(source.class) == index).count();
            (ready, bytes, sources as u32) == (ring.ready, ring.bytes, ring.sources)
                && (self.ready >> index & 1 == 1) == (ready > 0)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(rings: &mut Rings, turns: usize) -> Vec<u32> {
        (0..turns)
            .map(|_| {
                let key = rings.head(2);
                rings.rotate(key);
                key
            })
            .collect()
    }

    #[test]
    fn sources_take_turns_and_a_retransmission_jumps_the_queue() {
        let mut rings = Rings::new(4);
        for key in 0..4 {
            rings.enter(key, 2);
        }
        rings.put(0, 10, End::Tail);
        rings.put(1, 10, End::Tail);
        rings.put(2, 10, End::Head);
        assert_eq!(order(&mut rings, 4), [2, 0, 1, 2]);
        rings.put(1, 20, End::Head);
        assert_eq!(order(&mut rings, 3), [1, 0, 2]);
        rings.take(0, 10);
        assert_eq!(order(&mut rings, 3), [1, 2, 1]);
        assert!(rings.counts_hold());
    }

    #[test]
    fn a_source_moves_with_its_bytes_and_goes_with_them() {
        let mut rings = Rings::new(2);
        rings.enter(0, 1);
        rings.put(0, 7, End::Tail);
        rings.enter(0, 4);
        assert_eq!((rings.ready(), rings.all()[4].bytes, rings.all()[1].sources), (0b10000, 7, 0));
        rings.forget(0);
        assert_eq!((rings.ready(), rings.all()[4].bytes, rings.all()[4].sources), (0, 0, 0));
        assert!(rings.counts_hold());
    }
}
