//! One wallet and one book, and their twin beside them: carries steps out in both and compares.

use std::collections::VecDeque;

use rialto_engine::book::{Book, BookOutput};
use rialto_engine::ids::{AccountId, AssetId, MarketId, RailId, TransactionId};
use rialto_engine::label::Label;
use rialto_engine::market::{MarketDefinition, MarketFilters, MarketSpec, Step};
use rialto_engine::message::{BookCommand, ToBook, ToWallet};
use rialto_engine::order::OrderKind;
use rialto_engine::reason::Reason;
use rialto_engine::transaction::{Body, Standing, Transaction, TransactionCommand, TransactionEvent, TransactionState};
use rialto_engine::units::{Amount, BasisPoints, FeeRate, Nanos, Price, Quantity};
use rialto_engine::wallet::{Command, Entry, House, LedgerAccount, Submitted, Wallet, WalletLimits, WalletOutput};

use crate::naive::Naive;
use crate::settlement::{needs, pays};

pub const ACCOUNTS: u32 = 5;
pub const ASSETS: u16 = 3;
pub const MARKET: MarketId = MarketId(0);

/// A step that can be carried out again, alone or after fewer others: transactions are named by
/// their business ids and found by them.
#[derive(Clone, Debug)]
pub enum Act {
    Deposit { id: String, account: AccountId, asset: AssetId, amount: Amount, time: Nanos },
    Order(Command),
    ToBook,
    ToWallet,
    Money(TransactionCommand),
    Drive { id: Label, time: Nanos },
    Acknowledge { id: Label, event: u32, time: Nanos },
    Reroute { id: Label, rail: RailId, time: Nanos },
    Restart,
}

/// What a step has changed: what a journal would hold of it.
#[derive(Clone, Debug)]
#[allow(dead_code, reason = "the crash test of the journal reads them")]
pub enum Change {
    Deposited,
    Ordered,
    Transacted(Box<TransactionCommand>),
    /// A book or a wallet has received messages through this number, and has this digest.
    Matched(u64, u64),
    Settled(u64, u64),
}

/// What a run has met, so that nobody is content with a run that met nothing.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    pub steps: u64,
    pub fills: u64,
    pub orders: u64,
    pub changed: u64,
    pub unchanged: u64,
    pub reasons: Vec<u64>,
    pub happenings: Vec<u64>,
    pub meanings: Vec<u64>,
    pub cases: Vec<u64>,
    pub entries: u64,
    pub restarts: u64,
    pub notices: u64,
    pub calls: [u64; 3],
}

impl Seen {
    pub fn add(&mut self, other: &Self) {
        self.steps += other.steps;
        self.fills += other.fills;
        self.orders += other.orders;
        self.changed += other.changed;
        self.unchanged += other.unchanged;
        self.entries += other.entries;
        self.restarts += other.restarts;
        self.notices += other.notices;
        for (own, other) in self.calls.iter_mut().zip(other.calls) {
            *own += other;
        }
        let pairs = [
            (&mut self.reasons, &other.reasons),
            (&mut self.happenings, &other.happenings),
            (&mut self.meanings, &other.meanings),
            (&mut self.cases, &other.cases),
        ];
        for (own, other) in pairs {
            own.resize(own.len().max(other.len()), 0);
            own.iter_mut().zip(other).for_each(|(own, other)| *own += other);
        }
    }
}

fn count(counts: &mut Vec<u64>, place: usize) {
    counts.resize(counts.len().max(place + 1), 0);
    counts[place] += 1;
}

pub struct Life {
    pub wallet: Wallet,
    book: Book,
    pub spec: MarketSpec,
    pub naive: Naive,
    to_book: VecDeque<ToBook>,
    to_wallet: VecDeque<ToWallet>,
    output: WalletOutput,
    pub seen: Seen,
    pub full_check: u64,
    /// What the last step has changed.
    pub change: Option<Change>,
}

macro_rules! check {
    ($condition:expr, $($text:tt)*) => {
        if !$condition { return Err(format!($($text)*)); }
    };
}

macro_rules! equal {
    ($engine:expr, $twin:expr, $what:expr) => {
        match (&$engine, &$twin) {
            (engine, twin) => {
                check!(engine == twin, "{}\n  engine: {engine:?}\n  twin:   {twin:?}", $what);
            }
        }
    };
}

// Behind the macros that it uses.
mod checks;

pub fn limits() -> WalletLimits {
    WalletLimits { closed_ids: 1 << 16, open_orders: 1 << 20 }
}

