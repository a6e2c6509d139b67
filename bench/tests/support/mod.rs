//! What the tests stand on: a naive book, generated flows, and a small venue with faults.
//!
//! Every suite uses its own part of it.
#![allow(dead_code, reason = "each test binary compiles all of it and uses a part")]

pub mod book;
pub mod echo;
pub mod flows;
pub mod venue;
