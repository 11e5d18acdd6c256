//! The table of an endpoint's links, and which of them have something to do: a machine may hold the idle tunnels of a
//! thousand others, and its loop must not look at each of them in every turn.
//!
//! ```text
//!            get_mut: somebody gives it something               a whole turn in which nobody did,
//!   resting ─────────────────────────────────────► awake ─────► and nothing is due soon ───► resting
//!            its time has come (the heap)
//! ```
//! The turn walks the awake ones with `in_turn`, which wakes nobody; everybody else takes a link for writing with `get_mut`.

use core::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::stdx::slab::{Handle, Slab};
use crate::time::{Duration, Instant};
use crate::tmp::link::Link;

/// A link rests only if nothing of it is due within this time: pacing would have it in the heap and out again.
const SOON: Duration = Duration::from_millis(1);

/// Entries of the heap for each link, before those are thrown out that do not count any more.
const ENTRIES_PER_LINK: usize = 4;

/// No entry in the heap.
const NEVER: Instant = Instant::from_us(u64::MAX);

/// One link and whether it is awake.
#[derive(Debug)]
struct Place<C> {
    link: Link<C>,
    is_awake: bool,
    /// Somebody has had it for writing since the last turn ended.
    is_fresh: bool,
    /// The one entry of the heap that counts for it.
    entry: Instant,
}

/// The table.
#[derive(Debug)]
pub(in crate::tmp) struct Links<C> {
    places: Slab<Place<C>>,
    /// May name such as are gone; each at most once.
    awake: Vec<Handle>,
    /// When links that rest must be woken, and their slots; others of a link than its `entry` mean nothing.
    times: BinaryHeap<Reverse<(Instant, u32)>>,
    /// Looks at a link by the turn, so that a test can show that they do not grow with the resting ones.
    #[cfg(test)]
    visits: core::cell::Cell<u64>,
}

impl<C> Links<C> {
    pub(in crate::tmp) fn new(links_max: usize) -> Self {
        Self {
            places: Slab::new(links_max),
            awake: Vec::with_capacity(links_max),
            times: BinaryHeap::with_capacity(links_max * ENTRIES_PER_LINK),
            #[cfg(test)]
            visits: core::cell::Cell::new(0),
        }
    }

    /// Puts a link in, awake; `None` when the table is full.
    pub(in crate::tmp) fn insert(&mut self, link: Link<C>) -> Option<Handle> {
        let place = Place { link, is_awake: true, is_fresh: true, entry: NEVER };
        let handle = self.places.insert(place).ok()?;
        if self.awake.len() == self.places.capacity() {
            let Self { places, awake, .. } = self;
            awake.retain(|other| places.get(*other).is_some());
        }
        self.awake.push(handle);
        Some(handle)
    }

    pub(in crate::tmp) fn remove(&mut self, handle: Handle) -> Option<Link<C>> {
        self.places.remove(handle).map(|place| place.link)
    }

    pub(in crate::tmp) fn get(&self, handle: Handle) -> Option<&Link<C>> {
        self.places.get(handle).map(|place| &place.link)
    }

    /// A link for whoever gives it something: it is awake from now on.
    pub(in crate::tmp) fn get_mut(&mut self, handle: Handle) -> Option<&mut Link<C>> {
        let place = self.places.get_mut(handle)?;
        place.is_fresh = true;
        if !core::mem::replace(&mut place.is_awake, true) {
            self.awake.push(handle);
        }
        Some(&mut place.link)
    }

    /// A link for the turn itself, which only asks what it has to do.
    pub(in crate::tmp) fn in_turn(&mut self, handle: Handle) -> Option<&mut Link<C>> {
        #[cfg(test)]
        self.visits.set(self.visits.get() + 1);
        self.places.get_mut(handle).map(|place| &mut place.link)
    }

    /// How many `awake_at` counts.
    pub(in crate::tmp) fn awake(&self) -> usize {
        self.awake.len()
    }

    /// One of those that may have something to do; it may be gone.
    pub(in crate::tmp) fn awake_at(&self, index: usize) -> Handle {
        self.awake[index]
    }

    /// Wakes those whose time has come.
    pub(in crate::tmp) fn wake_due(&mut self, now: Instant) {
        while let Some(Reverse((at, slot))) = self.times.peek().copied().filter(|Reverse((at, _))| *at <= now)
        {
            self.times.pop();
            let Some(handle) = self.places.handle_at(slot) else { continue };
            if let Some(place) = self.places.get_mut(handle).filter(|place| place.entry == at) {
                (place.entry, place.is_fresh) = (NEVER, true);
                if !core::mem::replace(&mut place.is_awake, true) {
                    self.awake.push(handle);
                }
            }
        }
    }

