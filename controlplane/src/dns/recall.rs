//! Answers that were composed before and are given again: most questions are those of a moment ago, in the same words.
//!
//! Only what would come out the same: over UDP, a plain question for a name that exists, without options behind it, whose
//! answer was whole and chosen by no policy. An answer is good for its generation of zones, for the question in lower case
//! and for as much room as it was composed for. Number, flags and letters of the question are the client's own each time.
//!
//! A ring of fixed size with an index into it: what is kept lies together in the order in which it came, so that few pages
//! are touched however names are spread, and what comes later takes the oldest place. A flood of names finds nothing to
//! fill and costs a copy each.

use crate::dns::catalog::ZoneId;
use crate::dns::limits::HEADER_BYTES;
use crate::dns::name::{ROOT_HASH, hashed};

/// Answers that are kept: 768 KiB a thread, of which only what is used is touched.
const PLACES: usize = 4_096;
/// Slots of the index, a power of two; a hash may have either of two neighbours, so that hardly ever two answers that are
/// both asked for put each other out.
const SLOTS: usize = 4 * PLACES;
/// Bytes of a name that is kept.
const NAME_BYTES: usize = 64;
/// Bytes of a question and of the answer behind it that are kept: a usual name and some six addresses.
const KEPT_BYTES: usize = 160;
/// Bytes of type and class behind a name.
const KIND_BYTES: usize = 4;
/// Recursion desired: the one flag of a request that its answer repeats, beside checking disabled.
const RECURSION_DESIRED: u8 = 1;
const CHECKING_DISABLED: u8 = 0x10;

/// A question that may have been answered before.
#[derive(Clone, Copy, Debug)]
pub struct Plain<'m> {
    message: &'m [u8],
    /// The name in lower case, then type and class.
    lowered: [u8; NAME_BYTES + KIND_BYTES],
    question_bytes: usize,
    hash: u32,
    /// Bytes that the client takes, if it has an OPT record.
    announced: Option<u16>,
    dnssec_ok: bool,
}

impl<'m> Plain<'m> {
    /// Reads a request of the plainest form; all others are another reader's business.
    pub fn read(message: &'m [u8]) -> Option<Self> {
        let header: &[u8; HEADER_BYTES] = message.first_chunk()?;
        // A query, one question, nothing else but perhaps one record at the end.
        let additionals = header[11];
        if header[2] & 0xf8 != 0 || header[4..11] != [0, 1, 0, 0, 0, 0, 0] || additionals > 1 {
            return None;
        }
        let name_bytes = name_bytes(&message[HEADER_BYTES..])?;
        let end = HEADER_BYTES + name_bytes + KIND_BYTES;
        let (announced, dnssec_ok) = match (message.get(end..)?, additionals) {
            ([], 0) => (None, false),
            // Root, OPT, room, extended code, version 0, flags, no options.
            ([0, 0, 41, room0, room1, _, 0, flags, _, 0, 0], 1) => {
                (Some(u16::from_be_bytes([*room0, *room1])), flags & 0x80 != 0)
            }
            _ => return None,
        };
        let question = &message[HEADER_BYTES..end];
        let mut lowered = [0; NAME_BYTES + KIND_BYTES];
        lowered[..question.len()].copy_from_slice(question);
        // A length is below 64 and no letter; a type may look like one.
        lowered[..name_bytes].make_ascii_lowercase();
        let hash = hashed(ROOT_HASH, &lowered[..question.len()]) as u32;
        Some(Self { message, lowered, question_bytes: question.len(), hash, announced, dnssec_ok })
    }

    /// Bytes that the client takes, if it has an OPT record.
    pub fn announced(&self) -> Option<u16> {
        self.announced
    }

    /// The client takes DNSSEC records; only echoed.
    pub fn dnssec_ok(&self) -> bool {
        self.dnssec_ok
    }

    /// Its type.
    pub fn qtype(&self) -> u16 {
        let kind = self.question()[self.question_bytes - KIND_BYTES..].first_chunk();
        kind.map_or(0, |kind| u16::from_be_bytes(*kind))
    }

    /// The question as it was written.
    pub fn question(&self) -> &'m [u8] {
        &self.message[HEADER_BYTES..][..self.question_bytes]
    }

    fn lowered(&self) -> &[u8] {
        &self.lowered[..self.question_bytes]
    }
}

/// Bytes of the name that a message goes on with, if it is short and has no pointers.
fn name_bytes(message: &[u8]) -> Option<usize> {
    let mut at = 0;
    while at < NAME_BYTES {
        match *message.get(at)? {
            0 => return Some(at + 1),
            length @ 1..=63 => at += 1 + usize::from(length),
            _ => return None,
        }
    }
    None
}

/// What an answer depends on beside its question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Circumstances {
    /// The generation of zones and policies, from 1.
    pub generation: u64,
    /// Bytes that the whole answer may have.
    pub bytes_max: usize,
}

/// An answer as it was given.
#[derive(Clone, Copy, Debug)]
pub struct Given {
    /// The zone that answered.
    pub zone: ZoneId,
    /// What the rate limit counts it as: the number of its node.
    pub node: u32,
}

