//! The resolver's thread: refreshes every name when it is due and says what has changed. Names may be replaced while it
//! runs.
//!
//! One name after the other: with all servers dead each costs `tries × servers × try_wait`, during which everybody
//! keeps the addresses he has.

use crate::logs::daemon;
use crate::resolve::answer::Answer;
use crate::resolve::exchange::{Answers, Exchange};
use crate::resolve::files::{hosts_addresses, name_servers};
use crate::resolve::name::{Learned, Name};
use crate::resolve::options::ResolveOptions;
use crate::resolve::question::{Family, Question};
use crate::resolve::stats::ResolveStats;
use dataplane::time::{Duration, Instant};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

/// Life of what the hosts file says, in seconds: how soon an edit of it counts.
const HOSTS_TTL_S: u32 = 30;

/// Told the index of a name and its addresses, in full, at the first answer and at every change. Called on the
/// resolver's thread, where it may take its time; for literal addresses within [`Resolver::start`]. A name without an
/// answer yet is not told at all; addresses once told are only ever replaced by others, until the name is
/// ([`Resolver::replace`]).
pub type OnChange = Box<dyn FnMut(usize, &[SocketAddr]) + Send>;

/// The running resolver. After [`stop`](Self::stop), or dropping it, nothing is told any more.
#[derive(Debug)]
pub struct Resolver {
    table: Arc<Table>,
    stats: Arc<ResolveStats>,
    stop: Arc<AtomicBool>,
    refresh: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Resolver {
    /// Starts to resolve `names`: hosts, or literal addresses, with the port that goes with them. An index is a
    /// place in this list. The error names every host that cannot be one, or says why no thread can be made.
    pub fn start(
        names: Vec<(String, u16)>,
        options: ResolveOptions,
        on_change: OnChange,
    ) -> io::Result<Self> {
        refuse_malformed(names.iter())?;
        let names: Vec<Option<Name>> =
            names.iter().map(|(host, port)| Some(Name::new(host, *port))).collect();
        let (stop, refresh) = (Arc::<AtomicBool>::default(), Arc::<AtomicBool>::default());
        let stats = Arc::new(ResolveStats::new(&names));
        let table = Arc::new(Table {
            rows: Mutex::new(Rows { names, on_change, stats: Arc::clone(&stats) }),
            learned: Condvar::new(),
        });
        table.lock().tell_literals();
        let try_wait = Duration::from_millis(options.try_wait_ms.into());
        let work = Work {
            exchange: Exchange::new(try_wait, options.tries, Arc::clone(&stop))?,
            table: Arc::clone(&table),
            options,
            started: std::time::Instant::now(),
        };
        let flags = (Arc::clone(&stop), Arc::clone(&refresh));
        let thread = std::thread::Builder::new().name("resolver".into());
        let thread = thread.spawn(move || work.run(&flags.0, &flags.1))?;
        Ok(Self { table, stats, stop, refresh, thread: Some(thread) })
    }

    /// The figures, for the admin server's source.
    pub fn stats(&self) -> Arc<ResolveStats> {
        Arc::clone(&self.stats)
    }

    /// Asks for every name again now, whatever its TTL says.
    pub fn refresh_all(&self) {
        self.refresh.store(true, Ordering::Release);
        self.wake();
    }

    /// Puts other names in the places of those of now; where a place has the same name again, what is known of it stays.
    /// Of every place that has another, its literal address is told within the call, or that it has none yet. Waits until
    /// each of the new names has had an answer, `patience` at most.
    pub fn replace(&self, names: &[Option<(String, u16)>], patience: core::time::Duration) -> io::Result<()> {
        refuse_malformed(names.iter().flatten())?;
        let fresh = self.table.lock().replace(names);
        self.wake();
        let rows = self.table.lock();
        let waits = |rows: &mut Rows| fresh.iter().any(|place| rows.is_unasked(*place));
        let waited = self.table.learned.wait_timeout_while(rows, patience, waits);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
        Ok(())
    }

    /// Ends the thread, at the latest after one wait for a TCP connection.
    pub fn stop(mut self) {
        self.end();
    }

    fn wake(&self) {
        if let Some(thread) = &self.thread {
            thread.thread().unpark();
        }
    }

    fn end(&mut self) {
        self.stop.store(true, Ordering::Release);
        self.wake();
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            daemon::error("the resolver's thread failed", &[]);
        }
    }
}

