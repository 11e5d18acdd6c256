//! A trunk whose tunnel is not up yet: what it does with words that come late, or for a stream that was stopped.

use core::net::SocketAddr;

use crate::blender::Options as BlenderOptions;
use crate::compression::{Terms, Why};
use crate::exchange::envelope::{OPENING_BYTES_MAX, OpeningEnvelope};
use crate::exchange::failure::Failure;
use crate::exchange::link::{Answer, Ask, Asker, Downstream, Kind, Opening, Served, Upstream, Way};
use crate::port::{Port, PortOptions, SocketId};
use crate::role::plan::{Plan, Route};
use crate::role::trunk::stream::End;
use crate::role::trunk::{Parts, Trunk, TrunkOptions};
use crate::time::{Duration, Instant};
use crate::tmp::endpoint::{Endpoint, EndpointOptions};
use crate::tmp::key::{PrivateKey, PublicKey};
use crate::tmp::options::TunnelOptions;
use crate::tmp::random::PredictableRandom;
use crate::tmp::spread::PathUse;

const NOW: Instant = Instant::from_us(1_000_000);
const ROUTE: Way = Way::Route(0);

/// The askers: what they are told is noted.
#[derive(Default)]
struct Others {
    failed: Vec<Asker>,
    rooms: Vec<u32>,
    /// The ring to them is full.
    is_full: bool,
}

impl Downstream for Others {
    fn answer(&mut self, _: Instant, _: &mut Port, asker: Asker, answer: Answer<'_>) -> bool {
        match answer {
            _ if self.is_full => return false,
            Answer::Failed(_) => self.failed.push(asker),
            Answer::Room(bytes) => self.rooms.push(bytes),
            Answer::Returned
            | Answer::Queued(_)
            | Answer::Class(_)
            | Answer::Saved(_)
            | Answer::Compress(_)
            | Answer::Data(_)
            | Answer::Finish
            | Answer::Enough => {}
        }
        true
    }
}

struct NoServer;

impl Upstream for NoServer {
    fn open(
        &mut self,
        _: Instant,
        _: &mut Port,
        _: Way,
        _: Asker,
        _: &Opening<'_>,
    ) -> Result<Served, Failure> {
        Err(Failure::UnknownSite)
    }

    fn ask(&mut self, _: Instant, _: &mut Port, _: Way, _: Asker, _: Served, _: Ask<'_>) -> bool {
        true
    }
}

/// One route to that back-end, be it retired or not.
fn plan(public_key: PublicKey, retired: Option<u64>) -> Plan {
    let addresses = vec![SocketAddr::from(([10, 0, 0, 1], 7_000))];
    let route = Route {
        name: "east".to_owned(),
        public_key,
        addresses,
        carriers: Vec::new(),
        chosen: PathUse::default(),
        owner: 0,
        retired,
    };
    Plan { routes: vec![route], ..Plan::default() }
}

fn trunk() -> (Trunk, Port) {
    let mut random = PredictableRandom::new(1);
    let (ours, theirs) = (PrivateKey::generate(&mut random), PrivateKey::generate(&mut random));
    let options = EndpointOptions::new(ours, TunnelOptions::default());
    let endpoint = Endpoint::new(options, Box::new(random));
    let options = TrunkOptions {
        blender: BlenderOptions::default(),
        streams_max: 16,
        stream_bytes: 64 << 10,
        tunnel_wait: Duration::from_secs(5),
        segments_max: 1,
        coalesce_us: 0,
        turn_us: 0,
        workers: 1,
        datagram_bytes_max: 1_452,
        codec: None,
        credit_bytes_min: 8 << 10,
    };
    let mut trunk = Trunk::new(endpoint, vec![(SocketId(0), true)], None, options);
    trunk.take_plan(NOW, &plan(theirs.public(), None)).unwrap();
    (trunk, Port::new(&PortOptions { tcp_max: 1, block_bytes: 4_096, blocks: 4, trains: 1 }))
}

/// The exchange that has had slot 3 as the `generation`th.
fn asker(generation: u64) -> Asker {
    Asker(generation << 32 | 3)
}

fn open(trunk: &mut Trunk, port: &mut Port, asker: Asker) -> Result<Served, Failure> {
    let client = SocketAddr::from(([10, 0, 0, 2], 4_000));
    let envelope = OpeningEnvelope { kind: Kind::Http, decision: 1, client, site: b"a" };
    let mut bytes = [0; OPENING_BYTES_MAX];
    let length = envelope.encode(&mut bytes);
    let terms = Terms::nothing(Why::Rule);
    let opening = Opening { class: 0, kind: Kind::Http, envelope: &bytes[..length], terms };
    trunk.open(NOW, port, ROUTE, asker, &opening)
}

/// How many streams somebody at this end waits for.
fn waited_for(trunk: &Trunk) -> usize {
    let line = trunk.lines().next().unwrap();
    (0..line.streams.slots())
        .filter_map(|slot| line.streams.at(slot))
        .filter(|s| matches!(s.end, End::Asker(_)))
        .count()
}