pub fn definition(seed: u64) -> MarketDefinition {
    let step = |mantissa, scale| Step { mantissa, scale };
    MarketDefinition {
        base: AssetId(0),
        base_scale: 1,
        quote: AssetId(1),
        quote_scale: 0,
        tick: step(7, 3),
        lot: step(3, 0),
        max_price: Price(1_000),
        max_quantity: Quantity(2_000),
        min_notional: Amount(1),
        // A maker fee below zero is a rebate.
        maker_fee: FeeRate([15, 0, -10][seed as usize % 3]),
        taker_fee: BasisPoints(40),
        filters: MarketFilters::default(),
    }
}

impl Life {
    pub fn new(seed: u64, full_check: u64) -> Self {
        let spec = MarketSpec::open(&definition(seed)).expect("opens");
        let mut wallet = Wallet::new(limits());
        (0..ASSETS).for_each(|_| wallet.open_asset());
        (0..ACCOUNTS).for_each(|_| wallet.open_account());
        wallet.open_market(spec);
        Self {
            wallet,
            book: Book::new(),
            spec,
            naive: Naive::new(ACCOUNTS, ASSETS),
            to_book: VecDeque::new(),
            to_wallet: VecDeque::new(),
            output: WalletOutput::default(),
            seen: Seen::default(),
            full_check,
            change: None,
        }
    }

    pub fn in_flight(&self) -> (usize, usize) {
        (self.to_book.len(), self.to_wallet.len())
    }

    fn number(&self, id: &Label) -> TransactionId {
        // An id that is not known stands for a number that is not.
        self.naive.numbers.get(id).map_or(TransactionId(u64::MAX), |index| TransactionId(*index as u64 + 1))
    }

    pub fn act(&mut self, act: &Act) -> Result<(), String> {
        self.seen.steps += 1;
        self.output.clear();
        self.change = None;
        match act {
            Act::Deposit { id, account, asset, amount, time } => self.deposit(id, *account, *asset, *amount, *time)?,
            Act::Order(command) => self.order(command)?,
            Act::ToBook => self.deliver_to_book(),
            Act::ToWallet => self.deliver_to_wallet()?,
            Act::Money(command) => self.transact(command)?,
            Act::Drive { id, time } => {
                self.transact(&TransactionCommand::Drive { transaction: self.number(id), time: *time })?;
            }
            Act::Acknowledge { id, event, time } => {
                let (transaction, event, time) = (self.number(id), *event, *time);
                self.transact(&TransactionCommand::Acknowledge { transaction, event, time })?;
            }
            Act::Reroute { id, rail, time } => {
                let (transaction, rail, time) = (self.number(id), *rail, *time);
                self.transact(&TransactionCommand::Reroute { transaction, rail, time })?;
            }
            Act::Restart => self.restart()?,
        }
        if self.seen.steps.is_multiple_of(self.full_check) {
            self.check_everything()?;
        }
        Ok(())
    }

    fn deposit(
        &mut self,
        id: &str,
        account: AccountId,
        asset: AssetId,
        amount: Amount,
        time: Nanos,
    ) -> Result<(), String> {
        self.naive.output.clear();
        let twin = self.naive.deposit(id, account, asset, amount, time);
        let engine = self.wallet.deposit(id, account, asset, amount, time, &mut self.output);
        equal!(engine, twin, "direct deposit");
        equal!(self.output.entries, self.naive.output.entries, "entries of a direct deposit");
        self.change = (!self.output.entries.is_empty()).then_some(Change::Deposited);
        self.check_touched()
    }

    fn transact(&mut self, command: &TransactionCommand) -> Result<(), String> {
        let sampled = self.seen.steps.is_multiple_of(32) || self.full_check == 1;
        let before = sampled.then(|| self.wallet.snapshot());
        let digest = self.wallet.digest();
        let twin = self.naive.transact(command);
        let engine = self.wallet.transact(command, &mut self.output);
        equal!(engine, twin, "result");
        equal!(self.output.entries, self.naive.output.entries, "entries");
        equal!(self.output.cases, self.naive.output.cases, "cases");
        self.check_told()?;
        check!(self.output.updates.is_empty() && self.output.ended_lists.is_empty(), "an order was touched");
        match engine {
            Ok(transacted) if transacted.is_changed => {
                self.seen.changed += 1;
                self.change = Some(Change::Transacted(Box::new(command.clone())));
            }
            other => {
                let is_silent = self.output.entries.is_empty()
                    && self.output.events.is_empty()
                    && self.output.calls.is_empty()
                    && self.output.notices.is_empty()
                    && self.output.cases.is_empty();
                check!(is_silent, "{other:?} and yet something was told: {:?}", self.output);
                check!(self.wallet.digest() == digest, "{other:?} and yet the digest is another");
                if let Some(before) = before {
                    check!(self.wallet.snapshot() == before, "{other:?} left a trace");
                }
                match other {
                    Err(reason) => count(&mut self.seen.reasons, usize::from(reason.number())),
                    Ok(_) => self.seen.unchanged += 1,
                }
            }
        }
        self.seen.entries += self.output.entries.len() as u64;
        self.check_named(command, engine.ok().map(|transacted| transacted.transaction))?;
        self.check_touched()
    }

