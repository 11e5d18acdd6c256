//! The statistics of links over seeded runs in virtual time, and the UDP relay over real sockets.

use crate::wan::packet::Packet;
use crate::wan::way::Way;
use crate::wan::{Link, Path, Rules, read};
use dataplane::time::{Duration, Instant};

fn rules(spec: &str) -> Rules {
    read(spec, "", "").unwrap().up
}

fn packet(len: usize, number: u32) -> Packet {
    Packet { bytes: vec![0; len], header_bytes: 0, flow: number }
}

/// Offers packets of 1,500 B, one each `every_us`, wakes when the link says so, and lists (flow, sent µs, came µs).
fn carry(link: &mut Link, count: u32, every_us: u64) -> Vec<(u32, u64, u64)> {
    let mut arrivals = Vec::new();
    let mut take = |link: &mut Link, now: Instant| {
        while let Some((due, packet)) = link.take(now) {
            assert!(due <= now, "nothing is handed out before it is due");
            arrivals.push((packet.flow, u64::from(packet.flow) * every_us, due.as_us()));
        }
    };
    for number in 0..count {
        let at = Instant::from_us(u64::from(number) * every_us);
        while let Some(wake) = link.next_wake().filter(|wake| *wake < at) {
            take(link, wake);
        }
        link.offer(packet(1_500, number), at);
        take(link, at);
    }
    while let Some(wake) = link.next_wake() {
        take(link, wake);
    }
    arrivals
}

fn link(spec: &str, seed: u64) -> Link {
    Link::new(rules(spec), seed, Instant::ORIGIN)
}

/// Three standard deviations of a count that is binomially distributed.
fn three_sigma(count: u32, share: f64) -> f64 {
    3.0 * (f64::from(count) * share * (1.0 - share)).sqrt()
}

mod statistics {
    use super::*;

    const PACKETS: u32 = 100_000;

    #[test]
    fn delay_is_exact_and_the_path_is_perfect_unless_told() {
        let arrivals = carry(&mut link("rtt=80ms", 1), 1_000, 97);
        assert!(arrivals.iter().all(|(_, sent, came)| came - sent == 40_000));
        let arrivals = carry(&mut link("", 1), 1_000, 97);
        assert!(
            arrivals.iter().enumerate().all(|(at, (flow, sent, came))| (*flow, sent) == (at as u32, came))
        );
    }

    #[test]
    fn random_loss_is_within_three_sigma_for_every_seed() {
        for share in [0.001, 0.01, 0.05] {
            for seed in 0..8 {
                let mut link = link(&format!("loss={share}"), seed);
                let lost = f64::from(PACKETS) - carry(&mut link, PACKETS, 40).len() as f64;
                let off = lost - f64::from(PACKETS) * share;
                assert!(off.abs() <= three_sigma(PACKETS, share), "seed {seed}: {lost} of {PACKETS} lost");
                assert_eq!(link.counters().dropped_loss as f64, lost);
            }
        }
    }

    /// Of the chain itself: losses come in runs, so their variance is about burst × the binomial one.
    #[test]
    fn bursts_have_the_asked_share_and_length() {
        for seed in 0..4 {
            let mut link = link("burst-loss=1%/8", seed);
            let arrived: Vec<_> = carry(&mut link, 4 * PACKETS, 40).iter().map(|(flow, ..)| *flow).collect();
            let lost = f64::from(4 * PACKETS) - arrived.len() as f64;
            let bursts = arrived.windows(2).filter(|pair| pair[1] - pair[0] > 1).count() as f64;
            let sigma = three_sigma(4 * PACKETS, 0.01) * (2.0 * 8.0_f64).sqrt();
            assert!((lost - f64::from(4 * PACKETS) * 0.01).abs() <= sigma, "seed {seed}: {lost} lost");
            assert!((lost / bursts - 8.0).abs() < 1.2, "seed {seed}: {} per burst", lost / bursts);
        }
    }

