//! The book of all exchanges of a run: what each end did and saw, and whether that is allowed.
//!
//! What always holds: bytes that arrive are those that were sent, in order; what looks complete is complete and
//! exact; every exchange ends. In a run whose faults destroy nothing, well-formed exchanges also succeed and
//! ill-formed ones get the answer that is written for them.

use dataplane::exchange::failure::Failure;
use dataplane::http::Refusal;
use dataplane::http::desync::REFUSED;

use crate::sim::content::Content;
use crate::sim::fault::{Fault, Faults};
use crate::sim::shape::{
    Carries, ClientFault, Framing, GARBAGE, MANY_INTERIM, OriginFault, Scale, Shape, Site,
};
use crate::sim::world::{Hits, World};

/// How an exchange ended, as its client saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// Answered whole by the origin.
    Answered,
    /// Answered whole by a node.
    Page(u16),
    /// The connection ended before an answer was whole.
    Cut,
    /// The client had done what its shape says it does wrong.
    Aborted,
    /// Tried often enough on connections that ended too early.
    Unanswered,
}

/// One exchange.
#[derive(Debug)]
pub(crate) struct Exchange {
    pub(crate) shape: Shape,
    pub(crate) must_succeed: bool,
    /// Another exchange of its connection has cut it.
    pub(crate) is_excused: bool,
    pub(crate) end: Option<End>,
    pub(crate) attempts: u8,
    pub(crate) tries: u16,
    /// How often its client has begun to say it, and how often an origin has read its head.
    pub(crate) said: u16,
    pub(crate) asked: u16,
    /// Opaque streams: the client has sent FIN in order.
    pub(crate) client_finished: bool,
    /// Opaque streams and bodies that end with the connection: the origin has sent FIN in order.
    pub(crate) origin_finished: bool,
}

/// All exchanges of a run.
#[derive(Debug)]
pub(crate) struct Book {
    pub(crate) exchanges: Vec<Exchange>,
    pub(crate) hits: Hits,
    pub(crate) is_calm: bool,
    open: usize,
    /// How often a request that may be repeated may be asked over other routes than its first.
    moves_max: u16,
}

impl Book {
    /// For exchanges that may move to another route so often.
    pub(crate) fn new(faults: &Faults, moves_max: u16) -> Self {
        let is_calm = !faults.is_destructive();
        Self { exchanges: Vec::new(), hits: Hits::default(), is_calm, open: 0, moves_max }
    }

    /// Enters an exchange; its number.
    pub(crate) fn add(&mut self, shape: Shape, faults: &Faults, scale: &Scale) -> u32 {
        let must_succeed = self.is_calm && is_sound(&shape, faults, scale);
        self.exchanges.push(Exchange {
            shape,
            must_succeed,
            is_excused: false,
            end: None,
            attempts: 0,
            tries: 0,
            said: 0,
            asked: 0,
            client_finished: false,
            origin_finished: false,
        });
        self.open += 1;
        (self.exchanges.len() - 1) as u32
    }

    pub(crate) fn of(&mut self, exchange: u32) -> &mut Exchange {
        &mut self.exchanges[exchange as usize]
    }

    pub(crate) fn shape(&self, exchange: u32) -> Shape {
        self.exchanges[exchange as usize].shape
    }

    /// Exchanges that have not ended.
    pub(crate) fn open(&self) -> usize {
        self.open
    }

    /// Checks bytes of a body.
    pub(crate) fn check_bytes(
        &self,
        world: &mut World,
        exchange: u32,
        is_answer: bool,
        at: usize,
        bytes: &[u8],
    ) {
        let shape = self.shape(exchange);
        let whole = if is_answer { shape.answer_bytes } else { shape.request_bytes };
        if !Content::new(exchange, is_answer).is(at, bytes) || at + bytes.len() > whole {
            let way = if is_answer { "answer" } else { "request" };
            let count = bytes.len();
            let text = String::from_utf8_lossy(&bytes[..count.min(80)]).into_owned();
            world.violate(|| {
                format!(
                    "exchange {exchange}: wrong {way} bytes at {at}, {count} of {whole}: {text:?}; {shape:?}"
                )
            });
        }
    }

