//! Which plan follows another: what is in both keeps its number, what is new gets a free one, what is gone is retired.
//!
//! A retired number is free again when every worker has said that it uses none of the plan that retired it any more
//! (`Control::settled`). Peers keep theirs for ever, as the tunnels' endpoint does. Pure: reads two plans, makes a third.
//!
//! A process that was made for flags alone may have no room for connections to origins, and datagrams need a socket of
//! their family: a site that would need what is not there stays as it was until the process starts anew.

use core::net::SocketAddr;
use std::collections::HashMap;

use crate::exchange::link::Way;
use crate::role::plan::{Origin, Peer, Plan, Route, Site};
use crate::tmp::endpoint::PEERS_MAX;

/// Sites, routes or origins that a process can have named since it began, apart from those whose numbers are free again.
pub const NUMBERS_MAX: usize = 1 << 16;

/// What the workers of a process were made with.
#[derive(Clone, Debug, Default)]
pub struct Abilities {
    /// They can ask origins.
    pub origins: bool,
    /// Where datagrams of tunnels leave from.
    pub tunnel_addresses: Vec<SocketAddr>,
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct Succession {
    /// The plan that follows.
    pub plan: Plan,
    /// The number that each of the wanted origins has in it.
    pub origins: Vec<u16>,
    /// Sites that stay as they were, because the process would have to be made anew for them.
    pub waiting: Vec<String>,
}

/// No number is left for all that is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

impl Plan {
    /// The plan that follows this one if `wanted`, with numbers of its own, is to be done from now on. Listeners stay as
    /// they are, for their sockets do. `settled`: the plan whose retired numbers nobody uses any more.
    pub fn succeed(&self, wanted: Self, settled: u64, abilities: &Abilities) -> Result<Succession, Full> {
        let generation = self.generation + 1;
        let asked = wanted.origins.len();
        let Self { routes, sites, origins, peers, rules, trusted_proxies, pseudonym, .. } = wanted;
        let mut wishes = Wishes { sites: sites.to_vec(), routes, origins: origins.to_vec() };
        let waiting = self.hold_back(&mut wishes, abilities);
        let Wishes { mut sites, routes, origins } = wishes;
        let table = |max| Renumbering { generation, settled, max };
        let (routes, route_numbers) = table(NUMBERS_MAX).apply(&self.routes, routes)?;
        let (origins, origin_numbers) = table(NUMBERS_MAX).apply(&self.origins, origins)?;
        for site in &mut sites {
            for way in core::iter::once(&mut site.way).chain(&mut site.others) {
                *way = match *way {
                    Way::Route(route) => Way::Route(route_numbers[usize::from(route)]),
                    Way::Origin(origin) => Way::Origin(origin_numbers[usize::from(origin)]),
                };
            }
        }
        let (sites, _) = table(NUMBERS_MAX).apply(&self.sites, sites)?;
        let (peers, _) = Renumbering { settled: 0, ..table(PEERS_MAX) }.apply(&self.peers, peers)?;
        let (listeners, sites, origins) = (self.listeners.clone(), sites.into(), origins.into());
        let plan =
            Self { generation, listeners, sites, routes, origins, peers, rules, trusted_proxies, pseudonym };
        Ok(Succession { plan, origins: origin_numbers[..asked].to_vec(), waiting })
    }

