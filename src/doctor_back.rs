//! Whether the way to a back-end lets tunnels through: an INIT to each of its addresses, over UDP and over TCP, as a front-end
//! would send it. Changes nothing: the back-end forgets it after a while.

use crate::args::doctor::DoctorArgs;
use crate::config::RouteConfig;
use crate::exit::Exit;
use crate::key_file;
use crate::problem::{Problems, Wrong};
use crate::show;
use core::net::SocketAddr;
use core::time::Duration;
use dataplane::tmp::key::{PresharedKey, PrivateKey};
use dataplane::tmp::knock::{Knock, Opened};
use dataplane::tmp::random::SystemRandom;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::time::Instant;

/// How long an answer may take, and how often it is asked for over UDP: as long as a front-end tries before it goes over TCP.
const ANSWER_WITHIN: Duration = Duration::from_millis(700);
const TRIES: u32 = 3;
/// How long a connection may take.
const CONNECT_WITHIN: Duration = Duration::from_secs(2);
/// Bytes of the length before a datagram on a connection ([TMP-170]).
const LENGTH_BYTES: usize = 2;

/// What came of one way.
enum Found {
    /// The back-end answered after this long.
    Answered(Duration),
    /// What stood in the way, and what to do.
    Not(String),
}

/// Tries all; what is wrong with the flags is said before anything is sent.
pub(crate) fn run(args: &DoctorArgs) -> Exit {
    let mut problems = Problems::default();
    let route = args.back.as_ref().and_then(|back| back.take("back", &mut problems));
    let mut noted = |flag: &str, wrong: Wrong| problems.add(flag, &wrong);
    let key = args.key.as_ref().map(|path| key_file::private(path).map_err(|wrong| noted("--key", wrong)));
    let psk = args.psk.as_ref().map(|path| key_file::preshared(path).map_err(|wrong| noted("--psk", wrong)));
    problems.require(
        args.key.is_some(),
        "--key",
        "is missing: a back-end answers those alone whom it knows",
        "give --key FILE, the front-end's own",
    );
    let (Some(route), Some(Ok(key)), true) = (route, key, problems.lines().is_empty()) else {
        problems.print("doctor");
        return Exit::Usage;
    };
    let knocking = Knocking { route, key, psk: psk.and_then(Result::ok).unwrap_or_else(PresharedKey::none) };
    knocking.run()
}

struct Knocking {
    route: RouteConfig,
    key: PrivateKey,
    psk: PresharedKey,
}

impl Knocking {
    fn run(&self) -> Exit {
        let RouteConfig { addresses, carriers, .. } = &self.route;
        let mut passes = [false; 2];
        let mut over_tcp: Vec<SocketAddr> = addresses.clone();
        over_tcp.extend(carriers.iter().filter(|carrier| !addresses.contains(carrier)));
        for address in addresses {
            passes[0] |= told("UDP", *address, self.over_udp(*address));
        }
        for address in &over_tcp {
            passes[1] |= told("TCP", *address, self.over_tcp(*address));
        }
        let (verdict, exit) = match passes {
            [true, true] => ("tunnels pass over UDP, and over TCP should UDP fail", Exit::Done),
            [true, false] => ("tunnels pass over UDP, and would not over TCP should UDP fail", Exit::Done),
            [false, true] => (
                "no UDP passes, TCP does: give the front-end --carrier auto, or tcp+ADDR in its --route",
                Exit::Done,
            ),
            [false, false] => ("no tunnel passes: see the rows above", Exit::Unable),
        };
        show::line(&verdict);
        exit
    }

    fn knock(&self) -> Knock {
        Knock::new(self.key.clone(), &self.route.public_key, &self.psk, &mut SystemRandom::new())
    }

    fn over_udp(&self, to: SocketAddr) -> Found {
        let asked = Instant::now();
        match self.ask_over_udp(to) {
            Ok(true) => Found::Answered(asked.elapsed()),
            Ok(false) => Found::Not(
                "nothing answers: UDP is blocked on the way, nobody listens there, or the back-end does not know this key (its \
                 --peer) or this --psk"
                    .to_owned(),
            ),
            Err(error) => Found::Not(format!("{error}: see the machine's routes and filters")),
        }
    }

    fn ask_over_udp(&self, to: SocketAddr) -> io::Result<bool> {
        let any = if to.is_ipv4() { SocketAddr::from(([0; 4], 0)) } else { SocketAddr::from(([0; 8], 0)) };
        let socket = UdpSocket::bind(any)?;
        socket.connect(to)?;
        socket.set_read_timeout(Some(ANSWER_WITHIN))?;
        let mut knock = self.knock();
        let mut answer = [0; 2_048];
        for _ in 0..TRIES {
            // Refused by the machine there (ICMP) is as good as silence, and may be about the datagram before.
            let _refused = socket.send(knock.datagram());
            match socket.recv(&mut answer) {
                Ok(bytes) if knock.take(&answer[..bytes]).is_some() => return Ok(true),
                Ok(_) => {}
                Err(error) if is_silence(&error) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(false)
    }

    fn over_tcp(&self, to: SocketAddr) -> Found {
        let asked = Instant::now();
        let stream = match TcpStream::connect_timeout(&to, CONNECT_WITHIN) {
            Ok(stream) => stream,
            Err(error) => {
                let cure = "is the back-end's --carrier-listen there, and does the way let it through?";
                return Found::Not(format!("cannot be reached: {error}; {cure}"));
            }
        };
        match self.ask_over_tcp(stream) {
            Ok(Some(_)) => Found::Answered(asked.elapsed()),
            Ok(None) | Err(_) => Found::Not(
                "takes connections, but answers no INIT: something else listens there, or the back-end does not know this key"
                    .to_owned(),
            ),
        }
    }

    fn ask_over_tcp(&self, mut stream: TcpStream) -> io::Result<Option<Opened>> {
        stream.set_read_timeout(Some(ANSWER_WITHIN * TRIES))?;
        let mut knock = self.knock();
        let datagram = knock.datagram();
        let framed = [&(datagram.len() as u16).to_be_bytes()[..], datagram].concat();
        stream.write_all(&framed)?;
        let mut length = [0; LENGTH_BYTES];
        stream.read_exact(&mut length)?;
        let mut answer = vec![0; usize::from(u16::from_be_bytes(length))];
        stream.read_exact(&mut answer)?;
        Ok(knock.take(&answer))
    }
}

fn is_silence(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::ConnectionRefused)
}

/// Prints a row; whether the way passes.
fn told(over: &str, address: SocketAddr, found: Found) -> bool {
    let row = format!("back-end over {over}, {address}");
    match found {
        Found::Answered(after) => {
            show::line(&format_args!("ok    {row}: answered after {:.1} ms", after.as_secs_f64() * 1e3));
            true
        }
        Found::Not(why) => {
            show::line(&format_args!("fail  {row}: {why}"));
            false
        }
    }
}
