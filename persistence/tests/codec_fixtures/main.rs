//! The written form of records and snapshots, version by version and byte for byte.
//!
//! If this fails, a written byte has changed: journals in the field would no longer be read. Add a
//! version beside this one instead. `RIALTO_BLESS=1` writes the fixture of a new version.

mod money;
mod shards;

use std::fmt::Write as _;
use std::path::Path;

use rialto_engine::ids::{AccountId, AssetId, ClientOrderId, MarketId, OrderId, ShardId, TenantId};
use rialto_engine::market::{MarketDefinition, MarketFilters, Step};
use rialto_engine::message::{CancelRestriction, Phase, Protection};
use rialto_engine::order::{
    Activation, Display, Distance, Instructions, Lifetime, OrderKind, Peg, PegReference, SelfTrade, Side, Trail,
    Trigger,
};
use rialto_engine::transaction::Standing;
use rialto_engine::units::{Amount, BasisPoints, FeeRate, Nanos, Price, Quantity};
use rialto_engine::wallet::{
    Cancel, Command, Contingency, House, ListRef, OrderRef, Place, PlaceList, TransactionsSnapshot, WalletLimits,
};
use rialto_persistence::codec::{decode_record, decode_snapshot, encode_record, write_snapshot};
use rialto_persistence::record::Record;
use rialto_persistence::snapshot::WorldSnapshot;
use rialto_persistence::world::{Scratch, Unobserved, World};

const TENANT: TenantId = TenantId(0);
const MARKET: MarketId = MarketId(0);

fn place(name: &str, side: Side, kind: OrderKind, price: u64) -> Place {
    Place {
        account: AccountId(0),
        market: MARKET,
        client_id: ClientOrderId::new(name),
        side,
        kind,
        price: Price(price),
        quantity: Quantity(100),
        budget: Amount(0),
        time: Nanos(1_700_000_000_000_000_000),
        instructions: Instructions::default(),
    }
}

fn cancel(name: &str) -> Cancel {
    Cancel {
        account: AccountId(0),
        market: MARKET,
        target: OrderRef { id: Some(OrderId(1)), client_id: ClientOrderId::new(name) },
        restriction: CancelRestriction::OnlyNew,
        time: Nanos(1_700_000_000_000_000_001),
    }
}

/// One record of every kind, in an order that a world can take.
fn records() -> Vec<Record> {
    let definition = MarketDefinition {
        base: AssetId(0),
        base_scale: 2,
        quote: AssetId(1),
        quote_scale: 6,
        tick: Step { mantissa: 1, scale: 4 },
        lot: Step { mantissa: 1, scale: 2 },
        max_price: Price(1_000_000),
        max_quantity: Quantity(1_000_000_000),
        min_notional: Amount(1),
        maker_fee: FeeRate(10),
        taker_fee: BasisPoints(20),
        filters: MarketFilters::default(),
    };
    let limits = WalletLimits { closed_ids: 1_000, open_orders: 10 };
    let account = AccountId(0);
    let time = Nanos(1_700_000_000_000_000_002);
    let target = OrderRef { id: None, client_id: ClientOrderId::new("c") };
    let command = |command| Record::Command { tenant: TENANT, shard: ShardId::FIRST, command };
    vec![
        Record::OpenTenant { name: "acme".to_owned(), limits },
        Record::ChangeLimits { tenant: TENANT, limits: WalletLimits { open_orders: 20, ..limits } },
        Record::OpenAsset { tenant: TENANT, name: "USD".to_owned(), scale: 2 },
        Record::OpenAsset { tenant: TENANT, name: "CNY".to_owned(), scale: 6 },
        Record::OpenMarket { tenant: TENANT, symbol: "USDCNY".to_owned(), definition: definition.clone() },
        Record::ChangeMarket {
            tenant: TENANT,
            market: MARKET,
            definition: MarketDefinition { taker_fee: BasisPoints(30), ..definition },
        },
        Record::OpenAccount { tenant: TENANT, name: "alice".to_owned() },
        Record::Deposit {
            tenant: TENANT,
            id: "config:alice:USD".to_owned(),
            account,
            asset: AssetId(0),
            amount: Amount(1_000_000),
            time,
        },
        Record::Deposit {
            tenant: TENANT,
            id: "config:alice:CNY".to_owned(),
            account,
            asset: AssetId(1),
            amount: Amount(1_000_000_000_000),
            time,
        },
        command(Command::Place(place("a", Side::Sell, OrderKind::Limit, 70_000))),
        command(Command::Place(place("b", Side::Buy, OrderKind::ImmediateOrCancel, 70_000))),
        command(Command::Place(place("c", Side::Buy, OrderKind::PostOnly, 60_000))),
        command(Command::Reduce { account, market: MARKET, target, quantity: Quantity(50), time }),
        command(Command::Replace {
            cancel: cancel("a"),
            allow_failure: true,
            place: place("d", Side::Sell, OrderKind::FillOrKill, 71_000),
        }),
        command(Command::Cancel(Cancel { target, ..cancel("c") })),
        command(Command::CancelAll { account, market: MARKET, time }),
    ]
}

