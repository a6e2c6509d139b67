//! The open orders of a wallet: what they hold, how far they are filled, and by which names they
//! are found.

use std::collections::VecDeque;

use super::snapshot::OpenOrder;
use super::submit::order_of_generated;
use crate::digest::Digest;
use crate::ids::{AccountId, AssetId, ClientOrderId, MarketId, OrderId};
use crate::market::MarketSpec;
use crate::order::{Display, Instructions, Lifetime, Link, OrderKind, SelfTrade, Side};
use crate::slab::{Index, NONE, Slab};
use crate::units::{Amount, BasisPoints, Nanos, Notional, Price, Quantity, Rounding};
use crate::update::{OrderView, Status};

/// An open order. Kept small, because there may be hundreds of thousands: what only a filled,
/// market or contingent order needs stands in [`Standing`].
#[derive(Clone, Copy, Debug)]
pub struct Order {
    pub id: OrderId,
    pub time: Nanos,
    pub price: Price,
    pub quantity: Quantity,
    pub account: AccountId,
    standing: u32,
    previous: u32,
    next: u32,
    pub market: MarketId,
    traits: Traits,
    pub client_id: ClientOrderId,
}

/// Side, kind, and whether the client chose the id, so that it must not come again: in one byte,
/// without which every order would take eight more.
#[derive(Clone, Copy, Debug)]
struct Traits(u8);

const TRAIT_BUY: u8 = 1;
const TRAIT_NAMED: u8 = 2;
const TRAIT_KIND_SHIFT: u8 = 2;

/// How far an order has come, and all that it asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Filled so far.
    pub executed: Quantity,
    /// Exact notional of it.
    pub notional: Notional,
    /// What the order still holds. Two orders of which one cancels the other hold what the dearer
    /// of them needs, once: the first of them does.
    pub held: Amount,
    /// Received amounts times their fee rates, in minor units times basis points.
    pub fee_basis: i128,
    /// Fees charged so far.
    pub fee_charged: Amount,
    /// The quote amount asked for, of an order by quote amount.
    pub budget: Amount,
    /// When it last changed.
    pub updated: Nanos,
    /// What it asks for beyond its kind, with the group and the link that the wallet gave it.
    pub instructions: Instructions,
    /// When its trigger was reached, or, without one, the order it waited for was filled; zero
    /// until then.
    pub triggered: Nanos,
    /// What it lost because it would have traded with its own account.
    pub prevented: Quantity,
    /// When the order it waited for was filled; zero until then, and for an order that waits for none.
    pub activated: Nanos,
    /// What a market order to buy may cost of which another is the partner, so that the hold they
    /// have in common covers it; zero for every other order.
    pub claim: Amount,
}

/// What a fill changes of an order: the part of its [`Progress`] that is always there. Kept apart
/// from [`Terms`], so that a fill moves a hundred bytes and not three hundred.
#[derive(Clone, Copy, Debug)]
pub struct Standing {
    pub executed: Quantity,
    pub prevented: Quantity,
    pub notional: Notional,
    pub held: Amount,
    pub fee_basis: i128,
    pub fee_charged: Amount,
    pub updated: Nanos,
    terms: u32,
}

/// The part that few orders have: see [`Progress`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Terms {
    pub instructions: Instructions,
    pub budget: Amount,
    pub triggered: Nanos,
    pub activated: Nanos,
    pub claim: Amount,
}

impl Standing {
    /// What is open of an order of this quantity.
    pub fn open(&self, quantity: Quantity) -> Quantity {
        quantity - self.executed - self.prevented
    }
}

impl Terms {
    /// Whether the order waits until another of its list is filled.
    pub fn is_pending(&self) -> bool {
        self.activated == Nanos::ZERO && self.instructions.link.is_some_and(|link| link.after.is_some())
    }

    /// Whether the order waits for its trigger, or will when it is no longer pending.
    pub fn is_waiting(&self) -> bool {
        self.instructions.trigger.is_some() && self.triggered == Nanos::ZERO
    }
}

