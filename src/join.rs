//! The door of a machine that joins: takes its invitation to whoever holds the tree, and writes what it gets.

use crate::args::join::JoinArgs;
use crate::exit::Exit;
use crate::form::given::take_all;
use crate::key_file;
use crate::problem::{Problems, Wrong};
use crate::show;
use controlplane::join::invitation::Ticket;
use controlplane::join::request::{ANSWER_BYTES_MAX, Answer, Gathering, Joined, LABEL, Request, pieces};
use controlplane::tree::definition::ROLES;
use core::time::Duration;
use dataplane::tmp::conversation::{Opening, TEXT_BYTES_MAX};
use dataplane::tmp::key::PrivateKey;
use dataplane::tmp::random::SystemRandom;
use std::fs;
use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};

/// How long the holder may take to be reached, and for each message.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long for the last one: it checks the whole tree before.
const ANSWER_PATIENCE: Duration = Duration::from_secs(60);
/// The tree's file.
const TREE: &str = "longhaul.toml";

/// Why it did not join.
enum Failed {
    /// Nobody there; it may be tried again.
    Unreached(String),
    /// The holder does not take us, or says no.
    Refused(String),
}

/// Joins.
pub(crate) fn run(args: &JoinArgs) -> Exit {
    let mut problems = Problems::default();
    let wanted = wanted(args, &mut problems);
    let Ok(Some((ticket, key, request))) =
        problems.into_result(wanted).map_err(|problems| problems.print("join"))
    else {
        return Exit::Usage;
    };
    match ask(&ticket, &key, &request) {
        Ok(joined) => match write(&args.out, &joined) {
            Ok(written) => {
                show::line(&format_args!("{} has joined the network", request.name));
                written.iter().for_each(|file| show::line(&format_args!("written: {}", file.display())));
                Exit::Done
            }
            Err(what) => {
                eprintln!("longhaul join: {} has joined, but {what}", request.name);
                Exit::Failed
            }
        },
        Err(Failed::Unreached(what)) => {
            eprintln!("longhaul join: {what}");
            Exit::TryAgain
        }
        Err(Failed::Refused(what)) => {
            eprintln!("longhaul join: refused: {what}");
            Exit::Failed
        }
    }
}

fn wanted(args: &JoinArgs, problems: &mut Problems) -> Option<(Ticket, PrivateKey, Request)> {
    let ticket = key_file::ticket(&args.invitation);
    let ticket = ticket.map_err(|wrong| problems.add("--invitation", &wrong)).ok();
    let key = key_file::private(&args.key).map_err(|wrong| problems.add("--key", &wrong)).ok();
    for role in args.roles.iter().filter(|role| !ROLES.contains(&role.as_str())) {
        let instead = format!("give some of {}", ROLES.join(", "));
        problems.add(format_args!("--roles {role}"), &Wrong::new("is no role", instead));
    }
    for file in [args.out.join(TREE), args.out.join(report_file(&args.name))] {
        let instead = "give another folder, or remove it";
        problems.require(
            !file.exists(),
            format_args!("--out {}", file.display()),
            "is there already",
            instead,
        );
    }
    let values = |all: Vec<(String, _)>| all.into_iter().map(|(_, value)| value).collect();
    let request = Request {
        name: args.name.clone(),
        roles: args.roles.clone(),
        pop: args.pop.clone(),
        addresses: values(take_all(&args.address, "address", problems)),
        listen: take_all(&args.listen, "listen", problems).into_iter().map(|(text, _)| text).collect(),
        listen_tunnels: take_all(&args.listen_tunnels, "listen_tunnels", problems)
            .into_iter()
            .map(|(_, address)| address)
            .collect(),
        url: args.url.clone(),
        key: beside(&args.key, &args.out),
    };
    Some((ticket?, key?, request))
}

/// The file of a node's key of reports.
pub(crate) fn report_file(node: &str) -> String {
    format!("{node}.report")
}

