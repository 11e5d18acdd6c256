//! Connections that found no receive buffer: they wait, oldest first, until more than a quarter of their group is
//! free. No timer retries; a receive on an empty group would only fail again (rule 2).
//!
//! Buffers can be pinned by connections that their roles do not read. When that starves the others for longer than
//! `STARVED_MAX`, the one that pins most is ended: one connection suffers instead of all.

use std::io;

use crate::port::{Ending, Port, Reading, Role, TcpFailure, TcpId};
use crate::reactor::uring::connection::Receiving;
use crate::reactor::uring::tcp_buffers::Size;
use crate::reactor::uring::turn::Turn;
use crate::reactor::uring::worker::Worker;
use crate::time::Duration;

/// How long nobody who waits for a buffer may get one: a stall that users notice.
pub(crate) const STARVED_MAX: Duration = Duration::from_millis(250);

impl Worker<'_> {
    /// No buffer was free: the connection waits its turn.
    pub(crate) fn starve(&mut self, tcp: TcpId) {
        self.counters.read_starvations.bump();
        let (starved, connections) = (&mut self.waiting.starved, &mut self.connections);
        if starved.len() == starved.capacity() {
            // Those that ended meanwhile are still in the queue; without them it has room for all that live.
            starved.retain(|other| connections.get(*other).is_some());
        }
        if let Some(connection) = connections.get(tcp) {
            connection.receiving = Receiving::Starved;
            starved.push_back(tcp);
        }
    }

    /// Lets the starved receive again while there are buffers; ends one connection if that has not been for long.
    pub(crate) fn relieve_starved<R: Role>(&mut self, turn: &mut Turn<'_, R>) -> io::Result<()> {
        if self.waiting.starved.is_empty() {
            self.starved_since = None;
            return Ok(());
        }
        if self.feed_starved(turn.port)? {
            self.starved_since = None;
            // An armed receive takes no buffer before bytes come, so the rest may follow in the next turn.
            self.restless |= !self.waiting.starved.is_empty();
            return Ok(());
        }
        let since = *self.starved_since.get_or_insert(turn.now);
        if turn.now < since + STARVED_MAX {
            return Ok(());
        }
        self.starved_since = None;
        self.shed_one(turn)
    }

    /// Arms as many as there are free buffers; whether there were any.
    fn feed_starved(&mut self, port: &Port) -> io::Result<bool> {
        let mut room = [Size::Small, Size::Large].map(|size| {
            let group = self.buffers.group(size);
            if group.free() * 4 > group.count() { group.free() } else { 0 }
        });
        let mut has_fed = false;
        for _ in 0..self.waiting.starved.len() {
            let Some(tcp) = self.waiting.starved.pop_front() else { break };
            let place = match port.reading(tcp) {
                Reading::Off => None,
                Reading::Small => Some(0),
                Reading::Large => Some(1),
            };
            if place.is_some_and(|place| room[place] == 0) {
                self.waiting.starved.push_back(tcp);
                continue;
            }
            if let Some(place) = place {
                room[place] -= 1;
            }
            has_fed = true;
            if let Some(connection) = self.connections.get(tcp) {
                connection.receiving = Receiving::Idle;
            }
            self.want_reading(port, tcp)?;
        }
        Ok(has_fed)
    }

    /// Ends the connection that pins the most buffers without being read.
    fn shed_one<R: Role>(&mut self, turn: &mut Turn<'_, R>) -> io::Result<()> {
        let worst = self
            .connections
            .living()
            .filter(|(tcp, connection)| connection.held_count > 0 && turn.port.reading(*tcp) == Reading::Off)
            .max_by_key(|(_, connection)| connection.held_count)
            .map(|(tcp, _)| tcp);
        let Some(tcp) = worst else { return Ok(()) };
        self.restless = true;
        self.tell_failed(turn, tcp, TcpFailure::Exhausted);
        self.end(turn.port, tcp, Ending::Abort)
    }
}
