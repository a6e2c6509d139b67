//! The running exchange: actors around the pure core.
//!
//! One [`book_actor::BookActor`] per tenant and pair and one [`wallet_actor::WalletActor`] per
//! tenant own their state alone. They are fed through bounded lock-free queues ([`feed`]); the
//! actix mailbox carries control only. Whatever they decide goes to the one journal writer of the
//! partition ([`writer`]), which releases it to the outside once it is durable.

pub mod api;
pub mod book_actor;
pub mod clock;
pub mod commit_watch;
pub mod directory;
pub mod exchange;
pub mod feed;
pub mod follower;
pub mod market_data;
pub mod metrics;
pub mod outlets;
pub mod partition;
pub mod permits;
pub mod priority;
pub mod rails;
pub mod readers;
pub mod schedule;
pub mod setup;
pub mod shedding;
pub mod turn;
pub mod wallet_actor;
pub mod webhooks;
pub mod writer;
pub mod zone;
