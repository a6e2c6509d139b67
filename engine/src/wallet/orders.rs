//! The open orders of a wallet: what they hold, how far they are filled, and by which names they
//! are found.

use std::collections::VecDeque;

use crate::digest::Digest;
use crate::ids::{AccountId, AssetId, ClientOrderId, MarketId, OrderId};
use crate::market::MarketSpec;
use crate::order::{Instructions, OrderKind, Side};
use crate::slab::{Index, NONE, Slab};
use crate::units::{Amount, Nanos, Notional, Price, Quantity, Rounding};
use crate::update::{OrderView, Status};

/// An open order. Kept small, because there may be hundreds of thousands: what only a filled,
/// market or contingent order needs stands in [`Progress`].
#[derive(Clone, Copy, Debug)]
pub struct Order {
    pub id: OrderId,
    pub time: Nanos,
    pub price: Price,
    pub quantity: Quantity,
    pub account: AccountId,
    pub progress: u32,
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

/// How far an order has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Filled so far.
    pub executed: Quantity,
    /// Exact notional of it.
    pub notional: Notional,
    /// What the order still holds.
    pub held: Amount,
    /// Received amounts times their fee rates, in minor units times basis points.
    pub fee_basis: i128,
    /// Fees charged so far.
    pub fee_charged: Amount,
    /// The quote amount asked for, of an order by quote amount.
    pub budget: Amount,
    /// When it last changed.
    pub updated: Nanos,
    /// What it asks for beyond its kind.
    pub instructions: Instructions,
    /// When its trigger was reached; zero until then.
    pub triggered: Nanos,
    /// What it lost because it would have traded with its own account.
    pub prevented: Quantity,
}

impl Progress {
    /// What is open of an order of this quantity.
    #[must_use]
    pub fn open(&self, quantity: Quantity) -> Quantity {
        quantity - self.executed - self.prevented
    }
}

/// The open orders of a wallet.
#[derive(Clone, Debug)]
pub struct Orders {
    orders: Slab<Order>,
    progress: Slab<Progress>,
    by_id: Index,
    by_client_id: Index,
    /// Per account, the first of its orders and their number.
    accounts: Vec<Chain>,
    closed: ClosedIds,
}

#[derive(Clone, Copy, Debug)]
struct Chain {
    first: u32,
    length: u32,
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
            progress: Slab::default(),
            by_id: Index::dense(),
            by_client_id: Index::dense(),
            accounts: Vec::new(),
            closed: ClosedIds { capacity: window, keys: VecDeque::new(), gone: 0, index: Index::dense() },
        }
    }

    pub fn open_account(&mut self) {
        self.accounts.push(Chain { first: NONE, length: 0 });
    }

    pub fn len(&self) -> usize {
        self.orders.len()
    }

    pub fn open_count(&self, account: AccountId) -> u32 {
        self.accounts[account.0 as usize].length
    }

    pub fn insert(&mut self, order: Order, progress: Option<Progress>) -> u32 {
        let chain = self.accounts[order.account.0 as usize];
        let progress = progress.map_or(NONE, |progress| self.progress.insert(progress));
        let slot = self.orders.insert(Order { progress, previous: NONE, next: chain.first, ..order });
        if chain.first != NONE {
            self.orders[chain.first].previous = slot;
        }
        self.accounts[order.account.0 as usize] = Chain { first: slot, length: chain.length + 1 };
        self.by_id.insert(order.id.0, slot, |slot| self.orders[slot].id.0);
        self.by_client_id.insert(key(order.account, &order.client_id), slot, |slot| {
            let order = &self.orders[slot];
            key(order.account, &order.client_id)
        });
        slot
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
        let client_key = key(order.account, &order.client_id);
        self.by_id.remove(order.id.0, slot);
        self.by_client_id.remove(client_key, slot);
        if order.progress != NONE {
            self.progress.remove(order.progress);
        }
        self.orders.remove(slot);
        if remember && order.named() {
            self.closed.push(client_key);
        }
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
        self.by_client_id.get(key, |slot| {
            let order = &self.orders[slot];
            order.account == account && order.client_id == *client_id
        })
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

    pub fn progress(&self, slot: u32, spec: &MarketSpec) -> Progress {
        let order = &self.orders[slot];
        if order.progress == NONE {
            Progress {
                held: hold(order.side(), order.price, order.quantity, spec),
                updated: order.time,
                ..Progress::default()
            }
        } else {
            self.progress[order.progress]
        }
    }

    pub fn set_progress(&mut self, slot: u32, progress: Progress) {
        let order = &mut self.orders[slot];
        if order.progress == NONE {
            order.progress = self.progress.insert(progress);
        } else {
            self.progress[order.progress] = progress;
        }
    }

    /// The order as its owner sees it.
    pub fn view(&self, slot: u32) -> OrderView {
        let order = &self.orders[slot];
        // Nobody is shown what an order holds, and most orders have come no way yet.
        let untouched = Progress { updated: order.time, ..Progress::default() };
        let progress = if order.progress == NONE { &untouched } else { &self.progress[order.progress] };
        let status = if progress.executed.is_zero() {
            Status::New
        } else if progress.executed < order.quantity {
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
            budget: progress.budget,
            executed: progress.executed,
            notional: progress.notional,
            status,
            time: order.time,
            updated: progress.updated,
            instructions: progress.instructions,
            triggered: progress.triggered,
            prevented: progress.prevented,
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
        let accounts = (0..self.accounts.len()).filter_map(|account| u32::try_from(account).ok());
        let mut slots: Vec<u32> = accounts.flat_map(|account| self.of_account(AccountId(account))).collect();
        slots.sort_unstable_by_key(|slot| self.orders[*slot].id);
        slots
    }
}

impl Order {
    pub fn new(view: &OrderView, named: bool) -> Self {
        Self {
            id: view.id,
            time: view.time,
            price: view.price,
            quantity: view.quantity,
            account: view.account,
            progress: NONE,
            previous: NONE,
            next: NONE,
            market: view.market,
            traits: Traits::new(view.side, view.kind, named),
            client_id: view.client_id,
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
