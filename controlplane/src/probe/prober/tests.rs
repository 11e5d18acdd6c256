//! The prober against real servers on loopback: those that serve well, and those that answer garbage, slowly, for ever, in
//! circles, or with a broken certificate.

use super::*;
use crate::probe::expect::{Expect, LoadFrom, digest};
use crate::probe::outcome::Cause;
use crate::probe::target::Pace;
use crate::probe::url::Url;
use rcgen::{CertificateParams, CertifiedIssuer, KeyPair, date_time_ymd};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};

/// Serves every connection with `serve`, each on a thread of its own, for as long as the tests run.
fn server(serve: impl Fn(TcpStream) + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let serve = Arc::new(serve);
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let serve = serve.clone();
            std::thread::spawn(move || serve(stream));
        }
    });
    address
}

fn read_request(stream: &mut impl Read) -> String {
    let mut request = Vec::new();
    let mut byte = [0];
    while !request.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|bytes| bytes == 1) {
        request.push(byte[0]);
    }
    String::from_utf8(request).unwrap()
}

/// A web server whose paths are its faults.
fn web() -> SocketAddr {
    server(|mut stream| {
        let request = read_request(&mut stream);
        let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
        let whole = |status: &str, fields: &str, body: &str| {
            format!("HTTP/1.1 {status}\r\n{fields}Content-Length: {}\r\n\r\n{body}", body.len())
        };
        let answer = match path.as_str() {
            "/ok" => whole("200 OK", "Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\n", "hello"),
            "/busy" => whole("200 OK", "Endpoint-Load-Metrics: TEXT cpu_utilization=0.25\r\n", ""),
            "/index" => whole("200 OK", "", "{\"load\": 0.75}"),
            "/host" => whole("200 OK", "", &request),
            "/503" => whole("503 Busy", "", "sorry"),
            "/garbage" => "\x01\x02 what?\r\n\r\n".to_owned(),
            "/half" => "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf".to_owned(),
            "/moved" => whole("302 Found", "Location: /ok\r\n", ""),
            "/circle" => whole("302 Found", "Location: /elcric\r\n", ""),
            "/elcric" => whole("302 Found", "Location: /circle\r\n", ""),
            "/never" => {
                let _held = stream.read(&mut [0; 1]);
                return;
            }
            "/slow" => {
                let head = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n";
                let _sent = stream.write_all(head);
                while stream.write_all(b"x").is_ok() {
                    std::thread::sleep(core::time::Duration::from_millis(50));
                }
                return;
            }
            "/forever" => {
                let _sent = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
                let megabyte = vec![b'x'; 1 << 20];
                while stream.write_all(&megabyte).is_ok() {}
                return;
            }
            other => panic!("no such path: {other}"),
        };
        let _sent = stream.write_all(answer.as_bytes());
    })
}

fn target(url: &str) -> Target {
    let pace = Pace { timeout: Duration::from_secs(20), ..Pace::default() };
    Target { pace, ..Target::of(url, Url::read(url).unwrap()) }
}

fn probe(target: Target) -> Outcome {
    probe_with(ProberOptions { targets: vec![Arc::new(target)], ..ProberOptions::default() })
}

fn probe_with(options: ProberOptions) -> Outcome {
    Prober::new(options).unwrap().once().unwrap().pop().unwrap()
}

fn cause(target: Target) -> Cause {
    probe(target).failure.expect("it fails").cause
}

#[test]
fn good_answers_are_timed_by_phase() {
    let web = web();
    let outcome = probe(Target {
        expect: Expect {
            body: Some("ell".into()),
            digest: Some(digest("2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824").unwrap()),
            ..Expect::default()
        },
        is_digested: true,
        ..target(&format!("http://{web}/ok"))
    });
    assert_eq!(outcome.failure, None);
    let (seen, phases) = (&outcome.seen, outcome.phases);
    assert_eq!((seen.status, seen.bytes, seen.modified_s), (Some(200), 5, Some(784_111_777)));
    assert!(phases.first_byte_us > 0 && phases.tls_us == 0, "{phases:?}");
    assert!(phases.total_us >= phases.connect_us + phases.first_byte_us, "{phases:?}");
    let load = |path: &str, load| probe(Target { load, ..target(&format!("http://{web}{path}")) }).seen.load;
    assert_eq!(load("/busy", LoadFrom::read("orca").unwrap()), Some(0.25));
    assert_eq!(load("/index", LoadFrom::Json), Some(0.75));
    let named = Target {
        host: Some("shop.test".into()),
        expect: Expect { body: Some("Host: shop.test\r\n".into()), ..Expect::default() },
        ..target(&format!("http://{web}/host"))
    };
    assert!(probe(named).is_good());
}

