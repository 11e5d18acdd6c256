//! Fills a [`Catalog`]: records in any order, then everything that a zone must hold to, checked at once.
//!
//! Sources: RFC 1034 §4.2.1 (zones and cuts), RFC 2181 §5.2 and §10.1 (times to live, aliases), RFC 4592 (wildcards).

use crate::dns::catalog::{
    Catalog, HAS_WILDCARD, IS_BELOW_CUT, IS_CUT, Node, NodeId, RecordSet, Zone, ZoneId,
};
use crate::dns::code::{rtype, type_name};
use crate::dns::limits::TTL_S_MAX;
use crate::dns::name::{Name, ROOT_HASH, hashed};
use core::fmt;

/// Why a record, or a zone, was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// A second zone with this apex.
    SecondZone(Box<Name>),
    /// The owner lies outside its zone.
    OutOfZone(Box<Name>),
    /// A type that is not served, with what to do.
    Type(u16, &'static str),
    /// A time to live over 2³¹−1 s.
    Ttl(u32),
    /// More than 4 GiB of records.
    Full,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SecondZone(apex) => write!(f, "{apex} is a second zone of this name; join the two"),
            Self::OutOfZone(owner) => write!(f, "{owner} lies outside the zone; move it to its own"),
            Self::Type(rtype, why) => write!(f, "{} is not served: {why}", type_name(*rtype)),
            Self::Ttl(ttl) => write!(f, "a TTL of {ttl} s is too long; give at most {TTL_S_MAX}"),
            Self::Full => f.write_str("there are more than 4 GiB of records; split them over servers"),
        }
    }
}

/// What was found when everything was there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The zone.
    pub zone: Name,
    /// The name that it is about.
    pub owner: Name,
    /// What is wrong, and what to do: sentences without capital and full stop.
    pub what: String,
    /// The zone cannot be served like this; else it is only told.
    pub is_fatal: bool,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.owner, self.what)
    }
}

/// A record that has not found its set yet.
#[derive(Clone, Copy, Debug)]
struct Pending {
    node: NodeId,
    datum: u32,
    ttl_s: u32,
    rtype: u16,
}

/// A catalog under construction.
#[derive(Debug, Default)]
pub struct Builder {
    catalog: Catalog,
    pending: Vec<Pending>,
}

impl Builder {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a zone without records.
    pub fn zone(&mut self, apex: &Name) -> Result<ZoneId, Refused> {
        let hash = (0..apex.labels()).rev().fold(ROOT_HASH, |hash, at| hashed(hash, apex.label(at)));
        if self.catalog.apex(hash, apex.wire()).is_some() {
            return Err(Refused::SecondZone(Box::new(*apex)));
        }
        let id = ZoneId(self.catalog.zones.len() as u32);
        let node = self.push_node(id, &[], hash)?;
        let zone = Zone { apex: *apex, hash, node, depth: 0, negative_ttl_s: 0, serial: 0, records: 0 };
        self.catalog.zones.push(zone);
        let zones = &self.catalog.zones;
        self.catalog.apexes.insert_unique(hash, id.0, |zone| zones[*zone as usize].hash);
        self.catalog.apex_labels = self.catalog.apex_labels.max(apex.labels());
        Ok(id)
    }

    /// The zone that will answer for `name`.
    pub fn zone_of(&self, name: &Name) -> Option<ZoneId> {
        self.catalog.zone_of(name)
    }

    /// Adds a record; `data` is its wire form without compression.
    pub fn record(
        &mut self,
        zone: ZoneId,
        owner: &Name,
        rtype: u16,
        ttl_s: u32,
        data: &[u8],
    ) -> Result<(), Refused> {
        if let Some(why) = unserved(rtype) {
            return Err(Refused::Type(rtype, why));
        }
        self.push(zone, owner, rtype, ttl_s, data)
    }

    /// Lets a policy answer for the addresses of `owner`.
    pub fn policy(&mut self, zone: ZoneId, owner: &Name, policy: u32) -> Result<(), Refused> {
        self.push(zone, owner, rtype::POLICY, 0, &policy.to_be_bytes())
    }

