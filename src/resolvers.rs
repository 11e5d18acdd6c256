//! The prober's second thread: probes resolvers for name servers that ask, and hands what it measures to the one that reports.

use crate::exit::Exit;
use crate::probe::{ProbeConfig, ResolversConfig};
use controlplane::logs::daemon;
use controlplane::probe::manners::Manners;
use controlplane::probe::resolver_thread::{ResolverOptions, ResolverThread};
use controlplane::probe::resolvers::ResolverBook;
use controlplane::report::asked::Asked;
use controlplane::report::wire::ResolverEntry;
use dataplane::reactor::clock;
use std::io::ErrorKind;
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};

/// How far resolvers are, on the way from their thread to the reports.
#[derive(Clone, Debug)]
pub(crate) struct Resolvers {
    from: Sender<ResolverEntry>,
    to: Arc<Mutex<Receiver<ResolverEntry>>>,
}

impl Default for Resolvers {
    fn default() -> Self {
        let (from, to) = mpsc::channel();
        Self { from, to: Arc::new(Mutex::new(to)) }
    }
}

impl Resolvers {
    /// What was measured since.
    pub(crate) fn take(&self) -> Vec<ResolverEntry> {
        self.to.lock().unwrap_or_else(PoisonError::into_inner).try_iter().collect()
    }

    /// Begins to probe resolvers; on an error, why not, and how to end.
    pub(crate) fn start(
        &self,
        config: &ProbeConfig,
        wanted: ResolversConfig,
        before: Option<ResolverBook>,
    ) -> Result<(ResolverThread, ResolversConfig), (String, Exit)> {
        let Some(report) = &config.report else { return Err(("nobody is told".to_owned(), Exit::Usage)) };
        let options = ResolverOptions {
            listen: wanted.listen.clone(),
            manners: wanted.manners.clone(),
            asked: Asked::new(report.key.clone(), clock::unix_us(), wanted.askers.iter().cloned()),
            results: self.from.clone(),
            before,
        };
        let thread = ResolverThread::start(options).map_err(|(address, error)| {
            let exit = if error.kind() == ErrorKind::AddrInUse { Exit::TryAgain } else { Exit::Failed };
            (format!("cannot take requests for resolvers at {address}: {error}"), exit)
        })?;
        let listening: Vec<String> = thread.listening().iter().map(ToString::to_string).collect();
        let Manners { per_second, opt_out, .. } = &wanted.manners;
        daemon::notice(
            "resolvers are probed for name servers that ask",
            &[
                ("requests_udp", &listening.join(",")),
                ("per_second", per_second),
                ("opted_out", &opt_out.len()),
            ],
        );
        Ok((thread, wanted))
    }
}
