//! Where a name server's clients go: servers and policies as they were loaded, with the figures that came since and the
//! orders that were given through the control door. Whatever changes is published at once, as a whole.

use crate::args::ctl::{OrderArgs, OverrideCommand};
use crate::problem::{Problems, Wrong};
use crate::tree;
use controlplane::control::Answer;
use controlplane::dns::catalog::Catalog;
use controlplane::dns::policy::explain::moment;
use controlplane::dns::policy::figures::{Figures, Reported};
use controlplane::dns::policy::model::{Action, Override};
use controlplane::dns::policy::orders::Orders;
use controlplane::dns::policy::steering::Steering;
use controlplane::dns::server::world::Published;
use controlplane::logs::daemon;
use controlplane::nearest::nearest;
use dataplane::reactor::clock;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What is published, by its parts.
#[derive(Debug)]
pub(crate) struct Guide {
    published: Arc<Published>,
    /// Without the orders.
    steering: Steering,
    orders: Orders,
    /// Where the orders are kept, if anywhere.
    kept_in: Option<PathBuf>,
}

impl Guide {
    /// The guide of a server that was started with `steering` under `orders` ([`with_orders`]).
    pub(crate) fn new(
        published: Arc<Published>,
        steering: Steering,
        orders: Orders,
        kept_in: Option<PathBuf>,
    ) -> Self {
        let guide = Self { published, steering, orders, kept_in };
        guide.warn_of_strangers();
        guide
    }

    /// What was loaded, with the newest figures.
    pub(crate) fn steering(&self) -> &Steering {
        &self.steering
    }

    /// Puts another generation in place of this one; the orders stay.
    pub(crate) fn replace(&mut self, catalog: Catalog, steering: Steering) -> u64 {
        self.steering = steering;
        self.warn_of_strangers();
        self.published.replace(catalog, self.ordered())
    }

    /// Takes other figures of a file; what nodes have reported stays beside them.
    pub(crate) fn take_figures(&mut self, figures: Figures) {
        let reported = self.steering.figures().reported();
        self.steering = self.steering.with_figures(figures.with_reported(reported));
        self.publish();
    }

    /// Takes what nodes have reported.
    pub(crate) fn take_reported(&mut self, reported: Arc<Reported>) {
        self.steering = self.steering.with_reported(reported);
        self.publish();
    }

    /// Takes the figures of a table's text.
    pub(crate) fn read_figures(&mut self, table: &str) -> Answer {
        match Figures::read(table, &self.names(), now_s()) {
            Ok(figures) => {
                let networks = figures.networks();
                self.take_figures(figures);
                Answer::done(vec![format!("the figures are taken: {networks} networks")])
            }
            Err(mut problems) => {
                problems.push("the figures are not taken; what was known grows old".to_owned());
                Answer::wrong(problems)
            }
        }
    }

    /// Carries out what a user wants of the orders.
    pub(crate) fn obey(&mut self, uid: u32, wanted: &OverrideCommand) -> Answer {
        match wanted {
            OverrideCommand::Drain(args) => self.give(uid, Action::Drain, args),
            OverrideCommand::Up(args) => self.give(uid, Action::Up, args),
            OverrideCommand::Down(args) => self.give(uid, Action::Down, args),
            OverrideCommand::Clear { name } => match self.orders.take_back(name) {
                Some(_) => self.changed(format!("{name}: nothing is ordered through ctl any more")),
                None => Answer::wrong(vec![format!(
                    "{name}: nothing was ordered through ctl; `override list` shows what was"
                )]),
            },
            OverrideCommand::List if self.orders.all().next().is_none() => {
                Answer::done(vec!["nothing is ordered through ctl".to_owned()])
            }
            OverrideCommand::List => {
                Answer::done(self.orders.all().map(|(name, order)| line(name, order)).collect())
            }
        }
    }