/// What version 2 adds: orders that ask for more, waiting, triggered and met by their own account.
fn more_records() -> Vec<Record> {
    let command = |command| Record::Command { tenant: TENANT, shard: ShardId::FIRST, command };
    let order = |name: &str, side, kind, price, self_trade, trigger| {
        command(Command::Place(Place {
            instructions: Instructions { self_trade, trigger, ..Instructions::default() },
            ..place(name, side, kind, price)
        }))
    };
    let plain = |name: &str, side, price| command(Command::Place(place(name, side, OrderKind::Limit, price)));
    let trail = |activation| Trail { distance: Distance::Share(BasisPoints(100)), activation };
    let (limit, allow) = (OrderKind::Limit, SelfTrade::Allow);
    let (rise, fall) = (Activation::Rise(Price(72_000)), Activation::Fall(Price(68_000)));
    let mut records = records();
    // The first version's last records take all that rests away; what follows stands alone.
    records.extend([
        order("s1", Side::Buy, limit, 70_100, allow, Some(Trigger::Rise(Price(70_050)))),
        order("s2", Side::Sell, limit, 69_000, allow, Some(Trigger::Fall(Price(69_500)))),
        order("s3", Side::Buy, limit, 70_100, allow, Some(Trigger::TrailRise(trail(None)))),
        order("s4", Side::Sell, limit, 69_000, allow, Some(Trigger::TrailFall(trail(Some(rise))))),
        order("s5", Side::Buy, limit, 70_100, allow, Some(Trigger::TrailRise(trail(Some(fall))))),
        plain("m1", Side::Sell, 70_060),
        plain("m2", Side::Buy, 70_060),
        plain("m3", Side::Sell, 70_070),
        order("e1", Side::Buy, limit, 70_070, SelfTrade::Decrement, None),
        plain("m4", Side::Sell, 70_080),
        order("e2", Side::Buy, limit, 70_080, SelfTrade::ExpireBoth, None),
        plain("m5", Side::Sell, 70_090),
        command(Command::Replace {
            cancel: cancel("none"),
            allow_failure: true,
            place: Place {
                instructions: Instructions { self_trade: SelfTrade::ExpireTaker, ..Instructions::default() },
                ..place("e3", Side::Buy, limit, 70_090)
            },
        }),
        order("e4", Side::Buy, limit, 70_090, SelfTrade::ExpireMaker, None),
    ]);
    records
}

