//! The pure core of Rialto: order books and wallets as deterministic state machines.
//!
//! Nothing here reads a clock, a file, a socket or a random number. Time and identifiers arrive
//! inside the inputs, so that the same inputs always give the same state, byte for byte. That is
//! what makes a journal of inputs a full description of an exchange.
//!
//! The way of an order: [`wallet::Wallet::submit`] checks and funds it and yields a
//! [`message::ToBook`]; [`book::Book::receive`] matches it and yields a [`message::ToWallet`];
//! [`wallet::Wallet::settle`] moves the money and yields the [`update::OrderUpdate`]s that users
//! see.

pub mod book;
pub mod digest;
pub mod ids;
pub mod label;
pub mod market;
pub mod message;
pub mod order;
pub mod reason;
mod slab;
pub mod transaction;
pub mod units;
pub mod update;
pub mod wallet;
