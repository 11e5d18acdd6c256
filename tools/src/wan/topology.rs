//! Two network namespaces with a device each that a path can join: `NAME-a` is the clients' side, `NAME-b` the servers'.
//!
//! They are made with iproute2, so that `ip netns exec NAME-a COMMAND` and all its other tools work on them. The
//! devices stay when the path ends: connections survive a restart of the emulator, as they would a real outage.

use crate::wan::namespace::{inside, names, path};
use core::fmt;
use std::io::{self, ErrorKind};
use std::process::Command;

/// The device in each of the two namespaces.
pub const DEVICE: &str = "wan0";
/// The addresses of the clients' side and the servers' side, out of the block for benchmarks (RFC 2544).
pub const ADDRESSES: [[u8; 4]; 2] = [[198, 18, 0, 1], [198, 18, 0, 2]];
/// The network of both.
const NETWORK: &str = "198.18.0.0/30";
/// The same of IPv6 (RFC 5180).
const ADDRESSES_V6: [&str; 2] = ["2001:2::1/64", "2001:2::2/64"];
/// Packets that wait for the emulator in a device: a burst of a whole window must find room, the bottleneck is ours.
const DEVICE_QUEUE_PACKETS: &str = "20000";
/// The longest name: with its side it still fits everywhere that shows one.
const NAME_BYTES_MAX: usize = 32;
/// What is set in both: a window that no path here fills, and no connection learns from the one before.
const SETTINGS: [(&str, &str); 3] = [
    ("ipv4/tcp_rmem", "4096 131072 67108864"),
    ("ipv4/tcp_wmem", "4096 65536 67108864"),
    ("ipv4/tcp_no_metrics_save", "1"),
];
/// What is said where the privilege is missing.
pub(crate) const PRIVILEGE: &str = "network namespaces and TUN devices need root (CAP_SYS_ADMIN, CAP_NET_ADMIN): \
                                    run it with sudo, or relay UDP with --udp, which needs no privilege";

/// How to make a topology.
#[derive(Clone, Debug)]
pub struct TopologyOptions {
    /// The kernel's congestion control of all TCP connections over the device, such as `cubic`; `None`: what a fresh
    /// namespace has, which is the host's default.
    pub congestion: Option<String>,
    /// MTU of the devices, bytes.
    pub mtu_bytes: usize,
}

impl Default for TopologyOptions {
    fn default() -> Self {
        Self { congestion: None, mtu_bytes: crate::wan::rules::MTU_BYTES }
    }
}

/// Why a topology cannot be made or removed; the sentence says what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopologyError(String);

impl fmt::Display for TopologyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl core::error::Error for TopologyError {}

/// The namespace on a side (`a` or `b`) of a topology.
pub fn namespace(name: &str, side: char) -> String {
    format!("{name}-{side}")
}

/// Whether both namespaces are there.
pub(crate) fn exists(name: &str) -> bool {
    ['a', 'b'].iter().all(|side| path(&namespace(name, *side)).exists())
}

/// The names of all topologies that are there; one may be left of a run that crashed.
pub fn list() -> Vec<String> {
    let clients = names().into_iter().filter_map(|name| name.strip_suffix("-a").map(str::to_owned));
    clients.filter(|name| exists(name) && has_device(name)).collect()
}

fn has_device(name: &str) -> bool {
    ip(&["-n", &namespace(name, 'a'), "link", "show", DEVICE]).is_ok()
}

/// Makes both namespaces with their devices; if one step fails, what was made is removed.
pub fn up(name: &str, options: &TopologyOptions) -> Result<(), TopologyError> {
    check_name(name)?;
    if let Some(side) = ['a', 'b'].into_iter().find(|side| path(&namespace(name, *side)).exists()) {
        return Err(TopologyError(format!(
            "the namespace {} is there already, perhaps left by a run that crashed: remove it with \
             `longhaul wan topo down {name}`, or take another name",
            namespace(name, side)
        )));
    }
    let made = (0..2).try_for_each(|side| make_side(name, side, options));
    made.inspect_err(|_| {
        // The first failure is the one to report; of what was not made nothing has to be removed.
        let _ = down(name);
    })
}

