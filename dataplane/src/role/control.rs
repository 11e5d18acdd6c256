//! How other threads tell a worker what changed: a stage of life, the origins' addresses, the plan, settings; and how
//! workers say that they have nothing left of what an older plan had.
//!
//! The worker compares one atomic of each. What changed lies behind a mutex that the worker only ever tries, and only
//! when the generation has moved; if the publisher holds it just then, the next loop takes it. So no request touches a
//! lock and the worker never waits.

use core::net::SocketAddr;
use core::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::exchange::link::Standing;
use crate::role::plan::Plan;
use crate::role::redirects::Redirects;
use crate::role::settings::Settings;

/// The stages of a node's life, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Serving.
    Running = 0,
    /// No new connections; what is under way is finished.
    Draining = 1,
    /// Everything is cut now.
    Stopping = 2,
}

/// Routes are numbered in 16 bits.
const ROUTES_MAX: usize = 1 << 16;

/// Shared by the control thread (writer) and all workers (readers).
#[derive(Debug)]
pub struct Control {
    stage: AtomicU8,
    generation: AtomicU64,
    /// A bit for each worker that still has clients while the node drains.
    with_clients: AtomicU64,
    addresses: Mutex<Vec<Vec<SocketAddr>>>,
    plan_generation: AtomicU64,
    /// The newest plan.
    plan: Mutex<Arc<Plan>>,
    /// A bit for each route whose tunnel is up, written by the worker that owns it.
    routes_up: Box<[AtomicU64]>,
    /// Those of them that are not beyond a limit.
    routes_good: Box<[AtomicU64]>,
    /// Changes of these so far.
    routes_generation: AtomicU64,
    /// For each worker, the newest plan of whose retired numbers it uses none any more.
    settled: Vec<AtomicU64>,
    settings_generation: AtomicU64,
    /// The newest settings; `None` while those of the start hold.
    settings: Mutex<Option<Settings>>,
    redirects_generation: AtomicU64,
    redirects: Mutex<Arc<Redirects>>,
}

impl Control {
    /// For workers that begin with `plan`, whose origins have no address yet.
    pub fn new(plan: Arc<Plan>, workers: usize) -> Self {
        Self {
            stage: AtomicU8::new(0),
            generation: AtomicU64::new(0),
            with_clients: AtomicU64::new(0),
            addresses: Mutex::new(vec![Vec::new(); plan.origins.len()]),
            plan_generation: AtomicU64::new(plan.generation),
            plan: Mutex::new(plan),
            routes_up: (0..ROUTES_MAX / 64).map(|_| AtomicU64::new(0)).collect(),
            routes_good: (0..ROUTES_MAX / 64).map(|_| AtomicU64::new(0)).collect(),
            routes_generation: AtomicU64::new(0),
            settled: (0..workers).map(|_| AtomicU64::new(0)).collect(),
            settings_generation: AtomicU64::new(0),
            settings: Mutex::new(None),
            redirects_generation: AtomicU64::new(0),
            redirects: Mutex::default(),
        }
    }

    /// The stage now.
    pub fn stage(&self) -> Stage {
        match self.stage.load(Ordering::Acquire) {
            0 => Stage::Running,
            1 => Stage::Draining,
            _ => Stage::Stopping,
        }
    }

    /// Goes on to a later stage; an earlier one is ignored.
    pub fn enter(&self, stage: Stage) {
        self.stage.fetch_max(stage as u8, Ordering::AcqRel);
    }

    /// A worker says whether it has clients; tunnels stay up until no worker has.
    pub fn report_clients(&self, worker: u8, has_clients: bool) {
        let bit = 1 << worker;
        if has_clients {
            self.with_clients.fetch_or(bit, Ordering::AcqRel);
        } else {
            self.with_clients.fetch_and(!bit, Ordering::AcqRel);
        }
    }

    /// Whether any worker has clients.
    pub fn has_clients(&self) -> bool {
        self.with_clients.load(Ordering::Acquire) != 0
    }

    /// Publishes the addresses of one origin.
    pub fn publish(&self, origin: usize, addresses: &[SocketAddr]) {
        let mut all = self.addresses.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() <= origin {
            all.resize_with(origin + 1, Vec::new);
        }
        addresses.clone_into(&mut all[origin]);
        self.generation.fetch_add(1, Ordering::Release);
    }

    /// Copies the addresses into `into` if they changed since `seen`; the generation that was copied.
    pub fn adopt(&self, seen: u64, into: &mut Vec<Vec<SocketAddr>>) -> u64 {
        let generation = self.generation.load(Ordering::Acquire);
        if generation == seen {
            return seen;
        }
        let Ok(all) = self.addresses.try_lock() else { return seen };
        into.clone_from(&all);
        generation
    }

    /// The same for a worker that takes over a plan, which must not serve with the addresses of another: it waits for
    /// whoever copies just now.
    pub fn adopt_for_plan(&self, into: &mut Vec<Vec<SocketAddr>>) -> u64 {
        let all = self.addresses.lock().unwrap_or_else(PoisonError::into_inner);
        into.clone_from(&all);
        self.generation.load(Ordering::Acquire)
    }

    /// Publishes the plan that follows the one of now; exchanges under way go on as they began. What is new in it must
    /// have its addresses before.
    pub fn publish_plan(&self, plan: Arc<Plan>) {
        let generation = plan.generation;
        *self.plan.lock().unwrap_or_else(PoisonError::into_inner) = plan;
        self.plan_generation.store(generation, Ordering::Release);
    }