    /// Leaves sites that cannot be served as they are wanted as they are now; their names.
    fn hold_back(&self, wanted: &mut Wishes, abilities: &Abilities) -> Vec<String> {
        let can = |way: Way| match way {
            Way::Origin(_) => abilities.origins,
            Way::Route(route) => {
                let Route { addresses, carriers, .. } = &wanted.routes[usize::from(route)];
                let mut from = abilities.tunnel_addresses.iter();
                let has_socket =
                    addresses.first().is_some_and(|to| from.any(|from| from.is_ipv4() == to.is_ipv4()));
                has_socket || !carriers.is_empty()
            }
        };
        let (can, cannot): (Vec<Site>, Vec<Site>) =
            core::mem::take(&mut wanted.sites).into_iter().partition(|site| can(site.way));
        wanted.sites = can;
        for site in &cannot {
            let Some(now) = self.sites.iter().find(|now| now.name == site.name && now.retired.is_none())
            else {
                continue;
            };
            let mut kept = now.clone();
            for way in core::iter::once(&mut kept.way).chain(&mut kept.others) {
                *way = match *way {
                    Way::Route(route) => {
                        wanted.routes.push(self.routes[usize::from(route)].clone());
                        Way::Route(wanted.routes.len() as u16 - 1)
                    }
                    Way::Origin(origin) => {
                        wanted.origins.push(self.origins[usize::from(origin)].clone());
                        Way::Origin(wanted.origins.len() as u16 - 1)
                    }
                };
            }
            wanted.sites.push(kept);
        }
        cannot.into_iter().map(|site| site.name).collect()
    }
}

/// What is wanted of a plan, with numbers of its own.
struct Wishes {
    sites: Vec<Site>,
    routes: Vec<Route>,
    origins: Vec<Origin>,
}

/// An entry of a table of a plan.
trait Numbered: Clone {
    /// What makes it the same entry in another plan.
    fn key(&self) -> String;
    /// Where it is said that it is retired.
    fn retired(&mut self) -> &mut Option<u64>;
}

impl Numbered for Site {
    fn key(&self) -> String {
        self.name.clone()
    }

    fn retired(&mut self) -> &mut Option<u64> {
        &mut self.retired
    }
}

impl Numbered for Route {
    fn key(&self) -> String {
        let Self { name, public_key, addresses, carriers, chosen, .. } = self;
        format!("{name} {public_key} {addresses:?} {carriers:?} {chosen:?}")
    }

    fn retired(&mut self) -> &mut Option<u64> {
        &mut self.retired
    }
}

impl Numbered for Origin {
    fn key(&self) -> String {
        format!("{} {:?} {:?} {}", self.site, self.kind, self.proxy, self.label)
    }

    fn retired(&mut self) -> &mut Option<u64> {
        &mut self.retired
    }
}

impl Numbered for Peer {
    fn key(&self) -> String {
        self.public_key.to_string()
    }

