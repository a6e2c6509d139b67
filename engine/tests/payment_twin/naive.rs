//! The naive twin of the money half: a ledger that is a list of entries, and every transaction that
//! ever was in one list. Written from `docs/payment-rules.md` alone.

use std::collections::{BTreeMap, VecDeque};

use rialto_engine::ids::{AccountId, AssetId, CaseId, RailId, TransactionId};
use rialto_engine::label::Label;
use rialto_engine::market::SUPPLY_MAX;
use rialto_engine::reason::Reason;
use rialto_engine::transaction::{
    Ask, Body, Case, CaseKind, FeePlan, Happening, NewCase, Policy, RailCall, Stage, Standing, Topic, Transacted,
    Transaction, TransactionCommand, TransactionEvent, TransactionKind, TransactionState,
};
use rialto_engine::units::{Amount, BasisPoints, Nanos};
use rialto_engine::wallet::{Cause, Entry, House, LedgerAccount, WalletOutput};

use crate::settlement::Settlement;

pub type Outcome = Result<Transacted, Reason>;

/// A movement on a rail, as it was told first.
#[derive(Clone, Debug)]
pub struct Movement {
    /// In whose name it was booked.
    pub transaction: Option<usize>,
    pub asset: AssetId,
    pub counted: i128,
    pub rest: i128,
    pub case: CaseId,
    pub is_pending: bool,
}

/// A transaction and what must still be told of it.
#[derive(Clone, Debug)]
pub struct Tracked {
    pub view: Transaction,
    pub untold: VecDeque<TransactionEvent>,
    /// By which command it first lost its timer: the wallet may have lost what no later command needs.
    pub forgotten: Option<u64>,
}

#[derive(Debug, Default)]
pub struct Naive {
    pub entries: Vec<Entry>,
    pub sums: BTreeMap<(AssetId, LedgerAccount), i128>,
    /// What deposits and transactions alone have moved.
    pub paid: BTreeMap<(AssetId, LedgerAccount), i128>,
    pub accounts: u32,
    pub assets: u16,
    pub transactions: Vec<Tracked>,
    pub numbers: BTreeMap<Label, usize>,
    pub movements: BTreeMap<(RailId, Label), Movement>,
    pub cases: Vec<Case>,
    pub events: u64,
    /// By number, the direct one first.
    pub rails: Vec<(Label, bool)>,
    pub policies: BTreeMap<Topic, Policy>,
    pub fees: BTreeMap<(TransactionKind, AssetId), FeePlan>,
    pub standings: Vec<Standing>,
    /// How far below zero accounts may go.
    pub credits: BTreeMap<(AccountId, AssetId), i128>,
    pub notifies: bool,
    pub direct: BTreeMap<String, (AccountId, AssetId, Amount)>,
    pub trading: Settlement,
    /// How many commands there were.
    pub commands: u64,
    /// What the command at hand gives.
    pub output: WalletOutput,
}

pub fn label(text: &str) -> Label {
    Label::new(text).expect("a label")
}

pub const SECOND: u64 = 1_000_000_000;
pub const HOUR: u64 = 3_600 * SECOND;
pub const DAY: u64 = 24 * HOUR;

fn policy(first: u64, interval: u64, is_doubling: bool, attempts: u32, lifetime: u64) -> Policy {
    let [first, interval, longest, lifetime] = [first, interval, HOUR, lifetime].map(Nanos);
    Policy { first, interval, is_doubling, longest, attempts, lifetime }
}

fn default_policy(topic: Topic) -> Policy {
    use TransactionKind::{Commission, Deposit, Withdrawal};
    match topic {
        Topic::Kind(Deposit) => policy(10 * SECOND, 5 * SECOND, true, 12, DAY),
        Topic::Kind(Withdrawal) => policy(10 * SECOND, 5 * SECOND, true, 12, 0),
        Topic::Kind(Commission) => policy(HOUR, HOUR, false, 12, 30 * DAY),
        Topic::Kind(_) => policy(HOUR, HOUR, false, 12, 7 * DAY),
        Topic::Notification => policy(SECOND, SECOND, true, 24, 0),
    }
}

