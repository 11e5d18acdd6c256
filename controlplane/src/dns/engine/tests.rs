//! The server's answers, taken apart by another implementation (hickory-proto).

use super::*;
use crate::dns::build::Builder;
use crate::dns::cookie::Secret;
use crate::dns::zone_file;
use hickory_proto::op::Message;
use proptest::prelude::*;

const ZONE: &str = r#"
$TTL 300
@       SOA   ns1 hostmaster 7 3600 600 86400 60
@       NS    ns1
@       NS    ns2.elsewhere.test.
@       MX    10 mail
@       MX    20 mail.elsewhere.test.
@       TXT   "v=spf1 -all" "two"
@       CAA   0 issue "ca.example"
@       HTTPS 1 . alpn=h2,h3 ipv4hint=192.0.2.1
ns1     A     192.0.2.53
ns1     AAAA  2001:db8::53
mail    A     192.0.2.25
www     A     192.0.2.80
www     A     192.0.2.81
www     AAAA  2001:db8::80
alias   CNAME www
chain   CNAME alias
out     CNAME www.elsewhere.test.
gone    CNAME nowhere
loop1   CNAME loop2
loop2   CNAME loop1
to-wild CNAME x.wild
to-kid  CNAME www.kid
*.wild  A     192.0.2.99
*.wild  TXT   "wild"
a.b.wild A    192.0.2.98
_sip._tcp SRV 1 2 5060 www
ptr     PTR   www
kid     NS    ns.kid
kid     NS    ns1
ns.kid  A     192.0.2.54
big     TXT   "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"
big     TXT   "1123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"
big     TXT   "2123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"
big     TXT   "3123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"
big     TXT   "4123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"
deep.empty.under A 192.0.2.7
"#;

fn catalog() -> Catalog {
    let mut builder = Builder::new();
    let apex = Name::from_text("example.test").unwrap();
    let zone = builder.zone(&apex).unwrap();
    let problems =
        zone_file::load(&mut builder, zone, &apex, "zone", ZONE.as_bytes(), &mut |_, _| Err("no".into()));
    assert_eq!(problems, []);
    let (catalog, findings) = builder.finish();
    assert!(findings.iter().all(|finding| !finding.is_fatal), "{findings:?}");
    catalog
}

fn settings() -> Settings {
    Settings {
        udp_bytes_max: 1_232,
        nsid: b"fra1".to_vec(),
        secrets: Some(Secrets { current: Secret([9; 16]), other: None }),
        rate: Rate { per_second: 0, slip: 2 },
        rate_exempt: Subnets::default(),
        rate_key: [1; 16],
        keepalive_ds: 100,
    }
}

struct Bench {
    engine: Engine,
    catalog: Catalog,
    steering: Steering,
    generation: u64,
}

impl Bench {
    fn new(settings: Settings) -> Self {
        Self {
            engine: Engine::new(Arc::new(settings), Arc::default()),
            catalog: catalog(),
            steering: Steering::default(),
            generation: 1,
        }
    }

    fn send(&mut self, message: &[u8], transport: Transport) -> (Outcome, Vec<u8>) {
        let mut out = vec![0; MESSAGE_BYTES_MAX];
        let asked = Asked {
            message,
            from: "198.51.100.7".parse().unwrap(),
            transport,
            now: Instant::from_us(1_000_000),
            unix_s: 1_700_000_000,
        };
        let room = if transport == Transport::Udp { 1_232 } else { MESSAGE_BYTES_MAX };
        let known = Known { catalog: &self.catalog, steering: &self.steering, generation: self.generation };
        let outcome = self.engine.answer(known, &asked, &mut out[..room]);
        out.truncate(outcome.bytes);
        (outcome, out)
    }

    fn ask(&mut self, name: &str, qtype: u16) -> Message {
        let (_, out) = self.send(&question(name, qtype, 1, None), Transport::Tcp);
        Message::from_vec(&out).unwrap()
    }
}

