//! Response rate limiting: nobody gets the same answer more often than a resolver would want it, so that a forged sender
//! address is no way to flood its owner.
//!
//! A bucket per client prefix and kind of answer, as in BIND, Knot and NSD. The bucket is a time (GCRA): how far ahead of
//! now the answers already given reach. The table has a fixed size and forgets whoever is idle; who shares a slot with a
//! busy one takes it over, so that a flood from many addresses cannot keep others from being counted, and never grows
//! anything. Times are µs of a clock that does not jump.

use core::hash::Hasher;
use core::net::IpAddr;
use dataplane::time::{Duration, Instant};
use siphasher::sip::SipHasher13;

/// Slots of the table, a power of two: 1 MiB per thread. A flood of more prefixes at once is limited less exactly.
const SLOTS: usize = 65_536;

/// How long a bucket may run ahead: as much as it gets in a second may come at once.
const BURST: Duration = Duration::from_secs(1);

/// Prefix lengths that count as one client: what one network usually has (as in BIND).
const PREFIX_BITS: (u32, u32) = (24, 56);

/// What is counted as the same answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An answer about a name that exists; the number is the name's hash.
    Name(u64),
    /// Names that do not exist, by zone: the asked name is the attacker's to choose.
    Missing(u64),
    /// Refusals and errors of all kinds.
    Error,
}

/// What to do with an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ruling {
    /// Send it.
    Send,
    /// Send it cut, so that an honest client comes back over TCP.
    Slip,
    /// Send nothing.
    Drop,
}

/// How much is allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Same answers per second to one client prefix; 0 is no limit.
    pub per_second: u32,
    /// Of the answers over the limit, every how many-th is sent cut instead of dropped; 0: none.
    pub slip: u32,
}

#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    tag: u64,
    /// µs until which its answers are paid for.
    paid_until_us: u64,
}

/// The table of one thread.
#[derive(Debug)]
pub struct Limiter {
    rate: Rate,
    key: [u8; 16],
    slots: Vec<Slot>,
    over: u32,
}

impl Limiter {
    /// An empty table. `key` is random: nobody may know who shares a slot with whom.
    pub fn new(rate: Rate, key: [u8; 16]) -> Self {
        let slots = if rate.per_second == 0 { Vec::new() } else { vec![Slot::default(); SLOTS] };
        Self { rate, key, slots, over: 0 }
    }

    /// Counts an answer and rules on it.
    pub fn rule(&mut self, from: IpAddr, kind: Kind, now: Instant) -> Ruling {
        if self.slots.is_empty() {
            return Ruling::Send;
        }
        let tag = self.tag(from, kind);
        let slot = &mut self.slots[tag as usize % SLOTS];
        let now_us = now.as_us();
        if slot.tag != tag {
            *slot = Slot { tag, paid_until_us: now_us };
        }
        let limit_us = now_us + BURST.as_micros() as u64;
        if slot.paid_until_us < limit_us {
            slot.paid_until_us = slot.paid_until_us.max(now_us) + 1_000_000 / u64::from(self.rate.per_second);
            return Ruling::Send;
        }
        self.over = self.over.wrapping_add(1);
        match self.rate.slip {
            0 => Ruling::Drop,
            slip if self.over.is_multiple_of(slip) => Ruling::Slip,
            _ => Ruling::Drop,
        }
    }

    fn tag(&self, from: IpAddr, kind: Kind) -> u64 {
        let mut hasher = SipHasher13::new_with_key(&self.key);
        match from {
            IpAddr::V4(address) => hasher.write_u32(address.to_bits() >> (32 - PREFIX_BITS.0)),
            IpAddr::V6(address) => hasher.write_u64((address.to_bits() >> (128 - PREFIX_BITS.1)) as u64),
        }
        let (tag, number) = match kind {
            Kind::Name(hash) => (1, hash),
            Kind::Missing(zone) => (2, zone),
            Kind::Error => (3, 0),
        };
        hasher.write_u8(tag);
        hasher.write_u64(number);
        hasher.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn sent(limiter: &mut Limiter, from: &str, kind: Kind, now: Instant, count: usize) -> usize {
        (0..count).filter(|_| limiter.rule(address(from), kind, now) == Ruling::Send).count()
    }

    #[test]
    fn a_client_gets_its_rate_and_no_more() {
        let mut limiter = Limiter::new(Rate { per_second: 10, slip: 0 }, [1; 16]);
        let start = Instant::from_us(1 << 40);
        assert_eq!(sent(&mut limiter, "192.0.2.1", Kind::Name(1), start, 100), 10);
        // The neighbour in the same /24 is the same client; another name and another network are not.
        assert_eq!(sent(&mut limiter, "192.0.2.200", Kind::Name(1), start, 100), 0);
        assert_eq!(sent(&mut limiter, "192.0.2.1", Kind::Name(2), start, 100), 10);
        assert_eq!(sent(&mut limiter, "192.0.3.1", Kind::Name(1), start, 100), 10);
        assert_eq!(sent(&mut limiter, "2001:db8:0:1::1", Kind::Error, start, 100), 10);
        assert_eq!(sent(&mut limiter, "2001:db8:0:ff::1", Kind::Error, start, 100), 0);
        let later = start + Duration::from_millis(500);
        assert_eq!(sent(&mut limiter, "192.0.2.1", Kind::Name(1), later, 100), 5);
        let much_later = start + Duration::from_secs(3_600);
        assert_eq!(sent(&mut limiter, "192.0.2.1", Kind::Name(1), much_later, 100), 10);
    }

    #[test]
    fn every_nth_over_the_limit_slips() {
        let mut limiter = Limiter::new(Rate { per_second: 1, slip: 3 }, [1; 16]);
        let rulings: Vec<Ruling> = (0..7)
            .map(|_| limiter.rule(address("192.0.2.1"), Kind::Missing(9), Instant::from_us(5)))
            .collect();
        let (send, drop, slip) = (Ruling::Send, Ruling::Drop, Ruling::Slip);
        assert_eq!(rulings, [send, drop, drop, slip, drop, drop, slip]);
    }

    #[test]
    fn no_limit_keeps_nothing() {
        let mut limiter = Limiter::new(Rate { per_second: 0, slip: 2 }, [1; 16]);
        assert_eq!(sent(&mut limiter, "192.0.2.1", Kind::Error, Instant::ORIGIN, 1_000), 1_000);
        assert!(limiter.slots.is_empty());
    }

    /// A flood from everywhere: the table keeps its size, and one who floods among the many is still held.
    #[test]
    fn a_flood_from_everywhere_does_no_harm() {
        let mut limiter = Limiter::new(Rate { per_second: 5, slip: 0 }, [3; 16]);
        let now = Instant::from_us(1_000_000);
        for network in 0..200_000u32 {
            limiter.rule(IpAddr::V4((network << 8).into()), Kind::Name(1), now);
        }
        assert_eq!(limiter.slots.len(), SLOTS);
        assert_eq!(sent(&mut limiter, "203.0.113.9", Kind::Name(1), now, 1_000), 5);
    }
}
