//! Every bound of a worker, with its unit, its default and the reason for it. All are flags; all are printed at
//! start. Counts and bytes are per worker.

use crate::exchange::envelope::REPLY_BYTES;
use crate::http::Limits as HttpLimits;
use crate::time::Duration;

/// The bounds.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Client connections open at once. 10,000: what 20,000 descriptors allow with one origin connection each.
    pub connections_max: usize,
    /// Connections beyond `connections_max` that are being told 503 at once. 256: each costs a page and 2 s.
    pub shedding_max: usize,
    /// Exchanges under way at once. 16,384: a quarter of what one tunnel numbers.
    pub exchanges_max: usize,
    /// How full the exchanges may be, in percent, before requests of each class are refused, where rules tell classes
    /// apart. 100, 100, 95, 90, 85: a twentieth for each step up, so that who is important finds room under overload.
    pub shed_at_percent: [u32; 5],
    /// Heads, fields, targets.
    pub http: HttpLimits,
    /// Bytes of a request body. 1 GiB: uploads of disk images are legal, endless ones are not.
    pub body_bytes_max: u64,
    /// Bytes in flight between two parts per exchange and direction. 64 KiB: four reads of the large buffers.
    pub stream_bytes: u32,
    /// Bytes held for all clients' unread input and unfinished heads.
    pub held_bytes: usize,
    /// Bytes of a block in the pools. 4 KiB: a page.
    pub block_bytes: usize,
    /// Bytes of all write queues together.
    pub queue_bytes: usize,
    /// Idle connections kept per origin. 1,024: a thousand busy clients must not make a thousand handshakes.
    pub pool_max: usize,
    /// From the first byte of a head to its last. 10 s: HAProxy's usual `timeout http-request`.
    pub head_timeout: Duration,
    /// Without any progress of a request body. 30 s.
    pub body_timeout: Duration,
    /// Between two requests. 60 s.
    pub idle_timeout: Duration,
    /// Without any progress of a client that should be reading. 30 s.
    pub send_timeout: Duration,
    /// For one exchange from head to last byte; zero means no bound, because downloads may be long.
    pub total_timeout: Duration,
    /// Reading on after an answer that closes the connection, so that the client can read it. 2 s; while the client
    /// still sends, up to `send_timeout`.
    pub linger_timeout: Duration,
    /// For a TCP connection to one address of an origin; then the next is tried. 5 s.
    pub connect_timeout: Duration,
    /// From a request's last byte to the answer's first. 60 s: HAProxy's and nginx's default.
    pub answer_timeout: Duration,
    /// Without any progress of an answer's body, or of a plain TCP connection. 300 s: server-sent events pause.
    pub stall_timeout: Duration,
    /// For an idle pooled connection. 30 s: below what most origins keep.
    pub pool_timeout: Duration,
    /// How long exchanges wait for a lost tunnel. 5 s.
    pub tunnel_wait: Duration,
    /// How long draining may take before the rest is cut. 30 s.
    pub drain_timeout: Duration,
}

impl Limits {
    /// TCP connections to origins that are open at once, on one worker: a busy or idle one for each exchange, and some
    /// that are still closing. Beyond as many as exchanges the one that has been idle longest makes room for a new one.
    pub const fn origin_connections_max(&self) -> usize {
        self.exchanges_max + self.exchanges_max / 16 + 64
    }

    /// The least `stream_bytes` for these heads, in bytes: what an origin may have answered before its last grant came
    /// back is a quarter, and in the rest the longest head must fit with its envelope.
    pub const fn stream_bytes_min(&self) -> usize {
        (self.http.of_next_hop().head_bytes_max + REPLY_BYTES).div_ceil(3) * 4
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_max: 10_000,
            shedding_max: 256,
            exchanges_max: 16_384,
            shed_at_percent: [100, 100, 95, 90, 85],
            http: HttpLimits::default(),
            body_bytes_max: 1 << 30,
            stream_bytes: 64 << 10,
            held_bytes: 64 << 20,
            block_bytes: 4 << 10,
            queue_bytes: 128 << 20,
            pool_max: 1_024,
            head_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(60),
            send_timeout: Duration::from_secs(30),
            total_timeout: Duration::ZERO,
            linger_timeout: Duration::from_secs(2),
            connect_timeout: Duration::from_secs(5),
            answer_timeout: Duration::from_secs(60),
            stall_timeout: Duration::from_secs(300),
            pool_timeout: Duration::from_secs(30),
            tunnel_wait: Duration::from_secs(5),
            drain_timeout: Duration::from_secs(30),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_head_fits_what_is_left_of_the_usual_credit() {
        let limits = Limits::default();
        assert!(limits.stream_bytes as usize >= limits.stream_bytes_min());
        let (least, head) = (limits.stream_bytes_min(), limits.http.of_next_hop().head_bytes_max);
        assert!(least - least / 4 >= head + REPLY_BYTES);
    }
}
