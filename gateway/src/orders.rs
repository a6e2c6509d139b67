//! Orders: what clients ask for, and how they are told what became of it.
//!
//! Requests of REST and of the WebSocket API become the same commands, and their answers the same
//! JSON. A request is read by the file of its name ([`place`], [`cancel`], [`replace`],
//! [`amend`]), a new order in four steps: [`fields`] sorts the parameters by the names of [`field`],
//! [`order_type`] says what belongs to each type, [`instructions`] what else may be asked for, and
//! [`new_order`] makes the engine's order of it. [`contingent`] knows orders that wait for a price,
//! [`prevention`] what an order lost to its own account, [`day`] when a day ends. [`answer`] tells
//! what became of a command. Everything is one pass over the parameters and one over the answer,
//! into a buffer that is reused: this is the way of every order.

pub mod amend;
pub mod answer;
pub mod cancel;
pub mod contingent;
pub mod day;
mod field;
mod fields;
pub mod instructions;
pub mod list_report;
pub mod mass_cancel;
pub mod names;
mod new_order;
pub mod order_list;
mod order_type;
pub mod place;
pub mod prevention;
pub mod replace;
pub mod report;
pub mod target;

use rialto_engine::ids::{ClientOrderId, MarketId};
use rialto_engine::units::Nanos;
use rialto_engine::wallet::Command;

use crate::error::ApiError;
use crate::gateway::{Gateway, Market};
use crate::json::TimeUnit;
use crate::keys::Identity;
use crate::params::Params;
use crate::rate_limits::limit::Exceeded;

/// A request that becomes a command.
#[derive(Clone, Copy)]
pub struct OrderRequest<'a> {
    /// What all workers share.
    pub gateway: &'a Gateway,
    /// Whose it is.
    pub identity: Identity,
    /// What it says.
    pub params: &'a Params<'a>,
    /// In which unit the reply's times are.
    pub unit: TimeUnit,
    /// When it came.
    pub now: Nanos,
}

/// Reads a request: one function for each kind.
pub type Parse = fn(&OrderRequest<'_>) -> Result<(Command, Pending), ApiError>;

impl<'a> OrderRequest<'a> {
    /// The market it names, once its parameters are known to be sound.
    fn market(&self) -> Result<Market<'a>, ApiError> {
        self.params.check()?;
        self.gateway.market(self.identity.tenant, self.params.required("symbol")?)
    }

    const fn pending(&self, market: MarketId, asked: PendingKind) -> Pending {
        Pending { identity: self.identity, market, unit: self.unit, asked }
    }
}

/// A command that was asked for, with what its reply needs to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pending {
    /// Whose.
    pub identity: Identity,
    /// Where.
    pub market: MarketId,
    /// In which unit the reply's times are.
    pub unit: TimeUnit,
    /// What.
    pub asked: PendingKind,
}

/// What was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PendingKind {
    /// To place an order.
    Place(Placing),
    /// To cancel one.
    Cancel {
        /// The client's name for the cancel.
        id: Option<ClientOrderId>,
    },
    /// To cancel all of a market, or many.
    CancelAll,
    /// To place a list of orders.
    PlaceList {
        /// What its reply needs to know.
        placing: Placing,
        /// How many orders.
        orders: u32,
    },
    /// To cancel one.
    CancelList {
        /// The client's name for the cancel.
        id: Option<ClientOrderId>,
    },
    /// To replace one.
    Replace {
        /// The new order.
        placing: Placing,
        /// The client's name for the cancel.
        id: Option<ClientOrderId>,
        /// Whether to cancel even if the owner's limits leave no room for a new order.
        cancel_over_limit: bool,
    },
    /// To replace one, by somebody whose limits leave no room for a new order: it is only
    /// cancelled.
    CancelOverLimit {
        /// The client's name for the cancel.
        id: Option<ClientOrderId>,
        /// Why there is no new order.
        exceeded: Exceeded,
    },
    /// To reduce one.
    Amend,
}

/// What the reply needs to know of a new order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placing {
    /// How much is told.
    pub detail: Detail,
    /// Whether it is a market order, which has a lot size filter of its own.
    pub market: bool,
}

impl Detail {
    /// The detail of a `newOrderRespType`.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "ACK" => Some(Self::Ack),
            "RESULT" => Some(Self::Result),
            "FULL" => Some(Self::Full),
            _ => None,
        }
    }
}

/// How much of a placed order the reply tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// Its numbers.
    Ack,
    /// Its state.
    Result,
    /// Its state and its fills.
    Full,
}

impl Pending {
    /// How many new orders there are to be.
    #[must_use]
    pub const fn places(&self) -> u32 {
        match self.asked {
            PendingKind::Place(_) | PendingKind::Replace { .. } => 1,
            PendingKind::PlaceList { orders, .. } => orders,
            _ => 0,
        }
    }

    /// The client's name for a cancel, which the report of the cancelled order carries.
    #[must_use]
    pub const fn cancel_id(&self) -> Option<ClientOrderId> {
        match self.asked {
            PendingKind::Cancel { id }
            | PendingKind::CancelList { id }
            | PendingKind::Replace { id, .. }
            | PendingKind::CancelOverLimit { id, .. } => id,
            PendingKind::Place(_) | PendingKind::PlaceList { .. } | PendingKind::CancelAll | PendingKind::Amend => None,
        }
    }
}

/// Takes back the count of an order that never was; see [`admit`]. Of a replacement it stays, as
/// in the dialect, unless nothing was tried.
pub fn withdraw(gateway: &Gateway, pending: &Pending, error: &ApiError, now: Nanos) {
    let never_was = match pending.asked {
        PendingKind::Place(_) | PendingKind::PlaceList { .. } => error.code != ApiError::outcome_unknown().code,
        PendingKind::Replace { .. } => error.code == ApiError::busy().code,
        _ => false,
    };
    if never_was {
        gateway.rate_limits.give_back(pending.identity, pending.places(), now);
    }
}

/// Counts the new orders of a command, if it has some, against its owner's limits. A replacement
/// that finds no room still cancels, if its owner wants that.
///
/// # Errors
/// -1015.
pub fn admit(
    gateway: &Gateway,
    command: Command,
    pending: Pending,
    now: Nanos,
) -> Result<(Command, Pending), ApiError> {
    let orders = pending.places();
    if orders == 0 {
        return Ok((command, pending));
    }
    let taken = gateway.rate_limits.take_orders(pending.identity, orders, now);
    let Err(exceeded) = taken else { return Ok((command, pending)) };
    match (command, pending.asked) {
        (Command::Replace { cancel, .. }, PendingKind::Replace { id, cancel_over_limit: true, .. }) => {
            let asked = PendingKind::CancelOverLimit { id, exceeded };
            Ok((Command::Cancel(cancel), Pending { asked, ..pending }))
        }
        _ => Err(exceeded.into()),
    }
}
