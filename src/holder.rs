//! `longhaul config serve`: the machine that holds the tree lets those in whom it has invited. Each has a thread of its own
//! and a few seconds; one after the other changes the tree.

use crate::admin_page::AdminPage;
use crate::args::config::ServeArgs;
use crate::exit::{Exit, failed};
use crate::form::given::Written;
use crate::form::given::{Given, take_all};
use crate::form::listen::Listen;
use crate::form::span::SpanOrOff;
use crate::join::{read_message, report_file, write_message};
use crate::key_file;
use crate::problem::{Problems, Wrong};
use crate::tree;
use controlplane::control::{Inbox, Word, ask};
use controlplane::join::invitation::{Invitation, InvitationId, Ticket};
use controlplane::join::registry::{Additions, Refusal, judge, register};
use controlplane::join::request::{
    Answer, Gathering, Joined, LABEL, REQUEST_BYTES_MAX, Request, TooLong, pieces,
};
use controlplane::logs::daemon::{self, Level};
use controlplane::notify;
use controlplane::signal::{Signal, Signals};
use controlplane::tree::duties;
use controlplane::tree::read::Tree;
use controlplane::view::page::{self, Cell, Column, Page, Table};
use controlplane::view::{Health, MetricsText, Source, Unit};
use core::net::SocketAddr;
use core::time::Duration;
use dataplane::reactor::{clock, machine};
use dataplane::tmp::conversation::{Heard, TEXT_BYTES_MAX};
use dataplane::tmp::key::{PrivateKey, PublicKey};
use dataplane::tmp::random::SystemRandom;
use serde_json::{Value, json};
use std::fs;
use std::io::{self, ErrorKind};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Guests at once.
const GUESTS_MAX: usize = 16;
/// How long a guest may take for each message.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long a process may take to read the tree again.
const RELOAD_PATIENCE: Duration = Duration::from_secs(30);
/// How often somebody is let in.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Ends of the names of invitations, before and after they were used.
const FRESH: &str = "invitation";
const USED: &str = "used";

/// What a holder is told.
#[derive(Debug)]
struct HolderConfig {
    file: PathBuf,
    listen: Vec<SocketAddr>,
    key: PrivateKey,
    invitations: PathBuf,
    reload: Vec<PathBuf>,
    slow_start: String,
    admin: Option<SocketAddr>,
    admin_hosts: Vec<String>,
    log_level: Level,
}

/// Serves, or says what is wrong.
pub(crate) fn enter(args: &ServeArgs) -> Exit {
    match configure(args) {
        Ok(config) => run(config),
        Err(problems) => {
            problems.print("config serve");
            Exit::Usage
        }
    }
}

/// Reads and checks all flags; everything that is wrong at once.
fn configure(args: &ServeArgs) -> Result<HolderConfig, Problems> {
    let mut problems = Problems::default();
    let key = key_file::private(&args.key).map_err(|wrong| problems.add("--key", &wrong)).ok();
    if let Err(lines) = tree::open(&args.file) {
        problems.extend(lines);
    }
    let is_folder = args.invitations.is_dir();
    let instead = "make it with the first invitation: longhaul key invite --invitations DIR …";
    problems.require(is_folder, "--invitations", "is no folder", instead);
    let listen: Vec<_> =
        take_all(&args.listen, "listen", &mut problems).into_iter().map(|(_, at)| at).collect();
    problems.require(!listen.is_empty(), "--listen", "is missing: nobody could join", "give --listen ADDR");
    let config = key.map(|key| HolderConfig {
        file: args.file.clone(),
        listen,
        key,
        invitations: args.invitations.clone(),
        reload: args.reload.clone(),
        slow_start: SpanOrOff::write(&args.slow_start.take_or("slow_start", &mut problems, Duration::ZERO)),
        admin: args.admin.take_or("admin", &mut problems, None),
        admin_hosts: args.admin_host.clone(),
        log_level: args.log_level.take_or("log_level", &mut problems, Level::Info),
    });
    problems.into_result(config).and_then(|config| config.ok_or_else(Problems::default))
}

/// Makes an invitation: a file for the holder, one for the guest.
pub(crate) fn invite(
    folder: &Path,
    invitation: &Invitation,
    (key, at): (&PrivateKey, &[SocketAddr]),
    out: &Path,
) -> Result<(), Wrong> {
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.map_err(|error| {
        Wrong::new(format!("{} cannot be made: {error}", folder.display()), "give another folder")
    })?;
    let Invitation { id, secret, .. } = *invitation;
    let ticket = Ticket { id, secret, holder: key.public(), at: at.to_vec() };
    key_file::create(&file_of(folder, id, FRESH), invitation.to_json().trim_end())?;
    key_file::create(out, &ticket.text()).inspect_err(|_| {
        // Nobody has it: it is no invitation.
        let _gone = fs::remove_file(file_of(folder, id, FRESH));
    })
}