impl Naive {
    pub fn new(accounts: u32, assets: u16) -> Self {
        Self {
            accounts,
            assets,
            rails: vec![(label("direct"), true)],
            standings: vec![Standing::Active; accounts as usize],
            ..Self::default()
        }
    }

    pub fn sum(&self, asset: AssetId, account: LedgerAccount) -> i128 {
        self.sums.get(&(asset, account)).copied().unwrap_or(0)
    }

    pub fn available(&self, account: AccountId, asset: AssetId) -> i128 {
        self.sum(asset, LedgerAccount::Available(account))
    }

    /// What an account may spend: what it has, and how far below zero it may go.
    pub fn spendable(&self, account: AccountId, asset: AssetId) -> i128 {
        self.available(account, asset) + self.credit_of(account, asset)
    }

    pub fn credit_of(&self, account: AccountId, asset: AssetId) -> i128 {
        self.credits.get(&(account, asset)).copied().unwrap_or(0)
    }

    /// The same of any account: only users' available money may be taken on credit.
    pub fn credit_on(&self, asset: AssetId, account: LedgerAccount) -> i128 {
        if let LedgerAccount::Available(user) = account { self.credit_of(user, asset) } else { 0 }
    }

    pub fn supply(&self, asset: AssetId) -> i128 {
        let rails = (0..self.rails.len()).map(|rail| LedgerAccount::External(RailId(rail as u16)));
        -rails.map(|rail| self.sum(asset, rail)).sum::<i128>()
    }

    /// All that users own or may come to own by what others owe, and the house beside its accounts of
    /// either sign.
    pub fn owned(&self, asset: AssetId) -> i128 {
        let houses = House::ALL.into_iter().filter(|house| house.may_be_negative());
        let credits = self.credits.iter().filter(|((_, of), _)| *of == asset);
        let lent: i128 = credits.map(|(_, limit)| *limit).sum();
        self.supply(asset) + lent - houses.map(|house| self.sum(asset, LedgerAccount::House(house))).sum::<i128>()
    }

    /// What there is of an asset or what is owned of it, whichever is more.
    pub fn most(&self, asset: AssetId) -> i128 {
        self.supply(asset).max(self.owned(asset))
    }

    pub fn policy(&self, topic: Topic) -> Policy {
        self.policies.get(&topic).copied().unwrap_or_else(|| default_policy(topic))
    }

    /// Takes an entry into the list, whoever made it.
    pub fn book(&mut self, entry: Entry) -> Result<(), String> {
        let due = |naive: &Self, account| naive.sum(entry.asset, account);
        let numbered = entry.number == self.entries.len() as u64 + 1;
        if entry.amount.0 <= 0 || entry.debit == entry.credit || !numbered {
            return Err(format!("{entry:?} is not an entry"));
        }
        let (debit, credit) = (due(self, entry.debit) - entry.amount.0, due(self, entry.credit) + entry.amount.0);
        if entry.debit_after.0 != debit || entry.credit_after.0 != credit {
            return Err(format!("{entry:?} leaves {debit} and {credit}"));
        }
        if debit < -self.credit_on(entry.asset, entry.debit) && !may_be_negative(entry.debit) {
            return Err(format!("{entry:?} overdraws"));
        }
        self.sums.insert((entry.asset, entry.debit), debit);
        self.sums.insert((entry.asset, entry.credit), credit);
        self.entries.push(entry);
        Ok(())
    }

