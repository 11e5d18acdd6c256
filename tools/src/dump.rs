//! What a capture shows of the tunnel protocol: a line per packet, and its frames where a key log opens it.
//!
//! The readers of packets and frames are the product's own. Only the first packet of a train that the capturing machine
//! saw as one datagram has a header of its own in the capture; the others are found by what their headers must be.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;

use dataplane::tmp::frame::{Frame, Frames};
use dataplane::tmp::id::{PathId, ReceiverId, StreamId};
use dataplane::tmp::key_log::LoggedSecret;
use dataplane::tmp::limits::{ACK_DELAY_UNIT_US, DATA_BYTES_MIN, PATHS_MAX};
use dataplane::tmp::packet::{Packet, full_number, packet_mark, split_mark};
use dataplane::tmp::seal::OpenKey;

use crate::capture::Datagram;

/// Frames of the bytes of a stream are shown with so many of them at most.
const PREVIEW_BYTES: usize = 24;

/// The keys of a key log, by the id that packets name.
#[derive(Debug, Default)]
pub struct KeyRing(HashMap<ReceiverId, Vec<Opener>>);

/// One direction of one epoch, and the number after the largest that it has opened, by path.
#[derive(Debug)]
struct Opener {
    key: OpenKey,
    expected: [u64; PATHS_MAX],
}

impl KeyRing {
    /// The keys in a key log's text; lines of another kind are stepped over.
    pub fn read(text: &str) -> Self {
        let mut ring = Self::default();
        for logged in text.lines().filter_map(LoggedSecret::from_line) {
            let opener =
                Opener { key: OpenKey::new(logged.cipher, &logged.secret), expected: [0; PATHS_MAX] };
            ring.0.entry(logged.receiver).or_default().push(opener);
        }
        ring
    }

    /// Opens a packet: its path, full number and frames. Ids come back in time, so the newest key is tried first.
    fn open(&mut self, receiver: ReceiverId, mark: u32, packet: &[u8]) -> Option<(PathId, u64, Vec<u8>)> {
        let (path, number_low) = split_mark(mark);
        for opener in self.0.get_mut(&receiver)?.iter_mut().rev() {
            // A later epoch goes on with the numbers of the one before, of which the capture may show nothing.
            let expected = &mut opener.expected[path.index()];
            let number = full_number(*expected, number_low);
            let mut copy = packet.to_vec();
            if let Some(frames) = opener.key.open(path.0.into(), number, &mut copy) {
                *expected = (number + 1).max(*expected);
                return Some((path, number, frames.to_vec()));
            }
        }
        None
    }
}

/// The state of a dump.
#[derive(Debug)]
pub struct Dump {
    keys: KeyRing,
    port: Option<u16>,
    counts: BTreeMap<&'static str, u64>,
    opened: u64,
    others: u64,
}

impl Dump {
    /// Nothing was seen yet; `port` leaves out all that is neither from nor to it.
    pub fn new(keys: KeyRing, port: Option<u16>) -> Self {
        Self { keys, port, counts: BTreeMap::new(), opened: 0, others: 0 }
    }

    /// The lines about one datagram, or about each of a train.
    pub fn datagram(&mut self, datagram: &Datagram<'_>) -> String {
        if self.port.is_some_and(|port| datagram.from.port() != port && datagram.to.port() != port) {
            return String::new();
        }
        let mut text = String::new();
        let segment_bytes = segment_bytes(datagram.payload);
        for packet in datagram.payload.chunks(segment_bytes) {
            self.packet(datagram, packet, &mut text);
        }
        text
    }

    /// How much of what was seen.
    pub fn summary(&self) -> String {
        let counted: u64 = self.counts.values().sum();
        let kinds: Vec<_> = self.counts.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
        let (kinds, opened, others) = (kinds.join(", "), self.opened, self.others);
        format!("{counted} packets ({kinds}), {opened} opened; {others} other datagrams\n")
    }

