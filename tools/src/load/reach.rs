//! Looks whether anybody is there before a load begins: a refused connection should be one sentence, not a million errors.

use crate::load::options::LoadError;
use crate::load::plan::{Host, Plan};
use crate::load::url::Scheme;
use core::time::Duration;
use std::net::TcpStream;

/// How long a first connection may take: a SYN that is lost is sent again after a second.
const REACH_WITHIN: Duration = Duration::from_secs(5);

/// Connects once to every host that is asked over TCP. A nameserver is asked by the load itself: silence over UDP says
/// little about who is there.
pub(crate) fn look(plan: &Plan) -> Result<(), LoadError> {
    let mut looked = Vec::new();
    for host in plan.hosts.iter().filter(|host| host.scheme != Scheme::Dns) {
        if !looked.contains(&host.address) {
            reach(host)?;
            looked.push(host.address);
        }
    }
    Ok(())
}

fn reach(host: &Host) -> Result<(), LoadError> {
    let connected = TcpStream::connect_timeout(&host.address, REACH_WITHIN);
    connected.map(drop).map_err(|error| {
        let address = host.address.to_string();
        let whom = if host.name == address { address } else { format!("{} ({address})", host.name) };
        LoadError::Nobody(whom, error.to_string())
    })
}
