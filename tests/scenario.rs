//! Scenarios over the real binary: origins and clients of the test's own stand around a front-end and a back-end that
//! run as processes, on both drivers. A scenario reads like a conversation, in one thread: the client asks, the origin
//! expects and answers, the counters say. Not load and not the simulator: one thing at a time, over real sockets.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop where it is")]

mod scenario {
    pub(crate) mod driver;
    pub(crate) mod keys;
    pub(crate) mod message;
    pub(crate) mod node;
    pub(crate) mod origin;
    pub(crate) mod pair;
    pub(crate) mod patience;
    pub(crate) mod process;
    pub(crate) mod wire;

    mod alone;
    mod compressing;
    mod exchanges;
    mod failures;
    mod fields;
    mod privileges;
    mod proxy_protocol;
    mod stopping;
    mod streaming;
    mod trust;
    mod tunnel_loss;
    mod workers;
}
