//! What operators see of a front-end that sends clients elsewhere: how many networks to whom, what was reported to it, and for
//! one client the decision in words.

use controlplane::dns::policy::decide::{Client, Decision};
use controlplane::dns::policy::elsewhere::{Terms, Verdict, judge};
use controlplane::dns::policy::explain;
use controlplane::dns::policy::figures::Reported;
use controlplane::dns::policy::steering::Steering;
use controlplane::report::intake::SharedLedger;
use controlplane::report::{findings, shown};
use controlplane::tree::redirects::SiteRedirect;
use controlplane::view::{MetricsText, Unit};
use core::net::IpAddr;
use dataplane::reactor::clock;
use dataplane::role::redirects::Verdicts;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// A site with what clients are judged by, and what that came to.
#[derive(Clone, Debug)]
pub(crate) struct SiteTable {
    pub(crate) redirect: SiteRedirect,
    pub(crate) terms: Terms,
    pub(crate) verdicts: Arc<Verdicts>,
}

impl SiteTable {
    /// How many networks are sent to each target.
    fn counts(&self) -> BTreeMap<&str, u64> {
        let names = self.redirect.targets.iter().map(|target| (target.node.as_str(), 0));
        let mut counts: BTreeMap<&str, u64> = names.collect();
        for place in self.verdicts.values().flatten() {
            let node = self.redirect.targets.get(usize::from(*place)).map(|target| target.node.as_str());
            node.and_then(|node| counts.get_mut(node)).into_iter().for_each(|count| *count += 1);
        }
        counts
    }
}

/// What holds now.
#[derive(Debug, Default)]
pub(crate) struct Holding {
    pub(crate) steering: Steering,
    pub(crate) sites: Vec<SiteTable>,
}

/// The board.
#[derive(Debug, Default)]
pub(crate) struct RedirectBoard {
    holding: Mutex<Arc<Holding>>,
    ledger: Mutex<Option<SharedLedger>>,
}

impl RedirectBoard {
    /// Shows what holds from now on.
    pub(crate) fn show(&self, holding: Arc<Holding>) {
        *self.holding.lock().unwrap_or_else(PoisonError::into_inner) = holding;
    }

    /// Shows what is reported, too.
    pub(crate) fn begin(&self, ledger: SharedLedger) {
        *self.ledger.lock().unwrap_or_else(PoisonError::into_inner) = Some(ledger);
    }

    fn holding(&self) -> Arc<Holding> {
        self.holding.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn ledger(&self) -> Option<SharedLedger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn metrics(&self, text: &mut MetricsText) {
        let Some(ledger) = self.ledger() else { return };
        let help = "Client networks that are better served by another front-end, and sent there.";
        let mut samples = text.gauge("longhaul_redirect_networks", Unit::None, help);
        for site in &self.holding().sites {
            for (node, count) in site.counts() {
                samples.value(&[("site", &site.redirect.site), ("to", &node)], count as f64);
            }
        }
        shown::metrics(&ledger.lock(), text, clock::unix_us());
    }

    pub(crate) fn status(&self) -> Value {
        let Some(ledger) = self.ledger() else { return Value::Null };
        let holding = self.holding();
        let site = |site: &SiteTable| {
            json!({ "site": site.redirect.site, "status": site.redirect.status, "alt_svc": site.redirect.hints,
                "better_by_ms": site.redirect.better_by_ms, "networks": site.counts() })
        };
        let reports = shown::status(&ledger.lock(), clock::unix_us());
        json!({ "sites": holding.sites.iter().map(site).collect::<Vec<_>>(), "reports": reports })
    }

    /// Where a client that asks for a site here is sent, and why.
    pub(crate) fn explain(&self, site: &str, client: IpAddr) -> Result<Vec<String>, String> {
        let ledger = self.ledger().ok_or("clients are sent nowhere from here; ask a name server")?;
        let holding = self.holding();
        let known = holding.sites.iter().find(|known| known.redirect.site == site);
        let known =
            known.ok_or_else(|| format!("{site} is no site whose clients are sent elsewhere from here"))?;
        let now_us = clock::unix_us();
        let sources = findings::sources(&ledger.lock(), now_us);
        let reported = holding.steering.figures().reported();
        let steering =
            holding.steering.with_reported(Arc::new(Reported { sources, ..Reported::clone(&reported) }));
        let held = known.verdicts.find(client).copied().flatten();
        let mut decision = Decision::default();
        let now_s = now_us / 1_000_000;
        let verdict = judge(&steering, &known.terms, Client::of(client), held, now_s, &mut decision);
        let policy = &steering.policies()[known.terms.policy as usize];
        let mut lines = vec![format!("site      {site}"), format!("client    {client}")];
        lines.push(match verdict {
            Verdict::Here(why) => format!("served    here: {}", why.words()),
            Verdict::There(place) => {
                let target = &known.redirect.targets[usize::from(place)];
                format!("sent      to {}, {}", target.node, target.base)
            }
        });
        let own = steering.server(known.terms.own);
        lines.push(format!("better    by {} ms at least, than {}", known.terms.better_by_ms, own.name));
        lines.extend(explain::text(&steering, policy, &decision, now_s).lines().map(str::to_owned));
        Ok(lines)
    }
}
