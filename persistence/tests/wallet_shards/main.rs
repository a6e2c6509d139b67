//! A tenant with several wallets behaves as one with one.
//!
//! The same commands go to both. With every message delivered, whoever asks hears the same of both: the
//! balances of every user, every trade, every order, every account of the house. With messages that
//! take their time, and a crash at any record, no money is lost or made, a replay is the run that it
//! replays, and in the end nothing is between the wallets.

#[path = "../../../engine/tests/payment_twin/decisions.rs"]
mod decisions;
#[path = "../../../engine/tests/payment_twin/generator.rs"]
mod generator;
#[path = "../../../engine/tests/payment_twin/life.rs"]
#[expect(dead_code, reason = "what a life has met is counted by the tests of payments")]
mod life;
#[path = "../../../engine/tests/payment_twin/naive.rs"]
mod naive;
mod orders;
#[path = "../../../engine/tests/common/random.rs"]
mod random;
#[path = "../../../engine/tests/payment_twin/reports.rs"]
mod reports;
#[path = "../../../engine/tests/common/settlement.rs"]
#[expect(dead_code, reason = "the ledger of trading alone is another test's")]
mod settlement;
#[path = "../../../engine/tests/payment_twin/tries.rs"]
mod tries;
mod venue;

use generator::Generator;
use life::{Change, Life};
use orders::{Act, Orders};
use random::Random;
use rialto_engine::ids::{AccountId, AssetId, RailId};
use rialto_engine::label::Label;
use rialto_engine::transaction::{Body, Standing, TransactionCommand};
use rialto_engine::units::{Amount, Nanos};
use rialto_engine::wallet::House;
use rialto_persistence::codec::{decode_record, encode_record};
use rialto_persistence::record::Record;
use rialto_persistence::snapshot;
use rialto_persistence::world::{Scratch, Unobserved, World};
use venue::{TENANT, Venue, compare};

/// How often what, so that nobody is content with a run that met nothing.
fn scaled(count: u64) -> u64 {
    let factor = std::env::var("RIALTO_SCALE").ok().and_then(|text| text.parse().ok());
    count * factor.unwrap_or(1)
}

fn act(venue: &mut Venue, act: &Act) -> bool {
    match act {
        Act::Order(command) => venue.command(command),
        Act::Money(command) => venue.transact(command),
        Act::Deposit(id, account, asset, amount, time) => {
            venue.deposit(id, *account, *asset, *amount, *time);
            true
        }
    }
}

#[test]
fn several_wallets_trade_and_pay_as_one_does() {
    let (mut trades, mut transacted) = (0, 0);
    for seed in 1..=scaled(60) {
        let mut random = Random::new(seed);
        let setup = orders::setup(&mut random);
        let shards = [2, 3, 5][(seed % 3) as usize];
        let (mut one, mut many) = (Venue::new(1, &setup), Venue::new(shards, &setup));
        one.settle();
        many.settle();
        let mut orders = Orders::new(seed);
        for step in 0..400 {
            let next = orders.next();
            act(&mut one, &next);
            act(&mut many, &next);
            one.settle();
            many.settle();
            let what = format!("seed {seed}, {shards} wallets, step {step}");
            compare(&one, &many, &what);
            if step % 10 == 0 {
                one.check(&what);
                many.check(&what);
            }
        }
        trades += many.witness.trades.len();
        transacted += many.witness.transacted;
        for asset in [0, 1, 2].map(AssetId) {
            assert_eq!(many.tenant().house(asset, House::Clearing).0, 0);
        }
    }
    assert!(trades > 4_000 && transacted > 2_000, "{trades} trades, {transacted} transactions");
}