#[test]
fn bad_answers_have_their_causes() {
    let web = web();
    let at = |path: &str| target(&format!("http://{web}{path}"));
    for (path, expected) in [
        ("/503", Cause::Status),
        ("/garbage", Cause::Malformed),
        ("/half", Cause::Closed),
        ("/forever", Cause::TooLong),
        ("/moved", Cause::Status),
    ] {
        assert_eq!(cause(at(path)), expected, "{path}");
    }
    assert_eq!(cause(Target { redirects: 10, ..at("/circle") }), Cause::Redirect);
    let moved = probe(Target { redirects: 1, ..at("/moved") });
    assert_eq!((moved.seen.status, moved.seen.redirects, moved.failure), (Some(200), 1, None));
}

#[test]
fn who_is_silent_or_slow_runs_into_the_time_out() {
    let web = web();
    for path in ["/never", "/slow"] {
        let mut target = target(&format!("http://{web}{path}"));
        target.pace.timeout = Duration::from_millis(300);
        let outcome = probe(target);
        let failure = outcome.failure.expect("it fails");
        assert_eq!(failure.cause, Cause::TimeOut, "{path}: {failure}");
        assert!(outcome.phases.total_us >= 300_000, "{path}: {:?}", outcome.phases);
    }
}

#[test]
fn connections_are_taken_or_refused() {
    let web = web();
    assert!(probe(target(&format!("tcp://{web}"))).is_good());
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    assert_eq!(cause(target(&format!("tcp://{free}"))), Cause::Refused);
    assert_eq!(cause(target(&format!("http://{free}/"))), Cause::Refused);
}

/// A folder of certificates, and servers with them.
struct Certificates {
    folder: PathBuf,
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Certificates {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("longhaul-probe-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        std::fs::write(folder.join("ca.pem"), issuer.pem()).unwrap();
        Self { folder, issuer }
    }

    fn file(&self) -> Option<PathBuf> {
        Some(self.folder.join("ca.pem"))
    }

    /// Serves `hello` over TLS with a certificate for `name` whose life ends in that year.
    fn server(&self, name: &str, until_year: i32) -> SocketAddr {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.not_before = date_time_ymd(2001, 1, 1);
        params.not_after = date_time_ymd(until_year, 1, 1);
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let chain = vec![CertificateDer::from_pem_slice(certificate.pem().as_bytes()).unwrap()];
        let key = PrivateKeyDer::from_pem_slice(key.serialize_pem().as_bytes()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config =
            ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let config = Arc::new(config.with_no_client_auth().with_single_cert(chain, key).unwrap());
        server(move |stream| {
            let mut stream = StreamOwned::new(ServerConnection::new(config.clone()).unwrap(), stream);
            let request = read_request(&mut stream);
            if !request.is_empty() {
                let _sent = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
                let _sent = stream.flush();
            }
        })
    }
}

impl Drop for Certificates {
    fn drop(&mut self) {
        let _gone = std::fs::remove_dir_all(&self.folder);
    }
}

#[test]
fn certificates_are_judged_and_their_end_is_told() {
    let certificates = Certificates::new("tls");
    let at = |server: SocketAddr| Target {
        authorities: certificates.file(),
        host: Some("shop.test".into()),
        ..target(&format!("https://{server}/"))
    };
    let good = certificates.server("shop.test", 2090);
    let outcome = probe(at(good));
    assert_eq!((outcome.failure, outcome.seen.status), (None, Some(200)));
    assert!(outcome.phases.tls_us > 0);
    assert_eq!(outcome.seen.certificate_until_s, Some(date_time_ymd(2090, 1, 1).unix_timestamp() as u64));

    let expired = probe(at(certificates.server("shop.test", 2002)));
    let failure = expired.failure.unwrap();
    assert!(failure.cause == Cause::Certificate && failure.what.contains("has expired"), "{failure}");
    assert_eq!(expired.seen.certificate_until_s, Some(date_time_ymd(2002, 1, 1).unix_timestamp() as u64));

    let other = certificates.server("mail.test", 2090);
    assert_eq!(cause(at(other)), Cause::Certificate, "another's name");
    let stranger = Certificates::new("stranger").server("shop.test", 2090);
    assert!(probe(at(stranger)).failure.unwrap().what.contains("no authority that is known"));
    assert!(probe(Target { is_verified: false, ..at(stranger) }).is_good());
    let plain = server(|mut stream| {
        let _sent = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        let _read = stream.read(&mut [0; 1_024]);
    });
    assert_eq!(cause(at(plain)), Cause::Tls, "no TLS at all");
}

#[test]
fn files_of_authorities_that_are_none_are_refused() {
    let certificates = Certificates::new("files");
    let wrong = |name: &str, text: Option<&str>| {
        let path = certificates.folder.join(name);
        if let Some(text) = text {
            std::fs::write(&path, text).unwrap();
        }
        let target = Target { authorities: Some(path), ..target("https://127.0.0.1:1/") };
        let options = ProberOptions { targets: vec![Arc::new(target)], ..ProberOptions::default() };
        Prober::new(options).unwrap_err()
    };
    assert!(wrong("none.pem", None).contains("cannot be read"));
    assert!(wrong("empty.pem", Some("hello")).contains("no authority"));
    let cut = "-----BEGIN CERTIFICATE-----\nAAAA\n";
    assert!(wrong("cut.pem", Some(cut)).contains("broken"));
}

/// A name server that says of every name that it is 127.0.0.1, but nothing of `nobody.test`.
fn name_server() -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    std::thread::spawn(move || {
        let mut buffer = [0; 512];
        while let Ok((bytes, from)) = socket.recv_from(&mut buffer) {
            let mut answer = buffer[..bytes].to_vec();
            answer[2] |= 0x84;
            let is_known = !answer.windows(6).any(|part| part == b"nobody") && answer[bytes - 3] == 1;
            if is_known {
                answer[7] = 1;
                answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 127, 0, 0, 1]);
            }
            let _sent = socket.send_to(&answer, from);
        }
    });
    address
}

