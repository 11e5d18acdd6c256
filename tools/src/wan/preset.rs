//! Paths that have a name. Each is a spec like one that is written by hand, so `transatlantic,loss=1%` begins with it.
//!
//! Distances are great circles; light in fibre needs 5 µs per km, a cable is about a fifth longer than its circle, and
//! what is above that is routers and detours. Loss is none unless it is a property of the medium: say what you mean.

/// A named path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Preset {
    /// Its name.
    pub name: &'static str,
    /// What it stands for.
    pub spec: &'static str,
    /// Where the numbers come from.
    pub source: &'static str,
}

/// All presets, the nearest first.
pub const PRESETS: [Preset; 6] = [
    Preset {
        name: "lan",
        spec: "rtt=200us,rate=1gbit",
        source: "two gigabit Ethernet switches, a few store-and-forward times of 12 us and the hosts' own time",
    },
    Preset {
        name: "metro",
        spec: "rtt=5ms,rate=1gbit,jitter=200us",
        source: "100 km of fibre are 1 ms there and back, access network and exchange point the rest",
    },
    Preset {
        name: "transatlantic",
        spec: "rtt=80ms,rate=100mbit,jitter=200us",
        source: "London-New York, 5,570 km: 67 ms over cable, about 75 ms between data centres, last miles on top",
    },
    Preset {
        name: "transpacific",
        spec: "rtt=140ms,rate=100mbit,jitter=500us",
        source: "Tokyo-Los Angeles, 8,800 km: 106 ms over cable; Hong Kong and Singapore 150 to 180",
    },
    Preset {
        name: "lte",
        spec: "rtt=55ms,jitter=10ms,rate=30mbit,queue=200ms",
        source: "median ping over LTE 55 ms (calendar.perfplanet.com/2013/network-latency-4g); deep buffers",
    },
    Preset {
        name: "satellite",
        spec: "rtt=600ms,jitter=5ms,rate=25mbit,loss=0.1%",
        source: "geostationary orbit, 35,786 km: at least 477 ms there and back (RFC 2488), about 600 with access",
    },
];

/// The preset of that name.
pub(crate) fn preset(name: &str) -> Option<&'static Preset> {
    PRESETS.iter().find(|preset| preset.name == name)
}