#[test]
fn several_wallets_handle_transactions_as_one_does() {
    let mut transacted = 0;
    for seed in 1..=scaled(12) {
        let mut setup = vec![Record::OpenTenant { name: "alpha".to_owned(), limits: life::limits() }];
        for (asset, scale) in (0..life::ASSETS).zip([1, 0, 2]) {
            setup.push(Record::OpenAsset { tenant: TENANT, name: format!("A{asset}"), scale });
        }
        for account in 0..life::ACCOUNTS {
            setup.push(Record::OpenAccount { tenant: TENANT, name: format!("user-{account}") });
        }
        let definition = life::definition(seed);
        setup.push(Record::OpenMarket { tenant: TENANT, symbol: "A0A1".to_owned(), definition });
        let shards = [2, 3, 5][(seed % 3) as usize];
        let (mut one, mut many) = (Venue::new(1, &setup), Venue::new(shards, &setup));
        let mut generator = Generator::new(seed);
        let mut life = Life::new(seed, 64);
        let mut beginning = generator.beginning().into_iter();
        for step in 0..700 {
            let act = beginning.next().unwrap_or_else(|| generator.next(&life));
            life.act(&act).unwrap_or_else(|what| panic!("seed {seed}: {what}"));
            match (life.change.take(), act) {
                (Some(Change::Transacted(command)), _) => {
                    one.transact(&command);
                    many.transact(&command);
                }
                (Some(Change::Deposited), life::Act::Deposit { id, account, asset, amount, time }) => {
                    one.deposit(&id, account, asset, amount, time);
                    many.deposit(&id, account, asset, amount, time);
                }
                (Some(Change::Ordered), life::Act::Order(command)) => {
                    one.command(&command);
                    many.command(&command);
                }
                _ => continue,
            }
            one.settle();
            many.settle();
            let what = format!("seed {seed}, {shards} wallets, step {step}");
            compare(&one, &many, &what);
            if step % 10 == 0 {
                many.check(&what);
            }
        }
        transacted += many.witness.transacted;
    }
    assert!(transacted > 2_000, "{transacted} transactions");
}

/// Money that is decided before an account is closed, and reaches its home behind that, would be lost to it.
#[test]
fn an_account_is_not_closed_while_what_came_before_gives_it_money() {
    let setup = orders::setup(&mut Random::new(2));
    let mut venue = Venue::new(2, &setup);
    venue.settle();
    let (poor, rich) = (AccountId(1), AccountId(3));
    let label = |text: &str| Label::new(text).expect("it is one");
    let (rail, until, time) = (RailId::DIRECT, Nanos::ZERO, Nanos(2));
    let mut transfer = |id: &str, from, to, asset, amount| {
        let body = Body::Transfer { from, to, asset, amount, held: false };
        venue.transact(&TransactionCommand::Try { id: label(id), body, rail, until, time });
        venue.tenant().accounts_of(poor, asset).available
    };
    for asset in [0, 1, 2].map(AssetId) {
        let all = transfer(&format!("look-{asset}"), poor, rich, asset, Amount::ZERO);
        transfer(&format!("all-{asset}"), poor, rich, asset, all);
    }
    venue.settle();
    // Both are asked at once, and the first of them waits for money that is with the other wallet.
    let body = Body::Transfer { from: rich, to: poor, asset: AssetId(0), amount: Amount(5), held: false };
    venue.transact(&TransactionCommand::Try { id: label("gift"), body, rail, until, time });
    venue.transact(&TransactionCommand::ChangeStanding { account: poor, standing: Standing::Closed });
    venue.settle();
    venue.check("in the end");
    let tenant = venue.tenant();
    assert_eq!(tenant.accounts_of(poor, AssetId(0)).available, Amount(5));
    assert_eq!((tenant.wallet.standing(poor), tenant.home(poor).standing(poor)), (Standing::Active, Standing::Active));
}

/// Whoever is given money and gives it on at once has it, although it was looked for before it was there.
#[test]
fn commands_that_come_at_once_find_what_those_before_them_gave() {
    let setup = orders::setup(&mut Random::new(3));
    let venues = [1, 2, 3, 5].map(|shards| {
        let mut venue = Venue::new(shards, &setup);
        venue.settle();
        let label = |text: &str| Label::new(text).expect("it is one");
        let (rail, until, time, asset) = (RailId::DIRECT, Nanos::ZERO, Nanos(2), AssetId(0));
        let has = |venue: &Venue, account| venue.tenant().accounts_of(AccountId(account), asset).available;
        let all = (1..4).map(|account| has(&venue, account)).collect::<Vec<_>>();
        let sums = [all[0], all[0] + all[1], all[0] + all[1] + all[2]];
        for (from, amount) in (1..4).zip(sums) {
            let body =
                Body::Transfer { from: AccountId(from), to: AccountId(from + 1), asset, amount, held: from == 2 };
            let id = label(&format!("t-{from}"));
            venue.transact(&TransactionCommand::Try { id, body, rail, until, time });
            if from == 2 {
                venue.transact(&TransactionCommand::Confirm { id, amount: Amount::ZERO, time });
            }
        }
        venue.settle();
        venue.check("in the end");
        assert_eq!([1, 2, 3].map(|account| has(&venue, account)), [Amount::ZERO; 3], "{shards} wallets");
        venue
    });
    venues[1..].iter().for_each(|many| compare(&venues[0], many, "at once"));
}

