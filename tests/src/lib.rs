//! What the end-to-end suites share: a server to run against, clients, power cuts, order flow.

pub mod client;
pub mod flow;
pub mod power_cut;
pub mod raw;
pub mod server;
