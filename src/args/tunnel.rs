//! The tunnels' sizes and their sockets.

use crate::config::TunnelTuning;
use crate::form::count::Count;
use crate::form::floor::Floor;
use crate::form::given::Given;
use crate::form::otherwise::{Auto, Off, Otherwise};
use crate::form::size::Size;
use crate::form::span::SpanOrOff;
use crate::form::word::Word;
use crate::problem::{Problems, Wrong};
use dataplane::compression::Codec;
use dataplane::time::Duration;
use dataplane::tmp::profile::{Profile, WindowFloor};

/// Bytes of IPv6 and UDP headers: what an IP packet holds beside the datagram, in the dearer family.
const HEADERS_BYTES: u32 = 48;

/// The least datagram: what every path must carry, since handshakes are padded to it.
const DATAGRAM_BYTES_MIN: u32 = 1_200;

/// The largest datagram (65,535 less IPv4 and UDP headers).
const DATAGRAM_BYTES_MAX: u32 = 65_507;

/// Streams that one tunnel numbers.
const STREAMS_MAX: usize = 65_535;

/// Repair data in percent of what is sent: usually, and at most.
const REPAIR_PERCENT: u32 = 5;
const REPAIR_PERCENT_MAX: u32 = 50;

/// The kernel's bound for one send (UDP_MAX_SEGMENTS).
const GSO_SEGMENTS_MAX: usize = 64;

/// Bytes are per tunnel.
#[derive(clap::Args, Clone, Debug)]
#[command(next_help_heading = "Tunnel")]
pub(crate) struct TunnelArgs {
    /// Largest IP packet to try on the path, bytes; what passes is found out
    #[arg(long, value_name = "BYTES", default_value_t = Given::of(1_500))]
    mtu: Given<Count<u32>>,
    /// Largest datagram (UDP payload) to fill, bytes; `auto` is --mtu less 48 bytes of headers
    #[arg(long, value_name = "BYTES", default_value = "auto")]
    packet_bytes: Given<Otherwise<Auto, Count<u32>>>,
    /// Streams of one tunnel at once
    #[arg(long, value_name = "COUNT", default_value_t = Given::of(16_384))]
    streams_max: Given<Count<usize>>,
    /// Bytes written and not yet acknowledged, all streams of a tunnel together
    #[arg(long, value_name = "SIZE", default_value_t = Given::of(256 << 20))]
    tunnel_send_bytes: Given<Size<usize>>,
    /// Bytes received and not yet read, all streams of a tunnel together; must cover --credit-min for all of them
    #[arg(long, value_name = "SIZE", default_value_t = Given::of(256 << 20))]
    tunnel_receive_bytes: Given<Size<usize>>,
    /// Credit in bytes that every stream has at least; both ends must say the same
    #[arg(long, value_name = "SIZE", default_value_t = Given::of(8 << 10))]
    credit_min: Given<Size<usize>>,
    /// Time of silence after which a PING keeps the tunnel (and NATs on its path) awake; `off` for never
    #[arg(long, value_name = "TIME", default_value_t = Given::of(Duration::from_secs(10)))]
    keep_alive: Given<SpanOrOff>,
    /// How a tunnel shares the path: `throughput` is as many CUBIC flows as there are active connections, and a rate
    /// model where packets are lost without a queue; `balanced` also tries now and then whether it can do without the
    /// queue in the network; `literal` is the CUBIC flows alone, one for each open connection
    #[arg(long, value_name = "PROFILE", default_value_t = Given::of(Profile::Balanced))]
    profile: Given<Word<Profile>>,
    /// Connections that the window stands for, with a packet for each at least: those with something to send (`active`),
    /// the open ones (`hosted`) or `fixed:N`
    #[arg(long, value_name = "FLOOR", default_value_t = Given::of(WindowFloor::Active))]
    window_floor: Given<Floor>,
    /// Share of what is sent that may be spent, on long paths that lose packets, on repair data: what is small and urgent
    /// then arrives though a packet of it was lost; 1 to 50, in percent, and 64 kbit/s besides; `off` for none
    #[arg(long, value_name = "PERCENT", default_value_t = Given::of(Some(REPAIR_PERCENT)))]
    repair: Given<Otherwise<Off, Count<u32>>>,
    /// Compress what this end sends over its tunnels, where the other end can read it: `lz4`, `zstd` or `off`; never beside
    /// Cookie, Authorization or Set-Cookie, not what is compressed already, not what looks random. At a front-end `off` keeps
    /// the back-ends from it, too. Rules may forbid it (docs/compression.md)
    #[arg(long, value_name = "CODEC", default_value_t = Given::of(None))]
    compress: Given<Word<Option<Codec>>>,
    /// Most datagrams handed to the kernel in one send (UDP_SEGMENT), 2 to 64; `off` sends each by itself
    #[arg(long, value_name = "COUNT", default_value_t = Given::of(Some(GSO_SEGMENTS_MAX)))]
    gso: Given<Otherwise<Off, Count<usize>>>,
    /// Whether the kernel may hand over several datagrams at once (UDP_GRO): on, off
    #[arg(long, value_name = "SWITCH", default_value_t = Given::of(true))]
    gro: Given<Word<bool>>,
    /// Receive buffer of each tunnel socket (SO_RCVBUF), bytes
    #[arg(long, value_name = "SIZE", default_value_t = Given::of(8 << 20))]
    udp_rcvbuf: Given<Size<usize>>,
    /// Send buffer of each tunnel socket (SO_SNDBUF), bytes
    #[arg(long, value_name = "SIZE", default_value_t = Given::of(8 << 20))]
    udp_sndbuf: Given<Size<usize>>,
}

