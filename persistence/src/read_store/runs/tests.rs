//! Runs against a map.

use std::collections::BTreeMap;

use redb::{Database, ReadableDatabase};

use super::*;

const TABLE: RunTable = RunTable::new(0, "test", "blocks", "catalog");
/// So few that blocks are forgotten all the time.
const KEPT_BYTES: usize = 40_000;

type Model = BTreeMap<u32, Vec<u8>>;

struct Dice(u64);

impl Dice {
    fn below(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below
    }
}

fn decode(key: &[u8], row: &[u8]) -> Option<(u32, Vec<u8>)> {
    Some((u32::from_be_bytes(key.try_into().ok()?), row.to_vec()))
}

fn contents(runs: &Runs, low: u32, high: u32, direction: Direction) -> Vec<(u32, Vec<u8>)> {
    let mut scan = runs.scan(&low.to_be_bytes(), &high.to_be_bytes(), direction).expect("scans");
    std::iter::from_fn(|| scan.next(decode).expect("reads")).collect()
}

/// Steps and leaps through a scan and through the map.
fn check_leaps(runs: &Runs, model: &Model, dice: &mut Dice, direction: Direction) {
    let (low, high) = (dice.below(1_500) as u32, 1_500 + dice.below(2_000) as u32);
    let mut scan = runs.scan(&low.to_be_bytes(), &high.to_be_bytes(), direction).expect("scans");
    let is_up = direction == Direction::Ascending;
    // What is left.
    let (mut low, mut high) = (low, high);
    let mut is_over = false;
    for _ in 0..60 {
        let mut left = model.range(low..=high).filter(|_| !is_over);
        let expected = if is_up { left.next() } else { left.next_back() }.map(|(key, row)| (*key, row.clone()));
        match dice.below(3) {
            0 => assert_eq!(scan.head(decode).expect("reads"), expected),
            1 => {
                assert_eq!(scan.next(decode).expect("reads"), expected);
                match expected {
                    Some((key, _)) if is_up && key < high => low = key + 1,
                    Some((key, _)) if !is_up && key > low => high = key - 1,
                    _ => is_over = true,
                }
            }
            _ => {
                // Near and far, and at times back, which changes nothing.
                let reach = if dice.below(2) == 0 { 8 } else { 700 };
                let far = dice.below(reach) as u32;
                let back = if dice.below(5) == 0 { 20 } else { 0 };
                let to = if is_up { (low + far).saturating_sub(back) } else { (high + back).saturating_sub(far) };
                scan.leap(&to.to_be_bytes()).expect("reads");
                if is_up {
                    low = low.max(to);
                } else {
                    high = high.min(to);
                }
                is_over |= low > high;
                // The map does not take a range that is none.
                if low > high {
                    (low, high) = (0, 0);
                }
            }
        }
    }
}

fn check(runs: &Runs, model: &Model, dice: &mut Dice) {
    let (low, high) = (dice.below(3_000) as u32, dice.below(3_500) as u32);
    let expected = |low: u32, high: u32| -> Vec<(u32, Vec<u8>)> {
        model.iter().filter(|(key, _)| (low..=high).contains(*key)).map(|(k, row)| (*k, row.clone())).collect()
    };
    assert_eq!(contents(runs, low, high, Direction::Ascending), expected(low, high));
    assert_eq!(contents(runs, 0, u32::MAX, Direction::Ascending), expected(0, u32::MAX));
    let mut reversed = contents(runs, low, high, Direction::Descending);
    reversed.reverse();
    assert_eq!(reversed, expected(low, high));
    for key in [low, high, dice.below(3_000) as u32] {
        let row = runs.get(&key.to_be_bytes(), |row| Some(row.to_vec())).expect("reads");
        assert_eq!(row.as_ref(), model.get(&key));
    }
    check_leaps(runs, model, dice, Direction::Ascending);
    check_leaps(runs, model, dice, Direction::Descending);
}

