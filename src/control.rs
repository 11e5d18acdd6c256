//! The control door of a process: opened at the start, its commands read with the definition that `longhaul ctl` has.

use crate::args::ctl::{CtlCommand, CtlLine};
use crate::exit::Exit;
use crate::settings::Board;
use clap::Parser;
use controlplane::control::{Answer, BindError, Door, Guests, Order};
use controlplane::logs::daemon;
use dataplane::reactor::privileges::Identity;
use dataplane::role::settings::Settings;
use std::path::Path;

/// Opens the door, if there is to be one; why not has been logged on an error.
pub(crate) fn open(path: Option<&Path>) -> Result<Option<Door>, Exit> {
    let Some(path) = path else { return Ok(None) };
    let door = Door::bind(path).map_err(|error| {
        daemon::error("cannot open the control door", &[("why", &error)]);
        match error {
            BindError::Living(_) => Exit::TryAgain,
            BindError::Occupied(_) => Exit::Usage,
            BindError::System(..) => Exit::Failed,
        }
    })?;
    daemon::notice("control door", &[("path", &path.display())]);
    Ok(Some(door))
}

/// Reads a command and carries it out; what changes something is logged with who wanted it.
pub(crate) fn obey(order: &Order, carry_out: impl FnOnce(CtlCommand) -> Answer) -> Answer {
    let (uid, pid) = (order.from.uid, order.from.pid);
    match CtlLine::try_parse_from(&order.words) {
        Ok(CtlLine { command }) => {
            let looks_only = matches!(
                command,
                CtlCommand::Show
                    | CtlCommand::Status
                    | CtlCommand::Explain { .. }
                    | CtlCommand::ExplainRoute { .. }
            );
            let said = said(&order.words);
            let answer =
                if order.may(command.name()) { carry_out(command) } else { not_yours(uid, &command) };
            if !looks_only || answer.status != 0 {
                let (what, status) = ("command through the control door", answer.status);
                daemon::notice(
                    what,
                    &[("command", &said), ("uid", &uid), ("pid", &pid), ("status", &status)],
                );
            }
            answer
        }
        Err(error) => {
            let text = error.to_string();
            Answer::wrong(text.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect())
        }
    }
}

/// The words for the log, without a table's text.
fn said(words: &[String]) -> String {
    const CHARS: usize = 200;
    let words: Vec<&str> = words.iter().map(String::as_str).filter(|word| *word != "--").collect();
    let mut said = words.join(" ");
    if let Some((end, _)) = said.char_indices().nth(CHARS) {
        said.truncate(end);
        said.push('…');
    }
    said
}

/// Sets a value; `publish` is called with a node's.
pub(crate) fn set(
    board: &Board,
    setting: &str,
    value: &str,
    uid: u32,
    publish: impl FnOnce(Settings),
) -> Answer {
    match board.set(setting, value, uid) {
        Ok(changed) => {
            changed.settings.map(publish);
            Answer::done(vec![format!("{} = {}  # was {}", changed.name, changed.to, changed.from)])
        }
        Err(wrong) => Answer::wrong(vec![format!("set {setting} {value}: {wrong}")]),
    }
}

fn not_yours(uid: u32, command: &CtlCommand) -> Answer {
    let name = command.name();
    let lines = vec![format!("uid {uid} may not {name} here; [user.NAME] of the tree says who may what")];
    Answer { status: 1, lines }
}

/// Who may come in, by the users of the tree that this machine has.
pub(crate) fn guests(users: &[(String, Vec<String>)]) -> Guests {
    let mut guests = Guests::default();
    for (name, may) in users {
        let number = name.parse().ok();
        match number.or_else(|| Some(Identity::look_up(name, None).ok()??.user)) {
            Some(uid) => guests.invite(uid, may.iter().cloned()),
            None => daemon::warning("a user of the tree is none of this machine", &[("user", name)]),
        }
    }
    guests
}

/// What a command gets that is another kind of process's.
pub(crate) fn not_here(command: &str, whose: &str) -> Answer {
    Answer::wrong(vec![format!("{command}: is nothing that this process has; ask {whose}")])
}