/// What version 3 adds: everything else that an order may ask for, lists, phases, protection, filters
/// and trade groups. What it leaves behind is in the snapshots: orders of every sort are still open.
fn further_records() -> Vec<Record> {
    let (alice, bob, time) = (AccountId(0), AccountId(1), Nanos(1_700_000_000_000_000_003));
    let command = |command| Record::Command { tenant: TENANT, shard: ShardId::FIRST, command };
    let deposit = |id: &str, asset, amount| Record::Deposit {
        tenant: TENANT,
        id: id.to_owned(),
        account: bob,
        asset: AssetId(asset),
        amount: Amount(amount),
        time,
    };
    let order =
        |name: &str, side, price, instructions| Place { instructions, ..place(name, side, OrderKind::Limit, price) };
    let of_bob = |place| Place { account: bob, ..place };
    let plain = Instructions::default();
    let hour = 3_600_000_000_000;
    let Some(Record::OpenMarket { definition, .. }) = records().into_iter().nth(4) else {
        unreachable!("the fifth record opens a market")
    };
    let filters = MarketFilters {
        min_price: Price(1),
        min_quantity: Quantity(2),
        max_market_quantity: Quantity(3_000),
        max_notional: Amount(1 << 80),
        bid_up: BasisPoints(20_000),
        bid_down: BasisPoints(5_000),
        ask_up: BasisPoints(20_001),
        ask_down: BasisPoints(5_001),
        max_orders: 200,
        max_waiting_orders: 20,
        max_position: Amount(1 << 81),
        iceberg_parts: 100,
        min_trail_above: BasisPoints(10),
        max_trail_above: BasisPoints(2_000),
        min_trail_below: BasisPoints(11),
        max_trail_below: BasisPoints(2_001),
    };
    let filtered = MarketDefinition { filters, ..definition };
    let changed = MarketDefinition { filters: MarketFilters { max_orders: 201, ..filters }, ..filtered.clone() };
    let protection = Protection {
        static_band: BasisPoints(1_000),
        dynamic_band: BasisPoints(900),
        interruption: Nanos(1_000_000_000),
        reference: Some(Price(70_000)),
    };
    let peg = Peg { reference: PegReference::BestBid, offset: -5 };
    let trail = Trail { distance: Distance::Ticks(Price(300)), activation: Some(Activation::Rise(Price(70_900))) };
    let list = |name: &str, contingency, places| {
        command(Command::PlaceList(PlaceList { client_id: ClientOrderId::new(name), contingency, places }))
    };
    let rising = Instructions { trigger: Some(Trigger::Rise(Price(72_500))), ..plain };
    let post_only = |name: &str, side, price| place(name, side, OrderKind::PostOnly, price);
    let mut records: Vec<Record> = records().into_iter().take(9).collect();
    records.extend([
        Record::ChangeLimits { tenant: TENANT, limits: WalletLimits { closed_ids: 1_000, open_orders: 100 } },
        Record::OpenAccount { tenant: TENANT, name: "bob".to_owned() },
        deposit("config:bob:USD", 0, 1_000_000),
        deposit("config:bob:CNY", 1, 1_000_000_000_000),
        Record::ChangeGroup { tenant: TENANT, account: alice, group: 7 },
        Record::OpenMarket { tenant: TENANT, symbol: "USDCNY.F".to_owned(), definition: filtered },
        Record::ChangeMarket { tenant: TENANT, market: MarketId(1), definition: changed },
        command(Command::Protect { market: MARKET, protection, time }),
        command(Command::Place(order(
            "iceberg",
            Side::Sell,
            71_000,
            Instructions { display: Display::Iceberg(Quantity(10)), ..plain },
        ))),
        command(Command::Place(of_bob(order(
            "hidden",
            Side::Buy,
            69_000,
            Instructions { display: Display::Hidden, ..plain },
        )))),
        command(Command::Place(of_bob(order(
            "minimum",
            Side::Sell,
            72_000,
            Instructions { minimum: Quantity(50), ..plain },
        )))),
        command(Command::Place(of_bob(order("bid", Side::Buy, 69_500, Instructions { tag: 3, ..plain })))),
        command(Command::Place(order("peg", Side::Buy, 70_500, Instructions { peg: Some(peg), ..plain }))),
        command(Command::Place(order(
            "until",
            Side::Buy,
            68_000,
            Instructions { lifetime: Lifetime::Until(Nanos(time.0 + hour)), ..plain },
        ))),
        command(Command::Place(order(
            "day",
            Side::Sell,
            73_000,
            Instructions { lifetime: Lifetime::Day(Nanos(time.0 + 2 * hour)), ..plain },
        ))),
        command(Command::Place(of_bob(Place {
            quantity: Quantity(15),
            instructions: Instructions { slippage: BasisPoints(50), ..plain },
            ..place("market", Side::Sell, OrderKind::Market, 0)
        }))),
        command(Command::Place(order(
            "trail",
            Side::Sell,
            69_900,
            Instructions { trigger: Some(Trigger::TrailFall(trail)), ..plain },
        ))),
        command(Command::Place(of_bob(place("slide", Side::Buy, OrderKind::PostOnlySlide, 71_500)))),
        list(
            "oco",
            Contingency::OneCancelsOther,
            vec![
                post_only("oco-1", Side::Sell, 72_400),
                order(
                    "oco-2",
                    Side::Sell,
                    70_100,
                    Instructions { trigger: Some(Trigger::Fall(Price(70_200))), ..plain },
                ),
            ],
        ),
        list(
            "oto",
            Contingency::OneTriggersOther,
            vec![order("oto-1", Side::Buy, 68_500, plain), order("oto-2", Side::Sell, 72_600, plain)],
        ),
        list(
            "otp",
            Contingency::OneTriggersPair,
            vec![
                order("otp-1", Side::Sell, 72_100, plain),
                post_only("otp-2", Side::Buy, 68_700),
                order("otp-3", Side::Buy, 72_700, rising),
            ],
        ),
        command(Command::CancelList {
            account: alice,
            market: MARKET,
            target: ListRef { id: None, client_id: ClientOrderId::new("oto") },
            time,
        }),
        command(Command::Place(of_bob(order("tagged", Side::Buy, 67_000, Instructions { tag: 9, ..plain })))),
        command(Command::CancelMany { account: None, market: MARKET, side: Some(Side::Buy), tag: Some(9), time }),
        command(Command::Replace {
            cancel: Cancel { target: OrderRef { id: None, client_id: ClientOrderId::new("day") }, ..cancel("day") },
            allow_failure: false,
            place: order(
                "day-2",
                Side::Sell,
                73_100,
                Instructions { lifetime: Lifetime::Day(Nanos(time.0 + 3 * hour)), ..plain },
            ),
        }),
        command(Command::Advance { market: MARKET, time }),
        command(Command::Enter { market: MARKET, phase: Phase::Auction, until: Nanos(time.0 + hour / 60), time }),
        command(Command::Place(of_bob(order("crossing", Side::Buy, 71_000, plain)))),
    ]);
    records
}

