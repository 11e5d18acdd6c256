//! Why a site's requests go over the route that they go over, in words: every route of the site and every path of each, its
//! state, why it is used or not, figures of now, and what has changed of late. Made for `longhaul explain route`.

use crate::tunnel_log::TunnelLog;
use crate::watch_paths::address_text;
use controlplane::nearest::nearest;
use core::fmt::Write;
use dataplane::exchange::link::{Standing, Way};
use dataplane::role::plan::{Plan, Route, Site};
use dataplane::role::status::TunnelStatus;
use dataplane::tmp::forecast::{Forecast, Quality};
use dataplane::tmp::spread::Spread;
use dataplane::tmp::stats::PathSnapshot;

/// What is known of the routes.
pub(crate) struct Known<'k> {
    pub(crate) plan: &'k Plan,
    /// What all workers know: how routes stand, by number.
    pub(crate) standing: &'k dyn Fn(u16) -> Standing,
    /// The tunnels, each with the name of its far end.
    pub(crate) tunnels: &'k [(String, TunnelStatus)],
    pub(crate) log: &'k TunnelLog,
}

/// The words for a site, or why there are none.
pub(crate) fn text(known: &Known<'_>, name: &str) -> Result<String, String> {
    let name = name.to_ascii_lowercase();
    let number = known.plan.site(name.as_bytes()).ok_or_else(|| unknown(known.plan, &name))?;
    let site = &known.plan.sites[usize::from(number)];
    let mut text = String::new();
    let by_default = if site.name == name { "" } else { ", as `*` takes what no other site takes" };
    let _ = writeln!(text, "site      {name}{by_default}");
    let ways: Vec<Way> = core::iter::once(site.way).chain(site.others.iter().copied()).collect();
    let numbers =
        ways.iter().filter_map(|way| if let Way::Route(number) = way { Some(*number) } else { None });
    let routes: Vec<(u16, &Route)> =
        numbers.filter_map(|number| Some((number, known.plan.routes.get(usize::from(number))?))).collect();
    if routes.is_empty() {
        let origins = known.plan.origins.iter().filter(|o| o.retired.is_none() && o.site == site.name);
        let labels: Vec<&str> = origins.map(|origin| origin.label.as_str()).collect();
        let _ = writeln!(text, "goes      straight to {}, over no route", labels.join(", "));
        return Ok(text);
    }
    let standings: Vec<Standing> = routes.iter().map(|(number, _)| (known.standing)(*number)).collect();
    let best = standings.iter().max().copied().filter(|best| *best != Standing::Down);
    let used = best.and_then(|best| standings.iter().position(|standing| *standing == best));
    let names: Vec<&str> = routes.iter().map(|(_, route)| route.name.as_str()).collect();
    let _ = writeln!(text, "goes      {}", goes(&names, used, best == Some(Standing::Good)));
    for (place, (_, route)) in routes.iter().enumerate() {
        let _ = writeln!(text);
        let standing = standing(&names, used, place, standings[place]);
        describe(known, &mut text, route, &standing);
    }
    Ok(text)
}

fn unknown(plan: &Plan, name: &str) -> String {
    let known: Vec<&str> = plan
        .sites
        .iter()
        .filter(|site| site.retired.is_none())
        .map(|site: &Site| site.name.as_str())
        .collect();
    let near =
        nearest(name, known.iter().copied()).map(|near| format!("; {near} is near")).unwrap_or_default();
    format!("{name} is no site here: requests for it get 421{near}")
}

fn tunnel<'k>(known: &Known<'k>, route: &Route) -> Option<&'k TunnelStatus> {
    known.tunnels.iter().find(|(to, _)| *to == route.name).map(|(_, tunnel)| tunnel)
}

fn goes(routes: &[&str], used: Option<usize>, is_good: bool) -> String {
    match (routes, used) {
        ([only], Some(_)) => format!("over {only}, its only route"),
        ([only], None) => format!("nowhere: {only}, its only route, is down, and requests wait for it"),
        (_, Some(used)) if is_good => {
            format!("over {}, the first of its {} routes that is up", routes[used], routes.len())
        }
        (_, Some(used)) => {
            format!(
                "over {}, the first of its {} routes that is up, all beyond a limit",
                routes[used],
                routes.len()
            )
        }
        (_, None) => format!(
            "nowhere: none of its {} routes is up, and requests wait for the first that is",
            routes.len()
        ),
    }
}

/// What is said behind a route's name.
fn standing(routes: &[&str], used: Option<usize>, place: usize, standing: Standing) -> String {
    match (used, standing) {
        (_, Standing::Down) | (None, _) => "down: nothing comes through, and it is tried for ever".to_owned(),
        (Some(used), Standing::Good) if used == place => "up: used".to_owned(),
        (Some(used), Standing::Strained) if used == place => {
            "up, beyond a limit: used all the same, no other is better".to_owned()
        }
        (Some(used), Standing::Good) => {
            format!("up, not used: {} stands before it and is up, too", routes[used])
        }
        (Some(used), Standing::Strained) => {
            format!("up, beyond a limit: not used for what is new, {} is", routes[used])
        }
    }
}

