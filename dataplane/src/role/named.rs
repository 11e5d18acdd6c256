//! A table of a plan: numbered entries, of which those that are not retired are found by their names in one step, however many
//! there are. Made whole, then only read.

use core::ops::Deref;
use std::collections::HashMap;

/// An entry.
pub trait Entry {
    /// By what it is found.
    fn name(&self) -> &str;
    /// Whether it only keeps its number.
    fn is_retired(&self) -> bool;
}

/// The table; it reads as a slice of its entries, retired ones among them.
#[derive(Clone, Debug)]
pub struct Named<T> {
    all: Vec<T>,
    by_name: HashMap<Box<[u8]>, Vec<u16>>,
}

impl<T> Named<T> {
    /// The numbers of the entries of a name, lowest first.
    pub fn find(&self, name: &[u8]) -> impl Iterator<Item = u16> {
        self.by_name.get(name).into_iter().flatten().copied()
    }
}

impl<T> Default for Named<T> {
    fn default() -> Self {
        Self { all: Vec::new(), by_name: HashMap::new() }
    }
}

impl<T: Entry> From<Vec<T>> for Named<T> {
    fn from(all: Vec<T>) -> Self {
        let mut by_name: HashMap<Box<[u8]>, Vec<u16>> = HashMap::new();
        for (number, entry) in all.iter().enumerate().filter(|(_, entry)| !entry.is_retired()) {
            by_name.entry(entry.name().as_bytes().into()).or_default().push(number as u16);
        }
        Self { all, by_name }
    }
}

impl<T> Deref for Named<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.all
    }
}
