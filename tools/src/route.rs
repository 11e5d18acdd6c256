//! What a path asks of the origin.
