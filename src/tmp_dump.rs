//! The door of the tunnel protocol: prints what a capture shows of it.

use crate::args::tmp::{TmpArgs, TmpDoor};
use crate::exit::Exit;
use crate::problem::{Problems, Wrong};
use crate::show;
use std::fs::File;
use std::path::Path;
use tools::dump::{Dump, KeyRing};

/// Does what was asked.
pub(crate) fn run(args: &TmpArgs) -> Exit {
    let TmpDoor::Dump { file, key_log, port } = &args.door;
    match dump(file, key_log.as_deref(), *port) {
        Ok(()) => Exit::Done,
        Err((flag, wrong)) => {
            let mut problems = Problems::default();
            problems.add(flag, &wrong);
            problems.print("tmp dump");
            Exit::Usage
        }
    }
}

fn dump(file: &Path, key_log: Option<&Path>, port: Option<u16>) -> Result<(), (&'static str, Wrong)> {
    let unread = |path: &Path, error: &dyn core::fmt::Display| {
        Wrong::new(format!("{} cannot be read: {error}", path.display()), "give another file")
    };
    let keys = match key_log {
        Some(path) => {
            let text = std::fs::read_to_string(path).map_err(|error| ("--key-log", unread(path, &error)))?;
            KeyRing::read(&text)
        }
        None => KeyRing::default(),
    };
    let capture = File::open(file).map_err(|error| ("FILE", unread(file, &error)))?;
    let mut dump = Dump::new(keys, port);
    tools::capture::read(capture, |datagram| show::text(&dump.datagram(&datagram)))
        .map_err(|error| ("FILE", unread(file, &error)))?;
    show::text(&dump.summary());
    Ok(())
}