fn file_of(folder: &Path, id: InvitationId, end: &str) -> PathBuf {
    folder.join(format!("{}.{end}", id.text()))
}

/// Serves until it is told to stop.
fn run(config: HolderConfig) -> Exit {
    daemon::set_level_max(config.log_level);
    // Before any thread: they inherit what is blocked, so that only this thread hears signals.
    let inbox = Signals::block().and_then(|signals| Inbox::new(signals, None));
    let mut inbox = match inbox {
        Ok(inbox) => inbox,
        Err(error) => return failed("cannot listen to signals", &error),
    };
    if let Err(error) = machine::forbid_core_dumps() {
        return failed("cannot forbid core dumps", &error);
    }
    let mut listeners = Vec::new();
    for address in &config.listen {
        let bound = TcpListener::bind(address).and_then(|listener| {
            listener.set_nonblocking(true)?;
            Ok(listener)
        });
        match bound {
            Ok(listener) => listeners.push(listener),
            Err(error) => {
                daemon::error("cannot listen", &[("address", address), ("why", &error)]);
                return if error.kind() == ErrorKind::AddrInUse { Exit::TryAgain } else { Exit::Failed };
            }
        }
    }
    let (admin, hosts) = (config.admin, config.admin_hosts.clone());
    let holder = Arc::new(Holder::new(config));
    let served = match AdminPage::start(admin, &hosts, HolderWatch(holder.clone())) {
        Ok(served) => served,
        Err(exit) => return exit,
    };
    let listening: Vec<String> =
        listeners.iter().filter_map(|listener| Some(listener.local_addr().ok()?.to_string())).collect();
    let key = holder.config.key.public();
    daemon::notice("started", &[("end", &"config"), ("listening", &listening.join(",")), ("key", &key)]);
    notify::ready("serving");
    loop {
        match inbox.wait(LOOK_EVERY) {
            Some(Word::Signal(Signal::Terminate)) => break,
            // It reads the tree with every guest, and keeps no file open.
            Some(Word::Signal(Signal::Reload | Signal::Reopen) | Word::Order(_)) | None => {}
        }
        listeners.iter().for_each(|listener| holder.let_in(listener));
    }
    notify::stopping();
    if let Some(served) = served {
        served.stop();
    }
    daemon::notice("ended", &[("end", &"config")]);
    Exit::Done
}

struct Holder {
    config: HolderConfig,
    guests: AtomicUsize,
    /// Held while the tree is changed.
    turn: Mutex<()>,
    joined: AtomicU64,
    refused: [AtomicU64; Refusal::ALL.len()],
    /// Who found no room.
    shed: AtomicU64,
}

/// What came of a guest.
type Outcome = Result<Joined, (Refusal, String)>;

impl Holder {
    fn new(config: HolderConfig) -> Self {
        Self {
            config,
            guests: AtomicUsize::new(0),
            turn: Mutex::new(()),
            joined: AtomicU64::new(0),
            refused: Default::default(),
            shed: AtomicU64::new(0),
        }
    }

    /// Lets in who waits, as far as there is room.
    fn let_in(self: &Arc<Self>, listener: &TcpListener) {
        while let Ok((stream, from)) = listener.accept() {
            if self.guests.fetch_add(1, Ordering::AcqRel) >= GUESTS_MAX {
                self.guests.fetch_sub(1, Ordering::AcqRel);
                self.shed.fetch_add(1, Ordering::Relaxed);
                continue;
            }
            let holder = self.clone();
            let thread = std::thread::Builder::new().name("guest".to_owned());
            let spawned = thread.spawn(move || {
                holder.serve(stream, from);
                holder.guests.fetch_sub(1, Ordering::AcqRel);
            });
            if let Err(error) = spawned {
                self.guests.fetch_sub(1, Ordering::AcqRel);
                daemon::error("no thread for a guest", &[("why", &error)]);
            }
        }
    }

    fn serve(&self, mut stream: TcpStream, from: SocketAddr) {
        match self.converse(&mut stream, from) {
            Ok(()) => {}
            Err(refusal) => {
                self.note(from, "", &Err((refusal, "it has no invitation, or cannot prove it".to_owned())))
            }
        }
    }

