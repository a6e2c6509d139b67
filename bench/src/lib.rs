//! `rialto-load`: a load tester and a replayer of real order flow for any venue that speaks the
//! Binance Spot WebSocket API.
//!
//! Two commands, two questions:
//!
//! - [`replay`]: *is it right?* It drives recorded commands through one connection, survives
//!   disconnects and server crashes, and compares every fill with the recorded executions.
//! - [`run`]: *how fast is it?* An open loop: requests leave on a schedule, and a latency counts
//!   from the moment the request should have left, so that a stall of the server cannot hide.
//!
//! The package knows nothing of the server's crates: it is a client, and sees what clients see.
//! Prices and quantities are counts of ticks and lots, in integers, from the file to the wire.

pub mod client;
pub mod compare;
pub mod config;
pub mod decimal;
pub mod error;
pub mod flow;
pub mod reads;
pub mod replay;
pub mod report;
pub mod run;
