//! The menu of faults. Each seed takes some of them (swarm testing: a fault that is absent shows what the others
//! hide), and each is sized anew.

use dataplane::stdx::prng::Prng;

macro_rules! faults {
    ($($(#[$doc:meta])* $name:ident;)*) => {
        /// One kind of trouble.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Fault {
            $($(#[$doc])* $name,)*
        }

        impl Fault {
            /// All of them.
            pub(crate) const ALL: &[Self] = &[$(Self::$name,)*];

            /// Its name in reports.
            pub(crate) const fn name(self) -> &'static str {
                match self { $(Self::$name => concat!("fault ", stringify!($name)),)* }
            }

            /// Its name in scenarios.
            pub(crate) const fn word(self) -> &'static str {
                match self { $(Self::$name => stringify!($name),)* }
            }
        }
    };
}

faults! {
    /// Datagrams are lost.
    Loss;
    /// Datagrams come twice.
    Duplication;
    /// Datagrams overtake each other.
    Reordering;
    /// Bits of datagrams flip.
    Corruption;
    /// No datagram comes through for a while.
    Partition;
    /// One path of several is dark for a while, and another is not.
    DarkPath;
    /// Large datagrams vanish from some time on.
    MtuDrop;
    /// Socket buffers of few bytes, down to one.
    TinyBuffers;
    /// Writes are taken short.
    ShortWrites;
    /// Reads are split anywhere.
    SplitReads;
    /// Inputs come late, and out of order between connections.
    LateCompletions;
    /// The driver lets go of ended connections late.
    LateReleases;
    /// Ticks come late.
    LateTicks;
    /// Many clients come at once.
    Bursts;
    /// Connections are reset by the network.
    Resets;
    /// Clients give up or stand still.
    ClientAborts;
    /// Clients read slowly.
    SlowReaders;
    /// Clients and origins write slowly.
    SlowWriters;
    /// Messages that are refused.
    Malformed;
    /// Origins misbehave.
    BadOrigins;
    /// Origins close connections that lie idle in the pool.
    IdleCloses;
    /// Some addresses of origins refuse connections.
    Refusals;
    /// Some addresses of origins swallow connections.
    ConnectTimeouts;
    /// Room for few clients.
    FewConnections;
    /// Pools with few blocks.
    SmallPools;
    /// The front-end (or the node that stands alone) is restarted.
    RestartFront;
    /// The back-end is restarted.
    RestartBack;
    /// The front-end drains.
    Drain;
}

/// The faults of one seed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Faults(u32);

const _: () = assert!(Fault::ALL.len() <= 32);

impl Faults {
    /// None.
    pub(crate) const NONE: Self = Self(0);

    /// Three to ten of those that make sense; the ones that destroy exchanges are rarer, so that many seeds can
    /// ask for every exchange to succeed.
    pub(crate) fn draw(dice: &mut Prng, has_tunnel: bool) -> Self {
        let wanted = dice.between(3, 10);
        let mut chosen = Self::NONE;
        while u64::from(chosen.0.count_ones()) < wanted {
            let fault = Fault::ALL[dice.below(Fault::ALL.len() as u64) as usize];
            let is_possible = has_tunnel || !fault.needs_tunnel();
            let is_kept = !fault.is_destructive() || dice.ppm(350_000);
            if is_possible && is_kept {
                chosen.0 |= 1 << fault as u32;
            }
        }
        chosen
    }

    /// These and one more.
    pub(crate) const fn with(self, fault: Fault) -> Self {
        Self(self.0 | 1 << fault as u32)
    }

    /// Whether it is among them.
    pub(crate) fn has(self, fault: Fault) -> bool {
        self.0 & 1 << fault as u32 != 0
    }

    /// All of them.
    pub(crate) fn each(self) -> impl Iterator<Item = Fault> {
        Fault::ALL.iter().copied().filter(move |fault| self.has(*fault))
    }

    /// Whether an exchange may fail without anything being wrong with itself.
    pub(crate) fn is_destructive(self) -> bool {
        self.each().any(Fault::is_destructive)
    }
}

impl Fault {
    const fn needs_tunnel(self) -> bool {
        matches!(
            self,
            Self::Loss
                | Self::Duplication
                | Self::Reordering
                | Self::Corruption
                | Self::Partition
                | Self::DarkPath
                | Self::MtuDrop
                | Self::RestartBack
        )
    }

    /// Whether it may end exchanges that are well-formed.
    const fn is_destructive(self) -> bool {
        matches!(
            self,
            Self::Partition
                | Self::Resets
                | Self::FewConnections
                | Self::SmallPools
                | Self::RestartFront
                | Self::RestartBack
                | Self::Drain
        )
    }
}