#[test]
fn names_are_looked_up_and_the_search_is_timed() {
    let (web, name_server) = (web(), name_server());
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let ask = |host: &str, servers: Vec<SocketAddr>| {
        let target = target(&format!("http://{host}:{}/ok", web.port()));
        let options = ProberOptions {
            targets: vec![Arc::new(target)],
            name_servers: Some(servers),
            ..ProberOptions::default()
        };
        probe_with(options)
    };
    let found = ask("a.test", vec![name_server]);
    assert!(found.is_good() && found.phases.name_us > 0, "{found:?}");
    let nobody = ask("nobody.test", vec![name_server]);
    assert_eq!(nobody.failure.unwrap().cause, Cause::Name);
    let second = ask("b.test", vec![silent.local_addr().unwrap(), name_server]);
    assert!(second.is_good() && second.phases.name_us >= 1_000_000, "the second one is asked: {second:?}");
}

#[test]
fn questions_are_asked_again_until_answered() {
    let name_server = name_server();
    let outcome = probe(target(&format!("dns://{name_server}/shop.test")));
    assert_eq!((outcome.failure, outcome.seen.said.as_str()), (None, "127.0.0.1"));
    assert_eq!(cause(target(&format!("dns://{name_server}/nobody.test"))), Cause::Empty);
    let mut silent = target("dns://127.0.0.1:1/shop.test");
    silent.pace.timeout = Duration::from_millis(200);
    assert!(matches!(cause(silent), Cause::Refused | Cause::TimeOut));
}

/// A server of FTP that has one file.
fn ftp_server(file: &'static [u8]) -> SocketAddr {
    server(move |mut control| {
        let content = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = content.local_addr().unwrap().port().to_be_bytes();
        let mut said = |reply: &str| {
            control.write_all(reply.as_bytes()).and_then(|()| {
                let mut line = Vec::new();
                let mut byte = [0];
                while !line.ends_with(b"\n") {
                    control.read_exact(&mut byte)?;
                    line.push(byte[0]);
                }
                Ok(String::from_utf8_lossy(&line).into_owned())
            })
        };
        let mut reply = "220 ready\r\n".to_owned();
        while let Ok(command) = said(&reply) {
            reply = match command.split_whitespace().next().unwrap_or_default() {
                "USER" => "331 who says\r\n".to_owned(),
                "PASS" => "230 in\r\n".to_owned(),
                "TYPE" => "200 binary\r\n".to_owned(),
                // Another machine's address: the prober must not go there.
                "PASV" => format!("227 Entering Passive Mode (192,0,2,1,{},{})\r\n", port[0], port[1]),
                "RETR" if command.trim().ends_with("/f") => {
                    let (mut stream, _) = content.accept().unwrap();
                    stream.write_all(file).unwrap();
                    "150 here\r\n226 done\r\n".to_owned()
                }
                _ => "550 no\r\n".to_owned(),
            };
        }
    })
}

#[test]
fn files_are_fetched_over_ftp() {
    static FILE: [u8; 300_000] = [7; 300_000];
    let server = ftp_server(&FILE);
    let outcome = probe(Target { is_digested: true, ..target(&format!("ftp://{server}/pub/f")) });
    assert_eq!((outcome.failure, outcome.seen.bytes, outcome.seen.status), (None, 300_000, Some(226)));
    assert!(outcome.seen.digest.is_some() && outcome.phases.first_byte_us > 0);
    assert_eq!(cause(target(&format!("ftp://{server}/pub/g"))), Cause::Status);
}

#[test]
fn targets_are_probed_again_and_again() {
    let web = web();
    let mut one = target(&format!("http://{web}/ok"));
    one.pace.interval = Duration::from_millis(20);
    let targets = (0..50).map(|_| Arc::new(one.clone())).collect();
    let mut prober = Prober::new(ProberOptions { targets, seed: 3, ..ProberOptions::default() }).unwrap();
    let mut counts = [0; 50];
    let mut ended = Vec::new();
    let begun = clock::now();
    while counts.iter().any(|count| *count < 5) {
        assert!(clock::now().since(begun) < Duration::from_secs(60), "{counts:?}");
        prober.turn(Duration::from_millis(100), &mut ended).unwrap();
        for observation in ended.drain(..) {
            assert!(observation.outcome.is_good(), "{observation:?}");
            counts[observation.target] += 1;
        }
    }
}
