//! How exchanges cross from the worker that has the client to the worker that owns the tunnel, and back: the words of
//! `exchange::link` as records in the priority rings.
//!
//! ```text
//! record   word 1 · detail 1 · route 2 · asker 8 · number 4 · bytes …        (native order: it stays in this process)
//! ```
//! All words of one exchange travel in the lane of its class, so they stay in order. Bytes are copied once into the
//! ring's own memory, which takes the place of the copy into a block: nothing has to be handed back.

use crate::compression::Terms;
use crate::exchange::failure::Failure;
use crate::exchange::link::{Answer, Ask, Asker, Downstream, Kind, Opening, Served, Standing, Upstream, Way};
use crate::port::Port;
use crate::reactor::lanes::{LANES, Receiver, Sender, Verdict};
use crate::role::control::Control;
use crate::role::counters::Counters;
use crate::role::plan::Plan;
use crate::time::Instant;
use std::sync::Arc;

/// Bytes of a record before its payload.
pub const RECORD_BYTES: usize = 16;

/// Records of each lane that are looked at in one turn, highest class first.
const BUDGET: [usize; LANES] = [256, 128, 64, 32, 32];

/// A piece of so many records at most is a head or a word; more is a piece of a body.
const SHORT_RECORDS: usize = 4;
/// Records that pieces of bodies leave free in every lane.
const SPARE_RECORDS: usize = 64;

const OPEN: u8 = 1;
const DATA: u8 = 2;
const FINISH: u8 = 3;
const ABANDON: u8 = 4;
const GRANT: u8 = 5;
const TAKE_BACK: u8 = 6;
const ANSWER_DATA: u8 = 16;
const ANSWER_FINISH: u8 = 17;
const ANSWER_FAILED: u8 = 18;
const ANSWER_ROOM: u8 = 19;
const ANSWER_ENOUGH: u8 = 20;
const ANSWER_QUEUED: u8 = 21;
const ANSWER_RETURNED: u8 = 22;
const ANSWER_SAVED: u8 = 23;

/// The rings between this worker and the others.
pub struct Crossing {
    worker: u8,
    /// To each worker; `None` to itself.
    senders: Vec<Option<Sender>>,
    /// From each worker; `None` from itself.
    receivers: Vec<Option<Receiver>>,
    plan: Arc<Plan>,
    control: Arc<Control>,
    slot_bytes: usize,
    /// Class of each exchange of this worker, by slot.
    ask_classes: Vec<u8>,
    /// Class of each exchange of every other worker, by worker and slot.
    answer_classes: Vec<Vec<u8>>,
    /// Streams that could not be opened, while the ring to the asker was full.
    refusals: Vec<(Asker, Failure)>,
    counters: Arc<Counters>,
}

impl Crossing {
    /// The crossing of `worker`, whose slots hold `slot_bytes`.
    pub fn new(
        worker: u8,
        senders: Vec<Option<Sender>>,
        receivers: Vec<Option<Receiver>>,
        (plan, control): (Arc<Plan>, Arc<Control>),
        slot_bytes: usize,
        counters: Arc<Counters>,
    ) -> Self {
        assert!(slot_bytes > RECORD_BYTES, "a slot holds a record and something in it");
        let answer_classes = vec![Vec::new(); senders.len()];
        Self {
            worker,
            senders,
            receivers,
            plan,
            control,
            slot_bytes,
            ask_classes: Vec::new(),
            answer_classes,
            refusals: Vec::new(),
            counters,
        }
    }

    /// How the tunnel of a route stands, whoever owns it.
    pub fn standing(&self, route: u16) -> Standing {
        self.control.standing(route)
    }

    /// The worker that owns a route's tunnel.
    pub fn owner(&self, route: u16) -> u8 {
        self.plan.owner(route).unwrap_or(self.worker)
    }

    /// Takes a plan over.
    pub fn take_plan(&mut self, plan: Arc<Plan>) {
        self.plan = plan;
    }

    /// Whether nothing waits in any ring to this worker.
    pub fn is_empty(&self) -> bool {
        self.refusals.is_empty() && self.receivers.iter().flatten().all(Receiver::is_empty)
    }

    /// Shows what was written to every other worker; `must_wake` says whether one sleeps.
    pub fn publish(&mut self, port: &mut Port, must_wake: impl Fn(u8) -> bool) {
        for (worker, sender) in self.senders.iter_mut().enumerate() {
            if let Some(sender) = sender
                && sender.publish()
                && must_wake(worker as u8)
            {
                port.wake(worker as u8);
            }
        }
    }

