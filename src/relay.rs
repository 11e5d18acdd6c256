//! A UDP relay that reads along: stands between a front-end and a back-end of the demo, counts what passes and looks for
//! the text of the bodies in it.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use tools::content::MARKER;

/// How often the relay looks whether it should end.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// The longest UDP datagram.
const DATAGRAM_BYTES_MAX: usize = 65_535;

/// What passed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    /// Datagrams, both ways.
    pub(crate) datagrams: u64,
    /// Their payload.
    pub(crate) bytes: u64,
    /// Datagrams with the bodies' text in them.
    pub(crate) markers: u64,
}

#[derive(Debug, Default)]
struct Tally {
    datagrams: AtomicU64,
    bytes: AtomicU64,
    markers: AtomicU64,
    stop: AtomicBool,
}

/// The relay; ends when it is dropped.
#[derive(Debug)]
pub(crate) struct Relay {
    address: SocketAddr,
    tally: Arc<Tally>,
    thread: Option<JoinHandle<()>>,
}

impl Relay {
    /// Relays between whoever sends first and `target`.
    pub(crate) fn start(target: SocketAddr) -> io::Result<Self> {
        let local = if target.is_ipv4() { "127.0.0.1:0" } else { "[::1]:0" };
        let socket = UdpSocket::bind(local)?;
        socket.set_read_timeout(Some(LOOK_EVERY))?;
        let address = socket.local_addr()?;
        let tally = Arc::new(Tally::default());
        let mine = tally.clone();
        let thread = std::thread::Builder::new().name("relay".to_owned());
        let thread = thread.spawn(move || relay(&socket, target, &mine))?;
        Ok(Self { address, tally, thread: Some(thread) })
    }

    /// Where the front-end should send to.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// What has passed so far.
    pub(crate) fn seen(&self) -> Seen {
        Seen {
            datagrams: self.tally.datagrams.load(Ordering::Relaxed),
            bytes: self.tally.bytes.load(Ordering::Relaxed),
            markers: self.tally.markers.load(Ordering::Relaxed),
        }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.tally.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ended = thread.join();
        }
    }
}

fn relay(socket: &UdpSocket, target: SocketAddr, tally: &Tally) {
    let mut front = None;
    let mut buffer = vec![0; DATAGRAM_BYTES_MAX];
    while !tally.stop.load(Ordering::Relaxed) {
        let Ok((count, from)) = socket.recv_from(&mut buffer) else { continue };
        let datagram = &buffer[..count];
        tally.datagrams.fetch_add(1, Ordering::Relaxed);
        tally.bytes.fetch_add(count as u64, Ordering::Relaxed);
        if datagram.windows(MARKER.len()).any(|window| window == MARKER) {
            tally.markers.fetch_add(1, Ordering::Relaxed);
        }
        let to = if from == target {
            front
        } else {
            front = Some(from);
            Some(target)
        };
        if let Some(to) = to {
            // A full buffer drops it, as a router would; the tunnel repairs that.
            let _sent = socket.send_to(datagram, to);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_passes_both_ways_and_finds_the_text() {
        let back = UdpSocket::bind("127.0.0.1:0").unwrap();
        let front = UdpSocket::bind("127.0.0.1:0").unwrap();
        let relay = Relay::start(back.local_addr().unwrap()).unwrap();
        let mut buffer = [0; 64];
        front.send_to(b"hello", relay.address()).unwrap();
        let (count, from) = back.recv_from(&mut buffer).unwrap();
        assert_eq!(&buffer[..count], b"hello");
        let mut text = b"xx".to_vec();
        text.extend_from_slice(MARKER);
        back.send_to(&text, from).unwrap();
        let (count, _) = front.recv_from(&mut buffer).unwrap();
        assert_eq!(&buffer[..count], &text[..]);
        let bytes = 5 + text.len() as u64;
        assert_eq!(relay.seen(), Seen { datagrams: 2, bytes, markers: 1 });
    }
}