    fn push(
        &mut self,
        zone: ZoneId,
        owner: &Name,
        rtype: u16,
        ttl_s: u32,
        data: &[u8],
    ) -> Result<(), Refused> {
        if ttl_s > TTL_S_MAX {
            return Err(Refused::Ttl(ttl_s));
        }
        if !owner.is_within(&self.catalog.zone(zone).apex) {
            return Err(Refused::OutOfZone(Box::new(*owner)));
        }
        let node = self.ensure_node(zone, owner)?;
        let datum = self.place()?;
        self.catalog.arena.extend_from_slice(&(data.len() as u16).to_be_bytes());
        self.catalog.arena.extend_from_slice(data);
        self.pending.push(Pending { node, datum, ttl_s, rtype });
        Ok(())
    }

    /// The node of a name, made if need be together with all between it and the apex.
    fn ensure_node(&mut self, zone: ZoneId, owner: &Name) -> Result<NodeId, Refused> {
        if let Some(known) = self.catalog.node_of(zone, owner) {
            return Ok(known);
        }
        let of = self.catalog.zone(zone);
        let (mut hash, mut node) = (of.hash, of.node);
        let below = owner.labels() - of.apex.labels();
        self.catalog.zones[zone.0 as usize].depth = self.catalog.zone(zone).depth.max(below);
        for at in (0..below).rev() {
            hash = hashed(hash, owner.label(at));
            let labels = &owner.prefix(below)[owner.prefix(at).len()..];
            let parent = node;
            node = match self.catalog.node(zone, hash, labels) {
                Some(known) => known,
                None => self.push_node(zone, labels, hash)?,
            };
            if owner.label(at) == b"*" {
                self.catalog.nodes[parent.0 as usize].flags |= HAS_WILDCARD;
            }
        }
        Ok(node)
    }

    fn push_node(&mut self, zone: ZoneId, labels: &[u8], hash: u64) -> Result<NodeId, Refused> {
        let place = self.place()?;
        let id = u32::try_from(self.catalog.nodes.len()).map_err(|_| Refused::Full)?;
        self.catalog.arena.push(labels.len() as u8);
        self.catalog.arena.extend_from_slice(labels);
        self.catalog.nodes.push(Node { zone, labels: place, first: 0, sets: 0, flags: 0 });
        let Catalog { table, nodes, arena, zones, .. } = &mut self.catalog;
        table.insert_unique(hash, id, |id| rehash(&nodes[*id as usize], arena, zones));
        Ok(NodeId(id))
    }

    fn place(&self) -> Result<u32, Refused> {
        u32::try_from(self.catalog.arena.len()).map_err(|_| Refused::Full)
    }

    /// Sorts everything into sets and looks at all of it.
    pub fn finish(mut self) -> (Catalog, Vec<Finding>) {
        let mut findings = Vec::new();
        self.gather(&mut findings);
        let Self { mut catalog, .. } = self;
        mark_cuts(&mut catalog);
        for zone in 0..catalog.zones.len() {
            check_apex(&mut catalog, ZoneId(zone as u32), &mut findings);
        }
        for node in 0..catalog.nodes.len() {
            check_node(&catalog, NodeId(node as u32), &mut findings);
        }
        catalog.arena.shrink_to_fit();
        catalog.nodes.shrink_to_fit();
        (catalog, findings)
    }

    fn gather(&mut self, findings: &mut Vec<Finding>) {
        let catalog = &mut self.catalog;
        let mut pending = core::mem::take(&mut self.pending);
        pending.sort_unstable_by(|a, b| {
            let key = |p: &Pending| (p.node.0, p.rtype);
            key(a).cmp(&key(b)).then_with(|| catalog.datum(a.datum).cmp(catalog.datum(b.datum)))
        });
        pending.dedup_by(|b, a| {
            (a.node, a.rtype) == (b.node, b.rtype) && catalog.datum(a.datum) == catalog.datum(b.datum)
        });
        catalog.records.reserve_exact(pending.len());
        for set in pending.chunk_by(|a, b| (a.node, a.rtype) == (b.node, b.rtype)) {
            push_set(catalog, set, findings);
        }
        catalog.sets.shrink_to_fit();
    }
}

fn rehash(node: &Node, arena: &[u8], zones: &[Zone]) -> u64 {
    let at = node.labels as usize;
    let labels = &arena[at + 1..][..usize::from(arena[at])];
    let name = Name::from_wire(&[labels, &[0]].concat()).unwrap_or(Name::ROOT);
    // The apex of a zone under construction is pushed after its node; its hash is only asked for later.
    let apex = zones.get(node.zone.0 as usize).map_or(ROOT_HASH, |zone| zone.hash);
    (0..name.labels()).rev().fold(apex, |hash, at| hashed(hash, name.label(at)))
}

