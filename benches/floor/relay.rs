//! The least that two processes between clients and an origin can do: hand on what comes, unread and in the clear, over
//! UDP. Not a proxy: what this costs per request is what the kernel takes for waking and moving, and no pair that wakes
//! once per hop can cost less.
//!
//! ```text
//! rustc -O benches/floor/relay.rs
//! relay back  HERE:PORT THERE:PORT ORIGIN:PORT      HERE and THERE: the ends of the UDP hop
//! relay front HERE:PORT THERE:PORT LISTEN:PORT
//! ```
//! A thread per connection and one for the hop, each blocked in one call: one wake-up per hop and no system call beside
//! reading and writing. A datagram is the connection's number, 4 bytes, and what was read at once. For a load that a core
//! bears easily: nothing is repeated that the hop loses.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::sync::{Arc, Mutex};
use std::thread;

const NUMBER_BYTES: usize = 4;
const PIECE_BYTES: usize = 32 << 10;

fn main() -> io::Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [end, here, there, tcp] = words.as_slice() else {
        return Err(io::Error::other("front|back HERE THERE LISTEN|ORIGIN"));
    };
    let hop = Arc::new(UdpSocket::bind(here)?);
    hop.connect(there)?;
    match end.as_str() {
        "front" => front(&hop, &TcpListener::bind(tcp)?),
        "back" => back(&hop, tcp),
        _ => Err(io::Error::other("the first word is front or back")),
    }
}

fn front(hop: &Arc<UdpSocket>, listener: &TcpListener) -> io::Result<()> {
    let clients = Arc::new(Mutex::new(HashMap::new()));
    let (known, answers) = (Arc::clone(&clients), Arc::clone(hop));
    thread::spawn(move || {
        take_all(&answers, |number, bytes| {
            let client = known.lock().ok().and_then(|known| known.get(&number).cloned());
            client.map_or(Ok(()), |client: Arc<TcpStream>| (&*client).write_all(bytes))
        })
    });
    for (number, client) in (0..).zip(listener.incoming()) {
        let client = Arc::new(client?);
        clients.lock().expect("nobody panics").insert(number, Arc::clone(&client));
        read_all(hop, number, client)?;
    }
    Ok(())
}

fn back(hop: &Arc<UdpSocket>, origin: &str) -> io::Result<()> {
    let mut origins = HashMap::new();
    take_all(hop, |number, bytes| {
        if !origins.contains_key(&number) {
            let made = Arc::new(TcpStream::connect(origin)?);
            origins.insert(number, Arc::clone(&made));
            read_all(hop, number, made)?;
        }
        (&*origins[&number]).write_all(bytes)
    })
}

/// Sends what comes on `stream` over the hop, in a thread of its own, until it ends.
fn read_all(hop: &Arc<UdpSocket>, number: u32, stream: Arc<TcpStream>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let hop = Arc::clone(hop);
    thread::spawn(move || {
        let mut datagram = [0; NUMBER_BYTES + PIECE_BYTES];
        datagram[..NUMBER_BYTES].copy_from_slice(&number.to_le_bytes());
        while let Ok(length @ 1..) = (&*stream).read(&mut datagram[NUMBER_BYTES..]) {
            let _ = hop.send(&datagram[..NUMBER_BYTES + length]);
        }
    });
    Ok(())
}

/// Gives what comes over the hop to `write`. A connection that is gone is its reader's business.
fn take_all(hop: &UdpSocket, mut write: impl FnMut(u32, &[u8]) -> io::Result<()>) -> io::Result<()> {
    let mut datagram = [0; NUMBER_BYTES + PIECE_BYTES];
    loop {
        let length = hop.recv(&mut datagram)?;
        if let Some((number, bytes)) = datagram[..length].split_first_chunk::<NUMBER_BYTES>() {
            let _ = write(u32::from_le_bytes(*number), bytes);
        }
    }
}
