//! Plain TCP listeners: `ADDR[,proxy]=SITE`: every connection belongs to the site.

use crate::form::given::Form;
use crate::form::listen::{Listen, ListenAddress};
use crate::form::origin::site_name;
use crate::problem::Wrong;

/// A listener.
pub(crate) struct Tcp;

/// What it becomes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TcpListen {
    /// Where.
    pub(crate) listen: ListenAddress,
    /// The site.
    pub(crate) site: String,
}

impl Form for Tcp {
    type Value = TcpListen;

    fn read(text: &str) -> Result<TcpListen, Wrong> {
        let (listen, site) = text.split_once('=').ok_or_else(|| {
            Wrong::new("says not which site", "write ADDR=SITE, such as 0.0.0.0:25=mail.example")
        })?;
        let site = site_name(site)?;
        if site == "*" {
            return Err(Wrong::new("names no site", "plain TCP says no name: write which site it is"));
        }
        Ok(TcpListen { listen: Listen::read(listen)?, site })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_belongs_to_a_site() {
        let tcp = Tcp::read("127.0.0.1:25,proxy=mail.example").unwrap();
        assert!(tcp.listen.proxy && tcp.site == "mail.example");
        for text in ["127.0.0.1:25", "127.0.0.1=mail", "127.0.0.1:25=*", "127.0.0.1:25="] {
            assert!(Tcp::read(text).is_err(), "{text}");
        }
    }
}
