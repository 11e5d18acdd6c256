//! What the main thread waits for: signals, and the commands of the control door, one thing at a time.

use crate::control::answer::Answer;
use crate::control::door::{Door, Said};
use crate::control::guests::Guests;
use crate::logs::daemon;
use crate::signal::{Signal, Signals};
use dataplane::reactor::socket::PeerCredentials;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token, Waker};
use std::collections::{BTreeSet, VecDeque};
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

const SIGNALS: Token = Token(0);
/// Other threads that have news.
const NEWS: Token = Token(usize::MAX);
/// The door's tokens begin here.
const DOOR: usize = 1;

/// Something to do.
#[derive(Debug)]
pub enum Word {
    /// A signal.
    Signal(Signal),
    /// A command; it must be answered.
    Order(Order),
}

/// A command and who gave it.
#[derive(Debug)]
pub struct Order {
    /// Its words.
    pub words: Vec<String>,
    /// Who.
    pub from: PeerCredentials,
    /// The commands that it may give; `None`: all.
    may: Option<BTreeSet<String>>,
    place: usize,
}

impl Order {
    /// Whether whoever gave it may give a command of this name.
    pub fn may(&self, command: &str) -> bool {
        self.may.as_ref().is_none_or(|may| may.contains(command))
    }
}

/// The main thread's ear.
///
/// Contract: [`wait`](Self::wait) in a loop; every [`Order`] is [`answer`](Self::answer)ed before the next wait.
pub struct Inbox {
    poll: Poll,
    events: Events,
    signals: Signals,
    door: Option<Door>,
    said: VecDeque<Said>,
}

impl Inbox {
    /// Hears signals, and commands if there is a door.
    pub fn new(signals: Signals, mut door: Option<Door>) -> io::Result<Self> {
        let poll = Poll::new()?;
        let fd = signals.as_fd().as_raw_fd();
        poll.registry().register(&mut SourceFd(&fd), SIGNALS, Interest::READABLE)?;
        if let Some(door) = &mut door {
            door.register(poll.registry(), DOOR)?;
        }
        Ok(Self { poll, events: Events::with_capacity(32), signals, door, said: VecDeque::new() })
    }

    /// With which another thread ends a wait, for it has news. Asked for once.
    pub fn waker(&self) -> io::Result<Arc<Waker>> {
        Waker::new(self.poll.registry(), NEWS).map(Arc::new)
    }

    /// Waits for the next thing, but no longer than `span`, and no longer than until there are news.
    pub fn wait(&mut self, span: Duration) -> Option<Word> {
        let end = Instant::now() + span;
        loop {
            if let Some(signal) = self.signals.wait(Duration::ZERO) {
                return Some(Word::Signal(signal));
            }
            if let Some(Said { place, from, words, may }) = self.said.pop_front() {
                return Some(Word::Order(Order { words, from, may, place }));
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            // An error is an interruption (the loop goes on) or a bug of ours, after which a pause keeps us alive.
            if self.poll.poll(&mut self.events, Some(left)).is_ok() {
                let has_news = self.events.iter().any(|event| event.token() == NEWS);
                self.look();
                if has_news && self.said.is_empty() {
                    return None;
                }
            }
        }
    }

    /// Lets these in from now on, beside root and the process's own user.
    pub fn invite(&mut self, guests: Guests) {
        let Some(door) = &mut self.door else { return };
        if let Err(error) = door.invite(guests) {
            daemon::error("the control door cannot be opened to others", &[("why", &error)]);
        }
    }

    /// Answers a command.
    pub fn answer(&mut self, order: &Order, answer: &Answer) {
        let door = self.door.as_mut();
        self.said.extend(door.and_then(|door| door.answer(order.place, Instant::now(), answer)));
    }

    fn look(&mut self) {
        let Some(door) = &mut self.door else { return };
        let now = Instant::now();
        let callers = self.events.iter().filter(|event| event.token() != NEWS);
        let places = callers.filter_map(|event| event.token().0.checked_sub(DOOR + 1));
        self.said.extend(places.filter_map(|place| door.advance(place, now)));
        door.drop_late(now);
        // At every turn: after running out of descriptors the listener would not report again.
        self.said.extend(door.let_in(self.poll.registry(), DOOR, now));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::answer::ask;

    #[test]
    fn signals_and_commands_are_heard_by_one_thread() {
        let path = std::env::temp_dir().join(format!("longhaul-inbox-{}", std::process::id()));
        let patience = Duration::from_secs(20);
        // A thread of its own: the mask must not leak into other tests.
        let (heard, at) = (path.clone(), path.clone());
        let thread = std::thread::spawn(move || {
            let mut inbox = Inbox::new(Signals::block().unwrap(), Some(Door::bind(&at).unwrap())).unwrap();
            assert!(inbox.wait(Duration::from_millis(1)).is_none());
            let (waker, begun) = (inbox.waker().unwrap(), Instant::now());
            waker.wake().unwrap();
            assert!(inbox.wait(patience).is_none() && begun.elapsed() < patience, "news end a wait");
            crate::signal::raise_hangup();
            assert!(matches!(inbox.wait(patience), Some(Word::Signal(Signal::Reload))));
            let asking = std::thread::spawn(move || ask(&heard, &["a".into(), "b c".into()], patience));
            let Some(Word::Order(order)) = inbox.wait(patience) else { panic!("the command is heard") };
            assert_eq!(
                (order.words.as_slice(), order.from.pid),
                (&["a".into(), "b c".into()][..], std::process::id() as i32)
            );
            inbox.answer(&order, &Answer::done(vec!["done".into()]));
            assert_eq!(asking.join().unwrap().unwrap(), Answer::done(vec!["done".into()]));
        });
        thread.join().unwrap();
        assert!(!path.exists());
    }
}
