//! The timetable of a seed: what befalls its world, and when. Drawn from the seed, or given by a scenario. Times in µs.

use dataplane::stdx::prng::Prng;

use crate::sim::fault::{Fault, Faults};
use crate::sim::given::{Incident, Trouble};
use crate::sim::scenario::Scenario;

/// What happens at one time.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Action {
    /// No datagram passes to or from a back-end, or on one path to it, for so long.
    Partition(usize, Option<usize>, u64),
    /// Larger datagrams vanish.
    Shrink(usize),
    /// A process is killed, and started after so long.
    Kill(usize, u64),
    /// A process drains, and ends.
    Drain(usize),
    /// A process is started.
    Start(usize),
    /// Some connection is reset.
    Reset,
}

/// Actions with their times.
type Timetable = Vec<(u64, Action)>;

/// What a scenario's file says.
pub(crate) fn given(incidents: &[Incident], scenario: &Scenario) -> Timetable {
    let action = |trouble| match trouble {
        Trouble::Partition(span_us) => Some(Action::Partition(0, None, span_us)),
        Trouble::DarkPath(path, span_us) => Some(Action::Partition(0, Some(path), span_us)),
        Trouble::Shrink(bytes) => Some(Action::Shrink(bytes)),
        Trouble::KillFront(down_us) => Some(Action::Kill(0, down_us)),
        Trouble::KillBack(down_us) => (scenario.backs() > 0).then_some(Action::Kill(1, down_us)),
        Trouble::Drain => Some(Action::Drain(0)),
        Trouble::Reset => Some(Action::Reset),
    };
    incidents.iter().filter_map(|incident| Some((incident.at_us, action(incident.trouble)?))).collect()
}

/// What the seed's faults stand for.
pub(crate) fn drawn(dice: &mut Prng, faults: &Faults, scenario: &Scenario) -> Timetable {
    let mut all = Vec::new();
    let span_us = dice.between(20_000, 4_000_000);
    let has_twin = scenario.backs() > 1;
    if faults.has(Fault::Partition) {
        let lasts_us = dice.between(10_000, 12_000_000);
        all.push((dice.below(span_us), Action::Partition(0, None, lasts_us)));
        if has_twin && dice.ppm(500_000) {
            let lasts_us = dice.between(10_000, 12_000_000);
            all.push((dice.below(2 * span_us), Action::Partition(1, None, lasts_us)));
        }
    }
    if faults.has(Fault::DarkPath) && scenario.paths() > 1 {
        dark_paths(dice, span_us, scenario, &mut all);
    }
    if faults.has(Fault::MtuDrop) {
        all.push((dice.below(span_us), Action::Shrink(dice.between(1_230, 1_400) as usize)));
    }
    for (fault, process) in [(Fault::RestartFront, 0), (Fault::RestartBack, 1)] {
        if faults.has(fault) && process < scenario.processes() {
            all.push((dice.below(span_us), Action::Kill(process, dice.between(1_000, 2_000_000))));
        }
        if faults.has(fault) && process == 1 && has_twin && dice.ppm(500_000) {
            all.push((dice.below(2 * span_us), Action::Kill(2, dice.between(1_000, 2_000_000))));
        }
    }
    if faults.has(Fault::Drain) {
        all.push((dice.below(span_us), Action::Drain(0)));
    }
    if faults.has(Fault::Resets) {
        (0..dice.between(1, 6)).for_each(|_| all.push((dice.below(span_us), Action::Reset)));
    }
    all
}

/// One path after the other: at any time all paths of a back-end but one are whole.
fn dark_paths(dice: &mut Prng, span_us: u64, scenario: &Scenario, all: &mut Timetable) {
    let mut at_us = dice.below(span_us);
    for _ in 0..dice.between(1, 4) {
        let (lasts_us, path) = (dice.between(10_000, 6_000_000), dice.below(scenario.paths() as u64));
        all.extend(
            (0..scenario.backs()).map(|back| (at_us, Action::Partition(back, Some(path as usize), lasts_us))),
        );
        at_us += lasts_us + dice.between(2_000_000, 4_000_000);
    }
}