/// `options` are those of an OPT record that announces 1,232 bytes.
fn question(name: &str, qtype: u16, qclass: u16, options: Option<&[u8]>) -> Vec<u8> {
    let mut bytes = vec![0xab, 0xcd, 1, 0, 0, 1, 0, 0, 0, 0, 0, u8::from(options.is_some())];
    for label in name.split('.').filter(|label| !label.is_empty()) {
        bytes.push(label.len() as u8);
        bytes.extend_from_slice(label.as_bytes());
    }
    bytes.push(0);
    bytes.extend_from_slice(&qtype.to_be_bytes());
    bytes.extend_from_slice(&qclass.to_be_bytes());
    if let Some(options) = options {
        bytes.extend_from_slice(&[0, 0, 41, 0x04, 0xd0, 0, 0, 0, 0, 0, options.len() as u8]);
        bytes.extend_from_slice(options);
    }
    bytes
}

/// An answer in one line: code and flags, then each section's records as owner, type and data.
fn shown(message: &Message) -> String {
    let section = |records: &[hickory_proto::rr::Record]| {
        let mut lines: Vec<String> =
            records.iter().map(|r| format!("{} {} {}", r.name, r.record_type(), r.data)).collect();
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

const SOA: &str = "example.test. SOA ns1.example.test. hostmaster.example.test. 7 3600 600 86400 60";

#[test]
fn every_kind_of_name_has_its_answer() {
    let mut bench = Bench::new(settings());
    let www = "www.example.test. A 192.0.2.80, www.example.test. A 192.0.2.81";
    let cases = [
        ("www.example.test", 1, format!("NoError aa | {www} |  | ")),
        ("www.example.test", 28, "NoError aa | www.example.test. AAAA 2001:db8::80 |  | ".into()),
        ("www.example.test", 16, format!("NoError aa |  | {SOA} | ")),
        ("nothing.example.test", 1, format!("NXDomain aa |  | {SOA} | ")),
        ("alias.example.test", 1, format!("NoError aa | alias.example.test. CNAME www.example.test., {www} |  | ")),
        ("alias.example.test", 5, "NoError aa | alias.example.test. CNAME www.example.test. |  | ".into()),
        (
            "chain.example.test",
            28,
            "NoError aa | alias.example.test. CNAME www.example.test., chain.example.test. CNAME alias.example.test., \
             www.example.test. AAAA 2001:db8::80 |  | "
                .into(),
        ),
        ("out.example.test", 1, "NoError aa | out.example.test. CNAME www.elsewhere.test. |  | ".into()),
        (
            "gone.example.test",
            1,
            format!("NXDomain aa | gone.example.test. CNAME nowhere.example.test. | {SOA} | "),
        ),
        ("x.wild.example.test", 1, "NoError aa | x.wild.example.test. A 192.0.2.99 |  | ".into()),
        ("x.y.wild.example.test", 1, "NoError aa | x.y.wild.example.test. A 192.0.2.99 |  | ".into()),
        ("x.wild.example.test", 28, format!("NoError aa |  | {SOA} | ")),
        ("b.wild.example.test", 1, format!("NoError aa |  | {SOA} | ")),
        ("x.b.wild.example.test", 1, format!("NXDomain aa |  | {SOA} | ")),
        (
            "to-wild.example.test",
            1,
            "NoError aa | to-wild.example.test. CNAME x.wild.example.test., x.wild.example.test. A 192.0.2.99 |  | "
                .into(),
        ),
        ("empty.under.example.test", 1, format!("NoError aa |  | {SOA} | ")),
        (
            "deep.kid.example.test",
            1,
            "NoError |  | kid.example.test. NS ns.kid.example.test., kid.example.test. NS ns1.example.test. | \
             ns.kid.example.test. A 192.0.2.54, ns1.example.test. A 192.0.2.53, ns1.example.test. AAAA 2001:db8::53"
                .into(),
        ),
        ("kid.example.test", 43, format!("NoError aa |  | {SOA} | ")),
        (
            "to-kid.example.test",
            1,
            "NoError aa | to-kid.example.test. CNAME www.kid.example.test. | kid.example.test. NS ns.kid.example.test., \
             kid.example.test. NS ns1.example.test. | ns.kid.example.test. A 192.0.2.54, \
             ns1.example.test. A 192.0.2.53, ns1.example.test. AAAA 2001:db8::53"
                .into(),
        ),
        (
            "example.test",
            15,
            "NoError aa | example.test. MX 10 mail.example.test., example.test. MX 20 mail.elsewhere.test. |  | \
             mail.example.test. A 192.0.2.25"
                .into(),
        ),
        ("example.test", 6, format!("NoError aa | {SOA} |  | ")),
        ("example.test", 257, "NoError aa | example.test. CAA 0 issue \"ca.example\" |  | ".into()),
        ("ptr.example.test", 12, "NoError aa | ptr.example.test. PTR www.example.test. |  | ".into()),
        ("www.example.test", 255, "NoError aa | www.example.test. HINFO RFC8482  |  | ".into()),
        ("www.other.test", 1, "Refused |  |  | ".into()),
        ("test", 1, "Refused |  |  | ".into()),
        ("", 2, "Refused |  |  | ".into()),
        ("example.test", 252, "Refused |  |  | ".into()),
        ("www.example.test", 65_535, format!("NoError aa |  | {SOA} | ")),
        ("ns.kid.example.test", 1, "NoError |  | kid.example.test. NS ns.kid.example.test., kid.example.test. NS \
         ns1.example.test. | ns.kid.example.test. A 192.0.2.54, ns1.example.test. A 192.0.2.53, ns1.example.test. AAAA \
         2001:db8::53".into()),
    ];
    for (name, qtype, expected) in &cases {
        assert_eq!(shown(&bench.ask(name, *qtype)), *expected, "{name} {qtype}");
    }
    let looped = bench.ask("loop1.example.test", 1);
    assert_eq!(looped.answers.len(), 2 * (1 + crate::dns::limits::ALIASES_MAX) / 2);
}

#[test]
fn negative_answers_live_as_long_as_the_zone_says() {
    let mut bench = Bench::new(settings());
    assert_eq!(bench.ask("nothing.example.test", 1).authorities[0].ttl, 60);
    assert_eq!(bench.ask("www.example.test", 1).answers[0].ttl, 300);
}

#[test]
fn the_question_comes_back_letter_by_letter() {
    let mut bench = Bench::new(settings());
    let asked = question("wWw.ExAmPlE.tEsT", 1, 1, None);
    let (_, out) = bench.send(&asked, Transport::Udp);
    assert_eq!(out[12..asked.len()], asked[12..]);
    assert_eq!((&out[..2], out[2], out[3]), (&[0xab, 0xcd][..], 0x85, 0));
}

#[test]
fn what_does_not_fit_is_cut_and_comes_over_tcp() {
    let mut bench = Bench::new(settings());
    let plain = question("big.example.test", 16, 1, None);
    let (outcome, out) = bench.send(&plain, Transport::Udp);
    assert!(outcome.truncated && out.len() <= 512);
    assert_eq!(shown(&Message::from_vec(&out).unwrap()), "NoError aa tc |  |  | ");
    let (outcome, out) = bench.send(&plain, Transport::Tcp);
    assert!(!outcome.truncated);
    assert_eq!(Message::from_vec(&out).unwrap().answers.len(), 5);
    let (outcome, out) = bench.send(&question("big.example.test", 16, 1, Some(&[])), Transport::Udp);
    assert!(!outcome.truncated && out.len() > 512);
}

#[test]
fn options_are_answered() {
    let mut bench = Bench::new(settings());
    let (_, out) = bench.send(
        &question("www.example.test", 1, 1, Some(b"\x00\x03\x00\x00\x00\x0a\x00\x08abcdefgh\x00\x08\x00\x07\x00\x01\x18\x00\xc0\x00\x02\x00\x0b\x00\x00")),
        Transport::Tcp,
    );
    let has = |part: &[u8]| out.windows(part.len()).any(|window| window == part);
    assert!(has(b"\x00\x03\x00\x04fra1"), "who we are");
    assert!(has(b"\x00\x0a\x00\x18abcdefgh\x01\x00\x00\x00"), "a cookie");
    assert!(has(b"\x00\x08\x00\x07\x00\x01\x18\x00\xc0\x00\x02"), "the subnet, good for everybody");
    assert!(has(b"\x00\x0b\x00\x02\x00\x64"), "how long we wait");
    let (_, out) = bench.send(&question("a.other", 1, 1, Some(&[])), Transport::Udp);
    assert!(out.ends_with(b"\x00\x0f\x00\x02\x00\x14"), "not authoritative");
    let (_, out) = bench.send(&question("a.other", 1, 1, None), Transport::Udp);
    assert_eq!(out[10..12], [0, 0], "no OPT where none was asked");
    let (outcome, _) = bench.send(&question("a.test", 1, 1, Some(b"\x00\x0a\x00\x01x")), Transport::Udp);
    assert_eq!(outcome.code, ResponseCode::FormErr);
}

#[test]
fn the_server_tells_its_name_and_no_more() {
    let mut bench = Bench::new(settings());
    let mut chaos = |name| {
        shown(&Message::from_vec(&bench.send(&question(name, 16, 3, None), Transport::Udp).1).unwrap())
    };
    assert_eq!(chaos("id.server"), "NoError aa | id.server. TXT fra1 |  | ");
    assert_eq!(chaos("version.bind"), "Refused |  |  | ");
}

#[test]
fn a_flood_is_held_and_a_cookie_lets_through() {
    let rate = Rate { per_second: 5, slip: 2 };
    let mut bench = Bench::new(Settings { rate, ..settings() });
    let plain = question("www.example.test", 1, 1, None);
    let outcomes: Vec<Outcome> = (0..9).map(|_| bench.send(&plain, Transport::Udp).0).collect();
    assert!(outcomes[..5].iter().all(|outcome| !outcome.limited && outcome.bytes > 0));
    assert!(outcomes[5..].iter().all(|outcome| outcome.limited));
    assert_eq!(outcomes[5..].iter().filter(|outcome| outcome.bytes > 0 && outcome.truncated).count(), 2);
    assert!(outcomes[5..].iter().all(|outcome| outcome.bytes <= plain.len()), "a slip amplifies nothing");
    assert!(!bench.send(&plain, Transport::Tcp).0.limited);
    let with_cookie = |cookie: &[u8]| {
        let option = [&[0, 10, 0, cookie.len() as u8][..], cookie].concat();
        question("www.example.test", 1, 1, Some(&option))
    };
    let held: Vec<_> = (0..2).map(|_| bench.send(&with_cookie(b"abcdefgh"), Transport::Udp)).collect();
    let (_, told) = held.iter().find(|(outcome, _)| outcome.code == ResponseCode::BadCookie).expect("told");
    let at = told.windows(8).position(|window| window == b"abcdefgh").unwrap();
    let cookie = &told[at..at + COOKIE_BYTES];
    assert!((0..20).all(|_| !bench.send(&with_cookie(cookie), Transport::Udp).0.limited));
}

#[test]
fn bad_requests_get_their_code() {
    let mut bench = Bench::new(settings());
    let mut code = |bytes: &[u8]| {
        let (outcome, out) = bench.send(bytes, Transport::Udp);
        (outcome.code.name(), out.len())
    };
    assert_eq!(code(b""), ("NOERROR", 0));
    assert_eq!(code(&[1, 2, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0]), ("FORMERR", 12));
    assert_eq!(code(&[1, 2, 0x28, 0, 0, 1, 0, 0, 0, 0, 0, 0]), ("NOTIMP", 12));
    let cookie = b"\xab\xcd\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x29\x04\xd0\x00\x00\x00\x00\x00\x0c\x00\x0a\x00\x08abcdefgh";
    assert_eq!(code(cookie), ("NOERROR", 12 + 11 + 4 + COOKIE_BYTES));
}

fn any_name() -> impl Strategy<Value = String> {
    let label = prop::sample::select(vec![
        "www", "alias", "chain", "gone", "wild", "x", "b", "a", "kid", "ns", "big", "empty", "under", "deep",
        "*", "WILD", "_sip", "_tcp", "loop1", "to-wild", "to-kid", "ns1", "mail",
    ]);
    prop::collection::vec(label, 0..4).prop_map(|labels| labels.join(".") + ".example.test")
}

/// A request that is asked again: the same rate, the same slips, as if each answer were composed anew.
#[test]
fn a_flood_of_what_was_answered_before_is_held_as_well() {
    let rate = Rate { per_second: 5, slip: 2 };
    for edns in [None, Some(&[][..])] {
        let mut bench = Bench::new(Settings { rate, ..settings() });
        let plain = question("www.example.test", 1, 1, edns);
        let outcomes: Vec<(Outcome, Vec<u8>)> = (0..9).map(|_| bench.send(&plain, Transport::Udp)).collect();
        assert!(outcomes[..5].iter().all(|(outcome, out)| !outcome.limited && *out == outcomes[0].1));
        let slips: Vec<_> = outcomes[5..].iter().filter(|(outcome, _)| outcome.bytes > 0).collect();
        assert_eq!(slips.len(), 2);
        for (outcome, out) in slips {
            assert!(outcome.limited && outcome.truncated && out.len() <= plain.len());
            assert_eq!(shown(&Message::from_vec(out).unwrap()), "NoError tc |  |  | ");
        }
    }
}

#[test]
fn another_generation_has_its_own_answers() {
    let mut bench = Bench::new(settings());
    let asked = question("www.example.test", 28, 1, None);
    let (_, before) = bench.send(&asked, Transport::Udp);
    let mut builder = Builder::new();
    let apex = Name::from_text("example.test").unwrap();
    let zone = builder.zone(&apex).unwrap();
    let text = "@ 60 SOA ns1 hostmaster 8 3600 600 86400 60\n@ 60 NS ns1.elsewhere.test.\nwww 60 AAAA 2001:db8::81\n";
    zone_file::load(&mut builder, zone, &apex, "zone", text.as_bytes(), &mut |_, _| Err("no".into()));
    bench.catalog = builder.finish().0;
    assert_eq!(
        bench.send(&asked, Transport::Udp).1,
        before,
        "the generation has not been said to be another"
    );
    bench.generation = 2;
    let (_, after) = bench.send(&asked, Transport::Udp);
    assert_eq!(
        shown(&Message::from_vec(&after).unwrap()),
        "NoError aa | www.example.test. AAAA 2001:db8::81 |  | "
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// What is answered again is what was answered, and what a server that remembers nothing answers, whatever was asked
    /// between.
    #[test]
    fn answers_stay_the_same(asked in prop::collection::vec((any_name(), prop::sample::select(vec![1u16, 2, 5, 15, 28, 65, 255]), any::<bool>(), any::<[bool; 2]>()), 1..12)) {
        let mut bench = Bench::new(settings());
        for (name, qtype, edns, flags) in asked.iter().chain(&asked) {
            let mut message = question(name, *qtype, 1, edns.then_some(&[][..]));
            message[2] = u8::from(flags[0]);
            message[3] = u8::from(flags[1]) << 4;
            let (outcome, out) = bench.send(&message, Transport::Udp);
            let (fresh, due) = Bench::new(settings()).send(&message, Transport::Udp);
            prop_assert_eq!(&out, &due);
            prop_assert_eq!((outcome.zone, outcome.code, outcome.truncated), (fresh.zone, fresh.code, fresh.truncated));
        }
    }

    /// Whatever is asked, the answer is a message that another implementation reads, is no longer than announced, and
    /// has the question as it was; over TCP it is never cut.
    #[test]
    fn answers_are_messages(name in any_name(), qtype in prop::sample::select(vec![1u16, 2, 5, 6, 12, 15, 16, 28, 33, 43, 65, 255, 257, 999]), edns: bool) {
        let mut bench = Bench::new(settings());
        let asked = question(&name, qtype, 1, edns.then_some(&[][..]));
        let (_, over_udp) = bench.send(&asked, Transport::Udp);
        let (whole, over_tcp) = bench.send(&asked, Transport::Tcp);
        let announced = if edns { 1_232 } else { 512 };
        prop_assert!(over_udp.len() <= announced);
        prop_assert!(!whole.truncated);
        for out in [&over_udp, &over_tcp] {
            let read = Message::from_vec(out).unwrap();
            let question = 12..asked.len() - if edns { 11 } else { 0 };
            prop_assert_eq!(&out[question.clone()], &asked[question]);
            prop_assert_eq!(read.edns.is_some(), edns);
            if read.metadata.truncation {
                prop_assert!(read.answers.is_empty());
            } else {
                prop_assert_eq!(shown(&read), shown(&Message::from_vec(&over_tcp).unwrap()));
            }
        }
    }

    /// No bytes make it panic, and what is no query gets at most as much as it sent plus an OPT record.
    #[test]
    fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..200), cut in 0usize..64, flips in prop::collection::vec((0usize..64, any::<u8>()), 0..4)) {
        let mut bench = Bench::new(settings());
        bench.send(&bytes, Transport::Udp);
        let mut near = question("www.example.test", 1, 1, Some(b"\x00\x0a\x00\x08abcdefgh"));
        for (at, byte) in flips {
            let length = near.len();
            near[at % length] = byte;
        }
        near.truncate(near.len().saturating_sub(cut % 8));
        let (_, out) = bench.send(&near, Transport::Udp);
        prop_assert!(out.is_empty() || Message::from_vec(&out).is_ok());
    }
}
