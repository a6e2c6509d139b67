//! Whether the books agree: with themselves from day to day, and with what rails state.
//!
//! [`day`] says when a tenant's day begins and ends, [`ledger`] proves that what was there in the
//! morning and what moved make what is there in the evening, and [`matching`] holds the statement
//! of a rail ([`statement`]) against what the ledger says that it has moved.

pub mod daily;
pub mod day;
pub mod ledger;
pub mod matching;
pub mod rail;
pub mod statement;
pub mod tools;
pub mod upload;
