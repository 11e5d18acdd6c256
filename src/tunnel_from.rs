//! Where the tunnels' datagrams of a front-end leave from: as given, or any address of each family that the routes use.

use crate::config::RouteConfig;
use crate::form::departure::{Departure, DepartureForm};
use crate::form::given::{Given, take_all};
use crate::problem::Problems;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use dataplane::node::TunnelSocket;
use std::net::UdpSocket;

/// The sockets. `any_family`: routes that a reload brings may use other families than those of now.
pub(crate) fn sockets(
    given: &[Given<DepartureForm>],
    routes: &[RouteConfig],
    any_family: bool,
    problems: &mut Problems,
) -> Vec<TunnelSocket> {
    let given: Vec<Departure> =
        take_all(given, "tunnel_from", problems).into_iter().map(|(_, departure)| departure).collect();
    for (index, departure) in given.iter().enumerate().filter(|(_, departure)| departure.is_one_place()) {
        let is_new = !given[..index].contains(departure);
        let flag = format!("--tunnel-from {departure}");
        problems.require(is_new, flag, "is there twice", "give it once, or with port 0");
    }
    let uses =
        |is_ipv6: bool| routes.iter().flat_map(|route| &route.addresses).any(|to| to.is_ipv6() == is_ipv6);
    let mut sockets = Vec::new();
    for any in [IpAddr::V4(Ipv4Addr::UNSPECIFIED), IpAddr::V6(Ipv6Addr::UNSPECIFIED)] {
        let any = SocketAddr::new(any, 0);
        let may_use = any_family && (any.is_ipv4() || is_known(any));
        if !uses(any.is_ipv6()) && !may_use {
            continue;
        }
        let before = sockets.len();
        sockets.extend(given.iter().filter_map(|departure| departure.socket(any)));
        if sockets.len() == before {
            sockets.push(any.into());
        }
    }
    sockets
}

/// Whether this machine has the family of an address at all.
fn is_known(any: SocketAddr) -> bool {
    UdpSocket::bind(any).is_ok()
}
