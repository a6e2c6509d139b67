//! Lists of orders: asked for while they are open, and found in the read store for ever.

mod support;

use rialto_actors::api::{Query, Reply, Request};
use rialto_actors::exchange::Storage;
use rialto_engine::ids::{AccountId, ClientOrderId, OrderId, TenantId};
use rialto_engine::order::{Instructions, OrderKind, Side, Trigger};
use rialto_engine::reason::Reason;
use rialto_engine::units::{Nanos, Price};
use rialto_engine::update::{ListView, Status};
use rialto_engine::wallet::{Command, Contingency, ListRef, Place, PlaceList, SettledResult};
use rialto_persistence::journal::sled::SledOptions;
use rialto_persistence::read_store::Window;
use support::{MARKET, Session, TENANTS, order, wait_until};

const ACME: TenantId = TENANTS[0];
const ALICE: AccountId = AccountId(0);

fn name(text: &str) -> Option<ClientOrderId> {
    ClientOrderId::new(text)
}

/// A seller takes a profit, or gets out.
fn one_cancels_other(list: &str, account: u32) -> Command {
    let profit =
        Place { kind: OrderKind::PostOnly, ..order(account, &format!("{list}-profit"), Side::Sell, 71_000, 100) };
    let instructions = Instructions { trigger: Some(Trigger::Fall(Price(69_000))), ..Instructions::default() };
    let loss = Place { instructions, ..order(account, &format!("{list}-loss"), Side::Sell, 68_900, 100) };
    let (client_id, contingency) = (name(list), Contingency::OneCancelsOther);
    Command::PlaceList(PlaceList { client_id, contingency, places: vec![profit, loss] })
}

fn open_list(session: &mut Session, account: AccountId, target: ListRef) -> Option<ListView> {
    match &session.ask(ACME, Request::Query(Query::List { account, target })).answer {
        Some((_, Reply::List(list))) => list.clone(),
        other => panic!("a query was answered with {other:?}"),
    }
}

fn open_lists(session: &mut Session, account: AccountId) -> Vec<ListView> {
    match &session.ask(ACME, Request::Query(Query::Lists { account })).answer {
        Some((_, Reply::Lists(lists))) => lists.clone(),
        other => panic!("a query was answered with {other:?}"),
    }
}

#[test]
fn a_list_is_found_while_it_is_open_and_after_that() {
    let directory = tempfile::tempdir().expect("a directory");
    let storage = Storage::Directory { path: directory.path().to_owned(), journal: SledOptions::default() };
    let mut session = Session::start(storage.clone());
    let placed = Ok(SettledResult::PlacedList(Ok(())));
    assert_eq!(session.command(ACME, one_cancels_other("first", 0)), placed);
    assert_eq!(session.command(ACME, one_cancels_other("second", 0)), placed);
    assert_eq!(session.command(ACME, one_cancels_other("first", 0)), Err(Reason::DuplicateListId));
    let by_name = ListRef { id: None, client_id: name("first") };
    let first = open_list(&mut session, ALICE, by_name).expect("it is open");
    assert_eq!((first.id, first.contingency), (OrderId(1), Contingency::OneCancelsOther));
    let orders: Vec<&str> = first.orders.iter().map(|(_, client_id)| client_id.as_str()).collect();
    assert_eq!(orders, ["first-profit", "first-loss"]);
    assert_eq!(open_list(&mut session, AccountId(1), by_name), None, "another's list is unknown");
    assert_eq!(open_lists(&mut session, ALICE).len(), 2);
    // Half the hold of two orders: only one of them will trade.
    assert_eq!(session.balances(ACME, 0)[0], (100_000_000 - 200, 200));

    // One takes its profit, and its partner lapses. The other list is cancelled.
    session.place(ACME, 1, "buy", Side::Buy, 71_000, 100).expect("placed");
    assert_eq!(open_list(&mut session, ALICE, by_name), None);
    let command = Command::CancelList {
        account: ALICE,
        market: MARKET,
        target: ListRef { id: None, client_id: name("second") },
        time: Nanos::ZERO,
    };
    assert_eq!(session.command(ACME, command.clone()), Ok(SettledResult::Canceled(Ok(()))));
    assert_eq!(session.command(ACME, command), Err(Reason::UnknownList));
    assert_eq!(open_lists(&mut session, ALICE), []);
    assert_eq!(session.open_orders(ACME, 0), []);

    let statuses = |session: &Session, list: OrderId| -> Vec<Status> {
        let store = session.exchange.read_store().expect("one is kept");
        let orders = store.orders_of_list(ACME, ALICE, list).expect("reads");
        orders.iter().map(|order| order.status).collect()
    };
    let position = session.exchange.durable_position();
    wait_until("the read store has come so far", || {
        session.exchange.read_store().is_some_and(|store| store.position() >= position)
    });
    let store = session.exchange.read_store().expect("one is kept").clone();
    assert_eq!(store.list(ACME, ALICE, first.id).expect("reads"), Some(first.clone()));
    let all = store.lists(ACME, ALICE, &Window::default(), 10).expect("reads");
    let names: Vec<&str> = all.iter().map(|list| list.client_id.as_str()).collect();
    assert_eq!(names, ["first", "second"]);
    assert_eq!(statuses(&session, OrderId(1)), [Status::Filled, Status::Expired]);
    let second = store.list_by_client_id(ACME, ALICE, &name("second").expect("valid")).expect("reads");
    assert_eq!(statuses(&session, second.expect("kept").id), [Status::Canceled, Status::Canceled]);
    session.exchange.shutdown();
    drop((store, session));

    let mut session = Session::start(storage);
    assert_eq!(session.command(ACME, one_cancels_other("third", 0)), placed);
    assert_eq!(open_lists(&mut session, ALICE).len(), 1);
    session.exchange.shutdown();
}
