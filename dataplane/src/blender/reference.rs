//! The blender once more, naively, as the judge of `properties`: queues of keys, counts taken anew each time, the
//! cascade walked row by row. It follows the page (the seeds' loop, and what `bounded` adds to it), not the code; every
//! operation is O(n).

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::blender::blend::Grant;
use crate::blender::options::{BACKGROUND_EVERY_BYTES, Mode, Options, RINGS, SLIVER_BYTES};

#[derive(Clone, Copy)]
struct Started {
    key: u32,
    ring: usize,
    rest: u64,
}

/// The judge; its operations mean what the blender's do.
pub(crate) struct Reference {
    options: Options,
    /// The sub-packet of the next loop, if it is another.
    sub_packet_next: Option<u32>,
    bytes: BTreeMap<u32, u64>,
    classes: BTreeMap<u32, u8>,
    queues: [VecDeque<u32>; RINGS],
    quotas: [i128; RINGS],
    had_share: BTreeSet<u32>,
    /// What may yet be granted on arrival beyond the least, in this loop.
    arrivals_left: u128,
    scale: u128,
    scale_min: u128,
    in_loop: bool,
    since_background: u64,
    /// Row and column of the cascade.
    row: usize,
    column: usize,
    started: Option<Started>,
}

impl Reference {
    pub(crate) fn new(options: Options) -> Self {
        Self {
            options,
            sub_packet_next: None,
            bytes: BTreeMap::new(),
            classes: BTreeMap::new(),
            queues: Default::default(),
            quotas: [0; RINGS],
            had_share: BTreeSet::new(),
            arrivals_left: 0,
            scale: 0,
            scale_min: 0,
            in_loop: false,
            since_background: 0,
            row: 0,
            column: 0,
            started: None,
        }
    }

    fn ring_of(&self, key: u32) -> Option<usize> {
        (0..RINGS).find(|&ring| self.queues[ring].contains(&key))
    }

    fn waiting(&self, key: u32) -> u64 {
        self.bytes.get(&key).copied().unwrap_or(0)
    }

    pub(crate) fn set(&mut self, key: u32, class: u8, bytes: u64, at_head: bool) {
        let ring = usize::from(class);
        let before = self.ring_of(key);
        if self.classes.insert(key, class) != Some(class) {
            self.had_share.remove(&key);
        }
        let stays = self.ring_of(key) == Some(ring) && bytes > 0 && !at_head;
        if !stays {
            self.queues.iter_mut().for_each(|queue| queue.retain(|&other| other != key));
            match (bytes > 0, at_head && self.ring_of(key).is_none()) {
                (true, true) => self.queues[ring].push_front(key),
                (true, false) => self.queues[ring].push_back(key),
                (false, _) => {}
            }
        }
        self.bytes.insert(key, bytes);
        if before != Some(ring) && bytes > 0 {
            self.arrive(key, ring);
        }
        if self.started.is_some_and(|started| started.key == key && bytes < started.rest) {
            self.started = None;
        }
        self.end_if_empty();
    }

    pub(crate) fn reclass(&mut self, key: u32, class: u8) {
        let bytes = self.waiting(key);
        if self.classes.get(&key).is_some_and(|&other| other != class) {
            self.set(key, class, bytes, false);
        }
    }

    pub(crate) fn remove(&mut self, key: u32) {
        self.set(key, 0, 0, false);
        self.classes.remove(&key);
    }

    pub(crate) fn configure(&mut self, weights: [u32; RINGS], sub_packet_bytes: u32) {
        self.options.weights = weights;
        self.options.sub_packet_bytes = sub_packet_bytes;
        self.sub_packet_next = None;
        self.quotas = [0; RINGS];
        self.in_loop = false;
        self.started = None;
    }

    pub(crate) fn set_loop_bytes_max(&mut self, loop_bytes_max: u64) {
        self.options.loop_bytes_max = loop_bytes_max;
    }

    pub(crate) fn set_sub_packet_bytes(&mut self, sub_packet_bytes: u32) {
        self.sub_packet_next = Some(sub_packet_bytes);
    }

    fn arrive(&mut self, key: u32, ring: usize) {
        let weight = u128::from(self.options.weights[ring]);
        let late = self.in_loop && self.had_share.insert(key);
        if self.options.mode == Mode::Bounded && late && weight > 0 {
            let least = (weight * self.scale_min).max(self.options.sub_packet_bytes.into());
            let share = least.max(self.arrivals_left.min(weight * self.scale));
            self.arrivals_left = self.arrivals_left.saturating_sub(share);
            self.quotas[ring] += share as i128;
        }
    }

    fn end_if_empty(&mut self) {
        if self.queues.iter().all(VecDeque::is_empty) {
            self.end();
        }
    }

    fn end(&mut self) {
        self.in_loop = false;
        self.quotas = self.quotas.map(|quota| quota.min(0));
    }

    fn ready_bytes(&self, ring: usize) -> u128 {
        self.queues[ring].iter().map(|&key| u128::from(self.waiting(key))).sum()
    }

