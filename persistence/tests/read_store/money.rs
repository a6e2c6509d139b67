//! Money: made-up transactions and cases, the twin's answers about them and about the ledger, and
//! the comparison.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rialto_engine::ids::{AccountId, AssetId, CaseId, RailId, TenantId, TransactionId};
use rialto_engine::label::Label;
use rialto_engine::transaction::{
    Body, Case, CaseKind, Happening, Meaning, NewCase, Stage, Transaction, TransactionEvent, TransactionState,
};
use rialto_engine::units::{Amount, Nanos};
use rialto_engine::wallet::{Balance, Cause, Entry, House, LedgerAccount, WalletOutput};
use rialto_persistence::read_store::{AccountKind, DayTotal, Owner, ReadStore, Window};

use crate::script::Script;
use crate::twin::Twin;
use crate::{ACCOUNTS, Event, TENANTS, cast, windows, within};

/// What is under way in a tenant.
#[derive(Default)]
pub struct Money {
    transactions: Vec<Transaction>,
    events: u64,
    cases: Vec<Case>,
    balances: BTreeMap<(LedgerAccount, AssetId), i128>,
}

impl Money {
    /// Moves money between two accounts and tells what is behind it.
    pub fn moved(&mut self, debit: LedgerAccount, credit: LedgerAccount, asset: AssetId, amount: i128) -> [Amount; 2] {
        *self.balances.entry((debit, asset)).or_default() -= amount;
        *self.balances.entry((credit, asset)).or_default() += amount;
        [debit, credit].map(|account| Amount(self.balances[&(account, asset)]))
    }
}

fn label(text: &str) -> Label {
    Label::new(text).expect("it is one")
}

impl Script {
    /// A command of a transaction and what comes of it.
    pub fn transact(&mut self, tenant: usize) {
        let open: Vec<usize> = (0..self.money[tenant].transactions.len())
            .filter(|index| !self.money[tenant].transactions[*index].state.is_final())
            .collect();
        let mut output = WalletOutput::default();
        match self.below(8) {
            0 | 1 => self.begin(tenant, TransactionState::Confirmed, &mut output),
            2 => self.begin(tenant, TransactionState::Canceled, &mut output),
            3 => self.begin(tenant, TransactionState::Open, &mut output),
            4 => self.case(tenant, &mut output),
            _ if open.is_empty() => {}
            _ => {
                let index = self.pick(&open);
                self.go_on(tenant, index, &mut output);
            }
        }
        self.events.extend(output.entries.iter().map(|entry| Event::Entry(TENANTS[tenant], *entry)));
        self.events.push(Event::Transacted(TENANTS[tenant], Arc::new(output)));
    }

    fn begin(&mut self, tenant: usize, state: TransactionState, output: &mut WalletOutput) {
        let number = TransactionId(self.money[tenant].transactions.len() as u64 + 1);
        let (account, other) = (self.pick(&ACCOUNTS), self.pick(&ACCOUNTS));
        let (asset, amount) = (AssetId(self.below(3) as u16), Amount(1 + i128::from(self.below(1 << 40))));
        let time = self.now();
        let bodies = [
            None,
            Some(Body::Deposit { account, asset, amount }),
            Some(Body::Withdrawal { account, asset, amount, destination: "x".repeat(self.below(256) as usize).into() }),
            Some(Body::Transfer { from: account, to: other, asset, amount, held: true }),
            Some(Body::Payment { payer: account, merchant: other, asset, amount, held: false }),
            Some(Body::Refund { payment: label("p-1"), amount, held: true }),
            Some(Body::Commission { agent: account, asset, amount }),
        ];
        let body = bodies[self.below(7) as usize].clone();
        let is_open = state == TransactionState::Open;
        let (rail, fee) = (RailId(self.below(3) as u16), Amount(i128::from(self.below(3))));
        self.money[tenant].transactions.push(Transaction {
            number,
            id: label(&format!("t-{tenant}-{}", number.0)),
            body,
            state,
            rail,
            stage: Stage::Unsent,
            fee,
            moved: Amount::ZERO,
            posted: if is_open { Amount::ZERO } else { amount },
            reversed: Amount::ZERO,
            fee_back: Amount::ZERO,
            opened: time,
            changed: time,
            until: if is_open { Nanos(time.0 + 1_000) } else { Nanos::ZERO },
            due: Nanos(if is_open { time.0 + 10 } else { 0 }),
            attempts: 0,
            is_stuck: false,
            events: 0,
            acknowledged: 0,
            approvals: Vec::new(),
        });
        self.happens(tenant, number.0 as usize - 1, Happening::Opened, output);
        if is_open && self.below(2) == 0 {
            self.money[tenant].transactions[number.0 as usize - 1].stage = Stage::Sent;
            self.happens(tenant, number.0 as usize - 1, Happening::Sent, output);
        }
        let cause = Cause::Transaction(number);
        for _ in 0..self.below(3) {
            let (from, to) = (LedgerAccount::Available(account), LedgerAccount::Outgoing(other));
            output.entries.push(self.made(tenant, from, to, cause));
        }
        let (from, to) = (LedgerAccount::House(House::Suspense), LedgerAccount::External(RailId(2)));
        output.entries.push(self.made(tenant, from, to, Cause::Case(CaseId(1))));
        if self.below(3) == 0 {
            // Apart from the others, and perhaps of a transaction of which nothing is told.
            let id = TransactionId(1 + self.below(number.0));
            let (from, to) = (LedgerAccount::House(House::Fee), LedgerAccount::Incoming(account));
            output.entries.push(self.made(tenant, from, to, Cause::Transaction(id)));
        }
    }

