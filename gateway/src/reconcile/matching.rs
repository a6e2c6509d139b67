//! The statement of a rail for a day against what the ledger says that the rail has moved.
//!
//! A rail's reference names one movement. The lines and the movements of one reference are paired,
//! what agrees first; whatever cannot be paired, or does not agree, is a difference, and becomes a
//! case. The amounts of all cases together are what the statement says in sum less what the ledger
//! says: nothing is lost between the two.

use std::collections::BTreeMap;

use rialto_engine::ids::{AssetId, RailId, TransactionId};
use rialto_engine::label::Label;
use rialto_engine::transaction::{CaseKind, NewCase};
use rialto_engine::units::{Amount, Nanos};

/// Which way money went, as the tenant sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Direction {
    /// It came in.
    In,
    /// It went out.
    Out,
}

/// A line of a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatementLine {
    /// The line of the text, counted from 1.
    pub line: usize,
    /// The rail's name for the movement.
    pub reference: Label,
    /// Which way.
    pub direction: Direction,
    /// Of what.
    pub asset: AssetId,
    /// How much, in minor units; above zero.
    pub amount: Amount,
    /// The business id that the rail was told, if it says so.
    pub id: Option<Label>,
}

/// A movement on a rail that the ledger has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerMovement {
    /// The rail's name for it; `None` where the ledger was never told one.
    pub reference: Option<Label>,
    /// Which way.
    pub direction: Direction,
    /// Of what.
    pub asset: AssetId,
    /// How much, in minor units; above zero.
    pub amount: Amount,
    /// The transaction it belongs to; zero for none.
    pub transaction: TransactionId,
    /// When the ledger heard of it.
    pub time: Nanos,
    /// The first entry that it posted.
    pub entry: u64,
    /// Whether it was posted on the day of the statement. Rails cut their days at other moments, so
    /// that movements of the days beside it may answer a line, but are not missed.
    pub is_of_day: bool,
}

/// What became of a line, or of a movement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ending {
    /// Both say the same.
    Matched,
    /// The ledger says the same on the day before or behind: whose statement names it too, has it twice.
    Neighbour,
    /// The ledger has it and the statement has not.
    Missing,
    /// The statement has it and the ledger has not.
    Unexpected,
    /// The statement has more of it.
    Over,
    /// The statement has less of it.
    Under,
    /// The statement says it once more than it happened.
    Duplicate,
    /// The statement has it in another asset.
    CurrencyMismatch,
    /// The statement has it the other way round.
    Opposite,
}

impl Ending {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Matched,
        Self::Neighbour,
        Self::Missing,
        Self::Unexpected,
        Self::Over,
        Self::Under,
        Self::Duplicate,
        Self::CurrencyMismatch,
        Self::Opposite,
    ];

    /// A short name for reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Matched => "matched",
            Self::Neighbour => "neighbour",
            Self::Missing => "missing",
            Self::Unexpected => "unexpected",
            Self::Over => "over",
            Self::Under => "under",
            Self::Duplicate => "duplicate",
            Self::CurrencyMismatch => "currency_mismatch",
            Self::Opposite => "opposite",
        }
    }
}

/// A line, a movement, or a pair of them, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What.
    pub ending: Ending,
    /// What the statement says, if it says anything.
    pub line: Option<StatementLine>,
    /// What the ledger says, if it says anything.
    pub movement: Option<LedgerMovement>,
}

/// Holds a statement against the ledger. What the statement says comes first, in its order; then what
/// is missing, in the order of the ledger. Money that came and went again under one reference, of
/// which the statement says nothing, is in none of it.
#[must_use]
pub fn reconcile(lines: &[StatementLine], movements: &[LedgerMovement]) -> Vec<Finding> {
    let mut groups: BTreeMap<Label, Group<'_>> = BTreeMap::new();
    let mut findings = Vec::new();
    for line in lines {
        groups.entry(line.reference).or_default().lines.push(line);
    }
    for movement in movements {
        match movement.reference {
            Some(reference) => groups.entry(reference).or_default().movements.push(movement),
            None if movement.is_of_day => findings.push(missing(movement)),
            None => {}
        }
    }
    for group in groups.into_values() {
        group.settle(&mut findings);
    }
    findings.sort_by_key(|finding| match (&finding.line, &finding.movement) {
        (Some(line), _) => (0, line.line as u64),
        (None, movement) => (1, movement.as_ref().map_or(0, |movement| movement.entry)),
    });
    findings
}