    /// Takes in what other workers wrote: their asks go to `up`, their answers to `down`.
    pub fn receive(
        &mut self,
        now: Instant,
        port: &mut Port,
        up: &mut dyn Upstream,
        down: &mut dyn Downstream,
    ) {
        for (asker, failure) in core::mem::take(&mut self.refusals) {
            self.refuse(now, port, asker, failure);
        }
        for worker in 0..self.receivers.len() {
            let Some(mut receiver) = self.receivers[worker].take() else { continue };
            receiver.drain(&BUDGET, |class, record| {
                // Whoever opened it may know a plan that this worker has not heard of yet.
                let is_behind = || self.control.plan_generation() != self.plan.generation;
                if record.first() == Some(&OPEN) && is_behind() {
                    return Verdict::Left;
                }
                self.take(now, port, up, down, class, record);
                Verdict::Taken
            });
            self.receivers[worker] = Some(receiver);
        }
    }

    fn take(
        &mut self,
        now: Instant,
        port: &mut Port,
        up: &mut dyn Upstream,
        down: &mut dyn Downstream,
        class: u8,
        record: &[u8],
    ) {
        let Some((head, bytes)) = Head::read(record) else { return };
        let (asker, way, number) = (Asker(head.asker), Way::Route(head.route), head.number);
        let mut ask = |ask| {
            let taken = up.ask(now, port, way, asker, Served::default(), ask);
            assert!(taken, "a tunnel of this worker takes what is within the credit");
        };
        match head.word {
            OPEN => {
                let kind = Kind::from_u8(head.detail).unwrap_or(Kind::Http);
                let opening = Opening { class, kind, envelope: bytes, terms: Terms::from_u32(number) };
                match up.open(now, port, way, asker, &opening) {
                    Ok(_) => self.note_class(asker, class),
                    // An overtaken opening must not change the lane of the exchange that has the slot now.
                    Err(failure) => self.refuse(now, port, asker, failure),
                }
            }
            DATA => ask(Ask::Data(bytes)),
            FINISH => ask(Ask::Finish),
            ABANDON => ask(Ask::Abandon),
            GRANT => ask(Ask::Grant(number)),
            TAKE_BACK => ask(Ask::TakeBack),
            ANSWER_DATA => answer(now, port, down, asker, Answer::Data(bytes)),
            ANSWER_FINISH => answer(now, port, down, asker, Answer::Finish),
            ANSWER_ENOUGH => answer(now, port, down, asker, Answer::Enough),
            ANSWER_FAILED => {
                answer(now, port, down, asker, Answer::Failed(Failure::from_code(number as u16)))
            }
            ANSWER_ROOM => answer(now, port, down, asker, Answer::Room(number)),
            ANSWER_QUEUED => answer(now, port, down, asker, Answer::Queued(number)),
            ANSWER_SAVED => answer(now, port, down, asker, Answer::Saved(number)),
            ANSWER_RETURNED => answer(now, port, down, asker, Answer::Returned),
            _ => debug_assert!(false, "records come from this file"),
        }
    }

    fn refuse(&mut self, now: Instant, port: &mut Port, asker: Asker, failure: Failure) {
        if !self.answer(now, port, asker, Answer::Failed(failure)) {
            self.refusals.push((asker, failure));
        }
    }

    fn note_class(&mut self, asker: Asker, class: u8) {
        let Some(row) = self.answer_classes.get_mut((asker.0 >> 56) as usize) else { return };
        put(row, asker.0 as u32 as usize, class);
    }

    /// Writes one word, in as many records as its bytes need; all of them or none.
    fn write(&mut self, to: u8, class: u8, head: Head, bytes: &[u8]) -> bool {
        let room = self.slot_bytes - RECORD_BYTES;
        let records = bytes.len().div_ceil(room).max(1);
        let Some(sender) = self.senders.get_mut(usize::from(to)).and_then(Option::as_mut) else {
            return true;
        };
        if !sender.has_room(class, with_spare(records)) {
            self.counters.cross_core_full.add(1);
            return false;
        }
        for index in 0..records {
            let piece = &bytes[index * room..bytes.len().min((index + 1) * room)];
            let Some(slot) = sender.reserve(class) else { return false };
            head.write(slot);
            slot[RECORD_BYTES..RECORD_BYTES + piece.len()].copy_from_slice(piece);
            sender.commit(class, RECORD_BYTES + piece.len());
        }
        self.counters.cross_core_items.add(records as u64);
        true
    }
}

impl Upstream for Crossing {
    fn can_open(&mut self, way: Way, class: u8, first_bytes: usize) -> bool {
        let Way::Route(route) = way else { panic!("origins are served on every worker") };
        // One for the opening, and what `write` asks for to take the message.
        let records = 1 + with_spare(first_bytes.div_ceil(self.slot_bytes - RECORD_BYTES));
        let owner = usize::from(self.owner(route));
        let sender = self.senders.get_mut(owner).and_then(Option::as_mut);
        let has_room = sender.is_none_or(|sender| sender.has_room(class, records));
        if !has_room {
            self.counters.cross_core_full.add(1);
        }
        has_room
    }

