//! The sockets of one probe: TCP, TCP with TLS, or UDP, behind one face. Nothing here waits.

use crate::probe::outcome::{Cause, Failure};
use crate::probe::tls::{self, Handshake};
use core::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use mio::net::{TcpStream, UdpSocket};
use mio::{Interest, Registry, Token};
use std::io::{self, ErrorKind, Read, Write};

/// A socket and what is still to be sent on it.
#[derive(Debug)]
pub struct Wire {
    socket: Socket,
    tls: Option<Box<Handshake>>,
    unsent: Vec<u8>,
}

#[derive(Debug)]
enum Socket {
    Tcp(TcpStream),
    Udp(UdpSocket),
}

/// What reading came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Got {
    /// So many bytes are in the buffer.
    Bytes(usize),
    /// Nothing for now.
    Nothing,
    /// The peer has closed.
    End,
}

impl Wire {
    /// Begins to connect.
    pub fn tcp(to: SocketAddr, registry: &Registry, token: Token) -> Result<Self, Failure> {
        let mut stream = TcpStream::connect(to).map_err(|error| failure(&error))?;
        registry
            .register(&mut stream, token, Interest::READABLE | Interest::WRITABLE)
            .map_err(|error| failure(&error))?;
        Ok(Self { socket: Socket::Tcp(stream), tls: None, unsent: Vec::new() })
    }

    /// A socket that talks to one address only; others' datagrams do not reach it.
    pub fn udp(to: SocketAddr, registry: &Registry, token: Token) -> Result<Self, Failure> {
        let any: SocketAddr =
            if to.is_ipv4() { (Ipv4Addr::UNSPECIFIED, 0).into() } else { (Ipv6Addr::UNSPECIFIED, 0).into() };
        let mut socket = UdpSocket::bind(any).map_err(|error| failure(&error))?;
        socket.connect(to).map_err(|error| failure(&error))?;
        registry.register(&mut socket, token, Interest::READABLE).map_err(|error| failure(&error))?;
        Ok(Self { socket: Socket::Udp(socket), tls: None, unsent: Vec::new() })
    }

    /// Whether the connection stands; an error says why it never will.
    pub fn is_connected(&self) -> Result<bool, Failure> {
        let Socket::Tcp(stream) = &self.socket else { return Ok(true) };
        if let Some(error) = stream.take_error().map_err(|error| failure(&error))? {
            return Err(failure(&error));
        }
        match stream.peer_addr() {
            Ok(_) => Ok(true),
            Err(error) if matches!(error.kind(), ErrorKind::NotConnected | ErrorKind::WouldBlock) => {
                Ok(false)
            }
            Err(error) => Err(failure(&error)),
        }
    }

    /// Speaks TLS from here on.
    pub fn secure(&mut self, handshake: Handshake) {
        self.tls = Some(Box::new(handshake));
    }

