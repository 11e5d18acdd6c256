//! Forecasts and what came: which are graded, against what, how far off; floods and reloads.

use super::*;
use crate::dns::policy::forecast::Told;
use crate::report::key::Secret;
use crate::report::ledger::Ledger;
use crate::report::wire::{Entry, Head, LatencyEntry, ReportWriter, Speaker};
use crate::report::{expected::Expected, expected::ExpectedNode};
use crate::view::check_openmetrics;
use core::net::Ipv4Addr;
use dataplane::stdx::prng::Prng;

const NOW_US: u64 = 1_800_000_000_000_000;
const SECOND_US: u64 = 1_000_000;

fn network(at: u32) -> Network {
    Network::of(Ipv4Addr::from(at << 8).into(), 24)
}

fn forecast(at: u32, server: &str, rtt_us: u32, at_us: u64) -> Forecast {
    Forecast { network: network(at), server: server_hash(server), rtt_us, basis: Basis::Own, at_us }
}

fn grades() -> Grades {
    Grades::new(&["fra".to_owned(), "nyc".to_owned()])
}

#[test]
fn a_forecast_is_held_against_the_next_report_of_its_way() {
    let mut grades = grades();
    grades.foretold(forecast(1, "fra", 10_000, NOW_US), NOW_US);
    // Of another network, of another front-end, of before.
    grades.measured(0, network(2), 50_000, NOW_US + 1);
    grades.measured(1, network(1), 50_000, NOW_US + 1);
    grades.measured(0, network(1), 50_000, NOW_US);
    assert_eq!(grades.fates(), Fates::default());
    grades.measured(0, network(1), 12_500, NOW_US + SECOND_US);
    grades.measured(0, network(1), 90_000, NOW_US + 2 * SECOND_US);
    assert_eq!(grades.fates(), Fates { graded: 1, ..Fates::default() });
    let (server, basis, grade) = grades.all().next().unwrap();
    assert_eq!((server.as_str(), basis), ("fra", Basis::Own));
    assert_eq!((grade.graded, grade.sum_us, grade.too_low), (1, 2_500, 1));
    let near = |value: u64, wanted: u64| value.abs_diff(wanted) * 100 <= wanted;
    assert!(near(grade.error_us[0], 2_500) && near(grade.permille[1], 200), "{grade:?}");
    let words = grades.words(0).join("\n");
    assert!(words.contains("off by 2.5 ms (p50)") && words.contains("20 % of what was measured"), "{words}");
    assert!(grades.words(1).is_empty());
}

#[test]
fn what_nobody_measures_expires_and_a_newer_forecast_replaces_an_older_one() {
    let mut grades = grades();
    grades.foretold(forecast(1, "fra", 10_000, NOW_US), NOW_US);
    grades.foretold(forecast(1, "fra", 20_000, NOW_US + 5), NOW_US + 5);
    grades.foretold(forecast(1, "fra", 30_000, NOW_US + 4), NOW_US + 6);
    grades.foretold(forecast(2, "fra", 20_000, NOW_US), NOW_US);
    grades.foretold(forecast(1, "gone", 20_000, NOW_US), NOW_US);
    grades.measured(0, network(1), 20_000, NOW_US + SECOND_US);
    let (_, _, grade) = grades.all().next().unwrap();
    assert_eq!((grade.graded, grade.sum_us), (1, 0), "the newest of them was right");
    grades.tick(NOW_US + WAIT_US + 1);
    assert_eq!(grades.fates(), Fates { graded: 1, superseded: 1, expired: 1, refused: 0 });
    // Measured before anybody swept, and too late all the same.
    grades.foretold(forecast(3, "fra", 20_000, NOW_US), NOW_US);
    grades.measured(0, network(3), 20_000, NOW_US + WAIT_US + 2);
    assert_eq!((grades.fates().expired, grades.waiting.len()), (2, 0));
}

#[test]
fn a_flood_of_networks_is_bounded() {
    let mut grades = grades();
    for at in 0..WAITING_MAX as u32 + 500 {
        grades.foretold(forecast(at, "fra", 1, NOW_US), NOW_US);
    }
    assert_eq!((grades.waiting.len(), grades.fates().refused), (WAITING_MAX, 500));
    grades.foretold(forecast(1 << 20, "fra", 1, NOW_US + WAIT_US + 1), NOW_US + WAIT_US + 1);
    assert_eq!((grades.waiting.len(), grades.fates().expired), (1, WAITING_MAX as u64));
}