    fn retired(&mut self) -> &mut Option<u64> {
        &mut self.retired
    }
}

/// How the entries of one table get their numbers.
struct Renumbering {
    generation: u64,
    settled: u64,
    max: usize,
}

impl Renumbering {
    /// The table that follows `now`, and the number of each of `wanted` in it.
    fn apply<T: Numbered>(self, now: &[T], wanted: Vec<T>) -> Result<(Vec<T>, Vec<u16>), Full> {
        let mut next = now.to_vec();
        let mut known: HashMap<String, usize> = HashMap::new();
        for (number, entry) in next.iter().enumerate() {
            known.insert(entry.key(), number);
        }
        let mut is_wanted = vec![false; next.len()];
        let mut places: Vec<Option<usize>> = Vec::with_capacity(wanted.len());
        for entry in &wanted {
            let place = known.get(&entry.key()).copied();
            if let Some(place) = place {
                is_wanted[place] = true;
            }
            places.push(place);
        }
        let mut free: Vec<usize> = Vec::new();
        for (number, entry) in next.iter_mut().enumerate().filter(|(number, _)| !is_wanted[*number]) {
            match entry.retired() {
                Some(since) if *since <= self.settled => free.push(number),
                Some(_) => {}
                none => *none = Some(self.generation),
            }
        }
        let mut numbers = Vec::with_capacity(wanted.len());
        for (mut entry, place) in wanted.into_iter().zip(places) {
            *entry.retired() = None;
            let number = place.or_else(|| free.pop()).unwrap_or(next.len());
            if number >= self.max {
                return Err(Full);
            }
            match next.get_mut(number) {
                Some(slot) => *slot = entry,
                None => next.push(entry),
            }
            numbers.push(number as u16);
        }
        Ok((next, numbers))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::link::Kind;
    use crate::stdx::prng::Prng;
    use crate::tmp::key::{PrivateKey, PublicKey};
    use crate::tmp::random::PredictableRandom;
    use crate::tmp::spread::PathUse;
    use std::collections::BTreeMap;

    fn key(seed: u64) -> PublicKey {
        PrivateKey::generate(&mut PredictableRandom::new(seed)).public()
    }

    fn site(name: &str, way: Way) -> Site {
        Site { name: name.to_owned(), way, others: Vec::new(), alias_of: None, retired: None }
    }

    fn origin(site: &str, label: &str) -> Origin {
        Origin {
            site: site.to_owned(),
            kind: Kind::Http,
            label: label.to_owned(),
            proxy: None,
            retired: None,
        }
    }

    fn route(name: &str, seed: u64) -> Route {
        let addresses = vec![SocketAddr::from(([192, 0, 2, seed as u8], 7_000))];
        Route {
            name: name.to_owned(),
            public_key: key(seed),
            addresses,
            carriers: Vec::new(),
            chosen: PathUse::default(),
            owner: 0,
            retired: None,
        }
    }

    fn peer(seed: u64, sites: &[&str]) -> Peer {
        let sites = sites.iter().map(|site| site.as_bytes().to_vec()).collect();
        Peer { label: seed.to_string(), public_key: key(seed), sites, retired: None }
    }

    /// Sites by their names, each at an origin of that label.
    fn alone(sites: &[(&str, &str)]) -> Plan {
        let numbered = sites.iter().enumerate();
        Plan {
            sites: numbered
                .map(|(at, (name, _))| site(name, Way::Origin(at as u16)))
                .collect::<Vec<_>>()
                .into(),
            origins: sites.iter().map(|(name, label)| origin(name, label)).collect::<Vec<_>>().into(),
            ..Plan::default()
        }
    }

    fn able() -> Abilities {
        Abilities { origins: true, tunnel_addresses: vec![SocketAddr::from(([0, 0, 0, 0], 0))] }
    }

    /// Where a plan sends a name.
    fn label<'p>(plan: &'p Plan, name: &str) -> Option<&'p str> {
        match plan.sites[usize::from(plan.site(name.as_bytes())?)].way {
            Way::Origin(origin) => Some(plan.origins[usize::from(origin)].label.as_str()),
            Way::Route(route) => Some(plan.routes[usize::from(route)].name.as_str()),
        }
    }

    #[test]
    fn what_stays_keeps_its_number_and_what_goes_keeps_its_place() {
        let first = alone(&[("a", "1"), ("b", "2"), ("c", "3")]);
        let wanted = alone(&[("c", "3"), ("a", "9"), ("d", "4")]);
        let Succession { plan, origins, waiting } = first.succeed(wanted, 0, &able()).unwrap();
        let names: Vec<_> = plan.sites.iter().map(|site| (site.name.as_str(), site.retired)).collect();
        assert_eq!(names, [("a", None), ("b", Some(1)), ("c", None), ("d", None)]);
        assert_eq!((label(&plan, "a"), label(&plan, "b"), label(&plan, "c")), (Some("9"), None, Some("3")));
        assert_eq!(
            origins,
            [2, 3, 4],
            "origins of now keep their numbers, and what was a's goes on under it"
        );
        assert!(waiting.is_empty() && plan.generation == 1);
        assert_eq!((plan.origins[0].label.as_str(), plan.origins[0].retired), ("1", Some(1)));
    }

    #[test]
    fn a_number_is_free_again_when_nobody_uses_it() {
        let mut plan = alone(&[("a", "0")]);
        for turn in 1..200 {
            let settled = plan.generation;
            plan = plan.succeed(alone(&[("a", &turn.to_string())]), settled, &able()).unwrap().plan;
            assert!(plan.origins.len() <= 2, "{}", plan.origins.len());
            assert_eq!(label(&plan, "a"), Some(turn.to_string().as_str()));
        }
        for turn in 0..5 {
            plan = plan.succeed(alone(&[("a", &format!("held{turn}"))]), 0, &able()).unwrap().plan;
        }
        assert_eq!(plan.origins.len(), 7, "nothing was said to be settled");
    }

