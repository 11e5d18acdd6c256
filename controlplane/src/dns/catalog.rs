//! What the server knows by heart: the records of all zones, packed, and who finds what in them (RFC 1034 §4.3.2, RFC 4592).
//!
//! Written once by [`Builder`](crate::dns::build::Builder), then only read, by all threads. Four vectors and a hash table
//! instead of a tree of objects: a zone of 1,000,000 addresses takes about 70 bytes a record. An owner is known by its zone
//! and its labels below the zone's apex, so that a zone and its served child keep their own views of the same name.
//!
//! Invariant: whatever lies between a name and its apex is a node as well (an empty non-terminal if it has no records),
//! so that the closest encloser is found from the apex down.

use crate::dns::code::rtype;
use crate::dns::name::{Name, ROOT_HASH, hashed};
use hashbrown::HashTable;

/// A zone of the catalog.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ZoneId(pub(crate) u32);

/// An owner name of the catalog.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct NodeId(pub(crate) u32);

/// A node that is the apex of its zone's child: a delegation.
pub(crate) const IS_CUT: u16 = 1;
/// A node below a delegation: glue.
pub(crate) const IS_BELOW_CUT: u16 = 2;
/// A node with a child `*`.
pub(crate) const HAS_WILDCARD: u16 = 4;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Node {
    pub(crate) zone: ZoneId,
    /// Where its labels below the apex stand in the arena, behind a byte with their length.
    pub(crate) labels: u32,
    /// Its first set.
    pub(crate) first: u32,
    pub(crate) sets: u16,
    pub(crate) flags: u16,
}

/// The records of one type at one name.
#[derive(Clone, Copy, Debug)]
pub struct RecordSet {
    /// Its first record.
    pub(crate) first: u32,
    /// Time to live, seconds.
    pub ttl_s: u32,
    /// The type.
    pub rtype: u16,
    /// How many records.
    pub(crate) count: u16,
}

/// A zone.
#[derive(Clone, Debug)]
pub struct Zone {
    /// Its apex.
    pub apex: Name,
    /// The hash of the apex.
    pub(crate) hash: u64,
    /// The node of the apex.
    pub(crate) node: NodeId,
    /// Labels below the apex of its deepest node.
    pub(crate) depth: usize,
    /// Time to live of negative answers (RFC 2308 §5), seconds.
    pub negative_ttl_s: u32,
    /// The serial number of its SOA.
    pub serial: u32,
    /// Its records.
    pub records: u32,
}

/// Where a question ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// At this node, by its own name.
    Node(NodeId),
    /// At this node, a wildcard.
    Wildcard(NodeId),
    /// At a delegation.
    Cut(NodeId),
    /// Nowhere: the name does not exist.
    Missing,
}

/// All zones.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    pub(crate) arena: Vec<u8>,
    pub(crate) nodes: Vec<Node>,
    pub(crate) table: HashTable<u32>,
    pub(crate) sets: Vec<RecordSet>,
    /// Where the data of each record stands in the arena, behind two bytes with its length.
    pub(crate) records: Vec<u32>,
    pub(crate) zones: Vec<Zone>,
    pub(crate) apexes: HashTable<u32>,
    /// Labels of the longest apex.
    pub(crate) apex_labels: usize,
}

impl Catalog {
    /// The policy that answers for `name`, if one does.
    pub fn policy_of(&self, name: &Name) -> Option<u32> {
        let zone = self.zone_of(name)?;
        let (Found::Node(node) | Found::Wildcard(node)) = self.find(zone, name, rtype::A) else {
            return None;
        };
        let set = self.set(node, rtype::POLICY)?;
        self.data(set).next()?.first_chunk().map(|bytes| u32::from_be_bytes(*bytes))
    }

    /// The names that policies answer, each with its policy.
    pub fn steered(&self) -> impl Iterator<Item = (Name, u32)> {
        (0..self.nodes.len()).filter_map(|place| {
            let node = NodeId(place as u32);
            let data = self.data(self.set(node, rtype::POLICY)?).next()?;
            Some((self.name(node), u32::from_be_bytes(*data.first_chunk()?)))
        })
    }

    /// The zone that answers for `name`: the one with the longest apex.
    pub fn zone_of(&self, name: &Name) -> Option<ZoneId> {
        let mut found = self.apex(ROOT_HASH, &[0]);
        let mut hash = ROOT_HASH;
        let labels = name.labels();
        for at in (labels.saturating_sub(self.apex_labels)..labels).rev() {
            hash = hashed(hash, name.label(at));
            found = self.apex(hash, name.suffix(at)).or(found);
        }
        found
    }

    pub(crate) fn apex(&self, hash: u64, wire: &[u8]) -> Option<ZoneId> {
        let same = |zone: &u32| self.zones[*zone as usize].apex.wire() == wire;
        self.apexes.find(hash, same).map(|zone| ZoneId(*zone))
    }

    /// A zone.
    pub fn zone(&self, id: ZoneId) -> &Zone {
        &self.zones[id.0 as usize]
    }

    /// All zones.
    pub fn zones(&self) -> &[Zone] {
        &self.zones
    }