fn describe(known: &Known<'_>, text: &mut String, route: &Route, standing: &str) {
    let _ = writeln!(text, "route     {}  {standing}", route.name);
    if let Some(tunnel) = tunnel(known, route) {
        let _ =
            writeln!(text, "  mode    {}; {} streams open", mode(tunnel.transport.spread), tunnel.streams);
        for (number, path) in tunnel.transport.paths.iter().enumerate() {
            let address = tunnel.places[number].map(address_text);
            let address = address.or_else(|| written(route, number)).unwrap_or_default();
            if let Some(path) = path.filter(|path| path.received_bytes == 0) {
                let asked = path.sent_bytes >> 10;
                let _ =
                    writeln!(text, "  path {number}  {address}  no answer has come yet ({asked} KiB sent)");
            } else if let Some(path) = path {
                let _ = writeln!(text, "  path {number}  {address}  {}", path_standing(tunnel, number, path));
                let _ = writeln!(text, "          {}", figures(path));
                if let Some(forecast) = &path.forecast {
                    let _ = writeln!(text, "          {}", outcome(forecast));
                }
            } else if !address.is_empty() {
                let _ = writeln!(text, "  path {number}  {address}  not used: it has not been opened yet");
            }
        }
    }
    let changes = known.log.changes(&route.name);
    if changes.is_empty() {
        let _ = writeln!(text, "  changes none since the start");
    } else {
        let _ = writeln!(text, "  changes, the last first:");
        changes.iter().for_each(|change| {
            let _ = writeln!(text, "          {change}");
        });
    }
}

/// Where path `number` of a route is to lead, as its flag says it.
fn written(route: &Route, number: usize) -> Option<String> {
    let over_udp = route.addresses.iter().map(ToString::to_string);
    let over_tcp = route.carriers.iter().map(|address| format!("tcp+{address}"));
    over_udp.chain(over_tcp).nth(number)
}

const fn mode(spread: Spread) -> &'static str {
    match spread {
        Spread::Failover => "failover: everything on the first path that is good",
        Spread::Best => "best: everything on the good path with the shortest round trip",
        Spread::Bond => "bond: each packet on the path on which it arrives first",
        Spread::Duplicate => {
            "duplicate: everything on the first path that is good, urgent data on a second one, too"
        }
    }
}

/// Why a path is used or not.
fn path_standing(tunnel: &TunnelStatus, number: usize, path: &PathSnapshot) -> String {
    if let Some(suspicion) = path.suspicion {
        let why = format!("bad ({})", suspicion.name());
        return if path.is_active {
            format!("{why}, used all the same: no other is better")
        } else {
            format!("{why}: not used, and asked twice a second")
        };
    }
    let active = tunnel.transport.paths.iter().position(|path| path.is_some_and(|path| path.is_active));
    match (path.is_active, tunnel.transport.spread, active) {
        (true, ..) => "good: used".to_owned(),
        (false, Spread::Bond, _) => "good: used for what arrives earlier over it".to_owned(),
        (false, Spread::Best, _) => "good: not used, its round trip is not clearly shorter".to_owned(),
        (false, Spread::Duplicate, _) => "good: used for copies of urgent data".to_owned(),
        (false, Spread::Failover, Some(active)) if active < number => {
            format!("good: not used, path {active} stands before it and is good")
        }
        (false, Spread::Failover, _) => "good: not used yet, it must stay so for a while".to_owned(),
    }
}

/// What was expected of the last move to a path, and what came.
fn outcome(forecast: &Forecast) -> String {
    let words = |quality: &Quality| {
        format!("rtt {:.1} ms, {:.1} Mbit/s", quality.rtt_us as f64 / 1e3, quality.bytes_per_s as f64 * 8e-6)
    };
    let came = forecast.came.as_ref().map_or_else(|| "not known yet".to_owned(), words);
    format!(
        "last moved to from path {}: expected {}; came {came}",
        forecast.from.index(),
        words(&forecast.expected)
    )
}

fn figures(path: &PathSnapshot) -> String {
    let ms = |us: u64| us as f64 / 1_000.0;
    format!(
        "rtt {:.1} ms (least {:.1}), queue {:.1} ms, loss {:.2} %, window {} KiB, {} KiB under way, {:.1} Mbit/s of late, \
         found bad {} times, sent {} KiB, received {} KiB",
        ms(path.srtt_us),
        ms(path.min_rtt_us),
        ms(path.queue_us),
        f64::from(path.loss_ppm) / 10_000.0,
        path.window_bytes >> 10,
        path.in_flight_bytes >> 10,
        path.delivery_bytes_per_s as f64 * 8.0 / 1e6,
        path.suspected,
        path.sent_bytes >> 10,
        path.received_bytes >> 10,
    )
}
