//! The whole story of a transaction or an order: `GET trace`.
//!
//! Every change of its state stands there with its time, whose work it was, and the entries that it
//! posted. What leaves no trace in the journal is not told: each attempt of a timer, each call of a
//! rail that came to nothing.

use std::collections::HashSet;

use rialto_engine::ids::{AccountId, AssetId, MarketId, OrderId, TenantId, TradeId};
use rialto_engine::label::Label;
use rialto_engine::reason::Reason;
use rialto_engine::transaction::{Case, Happening, Transaction, TransactionEvent};
use rialto_engine::units::Nanos;
use rialto_engine::update::{OrderView, Status};
use rialto_engine::wallet::{Cause, Entry, LedgerAccount};
use rialto_persistence::read_store::{AccountTrade, Owner, ReadStore, ReadStoreError, Window};

use super::entry::{Ids, asset_of};
use super::{AccountingCall, begin, entry, events};
use crate::error::{ApiError, Asked};
use crate::json;
use crate::orders::report::write_order;
use crate::payments::view::{View, key, number, word};

/// Entries that are read at once.
const AT_ONCE: usize = 1_000;
/// The most entries of a user that are looked through for those of an order.
const LOOKED_THROUGH_MAX: usize = 200_000;
/// How far behind a place the next hold is looked for.
const HOLDS_WITHIN: usize = 20_000;

#[derive(Default)]
struct Story {
    transaction: Option<(Transaction, Option<AssetId>)>,
    events: Vec<TransactionEvent>,
    entries: Vec<Entry>,
    cases: Vec<Case>,
}

#[derive(Default)]
struct OrderStory {
    order: Option<OrderView>,
    trades: Vec<AccountTrade>,
    entries: Vec<Entry>,
}

impl AccountingCall<'_> {
    /// `GET trace`: of the business id `id`, or of the order `orderId`; its `user` makes that faster.
    pub(super) async fn trace(&self) -> Result<Vec<u8>, ApiError> {
        self.params.only(&["id", "orderId", "user"])?;
        match (self.label("id")?, self.params.integer("orderId")?.map(OrderId)) {
            (Some(id), None) => self.trace_transaction(id).await,
            (None, Some(order)) => self.trace_order(order).await,
            (None, None) => Err(ApiError::either("id", "orderId")),
            (Some(_), Some(_)) => Err(ApiError::bad_combination()),
        }
    }

    async fn trace_transaction(&self, id: Label) -> Result<Vec<u8>, ApiError> {
        let tenant = self.tenant();
        let read = move |store: &ReadStore| story_of(store, tenant, &id);
        self.tell(read, |view, position, story| story.write(view, position)).await
    }

    async fn trace_order(&self, order: OrderId) -> Result<Vec<u8>, ApiError> {
        let (tenant, markets, user) = (self.tenant(), self.markets(), self.user()?);
        let read = move |store: &ReadStore| {
            let owner = match user {
                Some(user) => Some(user),
                None => owner_of(store, tenant, markets, order)?,
            };
            owner.map_or(Ok(OrderStory::default()), |owner| story_of_order(store, tenant, markets, owner, order))
        };
        self.tell(read, |view, position, story| story.write(view, position)).await
    }
}

impl Story {
    fn write(&self, view: &View<'_>, position: u64) -> Result<Vec<u8>, ApiError> {
        let Some((transaction, asset)) = &self.transaction else {
            return Err(ApiError::of_reason(Reason::UnknownTransaction, Asked::PLACE));
        };
        let mut out = begin(position);
        key(&mut out, "transaction");
        view.transaction(&mut out, transaction, *asset);
        key(&mut out, "steps");
        let mut entries = self.entries.iter().peekable();
        let ids = Ids::from([(transaction.number, transaction.id)]);
        let mut events = self.events.iter().peekable();
        json::array(
            &mut out,
            std::iter::from_fn(|| events.next().map(|event| (event, events.peek().map(|next| next.time)))),
            |out, (event, next)| {
                out.push(b'{');
                events::write(out, view, event);
                word(out, "component", component(&event.what));
                if event.transaction.body.as_ref().is_some_and(|body| body.kind().has_rail()) {
                    word(out, "rail", &view.gateway.rails.name(view.tenant, event.transaction.rail));
                }
                word(out, "state", event.transaction.state.name());
                key(out, "entries");
                // Of events of one moment, the last has all their entries.
                let is_of = |entry: &Entry| entry.time <= event.time && next != Some(event.time);
                let posted = std::iter::from_fn(|| entries.next_if(|entry| is_of(entry)));
                json::array(out, posted, |out, posted| entry::write(out, view, None, posted, &ids));
                out.push(b'}');
            },
        );
        key(&mut out, "cases");
        json::array(&mut out, &self.cases, |out, case| view.case(out, case));
        out.push(b'}');
        Ok(out)
    }
}

