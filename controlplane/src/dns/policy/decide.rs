//! The decision: judges every member of a policy, ranks those that may serve, takes the first ones and spreads them over
//! failure domains. One function for answers and for explanations; the result says of each member what became of it.

use crate::dns::policy::figures::{Basis, Figure, Figures, Health, Way, WaysTo};
use crate::dns::policy::geo::Place;
use crate::dns::policy::model::{
    Action, GeoRule, Kind, Persistence, Policy, Rules, SLOW_START_SHARE, Server, ServerId, Unknown,
    WhenAllDown,
};
use crate::dns::policy::rendezvous;
use core::net::IpAddr;
use dataplane::stdx::network::Network;

/// Prefix lengths that count as one client for persistence, IPv4 and IPv6: what one network usually has.
const CLIENT_BITS: (u8, u8) = (24, 56);

/// Who is to be sent somewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Client {
    /// Its address, or its resolver's, zero behind `bits`.
    pub address: IpAddr,
    /// How many bits of it are known.
    pub bits: u8,
}

impl Client {
    /// Somebody of whom the whole address is known.
    pub fn of(address: IpAddr) -> Self {
        let address = address.to_canonical();
        Self { address, bits: if address.is_ipv4() { 32 } else { 128 } }
    }

    /// The network that is one client.
    pub fn network(&self) -> Network {
        let most = if self.address.is_ipv4() { CLIENT_BITS.0 } else { CLIENT_BITS.1 };
        Network::of(self.address, most.min(self.bits))
    }
}

/// Which addresses are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

/// Whether a server may serve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It was up so many seconds ago.
    Up(u64),
    /// An operator says that it is up.
    OrderedUp,
    /// Nothing was ever measured.
    Unmeasured,
    /// What was measured is so many seconds old, too old.
    Stale(u64),
    /// It was down so many seconds ago.
    Down(u64),
    /// An operator says that it is down.
    OrderedDown,
    /// An operator wants nobody new there.
    Drained,
}

/// A score by its parts, lower is better.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Score {
    /// Latency; the rule's stand-in where it is not known.
    pub latency_ms: f32,
    /// The latency's age, if it is known.
    pub latency_age_s: Option<u64>,
    /// What the latency rests on, if it is known.
    pub basis: Option<Basis>,
    /// What its load adds.
    pub load_ms: f32,
    /// What its loss adds.
    pub loss_ms: f32,
    /// What a way to the origins adds that has soured.
    pub soured_ms: f32,
    /// What its cost adds.
    pub cost_ms: f32,
    /// The sum, divided by the weight.
    pub total_ms: f32,
}

/// What became of a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is in the answer, at this place.
    Chosen(u8),
    /// Its standing keeps it out.
    NotUp,
    /// It has no address of the family.
    NoAddress,
    /// Others have a better score.
    Worse,
    /// Others drew better for this client.
    Outdrawn,
    /// Others come before it in the order.
    Behind,
    /// It is not listed for the client's place.
    Elsewhere,
    /// One of its failure domain is in the answer already.
    SameDomain,
}

/// A member, judged.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Judged {
    /// Which.
    pub server: ServerId,
    /// Whether it may serve.
    pub standing: Standing,
    /// Its score, where the policy has one.
    pub score: Option<Score>,
    /// What became of it.
    pub fate: Fate,
    /// Its weight now: less than the whole while it starts slowly.
    pub weight: f32,
    /// Its rank among those that may serve: lower is better; then its draw.
    rank: f32,
    draw: f32,
}

/// Which rule made the answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Rule {
    /// The policy's own, among servers that are up.
    #[default]
    Policy,
    /// The policy's own, among servers of which nothing is known, for none is known to be up.
    AmongUnknown,
    /// Nobody was to be had: all of them.
    AllDownAll,
    /// Nobody was to be had: SERVFAIL.
    AllDownServFail,
    /// Nobody was to be had: no address.
    AllDownNothing,
    /// Nobody was to be had: the operator's addresses.
    AllDownFallback,
}

/// A decision.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Decision {
    /// Its number, in the log and on request in the answer.
    pub id: u64,
    /// Which rule made it.
    pub rule: Rule,
    /// Every member and what became of it.
    pub judged: Vec<Judged>,
    /// Those in the answer, in order.
    pub chosen: Vec<ServerId>,
    /// Where the client is, if the policy asked.
    pub place: Place,
    /// Bits of the client's address that it depends on.
    pub scope: u8,
    /// The client, if anybody was ranked for it.
    pub client: Option<Client>,
}

