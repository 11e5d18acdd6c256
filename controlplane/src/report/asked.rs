//! A prober's ear for name servers: requests to probe resolvers, many in one datagram, each in the form of a report under the
//! prober's own key, which besides it only the name servers hold. Nobody is answered here: what was measured goes to the name
//! servers of the tree as every report does, so that a forged sender's address gains nothing.

use crate::report::key::ReportKey;
use crate::report::refusal::{Refusal, Refused, admit};
use crate::report::window::Window;
use crate::report::wire::{Entry, Speaker, Unproven};
use core::net::IpAddr;
use std::collections::HashMap;

/// The ear.
#[derive(Clone, Debug)]
pub struct Asked {
    key: ReportKey,
    /// When this process began, Unix µs: what was asked before is not for it, whoever says it again.
    began_us: u64,
    /// The name servers of the tree, with what came from each.
    askers: HashMap<String, Window>,
    taken: u64,
    refused: Refused,
}

impl Asked {
    /// Of these name servers.
    pub fn new(key: ReportKey, began_us: u64, askers: impl IntoIterator<Item = String>) -> Self {
        let askers = askers.into_iter().map(|name| (name, Window::default())).collect();
        Self { key, began_us, askers, taken: 0, refused: Refused::default() }
    }

    /// Takes a datagram: the addresses that are asked for.
    pub fn take(&mut self, datagram: &[u8], now_us: u64) -> Result<Vec<IpAddr>, Refusal> {
        let addresses = self.read(datagram, now_us);
        match &addresses {
            Ok(_) => self.taken += 1,
            Err(refusal) => self.refused[*refusal as usize] += 1,
        }
        addresses
    }

    fn read(&mut self, datagram: &[u8], now_us: u64) -> Result<Vec<IpAddr>, Refusal> {
        let request = Unproven::read(datagram).ok_or(Refusal::Malformed)?;
        let window = self.askers.get_mut(request.head.node).ok_or(Refusal::Stranger)?;
        let entries = request.proven(&self.key).ok_or(Refusal::Forged)?;
        // A report of our own, sent back to us, has our code.
        if request.head.speaker != Speaker::NameServer {
            return Err(Refusal::NotAllowed);
        }
        if request.head.at_us < self.began_us {
            return Err(Refusal::Old);
        }
        admit(window, &request.head, now_us)?;
        let mut addresses = Vec::new();
        for entry in entries {
            match entry.map_err(|_| Refusal::Malformed)? {
                Entry::Ask(address) => addresses.push(address),
                _ => return Err(Refusal::NotAllowed),
            }
        }
        Ok(addresses)
    }

    /// Requests taken, and those refused by reason.
    pub const fn counts(&self) -> (u64, Refused) {
        (self.taken, self.refused)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::key::Secret;
    use crate::report::wire::{Head, PressureEntry, ReportWriter};

    const NOW_US: u64 = 1_800_000_000_000_000;

    fn key(node: &str) -> ReportKey {
        Secret::new([9; 32]).of_node(node)
    }

    const HEAD: Head<'static> = Head {
        speaker: Speaker::NameServer,
        node: "ns1",
        boot_us: NOW_US - 9_000_000,
        sequence: 1,
        at_us: NOW_US,
    };

    fn request(head: &Head<'_>, node: &str, entries: &[Entry]) -> Vec<u8> {
        let mut writer = ReportWriter::new(head);
        assert!(entries.iter().all(|entry| writer.put(entry)));
        writer.finish(&key(node))
    }

    #[test]
    fn requests_are_taken_once_from_name_servers_only() {
        let mut asked = Asked::new(key("p1"), NOW_US - 1_000_000, ["ns1".to_owned(), "ns2".to_owned()]);
        let addresses: Vec<IpAddr> = ["9.9.9.9".parse().unwrap(), "2620:fe::fe".parse().unwrap()].into();
        let asks: Vec<Entry> = addresses.iter().map(|address| Entry::Ask(*address)).collect();
        let good = request(&HEAD, "p1", &asks);
        assert_eq!(asked.take(&good, NOW_US), Ok(addresses));
        assert_eq!(asked.take(&good, NOW_US), Err(Refusal::Replayed));
        let next = Head { sequence: 5, ..HEAD };
        let pressure = Entry::Pressure(PressureEntry::default());
        let mut changed = request(&next, "p1", &asks);
        changed[60] ^= 1;
        let cases = [
            // Made for another prober, with another's key, by a node that is no name server, by nobody.
            (request(&next, "p2", &asks), Refusal::Forged),
            (changed, Refusal::Forged),
            (request(&Head { node: "p9", ..next }, "p1", &asks), Refusal::Stranger),
            (b"hello".to_vec(), Refusal::Malformed),
            // Our own report, come back; one of before we began; of another time; of a process that was replaced.
            (request(&Head { speaker: Speaker::Prober, ..next }, "p1", &asks), Refusal::NotAllowed),
            (request(&Head { at_us: NOW_US - 1_000_001, ..next }, "p1", &asks), Refusal::Old),
            (request(&Head { at_us: NOW_US + 5_000_001, ..next }, "p1", &asks), Refusal::Future),
            (request(&Head { boot_us: NOW_US - 9_000_001, ..next }, "p1", &asks), Refusal::EarlierBoot),
            (request(&next, "p1", &[pressure]), Refusal::NotAllowed),
        ];
        for (datagram, refusal) in cases {
            assert_eq!(asked.take(&datagram, NOW_US), Err(refusal));
        }
        let (taken, refused) = asked.counts();
        assert_eq!((taken, refused.iter().sum::<u64>()), (1, 10));
        assert!(asked.take(&request(&Head { node: "ns2", ..HEAD }, "p1", &asks), NOW_US).is_ok());
    }

    /// A prober that was started again has forgotten what came: what came before it began is refused all the same.
    #[test]
    fn a_restart_opens_no_window() {
        let good = request(&HEAD, "p1", &[]);
        let mut again = Asked::new(key("p1"), NOW_US + 1, ["ns1".to_owned()]);
        assert_eq!(again.take(&good, NOW_US + 2), Err(Refusal::Old));
    }

    #[test]
    fn a_datagram_has_many_requests() {
        let mut writer = ReportWriter::new(&HEAD);
        let mut count = 0;
        while writer.put(&Entry::Ask(core::net::Ipv4Addr::from(count).into())) {
            count += 1;
        }
        assert!(count >= 100, "{count}");
        let mut asked = Asked::new(key("p1"), 0, ["ns1".to_owned()]);
        assert_eq!(asked.take(&writer.finish(&key("p1")), NOW_US).unwrap().len(), count as usize);
    }
}