/// What one reference names.
#[derive(Default)]
struct Group<'a> {
    lines: Vec<&'a StatementLine>,
    movements: Vec<&'a LedgerMovement>,
}

impl Group<'_> {
    fn settle(mut self, findings: &mut Vec<Finding>) {
        if self.lines.is_empty() && self.is_nothing_in_sum() {
            return;
        }
        let mut is_known = !self.movements.is_empty();
        type Agrees = fn(&StatementLine, &LedgerMovement) -> bool;
        let passes: [(Agrees, bool); 4] = [
            (|line, movement| stated(line) == posted(movement), true),
            (|line, movement| (line.direction, line.asset) == (movement.direction, movement.asset), false),
            (|line, movement| line.direction == movement.direction, false),
            (|_, _| true, false),
        ];
        for (agrees, is_exact) in passes {
            // Only what says the same may answer for another day.
            self.pair(|line, movement| movement.is_of_day && agrees(line, movement), findings);
            if is_exact {
                self.pair(agrees, findings);
            }
        }
        for line in self.lines {
            let ending = if is_known { Ending::Duplicate } else { Ending::Unexpected };
            is_known = true;
            findings.push(Finding { ending, line: Some(line.clone()), movement: None });
        }
        findings.extend(self.movements.into_iter().filter(|movement| movement.is_of_day).map(missing));
    }

    /// Pairs each line with the first movement that agrees with it, and takes both out.
    fn pair(&mut self, agrees: impl Fn(&StatementLine, &LedgerMovement) -> bool, findings: &mut Vec<Finding>) {
        let movements = &mut self.movements;
        self.lines.retain(|line| {
            let Some(place) = movements.iter().position(|movement| agrees(line, movement)) else { return true };
            let movement = movements.remove(place);
            let ending = ending_of(line, movement);
            findings.push(Finding { ending, line: Some((*line).clone()), movement: Some(movement.clone()) });
            false
        });
    }

    fn is_nothing_in_sum(&self) -> bool {
        let mut sums: BTreeMap<AssetId, i128> = BTreeMap::new();
        for movement in self.movements.iter().filter(|movement| movement.is_of_day) {
            *sums.entry(movement.asset).or_default() += posted(movement).1;
        }
        sums.values().all(|sum| *sum == 0)
    }
}

fn missing(movement: &LedgerMovement) -> Finding {
    Finding { ending: Ending::Missing, line: None, movement: Some(movement.clone()) }
}

fn ending_of(line: &StatementLine, movement: &LedgerMovement) -> Ending {
    if line.direction != movement.direction {
        Ending::Opposite
    } else if line.asset != movement.asset {
        Ending::CurrencyMismatch
    } else {
        match line.amount.cmp(&movement.amount) {
            std::cmp::Ordering::Equal if !movement.is_of_day => Ending::Neighbour,
            std::cmp::Ordering::Equal => Ending::Matched,
            std::cmp::Ordering::Greater => Ending::Over,
            std::cmp::Ordering::Less => Ending::Under,
        }
    }
}

/// The asset and how much more of it is outside by what a line says.
fn stated(line: &StatementLine) -> (AssetId, i128) {
    (line.asset, signed(line.direction, line.amount))
}

/// The same by what the ledger says.
fn posted(movement: &LedgerMovement) -> (AssetId, i128) {
    (movement.asset, signed(movement.direction, movement.amount))
}

/// An amount as what the rail owes the tenant: more where money came in.
#[must_use]
pub const fn signed(direction: Direction, amount: Amount) -> i128 {
    match direction {
        Direction::In => amount.0,
        Direction::Out => -amount.0,
    }
}

