//! A tenant that trades and pays, written to a journal, and cut off at every record: what is
//! restored is what was, goes on as if nothing had happened, and answers outsiders who ask again as it
//! did before.
//!
//! The driver is that of the engine's payment twin, which says at every step what must come out.

#[path = "../../engine/tests/payment_twin/decisions.rs"]
mod decisions;
#[path = "../../engine/tests/payment_twin/generator.rs"]
mod generator;
#[path = "../../engine/tests/payment_twin/life.rs"]
mod life;
#[path = "../../engine/tests/payment_twin/naive.rs"]
mod naive;
#[path = "../../engine/tests/common/random.rs"]
mod random;
#[path = "../../engine/tests/payment_twin/reports.rs"]
mod reports;
#[path = "../../engine/tests/common/settlement.rs"]
#[expect(dead_code, reason = "the ledger of trading alone is another test's")]
mod settlement;
#[path = "../../engine/tests/payment_twin/tries.rs"]
mod tries;

use std::collections::BTreeMap;

use generator::Generator;
use life::{ACCOUNTS, ASSETS, Act, Change, Life, MARKET, Seen};
use random::Random;
use rialto_engine::ids::{ShardId, TenantId, TransactionId};
use rialto_engine::label::Label;
use rialto_engine::reason::Reason;
use rialto_engine::transaction::{Report, Transacted, TransactionCommand};
use rialto_engine::units::Nanos;
use rialto_engine::wallet::{Wallet, WalletOutput};
use rialto_persistence::codec::{decode_record, encode_record};
use rialto_persistence::frame::{Group, Position};
use rialto_persistence::journal::Journal;
use rialto_persistence::journal::memory::MemoryLog;
use rialto_persistence::record::Record;
use rialto_persistence::replay::{advance, replay};
use rialto_persistence::snapshot::{self, WorldSnapshot};
use rialto_persistence::world::{Scratch, Unobserved, World};

const TENANT: TenantId = TenantId(0);

/// A life, the journal of it, and the state behind every record of it.
struct Run {
    records: Vec<Record>,
    states: Vec<WorldSnapshot>,
    /// What outsiders had done by the time of each record, as far as it changed anything.
    acts: Vec<Option<Act>>,
    seen: Seen,
}

fn setup(seed: u64) -> Vec<Record> {
    let tenant = TENANT;
    let mut records = vec![Record::OpenTenant { name: "alpha".to_owned(), limits: life::limits() }];
    for (asset, scale) in (0..ASSETS).zip([1, 0, 2]) {
        records.push(Record::OpenAsset { tenant, name: format!("A{asset}"), scale });
    }
    for account in 0..ACCOUNTS {
        records.push(Record::OpenAccount { tenant, name: format!("user-{account}") });
    }
    let definition = life::definition(seed);
    records.push(Record::OpenMarket { tenant, symbol: "A0A1".to_owned(), definition });
    records
}

/// The written form there and back.
fn through_bytes(record: &Record) -> Record {
    let mut bytes = Vec::new();
    encode_record(record, &mut bytes);
    let read = decode_record(&bytes).expect("what was written can be read");
    assert_eq!(read, *record);
    read
}

impl Run {
    fn new(seed: u64, length: usize) -> Self {
        let mut run = Self { records: Vec::new(), states: Vec::new(), acts: Vec::new(), seen: Seen::default() };
        let (mut world, mut scratch) = (World::default(), Scratch::default());
        for record in setup(seed) {
            world.apply(world.position + 1, &record, &mut scratch, &mut Unobserved).expect("follows");
            run.push(record, None, &world);
        }
        let mut generator = Generator::new(seed);
        let mut life = Life::new(seed, 64);
        let mut beginning = generator.beginning().into_iter();
        while run.records.len() < length {
            let act = beginning.next().unwrap_or_else(|| generator.next(&life));
            life.act(&act).unwrap_or_else(|what| panic!("seed {seed}: {what}"));
            let Some(change) = life.change.take() else { continue };
            let record = match (change, &act) {
                (Change::Transacted(command), _) => {
                    world.transact(TENANT, *command, &mut scratch, &mut Unobserved).expect("the twin has taken it")
                }
                (change, act) => {
                    let record = record(&change, act);
                    world.apply(world.position + 1, &record, &mut scratch, &mut Unobserved).expect("follows");
                    record
                }
            };
            run.push(record, Some(act), &world);
            assert_eq!(world.tenants[0].wallet.digest(), life.wallet.digest(), "seed {seed}");
        }
        assert_eq!(world.tenants[0].wallet.snapshot(), life.wallet.snapshot(), "seed {seed}");
        life.check_walk().unwrap_or_else(|what| panic!("seed {seed}: {what}"));
        run.seen.add(&life.seen);
        run
    }

