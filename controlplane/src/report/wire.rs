//! A report on the wire: one UDP datagram, its integers big-endian.
//!
//! ```text
//! 4   "LHR" and the version, 2
//! 1   which of the node's processes says so: 1 prober, 2 front-end, 3 name server, which asks a prober under the prober's key
//! 1+n the node's name
//! 8   boot: when its process began, Unix µs        8   sequence, from 0
//! 8   when this was sent, Unix µs
//!     entries: kind 1, length 2, what it says
//! 32  HMAC-SHA256 of all before, under the node's key
//! ```
//! An entry of an unknown kind is passed over, and so is what follows the known part of an entry: newer nodes may say more.
//! Nothing here believes anything: who may say what is the ledger's business.

use crate::probe::resolvers::Outcome;
use crate::report::key::{CODE_BYTES, ReportKey};
use crate::report::limits::{NAME_BYTES_MAX, NODE_BYTES_MAX, REPORT_BYTES_MAX};
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use dataplane::stdx::network::Network;

const MAGIC: [u8; 4] = [b'L', b'H', b'R', 2];

/// What stands in place of a number that is not known.
const NONE_U16: u16 = u16::MAX;
const NONE_U32: u32 = u32::MAX;

/// Which process of a node speaks. A POP's prober and its front-end are two processes of one node, each with a beginning and
/// numbers of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Speaker {
    /// `longhaul probe`.
    Prober = 1,
    /// `longhaul front`.
    FrontEnd = 2,
    /// `longhaul dns`, which asks and does not report.
    NameServer = 3,
}

impl Speaker {
    /// All of them.
    const ALL: [Self; 3] = [Self::Prober, Self::FrontEnd, Self::NameServer];
    /// Those that report.
    pub const REPORTING: [Self; 2] = [Self::Prober, Self::FrontEnd];

    /// Its place in a table of those that report.
    pub const fn place(self) -> usize {
        self as usize - 1
    }

    /// Its word.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Prober => "probe",
            Self::FrontEnd => "front",
            Self::NameServer => "dns",
        }
    }
}

/// The clear head of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head<'a> {
    /// Which of its processes.
    pub speaker: Speaker,
    /// Who says so.
    pub node: &'a str,
    /// When its process began, Unix µs: a later one replaces an earlier one.
    pub boot_us: u64,
    /// Which of its reports this is.
    pub sequence: u64,
    /// When it was sent, Unix µs.
    pub at_us: u64,
}

/// What a prober has seen of a target.
#[derive(Clone, Debug, PartialEq)]
pub struct TargetEntry {
    /// The target.
    pub target: String,
    /// Its state there, by rise and fall.
    pub is_up: bool,
    /// Why its last probe failed, as a cause's number; 0: it did not.
    pub cause: u8,
    /// How long ago its last probe ended, ms.
    pub age_ms: u32,
    /// How long that took, µs.
    pub total_us: u32,
    /// How long its connection took, µs: a round trip; 0 if it had none.
    pub connect_us: u32,
    /// How busy it says it is, 0 to 1.
    pub load: Option<f32>,
    /// How far its content is behind, s.
    pub lag_s: Option<u32>,
}

/// What a front-end knows of a tunnel. Counts are those since the tunnel began: a lost report loses none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TunnelEntry {
    /// The far end, by its name in the tree.
    pub to: String,
    /// Whether bytes come through.
    pub is_up: bool,
    /// Smoothed round trip, µs.
    pub rtt_us: u32,
    /// Queue on the way there, µs.
    pub queue_us: u32,
    /// Packets sent.
    pub sent: u64,
    /// Of these, lost.
    pub lost: u64,
    /// Share of the far end's packets that were lost in its last ten seconds, ppm.
    pub peer_loss_ppm: u32,
    /// What could be sent beyond what is, kbit/s.
    pub headroom_kbps: u32,
}

/// How hard a machine is pressed: shares of the last ten seconds in which somebody waited (PSI), 0 to 1.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct PressureEntry {
    /// For a processor.
    pub cpu: Option<f32>,
    /// For memory.
    pub memory: Option<f32>,
    /// For disks.
    pub io: Option<f32>,
}

/// How far clients are, seen from a front-end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LatencyEntry {
    /// Their network.
    pub network: Network,
    /// The middle of their round trips, µs.
    pub rtt_us: u32,
    /// Connections that this was seen of.
    pub count: u16,
}