    /// An origin has been asked. Each time that a client says a request it is asked once, and once more where a pooled
    /// connection may have died under a request that may be repeated; that again over each route to which it has moved.
    pub(crate) fn on_asked(&mut self, world: &mut World, exchange: u32) {
        let moves_max = self.moves_max;
        let entry = self.of(exchange);
        entry.asked += 1;
        let allowed = entry.said * if entry.shape.is_repeatable() { 2 * (1 + moves_max) } else { 1 };
        let (asked, shape) = (entry.asked, entry.shape);
        if asked > allowed {
            world.violate(|| format!("exchange {exchange}: asked {asked} times, not {allowed}; {shape:?}"));
        }
    }

    /// A page of a node says why.
    pub(crate) fn on_page(&mut self, world: &mut World, exchange: u32, text: &[u8]) {
        let says =
            |sentence: &&&str| text.windows(sentence.len()).any(|window| window == sentence.as_bytes());
        match sentences().iter().find(says) {
            Some(sentence) => self.hits.hit(sentence),
            None => world.violate(|| format!("exchange {exchange}: a page that does not say why")),
        }
    }

    /// An answer is whole: judged by its head and length.
    pub(crate) fn on_whole(
        &mut self,
        world: &mut World,
        exchange: u32,
        status: u16,
        is_origins: bool,
        read: usize,
    ) {
        let shape = self.shape(exchange);
        if !is_origins {
            return self.on_end(world, exchange, End::Page(status));
        }
        let expected = if shape.has_answer_body() { shape.answer_bytes } else { 0 };
        // What ends with the connection may be cut by its origin without anybody knowing.
        let is_cut =
            shape.answer == Framing::UntilClose && matches!(shape.origin_fault, OriginFault::Truncate(_));
        if (read != expected && !is_cut) || status != shape.status {
            world.violate(|| {
                format!(
                    "exchange {exchange}: looks whole with {read} of {expected} B, {status} for {}",
                    shape.status
                )
            });
        }
        self.on_end(world, exchange, End::Answered);
    }

    /// Both halves of an opaque stream have ended in order.
    pub(crate) fn on_opaque_end(&mut self, world: &mut World, exchange: u32, read: usize) {
        let Exchange { shape, origin_finished, .. } = *self.of(exchange);
        // An origin that ends early in order is believed: nobody can know better.
        let is_early =
            matches!(shape.origin_fault, OriginFault::Truncate(_) | OriginFault::CloseBeforeAnswer);
        if !is_early && (read != shape.answer_bytes || !origin_finished) {
            let expected = shape.answer_bytes;
            world
                .violate(|| format!("exchange {exchange}: a stream looks whole with {read} of {expected} B"));
        }
        self.on_end(world, exchange, End::Answered);
    }

    /// An exchange has ended.
    pub(crate) fn on_end(&mut self, world: &mut World, exchange: u32, end: End) {
        let is_calm = self.is_calm;
        let Exchange { shape, must_succeed, is_excused, end: before, .. } = *self.of(exchange);
        assert!(before.is_none(), "an exchange ends once");
        self.of(exchange).end = Some(end);
        self.open -= 1;
        world.note("exchange ended", exchange.into(), end_code(end));
        if must_succeed && !is_excused && end != End::Answered {
            world.violate(|| format!("exchange {exchange}: should have succeeded, but {end:?}; {shape:?}"));
        }
        if is_calm
            && let Some(allowed) = expected_pages(&shape)
            && !is_excused
            && !matches!(end, End::Page(status) if allowed.contains(&status))
        {
            world.violate(|| format!("exchange {exchange}: {end:?}, not {allowed:?}; {shape:?}"));
        }
        self.count(&shape, end);
    }

    fn count(&mut self, shape: &Shape, end: End) {
        let name = match end {
            End::Answered => "end answered",
            End::Cut => "end cut",
            End::Aborted => "end aborted",
            End::Unanswered => "end unanswered",
            End::Page(status) => page_name(status),
        };
        self.hits.hit(name);
        if let (Carries::Malformed(row), End::Page(status)) = (shape.carries, end)
            && status == REFUSED[row].status
        {
            self.hits.hit(REFUSED[row].name);
        }
        match (shape.origin_fault, end) {
            (OriginFault::Garbage(row), End::Page(502)) => self.hits.hit(GARBAGE[row].0),
            (OriginFault::ManyInterim, End::Page(502)) => self.hits.hit(MANY_INTERIM),
            _ => {}
        }
    }
}

/// What a page can say.
fn sentences() -> &'static [&'static str] {
    static SENTENCES: std::sync::OnceLock<Vec<&'static str>> = std::sync::OnceLock::new();
    SENTENCES.get_or_init(|| {
        let refusals = Refusal::ALL.iter().map(|refusal| refusal.reason());
        let failures = Failure::ALL.iter().map(|failure| failure.sentence());
        refusals.chain(failures).chain(OTHER_SENTENCES.iter().copied()).collect()
    })
}