    fn check_told(&mut self) -> Result<(), String> {
        let (own, twin) = (&self.output, &self.naive.output);
        let commands = self.naive.commands;
        let index = |transaction: &Transaction| transaction.number.0 as usize - 1;
        let forgotten = |transaction: &Transaction| self.naive.transactions[index(transaction)].forgotten;
        let is_old = |transaction: &Transaction| forgotten(transaction).is_some_and(|by| by < commands);
        let events = |own: &[TransactionEvent], twin: &[TransactionEvent], what: &str, any: bool| {
            check!(own.len() == twin.len(), "{what}\n  engine: {own:?}\n  twin:   {twin:?}");
            for (own, twin) in own.iter().zip(twin) {
                let old = is_old(&twin.transaction) || any && forgotten(&twin.transaction).is_some();
                let same = own.number == twin.number
                    && (own.sequence, own.time, own.what) == (twin.sequence, twin.time, twin.what)
                    && is_same(&own.transaction, &twin.transaction, old);
                check!(same, "{what}\n  engine: {own:?}\n  twin:   {twin:?}");
            }
            Ok(())
        };
        events(&own.events, &twin.events, "events", false)?;
        events(&own.notices, &twin.notices, "notices", true)?;
        check!(own.calls.len() == twin.calls.len(), "calls\n  {:?}\n  {:?}", own.calls, twin.calls);
        for (own, twin) in own.calls.iter().zip(&twin.calls) {
            let same = own.ask == twin.ask && is_same(&own.transaction, &twin.transaction, false);
            check!(same, "call\n  engine: {own:?}\n  twin:   {twin:?}");
            self.seen.calls[own.ask as usize] += 1;
        }
        for event in &own.events {
            count(&mut self.seen.happenings, usize::from(event.what.number()));
            if let rialto_engine::transaction::Happening::Moved { meaning, .. } = event.what {
                count(&mut self.seen.meanings, meaning as usize);
            }
        }
        self.seen.notices += own.notices.len() as u64;
        own.cases.iter().for_each(|case| count(&mut self.seen.cases, case.case.kind as usize));
        Ok(())
    }

    /// The transaction that a command names, and those that had an event.
    fn check_named(&self, command: &TransactionCommand, number: Option<TransactionId>) -> Result<(), String> {
        let id = match command {
            TransactionCommand::Try { id, .. }
            | TransactionCommand::Confirm { id, .. }
            | TransactionCommand::Cancel { id, .. }
            | TransactionCommand::Approve { id, .. } => Some(*id),
            TransactionCommand::Report { id, .. } => *id,
            _ => None,
        };
        if let Some(id) = id {
            self.check_transaction(&id)?;
        }
        let by_number = number.and_then(|number| self.naive.index(number));
        if let Some(index) = by_number {
            self.check_transaction(&self.naive.transactions[index].view.id)?;
        }
        for event in &self.naive.output.events {
            self.check_transaction(&event.transaction.id)?;
        }
        equal!(self.wallet.events(), self.naive.events, "number of events");
        equal!(self.wallet.transactions(), self.naive.transactions.len() as u64, "number of transactions");
        Ok(())
    }

    fn check_transaction(&self, id: &Label) -> Result<(), String> {
        let engine = self.wallet.transaction(id);
        let twin = self.naive.numbers.get(id).map(|index| &self.naive.transactions[*index]);
        match (&engine, twin) {
            (None, None) => {}
            (Some(engine), Some(twin)) => {
                let same = is_same(engine, &twin.view, twin.forgotten.is_some());
                check!(same, "transaction\n  engine: {engine:?}\n  twin:   {:?}", twin.view);
                let live = self.wallet.live_transaction(engine.number).is_some();
                check!(live == twin.is_live(), "{engine:?} has a timer: {live}, but should: {}", twin.is_live());
            }
            _ => return Err(format!("transaction\n  engine: {engine:?}\n  twin:   {twin:?}")),
        }
        Ok(())
    }

