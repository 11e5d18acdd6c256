//! A prober's book of resolver probes: which addresses of a name server's request are probed now, and why the others are not.
//! Bounded in every way: a budget per second, one probe of a network in a long while, a list of who is left alone. No sockets.
//!
//! A resolver is asked for the NS records of a name of ours, without recursion, once: a packet that it has seen a thousand of,
//! with our name in it for who wonders, and no work to answer; REFUSED is as good an answer as any, and so is the kernel's word
//! that nothing listens there: a round trip either way. A ping is answered by more, and complained about by more; a TCP
//! connection is three packets and a slot in somebody's table.

use crate::probe::manners::{Manners, PassedOver};
use core::net::IpAddr;
use core::str::FromStr;
use dataplane::stdx::network::Network;
use dataplane::time::Instant;
use domain::base::iana::Rtype;
use domain::base::{Message, MessageBuilder, Name};
use std::collections::HashMap;

/// Networks that are remembered; while there are more, no other is probed.
const NETWORKS_MAX: usize = 100_000;

/// How a probe ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Outcome {
    /// Nothing came in time.
    Silent = 0,
    /// It answered, whatever it said.
    Answered = 1,
    /// Its machine said that nothing listens there.
    Unreachable = 2,
}

impl Outcome {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Silent, Self::Answered, Self::Unreachable];

    /// Its word, for metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Silent => "silent",
            Self::Answered => "answered",
            Self::Unreachable => "unreachable",
        }
    }
}

/// What is counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Probes that ended, by outcome.
    pub ended: [u64; Outcome::ALL.len()],
    /// Addresses that were passed over, by reason.
    pub passed_over: [u64; PassedOver::ALL.len()],
}

/// The book.
#[derive(Clone, Debug)]
pub struct ResolverBook {
    manners: Manners,
    /// When each network was probed last.
    probed: HashMap<Network, Instant>,
    /// Packets that may be sent now, in millionths.
    budget_ppm: u64,
    filled_at: Instant,
    counts: Counts,
}

impl ResolverBook {
    /// A book of these manners, from `now` on.
    pub fn new(manners: Manners, now: Instant) -> Self {
        let budget_ppm = u64::from(manners.per_second) * 1_000_000;
        Self { manners, probed: HashMap::new(), budget_ppm, filled_at: now, counts: Counts::default() }
    }

    /// Takes over who was probed when, and what was counted: other manners give nobody's peace away.
    pub fn inherit(&mut self, old: Self) {
        (self.probed, self.counts) = (old.probed, old.counts);
    }

    /// Whether this address is probed now. It is written down as probed.
    pub fn begin(&mut self, address: IpAddr, now: Instant) -> Result<(), PassedOver> {
        let begun = self.may_begin(address, now);
        if let Err(why) = begun {
            self.counts.passed_over[why as usize] += 1;
        }
        begun
    }

    fn may_begin(&mut self, address: IpAddr, now: Instant) -> Result<(), PassedOver> {
        self.manners.allow(address)?;
        let network = Manners::network(address);
        let every = self.manners.every;
        if self.probed.get(&network).is_some_and(|at| now.since(*at) < every) {
            return Err(PassedOver::TooSoon);
        }
        self.fill(now);
        if self.budget_ppm < 1_000_000 {
            return Err(PassedOver::OverBudget);
        }
        if self.probed.len() >= NETWORKS_MAX {
            self.probed.retain(|_, at| now.since(*at) < every);
            if self.probed.len() >= NETWORKS_MAX {
                return Err(PassedOver::Busy);
            }
        }
        self.budget_ppm -= 1_000_000;
        self.probed.insert(network, now);
        Ok(())
    }

    /// A probe that was begun could not be sent.
    pub fn failed(&mut self) {
        self.counts.passed_over[PassedOver::Busy as usize] += 1;
    }

    /// A probe has ended.
    pub fn ended(&mut self, outcome: Outcome) {
        self.counts.ended[outcome as usize] += 1;
    }

    /// What was counted.
    pub const fn counts(&self) -> Counts {
        self.counts
    }

    /// A budget that nobody uses does not grow beyond a second's.
    fn fill(&mut self, now: Instant) {
        let per_second = u64::from(self.manners.per_second);
        let more = now.us_since(self.filled_at).min(1_000_000) * per_second;
        self.budget_ppm = (self.budget_ppm + more).min(per_second * 1_000_000);
        self.filled_at = now;
    }
}

/// The question that a resolver is asked.
#[derive(Clone, Debug)]
pub struct ResolverQuestion(Message<Vec<u8>>);

impl ResolverQuestion {
    /// For the name servers of `name`; `None` if that is no name.
    pub fn new(name: &str, id: u16) -> Option<Self> {
        let name = Name::<Vec<u8>>::from_str(name).ok()?;
        let mut builder = MessageBuilder::new_vec();
        builder.header_mut().set_id(id);
        builder.header_mut().set_rd(false);
        let mut builder = builder.question();
        builder.push((name, Rtype::NS)).ok()?;
        Some(Self(builder.into_message()))
    }

