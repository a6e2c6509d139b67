//! Every order type, phase and auction through the live actors, and then a crash behind every record.
//!
//! What the live actors wrote must replay to the same digests, recovery must complete any prefix of it
//! to a world whose books balance, and a snapshot of any prefix must carry on to the same end.

mod support;

use std::collections::BTreeMap;
use std::time::Duration;

use rialto_actors::clock;
use rialto_actors::exchange::{Options, Status, Storage};
use rialto_engine::ids::{AccountId, ClientOrderId, TenantId};
use rialto_engine::message::{CancelRestriction, Phase, Protection};
use rialto_engine::order::{
    Display, Distance, Lifetime, OrderKind, Peg, PegReference, SelfTrade, Side, Trail, Trigger,
};
use rialto_engine::units::{BasisPoints, Nanos, Price, Quantity};
use rialto_engine::update::{ListView, OrderEvent, OrderUpdate};
use rialto_engine::wallet::{Cancel, Command, Contingency, Entry, ListRef, OrderRef, Place, PlaceList, Settled};
use rialto_persistence::audit::audit;
use rialto_persistence::codec::{decode_snapshot, write_snapshot};
use rialto_persistence::journal::memory::MemoryLog;
use rialto_persistence::record::Record;
use rialto_persistence::world::{Observer, Scratch, Unobserved, World};
use support::{MARKET, Session, TENANTS, apply, order, records, setup};

const TENANT: TenantId = TENANTS[0];
const COMMANDS: usize = 2_500;
const MILLISECOND: u64 = 1_000_000;

/// A trader and an operator who try everything.
struct Script {
    random: u64,
    names: u64,
}

impl Script {
    fn below(&mut self, bound: u64) -> u64 {
        self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.random >> 33) % bound
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u64) as usize]
    }

    fn name(&mut self) -> String {
        self.names += 1;
        format!("n{}", self.names)
    }

    fn soon(&mut self) -> Nanos {
        Nanos(clock::wall().0 + (1 + self.below(30)) * MILLISECOND)
    }

    fn price(&mut self) -> u64 {
        70_000 + self.below(40) * 10
    }

    fn limit(&mut self) -> Place {
        let (account, name, side) = (self.below(2) as u32, self.name(), self.pick(&[Side::Buy, Side::Sell]));
        let (price, quantity) = (self.price(), 10 + self.below(90));
        order(account, &name, side, price, quantity)
    }

    /// An order that asks for something.
    fn place(&mut self) -> Place {
        let mut place = self.limit();
        let quantity = place.quantity.0;
        let asks = &mut place.instructions;
        match self.below(16) {
            0 | 1 => {}
            2 => place.kind = OrderKind::ImmediateOrCancel,
            3 => place.kind = self.pick(&[OrderKind::PostOnly, OrderKind::PostOnlySlide, OrderKind::FillOrKill]),
            4 | 5 => asks.display = Display::Iceberg(Quantity(1 + self.below(quantity))),
            6 | 7 => asks.display = Display::Hidden,
            8 => {
                asks.minimum = Quantity(1 + self.below(quantity));
                place.kind = self.pick(&[OrderKind::Limit, OrderKind::ImmediateOrCancel]);
            }
            9 => {
                let reference = self.pick(&PegReference::ALL);
                asks.peg = Some(Peg { reference, offset: self.below(5).cast_signed() - 2 });
            }
            10 | 11 => asks.lifetime = Lifetime::Until(self.soon()),
            12 => asks.lifetime = Lifetime::Day(self.soon()),
            13 => {
                place.kind = OrderKind::Market;
                place.price = Price(0);
                asks.slippage = BasisPoints(self.below(3) as u32 * 20);
            }
            14 => {
                let trail = Trail { distance: Distance::Ticks(Price(30)), activation: None };
                let price = Price(self.price());
                let triggers = [Trigger::Rise(price), Trigger::Fall(price), Trigger::TrailFall(trail)];
                asks.trigger = Some(self.pick(&triggers));
            }
            _ => asks.self_trade = self.pick(&SelfTrade::ALL),
        }
        place.instructions.tag = self.below(4);
        place
    }

    fn list(&mut self) -> Command {
        let place = self.limit();
        let opposite = place.side.opposite();
        // Above the market a seller waits to sell, and below it to get out.
        let pair = |script: &mut Self, side, base: &Place| {
            let (maker, threshold) = match side {
                Side::Sell => (70_380, Trigger::Fall(Price(70_010))),
                Side::Buy => (70_010, Trigger::Rise(Price(70_380))),
            };
            let mut first = order(base.account.0, &script.name(), side, maker, base.quantity.0);
            first.kind = OrderKind::PostOnly;
            let limit = if side == Side::Sell { 69_800 } else { 70_600 };
            let mut second = order(base.account.0, &script.name(), side, limit, base.quantity.0);
            second.instructions.trigger = Some(threshold);
            [first, second]
        };
        let (contingency, places) = match self.below(3) {
            0 => (Contingency::OneCancelsOther, pair(self, opposite, &place).to_vec()),
            1 => {
                let [first, _] = pair(self, opposite, &place);
                let follows = Place { kind: OrderKind::Limit, ..first };
                (Contingency::OneTriggersOther, vec![place, follows])
            }
            _ => {
                let [first, second] = pair(self, opposite, &place);
                (Contingency::OneTriggersPair, vec![place, first, second])
            }
        };
        Command::PlaceList(PlaceList { client_id: ClientOrderId::new(&self.name()), contingency, places })
    }

    fn cancel(&mut self, account: AccountId, client_id: Option<ClientOrderId>) -> Cancel {
        let target = OrderRef { id: None, client_id };
        let restriction = self.pick(&[CancelRestriction::None, CancelRestriction::OnlyNew]);
        Cancel { account, market: MARKET, target, restriction, time: Nanos::ZERO }
    }

    fn command(&mut self) -> Command {
        let (account, time) = (AccountId(self.below(2) as u32), Nanos::ZERO);
        // The latest names are most likely open.
        let back = self.below(30).min(self.names);
        let client_id = ClientOrderId::new(&format!("n{}", self.names - back));
        match self.below(40) {
            0..24 => Command::Place(self.place()),
            24..28 => self.list(),
            28 => Command::CancelList { account, market: MARKET, target: ListRef { id: None, client_id }, time },
            29 => {
                let (side, tag) = (self.pick(&[None, Some(Side::Buy)]), Some(1 + self.below(3)));
                let account = self.pick(&[Some(account), None]);
                Command::CancelMany { account, market: MARKET, side, tag, time }
            }
            30 => Command::Reduce {
                account,
                market: MARKET,
                target: OrderRef { id: None, client_id },
                quantity: Quantity(1 + self.below(20)),
                time,
            },
            35 => Command::Cancel(self.cancel(account, client_id)),
            36 => {
                let place = Place { account, ..self.place() };
                Command::Replace { cancel: self.cancel(account, client_id), allow_failure: self.below(2) == 0, place }
            }
            31 if self.below(4) == 0 => Command::CancelAll { account, market: MARKET, time },
            31 | 32 => {
                let phases = [Phase::PreOpen, Phase::Auction, Phase::Halted, Phase::Closed, Phase::CancelOnly];
                let (phase, until) = (self.pick(&phases), self.soon());
                Command::Enter { market: MARKET, phase, until, time }
            }
            33 => Command::Enter { market: MARKET, phase: Phase::Continuous, until: Nanos::ZERO, time },
            34 => {
                let bands = [BasisPoints(0), BasisPoints(15), BasisPoints(30)];
                let (static_band, dynamic_band) = (BasisPoints(0), self.pick(&bands));
                let interruption = Nanos(self.below(20) * MILLISECOND + MILLISECOND);
                let protection = Protection { static_band, dynamic_band, interruption, reference: None };
                Command::Protect { market: MARKET, protection, time }
            }
            _ => Command::Place(self.limit()),
        }
    }
}