    /// The newest plan.
    pub fn plan(&self) -> Arc<Plan> {
        // Held for as long as it takes to count one more owner, so workers may wait for it, too.
        self.plan.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The number of the newest plan.
    pub fn plan_generation(&self) -> u64 {
        self.plan_generation.load(Ordering::Acquire)
    }

    /// The owner of a route's tunnel says how it stands.
    pub fn report_route(&self, route: u16, standing: Standing) {
        let (word, bit) = (usize::from(route) / 64, 1 << (route % 64));
        for (words, is_set) in
            [(&self.routes_up, standing != Standing::Down), (&self.routes_good, standing == Standing::Good)]
        {
            if is_set {
                words[word].fetch_or(bit, Ordering::Release);
            } else {
                words[word].fetch_and(!bit, Ordering::Release);
            }
        }
        self.routes_generation.fetch_add(1, Ordering::AcqRel);
    }

    /// How often a route has come up or gone down.
    pub fn routes_generation(&self) -> u64 {
        self.routes_generation.load(Ordering::Acquire)
    }

    /// Whether the tunnel of a route is up.
    pub fn is_route_up(&self, route: u16) -> bool {
        self.standing(route) != Standing::Down
    }

    /// How the tunnel of a route stands.
    pub fn standing(&self, route: u16) -> Standing {
        let has = |words: &[AtomicU64]| {
            words[usize::from(route) / 64].load(Ordering::Acquire) >> (route % 64) & 1 == 1
        };
        match (has(&self.routes_up), has(&self.routes_good)) {
            (false, _) => Standing::Down,
            (true, false) => Standing::Strained,
            (true, true) => Standing::Good,
        }
    }

    /// A worker says that it uses no number any more that this plan has retired.
    pub fn report_settled(&self, worker: u8, generation: u64) {
        self.settled[usize::from(worker)].store(generation, Ordering::Release);
    }

    /// The newest plan of whose retired numbers no worker uses any.
    pub fn settled(&self) -> u64 {
        self.settled.iter().map(|settled| settled.load(Ordering::Acquire)).min().unwrap_or(0)
    }

    /// Publishes settings for all workers.
    pub fn publish_settings(&self, settings: Settings) {
        *self.settings.lock().unwrap_or_else(PoisonError::into_inner) = Some(settings);
        self.settings_generation.fetch_add(1, Ordering::Release);
    }

    /// Publishes where clients are better served. Whoever calls keeps the tables of before until no worker has one any more:
    /// freeing one takes longer than a worker may.
    pub fn publish_redirects(&self, redirects: Arc<Redirects>) {
        *self.redirects.lock().unwrap_or_else(PoisonError::into_inner) = redirects;
        self.redirects_generation.fetch_add(1, Ordering::Release);
    }

    /// The newest of these tables, if they changed since `seen`, which then is their generation.
    pub fn newer_redirects(&self, seen: &mut u64) -> Option<Arc<Redirects>> {
        let generation = self.redirects_generation.load(Ordering::Acquire);
        if generation == *seen {
            return None;
        }
        let redirects = self.redirects.try_lock().ok()?.clone();
        *seen = generation;
        Some(redirects)
    }

    /// The newest settings, if they changed since `seen`, which then is their generation.
    pub fn newer_settings(&self, seen: &mut u64) -> Option<Settings> {
        let generation = self.settings_generation.load(Ordering::Acquire);
        if generation == *seen {
            return None;
        }
        let settings = (*self.settings.try_lock().ok()?)?;
        *seen = generation;
        Some(settings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes_are_told_apart() {
        let control = Control::new(Arc::default(), 1);
        [3, 64, 65_535].iter().for_each(|route| control.report_route(*route, Standing::Good));
        control.report_route(64, Standing::Down);
        control.report_route(3, Standing::Strained);
        let up: Vec<u16> = (0..=65_535).filter(|route| control.is_route_up(*route)).collect();
        assert_eq!(up, [3, 65_535]);
        let standing = [3, 64, 65_535].map(|route| control.standing(route));
        assert_eq!(standing, [Standing::Strained, Standing::Down, Standing::Good]);
    }

    #[test]
    fn addresses_are_adopted_once_and_stages_only_advance() {
        let control = Control::new(Arc::default(), 1);
        let mut mine = vec![Vec::new(); 2];
        assert_eq!(control.adopt(0, &mut mine), 0);
        control.publish(1, &["127.0.0.1:80".parse().unwrap()]);
        assert_eq!(control.adopt(0, &mut mine), 1);
        assert_eq!((mine[0].len(), mine[1].len()), (0, 1));
        control.publish(2, &["127.0.0.1:81".parse().unwrap()]);
        assert_eq!((control.adopt_for_plan(&mut mine), mine.len()), (2, 3));
        control.enter(Stage::Stopping);
        control.enter(Stage::Draining);
        assert_eq!(control.stage(), Stage::Stopping);
    }

    #[test]
    fn the_slowest_worker_says_what_is_settled() {
        let control = Control::new(Arc::default(), 2);
        control.publish_plan(Arc::new(Plan { generation: 3, ..Plan::default() }));
        assert_eq!((control.plan_generation(), control.plan().generation), (3, 3));
        control.report_settled(0, 3);
        assert_eq!(control.settled(), 0);
        control.report_settled(1, 2);
        assert_eq!(control.settled(), 2);
    }
}