fn lines(records: &[Record]) -> Vec<String> {
    let hex = |bytes: &[u8]| {
        bytes.iter().fold(String::new(), |mut text, byte| {
            write!(text, "{byte:02x}").expect("a string grows");
            text
        })
    };
    let mut lines = Vec::new();
    let mut world = World::default();
    let mut scratch = Scratch::default();
    let mut take = |record: &Record| {
        let mut bytes = Vec::new();
        encode_record(record, &mut bytes);
        assert_eq!(decode_record(&bytes).as_ref(), Ok(record), "a record reads back as it was");
        lines.push(hex(&bytes));
    };
    for record in records {
        let applied = world.apply(world.position + 1, record, &mut scratch, &mut Unobserved);
        assert_eq!(applied, Ok(()), "{record:?}");
        take(record);
    }
    // With everything under way, with all of it matched and little of it settled, then with
    // everything delivered.
    let mut worlds = vec![world.clone()];
    while let Some(receipt) = world.deliver(&mut scratch, &mut Unobserved) {
        if worlds.len() == 1 {
            worlds.push(world.clone());
        }
        take(&receipt);
    }
    worlds.push(world);
    for world in worlds {
        let snapshot = world.snapshot();
        let mut bytes = Vec::new();
        write_snapshot(&world, &mut bytes).expect("a buffer takes all");
        assert_eq!(decode_snapshot(&bytes).as_ref(), Ok(&snapshot), "a snapshot reads back as it was");
        let restored = World::restore(snapshot.clone()).expect("the snapshot restores");
        assert_eq!(restored.snapshot(), snapshot, "a restored world gives the same snapshot");
        lines.push(hex(&bytes));
    }
    lines
}

