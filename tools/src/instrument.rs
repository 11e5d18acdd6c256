//! Whether the generator is an instrument: what it says about times, classes, ranges, plain TCP and nameservers is held
//! against servers whose behaviour is known. Both drivers.

use crate::drive::IoChoice;
use crate::load::{Arrivals, ClassSpec, LoadError, LoadOptions, LoadReport, run, run_until};
use crate::origin::{Habits, Mode, OriginOptions, OriginThread, spawn};
use crate::spread::Spread;
use core::net::SocketAddr;
use core::sync::atomic::{AtomicBool, Ordering};
use core::time::Duration;
use std::io::{Read, Write};
use std::net::{TcpListener, UdpSocket};

/// Nothing here takes this long; it keeps a broken test from hanging.
const PATIENCE: Duration = Duration::from_secs(20);

const MS: u64 = 1_000;

fn origin() -> OriginThread {
    spawn(&OriginOptions::default()).unwrap()
}

fn asking(address: SocketAddr, paths: &[&str], requests: u64) -> LoadOptions {
    LoadOptions {
        urls: paths.iter().map(|path| format!("http://{address}{path}")).collect(),
        requests: Some(requests),
        connections: 4,
        verify: true,
        timeout: PATIENCE,
        ..LoadOptions::default()
    }
}

/// Runs a load that must be answered without any fault.
fn clean(options: &LoadOptions) -> LoadReport {
    let report = run(options).unwrap();
    assert!(report.is_clean() && Some(report.requests) == options.requests, "{report}");
    report
}

/// The drivers of this machine.
fn drivers() -> Vec<IoChoice> {
    let uring = IoChoice::Uring.settle().is_ok().then_some(IoChoice::Uring);
    if uring.is_none() {
        println!("SKIPPED: io_uring does not work here; epoll alone is tried");
    }
    uring.into_iter().chain([IoChoice::Epoll]).collect()
}

mod times {
    use super::*;