    pub fn pay(
        &mut self,
        asset: AssetId,
        debit: LedgerAccount,
        credit: LedgerAccount,
        amount: i128,
        cause: Cause,
        time: Nanos,
    ) {
        if amount == 0 {
            return;
        }
        let entry = Entry {
            number: self.entries.len() as u64 + 1,
            time,
            asset,
            debit,
            credit,
            amount: Amount(amount),
            debit_after: Amount(self.sum(asset, debit) - amount),
            credit_after: Amount(self.sum(asset, credit) + amount),
            cause,
        };
        self.book(entry).expect("the twin books what it has checked");
        *self.paid.entry((asset, debit)).or_default() -= amount;
        *self.paid.entry((asset, credit)).or_default() += amount;
        self.output.entries.push(entry);
    }

    pub fn deposit(
        &mut self,
        id: &str,
        account: AccountId,
        asset: AssetId,
        amount: Amount,
        time: Nanos,
    ) -> Result<(), Reason> {
        if account.0 >= self.accounts {
            return Err(Reason::UnknownAccount);
        }
        if asset.0 >= self.assets {
            return Err(Reason::UnknownAsset);
        }
        if amount.0 <= 0 {
            return Err(Reason::AmountNotPositive);
        }
        if let Some(before) = self.direct.get(id) {
            return if *before == (account, asset, amount) { Ok(()) } else { Err(Reason::IdempotencyConflict) };
        }
        if self.standings[account.0 as usize] == Standing::Closed {
            return Err(Reason::AccountClosed);
        }
        if amount.0 + self.most(asset) > SUPPLY_MAX.0 {
            return Err(Reason::SupplyExceeded);
        }
        self.direct.insert(id.to_owned(), (account, asset, amount));
        let cause = Cause::Deposit(self.direct.len() as u64);
        let (debit, credit) = (LedgerAccount::External(RailId::DIRECT), LedgerAccount::Available(account));
        self.pay(asset, debit, credit, amount.0, cause, time);
        Ok(())
    }

    pub fn transact(&mut self, command: &TransactionCommand) -> Outcome {
        self.output.clear();
        self.commands += 1;
        match command {
            TransactionCommand::Try { id, body, rail, until, time } => self.attempt(*id, body, *rail, *until, *time),
            TransactionCommand::Confirm { id, amount, time } => self.confirm(id, amount.0, *time),
            TransactionCommand::Cancel { id, time } => self.cancel(*id, *time),
            TransactionCommand::Report { rail, id, report, time } => self.report(*rail, *id, report, *time),
            TransactionCommand::Drive { transaction, time } => self.drive(*transaction, *time),
            TransactionCommand::Acknowledge { transaction, event, time } => {
                self.acknowledge(*transaction, *event, *time)
            }
            TransactionCommand::Reroute { transaction, rail, time } => self.reroute(*transaction, *rail, *time),
            TransactionCommand::Approve { id, operator, time } => self.approve(id, *operator, *time),
            TransactionCommand::OpenCase { case, time } => {
                if case.asset.0 >= self.assets {
                    return Err(Reason::UnknownAsset);
                }
                if usize::from(case.rail.0) >= self.rails.len() {
                    return Err(Reason::UnknownRail);
                }
                self.open_case(*case, *time);
                changed(None)
            }
            TransactionCommand::CloseCase { case, operator, time } => {
                if !self.is_open(*case) {
                    return Err(Reason::UnknownCase);
                }
                self.close_case(*case, *operator, TransactionId(0), *time);
                changed(None)
            }
            setting => self.set(setting),
        }
    }

