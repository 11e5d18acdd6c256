//! Where clients are better served than here: for each site, and for each network of clients, another machine of ours. Made by
//! the control thread with the scorer of the name server, read by every worker, never written: a change is another table.
//!
//! Loops are impossible. A request is sent elsewhere only if it asks for a site by the name that all machines share, and
//! only to a name that is one machine's own; whoever is asked for an own name serves it (`Plan`: an alias has no entry here,
//! because entries are found by the names of sites). So a request is sent on once at most, whatever any table says. What
//! follows the hint of Alt-Svc keeps the shared name, and says so itself (Alt-Used, RFC 7838 §5): it is served, too.

use crate::stdx::prefixes::Prefixes;
use core::net::IpAddr;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// How a client is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RedirectStatus {
    /// 302, which many clients follow with GET whatever they asked with.
    Found,
    /// 307, which is followed with the same method.
    Temporary,
}

impl RedirectStatus {
    /// The number.
    pub const fn number(self) -> u16 {
        match self {
            Self::Found => 302,
            Self::Temporary => 307,
        }
    }
}

/// A machine of its own name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedirectTarget {
    /// Its name in the tree.
    pub node: Arc<str>,
    /// What stands before the path: `http://fra1.shop.example:8080`.
    pub base: String,
    /// The value of Alt-Svc that names it.
    pub alternative: String,
}

/// For each network the place of a better target; `None`: here.
pub type Verdicts = Prefixes<Option<u16>>;

/// One site.
#[derive(Clone, Debug, Default)]
pub struct SiteRedirects {
    /// How clients are sent; `None`: not at all.
    pub status: Option<RedirectStatus>,
    /// Whether answers that are given here name the better machine.
    pub hints: bool,
    /// Where to.
    pub targets: Vec<RedirectTarget>,
    /// Who to which.
    pub verdicts: Arc<Verdicts>,
}

/// All sites that have any, by their names.
#[derive(Clone, Debug, Default)]
pub struct Redirects {
    sites: HashMap<Box<[u8]>, SiteRedirects>,
    /// Machines of ours, which look at a front-end itself (probes do) and want to see no other.
    machines: HashSet<IpAddr>,
}

impl Redirects {
    /// Those of these sites.
    pub fn new(
        sites: impl IntoIterator<Item = (String, SiteRedirects)>,
        machines: impl IntoIterator<Item = IpAddr>,
    ) -> Self {
        let named = sites.into_iter().map(|(name, site)| (name.into_bytes().into_boxed_slice(), site));
        Self { sites: named.collect(), machines: machines.into_iter().collect() }
    }

    /// A site, and where this client is better served.
    pub fn better(&self, site: &[u8], client: IpAddr) -> Option<(&SiteRedirects, &RedirectTarget)> {
        let site = self.sites.get(site)?;
        let target = (*site.verdicts.find(client)?)?;
        if self.machines.contains(&client.to_canonical()) {
            return None;
        }
        Some((site, site.targets.get(usize::from(target))?))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.sites.is_empty()
    }
}
