//! What the io_uring driver remembers of each TCP connection: 32 bytes beside the port's own entry, at the same
//! slot.
//!
//! ```text
//!   Free ──connect──► Connecting ──► Open ──end, failure──► Closing ──nothing in flight──► Free
//!     └────accept─────────────────────┘
//! ```

use crate::port::{TcpFailure, TcpId};
use crate::reactor::operation::{Kind, Name};
use crate::reactor::uring::held::HeldQueue;
use crate::stdx::slab::Handle;

/// Where a connection stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Life {
    /// The slot is nobody's.
    Free,
    /// The kernel shakes hands.
    Connecting,
    /// Bytes may flow.
    Open,
    /// The role hears nothing more; operations that are in flight come back first.
    Closing,
}

/// What receives for the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Receiving {
    /// Nothing.
    Idle,
    /// A multishot receive into small buffers.
    Small,
    /// One receive into a large buffer.
    Large,
    /// A receive that has been cancelled and has not said its last word.
    Cancelled,
    /// Nothing, for want of buffers: it stands in the queue of the starved.
    Starved,
}

/// How the peer's bytes end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PeerEnd {
    /// Not yet.
    None,
    /// They ended with FIN; the role is told when it has read what came before.
    Finished,
    /// They were cut off; the role is told when it has read what came before.
    Failed(TcpFailure),
    /// The role knows.
    Told,
}

/// Whether bytes are on their way to the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sending {
    /// No.
    Idle,
    /// No, and the kernel did not take all of the last: the next waits for room.
    Full,
    /// One send is in flight, which waits for room.
    Waiting,
    /// One send is in flight, which does not.
    AtOnce,
}

/// No record of a send or a connect is in use.
pub(crate) const NO_RECORD: u16 = u16::MAX;

/// One connection as the driver knows it.
#[derive(Debug)]
pub(crate) struct Connection {
    /// Its descriptor; -1 once its close is queued.
    pub(crate) fd: i32,
    /// Of the slot; a name with another one is stale.
    generation: u32,
    /// Buffers that came while the role did not read.
    pub(crate) held: HeldQueue,
    /// How many they are.
    pub(crate) held_count: u16,
    /// The record of the send or connect in flight.
    pub(crate) record: u16,
    /// The turn for which `turn_reads` counts.
    turn: u16,
    /// Reads given to the role in that turn.
    turn_reads: u8,
    /// Operations that have not said their last word.
    pub(crate) in_flight: u8,
    /// Where it stands.
    pub(crate) life: Life,
    /// What receives.
    pub(crate) receiving: Receiving,
    /// How the peer's bytes end.
    pub(crate) end: PeerEnd,
    /// The send in flight.
    pub(crate) sending: Sending,
    /// FIN has been asked for.
    pub(crate) finished: bool,
    /// A poll for resets is in flight.
    pub(crate) watched: bool,
    /// It stands in the list of connections to be brought in line with the wishes.
    pub(crate) pending: bool,
    /// It stands in the queue of connections whose held buffers are to be delivered.
    pub(crate) resuming: bool,
}

const _: () = assert!(size_of::<Connection>() <= 32, "an idle connection costs the driver at most 32 bytes");

impl Connection {
    /// What is in flight and has not been cancelled yet.
    pub(crate) fn operations(&self) -> [Option<Kind>; 4] {
        let receiving = match self.receiving {
            Receiving::Small => Some(Kind::ReceiveSmall),
            Receiving::Large => Some(Kind::ReceiveLarge),
            Receiving::Idle | Receiving::Cancelled | Receiving::Starved => None,
        };
        [
            receiving,
            (self.sending == Sending::Waiting).then_some(Kind::Send),
            (self.life == Life::Connecting).then_some(Kind::Connect),
            self.watched.then_some(Kind::Watch),
        ]
    }

    const FREE: Self = Self {
        fd: -1,
        generation: 0,
        held: HeldQueue::EMPTY,
        held_count: 0,
        record: NO_RECORD,
        turn: 0,
        turn_reads: 0,
        in_flight: 0,
        life: Life::Free,
        receiving: Receiving::Idle,
        end: PeerEnd::None,
        sending: Sending::Idle,
        finished: false,
        watched: false,
        pending: false,
        resuming: false,
    };

