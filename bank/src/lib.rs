//! A bank that misbehaves on demand: the other side of `docs/rails.md`, written from that page alone.
//!
//! It keeps books of its own, to the unit, so that a test can compare them with those of the exchange. Nothing
//! of the product is used here: two readings of one page judge each other.

pub mod books;
pub mod callbacks;
pub mod config;
pub mod faults;
pub mod money;
pub mod protocol;
pub mod server;