fn push_set(catalog: &mut Catalog, set: &[Pending], findings: &mut Vec<Finding>) {
    let Some(one) = set.first() else { return };
    let count = u16::try_from(set.len()).unwrap_or_else(|_| {
        let what = format!("has {} records of one type; give at most 65535", set.len());
        findings.push(finding(catalog, one.node, what, true));
        u16::MAX
    });
    // RFC 2181 §5.2: records of a set that disagree get the shortest time.
    let ttl_s = set.iter().map(|pending| pending.ttl_s).min().unwrap_or(0);
    if set.iter().any(|pending| pending.ttl_s != ttl_s) {
        let what = format!("{} records have different TTLs; {ttl_s} s is used", type_name(one.rtype));
        findings.push(finding(catalog, one.node, what, false));
    }
    let first = catalog.records.len() as u32;
    catalog.records.extend(set.iter().take(usize::from(count)).map(|pending| pending.datum));
    let node = &mut catalog.nodes[one.node.0 as usize];
    if node.sets == 0 {
        node.first = catalog.sets.len() as u32;
    }
    node.sets += 1;
    let zone = node.zone;
    catalog.sets.push(RecordSet { first, ttl_s, rtype: one.rtype, count });
    catalog.zones[zone.0 as usize].records += u32::from(count);
}

/// Marks delegations and what lies below them.
fn mark_cuts(catalog: &mut Catalog) {
    let mut zones_with_cuts = vec![false; catalog.zones.len()];
    for at in 0..catalog.nodes.len() {
        let id = NodeId(at as u32);
        let zone = catalog.nodes[at].zone;
        if catalog.zone(zone).node != id && catalog.set(id, rtype::NS).is_some() {
            catalog.nodes[at].flags |= IS_CUT;
            zones_with_cuts[zone.0 as usize] = true;
        }
    }
    for at in 0..catalog.nodes.len() {
        let node = catalog.nodes[at];
        if zones_with_cuts[node.zone.0 as usize] && is_below_cut(catalog, &node) {
            catalog.nodes[at].flags |= IS_BELOW_CUT;
        }
    }
}

fn is_below_cut(catalog: &Catalog, node: &Node) -> bool {
    let mut labels = catalog.labels(node);
    while let Some((length, _)) = labels.split_first() {
        labels = &labels[1 + usize::from(*length)..];
        let above = Node { ..*node };
        let name = Name::from_wire(&[labels, catalog.zone(above.zone).apex.wire()].concat());
        let cut = name.ok().and_then(|name| catalog.node_of(node.zone, &name));
        if cut.is_some_and(|cut| catalog.flags(cut) & IS_CUT != 0) {
            return true;
        }
    }
    false
}

fn check_apex(catalog: &mut Catalog, zone: ZoneId, findings: &mut Vec<Finding>) {
    let node = catalog.zone(zone).node;
    let mut say = |what: &str, is_fatal| findings.push(finding(catalog, node, what.to_owned(), is_fatal));
    match catalog.set(node, rtype::SOA) {
        None => say("the zone has no SOA record; give one at its apex", true),
        Some(set) if set.count > 1 => say("the zone has several SOA records; keep one", true),
        Some(_) => {}
    }
    if catalog.set(node, rtype::NS).is_none() {
        say("the zone has no NS record; give at least one at its apex", true);
    }
    let soa = catalog.set(node, rtype::SOA).map(|set| (set.ttl_s, catalog.data(set).next().unwrap_or(&[])));
    let Some((ttl_s, data)) = soa else { return };
    let number = |from_end: usize| {
        let at = data.len().checked_sub(from_end);
        at.and_then(|at| data[at..].first_chunk()).map_or(0, |bytes| u32::from_be_bytes(*bytes))
    };
    let (serial, minimum_s) = (number(20), number(4));
    let of = &mut catalog.zones[zone.0 as usize];
    (of.serial, of.negative_ttl_s) = (serial, minimum_s.min(ttl_s));
}

