//! The door of the keys: makes them, and shows what belongs to them.

use crate::args::key::{InviteArgs, KeyArgs, KeyDoor};
use crate::dns;
use crate::exit::Exit;
use crate::form;
use crate::form::given::take_all;
use crate::holder;
use crate::key_file;
use crate::problem::{Problems, Wrong};
use crate::show;
use controlplane::join::invitation::Invitation;
use controlplane::tree::definition::ROLES;
use core::time::Duration;
use dataplane::reactor::clock;
use dataplane::tmp::key::{PresharedKey, PrivateKey};
use dataplane::tmp::random::{Random, SystemRandom};
use std::path::Path;

/// Does what was asked.
pub(crate) fn run(args: &KeyArgs) -> Exit {
    let (flag, done) = match &args.door {
        KeyDoor::New { out } => ("--out", new(out)),
        KeyDoor::Show { file } => ("FILE", key_file::private(file).map(|key| show::line(&key.public()))),
        KeyDoor::Psk { out } => ("--out", psk(out)),
        KeyDoor::Report { of, node, out } => ("--out", report(of.as_deref().zip(node.as_deref()), out)),
        KeyDoor::Invite(args) => return invite(args),
        KeyDoor::Cookie { out } => ("--out", dns::new_cookie_secret(out)),
    };
    let Err(wrong) = done else { return Exit::Done };
    let mut problems = Problems::default();
    problems.add(flag, &wrong);
    problems.print("key");
    Exit::Usage
}

/// An invitation to join the network.
fn invite(args: &InviteArgs) -> Exit {
    let mut problems = Problems::default();
    let key = key_file::private(&args.key).map_err(|wrong| problems.add("--key", &wrong)).ok();
    let at: Vec<_> = take_all(&args.at, "at", &mut problems).into_iter().map(|(_, at)| at).collect();
    let valid = args.valid.take_or("valid", &mut problems, Duration::ZERO);
    for role in args.roles.iter().filter(|role| !ROLES.contains(&role.as_str())) {
        let instead = format!("give some of {}", ROLES.join(", "));
        problems.add(format_args!("--roles {role}"), &Wrong::new("is no role", instead));
    }
    let public = args.public_key.as_ref().map(|text| form::key::read(text));
    let public = public.transpose().map_err(|wrong| problems.add("--public-key", &wrong)).ok().flatten();
    let until_s = clock::unix_us() / 1_000_000 + valid.as_secs();
    let mut invitation = Invitation::new(args.roles.clone(), until_s, &mut SystemRandom::new());
    (invitation.name, invitation.key) = (args.name.clone(), public);
    invitation.probes.clone_from(&args.probe);
    if let Some(key) = key.filter(|_| problems.lines().is_empty()) {
        match holder::invite(&args.invitations, &invitation, (&key, &at), &args.out) {
            Ok(()) => return Exit::Done,
            Err(wrong) => problems.add("--out", &wrong),
        }
    }
    problems.print("key");
    Exit::Usage
}

fn new(out: &Path) -> Result<(), Wrong> {
    let key = PrivateKey::generate(&mut SystemRandom::new());
    key_file::create(out, &key.to_text())?;
    show::line(&key.public());
    Ok(())
}

/// The network's secret, or a node's key made from one.
fn report(of: Option<(&Path, &str)>, out: &Path) -> Result<(), Wrong> {
    let Some((secret, node)) = of else {
        let mut secret = [0; 32];
        SystemRandom::new().fill(&mut secret);
        return key_file::create(out, &key_file::report_secret_text(&secret));
    };
    let key = key_file::report_secret(secret)?.of_node(node);
    key_file::create(out, &key_file::report_key_text(node, &key))
}

fn psk(out: &Path) -> Result<(), Wrong> {
    key_file::create(out, &PresharedKey::generate(&mut SystemRandom::new()).to_text())
}
