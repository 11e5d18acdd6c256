//! A name server for the tests: one reply for everything, over UDP and TCP on a free port of the loopback.

use domain::base::iana::{Class, Rcode, Rtype};
use domain::base::message_builder::PushError;
use domain::base::{Message, MessageBuilder, Name, Ttl};
use domain::rdata::{A, Aaaa, Cname};
use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

/// What the server says. Address records of the other family than asked for are left out, aliases always sent.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) rcode: Rcode,
    pub(crate) silent: bool,
    pub(crate) truncate: bool,
    pub(crate) forge_first: bool,
    pub(crate) records: Vec<(String, u32, Data)>,
}

/// What a record holds.
#[derive(Clone, Debug)]
pub(crate) enum Data {
    Address(IpAddr),
    Alias(String),
}

impl Default for Reply {
    fn default() -> Self {
        Self {
            rcode: Rcode::NOERROR,
            silent: false,
            truncate: false,
            forge_first: false,
            records: Vec::new(),
        }
    }
}

impl Reply {
    pub(crate) fn address(mut self, owner: &str, ttl_s: u32, address: &str) -> Self {
        self.records.push((owner.to_owned(), ttl_s, Data::Address(address.parse().unwrap())));
        self
    }

    pub(crate) fn alias(mut self, owner: &str, ttl_s: u32, target: &str) -> Self {
        self.records.push((owner.to_owned(), ttl_s, Data::Alias(target.to_owned())));
        self
    }
}

/// The reply to a question as bytes; cut short if `truncated`.
pub(crate) fn message(question: &[u8], reply: &Reply, truncated: bool) -> Result<Vec<u8>, PushError> {
    let question = Message::from_octets(question).unwrap();
    let asked = question.qtype().unwrap();
    let mut builder = MessageBuilder::new_vec().start_answer(&question, reply.rcode)?;
    if truncated {
        builder.header_mut().set_tc(true);
        return Ok(builder.finish());
    }
    for (owner, ttl_s, data) in &reply.records {
        let head = (Name::<Vec<u8>>::from_str(owner).unwrap(), Class::IN, Ttl::from_secs(*ttl_s));
        match data {
            Data::Alias(target) => {
                builder.push((
                    head.0,
                    head.1,
                    head.2,
                    Cname::new(Name::<Vec<u8>>::from_str(target).unwrap()),
                ))?;
            }
            Data::Address(IpAddr::V4(ip)) if asked == Rtype::A => {
                builder.push((head.0, head.1, head.2, A::new(*ip)))?;
            }
            Data::Address(IpAddr::V6(ip)) if asked == Rtype::AAAA => {
                builder.push((head.0, head.1, head.2, Aaaa::new(*ip)))?;
            }
            Data::Address(_) => {}
        }
    }
    Ok(builder.finish())
}

/// The running server; it ends when dropped.
pub(crate) struct FakeServer {
    addr: SocketAddr,
    reply: Arc<Mutex<Reply>>,
    questions: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl FakeServer {
    pub(crate) fn start(reply: Reply) -> Self {
        let (socket, listener) = sockets();
        let addr = socket.local_addr().unwrap();
        let (reply, questions, stop) =
            (Arc::new(Mutex::new(reply)), Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let udp = {
            let (reply, questions, stop) = (Arc::clone(&reply), Arc::clone(&questions), Arc::clone(&stop));
            std::thread::spawn(move || serve_udp(&socket, &reply, &questions, &stop))
        };
        let tcp = {
            let (reply, stop) = (Arc::clone(&reply), Arc::clone(&stop));
            std::thread::spawn(move || serve_tcp(&listener, &reply, &stop))
        };
        Self { addr, reply, questions, stop, threads: vec![udp, tcp] }
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Says this from now on.
    pub(crate) fn say(&self, reply: Reply) {
        *self.reply.lock().unwrap() = reply;
    }

    /// Questions that came over UDP.
    pub(crate) fn questions(&self) -> usize {
        self.questions.load(Ordering::SeqCst)
    }

    /// Waits until it has been asked so often since its start.
    pub(crate) fn until_asked(&self, questions: usize) {
        while self.questions() < questions {
            std::thread::yield_now();
        }
    }
}

impl Drop for FakeServer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        let _ = std::net::TcpStream::connect(self.addr);
        self.threads.drain(..).for_each(|thread| thread.join().unwrap());
    }
}

/// The same port for both; somebody else may hold the TCP one of a free UDP one.
fn sockets() -> (UdpSocket, TcpListener) {
    loop {
        let socket = UdpSocket::bind(("127.0.0.1", 0)).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        if let Ok(listener) = TcpListener::bind(socket.local_addr().unwrap()) {
            return (socket, listener);
        }
    }
}

fn serve_udp(socket: &UdpSocket, reply: &Mutex<Reply>, questions: &AtomicUsize, stop: &AtomicBool) {
    let mut datagram = [0; 512];
    while !stop.load(Ordering::SeqCst) {
        let (bytes, client) = match socket.recv_from(&mut datagram) {
            Ok(received) => received,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => continue,
            Err(error) => panic!("{error}"),
        };
        let reply = reply.lock().unwrap().clone();
        questions.fetch_add(1, Ordering::SeqCst);
        if reply.silent {
            continue;
        }
        let answer = message(&datagram[..bytes], &reply, reply.truncate).unwrap();
        if reply.forge_first {
            let mut forged = answer.clone();
            forged[0] ^= 1;
            let end = forged.len() - 1;
            forged[end] ^= 0xff;
            socket.send_to(&forged, client).unwrap();
        }
        socket.send_to(&answer, client).unwrap();
    }
}

fn serve_tcp(listener: &TcpListener, reply: &Mutex<Reply>, stop: &AtomicBool) {
    for stream in listener.incoming() {
        if stop.load(Ordering::SeqCst) {
            return;
        }
        let mut stream = stream.unwrap();
        let mut length = [0; 2];
        stream.read_exact(&mut length).unwrap();
        let mut question = vec![0; usize::from(u16::from_be_bytes(length))];
        stream.read_exact(&mut question).unwrap();
        let answer = message(&question, &reply.lock().unwrap(), false).unwrap();
        let length = u16::try_from(answer.len()).unwrap().to_be_bytes();
        stream.write_all(&[&length, answer.as_slice()].concat()).unwrap();
    }
}