fn fixture(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name)
}

/// The frozen lines of a version, of which the last `snapshots` are snapshots.
fn check(now: &[String], frozen: &str, snapshots: usize, forget: impl Fn(&mut WorldSnapshot)) {
    let frozen: Vec<&str> = frozen.lines().collect();
    assert_eq!(now.len(), frozen.len());
    for (number, (now, then)) in now.iter().zip(&frozen).enumerate() {
        if number + snapshots < frozen.len() {
            assert_eq!(now, then, "record {number}");
            continue;
        }
        assert!(now.starts_with(then), "snapshot {number} goes on where the older version ends");
        let read = |text: &str| decode_snapshot(&hex::decode(text).expect("hexadecimal")).expect("a known version");
        let (old, mut new) = (read(then), read(now));
        forget(&mut new);
        assert_eq!(old, new);
    }
}

/// What version 2 did not know, where nothing of it was used. Empty stands for the same.
fn forget_third(new: &mut WorldSnapshot) {
    forget_fourth(new);
    for tenant in &mut new.tenants {
        assert!(tenant.wallet.groups.iter().all(|group| *group == 0));
        assert!(tenant.wallet.phases.iter().all(|phase| *phase == Phase::Continuous));
        tenant.wallet.groups.clear();
        tenant.wallet.phases.clear();
    }
}

/// What version 3 did not know, where nothing of it was used. Empty stands for the same.
fn forget_fourth(new: &mut WorldSnapshot) {
    for tenant in &mut new.tenants {
        assert_eq!(tenant.wallet.transactions, TransactionsSnapshot::default());
        for rails in &mut tenant.wallet.external {
            // It wrote no difference between a rail that has moved nothing and none.
            assert!(rails.len() <= 1);
            rails.retain(|amount| !amount.is_zero());
        }
    }
}

#[test]
fn written_bytes_are_those_of_version_four() {
    let path = fixture("codec_v4.hex");
    let text = lines(&money::money_records()).join("\n") + "\n";
    if std::env::var_os("RIALTO_BLESS").is_some() {
        std::fs::write(&path, &text).expect("the fixture is written");
    }
    let frozen = std::fs::read_to_string(&path).expect("the fixture is there");
    for (number, (now, then)) in text.lines().zip(frozen.lines()).enumerate() {
        assert_eq!(now, then, "line {number}");
    }
    assert_eq!(text.lines().count(), frozen.lines().count());
    // Something of every sort is in the last snapshot.
    let last = hex::decode(frozen.lines().last().expect("a line")).expect("hexadecimal");
    let snapshot = decode_snapshot(&last).expect("the version is read");
    let [tenant] = snapshot.tenants.as_slice() else { panic!("one tenant") };
    let it = &tenant.wallet.transactions;
    let empty = [it.known.is_empty(), it.live.is_empty(), it.untold.is_empty(), it.movements.is_empty()];
    assert_eq!(empty, [false; 4]);
    assert!(!it.pending.is_empty() && !it.cases.is_empty() && it.rails.len() == 2 && !it.policies.is_empty());
    assert!(it.fees.len() == 2 && it.notifies && it.last_case > 0 && it.last_event > it.last_case);
    assert!(it.known.iter().any(|known| known.terms.is_some()) && it.known.iter().any(|known| known.kind.is_none()));
    assert!(it.standings.contains(&Standing::Frozen));
    assert!(it.live.iter().any(|live| !live.approvals.is_empty()));
    assert!(tenant.wallet.users[0][0].outgoing.0 > 0 && tenant.wallet.users[0][0].incoming.0 > 0);
    let house = tenant.wallet.house[0];
    for account in [House::PlatformFee, House::Suspense, House::CommissionExpense] {
        assert!(!house[account as usize].is_zero(), "{account:?}");
    }
    assert_eq!(tenant.wallet.external[0].len(), 2);
}

