//! Rialto persistence.

pub mod frame;
pub mod journal;
pub mod codec;
pub mod record;
pub mod snapshot;
pub mod world;
pub mod replay;
pub mod kline;
pub mod read_store;
pub mod audit;
