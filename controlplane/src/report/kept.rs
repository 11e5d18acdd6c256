//! The ledger over a restart, as JSON: what held and who said so when, and which reports came. It is read back with its age,
//! so that a name server which was away for a minute knows what it knew, and how old that is.

use crate::report::ledger::Ledger;
use crate::report::poll::Vote;
use crate::report::wire::Speaker;
use serde_json::{Map, Value, json};

/// What is kept.
pub fn write(ledger: &Ledger) -> String {
    let expected = ledger.expected();
    let nodes = expected.nodes.iter().zip(ledger.nodes()).map(|(node, line)| {
        let processes = Speaker::REPORTING.map(|speaker| {
            let (boot_us, next) = line.windows[speaker.place()].place();
            (speaker.name().to_owned(), json!({ "boot_us": boot_us, "next": next }))
        });
        (node.name.clone(), Value::Object(processes.into_iter().collect()))
    });
    let targets = expected.targets.iter().zip(ledger.polls()).map(|(target, poll)| {
        let votes = target.lookers.iter().zip(&poll.votes).filter_map(|(looker, vote)| {
            let vote = vote.as_ref()?;
            Some(json!({
                "node": expected.nodes[*looker].name, "up": vote.is_up, "cause": vote.cause, "at_us": vote.at_us,
                "total_us": vote.total_us, "connect_us": vote.connect_us, "load": vote.load, "lag_s": vote.lag_s,
                "against_us": vote.against_us,
            }))
        });
        let held = json!({ "up": poll.verdict, "since_us": poll.since_us, "votes": votes.collect::<Vec<_>>() });
        (target.name.clone(), held)
    });
    let (nodes, targets): (Map<_, _>, Map<_, _>) = (nodes.collect(), targets.collect());
    format!("{}\n", json!({ "nodes": nodes, "targets": targets }))
}

/// Reads it back into a ledger; what the tree does not know any more is passed over. A sentence says what is wrong.
pub fn read(text: &str, ledger: &mut Ledger) -> Result<(), String> {
    let root: Value = serde_json::from_str(text).map_err(|error| format!("is no JSON: {error}"))?;
    let table =
        |key: &str| root.get(key).and_then(Value::as_object).ok_or_else(|| format!("{key}: is no table"));
    let (nodes, targets) = (table("nodes")?, table("targets")?);
    for (name, node) in nodes {
        for speaker in Speaker::REPORTING {
            let of = |key: &str| {
                let number = node.get(speaker.name()).and_then(|process| process.get(key)?.as_u64());
                number.ok_or_else(|| format!("nodes.{name}.{}.{key}: is no number", speaker.name()))
            };
            ledger.restore_node(name, speaker, of("boot_us")?, of("next")?);
        }
    }
    for (name, target) in targets {
        let wrong = || format!("targets.{name}: is no state of a target");
        let votes = target.get("votes").and_then(Value::as_array).ok_or_else(wrong)?;
        let votes = votes.iter().map(vote).collect::<Option<Vec<_>>>().ok_or_else(wrong)?;
        let since_us = target.get("since_us").and_then(Value::as_u64).ok_or_else(wrong)?;
        ledger.restore_poll(name, target.get("up").and_then(Value::as_bool), since_us, votes);
    }
    Ok(())
}

fn vote(kept: &Value) -> Option<(String, Vote)> {
    let number = |key: &str| kept.get(key)?.as_u64();
    let small = |key: &str| u32::try_from(number(key)?).ok();
    let vote = Vote {
        is_up: kept.get("up")?.as_bool()?,
        cause: u8::try_from(number("cause")?).ok()?,
        at_us: number("at_us")?,
        total_us: small("total_us")?,
        connect_us: small("connect_us")?,
        load: kept.get("load")?.as_f64().map(|load| load as f32),
        lag_s: kept.get("lag_s")?.as_u64().and_then(|lag_s| u32::try_from(lag_s).ok()),
        against_us: number("against_us"),
    };
    Some((kept.get("node")?.as_str()?.to_owned(), vote))
}
