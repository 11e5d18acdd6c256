//! Asking name servers: both families at once over UDP, TCP for what does not fit, every server in every round.
//!
//! Blocking, on the resolver's thread. Against forged answers: a socket of its own for each server and try, so that
//! the kernel picks a new port; connected, so that only the server's packets arrive; an id from the kernel's
//! generator; the id and question compared (RFC 5452 §9).

use crate::resolve::answer::{Answer, Reading, read_answer};
use crate::resolve::question::{Family, Question};
use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Datagrams are read up to this, in bytes. Without EDNS none is longer than 512.
const DATAGRAM_BYTES_MAX: usize = 4096;
/// How often a wait looks at the stop flag.
const SLICE: Duration = Duration::from_millis(50);

/// Answers for IPv4 and IPv6, in that order.
pub(crate) type Answers = [Answer; 2];

/// The asking side of the resolver.
#[derive(Debug)]
pub(crate) struct Exchange {
    random: File,
    try_wait: Duration,
    tries: u32,
    /// The server that answered last is asked first, so that a dead one costs a wait only once.
    preferred: Option<SocketAddr>,
    stop: Arc<AtomicBool>,
}

impl Exchange {
    /// An asking side that gives up early once `stop` is set. An error is the random generator's.
    pub(crate) fn new(try_wait: Duration, tries: u32, stop: Arc<AtomicBool>) -> io::Result<Self> {
        Ok(Self { random: File::open("/dev/urandom")?, try_wait, tries, preferred: None, stop })
    }

    /// Asks `servers` for the addresses of `host`. What no server can tell is [`Answer::Failed`].
    pub(crate) fn ask(&mut self, host: &str, servers: &[SocketAddr]) -> Answers {
        let mut answers = [Answer::Failed, Answer::Failed];
        let mut order = servers.to_vec();
        order.sort_by_key(|server| Some(*server) != self.preferred);
        for _ in 0..self.tries {
            for server in &order {
                // An error is this server's; the next one, or the next round, may do better.
                let _ = self.ask_server(host, *server, &mut answers);
                if is_done(&answers) {
                    self.preferred = Some(*server);
                    return answers;
                }
                if self.is_stopped() {
                    return answers;
                }
            }
        }
        answers
    }

    fn ask_server(&mut self, host: &str, server: SocketAddr, answers: &mut Answers) -> io::Result<()> {
        let socket = socket_to(server)?;
        let questions = [self.question(host, Family::V4)?, self.question(host, Family::V6)?];
        let open = |index: usize, answers: &Answers| answers[index] == Answer::Failed;
        for index in (0..2).filter(|index| open(*index, answers)) {
            socket.send(questions[index].bytes())?;
        }
        // A server that says it cannot tell has answered as well: waiting for more would be in vain.
        let mut heard = [!open(0, answers), !open(1, answers)];
        let deadline = Instant::now() + self.try_wait;
        let mut datagram = [0; DATAGRAM_BYTES_MAX];
        while heard != [true; 2] && Instant::now() < deadline && !self.is_stopped() {
            let Some(bytes) = patiently(socket.recv(&mut datagram))? else { continue };
            for index in 0..2 {
                if !heard[index] {
                    let reading = read_answer(&questions[index], &datagram[..bytes]);
                    heard[index] = reading != Reading::Foreign;
                    self.note(reading, &questions[index], server, &mut answers[index]);
                }
            }
        }
        Ok(())
    }

    fn note(&self, reading: Reading, question: &Question, server: SocketAddr, to: &mut Answer) {
        match reading {
            Reading::Foreign => {}
            Reading::Answer(answer) => *to = answer,
            Reading::Truncated => *to = self.ask_stream(question, server).unwrap_or(Answer::Failed),
        }
    }

    /// The same question over TCP (RFC 7766): each message after its length in two bytes.
    fn ask_stream(&self, question: &Question, server: SocketAddr) -> io::Result<Answer> {
        let deadline = Instant::now() + self.try_wait;
        let mut stream = TcpStream::connect_timeout(&server, self.try_wait)?;
        stream.set_read_timeout(Some(SLICE))?;
        stream.set_write_timeout(Some(self.try_wait))?;
        let length = u16::try_from(question.bytes().len()).expect("a question has at most 271 bytes");
        stream.write_all(&[&length.to_be_bytes(), question.bytes()].concat())?;
        let mut length = [0; 2];
        self.read_exact(&mut stream, &mut length, deadline)?;
        let mut message = vec![0; usize::from(u16::from_be_bytes(length))];
        self.read_exact(&mut stream, &mut message, deadline)?;
        match read_answer(question, &message) {
            Reading::Answer(answer) => Ok(answer),
            Reading::Foreign | Reading::Truncated => Ok(Answer::Failed),
        }
    }

