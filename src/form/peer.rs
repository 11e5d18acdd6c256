//! Peers: `KEY=SITE[,SITE…]`: a front-end by its public key, and the sites that it may open; `KEY=none`: a prober, which may
//! knock and open nothing.

use crate::config::PeerConfig;
use crate::form::given::Form;
use crate::form::key;
use crate::form::origin::site_name;
use crate::problem::Wrong;

/// A peer.
pub(crate) struct Peer;

impl Form for Peer {
    type Value = PeerConfig;

    fn read(text: &str) -> Result<PeerConfig, Wrong> {
        let (key, sites) = text.split_once('=').ok_or_else(|| {
            Wrong::new(
                "says not which sites",
                "write KEY=SITE[,SITE…], KEY=* for all sites, or KEY=none for a prober",
            )
        })?;
        let sites = match sites {
            "none" => Vec::new(),
            sites => sites.split(',').map(site_name).collect::<Result<_, _>>()?,
        };
        Ok(PeerConfig { public_key: key::read(key)?, sites })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_has_sites() {
        let key = key::example(2);
        let peer = Peer::read(&format!("{key}=shop.example,MAIL.example")).unwrap();
        assert_eq!(peer.sites, ["shop.example", "mail.example"]);
        assert!(Peer::read(&format!("{key}=none")).unwrap().sites.is_empty());
        for text in [key.clone(), format!("{key}="), "x=shop.example".to_owned(), format!("{key}=a,,b")] {
            assert!(Peer::read(&text).is_err(), "{text}");
        }
    }
}
