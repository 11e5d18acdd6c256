//! What the operator may set of a tunnel's transport. Plain values; relations between them are checked by
//! `Options::check`, once, at start.

use crate::time::Duration;
use crate::tmp::limits::{CREDIT_WINDOW_BYTES_MAX, DATAGRAM_BYTES_MAX, DATAGRAM_BYTES_MIN, STREAMS_MAX};
use crate::tmp::profile::{Profile, WindowFloor};

/// Options of one tunnel. Both ends must agree on `credit_bytes_min`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TunnelOptions {
    /// Streams at once; memory for them is reserved (not touched) at start.
    pub streams_max: usize,
    /// Size of the blocks that stream bytes are kept in.
    pub block_bytes: usize,
    /// Memory for bytes written but not yet acknowledged, all streams together.
    pub send_budget_bytes: usize,
    /// What one stream may have written but not acknowledged at first.
    pub send_buffer_bytes: usize,
    /// What that grows to on paths whose window is larger.
    pub send_buffer_bytes_max: usize,
    /// Memory for bytes received but not yet read, all streams together. Credit is granted out of it only.
    /// The minimum of all possible streams is set aside, so it is larger than what is usually touched.
    pub receive_budget_bytes: usize,
    /// Credit of a stream while the budget allows.
    pub receive_window_bytes: usize,
    /// What that grows to where the reader keeps up.
    pub receive_window_bytes_max: usize,
    /// Credit that every stream has at least, and that a new stream has at the accepting end before anything
    /// is said about it: the budget must cover it for `streams_max` streams.
    pub credit_bytes_min: usize,
    /// Largest datagram (UDP payload) to search for: 1,452 passes both IP versions on an Ethernet path.
    pub datagram_bytes_max: u16,
    /// Packets in flight at most; bounds the window and the memory for them.
    pub packets_in_flight_max: usize,
    /// Probe time-outs in a row, with nothing acknowledged, after which the path counts as lost.
    pub path_lost_timeouts: u32,
    /// A tunnel that has sent nothing for so long sends a PING; zero: never.
    pub keep_alive: Duration,
    /// Send the PING also while no stream is open.
    pub keep_alive_idle: bool,
    /// Share of what is sent that repair data may take, in percent; 0: none is sent.
    pub repair_percent: u32,
    /// Streams of classes below this are urgent: what is small of them is repaired beside bulk, too.
    pub urgent_classes: u8,
    /// How the tunnel behaves beside others.
    pub profile: Profile,
    /// What the number of virtual flows is, and the floor of the window in packets.
    pub window_floor: WindowFloor,
}

impl Default for TunnelOptions {
    fn default() -> Self {
        Self {
            streams_max: 16_384,
            block_bytes: 4_096,
            send_budget_bytes: 256 << 20,
            send_buffer_bytes: 64 << 10,
            send_buffer_bytes_max: 4 << 20,
            receive_budget_bytes: 512 << 20,
            receive_window_bytes: 64 << 10,
            receive_window_bytes_max: 4 << 20,
            credit_bytes_min: 8 << 10,
            datagram_bytes_max: 1_452,
            packets_in_flight_max: 32_768,
            path_lost_timeouts: 3,
            keep_alive: Duration::from_secs(10),
            keep_alive_idle: true,
            repair_percent: 5,
            urgent_classes: 1,
            profile: Profile::Balanced,
            window_floor: WindowFloor::Active,
        }
    }
}

/// An option that cannot be honoured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadOption {
    /// `streams_max` is zero or above the protocol's 65,535.
    StreamsMax,
    /// `block_bytes` is not between 256 B and 64 KiB.
    BlockBytes,
    /// A budget does not cover the minimum for `streams_max` streams; what would.
    BudgetBelow(usize),
    /// The windows are not in the order minimum, usual, maximum, or above 2^30.
    Windows,
    /// `datagram_bytes_max` is not between 1,200 and 65,507.
    Datagram,
    /// `packets_in_flight_max` is below 64.
    PacketsInFlight,
    /// `repair_percent` is above 50.
    Repair,
}

impl TunnelOptions {
    /// The first option that cannot be honoured.
    pub fn check(&self) -> Result<(), BadOption> {
        if self.streams_max == 0 || self.streams_max > STREAMS_MAX {
            return Err(BadOption::StreamsMax);
        }
        if !(256..=65_536).contains(&self.block_bytes) {
            return Err(BadOption::BlockBytes);
        }
        let windows = [self.credit_bytes_min, self.receive_window_bytes, self.receive_window_bytes_max];
        let limit = CREDIT_WINDOW_BYTES_MAX as usize;
        if !windows.is_sorted() || windows[2] > limit || self.credit_bytes_min == 0 {
            return Err(BadOption::Windows);
        }
        if self.send_buffer_bytes > self.send_buffer_bytes_max || self.send_buffer_bytes_max > limit {
            return Err(BadOption::Windows);
        }
        let least = self.receive_budget_bytes_min();
        if self.receive_budget_bytes < least {
            return Err(BadOption::BudgetBelow(least));
        }
        if !(DATAGRAM_BYTES_MIN..=DATAGRAM_BYTES_MAX).contains(&usize::from(self.datagram_bytes_max)) {
            return Err(BadOption::Datagram);
        }
        if self.packets_in_flight_max < 64 {
            return Err(BadOption::PacketsInFlight);
        }
        if self.repair_percent > 50 {
            return Err(BadOption::Repair);
        }
        Ok(())
    }

    /// The least receive budget: the minimum credit in whole blocks and one more, per stream; and an eighth is
    /// kept for pieces that arrive out of order.
    pub const fn receive_budget_bytes_min(&self) -> usize {
        let blocks = self.credit_bytes_min.div_ceil(self.block_bytes) + 1;
        (self.streams_max * blocks * self.block_bytes).div_ceil(7) * 8
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_hold_together() {
        assert_eq!(TunnelOptions::default().check(), Ok(()));
    }

    #[test]
    fn a_budget_must_cover_the_minimum() {
        let options = TunnelOptions { streams_max: 65_535, ..TunnelOptions::default() };
        let Err(BadOption::BudgetBelow(bytes)) = options.check() else { panic!("512 MiB are too few") };
        assert!(bytes > 65_535 * (8 << 10));
        assert_eq!(TunnelOptions { receive_budget_bytes: bytes, ..options }.check(), Ok(()));
    }
}
