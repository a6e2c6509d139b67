//! What the ledger says that a rail has moved, for [`super::matching`].
//!
//! Every movement of a rail is in entries of its external account. Which of them belong together, and what
//! the rail calls them, stands in the events of their transaction, or in their case.

use std::collections::{BTreeMap, HashMap};

use rialto_actors::zone::Zone;
use rialto_engine::ids::{AssetId, RailId, TenantId, TransactionId};
use rialto_engine::label::Label;
use rialto_engine::transaction::{Happening, Meaning, TransactionEvent, TransactionKind};
use rialto_engine::units::{Amount, Nanos};
use rialto_engine::wallet::{Cause, Entry, LedgerAccount};
use rialto_persistence::read_store::{Owner, ReadStore, ReadStoreError, Window};

use super::day::Day;
use super::matching::{Direction, LedgerMovement, signed};

/// Entries that are read at once.
const AT_ONCE: usize = 2_000;

/// What a rail has moved around a day.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RailDay {
    /// The first entry of the day, and the one behind its last.
    pub entries: (u64, u64),
    /// Its movements of the day and of the days beside it.
    pub movements: Vec<LedgerMovement>,
    /// What operators have corrected on its account that day, as what the rail owes more: no movement, and
    /// in no statement.
    pub corrections: BTreeMap<AssetId, i128>,
}

impl RailDay {
    /// What the rail owes more behind the day than before it, by the movements of the day.
    #[must_use]
    pub fn posted(&self) -> BTreeMap<AssetId, i128> {
        let mut sums = BTreeMap::new();
        for movement in self.movements.iter().filter(|movement| movement.is_of_day) {
            *sums.entry(movement.asset).or_default() += signed(movement.direction, movement.amount);
        }
        sums
    }
}

/// Reads what a rail has moved on a day of the tenant, and on the days beside it.
///
/// # Errors
/// What the read store says.
pub fn movements_of(
    store: &ReadStore,
    tenant: TenantId,
    rail: RailId,
    day: Day,
    zone: &Zone,
) -> Result<RailDay, ReadStoreError> {
    let (first, end) = super::daily::entries_of(store, tenant, day, zone)?;
    let (from, to) = (day.before(zone).bounds(zone).0, Nanos(day.behind(zone).bounds(zone).1.0 - 1));
    let mut window = Window { from_id: Some(0), from_time: Some(from), to_time: Some(to) };
    let mut gathering = Gathering::default();
    gathering.day.entries = (first, end);
    loop {
        let entries = store.movements(tenant, Owner::Rail(rail), None, &window, AT_ONCE)?;
        let Some(last) = entries.last() else { break };
        window.from_id = Some(last.number + 1);
        for entry in &entries {
            gathering.learn(entry.cause, |cause| told_of(store, tenant, cause))?;
            gathering.add(entry, (first..end).contains(&entry.number));
        }
    }
    Ok(gathering.day)
}

/// What is known of a cause of movements.
#[derive(Clone, Debug)]
enum Known {
    /// Movements of a transaction that are still to be met, in order.
    Told(Vec<Told>),
    /// One movement, by its case.
    Case(Option<Label>, TransactionId),
    /// A correction by hand.
    Correction,
}

/// A movement that a transaction was told of.
#[derive(Clone, Debug)]
struct Told {
    reference: Label,
    asset: AssetId,
    time: Nanos,
    left: Amount,
    /// Where it stands in the day's movements, once it was met.
    place: Option<usize>,
}

#[derive(Default)]
struct Gathering {
    day: RailDay,
    known: HashMap<(u8, u64), Known>,
}

fn told_of(store: &ReadStore, tenant: TenantId, cause: Cause) -> Result<Known, ReadStoreError> {
    Ok(match cause {
        Cause::Transaction(id) => {
            let kind = store.transaction(tenant, id)?.and_then(|found| Some(found.body?.kind()));
            match kind {
                Some(TransactionKind::Adjustment) => Known::Correction,
                _ => Known::Told(store.events_of_transaction(tenant, id)?.iter().filter_map(told).collect()),
            }
        }
        Cause::Case(id) => match store.case(tenant, id)? {
            Some(case) => Known::Case(case.case.reference, case.case.transaction),
            None => Known::Told(Vec::new()),
        },
        _ => Known::Told(Vec::new()),
    })
}

fn told(event: &TransactionEvent) -> Option<Told> {
    match event.what {
        // That something cannot be taken back any more moves nothing.
        Happening::Moved { meaning: Meaning::Settled, .. } => None,
        Happening::Moved { reference, asset, amount, .. } => {
            Some(Told { reference, asset, time: event.time, left: amount, place: None })
        }
        _ => None,
    }
}

impl Gathering {
    fn learn<Error>(&mut self, cause: Cause, ask: impl FnOnce(Cause) -> Result<Known, Error>) -> Result<(), Error> {
        if let std::collections::hash_map::Entry::Vacant(vacant) = self.known.entry(key_of(cause)) {
            vacant.insert(ask(cause)?);
        }
        Ok(())
    }