    /// The accounts that the entries of the step name.
    fn check_touched(&self) -> Result<(), String> {
        for entry in &self.naive.output.entries {
            self.check_balance(entry.asset, entry.debit)?;
            self.check_balance(entry.asset, entry.credit)?;
        }
        equal!(self.wallet.entries(), self.naive.entries.len() as u64, "number of entries");
        Ok(())
    }

    fn check_balance(&self, asset: AssetId, account: LedgerAccount) -> Result<(), String> {
        let of = |user| self.wallet.accounts_of(user, asset);
        let engine = match account {
            LedgerAccount::Available(user) => of(user).available,
            LedgerAccount::Held(user) => of(user).held,
            LedgerAccount::Outgoing(user) => of(user).outgoing,
            LedgerAccount::Incoming(user) => of(user).incoming,
            LedgerAccount::External(rail) => self.wallet.external(asset, rail),
            LedgerAccount::House(house) => self.wallet.house(asset, house),
        };
        let twin = self.naive.sum(asset, account);
        check!(engine.0 == twin, "{account:?} of asset {asset}: engine {engine}, twin {twin}");
        check!(
            twin >= -self.naive.credit_on(asset, account) || crate::naive::may_be_negative(account),
            "{account:?} of {asset} is {twin}"
        );
        Ok(())
    }

    fn order(&mut self, command: &Command) -> Result<(), String> {
        let expected = match command {
            Command::Place(place) => {
                let cost = needs(place.side, place.price.0, place.quantity.0, &self.spec);
                match self.naive.standings[place.account.0 as usize] {
                    Standing::Frozen => Some(Reason::AccountFrozen),
                    Standing::Closed => Some(Reason::AccountClosed),
                    Standing::Active if self.naive.spendable(place.account, pays(place.side, &self.spec)) < cost => {
                        Some(Reason::InsufficientBalance)
                    }
                    Standing::Active => None,
                }
            }
            // Whether there is anything to cancel is for the other twin to say.
            _ => None,
        };
        let digest = self.wallet.digest();
        match self.wallet.submit(command, &mut self.output) {
            Submitted::Rejected(reason) => {
                check!(
                    !matches!(command, Command::Place(_)) || expected == Some(reason),
                    "order refused: {reason:?}, should be {expected:?}"
                );
                check!(self.output.entries.is_empty() && self.wallet.digest() == digest, "a refusal left a trace");
                if let Some(reason) = expected {
                    count(&mut self.seen.reasons, usize::from(reason.number()));
                }
            }
            Submitted::Forwarded { message, .. } => {
                check!(expected.is_none(), "order taken, should be refused: {expected:?}");
                if let (BookCommand::Place(new), Command::Place(place)) = (&message.command, command) {
                    let cost = needs(place.side, place.price.0, place.quantity.0, &self.spec);
                    self.naive.trading.funded(MARKET, *new, cost);
                    self.seen.orders += 1;
                }
                self.to_book.push_back(message);
                self.change = Some(Change::Ordered);
            }
        }
        self.take_trading()
    }

    fn deliver_to_book(&mut self) {
        let mut output = BookOutput::default();
        if let Some(message) = self.to_book.pop_front() {
            self.to_wallet.push_back(self.book.receive(&message, &mut output).expect("new"));
            self.change = Some(Change::Matched(self.book.received(), self.book.digest().0));
        }
    }

    fn deliver_to_wallet(&mut self) -> Result<(), String> {
        let Some(message) = self.to_wallet.pop_front() else { return Ok(()) };
        self.wallet.settle(MARKET, &message, &mut self.output).expect("new");
        self.naive.trading.settle(&self.spec, &message);
        self.seen.fills += message.fills.len() as u64;
        self.change = Some(Change::Settled(self.wallet.received(MARKET), self.wallet.digest().0));
        self.take_trading()
    }

    /// Trading has a twin of its own. Its entries are taken over once they have come to the sums
    /// that this one says.
    fn take_trading(&mut self) -> Result<(), String> {
        let entries: Vec<Entry> = self.output.entries.clone();
        for entry in &entries {
            for account in [entry.debit, entry.credit] {
                let is_of_trading = matches!(
                    account,
                    LedgerAccount::Available(_)
                        | LedgerAccount::Held(_)
                        | LedgerAccount::House(House::Fee | House::Rounding | House::RebateExpense)
                );
                check!(is_of_trading, "trading touches {account:?}");
            }
            self.naive.book(*entry)?;
        }
        for entry in &entries {
            self.check_balance(entry.asset, entry.debit)?;
            self.check_balance(entry.asset, entry.credit)?;
            for account in [entry.debit, entry.credit] {
                self.check_traded(entry.asset, account)?;
            }
        }
        equal!(self.wallet.entries(), self.naive.entries.len() as u64, "number of entries");
        Ok(())
    }

