//! The bounds: how much of everything at once. Defaults and reasons stand in the roles' `limits.rs`.

use crate::form::count::Count;
use crate::form::given::Given;
use crate::form::percents::Percents;
use crate::form::size::{self, Size};
use crate::problem::Problems;
use dataplane::role::limits::Limits;

/// Makes a group of flags of fields of `Limits`: the struct for clap, and `apply`, which sets what was given.
macro_rules! limit_flags {
    (
        $(#[$outer:meta])* $group:ident {
            $($(#[$help:meta])* $flag:ident: $form:ty, $unit:literal => $($target:ident).+;)*
        }
    ) => {
        #[derive(clap::Args, Clone, Debug)]
        $(#[$outer])*
        pub(crate) struct $group {
            $(
                $(#[$help])*
                #[arg(long, value_name = $unit, default_value_t = Given::of(Limits::default().$($target).+))]
                pub(crate) $flag: Given<$form>,
            )*
        }

        impl $group {
            /// Sets the limits; notes the flags that cannot be read.
            pub(crate) fn apply(&self, limits: &mut Limits, problems: &mut Problems) {
                $(
                    if let Some(value) = self.$flag.take(stringify!($flag), problems) {
                        limits.$($target).+ = value;
                    }
                )*
            }

            /// Each flag's name (with `_`) and value.
            pub(crate) fn each(limits: &Limits, mut visit: impl FnMut(&'static str, String)) {
                $(visit(stringify!($flag), Given::<$form>::of(limits.$($target).+).to_string());)*
            }
        }
    };
}

pub(crate) use limit_flags;

limit_flags! {
    /// Counts and bytes are per worker.
    #[command(next_help_heading = "Bounds (per worker)")]
    BoundArgs {
        /// Client connections at once; those beyond are told 503
        connections_max: Count<usize>, "COUNT" => connections_max;
        /// Connections beyond the bound that are being told 503 at once; more are closed unheard
        shedding_max: Count<usize>, "COUNT" => shedding_max;
        /// Exchanges under way at once: requests, upgrades, plain TCP connections
        exchanges_max: Count<usize>, "COUNT" => exchanges_max;
        /// How full --exchanges-max may be, in percent, before requests of each class get 503, class 0 first; counts
        /// only where rules tell classes apart
        shed_at: Percents, "P0,…,P4" => shed_at_percent;
        /// Bytes of a head, request or answer (431, 502)
        head_bytes_max: Size<usize>, "SIZE" => http.head_bytes_max;
        /// Fields of a head (431, 502)
        fields_max: Count<usize>, "COUNT" => http.fields_max;
        /// Bytes of a request's target (414)
        target_bytes_max: Size<usize>, "SIZE" => http.target_bytes_max;
        /// Interim answers (1xx) of an origin before the final one (502)
        interim_max: Count<u8>, "COUNT" => http.interim_max;
        /// Bytes of all trailer fields of a body (431)
        trailer_bytes_max: Size<usize>, "SIZE" => http.trailer_bytes_max;
        /// Trailer fields of a body (431)
        trailer_fields_max: Count<u8>, "COUNT" => http.trailer_fields_max;
        /// Bytes of a request's body (413)
        body_bytes_max: Size<u64>, "SIZE" => body_bytes_max;
        /// Bytes in flight per exchange and direction
        stream_bytes: Size<u32>, "SIZE" => stream_bytes;
        /// Bytes held of all clients' unread input and unfinished heads
        held_bytes: Size<usize>, "SIZE" => held_bytes;
        /// Bytes of all write queues together
        queue_bytes: Size<usize>, "SIZE" => queue_bytes;
        /// Bytes of a block of the pools that both are made of
        block_bytes: Size<usize>, "SIZE" => block_bytes;
        /// Idle connections kept per origin
        pool_max: Count<usize>, "COUNT" => pool_max;
    }
}

/// Notes bounds that do not go together.
pub(crate) fn check(limits: &Limits, problems: &mut Problems) {
    let (block, head) = (limits.block_bytes, limits.http.head_bytes_max);
    problems.require(limits.connections_max > 0, "--connections-max", "lets nobody in", "give at least 1");
    problems.require(limits.exchanges_max > 0, "--exchanges-max", "lets nothing happen", "give at least 1");
    problems.require(
        block.is_power_of_two() && (512..=65_536).contains(&block),
        "--block-bytes",
        "is no usable block",
        "give a power of two from 512 to 64k",
    );
    problems.require(
        (1_024..=256 << 10).contains(&head),
        "--head-bytes-max",
        "is no usable bound for heads",
        "give 1k to 256k",
    );
    problems.require(
        (64..=head).contains(&limits.http.target_bytes_max),
        "--target-bytes-max",
        "does not go with --head-bytes-max",
        "give 64 or more, and at most that",
    );
    problems.require(limits.http.fields_max > 0, "--fields-max", "refuses every request", "give at least 1");
    let stream_bytes_min = limits.stream_bytes_min().next_multiple_of(1_024);
    problems.require(
        (stream_bytes_min..=1 << 30).contains(&(limits.stream_bytes as usize)),
        "--stream-bytes",
        "does not go with --head-bytes-max: the longest answer head would never fit",
        format!("give {} to 1g, or lower --head-bytes-max", size::write(stream_bytes_min as u64)),
    );
    problems.require(
        limits.held_bytes >= head + 2 * block,
        "--held-bytes",
        "cannot hold one head",
        "give more than --head-bytes-max and two blocks",
    );
    problems.require(
        limits.queue_bytes >= limits.stream_bytes as usize + head + 2 * block,
        "--queue-bytes",
        "cannot hold one exchange",
        "give more than --stream-bytes, --head-bytes-max and two blocks together",
    );
}