    /// A server that answers at once, but for one second in which it does nothing.
    fn stalling(after: usize, stall: Duration) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            let (mut client, _) = listener.accept().unwrap();
            let (mut input, mut answered) = (Vec::new(), 0);
            let mut piece = [0; 4_096];
            while let Ok(count @ 1..) = client.read(&mut piece) {
                input.extend_from_slice(&piece[..count]);
                while let Some(end) = input.windows(4).position(|four| four == b"\r\n\r\n") {
                    input.drain(..end + 4);
                    if answered == after {
                        // This is what is measured, not a way to wait for something.
                        std::thread::sleep(stall);
                    }
                    answered += 1;
                    if client.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").is_err() {
                        return;
                    }
                }
            }
        });
        address
    }

    #[test]
    fn a_stall_of_a_second_shows_in_the_tail_of_an_open_loop() {
        let stall = Duration::from_secs(1);
        let open = LoadOptions {
            rate_per_second: Some(400.0),
            connections: 1,
            verify: false,
            ..asking(stalling(100, stall), &["/"], 600)
        };
        // 400 of 600 should have started during the stall; a closed loop would have seen it once.
        let report = clean(&open);
        assert!(report.latency.p999_us >= 990 * MS, "{report}");
        assert!(report.latency.p90_us >= 500 * MS, "{report}");
        let closed = LoadOptions { rate_per_second: None, ..open };
        let closed = LoadOptions { urls: asking(stalling(100, stall), &["/"], 1).urls, ..closed };
        let report = clean(&LoadOptions { requests: Some(2_000), ..closed });
        assert!(report.latency.max_us >= 990 * MS && report.latency.p999_us < 990 * MS, "{report}");
    }

    #[test]
    fn delays_of_the_origin_are_reported() {
        let origin = origin();
        for io in drivers() {
            let classes =
                [("short", "/delay/20/1"), ("spread", "/delay/uniform:40-80/1"), ("none", "/bytes/1")];
            let class = |(name, path): (&str, &str)| ClassSpec {
                name: name.into(),
                urls: vec![path.into()],
                connections: Some(2),
                ..ClassSpec::default()
            };
            let options = LoadOptions {
                mix: Some(classes.into_iter().map(class).collect()),
                io,
                ..asking(origin.address(), &["/"], 60)
            };
            let second = Some(Duration::from_secs(1));
            let report = run(&LoadOptions { requests: None, duration: second, ..options }).unwrap();
            assert!(report.is_clean(), "{report}");
            let of = |name: &str| &report.classes.iter().find(|class| class.name == name).unwrap().latency;
            // Nothing is ever early. Late is what a busy machine makes it, but not by ten times.
            assert!((20 * MS..200 * MS).contains(&of("short").p50_us), "{report}");
            assert!(of("spread").p50_us >= 45 * MS && of("spread").max_us >= 65 * MS, "{report}");
            assert!(of("none").p50_us < of("short").p50_us, "{report}");
        }
    }

    #[test]
    fn a_delay_by_query_or_by_flag_is_the_same() {
        let habits = Habits { delay_ms: Some(Spread::Fixed(15.0)), ..Habits::default() };
        let slow = spawn(&OriginOptions { habits, ..OriginOptions::default() }).unwrap();
        let fast = origin();
        for (address, path) in [(slow.address(), "/bytes/9"), (fast.address(), "/bytes/9?delay=15")] {
            let report = clean(&asking(address, &[path], 20));
            assert!(report.latency.p50_us >= 15 * MS && report.verified == 20, "{report}");
        }
    }

    #[test]
    fn an_open_loop_tells_how_late_it_was_itself() {
        let origin = origin();
        for (io, arrivals) in drivers()
            .into_iter()
            .flat_map(|io| [Arrivals::Constant, Arrivals::Poisson].map(|arrivals| (io, arrivals)))
        {
            let options = LoadOptions {
                rate_per_second: Some(2_000.0),
                arrivals,
                io,
                connections: 16,
                ..asking(origin.address(), &["/b128"], 600)
            };
            let report = clean(&options);
            let own = report.scheduling.clone().expect("an open loop has a schedule");
            assert!(own.p50_us < 200 * MS, "{report}");
            // 600 starts at 2,000 a second take 300 ms, by chance as well: four deviations are 50 ms.
            assert!(report.seconds >= 0.25, "{report}");
        }
    }

    #[test]
    fn think_times_keep_a_connection_from_asking() {
        let origin = origin();
        let class = ClassSpec {
            urls: vec!["/b128".into()],
            think_ms: Some(Spread::Fixed(25.0)),
            ..ClassSpec::default()
        };
        let options =
            LoadOptions { mix: Some(vec![class]), connections: 1, ..asking(origin.address(), &["/"], 10) };
        assert!(clean(&options).seconds >= 9.0 * 0.025);
    }
}

mod traffic {
    use super::*;

    #[test]
    fn pipelined_requests_are_verified() {
        let origin = origin();
        for io in drivers() {
            let options = LoadOptions {
                pipeline: 16,
                io,
                ..asking(origin.address(), &["/b128", "/chunked/9k"], 4_000)
            };
            let report = clean(&options);
            assert_eq!((report.verified, report.connections), (4_000, 4));
        }
    }

    #[test]
    fn a_mix_shares_by_weight_and_follows_popularity() {
        let origin = origin();
        let class = |name: &str, weight, url: &str| ClassSpec {
            name: name.into(),
            weight,
            urls: vec![url.into()],
            ..ClassSpec::default()
        };
        let mix = vec![
            ClassSpec { objects: Some(50), zipf: Some(1.0), ..class("pages", 8, "/bytes/{n}k") },
            ClassSpec { body_bytes: Some(Spread::Uniform(1.0, 9_000.0)), ..class("uploads", 2, "/hash") },
            ClassSpec { method: Some("HEAD".into()), ..class("heads", 1, "/b1m") },
        ];
        for io in drivers() {
            let options =
                LoadOptions { mix: Some(mix.clone()), io, ..asking(origin.address(), &["/"], 2_200) };
            let report = clean(&options);
            let requests: Vec<_> = report.classes.iter().map(|class| class.requests).collect();
            // Six deviations of a share of 8 in 11.
            assert!(
                (1_475..1_725).contains(&requests[0]) && requests[1] > 300 && requests[2] > 120,
                "{report}"
            );
            assert_eq!(report.verified, requests[0] + requests[1], "{report}");
            assert!(report.classes[1].uploaded_bytes > 1_000_000 && report.classes[2].bytes == 0, "{report}");
        }
    }

