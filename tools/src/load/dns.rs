//! Questions to nameservers as wire bytes (RFC 1035), with a client's subnet if wanted (RFC 7871), and what must be
//! known of an answer. Names come from URLs or from a file as dnsperf takes it: a name and a type on each line.
//!
//! ```text
//! id 2 · flags · counts · QNAME QTYPE IN · [root OPT 1232 · option 8: family, source, 0, address]
//! ```

use crate::load::options::{DnsOptions, LoadError};
use core::net::IpAddr;
use core::str::FromStr;
use dataplane::stdx::network::Network;
use dataplane::stdx::prng::Prng;
use domain::base::iana::Rtype;
use domain::base::name::Name;
use std::collections::BTreeMap;

/// What is asked for in an answer's size: what fits everywhere (DNS flag day 2020).
const ANSWER_BYTES: u16 = 1_232;

/// The most names of a file.
const NAMES_MAX: usize = 4_000_000;

/// How many bits of an address a resolver tells (RFC 7871 §11.1).
const fn told_bits(address: IpAddr) -> u8 {
    if address.is_ipv4() { 24 } else { 56 }
}

/// The questions of a run, by template.
#[derive(Debug, Default)]
pub(crate) struct Questions {
    by_template: BTreeMap<usize, Vec<Vec<u8>>>,
    subnet: Option<Network>,
}

impl Questions {
    /// Makes the questions for all templates that ask nameservers.
    pub(crate) fn read(options: &DnsOptions, templates: &[(usize, String)]) -> Result<Self, LoadError> {
        let mut questions = Self { by_template: BTreeMap::new(), subnet: options.client_subnet };
        let mut of_file = None;
        for (template, path) in templates {
            let path = path.trim_matches('/');
            let asked = if path.is_empty() {
                if of_file.is_none() {
                    of_file = Some(questions.read_file(options)?);
                }
                of_file.clone().unwrap_or_default()
            } else {
                let (name, kind) = path.split_once('/').unwrap_or((path, "A"));
                vec![questions.question(name, kind).map_err(|why| LoadError::Url(path.into(), why))?]
            };
            questions.by_template.insert(*template, asked);
        }
        Ok(questions)
    }

    fn read_file(&self, options: &DnsOptions) -> Result<Vec<Vec<u8>>, LoadError> {
        let Some(path) = &options.names else {
            let what = "a dns:// URL without a name needs a file of names";
            return Err(LoadError::Option(what.into()));
        };
        let text = std::fs::read_to_string(path).map_err(|error| LoadError::File(path.clone(), error))?;
        let mut asked = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let mut words = line.split_ascii_whitespace();
            let Some(name) = words.next().filter(|name| !name.starts_with(['#', ';'])) else { continue };
            let question = self.question(name, words.next().unwrap_or("A"));
            asked.push(question.map_err(|why| {
                let column = line.find(name).unwrap_or(0) + 1;
                LoadError::Mistake(format!("{}:{}:{column}: {why}", path.display(), index + 1))
            })?);
            if asked.len() > NAMES_MAX {
                return Err(LoadError::Option(format!("a file of names has at most {NAMES_MAX} of them")));
            }
        }
        if asked.is_empty() {
            return Err(LoadError::Mistake(format!("{}: there is no name in it", path.display())));
        }
        Ok(asked)
    }

    fn question(&self, name: &str, kind: &str) -> Result<Vec<u8>, String> {
        let parsed = Name::<Vec<u8>>::from_str(name);
        let parsed = parsed.map_err(|error| format!("{name:?} is no name: {error}"))?;
        let rtype = Rtype::from_str(kind).map_err(|_| format!("{kind:?} is no type of record"))?;
        let additional = u8::from(self.subnet.is_some());
        // A standard query that asks for recursion, as stub resolvers and dnsperf do.
        let mut question = vec![0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, additional];
        question.extend_from_slice(parsed.as_slice());
        question.extend_from_slice(&rtype.to_int().to_be_bytes());
        question.extend_from_slice(&[0, 1]);
        Ok(question)
    }

    /// The next question of a template, written to `out`; how many bytes it has.
    pub(crate) fn write(
        &self,
        template: usize,
        turn: u64,
        id: u16,
        random: &mut Prng,
        out: &mut [u8],
    ) -> usize {
        let all = &self.by_template[&template];
        let question = &all[(turn % all.len() as u64) as usize];
        let mut bytes = question.len();
        out[..bytes].copy_from_slice(question);
        out[..2].copy_from_slice(&id.to_be_bytes());
        if let Some(within) = self.subnet {
            let (option, length) = subnet_record(within.base(), within.bits(), random);
            out[bytes..bytes + length].copy_from_slice(&option[..length]);
            bytes += length;
        }
        bytes
    }
}

/// The longest OPT record made here: fixed part, option header, an IPv6 address.
const RECORD_BYTES_MAX: usize = 11 + 8 + 16;

