//! Clients before a server that is played by the test: what a slow or greedy client costs, and when it is let go.

use core::net::SocketAddr;
use std::sync::Arc;

use crate::exchange::envelope::{OpeningEnvelope, Parsed, ReplyEnvelope};
use crate::exchange::failure::Failure;
use crate::exchange::link::{Answer, Ask, Asker, Downstream, Kind, Opening, Served, Standing, Upstream, Way};
use crate::port::{Ending, ListenerId, Port, PortOptions, TcpId, Token};
use crate::role::clients::{Clients, ClientsOptions, RecordSink};
use crate::role::counters::Counters;
use crate::role::limits::Limits;
use crate::role::plan::{Listener, Origin, Plan, Route, Site};
use crate::role::token;
use crate::stdx::slab::Handle;
use crate::time::{Duration, Instant};
use crate::tmp::key::PrivateKey;
use crate::tmp::random::PredictableRandom;

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";

const EAST: Way = Way::Route(0);
const WEST: Way = Way::Route(1);
const PUT: &[u8] = b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n";

struct NoRecords;

impl RecordSink for NoRecords {
    fn put(&mut self, _: &mut dyn FnMut(&mut [u8]) -> usize) -> bool {
        true
    }
}

/// A server that notes what it is asked.
#[derive(Default)]
struct Server {
    opened: Vec<Asker>,
    sites: Vec<Vec<u8>>,
    data: Vec<u8>,
    finished: usize,
    /// The ring to it is full.
    is_full: bool,
    /// Where each exchange went, in the order of `opened`.
    ways: Vec<Way>,
    down: Vec<Way>,
    abandoned: Vec<Asker>,
    asked_back: Vec<Asker>,
}

impl Upstream for Server {
    fn standing(&self, way: Way) -> Standing {
        if self.down.contains(&way) { Standing::Down } else { Standing::Good }
    }

    fn can_open(&mut self, _: Way, _: u8, _: usize) -> bool {
        !self.is_full
    }

    fn open(
        &mut self,
        _: Instant,
        _: &mut Port,
        way: Way,
        asker: Asker,
        opening: &Opening<'_>,
    ) -> Result<Served, Failure> {
        self.opened.push(asker);
        self.ways.push(way);
        let Parsed::Complete(envelope, _) = OpeningEnvelope::parse(opening.envelope) else { panic!() };
        self.sites.push(envelope.site.to_vec());
        Ok(Served::default())
    }

    fn ask(&mut self, _: Instant, _: &mut Port, _: Way, asker: Asker, _: Served, ask: Ask<'_>) -> bool {
        if self.is_full {
            return false;
        }
        match ask {
            Ask::Data(bytes) => self.data.extend_from_slice(bytes),
            Ask::Finish => self.finished += 1,
            Ask::Abandon => self.abandoned.push(asker),
            Ask::TakeBack => self.asked_back.push(asker),
            Ask::Grant(_) => {}
        }
        true
    }
}

struct World {
    clients: Clients,
    port: Port,
    server: Server,
    now: Instant,
}

impl World {
    fn new() -> Self {
        Self::of("a", None)
    }

