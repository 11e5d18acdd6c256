//! What could stand in the standard library: these modules know no noun of the product.

pub mod chain;
pub mod network;
pub mod prefixes;
pub mod prng;
pub mod slab;
pub mod wheel;
