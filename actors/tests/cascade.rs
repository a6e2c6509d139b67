//! Orders that trigger each other: in order, bounded a turn, and whole after a crash anywhere in
//! between.

mod support;

use rialto_actors::api::{Reply, Request};
use rialto_actors::exchange::{Status, Storage};
use rialto_engine::book::CASCADE_MAX;
use rialto_engine::order::{Instructions, Side, Trigger};
use rialto_engine::units::Price;
use rialto_engine::wallet::{Command, SettledResult};
use rialto_persistence::journal::memory::MemoryLog;
use rialto_persistence::world::{Scratch, Unobserved, World};
use support::{Session, TENANTS, apply, place, records, wait_until};

/// Enough that the cascade is cut off by its bound many times, and in more than one turn.
const STOPS: u64 = 12 * CASCADE_MAX as u64;
const TOP: u64 = 70_000;

fn stop(account: u32, name: &str, threshold: u64, limit: u64) -> Request {
    let Request::Command { command: Command::Place(place), deadline } = place(account, name, Side::Sell, limit, 1)
    else {
        unreachable!("a place is a command")
    };
    let trigger = Some(Trigger::Fall(Price(threshold)));
    let instructions = Instructions { trigger, ..Instructions::default() };
    Request::Command { command: Command::Place(rialto_engine::wallet::Place { instructions, ..place }), deadline }
}

/// Every stop sells into a bid one tick lower, which triggers the next.
fn topple(session: &mut Session) {
    let tenant = TENANTS[0];
    for number in 0..=STOPS {
        session.place(tenant, 1, &format!("bid-{number}"), Side::Buy, TOP - number, 1).expect("placed");
    }
    for number in 0..STOPS {
        let request = stop(0, &format!("stop-{number}"), TOP - number, TOP - number - 1);
        let release = session.ask(tenant, request);
        let Some((_, Reply::Settled(settled))) = &release.answer else { panic!("{:?}", release.answer) };
        assert_eq!(settled.result, SettledResult::Placed(Ok(())));
    }
    assert_eq!(session.open_orders(tenant, 0).len() as u64, STOPS);
    session.place(tenant, 0, "push", Side::Sell, TOP, 1).expect("placed");
}

#[test]
fn a_cascade_beyond_its_bound_ends_by_itself_and_survives_a_crash_at_any_record() {
    let log = MemoryLog::new();
    let mut session = Session::start(Storage::Memory(log.clone()));
    topple(&mut session);
    wait_until("the cascade has run out", || session.open_orders(TENANTS[0], 0).is_empty());
    assert_eq!(session.open_orders(TENANTS[0], 1), []);
    let balances = [session.balances(TENANTS[0], 0), session.balances(TENANTS[0], 1)];
    assert_eq!(session.exchange.status(), Status::Ready, "the auditor agrees");
    session.exchange.shutdown();

    // A crash may leave any prefix of the journal. Whatever it is, recovery completes what the
    // journal had caused, and once the last command is in, all of it.
    let mut world = World::default();
    let mut scratch = Scratch::default();
    let (mut completed, mut cut) = (0, 0);
    for record in records(&log) {
        apply(&mut world, record.as_ref(), &mut scratch, &mut Unobserved);
        let mut recovered = world.clone();
        let cascading = recovered
            .tenants
            .first()
            .is_some_and(|tenant| tenant.markets.first().is_some_and(|market| market.book.is_cascading()));
        cut += u32::from(cascading);
        while recovered.deliver(&mut scratch, &mut Unobserved).is_some() {}
        assert!(recovered.is_quiescent());
        for tenant in &recovered.tenants {
            assert_eq!(tenant.imbalances(), []);
        }
        // Prices fall a tick a trade, so trades tell how far it went.
        if recovered.tenants.first().and_then(|tenant| tenant.markets.first()).is_some_and(|it| it.book.trades() > 0) {
            completed += 1;
            assert_eq!(recovered.tenants[0].markets[0].book.trades(), STOPS + 1);
            assert!(recovered.tenants[0].wallet.is_empty());
        }
    }
    assert!(completed > 0 && cut > 0, "{completed} prefixes completed, {cut} of them in the midst of the cascade");

    let mut session = Session::start(Storage::Memory(log));
    assert_eq!([session.balances(TENANTS[0], 0), session.balances(TENANTS[0], 1)], balances);
    session.exchange.shutdown();
}
