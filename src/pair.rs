//! A back-end and a front-end for the demo, configured by the same flags that an operator would write.

use std::ffi::OsString;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use dataplane::node::Running;
use dataplane::tmp::key::{PrivateKey, PublicKey};
use dataplane::tmp::random::SystemRandom;

use crate::args::back::BackArgs;
use crate::args::demo::DemoConfig;
use crate::args::front::FrontArgs;
use crate::config::{Io, NodeConfig};
use crate::exit::Exit;
use crate::problem::Problems;
use crate::{back, front, key_file};

/// How often a tunnel is asked whether it is up.
const ASK_EVERY: Duration = Duration::from_millis(20);

/// Both ends' flags.
pub(crate) struct Pair {
    folder: PathBuf,
    front_public: PublicKey,
    west_public: PublicKey,
    back_public: PublicKey,
    origin: SocketAddr,
    config: DemoConfig,
}

impl Pair {
    /// Makes keys in a folder of their own, which goes when the pair is dropped.
    pub(crate) fn new(config: &DemoConfig, origin: SocketAddr) -> Result<Self, Exit> {
        let folder = std::env::temp_dir().join(format!("longhaul-demo-{}", std::process::id()));
        std::fs::create_dir_all(&folder).map_err(|error| {
            eprintln!("longhaul demo: cannot make {}: {error}", folder.display());
            Exit::Failed
        })?;
        let mut random = SystemRandom::new();
        let [front, west, back] = [(); 3].map(|()| PrivateKey::generate(&mut random));
        let pair = Self {
            front_public: front.public(),
            west_public: west.public(),
            back_public: back.public(),
            origin,
            config: config.clone(),
            folder,
        };
        for (key, name) in [(front, "front.key"), (west, "west.key"), (back, "back.key")] {
            key_file::create(&pair.folder.join(name), &key.to_text()).map_err(|wrong| {
                eprintln!("longhaul demo: {}: {wrong:?}", pair.folder.join(name).display());
                Exit::Failed
            })?;
        }
        Ok(pair)
    }

    /// The back-end, at a free port of that address: an origin for every site, one front-end that may use it.
    pub(crate) fn back(&self, at: IpAddr) -> Result<NodeConfig, Exit> {
        let mut flags = self.common("back.key");
        flags.extend(words(&["--listen", &SocketAddr::new(at, 0).to_string()]));
        for peer in [&self.front_public, &self.west_public] {
            flags.extend(words(&["--peer", &format!("{}=*", peer.to_text())]));
        }
        flags.extend(words(&["--origin", &format!("*=http://{}", self.origin)]));
        let args = BackArgs::from_flags(flags).map_err(told)?;
        back::configure(&args).map_err(wrong)
    }

    /// The front-end: every site over the one route, whose far end is at `tunnel`.
    pub(crate) fn front(&self, tunnel: SocketAddr) -> Result<NodeConfig, Exit> {
        self.front_with(tunnel, &[])
    }

    /// The same with further flags.
    pub(crate) fn front_with(&self, tunnel: SocketAddr, more: &[String]) -> Result<NodeConfig, Exit> {
        let mut flags = self.common("front.key");
        flags.extend(more.iter().map(OsString::from));
        // A check listens where nobody else can: it must pass beside anything that runs already.
        let at =
            |wanted: SocketAddr| if self.config.check { SocketAddr::new(wanted.ip(), 0) } else { wanted };
        flags.extend(words(&["--listen", &at(self.config.listen).to_string()]));
        flags.extend(words(&["--admin", &at(self.config.admin).to_string()]));
        flags.extend(words(&["--route", &format!("far={}@{tunnel}", self.back_public.to_text())]));
        flags.extend(words(&["--site", "*=far"]));
        let args = FrontArgs::from_flags(flags).map_err(told)?;
        front::configure(&args).map_err(wrong)
    }

    /// A second front-end, in another POP: the same at another address.
    pub(crate) fn west(&self, at: SocketAddr, tunnel: SocketAddr) -> Result<NodeConfig, Exit> {
        self.west_with(at, tunnel, &[])
    }

    /// The same with further flags.
    pub(crate) fn west_with(
        &self,
        at: SocketAddr,
        tunnel: SocketAddr,
        more: &[String],
    ) -> Result<NodeConfig, Exit> {
        let mut flags = self.common("west.key");
        flags.extend(more.iter().map(OsString::from));
        flags.extend(words(&["--listen", &at.to_string(), "--site", "*=far"]));
        flags.extend(words(&["--route", &format!("far={}@{tunnel}", self.back_public.to_text())]));
        let args = FrontArgs::from_flags(flags).map_err(told)?;
        front::configure(&args).map_err(wrong)
    }

    /// The folder of its files.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    fn common(&self, key: &str) -> Vec<OsString> {
        let io = match self.config.io {
            Io::Uring => "uring",
            Io::Epoll => "epoll",
            Io::Auto => "auto",
        };
        let mut flags = words(&["--io", io, "--log-level", "warning"]);
        flags.push("--key".into());
        flags.push(self.folder.join(key).into());
        if let Some(cpus) = &self.config.cpus {
            let list: Vec<String> = cpus.iter().map(ToString::to_string).collect();
            flags.extend(words(&["--cpus", &list.join(",")]));
        }
        flags
    }
}

impl Drop for Pair {
    fn drop(&mut self) {
        let _gone = std::fs::remove_dir_all(&self.folder);
    }
}

/// Waits until the front-end's tunnel is up.
pub(crate) fn wait_up(front: &Running, limit: Duration) -> Result<(), String> {
    let begun = Instant::now();
    while begun.elapsed() < limit {
        if front.views().iter().any(|view| view.status.read().iter().any(|tunnel| tunnel.is_up)) {
            return Ok(());
        }
        std::thread::sleep(ASK_EVERY);
    }
    Err(format!("the tunnel did not come up within {} s", limit.as_secs()))
}

/// One line about the tunnel.
pub(crate) fn tunnel_line(front: &Running) -> String {
    let tunnels = front.views().iter().flat_map(|view| view.status.read());
    let line = tunnels.map(|tunnel| {
        let path = tunnel.transport;
        format!(
            "tunnel: rtt {} us, window {} KiB, sent {} and received {} packets, {} lost, datagrams of up to {} bytes",
            path.srtt_us,
            path.window_bytes >> 10,
            path.counters.sent_packets,
            path.counters.received_packets,
            path.counters.lost_packets,
            path.mtu_bytes
        )
    });
    line.collect::<Vec<_>>().join("\n")
}

fn words(words: &[&str]) -> Vec<OsString> {
    words.iter().map(OsString::from).collect()
}

fn told(error: String) -> Exit {
    eprintln!("longhaul demo: {error}");
    Exit::Failed
}

fn wrong(problems: Problems) -> Exit {
    problems.print("demo");
    Exit::Failed
}