fn check_node(catalog: &Catalog, id: NodeId, findings: &mut Vec<Finding>) {
    let node = &catalog.nodes[id.0 as usize];
    if node.sets == 0 {
        return;
    }
    let has = |rtype| catalog.set(id, rtype).is_some();
    let mut say = |what: &str, is_fatal| findings.push(finding(catalog, id, what.to_owned(), is_fatal));
    if let Some(alias) = catalog.set(id, rtype::CNAME) {
        if alias.count > 1 {
            say("has several CNAME records; keep one", true);
        }
        if node.sets > 1 {
            say("has a CNAME and other records; a name with an alias has nothing else", true);
        }
    }
    if has(rtype::SOA) && catalog.zone(node.zone).node != id {
        say("has an SOA record below the apex; give that zone a file of its own", true);
    }
    if has(rtype::POLICY) && (has(rtype::A) || has(rtype::AAAA)) {
        say("has addresses and a policy; a policy gives the addresses itself", true);
    }
    if has(rtype::POLICY) && node.flags & (IS_CUT | IS_BELOW_CUT) != 0 {
        say("has a policy at or below a delegation; take one of the two away", true);
    }
    if node.flags & IS_CUT != 0 && catalog.labels(node).starts_with(b"\x01*") {
        say("is a wildcard with NS records; delegate names one by one", true);
    }
    if node.flags & IS_BELOW_CUT != 0 && !(has(rtype::A) || has(rtype::AAAA)) {
        say("lies below a delegation and is no glue; it is not served", false);
    }
}

fn finding(catalog: &Catalog, node: NodeId, what: String, is_fatal: bool) -> Finding {
    let zone = catalog.zone(catalog.nodes[node.0 as usize].zone).apex;
    Finding { zone, owner: catalog.name(node), what, is_fatal }
}

