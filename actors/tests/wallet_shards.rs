//! A tenant whose accounts three wallets share, on two threads: orders and transactions of six users all at once,
//! a wallet that fails in between, and what everybody was told in the end.

mod support;

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use rialto_actors::api::{Query, Release, Reply, ReplyToken, Request, WorkerEvent};
use rialto_actors::exchange::{Options, Status, Storage, UserSetup};
use rialto_engine::ids::{AccountId, AssetId, RailId};
use rialto_engine::label::Label;
use rialto_engine::order::Side;
use rialto_engine::transaction::{Body, FeePlan, Standing, TransactionCommand, TransactionKind};
use rialto_engine::units::{Amount, BasisPoints, Nanos};
use rialto_engine::wallet::{Command, House};
use rialto_persistence::audit::audit;
use rialto_persistence::journal::memory::MemoryLog;
use rialto_persistence::record::Record;
use rialto_persistence::world::{Scratch, Unobserved, World};
use support::{MARKET, Session, TENANTS, apply, place, records, request, setup, wait_until};

const SHARDS: u16 = 3;
const USERS: u64 = 6;
const REQUESTS: u64 = 6_000;
const WINDOW: usize = 300;

/// What a user sees of an asset: free and locked.
type Seen = BTreeMap<(AccountId, AssetId), (i128, i128)>;

struct Script {
    random: u64,
    names: u64,
}

impl Script {
    fn below(&mut self, bound: u64) -> u64 {
        self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.random >> 33) % bound
    }

    fn label(&mut self) -> Label {
        self.names += 1;
        Label::new(&format!("t{}", self.names)).expect("it is one")
    }

    fn next(&mut self) -> Request {
        let user = self.below(USERS) as u32;
        let account = AccountId(user);
        let other = AccountId((user + 1 + self.below(USERS - 1) as u32) % USERS as u32);
        let (asset, amount) = (AssetId(self.below(2) as u16), Amount(i128::from(1 + self.below(90_000))));
        let (time, until, rail) = (Nanos::ZERO, Nanos::ZERO, RailId::DIRECT);
        let attempt = |id, body| TransactionCommand::Try { id, body, rail, until, time };
        let held = self.below(3) == 0;
        let command = match self.below(20) {
            0..10 => {
                self.names += 1;
                let side = if self.below(2) == 0 { Side::Buy } else { Side::Sell };
                return place(
                    user,
                    &format!("n{}", self.names),
                    side,
                    70_000 + self.below(20) * 10,
                    1 + self.below(900),
                );
            }
            10 => return request(Command::CancelAll { account, market: MARKET, time }),
            11..14 => attempt(self.label(), Body::Transfer { from: account, to: other, asset, amount, held }),
            14..16 => attempt(self.label(), Body::Payment { payer: account, merchant: other, asset, amount, held }),
            16 => {
                let payment = Label::new(&format!("t{}", 1 + self.below(self.names + 1))).expect("it is one");
                attempt(self.label(), Body::Refund { payment, amount, held })
            }
            17 => attempt(self.label(), Body::FeeShare { asset, rate: BasisPoints(100) }),
            18 => {
                let standing = if self.below(3) == 0 { Standing::Frozen } else { Standing::Active };
                TransactionCommand::ChangeStanding { account, standing }
            }
            _ => {
                let id = Label::new(&format!("t{}", 1 + self.below(self.names + 1))).expect("it is one");
                match self.below(2) {
                    0 => TransactionCommand::Confirm { id, amount: Amount::ZERO, time },
                    _ => TransactionCommand::Cancel { id, time },
                }
            }
        };
        Request::Transaction { command, deadline: Nanos(u64::MAX) }
    }
}

/// Takes in what everybody is told of his money, and takes off who was answered.
fn hear(release: &Release, seen: &mut Seen, asked: &mut HashSet<ReplyToken>) {
    for update in &release.updates {
        for balance in update.balances {
            seen.insert((update.order.account, balance.asset), (balance.available.0, balance.held.0));
        }
    }
    for news in &release.balances {
        let (now, key) = (news.balance, (news.account, news.balance.asset));
        seen.insert(key, (now.available.0, now.held.0));
    }
    if let Some((token, _)) = &release.answer {
        asked.remove(token);
    }
}

