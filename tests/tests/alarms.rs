//! The alarms about money, on a real server: what should wake somebody crosses the limit of its rule in
//! `grafana/rules.yml`, and falls back when an operator has done something about it.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use rialto_tests::client::{Key, signed};
use rialto_tests::server::{Server, two_tenants};
use serde_json::{Value, json};

/// How long a gauge may take, on a machine that is busy with other things.
const PATIENCE: Duration = Duration::from_secs(60);

/// What an alert of the rules is about, taken out of its expression.
#[derive(Debug)]
struct Alert {
    metric: String,
    comparison: String,
    limit: f64,
}

impl Alert {
    /// `(<metric> <comparison> <limit>) unless on (tenant) rialto_tenant_shadow == 1`, as the rules have it.
    fn named(name: &str) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../grafana/rules.yml");
        let rules = fs::read_to_string(path).expect("the rules");
        let (_, rest) = rules.split_once(&format!("- alert: {name}\n")).unwrap_or_else(|| panic!("no alert {name}"));
        let line = rest.lines().next().unwrap_or_default().trim();
        let expression = line.strip_prefix("expr: (").unwrap_or_else(|| panic!("{name}: {line}"));
        let inside = expression.strip_suffix(") unless on (tenant) rialto_tenant_shadow == 1");
        let words: Vec<&str> = inside.unwrap_or_else(|| panic!("{name}: {line}")).split(' ').collect();
        let [metric, comparison, limit] = words[..] else { panic!("{name}: {line}") };
        let limit = limit.parse().expect("a number");
        Self { metric: metric.to_owned(), comparison: comparison.to_owned(), limit }
    }

    /// The values for a tenant that cross the limit; none of a shadow. What the server does not tell at all is a panic: an
    /// alert about nothing never fires.
    fn firing(&self, server: &Server, tenant: &str) -> Vec<f64> {
        let page = server.metrics();
        let samples = samples(&page, &self.metric, tenant);
        assert!(!samples.is_empty(), "{} of {tenant} is not told", self.metric);
        let is_shadow = samples_of_one(&page, "rialto_tenant_shadow", tenant) > 0.0;
        let crosses = |value: &f64| match self.comparison.as_str() {
            ">" => *value > self.limit,
            "!=" => (*value - self.limit).abs() > f64::EPSILON,
            other => panic!("an unknown comparison: {other}"),
        };
        samples.into_iter().filter(|value| !is_shadow && crosses(value)).collect()
    }

    fn wait(&self, server: &Server, tenant: &str, expected: &[f64]) {
        let began = Instant::now();
        loop {
            let firing = self.firing(server, tenant);
            if firing == expected {
                return;
            }
            assert!(began.elapsed() < PATIENCE, "{self:?} fires for {firing:?}, not {expected:?}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

/// What the page says of a metric with this tenant's name.
fn samples(page: &str, metric: &str, tenant: &str) -> Vec<f64> {
    let label = format!("tenant=\"{tenant}\"");
    let own = page.lines().filter_map(|line| line.strip_prefix(metric)?.strip_prefix('{')?.split_once("} "));
    own.filter(|(labels, _)| labels.split(',').any(|own| own == label))
        .map(|(_, value)| value.parse().expect("a number"))
        .collect()
}

fn samples_of_one(page: &str, metric: &str, tenant: &str) -> f64 {
    let samples = samples(page, metric, tenant);
    assert_eq!(samples.len(), 1, "{metric} of {tenant}");
    samples[0]
}

/// Two rails that nobody answers for. The first is tried again and again, the second is left alone for a minute; timers
/// run out soon, and an operator is called after two attempts.
fn configuration() -> String {
    let people = [("treasurer", "treasurer"), ("second", "treasurer"), ("viewer", "viewer"), ("admin", "admin")].map(
        |(name, role)| {
            format!(
                "[[tenants.operators]]\nname = \"{name}\"\napi_key = \"globex-{name}\"\n\
             secret = \"secret-of-{name}-globex\"\nrole = \"{role}\"\n"
            )
        },
    );
    let rail = |name: &str, breaker: &str| {
        format!(
            "[[tenants.rails]]\nname = \"{name}\"\nurl = \"http://127.0.0.1:1/{name}\"\nkey = \"key-to-{name}\"\n\
             secret = \"secret-to-{name}\"\nassets = [{{ asset = \"USD\" }}]\ndeadline_ms = 300\n\
             breaker = {{ {breaker} }}\n"
        )
    };
    let policies = "[[tenants.policies]]\ntopic = \"deposit\"\nfirst_ms = 400\ninterval_ms = 100\nlongest_ms = 200\n\
         attempts = 2\nlifetime_ms = 0\n[[tenants.policies]]\ntopic = \"withdrawal\"\nfirst_ms = 400\n\
         interval_ms = 100\nlongest_ms = 200\nattempts = 2\nlifetime_ms = 0\n";
    two_tenants()
        + &people.concat()
        + policies
        + &rail("bank", "pause_ms = 100, longest_ms = 200")
        + &rail("quiet", "least = 4, pause_ms = 60000, longest_ms = 60000")
}

/// A server whose auditor has looked once.
fn start(configuration: &str) -> Server {
    let server = Server::start(configuration);
    let began = Instant::now();
    while samples(&server.metrics(), "rialto_event_lag", "globex").is_empty() {
        assert!(began.elapsed() < PATIENCE, "the auditor does not look");
        std::thread::sleep(Duration::from_millis(20));
    }
    server
}

fn done(server: &Server, who: &str, path: &str, wish: &str) -> Value {
    let (status, body) = signed("POST", &server.url(), path, &Key::of("globex", who), wish);
    assert_eq!(status, 200, "{path}?{wish}: {body}");
    body
}

fn deposit(server: &Server, id: &str, rail: &str) {
    let wish = format!("id={id}&user=alice&asset=USD&amount=3&rail={rail}");
    done(server, "treasurer", "/payments/v1/deposits", &wish);
}

/// An operator has asked the rail: it knows nothing of it.
fn decide(server: &Server, id: &str, rail: &str) {
    let wish = format!("id={id}&rail={rail}&report=rejected&evidence=telephone");
    let decided = done(server, "treasurer", "/operator/v1/transactions/report", &wish);
    assert_eq!(decided["transaction"]["state"], "canceled", "{decided}");
}

fn stuck(server: &Server) -> Vec<String> {
    let key = Key::of("globex", "viewer");
    let (status, rows) = signed("GET", &server.url(), "/operator/v1/transactions", &key, "stuck=true");
    assert_eq!(status, 200, "{rows}");
    let rows = rows.as_array().expect("rows").iter();
    rows.map(|row| row["id"].as_str().expect("an id").to_owned()).collect()
}

#[test]
fn a_transaction_that_gets_nowhere_calls_an_operator_until_he_has_decided() {
    let alert = Alert::named("RialtoTransactionsStuck");
    let server = start(&configuration());
    alert.wait(&server, "globex", &[]);
    deposit(&server, "d-1", "bank");
    deposit(&server, "d-2", "bank");
    alert.wait(&server, "globex", &[2.0]);
    assert_eq!(stuck(&server), ["d-1", "d-2"], "and they are who stands in his queue");
    assert_eq!(alert.firing(&server, "acme"), [0.0; 0], "nobody else is called");
    decide(&server, "d-1", "bank");
    alert.wait(&server, "globex", &[1.0]);
    decide(&server, "d-2", "bank");
    alert.wait(&server, "globex", &[]);
    assert_eq!(stuck(&server), [""; 0]);
}

#[test]
fn timers_that_are_held_back_are_shown_until_they_are_not() {
    let breaker = Alert::named("RialtoRailBreakerOpen");
    let server = start(&configuration());
    let held = |rail: &str| {
        let page = server.metrics();
        let name = format!("rialto_timers_held{{tenant=\"globex\",rail=\"{rail}\"}} ");
        let line = page.lines().find_map(|line| line.strip_prefix(&name));
        line.unwrap_or_else(|| panic!("{name}is not told:\n{page}")).parse::<f64>().expect("a number")
    };
    let wait = |expected: f64| {
        let began = Instant::now();
        while (held("quiet") - expected).abs() > f64::EPSILON {
            assert!(began.elapsed() < PATIENCE, "{} are held back, not {expected}", held("quiet"));
            std::thread::sleep(Duration::from_millis(50));
        }
    };
    assert_eq!((held("bank"), held("quiet")), (0.0, 0.0));
    // Four calls without an answer, and the rail is left alone; the timers of these and of what comes later run out.
    for number in 1..=12 {
        deposit(&server, &format!("d-{number}"), "quiet");
    }
    breaker.wait(&server, "globex", &[2.0]);
    wait(12.0);
    assert_eq!(stuck(&server), [""; 0], "what is held back is no attempt");
    for number in 1..=11 {
        decide(&server, &format!("d-{number}"), "quiet");
    }
    wait(1.0);
    decide(&server, "d-12", "quiet");
    wait(0.0);
    assert_eq!(held("bank"), 0.0);
}

#[test]
fn suspense_that_no_case_explains_is_told_until_it_is_moved() {
    let alert = Alert::named("RialtoSuspenseUnexplained");
    let others = ["RialtoLedgerImbalance", "RialtoClearingNotEmpty"].map(Alert::named);
    let server = start(&configuration());
    let unsolicited = "report=received&rail=bank&reference=R-1&asset=USD&amount=7&evidence=statement";
    done(&server, "treasurer", "/operator/v1/transactions/report", unsolicited);
    let suspense = || samples(&server.metrics(), "rialto_suspense_balance", "globex").iter().sum::<f64>();
    let began = Instant::now();
    while suspense() < 7e8 {
        assert!(began.elapsed() < PATIENCE, "{} is in suspense", suspense());
        std::thread::sleep(Duration::from_millis(50));
    }
    // The auditor looks once a second, and has seen it after two.
    std::thread::sleep(Duration::from_secs(2));
    alert.wait(&server, "globex", &[]);
    // Somebody closes the case, and forgets the money.
    done(&server, "treasurer", "/operator/v1/cases/close", "case=1&evidence=none");
    alert.wait(&server, "globex", &[7e8]);
    let correction = "id=a-1&asset=USD&from=suspense&to=available:alice&amount=7&evidence=letter";
    let proposed = done(&server, "treasurer", "/operator/v1/adjustments", correction);
    assert_eq!(proposed["transaction"]["state"], "open", "{proposed}");
    done(&server, "treasurer", "/operator/v1/adjustments/approve", "id=a-1");
    let moved = done(&server, "second", "/operator/v1/adjustments/approve", "id=a-1");
    assert_eq!(moved["transaction"]["state"], json!("confirmed"), "{moved}");
    alert.wait(&server, "globex", &[]);
    for other in &others {
        other.wait(&server, "globex", &[]);
    }
}

#[test]
fn events_that_nobody_takes_are_told_until_nobody_must() {
    let alert = Alert::named("RialtoEventLag");
    let nobody =
        "[tenants.notifications]\nurl = \"http://127.0.0.1:1/events\"\nkey = \"k\"\nsecret = \"secret-to-events\"\n";
    let server = start(&(configuration() + nobody));
    let limit = alert.limit;
    let mut number = 0;
    let began = Instant::now();
    while alert.firing(&server, "globex").is_empty() {
        assert!(began.elapsed() < PATIENCE, "{number} transfers, and nobody is told");
        for _ in 0..50 {
            number += 1;
            let transfer = format!("id=t-{number}&from=alice&to=bob&asset=USD&amount=1");
            done(&server, "treasurer", "/payments/v1/transfers", &transfer);
        }
    }
    let lag = alert.firing(&server, "globex");
    assert!(lag.len() == 1 && lag[0] > limit, "{lag:?} after {number} transfers");
    assert_eq!(alert.firing(&server, "acme"), [0.0; 0]);
    // Whoever should be told is not any more, by an operator's word.
    done(&server, "admin", "/operator/v1/notification", "on=false");
    alert.wait(&server, "globex", &[]);
}
