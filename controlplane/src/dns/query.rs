//! A request taken apart: its header, its one question, its OPT record, and nothing behind them (RFC 1035 §4, RFC 6891).
//!
//! Strict where readings could differ: a question has no compressed name (there is nothing before it to point to), other
//! sections than the additional are empty, the message ends where its counts say. What cannot be answered at all (too
//! short for a header, itself an answer) is ignored, so that two servers never talk to each other for ever.

use crate::dns::code::{ResponseCode, rtype};
use crate::dns::edns::Edns;
use crate::dns::limits::HEADER_BYTES;
use crate::dns::name::Name;

/// A request for records.
#[derive(Clone, Copy, Debug)]
pub struct Query<'m> {
    /// The question as it stood there, its letters as the client chose them; empty if there was none.
    pub question: &'m [u8],
    /// The name asked for.
    pub name: &'m Name,
    /// The type asked for.
    pub qtype: u16,
    /// The class asked for.
    pub qclass: u16,
    /// What the OPT record said, if there was one.
    pub edns: Option<Edns<'m>>,
}

/// What became of a request.
#[derive(Clone, Copy, Debug)]
pub enum Reading<'m> {
    /// It can be answered.
    Query(Query<'m>),
    /// It gets an answer that says what is wrong; the question is repeated if it could be read.
    Bad(ResponseCode, &'m [u8], Option<Edns<'m>>),
    /// It gets no answer.
    Ignored,
}

/// A resource record's fixed part behind its owner.
const RECORD_BYTES: usize = 10;

/// Takes a request apart; `name` becomes the name that is asked for.
pub fn read<'m>(message: &'m [u8], name: &'m mut Name) -> Reading<'m> {
    let Some(header) = message.first_chunk::<HEADER_BYTES>() else { return Reading::Ignored };
    if header[2] & 0x80 != 0 {
        return Reading::Ignored;
    }
    let opcode = header[2] >> 3 & 15;
    if opcode != 0 {
        return Reading::Bad(ResponseCode::NotImp, &[], None);
    }
    match sections(message, header, name) {
        Ok(query) => checked(query),
        Err(question) => Reading::Bad(ResponseCode::FormErr, question, None),
    }
}

fn checked(query: Query<'_>) -> Reading<'_> {
    let bad = |code| Reading::Bad(code, query.question, query.edns);
    if query.edns.is_some_and(|edns| edns.version != 0) {
        return bad(ResponseCode::BadVers);
    }
    match query.qtype {
        _ if query.question.is_empty() => {
            // RFC 7873 §5.4: without a question, a cookie alone may be asked for.
            let has_cookie = query.edns.is_some_and(|edns| edns.cookie.is_some());
            if has_cookie { Reading::Query(query) } else { bad(ResponseCode::FormErr) }
        }
        0 | rtype::OPT => bad(ResponseCode::FormErr),
        // Pseudo types that are no question for records: TKEY, MAILB, MAILA.
        249 | 253 | 254 => bad(ResponseCode::NotImp),
        rtype::TSIG => bad(ResponseCode::NotAuth),
        _ => Reading::Query(query),
    }
}

/// On an error, the question if that at least could be read.
fn sections<'m>(
    message: &'m [u8],
    header: &[u8; HEADER_BYTES],
    name: &'m mut Name,
) -> Result<Query<'m>, &'m [u8]> {
    let count = |at: usize| u16::from_be_bytes([header[at], header[at + 1]]);
    let (questions, answers, authorities, additionals) = (count(4), count(6), count(8), count(10));
    let asked = match questions {
        0 => Question { bytes: &[], qtype: 0, qclass: 0 },
        1 => Question::read(message, name).ok_or(&[][..])?,
        _ => return Err(&[]),
    };
    let Question { bytes: question, qtype, qclass } = asked;
    let mut query = Query { question, name, qtype, qclass, edns: None };
    let mut at = HEADER_BYTES + question.len();
    let is_transfer = query.qtype == rtype::IXFR;
    if answers != 0 || authorities != 0 && !is_transfer {
        return Err(question);
    }
    for _ in 0..authorities {
        at = record(message, at).ok_or(question)?.end;
    }
    for _ in 0..additionals {
        let found = record(message, at).ok_or(question)?;
        at = found.end;
        match found.rtype {
            rtype::OPT if query.edns.is_some() || !found.is_root => return Err(question),
            rtype::OPT => {
                query.edns = Some(Edns::read(found.class, found.ttl, found.data).map_err(|_| question)?);
            }
            // A key that we cannot have: say that, not what was asked.
            rtype::TSIG => query.qtype = rtype::TSIG,
            _ => {}
        }
    }
    if at == message.len() { Ok(query) } else { Err(question) }
}

/// What stands behind the header.
struct Question<'m> {
    bytes: &'m [u8],
    qtype: u16,
    qclass: u16,
}

