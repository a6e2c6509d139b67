//! The way in: a command is checked, funded, and sent on its way to the book.

use super::checks::{Beside, Funding};
use super::commands::{Cancel, Command, OrderRef, Place};
use super::ledger::{Cause, LedgerAccount, Posting};
use super::snapshot::OpenOrder;
use super::{GENERATED_PREFIX, Progress, Submitted, Wallet, WalletOutput, orders};
use crate::ids::{AccountId, ClientOrderId, MarketId, OrderId};
use crate::message::{BookCommand, ToBook};
use crate::order::{Instructions, Link, NewOrder, OrderKind, Side};
use crate::reason::Reason;
use crate::units::{Amount, Nanos, Quantity};

impl Wallet {
    /// Checks a command, funds it, and sends it on its way to the book.
    ///
    /// A rejected command leaves the wallet exactly as it was and is not journaled.
    pub fn submit(&mut self, command: &Command, output: &mut WalletOutput) -> Submitted {
        // The two that nearly all commands are write their message where it stays: it is large.
        match command {
            Command::Place(place) => self.submit_place(place, output),
            Command::Cancel(cancel) => self.submit_cancel(cancel),
            _ => self.submit_other(command, output).unwrap_or_else(Submitted::Rejected),
        }
    }

    fn submit_other(&mut self, command: &Command, output: &mut WalletOutput) -> Result<Submitted, Reason> {
        match command {
            Command::Place(place) => Ok(self.submit_place(place, output)),
            Command::Cancel(cancel) => Ok(self.submit_cancel(cancel)),
            Command::CancelAll { account, market, time } => {
                self.submit_cancel_many(Some(*account), *market, None, None, *time)
            }
            Command::Reduce { account, market, target, quantity, time } => {
                self.submit_reduce(*account, *market, *target, *quantity, *time)
            }
            Command::Replace { cancel, allow_failure, place } => {
                self.submit_replace(cancel, *allow_failure, place, output)
            }
            Command::PlaceList(list) => self.submit_list(list, output),
            Command::CancelList { account, market, target, time } => {
                self.submit_cancel_list(*account, *market, *target, *time)
            }
            Command::CancelMany { account, market, side, tag, time } => {
                self.submit_cancel_many(*account, *market, *side, *tag, *time)
            }
            Command::Enter { market, phase, until, time } => {
                self.submit_to_market(*market, *time, BookCommand::Enter { phase: *phase, until: *until })
            }
            Command::Protect { market, protection, time } => {
                self.submit_to_market(*market, *time, BookCommand::Protect(*protection))
            }
            Command::Advance { market, time } => self.submit_to_market(*market, *time, BookCommand::Advance),
        }
    }

    #[inline]
    fn submit_place(&mut self, place: &Place, output: &mut WalletOutput) -> Submitted {
        let funding = match self.check_place(place, &Beside::default()) {
            Ok(funding) => funding,
            Err(reason) => return Submitted::Rejected(reason),
        };
        // From here on the command cannot fail in the wallet.
        let id = self.next_order(place.time);
        let order = self.fund(id, place, funding, funding.hold, None, output);
        self.forward(place.market, place.time, BookCommand::Place(order))
    }

    #[inline]
    fn submit_cancel(&mut self, cancel: &Cancel) -> Submitted {
        let found = self
            .check_place_of(cancel.account, cancel.market)
            .and_then(|()| self.resolve(cancel.account, cancel.market, cancel.target));
        let slot = match found {
            Ok(slot) => slot,
            Err(reason) => return Submitted::Rejected(reason),
        };
        // From here on the command cannot fail in the wallet.
        let order = self.orders.get(slot).id;
        let command = BookCommand::Cancel { order, restriction: cancel.restriction };
        self.forward(cancel.market, cancel.time, command)
    }