/// What orders without terms have.
static NO_TERMS: Terms = Terms {
    instructions: Instructions {
        self_trade: SelfTrade::Allow,
        group: 0,
        trigger: None,
        display: Display::All,
        minimum: Quantity::ZERO,
        peg: None,
        lifetime: Lifetime::UntilCancelled,
        slippage: BasisPoints::ZERO,
        tag: 0,
        link: None,
    },
    budget: Amount::ZERO,
    triggered: Nanos::ZERO,
    activated: Nanos::ZERO,
    claim: Amount::ZERO,
};

/// The open orders of a wallet.
#[derive(Clone, Debug)]
pub struct Orders {
    orders: Slab<Order>,
    standings: Slab<Standing>,
    terms: Slab<Terms>,
    by_id: Index,
    /// Of the orders that their owners named. The names of the others say their numbers.
    by_client_id: Index,
    /// Per account, the first of its orders, their number, and its trade group.
    accounts: Vec<Chain>,
    closed: ClosedIds,
}

#[derive(Clone, Copy, Debug)]
struct Chain {
    first: u32,
    length: u32,
    group: u32,
}

/// Client order ids of orders that are final, the latest of them, to refuse what comes twice.
#[derive(Clone, Debug)]
struct ClosedIds {
    capacity: usize,
    keys: VecDeque<u64>,
    /// How many keys have left the window: a key's slot is its position plus this.
    gone: u64,
    index: Index,
}

impl Orders {
    pub fn new(window: usize) -> Self {
        Self {
            orders: Slab::default(),
            standings: Slab::default(),
            terms: Slab::default(),
            by_id: Index::dense(),
            by_client_id: Index::dense(),
            accounts: Vec::new(),
            closed: ClosedIds { capacity: window, keys: VecDeque::new(), gone: 0, index: Index::dense() },
        }
    }

    pub fn open_account(&mut self, group: u32) {
        self.accounts.push(Chain { first: NONE, length: 0, group });
    }

    /// The trade group of an account; zero for none.
    pub fn group(&self, account: AccountId) -> u32 {
        self.accounts.get(account.0 as usize).map_or(0, |chain| chain.group)
    }

    pub fn change_group(&mut self, account: AccountId, group: u32) {
        self.accounts[account.0 as usize].group = group;
    }

    /// The trade groups of all accounts.
    pub fn groups(&self) -> Vec<u32> {
        self.accounts.iter().map(|chain| chain.group).collect()
    }

    pub fn len(&self) -> usize {
        self.orders.len()
    }

    pub fn open_count(&self, account: AccountId) -> u32 {
        self.accounts[account.0 as usize].length
    }

    pub fn insert(&mut self, open: &OpenOrder) {
        self.insert_with(open, open.progress.as_ref());
    }

    /// Takes an order in that has come so far, whatever it says of that itself.
    #[inline]
    pub fn insert_with(&mut self, open: &OpenOrder, progress: Option<&Progress>) {
        let order = Order::new(open);
        let chain = self.accounts[order.account.0 as usize];
        let standing = progress.map_or(NONE, |progress| self.take_in(progress));
        let slot = self.orders.insert(Order { standing, previous: NONE, next: chain.first, ..order });
        if chain.first != NONE {
            self.orders[chain.first].previous = slot;
        }
        self.accounts[order.account.0 as usize] = Chain { first: slot, length: chain.length + 1, ..chain };
        self.by_id.insert(order.id.0, slot, |slot| self.orders[slot].id.0);
        if order.named() {
            self.by_client_id.insert(key(order.account, &order.client_id), slot, |slot| {
                let order = &self.orders[slot];
                key(order.account, &order.client_id)
            });
        }
    }

    #[inline(never)]
    fn take_in(&mut self, progress: &Progress) -> u32 {
        let Progress { executed, notional, held, fee_basis, fee_charged, budget, updated, .. } = *progress;
        let Progress { instructions, triggered, prevented, activated, claim, .. } = *progress;
        let terms = Terms { instructions, budget, triggered, activated, claim };
        let terms = if terms == NO_TERMS { NONE } else { self.terms.insert(terms) };
        self.standings.insert(Standing { executed, prevented, notional, held, fee_basis, fee_charged, updated, terms })
    }