    #[test]
    fn ranges_of_any_object_are_verified() {
        let origin = origin();
        let class = ClassSpec {
            urls: vec!["/bytes/{n}k?etag=a".into()],
            objects: Some(40),
            range_bytes: Some(700),
            ..ClassSpec::default()
        };
        let options = LoadOptions { mix: Some(vec![class]), ..asking(origin.address(), &["/"], 400) };
        let report = clean(&options);
        assert_eq!((report.verified, report.bytes), (400, 400 * 700), "{report}");
    }

    #[test]
    fn conditions_are_answered_as_they_should_be() {
        let origin = origin();
        let ask = |name: &str, value: &str| {
            let fields = vec![(name.to_owned(), value.to_owned())];
            run(&LoadOptions { fields, ..asking(origin.address(), &["/bytes/100?etag=v1&lm=0"], 8) }).unwrap()
        };
        let fresh = ask("If-None-Match", "\"v1\"");
        assert!(fresh.is_clean() && (fresh.requests, fresh.bytes) == (8, 0), "{fresh}");
        let stale = ask("If-None-Match", "\"v0\"");
        assert_eq!((stale.verified, stale.bytes), (8, 800), "{stale}");
        let suffix = ask("Range", "bytes=-30");
        assert_eq!((suffix.verified, suffix.bytes), (8, 240), "{suffix}");
        let several = ask("Range", "bytes=0-9,50-59");
        assert!(several.is_clean() && several.verified == 8 && several.bytes > 8 * 20, "{several}");
        let beyond = ask("Range", "bytes=100-");
        assert_eq!(beyond.errors.status[&416], 8, "{beyond}");
        let failed = ask("If-Match", "\"v0\"");
        assert_eq!(failed.errors.status[&412], 8, "{failed}");
    }

    #[test]
    fn plain_tcp_comes_back_or_is_swallowed() {
        let serve = |mode| spawn(&OriginOptions { mode, ..OriginOptions::default() }).unwrap();
        let (echo, discard) = (serve(Mode::TcpEcho), serve(Mode::TcpDiscard));
        for io in drivers() {
            let ask = |address: SocketAddr, path: &str| {
                let urls = vec![format!("tcp://{address}{path}")];
                clean(&LoadOptions { urls, io, ..asking(address, &[], 40) })
            };
            let report = ask(echo.address(), "/echo/3k");
            assert_eq!((report.verified, report.bytes, report.connections), (40, 40 * 3_072, 4), "{report}");
            let report = ask(echo.address(), "/bulk/500k");
            assert_eq!(
                (report.verified, report.bytes, report.connections),
                (40, 40 * 512_000, 40),
                "{report}"
            );
            let report = ask(discard.address(), "/bulk/500k");
            assert_eq!((report.verified, report.bytes), (0, 0), "{report}");
            assert_eq!(report.uploaded_bytes, 40 * 512_000, "{report}");
        }
    }

    /// A nameserver that gives each question back as an answer: one in ten REFUSED, one in fifty not at all.
    fn nameserver() -> SocketAddr {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        std::thread::spawn(move || {
            let mut datagram = [0; 1_500];
            for number in 0u64.. {
                let Ok((bytes, from)) = socket.recv_from(&mut datagram) else { return };
                datagram[2] |= 0x80;
                datagram[3] = if number % 10 == 3 { 5 } else { 0 };
                if number % 50 != 7 {
                    let _ = socket.send_to(&datagram[..bytes], from);
                }
            }
        });
        address
    }