    #[test]
    fn peers_keep_their_numbers_for_ever() {
        let of = |peers: Vec<Peer>| Plan { peers, ..Plan::default() };
        let first = of(vec![peer(1, &["a"]), peer(2, &["b"])]);
        let second = first.succeed(of(vec![peer(2, &["c"])]), 9, &able()).unwrap().plan;
        assert!(!second.is_allowed(0, b"a") && second.is_allowed(1, b"c") && !second.is_allowed(1, b"b"));
        let third = second.succeed(of(vec![peer(3, &["*"]), peer(1, &["a"])]), 9, &able()).unwrap().plan;
        assert_eq!(third.peers.len(), 3);
        assert!(third.is_allowed(0, b"a") && !third.is_allowed(1, b"c") && third.is_allowed(2, b"x"));
        let crowd = of((0..PEERS_MAX as u64 + 1).map(|_| peer(1, &[])).collect());
        assert!(of(Vec::new()).succeed(crowd, 0, &able()).is_err());
    }

    #[test]
    fn a_route_that_leads_elsewhere_is_another_route() {
        let of =
            |routes: Vec<Route>, sites: Vec<Site>| Plan { routes, sites: sites.into(), ..Plan::default() };
        let first = of(vec![route("east", 1)], vec![site("*", Way::Route(0))]);
        let moved = of(vec![route("west", 2), route("east", 3)], vec![site("*", Way::Route(1))]);
        let next = first.succeed(moved, 0, &able()).unwrap().plan;
        assert_eq!((next.routes.len(), next.routes[0].retired), (3, Some(1)));
        assert_eq!(next.sites[0].way, Way::Route(2));
    }

    #[test]
    fn a_site_that_needs_what_is_not_there_stays_as_it_was() {
        let first = alone(&[("a", "1"), ("b", "2")]);
        let mut wanted = alone(&[("b", "3")]);
        wanted.routes.push(route("east", 1));
        let more = [site("a", Way::Route(0)), site("new", Way::Route(0))];
        wanted.sites = wanted.sites.iter().cloned().chain(more).collect::<Vec<_>>().into();
        let abilities = Abilities { origins: true, tunnel_addresses: Vec::new() };
        let Succession { plan, origins, waiting } = first.succeed(wanted, 0, &abilities).unwrap();
        assert_eq!(waiting, ["a", "new"]);
        assert_eq!((label(&plan, "a"), label(&plan, "b"), label(&plan, "new")), (Some("1"), Some("3"), None));
        assert_eq!((origins, plan.origins[0].retired), (vec![2], None));
    }

    /// Plans at random, one after the other: a name leads where the newest plan says, and as long as nothing is said to be
    /// settled no number ever changes its meaning.
    #[test]
    fn numbers_mean_the_same_for_as_long_as_somebody_may_use_them() {
        let mut random = Prng::new(11);
        let mut plan = Plan::default();
        let mut meant: BTreeMap<usize, String> = BTreeMap::new();
        for _ in 0..300 {
            let names = ["a", "b", "c", "d", "e"].into_iter().filter(|_| random.below(2) == 0);
            let names: Vec<&str> = names.collect();
            let labels: Vec<String> = names.iter().map(|_| random.below(4).to_string()).collect();
            let sites: Vec<(&str, &str)> = names.into_iter().zip(labels.iter().map(String::as_str)).collect();
            plan = plan.succeed(alone(&sites), 0, &able()).unwrap().plan;
            for name in ["a", "b", "c", "d", "e"] {
                let expected = sites.iter().find(|(known, _)| *known == name).map(|(_, label)| *label);
                assert_eq!(label(&plan, name), expected);
            }
            for (number, origin) in plan.origins.iter().enumerate() {
                assert_eq!(*meant.entry(number).or_insert_with(|| origin.key()), origin.key());
            }
        }
        assert!(plan.origins.len() <= 20);
    }
}