/// Somebody has spent what is taken back of him, and has credit where he is at home.
#[test]
fn a_commission_is_not_taken_back_on_credit_wherever_its_agent_is_at_home() {
    let setup = orders::setup(&mut Random::new(1));
    let venues = [1, 2, 3].map(|shards| {
        let mut venue = Venue::new(shards, &setup);
        venue.settle();
        let (agent, other, asset) = (AccountId(1), AccountId(0), AssetId(0));
        let label = |text: &str| Label::new(text).expect("it is one");
        let (rail, until, time) = (RailId::DIRECT, Nanos::ZERO, Nanos(2));
        let attempt = |id: &str, body| TransactionCommand::Try { id: label(id), body, rail, until, time };
        let has = |venue: &Venue| venue.tenant().accounts_of(agent, asset).available;
        let all = has(&venue) + Amount(80) - Amount(10);
        let commands = [
            attempt("c", Body::Commission { agent, asset, amount: Amount(80) }),
            TransactionCommand::Confirm { id: label("c"), amount: Amount::ZERO, time },
            TransactionCommand::ChangeCredit { account: agent, asset, limit: Amount(50) },
            attempt("t", Body::Transfer { from: agent, to: other, asset, amount: all, held: false }),
            attempt("b", Body::ClawBack { commission: label("c"), amount: Amount(80) }),
        ];
        for command in commands {
            assert!(venue.transact(&command), "{command:?}");
            venue.settle();
        }
        venue.check("in the end");
        assert_eq!((has(&venue), venue.tenant().house(asset, House::Adjustment)), (Amount::ZERO, Amount(-70)));
        venue
    });
    compare(&venues[0], &venues[1], "two wallets");
    compare(&venues[0], &venues[2], "three wallets");
}

/// The written form there and back.
fn through_bytes(record: &Record) -> Record {
    let mut bytes = Vec::new();
    encode_record(record, &mut bytes);
    let read = decode_record(&bytes).expect("what was written can be read");
    assert_eq!(read, *record);
    read
}

fn deliver_all(world: &mut World) {
    let mut scratch = Scratch::default();
    while world.deliver(&mut scratch, &mut Unobserved).is_some() {}
    assert!(world.is_quiescent());
    let imbalances = world.tenants[0].imbalances();
    assert!(imbalances.is_empty(), "{imbalances:?}");
}

#[test]
fn whatever_is_delivered_when_and_wherever_it_is_cut_off_nothing_is_lost() {
    let folder = tempfile::tempdir().expect("a folder");
    let (mut waited, mut in_flight) = (0, 0);
    for seed in 1..=scaled(12) {
        let mut random = Random::new(seed);
        let setup = orders::setup(&mut random);
        let shards = [2, 3, 5][(seed % 3) as usize];
        let mut live = Venue::new(shards, &setup);
        let mut orders = Orders::new(seed);
        for step in 0..300 {
            act(&mut live, &orders.next());
            for _ in 0..random.below(5) {
                live.deliver_one(&mut random);
            }
            waited += live.tenant().wallet.waiting().len();
            in_flight += usize::from(live.tenant().in_passage(AssetId(0)).0 != 0);
            live.check(&format!("seed {seed}, {shards} wallets, step {step}"));
        }
        let records: Vec<Record> = live.records.iter().map(through_bytes).collect();
        let mut replayed = World::default();
        let (mut scratch, mut restored) = (Scratch::default(), None::<World>);
        for (position, record) in (1..).zip(&records) {
            replayed.apply(position, record, &mut scratch, &mut Unobserved).expect("the journal goes on");
            if let Some(world) = &mut restored {
                world.apply(position, record, &mut scratch, &mut Unobserved).expect("and from a snapshot");
            }
            if random.percent(3) {
                deliver_all(&mut replayed.clone());
                if let Some(world) = &restored {
                    assert_eq!(world.snapshot(), replayed.snapshot(), "seed {seed}: what was restored goes on");
                }
                snapshot::write(folder.path(), &replayed).expect("the snapshot is written");
                let read = snapshot::newest(folder.path()).expect("the folder is there").expect("and a snapshot");
                assert_eq!(read, replayed.snapshot(), "seed {seed}: a snapshot of a state is that state");
                restored = Some(World::restore(read).expect("restores"));
                for file in snapshot::list(folder.path()).expect("the folder is there") {
                    std::fs::remove_file(file).expect("a file that was just written");
                }
            }
        }
        assert_eq!(replayed.snapshot(), live.world.snapshot(), "seed {seed}: the replay is the run");
        live.settle();
        live.check(&format!("seed {seed}, in the end"));
        for asset in [0, 1, 2].map(AssetId) {
            assert_eq!(live.tenant().house(asset, House::Clearing).0, 0);
        }
    }
    assert!(waited > 1_000 && in_flight > 300, "{waited} commands waited, money was between wallets {in_flight} times");
}
