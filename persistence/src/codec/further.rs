//! What version 3 of a snapshot holds beyond version 2. It stands behind it, so that the older
//! versions can still be read, and is written order by order like the first part.

use std::io::{self, Write};

use bincode::{Decode, Encode};
use rialto_engine::book::{BookSnapshot, DarkOrder, SpecialOrder, WaitingOrder};
use rialto_engine::ids::{AccountId, MarketId, OrderId};
use rialto_engine::order::NewOrder;
use rialto_engine::units::{Amount, Nanos, Quantity};
use rialto_engine::update::ListView;
use rialto_engine::wallet::{OpenOrder, Progress, WalletSnapshot};

use super::instructions::{WireInstructions, WireInstructionsV2};
use super::market::{WireFilters, WireProtection};
use super::message::WireAskingOrder;
use super::more::WireStage;
use super::snapshot::Output;
use super::{CONTINGENCIES, CodecError, PHASES, WireClientId, number_of, value_of};
use crate::snapshot::{MarketSnapshot, WorldSnapshot};
use crate::world::{Market, Tenant};

#[derive(Encode, Decode)]
pub(super) struct WireTenantFurther {
    orders: Vec<WireOrderFurther>,
    lists: Vec<WireList>,
    /// Per account.
    groups: Vec<u32>,
    /// Per market.
    phases: Vec<u8>,
    markets: Vec<WireMarketFurther>,
}

/// Of an open order that asks for more than version 2 knows.
#[derive(Encode, Decode)]
struct WireOrderFurther {
    order: u64,
    instructions: WireInstructionsV2,
    triggered: u64,
    prevented: u64,
    activated: u64,
    claim: i128,
}

#[derive(Encode, Decode)]
struct WireList {
    id: u64,
    client_id: WireClientId,
    account: u32,
    market: u16,
    contingency: u8,
    orders: Vec<(u64, WireClientId)>,
    time: u64,
}

#[derive(Encode, Decode)]
struct WireMarketFurther {
    filters: WireFilters,
    book: WireBookFurther,
}

#[derive(Encode, Decode)]
pub(super) struct WireBookFurther {
    waiting: Vec<WireWaitingFurther>,
    special: Vec<WireSpecial>,
    dark: Vec<WireDark>,
    darkened: u64,
    pending: Vec<WireAskingOrder>,
    phase: u8,
    until: u64,
    protection: WireProtection,
    groups: Vec<(u32, u32)>,
}

/// Of a waiting order that asks for more than version 2 knows.
#[derive(Encode, Decode)]
struct WireWaitingFurther {
    order: WireAskingOrder,
    sequence: u64,
    stage: WireStage,
}

#[derive(Encode, Decode)]
struct WireSpecial {
    order: u64,
    instructions: WireInstructionsV2,
    reserve: u64,
}

#[derive(Encode, Decode)]
struct WireDark {
    order: WireAskingOrder,
    remaining: u64,
    sequence: u64,
}

impl<W: Write> Output<'_, W> {
    /// Fields in the order in which the wire types above declare them.
    pub(super) fn tenant_further(&mut self, tenant: &Tenant) -> io::Result<()> {
        // Counted first: there may be too many to hold them all.
        let count = tenant.wallet.sorted_orders().filter(asks_further).count();
        let orders = tenant.wallet.sorted_orders().filter(asks_further);
        self.all(count, orders, |output, order| output.put(WireOrderFurther::from(&order)))?;
        let WalletSnapshot { lists, groups, phases, .. } = tenant.wallet.summary();
        self.all(lists.len(), &lists, |output, list| output.put(WireList::from(list)))?;
        self.put(groups)?;
        self.all(phases.len(), phases, |output, phase| output.put(number_of(&PHASES, &phase)))?;
        self.all(tenant.markets.len(), &tenant.markets, Self::market_further)
    }

    fn market_further(&mut self, market: &Market) -> io::Result<()> {
        self.put(WireFilters::from(&market.definition.filters))?;
        self.book_further(&market.book.summary())
    }

    pub(super) fn book_further(&mut self, book: &BookSnapshot) -> io::Result<()> {
        let waiting = || book.waiting.iter().filter(|waiting| waits_further(waiting));
        self.all(waiting().count(), waiting(), |output, waiting| output.put(WireWaitingFurther::from(waiting)))?;
        self.all(book.special.len(), &book.special, |output, special| output.put(WireSpecial::from(special)))?;
        self.all(book.dark.len(), &book.dark, |output, dark| output.put(WireDark::from(dark)))?;
        self.put(book.darkened)?;
        self.all(book.pending.len(), &book.pending, |output, order| output.put(WireAskingOrder::from(order)))?;
        self.put((number_of(&PHASES, &book.phase), book.until.0, WireProtection::from(&book.protection)))?;
        self.all(book.groups.len(), &book.groups, |output, (account, group)| output.put((account.0, *group)))
    }
}

/// Whether version 2 does not hold what an open order asks for.
fn asks_further(order: &OpenOrder) -> bool {
    order.progress.is_some_and(|progress| is_further(&progress))
}

/// Whether version 2 does not hold all that an order has beyond version 1.
pub(super) fn is_further(progress: &Progress) -> bool {
    WireInstructions::of(&progress.instructions).is_none()
        || progress.activated != Nanos::ZERO
        || !progress.claim.is_zero()
}

/// Whether version 2 does not hold a waiting order.
fn waits_further(waiting: &WaitingOrder) -> bool {
    waiting.order.instructions.is_none_or(|instructions| WireInstructions::of(&instructions).is_none())
}