    #[test]
    fn the_rate_is_the_asked_one_and_the_queue_is_bounded() {
        for (spec, mbit) in [("rate=10mbit,queue=64k", 10.0), ("rate=300mbit,queue=1m", 300.0)] {
            let mut link = link(spec, 1);
            // Twice as much as the bottleneck lets through.
            let every_us = (1_500.0 * 8.0 / mbit / 2.0) as u64;
            let arrivals = carry(&mut link, 20_000, every_us);
            let (first, last) = (arrivals[0].2, arrivals[arrivals.len() - 1].2);
            let rate = (arrivals.len() - 1) as f64 * 12_000.0 / (last - first) as f64;
            assert!((rate / mbit - 1.0).abs() < 0.001, "{rate} Mbit/s");
            let counters = link.counters();
            assert_eq!(counters.packets, counters.delivered_packets + counters.dropped_queue);
            assert!(counters.queue_bytes_max <= 1 << 20 && counters.dropped_queue > 5_000);
        }
    }

    #[test]
    fn a_queue_in_ms_delays_by_no_more() {
        let mut link = link("rate=12mbit,queue=50ms", 1);
        let arrivals = carry(&mut link, 5_000, 500);
        let longest = arrivals.iter().map(|(_, sent, came)| came - sent).max();
        assert!(longest.is_some_and(|us| (49_000..=50_000).contains(&us)), "{longest:?}");
    }

    #[test]
    fn a_late_driver_changes_no_time() {
        let spec = "rtt=20ms,jitter=3ms,rate=20mbit,loss=2%,reorder=1%";
        let punctual = carry(&mut link(spec, 5), 5_000, 700);
        let mut late = link(spec, 5);
        for number in 0..5_000 {
            late.offer(packet(1_500, number), Instant::from_us(u64::from(number) * 700));
        }
        let now = Instant::from_us(60_000_000);
        let mut taken: Vec<_> = core::iter::from_fn(|| late.take(now))
            .map(|(due, packet)| (packet.flow, u64::from(packet.flow) * 700, due.as_us()))
            .collect();
        taken.sort_by_key(|(flow, _, due)| (*due, *flow));
        let mut punctual = punctual;
        punctual.sort_by_key(|(flow, _, due)| (*due, *flow));
        assert_eq!(taken, punctual);
    }

    #[test]
    fn jitter_keeps_the_order_and_the_mean() {
        let arrivals = carry(&mut link("delay=40ms,jitter=5ms", 3), PACKETS, 100);
        assert!(arrivals.is_sorted_by_key(|(flow, ..)| *flow));
        let delays: Vec<_> = arrivals.iter().map(|(_, sent, came)| came - sent).collect();
        let mean = delays.iter().sum::<u64>() as f64 / delays.len() as f64;
        assert!((mean - 40_000.0).abs() < 500.0, "{mean}");
        assert!(delays.iter().all(|us| (35_000..=45_001).contains(us)));
        assert!(delays.iter().min() < Some(&36_000) && delays.iter().max() > Some(&44_000));
    }

    #[test]
    fn shares_of_everything_else_are_within_three_sigma() {
        let mut link = link("delay=10ms,reorder=2%/5ms,duplicate=3%,corrupt=1%", 9);
        let arrivals = carry(&mut link, PACKETS, 100);
        let counters = link.counters();
        for (count, share) in [
            (counters.reordered, 0.02),
            (counters.duplicated, 0.03),
            (counters.corrupted, 0.01),
            (arrivals.len() as u64 - u64::from(PACKETS), 0.03),
        ] {
            let off = count as f64 - f64::from(PACKETS) * share;
            assert!(off.abs() <= three_sigma(PACKETS, share), "{count} for {share}");
        }
        let overtaken = arrivals.windows(2).filter(|pair| pair[1].0 < pair[0].0).count();
        assert!(overtaken > 1_000, "{overtaken} packets came after later ones");
    }
}

mod rules_by_themselves {
    use super::*;

    #[test]
    fn corruption_turns_one_bit() {
        let mut link = link("corrupt=100%", 1);
        link.offer(packet(100, 0), Instant::ORIGIN);
        let (_, packet) = link.take(Instant::ORIGIN).unwrap();
        assert_eq!(packet.bytes.iter().map(|byte| byte.count_ones()).sum::<u32>(), 1);
    }

    #[test]
    fn packets_above_the_mtu_are_lost_and_counted() {
        let mut link = link("mtu=1400", 1);
        link.offer(packet(1_400, 0), Instant::ORIGIN);
        link.offer(packet(1_401, 1), Instant::ORIGIN);
        assert_eq!(link.take(Instant::ORIGIN).map(|(_, packet)| packet.flow), Some(0));
        assert_eq!((link.take(Instant::ORIGIN), link.counters().dropped_mtu), (None, 1));
    }

