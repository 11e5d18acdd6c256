//! An answer being written: header, question, records with compressed names, OPT; never more than fits.
//!
//! Our own and not `domain`'s builder, because an answer goes straight from the catalog into a batch's buffer: nothing is
//! allocated, and what does not fit is taken back to a mark. Compression (RFC 1035 §4.1.4) is tried for the names of the
//! types that RFC 3597 §4 allows it for, and for owners.

use crate::dns::code::{CLASS_IN, ResponseCode, rtype};
use crate::dns::limits::{COMPRESSION_PLACES, HEADER_BYTES};

/// There is no room left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

/// A section of a message behind the question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Section {
    /// What was asked for.
    Answer = 0,
    /// Who answers for it, or the start of the zone that lacks it.
    Authority = 1,
    /// What will be asked next.
    Additional = 2,
}

/// Whose record it is.
#[derive(Clone, Copy, Debug)]
pub enum Owner<'n> {
    /// The name in the question.
    Question,
    /// Another name, in wire form.
    Name(&'n [u8]),
}

/// A place to come back to.
#[derive(Clone, Copy, Debug)]
pub struct Mark {
    at: usize,
    placed: usize,
    counts: [u16; 3],
}

/// The flags of an answer that are not taken from the request.
#[derive(Clone, Copy, Debug)]
pub struct Flags {
    /// We answer for this name.
    pub authoritative: bool,
    /// Something did not fit.
    pub truncated: bool,
    /// How it ended.
    pub code: ResponseCode,
}

/// The writer.
#[derive(Debug)]
pub struct Writer<'o> {
    out: &'o mut [u8],
    at: usize,
    limit: usize,
    class: u16,
    has_question: bool,
    counts: [u16; 3],
    places: [u16; COMPRESSION_PLACES],
    placed: usize,
}

/// Highest place that a pointer can name.
const POINTER_MAX: usize = 0x3fff;

impl<'o> Writer<'o> {
    /// Begins with the request's header and question. `limit` counts all bytes but the OPT record's, for which the caller
    /// leaves room; both `out` and `limit` hold a header and a question.
    pub fn begin(out: &'o mut [u8], limit: usize, header: &[u8; HEADER_BYTES], question: &[u8]) -> Self {
        let at = HEADER_BYTES + question.len();
        out[..HEADER_BYTES].copy_from_slice(header);
        out[HEADER_BYTES..at].copy_from_slice(question);
        let limit = limit.min(out.len());
        let mut writer = Self {
            out,
            at,
            limit,
            class: CLASS_IN,
            has_question: !question.is_empty(),
            counts: [0; 3],
            places: [0; COMPRESSION_PLACES],
            placed: 0,
        };
        writer.place_labels(HEADER_BYTES, question.len().saturating_sub(4));
        writer
    }

    /// Writes records of another class than IN from now on.
    pub fn set_class(&mut self, class: u16) {
        self.class = class;
    }

    /// Remembers where the labels of the uncompressed name at `from` begin.
    fn place_labels(&mut self, from: usize, bytes: usize) {
        let mut at = from;
        while at < from + bytes && self.out[at] != 0 && at <= POINTER_MAX && self.placed < COMPRESSION_PLACES
        {
            self.places[self.placed] = at as u16;
            self.placed += 1;
            at += 1 + usize::from(self.out[at]);
        }
    }

    /// A place to come back to.
    pub fn mark(&self) -> Mark {
        Mark { at: self.at, placed: self.placed, counts: self.counts }
    }

    /// Forgets everything behind a mark.
    pub fn rewind(&mut self, mark: Mark) {
        (self.at, self.placed, self.counts) = (mark.at, mark.placed, mark.counts);
    }

    /// Adds a record; on [`Full`] the caller goes back to a mark.
    pub fn record(
        &mut self,
        section: Section,
        owner: Owner<'_>,
        rtype: u16,
        ttl_s: u32,
        data: &[u8],
    ) -> Result<(), Full> {
        match owner {
            Owner::Question => self.bytes(&[0xc0, HEADER_BYTES as u8])?,
            Owner::Name(name) => self.name(name)?,
        }
        let mut fixed = [0; 10];
        fixed[..2].copy_from_slice(&rtype.to_be_bytes());
        fixed[2..4].copy_from_slice(&self.class.to_be_bytes());
        fixed[4..8].copy_from_slice(&ttl_s.to_be_bytes());
        self.bytes(&fixed)?;
        let from = self.at;
        self.data(rtype, data)?;
        let length = (self.at - from) as u16;
        self.out[from - 2..from].copy_from_slice(&length.to_be_bytes());
        self.counts[section as usize] += 1;
        Ok(())
    }

    fn data(&mut self, rtype: u16, data: &[u8]) -> Result<(), Full> {
        match rtype {
            rtype::NS | rtype::CNAME | rtype::PTR => self.name(data),
            rtype::MX => {
                let (preference, exchange) = data.split_at_checked(2).unwrap_or((data, &[]));
                self.bytes(preference)?;
                self.name(exchange)
            }
            rtype::SOA => {
                let (primary, rest) = data.split_at_checked(name_bytes(data)).unwrap_or((&[], data));
                let (person, numbers) = rest.split_at_checked(name_bytes(rest)).unwrap_or((&[], rest));
                self.name(primary)?;
                self.name(person)?;
                self.bytes(numbers)
            }
            _ => self.bytes(data),
        }
    }

