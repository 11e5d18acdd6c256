//! Requests that another machine of ours serves better: the client is sent there, or told of it.
//!
//! Whoever has no verdict is served. So is what must not be asked twice: a request with a body, which is on its way here
//! already; an upgrade, which no client follows elsewhere; under 302, which clients follow with GET, all but GET and HEAD.

use std::sync::Arc;

use crate::access::Rule;
use crate::http::{ImfFixdate, Method, Redirection, RequestBody, RequestHead, Upgrade, redirection};
use crate::port::Port;
use crate::role::clients::client::Phase;
use crate::role::clients::exchange::Exchange;
use crate::role::clients::state::Clients;
use crate::role::plan::Plan;
use crate::role::redirects::{RedirectStatus, Redirects};
use crate::stdx::slab::Handle;
use crate::time::Instant;

/// Longest answer that sends somebody elsewhere and fits: a longer target is served here.
const REDIRECTION_BYTES_MAX: usize = 8 * 1_024;

/// Writes into `written` the answer that sends the client of a drafted exchange elsewhere; the node's name. `None`: it is
/// served here, and the exchange knows whether its answer may name a better place.
pub(crate) fn elsewhere(
    redirects: &Redirects,
    plan: &Plan,
    exchange: &mut Exchange,
    head: &RequestHead<'_>,
    date: &ImfFixdate,
    written: &mut Vec<u8>,
) -> Option<Arc<str>> {
    let site = &plan.sites[usize::from(exchange.site)];
    // An own name of a machine has no entry, and is asked for all the same: by whom a table sent here.
    if redirects.is_empty() || site.alias_of.is_some() {
        return None;
    }
    let (rules, target) = redirects.better(site.name.as_bytes(), exchange.peer.ip())?;
    let is_hinted = head.fields.find(b"alt-used").is_some();
    exchange.may_hint = rules.hints && !is_hinted && head.upgrade != Upgrade::WebSocket;
    let status = rules.status.filter(|status| !is_hinted && may_be_sent(*status, head))?;
    let answer = Redirection {
        status: status.number(),
        base: target.base.as_bytes(),
        target: head.target,
        alternative: rules.hints.then_some(target.alternative.as_bytes()),
        close: !exchange.keep_alive,
        date,
    };
    if target.base.len() + head.target.path.len() + head.target.query.map_or(0, <[u8]>::len)
        > REDIRECTION_BYTES_MAX
    {
        return None;
    }
    written.clear();
    redirection(&answer, written);
    (exchange.status, exchange.rule) = (answer.status, Rule::Redirect);
    Some(target.node.clone())
}

/// Whether a client that is told so asks for the same again, and nothing is lost on the way.
fn may_be_sent(status: RedirectStatus, head: &RequestHead<'_>) -> bool {
    let keeps_method =
        status == RedirectStatus::Temporary || matches!(head.method, Method::Get | Method::Head);
    let has_body = !matches!(head.body, RequestBody::None | RequestBody::Length(0));
    keeps_method && !has_body && head.upgrade != Upgrade::WebSocket && head.target.path.starts_with(b"/")
}

impl Clients {
    /// Tells a client what `written` holds. The connection goes on as after any answer.
    pub(crate) fn send_elsewhere(
        &mut self,
        now: Instant,
        port: &mut Port,
        handle: Handle,
        exchange: &Exchange,
        node: &str,
    ) {
        self.counters.requests.add(1);
        let Some(client) = self.clients.get_mut(handle) else { return };
        client.requests += 1;
        if !port.write(client.tcp, &self.written) {
            self.counters.pool_shortages.add(1);
            self.abort(port, handle);
            return;
        }
        client.phase = Phase::Waiting;
        self.counters.redirects.add(1);
        self.counters.answers.add(1);
        self.log_sent_to(now, exchange, node);
        self.after_answer(now, port, exchange);
    }
}