    fn submit_cancel_many(
        &mut self,
        account: Option<AccountId>,
        market: MarketId,
        side: Option<Side>,
        tag: Option<u64>,
        time: Nanos,
    ) -> Result<Submitted, Reason> {
        match account {
            Some(account) => self.check_place_of(account, market)?,
            None => self.check_market(market)?,
        }
        let slots = self.orders.sorted_of(account, |order, terms| {
            order.market == market
                && side.is_none_or(|side| order.side() == side)
                && tag.is_none_or(|tag| terms.instructions.tag == tag)
        });
        if slots.is_empty() {
            return Err(Reason::UnknownOrder);
        }
        // From here on the command cannot fail in the wallet.
        let orders = slots.iter().map(|slot| self.orders.get(*slot).id).collect();
        Ok(self.forward(market, time, BookCommand::CancelMany(orders)))
    }

    fn submit_reduce(
        &mut self,
        account: AccountId,
        market: MarketId,
        target: OrderRef,
        quantity: Quantity,
        time: Nanos,
    ) -> Result<Submitted, Reason> {
        self.check_place_of(account, market)?;
        let slot = self.resolve(account, market, target)?;
        let order = self.orders.get(slot);
        if quantity.is_zero() || quantity >= order.quantity {
            return Err(Reason::QuantityNotReduced);
        }
        // From here on the command cannot fail in the wallet.
        let command = BookCommand::Reduce { order: order.id, quantity };
        Ok(self.forward(market, time, command))
    }

    fn submit_replace(
        &mut self,
        cancel: &Cancel,
        allow_failure: bool,
        place: &Place,
        output: &mut WalletOutput,
    ) -> Result<Submitted, Reason> {
        self.check_place_of(place.account, place.market)?;
        let old = match self.resolve(place.account, place.market, cancel.target) {
            Ok(slot) => Some(slot),
            Err(_) if allow_failure => None,
            Err(reason) => return Err(reason),
        };
        let Some(old) = old else {
            return Ok(self.submit_place(place, output));
        };
        // What the old order holds can pay for the new one, if it is the same money. The book makes
        // sure that as much of the old order is still there. What it holds for a partner may have
        // shrunk by then with nothing to tell.
        let spec = *self.spec(place.market);
        let old_order = *self.orders.get(old);
        let old_standing = self.orders.standing(old, &spec);
        let mut from_old = Amount::ZERO;
        if old_order.side() == place.side && place.kind.has_limit() {
            from_old = old_standing.held;
            if self.orders.link(old).is_some() {
                from_old = Amount(from_old.0.min(self.orders.needed(old, &spec).0));
            }
        }
        let funding = self.check_place(place, &Beside { from_old, ..Beside::default() })?;
        let available = self.paid_from(place);
        let hold = Amount(funding.hold.0.min(available.0));
        // From here on the command cannot fail in the wallet.
        let old_remaining_needed =
            if hold == funding.hold { Quantity::ZERO } else { old_standing.open(old_order.quantity) };
        let id = self.next_order(place.time);
        let new = self.fund(id, place, funding, hold, None, output);
        let command = BookCommand::Replace {
            old: old_order.id,
            restriction: cancel.restriction,
            allow_failure,
            old_remaining_needed,
            new,
        };
        Ok(self.forward(place.market, place.time, command))
    }

    fn submit_to_market(&mut self, market: MarketId, time: Nanos, command: BookCommand) -> Result<Submitted, Reason> {
        self.check_market(market)?;
        // From here on the command cannot fail in the wallet.
        Ok(self.forward(market, time, command))
    }

