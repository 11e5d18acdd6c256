//! A worker's end of what answers tell of their clients: hands it over, each way once in ten seconds, and never waits. Front-ends
//! report each network every ten seconds, so that more would be graded against nothing new.

use crate::dns::policy::decide::Decision;
use crate::dns::policy::forecast::Told;
use crate::dns::policy::steering::Steering;
use core::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

/// What is on its way to the ledger, where somebody looks four times a second; more are lost and counted.
const WAITING_MAX: usize = 4_096;
/// How long a way is not told of again, s.
const AGAIN_S: u32 = 10;
/// Ways that a worker remembers, 16 bytes each: ways that share a place forget each other, and are told of more often.
const REMEMBERED: usize = 4_096;

/// Where workers' ends are to be had.
#[derive(Clone, Debug)]
pub struct Telling {
    told: SyncSender<Told>,
    /// The age at which a resolver is measured again, s; [`NEVER`]: resolvers are not probed.
    refresh_s: Arc<AtomicU64>,
}

/// Resolvers are not probed.
const NEVER: u64 = u64::MAX;

impl Telling {
    /// Both ends.
    pub fn new() -> (Self, Receiver<Told>) {
        let (told, taken) = sync_channel(WAITING_MAX);
        (Self { told, refresh_s: Arc::new(AtomicU64::new(NEVER)) }, taken)
    }

    /// Whether resolvers of whom nobody knows are told of, and from which age on what is known of one is not enough, s.
    pub fn set_refresh(&self, refresh_s: Option<u64>) {
        self.refresh_s.store(refresh_s.unwrap_or(NEVER), Ordering::Relaxed);
    }

    /// An end for a worker.
    pub fn foreteller(&self) -> Foreteller {
        Foreteller { lately: vec![(0, 0); REMEMBERED], telling: self.clone() }
    }
}

/// A worker's end.
#[derive(Debug)]
pub struct Foreteller {
    /// Ways told of lately, and when, Unix seconds.
    lately: Vec<(u64, u32)>,
    telling: Telling,
}