impl Finding {
    /// The asset and how much more of it is outside than the ledger explains, for each asset that is
    /// concerned: none for what agrees, two where the assets differ.
    pub fn differences(&self) -> impl Iterator<Item = (AssetId, Amount)> {
        let outside = self.line.as_ref().map(stated);
        let inside = self.movement.as_ref().map(posted);
        let (first, second) = match (outside, inside) {
            (Some((asset, stated)), Some((same, posted))) if asset == same => (Some((asset, stated - posted)), None),
            (outside, inside) => (outside, inside.map(|(asset, posted)| (asset, -posted))),
        };
        let changed = [first, second].into_iter().flatten().filter(|(_, amount)| *amount != 0);
        changed.map(|(asset, amount)| (asset, Amount(amount)))
    }

    /// The cases that it makes.
    pub fn cases(&self, rail: RailId) -> impl Iterator<Item = NewCase> {
        let kind = match self.ending {
            // What both say has no difference, and makes none.
            Ending::Matched | Ending::Neighbour | Ending::Over | Ending::Under | Ending::Opposite => {
                CaseKind::Difference
            }
            Ending::Missing => CaseKind::Missing,
            Ending::Unexpected => CaseKind::Unexpected,
            Ending::Duplicate => CaseKind::Duplicate,
            Ending::CurrencyMismatch => CaseKind::CurrencyMismatch,
        };
        let named = self.line.as_ref().map(|line| line.reference);
        let reference = named.or_else(|| self.movement.as_ref().and_then(|movement| movement.reference));
        let transaction = self.movement.as_ref().map_or(TransactionId(0), |movement| movement.transaction);
        let differences: Vec<_> = self.differences().collect();
        differences.into_iter().map(move |(asset, amount)| NewCase {
            kind,
            rail,
            asset,
            amount,
            reference,
            transaction,
        })
    }
}

