//! One question to a name server over UDP and its answer (RFC 1035 §4.1): the id and the question must come back, the
//! answer must have a record of the type that was asked for.

use crate::probe::outcome::{Cause, Failure, Seen};
use crate::probe::step::Step;
use crate::probe::target::Target;
use core::str::FromStr;
use domain::base::iana::{Rcode, Rtype};
use domain::base::{Message, MessageBuilder, Name};
use domain::rdata::{A, Aaaa};

/// The question.
#[derive(Clone, Debug)]
pub struct DnsQuestion {
    message: Message<Vec<u8>>,
    rtype: Rtype,
}

impl DnsQuestion {
    /// The question that a path says: `/NAME?type=AAAA`.
    pub fn read(path: &str, id: u16) -> Result<Self, String> {
        let path = path.trim_start_matches('/');
        let (name, query) = match path.split_once('?') {
            Some(parts) => parts,
            None => (path, "type=A"),
        };
        let word = query
            .strip_prefix("type=")
            .ok_or("asks something else than type=; write it as dns://SERVER/NAME?type=A")?;
        let rtype = Rtype::from_str(&word.to_ascii_uppercase())
            .map_err(|_| format!("{word} is no type of record"))?;
        let name = Name::<Vec<u8>>::from_str(name).map_err(|_| format!("{name:?} is no domain name"))?;
        let mut builder = MessageBuilder::new_vec();
        builder.header_mut().set_id(id);
        let mut builder = builder.question();
        builder.push((name, rtype)).map_err(|_| "is too long a question".to_owned())?;
        Ok(Self { message: builder.into_message(), rtype })
    }

    /// The bytes to send.
    pub fn bytes(&self) -> &[u8] {
        self.message.as_slice()
    }

    /// Takes a datagram. What does not answer this question is passed over.
    pub fn take(&self, target: &Target, datagram: &[u8]) -> Step {
        let Ok(message) = Message::from_slice(datagram) else { return Step::More };
        if !message.is_answer(self.message.for_slice()) {
            return Step::More;
        }
        let seen = Seen { bytes: datagram.len() as u64, ..Seen::default() };
        let rcode = message.header().rcode();
        if rcode != Rcode::NOERROR {
            return Step::Done(seen, Err(Failure::new(Cause::Status, format!("answered {rcode}"))));
        }
        let Some(records) = self.records(message) else {
            return Step::Done(seen, Err(Failure::new(Cause::Malformed, "an answer that cannot be read")));
        };
        // Of a cut answer it is known that there are records, not which.
        if records.is_empty() && !message.header().tc() {
            return Step::Done(
                seen,
                Err(Failure::new(Cause::Empty, format!("no record of type {}", self.rtype))),
            );
        }
        let said = records.join(" ");
        let judged = target.expect.judge(&seen, said.as_bytes());
        Step::Done(Seen { said, ..seen }, judged)
    }

    /// The records of the type, addresses in words; `None` if the message is broken.
    fn records(&self, message: &Message<[u8]>) -> Option<Vec<String>> {
        let mut found = Vec::new();
        for record in message.answer().ok()? {
            let record = record.ok()?;
            if record.rtype() != self.rtype {
                continue;
            }
            let v4 = record.to_record::<A>().ok()?.map(|a| a.data().addr().to_string());
            let v6 = record.to_record::<Aaaa>().ok()?.map(|aaaa| aaaa.data().addr().to_string());
            found.push(v4.or(v6).unwrap_or_else(|| self.rtype.to_string()));
        }
        Some(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::expect::Expect;
    use crate::probe::url::Url;

    fn answer(question: &DnsQuestion, rcode: Rcode, addresses: &[[u8; 4]]) -> Vec<u8> {
        let builder = MessageBuilder::new_vec();
        let mut builder = builder.start_answer(&question.message, rcode).unwrap();
        let name = Name::<Vec<u8>>::from_str("a.test").unwrap();
        for octets in addresses {
            builder.push((&name, 60, A::new((*octets).into()))).unwrap();
        }
        builder.into_message().into_octets()
    }

    #[test]
    fn answers_are_read_and_others_passed_over() {
        let target = Target {
            expect: Expect { body: Some("192.0.2.1".into()), ..Expect::default() },
            ..Target::of("t", Url::read("dns://192.0.2.53/a.test").unwrap())
        };
        let question = DnsQuestion::read("/a.test", 7).unwrap();
        let Step::Done(seen, Ok(())) =
            question.take(&target, &answer(&question, Rcode::NOERROR, &[[192, 0, 2, 1]]))
        else {
            panic!("it is good")
        };
        assert_eq!(seen.said, "192.0.2.1");
        let cause = |bytes: &[u8]| match question.take(&target, bytes) {
            Step::Done(_, Err(failure)) => Some(failure.cause),
            Step::More => None,
            other => panic!("{other:?}"),
        };
        assert_eq!(cause(&answer(&question, Rcode::NOERROR, &[[192, 0, 2, 2]])), Some(Cause::Body));
        assert_eq!(cause(&answer(&question, Rcode::SERVFAIL, &[])), Some(Cause::Status));
        assert_eq!(cause(&answer(&question, Rcode::NOERROR, &[])), Some(Cause::Empty));
        let other = DnsQuestion::read("/a.test", 8).unwrap();
        assert_eq!(cause(&answer(&other, Rcode::NOERROR, &[[192, 0, 2, 1]])), None, "another id");
        let whole = answer(&question, Rcode::NOERROR, &[[192, 0, 2, 1]]);
        for cut in 0..whole.len() {
            let _ = question.take(&target, &whole[..cut]);
        }
    }

    #[test]
    fn what_is_no_question_is_refused() {
        for path in ["/a..b", "/a.test?type=NOPE", "/a.test?class=CH"] {
            assert!(DnsQuestion::read(path, 0).is_err(), "{path}");
        }
        assert!(DnsQuestion::read("/a.test?type=aaaa", 0).is_ok());
    }
}