fn drain(session: &Session, seen: &mut Seen, asked: &mut HashSet<ReplyToken>) {
    while let Some(event) = session.feed.next_message() {
        match event {
            WorkerEvent::Released(release) => hear(&release, seen, asked),
            WorkerEvent::Interrupted => asked.clear(),
            WorkerEvent::Market(_) => {}
        }
    }
}

#[test]
fn whatever_comes_at_once_and_whatever_fails_everybody_is_told_what_he_has() {
    let log = MemoryLog::new();
    let mut setup = setup();
    let tenant = &mut setup.tenants[0];
    tenant.shards = SHARDS;
    let balances = tenant.users[0].balances.clone();
    tenant.users = (0..USERS)
        .map(|user| UserSetup { name: format!("user-{user}"), balances: balances.clone(), group: 0 })
        .collect();
    tenant.money.fees =
        vec![(TransactionKind::Payment, "USD".to_owned(), FeePlan { fixed: Amount(3), rate: BasisPoints(50) })];
    let mut options = Options::new(Storage::Memory(log.clone()));
    options.engine_threads = 2;
    let mut session = Session::start_as(options, &setup);
    let (acme, mut script) = (TENANTS[0], Script { random: 7, names: 0 });
    let (mut seen, mut asked) = (Seen::new(), HashSet::new());
    for number in 0..REQUESTS {
        if number == REQUESTS / 2 {
            session.exchange.drill(acme);
        }
        let next = script.next();
        loop {
            match session.send(acme, next.clone()) {
                Ok(token) => {
                    asked.insert(token);
                    break;
                }
                // It is being rebuilt, or has enough to do.
                Err(_) => std::thread::sleep(Duration::from_micros(200)),
            }
            drain(&session, &mut seen, &mut asked);
        }
        while asked.len() >= WINDOW {
            drain(&session, &mut seen, &mut asked);
        }
    }
    wait_until("everybody is answered", || {
        drain(&session, &mut seen, &mut asked);
        asked.is_empty()
    });
    // Nothing is under way any more when permits are back.
    std::thread::sleep(Duration::from_millis(300));
    drain(&session, &mut seen, &mut asked);
    for account in (0..USERS as u32).map(AccountId) {
        let release = session.ask(acme, Request::Query(Query::Balances { account }));
        let Some((_, Reply::Balances(balances))) = &release.answer else { panic!("{release:?}") };
        for balance in balances {
            let told = seen.get(&(account, balance.asset)).copied();
            assert_eq!(told, Some((balance.available.0, balance.held.0)), "account {account}, asset {}", balance.asset);
        }
    }
    assert_eq!(session.exchange.status(), Status::Ready, "the auditor agrees");
    session.exchange.shutdown();

    let nothing = tempfile::tempdir().expect("a directory");
    let found = audit(&log.open(), nothing.path()).expect("the journal replays");
    assert_eq!(found.findings, Vec::<String>::new());
    assert_eq!(found.undelivered, 0);
    assert!(found.tenants[0].fills_matched > 300, "{found:?}");
    let (mut world, mut scratch) = (World::default(), Scratch::default());
    let records = records(&log);
    records.iter().for_each(|record| apply(&mut world, record.as_ref(), &mut scratch, &mut Unobserved));
    for asset in [AssetId(0), AssetId(1)] {
        assert_eq!(world.tenants[0].house(asset, House::Clearing).0, 0, "nothing is between the wallets");
    }
    let count = |is_one: fn(&Record) -> bool| records.iter().flatten().filter(|record| is_one(record)).count();
    assert!(count(|record| matches!(record, Record::Await { .. })) > 500);
    assert!(count(|record| matches!(record, Record::Command { shard, .. } if shard.0 == 2)) > 300);
    // How many messages share a receipt is a matter of time.
    assert!(count(|record| matches!(record, Record::BookReceived { shard, .. } if shard.0 == 2)) > 3);
}