impl Decision {
    /// The first server of the answer, with its score if the policy has one.
    pub fn first(&self) -> Option<(ServerId, Option<Score>)> {
        let first = *self.chosen.first()?;
        let judged = self.judged.iter().find(|one| one.server == first);
        Some((first, judged.and_then(|one| one.score)))
    }
}

/// What a decision is made from.
#[derive(Clone, Copy, Debug)]
pub struct Grounds<'a> {
    /// The servers.
    pub servers: &'a [Server],
    /// The hashes of their names.
    pub hashes: &'a [u64],
    /// What is known.
    pub figures: &'a Figures,
    /// Where the client is, for `geo`.
    pub place: Place,
    /// Who asks.
    pub client: Client,
    /// For what.
    pub family: Family,
    /// Unix seconds.
    pub now_s: u64,
    /// A number that differs from answer to answer.
    pub nonce: u64,
}

/// Decides into `decision`, whose memory is used again.
pub fn decide(policy: &Policy, grounds: &Grounds<'_>, decision: &mut Decision) {
    decision.judged.clear();
    decision.chosen.clear();
    (decision.id, decision.place, decision.scope) = (grounds.nonce, Place::default(), 0);
    decision.client = None;
    judge(policy, grounds, decision);
    decision.rule = rule(policy, &decision.judged);
    match decision.rule {
        Rule::Policy | Rule::AmongUnknown | Rule::AllDownAll => {
            rank(policy, grounds, decision);
            take(policy, grounds, decision);
        }
        Rule::AllDownServFail | Rule::AllDownNothing | Rule::AllDownFallback => {}
    }
}

fn judge(policy: &Policy, grounds: &Grounds<'_>, decision: &mut Decision) {
    for member in &policy.members {
        let server = &grounds.servers[usize::from(member.0)];
        let standing = standing(policy, server, grounds.figures.health(*member).is_up, grounds.now_s);
        let fate = Fate::NotUp;
        let (score, weight) = (None, server.weight);
        decision.judged.push(Judged { server: *member, standing, score, fate, weight, rank: 0.0, draw: 0.0 });
    }
}

fn standing(policy: &Policy, server: &Server, is_up: Option<Figure<bool>>, now_s: u64) -> Standing {
    let order = server.order.as_ref().filter(|order| order.until_s.is_none_or(|until_s| now_s < until_s));
    match order.map(|order| order.action) {
        Some(Action::Drain) => return Standing::Drained,
        Some(Action::Up) => return Standing::OrderedUp,
        Some(Action::Down) => return Standing::OrderedDown,
        None => {}
    }
    let Some(figure) = is_up else { return Standing::Unmeasured };
    let age_s = figure.age_s(now_s);
    match figure.value {
        _ if age_s > policy.stale_s => Standing::Stale(age_s),
        true => Standing::Up(age_s),
        false => Standing::Down(age_s),
    }
}

impl Standing {
    /// Whether a server of this standing serves under this rule.
    fn serves(self, policy: &Policy, rule: Rule) -> bool {
        let ignores_figures = matches!(policy.kind, Kind::Static);
        match self {
            _ if rule == Rule::AllDownAll => true,
            Self::Up(_) | Self::OrderedUp => true,
            Self::OrderedDown | Self::Drained => false,
            Self::Down(_) => ignores_figures,
            Self::Unmeasured | Self::Stale(_) => {
                ignores_figures || policy.unknown == Unknown::Up || rule == Rule::AmongUnknown
            }
        }
    }
}

fn rule(policy: &Policy, judged: &[Judged]) -> Rule {
    if judged.iter().any(|one| one.standing.serves(policy, Rule::Policy)) {
        return Rule::Policy;
    }
    let is_unknown = |one: &Judged| matches!(one.standing, Standing::Unmeasured | Standing::Stale(_));
    if policy.unknown == Unknown::AfterUp && judged.iter().any(is_unknown) {
        return Rule::AmongUnknown;
    }
    match policy.when_all_down {
        WhenAllDown::All => Rule::AllDownAll,
        WhenAllDown::ServFail => Rule::AllDownServFail,
        WhenAllDown::Nothing => Rule::AllDownNothing,
        WhenAllDown::Fallback(_) => Rule::AllDownFallback,
    }
}

