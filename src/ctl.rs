//! The door that changes a process that runs: takes the command over to it, prints its answer, ends as it says.

use crate::args::ctl::{CtlArgs, CtlCommand};
use crate::exit::Exit;
use crate::show;
use controlplane::control::{Answer, ask};
use core::time::Duration;
use std::fs;
use std::io::ErrorKind;

/// How long a command may take: loading ten thousand zones does.
const PATIENCE: Duration = Duration::from_secs(60);

/// Asks.
pub(crate) fn run(args: &CtlArgs) -> Exit {
    let command = match &args.command {
        // The process may run as somebody who cannot read the file, so its text crosses.
        CtlCommand::Figures { table } => match fs::read_to_string(table) {
            Ok(text) => CtlCommand::Figures { table: text },
            Err(error) => {
                eprintln!("longhaul ctl: {table}: cannot be read: {error}");
                return Exit::Usage;
            }
        },
        command => command.clone(),
    };
    match ask(&args.control, &command.words(), PATIENCE) {
        Ok(Answer { status: 0, lines }) => {
            lines.iter().for_each(|line| show::line(line));
            Exit::Done
        }
        Ok(Answer { status, lines }) => {
            lines.iter().for_each(|line| eprintln!("longhaul ctl: {line}"));
            // A status that this side does not know is none of success.
            Exit::of_status(status).unwrap_or(Exit::Failed)
        }
        Err(error) => {
            let (exit, cure) = match error.kind() {
                ErrorKind::NotFound | ErrorKind::ConnectionRefused => {
                    (Exit::TryAgain, "; nobody answers there: start the process with --control")
                }
                ErrorKind::WouldBlock | ErrorKind::TimedOut => {
                    (Exit::TryAgain, "; it does not answer in time")
                }
                ErrorKind::PermissionDenied => (Exit::Failed, "; become the user that the process runs as"),
                _ => (Exit::Failed, ""),
            };
            eprintln!("longhaul ctl: {}: {error}{cure}", args.control.display());
            exit
        }
    }
}