    /// One site of this name, and one listener: for plain TCP to it, or for HTTP.
    fn of(site: &str, tcp_site: Option<u16>) -> Self {
        let address = SocketAddr::from(([127, 0, 0, 1], 80));
        let plan = Plan {
            listeners: vec![Listener { address, proxy: false, tcp_site, carries_tunnels: false }],
            sites: vec![Site {
                name: site.to_owned(),
                way: Way::Route(0),
                others: Vec::new(),
                alias_of: None,
                retired: None,
            }]
            .into(),
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
        let clients = Clients::new(ClientsOptions {
            plan: Arc::new(plan),
            limits: Arc::new(limits),
            counters: Arc::new(Counters::default()),
            worker: 0,
            unix_origin_us: 0,
            decision_seed: 0,
            records: Box::new(NoRecords),
        });
        let port = Port::new(&PortOptions { tcp_max: 4, block_bytes: 4_096, blocks: 256, trains: 1 });
        Self { clients, port, server: Server::default(), now: Instant::from_us(1) }
    }

    fn accept(&mut self) -> (TcpId, Handle) {
        let tcp = self.port.insert(Token::default()).unwrap();
        let peer = SocketAddr::from(([127, 0, 0, 1], 4_000));
        let Self { clients, port, server, now } = self;
        clients.on_accepted(*now, port, server, tcp, ListenerId(0), peer);
        let (_, handle) = token::unpack(port.token(tcp).unwrap()).unwrap();
        (tcp, handle)
    }

    fn read(&mut self, handle: Handle, bytes: &[u8]) {
        let Self { clients, port, server, now } = self;
        clients.on_read(*now, port, server, handle, bytes);
        clients.flush(*now, port, server);
    }

    /// Answers what was asked last.
    fn answer(&mut self, body_bytes: usize) {
        let Some(asker) = self.server.opened.last().copied() else { return };
        let Self { clients, port, server, now } = self;
        let mut answer = ReplyEnvelope::default().encode().to_vec();
        answer
            .extend_from_slice(format!("HTTP/1.1 200 OK\r\nContent-Length: {body_bytes}\r\n\r\n").as_bytes());
        answer.resize(answer.len() + body_bytes, b'x');
        assert!(clients.answer(*now, port, asker, Answer::Data(&answer)));
        assert!(clients.answer(*now, port, asker, Answer::Finish));
        clients.flush(*now, port, server);
    }

    /// The client reads all that is queued for it.
    fn drink(&mut self, tcp: TcpId, handle: Handle) {
        let queued = self.port.queued_bytes(tcp);
        let Self { clients, port, server, now } = self;
        if port.sent(tcp, queued) {
            clients.on_wrote(*now, port, server, handle);
        }
        clients.flush(*now, port, server);
    }

    /// Gives its site a second route.
    fn with_two_routes(mut self) -> Self {
        let plan = Arc::make_mut(&mut self.clients.plan);
        plan.sites = vec![Site { others: vec![WEST], ..plan.sites[0].clone() }].into();
        plan.routes.push(Route { name: "west".to_owned(), ..plan.routes[0].clone() });
        self
    }

    /// Routes that are down from now on.
    fn down(&mut self, ways: &[Way]) {
        self.server.down = ways.to_vec();
        let Self { clients, port, server, now } = self;
        clients.follow_routes(*now, port, server);
        clients.flush(*now, port, server);
    }

    fn say(&mut self, asker: Asker, answer: Answer<'_>) {
        let Self { clients, port, server, now } = self;
        assert!(clients.answer(*now, port, asker, answer));
        clients.flush(*now, port, server);
    }

    fn page(&self, tcp: TcpId) -> String {
        let bytes: Vec<u8> = self.port.outgoing(tcp).flatten().copied().collect();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    fn pass(&mut self, span: Duration) {
        self.now += span;
        let Self { clients, port, server, now } = self;
        clients.flush(*now, port, server);
    }
}

#[test]
fn who_pipelines_and_reads_nothing_gets_no_further_request_through() {
    let mut world = World::new();
    let (tcp, handle) = world.accept();
    world.read(handle, &GET.repeat(20));
    for _ in 0..10 {
        world.answer(40_000);
    }
    assert_eq!(world.server.opened.len(), 1, "the first answer fills the queue");
    for done in 2..=20 {
        world.drink(tcp, handle);
        assert_eq!(world.server.opened.len(), done);
        world.answer(40_000);
    }
}

#[test]
fn an_idle_client_that_once_read_slowly_is_still_closed() {
    let mut world = World::new();
    let (tcp, handle) = world.accept();
    world.read(handle, GET);
    world.answer(10_000);
    // Its idle time passes while it still reads; then it has read all and says nothing any more.
    world.pass(Duration::from_secs(61));
    world.drink(tcp, handle);
    for _ in 0..10 {
        world.pass(Duration::from_secs(31));
    }
    assert_eq!(world.clients.clients(), 0);
}

#[test]
fn a_pipelined_head_that_never_ends_has_the_time_of_a_head() {
    let mut world = World::new();
    let (tcp, handle) = world.accept();
    world.read(handle, &[GET, b"GET / HT".as_slice()].concat());
    world.answer(0);
    world.drink(tcp, handle);
    world.pass(Duration::from_secs(11));
    let page: Vec<u8> = world.port.outgoing(tcp).flatten().copied().collect();
    assert!(page.starts_with(b"HTTP/1.1 408 "), "{:?}", String::from_utf8_lossy(&page));
}

#[test]
fn trailers_go_up_once_though_the_ring_was_full() {
    let mut world = World::new();
    let (_, handle) = world.accept();
    world.read(handle, b"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    world.read(handle, b"1\r\nx\r\n");
    (world.server.is_full, world.server.data) = (true, Vec::new());
    world.read(handle, b"0\r\nA: 1\r\n\r\n");
    world.server.is_full = false;
    world.pass(Duration::from_millis(1));
    assert_eq!(String::from_utf8_lossy(&world.server.data), "0\r\nA: 1\r\n\r\n");
}

#[test]
fn a_body_that_stands_still_is_ended_though_the_answer_was_read() {
    let mut world = World::new();
    let (tcp, handle) = world.accept();
    world.read(handle, b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nx");
    let asker = world.server.opened[0];
    let mut answer = ReplyEnvelope::default().encode().to_vec();
    answer.extend_from_slice(b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n");
    answer.resize(20_000, b'x');
    let World { clients, port, now, .. } = &mut world;
    assert!(clients.answer(*now, port, asker, Answer::Data(&answer)));
    world.drink(tcp, handle);
    world.pass(Duration::from_secs(31));
    world.pass(Duration::from_secs(31));
    assert_eq!(world.clients.exchanges(), 0);
}

#[test]
fn a_page_says_that_the_connection_closes_while_the_node_drains() {
    let mut world = World::new();
    let (tcp, handle) = world.accept();
    world.read(handle, GET);
    world.clients.drain(world.now);
    let asker = world.server.opened[0];
    let World { clients, port, now, .. } = &mut world;
    assert!(clients.answer(*now, port, asker, Answer::Failed(Failure::ConnectFailed)));
    let page: Vec<u8> = world.port.outgoing(tcp).flatten().copied().collect();
    let page = String::from_utf8_lossy(&page).to_lowercase();
    assert!(page.starts_with("http/1.1 502 ") && page.contains("connection: close"), "{page}");
}

#[test]
fn a_plain_connection_waits_for_room_in_the_ring() {
    let mut world = World::of("mail", Some(0));
    world.server.is_full = true;
    let (_, handle) = world.accept();
    world.read(handle, b"EHLO");
    let World { clients, port, server, now } = &mut world;
    clients.on_read_end(*now, port, server, handle);
    world.pass(Duration::from_millis(1));
    assert!(world.clients.has_work(), "it is looked at again by itself");
    assert_eq!((world.clients.clients(), world.server.opened.len()), (1, 0));
    world.server.is_full = false;
    world.pass(Duration::from_millis(1));
    assert_eq!((world.server.opened.len(), &world.server.data[..]), (1, &b"EHLO"[..]));
    assert_eq!(world.server.finished, 1);
}

#[test]
fn what_takes_every_name_travels_as_the_name_that_was_asked_for() {
    let mut world = World::of("*", None);
    let (_, handle) = world.accept();
    world.read(handle, b"GET / HTTP/1.1\r\nHost: Shop.Example.:8080\r\n\r\n");
    world.answer(0);
    world.read(handle, b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    assert_eq!(world.server.sites, [&b"shop.example"[..], b"*"]);
}

#[test]
fn a_refusal_of_head_has_no_body() {
    let long = [b"HEAD /", [b'a'; 9_000].as_slice()].concat();
    for head in [&b"HEAD / HTTP/1.1\r\nHost: b\r\n\r\n"[..], b"HEAD / HTTP/1.1\r\nX Y: z\r\n", &long] {
        for pieces in [1, 2] {
            let mut world = World::new();
            let (tcp, handle) = world.accept();
            head.chunks(head.len().div_ceil(pieces)).for_each(|piece| world.read(handle, piece));
            let page: Vec<u8> = world.port.outgoing(tcp).flatten().copied().collect();
            assert!(page.starts_with(b"HTTP/1.1 4") && page.ends_with(b"\r\n\r\n"), "{page:?}");
        }
    }
    let mut world = World::new();
    let (tcp, handle) = world.accept();
    world.read(handle, b"HEAD / HT");
    world.pass(Duration::from_secs(11));
    let page: Vec<u8> = world.port.outgoing(tcp).flatten().copied().collect();
    assert!(page.starts_with(b"HTTP/1.1 408") && page.ends_with(b"\r\n\r\n"), "{page:?}");
}

#[test]
fn a_request_never_reaches_an_origin_of_plain_tcp() {
    let mut world = World::of("mail", None);
    let origin =
        Origin { site: "mail".to_owned(), kind: Kind::Tcp, label: String::new(), proxy: None, retired: None };
    let plan = Arc::make_mut(&mut world.clients.plan);
    plan.sites = vec![Site { way: Way::Origin(0), ..plan.sites[0].clone() }].into();
    plan.origins = vec![origin].into();
    let (tcp, handle) = world.accept();
    world.read(handle, b"POST / HTTP/1.1\r\nHost: mail\r\nContent-Length: 6\r\n\r\nQUIT\r\n");
    let page: Vec<u8> = world.port.outgoing(tcp).flatten().copied().collect();
    assert!(page.starts_with(b"HTTP/1.1 502 "), "{:?}", String::from_utf8_lossy(&page));
    assert!(world.server.opened.is_empty());
}

#[test]
fn a_client_that_still_sends_is_not_reset_while_it_reads_its_last_answer() {
    let mut world = World::new();
    let (tcp, handle) = world.accept();
    world.read(handle, b"GET / HTTP/9.9\r\n");
    world.drink(tcp, handle);
    for _ in 0..20 {
        world.pass(Duration::from_millis(1_400));
        world.read(handle, b"more");
        assert_eq!(world.clients.clients(), 1, "each piece gives it two seconds");
    }
    for _ in 0..3 {
        world.pass(Duration::from_millis(1_400));
        world.read(handle, b"and more");
    }
    assert_eq!(world.clients.clients(), 0, "but not for ever");
}

#[test]
fn a_request_that_may_be_sent_twice_leaves_a_route_that_goes_down() {
    let mut world = World::new().with_two_routes();
    let (tcp, handle) = world.accept();
    world.read(handle, GET);
    let (first, sent) = (world.server.opened[0], core::mem::take(&mut world.server.data));
    world.down(&[EAST]);
    assert_eq!((&world.server.ways[..], &world.server.abandoned[..]), (&[EAST, WEST][..], &[first][..]));
    assert_eq!((world.server.data.clone(), world.server.finished), (sent, 2), "the same request, whole");
    assert_eq!(world.server.sites, [b"a", b"a"]);
    // What the old route still says is nobody's.
    world.say(first, Answer::Failed(Failure::TunnelTimeout));
    assert_eq!(world.port.queued_bytes(tcp), 0);
    world.answer(3);
    assert!(world.page(tcp).starts_with("HTTP/1.1 200 OK"), "{}", world.page(tcp));
    assert_eq!(world.clients.held_blocks(), 0, "nothing is kept of what is answered");
}

#[test]
fn it_moves_when_its_stream_fails_and_not_for_ever() {
    let mut world = World::new().with_two_routes();
    let (tcp, handle) = world.accept();
    world.read(handle, GET);
    for turn in 0..3 {
        let way = *world.server.ways.last().unwrap();
        world.server.down = vec![way];
        let asker = *world.server.opened.last().unwrap();
        world.say(asker, Answer::Failed(Failure::Restarted));
        assert_eq!(world.server.ways.len(), turn + 2);
    }
    let (way, asker) = (*world.server.ways.last().unwrap(), *world.server.opened.last().unwrap());
    world.server.down = vec![way];
    world.say(asker, Answer::Failed(Failure::Restarted));
    assert!(world.page(tcp).starts_with("HTTP/1.1 502 "), "{}", world.page(tcp));
    assert_eq!(world.clients.held_blocks(), 0);
}

#[test]
fn what_must_not_be_sent_twice_stays_unless_nothing_of_it_has_left() {
    let mut world = World::new().with_two_routes();
    let (tcp, handle) = world.accept();
    // Over a route that is up it is kept nowhere.
    world.read(handle, &[PUT, b"full"].concat());
    world.down(&[EAST]);
    assert_eq!((world.server.ways.len(), world.server.asked_back.len()), (1, 0));
    world.say(world.server.opened[0], Answer::Failed(Failure::TunnelTimeout));
    assert!(world.page(tcp).starts_with("HTTP/1.1 504 "), "{}", world.page(tcp));

    // Both routes are down: it waits at the first. Then the second is up, and what has come of it so far goes there.
    let mut world = World::new().with_two_routes();
    world.server.down = vec![EAST, WEST];
    let (tcp, handle) = world.accept();
    world.read(handle, PUT);
    world.read(handle, b"fu");
    let first = world.server.opened[0];
    world.down(&[EAST]);
    assert_eq!((&world.server.asked_back[..], world.server.ways.len()), (&[first][..], 1));
    world.server.data.clear();
    world.say(first, Answer::Returned);
    assert_eq!(world.server.ways, [EAST, WEST]);
    assert!(world.server.data.ends_with(b"\r\n\r\nfu"), "{:?}", world.server.data);
    world.read(handle, b"ll");
    assert!(world.server.data.ends_with(b"\r\n\r\nfull"), "{:?}", world.server.data);
    world.answer(0);
    assert!(world.page(tcp).starts_with("HTTP/1.1 200 OK"), "{}", world.page(tcp));
    assert_eq!(world.clients.held_blocks(), 0);

    // Its first bytes have left: it is not asked for any more.
    let mut world = World::new().with_two_routes();
    world.server.down = vec![EAST, WEST];
    let (_, handle) = world.accept();
    world.read(handle, PUT);
    world.say(world.server.opened[0], Answer::Queued(5));
    world.down(&[EAST]);
    assert_eq!((world.server.asked_back.len(), world.server.ways.len()), (0, 1));
}

#[test]
fn a_move_waits_for_room_in_the_ring() {
    let mut world = World::new().with_two_routes();
    let (_, handle) = world.accept();
    world.read(handle, GET);
    world.server.is_full = true;
    world.down(&[EAST]);
    assert_eq!(world.server.ways.len(), 1);
    assert!(world.clients.has_work(), "it is looked at again by itself");
    world.server.is_full = false;
    world.pass(Duration::from_millis(1));
    assert_eq!((&world.server.ways[..], world.server.finished), (&[EAST, WEST][..], 2));
}

#[test]
fn a_plain_connection_that_has_said_nothing_yet_moves_too() {
    let mut world = World::of("mail", Some(0)).with_two_routes();
    world.server.down = vec![EAST, WEST];
    let (_, handle) = world.accept();
    world.read(handle, b"EHLO");
    world.down(&[EAST]);
    world.server.data.clear();
    world.say(world.server.opened[0], Answer::Returned);
    assert_eq!((&world.server.ways[..], &world.server.data[..]), (&[EAST, WEST][..], &b"EHLO"[..]));
}

/// A plain connection that has said something and been answered `body` in full; the far end has finished.
fn answered_in_full(body: &[u8]) -> (World, TcpId, Handle) {
    let mut world = World::of("mail", Some(0));
    let (tcp, handle) = world.accept();
    world.read(handle, b"EHLO");
    let asker = world.server.opened[0];
    world.say(asker, Answer::Data(&[&ReplyEnvelope::default().encode()[..], body].concat()));
    world.say(asker, Answer::Finish);
    (world, tcp, handle)
}

#[test]
fn whoever_reads_slowly_what_the_far_end_said_before_its_end_gets_all_of_it() {
    let (mut world, tcp, _) = answered_in_full(&[b'x'; 40]);
    for left in (0..40).rev() {
        // Within the time for reading nothing at all; together more than that in which an idle connection is given up.
        world.pass(Duration::from_secs(25));
        world.port.sent(tcp, 1);
        assert_eq!(
            (world.clients.clients(), world.port.queued_bytes(tcp), world.port.ending(tcp)),
            (1, left, None)
        );
    }
    (0..20).for_each(|_| world.pass(Duration::from_secs(50)));
    // The kernel has all: a reset would throw it away.
    assert_eq!((world.clients.clients(), world.port.ending(tcp)), (0, Some(Ending::Close)));
}

#[test]
fn whoever_reads_nothing_of_it_is_cut() {
    let (mut world, tcp, _) = answered_in_full(b"x");
    (0..20).for_each(|_| world.pass(Duration::from_secs(50)));
    assert_eq!((world.clients.clients(), world.port.ending(tcp)), (0, Some(Ending::Abort)));
}

/// Its last bytes may be on their way for long, to an origin that reads slowly.
#[test]
fn a_plain_connection_that_has_said_all_is_timed_at_the_far_end() {
    let mut world = World::of("mail", Some(0));
    let (_, handle) = world.accept();
    world.read(handle, b"EHLO");
    let World { clients, port, server, now } = &mut world;
    clients.on_read_end(*now, port, server, handle);
    (0..100).for_each(|_| world.pass(Duration::from_secs(60)));
    assert_eq!(world.clients.clients(), 1);
    world.say(world.server.opened[0], Answer::Failed(Failure::Stalled));
    assert_eq!(world.clients.clients(), 0);
}