    fn go_on(&mut self, tenant: usize, index: usize, output: &mut WalletOutput) {
        let (time, reference) = (self.now(), label(&format!("r-{}", self.below(1 << 20))));
        let operator = label("ann");
        let meaning = self.pick(&Meaning::ALL);
        let amount = Amount(i128::from(self.below(1 << 40)));
        let what = [
            Happening::Accepted,
            Happening::Moved { reference, asset: AssetId(2), amount, meaning },
            Happening::Closing,
            Happening::Confirmed,
            Happening::Canceled,
            Happening::Rerouted,
            Happening::Approved { operator },
            Happening::Stuck,
            Happening::Reversed,
        ];
        let what = self.pick(&what);
        let it = &mut self.money[tenant].transactions[index];
        it.changed = time;
        it.attempts += 1;
        match what {
            Happening::Closing => it.state = TransactionState::Closing,
            Happening::Confirmed => it.state = TransactionState::Confirmed,
            Happening::Canceled => it.state = TransactionState::Canceled,
            Happening::Moved { amount, .. } => it.moved = amount,
            Happening::Approved { operator } => it.approvals.push(operator),
            Happening::Reversed => (it.reversed, it.fee_back) = (Amount(7), Amount(1)),
            _ => {}
        }
        it.is_stuck = what == Happening::Stuck;
        let number = it.number;
        self.happens(tenant, index, what, output);
        let account = self.pick(&ACCOUNTS);
        let (from, to) = (LedgerAccount::Outgoing(account), LedgerAccount::External(RailId(1)));
        for _ in 0..self.below(3) {
            output.entries.push(self.made(tenant, from, to, Cause::Transaction(number)));
        }
    }

    fn happens(&mut self, tenant: usize, index: usize, what: Happening, output: &mut WalletOutput) {
        let time = self.now();
        let money = &mut self.money[tenant];
        money.events += 1;
        let it = &mut money.transactions[index];
        it.events += 1;
        let transaction = it.clone();
        output.events.push(TransactionEvent { number: money.events, sequence: it.events, time, what, transaction });
    }

    fn case(&mut self, tenant: usize, output: &mut WalletOutput) {
        let time = self.now();
        let open: Vec<usize> = (0..self.money[tenant].cases.len())
            .filter(|index| self.money[tenant].cases[*index].closed.is_zero())
            .collect();
        if !open.is_empty() && self.below(2) == 0 {
            let case = &mut self.money[tenant].cases[open[0]];
            (case.closed, case.closed_by) = (time, Some(label("ben")));
            output.cases.push(*case);
            return;
        }
        let case = NewCase {
            kind: self.pick(&CaseKind::ALL),
            rail: RailId(1),
            asset: AssetId(0),
            amount: Amount(-3),
            reference: None,
            transaction: TransactionId(0),
        };
        let id = CaseId(self.money[tenant].cases.len() as u64 + 1);
        let case = Case { id, case, opened: time, closed: Nanos::ZERO, closed_by: None, adjustment: TransactionId(0) };
        self.money[tenant].cases.push(case);
        output.cases.push(case);
    }
}

