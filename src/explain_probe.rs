//! What is believed of a target, and why: what is asked of it and how often, who looks at it, what each of them says and since when,
//! who is outvoted, how well each is heard, and what comes of it. Made for `longhaul explain probe`.

use controlplane::nearest::nearest;
use controlplane::probe::outcome::Cause;
use controlplane::probe::target::Target;
use controlplane::report::expected::{ExpectedNode, ExpectedTarget};
use controlplane::report::findings::{age_s, is_silent};
use controlplane::report::ledger::{Ledger, NodeLine};
use controlplane::report::poll::{Poll, Vote};
use controlplane::report::refusal::Refusal;
use controlplane::tree::probes::Probe;
use controlplane::view::page::span;
use core::fmt::Write;

/// The words for a target, for all of a probe's, of a server's, or of those that a node looks at.
pub(crate) fn text(
    ledger: &Ledger,
    probes: &[Probe],
    wanted: &str,
    now_us: u64,
) -> Result<String, Vec<String>> {
    let expected = ledger.expected();
    let all = probes.iter().zip(expected.targets.iter().zip(ledger.polls()));
    let matching: Vec<_> = all.filter(|(probe, _)| is_meant(probe, wanted)).collect();
    if matching.is_empty() {
        return Err(vec![unknown(probes, wanted)]);
    }
    let mut text = String::new();
    for (place, (probe, (target, poll))) in matching.iter().enumerate() {
        if place > 0 {
            text.push('\n');
        }
        describe(&mut text, probe);
        votes(&mut text, ledger, target, poll, now_us);
    }
    let lookers: Vec<usize> = matching.iter().flat_map(|(_, (target, _))| target.lookers.clone()).collect();
    let _ = writeln!(text, "\nhow they are heard");
    for (place, (node, line)) in expected.nodes.iter().zip(ledger.nodes()).enumerate() {
        if lookers.contains(&place) {
            let _ = writeln!(text, "  {}: {}", node.name, heard(node, line, now_us));
        }
    }
    Ok(text)
}

fn is_meant(probe: &Probe, wanted: &str) -> bool {
    let Target { name, server, .. } = &probe.target;
    let of_probe = name.split_once('/').is_some_and(|(of, _)| of == wanted);
    *name == wanted
        || of_probe
        || server.as_deref() == Some(wanted)
        || probe.nodes.iter().any(|node| node == wanted)
}

fn unknown(probes: &[Probe], wanted: &str) -> String {
    let names = probes.iter().flat_map(|probe| {
        let of = probe.target.name.split_once('/').map(|(of, _)| of);
        [Some(probe.target.name.as_str()), of, probe.target.server.as_deref()].into_iter().flatten()
    });
    let near = nearest(wanted, names).map(|near| format!("; {near} is near"));
    format!("{wanted} is no target, no probe, and no server or node that one has{}", near.unwrap_or_default())
}

/// What is asked, of whom, and how often.
fn describe(text: &mut String, probe: &Probe) {
    let Target { name, url, server, pace, expect, same_as, .. } = &probe.target;
    let _ = writeln!(text, "target    {name}: {url}");
    let shows = server.as_ref().map_or_else(
        || "nobody's state: it is for people".to_owned(),
        |server| format!("the state of {server}, with all other targets of it: it is up if they are"),
    );
    let _ = writeln!(text, "shows     {shows}");
    let _ = writeln!(
        text,
        "pace      every {:?} and up to {:.0} % more, {:?} of patience; down after {} bad in a row, at most {:?} after it died; up \
         after {} good",
        pace.interval,
        f64::from(pace.jitter_ppm) / 1e4,
        pace.timeout,
        pace.fall,
        pace.down_within(),
        pace.rise
    );
    let mut wanted = Vec::new();
    wanted.extend(expect.body.as_ref().map(|body| format!("the text {body:?}")));
    wanted.extend(expect.digest.map(|_| "a digest that the tree gives".to_owned()));
    wanted.extend(same_as.as_ref().map(|other| format!("the content of {other}")));
    if !wanted.is_empty() {
        let _ = writeln!(text, "must have {}", wanted.join(", "));
    }
    let quorum = match probe.quorum {
        0 => "more than half of those that are heard".to_owned(),
        count => format!("{count} that agree"),
    };
    let _ = writeln!(text, "decided   by {quorum}, of {}", probe.nodes.join(", "));
}

fn votes(text: &mut String, ledger: &Ledger, target: &ExpectedTarget, poll: &Poll, now_us: u64) {
    let state = |is_up: bool| if is_up { "up" } else { "down" };
    let fresh = poll.fresh(target.rules, now_us).count();
    let holds = match poll.verdict {
        Some(verdict) => format!("{} for {}", state(verdict), span(age_s(poll.since_us, now_us))),
        None => "unknown: nobody has said anything yet".to_owned(),
    };
    let _ = writeln!(text, "holds     {holds}; {fresh} of {} heard", target.lookers.len());
    let expected = ledger.expected();
    for (looker, vote) in target.lookers.iter().zip(&poll.votes) {
        let said = vote.as_ref().map_or_else(
            || "has said nothing".to_owned(),
            |vote| one_vote(vote, state(vote.is_up), target.rules.stale_us, now_us),
        );
        let _ = writeln!(text, "  {}: {said}", expected.nodes[*looker].name);
    }
}

fn one_vote(vote: &Vote, state: &str, stale_us: u64, now_us: u64) -> String {
    let mut said = state.to_owned();
    if let Some(cause) = Cause::of_number(vote.cause).filter(|_| !vote.is_up) {
        let _ = write!(said, " ({})", cause.name());
    }
    let _ = write!(said, ", {:.1} ms", f64::from(vote.total_us) / 1e3);
    if vote.connect_us > 0 {
        let _ = write!(said, " (connection {:.1})", f64::from(vote.connect_us) / 1e3);
    }
    if let Some(load) = vote.load {
        let _ = write!(said, ", load {load:.3}");
    }
    if let Some(lag_s) = vote.lag_s {
        let _ = write!(said, ", content {} behind", span(lag_s.into()));
    }
    let _ = write!(said, ", {} ago", span(age_s(vote.at_us, now_us)));
    if now_us.saturating_sub(vote.at_us) > stale_us {
        let _ = write!(said, "; too old to count, which is {:.1} s", stale_us as f64 / 1e6);
    } else if let Some(since_us) = vote.against_us {
        let _ = write!(said, "; OUTVOTED for {}", span(age_s(since_us, now_us)));
    }
    said
}

fn heard(node: &ExpectedNode, line: &NodeLine, now_us: u64) -> String {
    let mut said = match line.heard_us {
        None => "not since this name server began".to_owned(),
        Some(at_us) if is_silent(line.heard_us, now_us) => {
            format!("SILENT for {}", span(age_s(at_us, now_us)))
        }
        Some(at_us) => format!("{} ago", span(age_s(at_us, now_us))),
    };
    let _ = write!(said, ", {} reports, {} lost", line.taken, line.lost());
    for (reason, count) in Refusal::ALL.iter().zip(line.refused).filter(|(_, count)| *count > 0) {
        let _ = write!(said, ", {count} refused as {}", reason.name());
    }
    if node.key.is_none() {
        said.push_str("; it has no key, and is not believed");
    }
    said
}