    fn begin(&mut self) {
        self.end();
        if let Some(bytes) = self.sub_packet_next.take() {
            self.options.sub_packet_bytes = bytes;
            self.quotas = self.quotas.map(|quota| quota.max(1 - i128::from(bytes)));
        }
        self.in_loop = true;
        (self.row, self.column) = (0, 0);
        let weights = self.options.weights.map(u128::from);
        let counts: [u128; RINGS] = core::array::from_fn(|ring| self.queues[ring].len() as u128);
        self.had_share = self.queues.iter().flatten().copied().collect();
        self.arrivals_left = self.options.loop_bytes_max.into();
        let weighted: Vec<usize> = (0..RINGS).filter(|&ring| counts[ring] > 0 && weights[ring] > 0).collect();
        let background: Vec<usize> =
            (0..RINGS).filter(|&ring| counts[ring] > 0 && weights[ring] == 0).collect();
        let sub_packet = u128::from(self.options.sub_packet_bytes);
        if let Some(&highest) = weighted.first() {
            let fullest = weighted
                .iter()
                .fold(highest, |best, &ring| if counts[ring] > counts[best] { ring } else { best });
            let send = |ring: usize| weights[ring] * counts[ring];
            let bytes = self.ready_bytes(fullest);
            match self.options.mode {
                Mode::Literal => {
                    for &ring in &weighted {
                        self.quotas[ring] = (send(ring) * bytes / send(fullest)) as i128;
                    }
                }
                Mode::Bounded => {
                    let least = weighted.iter().map(|&ring| weights[ring]).min().unwrap();
                    let sum: u128 = weighted.iter().map(|&ring| send(ring)).sum();
                    self.scale_min = sub_packet.div_ceil(least);
                    let high = u128::from(self.options.loop_bytes_max) / sum;
                    self.scale = self.scale_min.max(high.min(bytes / send(fullest)));
                    for &ring in &weighted {
                        self.quotas[ring] += (self.scale * send(ring)) as i128;
                    }
                }
            }
        }
        let due = self.options.mode == Mode::Bounded && self.since_background >= BACKGROUND_EVERY_BYTES;
        if weighted.is_empty() || due {
            for ring in background {
                self.quotas[ring] += sub_packet as i128;
            }
        }
    }

    fn may_send(&self, ring: usize) -> bool {
        self.quotas[ring] > 0 && !self.queues[ring].is_empty()
    }

    /// The next ring's turn: rows of growing length, rings that may not send skipped.
    fn turn(&self) -> Option<(usize, usize)> {
        let (mut row, mut column) = (self.row, self.column);
        for _ in 0..15 {
            if self.may_send(column) {
                return Some((row, column));
            }
            (row, column) = after(row, column);
        }
        None
    }

    pub(crate) fn next(&mut self, room: usize) -> Option<Grant> {
        if room == 0 {
            return None;
        }
        let (started, turn) = match self.started {
            Some(started) => (started, None),
            None => {
                let (started, turn) = self.choose()?;
                (started, Some(turn))
            }
        };
        let bytes = self.cut(started.rest, room as u64);
        if bytes == 0 {
            return None;
        }
        if let Some((row, column)) = turn {
            (self.row, self.column) = after(row, column);
        }
        self.send(started, bytes);
        Some(Grant { key: started.key, bytes: bytes as usize })
    }

    fn choose(&mut self) -> Option<(Started, (usize, usize))> {
        if self.queues.iter().all(VecDeque::is_empty) {
            return None;
        }
        if self.turn().is_none() {
            self.begin();
        }
        let (row, ring) = self.turn().expect("a loop lets somebody send");
        let key = self.queues[ring][0];
        let mut rest = self.waiting(key).min(self.options.sub_packet_bytes.into());
        if self.options.mode == Mode::Literal {
            rest = rest.min(self.quotas[ring] as u64);
        }
        Some((Started { key, ring, rest }, (row, ring)))
    }

    fn cut(&self, bytes: u64, room: u64) -> u64 {
        let sliver = u64::from(SLIVER_BYTES);
        let longest = match self.options.mode {
            Mode::Literal => room,
            Mode::Bounded => room.min(bytes.saturating_sub(sliver)),
        };
        match (bytes <= room, longest < sliver) {
            (true, _) => bytes,
            (false, true) => 0,
            (false, false) => longest,
        }
    }

    fn send(&mut self, started: Started, bytes: u64) {
        let Started { key, ring, rest } = started;
        self.quotas[ring] -= i128::from(bytes);
        self.since_background =
            if self.options.weights[ring] == 0 { 0 } else { self.since_background + bytes };
        let left = self.waiting(key) - bytes;
        self.bytes.insert(key, left);
        self.started = (bytes < rest).then_some(Started { rest: rest - bytes, ..started });
        let home = self.ring_of(key).expect("a source that sends is in a ring");
        if left == 0 || self.started.is_none() {
            self.queues[home].retain(|&other| other != key);
        }
        if left > 0 && self.started.is_none() {
            self.queues[home].push_back(key);
        }
        self.end_if_empty();
    }
}

fn after(row: usize, column: usize) -> (usize, usize) {
    match (row, column) {
        (4, 4) => (0, 0),
        (row, column) if column == row => (row + 1, 0),
        (row, column) => (row, column + 1),
    }
}