    fn set(&mut self, setting: &TransactionCommand) -> Outcome {
        let is_changed = match *setting {
            TransactionCommand::OpenRail { name } => {
                if self.rails.iter().any(|(other, _)| *other == name) {
                    return Err(Reason::NameTaken);
                }
                self.rails.push((name, true));
                true
            }
            TransactionCommand::ChangeRail { rail, is_open } => {
                if rail == RailId::DIRECT || usize::from(rail.0) >= self.rails.len() {
                    return Err(Reason::UnknownRail);
                }
                let before = &mut self.rails[usize::from(rail.0)].1;
                std::mem::replace(before, is_open) != is_open
            }
            TransactionCommand::ChangePolicy { topic, policy } => {
                if policy.interval.is_zero() || policy.longest.is_zero() || policy.attempts == 0 {
                    return Err(Reason::PolicyOutOfRange);
                }
                let before = self.policy(topic);
                self.policies.insert(topic, policy);
                before != policy
            }
            TransactionCommand::ChangeFee { kind, asset, fee } => {
                if !matches!(kind, TransactionKind::Withdrawal | TransactionKind::Payment) {
                    return Err(Reason::WrongTransactionKind);
                }
                if asset.0 >= self.assets {
                    return Err(Reason::UnknownAsset);
                }
                if fee.fixed.0 < 0 || fee.rate.0 > 10_000 || fee.fixed > SUPPLY_MAX {
                    return Err(Reason::FeeOutOfRange);
                }
                self.fees.insert((kind, asset), fee).unwrap_or_default() != fee
            }
            TransactionCommand::ChangeStanding { account, standing } => {
                if account.0 >= self.accounts {
                    return Err(Reason::UnknownAccount);
                }
                if self.standings[account.0 as usize] == standing {
                    return Ok(Transacted { transaction: TransactionId(0), is_changed: false });
                }
                if standing == Standing::Closed && !self.is_empty(account) {
                    return Err(Reason::AccountNotEmpty);
                }
                self.standings[account.0 as usize] = standing;
                true
            }
            TransactionCommand::ChangeCredit { account, asset, limit } => {
                if account.0 >= self.accounts {
                    return Err(Reason::UnknownAccount);
                }
                if asset.0 >= self.assets {
                    return Err(Reason::UnknownAsset);
                }
                if limit.0 < 0 || limit > SUPPLY_MAX {
                    return Err(Reason::CreditOutOfRange);
                }
                let more = limit.0 - self.credit_of(account, asset);
                if more > 0 && self.standings[account.0 as usize] == Standing::Closed {
                    return Err(Reason::AccountClosed);
                }
                if more > 0 && self.owned(asset) + more > SUPPLY_MAX.0 {
                    return Err(Reason::SupplyExceeded);
                }
                if self.available(account, asset) < -limit.0 {
                    return Err(Reason::CreditInUse);
                }
                self.credits.insert((account, asset), limit.0);
                more != 0
            }
            TransactionCommand::ChangeNotification { is_on } => {
                let was_on = std::mem::replace(&mut self.notifies, is_on);
                if was_on && !is_on {
                    let commands = self.commands;
                    for tracked in &mut self.transactions {
                        tracked.untold.clear();
                        tracked.view.acknowledged = tracked.view.events;
                        if tracked.view.state.is_final() {
                            tracked.forget(commands);
                        }
                    }
                }
                was_on != is_on
            }
            _ => unreachable!("not a setting"),
        };
        Ok(Transacted { transaction: TransactionId(0), is_changed })
    }

    fn is_empty(&self, account: AccountId) -> bool {
        let own = [LedgerAccount::Available, LedgerAccount::Held, LedgerAccount::Outgoing, LedgerAccount::Incoming];
        let has_money = (0..self.assets).any(|asset| own.iter().any(|own| self.sum(AssetId(asset), own(account)) != 0));
        let has_orders = self.trading.orders.values().any(|order| order.order.account == account);
        let under_way = self.transactions.iter().filter(|tracked| !tracked.view.state.is_final());
        let mut bodies = under_way.filter_map(|tracked| tracked.view.body.as_ref());
        !has_money && !has_orders && !bodies.any(|body| self.named(body).contains(&account))
    }