    fn packet(&mut self, datagram: &Datagram<'_>, packet: &[u8], text: &mut String) {
        let Some(parsed) = Packet::parse(packet) else {
            self.others += 1;
            return;
        };
        let Datagram { at_us, from, to, .. } = datagram;
        let (seconds, part_us) = (at_us / 1_000_000, at_us % 1_000_000);
        let (time, bytes) = (clock(seconds), packet.len());
        let _ = write!(text, "{time}.{part_us:06}  {from} > {to}  {bytes:>4} B  ");
        let kind = match parsed {
            Packet::Init { sender } => {
                let owner = packet[1];
                let proven =
                    if packet[packet.len() - 16..].iter().any(|byte| *byte != 0) { ", signed" } else { "" };
                let _ = writeln!(text, "INIT from id {:08x}, owner {owner}{proven}", sender.0);
                "INIT"
            }
            Packet::Resp { receiver } => {
                let _ = writeln!(text, "RESP to id {:08x}", receiver.0);
                "RESP"
            }
            Packet::Cookie { receiver } => {
                let _ = writeln!(text, "COOKIE to id {:08x}", receiver.0);
                "COOKIE"
            }
            Packet::Reset { unknown, mark } => {
                let (path, number) = split_mark(mark);
                let _ = writeln!(text, "RESET about id {:08x}{} number {number}", unknown.0, path_text(path));
                "RESET"
            }
            Packet::Data { receiver, mark } => {
                self.data(receiver, mark, packet, text);
                "DATA"
            }
        };
        *self.counts.entry(kind).or_default() += 1;
    }

    fn data(&mut self, receiver: ReceiverId, mark: u32, packet: &[u8], text: &mut String) {
        let Some((path, number, frames)) = self.keys.open(receiver, mark, packet) else {
            let (path, number_low) = split_mark(mark);
            let path = path_text(path);
            let _ = writeln!(text, "DATA to id {:08x}{path} number ..{number_low}", receiver.0);
            return;
        };
        self.opened += 1;
        let _ = writeln!(text, "DATA to id {:08x}{} number {number}", receiver.0, path_text(path));
        for frame in Frames::new(&frames) {
            let _ = match frame {
                Ok(frame) => writeln!(text, "    {}", frame_text(&frame)),
                Err(error) => writeln!(text, "    malformed: {error:?}"),
            };
        }
    }
}

/// The length of every packet of a train but the last: where the header that must follow the first one stands.
fn segment_bytes(payload: &[u8]) -> usize {
    let whole = payload.len().max(1);
    let Some(Packet::Data { mark, .. }) = Packet::parse(payload) else { return whole };
    let (path, number_low) = split_mark(mark);
    let mut next = [0; 9];
    next[..5].copy_from_slice(&payload[..5]);
    next[5..].copy_from_slice(&packet_mark(path, u64::from(number_low) + 1).to_be_bytes());
    let rest = payload.get(DATA_BYTES_MIN..).unwrap_or(&[]);
    rest.windows(next.len()).position(|window| window == next).map_or(whole, |at| at + DATA_BYTES_MIN)
}

/// Most tunnels have path 0 alone.
fn path_text(path: PathId) -> String {
    if path == PathId(0) { String::new() } else { format!(" path {}", path.0) }
}

/// Hours, minutes and seconds of the day, UTC.
fn clock(seconds: u64) -> String {
    let (hours, minutes) = (seconds / 3_600 % 24, seconds / 60 % 60);
    format!("{hours:02}:{minutes:02}:{:02}", seconds % 60)
}

fn stream_text(stream: StreamId) -> String {
    format!("stream {}.{}", stream.slot, stream.generation)
}

