//! What version 5 adds: a tenant with several wallets, with orders, answers, money and commands under way
//! between them.

use rialto_engine::ids::{AccountId, AssetId, RailId, ShardId};
use rialto_engine::label::Label;
use rialto_engine::order::{OrderKind, Side};
use rialto_engine::transaction::{Body, Standing, TransactionCommand};
use rialto_engine::units::{Amount, Nanos};
use rialto_engine::wallet::{Command, Place};
use rialto_persistence::record::Record;
use rialto_persistence::world::{Scratch, Unobserved, World};

use super::{TENANT, place, records};

const USD: AssetId = AssetId(0);

/// Records in the order in which a world takes them.
#[derive(Default)]
struct Script {
    world: World,
    records: Vec<Record>,
}

impl Script {
    fn take(&mut self, record: Record) {
        let position = self.world.position + 1;
        let applied = self.world.apply(position, &record, &mut Scratch::default(), &mut Unobserved);
        assert_eq!(applied, Ok(()), "{record:?}");
        self.records.push(record);
    }

    fn deliver(&mut self) {
        while let Some(record) = self.world.deliver(&mut Scratch::default(), &mut Unobserved) {
            self.records.push(record);
        }
    }

    fn order(&mut self, account: u32, name: &str, side: Side, price: u64) {
        let order = Place { account: AccountId(account), ..place(name, side, OrderKind::Limit, price) };
        let shard = ShardId(u16::try_from(account).expect("small"));
        self.take(Record::Command { tenant: TENANT, shard, command: Command::Place(order) });
    }

    fn transact(&mut self, command: TransactionCommand) {
        let record = self.world.transact(TENANT, command, &mut Scratch::default(), &mut Unobserved);
        self.records.push(record.expect("it is taken"));
    }

    fn transfer(&mut self, id: &str, from: u32, to: u32, held: bool) {
        let id = Label::new(id).expect("it is one");
        let (from, to, asset, amount) = (AccountId(from), AccountId(to), USD, Amount(5_000));
        let body = Body::Transfer { from, to, asset, amount, held };
        let (rail, until, time) = (RailId::DIRECT, Nanos::ZERO, Nanos(1_764_000_000_000_000_000));
        self.transact(TransactionCommand::Try { id, body, rail, until, time });
    }
}

pub fn shard_records() -> Vec<Record> {
    let mut script = Script::default();
    let mut plain = records().into_iter().take(9);
    script.take(plain.next().expect("a tenant is opened"));
    script.take(Record::Share { tenant: TENANT, shards: 3 });
    plain.for_each(|record| script.take(record));
    for name in ["bob", "carol"] {
        script.take(Record::OpenAccount { tenant: TENANT, name: name.to_owned() });
    }
    for (account, asset) in [(1, 0), (1, 1), (2, 0), (2, 1)] {
        script.take(Record::Deposit {
            tenant: TENANT,
            id: format!("{account}-{asset}"),
            account: AccountId(account),
            asset: AssetId(asset),
            amount: Amount(1_000_000_000),
            time: Nanos(1_700_000_000_000_000_003),
        });
    }
    script.deliver();
    // What is held for bob, his home knows; one order of each wallet rests.
    script.transfer("held", 1, 2, true);
    script.order(0, "a", Side::Sell, 70_000);
    script.order(1, "b", Side::Buy, 60_000);
    script.order(2, "c", Side::Sell, 71_000);
    script.deliver();
    // And all this is under way.
    script.order(1, "d", Side::Buy, 71_000);
    script.order(2, "e", Side::Sell, 60_000);
    script.transact(TransactionCommand::ChangeStanding { account: AccountId(2), standing: Standing::Frozen });
    script.transfer("t-1", 1, 2, false);
    script.transfer("t-2", 0, 1, false);
    script.records
}