/// Why a type is not served, if so.
fn unserved(rtype: u16) -> Option<&'static str> {
    match rtype {
        rtype::DNAME => Some("write a wildcard CNAME, or the names one by one"),
        46 | 47 | 50 | 51 => Some("signed zones are not served yet; give the unsigned zone"),
        rtype::OPT | 128..=255 | rtype::POLICY | 0 => Some("it is no type of records in a zone"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dns::catalog::Found;

    fn name(text: &str) -> Name {
        Name::from_text(text).unwrap()
    }

    const SOA: &[u8] =
        b"\x00\x00\x00\x00\x00\x07\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x3c";

    /// Zones `example` and `kid.example`, the owners given with their types in the first.
    fn build(owners: &[(&str, u16)]) -> (Catalog, Vec<Finding>) {
        let mut builder = Builder::new();
        let zone = builder.zone(&name("example")).unwrap();
        let kid = builder.zone(&name("kid.example")).unwrap();
        for (zone, apex) in [(zone, "example"), (kid, "kid.example")] {
            builder.record(zone, &name(apex), rtype::SOA, 300, SOA).unwrap();
            builder.record(zone, &name(apex), rtype::NS, 300, b"\x02ns\x00").unwrap();
        }
        for (at, (owner, rtype)) in owners.iter().enumerate() {
            builder.record(zone, &name(owner), *rtype, 60, &[at as u8; 4]).unwrap();
        }
        builder.finish()
    }

    #[test]
    fn names_are_found_where_rfc_4592_says() {
        // The zone of RFC 4592 §2.2.1.
        let (catalog, findings) = build(&[
            ("*.example", 16),
            ("*.example", 15),
            ("sub.*.example", 16),
            ("host1.example", 1),
            ("_ssh._tcp.host1.example", 33),
            ("_ssh._tcp.host2.example", 33),
            ("subdel.example", 2),
            ("ns.subdel.example", 1),
        ]);
        assert_eq!(findings, []);
        let find = |text: &str| {
            let (zone, name) = (catalog.zone_of(&name(text)).unwrap(), name(text));
            match catalog.find(zone, &name, 1) {
                Found::Node(node) => format!("node {}", catalog.name(node)),
                Found::Wildcard(node) => format!("wildcard {}", catalog.name(node)),
                Found::Cut(node) => format!("cut {}", catalog.name(node)),
                Found::Missing => "missing".to_owned(),
            }
        };
        let cases = [
            ("host3.example", "wildcard *.example."),
            ("foo.bar.example", "wildcard *.example."),
            ("host1.example", "node host1.example."),
            ("sub.*.example", "node sub.*.example."),
            ("_telnet._tcp.host1.example", "missing"),
            ("host.subdel.example", "cut subdel.example."),
            ("ns.subdel.example", "cut subdel.example."),
            ("subdel.example", "cut subdel.example."),
            ("ghost.*.example", "missing"),
            ("_tcp.host2.example", "node _tcp.host2.example."),
            ("host2.example", "node host2.example."),
            ("example", "node example."),
            ("kid.example", "node kid.example."),
            ("a.kid.example", "missing"),
            ("*.example", "node *.example."),
        ];
        for (asked, found) in cases {
            assert_eq!(find(asked), found, "{asked}");
        }
        let subdel = name("subdel.example");
        let zone = catalog.zone_of(&subdel).unwrap();
        assert!(matches!(catalog.find(zone, &subdel, rtype::DS), Found::Node(_)));
        assert_eq!(catalog.zone_of(&name("other")), None);
        assert_eq!((catalog.zone(zone).serial, catalog.zone(zone).negative_ttl_s), (7, 60));
    }

    #[test]
    fn what_a_zone_must_hold_to_is_said_all_at_once() {
        let mut builder = Builder::new();
        let zone = builder.zone(&name("a.test")).unwrap();
        assert_eq!(builder.zone(&name("A.test")), Err(Refused::SecondZone(Box::new(name("a.test")))));
        let mut add =
            |owner: &str, rtype: u16, ttl_s| builder.record(zone, &name(owner), rtype, ttl_s, b"\x00");
        assert!(matches!(add("b.test", 1, 1), Err(Refused::OutOfZone(_))));
        assert!(matches!(add("a.test", rtype::DNAME, 1), Err(Refused::Type(..))));
        assert!(matches!(add("a.test", rtype::POLICY, 1), Err(Refused::Type(..))));
        assert_eq!(add("a.test", 1, u32::MAX), Err(Refused::Ttl(u32::MAX)));
        for (owner, rtype) in [("c.a.test", 5), ("c.a.test", 1), ("d.a.test", 6), ("*.e.a.test", 2)] {
            add(owner, rtype, 5).unwrap();
        }
        builder.policy(zone, &name("c.a.test"), 1).unwrap();
        let (_, findings) = builder.finish();
        let said: Vec<String> = findings.iter().map(ToString::to_string).collect();
        for sentence in [
            "no SOA",
            "no NS",
            "CNAME and other",
            "SOA record below",
            "addresses and a policy",
            "wildcard with NS",
        ] {
            assert!(said.iter().any(|line| line.contains(sentence)), "{sentence}: {said:?}");
        }
    }

    #[test]
    fn doubles_are_one_and_the_shortest_ttl_counts() {
        let mut builder = Builder::new();
        let zone = builder.zone(&name("a.test")).unwrap();
        for (ttl_s, data) in [(9, b"\x01"), (5, b"\x02"), (7, b"\x01")] {
            builder.record(zone, &name("x.a.test"), 16, ttl_s, data).unwrap();
        }
        let (catalog, findings) = builder.finish();
        let node = catalog.node_of(zone, &name("x.a.test")).unwrap();
        let set = catalog.set(node, 16).unwrap();
        assert_eq!((set.ttl_s, catalog.data(set).collect::<Vec<_>>()), (5, vec![&b"\x01"[..], b"\x02"]));
        assert!(findings.iter().any(|finding| !finding.is_fatal && finding.what.contains("different TTLs")));
    }

    /// The table grows many times, and everything is still found.
    #[test]
    fn many_names_are_all_found() {
        let mut builder = Builder::new();
        let zone = builder.zone(&name("example")).unwrap();
        let owner = |at: u32| name(&format!("h{at}.d{}.example", at % 97));
        for at in 0..20_000 {
            builder.record(zone, &owner(at), 1, 60, &at.to_be_bytes()).unwrap();
        }
        let (catalog, _) = builder.finish();
        for at in 0..20_000 {
            let Found::Node(node) = catalog.find(zone, &owner(at), 1) else { panic!("{at} is lost") };
            let set = catalog.set(node, 1).unwrap();
            assert_eq!(catalog.data(set).next(), Some(&at.to_be_bytes()[..]));
        }
        assert_eq!(catalog.find(zone, &name("h1.d2.example"), 1), Found::Missing);
    }
}