    fn read_exact(&self, stream: &mut TcpStream, buffer: &mut [u8], deadline: Instant) -> io::Result<()> {
        let mut filled = 0;
        while filled < buffer.len() {
            if Instant::now() >= deadline || self.is_stopped() {
                return Err(io::ErrorKind::TimedOut.into());
            }
            match patiently(stream.read(&mut buffer[filled..]))? {
                Some(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Some(bytes) => filled += bytes,
                None => {}
            }
        }
        Ok(())
    }

    fn question(&mut self, host: &str, family: Family) -> io::Result<Question> {
        let mut id = [0; 2];
        self.random.read_exact(&mut id)?;
        Question::new(host, family, u16::from_ne_bytes(id)).ok_or_else(|| io::ErrorKind::InvalidInput.into())
    }

    fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }
}

fn is_done(answers: &Answers) -> bool {
    !answers.contains(&Answer::Failed)
}

fn socket_to(server: SocketAddr) -> io::Result<UdpSocket> {
    let any = match server {
        SocketAddr::V4(_) => SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
        SocketAddr::V6(_) => SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)),
    };
    let socket = UdpSocket::bind(any)?;
    socket.connect(server)?;
    socket.set_read_timeout(Some(SLICE))?;
    Ok(socket)
}

/// A slice of waiting that brought nothing is no error.
fn patiently(result: io::Result<usize>) -> io::Result<Option<usize>> {
    use io::ErrorKind::{Interrupted, TimedOut, WouldBlock};
    match result {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if matches!(error.kind(), Interrupted | TimedOut | WouldBlock) => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resolve::fake_server::{FakeServer, Reply};
    use domain::base::iana::Rcode;

    const HOST: &str = "www.example.org";

    fn exchange(try_wait_ms: u64) -> Exchange {
        Exchange::new(Duration::from_millis(try_wait_ms), 2, Arc::default()).unwrap()
    }

    fn found(address: &str, ttl_s: u32) -> Answer {
        Answer::Addresses { addresses: vec![address.parse().unwrap()], ttl_s }
    }

    fn both() -> Reply {
        Reply::default().address(HOST, 60, "192.0.2.1").address(HOST, 30, "2001:db8::1")
    }

    #[test]
    fn both_families_are_answered() {
        let server = FakeServer::start(both());
        let answers = exchange(10_000).ask(HOST, &[server.addr()]);
        assert_eq!(answers, [found("192.0.2.1", 60), found("2001:db8::1", 30)]);
        assert_eq!(server.questions(), 2);
    }

    #[test]
    fn what_does_not_fit_comes_over_a_stream() {
        let server = FakeServer::start(Reply { truncate: true, ..both() });
        assert_eq!(exchange(10_000).ask(HOST, &[server.addr()])[1], found("2001:db8::1", 30));
    }

    #[test]
    fn forged_answers_are_passed_over() {
        let server = FakeServer::start(Reply { forge_first: true, ..both() });
        assert_eq!(exchange(10_000).ask(HOST, &[server.addr()])[0], found("192.0.2.1", 60));
    }

    #[test]
    fn a_server_that_cannot_tell_or_is_silent_is_followed_by_the_next_which_is_then_preferred() {
        let cannot = FakeServer::start(Reply { rcode: Rcode::SERVFAIL, ..Reply::default() });
        let silent = FakeServer::start(Reply { silent: true, ..Reply::default() });
        let good = FakeServer::start(both());
        let servers = [cannot.addr(), silent.addr(), good.addr()];
        let mut exchange = exchange(1_000);
        for _ in 0..2 {
            assert_eq!(exchange.ask(HOST, &servers)[0], found("192.0.2.1", 60));
        }
        silent.until_asked(2);
        assert_eq!(
            (cannot.questions(), silent.questions()),
            (2, 2),
            "the second time only the good one is asked"
        );
    }

    #[test]
    fn without_any_answer_both_have_failed() {
        let silent = FakeServer::start(Reply { silent: true, ..Reply::default() });
        assert_eq!(exchange(20).ask(HOST, &[silent.addr()]), [Answer::Failed, Answer::Failed]);
        silent.until_asked(4);
        assert_eq!(exchange(20).ask(HOST, &[]), [Answer::Failed, Answer::Failed]);
    }
}