/// Rows of few keys over and over, so that runs overlap, merged with a budget so small that
/// merges are always underway. States stay open for a while, and answer as they did.
#[test]
fn runs_answer_like_a_map_while_they_are_merged() {
    let file = tempfile::NamedTempFile::new().expect("a file");
    let database = Database::create(file.path()).expect("opens");
    let kept = Arc::new(Kept::new(1, KEPT_BYTES));
    let mut model = Model::new();
    let mut dice = Dice(1);
    let mut states: Vec<(Runs, Model)> = Vec::new();
    for round in 0..400_u64 {
        let mut rows = BTreeMap::new();
        for _ in 0..dice.below(60) {
            rows.insert(dice.below(3_000) as u32, vec![round as u8; dice.below(60) as usize]);
        }
        model.extend(rows.iter().map(|(key, row)| (*key, row.clone())));
        let rows: Vec<([u8; 4], Vec<u8>)> = rows.into_iter().map(|(key, row)| (key.to_be_bytes(), row)).collect();
        let transaction = database.begin_write().expect("begins");
        {
            let mut catalog = transaction.open_table(TABLE.catalog).expect("opens");
            let mut blocks = transaction.open_table(TABLE.blocks).expect("opens");
            append(&mut catalog, &mut blocks, rows.iter().map(|(key, row)| (&key[..], &row[..]))).expect("appends");
            let budget = if round < 300 && round % 100 < 50 { dice.below(40) } else { 2_000 };
            TABLE.merge(&mut catalog, &mut blocks, budget).expect("merges");
        }
        transaction.commit().expect("commits");

        let runs = TABLE.read(&database.begin_read().expect("begins"), &kept).expect("reads");
        check(&runs, &model, &mut dice);
        states.push((runs, model.clone()));
        if states.len() > 8 {
            let (runs, model) = states.swap_remove(dice.below(8) as usize);
            check(&runs, &model, &mut dice);
        }
    }
    // Several at once, in the same blocks and in those that another one forgets.
    std::thread::scope(|scope| {
        for (index, (runs, model)) in states.iter().enumerate().take(4) {
            scope.spawn(move || {
                let mut dice = Dice(index as u64);
                (0..40).for_each(|_| check(runs, model, &mut dice));
            });
        }
    });
    drop(states);
    let runs = TABLE.read(&database.begin_read().expect("begins"), &kept).expect("reads");
    check(&runs, &model, &mut dice);
    assert!(runs.runs.len() < 30, "{} runs", runs.runs.len());
    assert!(kept.bytes() <= KEPT_BYTES, "{} bytes are kept", kept.bytes());
    let blocks = database.begin_read().expect("begins").open_table(TABLE.blocks).expect("opens");
    let is_whole = |block: &[u8]| runs.runs.iter().any(|run| block[..8] == run.number.to_be_bytes());
    let stale = blocks.range::<&[u8]>(..).expect("reads").filter(|block| {
        let (key, _) = block.as_ref().expect("reads");
        !is_whole(key.value())
    });
    assert!(stale.count() < 200);
    drop(runs);
    kept.runs(0, &[]);
    assert_eq!(kept.bytes(), 0, "runs take their blocks with them");
}

/// What is asked again is answered without the table: of a block that is kept, and of what lies before, between
/// and behind blocks.
#[test]
fn what_was_asked_before_is_kept() {
    let file = tempfile::NamedTempFile::new().expect("a file");
    let database = Database::create(file.path()).expect("opens");
    let kept = Arc::new(Kept::new(1, 1 << 20));
    let rows: Vec<([u8; 4], Vec<u8>)> = (100..1_000_u32).map(|key| ((2 * key).to_be_bytes(), vec![7; 60])).collect();
    let transaction = database.begin_write().expect("begins");
    TABLE.create(&transaction).expect("creates");
    TABLE.write(&transaction, rows.iter().map(|(key, row)| (&key[..], &row[..]))).expect("writes");
    transaction.commit().expect("commits");
    let runs = TABLE.read(&database.begin_read().expect("begins"), &kept).expect("reads");
    let asked: Vec<[u8; 4]> = (0..3_000_u32).map(u32::to_be_bytes).collect();
    let answers = |runs: &Runs| -> Vec<Vec<Option<u32>>> {
        let at = |key: &[u8; 4], direction| {
            let found = runs.runs[0].at(&runs.source(), key, direction).expect("reads");
            found.and_then(|(block, at)| Some(u32::from_be_bytes(block.key(at).try_into().ok()?)))
        };
        let both = |key| [Direction::Ascending, Direction::Descending].map(|direction| at(key, direction)).to_vec();
        asked.iter().map(both).collect()
    };
    let first = answers(&runs);
    let expected = |key: u32| {
        let up = (key.max(200)..).find(|key| key % 2 == 0).filter(|key| *key < 2_000);
        let down = (0..=key.min(1_998)).rev().find(|key| key % 2 == 0).filter(|key| *key >= 200);
        vec![up, down]
    };
    assert_eq!(first, (0..3_000).map(expected).collect::<Vec<_>>());
    let bytes = kept.bytes();
    // The table that the runs are asked with now has nothing in it.
    let transaction = database.begin_write().expect("begins");
    transaction.delete_table(TABLE.blocks).expect("deletes");
    transaction.open_table(TABLE.blocks).expect("opens");
    transaction.commit().expect("commits");
    let empty = TABLE.read(&database.begin_read().expect("begins"), &kept).expect("reads");
    assert_eq!(answers(&empty), first);
    assert_eq!(kept.bytes(), bytes);
}
