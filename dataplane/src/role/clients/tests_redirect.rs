//! Front-ends that send their clients to each other: what is sent on and what is served, and that nobody is sent on twice,
//! whatever their tables say.

use core::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};

use crate::access::{AccessRecord, Rule, SLOT_BYTES};
use crate::exchange::envelope::{OpeningEnvelope, Parsed, ReplyEnvelope};
use crate::exchange::failure::Failure;
use crate::exchange::link::{Answer, Ask, Asker, Downstream, Opening, Served, Upstream, Way};
use crate::port::{ListenerId, Port, PortOptions, TcpFailure, Token};
use crate::role::clients::{Clients, ClientsOptions, RecordSink};
use crate::role::counters::Counters;
use crate::role::limits::Limits;
use crate::role::plan::{Listener, Plan, Route, Site};
use crate::role::redirects::{RedirectStatus, RedirectTarget, Redirects, SiteRedirects};
use crate::role::token;
use crate::stdx::network::Network;
use crate::stdx::prng::Prng;
use crate::time::Instant;
use crate::tmp::key::PrivateKey;
use crate::tmp::random::PredictableRandom;

const CLIENT: IpAddr = IpAddr::V4(core::net::Ipv4Addr::new(198, 51, 100, 7));

/// Rule, status, target and node of each record.
type Log = Arc<Mutex<Vec<(Rule, u16, String, String)>>>;

struct Records(Log);

impl RecordSink for Records {
    fn put(&mut self, encode: &mut dyn FnMut(&mut [u8]) -> usize) -> bool {
        let mut slot = [0; SLOT_BYTES];
        let used = encode(&mut slot);
        let record = AccessRecord::decode(&slot[..used]).unwrap();
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let line = (record.decision.rule, record.status, text(record.target), text(record.redirected_to));
        self.0.lock().unwrap().push(line);
        true
    }
}

/// Answers everything at once; keeps what it was asked.
#[derive(Default)]
struct Origin {
    asked: Vec<(Asker, String)>,
    heads: Vec<u8>,
}

impl Upstream for Origin {
    fn open(
        &mut self,
        _: Instant,
        _: &mut Port,
        _: Way,
        asker: Asker,
        opening: &Opening<'_>,
    ) -> Result<Served, Failure> {
        let Parsed::Complete(envelope, _) = OpeningEnvelope::parse(opening.envelope) else { panic!() };
        self.asked.push((asker, String::from_utf8(envelope.site.to_vec()).unwrap()));
        Ok(Served::default())
    }

    fn ask(&mut self, _: Instant, _: &mut Port, _: Way, _: Asker, _: Served, ask: Ask<'_>) -> bool {
        if let Ask::Data(bytes) = ask {
            self.heads.extend_from_slice(bytes);
        }
        true
    }
}

/// One front-end.
struct Front {
    clients: Clients,
    port: Port,
    origin: Origin,
    log: Log,
    counters: Arc<Counters>,
}

fn own(front: usize, site: &str) -> String {
    format!("f{front}.{site}")
}

impl Front {
    /// Serves the sites, each under its name and under the own names that `fronts` machines have for it.
    fn new(sites: &[&str], fronts: usize) -> Self {
        let address = SocketAddr::from(([127, 0, 0, 1], 80));
        let site = |name: String, alias_of: Option<&str>| Site {
            name,
            way: Way::Route(0),
            others: Vec::new(),
            alias_of: alias_of.map(str::to_owned),
            retired: None,
        };
        let mut all = Vec::new();
        for name in sites {
            all.push(site((*name).to_owned(), None));
            all.extend((0..fronts).map(|front| site(own(front, name), Some(name))));
        }
        let plan = Plan {
            listeners: vec![Listener { address, proxy: false, tcp_site: None, carries_tunnels: false }],
            sites: all.into(),
            routes: vec![Route {
                name: "east".to_owned(),
                public_key: PrivateKey::generate(&mut PredictableRandom::new(9)).public(),
                addresses: vec![address],
                carriers: Vec::new(),
                chosen: crate::tmp::spread::PathUse::default(),
                owner: 0,
                retired: None,
            }],
            pseudonym: "test".to_owned(),
            ..Plan::default()
        };
        let limits =
            Limits { connections_max: 4, exchanges_max: 4, held_bytes: 1 << 20, ..Limits::default() };
        let (log, counters) = (Log::default(), Arc::new(Counters::default()));
        let clients = Clients::new(ClientsOptions {
            plan: Arc::new(plan),
            limits: Arc::new(limits),
            counters: counters.clone(),
            worker: 0,
            unix_origin_us: 0,
            decision_seed: 0,
            records: Box::new(Records(log.clone())),
        });
        let port = Port::new(&PortOptions { tcp_max: 4, block_bytes: 4_096, blocks: 256, trains: 1 });
        Self { clients, port, origin: Origin::default(), log, counters }
    }