/// How the tree names a file: by its name alone if it lies in the tree's folder.
fn beside(file: &Path, folder: &Path) -> String {
    let whole = |path: &Path| fs::canonicalize(path).ok();
    let is_beside =
        file.parent().map(|parent| if parent.as_os_str().is_empty() { Path::new(".") } else { parent });
    let is_beside = is_beside.and_then(whole).zip(whole(folder)).is_some_and(|(own, tree)| own == tree);
    let name = file.file_name().filter(|_| is_beside).map(PathBuf::from);
    name.or_else(|| whole(file)).unwrap_or_else(|| file.to_owned()).display().to_string()
}

fn ask(ticket: &Ticket, key: &PrivateKey, request: &Request) -> Result<Joined, Failed> {
    let unreached = |error: io::Error| Failed::Unreached(format!("the holder does not answer: {error}"));
    let mut errors = Vec::new();
    let stream = ticket.at.iter().find_map(|at| {
        let connected = TcpStream::connect_timeout(at, PATIENCE);
        connected.map_err(|error| errors.push(format!("{at}: {error}"))).ok()
    });
    let mut stream = stream
        .ok_or_else(|| Failed::Unreached(format!("the holder is not reached: {}", errors.join("; "))))?;
    stream.set_read_timeout(Some(PATIENCE)).map_err(unreached)?;
    stream.set_write_timeout(Some(PATIENCE)).map_err(unreached)?;
    let id = ticket.id.text();
    let mut random = SystemRandom::new();
    let begun = Opening::begin(key, &ticket.holder, &ticket.secret, (LABEL, id.as_bytes()), &mut random);
    let (opening, first) =
        begun.ok_or_else(|| Failed::Refused("the invitation has no proper key of the holder".to_owned()))?;
    write_message(&mut stream, &first).map_err(unreached)?;
    let stranger = || {
        let what = "the holder does not take this invitation: it knows none of this number, or has another key; its log says which";
        Failed::Refused(what.to_owned())
    };
    let second = match read_message(&mut stream) {
        Err(error) if matches!(error.kind(), ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset) => {
            return Err(stranger());
        }
        read => read.map_err(unreached)?,
    };
    let mut conversation = opening.finish(&second).ok_or_else(stranger)?;
    for piece in pieces(&request.to_json(), TEXT_BYTES_MAX) {
        write_message(&mut stream, &conversation.seal(&piece)).map_err(unreached)?;
    }
    stream.set_read_timeout(Some(ANSWER_PATIENCE)).map_err(unreached)?;
    let mut gathering = Gathering::new(ANSWER_BYTES_MAX);
    loop {
        let message = read_message(&mut stream).map_err(unreached)?;
        let text = conversation.open(&message).ok_or_else(stranger)?;
        let nonsense = || Failed::Refused("the holder's answer cannot be read".to_owned());
        if let Some(text) = gathering.take(&text).map_err(|_| nonsense())? {
            return match Answer::from_json(text).ok_or_else(nonsense)? {
                Answer::Joined(joined) => Ok(joined),
                Answer::Refused(why) => Err(Failed::Refused(why)),
            };
        }
    }
}

/// A message behind its length.
pub(crate) fn write_message(stream: &mut TcpStream, message: &[u8]) -> io::Result<()> {
    let length = u16::try_from(message.len()).map_err(|_| io::Error::from(ErrorKind::InvalidInput))?;
    stream.write_all(&[&length.to_be_bytes()[..], message].concat())
}

/// The next message.
pub(crate) fn read_message(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut length = [0; 2];
    stream.read_exact(&mut length)?;
    let mut message = vec![0; u16::from_be_bytes(length).into()];
    stream.read_exact(&mut message)?;
    Ok(message)
}

/// Writes what came; what was written, or what is wrong. A name from elsewhere leads out of no folder.
fn write(folder: &Path, joined: &Joined) -> Result<Vec<PathBuf>, String> {
    let mut written = Vec::new();
    let secrets = joined.report_key.iter().chain(&joined.psk);
    for (name, text) in secrets.chain([&(TREE.to_owned(), joined.tree.clone())]) {
        let name = Path::new(name).file_name().ok_or_else(|| format!("{name:?} is no file"))?;
        let file = folder.join(name);
        key_file::create(&file, text.trim_end()).map_err(|wrong| wrong.to_string())?;
        written.push(file);
    }
    Ok(written)
}