impl Foreteller {
    /// Takes what a decision for `from` tells; false if it was lost.
    pub fn note(&mut self, decision: &Decision, steering: &Steering, from: IpAddr, unix_us: u64) -> bool {
        let refresh_s = Some(self.telling.refresh_s.load(Ordering::Relaxed)).filter(|span| *span != NEVER);
        let Some(told) = Told::of(decision, steering, from, refresh_s, unix_us) else { return true };
        let (way, now_s) = (told.way(), (unix_us / 1_000_000) as u32);
        let place = &mut self.lately[way as usize % REMEMBERED];
        // A clock that was put back ends the silence, too.
        if place.0 == way && now_s.wrapping_sub(place.1) < AGAIN_S {
            return true;
        }
        *place = (way, now_s);
        self.telling.told.try_send(told).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dns::policy::decide::{Client, Family};
    use crate::dns::policy::figures::Figures;
    use crate::dns::policy::forecast::Forecast;
    use crate::dns::policy::model::{
        Kind, Persistence, Policy, Rules, Server, ServerId, Unknown, WhenAllDown,
    };

    /// Who asks, if nothing else is said.
    const FROM: IpAddr = IpAddr::V4(core::net::Ipv4Addr::new(198, 51, 100, 9));

    fn steering() -> Steering {
        let server = |name: &str| Server {
            name: name.into(),
            domain: name.into(),
            v4: vec![core::net::Ipv4Addr::LOCALHOST],
            v6: Vec::new(),
            v6_prefix: None,
            slow_start_s: 0,
            weight: 1.0,
            cost: 0.0,
            order: None,
        };
        let policy = |kind| Policy {
            name: "web".into(),
            kind,
            members: vec![ServerId(0), ServerId(1)],
            ttl_s: 30,
            answers: 1,
            persistence: Persistence::Forever,
            stale_s: 60,
            when_all_down: WhenAllDown::All,
            unknown: Unknown::Up,
        };
        let servers = vec![server("fra"), server("nyc")];
        let text = r#"{"latency": [{"network": "192.0.2.0/24", "from": "fra", "ms": 12.5},
                                   {"network": "192.0.2.0/24", "from": "nyc", "ms": 90}]}"#;
        let figures = Figures::read(text, &["fra", "nyc"], 7).unwrap();
        let policies = vec![policy(Kind::Best(Rules::default())), policy(Kind::Failover)];
        Steering::new(servers, policies, None).with_figures(figures)
    }

    fn told(foreteller: &mut Foreteller, policy: u32, client: Client, at_us: u64) -> bool {
        let (steering, mut decision) = (steering(), Decision::default());
        assert!(steering.decide(policy, client, Family::V4, at_us / 1_000_000, 1, &mut decision));
        foreteller.note(&decision, &steering, FROM, at_us)
    }

    #[test]
    fn a_way_is_told_of_once_in_ten_seconds() {
        let (telling, forecasts) = Telling::new();
        let mut foreteller = telling.foreteller();
        let client = Client::of([192, 0, 2, 9].into());
        for at_us in [1_000_000_000, 1_001_000_000, 1_009_999_999, 1_010_000_000] {
            assert!(told(&mut foreteller, 0, client, at_us));
        }
        let of = |told| match told {
            Told::Forecast(forecast) => Some(forecast),
            Told::Unknown(_) => None,
        };
        let all: Vec<Forecast> = forecasts.try_iter().filter_map(of).collect();
        assert_eq!(
            all.iter().map(|forecast| forecast.at_us).collect::<Vec<_>>(),
            [1_000_000_000, 1_010_000_000]
        );
        let network = "192.0.2.0/24".parse().unwrap();
        assert_eq!((all[0].network, all[0].rtt_us), (network, 12_500));
        assert_eq!(all[0].server, steering().server_hash(ServerId(0)));
    }

    #[test]
    fn what_nobody_knows_is_not_foretold() {
        let (telling, forecasts) = Telling::new();
        let mut foreteller = telling.foreteller();
        let of = |address: [u8; 4], bits| Client { address: address.into(), bits };
        for (policy, client) in [
            // Of another policy, of a network that nobody measured, of one that is wider than what front-ends report.
            (1, of([192, 0, 2, 0], 24)),
            (0, of([198, 51, 100, 0], 24)),
            (0, of([192, 0, 0, 0], 16)),
        ] {
            assert!(told(&mut foreteller, policy, client, 5_000_000_000));
        }
        assert_eq!(forecasts.try_iter().count(), 0);
    }

    #[test]
    fn resolvers_of_whom_nobody_knows_are_told_of_where_somebody_wants_to_know() {
        let (telling, told_of) = Telling::new();
        let mut foreteller = telling.foreteller();
        let resolver = Client::of(FROM);
        let subnet = Client { address: [198, 51, 100, 0].into(), bits: 24 };
        assert!(told(&mut foreteller, 0, resolver, 1_000_000_000));
        telling.set_refresh(Some(3_600));
        // The clients behind it asked nobody for a packet.
        assert!(told(&mut foreteller, 0, subnet, 1_020_000_000));
        assert!(told(&mut foreteller, 0, Client::of([198, 51, 100, 8].into()), 1_030_000_000));
        assert_eq!(told_of.try_iter().count(), 0);
        assert!(told(&mut foreteller, 0, resolver, 1_040_000_000));
        assert!(
            told(&mut foreteller, 1, resolver, 1_060_000_000),
            "a policy without scores wants to know nothing"
        );
        assert_eq!(told_of.try_iter().collect::<Vec<_>>(), [Told::Unknown(FROM)]);
    }

    #[test]
    fn nobody_waits_where_nobody_takes() {
        let (telling, _forecasts) = Telling::new();
        let mut foreteller = telling.foreteller();
        let client = Client::of([192, 0, 2, 9].into());
        let taken = (1..WAITING_MAX as u64 + 100)
            .filter(|at| told(&mut foreteller, 0, client, at * 60_000_000))
            .count();
        assert_eq!(taken, WAITING_MAX);
    }
}