    /// Goes on with the handshake; whether it is done.
    pub fn is_secure(&mut self) -> Result<bool, Failure> {
        let (Socket::Tcp(stream), Some(tls)) = (&mut self.socket, &mut self.tls) else { return Ok(true) };
        loop {
            flush_tls(stream, tls)?;
            if !tls.connection.is_handshaking() {
                return Ok(true);
            }
            match tls.connection.read_tls(stream) {
                Ok(0) => return Err(Failure::new(Cause::Closed, "closed during the TLS handshake")),
                Ok(_) => {
                    let processed =
                        tls.connection.process_new_packets().map_err(|error| tls::failure(&error));
                    if processed.is_err() {
                        // The alert tells the peer why; whether it arrives changes nothing.
                        let _told = flush_tls(stream, tls);
                    }
                    processed?;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(failure(&error)),
            }
        }
    }

    /// The end of the peer's certificate's life, if it showed one.
    pub fn certificate_until_s(&self) -> Option<u64> {
        self.tls.as_ref().and_then(|tls| tls.certificate_until_s())
    }

    /// Sends, now or as soon as there is room.
    pub fn send(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        match (&mut self.socket, &mut self.tls) {
            (Socket::Udp(socket), _) => match socket.send(bytes) {
                Ok(_) => Ok(()),
                Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(()),
                Err(error) => Err(failure(&error)),
            },
            (Socket::Tcp(stream), Some(tls)) => {
                tls.connection.writer().write_all(bytes).map_err(|error| failure(&error))?;
                flush_tls(stream, tls)
            }
            (Socket::Tcp(_), None) => {
                self.unsent.extend_from_slice(bytes);
                self.flush()
            }
        }
    }

    /// Sends what had no room before.
    pub fn flush(&mut self) -> Result<(), Failure> {
        let Socket::Tcp(stream) = &mut self.socket else { return Ok(()) };
        if let Some(tls) = &mut self.tls {
            return flush_tls(stream, tls);
        }
        while !self.unsent.is_empty() {
            match stream.write(&self.unsent) {
                Ok(sent) => drop(self.unsent.drain(..sent)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // A peer that answers and closes without reading: its answer counts.
                Err(error) if matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset) => {
                    self.unsent.clear();
                }
                Err(error) => return Err(failure(&error)),
            }
        }
        Ok(())
    }

    /// Reads what is there.
    pub fn read(&mut self, buffer: &mut [u8]) -> Result<Got, Failure> {
        loop {
            let read = match (&mut self.socket, &mut self.tls) {
                (Socket::Udp(socket), _) => socket.recv(buffer).map(|bytes| (bytes, bytes == 0)),
                (Socket::Tcp(stream), None) => stream.read(buffer).map(|bytes| (bytes, false)),
                (Socket::Tcp(stream), Some(tls)) => match read_tls(stream, tls, buffer)? {
                    Some(read) => read.map(|bytes| (bytes, false)),
                    None => continue,
                },
            };
            return match read {
                Ok((_, true)) => Ok(Got::Nothing),
                Ok((0, false)) => Ok(Got::End),
                Ok((bytes, false)) => Ok(Got::Bytes(bytes)),
                Err(error) => match error.kind() {
                    ErrorKind::WouldBlock => Ok(Got::Nothing),
                    ErrorKind::Interrupted => continue,
                    // TLS without a goodbye: how much of the message came is for the dialogue to judge.
                    ErrorKind::UnexpectedEof => Ok(Got::End),
                    _ => Err(failure(&error)),
                },
            };
        }
    }
}

/// Reads plaintext; `None` after taking more ciphertext in.
fn read_tls(
    stream: &mut TcpStream,
    tls: &mut Handshake,
    buffer: &mut [u8],
) -> Result<Option<io::Result<usize>>, Failure> {
    match tls.connection.reader().read(buffer) {
        Err(error) if error.kind() == ErrorKind::WouldBlock => {}
        other => return Ok(Some(other)),
    }
    match tls.connection.read_tls(stream) {
        Ok(_) => {
            tls.connection.process_new_packets().map_err(|error| tls::failure(&error))?;
            flush_tls(stream, tls)?;
            Ok(None)
        }
        Err(error) => Ok(Some(Err(error))),
    }
}

fn flush_tls(stream: &mut TcpStream, tls: &mut Handshake) -> Result<(), Failure> {
    while tls.connection.wants_write() {
        match tls.connection.write_tls(stream) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(failure(&error)),
        }
    }
    Ok(())
}

/// What a system call's error means for a target.
fn failure(error: &io::Error) -> Failure {
    let cause = match error.kind() {
        ErrorKind::ConnectionRefused => Cause::Refused,
        ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable => Cause::Unreachable,
        ErrorKind::TimedOut => Cause::TimeOut,
        ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted | ErrorKind::BrokenPipe => Cause::Closed,
        _ => Cause::Local,
    };
    let what = match cause {
        Cause::Refused => "connection refused".to_owned(),
        Cause::Closed => "connection reset".to_owned(),
        _ => error.to_string(),
    };
    Failure::new(cause, what)
}
