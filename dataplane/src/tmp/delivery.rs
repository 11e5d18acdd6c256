//! How fast the peer receives: one sample per acknowledgement, after draft-ietf-ccwg-bbr §4.1, but with the receive
//! times that ACK frames carry in place of the arrival times of the acknowledgements. So neither a queue nor lost or
//! bundled acknowledgements on the way back bend the samples. Units: bytes, µs; receive times are the peer's clock
//! modulo 2^32, of which only differences are used. [TMP-132]
//!
//! A sample is what was delivered between two moments, over the longer of the time it took to send it and the time
//! it took to arrive. It is *app-limited* if we had too little to send meanwhile: then it is a lower bound only.

use crate::time::Instant;

/// What is remembered with each packet that leaves.
#[derive(Clone, Copy, Debug, Default)]
pub struct Departure {
    delivered_bytes: u64,
    /// How long before this packet the one left that had been delivered last.
    sending_us: u32,
    /// When that one was received.
    received_us: u32,
    is_timed: bool,
    is_app_limited: bool,
}

/// One sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateSample {
    /// Delivered bytes over time.
    pub bytes_per_s: u64,
    /// We had too little to send.
    pub is_app_limited: bool,
}

/// The state of one path.
#[derive(Clone, Debug, Default)]
pub struct Delivery {
    bytes: u64,
    /// When the packet left that was delivered last, and when it arrived.
    sent: Instant,
    received_us: u32,
    is_timed: bool,
    /// Samples of packets sent before so much was delivered are app-limited.
    app_limited_until: u64,
    /// Until then there was nothing to send: a sample that reaches back beyond it has a pause in it.
    dry_until: Instant,
}

impl Delivery {
    /// Nothing was sent.
    pub fn new() -> Self {
        Self::default()
    }

    /// A packet leaves. Where nothing else is in flight, `arrival_us` is when it would arrive without a queue, if
    /// that is known: the time before it must not count.
    pub fn departs(&mut self, now: Instant, idle: bool, arrival_us: Option<u32>) -> Departure {
        if idle {
            (self.sent, self.is_timed) = (now, arrival_us.is_some());
            self.received_us = arrival_us.unwrap_or(0);
        }
        Departure {
            delivered_bytes: self.bytes,
            sending_us: u32::try_from(now.us_since(self.sent)).unwrap_or(u32::MAX),
            received_us: self.received_us,
            is_timed: self.is_timed,
            is_app_limited: self.bytes < self.app_limited_until || self.sent < self.dry_until,
        }
    }

    /// So many bytes more were acknowledged.
    pub const fn delivered(&mut self, bytes: u64) {
        self.bytes += bytes;
    }

    /// There is nothing more to send, with so much in flight.
    pub fn ran_dry(&mut self, now: Instant, in_flight_bytes: u64) {
        self.dry_until = now;
        self.app_limited_until = self.bytes + in_flight_bytes.max(1);
    }

    /// The largest packet of an acknowledgement, new with it, which was sent at `sent` and received at
    /// `received_us`; ask when all of the acknowledgement is accounted. `None` where the span is too short to mean
    /// anything.
    pub fn sample(
        &mut self,
        departure: Departure,
        sent: Instant,
        received_us: u32,
        rtt_us_min: u64,
    ) -> Option<RateSample> {
        let receiving_us = received_us.wrapping_sub(departure.received_us) as i32;
        (self.sent, self.received_us, self.is_timed) = (sent, received_us, true);
        let receiving_us = u64::try_from(receiving_us).ok().filter(|_| departure.is_timed)?;
        // A span below the least rtt is bent by the peer's clock, as nothing can be confirmed sooner.
        let span_us = receiving_us.max(u64::from(departure.sending_us)).max(rtt_us_min).max(1);
        let bytes = self.bytes - departure.delivered_bytes;
        Some(RateSample {
            bytes_per_s: u64::try_from(u128::from(bytes) * 1_000_000 / u128::from(span_us))
                .unwrap_or(u64::MAX),
            is_app_limited: departure.is_app_limited,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(us: u64) -> Instant {
        Instant::from_us(us)
    }

    #[test]
    fn measures_what_arrives_over_a_round_whatever_the_acks_do() {
        // One packet of 1,000 bytes per ms; they arrive 20 ms later by a clock that is elsewhere.
        let clock = |us: u64| (us as u32).wrapping_add(u32::MAX - 5_000);
        let mut delivery = Delivery::new();
        let mut departures = Vec::new();
        let mut samples = Vec::new();
        for ms in 0..200_u64 {
            departures.push(delivery.departs(at(ms * 1_000), ms == 0, Some(clock(20_000))));
            // Acks come back in bunches of ten, 40 ms after the packet.
            if ms >= 50 && ms % 10 == 0 {
                (0..10).for_each(|_| delivery.delivered(1_000));
                let newest = ms - 41;
                let received = clock(newest * 1_000 + 20_000);
                let sample =
                    delivery.sample(departures[newest as usize], at(newest * 1_000), received, 40_000);
                samples.extend(sample);
            }
        }
        let late = &samples[8..];
        assert!(late.iter().all(|sample| sample.bytes_per_s.abs_diff(1_000_000) < 60_000), "{late:?}");
        assert!(late.iter().all(|sample| !sample.is_app_limited));
    }

    #[test]
    fn a_pause_is_not_counted_and_running_dry_is_told() {
        let mut delivery = Delivery::new();
        let first = delivery.departs(at(0), true, Some(10_000));
        delivery.ran_dry(at(0), 1_000);
        delivery.delivered(1_000);
        let sample = delivery.sample(first, at(0), 10_000, 20_000).unwrap();
        assert_eq!(sample, RateSample { bytes_per_s: 50_000, is_app_limited: false });
        let burst: Vec<_> =
            (0..10).map(|n| delivery.departs(at(9_000_000 + n), n == 0, Some(9_010_000))).collect();
        delivery.ran_dry(at(9_000_009), 10_000);
        delivery.delivered(10_000);
        let sample = delivery.sample(burst[9], at(9_000_009), 9_012_000, 20_000).unwrap();
        assert_eq!(sample.bytes_per_s, 500_000, "ten thousand bytes in one round trip");
        let after = delivery.departs(at(9_030_000), false, None);
        assert!(!after.is_app_limited, "all that was in flight then is delivered");
        delivery.ran_dry(at(9_030_001), 0);
        delivery.delivered(2_000);
        let after = delivery.departs(at(9_030_001), false, None);
        assert!(after.is_app_limited, "a sample of it would reach back over the pause");
    }

    #[test]
    fn without_a_clock_there_is_no_sample() {
        let mut delivery = Delivery::new();
        let first = delivery.departs(at(0), true, None);
        delivery.delivered(1_000);
        assert_eq!(delivery.sample(first, at(0), 10_000, 20_000), None);
    }
}