/// Ranks those that may serve; the others keep the fate that keeps them out.
fn rank(policy: &Policy, grounds: &Grounds<'_>, decision: &mut Decision) {
    let network = grounds.client.network();
    decision.client = Some(grounds.client);
    let ticket = match policy.persistence {
        Persistence::Off => grounds.nonce,
        Persistence::Seconds(period_s) => rendezvous::ticket(network, Some(period_s), grounds.now_s),
        Persistence::Forever => rendezvous::ticket(network, None, grounds.now_s),
    };
    let is_drawn = matches!(policy.kind, Kind::Best(_) | Kind::Weighted);
    if is_drawn && policy.persistence != Persistence::Off && policy.members.len() > 1 {
        decision.scope = network.bits();
    }
    let ways = match &policy.kind {
        Kind::Best(_) => {
            let (ways, bits) = grounds.figures.ways(grounds.client.address, grounds.client.bits);
            decision.scope = decision.scope.max(bits);
            ways
        }
        Kind::Geo(_) => {
            decision.place = grounds.place;
            decision.scope = grounds.place.bits.min(grounds.client.bits);
            WaysTo::default()
        }
        Kind::Weighted | Kind::Failover | Kind::Static => WaysTo::default(),
    };
    let rule = decision.rule;
    for (place, one) in decision.judged.iter_mut().enumerate() {
        let number = usize::from(one.server.0);
        let server = &grounds.servers[number];
        if !one.standing.serves(policy, rule) {
            continue;
        }
        if !has_address(server, grounds.family) {
            one.fate = Fate::NoAddress;
            continue;
        }
        one.weight = weight_now(server, one.standing, grounds.figures.health(one.server), grounds.now_s);
        if is_drawn {
            one.draw = rendezvous::draw(ticket, grounds.hashes[number], one.weight);
        }
        (one.rank, one.fate) = match &policy.kind {
            Kind::Best(rules) => {
                let health = grounds.figures.health(one.server);
                let score = score(
                    rules,
                    (server, one.weight),
                    ways.from(number),
                    health,
                    (grounds.now_s, policy.stale_s),
                );
                one.score = Some(score);
                (score.total_ms, Fate::Worse)
            }
            Kind::Weighted => (0.0, Fate::Outdrawn),
            Kind::Failover | Kind::Static => (place as f32, Fate::Behind),
            Kind::Geo(rules) => match geo_rank(rules, grounds.place, place as u16) {
                Some(rank) => (rank as f32, Fate::Behind),
                None => (f32::INFINITY, Fate::Elsewhere),
            },
        };
    }
    if let Kind::Best(rules) = &policy.kind {
        forgive_small_differences(rules, &mut decision.judged);
    }
}

/// Scores that are about as good as the best are equal: then the draw decides, and clients do not move for a millisecond.
fn forgive_small_differences(rules: &Rules, judged: &mut [Judged]) {
    let ranked = judged.iter().filter(|one| one.fate == Fate::Worse).map(|one| one.rank);
    let best = ranked.fold(f32::INFINITY, f32::min);
    for one in
        judged.iter_mut().filter(|one| one.fate == Fate::Worse && one.rank <= best + rules.tolerance_ms)
    {
        (one.rank, one.fate) = (best, Fate::Outdrawn);
    }
}

fn has_address(server: &Server, family: Family) -> bool {
    match family {
        Family::V4 => !server.v4.is_empty(),
        Family::V6 => !server.v6.is_empty() || server.v6_prefix.is_some(),
    }
}

/// The weight of a server that may be starting slowly: it grows with the time for which it is known to serve. Whose beginning
/// nobody has seen has all of it, and so has whom an operator calls up.
fn weight_now(server: &Server, standing: Standing, health: Health, now_s: u64) -> f32 {
    let since_s =
        health.up_since_s.filter(|_| server.slow_start_s > 0 && matches!(standing, Standing::Up(_)));
    let Some(since_s) = since_s else { return server.weight };
    let grown = now_s.saturating_sub(since_s) as f32 / server.slow_start_s as f32;
    server.weight * (SLOW_START_SHARE + (1.0 - SLOW_START_SHARE) * grown.min(1.0))
}