#[test]
fn an_exchange_is_given_up_although_its_slot_has_a_new_one() {
    let (mut trunk, mut port) = trunk();
    open(&mut trunk, &mut port, asker(1)).unwrap();
    open(&mut trunk, &mut port, asker(2)).unwrap();
    assert_eq!(waited_for(&trunk), 2);
    assert!(trunk.ask(NOW, &mut port, ROUTE, asker(1), Served::default(), Ask::Abandon));
    assert_eq!(waited_for(&trunk), 1);
    assert!(trunk.ask(NOW, &mut port, ROUTE, asker(2), Served::default(), Ask::Abandon));
    assert_eq!(waited_for(&trunk), 0);
}

#[test]
fn an_opening_that_was_overtaken_does_not_take_the_slot_back() {
    let (mut trunk, mut port) = trunk();
    open(&mut trunk, &mut port, asker(0)).unwrap();
    assert_eq!(open(&mut trunk, &mut port, asker(0x00ff_ffff)), Err(Failure::Cancelled));
    assert_eq!(waited_for(&trunk), 1);
    open(&mut trunk, &mut port, asker(1)).unwrap();
}

#[test]
fn what_is_written_to_a_stopped_stream_does_not_fail_it() {
    let (mut trunk, mut port) = trunk();
    let mut others = Others::default();
    open(&mut trunk, &mut port, asker(1)).unwrap();
    let id = trunk.lines().next().and_then(|line| line.streams.at(0)).unwrap().id;
    // As STOP does: nothing more is taken, and the trunk hears of it with the next events.
    trunk.both(0).unwrap().0.reset(id, Failure::Cancelled.code());
    assert!(trunk.ask(NOW, &mut port, ROUTE, asker(1), Served::default(), Ask::Data(b"more")));
    trunk.both(0).unwrap().1.streams.get_mut(id).unwrap().is_stopped = true;
    assert!(trunk.ask(NOW, &mut port, ROUTE, asker(1), Served::default(), Ask::Data(b"and more")));
    let plan = Plan::default();
    let mut parts = Parts { up: &mut NoServer, down: &mut others, plan: &plan };
    trunk.deliver(NOW, &mut port, &mut parts);
    assert_eq!((others.failed, waited_for(&trunk)), (Vec::new(), 1));
}

#[test]
fn room_that_a_full_ring_held_up_is_said_in_the_next_turn() {
    let (mut trunk, mut port) = trunk();
    let mut others = Others { is_full: true, ..Others::default() };
    open(&mut trunk, &mut port, asker(1)).unwrap();
    let (_, line) = trunk.both(0).unwrap();
    let id = line.streams.at(0).unwrap().id;
    // As if half a window had left.
    line.streams.get_mut(id).unwrap().owed = 32 << 10;
    line.note_progress(id);
    let plan = Plan::default();
    let mut transmit = |others: &mut Others| {
        trunk.transmit(NOW, &mut port, &mut Parts { up: &mut NoServer, down: others, plan: &plan });
        trunk.owes_room()
    };
    assert!(transmit(&mut others), "the worker must come back for it");
    others.is_full = false;
    assert!(!transmit(&mut others));
    assert_eq!(others.rooms.len(), 1);
    assert!(!transmit(&mut others));
    assert_eq!(others.rooms.len(), 1, "and it is said once");
}

fn deliver(trunk: &mut Trunk, port: &mut Port, others: &mut Others) {
    let plan = Plan::default();
    trunk.deliver(NOW, port, &mut Parts { up: &mut NoServer, down: others, plan: &plan });
}

/// A retired route's tunnel goes on for as long as it has streams, and a while longer.
#[test]
fn the_tunnel_of_a_retired_route_closes_when_its_streams_are_done() {
    let (mut trunk, mut port) = trunk();
    let key = *trunk.endpoint.public_key_of(trunk.lines().next().unwrap().peer()).unwrap();
    let one = asker(1);
    open(&mut trunk, &mut port, one).unwrap();
    let plan = plan(key, Some(1));
    for _ in 0..3 {
        trunk.take_plan(NOW, &plan).unwrap();
        deliver(&mut trunk, &mut port, &mut Others::default());
        assert_eq!(trunk.lines().count(), 1, "it has a stream");
    }
    assert!(trunk.ask(NOW, &mut port, ROUTE, one, Served::default(), Ask::Abandon));
    deliver(&mut trunk, &mut port, &mut Others::default());
    trunk.follow(NOW, &plan).unwrap();
    assert!(trunk.lines().count() == 1 && trunk.uses_retired(&plan), "another worker may not know yet");
    trunk.follow(NOW, &plan).unwrap();
    deliver(&mut trunk, &mut port, &mut Others::default());
    assert!(trunk.lines().count() == 0 && !trunk.uses_retired(&plan));
    assert_eq!(open(&mut trunk, &mut port, asker(2)), Err(Failure::TunnelTimeout));
}
