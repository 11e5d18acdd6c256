//! How a node ends.

use crate::args::bounds::limit_flags;
use crate::form::given::Given;
use crate::form::span::Span;
use crate::problem::Problems;
use dataplane::role::limits::Limits;

limit_flags! {
    /// SIGTERM and SIGINT drain; a second one ends at once.
    #[command(next_help_heading = "Stopping")]
    StoppingArgs {
        /// How long draining may take after SIGTERM or SIGINT before the rest is cut; a second signal cuts at once
        drain_timeout: Span, "TIME" => drain_timeout;
    }
}
