//! A client that writes exactly the questions it is told to, over UDP and TCP, and shows answers as text.

use crate::process::{PATIENCE, connect};
use hickory_proto::op::Message;
use hickory_proto::rr::Record;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};

/// A question; with `udp_bytes` also an OPT record that announces them.
pub(crate) fn question(name: &str, qtype: u16, udp_bytes: Option<u16>) -> Vec<u8> {
    let mut bytes = vec![0xab, 0xcd, 0, 0, 0, 1, 0, 0, 0, 0, 0, u8::from(udp_bytes.is_some())];
    for label in name.split('.').filter(|label| !label.is_empty()) {
        bytes.push(label.len() as u8);
        bytes.extend_from_slice(label.as_bytes());
    }
    bytes.push(0);
    bytes.extend_from_slice(&qtype.to_be_bytes());
    bytes.extend_from_slice(&[0, 1]);
    if let Some(udp_bytes) = udp_bytes {
        bytes.extend_from_slice(&[0, 0, 41]);
        bytes.extend_from_slice(&udp_bytes.to_be_bytes());
        bytes.extend_from_slice(&[0; 6]);
    }
    bytes
}

/// A UDP client of one server.
pub(crate) fn udp(to: SocketAddr) -> UdpSocket {
    let socket = UdpSocket::bind(if to.is_ipv4() { "127.0.0.1:0" } else { "[::1]:0" }).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.connect(to).unwrap();
    socket
}

/// Asks over UDP. What was lost over loopback is a failure.
pub(crate) fn ask(to: SocketAddr, question: &[u8]) -> Vec<u8> {
    let socket = udp(to);
    socket.send(question).unwrap();
    let mut answer = vec![0; 65_535];
    let bytes = socket.recv(&mut answer).unwrap();
    answer.truncate(bytes);
    answer
}

/// Writes one message with its length in front.
pub(crate) fn write(stream: &mut TcpStream, message: &[u8]) {
    let framed = [&(message.len() as u16).to_be_bytes()[..], message].concat();
    stream.write_all(&framed).unwrap();
}

/// Reads one message.
pub(crate) fn read(stream: &mut TcpStream) -> Vec<u8> {
    let mut length = [0; 2];
    stream.read_exact(&mut length).unwrap();
    let mut message = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut message).unwrap();
    message
}

/// Asks over a TCP connection of its own.
pub(crate) fn ask_tcp(to: SocketAddr, question: &[u8]) -> Vec<u8> {
    let mut stream = connect(to);
    write(&mut stream, question);
    read(&mut stream)
}

/// Code and flags, then each section's records in order of their text.
pub(crate) fn shown(answer: &[u8]) -> String {
    let message = Message::from_vec(answer).unwrap();
    let section = |records: &[Record]| {
        let mut lines: Vec<String> = records
            .iter()
            .map(|r| {
                format!("{} {} {} {}", r.name.to_lowercase(), r.ttl, r.record_type(), r.data).to_lowercase()
            })
            .collect();
        lines.sort();
        lines.join(", ")
    };
    let aa = if message.metadata.authoritative { " aa" } else { "" };
    let tc = if message.metadata.truncation { " tc" } else { "" };
    format!(
        "{:?}{aa}{tc} | {} | {} | {}",
        message.metadata.response_code,
        section(&message.answers),
        section(&message.authorities),
        section(&message.additionals)
    )
}

/// The addresses of an answer, in order of their text.
pub(crate) fn addresses(answer: &[u8]) -> Vec<String> {
    let message = Message::from_vec(answer).unwrap();
    let mut found: Vec<String> = message.answers.iter().map(|record| record.data.to_string()).collect();
    found.sort();
    found
}