/// An answer that is given again.
#[derive(Clone, Copy, Debug)]
pub struct Recalled<'r> {
    place: &'r Place,
    /// What was known of it.
    pub given: Given,
}

/// A usual one lies in one line of the cache.
#[derive(Clone, Debug)]
#[repr(align(64))]
struct Place {
    hash: u32,
    circumstances: (u32, u16),
    opt: (bool, bool),
    given: Given,
    question_bytes: u8,
    kept_bytes: u8,
    /// Flags without the client's own, and the counts behind that of questions.
    flags: [u8; 2],
    counts: [u8; 3],
    /// The question in lower case, then what follows it in the answer.
    kept: [u8; KEPT_BYTES],
}

const _: () = assert!(size_of::<Place>() == 192 && KEPT_BYTES <= u8::MAX as usize);
const _: () = assert!(PLACES < u16::MAX as usize);

impl Place {
    fn is_for(&self, plain: &Plain<'_>, circumstances: Circumstances) -> bool {
        self.hash == plain.hash
            && self.circumstances == packed(circumstances)
            && self.opt == (plain.announced.is_some(), plain.dnssec_ok)
            && self.kept[..usize::from(self.question_bytes)] == *plain.lowered()
    }
}

/// Generations that are 2³² apart are not both remembered.
fn packed(circumstances: Circumstances) -> (u32, u16) {
    (circumstances.generation as u32, circumstances.bytes_max as u16)
}

/// The table of one thread.
#[derive(Debug)]
pub struct Recall {
    /// For a hash, one more than the number of a place; 0: none.
    index: Vec<u16>,
    places: Vec<Place>,
    /// The place that the next answer takes, once all are taken.
    next: usize,
}

impl Default for Recall {
    fn default() -> Self {
        Self { index: vec![0; SLOTS], places: Vec::with_capacity(PLACES), next: 0 }
    }
}

