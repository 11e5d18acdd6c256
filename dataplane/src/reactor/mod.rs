//! The reactor runs roles on cores: drivers, rings between cores, clocks. It knows no protocol.
//! It is the one folder with unsafe code.

mod atomics;
pub mod lanes;
pub mod sleep;
mod slots;
pub mod spsc;