#[test]
fn written_bytes_are_those_of_version_five() {
    let path = fixture("codec_v5.hex");
    let text = lines(&shards::shard_records()).join("\n") + "\n";
    if std::env::var_os("RIALTO_BLESS").is_some() {
        std::fs::write(&path, &text).expect("the fixture is written");
    }
    let frozen = std::fs::read_to_string(&path).expect("the fixture is there");
    for (number, (now, then)) in text.lines().zip(frozen.lines()).enumerate() {
        assert_eq!(now, then, "line {number}");
    }
    assert_eq!(text.lines().count(), frozen.lines().count());
    // Something of every sort is in the first of the three snapshots.
    let first = frozen.lines().rev().nth(2).expect("a line");
    let snapshot = decode_snapshot(&hex::decode(first).expect("hexadecimal")).expect("the version is read");
    let [tenant] = snapshot.tenants.as_slice() else { panic!("one tenant") };
    assert_eq!(tenant.wallet.shards.waiting.len(), 3);
    assert!(tenant.others.iter().all(|other| !other.to_it.is_empty() && other.wallet.entries > 0));
    assert!(!tenant.others[0].wallet.shards.outgoing.is_empty());
    assert!(tenant.markets[0].others.iter().all(|path| !path.to_book.is_empty()));
    assert!(tenant.markets[0].book.others.iter().all(|path| path.received == 1));
}

#[test]
fn what_version_three_wrote_is_written_as_ever_and_read() {
    let frozen = std::fs::read_to_string(fixture("codec_v3.hex")).expect("the fixture is there");
    check(&lines(&further_records()), &frozen, 3, forget_fourth);
    // Something of every sort is in the last snapshot.
    let last = hex::decode(frozen.lines().last().expect("a line")).expect("hexadecimal");
    let snapshot = decode_snapshot(&last).expect("the version is read");
    let [tenant] = snapshot.tenants.as_slice() else { panic!("one tenant") };
    let book = &tenant.markets[0].book;
    assert!(!book.special.is_empty() && !book.dark.is_empty() && !book.waiting.is_empty());
    assert!(!book.pending.is_empty() && !book.groups.is_empty() && !tenant.wallet.lists.is_empty());
    assert_eq!((book.phase, tenant.wallet.phases[0], tenant.wallet.groups[0]), (Phase::Auction, Phase::Auction, 7));
    assert_eq!(tenant.markets[1].definition.filters.max_orders, 201);
}

#[test]
fn what_version_one_wrote_is_written_as_ever_and_read() {
    let frozen = std::fs::read_to_string(fixture("codec_v1.hex")).expect("the fixture is there");
    let mut now = lines(&records());
    // Version 1 kept two snapshots, not the one between them.
    now.remove(now.len() - 2);
    check(&now, &frozen, 2, |new| {
        forget_third(new);
        // What version 1 did not know is the price of the last trade.
        for tenant in &mut new.tenants {
            tenant.wallet.last_prices.clear();
            tenant.markets.iter_mut().for_each(|market| market.book.last = None);
        }
    });
}

#[test]
fn what_version_two_wrote_is_written_as_ever_and_read() {
    let frozen = std::fs::read_to_string(fixture("codec_v2.hex")).expect("the fixture is there");
    check(&lines(&more_records()), &frozen, 3, forget_third);
}