    /// The bytes to send.
    pub fn bytes(&self) -> &[u8] {
        self.0.as_slice()
    }

    /// Whether a datagram answers it: the id comes back, and the question if there is one in it (a FORMERR need not have it).
    pub fn is_answered_by(&self, datagram: &[u8]) -> bool {
        let Ok(answer) = Message::from_slice(datagram) else { return false };
        let (asked, header) = (self.0.header(), answer.header());
        let is_bare = answer.header_counts().qdcount() == 0;
        header.qr() && header.id() == asked.id() && (is_bare || answer.is_answer(self.0.for_slice()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataplane::time::Duration;

    fn manners() -> Manners {
        Manners {
            is_on: true,
            opt_out: vec!["9.9.9.0/24".parse().unwrap()],
            question: "shop.test".into(),
            ..Manners::default()
        }
    }

    fn address(at: u32) -> IpAddr {
        core::net::Ipv4Addr::from(0x2d00_0001 + (at << 8)).into()
    }

    const START: Instant = Instant::from_us(50_000_000);

    #[test]
    fn a_second_has_its_budget_and_a_network_its_peace() {
        let mut book = ResolverBook::new(manners(), START);
        let begun = |book: &mut ResolverBook, from: u32, now| {
            (from..from + 100).filter(|at| book.begin(address(*at), now).is_ok()).count()
        };
        assert_eq!(begun(&mut book, 0, START), 10, "per_second");
        let half = START + Duration::from_millis(500);
        assert_eq!(begun(&mut book, 100, half), 5);
        // Nobody used it for an hour: it is a second's, no more.
        let later = START + Duration::from_secs(3_599);
        assert_eq!(begun(&mut book, 200, later), 10);
        let next = later + Duration::from_millis(999);
        assert_eq!(book.begin(address(0), next), Err(PassedOver::TooSoon), "it was probed");
        assert_eq!(book.begin("45.0.0.77".parse().unwrap(), next), Err(PassedOver::TooSoon), "its network");
        assert_eq!(book.begin(address(0), START + Duration::from_secs(3_600)), Ok(()));
        assert_eq!(book.begin("9.9.9.9".parse().unwrap(), later), Err(PassedOver::OptedOut));
        let passed_over = book.counts().passed_over;
        assert_eq!(passed_over[PassedOver::OverBudget as usize], 90 + 95 + 90);
        assert_eq!(passed_over[PassedOver::TooSoon as usize], 2);
    }

    #[test]
    fn other_manners_give_nobodys_peace_away() {
        let mut book = ResolverBook::new(manners(), START);
        assert_eq!(book.begin(address(1), START), Ok(()));
        let mut other =
            ResolverBook::new(Manners { opt_out: vec!["45.0.2.0/24".parse().unwrap()], ..manners() }, START);
        other.inherit(book);
        assert_eq!(other.begin(address(1), START), Err(PassedOver::TooSoon));
        assert_eq!(other.begin(address(2), START), Err(PassedOver::OptedOut));
        assert_eq!(other.begin(address(3), START), Ok(()));
    }

    #[test]
    fn a_flood_fills_no_memory() {
        let fast = Manners { per_second: u32::MAX, every: Duration::from_secs(60), ..manners() };
        let mut book = ResolverBook::new(fast, START);
        let begun =
            (0..NETWORKS_MAX as u32 + 10).filter(|at| book.begin(address(*at), START).is_ok()).count();
        assert_eq!((begun, book.probed.len()), (NETWORKS_MAX, NETWORKS_MAX));
        assert_eq!(book.begin(address(NETWORKS_MAX as u32 + 5), START + Duration::from_secs(60)), Ok(()));
        assert_eq!(book.probed.len(), 1);
    }

    #[test]
    fn only_its_own_answer_counts() {
        let question = ResolverQuestion::new("shop.test", 7).unwrap();
        let bytes = question.bytes().to_vec();
        assert_eq!((bytes.len(), bytes[2] & 1), (12 + 11 + 4, 0), "small, and without recursion");
        assert!(!question.is_answered_by(&bytes), "a question is no answer");
        let mut answer = bytes;
        answer[2] |= 0x80;
        for code in 0..16 {
            answer[3] = code;
            assert!(question.is_answered_by(&answer), "code {code}");
        }
        let mut other = answer.clone();
        other[1] = 8;
        assert!(!question.is_answered_by(&other), "another id");
        let mut other = answer.clone();
        other[13] ^= 1;
        assert!(!question.is_answered_by(&other), "another question");
        let bare = [&answer[..4], &[0; 8]].concat();
        assert!(question.is_answered_by(&bare), "FORMERR without the question");
        for cut in 0..answer.len() {
            // What is cut behind the header has no question to compare.
            assert!(!question.is_answered_by(&answer[..cut]), "{cut}");
        }
        assert!(ResolverQuestion::new("a..b", 7).is_none());
    }
}