impl Twin<'_> {
    fn outputs(&self, tenant: TenantId) -> impl Iterator<Item = &WalletOutput> {
        self.0.iter().filter_map(move |event| match event {
            Event::Transacted(of, output) if *of == tenant => Some(output.as_ref()),
            _ => None,
        })
    }

    fn happenings(&self, tenant: TenantId) -> Vec<TransactionEvent> {
        self.outputs(tenant).flat_map(|output| output.events.clone()).collect()
    }

    fn transactions(&self, tenant: TenantId) -> Vec<Transaction> {
        let mut transactions = BTreeMap::new();
        for event in self.happenings(tenant) {
            transactions.insert(event.transaction.number, event.transaction);
        }
        transactions.into_values().collect()
    }

    fn transactions_of(&self, tenant: TenantId, account: AccountId) -> Vec<Transaction> {
        let mut named = BTreeSet::new();
        for entry in self.entries(tenant, Some(account)) {
            if let Cause::Transaction(id) = entry.cause {
                named.insert(id);
            }
        }
        let names = |body: &Body| match body {
            Body::Deposit { account: one, .. }
            | Body::Withdrawal { account: one, .. }
            | Body::Commission { agent: one, .. } => *one == account,
            Body::Transfer { from: one, to: two, .. } | Body::Payment { payer: one, merchant: two, .. } => {
                *one == account || *two == account
            }
            _ => false,
        };
        let all = self.transactions(tenant).into_iter();
        all.filter(|it| named.contains(&it.number) || it.body.as_ref().is_some_and(names)).collect()
    }

    fn cases(&self, tenant: TenantId) -> Vec<Case> {
        let mut cases = BTreeMap::new();
        for case in self.outputs(tenant).flat_map(|output| &output.cases) {
            cases.insert(case.id, *case);
        }
        cases.into_values().collect()
    }

    /// The entries with the moments at which they were posted.
    fn posted(&self, tenant: TenantId) -> Vec<(Nanos, Entry)> {
        let mut latest = Nanos::ZERO;
        let posted = self.entries(tenant, None).into_iter().map(|entry| {
            latest = latest.max(entry.time);
            (latest, entry)
        });
        posted.collect()
    }

    fn balance(&self, tenant: TenantId, account: LedgerAccount, asset: AssetId, time: Option<Nanos>) -> Amount {
        let mut balance = 0;
        for (posted, entry) in self.posted(tenant) {
            if entry.asset == asset && time.is_none_or(|time| posted <= time) {
                balance -= if entry.debit == account { entry.amount.0 } else { 0 };
                balance += if entry.credit == account { entry.amount.0 } else { 0 };
            }
        }
        Amount(balance)
    }
}

