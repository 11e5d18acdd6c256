//! Servers that clients can be sent to, and the policies that choose among them: what the operator says, checked.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Servers of one policy at most: a decision looks at each of them.
pub const MEMBERS_MAX: usize = 256;

/// Addresses of one answer at most: more do not fit an answer over UDP beside its options.
pub const ANSWERS_MAX: usize = 16;

/// A server by its place in the table of servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ServerId(pub u16);

/// With which share of its weight a server begins that starts slowly: enough to be seen to fail, not to hurt many.
pub const SLOW_START_SHARE: f32 = 0.1;

/// A server that clients can be sent to: a front-end of ours, or a machine of the customer's.
#[derive(Clone, Debug, PartialEq)]
pub struct Server {
    /// Its name.
    pub name: String,
    /// What fails together with it: its POP, its rack, its provider. Several addresses of an answer are spread over these.
    pub domain: String,
    /// Its IPv4 addresses.
    pub v4: Vec<Ipv4Addr>,
    /// Its IPv6 addresses.
    pub v6: Vec<Ipv6Addr>,
    /// A /64 that all leads to it: AAAA answers then carry the decision's id in their low half.
    pub v6_prefix: Option<Ipv6Addr>,
    /// Its share under `weighted`; under `best` a server of weight 2 looks half as far away.
    pub weight: f32,
    /// How long its weight grows after it came up, seconds; 0: not at all. It begins with [`SLOW_START_SHARE`] of it.
    pub slow_start_s: u32,
    /// What it costs to use it, in units of the operator's.
    pub cost: f32,
    /// An operator's word about it that counts more than what was measured.
    pub order: Option<Override>,
}

/// What an operator ordered for a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Override {
    /// What.
    pub action: Action,
    /// Why, for the next one who looks.
    pub reason: String,
    /// Unix seconds until which it holds; `None`: until it is taken back.
    pub until_s: Option<u64>,
    /// The user who ordered it through the control door; `None`: the tree says it.
    pub by_uid: Option<u32>,
}

impl Action {
    /// Its word, in the tree and in commands.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Drain => "drain",
            Self::Up => "up",
            Self::Down => "down",
        }
    }
}

/// What can be ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Send nobody new.
    Drain,
    /// It is up, whatever was measured.
    Up,
    /// It is down, whatever was measured.
    Down,
}

/// How a policy chooses.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// The lowest score of latency, load, loss and cost; what is about as good is shared by persistence or chance.
    Best(Rules),
    /// By weight.
    Weighted,
    /// The first that is up, in the order of its members.
    Failover,
    /// The members listed for the client's country, then its continent, then `*`; the first that is up.
    Geo(Vec<GeoRule>),
    /// All of them, in their order, whatever was measured.
    Static,
}

/// What is listed for one place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GeoRule {
    /// A country (ISO 3166, `DE`), a continent (`EU`), or `*`.
    pub place: String,
    /// Its members, as places in the policy's list.
    pub members: Vec<u16>,
}

/// What each part of a score counts, in milliseconds: they are added to the latency.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rules {
    /// For a server at full load.
    pub load_ms: f32,
    /// For a server that loses everything; 1 % counts a hundredth of it.
    pub loss_ms: f32,
    /// For a way to the origins that has soured.
    pub soured_ms: f32,
    /// For one unit of cost.
    pub cost_ms: f32,
    /// In place of a latency that nobody knows.
    pub unknown_ms: f32,
    /// Scores that are no further than this from the best are as good.
    pub tolerance_ms: f32,
}

impl Default for Rules {
    fn default() -> Self {
        // Full load counts as a continent's width, one per cent of loss as one retransmission's share of it.
        // A soured way counts more than any distance on Earth: who has one is best only where all have.
        Self {
            load_ms: 100.0,
            loss_ms: 1_000.0,
            soured_ms: 1_000.0,
            cost_ms: 0.0,
            unknown_ms: 150.0,
            tolerance_ms: 5.0,
        }
    }
}

/// How long a client stays with its choice, by a hash of its network and without any memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Persistence {
    /// Not at all: every answer is drawn anew.
    Off,
    /// For this many seconds; each network changes at its own moment.
    Seconds(u32),
    /// Until the servers change.
    Forever,
}

/// What is answered when no server of a policy is to be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WhenAllDown {
    /// All of them, as if they were up: the measurement may be wrong, and a client may have more luck.
    All,
    /// SERVFAIL: the client's resolver tries our other name servers.
    ServFail,
    /// No address.
    Nothing,
    /// These addresses.
    Fallback(Vec<IpAddr>),
}

/// What a server counts as about which nothing is known, or nothing new enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unknown {
    /// As up.
    Up,
    /// As up while nothing is known to be up, so that a first start is never silent and never pretends to know.
    AfterUp,
    /// As down.
    Down,
}

/// A policy.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    /// Its name.
    pub name: String,
    /// How it chooses.
    pub kind: Kind,
    /// Whom it chooses from, at most [`MEMBERS_MAX`].
    pub members: Vec<ServerId>,
    /// Time to live of its answers, seconds.
    pub ttl_s: u32,
    /// Addresses of an answer, at most [`ANSWERS_MAX`].
    pub answers: usize,
    /// How long a client stays.
    pub persistence: Persistence,
    /// Figures older than this are not known any more, seconds.
    pub stale_s: u64,
    /// What is answered when nobody is to be had.
    pub when_all_down: WhenAllDown,
    /// What an unknown server counts as.
    pub unknown: Unknown,
}
