//! Orders that hang together: how they are placed and cancelled, and which lists are open.

use std::collections::BTreeMap;

use super::checks::{Beside, Funding};
use super::commands::{Contingency, ListRef, Place, PlaceList};
use super::submit::generated_client_id;
use super::{Submitted, Wallet, WalletOutput};
use crate::ids::{AccountId, ClientOrderId, MarketId, OrderId};
use crate::message::BookCommand;
use crate::order::{Link, OrderKind, Side};
use crate::reason::Reason;
use crate::units::{Amount, Nanos};
use crate::update::ListView;

/// The lists of which an order is open.
#[derive(Clone, Debug, Default)]
pub struct Lists {
    lists: BTreeMap<OrderId, OpenList>,
    by_client_id: BTreeMap<(AccountId, String), OrderId>,
}

#[derive(Clone, Debug)]
struct OpenList {
    view: ListView,
    /// How many of its orders are open.
    open: usize,
}

/// How an order of a list hangs together with the others, by their places in it.
#[derive(Clone, Copy)]
struct Role {
    partner: Option<usize>,
    after: Option<usize>,
}

impl Lists {
    /// Takes a list in, none of whose orders is open yet.
    pub fn insert(&mut self, view: ListView) {
        self.by_client_id.insert((view.account, view.client_id.to_string()), view.id);
        self.lists.insert(view.id, OpenList { view, open: 0 });
    }

    /// One of a list's orders is open.
    pub fn enter(&mut self, list: OrderId) {
        if let Some(list) = self.lists.get_mut(&list) {
            list.open += 1;
        }
    }

    /// One of a list's orders is no longer open; with the last of them, the list is gone, and given
    /// back.
    pub fn leave(&mut self, list: OrderId) -> Option<ListView> {
        let open = self.lists.get_mut(&list).expect("a list is known as long as one of its orders is open");
        open.open -= 1;
        if open.open == 0 {
            self.by_client_id.remove(&(open.view.account, open.view.client_id.to_string()));
            return self.lists.remove(&list).map(|ended| ended.view);
        }
        None
    }

    pub fn get(&self, list: OrderId) -> Option<&ListView> {
        self.lists.get(&list).map(|list| &list.view)
    }

    fn find(&self, account: AccountId, client_id: &ClientOrderId) -> Option<&ListView> {
        self.get(*self.by_client_id.get(&(account, client_id.to_string()))?)
    }

    /// Every open list in the order of its number.
    pub fn sorted(&self) -> Vec<ListView> {
        self.lists.values().map(|list| list.view.clone()).collect()
    }
}

impl Contingency {
    fn role(self, position: usize) -> Role {
        let (partner, after) = match (self, position) {
            (Self::OneCancelsOther, 0) => (Some(1), None),
            (Self::OneCancelsOther, _) => (Some(0), None),
            (Self::OneTriggersOther | Self::OneTriggersPair, 0) => (None, None),
            (Self::OneTriggersOther, _) => (None, Some(0)),
            (Self::OneTriggersPair, 1) => (Some(2), Some(0)),
            (Self::OneTriggersPair, _) => (Some(1), Some(0)),
        };
        Role { partner, after }
    }
}

impl Wallet {
    pub(super) fn submit_list(&mut self, list: &PlaceList, output: &mut WalletOutput) -> Result<Submitted, Reason> {
        let funded = self.check_list(list)?;
        // From here on the command cannot fail in the wallet.
        let first = &list.places[0];
        let id = self.next_order(first.time);
        let apart = self.sharing.orders_apart();
        let order_id = |position: usize| OrderId(id.0 + position as u64 * apart);
        let mut orders = Vec::with_capacity(list.places.len());
        for (position, (place, (funding, hold))) in list.places.iter().zip(funded).enumerate() {
            let Role { partner, after } = list.contingency.role(position);
            let link = Link { list: id, partner: partner.map(order_id), after: after.map(order_id) };
            orders.push(self.fund(order_id(position), place, funding, hold, Some(link), output));
        }
        let client_id_of =
            |(place, order): (&Place, OrderId)| (order, place.client_id.unwrap_or_else(|| generated_client_id(order)));
        let ids = orders.iter().map(|order| order.id);
        self.lists.insert(ListView {
            id,
            client_id: list.client_id.unwrap_or_else(|| generated_client_id(id)),
            account: first.account,
            market: first.market,
            contingency: list.contingency,
            orders: list.places.iter().zip(ids).map(client_id_of).collect(),
            time: first.time,
        });
        orders.iter().for_each(|_| self.lists.enter(id));
        Ok(self.forward(first.market, first.time, BookCommand::PlaceList(orders.into())))
    }