    /// Hears a guest out and answers it. An error is somebody who has proved nothing, and hears nothing.
    fn converse(&self, stream: &mut TcpStream, from: SocketAddr) -> Result<(), Refusal> {
        let stranger = |_: io::Error| Refusal::Stranger;
        stream.set_nonblocking(false).map_err(stranger)?;
        stream.set_read_timeout(Some(PATIENCE)).map_err(stranger)?;
        stream.set_write_timeout(Some(PATIENCE)).map_err(stranger)?;
        let first = read_message(stream).map_err(stranger)?;
        let heard = Heard::take(&self.config.key, LABEL, &first, &mut SystemRandom::new());
        let heard = heard.ok_or(Refusal::Stranger)?;
        let key = heard.initiator();
        let id = core::str::from_utf8(heard.hello()).ok().and_then(InvitationId::read);
        let (invitation, is_used) = id.and_then(|id| self.invitation(id)).ok_or(Refusal::Stranger)?;
        let (mut conversation, second) = heard.answer(&invitation.secret).ok_or(Refusal::Stranger)?;
        write_message(stream, &second).map_err(stranger)?;
        let mut gathering = Gathering::new(REQUEST_BYTES_MAX);
        let request = loop {
            let message = read_message(stream).map_err(stranger)?;
            let piece = conversation.open(&message).ok_or(Refusal::Stranger)?;
            match gathering.take(&piece) {
                Ok(Some(text)) => break Request::from_json(text),
                Ok(None) => {}
                Err(TooLong) => break Err("the request is too long".to_owned()),
            }
        };
        let name = request.as_ref().map_or_else(|_| String::new(), |request| request.name.clone());
        let outcome = match request {
            _ if is_used => {
                Err((Refusal::Used, "the invitation was used already; ask for another".to_owned()))
            }
            Ok(request) => self.register(&invitation, &request, &key),
            Err(what) => Err((Refusal::Request, what)),
        };
        self.note(from, &name, &outcome);
        let has_joined = outcome.is_ok();
        let answer = outcome.map_or_else(|(_, why)| Answer::Refused(why), Answer::Joined);
        for piece in pieces(&answer.to_json(), TEXT_BYTES_MAX) {
            // A guest that does not hear that it has joined is in the tree all the same; the log has it.
            if write_message(stream, &conversation.seal(&piece)).is_err() {
                daemon::warning("a guest has not heard its answer", &[("from", &from), ("node", &name)]);
                break;
            }
        }
        if has_joined {
            self.reload();
        }
        Ok(())
    }

    /// An invitation, and whether it was used.
    fn invitation(&self, id: InvitationId) -> Option<(Invitation, bool)> {
        let read = |end| fs::read_to_string(file_of(&self.config.invitations, id, end)).ok();
        let (text, is_used) = read(FRESH).map(|text| (text, false)).or_else(|| Some((read(USED)?, true)))?;
        Some((Invitation::from_json(&text)?, is_used))
    }

    /// Changes the tree whole or not at all. The invitation is used up before that: who comes again comes too late, whatever
    /// happens in between.
    fn register(&self, invitation: &Invitation, request: &Request, key: &PublicKey) -> Outcome {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let file = &self.config.file;
        let wrong = |lines: Vec<String>| {
            let lines = lines.join("; ").replace(&*file.display().to_string(), "the tree");
            (Refusal::Request, format!("the tree would be wrong: {lines}"))
        };
        let text = fs::read_to_string(file).map_err(|error| wrong(vec![error.to_string()]))?;
        let tree = Tree::read(&text)
            .map_err(|problems| wrong(problems.iter().map(ToString::to_string).collect()))?;
        judge(invitation, request, key, &tree, clock::unix_us() / 1_000_000)?;
        let mut listen = Problems::default();
        let texts: Vec<Given<Listen>> = request.listen.iter().filter_map(|text| text.parse().ok()).collect();
        take_all(&texts, "listen", &mut listen);
        if !listen.lines().is_empty() {
            return Err(wrong(listen.lines().to_vec()));
        }
        let mut joined = self.secrets(&tree, request);
        let more = Additions {
            slow_start: (self.config.slow_start != "off").then(|| self.config.slow_start.clone()),
            report_key: joined.report_key.as_ref().map(|(name, _)| name.clone()),
            probes: invitation.probes.clone(),
        };
        joined.tree = register(&text, request, key, &more).map_err(|what| wrong(vec![what]))?;
        tree::check_text(file, joined.tree.clone()).map_err(wrong)?;
        let [fresh, used] = [FRESH, USED].map(|end| file_of(&self.config.invitations, invitation.id, end));
        fs::rename(&fresh, &used)
            .map_err(|_| (Refusal::Used, "the invitation was used already".to_owned()))?;
        tree::replace(file, &joined.tree).map_err(|lines| {
            let _again = fs::rename(&used, &fresh);
            wrong(lines)
        })?;
        Ok(joined)
    }