fn score(
    rules: &Rules,
    (server, weight): (&Server, f32),
    way: Option<Way>,
    health: Health,
    (now_s, stale_s): (u64, u64),
) -> Score {
    let latency_ms = way.map_or(rules.unknown_ms, |way| way.ms.value);
    let share = |figure: Figure<f32>| figure.value * still_counts(figure.age_s(now_s), stale_s);
    let load_ms = health.load.map_or(0.0, share) * rules.load_ms;
    let loss_ms = health.loss.map_or(0.0, share) * rules.loss_ms;
    let soured = health.soured.filter(|soured| soured.value && soured.age_s(now_s) <= stale_s);
    let soured_ms = if soured.is_some() { rules.soured_ms } else { 0.0 };
    let cost_ms = server.cost * rules.cost_ms;
    Score {
        latency_ms,
        latency_age_s: way.map(|way| way.ms.age_s(now_s)),
        basis: way.map(|way| way.basis),
        load_ms,
        loss_ms,
        soured_ms,
        cost_ms,
        total_ms: (latency_ms + load_ms + loss_ms + soured_ms + cost_ms) / weight.max(f32::MIN_POSITIVE),
    }
}

/// How much a figure of this age still counts: all of it for half of `stale`, then less and less, nothing from `stale` on.
fn still_counts(age_s: u64, stale_s: u64) -> f32 {
    let half_s = stale_s as f32 / 2.0;
    ((stale_s as f32 - age_s as f32) / half_s.max(f32::MIN_POSITIVE)).clamp(0.0, 1.0)
}

/// The place of a member in what is listed for the client: its country first, then its continent, then everybody.
fn geo_rank(rules: &[GeoRule], place: Place, member: u16) -> Option<usize> {
    let country = place.country.as_ref().map(|code| &code[..]);
    let continent = place.continent.as_ref().map(|code| &code[..]);
    let lists = [country, continent, Some(b"*")].into_iter().flatten();
    let listed = lists.filter_map(|code| rules.iter().find(|rule| rule.place.as_bytes() == code));
    listed.flat_map(|rule| &rule.members).position(|listed| *listed == member)
}

/// Takes the best, one of each failure domain first; then, if there is room, the best of the rest.
fn take(policy: &Policy, grounds: &Grounds<'_>, decision: &mut Decision) {
    let Decision { judged, chosen, .. } = decision;
    let is_candidate =
        |one: &Judged| matches!(one.fate, Fate::Worse | Fate::Outdrawn | Fate::Behind | Fate::SameDomain);
    let domain = |server: ServerId| &grounds.servers[usize::from(server.0)].domain;
    for may_share_domain in [false, true] {
        while chosen.len() < policy.answers {
            let free = judged.iter_mut().filter(|one| is_candidate(one));
            let free = free.filter(|one| {
                may_share_domain || chosen.iter().all(|taken| domain(*taken) != domain(one.server))
            });
            let order =
                |a: &&mut Judged, b: &&mut Judged| a.rank.total_cmp(&b.rank).then(a.draw.total_cmp(&b.draw));
            let Some(best) = free.min_by(order) else { break };
            best.fate = Fate::Chosen(chosen.len() as u8);
            chosen.push(best.server);
        }
    }
    mark_passed_over(grounds, judged, chosen);
}

/// Says of those that would have had their turn why they had not: their failure domain was there already.
fn mark_passed_over(grounds: &Grounds<'_>, judged: &mut [Judged], chosen: &[ServerId]) {
    if chosen.len() < 2 {
        return;
    }
    let last = judged.iter().filter(|one| matches!(one.fate, Fate::Chosen(_)));
    let Some(worst) =
        last.map(|one| (one.rank, one.draw)).max_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)))
    else {
        return;
    };
    let domain = |server: ServerId| &grounds.servers[usize::from(server.0)].domain;
    for one in judged.iter_mut() {
        let lost = matches!(one.fate, Fate::Worse | Fate::Outdrawn | Fate::Behind);
        let is_better = (one.rank, one.draw) < worst;
        if lost && is_better && chosen.iter().any(|taken| domain(*taken) == domain(one.server)) {
            one.fate = Fate::SameDomain;
        }
    }
}

#[cfg(test)]
mod tests;
