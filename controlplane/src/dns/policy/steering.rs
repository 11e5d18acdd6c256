//! Everything that decides where clients go, as one snapshot, and the way from a decision to the records of an answer.

use crate::dns::answer::{Chooser, Chosen, Put};
use crate::dns::code::rtype;
use crate::dns::policy::decide::{Client, Decision, Family, Grounds, Rule, decide};
use crate::dns::policy::figures::{Figures, Reported};
use crate::dns::policy::geo::{Locations, Place};
use crate::dns::policy::model::{Kind, Override, Policy, Server, ServerId, WhenAllDown};
use crate::dns::policy::rendezvous;
use crate::dns::writer::Full;
use core::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

/// The snapshot.
#[derive(Clone, Debug, Default)]
pub struct Steering {
    servers: Vec<Server>,
    hashes: Vec<u64>,
    policies: Vec<Policy>,
    figures: Arc<Figures>,
    locations: Option<Arc<Locations>>,
}

impl Steering {
    /// Servers and policies, about which nothing is known yet.
    pub fn new(servers: Vec<Server>, policies: Vec<Policy>, locations: Option<Arc<Locations>>) -> Self {
        let hashes = servers.iter().map(|server| rendezvous::server_hash(&server.name)).collect();
        Self { servers, hashes, policies, figures: Arc::default(), locations }
    }

    /// The same with other figures, which are for the same servers.
    pub fn with_figures(&self, figures: Figures) -> Self {
        Self { figures: Arc::new(figures), ..self.clone() }
    }

    /// The same with what nodes have reported about the same servers.
    pub fn with_reported(&self, reported: Arc<Reported>) -> Self {
        self.with_figures(self.figures.with_reported(reported))
    }

    /// The same with other orders: where `order` has one for a server's name, it counts instead of the tree's.
    pub fn with_orders(&self, order: impl Fn(&str) -> Option<Override>) -> Self {
        let mut steering = self.clone();
        for server in &mut steering.servers {
            server.order = order(&server.name).or_else(|| server.order.take());
        }
        steering
    }

    /// The servers.
    pub fn servers(&self) -> &[Server] {
        &self.servers
    }

    /// A server.
    pub fn server(&self, id: ServerId) -> &Server {
        &self.servers[usize::from(id.0)]
    }

    /// The hash of a server's name.
    pub fn server_hash(&self, id: ServerId) -> u64 {
        self.hashes[usize::from(id.0)]
    }

    /// The policies.
    pub fn policies(&self) -> &[Policy] {
        &self.policies
    }

    /// What is known.
    pub fn figures(&self) -> &Figures {
        &self.figures
    }

    /// Decides for `policy`; false if there is none of this number.
    pub fn decide(
        &self,
        policy: u32,
        client: Client,
        family: Family,
        now_s: u64,
        nonce: u64,
        decision: &mut Decision,
    ) -> bool {
        let Some(policy) = self.policies.get(policy as usize) else { return false };
        let place = match (&policy.kind, &self.locations) {
            (Kind::Geo(_), Some(locations)) => locations.place(client.address),
            _ => Place::default(),
        };
        let grounds = Grounds {
            servers: &self.servers,
            hashes: &self.hashes,
            figures: &self.figures,
            place,
            client,
            family,
            now_s,
            nonce,
        };
        decide(policy, &grounds, decision);
        true
    }
}

/// Chooses for one answer.
#[derive(Debug)]
pub struct Choice<'a> {
    /// From what.
    pub steering: &'a Steering,
    /// For whom.
    pub client: Client,
    /// When, Unix seconds.
    pub now_s: u64,
    /// The decision's number.
    pub nonce: u64,
    /// The decision; what it holds is only good if `policy` is set.
    pub decision: &'a mut Decision,
    /// Whose decision it became, if any policy was asked.
    pub policy: Option<u32>,
}

impl Chooser for Choice<'_> {
    fn choose(&mut self, policy: u32, qtype: u16, put: Put<'_>) -> Result<Chosen, Full> {
        let family = if qtype == rtype::A { Family::V4 } else { Family::V6 };
        let Self { steering, client, now_s, nonce, decision, .. } = self;
        if !steering.decide(policy, *client, family, *now_s, *nonce, decision) {
            return Ok(Chosen::Failure);
        }
        self.policy = Some(policy);
        let ttl_s = steering.policies[policy as usize].ttl_s;
        match decision.rule {
            Rule::AllDownServFail => return Ok(Chosen::Failure),
            Rule::AllDownNothing => return Ok(Chosen::Nothing),
            Rule::AllDownFallback => {
                let WhenAllDown::Fallback(addresses) = &steering.policies[policy as usize].when_all_down
                else {
                    return Ok(Chosen::Failure);
                };
                let fitting = addresses.iter().filter(|address| address.is_ipv4() == (family == Family::V4));
                return put_all(fitting.copied(), ttl_s, put);
            }
            Rule::Policy | Rule::AmongUnknown | Rule::AllDownAll => {}
        }
        let servers = decision.chosen.iter().map(|server| steering.server(*server));
        match family {
            Family::V4 => {
                put_all(servers.flat_map(|server| &server.v4).map(|v4| IpAddr::V4(*v4)), ttl_s, put)
            }
            Family::V6 => {
                let id = decision.id;
                let addresses = servers.flat_map(|server| {
                    let marked = server.v6_prefix.map(|prefix| marked(prefix, id));
                    let plain = server.v6.iter().copied().filter(move |_| marked.is_none());
                    marked.into_iter().chain(plain)
                });
                put_all(addresses.map(IpAddr::V6), ttl_s, put)
            }
        }
    }
}

/// An address of the prefix whose low half is the decision's number.
fn marked(prefix: Ipv6Addr, id: u64) -> Ipv6Addr {
    (prefix.to_bits() >> 64 << 64 | u128::from(id)).into()
}

fn put_all(addresses: impl Iterator<Item = IpAddr>, ttl_s: u32, put: Put<'_>) -> Result<Chosen, Full> {
    let mut chosen = Chosen::Nothing;
    for address in addresses {
        match address {
            IpAddr::V4(v4) => put(ttl_s, &v4.octets())?,
            IpAddr::V6(v6) => put(ttl_s, &v6.octets())?,
        }
        chosen = Chosen::Addresses;
    }
    Ok(chosen)
}
