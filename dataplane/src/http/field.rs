//! Field lines (RFC 9112 §5) and the table that remembers where they are. The table is the caller's and is used
//! again for every message; it holds offsets, so it borrows nothing and allocates nothing after `new`.

use core::ops::Range;

use crate::http::known::Known;
use crate::http::limits::Limits;
use crate::http::line::{after_line_end, stray};
use crate::http::parsed::Halt;
use crate::http::refusal::Refusal;
use crate::http::token::{is_blank, list_elements, text_end, token_end};

/// Where one field is in the bytes of its head.
#[derive(Clone, Copy, Debug)]
struct Span {
    name_start: u32,
    name_end: u32,
    value_start: u32,
    value_end: u32,
    known: Known,
    /// The line is `Name: value CR LF` without other blanks, so it can be copied whole.
    plain: bool,
    /// A Connection field names this one, so it is for this hop only.
    nominated: bool,
}

/// Storage for the fields of one head.
#[derive(Debug)]
pub struct FieldTable {
    spans: Vec<Span>,
}

/// One field of a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field<'a> {
    /// The name as sent.
    pub name: &'a [u8],
    /// The value without blanks around it.
    pub value: &'a [u8],
    /// What the name means to this module.
    pub known: Known,
    /// True if a Connection field names it, so that it is for one hop only.
    pub nominated: bool,
    /// The whole line with its end, if it is written as we would write it.
    pub(crate) plain_line: Option<&'a [u8]>,
}

/// The fields of a head, in order.
#[derive(Clone, Copy, Debug)]
pub struct Fields<'a> {
    bytes: &'a [u8],
    spans: &'a [Span],
}

impl FieldTable {
    /// A table for heads within `limits`.
    pub fn new(limits: &Limits) -> Self {
        Self { spans: Vec::with_capacity(limits.fields_max) }
    }

    /// Reads field lines from `at` to the blank line and answers with the offset after it. `note` judges each
    /// field as soon as its line is whole, so that a wrong one is refused before the head ends.
    pub(crate) fn scan<'a>(
        &mut self,
        bytes: &'a [u8],
        mut at: usize,
        limits: &Limits,
        mut note: impl FnMut(Known, &'a [u8]) -> Result<(), Refusal>,
    ) -> Result<usize, Halt> {
        assert!(self.spans.capacity() >= limits.fields_max, "a table is made for its limits");
        assert!(bytes.len() <= u32::MAX as usize, "a head is bounded");
        self.spans.clear();
        loop {
            match bytes.get(at) {
                None => return Err(Halt::Partial),
                Some(b'\r' | b'\n') => return after_line_end(bytes, at, Refusal::BareCr),
                Some(_) if self.spans.len() == limits.fields_max => return Err(Refusal::FieldsMany.into()),
                Some(_) => {}
            }
            let (span, next) = scan_field(bytes, at)?;
            if span.known != Known::Other {
                note(span.known, &bytes[span.value_start as usize..span.value_end as usize])?;
            }
            self.spans.push(span);
            at = next;
        }
    }

    /// The fields of the head that was read last, which was in `bytes`.
    pub(crate) fn fields<'a>(&'a self, bytes: &'a [u8]) -> Fields<'a> {
        Fields { bytes, spans: &self.spans }
    }

    /// Marks what the Connection fields of the head in `bytes` name (RFC 9110 §7.6.1). Fields that this module
    /// writes or removes by itself cannot be named away: `Connection: x-forwarded-for` has no effect.
    pub(crate) fn nominate(&mut self, bytes: &[u8]) {
        for at in 0..self.spans.len() {
            if self.spans[at].known != Known::Connection {
                continue;
            }
            let value = &bytes[self.spans[at].value_start as usize..self.spans[at].value_end as usize];
            for option in list_elements(value) {
                self.nominate_name(bytes, option);
            }
        }
    }

    fn nominate_name(&mut self, bytes: &[u8], name: &[u8]) {
        for span in &mut self.spans {
            let nominable = matches!(span.known, Known::Other | Known::HeadOnly);
            if nominable && bytes[span.name_start as usize..span.name_end as usize].eq_ignore_ascii_case(name)
            {
                span.nominated = true;
            }
        }
    }
}

/// Reads the field line at `at` and answers with the offset of the next one.
fn scan_field(bytes: &[u8], at: usize) -> Result<(Span, usize), Halt> {
    let name_end = token_end(bytes, at);
    match bytes.get(name_end) {
        None => return Err(Halt::Partial),
        Some(b':') if name_end > at => {}
        Some(&byte) => return Err(name_refusal(byte, name_end == at).into()),
    }
    let mut value_start = name_end + 1;
    while bytes.get(value_start).copied().is_some_and(is_blank) {
        value_start += 1;
    }
    let text_end = text_end(bytes, value_start);
    let next = after_line_end(bytes, text_end, Refusal::ControlByte)?;
    let mut value_end = text_end;
    while value_end > value_start && is_blank(bytes[value_end - 1]) {
        value_end -= 1;
    }
    let plain = value_start == name_end + 2 && bytes[name_end + 1] == b' ' && value_end == text_end;
    let span = Span {
        name_start: at as u32,
        name_end: name_end as u32,
        value_start: value_start as u32,
        value_end: value_end as u32,
        known: Known::of(&bytes[at..name_end]),
        plain,
        nominated: false,
    };
    Ok((span, next))
}