/// Asks everything about transactions and cases.
pub fn check_transactions(store: &ReadStore, twin: &Twin<'_>, tenant: TenantId) {
    let all = twin.transactions(tenant);
    let events = twin.happenings(tenant);
    let entries = twin.entries(tenant, None);
    for it in &all {
        assert_eq!(store.transaction(tenant, it.number).expect("reads").as_ref(), Some(it));
        assert_eq!(store.transaction_by_id(tenant, &it.id).expect("reads").as_ref(), Some(it));
        let of: Vec<_> = events.iter().filter(|event| event.transaction.number == it.number).cloned().collect();
        assert_eq!(store.events_of_transaction(tenant, it.number).expect("reads"), of);
        let caused = Cause::Transaction(it.number);
        let of: Vec<_> = entries.iter().filter(|entry| entry.cause == caused).copied().collect();
        assert_eq!(store.entries_of_transaction(tenant, it.number).expect("reads"), of);
    }
    assert_eq!(store.transaction(tenant, TransactionId(1 << 40)).expect("reads"), None);
    assert_eq!(store.transaction_by_id(tenant, &label("nobody")).expect("reads"), None);
    for from in [0, 1, 7, events.len() as u64, events.len() as u64 + 1] {
        for limit in [0, 1, 20, usize::MAX] {
            let expected: Vec<_> = events.iter().filter(|event| event.number >= from).take(limit).cloned().collect();
            assert_eq!(store.transaction_events(tenant, from, limit).expect("reads"), expected);
        }
    }
    let ids: Vec<u64> = all.iter().map(|it| it.number.0).collect();
    let times: Vec<Nanos> = all.iter().map(|it| it.opened).collect();
    for window in windows(&ids, &times).iter().step_by(3) {
        for limit in [0, 1, 9, usize::MAX] {
            let expected = within(&all, window, limit, |it| it.number.0, |it| it.opened);
            let found = store.transactions(tenant, &cast(window, TransactionId), limit).expect("reads");
            assert_eq!(found, expected, "{window:?}");
        }
    }
    for account in [ACCOUNTS[0], ACCOUNTS[1], AccountId(7)] {
        let of = twin.transactions_of(tenant, account);
        for window in windows(&ids, &times).iter().step_by(7) {
            for limit in [0, 1, 9, usize::MAX] {
                let expected = within(&of, window, limit, |it| it.number.0, |it| it.opened);
                let window = cast(window, TransactionId);
                assert_eq!(store.account_transactions(tenant, account, &window, limit).expect("reads"), expected);
            }
        }
    }
    for (stuck_only, from, limit) in [(false, 0, usize::MAX), (true, 0, usize::MAX), (false, 20, 3), (true, 5, 0)] {
        let open = all.iter().filter(|it| !it.state.is_final() && (it.is_stuck || !stuck_only));
        let expected: Vec<_> = open.filter(|it| it.number.0 >= from).take(limit).cloned().collect();
        let found = store.open_transactions(tenant, stuck_only, TransactionId(from), limit).expect("reads");
        assert_eq!(found, expected);
    }
    let all = twin.cases(tenant);
    for case in &all {
        assert_eq!(store.case(tenant, case.id).expect("reads").as_ref(), Some(case));
    }
    for (open_only, from, limit) in [(false, 0, usize::MAX), (true, 0, usize::MAX), (false, 3, 2), (true, 2, 1)] {
        let of = all.iter().filter(|case| case.closed.is_zero() || !open_only);
        let expected: Vec<_> = of.filter(|case| case.id.0 >= from).take(limit).copied().collect();
        assert_eq!(store.cases(tenant, open_only, CaseId(from), limit).expect("reads"), expected);
    }
}

/// Asks everything about the ledger.
pub fn check_ledger(store: &ReadStore, twin: &Twin<'_>, tenant: TenantId) {
    let posted = twin.posted(tenant);
    let mut accounts = BTreeSet::new();
    for (_, entry) in &posted {
        accounts.extend([(entry.debit, entry.asset), (entry.credit, entry.asset)]);
        assert_eq!(store.entry(tenant, entry.number).expect("reads").as_ref(), Some(entry));
    }
    assert_eq!(store.entry(tenant, posted.len() as u64 + 1).expect("reads"), None);
    let mut paged = Vec::new();
    loop {
        let page = store.ledger_accounts(tenant, paged.last().copied(), 3).expect("reads");
        paged.extend(page.iter().copied());
        if page.len() < 3 {
            break;
        }
    }
    assert_eq!(paged.iter().copied().collect::<BTreeSet<_>>(), accounts);
    assert_eq!(paged.len(), accounts.len());
    let all_times: Vec<Nanos> = posted.iter().map(|(posted, _)| *posted).collect();
    let times: Vec<Option<Nanos>> = windows(&[], &all_times).iter().map(|window| window.to_time).collect();
    let times: BTreeSet<Option<Nanos>> = times.into_iter().chain([Some(Nanos::ZERO)]).collect();
    for (account, asset) in &accounts {
        for time in &times {
            let expected = twin.balance(tenant, *account, *asset, *time);
            assert_eq!(store.balance_at(tenant, *account, *asset, *time).expect("reads"), expected, "{account:?}");
        }
    }
    let user = ACCOUNTS[1];
    for time in &times {
        let of = |account| twin.balance(tenant, account, AssetId(1), *time);
        let expected = Balance {
            available: of(LedgerAccount::Available(user)),
            held: of(LedgerAccount::Held(user)),
            outgoing: of(LedgerAccount::Outgoing(user)),
            incoming: of(LedgerAccount::Incoming(user)),
        };
        assert_eq!(store.balances_at(tenant, user, AssetId(1), *time).expect("reads"), expected);
    }
    for owner in [Owner::User(ACCOUNTS[0]), Owner::User(AccountId(9)), Owner::Rail(RailId(1)), Owner::House] {
        let of: Vec<_> = accounts.iter().copied().filter(|(account, _)| Owner::of(*account) == owner).collect();
        let found: BTreeSet<_> = store.accounts_of(tenant, owner).expect("reads").into_iter().collect();
        assert_eq!(found, of.iter().copied().collect());
        for asset in [None, Some(AssetId(2)), Some(AssetId(9))] {
            check_movements(store, &posted, tenant, owner, asset);
        }
    }
    check_days(store, &posted, tenant);
    let one = LedgerAccount::House(House::Fee);
    let touches = |entry: &Entry| entry.asset == AssetId(0) && (entry.debit == one || entry.credit == one);
    let expected: Vec<Entry> = posted.iter().map(|(_, entry)| *entry).filter(touches).collect();
    let all = Window { from_id: Some(0), ..Window::default() };
    assert_eq!(store.account_movements(tenant, one, AssetId(0), &all, usize::MAX).expect("reads"), expected);
}