    /// Takes an order out. `remember` keeps its client id from being used again.
    pub fn remove(&mut self, slot: u32, remember: bool) {
        let order = self.orders[slot];
        let chain = &mut self.accounts[order.account.0 as usize];
        chain.length -= 1;
        if order.previous == NONE {
            chain.first = order.next;
        } else {
            self.orders[order.previous].next = order.next;
        }
        if order.next != NONE {
            self.orders[order.next].previous = order.previous;
        }
        self.by_id.remove(order.id.0, slot);
        if order.standing != NONE {
            let terms = self.standings[order.standing].terms;
            if terms != NONE {
                self.terms.remove(terms);
            }
            self.standings.remove(order.standing);
        }
        if order.named() {
            let client_key = key(order.account, &order.client_id);
            self.by_client_id.remove(client_key, slot);
            if remember {
                self.closed.push(client_key);
            }
        }
        self.orders.remove(slot);
    }

    pub fn get(&self, slot: u32) -> &Order {
        &self.orders[slot]
    }

    pub fn get_mut(&mut self, slot: u32) -> &mut Order {
        &mut self.orders[slot]
    }

    pub fn find(&self, id: OrderId) -> Option<u32> {
        self.by_id.get(id.0, |slot| self.orders[slot].id == id)
    }

    pub fn find_by_client_id(&self, account: AccountId, client_id: &ClientOrderId) -> Option<u32> {
        self.find_by_key(key(account, client_id), account, client_id)
    }

    /// Whether a client order id is open or was closed within the window.
    pub fn is_used(&self, account: AccountId, client_id: &ClientOrderId) -> bool {
        let key = key(account, client_id);
        self.find_by_key(key, account, client_id).is_some() || self.closed.contains(key)
    }

    #[inline]
    fn find_by_key(&self, key: u64, account: AccountId, client_id: &ClientOrderId) -> Option<u32> {
        let found = self.by_client_id.get(key, |slot| {
            let order = &self.orders[slot];
            order.account == account && order.client_id == *client_id
        });
        found.or_else(|| self.find_generated(account, client_id))
    }

    /// A name that the wallet gave says the order's number.
    fn find_generated(&self, account: AccountId, client_id: &ClientOrderId) -> Option<u32> {
        let slot = self.find(order_of_generated(client_id)?)?;
        let order = &self.orders[slot];
        (order.account == account && !order.named() && order.client_id == *client_id).then_some(slot)
    }

