//! From a request's head to an exchange that could be opened: the site is found, the rules are asked, the head for the
//! next hop is written. Nothing is opened yet: the ring to the server may be full.

use core::net::SocketAddr;

use crate::access::Rule;
use crate::exchange::failure::Failure;
use crate::exchange::link::{Kind, Way};
use crate::http::{
    Asked, BodyReader, Client as HttpClient, ConnectionChoice, Forwarding, HOST_BYTES_MAX, RequestBody,
    RequestEmission, RequestHead, Scheme, Upgrade, client_behind, emit_request,
};
use crate::role::clients::client::Client;
use crate::role::clients::exchange::Exchange;
use crate::role::clients::refuse::Page;
use crate::role::compressible::of_request;
use crate::role::limits::Limits;
use crate::role::plan::Plan;
use crate::rules::{MessageFacts, RequestFacts, Rules};

/// Judges a request and writes its head for the next hop.
pub(crate) fn draft(
    blank: Exchange,
    head: &RequestHead<'_>,
    client: &Client,
    plan: &Plan,
    rules: &Rules,
    limits: &Limits,
    written: &mut Vec<u8>,
) -> Result<Exchange, Page> {
    let mut buffer = [0; HOST_BYTES_MAX];
    let host = head.host.normalised(&mut buffer);
    let site = plan.site(host).ok_or_else(|| Page::of_failure(Failure::UnknownSite))?;
    if matches!(head.body, RequestBody::Length(bytes) if bytes > limits.body_bytes_max) {
        return Err(Page::TOO_LARGE);
    }
    if head.came_by(plan.pseudonym.as_bytes()) {
        return Err(Page::LOOP);
    }
    let record = &plan.sites[usize::from(site)];
    if let Way::Origin(origin) = record.way
        && plan.origins.get(usize::from(origin)).is_some_and(|origin| origin.kind != Kind::Http)
    {
        // A request must not reach a server that would read it as words of its own protocol.
        return Err(Page::of_failure(Failure::WrongKind));
    }
    let fallback = if record.name == "*" { plan.pseudonym.as_bytes() } else { record.name.as_bytes() };
    // The next hop knows the site, and not the names that single machines have for it.
    let alias = record.alias_of.as_ref().map(|site| site.as_bytes());
    let is_trusted = plan.is_trusted_proxy(client.peer.ip());
    let behind = is_trusted.then(|| client_behind(head, |address| plan.is_trusted_proxy(address))).flatten();
    let is_websocket = head.upgrade == Upgrade::WebSocket;
    written.clear();
    let emission = RequestEmission {
        host: alias.unwrap_or(if head.host.is_empty() { fallback } else { head.host.bytes }),
        forwarding: Forwarding {
            client: Some(HttpClient { address: client.peer.ip(), scheme: Scheme::Http }),
            trusted: is_trusted,
            via: Some(plan.pseudonym.as_bytes()),
        },
        connection: if is_websocket { ConnectionChoice::Upgrade } else { ConnectionChoice::KeepAlive },
        expect_continue: true,
        extra: &[],
    };
    emit_request(head, &emission, written);
    // The port of a client behind a proxy is unknown.
    let peer = behind.map_or(client.peer, |address| SocketAddr::new(address, 0));
    let facts = RequestFacts {
        site: if record.name == "*" { host } else { record.served_name().as_bytes() },
        client: peer.ip(),
        port: plan.listeners[usize::from(client.listener)].address.port(),
        message: Some(MessageFacts::of(head)),
    };
    let is_bodiless = matches!(head.body, RequestBody::None | RequestBody::Length(0));
    let verdict = rules.judge(&facts);
    let mut exchange = Exchange {
        peer,
        way: record.way,
        site,
        verdict,
        terms: of_request(head, verdict.compress),
        rule: match alias {
            Some(_) => Rule::SiteAlias,
            None if record.name == "*" => Rule::SiteDefault,
            None => Rule::SiteExact,
        },

        request_body: BodyReader::for_request(head.body),
        is_chunked: head.body == RequestBody::Chunked,
        is_repeatable: is_bodiless && head.upgrade == Upgrade::None && head.method.is_idempotent(),
        asked: Asked::by(head),
        version: head.version,
        keep_alive: head.keep_alive,
        ..blank
    };
    exchange.set_line(head.method_bytes, head.target.path, head.target.query);
    Ok(exchange)
}
