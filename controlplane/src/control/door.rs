//! The door itself: the socket, and whoever has come in.

use crate::control::answer::Answer;
use crate::control::caller::{Caller, Fate};
use crate::control::guests::Guests;
use crate::control::path::{BindError, SocketPath};
use crate::logs::daemon;
use dataplane::reactor::socket::{PeerCredentials, peer_credentials};
use mio::net::{UnixListener, UnixStream};
use mio::{Interest, Registry, Token};
use std::collections::BTreeSet;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream as StdStream;
use std::path::Path;
use std::time::Instant;

/// Callers at once: a few scripts and a few people.
const CALLERS_MAX: usize = 16;
/// The superuser, who may do everything anyway.
const ROOT: u32 = 0;

/// What a caller said.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) place: usize,
    pub(crate) from: PeerCredentials,
    pub(crate) words: Vec<String>,
    /// The commands that it may give; `None`: all.
    pub(crate) may: Option<BTreeSet<String>>,
}

/// The socket and its callers.
#[derive(Debug)]
pub struct Door {
    /// Before the listener, which must be the last to go.
    path: SocketPath,
    listener: UnixListener,
    callers: Vec<Option<Caller<UnixStream>>>,
    guests: Guests,
}

impl Door {
    /// Takes the path, mode 0600; what a dead process left there is removed.
    pub fn bind(path: &Path) -> Result<Self, BindError> {
        let (held, socket) = SocketPath::take(path)?;
        let listener = UnixListener::from_std(socket.into());
        let callers = (0..CALLERS_MAX).map(|_| None).collect();
        Ok(Self { path: held, listener, callers, guests: Guests::default() })
    }

    /// Gives the socket to another user, whom the process is about to become.
    pub fn give_to(&self, user: u32, group: u32) -> io::Result<()> {
        self.path.give_to(user, group)
    }

    /// Lets these in from now on, too, and nobody else.
    pub(crate) fn invite(&mut self, guests: Guests) -> io::Result<()> {
        if guests.is_empty() != self.guests.is_empty() {
            self.path.open_to_all(!guests.is_empty())?;
        }
        self.guests = guests;
        Ok(())
    }

    /// Tokens from `first` on are the door's: the listener's and one for each caller.
    pub(crate) fn register(&mut self, registry: &Registry, first: usize) -> io::Result<()> {
        registry.register(&mut self.listener, Token(first), Interest::READABLE)
    }

    /// Lets in whoever waits. Those who may not come in are told so.
    pub(crate) fn let_in(&mut self, registry: &Registry, first: usize, now: Instant) -> Vec<Said> {
        let mut said = Vec::new();
        while let Ok((mut stream, _)) = self.listener.accept() {
            let Ok(from) = peer_credentials(stream.as_fd()) else { continue };
            let place = self.callers.iter().position(Option::is_none);
            let refusal = match place {
                _ if !is_owner(from) && self.guests.of(from.uid).is_none() => Some(refusal(from)),
                None => {
                    Some(Answer { status: 75, lines: vec!["too many callers at once; try again".into()] })
                }
                Some(_) => None,
            };
            if let Some(refusal) = refusal {
                let _fate = Caller::new(stream, from, now).dismiss(now, &refusal);
                continue;
            }
            let Some(place) = place else { continue };
            let both = Interest::READABLE | Interest::WRITABLE;
            if registry.register(&mut stream, Token(first + 1 + place), both).is_ok() {
                self.callers[place] = Some(Caller::new(stream, from, now));
                said.extend(self.advance(place, now));
            }
        }
        said
    }

    /// A caller's stream is ready for something.
    pub(crate) fn advance(&mut self, place: usize, now: Instant) -> Option<Said> {
        let caller = self.callers.get_mut(place)?.as_mut()?;
        let fate = caller.advance(now);
        self.after(place, fate)
    }

    /// Answers a caller, who may have said more meanwhile.
    pub(crate) fn answer(&mut self, place: usize, now: Instant, answer: &Answer) -> Option<Said> {
        let caller = self.callers.get_mut(place)?.as_mut()?;
        let fate = caller.answer(now, answer);
        self.after(place, fate)
    }

    fn after(&mut self, place: usize, fate: Fate) -> Option<Said> {
        match fate {
            Fate::Waits => None,
            Fate::Says(words) => {
                let from = self.callers[place].as_ref()?.from;
                // Whoever is no guest any more may say nothing more.
                let may = (!is_owner(from)).then(|| self.guests.of(from.uid).cloned().unwrap_or_default());
                Some(Said { place, from, words, may })
            }
            Fate::Over => {
                self.callers[place] = None;
                None
            }
        }
    }

    /// Shows out whoever has taken too long.
    pub(crate) fn drop_late(&mut self, now: Instant) {
        for place in &mut self.callers {
            let deadline = place.as_ref().and_then(Caller::deadline);
            if deadline.is_some_and(|deadline| deadline <= now) {
                *place = None;
            }
        }
    }
}

/// Without guests the mode lets nobody else connect; this is for a socket with guests, or whose mode was changed.
fn is_owner(from: PeerCredentials) -> bool {
    // Whoever connects to himself learns who he is.
    let own = StdStream::pair().and_then(|(one, _other)| peer_credentials(one.as_fd()));
    from.uid == ROOT || own.is_ok_and(|own| own.uid == from.uid)
}

fn refusal(from: PeerCredentials) -> Answer {
    daemon::warning("the control door was closed to a stranger", &[("uid", &from.uid), ("pid", &from.pid)]);
    Answer { status: 1, lines: vec![format!("uid {} may not change this process", from.uid)] }
}