    /// Forgets orders whose time is over.
    pub(crate) fn end_orders(&mut self) {
        let over = self.orders.expire(now_s());
        if !over.is_empty() {
            over.iter().for_each(|name| daemon::notice("an order is over", &[("server", name)]));
            let _kept = self.changed(String::new());
        }
    }

    fn give(&mut self, uid: u32, action: Action, args: &OrderArgs) -> Answer {
        let mut problems = Problems::default();
        self.check_name(&args.name, &mut problems);
        problems.require(
            !args.reason.trim().is_empty(),
            "--reason",
            "is empty",
            "say why: the next one who looks wants it",
        );
        let span = args.span.as_ref().and_then(|span| span.take("for", &mut problems));
        if !problems.lines().is_empty() {
            return Answer::wrong(problems.lines().to_vec());
        }
        let until_s = span.map(|span| now_s() + span.as_secs().max(1));
        let order = Override { action, reason: args.reason.clone(), until_s, by_uid: Some(uid) };
        let said = line(&args.name, &order);
        self.orders.give(&args.name, order);
        self.changed(said)
    }

    fn check_name(&self, name: &str, problems: &mut Problems) {
        let names = self.names();
        let instead = match nearest(name, names.iter().copied()) {
            Some(near) => format!("did you mean {near}?"),
            None if names.is_empty() => "the tree has none".to_owned(),
            None => format!("give one of {}", names.join(", ")),
        };
        problems.require(names.contains(&name), name, "there is no such node or server", instead);
    }

    /// Publishes the orders as they are now, and keeps them if they are to be kept.
    fn changed(&self, said: String) -> Answer {
        self.publish();
        let mut lines = vec![said];
        let Some(file) = &self.kept_in else {
            let cure = "start it with --overrides FILE, or write [override.NAME] into the tree";
            lines.push(format!("orders end with the process: {cure}"));
            return Answer::done(lines);
        };
        match tree::replace(file, &self.orders.write()) {
            Ok(()) => Answer::done(lines),
            Err(problems) => {
                problems.iter().for_each(|problem| daemon::error(problem, &[]));
                lines.extend(problems);
                lines.push("it holds, but it is not kept: it ends with the process".to_owned());
                Answer { status: 1, lines }
            }
        }
    }

    fn publish(&self) {
        self.published.replace_steering(self.ordered());
    }

    fn ordered(&self) -> Steering {
        with_orders(&self.steering, &self.orders)
    }

    fn names(&self) -> Vec<&str> {
        self.steering.servers().iter().map(|server| server.name.as_str()).collect()
    }

    /// An order about a server that is gone is kept, for the server may come back; but somebody should know.
    fn warn_of_strangers(&self) {
        let names = self.names();
        for (name, _) in self.orders.all().filter(|(name, _)| !names.contains(name)) {
            daemon::warning("an order is about no server of the tree", &[("server", &name)]);
        }
    }
}

/// The orders that were kept in a file; none if it is not there yet.
pub(crate) fn kept_orders(file: &Path) -> Result<Orders, Wrong> {
    match fs::read_to_string(file) {
        Ok(text) => {
            Orders::read(&text).map_err(|what| Wrong::new(what, "mend it, or remove it and order again"))
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Orders::default()),
        Err(error) => Err(Wrong::new(format!("cannot be read: {error}"), "give a file that can")),
    }
}

/// What was loaded, under the orders of the control door.
pub(crate) fn with_orders(steering: &Steering, orders: &Orders) -> Steering {
    steering.with_orders(|name| orders.get(name).cloned())
}

fn now_s() -> u64 {
    clock::unix_us() / 1_000_000
}

fn line(name: &str, order: &Override) -> String {
    let until = order.until_s.and_then(moment);
    let until = until.map_or_else(|| "until it is taken back".to_owned(), |until| format!("until {until}"));
    let uid = order.by_uid.map_or_else(String::new, |uid| format!(", by uid {uid}"));
    format!("{name}: {}, {until}: {}{uid}", order.action.name(), order.reason)
}