    #[test]
    fn black_outs_keep_their_schedule_and_begin_anew_when_set() {
        let mut link = link("blackout=1s+500ms/2s", 1);
        let arrived: Vec<_> = carry(&mut link, 50, 100_000).iter().map(|(flow, ..)| *flow).collect();
        let dark = |flow: u32| (10..15).contains(&(flow % 20)) && flow >= 10;
        assert_eq!(arrived, (0..50).filter(|flow| !dark(*flow)).collect::<Vec<_>>());
        assert_eq!(link.counters().dropped_blackout, 10);
        let now = Instant::from_us(10_000_000);
        link.set(rules("blackout=0s+1s"), now);
        link.offer(packet(100, 0), now);
        link.offer(packet(100, 1), now + Duration::from_secs(1));
        assert_eq!(link.take(now + Duration::from_secs(1)).map(|(_, packet)| packet.flow), Some(1));
    }

    #[test]
    fn a_new_rate_holds_for_what_waits() {
        let mut link = link("rate=1mbit,queue=1m", 1);
        (0..10).for_each(|number| link.offer(packet(1_250, number), Instant::ORIGIN));
        link.set(rules("rate=10mbit,queue=1m"), Instant::from_us(10_000));
        let due: Vec<_> = core::iter::from_fn(|| {
            let wake = link.next_wake()?;
            link.take(wake).map(|(due, _)| due.as_us())
        })
        .collect();
        assert_eq!(due, (10..20).map(|ms| ms * 1_000).collect::<Vec<_>>());
    }

    #[test]
    fn directions_differ_and_seeds_repeat() {
        let rules = read("transatlantic,loss=1%", "rate=10mbit", "rate=50mbit,loss=5%").unwrap();
        assert_eq!(rules.up.pace.bits_per_s(), Some(10e6));
        assert_eq!((rules.up.loss, rules.down.loss), (0.01, 0.05));
        assert_eq!(rules.up.delay, Duration::from_millis(40));
        let fates = |seed| {
            let mut path = Path::new(read("loss=50%", "", "").unwrap(), seed, Instant::ORIGIN);
            let mut fate = |way| {
                path.offer(way, packet(100, 0), Instant::ORIGIN);
                path.link(way).take(Instant::ORIGIN).is_some()
            };
            (0..64).map(|_| (fate(Way::Up), fate(Way::Down))).collect::<Vec<_>>()
        };
        assert_eq!(fates(7), fates(7));
        assert_ne!(fates(7), fates(8));
        assert!(fates(7).iter().any(|(up, down)| up != down), "the two directions have fates of their own");
    }
}

mod specs {
    use super::*;
    use crate::wan::PRESETS;
    use crate::wan::rules::{Pace, QueueLimit};

    #[test]
    fn every_preset_and_key_is_read() {
        for preset in PRESETS {
            assert!(read(preset.name, "", "").is_ok(), "{}", preset.name);
            assert!(!preset.source.is_empty());
        }
        let all = "lan,delay=1.5ms,jitter=1ms,rate=2.5gbit,queue=50ms,loss=0.01,burst-loss=1%/8,reorder=1%,\
                   reorder=1%/2ms,duplicate=1%,corrupt=1%,mtu=1280,blackout=1s+1s,blackout=5s+1s/10s,gilbert-elliott=0.1%/10%/90%/1%";
        let rules = rules(all);
        assert_eq!(rules.delay, Duration::from_micros(1_500));
        assert_eq!(
            (rules.pace, rules.queue),
            (Pace::Rate(2_500_000_000), QueueLimit::Time(Duration::from_millis(50)))
        );
        assert_eq!((rules.mtu_bytes, rules.blackouts.len()), (1_280, 2));
        assert_eq!(super::rules("blackout=1s+1s,blackout=off,rate=1mbit,rate=off"), Rules::default());
    }