/// Counts what owners were told, so that the test knows that it tested something.
#[derive(Default)]
struct Census(BTreeMap<String, u64>);

impl Census {
    fn count(&mut self, what: &str) {
        *self.0.entry(what.to_owned()).or_default() += 1;
    }
}

impl Observer for Census {
    fn listed(&mut self, _: TenantId, list: &ListView) {
        self.count(&format!("{:?}", list.contingency));
    }

    fn posted(&mut self, _: TenantId, updates: &[OrderUpdate], _: &[Entry], settled: Option<&Settled>) {
        for update in updates {
            match update.event {
                OrderEvent::Expired(expiry) => self.count(&format!("expired for {expiry:?}")),
                OrderEvent::Triggered => self.count("triggered"),
                OrderEvent::Trade(_) if update.order.instructions.display == Display::Hidden => self.count("hidden"),
                OrderEvent::Trade(_) if update.order.instructions.peg.is_some() => self.count("pegged"),
                OrderEvent::Trade(_) if update.order.instructions.display != Display::All => self.count("iceberg"),
                OrderEvent::Trade(_) => self.count("trades"),
                _ => {}
            }
        }
        if let Some(settled) = settled {
            let what = format!("{:?}", settled.result);
            self.count(what.split(['(', ' ']).next().unwrap_or_default());
        }
    }
}

fn encoded(world: &World) -> Vec<u8> {
    let mut bytes = Vec::new();
    write_snapshot(world, &mut bytes).expect("a buffer takes all");
    bytes
}

#[test]
fn whatever_is_traded_and_wherever_it_crashes_the_books_balance_and_go_on_to_the_same_end() {
    crash_anywhere(1);
}

/// The two users are at home in two wallets.
#[test]
fn and_so_they_do_where_several_wallets_share_the_accounts() {
    crash_anywhere(3);
}