/// Of the cases that a statement makes, those that were not opened yet, whether they are still open or
/// not: a statement that comes again opens nothing anew. Two equal cases need two equal ones before.
#[must_use]
pub fn unopened(wanted: impl IntoIterator<Item = NewCase>, known: &[NewCase]) -> Vec<NewCase> {
    let mut unused: Vec<&NewCase> = known.iter().collect();
    let is_new = |case: &NewCase| match unused.iter().position(|known| *known == case) {
        Some(place) => {
            unused.swap_remove(place);
            false
        }
        None => true,
    };
    wanted.into_iter().filter(is_new).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const USD: AssetId = AssetId(0);
    const EUR: AssetId = AssetId(1);

    fn label(text: &str) -> Label {
        Label::new(text).expect("a label")
    }

    fn line(line: usize, reference: &str, direction: Direction, asset: AssetId, amount: i128) -> StatementLine {
        StatementLine { line, reference: label(reference), direction, asset, amount: Amount(amount), id: None }
    }

    fn movement(entry: u64, reference: &str, direction: Direction, asset: AssetId, amount: i128) -> LedgerMovement {
        LedgerMovement {
            reference: Some(label(reference)),
            direction,
            asset,
            amount: Amount(amount),
            transaction: TransactionId(entry),
            time: Nanos(entry),
            entry,
            is_of_day: true,
        }
    }

    fn endings(lines: &[StatementLine], movements: &[LedgerMovement]) -> Vec<Ending> {
        reconcile(lines, movements).iter().map(|finding| finding.ending).collect()
    }

    fn cases(lines: &[StatementLine], movements: &[LedgerMovement]) -> Vec<(CaseKind, AssetId, i128)> {
        let findings = reconcile(lines, movements);
        let cases = findings.iter().flat_map(|finding| finding.cases(RailId(1)));
        cases.map(|case| (case.kind, case.asset, case.amount.0)).collect()
    }

    use Direction::{In, Out};

    #[test]
    fn what_both_say_makes_no_case() {
        let lines = [line(2, "a", In, USD, 100), line(3, "b", Out, USD, 40)];
        let movements = [movement(7, "b", Out, USD, 40), movement(8, "a", In, USD, 100)];
        assert_eq!(endings(&lines, &movements), [Ending::Matched, Ending::Matched]);
        assert_eq!(cases(&lines, &movements), []);
    }

    #[test]
    fn each_difference_has_its_ending_and_its_case() {
        let table = [
            (vec![], vec![movement(1, "a", In, USD, 100)], Ending::Missing, CaseKind::Missing, -100),
            (vec![], vec![movement(1, "a", Out, USD, 100)], Ending::Missing, CaseKind::Missing, 100),
            (vec![line(2, "a", In, USD, 100)], vec![], Ending::Unexpected, CaseKind::Unexpected, 100),
            (vec![line(2, "a", Out, USD, 100)], vec![], Ending::Unexpected, CaseKind::Unexpected, -100),
            (
                vec![line(2, "a", In, USD, 110)],
                vec![movement(1, "a", In, USD, 100)],
                Ending::Over,
                CaseKind::Difference,
                10,
            ),
            (
                vec![line(2, "a", Out, USD, 110)],
                vec![movement(1, "a", Out, USD, 100)],
                Ending::Over,
                CaseKind::Difference,
                -10,
            ),
            (
                vec![line(2, "a", In, USD, 90)],
                vec![movement(1, "a", In, USD, 100)],
                Ending::Under,
                CaseKind::Difference,
                -10,
            ),
            (
                vec![line(2, "a", Out, USD, 90)],
                vec![movement(1, "a", In, USD, 100)],
                Ending::Opposite,
                CaseKind::Difference,
                -190,
            ),
        ];
        for (lines, movements, ending, kind, amount) in table {
            assert_eq!(endings(&lines, &movements), [ending]);
            assert_eq!(cases(&lines, &movements), [(kind, USD, amount)]);
        }
    }

    #[test]
    fn another_asset_is_a_case_in_each_of_the_two() {
        let (lines, movements) = ([line(2, "a", In, EUR, 90)], [movement(1, "a", In, USD, 100)]);
        assert_eq!(endings(&lines, &movements), [Ending::CurrencyMismatch]);
        let kind = CaseKind::CurrencyMismatch;
        assert_eq!(cases(&lines, &movements), [(kind, EUR, 90), (kind, USD, -100)]);
    }

    #[test]
    fn a_line_that_comes_again_is_a_duplicate_and_the_one_that_agrees_is_not() {
        let movements = [movement(1, "a", In, USD, 100)];
        let lines = [line(2, "a", In, USD, 90), line(3, "a", In, USD, 100), line(4, "a", In, USD, 100)];
        assert_eq!(endings(&lines, &movements), [Ending::Duplicate, Ending::Matched, Ending::Duplicate]);
        assert_eq!(cases(&lines, &movements), [(CaseKind::Duplicate, USD, 90), (CaseKind::Duplicate, USD, 100)]);
        assert_eq!(endings(&lines[1..], &[]), [Ending::Unexpected, Ending::Duplicate]);
    }

    #[test]
    fn what_came_and_went_again_is_no_difference_whether_the_statement_tells_it_or_not() {
        let movements = [movement(1, "a", In, USD, 100), movement(5, "a", Out, USD, 100)];
        assert_eq!(endings(&[], &movements), []);
        let lines = [line(2, "a", Out, USD, 100), line(3, "a", In, USD, 100)];
        assert_eq!(endings(&lines, &movements), [Ending::Matched, Ending::Matched]);
        assert_eq!(endings(&lines[1..], &movements), [Ending::Matched, Ending::Missing]);
    }

    #[test]
    fn movements_of_the_days_beside_answer_a_line_that_says_the_same_and_are_not_missed() {
        let mut beside = movement(1, "a", In, USD, 100);
        beside.is_of_day = false;
        let lines = [line(2, "a", In, USD, 100)];
        let found = reconcile(&lines, std::slice::from_ref(&beside));
        assert_eq!(found.iter().map(|finding| finding.ending).collect::<Vec<_>>(), [Ending::Neighbour]);
        assert_eq!(found[0].cases(RailId(1)).count(), 0, "it may be told, and is no difference");
        // Once is once: what the day has itself goes first, and a second line for it says it once too often.
        let both = [beside.clone(), movement(7, "a", In, USD, 100)];
        assert_eq!(endings(&lines, &both), [Ending::Matched]);
        let twice = [line(2, "a", In, USD, 100), line(3, "a", In, USD, 100)];
        assert_eq!(endings(&twice, &both), [Ending::Matched, Ending::Neighbour]);
        assert_eq!(endings(&twice, std::slice::from_ref(&beside)), [Ending::Neighbour, Ending::Duplicate]);
        assert_eq!(endings(&[], std::slice::from_ref(&beside)), []);
        // It has happened once, so that a line that says something else says it once too often.
        assert_eq!(endings(&[line(2, "a", In, USD, 90)], &[beside]), [Ending::Duplicate]);
    }

    #[test]
    fn a_movement_that_never_had_a_reference_is_missing() {
        let mut unnamed = movement(9, "x", In, USD, 5);
        unnamed.reference = None;
        assert_eq!(endings(&[line(2, "a", In, USD, 5)], &[unnamed]), [Ending::Unexpected, Ending::Missing]);
    }

    #[test]
    fn a_statement_that_comes_again_opens_nothing_anew() {
        let lines = [line(2, "a", In, USD, 5), line(3, "a", In, USD, 5), line(4, "a", In, USD, 5)];
        let wanted: Vec<NewCase> = reconcile(&lines, &[]).iter().flat_map(|found| found.cases(RailId(1))).collect();
        assert_eq!(wanted.len(), 3);
        assert_eq!(unopened(wanted.clone(), &[]), wanted);
        assert_eq!(unopened(wanted.clone(), &wanted), []);
        // Of the two equal duplicates, one was opened before a crash.
        assert_eq!(unopened(wanted.clone(), &wanted[..2]), wanted[2..]);
        let other_rail = NewCase { rail: RailId(2), ..wanted[0] };
        assert_eq!(unopened(wanted.clone(), &[other_rail]), wanted);
    }

    /// A small generator of pseudo-random numbers: the same run every time.
    struct Random(u64);

    impl Random {
        fn below(&mut self, bound: u64) -> u64 {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            self.0 % bound
        }
    }

    #[test]
    fn cases_are_in_sum_what_the_statement_says_less_what_the_ledger_says() {
        let mut random = Random(0x9E37_79B9_7F4A_7C15);
        for _ in 0..20_000 {
            let mut some = |from: u64| {
                let reference = ["a", "b", "c"][random.below(3) as usize];
                let direction = [In, Out][random.below(2) as usize];
                (from, reference, direction, [USD, EUR][random.below(2) as usize], 1 + i128::from(random.below(3)))
            };
            let lines: Vec<StatementLine> = (0..5)
                .map(|number| {
                    let (number, reference, direction, asset, amount) = some(number);
                    line(2 + number as usize, reference, direction, asset, amount)
                })
                .collect();
            let movements: Vec<LedgerMovement> = (1..5)
                .map(|number| {
                    let (number, reference, direction, asset, amount) = some(number);
                    movement(number, reference, direction, asset, amount)
                })
                .collect();
            let (said, known) = (random.below(6) as usize, random.below(5) as usize);
            let (lines, movements) = (&lines[..said], &movements[..known]);
            let findings = reconcile(lines, movements);
            for asset in [USD, EUR] {
                let outside = lines.iter().map(stated).filter(|(of, _)| *of == asset).map(|(_, amount)| amount);
                let inside = movements.iter().map(posted).filter(|(of, _)| *of == asset).map(|(_, amount)| amount);
                let cases = findings.iter().flat_map(|finding| finding.cases(RailId(1)));
                let cases = cases.filter(|case| case.asset == asset).map(|case| case.amount.0);
                assert_eq!(
                    cases.sum::<i128>(),
                    outside.sum::<i128>() - inside.sum::<i128>(),
                    "{lines:?} {movements:?}"
                );
            }
            // Each line ends once.
            let told = findings.iter().filter_map(|finding| finding.line.as_ref()).count();
            assert_eq!(told, lines.len());
        }
    }
}