    fn open(
        &mut self,
        _: Instant,
        _: &mut Port,
        way: Way,
        asker: Asker,
        opening: &Opening<'_>,
    ) -> Result<Served, Failure> {
        let Way::Route(route) = way else { panic!("origins are served on every worker") };
        put(&mut self.ask_classes, asker.0 as u32 as usize, opening.class);
        let (detail, number) = (opening.kind.to_u8(), opening.terms.to_u32());
        let head = Head { word: OPEN, detail, route, asker: asker.0, number };
        if self.write(self.owner(route), opening.class, head, opening.envelope) {
            Ok(Served::default())
        } else {
            Err(Failure::Shed)
        }
    }

    fn ask(&mut self, _: Instant, _: &mut Port, way: Way, asker: Asker, _: Served, ask: Ask<'_>) -> bool {
        let Way::Route(route) = way else { panic!("origins are served on every worker") };
        let class = self.ask_classes.get(asker.0 as u32 as usize).copied().unwrap_or(0);
        let (word, number, bytes): (u8, u32, &[u8]) = match ask {
            Ask::Data(bytes) => (DATA, 0, bytes),
            Ask::Finish => (FINISH, 0, &[]),
            Ask::Abandon => (ABANDON, 0, &[]),
            Ask::Grant(bytes) => (GRANT, bytes, &[]),
            Ask::TakeBack => (TAKE_BACK, 0, &[]),
        };
        self.write(self.owner(route), class, Head { word, detail: 0, route, asker: asker.0, number }, bytes)
    }
}

impl Downstream for Crossing {
    fn answer(&mut self, _: Instant, _: &mut Port, asker: Asker, answer: Answer<'_>) -> bool {
        let (worker, slot) = ((asker.0 >> 56) as u8, asker.0 as u32 as usize);
        let class =
            self.answer_classes.get(usize::from(worker)).and_then(|row| row.get(slot)).copied().unwrap_or(0);
        let (word, number, bytes): (u8, u32, &[u8]) = match answer {
            Answer::Data(bytes) => (ANSWER_DATA, 0, bytes),
            Answer::Finish => (ANSWER_FINISH, 0, &[]),
            Answer::Enough => (ANSWER_ENOUGH, 0, &[]),
            Answer::Failed(failure) => (ANSWER_FAILED, u32::from(failure.code()), &[]),
            Answer::Room(bytes) => (ANSWER_ROOM, bytes, &[]),
            Answer::Queued(us) => (ANSWER_QUEUED, us, &[]),
            Answer::Returned => (ANSWER_RETURNED, 0, &[]),
            Answer::Saved(bytes) => (ANSWER_SAVED, bytes, &[]),
            // Said by origins to a tunnel of their own worker; a client has no ring to change, and packs nothing.
            Answer::Class(_) | Answer::Compress(_) => return true,
        };
        self.write(worker, class, Head { word, detail: 0, route: 0, asker: asker.0, number }, bytes)
    }
}

fn answer(now: Instant, port: &mut Port, down: &mut dyn Downstream, asker: Asker, answer: Answer<'_>) {
    let taken = down.answer(now, port, asker, answer);
    assert!(taken, "clients of this worker take what is within the credit");
}

/// How many free records a piece of so many wants to see. Long pieces leave room for openings and heads: a body can
/// wait, a request that finds no room is refused.
const fn with_spare(records: usize) -> usize {
    if records > SHORT_RECORDS { records + SPARE_RECORDS } else { records }
}

fn put(row: &mut Vec<u8>, slot: usize, class: u8) {
    if row.len() <= slot {
        row.resize(slot + 1, 0);
    }
    row[slot] = class;
}

/// What stands before the bytes of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Head {
    word: u8,
    detail: u8,
    route: u16,
    asker: u64,
    number: u32,
}

impl Head {
    fn write(&self, slot: &mut [u8]) {
        slot[0] = self.word;
        slot[1] = self.detail;
        slot[2..4].copy_from_slice(&self.route.to_ne_bytes());
        slot[4..12].copy_from_slice(&self.asker.to_ne_bytes());
        slot[12..16].copy_from_slice(&self.number.to_ne_bytes());
    }

    fn read(record: &[u8]) -> Option<(Self, &[u8])> {
        let (head, bytes) = record.split_first_chunk::<RECORD_BYTES>()?;
        let [word, detail, r0, r1, a0, a1, a2, a3, a4, a5, a6, a7, n0, n1, n2, n3] = *head;
        let head = Self {
            word,
            detail,
            route: u16::from_ne_bytes([r0, r1]),
            asker: u64::from_ne_bytes([a0, a1, a2, a3, a4, a5, a6, a7]),
            number: u32::from_ne_bytes([n0, n1, n2, n3]),
        };
        Some((head, bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_returns() {
        let head = Head { word: GRANT, detail: 1, route: 513, asker: u64::MAX - 5, number: 7 };
        let mut record = [9; RECORD_BYTES + 3];
        head.write(&mut record);
        assert_eq!(Head::read(&record), Some((head, &[9, 9, 9][..])));
    }
}