/// How far a resolver is that a name server asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResolverEntry {
    /// It.
    pub address: IpAddr,
    /// How the probe ended.
    pub outcome: Outcome,
    /// Its round trip, µs; 0 if it was silent.
    pub rtt_us: u32,
}

/// One thing that is said.
#[derive(Clone, Debug, PartialEq)]
pub enum Entry {
    /// Of a target.
    Target(TargetEntry),
    /// Of a tunnel.
    Tunnel(TunnelEntry),
    /// Of the machine itself.
    Pressure(PressureEntry),
    /// Of clients.
    Latency(LatencyEntry),
    /// Of a resolver.
    Resolver(ResolverEntry),
    /// A resolver that a prober is asked for.
    Ask(IpAddr),
}

/// Writes one report; entries are added while they fit.
#[derive(Debug)]
pub struct ReportWriter {
    bytes: Vec<u8>,
}

impl ReportWriter {
    /// A report without entries.
    pub fn new(head: &Head<'_>) -> Self {
        assert!((1..=NODE_BYTES_MAX).contains(&head.node.len()), "a node's name fits");
        let mut bytes = Vec::with_capacity(REPORT_BYTES_MAX);
        bytes.extend(MAGIC);
        bytes.push(head.speaker as u8);
        put_text(&mut bytes, head.node);
        [head.boot_us, head.sequence, head.at_us]
            .iter()
            .for_each(|number| bytes.extend(number.to_be_bytes()));
        Self { bytes }
    }

    /// Adds an entry; false if there is no room for it.
    pub fn put(&mut self, entry: &Entry) -> bool {
        let begin = self.bytes.len();
        self.bytes.extend([kind(entry), 0, 0]);
        write(entry, &mut self.bytes);
        let length = (self.bytes.len() - begin - 3) as u16;
        self.bytes[begin + 1..begin + 3].copy_from_slice(&length.to_be_bytes());
        let fits = self.bytes.len() + CODE_BYTES <= REPORT_BYTES_MAX;
        if !fits {
            self.bytes.truncate(begin);
        }
        fits
    }

    /// Signs it: the datagram.
    pub fn finish(mut self, key: &ReportKey) -> Vec<u8> {
        let code = key.code(&self.bytes);
        self.bytes.extend_from_slice(code.as_ref());
        self.bytes
    }
}

/// The same datagram under another key.
pub fn signed_anew(datagram: &[u8], key: &ReportKey) -> Vec<u8> {
    let signed = &datagram[..datagram.len() - CODE_BYTES];
    [signed, key.code(signed).as_ref()].concat()
}

/// A report whose form is good; nobody has checked its code.
#[derive(Clone, Copy, Debug)]
pub struct Unproven<'a> {
    /// Its head.
    pub head: Head<'a>,
    entries: &'a [u8],
    signed: &'a [u8],
    code: &'a [u8],
}

impl<'a> Unproven<'a> {
    /// Reads the head; `None` if it is no report.
    pub fn read(datagram: &'a [u8]) -> Option<Self> {
        if datagram.len() > REPORT_BYTES_MAX {
            return None;
        }
        let (signed, code) = datagram.split_at_checked(datagram.len().checked_sub(CODE_BYTES)?)?;
        let mut rest = Bytes(signed.strip_prefix(&MAGIC)?);
        let speaker = rest.u8()?;
        let speaker = Speaker::ALL.into_iter().find(|known| *known as u8 == speaker)?;
        let node = rest.text(NODE_BYTES_MAX)?;
        let head = Head { speaker, node, boot_us: rest.u64()?, sequence: rest.u64()?, at_us: rest.u64()? };
        Some(Self { head, entries: rest.0, signed, code })
    }

    /// What it says, if its code is good.
    pub fn proven(&self, key: &ReportKey) -> Option<Entries<'a>> {
        key.is_good(self.signed, self.code).then_some(Entries(Bytes(self.entries)))
    }
}

/// What a proven report says. `Err` once at most, and last: the rest cannot be read.
#[derive(Clone, Copy, Debug)]
pub struct Entries<'a>(Bytes<'a>);

/// The bytes of an entry that are none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BrokenEntry;