impl Recall {
    /// The answer to this question, if it is still known.
    pub fn find(&self, plain: &Plain<'_>, circumstances: Circumstances) -> Option<Recalled<'_>> {
        let place = slots(plain.hash)
            .into_iter()
            .find_map(|slot| self.place_at(slot).filter(|place| place.is_for(plain, circumstances)))?;
        Some(Recalled { place, given: place.given })
    }

    fn place_at(&self, slot: usize) -> Option<&Place> {
        self.places.get(usize::from(self.index[slot]).checked_sub(1)?)
    }

    /// Keeps `answer`, which was whole, if it is short enough.
    pub fn keep(&mut self, plain: &Plain<'_>, circumstances: Circumstances, given: Given, answer: &[u8]) {
        let question = plain.lowered();
        let Some(rest) = answer.get(HEADER_BYTES + question.len()..) else { return };
        let mut kept = [0; KEPT_BYTES];
        let Some(place) = kept.get_mut(..question.len() + rest.len()) else { return };
        place[..question.len()].copy_from_slice(question);
        place[question.len()..].copy_from_slice(rest);
        // No answer of so few bytes has more records than fit a byte.
        let [flags0, flags1, _, _, _, answers, _, authorities, _, additionals] =
            *match answer[2..].first_chunk() {
                Some(head) => head,
                None => return,
            };
        self.put(Place {
            hash: plain.hash,
            circumstances: packed(circumstances),
            opt: (plain.announced.is_some(), plain.dnssec_ok),
            given,
            question_bytes: question.len() as u8,
            kept_bytes: (question.len() + rest.len()) as u8,
            flags: [flags0 & !RECURSION_DESIRED, flags1 & !CHECKING_DISABLED],
            counts: [answers, authorities, additionals],
            kept,
        });
    }

    fn put(&mut self, place: Place) {
        let number = self.next;
        let both = slots(place.hash);
        // One that leads nowhere, to the same answer of before, or to another generation's; else one of them in turn.
        let is_free = |slot: &usize| {
            self.place_at(*slot).is_none_or(|old| {
                !slots(old.hash).contains(slot)
                    || old.hash == place.hash
                    || old.circumstances.0 != place.circumstances.0
            })
        };
        let slot = both.into_iter().find(is_free).unwrap_or(both[number % 2]);
        match self.places.get_mut(number) {
            Some(old) => *old = place,
            None => self.places.push(place),
        }
        self.next = (number + 1) % PLACES;
        self.index[slot] = number as u16 + 1;
    }
}

/// Where a hash may stand in the index.
fn slots(hash: u32) -> [usize; 2] {
    let slot = hash as usize % SLOTS;
    [slot, slot ^ 1]
}

impl Recalled<'_> {
    /// Writes the answer; its bytes. `out` has room for what it was composed for.
    pub fn write(&self, plain: &Plain<'_>, out: &mut [u8]) -> usize {
        let Place { flags, counts, question_bytes, kept_bytes, kept, .. } = self.place;
        // Number, flags and question are the client's own.
        let end = HEADER_BYTES + plain.question_bytes;
        out[..end].copy_from_slice(&plain.message[..end]);
        out[2] = flags[0] | out[2] & RECURSION_DESIRED;
        out[3] = flags[1] | out[3] & CHECKING_DISABLED;
        for (at, count) in [7, 9, 11].into_iter().zip(counts) {
            out[at] = *count;
        }
        let rest = &kept[usize::from(*question_bytes)..usize::from(*kept_bytes)];
        out[end..end + rest.len()].copy_from_slice(rest);
        end + rest.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUESTION: &[u8] =
        b"\xab\xcd\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x03wWw\x07example\x00\x00\x41\x00\x01";
    const OPT: &[u8] = b"\x00\x00\x29\x04\xd0\x00\x00\x80\x00\x00\x00";

    fn with_opt(opt: &[u8]) -> Vec<u8> {
        let mut message = [QUESTION, opt].concat();
        message[11] = 1;
        message
    }

    #[test]
    fn only_the_plainest_questions_are_read() {
        assert!(
            Plain::read(QUESTION).is_some_and(|plain| plain.qtype() == 65 && plain.announced().is_none())
        );
        let opt = with_opt(OPT);
        assert!(Plain::read(&opt).is_some_and(|plain| plain.announced() == Some(1_232) && plain.dnssec_ok));
        for (at, byte) in [(2, 0x81), (2, 0x28), (5, 2), (7, 1), (9, 1), (11, 1), (12, 0xc0), (12, 99)] {
            let mut other = QUESTION.to_vec();
            other[at] = byte;
            assert!(Plain::read(&other).is_none(), "{at} {byte}");
        }
        for end in 0..QUESTION.len() {
            assert!(Plain::read(&QUESTION[..end]).is_none(), "cut at {end}");
        }
        assert!(Plain::read(&[QUESTION, b"x"].concat()).is_none());
        // Another version, an option, a second record.
        let mut version = OPT.to_vec();
        version[6] = 1;
        let mut option = OPT.to_vec();
        option[10] = 4;
        option.extend_from_slice(b"\x00\x03\x00\x00");
        for opt in [version, option, [OPT, OPT].concat()] {
            assert!(Plain::read(&with_opt(&opt)).is_none(), "{opt:?}");
        }
        let long = [&QUESTION[..12], &b"\x07example".repeat(8)[..], b"\x00\x00\x01\x00\x01"].concat();
        assert!(Plain::read(&long).is_none(), "a long name");
    }

    #[test]
    fn what_is_recalled_has_the_clients_own_head() {
        let mut recall = Recall::default();
        let first = Plain::read(QUESTION).unwrap();
        let now = Circumstances { generation: 1, bytes_max: 512 };
        let mut answer = QUESTION.to_vec();
        (answer[2], answer[3], answer[7]) = (0x85, 0, 1);
        answer.extend_from_slice(b"the record");
        recall.keep(&first, now, Given { zone: ZoneId(3), node: 7 }, &answer);
        let mut again = QUESTION.to_vec();
        (again[0], again[2], again[3], again[13]) = (9, 0, 0x30, b'W');
        let second = Plain::read(&again).unwrap();
        let found = recall.find(&second, now).unwrap();
        let mut out = [0xff; 512];
        let bytes = found.write(&second, &mut out);
        let mut due = again.clone();
        (due[2], due[3], due[7]) = (0x84, 0x10, 1);
        assert_eq!(out[..bytes], [&due[..], b"the record"].concat());
        assert_eq!((found.given.zone, found.given.node), (ZoneId(3), 7));
        for other in [Circumstances { generation: 2, ..now }, Circumstances { bytes_max: 1_232, ..now }] {
            assert!(recall.find(&second, other).is_none());
        }
        assert!(recall.find(&Plain::read(&with_opt(OPT)).unwrap(), now).is_none(), "an OPT record is due");
        recall.keep(&first, now, found_nothing(), &[&answer[..], &[0; KEPT_BYTES]].concat());
        assert_eq!(recall.find(&second, now).map(|found| found.given.node), Some(7), "too long to be kept");
    }

    /// More answers than there are places: the newest are known, the oldest gone, and each is its own.
    #[test]
    fn later_answers_take_the_oldest_places() {
        let mut recall = Recall::default();
        let now = Circumstances { generation: 1, bytes_max: 512 };
        let question = |number: u32| {
            let name = format!("{number:07}");
            [&QUESTION[..12], b"\x07", name.as_bytes(), b"\x00\x00\x01\x00\x01"].concat()
        };
        let numbers = 0..PLACES as u32 + 100;
        for number in numbers.clone() {
            let asked = question(number);
            let answer = [&asked[..], &number.to_be_bytes()].concat();
            recall.keep(&Plain::read(&asked).unwrap(), now, Given { zone: ZoneId(0), node: number }, &answer);
        }
        let known = |number| {
            let asked = question(number);
            recall.find(&Plain::read(&asked).unwrap(), now).map(|found| found.given.node)
        };
        assert!(numbers.clone().all(|number| known(number).is_none_or(|node| node == number)));
        assert!((0..100).all(|number| known(number).is_none()));
        assert!(numbers.filter(|number| known(*number).is_some()).count() > PLACES * 3 / 4);
    }

    fn found_nothing() -> Given {
        Given { zone: ZoneId(0), node: 0 }
    }
}
