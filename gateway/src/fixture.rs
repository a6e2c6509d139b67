//! A running exchange for the tests of this crate.

use rialto_actors::exchange::{Exchange, MarketSetup, Options, Setup, Storage, TenantSetup};
use rialto_engine::market::Step;
use rialto_engine::units::{Amount, BasisPoints, FeeRate, Price, Quantity};
use rialto_engine::wallet::WalletLimits;
use rialto_persistence::journal::memory::MemoryLog;

/// Two tenants with the same symbol, `acme` and `globex`; in the second it is not the first market.
pub fn two_tenants() -> Exchange {
    let acme = tenant("acme", vec![market("USDCNY", "USD")]);
    let globex = tenant("globex", vec![market("EURCNY", "EUR"), market("USDCNY", "USD")]);
    let setup = Setup { tenants: vec![acme, globex] };
    let (exchange, _) = Exchange::start(Options::new(Storage::Memory(MemoryLog::default())), &setup).expect("starts");
    exchange
}

fn tenant(name: &str, markets: Vec<MarketSetup>) -> TenantSetup {
    TenantSetup {
        name: name.to_owned(),
        limits: WalletLimits::default(),
        shards: 1,
        assets: ["USD", "EUR", "CNY"].map(|name| (name.to_owned(), 8)).to_vec(),
        markets,
        users: Vec::new(),
        zone: Default::default(),
        money: Default::default(),
        is_shadow: false,
    }
}

fn market(symbol: &str, base: &str) -> MarketSetup {
    MarketSetup {
        symbol: symbol.to_owned(),
        base: base.to_owned(),
        quote: "CNY".to_owned(),
        tick: Step { mantissa: 1, scale: 4 },
        lot: Step { mantissa: 1, scale: 2 },
        max_price: Price(1_000_000),
        max_quantity: Quantity(1_000_000_000),
        min_notional: Amount(0),
        maker_fee: FeeRate(10),
        taker_fee: BasisPoints(20),
        filters: Default::default(),
        protection: Some(Default::default()),
        schedule: Vec::new(),
    }
}
