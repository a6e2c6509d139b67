//! A day of the ledger: what was there in the morning and what moved make what is there in the
//! evening.
//!
//! Nothing is believed that can be checked. Each entry states the balances behind it; the day book
//! keeps what every account stated last, and each entry must follow on that. A day begins with the
//! first entry whose time is not before midnight: what the books settle behind it belongs to it, so
//! that every entry is of exactly one day, and the closing of a day is the opening of the next.

use std::collections::{BTreeMap, HashMap};

use rialto_engine::ids::{AssetId, RailId};
use rialto_engine::units::Amount;
use rialto_engine::wallet::{Entry, House, LedgerAccount};

/// The most findings that a report names; the others are counted.
const FINDINGS_MAX: usize = 100;

/// Accounts that are summed up in one line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AccountKind {
    /// What users may use.
    Available,
    /// What is held for their orders.
    Held,
    /// What is about to leave them.
    Outgoing,
    /// What is about to reach them.
    Incoming,
    /// What has come in over a rail, with the sign turned.
    External(RailId),
    /// An account of the tenant, by its number in [`House::ALL`].
    House(u8),
}

impl AccountKind {
    /// The kind of an account.
    #[must_use]
    pub const fn of(account: LedgerAccount) -> Self {
        match account {
            LedgerAccount::Available(_) => Self::Available,
            LedgerAccount::Held(_) => Self::Held,
            LedgerAccount::Outgoing(_) => Self::Outgoing,
            LedgerAccount::Incoming(_) => Self::Incoming,
            LedgerAccount::External(rail) => Self::External(rail),
            LedgerAccount::House(house) => Self::House(house as u8),
        }
    }

    /// Whether it may be negative. What a user has available may be, as far as he has a credit: how far
    /// that is, the wallet and the audit of its state see to, since credits come and go.
    #[must_use]
    pub fn may_be_negative(self) -> bool {
        match self {
            Self::External(_) | Self::Available => true,
            Self::House(house) => House::ALL.get(usize::from(house)).is_some_and(|house| house.may_be_negative()),
            _ => false,
        }
    }
}

/// What the accounts of a kind held and moved of an asset.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Line {
    /// What was there before the day.
    pub opening: Amount,
    /// What left during the day.
    pub debits: Amount,
    /// What came during the day.
    pub credits: Amount,
    /// What is there behind the day, by what the accounts state.
    pub closing: Amount,
}

impl Line {
    /// Whether opening and movements make the closing.
    #[must_use]
    pub fn adds_up(&self) -> bool {
        self.opening - self.debits + self.credits == self.closing
    }
}

/// What a day book found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DayReport {
    /// The first entry of the day, and the one behind its last.
    pub entries: (u64, u64),
    /// By asset and kind of account.
    pub lines: BTreeMap<(AssetId, AccountKind), Line>,
    /// What is wrong, in words; at most a hundred of them.
    pub findings: Vec<String>,
    /// How many things are wrong.
    pub wrong: u64,
}

/// Balances as the accounts state them, entry by entry.
#[derive(Clone, Debug, Default)]
pub struct DayBook {
    balances: HashMap<(AssetId, LedgerAccount), Amount>,
    next: u64,
    report: DayReport,
    is_day: bool,
}

impl DayBook {
    /// The book before the first entry of all.
    #[must_use]
    pub fn new() -> Self {
        Self::opened(HashMap::new(), 1)
    }

    /// The book as the accounts stand before an entry.
    #[must_use]
    pub fn opened(balances: HashMap<(AssetId, LedgerAccount), Amount>, next: u64) -> Self {
        Self { balances, next, ..Self::default() }
    }

    /// From here on the entries are of the day that is reported.
    pub fn begin_day(&mut self) {
        let mut lines: BTreeMap<(AssetId, AccountKind), Line> = BTreeMap::new();
        for ((asset, account), balance) in &self.balances {
            lines.entry((*asset, AccountKind::of(*account))).or_default().opening += *balance;
        }
        // What was wrong before the day stays: it is in what the day opened with.
        self.report.lines = lines;
        self.report.entries = (self.next, self.next);
        self.is_day = true;
    }