    /// Every account that a body names, or the payment that it goes back to.
    pub fn named(&self, body: &Body) -> Vec<AccountId> {
        match body {
            Body::Deposit { account, .. } | Body::Withdrawal { account, .. } => vec![*account],
            Body::Commission { agent, .. } => vec![*agent],
            Body::Transfer { from, to, .. } => vec![*from, *to],
            Body::Payment { payer, merchant, .. } => vec![*payer, *merchant],
            Body::Refund { payment: other, .. } | Body::ClawBack { commission: other, .. } => {
                let other = self.numbers.get(other).and_then(|other| self.transactions[*other].view.body.as_ref());
                other.map_or(Vec::new(), |other| self.named(other))
            }
            Body::FeeShare { .. } => Vec::new(),
            // Accounts that may not be touched are not even looked for.
            Body::Adjustment { from, to, .. } => [from, to]
                .into_iter()
                .filter(|account| matches!(account, LedgerAccount::Available(_)))
                .filter_map(|account| user(*account))
                .collect(),
        }
    }

    pub fn fee(&self, kind: TransactionKind, asset: AssetId, amount: i128) -> i128 {
        let FeePlan { fixed, rate: BasisPoints(rate) } = self.fees.get(&(kind, asset)).copied().unwrap_or_default();
        fixed.0 + (amount * i128::from(rate) + 9_999) / 10_000
    }

    pub fn is_open(&self, case: CaseId) -> bool {
        case.0 > 0 && self.cases.get(case.0 as usize - 1).is_some_and(|case| case.closed == Nanos(0))
    }

    pub fn open_case(&mut self, case: NewCase, time: Nanos) -> CaseId {
        let id = CaseId(self.cases.len() as u64 + 1);
        let none = TransactionId(0);
        self.cases.push(Case { id, case, opened: time, closed: Nanos(0), closed_by: None, adjustment: none });
        self.output.cases.push(self.cases[id.0 as usize - 1]);
        id
    }

    pub fn close_case(&mut self, case: CaseId, operator: Label, adjustment: TransactionId, time: Nanos) {
        let case = &mut self.cases[case.0 as usize - 1];
        *case = Case { closed: time, closed_by: Some(operator), adjustment, ..*case };
        self.output.cases.push(*case);
    }

    /// What a case was about is no more.
    pub fn withdraw_case(&mut self, case: CaseId, time: Nanos) {
        let case = &mut self.cases[case.0 as usize - 1];
        case.closed = time;
        self.output.cases.push(*case);
    }

    /// Opens the case of a movement. Nothing unexplained needs none.
    #[expect(clippy::too_many_arguments, reason = "a case has as many parts")]
    pub fn explain(
        &mut self,
        kind: CaseKind,
        rail: RailId,
        asset: AssetId,
        amount: i128,
        reference: Label,
        transaction: Option<usize>,
        time: Nanos,
    ) -> CaseId {
        if amount == 0 {
            return CaseId(0);
        }
        let transaction = TransactionId(transaction.map_or(0, |index| index as u64 + 1));
        let amount = Amount(amount);
        self.open_case(NewCase { kind, rail, asset, amount, reference: Some(reference), transaction }, time)
    }

    pub fn call(&mut self, index: usize, ask: Ask) {
        let transaction = self.transactions[index].view.clone();
        self.output.calls.push(RailCall { ask, transaction });
    }

    /// By which policy a transaction is driven.
    pub fn topic(&self, index: usize) -> Topic {
        let tracked = &self.transactions[index];
        match &tracked.view.body {
            Some(body) if body.kind().has_rail() && !tracked.view.state.is_final() => Topic::Kind(body.kind()),
            _ if !tracked.untold.is_empty() => Topic::Notification,
            Some(body) => Topic::Kind(body.kind()),
            None => Topic::Notification,
        }
    }

    /// The timer of one that has got further.
    pub fn progress(&mut self, index: usize, time: Nanos) {
        let first = self.policy(self.topic(index)).first;
        let tracked = &mut self.transactions[index];
        tracked.view.attempts = 0;
        tracked.view.is_stuck = false;
        self.set_due(index, later(time, first));
    }

    pub fn set_due(&mut self, index: usize, due: Nanos) {
        let commands = self.commands;
        let tracked = &mut self.transactions[index];
        if tracked.view.state.is_final() && tracked.untold.is_empty() {
            tracked.forget(commands);
            return;
        }
        let bound = tracked.view.state == TransactionState::Open && !tracked.view.until.is_zero();
        tracked.view.due = if bound { due.min(tracked.view.until) } else { due };
    }

