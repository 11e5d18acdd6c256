//! The time-outs: how long anything may take. Defaults and reasons stand in the roles' `limits.rs`.

use crate::args::bounds::limit_flags;
use crate::form::given::Given;
use crate::form::span::{Span, SpanOrOff};
use crate::problem::Problems;
use dataplane::role::limits::Limits;

limit_flags! {
    /// Each is answered or ended by itself and holds up nobody else.
    #[command(next_help_heading = "Time-outs")]
    TimeoutArgs {
        /// From a head's first byte to its last (408)
        head_timeout: Span, "TIME" => head_timeout;
        /// Without any progress of a request's body (408)
        body_timeout: Span, "TIME" => body_timeout;
        /// Between two requests of a client (closed)
        idle_timeout: Span, "TIME" => idle_timeout;
        /// Without any progress of a client that should be reading (reset)
        send_timeout: Span, "TIME" => send_timeout;
        /// For one exchange from head to last byte, `off` for no bound (504 or cut)
        total_timeout: SpanOrOff, "TIME" => total_timeout;
        /// Reading on after an answer that closes the connection, so that the client can read it; what still comes
        /// extends it, up to --send-timeout
        linger_timeout: Span, "TIME" => linger_timeout;
        /// For a TCP connection to one address of an origin; then the next is tried, three at the most (504)
        connect_timeout: Span, "TIME" => connect_timeout;
        /// From a request's last byte to the answer's first (504)
        answer_timeout: Span, "TIME" => answer_timeout;
        /// Without any progress of an answer's body, or of a plain TCP connection (cut)
        stall_timeout: Span, "TIME" => stall_timeout;
        /// For an idle connection to an origin (closed)
        pool_timeout: Span, "TIME" => pool_timeout;
        /// How long exchanges wait for a lost tunnel (504)
        tunnel_wait: Span, "TIME" => tunnel_wait;
    }
}