/// Adds it to a snapshot that was read so far as version 2 goes.
pub(super) fn add_to(tenants: Vec<WireTenantFurther>, world: &mut WorldSnapshot) -> Result<(), CodecError> {
    for (tenant, further) in world.tenants.iter_mut().zip(tenants) {
        add_to_orders(further.orders, &mut tenant.wallet)?;
        tenant.wallet.lists = further.lists.into_iter().map(ListView::try_from).collect::<Result<_, _>>()?;
        tenant.wallet.groups = further.groups;
        let phase = |number| value_of(&PHASES, number, "phase");
        tenant.wallet.phases = further.phases.into_iter().map(phase).collect::<Result<_, _>>()?;
        for (market, further) in tenant.markets.iter_mut().zip(further.markets) {
            further.add_to(market)?;
        }
    }
    Ok(())
}

/// Both are in the order of the orders' numbers.
fn add_to_orders(further: Vec<WireOrderFurther>, wallet: &mut WalletSnapshot) -> Result<(), CodecError> {
    let mut orders = wallet.orders.iter_mut();
    for further in further {
        let progress = orders.find(|order| order.id.0 == further.order).and_then(|order| order.progress.as_mut());
        let progress = progress.ok_or_else(|| CodecError(format!("order {} is not open", further.order)))?;
        progress.instructions = further.instructions.try_into()?;
        progress.triggered = Nanos(further.triggered);
        progress.prevented = Quantity(further.prevented);
        progress.activated = Nanos(further.activated);
        progress.claim = Amount(further.claim);
    }
    Ok(())
}

impl WireMarketFurther {
    fn add_to(self, market: &mut MarketSnapshot) -> Result<(), CodecError> {
        market.definition.filters = self.filters.into();
        self.book.add_to(&mut market.book)
    }
}

impl WireBookFurther {
    pub(super) fn add_to(self, book: &mut BookSnapshot) -> Result<(), CodecError> {
        for waiting in self.waiting {
            book.waiting.push(waiting.try_into()?);
        }
        book.waiting.sort_by_key(|waiting| waiting.sequence);
        book.special = self.special.into_iter().map(SpecialOrder::try_from).collect::<Result<_, _>>()?;
        book.dark = self.dark.into_iter().map(DarkOrder::try_from).collect::<Result<_, _>>()?;
        book.darkened = self.darkened;
        book.pending = self.pending.into_iter().map(NewOrder::try_from).collect::<Result<_, _>>()?;
        book.phase = value_of(&PHASES, self.phase, "phase")?;
        book.until = Nanos(self.until);
        book.protection = self.protection.into();
        book.groups = self.groups.into_iter().map(|(account, group)| (AccountId(account), group)).collect();
        Ok(())
    }
}

impl From<&OpenOrder> for WireOrderFurther {
    fn from(order: &OpenOrder) -> Self {
        let progress = order.progress.unwrap_or_default();
        Self {
            order: order.id.0,
            instructions: (&progress.instructions).into(),
            triggered: progress.triggered.0,
            prevented: progress.prevented.0,
            activated: progress.activated.0,
            claim: progress.claim.0,
        }
    }
}

impl From<&ListView> for WireList {
    fn from(list: &ListView) -> Self {
        Self {
            id: list.id.0,
            client_id: WireClientId(list.client_id),
            account: list.account.0,
            market: list.market.0,
            contingency: number_of(&CONTINGENCIES, &list.contingency),
            orders: list.orders.iter().map(|(order, client_id)| (order.0, WireClientId(*client_id))).collect(),
            time: list.time.0,
        }
    }
}

impl TryFrom<WireList> for ListView {
    type Error = CodecError;
    fn try_from(list: WireList) -> Result<Self, CodecError> {
        Ok(Self {
            id: OrderId(list.id),
            client_id: list.client_id.0,
            account: AccountId(list.account),
            market: MarketId(list.market),
            contingency: value_of(&CONTINGENCIES, list.contingency, "contingency")?,
            orders: list.orders.into_iter().map(|(order, client_id)| (OrderId(order), client_id.0)).collect(),
            time: Nanos(list.time),
        })
    }
}

impl From<&WaitingOrder> for WireWaitingFurther {
    fn from(waiting: &WaitingOrder) -> Self {
        Self { order: (&waiting.order).into(), sequence: waiting.sequence, stage: waiting.stage.into() }
    }
}

impl TryFrom<WireWaitingFurther> for WaitingOrder {
    type Error = CodecError;
    fn try_from(waiting: WireWaitingFurther) -> Result<Self, CodecError> {
        Ok(Self { order: waiting.order.try_into()?, sequence: waiting.sequence, stage: waiting.stage.into() })
    }
}

impl From<&SpecialOrder> for WireSpecial {
    fn from(special: &SpecialOrder) -> Self {
        Self { order: special.id.0, instructions: (&special.instructions).into(), reserve: special.reserve.0 }
    }
}

impl TryFrom<WireSpecial> for SpecialOrder {
    type Error = CodecError;
    fn try_from(special: WireSpecial) -> Result<Self, CodecError> {
        Ok(Self {
            id: OrderId(special.order),
            instructions: special.instructions.try_into()?,
            reserve: Quantity(special.reserve),
        })
    }
}

impl From<&DarkOrder> for WireDark {
    fn from(dark: &DarkOrder) -> Self {
        Self { order: (&dark.order).into(), remaining: dark.remaining.0, sequence: dark.sequence }
    }
}

impl TryFrom<WireDark> for DarkOrder {
    type Error = CodecError;
    fn try_from(dark: WireDark) -> Result<Self, CodecError> {
        Ok(Self { order: dark.order.try_into()?, remaining: Quantity(dark.remaining), sequence: dark.sequence })
    }
}