impl OrderStory {
    fn write(&self, about: &View<'_>, position: u64) -> Result<Vec<u8>, ApiError> {
        let Some(order) = self.order else { return Err(ApiError::no_such_order()) };
        let market = about.gateway.market_by_id(about.tenant, order.market).ok_or_else(ApiError::no_such_order)?;
        let mut out = begin(position);
        word(&mut out, "user", &about.gateway.account_name(about.tenant, order.account));
        key(&mut out, "order");
        write_order(&mut out, about.gateway, market, about.unit, &order);
        key(&mut out, "steps");
        let steps = steps_of(&order, self);
        json::array(&mut out, steps, |out, step| {
            out.extend_from_slice(b"{\"component\":");
            json::string(out, step.component);
            about.time(out, "time", step.time);
            word(out, "what", step.what);
            if let Some(trade) = step.trade {
                number(out, "tradeId", trade.id.0);
                key(out, "price");
                market.text.price(out, trade.price);
                key(out, "quantity");
                market.text.quantity(out, trade.quantity);
                key(out, "feeAsset");
                about.gateway.asset_name(out, about.tenant, trade.fee_asset);
                about.amount(out, "fee", Some(trade.fee_asset), trade.fee);
                key(out, "maker");
                json::boolean(out, trade.is_maker);
            }
            key(out, "entries");
            json::array(out, step.entries, |out, posted| entry::write(out, about, None, posted, &Ids::new()));
            out.push(b'}');
        });
        out.push(b'}');
        Ok(out)
    }
}

/// Whose work an event of a transaction was.
const fn component(what: &Happening) -> &'static str {
    match what {
        Happening::Opened | Happening::Closing | Happening::Confirmed | Happening::Canceled | Happening::Reversed => {
            "wallet"
        }
        Happening::Sent => "channel",
        Happening::Accepted | Happening::Moved { .. } => "rail",
        Happening::Rerouted => "router",
        Happening::Approved { .. } => "operator",
        Happening::Stuck => "timer",
    }
}

/// A step of an order's story.
struct Step<'a> {
    component: &'static str,
    time: Nanos,
    what: &'static str,
    trade: Option<&'a AccountTrade>,
    entries: Vec<&'a Entry>,
}

fn steps_of<'a>(view: &OrderView, story: &'a OrderStory) -> Vec<Step<'a>> {
    let of = |is_one: &dyn Fn(&Cause) -> bool| story.entries.iter().filter(|entry| is_one(&entry.cause)).collect();
    let step = |component, time, what, trade, entries| Step { component, time, what, trade, entries };
    let holds = of(&|cause| matches!(cause, Cause::Hold(_)));
    let mut steps = vec![step("wallet", view.time, "accepted", None, holds)];
    for trade in &story.trades {
        let settled = of(&|cause| *cause == Cause::Trade(view.market, trade.id));
        steps.push(step("book", trade.time, "trade", Some(trade), settled));
    }
    let released: Vec<&Entry> = of(&|cause| matches!(cause, Cause::Release(_)));
    let time = released.last().map_or(view.updated, |entry| entry.time.max(view.updated));
    steps.push(step("wallet", time, "stands", None, released));
    steps
}

fn story_of(store: &ReadStore, tenant: TenantId, id: &Label) -> Result<Story, ReadStoreError> {
    let Some(transaction) = store.transaction_by_id(tenant, id)? else { return Ok(Story::default()) };
    let number = transaction.number;
    let asset = asset_of(store, tenant, transaction.body.as_ref())?;
    let events = store.events_of_transaction(tenant, number)?;
    let entries = store.entries_of_transaction(tenant, number)?;
    let references: HashSet<Label> = events
        .iter()
        .filter_map(|event| match event.what {
            Happening::Moved { reference, .. } => Some(reference),
            _ => None,
        })
        .collect();
    let mut cases = Vec::new();
    super::tables::each_case(store, tenant, |case| {
        let is_named = case.case.reference.is_some_and(|reference| references.contains(&reference));
        if case.case.transaction == number || is_named && case.case.rail == transaction.rail {
            cases.push(*case);
        }
        Ok::<(), ReadStoreError>(())
    })?;
    Ok(Story { transaction: Some((transaction, asset)), events, entries, cases })
}