/// Why a name may not end with `byte`.
#[cold]
fn name_refusal(byte: u8, empty: bool) -> Refusal {
    match (byte, empty) {
        (b' ' | b'\t', true) => Refusal::Fold,
        (b' ' | b'\t', false) => Refusal::SpaceBeforeColon,
        (b':', _) => Refusal::FieldNameEmpty,
        _ => stray(byte, Refusal::FieldName),
    }
}

/// Where the parts of one field line are in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FieldLine {
    /// What the name means.
    pub(crate) known: Known,
    /// Bytes of the name, which starts the line.
    pub(crate) name_bytes: usize,
    /// Where the value is, blanks around it left out.
    pub(crate) value: Range<usize>,
}

/// Reads one whole field line, as trailers come; a line that is not whole counts as wrong.
pub(crate) fn read_field_line(line: &[u8]) -> Result<FieldLine, Refusal> {
    match scan_field(line, 0) {
        Ok((span, next)) if next == line.len() => Ok(FieldLine {
            known: span.known,
            name_bytes: span.name_end as usize,
            value: span.value_start as usize..span.value_end as usize,
        }),
        Err(Halt::Invalid(refusal)) => Err(refusal),
        Ok(_) | Err(Halt::Partial) => Err(Refusal::BareCr),
    }
}

impl<'a> Fields<'a> {
    /// All fields.
    pub fn iter(&self) -> impl Iterator<Item = Field<'a>> + use<'a> {
        let bytes = self.bytes;
        self.spans.iter().map(move |span| Field {
            name: &bytes[span.name_start as usize..span.name_end as usize],
            value: &bytes[span.value_start as usize..span.value_end as usize],
            known: span.known,
            nominated: span.nominated,
            plain_line: span.plain.then(|| &bytes[span.name_start as usize..span.value_end as usize + 2]),
        })
    }

    /// The first value of the field `name`, in any case. Looks at every field: for rare questions.
    pub fn find(&self, name: &[u8]) -> Option<&'a [u8]> {
        self.iter().find(|field| field.name.eq_ignore_ascii_case(name)).map(|field| field.value)
    }

    /// The values of the fields that carry a tag.
    pub fn tagged(&self, known: Known) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        self.iter().filter(move |field| field.known == known).map(|field| field.value)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// True if there are none.
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scan(bytes: &[u8]) -> (Result<usize, Halt>, FieldTable) {
        let limits = Limits { fields_max: 4, ..Limits::default() };
        let mut table = FieldTable::new(&limits);
        (table.scan(bytes, 0, &limits, |_, _| Ok(())), table)
    }

    #[test]
    fn blanks_around_values_are_dropped_and_inside_are_kept() {
        let bytes = b"a:1\r\nB: \t two  words \t\r\nc: \r\nd:\r\n\r\nrest";
        let (end, table) = scan(bytes);
        assert_eq!(end, Ok(bytes.len() - 4));
        let fields: Vec<_> = table.fields(bytes).iter().map(|field| (field.name, field.value)).collect();
        assert_eq!(fields, [(&b"a"[..], &b"1"[..]), (b"B", b"two  words"), (b"c", b""), (b"d", b"")]);
    }

    #[test]
    fn wrong_lines_have_their_own_refusals() {
        let rows: [(&[u8], Refusal); 12] = [
            (b"a: 1\n", Refusal::BareLf),
            (b"a: 1\rb", Refusal::BareCr),
            (b"a: 1\r\n b\r\n", Refusal::Fold),
            (b" a: 1\r\n", Refusal::Fold),
            (b"a : 1\r\n", Refusal::SpaceBeforeColon),
            (b": 1\r\n", Refusal::FieldNameEmpty),
            (b"a(: 1\r\n", Refusal::FieldName),
            (b"a\r\n", Refusal::FieldName),
            (b"a\0: 1\r\n", Refusal::ControlByte),
            (b"a: \0\r\n", Refusal::ControlByte),
            (b"a: \x7f\r\n", Refusal::ControlByte),
            (b"a:\r\nb:\r\nc:\r\nd:\r\ne", Refusal::FieldsMany),
        ];
        for (bytes, refusal) in rows {
            assert_eq!(scan(bytes).0, Err(Halt::Invalid(refusal)), "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn connection_names_fields_away_but_not_ours() {
        let bytes = b"X-Hop: 1\r\nX-Forwarded-For: 1\r\nConnection: close, x-hop, X-Forwarded-For\r\n\r\n";
        let (_, mut table) = scan(bytes);
        table.nominate(bytes);
        let marks: Vec<_> = table.fields(bytes).iter().map(|field| field.nominated).collect();
        assert_eq!(marks, [true, false, false]);
    }
}
