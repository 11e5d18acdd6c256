//! The door of the keys: makes them, and shows what belongs to them.

use crate::args::key::{KeyArgs, KeyDoor};
use crate::dns;
use crate::exit::Exit;
use crate::key_file;
use crate::problem::{Problems, Wrong};
use crate::show;
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
        KeyDoor::Cookie { out } => ("--out", dns::new_cookie_secret(out)),
    };
    let Err(wrong) = done else { return Exit::Done };
    let mut problems = Problems::default();
    problems.add(flag, &wrong);
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
