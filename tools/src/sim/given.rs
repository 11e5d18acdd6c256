//! What is given to a run instead of drawn from its seed: topology, faults, path, timetable. What is not given the seed
//! still decides, so that one scenario has as many worlds as there are seeds. Times in µs.

use crate::sim::fault::{Fault, Faults};
use dataplane::tmp::spread::Spread;

/// What stands between clients and origins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Topology {
    /// One node with both ends.
    Alone,
    /// A front-end of so many workers (1 or 2) and a back-end.
    Pair(u8),
    /// The same, and two back-ends for every site.
    Twins(u8),
}

/// Parts of the path; each is drawn where it is not given.
#[derive(Clone, Copy, Debug, Default)]
pub struct PathGiven {
    /// One way.
    pub latency_us: Option<u64>,
    /// What reordered datagrams are late, at most, beside half the latency.
    pub jitter_us: Option<u64>,
    /// Each way.
    pub rate_kbit: Option<u64>,
    /// What waits longer is dropped.
    pub queue_us: Option<u64>,
    /// Lost datagrams per million.
    pub loss_ppm: Option<u32>,
}

/// What happens at one instant of the timetable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// No datagram passes for so long.
    Partition(u64),
    /// No datagram passes on the path of this number for so long.
    DarkPath(usize, u64),
    /// Datagrams of more bytes vanish from now on.
    Shrink(usize),
    /// The front-end (or the node alone) is killed, and started again after so long.
    KillFront(u64),
    /// The same with the back-end.
    KillBack(u64),
    /// The front-end drains, ends, and is started again.
    Drain,
    /// The network resets a connection.
    Reset,
}

/// One line of the timetable.
#[derive(Clone, Copy, Debug)]
pub struct Incident {
    /// When.
    pub at_us: u64,
    /// What.
    pub trouble: Trouble,
}

/// All that is given.
#[derive(Clone, Debug, Default)]
pub struct Given {
    /// Instead of the drawn one.
    pub topology: Option<Topology>,
    /// Instead of the drawn ones, by their names.
    pub faults: Option<Vec<&'static str>>,
    /// How many exchanges the clients have between them.
    pub exchanges: Option<usize>,
    /// The path.
    pub path: PathGiven,
    /// How many there are to each back-end, 1 to 3, and how they are used.
    pub paths: Option<usize>,
    /// See `paths`.
    pub route_mode: Option<Spread>,
    /// Instead of the drawn timetable, unless it is empty.
    pub incidents: Vec<Incident>,
}

impl Given {
    /// Every fault's name, in the order of the menu.
    pub fn fault_names() -> impl Iterator<Item = &'static str> {
        Fault::ALL.iter().map(|fault| fault.word())
    }

    /// The faults of the run: the given ones or `drawn`, and those that path and timetable stand for.
    pub(crate) fn faults(&self, drawn: Faults) -> Faults {
        let named = |names: &Vec<&str>| {
            Fault::ALL
                .iter()
                .filter(|fault| names.contains(&fault.word()))
                .fold(Faults::NONE, |set, fault| set.with(*fault))
        };
        let mut faults = self.faults.as_ref().map_or(drawn, named);
        if self.path.loss_ppm.is_some_and(|ppm| ppm > 0) {
            faults = faults.with(Fault::Loss);
        }
        self.incidents.iter().fold(faults, |faults, incident| faults.with(incident.trouble.fault()))
    }
}

impl Trouble {
    const fn fault(self) -> Fault {
        match self {
            Self::Partition(_) => Fault::Partition,
            Self::DarkPath(..) => Fault::DarkPath,
            Self::Shrink(_) => Fault::MtuDrop,
            Self::KillFront(_) => Fault::RestartFront,
            Self::KillBack(_) => Fault::RestartBack,
            Self::Drain => Fault::Drain,
            Self::Reset => Fault::Resets,
        }
    }
}
