//! A worker's end of forecasts: hands over what its answers foretell, each way once in ten seconds, and never waits. Front-ends
//! report each network every ten seconds, so that more would be graded against nothing new.

use crate::dns::policy::decide::Decision;
use crate::dns::policy::forecast::Forecast;
use crate::dns::policy::steering::Steering;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

/// Forecasts on their way to who grades them, who looks four times a second; more are lost and counted.
const WAITING_MAX: usize = 4_096;
/// How long a way is not told of again, s.
const AGAIN_S: u32 = 10;
/// Ways that a worker remembers, 16 bytes each: ways that share a place forget each other, and are told of more often.
const REMEMBERED: usize = 4_096;

/// Where workers' ends are to be had.
#[derive(Clone, Debug)]
pub struct Telling(SyncSender<Forecast>);

impl Telling {
    /// Both ends.
    pub fn new() -> (Self, Receiver<Forecast>) {
        let (telling, told) = sync_channel(WAITING_MAX);
        (Self(telling), told)
    }

    /// An end for a worker.
    pub fn foreteller(&self) -> Foreteller {
        Foreteller { told: vec![(0, 0); REMEMBERED], forecasts: self.0.clone() }
    }
}

/// A worker's end.
#[derive(Debug)]
pub struct Foreteller {
    /// Ways told of lately, and when, Unix seconds.
    told: Vec<(u64, u32)>,
    forecasts: SyncSender<Forecast>,
}

impl Foreteller {
    /// Takes what a decision foretells; false if it was lost.
    pub fn note(&mut self, decision: &Decision, steering: &Steering, unix_us: u64) -> bool {
        let Some(forecast) = Forecast::of(decision, steering, unix_us) else { return true };
        let (way, now_s) = (forecast.way(), (unix_us / 1_000_000) as u32);
        let place = &mut self.told[way as usize % REMEMBERED];
        // A clock that was put back ends the silence, too.
        if place.0 == way && now_s.wrapping_sub(place.1) < AGAIN_S {
            return true;
        }
        *place = (way, now_s);
        self.forecasts.try_send(forecast).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dns::policy::decide::{Client, Family};
    use crate::dns::policy::figures::Figures;
    use crate::dns::policy::model::{
        Kind, Persistence, Policy, Rules, Server, ServerId, Unknown, WhenAllDown,
    };

    fn steering() -> Steering {
        let server = |name: &str| Server {
            name: name.into(),
            domain: name.into(),
            v4: vec![core::net::Ipv4Addr::LOCALHOST],
            v6: Vec::new(),
            v6_prefix: None,
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
        foreteller.note(&decision, &steering, at_us)
    }

    #[test]
    fn a_way_is_told_of_once_in_ten_seconds() {
        let (telling, forecasts) = Telling::new();
        let mut foreteller = telling.foreteller();
        let client = Client::of([192, 0, 2, 9].into());
        for at_us in [1_000_000_000, 1_001_000_000, 1_009_999_999, 1_010_000_000] {
            assert!(told(&mut foreteller, 0, client, at_us));
        }
        let all: Vec<Forecast> = forecasts.try_iter().collect();
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