/// What a page says of what is neither malformed nor failed.
const OTHER_SENTENCES: &[&str] = &[
    "The request's body is larger than is allowed here.",
    "The request's head did not arrive in time.",
    "The request's body stood still for too long.",
];

/// What pages must have said in a long run: all but what is only said of answers (those are told apart by
/// `GARBAGE`), of what no client sees, and of far ends that break the protocol.
pub(crate) fn expected_sentences() -> impl Iterator<Item = &'static str> {
    let unsaid = [
        Refusal::StatusLine.reason(),
        Refusal::InterimFraming.reason(),
        Refusal::InterimMany.reason(),
        Refusal::UpgradeUnasked.reason(),
        Refusal::BodyTruncated.reason(),
        Failure::Unknown.sentence(),
        Failure::Cancelled.sentence(),
        Failure::BadStream.sentence(),
    ];
    sentences().iter().copied().filter(move |sentence| !unsaid.contains(sentence))
}

/// Pages that a run can show, for the report.
pub(crate) const PAGES: &[(u16, &str)] = &[
    (400, "page 400"),
    (405, "page 405"),
    (408, "page 408"),
    (413, "page 413"),
    (414, "page 414"),
    (417, "page 417"),
    (421, "page 421"),
    (431, "page 431"),
    (501, "page 501"),
    (502, "page 502"),
    (503, "page 503"),
    (504, "page 504"),
    (505, "page 505"),
];

fn page_name(status: u16) -> &'static str {
    PAGES.iter().find(|(page, _)| *page == status).map_or("page of another status", |(_, name)| *name)
}

fn end_code(end: End) -> u64 {
    match end {
        End::Answered => 1,
        End::Page(status) => 1_000 + u64::from(status),
        End::Cut => 2,
        End::Aborted => 3,
        End::Unanswered => 4,
    }
}

/// Whether nothing is wrong with the exchange itself.
fn is_sound(shape: &Shape, faults: &Faults, scale: &Scale) -> bool {
    let Site::Origin(origin) = shape.site else { return false };
    // A pooled connection may die under a request that must not be repeated.
    let may_lose = faults.has(Fault::IdleCloses) && !shape.is_repeatable();
    let is_small = shape.carries != Carries::Http || shape.request_bytes <= scale.body_bytes_max;
    // The last origin is the one that connects badly.
    let connects =
        origin + 1 < scale.origins || !(faults.has(Fault::Refusals) || faults.has(Fault::ConnectTimeouts));
    !matches!(shape.carries, Carries::Malformed(_))
        && shape.client_fault == ClientFault::None
        && shape.origin_fault == OriginFault::None
        && !may_lose
        && is_small
        && connects
}

/// The pages that an exchange must get if nothing else goes wrong; `None`: whatever comes.
fn expected_pages(shape: &Shape) -> Option<&'static [u16]> {
    if shape.client_fault != ClientFault::None {
        return None;
    }
    match (shape.carries, shape.site, shape.origin_fault) {
        (Carries::Malformed(row), ..) => Some(core::slice::from_ref(&REFUSED[row].status)),
        (Carries::Tcp, ..) | (_, Site::Origin(_), OriginFault::None) => None,
        // A front-end that takes every name looks at the length first.
        (_, Site::Unknown, _) => Some(&[421, 413]),
        (_, Site::NotAllowed, _) => (shape.request == Framing::None).then_some(&[421]),
        (_, Site::Unresolved, _) => (shape.request == Framing::None).then_some(&[503]),
        (_, Site::OtherKind, _) => (shape.request == Framing::None).then_some(&[502]),
        (_, _, OriginFault::CloseBeforeAnswer | OriginFault::ResetBeforeAnswer) => {
            (shape.request == Framing::None).then_some(&[502, 503, 504])
        }
        (_, _, OriginFault::Never) => (shape.request == Framing::None).then_some(&[502, 503, 504]),
        (Carries::WebSocket, ..) => None,
        (_, _, OriginFault::Garbage(_) | OriginFault::ManyInterim) => {
            (shape.request == Framing::None).then_some(&[502, 503, 504])
        }
        (
            _,
            _,
            OriginFault::Truncate(_) | OriginFault::Reset(_) | OriginFault::Stall(_) | OriginFault::Early,
        ) => None,
    }
}
