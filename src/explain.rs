//! The door of explanations: the decision that a name server would make now, in words.

use crate::args::ctl::{CtlArgs, CtlCommand};
use crate::args::explain::{ExplainArgs, ExplainDoor};
use crate::ctl;
use crate::exit::Exit;
use crate::explain_probe;
use crate::guide;
use crate::reports;
use crate::show;
use crate::tree;
use controlplane::dns::catalog::Catalog;
use controlplane::dns::name::Name;
use controlplane::dns::policy::decide::{Client, Decision, Family};
use controlplane::dns::policy::explain;
use controlplane::dns::policy::steering::Steering;
use core::net::IpAddr;
use dataplane::reactor::clock;
use dataplane::tmp::random::{Random, SystemRandom};
use std::path::Path;

/// Explains.
pub(crate) fn run(args: &ExplainArgs) -> Exit {
    let found = match &args.door {
        ExplainDoor::Route { site, control } => {
            let command = CtlCommand::ExplainRoute { site: site.clone() };
            return ctl::run(&CtlArgs { control: control.clone(), command });
        }
        ExplainDoor::Probe { name, control: Some(control), .. } => {
            let command = CtlCommand::ExplainProbe { name: name.clone() };
            return ctl::run(&CtlArgs { control: control.clone(), command });
        }
        ExplainDoor::Probe { name, config, reports_state, .. } => {
            probe(name, config, reports_state.as_deref())
        }
        door => dns(door),
    };
    match found {
        Ok(text) => {
            show::text(&text);
            Exit::Done
        }
        Err(lines) => {
            eprintln!("longhaul explain: {} things are wrong", lines.len());
            lines.iter().for_each(|line| eprintln!("  {line}"));
            Exit::Usage
        }
    }
}

/// What was kept of a target, in words.
fn probe(name: &str, config: &Path, kept: Option<&Path>) -> Result<String, Vec<String>> {
    let network = tree::open(config)?.network;
    let Some(kept) = kept else { return Err(vec!["--reports-state: is missing".to_owned()]) };
    let ledger = reports::kept_ledger(kept, &network, &network.servers)?;
    explain_probe::text(&ledger, &network.probes, name, clock::unix_us())
}

fn dns(door: &ExplainDoor) -> Result<String, Vec<String>> {
    let ExplainDoor::Dns { name, client, config, figures, overrides, reports_state, r#type } = door else {
        return Err(vec!["is nothing that a name server answers".to_owned()]);
    };
    let network = tree::open(config)?.network;
    let (loaded, mut steering) = tree::load(&network)?;
    if let Some(path) = figures {
        let read = tree::figures(path, &steering)?;
        steering = steering.with_figures(read);
    }
    if let Some(path) = overrides {
        let orders = guide::kept_orders(path)
            .map_err(|wrong| vec![format!("--overrides {}: {wrong}", path.display())])?;
        steering = guide::with_orders(&steering, &orders);
    }
    if let Some(path) = reports_state {
        let reported = reports::kept_figures(path, &network, steering.servers())?;
        steering = steering.with_reported(reported);
    }
    explained(&loaded.catalog, &steering, name, *client, r#type)
}

/// The decision for a client now, in words.
pub(crate) fn explained(
    catalog: &Catalog,
    steering: &Steering,
    name: &str,
    client: IpAddr,
    qtype: &str,
) -> Result<String, Vec<String>> {
    let family = match qtype.to_ascii_uppercase().as_str() {
        "A" => Family::V4,
        "AAAA" => Family::V6,
        _ => return Err(vec![format!("--type {qtype}: is not what a policy answers; give A or AAAA")]),
    };
    let wire = Name::from_text(name).ok_or_else(|| vec![format!("{name} is no domain name")])?;
    let number = catalog.policy_of(&wire).ok_or_else(|| vec![no_policy(catalog, &wire)])?;
    let mut nonce = [0; 8];
    SystemRandom::new().fill(&mut nonce);
    let now_s = clock::unix_us() / 1_000_000;
    let mut decision = Decision::default();
    steering.decide(number, Client::of(client), family, now_s, u64::from_le_bytes(nonce), &mut decision);
    let policy = &steering.policies()[number as usize];
    let head = format!("name      {wire}\nclient    {client}\n");
    Ok(head + &explain::text(steering, policy, &decision, now_s))
}

fn no_policy(catalog: &Catalog, name: &Name) -> String {
    match catalog.zone_of(name) {
        Some(zone) => {
            format!("{name} has no policy: zone {} answers with its records", catalog.zone(zone).apex)
        }
        None => format!("{name} lies in no zone: it is refused"),
    }
}
