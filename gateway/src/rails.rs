//! Rails over HTTP: the protocol of `docs/rails.md`, and the webhooks of tenants.

pub mod adapter;
pub mod callback;
pub mod http;
pub mod sign;
pub mod webhook;
pub mod wire;
