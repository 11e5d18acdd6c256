//! The path's two ends as TUN devices in two namespaces: whole IP packets, so the kernel's own TCP crosses too.

use crate::wan::kernel;
use crate::wan::namespace::inside;
use crate::wan::packet::Packet;
use crate::wan::run::{Ends, Take, WanError};
use crate::wan::topology;
use crate::wan::way::Way;
use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};
use rustix::thread::{CapabilitySet, capabilities};
use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::AsRawFd;

/// The largest IP packet, bytes.
const PACKET_BYTES_MAX: usize = 65_536;

/// Both devices, the clients' first.
pub struct TunEnds {
    devices: [File; 2],
    readable: [bool; 2],
    buffer: Box<[u8]>,
}

impl TunEnds {
    /// Takes hold of the devices of the topology of that name (`wan topo up NAME`). Needs root.
    pub fn open(name: &str) -> Result<Self, WanError> {
        let open = |side| {
            let namespace = topology::namespace(name, side);
            let opened = inside(&namespace, || kernel::open_tun(topology::DEVICE)).and_then(|opened| opened);
            opened.map_err(|error| cause(name, &namespace, error))
        };
        let devices = [open('a')?, open('b')?];
        Ok(Self { devices, readable: [true; 2], buffer: vec![0; PACKET_BYTES_MAX].into() })
    }
}

/// What the operator can do about it.
fn cause(name: &str, namespace: &str, error: io::Error) -> WanError {
    let text = match error.kind() {
        ErrorKind::PermissionDenied => topology::PRIVILEGE.to_owned(),
        // Whoever may not make the namespaces need not be told to make them.
        ErrorKind::NotFound if !is_privileged() => topology::PRIVILEGE.to_owned(),
        ErrorKind::NotFound if topology::exists(name) => {
            "/dev/net/tun is missing: load the kernel's module (modprobe tun), or give the container the device".to_owned()
        }
        ErrorKind::NotFound => format!("there is no namespace {namespace}: make it with `longhaul wan topo up {name}`"),
        ErrorKind::ResourceBusy => {
            format!("another `longhaul wan --tun {name}` has the device in {namespace}: end it first")
        }
        _ => format!("cannot open the device {} in {namespace}: {error}", topology::DEVICE),
    };
    WanError::Unable(text)
}

/// Whether this thread may enter namespaces and open devices there.
fn is_privileged() -> bool {
    let needed = CapabilitySet::SYS_ADMIN | CapabilitySet::NET_ADMIN;
    capabilities(None).is_ok_and(|sets| sets.effective.contains(needed))
}

/// The way on which what is read from a device goes, and the device to which it leads.
const fn other(index: usize) -> usize {
    1 - index
}

impl Ends for TunEnds {
    fn register(&mut self, registry: &Registry) -> io::Result<()> {
        for (index, device) in self.devices.iter().enumerate() {
            registry.register(&mut SourceFd(&device.as_raw_fd()), Token(index), Interest::READABLE)?;
        }
        Ok(())
    }

    fn note(&mut self, token: Token) {
        if let Some(readable) = self.readable.get_mut(token.0) {
            *readable = true;
        }
    }

    fn read(&mut self, packets_max: usize, take: &mut Take<'_>, _registry: &Registry) -> io::Result<bool> {
        for (index, way) in Way::BOTH.into_iter().enumerate() {
            for _ in 0..packets_max {
                if !self.readable[index] {
                    break;
                }
                match self.devices[index].read(&mut self.buffer) {
                    Ok(len) => {
                        take(way, Packet { bytes: self.buffer[..len].to_vec(), header_bytes: 0, flow: 0 })
                    }
                    Err(error) if error.kind() == ErrorKind::WouldBlock => self.readable[index] = false,
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(self.readable != [false; 2])
    }

    fn write(&mut self, way: Way, packet: &Packet) -> bool {
        let from = usize::from(way == Way::Down);
        // What the kernel refuses (a damaged header, no memory) is lost as on any wire; it is counted.
        self.devices[other(from)].write(&packet.bytes).is_ok()
    }
}