/// Removes both namespaces. Processes inside keep theirs alive until they end.
pub fn down(name: &str) -> Result<(), TopologyError> {
    check_name(name)?;
    let there: Vec<_> = ['a', 'b'].map(|side| namespace(name, side)).into();
    let there: Vec<_> = there.into_iter().filter(|name| path(name).exists()).collect();
    if there.is_empty() {
        return Err(TopologyError(format!(
            "there is no topology {name}: `longhaul wan topo list` shows them"
        )));
    }
    there.iter().try_for_each(|namespace| ip(&["netns", "del", namespace]))
}

/// Sets the kernel's congestion control of new TCP connections over the device, on both sides. It is set on the route: a
/// namespace's default may only be a controller that the host allows to everybody.
pub fn set_congestion(name: &str, congestion: &str) -> Result<(), TopologyError> {
    check_name(name)?;
    for (side, address) in ['a', 'b'].into_iter().zip(ADDRESSES) {
        let [a, b, c, d] = address;
        let (namespace, source) = (namespace(name, side), format!("{a}.{b}.{c}.{d}"));
        let route = ["-n", &namespace, "route", "change", NETWORK, "dev", DEVICE];
        let how = ["proto", "kernel", "scope", "link", "src", &source, "congctl", congestion];
        ip(&[&route[..], &how[..]].concat()).map_err(|error| {
            TopologyError(format!(
                "the kernel does not take {congestion:?} as congestion control (see \
                 /proc/sys/net/ipv4/tcp_available_congestion_control): {error}"
            ))
        })?;
    }
    Ok(())
}

fn check_name(name: &str) -> Result<(), TopologyError> {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let fits = (1..=NAME_BYTES_MAX).contains(&name.len()) && !name.starts_with('-');
    if fits && name.bytes().all(is_plain) {
        return Ok(());
    }
    Err(TopologyError(format!("{name:?} is no name: take 1 to {NAME_BYTES_MAX} of a-z, 0-9 and -")))
}

fn make_side(name: &str, index: usize, options: &TopologyOptions) -> Result<(), TopologyError> {
    let namespace = namespace(name, ['a', 'b'][index]);
    let [a, b, c, d] = ADDRESSES[index];
    let (address, mtu) = (format!("{a}.{b}.{c}.{d}/30"), options.mtu_bytes.to_string());
    ip(&["netns", "add", &namespace])?;
    let inside = |words: &[&str]| ip(&[&["-n", &namespace], words].concat());
    inside(&["link", "set", "lo", "up"])?;
    inside(&["tuntap", "add", "dev", DEVICE, "mode", "tun"])?;
    inside(&["link", "set", DEVICE, "mtu", &mtu, "txqueuelen", DEVICE_QUEUE_PACKETS, "up"])?;
    inside(&["addr", "add", &address, "dev", DEVICE])?;
    // A host without IPv6 has none here either.
    let _ = inside(&["addr", "add", ADDRESSES_V6[index], "dev", DEVICE, "nodad"]);
    tune(&namespace).map_err(|error| TopologyError(format!("cannot tune {namespace}: {error}")))?;
    match (&options.congestion, index) {
        // Both sides are there.
        (Some(congestion), 1) => set_congestion(name, congestion),
        _ => Ok(()),
    }
}

fn tune(namespace: &str) -> io::Result<()> {
    let write =
        || SETTINGS.iter().try_for_each(|(key, value)| std::fs::write(format!("/proc/sys/net/{key}"), value));
    inside(namespace, write).and_then(|written| written)
}

/// Runs iproute2; what it says is the error.
fn ip(words: &[&str]) -> Result<(), TopologyError> {
    let output = Command::new("ip").args(words).output().map_err(|error| match error.kind() {
        ErrorKind::NotFound => {
            TopologyError("the program `ip` is missing: apt-get install iproute2".to_owned())
        }
        _ => TopologyError(format!("cannot run `ip`: {error}")),
    })?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    if said.contains("Operation not permitted") || said.contains("Permission denied") {
        return Err(TopologyError(PRIVILEGE.to_owned()));
    }
    Err(TopologyError(format!("`ip {}` failed: {}", words.join(" "), said.trim().replace('\n', " "))))
}
