//! The thread that serves a process's admin page, if it has one.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use controlplane::logs::daemon;
use controlplane::view::{Admin, Source};

use crate::exit::{Exit, failed};

/// A page that is served.
#[derive(Debug)]
pub(crate) struct AdminPage {
    thread: JoinHandle<io::Result<()>>,
    stop: Arc<AtomicBool>,
}

impl AdminPage {
    /// Serves what `source` shows at an address, if one is given, to whoever asks for it by it or by one of these names.
    /// What went wrong has been logged on an error.
    pub(crate) fn start(
        address: Option<SocketAddr>,
        hosts: &[String],
        source: impl Source + Send + 'static,
    ) -> Result<Option<Self>, Exit> {
        let Some(address) = address else { return Ok(None) };
        let mut admin =
            Admin::bind(address).map_err(|error| failed("cannot serve the admin page", &error))?;
        hosts.iter().for_each(|name| admin.allow_host(name));
        if let Ok(bound) = admin.local_addr() {
            daemon::notice("admin page", &[("address", &bound)]);
        }
        let stop = Arc::new(AtomicBool::new(false));
        let told = stop.clone();
        let thread = std::thread::Builder::new().name("admin".to_owned());
        let thread =
            thread.spawn(move || admin.run(source, &told)).map_err(|error| failed("no thread", &error))?;
        Ok(Some(Self { thread, stop }))
    }

    /// Ends it.
    pub(crate) fn stop(self) {
        self.stop.store(true, Ordering::Release);
        let _ended = self.thread.join();
    }
}