impl Drop for Resolver {
    fn drop(&mut self) {
        self.end();
    }
}

fn refuse_malformed<'n>(names: impl Iterator<Item = &'n (String, u16)>) -> io::Result<()> {
    let is_good =
        |host: &str| Name::new(host, 0).due().is_none() || Question::new(host, Family::V4, 0).is_some();
    let bad: Vec<_> = names.filter(|(host, _)| !is_good(host)).map(|(host, _)| format!("{host:?}")).collect();
    match bad.is_empty() {
        true => Ok(()),
        false => {
            Err(io::Error::new(io::ErrorKind::InvalidInput, format!("no host names: {}", bad.join(", "))))
        }
    }
}

/// The names and what is known of them; locked for as long as it takes to look or to tell, never while asking.
struct Table {
    rows: Mutex<Rows>,
    /// A name has had an answer.
    learned: Condvar,
}

struct Rows {
    /// By index; a place may be empty.
    names: Vec<Option<Name>>,
    on_change: OnChange,
    stats: Arc<ResolveStats>,
}

impl Table {
    fn lock(&self) -> MutexGuard<'_, Rows> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl core::fmt::Debug for Table {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Table")
    }
}

impl Rows {
    /// What needs no question. Before the thread, so that whoever has started a resolver may say that it serves.
    fn tell_literals(&mut self) {
        for (index, name) in self.names.iter().enumerate() {
            if let Some(name) = name.as_ref().filter(|name| !name.addresses().is_empty()) {
                (self.on_change)(index, name.addresses());
            }
        }
    }

    /// The places that have a new name.
    fn replace(&mut self, names: &[Option<(String, u16)>]) -> Vec<usize> {
        let mut fresh = Vec::new();
        self.names.resize(names.len(), None);
        for (index, (place, wanted)) in self.names.iter_mut().zip(names).enumerate() {
            let wanted = wanted.as_ref().map(|(host, port)| Name::new(host, *port));
            let is_same = match (place.as_ref(), &wanted) {
                (Some(known), Some(wanted)) => known.is_same(wanted),
                (None, None) => true,
                (Some(_), None) | (None, Some(_)) => false,
            };
            if !is_same {
                *place = wanted;
                if let Some(name) = place {
                    fresh.push(index);
                    (self.on_change)(index, name.addresses());
                }
            }
        }
        self.stats.replace(&self.names);
        fresh
    }

    fn is_unasked(&self, index: usize) -> bool {
        let name = self.names.get(index).and_then(Option::as_ref);
        name.is_some_and(|name| name.addresses().is_empty() && name.failures() == 0)
    }

    /// The name that is due first, and when.
    fn next(&self) -> Option<(Instant, usize)> {
        let due = |(index, name): (usize, &Option<Name>)| Some((name.as_ref()?.due()?, index));
        self.names.iter().enumerate().filter_map(due).min()
    }
}

/// What the thread owns.
struct Work {
    table: Arc<Table>,
    options: ResolveOptions,
    exchange: Exchange,
    started: std::time::Instant,
}

impl Work {
    fn run(mut self, stop: &AtomicBool, refresh: &AtomicBool) {
        while !stop.load(Ordering::Acquire) {
            if refresh.swap(false, Ordering::Acquire) {
                self.table.lock().names.iter_mut().flatten().for_each(Name::hasten);
            }
            let now = self.now();
            let next = self.table.lock().next();
            match next {
                None => std::thread::park(),
                Some((due, _)) if due > now => std::thread::park_timeout(due.since(now)),
                Some((_, index)) => self.refresh(index, stop),
            }
        }
    }

    fn refresh(&mut self, index: usize, stop: &AtomicBool) {
        let Some(asked) = self.table.lock().names.get(index).cloned().flatten() else { return };
        let answers = self.look_up(asked.host().to_owned());
        if stop.load(Ordering::Acquire) {
            // The waits were cut short: failures would be none.
            return;
        }
        let now = self.now();
        let mut rows = self.table.lock();
        let Rows { names, on_change, stats } = &mut *rows;
        // The place may have another name by now.
        let Some(name) = names.get_mut(index).and_then(Option::as_mut).filter(|name| name.is_same(&asked))
        else {
            return;
        };
        let failures_before = name.failures();
        let learned = name.learn(answers, now, &self.options);
        stats.note(index, name, learned);
        report(name, learned, failures_before);
        if learned == Learned::Changed {
            on_change(index, name.addresses());
        }
        self.table.learned.notify_all();
    }