    /// The turn is over, and nothing more is to be sent: links that nobody has given anything since the turn before, and of
    /// which nothing is due soon, rest.
    pub(in crate::tmp) fn rest(&mut self, now: Instant, deadline: impl Fn(&Link<C>) -> Option<Instant>) {
        let Self { places, awake, times, .. } = self;
        awake.retain(|handle| {
            let Some(place) = places.get_mut(*handle) else { return false };
            let due = deadline(&place.link).unwrap_or(NEVER);
            if core::mem::take(&mut place.is_fresh) || due <= now + SOON {
                return true;
            }
            if due < place.entry {
                place.entry = due;
                times.push(Reverse((due, handle.slot)));
            }
            place.is_awake = false;
            false
        });
        if times.len() >= places.capacity() * ENTRIES_PER_LINK {
            let counts = |at: Instant, slot: u32| {
                places
                    .handle_at(slot)
                    .and_then(|handle| places.get(handle))
                    .is_some_and(|place| place.entry == at)
            };
            times.retain(|Reverse((at, slot))| counts(*at, *slot));
        }
    }

    /// When a resting link must be woken, at the latest.
    pub(in crate::tmp) fn deadline(&self) -> Option<Instant> {
        self.times.peek().map(|Reverse((at, _))| *at)
    }

    /// The handle of the link that lives in a slot.
    pub(in crate::tmp) fn handle_at(&self, slot: u32) -> Option<Handle> {
        self.places.handle_at(slot)
    }

    /// Handles of all links.
    pub(in crate::tmp) fn handles(&self) -> impl Iterator<Item = Handle> + '_ {
        self.places.handles()
    }

    /// Slots ever used.
    pub(in crate::tmp) fn slots(&self) -> usize {
        self.places.slots()
    }

    pub(in crate::tmp) fn len(&self) -> usize {
        self.places.len()
    }

    pub(in crate::tmp) fn is_full(&self) -> bool {
        self.places.is_full()
    }

    /// Looks at a link by the turn since the start.
    #[cfg(test)]
    pub(in crate::tmp) fn visits(&self) -> u64 {
        self.visits.get()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tmp::endpoint::EndpointOptions;
    use crate::tmp::endpoint_world::{BACK, FRONT, World, endpoint, options, peer};

    /// A front-end with so many tunnels to a back-end, all connected and at rest for a while.
    fn idle(tunnels: usize) -> World {
        let mut world = World::new();
        for (which, other) in [(FRONT, BACK), (BACK, FRONT)] {
            let sizes = EndpointOptions { tunnels_max: 1_100, unconfirmed_max: 64, ..options(which) };
            world.ends[which] = endpoint(sizes, which as u64);
            world.ends[which].add_peer(peer(other, 5)).unwrap();
        }
        for _ in 0..tunnels.div_ceil(20) {
            for _ in 0..20 {
                world.dial();
            }
            world.run();
        }
        world.pass_if(Duration::from_secs(12), |_| true);
        world
    }

    /// Looks at links while one of the tunnels carries a hundred messages each way.
    fn visits(tunnels: usize) -> [u64; 2] {
        let mut world = idle(tunnels);
        let tunnel = world.ends[FRONT].tunnels().next().unwrap();
        let before = [FRONT, BACK].map(|which| world.ends[which].links.visits());
        for _ in 0..100 {
            world.now += Duration::from_millis(1);
            world.assert_alive(tunnel);
        }
        [FRONT, BACK].map(|which| world.ends[which].links.visits() - before[which])
    }

    #[test]
    fn a_turn_looks_at_as_many_links_beside_a_thousand_idle_ones() {
        let (few, many) = (visits(20), visits(1_000));
        println!(
            "links: {few:?} looks for 100 messages each way beside 19 idle tunnels, {many:?} beside 999"
        );
        assert_eq!(few, many);
    }

    #[test]
    fn one_that_rests_is_woken_by_its_time_and_by_whoever_takes_it() {
        let mut world = idle(20);
        assert_eq!(world.ends[FRONT].awake(), 0);
        let tunnel = world.ends[FRONT].tunnels().next().unwrap();
        world.assert_alive(tunnel);
        assert_eq!(world.ends[FRONT].awake(), 1);
        let due = world.now + Duration::from_secs(1);
        world.carrier(FRONT, tunnel).wakes_at = Some(due);
        world.pass_if(Duration::from_millis(500), |_| true);
        assert_eq!((world.ends[FRONT].awake(), world.ends[FRONT].deadline()), (0, Some(due)));
        world.pass_if(Duration::from_millis(500), |_| true);
        assert_eq!(world.ends[FRONT].awake(), 1);
    }

    #[test]
    fn a_slot_that_is_used_again_begins_awake_and_the_heap_does_not_grow() {
        let mut world = idle(20);
        for _ in 0..500 {
            let tunnel = world.ends[FRONT].tunnels().last().unwrap();
            world.ends[FRONT].close(world.now, tunnel, 0);
            world.run();
            world.dial();
            world.pass_if(Duration::from_millis(100), |_| true);
            assert!(world.ends[FRONT].links.times.len() < 1_100 * ENTRIES_PER_LINK);
        }
        assert_eq!((world.ends[FRONT].links.len(), world.ends[FRONT].awake()), (20, 0));
    }
}
