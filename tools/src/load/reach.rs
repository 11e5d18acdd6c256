//! Looks whether anybody is there before a load begins: a refused connection should be one sentence, not a million errors.

use crate::load::dns;
use crate::load::options::LoadError;
use crate::load::plan::{Host, Plan};
use crate::load::url::Scheme;
use core::net::SocketAddr;
use core::time::Duration;
use dataplane::stdx::prng::Prng;
use std::io::{self, ErrorKind};
use std::net::{TcpStream, UdpSocket};

/// How long a first connection may take: a SYN that is lost is sent again after a second.
const REACH_WITHIN: Duration = Duration::from_secs(5);

/// How long a nameserver may think about each of the first questions: a datagram may be lost, three are not.
const ANSWER_WITHIN: [Duration; 3] = [Duration::from_secs(1), Duration::from_secs(2), Duration::from_secs(2)];

/// Connects once to every host that is asked over TCP, and asks every nameserver one question.
pub(crate) fn look(plan: &Plan) -> Result<(), LoadError> {
    let mut looked = Vec::new();
    for (index, host) in plan.hosts.iter().enumerate() {
        let whom = (host.address, host.scheme == Scheme::Dns);
        if looked.contains(&whom) {
            continue;
        }
        let reached = if whom.1 { ask(plan, index) } else { connect(host.address) };
        reached.map_err(|error| nobody(host, &error))?;
        looked.push(whom);
    }
    Ok(())
}

fn nobody(host: &Host, error: &io::Error) -> LoadError {
    let address = host.address.to_string();
    let whom = if host.name == address { address } else { format!("{} ({address})", host.name) };
    LoadError::Nobody(whom, error.to_string())
}

fn connect(address: SocketAddr) -> io::Result<()> {
    TcpStream::connect_timeout(&address, REACH_WITHIN).map(drop)
}

/// Asks the first question that is there for a host; any answer will do.
fn ask(plan: &Plan, host: usize) -> io::Result<()> {
    let to = plan.hosts[host].address;
    let Some(template) = plan.templates.iter().position(|template| template.host == host) else {
        return Ok(());
    };
    let mut question = [0; 512];
    let bytes = plan.questions.write(template, 0, 0, &mut Prng::new(1), &mut question);
    let any: SocketAddr = if to.is_ipv4() { ([0; 4], 0).into() } else { ([0u16; 8], 0).into() };
    let socket = UdpSocket::bind(any)?;
    // A socket that is connected hears that nobody listens (ICMP), and nobody but the nameserver.
    socket.connect(to)?;
    for patience in ANSWER_WITHIN {
        socket.send(&question[..bytes])?;
        socket.set_read_timeout(Some(patience))?;
        if hears(&socket)? {
            return Ok(());
        }
    }
    Err(io::Error::other(format!("no answer to {} questions", ANSWER_WITHIN.len())))
}

/// Whether an answer comes before the socket's time is over.
fn hears(socket: &UdpSocket) -> io::Result<bool> {
    let mut answer = [0; 4_096];
    loop {
        match socket.recv(&mut answer) {
            Ok(count) => return Ok(dns::answer(&answer[..count]).is_some()),
            Err(error) => match error.kind() {
                ErrorKind::Interrupted => {}
                ErrorKind::WouldBlock | ErrorKind::TimedOut => return Ok(false),
                _ => return Err(error),
            },
        }
    }
}