/// How datagrams meet the kernel.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Offload {
    /// Most datagrams of one send.
    pub(crate) gso_segments_max: usize,
    /// Whether several are received at once.
    pub(crate) gro: bool,
    /// SO_RCVBUF.
    pub(crate) receive_bytes: usize,
    /// SO_SNDBUF.
    pub(crate) send_bytes: usize,
}

impl TunnelArgs {
    /// What the flags say about the tunnels; `block_bytes` is the size of the blocks that streams are kept in.
    pub(crate) fn tuning(&self, block_bytes: usize, problems: &mut Problems) -> TunnelTuning {
        let (datagram_bytes_max, datagram_bytes_largest) = self.datagram_bytes(problems);
        let tuning = TunnelTuning {
            streams_max: self.streams_max.take_or("streams_max", problems, 1),
            send_budget_bytes: self.tunnel_send_bytes.take_or("tunnel_send_bytes", problems, usize::MAX),
            receive_budget_bytes: self.tunnel_receive_bytes.take_or(
                "tunnel_receive_bytes",
                problems,
                usize::MAX,
            ),
            credit_bytes_min: self.credit_min.take_or("credit_min", problems, 1),
            datagram_bytes_max,
            datagram_bytes_largest,
            keep_alive: self.keep_alive.take_or("keep_alive", problems, Duration::ZERO),
            profile: self.profile.take_or("profile", problems, Profile::Balanced),
            window_floor: self.window_floor.take_or("window_floor", problems, WindowFloor::Active),
            repair_percent: self.repair.take_or("repair", problems, None).unwrap_or(0),
            codec: self.compress.take_or("compress", problems, None),
        };
        check(&tuning, block_bytes, problems);
        tuning
    }

    /// What the flags say about the tunnels' sockets.
    pub(crate) fn offload(&self, problems: &mut Problems) -> Offload {
        let gso = self.gso.take_or("gso", problems, None).unwrap_or(1);
        problems.require(
            (1..=GSO_SEGMENTS_MAX).contains(&gso),
            format_args!("--gso {}", self.gso),
            "is more than the kernel takes, or nothing",
            "give 2 to 64, or off",
        );
        Offload {
            gso_segments_max: gso,
            gro: self.gro.take_or("gro", problems, true),
            receive_bytes: self.udp_rcvbuf.take_or("udp_rcvbuf", problems, 0),
            send_bytes: self.udp_sndbuf.take_or("udp_sndbuf", problems, 0),
        }
    }

    /// The size to fill, and the largest that goes with --mtu.
    fn datagram_bytes(&self, problems: &mut Problems) -> (u16, u16) {
        let mtu = self.mtu.take_or("mtu", problems, 1_500);
        let largest = mtu.saturating_sub(HEADERS_BYTES);
        problems.require(
            (DATAGRAM_BYTES_MIN..=DATAGRAM_BYTES_MAX).contains(&largest),
            format_args!("--mtu {mtu}"),
            "is no packet that a tunnel can use",
            "give 1248 to 65535",
        );
        let chosen = self.packet_bytes.take_or("packet_bytes", problems, None).unwrap_or(largest);
        let largest = u16::try_from(largest.max(DATAGRAM_BYTES_MIN)).unwrap_or(u16::MAX);
        let checked = check_packet(chosen, largest).map_err(|wrong| {
            problems.add(format_args!("--packet-bytes {chosen}"), &wrong);
        });
        (checked.unwrap_or(largest), largest)
    }
}

/// The size of a datagram, if it goes with the largest.
pub(crate) fn check_packet(bytes: u32, largest: u16) -> Result<u16, Wrong> {
    let fits = u16::try_from(bytes).ok().filter(|bytes| *bytes <= largest);
    fits.filter(|bytes| u32::from(*bytes) >= DATAGRAM_BYTES_MIN).ok_or_else(|| {
        let mtu = u32::from(largest) + HEADERS_BYTES;
        let instead = format!("give {DATAGRAM_BYTES_MIN} to {largest}, or a larger --mtu at the start");
        Wrong::new(format!("does not go with --mtu {mtu}"), instead)
    })
}

fn check(tuning: &TunnelTuning, block_bytes: usize, problems: &mut Problems) {
    problems.require(
        (1..=STREAMS_MAX).contains(&tuning.streams_max),
        format_args!("--streams-max {}", tuning.streams_max),
        "is more than a tunnel numbers, or nothing",
        format!("give 1 to {STREAMS_MAX}"),
    );
    problems.require(
        (1_024..=1 << 20).contains(&tuning.credit_bytes_min),
        "--credit-min",
        "is no usable credit",
        "give 1k to 1m",
    );
    problems.require(
        tuning.repair_percent <= REPAIR_PERCENT_MAX,
        format_args!("--repair {}", tuning.repair_percent),
        "would send everything twice, and more",
        format!("give 1 to {REPAIR_PERCENT_MAX}, or off"),
    );
    let least = receive_bytes_min(tuning, block_bytes);
    problems.require(
        tuning.receive_budget_bytes >= least,
        "--tunnel-receive-bytes",
        "does not cover --credit-min for --streams-max streams",
        format!("give at least {least}, or lower one of the two"),
    );
    problems.require(
        tuning.send_budget_bytes >= 1 << 20,
        "--tunnel-send-bytes",
        "is less than one burst",
        "give at least 1m",
    );
}

/// The minimum credit in whole blocks and one more, per stream; an eighth is kept for what arrives out of order.
fn receive_bytes_min(tuning: &TunnelTuning, block_bytes: usize) -> usize {
    let block_bytes = block_bytes.max(1);
    let blocks = tuning.credit_bytes_min.div_ceil(block_bytes).saturating_add(1);
    tuning.streams_max.saturating_mul(blocks).saturating_mul(block_bytes).div_ceil(7).saturating_mul(8)
}