impl<'m> Question<'m> {
    fn read(message: &'m [u8], name: &mut Name) -> Option<Self> {
        let end = name.read_in_place(message, HEADER_BYTES).ok()?;
        let [t0, t1, c0, c1] = *message.get(end..)?.first_chunk()?;
        let (qtype, qclass) = (u16::from_be_bytes([t0, t1]), u16::from_be_bytes([c0, c1]));
        Some(Self { bytes: &message[HEADER_BYTES..end + 4], qtype, qclass })
    }
}

struct Record<'m> {
    is_root: bool,
    rtype: u16,
    class: u16,
    ttl: [u8; 4],
    data: &'m [u8],
    end: usize,
}

/// One record behind the question. Where a pointer in its owner leads is not looked at.
fn record(message: &[u8], at: usize) -> Option<Record<'_>> {
    let owner_end = skip_name(message, at)?;
    let fixed: &[u8; RECORD_BYTES] = message.get(owner_end..)?.first_chunk()?;
    let [t0, t1, c0, c1, ttl @ .., l0, l1] = *fixed;
    let from = owner_end + RECORD_BYTES;
    let end = from + usize::from(u16::from_be_bytes([l0, l1]));
    Some(Record {
        is_root: message[at] == 0,
        rtype: u16::from_be_bytes([t0, t1]),
        class: u16::from_be_bytes([c0, c1]),
        ttl,
        data: message.get(from..end)?,
        end,
    })
}