fn story_of_order(
    store: &ReadStore,
    tenant: TenantId,
    markets: u16,
    owner: AccountId,
    order: OrderId,
) -> Result<OrderStory, ReadStoreError> {
    let Some(view) = order_of(store, tenant, markets, owner, order)? else { return Ok(OrderStory::default()) };
    let everything = Window::default();
    let trades = store.account_trades(tenant, owner, view.market, Some(order), &everything, usize::MAX)?;
    let numbers: HashSet<TradeId> = trades.iter().map(|trade| trade.id).collect();
    let mut window = Window { from_id: Some(0), from_time: Some(view.time), to_time: None };
    let (mut entries, mut looked) = (Vec::new(), 0);
    loop {
        let found = store.movements(tenant, Owner::User(owner), None, &window, AT_ONCE)?;
        let is_over = found.len() < AT_ONCE || looked >= LOOKED_THROUGH_MAX;
        let is_beyond = found.last().is_some_and(|entry| entry.time > view.updated) && is_final(view.status);
        looked += found.len();
        window.from_id = found.last().map(|entry| entry.number + 1);
        entries.extend(found.into_iter().filter(|entry| match entry.cause {
            Cause::Hold(of) | Cause::Release(of) => of == order,
            Cause::Trade(market, trade) => market == view.market && numbers.contains(&trade),
            _ => false,
        }));
        if is_over || is_beyond {
            return Ok(OrderStory { order: Some(view), trades, entries });
        }
    }
}

/// Whether nothing can happen to an order any more.
const fn is_final(status: Status) -> bool {
    !matches!(status, Status::Pending | Status::New | Status::PartiallyFilled)
}

/// An order of an account, in whichever market it is.
///
/// # Errors
/// What the read store says.
pub fn order_of(
    store: &ReadStore,
    tenant: TenantId,
    markets: u16,
    account: AccountId,
    order: OrderId,
) -> Result<Option<OrderView>, ReadStoreError> {
    for market in 0..markets {
        if let Some(found) = store.order(tenant, account, MarketId(market), order)? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// The owner of an order. One of a list may hold nothing of its own, or does so later; its list's orders are
/// numbered together, so that one of them tells whose it is. `None` where that does not find it.
fn owner_of(
    store: &ReadStore,
    tenant: TenantId,
    markets: u16,
    order: OrderId,
) -> Result<Option<AccountId>, ReadStoreError> {
    let near = [0, -1, 1, -2, 2].into_iter().filter_map(|away| order.0.checked_add_signed(away)).map(OrderId);
    for candidate in near {
        if let Some(owner) = holder_of(store, tenant, candidate)?
            && (candidate == order || order_of(store, tenant, markets, owner, order)?.is_some())
        {
            return Ok(Some(owner));
        }
    }
    Ok(None)
}

/// Who paid an order's hold: orders are numbered and funded in the same order, so that their holds can be
/// searched by halves. `None` where that does not find it: what was funded later than others that came behind it.
fn holder_of(store: &ReadStore, tenant: TenantId, order: OrderId) -> Result<Option<AccountId>, ReadStoreError> {
    let last = store.entries(tenant, None, None, 1)?.last().map_or(0, |entry| entry.number);
    let (mut low, mut high) = (1, last + 1);
    while low < high {
        let middle = low + (high - low) / 2;
        match hold_behind(store, tenant, middle)? {
            Some((of, _, LedgerAccount::Available(owner))) if of == order => return Ok(Some(owner)),
            Some((of, number, _)) if of < order => low = number + 1,
            _ => high = middle,
        }
    }
    Ok(None)
}

/// The first hold at or behind an entry: of which order, where, and whose money.
fn hold_behind(
    store: &ReadStore,
    tenant: TenantId,
    from: u64,
) -> Result<Option<(OrderId, u64, LedgerAccount)>, ReadStoreError> {
    let mut next = from;
    while next < from + HOLDS_WITHIN as u64 {
        let entries = store.entries(tenant, None, Some(next), 64)?;
        let Some(last) = entries.last() else { return Ok(None) };
        let hold = entries.iter().find_map(|entry| match entry.cause {
            Cause::Hold(order) => Some((order, entry.number, entry.debit)),
            _ => None,
        });
        if hold.is_some() {
            return Ok(hold);
        }
        next = last.number + 1;
    }
    Ok(None)
}
