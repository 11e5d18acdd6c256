//! The access log's format: one JSON object per line, one line per exchange.
//!
//! Members that do not apply are left out: a plain TCP connection has no method, a refused request no origin. Times
//! are in µs and say so. The decision's id is hexadecimal text, because readers in JavaScript would round it.

use crate::logs::json::Object;
use dataplane::access::{AccessRecord, Decision, Timings};
use jiff::Timestamp;

/// Appends the line of `record`, line feed included.
pub(crate) fn push_access_line(line: &mut String, record: &AccessRecord<'_>) {
    let mut object = Object::open(line);
    push_time(&mut object, record.unix_ms);
    object.plain("kind", record.kind.name());
    object.bare("worker", record.worker);
    match (record.client.ip(), record.client.port()) {
        (address, 0) => object.plain("client", address),
        _ => object.plain("client", record.client),
    }
    push_request(&mut object, record);
    object.bare("request_body_bytes", record.request_body_bytes);
    object.bare("response_body_bytes", record.response_body_bytes);
    if record.saved_bytes > 0 {
        object.bare("saved_bytes", record.saved_bytes);
    }
    object.bare("class", record.class);
    if !record.class_rule.is_empty() {
        object.bytes("class_rule", record.class_rule);
    }
    push_path(&mut object, record);
    push_timings(&mut object, &record.timings);
    object.plain("ended", record.ended.name());
    if let Some(detail) = record.ended.detail() {
        object.plain("reason", detail);
    }
    object.object("decision", |inner| {
        push_decision(inner, &record.decision);
        if !record.redirected_to.is_empty() {
            inner.bytes("redirected_to", record.redirected_to);
        }
    });
    object.close();
    line.push('\n');
}

/// Lines that are missing at this place of the log, by where they were lost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Gap {
    /// Records that found a worker's ring full.
    pub(crate) rings: u64,
    /// Lines that the output did not take.
    pub(crate) output: u64,
}

impl Gap {
    /// All that is missing.
    pub(crate) fn lines(self) -> u64 {
        self.rings.saturating_add(self.output)
    }
}

/// Appends the line that stands for missing ones, line feed included.
pub(crate) fn push_gap_line(line: &mut String, gap: Gap, unix_ms: u64) {
    let mut object = Object::open(line);
    object.bare("gap", gap.lines());
    push_time(&mut object, unix_ms);
    object.bare("lost_in_rings", gap.rings);
    object.bare("lost_at_output", gap.output);
    object.close();
    line.push('\n');
}

/// A time that the calendar does not hold is shown as the epoch: a line with a wrong time is better than none.
fn push_time(object: &mut Object<'_>, unix_ms: u64) {
    let ms = i64::try_from(unix_ms).unwrap_or_default();
    object.plain("time", format_args!("{:.3}", Timestamp::from_millisecond(ms).unwrap_or_default()));
}

fn push_request(object: &mut Object<'_>, record: &AccessRecord<'_>) {
    for (name, text) in [("site", record.site), ("method", record.method), ("target", record.target)] {
        if !text.is_empty() {
            object.bytes(name, text);
        }
    }
    for (name, is_cut) in [("target_cut", record.target_cut), ("text_cut", record.text_cut)] {
        if is_cut {
            object.bare(name, true);
        }
    }
    if !record.version.name().is_empty() {
        object.plain("version", record.version.name());
    }
    if record.status != 0 {
        object.bare("status", record.status);
    }
}

fn push_path(object: &mut Object<'_>, record: &AccessRecord<'_>) {
    for (name, text) in [("route", record.route), ("origin", record.origin)] {
        if !text.is_empty() {
            object.bytes(name, text);
        }
    }
    if let Some(address) = record.origin_address {
        object.plain("origin_address", address);
    }
}

fn push_timings(object: &mut Object<'_>, timings: &Timings) {
    let spans = [
        ("queue_us", timings.queue_us),
        ("tunnel_us", timings.tunnel_us),
        ("origin_first_byte_us", timings.origin_first_byte_us),
        ("total_us", timings.total_us),
    ];
    for (name, span) in spans {
        if let Some(us) = span {
            object.bare(name, us);
        }
    }
}