    /// Whether a send is in flight.
    pub(crate) fn is_sending(&self) -> bool {
        matches!(self.sending, Sending::Waiting | Sending::AtOnce)
    }

    /// Whether the role may still hear of it.
    pub(crate) fn is_heard(&self) -> bool {
        matches!(self.life, Life::Connecting | Life::Open)
    }

    /// Counts one read given to the role in this turn; false if it has had its share.
    pub(crate) fn may_read(&mut self, turn: u16, reads_max: u8) -> bool {
        if self.turn != turn {
            (self.turn, self.turn_reads) = (turn, 0);
        }
        let may = self.turn_reads < reads_max;
        self.turn_reads += u8::from(may);
        may
    }

    /// Who it is.
    fn id(&self, slot: u32) -> TcpId {
        TcpId(Handle { slot, generation: self.generation })
    }
}

/// All connections of a worker.
#[derive(Debug)]
pub(crate) struct Connections {
    entries: Box<[Connection]>,
}

impl Connections {
    /// Room for `count` connections.
    pub(crate) fn new(count: usize) -> Self {
        Self { entries: (0..count).map(|_| Connection::FREE).collect() }
    }

    /// Takes a slot into use, which must be free.
    pub(crate) fn open(&mut self, tcp: TcpId, fd: i32, life: Life) -> &mut Connection {
        let entry = &mut self.entries[tcp.0.slot as usize];
        assert!(entry.life == Life::Free, "the port gives a slot away only after its release");
        *entry = Connection { fd, life, generation: tcp.0.generation, ..Connection::FREE };
        entry
    }

    /// Frees a slot; nothing of it may be in flight.
    pub(crate) fn free(&mut self, tcp: TcpId) {
        let entry = &mut self.entries[tcp.0.slot as usize];
        assert!(entry.in_flight == 0 && entry.held_count == 0 && entry.record == NO_RECORD, "it has let go");
        entry.life = Life::Free;
    }

    /// The connection, if `tcp` still names one.
    pub(crate) fn get(&mut self, tcp: TcpId) -> Option<&mut Connection> {
        self.entries
            .get_mut(tcp.0.slot as usize)
            .filter(|entry| entry.life != Life::Free && entry.generation == tcp.0.generation)
    }

    /// Whose operation this was; `None` if it is stale.
    pub(crate) fn owner(&self, name: Name) -> Option<TcpId> {
        let entry = self.entries.get(name.slot as usize)?;
        let tcp = entry.id(name.slot);
        (entry.life != Life::Free && name.is_of(tcp)).then_some(tcp)
    }

    /// All that live.
    pub(crate) fn living(&self) -> impl Iterator<Item = (TcpId, &Connection)> {
        self.entries
            .iter()
            .enumerate()
            .filter(|(_, entry)| entry.life != Life::Free)
            .map(|(slot, entry)| (entry.id(slot as u32), entry))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reactor::operation::Kind;

    #[test]
    fn a_reused_slot_answers_only_to_its_new_name() {
        let mut connections = Connections::new(2);
        let old = TcpId(Handle { slot: 1, generation: 4 });
        let new = TcpId(Handle { slot: 1, generation: 5 });
        connections.open(old, 7, Life::Open);
        assert_eq!(connections.owner(Name::of_tcp(Kind::Send, old)), Some(old));
        connections.free(old);
        assert_eq!(connections.owner(Name::of_tcp(Kind::Send, old)), None);
        connections.open(new, 8, Life::Open);
        assert_eq!(connections.owner(Name::of_tcp(Kind::Send, old)), None);
        assert!(connections.get(old).is_none() && connections.get(new).is_some());
        assert_eq!(connections.living().map(|(tcp, _)| tcp).collect::<Vec<_>>(), [new]);
    }

    #[test]
    fn a_turn_gives_each_its_share() {
        let mut connections = Connections::new(1);
        let connection = connections.open(TcpId::default(), 7, Life::Open);
        let reads: Vec<bool> = (0..4).map(|_| connection.may_read(9, 3)).collect();
        assert_eq!(reads, [true, true, true, false]);
        assert!(connection.may_read(10, 3));
    }
}
