//! The written form of records and snapshots, version 1, byte for byte.
//!
//! If this fails, a written byte has changed: journals in the field would no longer be read. Add a
//! version beside this one instead. `RIALTO_BLESS=1` writes the fixture of a new version.

use std::fmt::Write as _;
use std::path::Path;

use rialto_engine::ids::{AccountId, AssetId, ClientOrderId, MarketId, OrderId, TenantId};
use rialto_engine::market::{MarketDefinition, Step};
use rialto_engine::message::CancelRestriction;
use rialto_engine::order::{OrderKind, Side};
use rialto_engine::units::{Amount, BasisPoints, Nanos, Price, Quantity};
use rialto_engine::wallet::{Cancel, Command, OrderRef, Place, WalletLimits};
use rialto_persistence::codec::{decode_record, decode_snapshot, encode_record, write_snapshot};
use rialto_persistence::record::Record;
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
        maker_fee: BasisPoints(10),
        taker_fee: BasisPoints(20),
    };
    let limits = WalletLimits { closed_ids: 1_000, open_orders: 10 };
    let account = AccountId(0);
    let time = Nanos(1_700_000_000_000_000_002);
    let target = OrderRef { id: None, client_id: ClientOrderId::new("c") };
    let command = |command| Record::Command { tenant: TENANT, command };
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

fn lines() -> Vec<String> {
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
    for record in records() {
        world.apply(world.position + 1, &record, &mut scratch, &mut Unobserved).expect("the record follows");
        take(&record);
    }
    // With everything under way, then with everything delivered.
    let under_way = world.clone();
    while let Some(receipt) = world.deliver(&mut scratch, &mut Unobserved) {
        take(&receipt);
    }
    for world in [under_way, world] {
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

#[test]
fn written_bytes_are_those_of_version_one() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/codec_v1.hex");
    let text = lines().join("\n") + "\n";
    if std::env::var_os("RIALTO_BLESS").is_some() {
        std::fs::write(&path, &text).expect("the fixture is written");
    }
    let frozen = std::fs::read_to_string(&path).expect("the fixture is there");
    for (number, (found, expected)) in text.lines().zip(frozen.lines()).enumerate() {
        assert_eq!(found, expected, "line {}", number + 1);
    }
    assert_eq!(text.lines().count(), frozen.lines().count());
}