#[test]
fn old_errors_are_forgotten_and_another_tree_keeps_what_stays() {
    let mut grades = grades();
    let mut at_us = NOW_US;
    let mut come = |grades: &mut Grades, error_us: u32| {
        at_us += SECOND_US;
        grades.foretold(forecast(1, "nyc", 100_000, at_us), at_us);
        grades.measured(1, network(1), 100_000 + error_us, at_us + 1);
        at_us
    };
    for _ in 0..100 {
        come(&mut grades, 50_000);
    }
    let now_us = come(&mut grades, 50_000);
    grades.foretold(forecast(7, "nyc", 1, now_us), now_us);
    let mut other = Grades::new(&["sin".to_owned(), "ams".to_owned(), "nyc".to_owned()]);
    other.inherit(grades);
    assert_eq!(other.waiting.keys().collect::<Vec<_>>(), [&(network(7), 2)]);
    let grade = |grades: &Grades| grades.all().find(|(name, ..)| *name == "nyc").unwrap().2;
    assert_eq!((grade(&other).recent, grade(&other).graded), (101, 101));
    other.tick(now_us + PERIOD_US);
    assert_eq!(grade(&other).recent, 101, "those of the period before count");
    other.tick(now_us + 2 * PERIOD_US);
    assert_eq!((grade(&other).recent, grade(&other).graded), (0, 101));
}

/// Answers and reports over an hour of virtual time, through the ledger: 300 networks whose ways change slowly, a fifth of
/// whom never come. What is shown is what a list that forgets nothing says.
#[test]
fn an_hour_of_answers_is_graded_as_a_list_would() {
    let secret = Secret::new([4; 32]);
    let node = ExpectedNode {
        name: "fra".into(),
        key: Some(secret.of_node("fra")),
        is_front: true,
        server: Some(0),
        asked_at: None,
    };
    let mut ledger =
        Ledger::new(Expected { nodes: vec![node], servers: vec!["fra".into()], ..Expected::default() });
    let mut random = Prng::new(7);
    let mut rtts: Vec<u32> = (0..300).map(|_| 5_000 + random.below(80_000) as u32).collect();
    let mut foretold = vec![None; rtts.len()];
    let mut list: Vec<(u64, u64)> = Vec::new();
    for second in 0..3_600u64 {
        let now_us = NOW_US + second * SECOND_US;
        for _ in 0..20 {
            let client = random.below(300) as usize;
            let known = ledger.latencies().all().find(|(_, known, _)| *known == network(client as u32));
            let rtt_us = known.map_or(rtts[client], |(_, _, latency)| latency.rtt_us as u32);
            foretold[client] = Some(rtt_us);
            ledger.told(Told::Forecast(forecast(client as u32, "fra", rtt_us, now_us)), now_us);
        }
        if second % 10 == 9 {
            let entries: Vec<Entry> = (0..240u32)
                .map(|client| {
                    let rtt_us = &mut rtts[client as usize];
                    *rtt_us = rtt_us.saturating_add_signed(random.below(2_001) as i32 - 1_000).max(1_000);
                    if let Some(said_us) = foretold[client as usize].take() {
                        list.push((second, u64::from(said_us.abs_diff(*rtt_us))));
                    }
                    Entry::Latency(LatencyEntry { network: network(client), rtt_us: *rtt_us, count: 1 })
                })
                .collect();
            for (part, entries) in entries.chunks(40).enumerate() {
                let sequence = second * 10 + part as u64;
                let (speaker, boot_us, at_us) = (Speaker::FrontEnd, 1, now_us + 1);
                let mut writer = ReportWriter::new(&Head { speaker, node: "fra", boot_us, sequence, at_us });
                assert!(entries.iter().all(|entry| writer.put(entry)));
                assert_eq!(ledger.take(&writer.finish(&secret.of_node("fra")), now_us + 2), Ok(false));
            }
        }
        ledger.tick(now_us);
    }
    let grades = ledger.grades();
    let (_, _, grade) = grades.all().next().unwrap();
    assert_eq!(grade.graded, list.len() as u64);
    assert_eq!(grade.sum_us, list.iter().map(|(_, error_us)| error_us).sum::<u64>());
    // Of the last errors, as many as the two periods have: their quantiles, to the two digits that are kept.
    let mut recent: Vec<u64> =
        list[list.len() - grade.recent as usize..].iter().map(|(_, error_us)| *error_us).collect();
    recent.sort_unstable();
    for (quantile, shown) in QUANTILES.into_iter().zip(grade.error_us) {
        let wanted = recent[((recent.len() as f64 * quantile).ceil() as usize).saturating_sub(1)];
        assert!(shown.abs_diff(wanted) as f64 <= wanted as f64 * 0.02 + 2.0, "{quantile}: {shown}, {wanted}");
    }
    let mut text = MetricsText::new();
    grades.metrics(&mut text);
    assert_eq!(check_openmetrics(&text.finish()), Ok(()));
    assert_eq!(grades.status()["servers"]["fra"]["own"]["graded"], list.len());
    let superseded = grades.fates().superseded;
    assert!(superseded > 0);
    ledger.tick(NOW_US + 3_600 * SECOND_US + WAIT_US);
    // The sixty networks that never came, whose last forecasts nobody replaced.
    let Fates { graded, expired, .. } = ledger.grades().fates();
    assert_eq!((expired, graded + superseded + expired), (60, 3_600 * 20));
}