    pub(super) fn submit_cancel_list(
        &mut self,
        account: AccountId,
        market: MarketId,
        target: ListRef,
        time: Nanos,
    ) -> Result<Submitted, Reason> {
        self.check_place_of(account, market)?;
        let list = self.resolve_list(account, target)?;
        if list.market != market {
            return Err(Reason::UnknownList);
        }
        // Any of them takes the others along. Those that wait for another are the least likely to be
        // gone already in the book: the other may be filled there, and that alone does not end them.
        let open = list.orders.iter().filter_map(|(order, _)| self.orders.find(*order));
        let waits = |slot: &u32| self.orders.link(*slot).is_some_and(|link| link.after.is_some());
        let slot = open.min_by_key(|slot| !waits(slot)).ok_or(Reason::UnknownList)?;
        // From here on the command cannot fail in the wallet.
        let command = BookCommand::Cancel { order: self.orders.get(slot).id, restriction: Default::default() };
        Ok(self.forward(market, time, command))
    }

    /// The checks of a list, and for each of its orders what it needs and what it holds of that. Two
    /// of which one cancels the other need what the dearer of them does, and the first holds it.
    fn check_list(&self, list: &PlaceList) -> Result<Vec<(Funding, Amount)>, Reason> {
        let first = list.places.first().ok_or(Reason::MalformedList)?;
        self.check_place_of(first.account, first.market)?;
        if !is_well_formed(list) {
            return Err(Reason::MalformedList);
        }
        if list.client_id.is_some_and(|id| self.lists.find(first.account, &id).is_some()) {
            return Err(Reason::DuplicateListId);
        }
        let named = list.places.iter().enumerate().filter(|(_, place)| place.client_id.is_some());
        for (position, place) in named {
            if list.places[..position].iter().any(|before| before.client_id == place.client_id) {
                return Err(Reason::DuplicateClientOrderId);
            }
        }
        let mut funded: Vec<(Funding, Amount)> = Vec::with_capacity(list.places.len());
        let mut beside = Beside { listed: true, ..Beside::default() };
        for (position, place) in list.places.iter().enumerate() {
            let Role { partner, after } = list.contingency.role(position);
            beside.after = after.map(|working| list.places[working].price);
            let funding = self.check_place(place, &beside)?;
            beside.orders += 1;
            beside.waiting += u32::from(place.instructions.trigger.is_some());
            let mut hold = funding.hold;
            if partner.is_some_and(|partner| partner > position) {
                // It counts with its partner.
                funded.push((funding, hold));
                continue;
            }
            if let Some((_, shared)) = partner.and_then(|partner| funded.get_mut(partner)) {
                *shared = Amount(shared.0.max(hold.0));
                beside.paid[place.side as usize] += *shared;
                hold = Amount::ZERO;
            } else {
                beside.paid[place.side as usize] += hold;
            }
            if place.side == Side::Buy {
                beside.buying += self.spec(place.market).base_amount(funding.quantity);
            }
            funded.push((funding, hold));
        }
        Ok(funded)
    }

    /// The open list that a user means.
    pub(super) fn resolve_list(&self, account: AccountId, target: ListRef) -> Result<&ListView, Reason> {
        let own = |list: &&ListView| list.account == account;
        let by_id = target.id.map(|id| self.lists.get(id).filter(own));
        let by_client_id = target.client_id.map(|id| self.lists.find(account, &id));
        match (by_id, by_client_id) {
            (Some(Some(left)), Some(Some(right))) if left.id != right.id => Err(Reason::ConflictingOrderIds),
            (Some(Some(_)), Some(None)) => Err(Reason::ConflictingOrderIds),
            (Some(list), _) | (None, Some(list)) => list.ok_or(Reason::UnknownList),
            (None, None) => Err(Reason::UnknownList),
        }
    }
}

/// Whether the orders make the list that they are said to make.
fn is_well_formed(list: &PlaceList) -> bool {
    let [first, others @ ..] = &list.places[..] else { return false };
    if others.iter().any(|other| (other.account, other.market) != (first.account, first.market)) {
        return false;
    }
    match (list.contingency, others) {
        (Contingency::OneCancelsOther, [other]) => is_pair(first, other),
        (Contingency::OneTriggersOther, [other]) => may_work(first) && other.kind != OrderKind::MarketByQuote,
        (Contingency::OneTriggersPair, [one, other]) => may_work(first) && is_pair(one, other),
        _ => false,
    }
}

/// Whether two orders may be such that one cancels the other.
fn is_pair(first: &Place, second: &Place) -> bool {
    let waits = |place: &Place| place.instructions.trigger.is_some();
    let rests = matches!(first.kind, OrderKind::Limit | OrderKind::PostOnly);
    let alike = (first.side, first.quantity) == (second.side, second.quantity);
    alike && (rests || waits(first)) && waits(second)
}

/// Whether others may wait for this order.
fn may_work(place: &Place) -> bool {
    place.kind.may_rest() && place.instructions.trigger.is_none()
}