    /// What a client reads who sends this on a connection of its own; whoever gets through is answered with 200.
    fn ask(&mut self, request: &str) -> String {
        let now = Instant::from_us(1);
        let Self { clients, port, origin, .. } = self;
        let tcp = port.insert(Token::default()).unwrap();
        clients.on_accepted(now, port, origin, tcp, ListenerId(0), SocketAddr::new(CLIENT, 4_000));
        let (_, handle) = token::unpack(port.token(tcp).unwrap()).unwrap();
        clients.on_read(now, port, origin, handle, request.as_bytes());
        clients.flush(now, port, origin);
        if let Some((asker, _)) = origin.asked.last().cloned() {
            let mut answer = ReplyEnvelope::default().encode().to_vec();
            answer.extend_from_slice(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
            assert!(clients.answer(now, port, asker, Answer::Data(&answer)));
            assert!(clients.answer(now, port, asker, Answer::Finish));
            clients.flush(now, port, origin);
        }
        let bytes: Vec<u8> = port.outgoing(tcp).flatten().copied().collect();
        clients.on_failed(now, port, origin, handle, TcpFailure::Reset);
        port.release(tcp);
        String::from_utf8(bytes).unwrap()
    }
}

/// Who of `fronts` is better for the client, with 302 or 307, with or without hints.
fn sends(
    site: &str,
    to: usize,
    fronts: usize,
    status: Option<RedirectStatus>,
    hints: bool,
) -> (String, SiteRedirects) {
    let target = |front: usize| RedirectTarget {
        node: format!("n{front}").into(),
        base: format!("http://{}", own(front, site)),
        alternative: format!("http%2F1.1=\"{}:80\"; ma=60", own(front, site)),
    };
    let network = Network::of(CLIENT, 24);
    let rules = SiteRedirects {
        status,
        hints,
        targets: (0..fronts).map(target).collect(),
        verdicts: Arc::new([(network, Some(to as u16))].into_iter().collect()),
    };
    (site.to_owned(), rules)
}

fn status(answer: &str) -> u16 {
    answer.split(' ').nth(1).unwrap_or_else(|| panic!("no answer: {answer:?}")).parse().unwrap()
}

fn location(answer: &str) -> Option<&str> {
    answer.lines().find_map(|line| line.strip_prefix("Location: "))
}

#[test]
fn what_is_sent_on_and_what_is_served() {
    use RedirectStatus::{Found, Temporary};
    let get = |fields: &str| format!("GET /a?b HTTP/1.1\r\nHost: shop\r\n{fields}\r\n");
    let with = |method: &str, rest: &str| format!("{method} /a HTTP/1.1\r\nHost: shop\r\n{rest}");
    let cases: [(String, Option<RedirectStatus>, u16, &str); 16] = [
        (get(""), Some(Found), 302, "http://f1.shop/a?b"),
        (get(""), Some(Temporary), 307, "http://f1.shop/a?b"),
        (get(""), None, 200, ""),
        ("GET http://SHOP:80/x HTTP/1.1\r\nHost: y\r\n\r\n".into(), Some(Found), 302, "http://f1.shop/x"),
        (with("HEAD", "\r\n"), Some(Found), 302, "http://f1.shop/a"),
        // 302 would become GET.
        (with("POST", "Content-Length: 0\r\n\r\n"), Some(Found), 200, ""),
        (with("DELETE", "\r\n"), Some(Found), 200, ""),
        (with("OPTIONS", "\r\n"), Some(Found), 200, ""),
        (with("DELETE", "\r\n"), Some(Temporary), 307, "http://f1.shop/a"),
        (with("POST", "Content-Length: 0\r\n\r\n"), Some(Temporary), 307, "http://f1.shop/a"),
        // A body is on its way here already.
        (with("POST", "Content-Length: 2\r\n\r\nhi"), Some(Temporary), 200, ""),
        (with("PUT", "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), Some(Temporary), 200, ""),
        // No path, another protocol, or a client that was sent before.
        ("OPTIONS * HTTP/1.1\r\nHost: shop\r\n\r\n".into(), Some(Temporary), 200, ""),
        (get("Alt-Used: f0.shop\r\n"), Some(Found), 200, ""),
        ("GET /a HTTP/1.1\r\nHost: f0.shop\r\n\r\n".into(), Some(Found), 200, ""),
        ("GET /a HTTP/1.1\r\nHost: f1.shop:80\r\n\r\n".into(), Some(Found), 200, ""),
    ];
    for (request, how, due, to) in cases {
        let mut front = Front::new(&["shop"], 2);
        front.clients.take_redirects(Arc::new(Redirects::new([sends("shop", 1, 2, how, false)], [])));
        let answer = front.ask(&request);
        assert_eq!((status(&answer), location(&answer).unwrap_or_default()), (due, to), "{request}{answer}");
        let log = front.log.lock().unwrap().clone();
        let [(rule, status, _, node)] = &log[..] else { panic!("{log:?}") };
        assert_eq!(
            (*status, *rule == Rule::Redirect, node == "n1"),
            (due, due != 200, due != 200),
            "{log:?}"
        );
        assert_eq!(front.counters.redirects.read(), u64::from(due != 200));
        assert_eq!(front.origin.asked.len(), usize::from(due == 200), "{request}");
    }
}

#[test]
fn who_has_no_verdict_is_served_and_so_are_our_own_machines() {
    let mut front = Front::new(&["shop"], 2);
    let get = "GET / HTTP/1.1\r\nHost: shop\r\n\r\n";
    assert_eq!(status(&front.ask(get)), 200);
    let (name, rules) = sends("shop", 1, 2, Some(RedirectStatus::Found), true);
    let nobody = SiteRedirects { verdicts: Arc::default(), ..rules.clone() };
    front.clients.take_redirects(Arc::new(Redirects::new([(name.clone(), nobody)], [])));
    assert_eq!(status(&front.ask(get)), 200);
    let lost = SiteRedirects { targets: Vec::new(), ..rules.clone() };
    front.clients.take_redirects(Arc::new(Redirects::new([(name.clone(), lost)], [])));
    assert_eq!(status(&front.ask(get)), 200);
    front.clients.take_redirects(Arc::new(Redirects::new([(name.clone(), rules.clone())], [CLIENT])));
    assert_eq!(status(&front.ask(get)), 200);
    front.clients.take_redirects(Arc::new(Redirects::new([(name, rules)], [])));
    assert_eq!(status(&front.ask(get)), 302);
}

#[test]
fn answers_that_are_given_here_name_the_better_place() {
    let mut front = Front::new(&["shop"], 2);
    front.clients.take_redirects(Arc::new(Redirects::new([sends("shop", 1, 2, None, true)], [])));
    let hint = "Alt-Svc: http%2F1.1=\"f1.shop:80\"; ma=60\r\n";
    assert!(front.ask("GET / HTTP/1.1\r\nHost: shop\r\n\r\n").contains(hint));
    assert_eq!(front.counters.alt_svc_hints.read(), 1);
    for quiet in ["Host: shop\r\nAlt-Used: f1.shop", "Host: f1.shop"] {
        assert!(!front.ask(&format!("GET / HTTP/1.1\r\n{quiet}\r\n\r\n")).contains("Alt-Svc"), "{quiet}");
    }
    assert_eq!(front.counters.alt_svc_hints.read(), 1);
    let both = Redirects::new([sends("shop", 1, 2, Some(RedirectStatus::Found), true)], []);
    front.clients.take_redirects(Arc::new(both));
    assert!(front.ask("GET / HTTP/1.1\r\nHost: shop\r\n\r\n").contains(hint));
}

#[test]
fn the_next_hop_is_told_the_sites_name() {
    let mut front = Front::new(&["shop"], 2);
    front.ask("GET / HTTP/1.1\r\nHost: F1.shop:8080\r\n\r\n");
    let head = String::from_utf8(front.origin.heads.clone()).unwrap();
    assert!(head.contains("\r\nHost: shop\r\n") && head.contains("X-Forwarded-Host: F1.shop:8080"), "{head}");
    assert_eq!(front.origin.asked[0].1, "shop");
    assert_eq!(front.log.lock().unwrap()[0].0, Rule::SiteAlias);
}

#[test]
fn a_connection_goes_on_after_a_redirection() {
    let mut front = Front::new(&["shop"], 2);
    front.clients.take_redirects(Arc::new(Redirects::new(
        [sends("shop", 1, 2, Some(RedirectStatus::Found), false)],
        [],
    )));
    let get = "GET /1 HTTP/1.1\r\nHost: shop\r\n\r\n";
    let answers = front.ask(&format!("{get}{get}GET /2 HTTP/1.1\r\nHost: f1.shop\r\n\r\n"));
    let found: Vec<&str> = answers.lines().filter(|line| line.starts_with("HTTP/1.1 ")).collect();
    assert_eq!(found, ["HTTP/1.1 302 Found", "HTTP/1.1 302 Found", "HTTP/1.1 200 OK"]);
    let old = front.ask("GET / HTTP/1.0\r\nHost: shop\r\n\r\n");
    assert!(old.starts_with("HTTP/1.1 302") && old.contains("Connection: close"), "{old}");
}

/// Four front-ends whose tables are drawn at random for every request, so that they contradict each other and what they said a
/// moment ago: everybody is better somewhere else, always. A client that follows is served after one step, and asked for the
/// same path.
#[test]
fn nobody_is_sent_on_twice_whatever_the_tables_say() {
    const FRONTS: usize = 4;
    let sites = ["shop", "pay"];
    let mut random = Prng::new(7);
    let mut steps = [0; 2];
    let mut fronts: Vec<Front> = (0..FRONTS).map(|_| Front::new(&sites, FRONTS)).collect();
    for turn in 0..4_000 {
        for (number, front) in fronts.iter_mut().enumerate() {
            let mut drawn = |site: &str| {
                // Its own name among them: a table of another tree, or a wrong one.
                let to = random.below(FRONTS as u64) as usize;
                let how = [None, Some(RedirectStatus::Found), Some(RedirectStatus::Temporary)];
                let how = how[random.below(3) as usize];
                let wrong = random.below(10) == 0;
                sends(site, if wrong { number } else { to }, FRONTS, how, random.below(2) == 0)
            };
            let table = Redirects::new(sites.map(&mut drawn), []);
            front.clients.take_redirects(Arc::new(table));
        }
        let site = sites[random.below(2) as usize];
        let (mut at, mut host) = (random.below(FRONTS as u64) as usize, site.to_owned());
        // Sometimes a name leads to another machine than it should.
        let is_astray = random.below(10) == 0;
        let mut taken = 0;
        loop {
            let answer = fronts[at].ask(&format!("GET /{turn} HTTP/1.1\r\nHost: {host}\r\n\r\n"));
            let Some(to) = location(&answer) else {
                assert_eq!(status(&answer), 200, "{answer}");
                break;
            };
            taken += 1;
            assert!(taken <= 1, "sent on twice, to {to}");
            let (next, path) = to.strip_prefix("http://").unwrap().split_once('/').unwrap();
            assert_eq!(path, turn.to_string());
            host = next.to_owned();
            let named: usize = host[1..2].parse().unwrap();
            at = if is_astray { random.below(FRONTS as u64) as usize } else { named };
        }
        steps[taken] += 1;
        assert!(fronts[at].origin.asked.iter().all(|(_, asked)| sites.contains(&asked.as_str())));
        fronts[at].origin.asked.clear();
    }
    assert!(steps[0] > 500 && steps[1] > 1_000, "{steps:?}");
}