    /// The hosts file first; a name that it has is not asked for.
    fn look_up(&mut self, host: String) -> Answers {
        let fixed = hosts_addresses(&self.options.hosts_path, &host);
        if !fixed.is_empty() {
            return [fixed_answer(&fixed, IpAddr::is_ipv4), fixed_answer(&fixed, IpAddr::is_ipv6)];
        }
        match &self.options.servers {
            Some(servers) => self.exchange.ask(&host, servers),
            None => self.exchange.ask(&host, &name_servers(&self.options.resolv_conf_path)),
        }
    }

    fn now(&self) -> Instant {
        Instant::ORIGIN + self.started.elapsed()
    }
}

fn fixed_answer(fixed: &[IpAddr], is_of_family: fn(&IpAddr) -> bool) -> Answer {
    let addresses: Vec<IpAddr> = fixed.iter().copied().filter(is_of_family).collect();
    if addresses.is_empty() { Answer::Nothing } else { Answer::Addresses { addresses, ttl_s: HOSTS_TTL_S } }
}

/// The first failure and the end of failing are told, not every failure between.
fn report(name: &Name, learned: Learned, failures_before: u32) {
    let count = name.addresses().len();
    let fields: daemon::Fields<'_> = &[("host", &name.host()), ("addresses", &count)];
    match (failures_before, name.failures()) {
        (0, 1..) if count == 0 => daemon::warning("a name has no address yet; trying again", fields),
        (0, 1..) => daemon::warning("a name could not be refreshed; keeping its addresses", fields),
        (1.., 0) => daemon::notice("a name is resolved again", fields),
        _ if learned == Learned::Changed => daemon::notice("a name has other addresses", fields),
        _ => daemon::debug("a name was refreshed", fields),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resolve::fake_server::{FakeServer, Reply};
    use domain::base::iana::Rcode;
    use std::sync::mpsc::{Receiver, channel};

    const HOST: &str = "www.example.org";

    /// Options that ask `server` alone and wait for nothing longer than they must.
    fn options(server: &FakeServer) -> ResolveOptions {
        ResolveOptions {
            hosts_path: "/nonexistent".into(),
            servers: Some(vec![server.addr()]),
            try_wait_ms: 10_000,
            ttl_ms_min: 1,
            retry_ms_min: 1,
            retry_ms_max: 4,
            ..ResolveOptions::default()
        }
    }

    fn start(names: &[&str], options: ResolveOptions) -> (Resolver, Receiver<(usize, Vec<String>)>) {
        let (sender, changes) = channel();
        let tell = move |index, addresses: &[SocketAddr]| {
            let _ = sender.send((index, addresses.iter().map(ToString::to_string).collect()));
        };
        let names = names.iter().map(|name| ((*name).to_owned(), 80)).collect();
        (Resolver::start(names, options, Box::new(tell)).unwrap(), changes)
    }

    fn reply(address: &str, ttl_s: u32) -> Reply {
        Reply::default().address(HOST, ttl_s, address)
    }

    #[test]
    fn answers_are_told_once_and_again_when_they_change() {
        let server = FakeServer::start(reply("192.0.2.1", 0));
        let (resolver, changes) = start(&["192.0.2.7", HOST], options(&server));
        assert_eq!(changes.recv().unwrap(), (0, vec!["192.0.2.7:80".to_owned()]));
        assert_eq!(changes.recv().unwrap(), (1, vec!["192.0.2.1:80".to_owned()]));
        server.until_asked(8);
        server.say(reply("192.0.2.2", 0));
        assert_eq!(changes.recv().unwrap(), (1, vec!["192.0.2.2:80".to_owned()]));
        resolver.stop();
        assert!(changes.recv().is_err(), "nothing is told after the stop");
    }

    #[test]
    fn literal_addresses_are_told_before_start_returns() {
        let server = FakeServer::start(Reply { silent: true, ..Reply::default() });
        let (_resolver, changes) = start(&[HOST, "192.0.2.7", "2001:db8::7"], options(&server));
        assert_eq!(changes.try_recv().unwrap(), (1, vec!["192.0.2.7:80".to_owned()]));
        assert_eq!(changes.try_recv().unwrap(), (2, vec!["[2001:db8::7]:80".to_owned()]));
    }

    #[test]
    fn failures_keep_the_addresses_and_are_counted() {
        let server = FakeServer::start(reply("192.0.2.1", 0));
        let (resolver, changes) = start(&[HOST], options(&server));
        changes.recv().unwrap();
        server.say(Reply { rcode: Rcode::SERVFAIL, ..Reply::default() });
        let stats = resolver.stats();
        while stats.status()[0]["failures_in_a_row"].as_u64() < Some(3) {
            std::thread::yield_now();
        }
        assert_eq!(stats.status()[0]["stale"], true);
        assert!(stats.all_known());
        server.say(reply("192.0.2.1", 3600));
        while stats.status()[0]["stale"] != false {
            std::thread::yield_now();
        }
        assert!(changes.try_recv().is_err(), "the addresses never changed");
    }

    #[test]
    fn names_that_are_replaced_are_told_within_the_call_and_the_others_are_left_alone() {
        let server =
            FakeServer::start(reply("192.0.2.1", 3600).address("new.example.org", 3600, "192.0.2.9"));
        let (resolver, changes) = start(&[HOST, "192.0.2.7"], options(&server));
        changes.recv().unwrap();
        changes.recv().unwrap();
        let asked = server.questions();
        let names = [Some(HOST), None, Some("192.0.2.8"), Some("new.example.org")]
            .map(|host| host.map(|host| (host.to_owned(), 80)));
        resolver.replace(&names, core::time::Duration::from_secs(60)).unwrap();
        let told: Vec<_> = changes.try_iter().collect();
        assert_eq!(told[0], (2, vec!["192.0.2.8:80".to_owned()]));
        assert_eq!(told[1], (3, Vec::new()), "what stood there before must not serve");
        assert_eq!(told[2], (3, vec!["192.0.2.9:80".to_owned()]));
        assert_eq!((told.len(), server.questions() - asked), (3, 2), "only the new name was asked for");
        assert_eq!(resolver.stats().status().as_array().unwrap().len(), 3);
        assert!(resolver.replace(&[Some(("a..b".to_owned(), 1))], core::time::Duration::ZERO).is_err());
    }

    #[test]
    fn a_name_that_appears_later_is_found() {
        let server = FakeServer::start(Reply { rcode: Rcode::NXDOMAIN, ..Reply::default() });
        let (resolver, changes) = start(&[HOST], options(&server));
        server.until_asked(4);
        assert!(!resolver.stats().all_known());
        server.say(reply("192.0.2.1", 3600));
        assert_eq!(changes.recv().unwrap().1, ["192.0.2.1:80"]);
    }

    #[test]
    fn long_lived_answers_are_refreshed_when_asked() {
        let server = FakeServer::start(reply("192.0.2.1", 3600));
        let (resolver, changes) = start(&[HOST], options(&server));
        changes.recv().unwrap();
        server.say(reply("192.0.2.2", 3600));
        resolver.refresh_all();
        assert_eq!(changes.recv().unwrap().1, ["192.0.2.2:80"]);
    }

    #[test]
    fn the_hosts_file_goes_first() {
        let server = FakeServer::start(Reply { silent: true, ..Reply::default() });
        let path = std::env::temp_dir().join(format!("longhaul-hosts-{}", std::process::id()));
        std::fs::write(&path, format!("2001:db8::5 {HOST}\n")).unwrap();
        let (resolver, changes) =
            start(&[HOST], ResolveOptions { hosts_path: path.clone(), ..options(&server) });
        assert_eq!(changes.recv().unwrap().1, ["[2001:db8::5]:80"]);
        resolver.stop();
        std::fs::remove_file(path).unwrap();
        assert_eq!(server.questions(), 0);
    }

    #[test]
    fn stopping_does_not_wait_for_a_silent_server() {
        let server = FakeServer::start(Reply { silent: true, ..Reply::default() });
        let (resolver, changes) =
            start(&[HOST], ResolveOptions { try_wait_ms: 3_600_000, ..options(&server) });
        server.until_asked(2);
        resolver.stop();
        assert!(changes.recv().is_err());
    }

    #[test]
    fn names_that_are_none_are_refused_all_at_once() {
        let names =
            vec![("a..b".to_owned(), 80), (HOST.to_owned(), 80), (String::new(), 80), ("::1".to_owned(), 1)];
        let error = Resolver::start(names, ResolveOptions::default(), Box::new(|_, _| ())).unwrap_err();
        assert_eq!(error.to_string(), "no host names: \"a..b\", \"\"");
    }
}