    /// The account's open orders, the latest first.
    pub fn of_account(&self, account: AccountId) -> impl Iterator<Item = u32> + '_ {
        let mut slot = self.accounts.get(account.0 as usize).map_or(NONE, |chain| chain.first);
        std::iter::from_fn(move || {
            let current = (slot != NONE).then_some(slot)?;
            slot = self.orders[current].next;
            Some(current)
        })
    }

    pub fn standing(&self, slot: u32, spec: &MarketSpec) -> Standing {
        let order = &self.orders[slot];
        if order.standing == NONE {
            Standing {
                executed: Quantity::ZERO,
                prevented: Quantity::ZERO,
                notional: Notional::ZERO,
                held: hold(order.side(), order.price, order.quantity, spec),
                fee_basis: 0,
                fee_charged: Amount::ZERO,
                updated: order.time,
                terms: NONE,
            }
        } else {
            self.standings[order.standing]
        }
    }

    pub fn set_standing(&mut self, slot: u32, standing: Standing) {
        let order = &mut self.orders[slot];
        if order.standing == NONE {
            order.standing = self.standings.insert(standing);
        } else {
            self.standings[order.standing] = standing;
        }
    }

    /// What is open of an order.
    pub fn open(&self, slot: u32) -> Quantity {
        let order = &self.orders[slot];
        if order.standing == NONE { order.quantity } else { self.standings[order.standing].open(order.quantity) }
    }

    /// What an order lost because it would have traded with its own account.
    pub fn prevented(&self, slot: u32) -> Quantity {
        let order = &self.orders[slot];
        if order.standing == NONE { Quantity::ZERO } else { self.standings[order.standing].prevented }
    }

    /// What an order asks for beyond its kind, and how far that has come.
    pub fn terms(&self, slot: u32) -> &Terms {
        match self.terms_slot(slot) {
            NONE => &NO_TERMS,
            terms => &self.terms[terms],
        }
    }

    /// The same, to note that it has come further; `None` for an order that asks for nothing.
    pub fn terms_mut(&mut self, slot: u32) -> Option<&mut Terms> {
        match self.terms_slot(slot) {
            NONE => None,
            terms => Some(&mut self.terms[terms]),
        }
    }

    fn terms_slot(&self, slot: u32) -> u32 {
        match self.orders[slot].standing {
            NONE => NONE,
            standing => self.standings[standing].terms,
        }
    }

    /// How an order hangs together with others of its list.
    pub fn link(&self, slot: u32) -> Option<Link> {
        self.terms(slot).instructions.link
    }

    /// The open order that lapses when this one trades, is triggered or ends.
    pub fn partner(&self, slot: u32) -> Option<u32> {
        self.find(self.link(slot)?.partner?)
    }

    /// How far an order has come; `None` for a limit order untouched since it was funded.
    pub fn progress(&self, slot: u32) -> Option<Progress> {
        let order = &self.orders[slot];
        if order.standing == NONE {
            return None;
        }
        let Standing { executed, prevented, notional, held, fee_basis, fee_charged, updated, .. } =
            self.standings[order.standing];
        let Terms { instructions, budget, triggered, activated, claim } = *self.terms(slot);
        Some(Progress {
            executed,
            notional,
            held,
            fee_basis,
            fee_charged,
            budget,
            updated,
            instructions,
            triggered,
            prevented,
            activated,
            claim,
        })
    }

    /// What an order must go on holding for what is open of it, whoever else counts on its hold.
    pub fn needed(&self, slot: u32, spec: &MarketSpec) -> Amount {
        let order = &self.orders[slot];
        let standing = self.standing(slot, spec);
        if order.kind().has_limit() || order.side() == Side::Sell {
            return hold(order.side(), order.price, standing.open(order.quantity), spec);
        }
        // A market order to buy has no price to tell what its rest needs: it keeps what it holds.
        let claim = self.terms(slot).claim;
        if claim.is_zero() { standing.held } else { claim }
    }

    /// The order as its owner sees it.
    #[inline(always)]
    pub fn view(&self, slot: u32) -> OrderView {
        let order = &self.orders[slot];
        let (executed, prevented, notional, updated, terms) = match order.standing {
            NONE => (Quantity::ZERO, Quantity::ZERO, Notional::ZERO, order.time, NONE),
            standing => {
                let standing = &self.standings[standing];
                (standing.executed, standing.prevented, standing.notional, standing.updated, standing.terms)
            }
        };
        let terms = if terms == NONE { &NO_TERMS } else { &self.terms[terms] };
        let status = if terms.is_pending() {
            Status::Pending
        } else if executed.is_zero() {
            Status::New
        } else if executed < order.quantity {
            Status::PartiallyFilled
        } else {
            Status::Filled
        };
        OrderView {
            id: order.id,
            client_id: order.client_id,
            account: order.account,
            market: order.market,
            side: order.side(),
            kind: order.kind(),
            price: order.price,
            quantity: order.quantity,
            budget: terms.budget,
            executed,
            notional,
            status,
            time: order.time,
            updated,
            instructions: terms.instructions,
            triggered: terms.triggered,
            prevented,
        }
    }

    pub fn closed_keys(&self) -> impl Iterator<Item = u64> + '_ {
        self.closed.keys.iter().copied()
    }

    pub fn restore_closed(&mut self, keys: &[u64]) {
        keys.iter().for_each(|key| self.closed.push(*key));
    }

    /// Remembers this many closed client ids from now on, and forgets the oldest beyond them.
    pub fn resize_window(&mut self, window: usize) {
        self.closed.capacity = window;
        while self.closed.keys.len() > window {
            self.closed.forget_oldest();
        }
    }

    /// Every open order in the order of its number.
    pub fn sorted(&self) -> Vec<u32> {
        self.sorted_of(None, |_, _| true)
    }

    /// The open orders of an account, or of all, that are wanted, in the order of their numbers.
    pub fn sorted_of(&self, account: Option<AccountId>, wanted: impl Fn(&Order, &Terms) -> bool) -> Vec<u32> {
        let accounts = match account {
            Some(account) => account.0..account.0 + 1,
            None => 0..u32::try_from(self.accounts.len()).expect("accounts are numbered by 32 bits"),
        };
        let slots = accounts.flat_map(|account| self.of_account(AccountId(account)));
        let mut slots: Vec<u32> = slots.filter(|slot| wanted(&self.orders[*slot], self.terms(*slot))).collect();
        slots.sort_unstable_by_key(|slot| self.orders[*slot].id);
        slots
    }
}

