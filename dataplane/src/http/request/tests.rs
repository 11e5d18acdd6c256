//! Request heads: what they mean, what is refused, and that splitting changes nothing.