    /// What the machine needs beside the tree, as far as it is at hand here.
    fn secrets(&self, tree: &Tree, request: &Request) -> Joined {
        let folder = self.config.file.parent().unwrap_or_else(|| Path::new(""));
        let secret = duties::file(tree, folder, &["reports", "key"]);
        let secret = secret.and_then(|file| key_file::report_secret(&file).ok());
        let report_key = secret.map(|secret| {
            let text = key_file::report_key_text(&request.name, &secret.of_node(&request.name));
            (report_file(&request.name), text.to_string())
        });
        let psk = duties::file(tree, folder, &["network", "psk"]).and_then(|file| {
            let name = file.file_name()?.to_str()?.to_owned();
            Some((name, key_file::preshared(&file).ok()?.to_text().to_string()))
        });
        Joined { tree: String::new(), report_key, psk }
    }

    /// Has everybody here read the tree again.
    fn reload(&self) {
        for door in &self.config.reload {
            match ask(door, &["reload".to_owned()], RELOAD_PATIENCE) {
                Ok(answer) if answer.status == 0 => {
                    daemon::notice("the tree was read again", &[("by", &door.display())]);
                }
                Ok(answer) => {
                    let said = answer.lines.join("; ");
                    daemon::error("the tree was not read again", &[("by", &door.display()), ("why", &said)]);
                }
                Err(error) => {
                    daemon::error("the tree was not read again", &[("by", &door.display()), ("why", &error)]);
                }
            }
        }
    }

    fn note(&self, from: SocketAddr, node: &str, outcome: &Outcome) {
        match outcome {
            Ok(_) => {
                self.joined.fetch_add(1, Ordering::Relaxed);
                daemon::notice("a node has joined", &[("node", &node), ("from", &from)]);
            }
            Err((refusal, why)) => {
                self.refused[*refusal as usize].fetch_add(1, Ordering::Relaxed);
                let reason = refusal.name();
                let what = [
                    ("node", &node as &dyn core::fmt::Display),
                    ("from", &from),
                    ("reason", &reason),
                    ("why", why),
                ];
                daemon::warning("a join was refused", &what);
            }
        }
    }

    /// Who joined, who was refused, who found no room.
    fn counts(&self) -> Vec<(&'static str, u64)> {
        let refused = Refusal::ALL.iter().zip(&self.refused);
        let refused = refused.map(|(refusal, count)| (refusal.name(), count.load(Ordering::Relaxed)));
        let joined =
            [("joined", self.joined.load(Ordering::Relaxed)), ("shed", self.shed.load(Ordering::Relaxed))];
        joined.into_iter().chain(refused).collect()
    }
}

/// The columns of its table.
const JOINS: &[Column] = &[page::text("What came of it"), page::number("Machines")];

/// What operators see.
struct HolderWatch(Arc<Holder>);

impl Source for HolderWatch {
    fn metrics(&mut self, text: &mut MetricsText) {
        text.info(
            "longhaul_build",
            "The program.",
            &[("version", &env!("CARGO_PKG_VERSION")), ("end", &"config")],
        );
        let mut samples =
            text.counter("longhaul_joins", Unit::None, "Machines that wanted to join, by what came of it.");
        for (outcome, count) in self.0.counts() {
            samples.value(&[("outcome", &outcome)], count);
        }
    }

    fn status(&mut self) -> Value {
        let counts: serde_json::Map<String, Value> =
            self.0.counts().into_iter().map(|(outcome, count)| (outcome.to_owned(), count.into())).collect();
        json!({ "version": env!("CARGO_PKG_VERSION"), "end": "config", "key": self.0.config.key.public().to_text(), "joins": counts })
    }

    fn page(&mut self) -> Page {
        let holder = &self.0;
        let mut page = Page::new("Holder of the tree");
        page.fact("Key", Cell::of(holder.config.key.public()))
            .fact("Version", Cell::of(env!("CARGO_PKG_VERSION")));
        let about = ("joins", "Machines that wanted to join", "Nobody has come yet.");
        let came = holder.counts().into_iter().filter(|(_, count)| *count > 0);
        page.table(Table::of(about, JOINS, came, |(outcome, count)| {
            vec![Cell::of(outcome), Cell::of(count)]
        }));
        page
    }

    fn health(&mut self) -> Health {
        Health::Ok
    }
}
