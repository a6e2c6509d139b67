//! Money through the running exchange: deposits, withdrawals and transfers, their timers, and crashes anywhere.

mod support;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::Receiver;
use rialto_actors::api::{Query, Release, Reply, Request, WorkerEvent};
use rialto_actors::exchange::{MoneySetup, Options, Setup, Status, Storage};
use rialto_actors::outlets::Outlets;
use rialto_engine::ids::{AccountId, AssetId, RailId, TenantId, TransactionId};
use rialto_engine::label::Label;
use rialto_engine::order::Side;
use rialto_engine::reason::Reason;
use rialto_engine::transaction::{
    Ask, Body, Policy, RailCall, Report, Topic, Transaction, TransactionCommand, TransactionEvent, TransactionKind,
    TransactionState,
};
use rialto_engine::units::{Amount, Nanos};
use rialto_persistence::audit::audit;
use rialto_persistence::journal::memory::MemoryLog;
use rialto_persistence::record::Record;
use rialto_persistence::world::{Scratch, Unobserved, World};
use support::{Session, TENANTS, apply, place, records, setup, wait_until};

const ACME: TenantId = TENANTS[0];
const BANK: RailId = RailId(1);
const USD: AssetId = AssetId(0);
const [ALICE, BOB]: [AccountId; 2] = [AccountId(0), AccountId(1)];
const MILLISECOND: u64 = 1_000_000;
const SECOND: u64 = 1_000 * MILLISECOND;

fn label(text: &str) -> Label {
    Label::new(text).expect("it is one")
}