    /// A nameserver whose answers are cut off over UDP and come in two pieces over TCP: NXDOMAIN, a kilobyte.
    fn talkative_nameserver() -> SocketAddr {
        let (datagrams, listener) = loop {
            let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
            if let Ok(listener) = TcpListener::bind(socket.local_addr().unwrap()) {
                break (socket, listener);
            }
        };
        let address = datagrams.local_addr().unwrap();
        std::thread::spawn(move || {
            let mut datagram = [0; 1_500];
            while let Ok((bytes, from)) = datagrams.recv_from(&mut datagram) {
                datagram[2] |= 0x82;
                let _ = datagrams.send_to(&datagram[..bytes], from);
            }
        });
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let mut client = client.unwrap();
                let mut question = [0; 1_500];
                client.read_exact(&mut question[..2]).unwrap();
                let bytes = usize::from(u16::from_be_bytes([question[0], question[1]]));
                client.read_exact(&mut question[2..2 + bytes]).unwrap();
                (question[0], question[1], question[4], question[5]) = (4, 0, 0x80, 3);
                client.write_all(&question[..300]).unwrap();
                client.write_all(&question[300..1_026]).unwrap();
            }
        });
        address
    }

    #[test]
    fn answers_that_were_cut_off_are_asked_for_over_tcp() {
        for io in drivers() {
            let address = talkative_nameserver();
            let urls = vec![format!("dns://{address}/www.example.org/TXT")];
            let report = run(&LoadOptions { urls, io, ..asking(address, &[], 100) }).unwrap();
            assert!(report.is_clean() && report.requests == 100, "{report}");
            assert_eq!((report.rcodes["NXDOMAIN"], report.connections), (100, 100), "{report}");
            assert_eq!(report.bytes, 100 * 1_024, "{report}");
        }
    }

    #[test]
    fn a_nameserver_that_cuts_off_and_has_no_tcp_is_an_error() {
        // Nobody else may listen there meanwhile: the port is held for TCP, too.
        let (socket, _held) = loop {
            let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
            let held = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
            if held.bind(&socket.local_addr().unwrap().into()).is_ok() {
                break (socket, held);
            }
        };
        let address = socket.local_addr().unwrap();
        std::thread::spawn(move || {
            let mut datagram = [0; 1_500];
            while let Ok((bytes, from)) = socket.recv_from(&mut datagram) {
                datagram[2] |= 0x82;
                let _ = socket.send_to(&datagram[..bytes], from);
            }
        });
        let urls = vec![format!("dns://{address}/www.example.org/TXT")];
        let report = run(&LoadOptions { urls, ..asking(address, &[], 20) }).unwrap();
        assert_eq!((report.requests, report.errors.connect), (0, 20), "{report}");
    }

    #[test]
    fn nameservers_are_asked_and_their_codes_counted() {
        for io in drivers() {
            let address = nameserver();
            let options = LoadOptions {
                urls: vec![format!("dns://{address}/www.example.org/AAAA")],
                timeout: Duration::from_secs(1),
                io,
                ..asking(address, &[], 500)
            };
            let report = run(&options).unwrap();
            assert_eq!((report.requests, report.errors.timeout), (490, 10), "{report}");
            assert_eq!((report.errors.rcode["REFUSED"], report.rcodes["NOERROR"]), (50, 440), "{report}");
        }
    }
}

mod ends {
    use super::*;

    #[test]
    fn a_run_that_is_broken_off_says_what_was_measured() {
        let origin = origin();
        static STOP: AtomicBool = AtomicBool::new(false);
        let options =
            LoadOptions { requests: None, ..asking(origin.address(), &["/b128", "/delay/60000/1"], 1) };
        let options = LoadOptions { duration: Some(PATIENCE), ..options };
        let stopping = std::thread::spawn(move || {
            // The connections ask for the two in turn: three are answered until all four wait.
            while origin.counts().requests < 7 {
                std::thread::yield_now();
            }
            STOP.store(true, Ordering::Relaxed);
            origin
        });
        let report = run_until(&options, &STOP).unwrap();
        assert!(report.requests == 3 && report.unfinished == 4 && report.seconds < 15.0, "{report}");
        drop(stopping.join());
    }