    fn bytes(&mut self, bytes: &[u8]) -> Result<(), Full> {
        let end = self.at + bytes.len();
        if end > self.limit {
            return Err(Full);
        }
        self.out[self.at..end].copy_from_slice(bytes);
        self.at = end;
        Ok(())
    }

    /// Writes a name, its end as a pointer where it stands in the message already.
    fn name(&mut self, name: &[u8]) -> Result<(), Full> {
        let mut rest = name;
        let begun = self.at;
        while let Some(length) = rest.first().filter(|length| **length > 0) {
            if let Some(place) = self.known(rest) {
                self.bytes(&(0xc000 | place).to_be_bytes())?;
                self.place_labels(begun, name.len() - rest.len());
                return Ok(());
            }
            let (label, after) = rest.split_at_checked(1 + usize::from(*length)).unwrap_or((rest, &[]));
            self.bytes(label)?;
            rest = after;
        }
        self.bytes(&[0])?;
        self.place_labels(begun, self.at - begun);
        Ok(())
    }

    fn known(&self, suffix: &[u8]) -> Option<u16> {
        self.places[..self.placed].iter().copied().find(|place| self.stands_at(usize::from(*place), suffix))
    }

    /// Whether the name at `at` is `suffix`, letters' cases apart.
    fn stands_at(&self, mut at: usize, mut suffix: &[u8]) -> bool {
        loop {
            let length = self.out[at];
            if length >= 0xc0 {
                // Written by us, so that it leads back and ends.
                at = usize::from(u16::from_be_bytes([length & 0x3f, self.out[at + 1]]));
                continue;
            }
            if suffix.first() != Some(&length) {
                return false;
            }
            if length == 0 {
                return true;
            }
            let label = 1 + usize::from(length);
            if !self.out[at..at + label].eq_ignore_ascii_case(suffix.get(..label).unwrap_or(&[])) {
                return false;
            }
            at += label;
            suffix = &suffix[label..];
        }
    }

    /// Ends the message: the OPT record's options in `opt` if there is one, the header's flags and counts. Its bytes.
    pub fn end(self, flags: Flags, opt: Option<Opt<'_>>) -> usize {
        let Self { out, mut at, counts, has_question, .. } = self;
        let code = flags.code as u16;
        let extra = u16::from(opt.is_some());
        if let Some(opt) = opt {
            at += opt.write(code, &mut out[at..]);
        }
        out[2] = 0x80 | out[2] & 0x79 | u8::from(flags.authoritative) << 2 | u8::from(flags.truncated) << 1;
        // CD is copied (RFC 4035 §3.1.6), all else is ours.
        out[3] = out[3] & 0x10 | code as u8 & 15;
        let [answers, authorities, additionals] = counts;
        for (place, count) in
            [u16::from(has_question), answers, authorities, additionals + extra].iter().enumerate()
        {
            out[4 + 2 * place..6 + 2 * place].copy_from_slice(&count.to_be_bytes());
        }
        at
    }
}

fn name_bytes(data: &[u8]) -> usize {
    let mut at = 0;
    while let Some(length) = data.get(at).filter(|length| **length > 0) {
        at += 1 + usize::from(*length);
    }
    at + 1
}

/// The OPT record of an answer.
#[derive(Clone, Copy, Debug)]
pub struct Opt<'a> {
    /// Bytes that we take over UDP.
    pub udp_bytes: u16,
    /// As the client had it.
    pub dnssec_ok: bool,
    /// Codes and values.
    pub options: &'a [(u16, &'a [u8])],
}

/// Bytes of an OPT record without options.
pub const OPT_BYTES: usize = 11;

impl Opt<'_> {
    /// Bytes that it takes.
    pub fn bytes(&self) -> usize {
        OPT_BYTES + self.options.iter().map(|(_, value)| 4 + value.len()).sum::<usize>()
    }

    fn write(&self, code: u16, out: &mut [u8]) -> usize {
        let [size0, size1] = self.udp_bytes.to_be_bytes();
        let bytes = self.bytes();
        let [length0, length1] = ((bytes - OPT_BYTES) as u16).to_be_bytes();
        let flags = u8::from(self.dnssec_ok) << 7;
        let fixed = [0, 0, 41, size0, size1, (code >> 4) as u8, 0, flags, 0, length0, length1];
        out[..OPT_BYTES].copy_from_slice(&fixed);
        let mut at = OPT_BYTES;
        for (code, value) in self.options {
            out[at..at + 2].copy_from_slice(&code.to_be_bytes());
            out[at + 2..at + 4].copy_from_slice(&(value.len() as u16).to_be_bytes());
            out[at + 4..at + 4 + value.len()].copy_from_slice(value);
            at += 4 + value.len();
        }
        bytes
    }
}
