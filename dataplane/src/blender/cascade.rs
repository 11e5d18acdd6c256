//! The order in which rings take turns: one from the top ring, one from each of the top two, and so on down to
//! all five, then again from the start. Rings that may not send are passed over.
//!
//! The cascade knows neither weights nor quotas: its own ratio is 5:4:3:2:1 whatever the weights are, and the
//! quotas of the loop end each ring's part in it. One row takes a table and a few shifts, not a walk.

use crate::blender::options::RINGS;

/// A set of rings: bit `i` stands for ring `i`.
pub(crate) type RingSet = u8;

/// Places in one run of the cascade: 1 + 2 + 3 + 4 + 5.
const PLACES: u32 = 15;

/// The ring at each place.
const RING_AT: [u8; PLACES as usize] = [0, 0, 1, 0, 1, 2, 0, 1, 2, 3, 0, 1, 2, 3, 4];

/// For every set of rings, the places at which one of them stands.
const PLACES_OF: [u16; 1 << RINGS] = places_of_sets();

const fn places_of_sets() -> [u16; 1 << RINGS] {
    let mut table = [0u16; 1 << RINGS];
    let mut set = 0;
    while set < table.len() {
        let mut place = 0;
        while place < PLACES as usize {
            if set >> RING_AT[place] & 1 == 1 {
                table[set] |= 1 << place;
            }
            place += 1;
        }
        set += 1;
    }
    table
}

/// A place in the cascade, found by `turn` and given back to `advance`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Turn {
    /// Whose turn it is.
    pub(crate) ring: usize,
    place: u32,
}

/// Where in the cascade the next sub-packet stands.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cascade {
    place: u32,
}

impl Cascade {
    /// Back to the top, as every loop begins.
    pub(crate) fn restart(&mut self) {
        self.place = 0;
    }

    /// The next turn of a ring in `eligible`, which is not empty. Nothing moves until `advance`.
    pub(crate) fn turn(&self, eligible: RingSet) -> Turn {
        let places = u32::from(PLACES_OF[usize::from(eligible)]);
        assert!(places != 0, "some ring may send");
        // Two runs side by side, so that the search never has to wrap.
        let ahead = (places | places << PLACES) >> self.place;
        let place = (self.place + ahead.trailing_zeros()) % PLACES;
        Turn { ring: usize::from(RING_AT[place as usize]), place }
    }

    /// The turn was used.
    pub(crate) fn advance(&mut self, turn: Turn) {
        self.place = (turn.place + 1) % PLACES;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(eligible: RingSet, turns: usize) -> String {
        let mut cascade = Cascade::default();
        let mut text = String::new();
        for _ in 0..turns {
            let turn = cascade.turn(eligible);
            cascade.advance(turn);
            text.push(char::from(b'0' + turn.ring as u8));
        }
        text
    }

    #[test]
    fn all_rings_send_in_growing_rows() {
        assert_eq!(order(0b11111, 17), "00101201230123400");
    }

    #[test]
    fn rings_that_may_not_send_are_passed_over() {
        assert_eq!(order(0b10010, 6), "111141");
        assert_eq!(order(0b10000, 3), "444");
    }
}
