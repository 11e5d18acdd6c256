//! A front-end and a back-end joined by a tunnel.

use std::net::SocketAddr;

use crate::scenario::keys::Keys;
use crate::scenario::node::Node;
use crate::scenario::wire::Wire;

/// The site that most scenarios ask for.
pub(crate) const SHOP: &str = "shop.example";

/// What a pair is made of, before it starts.
pub(crate) struct Plan {
    io: String,
    listen_http: String,
    listen_udp: String,
    may_open: String,
    sites: Vec<String>,
    back: Vec<String>,
    front: Vec<String>,
    front_key: Option<String>,
    keys: Keys,
}

/// Two processes and their keys.
pub(crate) struct Pair {
    pub(crate) front: Node,
    pub(crate) back: Node,
    /// The flags of the back-end, to start it again; it has the tunnel's port from then on.
    back_flags: Vec<String>,
    /// The flags of the front-end, to start it again; its clients' ports are new then.
    front_flags: Vec<String>,
    io: String,
    _keys: Keys,
}

impl Plan {
    pub(crate) fn new(io: &str) -> Self {
        Self {
            io: io.to_owned(),
            listen_http: "127.0.0.1:0".to_owned(),
            listen_udp: "127.0.0.1:0".to_owned(),
            may_open: "*".to_owned(),
            sites: Vec::new(),
            back: Vec::new(),
            front: Vec::new(),
            front_key: None,
            keys: Keys::new(),
        }
    }

    /// A site over the tunnel and its origin's address, as `--origin` takes it.
    pub(crate) fn site(mut self, site: &str, origin: &str) -> Self {
        self.sites.push(site.to_owned());
        self.back(&["--origin", &format!("{site}={origin}")])
    }

    /// Flags of the back-end.
    pub(crate) fn back(mut self, flags: &[&str]) -> Self {
        self.back.extend(flags.iter().map(|flag| (*flag).to_owned()));
        self
    }

    /// Flags of the front-end.
    pub(crate) fn front(mut self, flags: &[&str]) -> Self {
        self.front.extend(flags.iter().map(|flag| (*flag).to_owned()));
        self
    }

    /// The sites that the back-end lets the front-end open.
    pub(crate) fn may_open(mut self, sites: &str) -> Self {
        sites.clone_into(&mut self.may_open);
        self
    }

    /// The front-end has this key, and the back-end knows another.
    pub(crate) fn front_key(mut self, file: &str) -> Self {
        self.front_key = Some(file.to_owned());
        self
    }

    /// Listens for clients here, options included.
    pub(crate) fn listen_http(mut self, listen: &str) -> Self {
        listen.clone_into(&mut self.listen_http);
        self
    }

    /// The tunnel's address at the back-end.
    pub(crate) fn listen_udp(mut self, listen: &str) -> Self {
        listen.clone_into(&mut self.listen_udp);
        self
    }

    pub(crate) fn start(self) -> Pair {
        let (front_public, back_public) = (self.keys.make("front.key"), self.keys.make("back.key"));
        let peer = format!("{front_public}={}", self.may_open);
        let back_key = self.keys.path("back.key");
        let mut back_flags = words(&["back", "--key", &back_key, "--peer", &peer]);
        back_flags.extend(self.back);
        let mut first = back_flags.clone();
        first.extend(words(&["--listen", &self.listen_udp]));
        let back = Node::start(&self.io, &first);
        back_flags.extend(words(&["--listen", &back.tunnel().to_string()]));

        let route = format!("east={back_public}@{}", back.tunnel());
        let front_key = self.front_key.unwrap_or_else(|| self.keys.path("front.key"));
        let mut flags = words(&["front", "--key", &front_key, "--route", &route]);
        flags.extend(words(&["--listen", &self.listen_http]));
        for site in &self.sites {
            flags.extend(words(&["--site", &format!("{site}=east")]));
        }
        flags.extend(self.front);
        let front = Node::start(&self.io, &flags);
        Pair { front, back, back_flags, front_flags: flags, io: self.io, _keys: self.keys }
    }
}

impl Pair {
    /// One site, one origin, defaults otherwise.
    pub(crate) fn of(io: &str, origin: &str) -> Self {
        Plan::new(io).site(SHOP, origin).start()
    }

    /// A client's connection to the front-end.
    pub(crate) fn client(&self) -> Wire {
        self.front.client()
    }

    /// A client's connection to the front-end's `index`th listener.
    pub(crate) fn client_of(&self, index: usize) -> Wire {
        Wire::connect(self.front.listener(index))
    }

    /// Kills the back-end as a power failure does, and starts it again on the same port.
    pub(crate) fn restart_back(&mut self) {
        self.kill_back();
        self.back = Node::start(&self.io, &self.back_flags);
    }

    /// Kills the front-end, and starts it again.
    pub(crate) fn restart_front(&mut self) {
        self.front.process.signal("KILL");
        self.front.ended();
        self.front = Node::start(&self.io, &self.front_flags);
    }

    /// Kills the back-end if it still runs, and waits until it is gone.
    pub(crate) fn kill_back(&mut self) {
        if self.back.process.is_running() {
            self.back.process.signal("KILL");
        }
        self.back.ended();
    }

    /// Where the tunnel's datagrams go.
    pub(crate) fn tunnel(&self) -> SocketAddr {
        self.back.tunnel()
    }
}

fn words(flags: &[&str]) -> Vec<String> {
    flags.iter().map(|flag| (*flag).to_owned()).collect()
}