    /// Something happens to a transaction.
    pub fn happen(&mut self, index: usize, what: Happening, time: Nanos) {
        self.events += 1;
        let (number, notifies) = (self.events, self.notifies);
        let tracked = &mut self.transactions[index];
        tracked.view.events += 1;
        tracked.view.changed = time;
        let sequence = tracked.view.events;
        if notifies {
            let transaction = tracked.view.clone();
            tracked.untold.push_back(TransactionEvent { number, sequence, time, what, transaction });
        } else {
            tracked.view.acknowledged = sequence;
        }
        if !matches!(what, Happening::Sent | Happening::Stuck) {
            self.progress(index, time);
        }
        let tracked = &mut self.transactions[index];
        let event = TransactionEvent { number, sequence, time, what, transaction: tracked.view.clone() };
        if notifies {
            *tracked.untold.back_mut().expect("just put there") = event.clone();
            if tracked.untold.len() == 1 {
                self.output.notices.push(event.clone());
            }
        }
        self.output.events.push(event);
    }

    pub fn index(&self, number: TransactionId) -> Option<usize> {
        let index = usize::try_from(number.0).ok()?.checked_sub(1)?;
        (index < self.transactions.len()).then_some(index)
    }

    pub fn enter(&mut self, view: Transaction) -> usize {
        let index = self.transactions.len();
        self.numbers.insert(view.id, index);
        self.transactions.push(Tracked { view, untold: VecDeque::new(), forgotten: None });
        index
    }

    /// An id that was never tried, and now never can be.
    pub fn enter_canceled(&mut self, id: Label, time: Nanos) -> usize {
        let mut view = self.blank(id, time);
        view.state = TransactionState::Canceled;
        self.enter(view)
    }

    pub fn blank(&self, id: Label, time: Nanos) -> Transaction {
        let zero = Amount::ZERO;
        Transaction {
            number: TransactionId(self.transactions.len() as u64 + 1),
            id,
            body: None,
            state: TransactionState::Open,
            rail: RailId::DIRECT,
            stage: Stage::Unsent,
            fee: zero,
            moved: zero,
            posted: zero,
            reversed: zero,
            fee_back: zero,
            opened: time,
            changed: time,
            until: Nanos(0),
            due: Nanos(0),
            attempts: 0,
            is_stuck: false,
            events: 0,
            acknowledged: 0,
            approvals: Vec::new(),
        }
    }
}

impl Tracked {
    pub fn forget(&mut self, command: u64) {
        self.view.due = Nanos(0);
        self.forgotten.get_or_insert(command);
    }

    pub fn is_live(&self) -> bool {
        !self.view.state.is_final() || !self.untold.is_empty()
    }
}

pub fn changed(index: Option<usize>) -> Outcome {
    Ok(Transacted { transaction: TransactionId(index.map_or(0, |index| index as u64 + 1)), is_changed: true })
}

pub fn unchanged(index: Option<usize>) -> Outcome {
    Ok(Transacted { transaction: TransactionId(index.map_or(0, |index| index as u64 + 1)), is_changed: false })
}

pub fn later(time: Nanos, by: Nanos) -> Nanos {
    Nanos(time.0.saturating_add(by.0))
}

pub fn user(account: LedgerAccount) -> Option<AccountId> {
    match account {
        LedgerAccount::Available(user)
        | LedgerAccount::Held(user)
        | LedgerAccount::Outgoing(user)
        | LedgerAccount::Incoming(user) => Some(user),
        LedgerAccount::External(_) | LedgerAccount::House(_) => None,
    }
}

pub fn may_be_negative(account: LedgerAccount) -> bool {
    match account {
        LedgerAccount::External(_) => true,
        LedgerAccount::House(house) => !matches!(house, House::Fee | House::PlatformFee | House::Rounding),
        _ => false,
    }
}
