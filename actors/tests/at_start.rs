//! What the configuration asks for is brought about at the start, through the journal, and once.

mod support;

use std::time::Duration;

use rialto_actors::clock;
use rialto_actors::exchange::{Options, Setup, Status, Storage};
use rialto_actors::market_data::MarketState;
use rialto_actors::schedule::{PhaseChange, Weekdays};
use rialto_actors::zone::Zone;
use rialto_engine::ids::{AccountId, TenantId};
use rialto_engine::market::MarketFilters;
use rialto_engine::message::{Phase, Protection};
use rialto_engine::order::Side;
use rialto_engine::reason::Reason;
use rialto_engine::units::{BasisPoints, Nanos, Price};
use rialto_engine::wallet::{Command, SettledResult};
use rialto_persistence::journal::memory::MemoryLog;
use rialto_persistence::record::Record;
use rialto_persistence::world::{Scratch, Unobserved, World};
use support::{MARKET, Session, TENANTS, apply, records, setup, wait_until};

const ACME: TenantId = TENANTS[0];

fn start(log: &MemoryLog, setup: &Setup) -> Session {
    Session::start_as(Options::new(Storage::Memory(log.clone())), setup)
}

fn world(log: &MemoryLog) -> World {
    let (mut world, mut scratch) = (World::default(), Scratch::default());
    records(log).iter().for_each(|record| apply(&mut world, record.as_ref(), &mut scratch, &mut Unobserved));
    world
}

fn state(session: &Session) -> MarketState {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(session.exchange.market_data().states(ACME)).expect("an answer")[0]
}

#[test]
fn filters_protection_and_groups_are_brought_about_once_and_changed_when_they_change() {
    let log = MemoryLog::new();
    let mut wanted = setup();
    let protection = Protection {
        static_band: BasisPoints(500),
        reference: Some(Price(70_000)),
        interruption: Nanos(1_000),
        ..Protection::default()
    };
    wanted.tenants[0].markets[0].filters = MarketFilters { min_price: Price(100), ..MarketFilters::default() };
    wanted.tenants[0].markets[0].protection = Some(protection);
    wanted.tenants[0].users[1].group = 7;
    let mut session = start(&log, &wanted);
    assert_eq!(session.place(ACME, 0, "low", Side::Buy, 99, 100), Err(Reason::PriceOutOfRange));
    session.place(ACME, 0, "a", Side::Buy, 100, 100).expect("placed");
    session.exchange.shutdown();
    let of = |world: &World| {
        let tenant = &world.tenants[0];
        let groups = [0, 1].map(|account| tenant.wallet.group(AccountId(account)));
        (tenant.markets[0].book.protection(), tenant.markets[0].definition.filters.min_price, groups)
    };
    assert_eq!(of(&world(&log)), (protection, Price(100), [0, 7]));
    let count = records(&log).len();

    // Nothing is done twice, and a reference that has moved since is left alone.
    wanted.tenants[0].markets[0].protection = Some(Protection { reference: Some(Price(1)), ..protection });
    let session = start(&log, &wanted);
    session.exchange.shutdown();
    let again = records(&log);
    assert_eq!(again[count..], [None], "a fence and nothing more");
    assert_eq!(of(&world(&log)), (protection, Price(100), [0, 7]));

    wanted.tenants[0].markets[0].protection = Some(Protection::default());
    wanted.tenants[0].markets[0].filters = MarketFilters::default();
    wanted.tenants[0].users[0].group = 7;
    let mut session = start(&log, &wanted);
    session.place(ACME, 0, "low-now", Side::Buy, 99, 100).expect("placed");
    session.exchange.shutdown();
    let bands = Protection { reference: Some(Price(70_000)), ..Protection::default() };
    assert_eq!(of(&world(&log)), (bands, Price(0), [7, 7]));
    assert_eq!(session.exchange.status(), Status::Stopped("shut down".to_owned()));
}

/// A timetable of the day before and of now: pre-open since midnight, continuous a few seconds from
/// now, by a clock on which it is noon.
fn timetable(seconds_from_now: u32) -> (Zone, Vec<PhaseChange>) {
    let now = clock::wall().0 / 1_000_000_000;
    let minute = i64::try_from(now / 60).expect("small") % (24 * 60);
    let ahead = i16::try_from(12 * 60 - minute).expect("small");
    let zone = Zone::fixed(ahead).expect("within half a day");
    let second = u32::try_from(now % 60).expect("small");
    let change = |second, phase| PhaseChange::new(second, Weekdays::ALL, phase, Duration::ZERO).expect("within a day");
    let noon = 12 * 3_600;
    (zone, vec![change(3_600, Phase::PreOpen), change(noon + second + seconds_from_now, Phase::Continuous)])
}

#[test]
fn a_market_follows_its_timetable_and_makes_up_for_what_it_missed() {
    let log = MemoryLog::new();
    let mut wanted = setup();
    let (zone, schedule) = timetable(4);
    wanted.tenants[0].zone = zone;
    wanted.tenants[0].markets[0].schedule = schedule;
    let mut session = start(&log, &wanted);
    wait_until("the phase in force is entered", || state(&session).phase == Phase::PreOpen);
    session.place(ACME, 0, "a", Side::Sell, 70_000, 100).expect("placed");
    session.place(ACME, 1, "b", Side::Buy, 70_000, 100).expect("placed");
    assert_eq!(session.open_orders(ACME, 0).len(), 1, "nothing is matched yet");
    wait_until("the opening", || state(&session).phase == Phase::Continuous);
    assert_eq!(session.open_orders(ACME, 0), []);

    // What an operator has halted stays so, also over a restart.
    let halt = Command::Enter { market: MARKET, phase: Phase::Halted, until: Nanos::ZERO, time: Nanos::ZERO };
    assert_eq!(session.command(ACME, halt), Ok(SettledResult::Entered(Phase::Halted)));
    session.exchange.shutdown();
    let session = start(&log, &wanted);
    std::thread::sleep(Duration::from_millis(600));
    assert_eq!(state(&session).phase, Phase::Halted);
    session.exchange.shutdown();

    let entered = |record: &Option<Record>| match record {
        Some(Record::Command { command: Command::Enter { phase, .. }, .. }) => Some(*phase),
        _ => None,
    };
    let phases: Vec<Phase> = records(&log).iter().filter_map(entered).collect();
    assert_eq!(phases, [Phase::PreOpen, Phase::Continuous, Phase::Halted], "each once");
}