    #[test]
    fn what_is_wrong_is_named_with_its_cure() {
        let cases = [
            ("ocean", "one of lan"),
            ("lan,los=1%", "no \"los\""),
            ("loss=1.5", "share"),
            ("loss=-1%", "share"),
            ("loss=", "share"),
            ("rtt=80", "unit"),
            ("rtt=2h", "span"),
            ("rtt=90s", "longer than a minute"),
            ("rate=50", "rate"),
            ("rate=1bit", "rate"),
            ("queue=-1", "queue"),
            ("mtu=20", "68"),
            ("burst-loss=1%", "length"),
            ("burst-loss=1%/0.5", "length"),
            ("burst-loss=100%/8", "nothing through"),
            ("gilbert-elliott=1%", "two to four"),
            ("blackout=5s", "schedule"),
            ("blackout=5s+3s/2s", "before it ends"),
            ("trace=/nonexistent", "cannot be read"),
        ];
        for (spec, why) in cases {
            let said = read(spec, "", "").unwrap_err().to_string();
            assert!(said.contains(why) && said.contains("; "), "{spec}: {said}");
        }
    }

    #[test]
    fn the_default_queue_is_rate_times_round_trip() {
        assert_eq!(rules("rtt=100ms,rate=80mbit").queue_bytes_max(), Some(1_000_000));
        assert_eq!(rules("rtt=1ms,rate=1mbit").queue_bytes_max(), Some(65_536));
    }
}

mod over_sockets {
    use super::*;
    use crate::wan::control::{Control, ask};
    use crate::wan::{Running, UdpEnds, WanOptions, spawn};
    use core::net::{Ipv4Addr, SocketAddr};
    use std::net::UdpSocket;
    use std::os::unix::fs::PermissionsExt;

    /// Nothing here takes this long; it keeps a broken test from hanging.
    const PATIENCE: Duration = Duration::from_secs(10);

    fn socket() -> UdpSocket {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket
    }

    fn relay(spec: &str, target: SocketAddr) -> (Running, SocketAddr) {
        let ends = UdpEnds::bind((Ipv4Addr::LOCALHOST, 0).into(), target).unwrap();
        let address = ends.address();
        (spawn(WanOptions { rules: read(spec, "", "").unwrap(), seed: 1 }, ends).unwrap(), address)
    }

    /// Sends one datagram and answers it; the time that both ways took together, µs.
    fn bounce(client: &UdpSocket, server: &UdpSocket, text: &[u8]) -> u64 {
        let begun = std::time::Instant::now();
        client.send(text).unwrap();
        let mut buffer = [0; 2_048];
        let (len, from) = server.recv_from(&mut buffer).unwrap();
        assert_eq!(&buffer[..len], text);
        server.send_to(&buffer[..len], from).unwrap();
        let len = client.recv(&mut buffer).unwrap();
        assert_eq!(&buffer[..len], text);
        begun.elapsed().as_micros() as u64
    }

    #[test]
    fn clients_have_their_answers_after_the_round_trip() {
        let (server, clients) = (socket(), [socket(), socket(), socket()]);
        let (running, address) = relay("rtt=20ms", server.local_addr().unwrap());
        for (number, client) in clients.iter().enumerate() {
            client.connect(address).unwrap();
            // A busy machine makes it longer; nothing may make it shorter.
            assert!(bounce(client, &server, format!("client {number}").as_bytes()) >= 20_000);
        }
        let report = running.stop().unwrap();
        assert_eq!((report.up.packets, report.down.delivered_packets, report.undelivered), (3, 3, 0));
        assert_eq!(report.up.packet_bytes_max, 8 + 28);
    }

    #[test]
    fn it_is_steered_over_its_socket() {
        let (server, client) = (socket(), socket());
        let (running, address) = relay("loss=100%", server.local_addr().unwrap());
        client.connect(address).unwrap();
        let file = std::env::temp_dir().join(format!("longhaul-wan-test-{}.sock", std::process::id()));
        // Left of a run that crashed.
        drop(std::os::unix::net::UnixListener::bind(&file).unwrap());
        let control = Control::listen(&file, running.steering().clone()).unwrap();
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(Control::listen(&file, running.steering().clone()).is_err(), "somebody listens there");
        assert_eq!(ask(&file, "set loss=0").unwrap(), "ok");
        bounce(&client, &server, b"now it arrives");
        let refused = ask(&file, "set down los=1%").unwrap();
        assert!(refused.starts_with("error: los=1%") && ask(&file, "help").unwrap().contains("counters"));
        let counters: serde_json::Value = serde_json::from_str(&ask(&file, "counters").unwrap()).unwrap();
        assert_eq!(counters["up"]["delivered_packets"], 1);
        drop(control);
        assert!(!file.exists());
    }
}
