//! Which place of the load asked which DNS question: 16-bit ids, drawn at random among the free ones, so that an
//! answer that comes too late, or from nobody, finds nobody waiting (RFC 5452 §4.3).

use dataplane::stdx::prng::Prng;

/// Ids there are.
const IDS: usize = 1 << 16;

/// No place.
const NOBODY: u32 = u32::MAX;

/// The table. Empty until the first question: other loads need none.
#[derive(Debug)]
pub(crate) struct Desk {
    place_of: Vec<u32>,
    /// The id of each place's question, and whether it waits.
    id_of: Vec<(u16, bool)>,
    /// The question of each place as it was sent; what has come over TCP, once it is asked again there.
    wires: Vec<Vec<u8>>,
    random: Prng,
}

impl Desk {
    /// A desk for so many places.
    pub(crate) fn new(places: usize, seed: u64) -> Self {
        Self {
            place_of: Vec::new(),
            id_of: vec![(0, false); places],
            wires: Vec::new(),
            random: Prng::new(seed ^ 0xd5),
        }
    }

    /// A fresh id for a question of `place`, whose former one is forgotten.
    pub(crate) fn ask(&mut self, place: usize) -> u16 {
        if self.place_of.is_empty() {
            self.place_of = vec![NOBODY; IDS];
            self.wires = vec![Vec::new(); self.id_of.len()];
        }
        self.forget(place);
        loop {
            let id = self.random.next_u64() as u16;
            if self.place_of[usize::from(id)] == NOBODY {
                self.place_of[usize::from(id)] = place as u32;
                self.id_of[place] = (id, true);
                return id;
            }
        }
    }

    /// Whose question has this id.
    pub(crate) fn whose(&self, id: u16) -> Option<usize> {
        self.place_of.get(usize::from(id)).filter(|place| **place != NOBODY).map(|place| *place as usize)
    }

    /// The id of a place's last question.
    pub(crate) fn id(&self, place: usize) -> u16 {
        self.id_of[place].0
    }

    /// Where a place's question is kept, and then what comes over TCP.
    pub(crate) fn wire(&mut self, place: usize) -> &mut Vec<u8> {
        &mut self.wires[place]
    }

    /// The place waits no longer.
    pub(crate) fn forget(&mut self, place: usize) {
        let (id, waits) = self.id_of[place];
        if waits {
            self.place_of[usize::from(id)] = NOBODY;
            self.id_of[place].1 = false;
        }
    }
}

/// The most places with questions on one thread: with more of the ids taken, finding a free one takes long.
pub(crate) const PLACES_MAX: u64 = 32_768;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_find_their_place_once() {
        let mut desk = Desk::new(2, 1);
        let (first, second) = (desk.ask(0), desk.ask(1));
        assert_eq!((desk.whose(first), desk.whose(second)), (Some(0), Some(1)));
        let again = desk.ask(0);
        assert_eq!((desk.whose(first), desk.whose(again)), (None, Some(0)));
        desk.forget(1);
        assert_eq!(desk.whose(second), None);
    }
}