impl Iterator for Entries<'_> {
    type Item = Result<Entry, BrokenEntry>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.0.0.is_empty() {
            let entry = self.0.u8().zip(self.0.u16()).and_then(|(kind, length)| {
                let body = self.0.take(length.into())?;
                read(kind, Bytes(body))
            });
            match entry {
                Some(Some(entry)) => return Some(Ok(entry)),
                // Of a kind that we do not know.
                Some(None) => {}
                None => {
                    self.0 = Bytes(&[]);
                    return Some(Err(BrokenEntry));
                }
            }
        }
        None
    }
}

fn kind(entry: &Entry) -> u8 {
    match entry {
        Entry::Target(_) => 1,
        Entry::Tunnel(_) => 2,
        Entry::Pressure(_) => 3,
        Entry::Latency(_) => 4,
        Entry::Resolver(_) => 5,
        Entry::Ask(_) => 6,
    }
}

fn write(entry: &Entry, bytes: &mut Vec<u8>) {
    match entry {
        Entry::Target(target) => {
            put_text(bytes, &target.target);
            bytes.extend([u8::from(target.is_up), target.cause]);
            for number in [target.age_ms, target.total_us, target.connect_us] {
                bytes.extend(number.to_be_bytes());
            }
            bytes.extend(permille(target.load).to_be_bytes());
            bytes.extend(target.lag_s.map_or(NONE_U32, |lag_s| lag_s.min(NONE_U32 - 1)).to_be_bytes());
        }
        Entry::Tunnel(tunnel) => {
            put_text(bytes, &tunnel.to);
            bytes.push(u8::from(tunnel.is_up));
            bytes.extend(tunnel.rtt_us.to_be_bytes());
            bytes.extend(tunnel.queue_us.to_be_bytes());
            bytes.extend(tunnel.sent.to_be_bytes());
            bytes.extend(tunnel.lost.to_be_bytes());
            bytes.extend(tunnel.peer_loss_ppm.to_be_bytes());
            bytes.extend(tunnel.headroom_kbps.to_be_bytes());
        }
        Entry::Pressure(pressure) => {
            for share in [pressure.cpu, pressure.memory, pressure.io] {
                bytes.extend(permille(share).to_be_bytes());
            }
        }
        Entry::Latency(latency) => {
            match latency.network.base() {
                IpAddr::V4(base) => {
                    bytes.extend([4, latency.network.bits()]);
                    bytes.extend(base.octets());
                }
                IpAddr::V6(base) => {
                    bytes.extend([6, latency.network.bits()]);
                    bytes.extend(base.octets());
                }
            }
            bytes.extend(latency.rtt_us.to_be_bytes());
            bytes.extend(latency.count.to_be_bytes());
        }
        Entry::Resolver(resolver) => {
            put_address(bytes, resolver.address);
            bytes.push(resolver.outcome as u8);
            bytes.extend(resolver.rtt_us.to_be_bytes());
        }
        Entry::Ask(address) => put_address(bytes, *address),
    }
}

/// Reads the body of an entry; `Some(None)` if its kind is not known, `None` if it is broken.
fn read(kind: u8, mut body: Bytes<'_>) -> Option<Option<Entry>> {
    Some(Some(match kind {
        1 => Entry::Target(TargetEntry {
            target: body.text(NAME_BYTES_MAX)?.to_owned(),
            is_up: body.flag()?,
            cause: body.u8()?,
            age_ms: body.u32()?,
            total_us: body.u32()?,
            connect_us: body.u32()?,
            load: body.share()?,
            lag_s: Some(body.u32()?).filter(|lag_s| *lag_s != NONE_U32),
        }),
        2 => Entry::Tunnel(TunnelEntry {
            to: body.text(NAME_BYTES_MAX)?.to_owned(),
            is_up: body.flag()?,
            rtt_us: body.u32()?,
            queue_us: body.u32()?,
            sent: body.u64()?,
            lost: body.u64()?,
            peer_loss_ppm: body.u32()?,
            headroom_kbps: body.u32()?,
        }),
        3 => Entry::Pressure(PressureEntry { cpu: body.share()?, memory: body.share()?, io: body.share()? }),
        4 => {
            Entry::Latency(LatencyEntry { network: body.network()?, rtt_us: body.u32()?, count: body.u16()? })
        }
        5 => Entry::Resolver(ResolverEntry {
            address: body.address()?,
            outcome: body.outcome()?,
            rtt_us: body.u32()?,
        }),
        6 => Entry::Ask(body.address()?),
        _ => return Some(None),
    }))
}