    /// What an account has beside what transactions did to it is what trading did to it.
    fn check_traded(&self, asset: AssetId, account: LedgerAccount) -> Result<(), String> {
        let beside = |account| {
            self.naive.sum(asset, account) - self.naive.paid.get(&(asset, account)).copied().unwrap_or_default()
        };
        let trading = &self.naive.trading;
        match account {
            LedgerAccount::Available(user) | LedgerAccount::Held(user) => {
                let both = beside(LedgerAccount::Available(user)) + beside(LedgerAccount::Held(user));
                let twin = trading.totals.get(&(user, asset)).copied().unwrap_or_default();
                check!(both == twin, "trading has given {user} {both} of asset {asset}, should be {twin}");
                let held = trading.held(ACCOUNTS as usize, usize::from(ASSETS), &[self.spec]);
                let held = held[user.0 as usize][usize::from(asset.0)];
                let engine = self.naive.sum(asset, LedgerAccount::Held(user));
                check!(engine == held, "{user} has {engine} of asset {asset} held, should be {held}");
            }
            LedgerAccount::House(House::Fee) => {
                equal!(beside(account), trading.fees.get(&asset).copied().unwrap_or_default(), "fees of trading");
            }
            LedgerAccount::House(House::RebateExpense) => {
                equal!(-beside(account), trading.rebates.get(&asset).copied().unwrap_or_default(), "rebates");
            }
            LedgerAccount::House(House::Rounding) => {
                equal!(beside(account), trading.rounding.get(&asset).copied().unwrap_or_default(), "rounding");
                let sides = trading.sides.get(&asset).copied().unwrap_or_default().max(1);
                check!((0..sides).contains(&beside(account)), "{} in Rounding", beside(account));
            }
            _ => {}
        }
        Ok(())
    }

    fn restart(&mut self) -> Result<(), String> {
        let before = self.wallet.snapshot();
        self.wallet = Wallet::restore(&before, &[self.spec], limits());
        self.seen.restarts += 1;
        check!(self.wallet.snapshot() == before, "the restored wallet is another");
        Ok(())
    }
}

/// Whether two see one transaction. Of one that was forgotten the wallet needs to know only what a
/// later command may ask for.
fn is_same(engine: &Transaction, twin: &Transaction, is_old: bool) -> bool {
    if !is_old {
        return engine == twin;
    }
    let core = |view: &Transaction| (view.number, view.id, view.state);
    if core(engine) != core(twin) {
        return false;
    }
    let Some(body) = &engine.body else { return !must_be_known(twin) };
    let needed = |view: &Transaction| {
        let is_refund = matches!(twin.body, Some(Body::Refund { .. }));
        let fee = if is_refund { Amount::ZERO } else { view.fee };
        (view.rail, fee, view.moved, view.posted, view.reversed, view.fee_back, view.events)
    };
    let bodies = twin.body.as_ref().is_some_and(|twin| plain(body) == plain(twin));
    bodies && needed(engine) == needed(twin)
}

/// Whether anybody may still ask for the body.
fn must_be_known(view: &Transaction) -> bool {
    let is_confirmed = view.state == TransactionState::Confirmed;
    match &view.body {
        Some(Body::Deposit { .. } | Body::Withdrawal { .. } | Body::Commission { .. }) => true,
        Some(Body::Payment { .. }) => is_confirmed,
        Some(Body::Transfer { held: true, .. }) => is_confirmed,
        _ => false,
    }
}

/// A body without what a wallet forgets.
fn plain(body: &Body) -> Body {
    let mut body = body.clone();
    match &mut body {
        Body::Withdrawal { destination, .. } => *destination = "".into(),
        Body::Transfer { held, .. } | Body::Payment { held, .. } | Body::Refund { held, .. } => *held = false,
        _ => {}
    }
    body
}

/// Whether an order kind is one that this test places.
pub fn order_kind(number: u64) -> OrderKind {
    [OrderKind::Limit, OrderKind::Limit, OrderKind::ImmediateOrCancel, OrderKind::PostOnly][number as usize % 4]
}
