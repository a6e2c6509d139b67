//! Rialto persistence.

pub mod audit;
pub mod chain;
pub mod codec;
pub mod frame;
pub mod journal;
pub mod kline;
pub mod read_store;
pub mod record;
pub mod replay;
pub mod snapshot;
pub mod verify;
pub mod world;