    /// Takes the order in under its number, moves the part of its hold that is not to come from an order
    /// that it replaces, and not held by its partner, and makes what the book gets.
    #[inline]
    pub(super) fn fund(
        &mut self,
        id: OrderId,
        place: &Place,
        funding: Funding,
        hold: Amount,
        link: Option<Link>,
        output: &mut WalletOutput,
    ) -> NewOrder {
        self.last_order = id.0;
        let group = self.orders.group(place.account);
        // Most orders ask for nothing, and what they do not ask for is not moved about.
        let instructions = if group == 0 && link.is_none() && place.instructions.is_plain() {
            None
        } else {
            Some(Instructions { group, link, ..place.instructions }).filter(|asked| !asked.is_plain())
        };
        let is_told_by_price = place.kind.has_limit() && hold == funding.hold;
        let progress = (instructions.is_some() || !is_told_by_price).then(|| {
            let shares = link.is_some_and(|link| link.partner.is_some());
            let claims = shares && place.kind == OrderKind::Market && place.side == Side::Buy;
            Progress {
                held: hold,
                budget: place.budget,
                updated: place.time,
                instructions: instructions.unwrap_or_default(),
                claim: if claims { funding.hold } else { Amount::ZERO },
                ..Progress::default()
            }
        });
        let open = OpenOrder {
            id,
            client_id: place.client_id.unwrap_or_else(|| generated_client_id(id)),
            named: place.client_id.is_some(),
            account: place.account,
            market: place.market,
            side: place.side,
            kind: place.kind,
            price: place.price,
            quantity: funding.quantity,
            time: place.time,
            progress: None,
        };
        self.orders.insert_with(&open, progress.as_ref());
        let asset = orders::paid_in(place.side, self.spec(place.market));
        let mut posting = Posting { time: place.time, cause: Cause::Hold(id), entries: &mut output.entries };
        let (debit, credit) = (LedgerAccount::Available(place.account), LedgerAccount::Held(place.account));
        self.ledger.transfer(asset, debit, credit, hold, &mut posting);
        NewOrder {
            id,
            account: place.account,
            side: place.side,
            kind: place.kind,
            limit: place.price,
            quantity: funding.quantity,
            budget: funding.budget,
            time: place.time,
            instructions,
        }
    }

    #[inline]
    pub(super) fn forward(&mut self, market: MarketId, time: Nanos, command: BookCommand) -> Submitted {
        let path = &mut self.markets[usize::from(market.0)];
        path.sent += 1;
        Submitted::Forwarded { market, message: ToBook { number: path.sent, time, command } }
    }

    /// The open order that a user means.
    pub(super) fn resolve(&self, account: AccountId, market: MarketId, target: OrderRef) -> Result<u32, Reason> {
        // Another's order is as unknown as one that never was.
        let own = |slot: &u32| {
            let order = self.orders.get(*slot);
            order.account == account && order.market == market
        };
        let by_id = target.id.map(|id| self.orders.find(id).filter(own));
        let by_client_id = target.client_id.map(|id| self.orders.find_by_client_id(account, &id).filter(own));
        match (by_id, by_client_id) {
            (Some(Some(left)), Some(right)) if Some(left) != right => Err(Reason::ConflictingOrderIds),
            (Some(slot), _) | (None, Some(slot)) => slot.ok_or(Reason::UnknownOrder),
            (None, None) => Err(Reason::UnknownOrder),
        }
    }
}

/// The name of an order, or of a list, whose client chose none. Written digit by digit: most orders
/// get one.
pub fn generated_client_id(id: OrderId) -> ClientOrderId {
    const DIGITS: usize = 20;
    let mut bytes = [0; GENERATED_PREFIX.len() + DIGITS];
    let (mut first, mut rest) = (bytes.len(), id.0);
    while first == bytes.len() || rest != 0 {
        first -= 1;
        bytes[first] = b'0' + u8::try_from(rest % 10).expect("a digit");
        rest /= 10;
    }
    first -= GENERATED_PREFIX.len();
    bytes[first..first + GENERATED_PREFIX.len()].copy_from_slice(GENERATED_PREFIX.as_bytes());
    ClientOrderId::known(&bytes[first..])
}

/// The order that the wallet gave this name, if it gave it.
pub fn order_of_generated(client_id: &ClientOrderId) -> Option<OrderId> {
    client_id.as_str().strip_prefix(GENERATED_PREFIX)?.parse().ok().map(OrderId)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_generated_name_is_the_prefix_and_the_number() {
        for number in [0, 1, 9, 10, 99, 100, 1_234_567_890, u64::MAX] {
            let name = generated_client_id(OrderId(number));
            assert_eq!(name.as_str(), format!("{GENERATED_PREFIX}{number}"));
            assert_eq!(order_of_generated(&name), Some(OrderId(number)));
        }
        for name in ["rialto", "rialto-", "rialto-x", "rialto--1", "desk-1"] {
            assert_eq!(order_of_generated(&ClientOrderId::new(name).expect("a name")), None);
        }
    }
}
