//! What the operator may choose of congestion control.

/// How a tunnel behaves beside others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Profile {
    /// N virtual CUBIC flows, and a rate model where losses come without a queue.
    Throughput,
    /// That, and now and then a trial whether the queue in the network is our own and can be done without.
    #[default]
    Balanced,
    /// N virtual CUBIC flows and nothing else; N is not lowered where the path has no room for so many.
    Literal,
}

/// What N is, and with it the floor of the window: one packet for each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WindowFloor {
    /// Streams that had bytes to send within the last second (or four round trips).
    #[default]
    Active,
    /// Streams that are open.
    Hosted,
    /// So many, whatever happens.
    Fixed(u32),
}
