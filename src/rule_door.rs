//! The door of the rules: checks a file, and says which rule a request meets and why. The request is parsed and judged
//! by the code that a front-end runs.

use crate::args::rule_door::{RuleDoor, RuleDoorArgs};
use crate::exit::Exit;
use crate::problem::{Problems, Wrong};
use crate::rule_source;
use crate::show;
use core::net::IpAddr;
use dataplane::http::{FieldTable, HOST_BYTES_MAX, Limits, Parsed, parse_request};
use dataplane::rules::{Label, MessageFacts, RequestFacts, Rules};
use std::path::Path;

/// The port of a URL that names none.
const PORT_DEFAULT: u16 = 80;

/// Does what was asked.
pub(crate) fn run(args: &RuleDoorArgs) -> Exit {
    let mut problems = Problems::default();
    match &args.door {
        RuleDoor::Check { file } => {
            if let Some(rules) = load(file, &mut problems) {
                let (requests, answers) = (rules.requests.len(), rules.answers.len());
                show::line(&format!(
                    "{requests} rules about requests, {answers} about answers; nothing is wrong"
                ));
            }
        }
        RuleDoor::Test { file, request, header, client, port } => {
            let client = client.take("client", &mut problems);
            if let (Some(rules), Some(client)) = (load(file, &mut problems), client) {
                for request in request {
                    let tried = Request::read(request, header, client, *port);
                    match tried.and_then(|tried| tried.explain(&rules)) {
                        Ok(text) => show::text(&text),
                        Err(wrong) => problems.add(format_args!("{request:?}"), &wrong),
                    }
                }
            }
        }
    }
    if problems.lines().is_empty() {
        return Exit::Done;
    }
    problems.print("rules");
    Exit::Usage
}

fn load(file: &Path, problems: &mut Problems) -> Option<Rules> {
    let loaded = rule_source::load(file);
    loaded.map_err(|unread| unread.lines().iter().for_each(|line| problems.note(line.clone()))).ok()
}

/// A request as it would come.
struct Request {
    head: Vec<u8>,
    client: IpAddr,
    port: u16,
}

impl Request {
    /// From `[METHOD ]URL` and fields.
    fn read(text: &str, fields: &[String], client: IpAddr, port: Option<u16>) -> Result<Self, Wrong> {
        let (method, url) = text.split_once(' ').unwrap_or(("GET", text));
        let rest = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"));
        let rest =
            rest.ok_or_else(|| Wrong::new("is no URL", "write http://HOST/PATH, perhaps after a method"))?;
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (host, target) = rest.split_at(end);
        let slash = if target.starts_with('/') { "" } else { "/" };
        let mut head = format!("{method} {slash}{target} HTTP/1.1\r\nHost: {host}\r\n");
        fields.iter().for_each(|field| head.extend([field, "\r\n"]));
        head.push_str("\r\n");
        let named = host.rsplit_once(':').and_then(|(_, port)| port.parse().ok());
        Ok(Self { head: head.into_bytes(), client, port: port.or(named).unwrap_or(PORT_DEFAULT) })
    }

    /// Judges it, and says why no earlier rule fits.
    fn explain(&self, rules: &Rules) -> Result<String, Wrong> {
        let limits = Limits::default();
        let mut table = FieldTable::new(&limits);
        let head = match parse_request(&self.head, &limits, &mut table) {
            Parsed::Complete { head, .. } => head,
            Parsed::Partial => {
                return Err(Wrong::new("has no end", "leave line ends out of URLs and fields"));
            }
            Parsed::Invalid(refusal) => {
                let what = format!("would be refused: {refusal:?}");
                return Err(Wrong::new(what, "write it as a client would"));
            }
        };
        let mut buffer = [0; HOST_BYTES_MAX];
        let facts = RequestFacts {
            site: head.host.normalised(&mut buffer),
            client: self.client,
            port: self.port,
            message: Some(MessageFacts::of(&head)),
        };
        let shown = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let mut text =
            format!("{} {}{}\n", shown(head.method_bytes), shown(facts.site), shown(head.target.path));
        for rule in &rules.requests {
            let Some(condition) = rule.misfit(&facts) else { break };
            text.push_str(&format!("  not {}: {condition} does not hold\n", rule.label));
        }
        let verdict = rules.judge(&facts);
        let by = match verdict.label {
            Label::NONE => "no rule fits".to_owned(),
            label => format!("rule {label}"),
        };
        let said = |name: &str, word: Option<bool>| match word {
            Some(word) => format!(", {name} = {word}"),
            None => String::new(),
        };
        let (compress, cache) = (said("compress", verdict.compress), said("cache", verdict.cache));
        text.push_str(&format!("  class {} ({by}{compress}{cache})\n", verdict.class));
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use controlplane::rule_file;

    fn explained(request: &str, fields: &[&str]) -> Result<String, Wrong> {
        let rules = rule_file::read(
            "[[rule]]\nname = 'crawlers'\nheader = 'User-Agent=*bot*'\nclass = 4\n\
             [[rule]]\nname = 'checkout'\npath = '/checkout/*'\nclass = 0\ncache = false\n",
        );
        let fields: Vec<String> = fields.iter().map(|field| (*field).to_owned()).collect();
        Request::read(request, &fields, IpAddr::from([127, 0, 0, 1]), None)?.explain(&rules.unwrap())
    }

    #[test]
    fn the_rule_and_the_reasons_are_said() {
        let text = explained("http://Shop.example:8080/checkout/pay?x", &[]).unwrap();
        assert_eq!(
            text,
            "GET shop.example/checkout/pay\n  not crawlers: header User-Agent=*bot* does not hold\n  \
             class 0 (rule checkout, cache = false)\n"
        );
        let text = explained("HEAD http://shop.example/checkout/", &["user-agent: robot"]).unwrap();
        assert_eq!(text, "HEAD shop.example/checkout/\n  class 4 (rule crawlers)\n");
        assert!(explained("http://shop.example", &[]).unwrap().ends_with("  class 2 (no rule fits)\n"));
    }

    #[test]
    fn what_a_front_end_would_refuse_is_refused() {
        assert!(explained("shop.example/", &[]).is_err());
        assert!(explained("http://shop.example/", &["Host: other"]).is_err());
        assert!(explained("G<T http://shop.example/", &[]).is_err());
    }
}