impl Order {
    #[inline]
    fn new(open: &OpenOrder) -> Self {
        Self {
            id: open.id,
            time: open.time,
            price: open.price,
            quantity: open.quantity,
            account: open.account,
            standing: NONE,
            previous: NONE,
            next: NONE,
            market: open.market,
            traits: Traits::new(open.side, open.kind, open.named),
            client_id: open.client_id,
        }
    }

    pub fn side(&self) -> Side {
        if self.traits.0 & TRAIT_BUY == 0 { Side::Sell } else { Side::Buy }
    }

    pub fn kind(&self) -> OrderKind {
        OrderKind::ALL[usize::from(self.traits.0 >> TRAIT_KIND_SHIFT)]
    }

    pub fn named(&self) -> bool {
        self.traits.0 & TRAIT_NAMED != 0
    }
}

impl Traits {
    fn new(side: Side, kind: OrderKind, named: bool) -> Self {
        let buy = if side == Side::Buy { TRAIT_BUY } else { 0 };
        let named = if named { TRAIT_NAMED } else { 0 };
        Self((kind as u8) << TRAIT_KIND_SHIFT | buy | named)
    }
}

impl ClosedIds {
    fn push(&mut self, key: u64) {
        if self.capacity == 0 {
            return;
        }
        if self.keys.len() == self.capacity {
            self.forget_oldest();
        }
        let slot = slot_of(self.gone + self.keys.len() as u64);
        self.index.insert(key, slot, |slot| self.keys[position_of(slot, self.gone)]);
        self.keys.push_back(key);
    }

    fn forget_oldest(&mut self) {
        if let Some(oldest) = self.keys.pop_front() {
            self.index.remove(oldest, slot_of(self.gone));
            self.gone += 1;
        }
    }

    fn contains(&self, key: u64) -> bool {
        self.index.get(key, |slot| self.keys.get(position_of(slot, self.gone)) == Some(&key)).is_some()
    }
}

/// Positions wrap below [`NONE`]; the window is far smaller than the wrap.
const SLOT_MASK: u32 = (1 << 30) - 1;

fn slot_of(position: u64) -> u32 {
    #[expect(clippy::cast_possible_truncation, reason = "masked to 30 bits")]
    let slot = (position & u64::from(SLOT_MASK)) as u32;
    slot
}

/// Where in the window a slot's key stands.
fn position_of(slot: u32, gone: u64) -> usize {
    (slot.wrapping_sub(slot_of(gone)) & SLOT_MASK) as usize
}

/// What a limit order must hold: rounded up once, so that no fill can find it short.
pub fn hold(side: Side, price: Price, quantity: Quantity, spec: &MarketSpec) -> Amount {
    match side {
        Side::Buy => spec.quote_amount(price.times(quantity), Rounding::Ceil),
        Side::Sell => spec.base_amount(quantity),
    }
}

/// The asset that an order pays with, and so holds.
pub fn paid_in(side: Side, spec: &MarketSpec) -> AssetId {
    match side {
        Side::Buy => spec.quote,
        Side::Sell => spec.base,
    }
}

fn key(account: AccountId, client_id: &ClientOrderId) -> u64 {
    let mut digest = Digest(u64::from(account.0) + 1);
    client_id.add_to(&mut digest);
    digest.0
}

// The memory of a resting order is a figure that users are promised.
const _: () = assert!(size_of::<Order>() == 88);