fn skip_name(message: &[u8], mut at: usize) -> Option<usize> {
    let begun = at;
    loop {
        let length = *message.get(at)?;
        match length {
            0 => return Some(at + 1),
            1..=63 => at += 1 + usize::from(length),
            // A pointer must lead back, and before this name.
            0xc0.. => {
                let low = *message.get(at + 1)?;
                let to = usize::from(u16::from_be_bytes([length & 0x3f, low]));
                return (to < begun && to >= HEADER_BYTES).then_some(at + 2);
            }
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUESTION: &[u8] = b"\x03wWw\x07example\x00\x00\x01\x00\x01";

    fn message(flags: u16, counts: [u16; 4], rest: &[u8]) -> Vec<u8> {
        let head = [7, flags, counts[0], counts[1], counts[2], counts[3]];
        head.iter().flat_map(|word| word.to_be_bytes()).chain(rest.iter().copied()).collect()
    }

    fn outcome(message: &[u8]) -> &'static str {
        match read(message, &mut { Name::ROOT }) {
            Reading::Query(_) => "query",
            Reading::Bad(code, _, _) => code.name(),
            Reading::Ignored => "ignored",
        }
    }

    const OPT: &[u8] = b"\x00\x00\x29\x04\xd0\x00\x00\x00\x00\x00\x00";

    /// The hostile table: every kind of broken message, and what it gets.
    #[test]
    fn broken_messages_get_what_the_table_says() {
        let q = |extra: &[u8]| [QUESTION, extra].concat();
        let one = [1, 0, 0, 0];
        let cases: Vec<(&str, Vec<u8>, &str)> = vec![
            ("a question", message(0, one, QUESTION), "query"),
            ("recursion desired", message(0x0100, one, QUESTION), "query"),
            ("every flag but QR", message(0x07f0, one, QUESTION), "query"),
            ("nothing", vec![], "ignored"),
            ("half a header", message(0, one, b"")[..11].to_vec(), "ignored"),
            ("an answer", message(0x8000, one, QUESTION), "ignored"),
            ("an answer with an opcode", message(0xa800, one, QUESTION), "ignored"),
            ("a header alone", message(0, one, b""), "FORMERR"),
            ("no question", message(0, [0; 4], b""), "FORMERR"),
            ("no question, bytes behind", message(0, [0; 4], b"x"), "FORMERR"),
            ("two questions", message(0, [2, 0, 0, 0], &q(QUESTION)), "FORMERR"),
            ("65535 questions", message(0, [65_535, 0, 0, 0], QUESTION), "FORMERR"),
            ("an answer section", message(0, [1, 1, 0, 0], QUESTION), "FORMERR"),
            ("an authority section", message(0, [1, 0, 1, 0], QUESTION), "FORMERR"),
            ("bytes behind", message(0, one, &q(b"x")), "FORMERR"),
            ("a name that ends early", message(0, one, b"\x03ww"), "FORMERR"),
            ("a name without type", message(0, one, b"\x01a\x00\x00\x01"), "FORMERR"),
            ("a pointer to itself", message(0, one, b"\xc0\x0c\x00\x01\x00\x01"), "FORMERR"),
            ("a pointer forward", message(0, one, b"\xc0\x20\x00\x01\x00\x01"), "FORMERR"),
            ("a pointer into the header", message(0, one, b"\x01a\xc0\x00\x00\x01\x00\x01"), "FORMERR"),
            ("a reserved label", message(0, one, b"\x80a\x00\x00\x01\x00\x01"), "FORMERR"),
            ("a bit string label", message(0, one, b"\x41\x01a\x00\x00\x01\x00\x01"), "FORMERR"),
            ("a name of 256 bytes", message(0, one, &b"\x01a".repeat(128)), "FORMERR"),
            ("additional missing", message(0, [1, 0, 0, 1], QUESTION), "FORMERR"),
            ("additional cut", message(0, [1, 0, 0, 1], &q(&OPT[..9])), "FORMERR"),
            (
                "additional data cut",
                message(0, [1, 0, 0, 1], &q(b"\x00\x00\x29\x04\xd0\x00\x00\x00\x00\x00\x05ab")),
                "FORMERR",
            ),
            ("65535 additionals", message(0, [1, 0, 0, 65_535], &q(OPT)), "FORMERR"),
            ("EDNS", message(0, [1, 0, 0, 1], &q(OPT)), "query"),
            ("EDNS twice", message(0, [1, 0, 0, 2], &q(&[OPT, OPT].concat())), "FORMERR"),
            ("EDNS with a name", message(0, [1, 0, 0, 1], &q(&[b"\x01a", OPT].concat())), "FORMERR"),
            (
                "EDNS by a pointer",
                message(0, [1, 0, 0, 1], &q(&[b"\xc0\x0c", &OPT[1..]].concat())),
                "FORMERR",
            ),
            (
                "EDNS version 1",
                message(0, [1, 0, 0, 1], &q(b"\x00\x00\x29\x04\xd0\x00\x01\x00\x00\x00\x00")),
                "BADVERS",
            ),
            (
                "another additional",
                message(0, [1, 0, 0, 1], &q(b"\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x00\x00\x00")),
                "query",
            ),
            (
                "an additional that points forward",
                message(0, [1, 0, 0, 1], &q(b"\xc0\xff\x00\x01\x00\x01\x00\x00\x00\x00\x00\x00")),
                "FORMERR",
            ),
            (
                "a signed request",
                message(0, [1, 0, 0, 1], &q(b"\x00\x00\xfa\x00\xff\x00\x00\x00\x00\x00\x00")),
                "NOTAUTH",
            ),
            ("type 0", message(0, one, b"\x00\x00\x00\x00\x01"), "FORMERR"),
            ("type OPT", message(0, one, b"\x00\x00\x29\x00\x01"), "FORMERR"),
            ("type MAILA", message(0, one, b"\x00\x00\xfe\x00\x01"), "NOTIMP"),
            ("a type nobody knows", message(0, one, b"\x00\x03\xe7\x00\x01"), "query"),
            ("inverse query", message(0x0800, one, QUESTION), "NOTIMP"),
            ("status", message(0x1000, one, QUESTION), "NOTIMP"),
            ("notify", message(0x2000, one, QUESTION), "NOTIMP"),
            ("update", message(0x2800, one, QUESTION), "NOTIMP"),
            ("opcode 15", message(0x7800, one, b"junk"), "NOTIMP"),
        ];
        for (what, bytes, expected) in &cases {
            assert_eq!(outcome(bytes), *expected, "{what}");
        }
    }

    #[test]
    fn a_cookie_alone_may_be_asked_for() {
        let opt = b"\x00\x00\x29\x04\xd0\x00\x00\x00\x00\x00\x0c\x00\x0a\x00\x08abcdefgh";
        assert_eq!(outcome(&message(0, [0, 0, 0, 1], opt)), "query");
        assert_eq!(outcome(&message(0, [0, 0, 0, 1], OPT)), "FORMERR");
    }

    #[test]
    fn the_question_is_kept_as_it_was_written() {
        let bytes = message(0, [1, 0, 0, 0], QUESTION);
        let mut name = Name::ROOT;
        let Reading::Query(query) = read(&bytes, &mut name) else { panic!("a query") };
        assert_eq!((query.question, query.name.to_string()), (QUESTION, "www.example.".to_owned()));
        assert_eq!((query.qtype, query.qclass), (1, 1));
    }

    /// No prefix and no single changed byte makes the reader panic, and whatever is a query has a whole question.
    #[test]
    fn cuts_and_changes_never_panic() {
        let whole = message(0, [1, 0, 0, 1], &[QUESTION, OPT].concat());
        for end in 0..whole.len() {
            read(&whole[..end], &mut { Name::ROOT });
        }
        for at in 0..whole.len() {
            for byte in 0..=255 {
                let mut changed = whole.clone();
                changed[at] = byte;
                if let Reading::Query(query) = read(&changed, &mut { Name::ROOT }) {
                    assert!(query.question.is_empty() || query.question.len() == query.name.wire().len() + 4);
                }
            }
        }
    }
}
