//! What a name server's message says about a question.
//!
//! Aliases are followed within the message: a recursive server, the only kind a stub asks, puts the whole chain in
//! (RFC 1034 §4.3.2). The life of an answer is the shortest TTL of its chain and addresses.

use crate::resolve::question::{Family, Question};
use domain::base::Message;
use domain::base::iana::Rcode;
use domain::rdata::{A, Aaaa, Cname};
use std::net::IpAddr;

/// Addresses kept of one name and family; what is balanced over more stands behind a balancer.
const ADDRESSES_MAX: usize = 16;
/// A TTL with its highest bit set counts as 0 (RFC 2181 §8).
const TTL_S_END: u32 = 1 << 31;

/// The outcome of one question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// There are addresses, good for this long.
    Addresses {
        /// At least one, at most [`ADDRESSES_MAX`].
        addresses: Vec<IpAddr>,
        /// Their life, in seconds.
        ttl_s: u32,
    },
    /// The name does not exist or has no address of this family.
    Nothing,
    /// The servers could not tell, or did not answer.
    Failed,
}

/// What one message is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reading {
    /// Not the answer to this question, whoever sent it: go on waiting.
    Foreign,
    /// The answer, too long for UDP: ask again over TCP.
    Truncated,
    /// The answer.
    Answer(Answer),
}

/// Reads `bytes` as the answer to `question`.
pub(crate) fn read_answer(question: &Question, bytes: &[u8]) -> Reading {
    let Ok(message) = Message::from_slice(bytes) else { return Reading::Foreign };
    if !message.is_answer(question.message()) {
        return Reading::Foreign;
    }
    if message.header().tc() {
        return Reading::Truncated;
    }
    Reading::Answer(match message.header().rcode() {
        Rcode::NOERROR => addresses(message, question.family()).unwrap_or(Answer::Failed),
        Rcode::NXDOMAIN => Answer::Nothing,
        _ => Answer::Failed,
    })
}

/// `None` when the message is malformed or its aliases run in a circle.
fn addresses(message: &Message<[u8]>, family: Family) -> Option<Answer> {
    let owner = message.canonical_name()?;
    let mut addresses = Vec::new();
    let mut ttl_s_min = u32::MAX;
    for record in message.answer().ok()? {
        let record = record.ok()?;
        let is_alias = record.to_record::<Cname<_>>().ok()?.is_some();
        let address = match family {
            Family::V4 => record.to_record::<A>().ok()?.map(|a| IpAddr::V4(a.data().addr())),
            Family::V6 => record.to_record::<Aaaa>().ok()?.map(|aaaa| IpAddr::V6(aaaa.data().addr())),
        };
        let address = address.filter(|_| record.owner() == owner);
        if is_alias || address.is_some() {
            ttl_s_min = ttl_s_min.min(record.ttl().as_secs());
        }
        addresses.extend(address);
    }
    addresses.truncate(ADDRESSES_MAX);
    let ttl_s = if ttl_s_min < TTL_S_END { ttl_s_min } else { 0 };
    Some(if addresses.is_empty() { Answer::Nothing } else { Answer::Addresses { addresses, ttl_s } })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resolve::fake_server::{Reply, message};

    fn read(reply: &Reply, family: Family) -> Reading {
        let question = Question::new("www.example.org", family, 7).unwrap();
        let bytes = message(question.bytes(), reply, false).unwrap();
        for cut in 0..bytes.len() {
            let _ = read_answer(&question, &bytes[..cut]);
        }
        read_answer(&question, &bytes)
    }

    #[test]
    fn aliases_are_followed_and_the_shortest_ttl_counts() {
        let reply = Reply::default()
            .alias("WWW.example.org", 300, "a.example.net")
            .alias("a.example.net", 60, "b.example.net")
            .address("b.example.net", 90, "192.0.2.1")
            .address("b.example.net", 70, "192.0.2.2")
            .address("other.example.net", 1, "192.0.2.3");
        let addresses = vec!["192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap()];
        assert_eq!(read(&reply, Family::V4), Reading::Answer(Answer::Addresses { addresses, ttl_s: 60 }));
        assert_eq!(read(&reply, Family::V6), Reading::Answer(Answer::Nothing));
    }

    #[test]
    fn circles_errors_and_absence_are_told_apart() {
        let circle = Reply::default().alias("www.example.org", 9, "a.example").alias(
            "a.example",
            9,
            "www.example.org",
        );
        assert_eq!(read(&circle, Family::V4), Reading::Answer(Answer::Failed));
        let servfail = Reply { rcode: Rcode::SERVFAIL, ..Reply::default() };
        assert_eq!(read(&servfail, Family::V4), Reading::Answer(Answer::Failed));
        let nxdomain = Reply { rcode: Rcode::NXDOMAIN, ..Reply::default() };
        assert_eq!(read(&nxdomain, Family::V6), Reading::Answer(Answer::Nothing));
    }

    #[test]
    fn another_id_or_question_is_foreign() {
        let question = Question::new("www.example.org", Family::V4, 7).unwrap();
        for other in [
            Question::new("www.example.org", Family::V4, 8).unwrap(),
            Question::new("www.example.net", Family::V4, 7).unwrap(),
            Question::new("www.example.org", Family::V6, 7).unwrap(),
        ] {
            let bytes = message(other.bytes(), &Reply::default(), false).unwrap();
            assert_eq!(read_answer(&question, &bytes), Reading::Foreign);
        }
        assert_eq!(read_answer(&question, question.bytes()), Reading::Foreign, "a question is no answer");
    }

    #[test]
    fn a_ttl_out_of_range_counts_as_none() {
        let reply = Reply::default().address("www.example.org", u32::MAX, "192.0.2.1");
        let addresses = vec!["192.0.2.1".parse().unwrap()];
        assert_eq!(read(&reply, Family::V4), Reading::Answer(Answer::Addresses { addresses, ttl_s: 0 }));
    }
}