    fn push(&mut self, record: Record, act: Option<Act>, world: &World) {
        self.records.push(record);
        self.acts.push(act);
        self.states.push(world.snapshot());
    }

    /// The state after the first so many records.
    fn state(&self, cut: usize) -> &WorldSnapshot {
        &self.states[cut - 1]
    }

    fn apply(&self, world: &mut World, cut: usize) {
        let record = through_bytes(&self.records[cut - 1]);
        world.apply(cut as u64, &record, &mut Scratch::default(), &mut Unobserved).expect("the journal goes on");
    }
}

fn record(change: &Change, act: &Act) -> Record {
    let (tenant, shard, market) = (TENANT, ShardId::FIRST, MARKET);
    match (change, act) {
        (Change::Deposited, Act::Deposit { id, account, asset, amount, time }) => {
            let (id, account, asset, amount, time) = (id.clone(), *account, *asset, *amount, *time);
            Record::Deposit { tenant, id, account, asset, amount, time }
        }
        (Change::Ordered, Act::Order(command)) => Record::Command { tenant, shard, command: command.clone() },
        (Change::Matched(through, digest), _) => {
            Record::BookReceived { tenant, shard, market, through: *through, digest: *digest }
        }
        (Change::Settled(through, digest), _) => {
            Record::WalletReceived { tenant, shard, market, through: *through, digest: *digest }
        }
        (change, act) => panic!("{act:?} cannot bring {change:?}"),
    }
}

/// Through the file of a snapshot, if `folder` is one.
fn restored(state: &WorldSnapshot, folder: Option<&std::path::Path>) -> World {
    let world = World::restore(state.clone()).expect("restores");
    let Some(folder) = folder else { return world };
    snapshot::write(folder, &world).expect("the snapshot is written");
    let read = snapshot::newest(folder).expect("the folder is there").expect("and the snapshot in it");
    assert_eq!(read, *state, "a snapshot of a state is that state");
    World::restore(read).expect("restores")
}

/// What was cut off is completed as after a crash, and the money is in balance.
fn complete(mut world: World) {
    let mut scratch = Scratch::default();
    while world.deliver(&mut scratch, &mut Unobserved).is_some() {}
    assert!(world.is_quiescent());
    let imbalances: Vec<_> = world.tenants.iter().flat_map(|tenant| tenant.imbalances()).collect();
    assert!(imbalances.is_empty(), "{imbalances:?}");
}

/// Whatever outsiders asked and was durable is asked again, at another time: they hear the same, and
/// nothing changes.
fn ask_again(run: &Run, cut: usize, wallet: &mut Wallet, sampled: &mut Random) -> u64 {
    let mut output = WalletOutput::default();
    let before = wallet.snapshot();
    let later = Nanos(u64::MAX / 2);
    let mut asked = 0;
    // The number that each id got.
    let mut numbers: BTreeMap<Label, u64> = BTreeMap::new();
    for (record, act) in run.records[..cut].iter().zip(&run.acts) {
        let number = numbers.len() as u64 + 1;
        match record {
            Record::Deposit { id, account, asset, amount, .. } => {
                let again = wallet.deposit(id, *account, *asset, *amount, later, &mut output);
                assert_eq!(again, Ok(()), "direct deposit {id}");
            }
            Record::Transaction { command, .. } => {
                let number = match command {
                    TransactionCommand::Try { id, .. } | TransactionCommand::Cancel { id, .. } => {
                        *numbers.entry(*id).or_insert(number)
                    }
                    TransactionCommand::Confirm { id, .. } => numbers[id],
                    TransactionCommand::Acknowledge { transaction, .. } => transaction.0,
                    _ => 0,
                };
                let Some(again) = once_more(command) else { continue };
                // All of them at the end; on the way there, some.
                if cut < run.records.len() && !sampled.percent(10) {
                    continue;
                }
                let answer = wallet.transact(&again, &mut output);
                let is_right = is_as_before(&again, number, answer);
                assert!(is_right, "{again:?}, first asked as {act:?}, is answered {answer:?}");
                asked += 1;
            }
            _ => {}
        }
    }
    let is_silent = output.entries.is_empty()
        && output.events.is_empty()
        && output.calls.is_empty()
        && output.notices.is_empty()
        && output.cases.is_empty();
    assert!(is_silent, "{output:?}");
    assert_eq!(wallet.snapshot(), before, "asking again has changed something");
    asked
}

/// The same question at another time, if it is one that has the same answer for ever.
fn once_more(command: &TransactionCommand) -> Option<TransactionCommand> {
    let mut again = command.clone();
    match &mut again {
        TransactionCommand::Report { report, .. } if !is_movement(report) => return None,
        TransactionCommand::Try { time, .. }
        | TransactionCommand::Confirm { time, .. }
        | TransactionCommand::Cancel { time, .. }
        | TransactionCommand::Approve { time, .. }
        | TransactionCommand::Report { time, .. }
        | TransactionCommand::Acknowledge { time, .. } => *time = Nanos(u64::MAX / 2),
        _ => return None,
    }
    Some(again)
}