fn put_address(bytes: &mut Vec<u8>, address: IpAddr) {
    match address.to_canonical() {
        IpAddr::V4(v4) => {
            bytes.push(4);
            bytes.extend(v4.octets());
        }
        IpAddr::V6(v6) => {
            bytes.push(6);
            bytes.extend(v6.octets());
        }
    }
}

/// Text, cut where it is too long to be said.
fn put_text(bytes: &mut Vec<u8>, text: &str) {
    let mut end = text.len().min(NAME_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    bytes.push(end as u8);
    bytes.extend_from_slice(&text.as_bytes()[..end]);
}

fn permille(share: Option<f32>) -> u16 {
    share.map_or(NONE_U16, |share| (share.clamp(0.0, 1.0) * 1_000.0).round() as u16)
}

/// Bytes that are read from the front.
#[derive(Clone, Copy, Debug)]
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    fn u8(&mut self) -> Option<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_be_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_be_bytes)
    }

    fn flag(&mut self) -> Option<bool> {
        match self.u8()? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }

    /// Printable text of one byte at least: names go into logs and pages.
    fn text(&mut self, bytes_max: usize) -> Option<&'a str> {
        let length = usize::from(self.u8()?);
        let text = core::str::from_utf8(self.take(length)?).ok()?;
        (!text.is_empty() && length <= bytes_max && !text.chars().any(char::is_control)).then_some(text)
    }

    fn share(&mut self) -> Option<Option<f32>> {
        match self.u16()? {
            NONE_U16 => Some(None),
            permille if permille <= 1_000 => Some(Some(f32::from(permille) / 1_000.0)),
            _ => None,
        }
    }

    fn of_family(&mut self, family: u8) -> Option<IpAddr> {
        match family {
            4 => Some(Ipv4Addr::from(self.array::<4>()?).into()),
            6 => Some(Ipv6Addr::from(self.array::<16>()?).into()),
            _ => None,
        }
    }

    fn address(&mut self) -> Option<IpAddr> {
        let family = self.u8()?;
        self.of_family(family)
    }

    fn outcome(&mut self) -> Option<Outcome> {
        let outcome = self.u8()?;
        Outcome::ALL.into_iter().find(|known| *known as u8 == outcome)
    }

    fn network(&mut self) -> Option<Network> {
        let (family, bits) = (self.u8()?, self.u8()?);
        let base = self.of_family(family)?;
        let network = Network::of(base, bits);
        // Bits behind the prefix, or more of them than there are, are nobody's network.
        (network.base() == base && network.bits() == bits).then_some(network)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::key::Secret;
    use proptest::prelude::{Strategy, any, prop, prop_assert_eq, prop_oneof, proptest};

    fn key() -> ReportKey {
        Secret::new([1; 32]).of_node("fra1")
    }

    const HEAD: Head<'static> =
        Head { speaker: Speaker::Prober, node: "fra1", boot_us: 5, sequence: 7, at_us: 9 };

    fn share() -> impl Strategy<Value = Option<f32>> {
        prop::option::of((0u16..=1_000).prop_map(|permille| f32::from(permille) / 1_000.0))
    }

    fn entry() -> impl Strategy<Value = Entry> {
        let target = (
            "[a-z/0-9é]{1,100}",
            any::<bool>(),
            any::<u8>(),
            any::<[u32; 3]>(),
            share(),
            prop::option::of(0..u32::MAX),
        );
        let tunnel = ("[a-z]{1,63}", any::<bool>(), any::<[u32; 4]>(), any::<[u64; 2]>());
        prop_oneof![
            target.prop_map(|(target, is_up, cause, [age_ms, total_us, connect_us], load, lag_s)| {
                Entry::Target(TargetEntry { target, is_up, cause, age_ms, total_us, connect_us, load, lag_s })
            }),
            tunnel.prop_map(|(to, is_up, [rtt_us, queue_us, peer_loss_ppm, headroom_kbps], [sent, lost])| {
                Entry::Tunnel(TunnelEntry {
                    to,
                    is_up,
                    rtt_us,
                    queue_us,
                    sent,
                    lost,
                    peer_loss_ppm,
                    headroom_kbps,
                })
            }),
            (share(), share(), share()).prop_map(|(cpu, memory, io)| Entry::Pressure(PressureEntry {
                cpu,
                memory,
                io
            })),
            (any::<u128>(), 0usize..3, any::<u32>()).prop_map(|(bits, outcome, rtt_us)| {
                let address = IpAddr::from(Ipv6Addr::from(bits)).to_canonical();
                Entry::Resolver(ResolverEntry { address, outcome: Outcome::ALL[outcome], rtt_us })
            }),
            any::<u32>().prop_map(|bits| Entry::Ask(Ipv4Addr::from(bits).into())),
            (any::<u128>(), 0u8..=128, any::<u32>(), any::<u16>()).prop_map(
                |(bits, length, rtt_us, count)| {
                    let network = Network::of(Ipv6Addr::from(bits).into(), length);
                    Entry::Latency(LatencyEntry { network, rtt_us, count })
                }
            ),
        ]
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(entries in prop::collection::vec(entry(), 0..30), at in any::<[u64; 3]>()) {
            let head = Head { speaker: Speaker::FrontEnd, node: "fra1", boot_us: at[0], sequence: at[1], at_us: at[2] };
            let mut writer = ReportWriter::new(&head);
            let said: Vec<Entry> = entries.into_iter().filter(|entry| writer.put(entry)).collect();
            let datagram = writer.finish(&key());
            assert!(datagram.len() <= REPORT_BYTES_MAX);
            let report = Unproven::read(&datagram).unwrap();
            prop_assert_eq!(report.head, head);
            let read: Vec<Entry> = report.proven(&key()).unwrap().map(|entry| entry.unwrap()).collect();
            // A mapped IPv4 network is written as what it is.
            prop_assert_eq!(read, said);
        }

        #[test]
        fn nothing_changed_is_believed(place in any::<prop::sample::Index>(), bit in 0u8..8, cut in any::<prop::sample::Index>()) {
            let mut writer = ReportWriter::new(&HEAD);
            writer.put(&Entry::Pressure(PressureEntry { cpu: Some(0.5), ..PressureEntry::default() }));
            let datagram = writer.finish(&key());
            let believed = |bytes: &[u8]| Unproven::read(bytes).is_some_and(|report| report.proven(&key()).is_some());
            assert!(believed(&datagram));
            let mut changed = datagram.clone();
            changed[place.index(datagram.len())] ^= 1 << bit;
            assert!(!believed(&changed));
            assert!(!believed(&datagram[..cut.index(datagram.len())]));
            assert!(!believed(&[&datagram[..], &[0]].concat()));
        }
    }

    #[test]
    fn newer_nodes_may_say_more() {
        let mut writer = ReportWriter::new(&HEAD);
        let known = Entry::Pressure(PressureEntry { cpu: Some(0.5), ..PressureEntry::default() });
        writer.bytes.extend([200, 0, 2, 1, 2]);
        assert!(writer.put(&known));
        let longer = writer.bytes.len() - 6 - 3;
        writer.bytes[longer + 2] += 1;
        writer.bytes.push(9);
        let datagram = writer.finish(&key());
        let entries = Unproven::read(&datagram).unwrap().proven(&key()).unwrap();
        assert_eq!(entries.collect::<Vec<_>>(), [Ok(known)]);
    }

    #[test]
    fn broken_entries_end_a_report() {
        for broken in [
            &[1][..],
            &[1, 0, 9, 1],
            &[1, 0, 1, 0],
            &[3, 0, 6, 255, 254, 0, 0, 0, 0],
            &[6, 0, 3, 4, 1, 1],
            &[6, 0, 5, 5, 1, 1, 1, 1],
            &[5, 0, 10, 4, 1, 1, 1, 1, 3, 0, 0, 0, 0],
            &[4, 0, 12, 4, 8, 10, 1, 0, 0, 0, 0, 0, 1, 0, 1],
        ] {
            let mut writer = ReportWriter::new(&HEAD);
            writer.bytes.extend_from_slice(broken);
            let datagram = writer.finish(&key());
            let entries: Vec<_> = Unproven::read(&datagram).unwrap().proven(&key()).unwrap().collect();
            assert_eq!(entries, [Err(BrokenEntry)], "{broken:?}");
        }
    }
}
