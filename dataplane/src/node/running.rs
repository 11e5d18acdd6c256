//! A node that runs: what the control thread sees of its workers, and how it ends them.

use core::net::SocketAddr;
use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;

use crate::reactor::counters::DriverCounters;
use crate::reactor::spsc::Consumer;
use crate::reactor::wake::Waker;
use crate::role::control::{Control, Stage};
use crate::role::counters::Counters;
use crate::role::plan::Plan;
use crate::role::redirects::Redirects;
use crate::role::settings::Settings;
use crate::role::status::StatusBoard;

/// What can be seen of one worker from any thread.
#[derive(Clone)]
pub struct WorkerView {
    /// What its role counts.
    pub counters: Arc<Counters>,
    /// What its driver counts.
    pub driver: Arc<DriverCounters>,
    /// Its tunnels.
    pub status: Arc<StatusBoard>,
    /// The CPU that it is pinned to.
    pub cpu: Option<usize>,
}

/// A node whose workers run.
pub struct Running {
    pub(crate) control: Arc<Control>,
    pub(crate) wakers: Vec<Waker>,
    pub(crate) views: Vec<WorkerView>,
    pub(crate) records: Vec<Consumer>,
    pub(crate) threads: Vec<JoinHandle<io::Result<usize>>>,
    pub(crate) listening: Vec<SocketAddr>,
    pub(crate) tunnel_addresses: Vec<SocketAddr>,
}

impl Running {
    /// Where clients are accepted, as bound, in the plan's order.
    pub fn listening(&self) -> &[SocketAddr] {
        &self.listening
    }

    /// The tunnels' UDP addresses, as bound.
    pub fn tunnel_addresses(&self) -> &[SocketAddr] {
        &self.tunnel_addresses
    }

    /// The workers, by number.
    pub fn views(&self) -> &[WorkerView] {
        &self.views
    }

    /// The access records of each worker, for the log's thread. Once.
    pub fn take_records(&mut self) -> Vec<Consumer> {
        core::mem::take(&mut self.records)
    }

    /// What is said to all workers; wake them with `wake` after saying something.
    pub fn control(&self) -> &Arc<Control> {
        &self.control
    }

    /// A handle that says the origins' addresses from another thread.
    pub fn publisher(&self) -> impl Fn(usize, &[SocketAddr]) + Send + 'static {
        let (control, wakers) = (self.control.clone(), self.wakers.clone());
        move |origin, addresses| {
            control.publish(origin, addresses);
            wakers.iter().for_each(Waker::wake);
        }
    }

    /// A handle that says from another thread where clients are better served.
    pub fn redirects_publisher(&self) -> impl Fn(Arc<Redirects>) + Send + 'static {
        let (control, wakers) = (self.control.clone(), self.wakers.clone());
        move |redirects| {
            control.publish_redirects(redirects);
            wakers.iter().for_each(Waker::wake);
        }
    }

    /// Gives all workers another plan, which follows the one of now.
    pub fn publish_plan(&self, plan: Arc<Plan>) {
        self.control.publish_plan(plan);
        self.wakers.iter().for_each(Waker::wake);
    }

    /// Gives all workers other settings.
    pub fn publish_settings(&self, settings: Settings) {
        self.control.publish_settings(settings);
        self.wakers.iter().for_each(Waker::wake);
    }

    /// A handle that moves the node to a later stage from another thread.
    pub fn stopper(&self) -> impl Fn(Stage) + Send + Clone + 'static {
        let (control, wakers) = (self.control.clone(), self.wakers.clone());
        move |stage| {
            control.enter(stage);
            wakers.iter().for_each(Waker::wake);
        }
    }

    /// Whether every worker has ended, be it in order or not.
    pub fn has_ended(&self) -> bool {
        self.threads.iter().all(JoinHandle::is_finished)
    }

    /// Whether a worker has ended although nobody asked for it.
    pub fn has_failed(&self) -> bool {
        self.control.stage() == Stage::Running && self.threads.iter().any(JoinHandle::is_finished)
    }

    /// Waits for the workers; how many exchanges were cut.
    pub fn join(self) -> io::Result<usize> {
        let mut cut = 0;
        for thread in self.threads {
            cut += thread.join().map_err(|_| io::Error::other("a worker has panicked"))??;
        }
        Ok(cut)
    }
}