    /// What became due after the end of the run was once told as not sent.
    #[test]
    fn an_open_loop_that_is_broken_off_owes_nothing() {
        let origin = origin();
        static STOP: AtomicBool = AtomicBool::new(false);
        let asked = asking(origin.address(), &["/delay/50/1"], 1);
        let options = LoadOptions {
            requests: None,
            rate_per_second: Some(200.0),
            connections: 400,
            duration: Some(PATIENCE),
            ..asked
        };
        let stopping = std::thread::spawn(move || {
            while origin.counts().requests < 50 {
                std::thread::yield_now();
            }
            STOP.store(true, Ordering::Relaxed);
            origin
        });
        let report = run_until(&options, &STOP).unwrap();
        assert!(report.requests >= 50 && report.is_clean(), "{report}");
        drop(stopping.join());
    }

    #[test]
    fn nobody_there_is_said_before_any_load() {
        // Bound but not listening: the port stays ours and refuses.
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        let address = socket.local_addr().unwrap().as_socket().unwrap();
        let options = LoadOptions { look_first: true, ..asking(address, &["/"], 1) };
        let Err(LoadError::Nobody(whom, _)) = run(&options) else { panic!("nobody is there") };
        assert_eq!(whom, address.to_string());
    }

    #[test]
    fn a_nameserver_is_looked_for_too() {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        let urls = vec![format!("dns://{address}/www.example.org")];
        let options = LoadOptions { look_first: true, urls, ..asking(address, &[], 5) };
        // It answers the second question that it hears, as if the first had been lost.
        let serving = std::thread::spawn(move || {
            let mut datagram = [0; 1_500];
            for number in 0..7 {
                let (bytes, from) = socket.recv_from(&mut datagram).unwrap();
                datagram[2] |= 0x80;
                if number > 0 {
                    socket.send_to(&datagram[..bytes], from).unwrap();
                }
            }
            socket
        });
        assert!(run(&options).unwrap().is_clean());
        drop(serving.join().unwrap());
        // The port was ours; that somebody else took it within a moment would be an odd coincidence.
        let Err(LoadError::Nobody(whom, why)) = run(&options) else { panic!("nobody is there") };
        assert_eq!((whom, why.contains("refused")), (address.to_string(), true), "{why}");
    }

    #[test]
    fn a_busy_origin_says_so_and_tells_its_index() {
        let habits = Habits { busy: true, retry_after_s: 7, ..Habits::default() };
        let origin = spawn(&OriginOptions { habits, ..OriginOptions::default() }).unwrap();
        let ask = |path: &str| run(&asking(origin.address(), &[path], 4)).unwrap();
        assert_eq!(ask("/b128").errors.status[&503], 4);
        assert!(ask("/load?busy=off&index=0.4").is_clean());
        assert!(ask("/b128").is_clean());
    }

    #[test]
    fn a_run_writes_its_log_and_its_plot() {
        let origin = origin();
        let path =
            |end: &str| std::env::temp_dir().join(format!("longhaul-load-{}.{end}", std::process::id()));
        let options = LoadOptions {
            hdr: Some(path("hlog")),
            plot: Some(path("svg")),
            ..asking(origin.address(), &["/b128"], 200)
        };
        clean(&options);
        let (log, plot) =
            [path("hlog"), path("svg")].map(|path| std::fs::read_to_string(path).unwrap()).into();
        assert!(log.contains("#[StartTime: ") && log.contains("Tag=all,0.000,1.000,"), "{log}");
        assert!(
            plot.starts_with("<svg ") && plot.contains("Latency by percentile") && plot.ends_with("</svg>\n")
        );
        [path("hlog"), path("svg")].into_iter().for_each(|path| std::fs::remove_file(path).unwrap());
        let nowhere = LoadOptions { hdr: None, plot: Some("/nowhere/at/all.svg".into()), ..options };
        assert!(matches!(run(&nowhere), Err(LoadError::File(..))));
    }
}