/// Asks for the totals of stretches that begin and end anywhere.
fn check_days(store: &ReadStore, posted: &[(Nanos, Entry)], tenant: TenantId) {
    let times: Vec<Nanos> = posted.iter().map(|(posted, _)| *posted).collect();
    for window in windows(&[], &times).iter().step_by(11) {
        let (from, to) = (window.from_time.unwrap_or_default(), window.to_time.unwrap_or_default());
        let mut expected: BTreeMap<(AssetId, AccountKind), [i128; 5]> = BTreeMap::new();
        let mut accounts = BTreeSet::new();
        for (posted, entry) in posted {
            for (account, sign) in [(entry.debit, -1), (entry.credit, 1)] {
                let key = (entry.asset, AccountKind::of(account));
                let [count, opening, debits, credits, closing] = expected.entry(key).or_default();
                *count += i128::from(accounts.insert((account, entry.asset)));
                let amount = sign * entry.amount.0;
                *opening += if *posted < from { amount } else { 0 };
                *closing += if *posted <= to || *posted < from { amount } else { 0 };
                let moved = if (from..=to).contains(posted) { entry.amount.0 } else { 0 };
                *(if sign < 0 { debits } else { credits }) += moved;
            }
        }
        let found = store.day_totals(tenant, from, to).expect("reads");
        assert!(found.iter().all(DayTotal::is_balanced));
        let found: BTreeMap<_, _> = found.iter().map(|it| ((it.asset, it.kind), numbers(it))).collect();
        assert_eq!(found, expected, "{window:?}");
    }
}

fn numbers(it: &DayTotal) -> [i128; 5] {
    [i128::from(it.accounts), it.opening.0, it.debits.0, it.credits.0, it.closing.0]
}

fn check_movements(
    store: &ReadStore,
    posted: &[(Nanos, Entry)],
    tenant: TenantId,
    owner: Owner,
    asset: Option<AssetId>,
) {
    let touches = |entry: &Entry| Owner::of(entry.debit) == owner || Owner::of(entry.credit) == owner;
    let mut of = posted.to_vec();
    of.retain(|(_, entry)| touches(entry) && asset.is_none_or(|asset| entry.asset == asset));
    let ids: Vec<u64> = of.iter().map(|(_, entry)| entry.number).collect();
    let times: Vec<Nanos> = posted.iter().map(|(posted, _)| *posted).collect();
    for window in windows(&ids, &times).iter().step_by(5) {
        for limit in [0, 1, 20, usize::MAX] {
            let expected = within(&of, window, limit, |(_, entry)| entry.number, |(posted, _)| *posted);
            let expected: Vec<Entry> = expected.into_iter().map(|(_, entry)| entry).collect();
            assert_eq!(store.movements(tenant, owner, asset, window, limit).expect("reads"), expected, "{window:?}");
        }
    }
}