fn frame_text(frame: &Frame<'_>) -> String {
    match frame {
        Frame::Pad(count) => format!("PAD {count}"),
        Frame::Ping => "PING".to_owned(),
        Frame::Ack(ack) => {
            // Of the other direction's numbers only the low bits are here.
            let largest = u64::from(ack.header.largest_low);
            let ranges = ack.ranges(largest).into_iter().flatten();
            let ranges =
                ranges.map(
                    |(first, last)| if first == last { format!("{last}") } else { format!("{first}-{last}") },
                );
            let ranges = ranges.collect::<Vec<_>>().join(" ");
            let delay_us = u64::from(ack.header.delay_units) * ACK_DELAY_UNIT_US;
            let ecn = ack
                .header
                .ecn
                .map_or(String::new(), |ecn| format!(", ect {} ce {}", ecn.capable, ecn.congested));
            format!("ACK {ranges}, delay {delay_us} us, rx time {} us{ecn}", ack.header.rx_time_us)
        }
        Frame::Quality(path) => format!(
            "QUALITY srtt {} us, min {} us, queue {} us, loss {} ppm, rate {} kbit/s, mtu {}, {} streams",
            path.srtt_us,
            path.min_rtt_us,
            path.forward_queue_us,
            path.loss_ppm_10s,
            path.delivered_kbps,
            path.mtu_bytes,
            path.streams_active
        ),
        Frame::Credit { stream, offset_max_low } => {
            format!("CREDIT {} to {offset_max_low}", stream_text(*stream))
        }
        Frame::Reset { stream, code, final_offset_low } => {
            format!("RESET {} code {code} at {final_offset_low}", stream_text(*stream))
        }
        Frame::Stop { stream, code } => format!("STOP {} code {code}", stream_text(*stream)),
        Frame::Prio { stream, class } => format!("PRIO {} class {class}", stream_text(*stream)),
        Frame::Close { code, reason } => format!("CLOSE code {code} {:?}", String::from_utf8_lossy(reason)),
        Frame::Sub(sub) => {
            let opening = sub.opening.map_or(String::new(), |opening| {
                format!(
                    " opens class {} kind {} credit {}",
                    opening.class, opening.kind, opening.credit_bytes
                )
            });
            let end = if sub.is_final { " FIN" } else { "" };
            let preview = &sub.data[..sub.data.len().min(PREVIEW_BYTES)];
            let (stream, offset, count) = (stream_text(sub.stream), sub.offset_low, sub.data.len());
            format!("SUB {stream} offset {offset}, {count} B{opening}{end}  {}", preview.escape_ascii())
        }
        other => format!("{other:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture;
    use dataplane::time::Instant;
    use dataplane::tmp::key_log::KeyLog;
    use dataplane::tmp::{
        Blend, Ecn, Endpoint, EndpointOptions, PeerOptions, PredictableRandom, PrivateKey, StreamId, Tunnel,
        TunnelId, TunnelOptions,
    };
    use etherparse::PacketBuilder;
    use std::net::SocketAddr;
    use std::sync::{Arc, Mutex};

    const NOW: Instant = Instant::from_us(1_000_000);

    #[derive(Debug, Default)]
    struct Lines(Mutex<String>);

    impl KeyLog for Lines {
        fn put(&self, line: &str) {
            self.0.lock().unwrap().push_str(&format!("{line}\n"));
        }
    }

    /// Grants all of one stream.
    struct One(Option<(StreamId, usize)>);

    impl Blend for One {
        fn next(&mut self, _: TunnelId, room: usize) -> Option<(StreamId, usize)> {
            let (stream, left) = self.0.take()?;
            let granted = left.min(room);
            self.0 = (left > granted).then_some((stream, left - granted));
            Some((stream, granted))
        }
    }

    fn address(host: u8) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, host], 7_000))
    }

    /// A handshake, then 3,000 bytes in one train: the trains with who sent them, and the key log.
    fn exchange() -> (Vec<(u8, Vec<u8>)>, String) {
        let lines = Arc::new(Lines::default());
        let mut random = PredictableRandom::new(1);
        let keys = [(); 2].map(|()| PrivateKey::generate(&mut random));
        let mut ends = [0, 1].map(|which: usize| {
            let mut options = EndpointOptions::new(keys[which].clone(), TunnelOptions::default());
            options.is_responder = which == 1;
            options.key_log = (which == 1).then(|| lines.clone() as Arc<dyn KeyLog>);
            let mut end = Endpoint::<Tunnel>::new(options, Box::new(PredictableRandom::new(which as u64)));
            let places = (which == 0).then(|| address(1).into()).into_iter().collect();
            end.add_peer(PeerOptions { places, ..PeerOptions::new(keys[1 - which].public(), None) }).unwrap();
            end
        });
        let tunnel = ends[0].connect(NOW, dataplane::tmp::PeerId(0)).unwrap();
        let mut seen = Vec::new();
        let mut buffer = vec![0; 20_000];
        let mut turn = |ends: &mut [Endpoint<Tunnel>; 2], which: usize, blend: &mut One| {
            while let Some(train) = ends[which].transmit(NOW, &mut buffer, 8, blend) {
                seen.push((which as u8, buffer[..train.bytes].to_vec()));
                for segment in buffer[..train.bytes].to_vec().chunks_mut(train.segment_bytes) {
                    ends[1 - which].handle_datagram(NOW, address(which as u8), Ecn::NotCapable, segment);
                }
                ends[1 - which].handle_batch_end(NOW);
            }
        };
        for _ in 0..3 {
            (0..2).for_each(|which| turn(&mut ends, which, &mut One(None)));
        }
        let stream = ends[0].tunnel(tunnel).unwrap().open(2, 0).unwrap();
        ends[0].tunnel(tunnel).unwrap().write(stream, &[b'x'; 3_000]);
        while ends[0].tunnel(tunnel).unwrap().poll_sendable().is_some() {}
        turn(&mut ends, 0, &mut One(Some((stream, 3_000))));
        let log = lines.0.lock().unwrap().clone();
        (seen, log)
    }

    /// The trains as a capture of raw IP packets, trains in one.
    fn pcap(trains: &[(u8, Vec<u8>)]) -> Vec<u8> {
        let mut file = vec![0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0];
        for word in [0u32, 0, 65_535, 101] {
            file.extend(word.to_le_bytes());
        }
        for (from, train) in trains {
            let hosts = [[192, 0, 2, *from], [192, 0, 2, 1 - *from]];
            let mut packet = Vec::new();
            PacketBuilder::ipv4(hosts[0], hosts[1], 64).udp(7_000, 7_000).write(&mut packet, train).unwrap();
            for word in [3_661u32, 25, packet.len() as u32, packet.len() as u32] {
                file.extend(word.to_le_bytes());
            }
            file.extend(packet);
        }
        file
    }

    fn dumped(file: &[u8], log: &str, port: Option<u16>) -> String {
        let mut dump = Dump::new(KeyRing::read(log), port);
        let mut text = String::new();
        capture::read(file, |datagram| text.push_str(&dump.datagram(&datagram))).unwrap();
        text + &dump.summary()
    }

    #[test]
    fn a_capture_is_opened_by_a_key_log_and_by_nothing_less() {
        let (trains, log) = exchange();
        assert!(trains.iter().any(|(_, train)| train.len() > 2_000), "there is a train");
        let file = pcap(&trains);
        let closed = dumped(&file, "", None);
        assert!(
            closed.contains("01:01:01.000025  192.0.2.0:7000 > 192.0.2.1:7000  1200 B  INIT from id "),
            "{closed}"
        );
        assert!(closed.contains("DATA to id ") && closed.contains(" number ..0\n"), "{closed}");
        assert!(closed.contains("1 INIT, 1 RESP), 0 opened; 0 other") && !closed.contains("SUB"), "{closed}");
        let opened = dumped(&file, &log, None);
        assert!(
            opened.contains("SUB stream 0.0 offset 0, ") && opened.contains("opens class 2 kind 0"),
            "{opened}"
        );
        assert!(opened.contains("PING") && opened.contains("ACK "), "{opened}");
        assert!(!opened.contains("number ..") && !opened.contains("malformed"), "{opened}");
        assert_eq!(opened.matches(" DATA to id ").count(), closed.matches(" DATA to id ").count());
        assert_eq!(dumped(&file, "", Some(9)).lines().count(), 1);
    }

    #[test]
    fn what_is_no_capture_says_so() {
        let read = |file: &[u8]| capture::read(file, |_| {}).unwrap_err().to_string();
        assert_eq!(read(b"nothing of the kind"), "it is neither pcap nor pcapng");
        assert_eq!(read(b""), "it is empty");
        let file = pcap(&exchange().0);
        assert_eq!(read(&file[..file.len() - 5]), "it ends inside a packet");
    }
}
