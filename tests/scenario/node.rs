//! A front-end or back-end that runs: its addresses, its page, its counters.

use std::net::SocketAddr;
use std::process::ExitStatus;

use serde_json::Value;

use crate::scenario::driver::cpus;
use crate::scenario::patience::until;
use crate::scenario::process::Process;
use crate::scenario::wire::Wire;

/// One end as a process.
pub(crate) struct Node {
    pub(crate) process: Process,
    listening: Vec<SocketAddr>,
    tunnel_udp: Vec<SocketAddr>,
    admin: SocketAddr,
}

impl Node {
    /// Starts one and waits until it listens. `flags` begin with the subcommand; one worker unless they say else.
    pub(crate) fn start(io: &str, flags: &[String]) -> Self {
        let mut flags = flags.to_vec();
        flags.extend(["--io", io, "--admin", "127.0.0.1:0", "--mem-limit", "off"].map(str::to_owned));
        if !flags.iter().any(|flag| flag == "--cpus") {
            flags.extend(["--cpus".to_owned(), cpus()[0].to_string()]);
        }
        let mut process = Process::start(&flags);
        let started = process.line(" started ");
        assert_eq!(value(&started, "io"), io);
        let admin = value(&process.line(" admin page "), "address").parse().unwrap();
        let listening = addresses(&started, "listening");
        Self { listening, tunnel_udp: addresses(&started, "tunnel_udp"), admin, process }
    }

    /// The `index`th TCP listener in the order of the flags, `--listen` before `--tcp`.
    pub(crate) fn listener(&self, index: usize) -> SocketAddr {
        self.listening[index]
    }

    /// The first UDP address.
    pub(crate) fn tunnel(&self) -> SocketAddr {
        self.tunnel_udp[0]
    }

    /// A client's connection to the first listener.
    pub(crate) fn client(&self) -> Wire {
        Wire::connect(self.listening[0])
    }

    /// One page of the admin server.
    pub(crate) fn page(&self, path: &str) -> (u16, String) {
        let mut wire = Wire::connect(self.admin);
        wire.send(format!("GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", self.admin));
        let answer = wire.answer();
        (answer.head.status(), answer.text())
    }

    /// A metric, summed over its labels; `name` without the product's prefix.
    pub(crate) fn metric(&self, name: &str) -> u64 {
        let (status, text) = self.page("/metrics");
        assert_eq!(status, 200);
        assert!(text.ends_with("# EOF\n"), "{text}");
        let name = format!("longhaul_{name}");
        let value = |line: &str| {
            let rest = line.strip_prefix(&name)?;
            let is_name = rest.starts_with(['{', ' ']);
            is_name.then(|| rest.rsplit(' ').next().unwrap().parse::<f64>().unwrap() as u64)
        };
        let values: Vec<u64> = text.lines().filter_map(value).collect();
        assert!(!values.is_empty(), "no metric {name} in\n{text}");
        values.iter().sum()
    }

    /// Waits until a metric is as wanted.
    pub(crate) fn until_metric(&self, name: &str, is_wanted: impl Fn(u64) -> bool) -> u64 {
        until(name, || Some(self.metric(name)).filter(|value| is_wanted(*value)))
    }

    pub(crate) fn status(&self) -> Value {
        let (status, text) = self.page("/status");
        assert_eq!(status, 200);
        serde_json::from_str(&text).unwrap()
    }

    /// Tells it to drain.
    pub(crate) fn terminate(&self) {
        self.process.signal("TERM");
    }

    /// Waits for its end.
    pub(crate) fn ended(&mut self) -> (ExitStatus, String) {
        self.process.ended()
    }
}

fn value<'l>(line: &'l str, name: &str) -> &'l str {
    let found = line.split(' ').find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
    found.unwrap_or_else(|| panic!("no {name} in {line:?}")).trim_matches('"')
}

fn addresses(line: &str, name: &str) -> Vec<SocketAddr> {
    let texts = value(line, name).split(',').filter(|text| !text.is_empty());
    texts.map(|text| text.parse().unwrap()).collect()
}