fn is_as_before(command: &TransactionCommand, number: u64, answer: Result<Transacted, Reason>) -> bool {
    let same = Transacted { transaction: TransactionId(number), is_changed: false };
    match command {
        TransactionCommand::Report { .. } => answer.is_ok_and(|transacted| !transacted.is_changed),
        TransactionCommand::Approve { .. } => {
            matches!(answer, Err(Reason::AlreadyApproved | Reason::TransactionFinal))
        }
        // What was only wished may have gone through since.
        TransactionCommand::Cancel { .. } => answer == Ok(same) || answer == Err(Reason::TransactionFinal),
        _ => answer == Ok(same),
    }
}

/// Whether it is a fact that cannot come true a second time.
fn is_movement(report: &Report) -> bool {
    matches!(report, Report::Received { .. } | Report::Paid { .. } | Report::Bounced { .. } | Report::Returned { .. })
}

#[test]
fn a_journal_cut_at_any_record_gives_what_was_there() {
    let (mut asked, mut seen) = (0, Seen::default());
    for seed in 1..=14 {
        let run = Run::new(seed, 500);
        seen.add(&run.seen);
        let mut sampled = Random::new(seed);
        let mut world = World::default();
        for cut in 1..=run.records.len() {
            run.apply(&mut world, cut);
            assert_eq!(world.snapshot(), *run.state(cut), "seed {seed}, record {cut}");
            complete(world.clone());
            if world.tenants.first().is_some_and(|tenant| !tenant.markets.is_empty()) {
                asked += ask_again(&run, cut, &mut world.tenants[0].wallet, &mut sampled);
            }
        }
    }
    assert!(asked > 20_000, "only {asked} questions were asked again");
    assert!(seen.fills > 100 && seen.entries > 1_000 && seen.notices > 100, "{seen:?}");
}

#[test]
fn a_snapshot_and_the_tail_of_the_journal_give_what_was_there() {
    let folder = tempfile::tempdir().expect("a folder");
    for seed in 101..=112 {
        let run = Run::new(seed, 400);
        let mut random = Random::new(seed);
        for _ in 0..12 {
            let from = random.between(10, run.records.len() as u64 - 1) as usize;
            let own = folder.path().join(format!("{seed}-{from}"));
            let mut world = restored(run.state(from), Some(&own));
            assert_eq!(world.snapshot(), *run.state(from), "seed {seed}, record {from}");
            for cut in from + 1..=run.records.len() {
                run.apply(&mut world, cut);
                assert_eq!(world.snapshot(), *run.state(cut), "seed {seed}, records {from} to {cut}");
                // Now and then it crashes again, right behind another snapshot.
                if random.below(60) == 0 {
                    world = restored(run.state(cut), None);
                }
            }
            complete(world.clone());
            ask_again(&run, run.records.len(), &mut world.tenants[0].wallet, &mut random);
        }
    }
}

/// Frames that are cut by a loss of power: what was appended is there, what was not is not, and a
/// replay of the log is the state at its end.
#[test]
fn a_log_that_loses_power_replays_to_its_last_durable_record() {
    for seed in 201..=208 {
        let run = Run::new(seed, 400);
        let mut random = Random::new(seed);
        let log = MemoryLog::new();
        let mut next = 0;
        while next < run.records.len() {
            let mut journal = log.open();
            let (epoch, mut end) = journal.acquire("node").expect("the log is free");
            // Some groups, and the power is gone.
            for _ in 0..random.between(1, 6) {
                let mut group = Group::new(epoch, end);
                for record in run.records.iter().skip(next).take(random.between(1, 20) as usize) {
                    let mut bytes = Vec::new();
                    encode_record(record, &mut bytes);
                    group.push(&bytes).expect("it fits");
                    next += 1;
                }
                end = journal.append(&mut group).expect("durable");
            }
            drop(journal);
            log.power_cut();
            let (mut world, journal) = (World::default(), log.open());
            replay(&mut world, &mut *journal.reader(), &mut Unobserved).expect("the log describes a run");
            assert_eq!(Position(world.position), journal.stats().last);
            // Fences have positions of their own.
            let position = run.state(next).position;
            assert_eq!(WorldSnapshot { position, ..world.snapshot() }, *run.state(next), "seed {seed}, record {next}");
            let mut again = World::default();
            let mut reader = journal.reader();
            let mut scratch = Scratch::default();
            while advance(&mut again, &mut *reader, 300, &mut scratch, &mut Unobserved).expect("reads on") {}
            assert_eq!(again.snapshot(), world.snapshot(), "in small steps");
        }
    }
}
