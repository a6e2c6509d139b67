//! Webhooks over real sockets: taken once, told again until then, and a tenant that hangs delays nobody else.

mod rails_support;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rails_support::{Heard, Received, deposit, label, names, receiver};
use rialto_actors::outlets::{OutletSender, outlet};
use rialto_actors::webhooks::{Messenger, WebhookOptions, Webhooks};
use rialto_engine::ids::TenantId;
use rialto_engine::transaction::{Happening, Meaning, Transaction, TransactionCommand, TransactionEvent};
use rialto_engine::units::{Amount, Nanos};
use rialto_gateway::keys::Secret;
use rialto_gateway::rails::http::{Endpoint, Trust};
use rialto_gateway::rails::sign::Credentials;
use rialto_gateway::rails::webhook::HttpMessenger;

const WINDOW: Nanos = Nanos(60_000_000_000);

fn credentials() -> Credentials {
    Credentials::new("hooks".to_owned(), &Secret::new("secret-of-hooks".to_owned()))
}

fn messenger(url: &str) -> Arc<dyn Messenger> {
    let endpoint = Endpoint::new(url).expect("an endpoint");
    Arc::new(HttpMessenger::new(endpoint, &Trust::System, 8, credentials(), names()).expect("a messenger"))
}

fn event(number: u64, sequence: u32) -> TransactionEvent {
    let what = Happening::Moved {
        reference: label("B-1"),
        asset: rails_support::USD,
        amount: Amount(1_250),
        meaning: Meaning::Final,
    };
    let transaction = Transaction { moved: Amount(1_250), ..deposit(number, 1, 2_000) };
    TransactionEvent {
        number: number * 100 + u64::from(sequence),
        sequence,
        time: Nanos(1_767_225_600_000_000_000),
        what,
        transaction,
    }
}

type Notices = OutletSender<TransactionEvent>;

fn start(messengers: Vec<(TenantId, Arc<dyn Messenger>)>) -> (Webhooks, Notices, Heard) {
    let heard = Heard::default();
    let taken = heard.clone();
    let options = WebhookOptions {
        deadline: Duration::from_millis(500),
        in_flight: 2,
        ..WebhookOptions::new(Arc::new(move |_, command| {
            taken.take(command);
            Ok(())
        }))
    };
    let (sender, notices) = outlet(64);
    let messengers = messengers.into_iter().map(|(tenant, messenger)| (tenant, "acme".to_owned(), messenger)).collect();
    (Webhooks::start(options, messengers, notices).expect("they start"), sender, heard)
}

fn acknowledged(number: u64, sequence: u32) -> impl Fn(&TransactionCommand) -> bool {
    move |command| {
        matches!(command, TransactionCommand::Acknowledge { transaction, event, .. }
            if transaction.0 == number && *event == sequence)
    }
}

#[test]
fn an_event_is_signed_says_what_happened_and_is_acknowledged_when_it_was_taken() {
    let received: Arc<Mutex<Vec<Received>>> = Arc::default();
    let hear = Arc::clone(&received);
    let url = receiver(move |request| {
        let mut received = hear.lock().expect("whole");
        received.push(request);
        if received.len() == 1 { 500 } else { 200 }
    });
    let (webhooks, notices, heard) = start(vec![(TenantId(0), messenger(&format!("{url}/hook")))]);
    notices.send((TenantId(0), event(7, 3))).expect("sent");
    let end = Instant::now() + Duration::from_secs(10);
    while received.lock().expect("whole").is_empty() {
        assert!(Instant::now() < end, "it is told");
        std::thread::sleep(Duration::from_millis(5));
    }
    std::thread::sleep(Duration::from_millis(100));
    assert_eq!(heard.all(), [], "it was not taken");
    // The engine's timer lets it out again.
    notices.send((TenantId(0), event(7, 3))).expect("sent");
    heard.wait("acknowledgement", acknowledged(7, 3));
    let received = received.lock().expect("whole");
    let ids: Vec<_> = received.iter().map(|request| request.header("rialto-event")).collect();
    assert_eq!(ids, [Some("acme/703"), Some("acme/703")], "by which a repetition is known");
    let last = received.last().expect("two");
    let now = rialto_actors::clock::wall();
    let verified = credentials().verify("POST", "/hook", |name| last.header(name), &last.body, now, WINDOW);
    assert_eq!(verified, Ok(()));
    let body: serde_json::Value = serde_json::from_slice(&last.body).expect("JSON");
    let expected = serde_json::json!({
        "event": 703, "tenant": "acme", "sequence": 3, "time": 1_767_225_600_000_u64, "what": "moved",
        "movement": {"reference": "B-1", "asset": "USD", "amount": "12.50", "meaning": "final"},
        "transaction": {
            "number": 7, "id": "d-7", "kind": "deposit", "state": "open", "asset": "USD", "amount": "20.00",
            "fee": "0.00", "moved": "12.50", "posted": "0.00", "reversed": "0.00", "rail": 1, "stuck": false,
        },
    });
    assert_eq!(body, expected);
    webhooks.stop();
}

#[test]
fn a_tenant_that_hangs_delays_no_other() {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let stuck = receiver(move |_| {
        count.fetch_add(1, Ordering::Relaxed);
        std::thread::sleep(Duration::from_secs(30));
        200
    });
    let quick = receiver(|_| 204);
    let (webhooks, notices, heard) = start(vec![(TenantId(0), messenger(&stuck)), (TenantId(1), messenger(&quick))]);
    for number in 1..=20 {
        notices.send((TenantId(0), event(1_000 + number, 1))).expect("sent");
        // Told again while it is still being told: once is enough.
        notices.send((TenantId(0), event(1_000 + number, 1))).expect("sent");
        let began = Instant::now();
        notices.send((TenantId(1), event(number, 1))).expect("sent");
        let taken = heard.wait("acknowledgement", acknowledged(number, 1));
        assert!(taken - began < Duration::from_millis(200), "{:?}", taken - began);
    }
    assert!(asked.load(Ordering::Relaxed) >= 2, "the other was asked");
    notices.send((TenantId(9), event(5_000, 1))).expect("nobody is told of it, and nothing breaks");
    webhooks.stop();
    assert!(heard.all().iter().all(|command| !acknowledged(1_001, 1)(command)));
}