fn crash_anywhere(shards: u16) {
    let log = MemoryLog::new();
    let mut setup = setup();
    setup.tenants.iter_mut().for_each(|tenant| tenant.shards = shards);
    let mut session = Session::start_as(Options::new(Storage::Memory(log.clone())), &setup);
    let mut script = Script { random: 11, names: 0 };
    for number in 0..COMMANDS {
        // Closed for a while is part of it, closed for ever would be the end of it.
        let command = if number % 25 == 0 {
            Command::Enter { market: MARKET, phase: Phase::Continuous, until: Nanos::ZERO, time: Nanos::ZERO }
        } else {
            script.command()
        };
        session.command(TENANT, command).ok();
        if number % 100 == 50 {
            // Something is due while nobody asks.
            std::thread::sleep(Duration::from_millis(40));
        }
    }
    assert_eq!(session.exchange.status(), Status::Ready, "the auditor agrees");
    session.exchange.shutdown();
    assert_eq!(session.exchange.status(), Status::Stopped("shut down".to_owned()), "to the end");

    // As `rialto check` does: from the beginning, believing nothing.
    let nothing = tempfile::tempdir().expect("a directory");
    let found = audit(&log.open(), nothing.path()).expect("the journal replays");
    assert_eq!(found.findings, Vec::<String>::new());
    assert!(found.tenants[0].fills_matched > 500 && found.tenants[0].fills_matched == found.tenants[0].fills_settled);

    let records = records(&log);
    let (mut scratch, mut census) = (Scratch::default(), Census::default());
    let mut end = World::default();
    records.iter().for_each(|record| apply(&mut end, record.as_ref(), &mut scratch, &mut census));
    let end = end.snapshot();
    let advanced =
        |record: &&Option<Record>| matches!(record, Some(Record::Command { command: Command::Advance { .. }, .. }));
    assert!(records.iter().any(|record| advanced(&record)), "something was due while nobody asked");
    for what in [
        "expired for Time",
        "expired for Contingency",
        "expired for Interruption",
        "expired for Minimum",
        "expired for SelfTrade",
        "triggered",
        "hidden",
        "iceberg",
        "trades",
        "OneCancelsOther",
        "OneTriggersOther",
        "OneTriggersPair",
        "Entered",
        "Protected",
        "Advanced",
        "Continued",
        "PlacedList",
        "Canceled",
        "CanceledMany",
        "Replaced",
    ] {
        assert!(census.0.contains_key(what), "{what} is missing in {:?}", census.0);
    }

    let mut world = World::default();
    let (mut held, mut phases) = (0, BTreeMap::new());
    for (place, record) in records.iter().enumerate() {
        apply(&mut world, record.as_ref(), &mut scratch, &mut Unobserved);
        if let Some(market) = world.tenants.first().and_then(|tenant| tenant.markets.first()) {
            *phases.entry(format!("{:?}", market.book.phase())).or_insert(0) += 1;
            // A receipt that says less than was sent, and more than was received: what was due was
            // carried out before the message behind it.
            let others = market.others.iter().map(|path| &path.to_book);
            let mut waiting = std::iter::once(&market.to_book).chain(others).filter_map(|commands| commands.front());
            held += u32::from(waiting.any(|message| market.book.is_due(message.time)));
        }
        // Recovery completes what the journal had caused.
        let mut recovered = world.clone();
        while recovered.deliver(&mut scratch, &mut Unobserved).is_some() {}
        assert!(recovered.is_quiescent(), "record {place}");
        for tenant in &recovered.tenants {
            assert_eq!(tenant.imbalances(), [], "record {place}: {record:?}");
        }
        if place % 7 != 0 {
            continue;
        }
        let bytes = encoded(&world);
        let snapshot = decode_snapshot(&bytes).expect("a snapshot reads back");
        assert_eq!(snapshot, world.snapshot(), "record {place}");
        let restored = World::restore(snapshot).expect("it restores");
        assert_eq!(encoded(&restored), bytes, "record {place}");
        if place % 203 == 0 {
            let mut restored = restored;
            let rest = &records[place + 1..];
            rest.iter().for_each(|record| apply(&mut restored, record.as_ref(), &mut scratch, &mut Unobserved));
            assert_eq!(restored.snapshot(), end, "from record {place} on");
        }
    }
    assert!(phases.len() >= 5, "{phases:?}");
    assert!(held > 0, "no message met something that was due before it");
    assert_eq!(world.snapshot(), end);

    // And the live exchange goes on from there.
    let mut session = Session::start_as(Options::new(Storage::Memory(log)), &setup);
    session
        .command(
            TENANT,
            Command::Enter { market: MARKET, phase: Phase::Continuous, until: Nanos::ZERO, time: Nanos::ZERO },
        )
        .expect("entered");
    for account in 0..2 {
        if !session.open_orders(TENANT, account).is_empty() {
            let command = Command::CancelAll { account: AccountId(account), market: MARKET, time: Nanos::ZERO };
            session.command(TENANT, command).expect("cancelled");
        }
        assert_eq!(session.open_orders(TENANT, account), []);
        assert!(session.balances(TENANT, account).iter().all(|(_, held)| *held == 0), "nothing holds anything");
    }
    assert_eq!(session.exchange.status(), Status::Ready);
    session.exchange.shutdown();
}