    /// Takes the next entry.
    pub fn take(&mut self, entry: &Entry) {
        if entry.number != self.next {
            self.found(format!("entry {} comes where {} was to come", entry.number, self.next));
        }
        self.next = entry.number + 1;
        if entry.amount.0 <= 0 {
            self.found(format!("entry {} moves {}", entry.number, entry.amount));
        }
        let legs =
            [(entry.debit, -entry.amount.0, entry.debit_after), (entry.credit, entry.amount.0, entry.credit_after)];
        for (account, change, stated) in legs {
            let balance = self.balances.entry((entry.asset, account)).or_default();
            let expected = Amount(balance.0 + change);
            // Whoever reads on is told of each break once.
            *balance = stated;
            if stated != expected {
                let number = entry.number;
                self.found(format!("entry {number} states {stated} for {account:?}, where {expected} follows"));
            }
            if stated.0 < 0 && !AccountKind::of(account).may_be_negative() {
                self.found(format!("entry {} overdraws {account:?} by {stated}", entry.number));
            }
            if self.is_day {
                let line = self.report.lines.entry((entry.asset, AccountKind::of(account))).or_default();
                if change < 0 {
                    line.debits += entry.amount;
                } else {
                    line.credits += entry.amount;
                }
            }
        }
    }

    /// What became of the day. The book stands behind it, and [`Self::begin_day`] begins the next.
    #[must_use]
    pub fn end_day(&mut self) -> DayReport {
        self.is_day = false;
        for line in self.report.lines.values_mut() {
            line.closing = Amount::ZERO;
        }
        for ((asset, account), balance) in &self.balances {
            self.report.lines.entry((*asset, AccountKind::of(*account))).or_default().closing += *balance;
        }
        let mut sums: BTreeMap<AssetId, i128> = BTreeMap::new();
        let mut wrong = Vec::new();
        for ((asset, kind), line) in &self.report.lines {
            *sums.entry(*asset).or_default() += line.closing.0;
            if !line.adds_up() {
                wrong.push(format!("{kind:?} of asset {asset}: {line:?} does not add up"));
            }
        }
        let unequal = sums.into_iter().filter(|(_, sum)| *sum != 0);
        wrong.extend(unequal.map(|(asset, sum)| format!("all accounts of asset {asset} sum to {sum}, not to zero")));
        wrong.into_iter().for_each(|problem| self.found(problem));
        self.report.entries.1 = self.next;
        std::mem::take(&mut self.report)
    }

    /// The number of the next entry.
    #[must_use]
    pub const fn next_entry(&self) -> u64 {
        self.next
    }

