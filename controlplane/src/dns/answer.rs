//! What is answered: from the catalog and the question to the records of the three sections (RFC 1034 §4.3.2, RFC 2308,
//! RFC 4592, RFC 8482). Nothing here knows a client's rights, transport or options.

use crate::dns::catalog::{Catalog, Found, NodeId, RecordSet, ZoneId};
use crate::dns::code::{ResponseCode, rtype};
use crate::dns::limits::{ADDITIONAL_MAX, ALIASES_MAX};
use crate::dns::name::Name;
use crate::dns::rate::Kind;
use crate::dns::writer::{Full, Owner, Section, Writer};

/// What ANY is answered with (RFC 8482 §4.2).
const ANY_DATA: &[u8] = b"\x07RFC8482\x00";
/// Its time to live, seconds.
const ANY_TTL_S: u32 = 3_600;

/// How an answer came out.
#[derive(Clone, Copy, Debug)]
pub struct Composed {
    /// The response code.
    pub code: ResponseCode,
    /// We answer for the name.
    pub authoritative: bool,
    /// Something did not fit.
    pub truncated: bool,
    /// What it is counted as.
    pub kind: Kind,
}

/// Writes one record, of which the time to live and the data are given.
pub type Put<'a> = &'a mut dyn FnMut(u32, &[u8]) -> Result<(), Full>;

/// Where an answer has the addresses of a policy's name from.
pub trait Chooser {
    /// Writes the addresses of `qtype` that `policy` chooses through `put` (time to live, data); what it says when there
    /// are none.
    fn choose(&mut self, policy: u32, qtype: u16, put: Put<'_>) -> Result<Chosen, Full>;
}

/// What a policy said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chosen {
    /// Addresses were written.
    Addresses,
    /// It has none of this family: the name exists, the type does not.
    Nothing,
    /// It must not answer now.
    Failure,
}

/// Composes the answer for `name` in `zone` behind the question.
pub fn compose(
    catalog: &Catalog,
    zone: ZoneId,
    name: &Name,
    qtype: u16,
    writer: &mut Writer<'_>,
    chooser: &mut dyn Chooser,
) -> Composed {
    let begun = writer.mark();
    let mut answering =
        Answering { catalog, zone, qtype, writer, chooser, kind: Kind::Error, authoritative: true };
    match answering.follow(name) {
        Ok(code) => {
            let Answering { kind, authoritative, .. } = answering;
            Composed { code, authoritative, truncated: false, kind }
        }
        Err(Full) => {
            let Answering { kind, authoritative, .. } = answering;
            writer.rewind(begun);
            Composed { code: ResponseCode::NoError, authoritative, truncated: true, kind }
        }
    }
}

struct Answering<'c, 'w, 'o> {
    catalog: &'c Catalog,
    zone: ZoneId,
    qtype: u16,
    writer: &'w mut Writer<'o>,
    chooser: &'w mut dyn Chooser,
    kind: Kind,
    authoritative: bool,
}

/// What to do after a node.
#[allow(
    clippy::large_enum_variant,
    reason = "it lives on the stack for a moment; a box would be an allocation"
)]
enum Next {
    End(ResponseCode),
    Follow(Name),
}