    fn add(&mut self, entry: &Entry, is_of_day: bool) {
        let direction = match entry.debit {
            LedgerAccount::External(_) => Direction::In,
            _ => Direction::Out,
        };
        let movement = |reference, transaction| LedgerMovement {
            reference,
            direction,
            asset: entry.asset,
            amount: entry.amount,
            transaction,
            time: entry.time,
            entry: entry.number,
            is_of_day,
        };
        let transaction = match entry.cause {
            Cause::Transaction(id) => id,
            _ => TransactionId(0),
        };
        match self.known.get_mut(&key_of(entry.cause)) {
            Some(Known::Correction) if is_of_day => {
                *self.day.corrections.entry(entry.asset).or_default() += signed(direction, entry.amount);
            }
            Some(Known::Correction) => {}
            Some(Known::Case(reference, transaction)) => self.day.movements.push(movement(*reference, *transaction)),
            Some(Known::Told(told)) => {
                // One movement may be in several entries: what counts, and what is in excess.
                let fits = |told: &&mut Told| {
                    told.time == entry.time && told.asset == entry.asset && told.left >= entry.amount
                };
                let Some(told) = told.iter_mut().find(fits) else {
                    return self.day.movements.push(movement(None, transaction));
                };
                told.left -= entry.amount;
                match told.place {
                    Some(place) => self.day.movements[place].amount += entry.amount,
                    None => {
                        told.place = Some(self.day.movements.len());
                        self.day.movements.push(movement(Some(told.reference), transaction));
                    }
                }
            }
            None => self.day.movements.push(movement(None, transaction)),
        }
    }
}

const fn key_of(cause: Cause) -> (u8, u64) {
    match cause {
        Cause::Transaction(id) => (0, id.0),
        Cause::Case(id) => (1, id.0),
        Cause::Deposit(id) => (2, id),
        Cause::Hold(id) | Cause::Release(id) => (3, id.0),
        Cause::Trade(_, id) => (4, id.0),
        Cause::Passage(id) => (5, id),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rialto_engine::ids::{AccountId, CaseId};
    use rialto_engine::wallet::House;

    const BANK: LedgerAccount = LedgerAccount::External(RailId(1));
    const SUSPENSE: LedgerAccount = LedgerAccount::House(House::Suspense);

    fn entry(number: u64, debit: LedgerAccount, credit: LedgerAccount, amount: i128, time: u64, cause: Cause) -> Entry {
        Entry {
            number,
            time: Nanos(time),
            asset: AssetId(0),
            debit,
            credit,
            amount: Amount(amount),
            debit_after: Amount(0),
            credit_after: Amount(0),
            cause,
        }
    }

    fn told(reference: &str, amount: i128, time: u64) -> Told {
        let reference = Label::new(reference).expect("a label");
        Told { reference, asset: AssetId(0), time: Nanos(time), left: Amount(amount), place: None }
    }

    fn gathered(known: Known, entries: &[Entry]) -> RailDay {
        let mut gathering = Gathering::default();
        for entry in entries {
            gathering.learn(entry.cause, |_| Ok::<_, ReadStoreError>(known.clone())).expect("learns");
            gathering.add(entry, true);
        }
        gathering.day
    }

    fn seen(day: &RailDay) -> Vec<(Option<&str>, Direction, i128)> {
        let movements = day.movements.iter();
        let seen = movements.map(|it| (it.reference.as_ref().map(Label::as_str), it.direction, it.amount.0));
        seen.collect()
    }

    #[test]
    fn the_entries_of_one_movement_are_one_movement() {
        let (user, cause) = (LedgerAccount::Incoming(AccountId(0)), Cause::Transaction(TransactionId(4)));
        let entries = [
            entry(1, BANK, user, 100, 7, cause),
            entry(2, BANK, SUSPENSE, 20, 7, cause),
            entry(3, BANK, user, 30, 8, cause),
            entry(4, user, BANK, 30, 9, cause),
        ];
        let known = Known::Told(vec![told("a", 120, 7), told("b", 30, 8), told("b", 30, 9)]);
        let day = gathered(known, &entries);
        let expected =
            [(Some("a"), Direction::In, 120), (Some("b"), Direction::In, 30), (Some("b"), Direction::Out, 30)];
        assert_eq!(seen(&day), expected);
        assert_eq!(day.posted(), BTreeMap::from([(AssetId(0), 120)]));
    }

    #[test]
    fn two_movements_of_one_moment_are_two() {
        let (user, cause) = (LedgerAccount::Incoming(AccountId(0)), Cause::Transaction(TransactionId(4)));
        let entries = [entry(1, BANK, user, 100, 7, cause), entry(2, BANK, user, 50, 7, cause)];
        let day = gathered(Known::Told(vec![told("a", 100, 7), told("b", 50, 7)]), &entries);
        assert_eq!(seen(&day), [(Some("a"), Direction::In, 100), (Some("b"), Direction::In, 50)]);
    }

    #[test]
    fn what_a_case_tells_has_its_reference_and_what_nobody_tells_has_none() {
        let entries = [entry(1, SUSPENSE, BANK, 5, 7, Cause::Case(CaseId(1)))];
        let label = Label::new("x").expect("a label");
        let day = gathered(Known::Case(Some(label), TransactionId(9)), &entries);
        assert_eq!(
            (seen(&day), day.movements[0].transaction),
            (vec![(Some("x"), Direction::Out, 5)], TransactionId(9))
        );
        let day = gathered(Known::Told(Vec::new()), &entries);
        assert_eq!(seen(&day), [(None, Direction::Out, 5)]);
    }

    #[test]
    fn corrections_are_no_movements() {
        let cause = Cause::Transaction(TransactionId(4));
        let entries = [entry(1, SUSPENSE, BANK, 5, 7, cause), entry(2, BANK, SUSPENSE, 9, 7, cause)];
        let day = gathered(Known::Correction, &entries);
        assert_eq!(seen(&day), []);
        assert_eq!(day.corrections, BTreeMap::from([(AssetId(0), 4)]));
    }
}