    fn found(&mut self, problem: String) {
        self.report.wrong += 1;
        if self.report.findings.len() < FINDINGS_MAX {
            self.report.findings.push(problem);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rialto_engine::ids::AccountId;
    use rialto_engine::units::Nanos;
    use rialto_engine::wallet::Cause;

    const USD: AssetId = AssetId(0);
    const BANK: LedgerAccount = LedgerAccount::External(RailId(1));
    const FEE: LedgerAccount = LedgerAccount::House(House::Fee);

    fn user(number: u32) -> LedgerAccount {
        LedgerAccount::Available(AccountId(number))
    }

    /// A ledger that keeps its balances as the wallet does.
    #[derive(Default)]
    struct Posted {
        balances: HashMap<LedgerAccount, i128>,
        entries: Vec<Entry>,
    }

    impl Posted {
        fn post(&mut self, debit: LedgerAccount, credit: LedgerAccount, amount: i128) -> &mut Self {
            *self.balances.entry(debit).or_default() -= amount;
            *self.balances.entry(credit).or_default() += amount;
            self.entries.push(Entry {
                number: self.entries.len() as u64 + 1,
                time: Nanos(self.entries.len() as u64),
                asset: USD,
                debit,
                credit,
                amount: Amount(amount),
                debit_after: Amount(self.balances[&debit]),
                credit_after: Amount(self.balances[&credit]),
                cause: Cause::Deposit(1),
            });
            self
        }
    }

    fn two_days() -> Vec<Entry> {
        let mut posted = Posted::default();
        posted.post(BANK, user(0), 100).post(BANK, user(1), 50).post(user(0), user(1), 30);
        posted.post(user(1), FEE, 5).post(user(1), BANK, 60).post(user(0), user(1), 70);
        posted.entries
    }

    fn day(entries: &[Entry], from: usize) -> DayReport {
        let mut book = DayBook::new();
        entries[..from].iter().for_each(|entry| book.take(entry));
        book.begin_day();
        entries[from..].iter().for_each(|entry| book.take(entry));
        book.end_day()
    }

    fn line(opening: i128, debits: i128, credits: i128, closing: i128) -> Line {
        Line { opening: Amount(opening), debits: Amount(debits), credits: Amount(credits), closing: Amount(closing) }
    }

    #[test]
    fn opening_and_movements_make_the_closing_of_each_kind() {
        let report = day(&two_days(), 3);
        assert_eq!((report.wrong, report.entries), (0, (4, 7)), "{:?}", report.findings);
        let fee = AccountKind::of(FEE);
        assert_eq!(
            report.lines.into_iter().collect::<Vec<_>>(),
            [
                ((USD, AccountKind::Available), line(150, 135, 70, 85)),
                ((USD, AccountKind::External(RailId(1))), line(-150, 0, 60, -90)),
                ((USD, fee), line(0, 0, 5, 5)),
            ]
        );
    }

    #[test]
    fn the_closing_of_a_day_is_the_opening_of_the_next() {
        let entries = two_days();
        let mut book = DayBook::new();
        book.begin_day();
        entries[..3].iter().for_each(|entry| book.take(entry));
        let first = book.end_day();
        book.begin_day();
        entries[3..].iter().for_each(|entry| book.take(entry));
        let second = book.end_day();
        assert_eq!(first.entries.1, second.entries.0);
        for (key, line) in &first.lines {
            assert_eq!(line.closing, second.lines[key].opening, "{key:?}");
        }
        assert_eq!(second, day(&entries, 3));
    }

    #[test]
    fn a_day_without_entries_closes_as_it_opened() {
        let report = day(&two_days(), 6);
        assert_eq!((report.entries, report.wrong), ((7, 7), 0));
        assert!(report.lines.values().all(|line| line.opening == line.closing && line.adds_up()));
    }

    #[test]
    fn whatever_was_changed_afterwards_is_found() {
        let told = |change: &dyn Fn(&mut Vec<Entry>)| {
            let mut entries = two_days();
            change(&mut entries);
            day(&entries, 3).findings
        };
        let balance = told(&|entries| entries[4].debit_after = Amount(80));
        assert_eq!(balance[0], "entry 5 states 80 for Available(AccountId(1)), where 15 follows");
        let amount = told(&|entries| entries[4].amount = Amount(61));
        assert_eq!(amount[0], "entry 5 states 15 for Available(AccountId(1)), where 14 follows");
        let gone = told(&|entries| {
            entries.remove(4);
        });
        assert_eq!(gone[0], "entry 6 comes where 5 was to come");
        let account = told(&|entries| entries[3].credit = user(0));
        assert_eq!(account[0], "entry 4 states 5 for Available(AccountId(0)), where 75 follows");
        let nothing = told(&|entries| entries[5].amount = Amount(0));
        assert_eq!(nothing[0], "entry 6 moves 0");
        let before = told(&|entries| entries[1].credit_after = Amount(49));
        assert_eq!(before[0], "entry 2 states 49 for Available(AccountId(1)), where 50 follows");
    }

    #[test]
    fn an_account_that_may_not_be_negative_is_found_overdrawn() {
        let mut posted = Posted::default();
        let held = LedgerAccount::Held(AccountId(0));
        posted.post(held, FEE, 3);
        let report = day(&posted.entries, 0);
        assert_eq!(report.findings, ["entry 1 overdraws Held(AccountId(0)) by -3"]);
    }
}
