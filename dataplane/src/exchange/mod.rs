//! One exchange (an HTTP request and its answer, or one plain TCP connection) as it passes between the parts
//! of a node: who asks, who serves, what may go wrong, what is said at the start of a stream.

pub mod envelope;
pub mod failure;
pub mod fuzz;
pub mod link;
