//! The edge of Rialto: the only crate that knows HTTP, WebSocket and JSON.
//!
//! Front ends speak the Binance Spot dialect, because unmodified clients already do. [`rest`] is
//! the door for every request, [`ws_api`] and [`streams`] serve connections, and [`worker`] hands
//! them what the exchange lets out.

pub mod account;
pub mod auth;
pub mod cancel_on_disconnect;
pub mod cli;
pub mod config;
pub mod connection;
pub mod decimal;
pub mod demo;
pub mod draining;
pub mod error;
pub mod exchange_info;
pub mod export;
#[cfg(test)]
mod fixture;
pub mod gateway;
pub mod generations;
pub mod json;
pub mod keys;
pub mod lines;
pub mod market_api;
pub mod opened;
pub mod operator;
pub mod order_lists;
pub mod orders;
pub mod params;
pub mod past;
pub mod pauses;
pub mod payments;
pub mod phases;
pub mod query;
pub mod rails;
pub mod rate_limits;
pub mod reconcile;
pub mod rest;
pub mod server;
pub mod streams;
pub mod tenancy;
pub mod tools;
pub mod user_stream;
pub mod worker;
pub mod ws_api;