fn subnet_record(within: IpAddr, bits: u8, random: &mut Prng) -> ([u8; RECORD_BYTES_MAX], usize) {
    let (mut octets, family, all) = match within {
        IpAddr::V4(address) => (u128::from(address.to_bits()) << 96, 1u8, 32u8),
        IpAddr::V6(address) => (address.to_bits(), 2, 128),
    };
    let told = bits.max(told_bits(within)).min(all);
    let mask = |bits: u8| if bits == 0 { 0 } else { u128::MAX << (128 - bits) };
    let any = u128::from(random.next_u64()) << 64 | u128::from(random.next_u64());
    octets = (octets & mask(bits)) | (any & mask(told) & !mask(bits));
    let address = usize::from(told.div_ceil(8));
    let mut record = [0; RECORD_BYTES_MAX];
    let [size_high, size_low] = ANSWER_BYTES.to_be_bytes();
    record[..11].copy_from_slice(&[0, 0, 41, size_high, size_low, 0, 0, 0, 0, 0, 8 + address as u8]);
    record[11..19].copy_from_slice(&[0, 8, 0, 4 + address as u8, 0, family, told, 0]);
    record[19..19 + address].copy_from_slice(&octets.to_be_bytes()[..address]);
    (record, 19 + address)
}

/// What the head of an answer says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DnsAnswer {
    /// The question's number.
    pub(crate) id: u16,
    /// The answer code.
    pub(crate) rcode: u8,
    /// It did not fit and was cut off (TC): the whole is to be had over TCP.
    pub(crate) is_cut: bool,
}

/// Reads the head of `message`; `None` if it is no answer.
pub(crate) fn answer(message: &[u8]) -> Option<DnsAnswer> {
    let head = message.get(..12)?;
    let is_answer = head[2] & 0x80 != 0;
    let id = u16::from_be_bytes([head[0], head[1]]);
    is_answer.then_some(DnsAnswer { id, rcode: head[3] & 15, is_cut: head[2] & 2 != 0 })
}

/// How a message stands in a stream: its length in front (RFC 1035 §4.2.2).
pub(crate) fn framed(message: &[u8]) -> Vec<u8> {
    [&(message.len() as u16).to_be_bytes(), message].concat()
}

/// The message at the front of a stream; `None` while it is not whole.
pub(crate) fn unframed(stream: &[u8]) -> Option<&[u8]> {
    let length = stream.first_chunk().map(|length| u16::from_be_bytes(*length))?;
    stream.get(2..2 + usize::from(length))
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::base::Message;
    use domain::base::opt::ClientSubnet;

    fn questions(path: &str, subnet: Option<Network>) -> Result<Questions, LoadError> {
        let options = DnsOptions { client_subnet: subnet, ..DnsOptions::default() };
        Questions::read(&options, &[(0, path.into())])
    }

    #[test]
    fn a_question_reads_as_what_was_asked() {
        let subnet = "10.0.0.0/8".parse().ok();
        let questions = questions("/www.example.org/AAAA", subnet).unwrap();
        let (mut random, mut out, mut seen) = (Prng::new(1), [0; 512], Vec::new());
        for id in 0..20 {
            let bytes = questions.write(0, 0, id, &mut random, &mut out);
            let message = Message::from_octets(&out[..bytes]).unwrap();
            let question = message.sole_question().unwrap();
            assert_eq!(message.header().id(), id);
            assert_eq!(
                (question.qname().to_string().as_str(), question.qtype()),
                ("www.example.org", Rtype::AAAA)
            );
            let option = message.opt().unwrap();
            let told = option.opt().first::<ClientSubnet>().unwrap();
            assert_eq!((told.source_prefix_len(), told.scope_prefix_len()), (24, 0));
            let IpAddr::V4(address) = told.addr() else { panic!("an IPv4 subnet") };
            assert!(address.octets()[0] == 10 && address.octets()[3] == 0, "{address}");
            seen.push(address);
        }
        seen.dedup();
        assert!(seen.len() > 15, "{seen:?}");
    }

    #[test]
    fn a_whole_subnet_is_told_as_it_is() {
        let questions = questions("/a", "2001:db8:1::/64".parse().ok()).unwrap();
        let mut out = [0; 512];
        let bytes = questions.write(0, 0, 1, &mut Prng::new(1), &mut out);
        assert!(out[..bytes].ends_with(&[0, 8, 0, 12, 0, 2, 64, 0, 0x20, 1, 0xd, 0xb8, 0, 1, 0, 0]));
    }

    #[test]
    fn mistakes_are_told() {
        assert!(matches!(questions("/", None), Err(LoadError::Option(_))));
        assert!(matches!(questions("/a..b", None), Err(LoadError::Url(..))));
        assert!(matches!(questions("/a/XYZ", None), Err(LoadError::Url(..))));
    }

    #[test]
    fn only_answers_are_answers() {
        let read = |flags: u8| answer(&[1, 2, flags, 3, 0, 0, 0, 0, 0, 0, 0, 0]);
        let told = DnsAnswer { id: 0x102, rcode: 3, is_cut: false };
        assert_eq!(read(0x80), Some(told));
        assert_eq!(read(0x82), Some(DnsAnswer { is_cut: true, ..told }));
        assert_eq!(read(0), None);
        assert_eq!(answer(&[1, 2, 0x80]), None);
    }

    #[test]
    fn messages_in_a_stream_have_their_length_in_front() {
        let wire = framed(b"abc");
        assert_eq!(wire, [0, 3, b'a', b'b', b'c']);
        assert_eq!(
            (unframed(&wire), unframed(&wire[..4]), unframed(&wire[..1])),
            (Some(&b"abc"[..]), None, None)
        );
        assert_eq!(unframed(&[0, 0, 7]), Some(&b""[..]));
    }
}