impl Answering<'_, '_, '_> {
    /// Follows aliases from `name` to the end.
    fn follow(&mut self, name: &Name) -> Result<ResponseCode, Full> {
        let mut at = *name;
        for step in 0..=ALIASES_MAX {
            let owner = at;
            let owner = if step == 0 { Owner::Question } else { Owner::Name(owner.wire()) };
            let next = match self.catalog.find(self.zone, &at, self.qtype) {
                Found::Node(node) | Found::Wildcard(node) => self.node(node, owner)?,
                Found::Cut(node) => {
                    self.counted_as(step, Kind::Name(u64::from(node.0)));
                    // The first name decides: behind an alias of ours the answer is ours.
                    self.authoritative = step > 0;
                    self.referral(node)?;
                    return Ok(ResponseCode::NoError);
                }
                Found::Missing => {
                    self.counted_as(step, Kind::Missing(u64::from(self.zone.0)));
                    self.start_of_zone()?;
                    Next::End(ResponseCode::NxDomain)
                }
            };
            match next {
                Next::End(code) => return Ok(code),
                Next::Follow(target) if self.is_ours(&target) => at = target,
                Next::Follow(_) => break,
            }
        }
        Ok(ResponseCode::NoError)
    }

    /// An alias into a served child is left to the resolver: another zone, another generation of authority.
    fn is_ours(&self, target: &Name) -> bool {
        self.catalog.zone_of(target) == Some(self.zone)
    }

    /// The first name decides: an attacker may choose it, and not what its alias leads to.
    fn counted_as(&mut self, step: usize, kind: Kind) {
        if step == 0 {
            self.kind = kind;
        }
    }

    fn node(&mut self, node: NodeId, owner: Owner<'_>) -> Result<Next, Full> {
        if matches!(owner, Owner::Question) {
            self.kind = Kind::Name(u64::from(node.0));
        }
        if let Some(alias) = self.catalog.set(node, rtype::CNAME) {
            self.set(Section::Answer, owner, alias, alias.ttl_s)?;
            let target = self.catalog.data(alias).next().and_then(|data| Name::from_wire(data).ok());
            return Ok(match target {
                Some(target) if !matches!(self.qtype, rtype::CNAME | rtype::ANY) => Next::Follow(target),
                Some(_) | None => Next::End(ResponseCode::NoError),
            });
        }
        self.wanted(node, owner).map(Next::End)
    }

    /// What was asked for, or that it is not there.
    fn wanted(&mut self, node: NodeId, owner: Owner<'_>) -> Result<ResponseCode, Full> {
        let has_policy = matches!(self.qtype, rtype::A | rtype::AAAA);
        if has_policy && let Some(policy) = self.catalog.set(node, rtype::POLICY) {
            return self.chosen(policy, owner);
        }
        if self.qtype == rtype::ANY && !self.catalog.sets(node).is_empty() {
            self.writer.record(Section::Answer, owner, rtype::HINFO, ANY_TTL_S, ANY_DATA)?;
            return Ok(ResponseCode::NoError);
        }
        match self.catalog.set(node, self.qtype).filter(|set| set.rtype != rtype::POLICY) {
            Some(set) => {
                self.set(Section::Answer, owner, set, set.ttl_s)?;
                self.additional(set);
            }
            None => self.start_of_zone()?,
        }
        Ok(ResponseCode::NoError)
    }

    fn chosen(&mut self, policy: &RecordSet, owner: Owner<'_>) -> Result<ResponseCode, Full> {
        let number = self.catalog.data(policy).next().and_then(|data| data.first_chunk());
        let number = number.map_or(u32::MAX, |bytes| u32::from_be_bytes(*bytes));
        let (writer, qtype) = (&mut *self.writer, self.qtype);
        let mut put = |ttl_s, data: &[u8]| writer.record(Section::Answer, owner, qtype, ttl_s, data);
        match self.chooser.choose(number, qtype, &mut put)? {
            Chosen::Addresses => Ok(ResponseCode::NoError),
            Chosen::Nothing => self.start_of_zone().map(|()| ResponseCode::NoError),
            Chosen::Failure => Ok(ResponseCode::ServFail),
        }
    }

    fn set(&mut self, section: Section, owner: Owner<'_>, set: &RecordSet, ttl_s: u32) -> Result<(), Full> {
        for data in self.catalog.data(set) {
            self.writer.record(section, owner, set.rtype, ttl_s, data)?;
        }
        Ok(())
    }

    /// The start of the zone, with the time that a negative answer is good for (RFC 2308 §3).
    fn start_of_zone(&mut self) -> Result<(), Full> {
        let zone = self.catalog.zone(self.zone);
        let Some(set) = self.catalog.set(zone.node, rtype::SOA) else { return Ok(()) };
        self.set(Section::Authority, Owner::Name(zone.apex.wire()), set, zone.negative_ttl_s)
    }

    /// Who answers for what lies below a cut. The addresses of servers that are named below it must come along: nobody
    /// could find them otherwise (RFC 9471).
    fn referral(&mut self, cut: NodeId) -> Result<(), Full> {
        let Some(set) = self.catalog.set(cut, rtype::NS) else { return Ok(()) };
        let owner = self.catalog.name(cut);
        self.set(Section::Authority, Owner::Name(owner.wire()), set, set.ttl_s)?;
        let servers =
            || self.catalog.data(set).take(ADDITIONAL_MAX).filter_map(|data| Name::from_wire(data).ok());
        for server in servers().filter(|server| server.is_within(&owner)) {
            self.addresses(&server)?;
        }
        for server in servers().filter(|server| !server.is_within(&owner)) {
            self.if_it_fits(&server);
        }
        Ok(())
    }

    /// The addresses of those that the records of `set` name, as far as there is room.
    fn additional(&mut self, set: &RecordSet) {
        let skipped = match set.rtype {
            rtype::NS => 0,
            rtype::MX => 2,
            rtype::SRV => 6,
            // RFC 9460 §4.1; behind the target stand parameters.
            rtype::SVCB | rtype::HTTPS => 2,
            _ => return,
        };
        let catalog = self.catalog;
        for data in catalog.data(set).take(ADDITIONAL_MAX) {
            if let Ok((target, _)) = Name::read(data, skipped) {
                self.if_it_fits(&target);
            }
        }
    }

    fn if_it_fits(&mut self, name: &Name) {
        let mark = self.writer.mark();
        if self.addresses(name) == Err(Full) {
            self.writer.rewind(mark);
        }
    }

    /// The addresses of a name of this zone, glue among them.
    fn addresses(&mut self, name: &Name) -> Result<(), Full> {
        if !name.is_within(&self.catalog.zone(self.zone).apex) {
            return Ok(());
        }
        let Some(node) = self.catalog.node_of(self.zone, name) else { return Ok(()) };
        for rtype in [rtype::A, rtype::AAAA] {
            if let Some(set) = self.catalog.set(node, rtype) {
                self.set(Section::Additional, Owner::Name(name.wire()), set, set.ttl_s)?;
            }
        }
        Ok(())
    }
}