    /// How many records there are.
    pub fn record_count(&self) -> usize {
        self.records.len()
    }

    /// Bytes that all of it takes.
    pub fn bytes(&self) -> usize {
        self.arena.capacity()
            + self.nodes.capacity() * size_of::<Node>()
            + self.sets.capacity() * size_of::<RecordSet>()
            + self.records.capacity() * size_of::<u32>()
            + self.table.allocation_size()
            + self.apexes.allocation_size()
            + self.zones.capacity() * size_of::<Zone>()
    }

    /// Where `name`, which lies in `zone`, ends. A delegation's own DS belongs to the parent and is found at the node.
    pub fn find(&self, zone: ZoneId, name: &Name, qtype: u16) -> Found {
        let of = self.zone(zone);
        let below = name.labels() - of.apex.labels();
        if below <= of.depth
            && let Some(node) = self.node_at(zone, name, below)
        {
            match self.flags(node) & (IS_CUT | IS_BELOW_CUT) {
                0 => return Found::Node(node),
                IS_CUT if qtype == rtype::DS => return Found::Node(node),
                _ => {}
            }
        }
        self.descend(zone, name, below)
    }

    /// The closest encloser, from the apex down, and what it says about names below it.
    fn descend(&self, zone: ZoneId, name: &Name, below: usize) -> Found {
        let of = self.zone(zone);
        let (mut hash, mut encloser, mut enclosed_hash) = (of.hash, of.node, of.hash);
        let mut prefix_from = below;
        for at in (0..below).rev() {
            hash = hashed(hash, name.label(at));
            let labels = &name.prefix(below)[name.prefix(at).len()..];
            let Some(node) = self.node(zone, hash, labels) else { break };
            if self.flags(node) & IS_CUT != 0 {
                return Found::Cut(node);
            }
            (encloser, enclosed_hash, prefix_from) = (node, hash, at);
        }
        if self.flags(encloser) & HAS_WILDCARD == 0 {
            return Found::Missing;
        }
        let rest = &name.prefix(below)[name.prefix(prefix_from).len()..];
        self.wildcard_below(zone, enclosed_hash, rest).map_or(Found::Missing, Found::Wildcard)
    }

    fn wildcard_below(&self, zone: ZoneId, hash: u64, labels: &[u8]) -> Option<NodeId> {
        let same = |node: &u32| {
            let node = &self.nodes[*node as usize];
            node.zone == zone && self.labels(node).strip_prefix(b"\x01*") == Some(labels)
        };
        self.table.find(hashed(hash, b"*"), same).map(|node| NodeId(*node))
    }

    /// The node of `name` itself, whatever it is.
    pub(crate) fn node_of(&self, zone: ZoneId, name: &Name) -> Option<NodeId> {
        self.node_at(zone, name, name.labels() - self.zone(zone).apex.labels())
    }

    fn node_at(&self, zone: ZoneId, name: &Name, below: usize) -> Option<NodeId> {
        let hash = (0..below).rev().fold(self.zone(zone).hash, |hash, at| hashed(hash, name.label(at)));
        self.node(zone, hash, name.prefix(below))
    }

    pub(crate) fn node(&self, zone: ZoneId, hash: u64, labels: &[u8]) -> Option<NodeId> {
        let same = |node: &u32| {
            let node = &self.nodes[*node as usize];
            node.zone == zone && self.labels(node) == labels
        };
        self.table.find(hash, same).map(|node| NodeId(*node))
    }

    /// The labels of a node below its apex, without an end.
    pub(crate) fn labels(&self, node: &Node) -> &[u8] {
        let at = node.labels as usize;
        &self.arena[at + 1..][..usize::from(self.arena[at])]
    }

    /// The whole name of a node.
    pub fn name(&self, node: NodeId) -> Name {
        let node = &self.nodes[node.0 as usize];
        let wire = [self.labels(node), self.zone(node.zone).apex.wire()].concat();
        Name::from_wire(&wire).unwrap_or(Name::ROOT)
    }

    pub(crate) fn flags(&self, node: NodeId) -> u16 {
        self.nodes[node.0 as usize].flags
    }

    /// Everything at a node.
    pub fn sets(&self, node: NodeId) -> &[RecordSet] {
        let node = &self.nodes[node.0 as usize];
        &self.sets[node.first as usize..][..usize::from(node.sets)]
    }

    /// The records of one type at a node.
    pub fn set(&self, node: NodeId, rtype: u16) -> Option<&RecordSet> {
        self.sets(node).iter().find(|set| set.rtype == rtype)
    }

    /// The data of each record of a set, as on the wire without compression.
    pub fn data(&self, set: &RecordSet) -> impl Iterator<Item = &[u8]> {
        self.records[set.first as usize..][..usize::from(set.count)].iter().map(|at| self.datum(*at))
    }

    pub(crate) fn datum(&self, at: u32) -> &[u8] {
        let at = at as usize;
        let length = u16::from_be_bytes([self.arena[at], self.arena[at + 1]]);
        &self.arena[at + 2..][..usize::from(length)]
    }
}