fn push_decision(object: &mut Object<'_>, decision: &Decision) {
    object.plain("id", format_args!("{:016x}", decision.id));
    object.plain("rule", decision.rule.name());
    object.bare("attempts", decision.attempts);
    if decision.reroutes > 0 {
        object.bare("reroutes", decision.reroutes);
    }
    object.bare("connection_reused", decision.connection_reused);
    for (name, said) in [("compress", decision.compress), ("cache", decision.cache)] {
        if let Some(said) = said {
            object.bare(name, said);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataplane::access::{Ended, Kind, Refusal, Rule, Version};

    fn parse(line: &str) -> serde_json::Value {
        assert_eq!(line.find('\n'), Some(line.len() - 1), "{line}");
        serde_json::from_str(line).unwrap()
    }

    #[test]
    fn a_full_record_shows_everything() {
        let mut line = String::new();
        let record = AccessRecord {
            site: b"www.example.org",
            method: b"GET",
            target: b"/\xff\"\n",
            target_cut: true,
            version: Version::Http11,
            status: 503,
            response_body_bytes: 10,
            saved_bytes: 3,
            class: 2,
            class_rule: b"checkout",
            route: b"west",
            origin: b"shop",
            origin_address: Some("[2001:db8::1]:80".parse().unwrap()),
            timings: Timings { total_us: Some(1500), ..Timings::default() },
            ended: Ended::Refused(Refusal::Overload),
            decision: Decision {
                id: 0xabc,
                rule: Rule::SiteExact,
                attempts: 1,
                reroutes: 1,
                connection_reused: true,
                compress: None,
                cache: Some(false),
            },
            ..AccessRecord::blank(1_700_000_000_042, 1, Kind::Http, "192.0.2.1:5".parse().unwrap())
        };
        push_access_line(&mut line, &record);
        let want = serde_json::json!({
            "time": "2023-11-14T22:13:20.042Z", "kind": "http", "worker": 1, "client": "192.0.2.1:5",
            "site": "www.example.org", "method": "GET", "target": "/\\xff\"\n", "target_cut": true,
            "version": "HTTP/1.1", "status": 503, "request_body_bytes": 0, "response_body_bytes": 10, "saved_bytes": 3, "class": 2, "class_rule": "checkout",
            "route": "west", "origin": "shop", "origin_address": "[2001:db8::1]:80", "total_us": 1500,
            "ended": "refused", "reason": "overload",
            "decision": { "id": "0000000000000abc", "rule": "site_exact", "attempts": 1, "reroutes": 1, "connection_reused": true, "cache": false },
        });
        assert_eq!(parse(&line), want);
    }

    #[test]
    fn what_does_not_apply_is_left_out_and_odd_times_do_no_harm() {
        let mut line = String::new();
        let record = AccessRecord::blank(u64::MAX, 0, Kind::Tcp, "192.0.2.1:5".parse().unwrap());
        push_access_line(&mut line, &record);
        let value = parse(&line);
        assert!(
            value.get("method").is_none() && value.get("status").is_none() && value.get("total_us").is_none()
        );
        assert_eq!(value["time"], "1970-01-01T00:00:00.000Z");
    }

    #[test]
    fn a_client_that_a_proxy_named_has_no_port() {
        let mut line = String::new();
        let record = AccessRecord::blank(0, 0, Kind::Http, "[2001:db8::7]:0".parse().unwrap());
        push_access_line(&mut line, &record);
        assert_eq!(parse(&line)["client"], "2001:db8::7");
    }

    #[test]
    fn a_gap_begins_with_its_size() {
        let mut line = String::new();
        push_gap_line(&mut line, Gap { rings: 2, output: 3 }, 0);
        assert!(line.starts_with("{\"gap\":5,"), "{line}");
        assert_eq!(parse(&line)["lost_in_rings"], 2);
    }
}
