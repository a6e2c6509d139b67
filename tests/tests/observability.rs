//! What operators see is true: the metrics equal what was done, the page is well formed, the
//! dashboards and rules ask for nothing that is not there, and nothing secret is shown.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rialto_tests::client::{Key, Session, signed};
use rialto_tests::server::{Server, two_tenants};
use serde_json::Value;

/// Labels by name.
type Labels = BTreeMap<String, String>;

/// The exposition, taken apart.
#[derive(Debug, Default)]
struct Page {
    types: BTreeMap<String, String>,
    samples: Vec<(String, Labels, f64)>,
}

impl Page {
    /// Takes a page apart; whatever is not well formed is a panic.
    fn parse(text: &str) -> Self {
        let mut page = Self::default();
        let mut helped = BTreeSet::new();
        let mut seen = BTreeSet::new();
        assert!(text.ends_with('\n'), "the last line ends");
        for line in text.lines().filter(|line| !line.is_empty()) {
            if let Some(rest) = line.strip_prefix("# HELP ") {
                let (name, help) = rest.split_once(' ').unwrap_or_else(|| panic!("no help: {line}"));
                assert!(!help.is_empty() && helped.insert(name.to_owned()), "{line}");
            } else if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, kind) = rest.split_once(' ').unwrap_or_else(|| panic!("no type: {line}"));
                assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
                assert!(helped.contains(name), "HELP comes before TYPE: {line}");
                assert!(page.types.insert(name.to_owned(), kind.to_owned()).is_none(), "typed twice: {line}");
            } else {
                let (name, labels, value) = sample(line);
                page.typed(&name, line);
                assert!(seen.insert((name.clone(), labels.clone())), "twice: {line}");
                page.samples.push((name, labels, value));
            }
        }
        page
    }

    fn typed(&self, name: &str, line: &str) {
        let family = ["_bucket", "_sum", "_count"].iter().find_map(|suffix| {
            let family = name.strip_suffix(suffix)?;
            (self.types.get(family).map(String::as_str) == Some("histogram")).then_some(family)
        });
        let kind = self.types.get(family.unwrap_or(name)).unwrap_or_else(|| panic!("no TYPE before: {line}"));
        assert_eq!(kind == "histogram", family.is_some(), "{line}");
        assert_eq!(kind == "counter", name.ends_with("_total"), "{line}");
    }

    /// The sum of the samples that carry these labels.
    fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let fits = |own: &Labels| labels.iter().all(|(key, value)| own.get(*key).is_some_and(|it| it == value));
        self.samples.iter().filter(|(own, set, _)| own == name && fits(set)).map(|(_, _, value)| value).sum()
    }

    fn names(&self) -> BTreeSet<&str> {
        self.samples.iter().map(|(name, _, _)| name.as_str()).collect()
    }
}

/// `name{label="value",..} number`.
fn sample(line: &str) -> (String, Labels, f64) {
    let (series, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("no value: {line}"));
    let value = value.parse().unwrap_or_else(|_| panic!("no number: {line}"));
    let (name, inside) = match series.split_once('{') {
        Some((name, rest)) => (name, rest.strip_suffix('}').unwrap_or_else(|| panic!("not closed: {line}"))),
        None => (series, ""),
    };
    let legal = |text: &str| {
        text.starts_with(|it: char| it.is_ascii_lowercase())
            && text.chars().all(|it| it.is_ascii_lowercase() || it.is_ascii_digit() || it == '_')
    };
    assert!(legal(name) && name.starts_with("rialto_"), "{line}");
    let mut labels = Labels::new();
    // No value of ours holds a comma or a quote.
    for pair in inside.split(',').filter(|pair| !pair.is_empty()) {
        let (key, quoted) = pair.split_once('=').unwrap_or_else(|| panic!("no label: {line}"));
        let text = quoted.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
        let text = text.unwrap_or_else(|| panic!("not quoted: {line}"));
        assert!(legal(key) && !text.contains(['"', '\\']), "{line}");
        assert!(labels.insert(key.to_owned(), text.to_owned()).is_none(), "label twice: {line}");
    }
    (name.to_owned(), labels, value)
}

/// Every histogram: bounds rise, counts never fall, and the last is the count.
fn assert_cumulative(page: &Page) {
    for family in page.types.iter().filter(|(_, kind)| *kind == "histogram").map(|(name, _)| name) {
        let mut series: BTreeMap<Labels, Vec<(f64, f64)>> = BTreeMap::new();
        for (name, labels, value) in &page.samples {
            if name.strip_suffix("_bucket") == Some(family) {
                let mut labels = labels.clone();
                let bound = labels.remove("le").unwrap_or_else(|| panic!("{family} without le"));
                series.entry(labels).or_default().push((bound.parse().expect("le is a number"), *value));
            }
        }
        assert!(!series.is_empty(), "{family} has no buckets");
        for (labels, buckets) in series {
            for pair in buckets.windows(2) {
                assert!(pair[0].0 < pair[1].0 && pair[0].1 <= pair[1].1, "{family} {labels:?}: {pair:?}");
            }
            let last = buckets[buckets.len() - 1];
            let set: Vec<_> = labels.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
            assert!(last.0.is_infinite(), "{family} {labels:?} ends with +Inf");
            assert_eq!(last.1, page.sum(&format!("{family}_count"), &set), "{family} {labels:?}");
        }
    }
}

/// Reads the page until it fits: the count comes after the answer, settlement after that.
fn await_page(server: &Server, what: &str, fits: impl Fn(&Page) -> bool) -> Page {
    let began = Instant::now();
    loop {
        let text = server.metrics();
        let page = Page::parse(&text);
        if fits(&page) {
            return page;
        }
        assert!(began.elapsed() < Duration::from_secs(20), "{what}:\n{text}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn send(server: &Server, method: &str, tenant: &str, user: &str, parameters: &str) -> (u16, Value) {
    let base = format!("{}/t/{tenant}", server.url());
    signed(method, &base, "/api/v3/order", &Key::of(tenant, user), parameters)
}

fn place(server: &Server, tenant: &str, user: &str, side: &str, client_id: &str) -> (u16, Value) {
    let order = format!(
        "symbol=USDCNY&side={side}&type=LIMIT&timeInForce=GTC&quantity=100&price=7.0000&newClientOrderId={client_id}"
    );
    send(server, "POST", tenant, user, &order)
}

/// Three rest, one is taken and one is cancelled at the one tenant; one trade at the other; and
/// two refusals. Seven commands reach a book.
fn trade(server: &Server) {
    for (tenant, user, side, id) in [
        ("acme", "alice", "SELL", "s1"),
        ("acme", "alice", "SELL", "s2"),
        ("acme", "alice", "SELL", "s3"),
        ("acme", "bob", "BUY", "b1"),
        ("globex", "alice", "SELL", "s1"),
        ("globex", "bob", "BUY", "b1"),
    ] {
        let (status, reply) = place(server, tenant, user, side, id);
        let expected = if side == "BUY" { "FILLED" } else { "NEW" };
        assert_eq!((status, reply["status"].as_str()), (200, Some(expected)), "{reply}");
    }
    let (status, reply) = send(server, "DELETE", "acme", "alice", "symbol=USDCNY&origClientOrderId=s2");
    assert_eq!((status, reply["status"].as_str()), (200, Some("CANCELED")), "{reply}");
    let (status, reply) = place(server, "acme", "poor", "BUY", "p1");
    assert_eq!((status, reply["code"].as_i64()), (400, Some(-2010)), "{reply}");
    let (status, reply) = send(server, "DELETE", "acme", "alice", "symbol=USDCNY&origClientOrderId=never");
    assert_eq!((status, reply["code"].as_i64()), (400, Some(-2011)), "{reply}");
}

#[test]
fn metrics_equal_what_was_done() {
    let server = Server::start(&two_tenants());
    trade(&server);
    let page = await_page(&server, "settled", |page| {
        page.sum("rialto_order_ack_seconds_count", &[]) >= 7.0
            && page.sum("rialto_settlement_last_seq", &[]) >= page.sum("rialto_journal_last_seq", &[])
    });
    let of = |name: &str, tenant: &str, more: (&str, &str)| page.sum(name, &[("tenant", tenant), more]);
    for (tenant, accepted, trades, canceled, resting) in [("acme", 4.0, 1.0, 1.0, 1.0), ("globex", 2.0, 1.0, 0.0, 0.0)]
    {
        let pair = ("pair", "USDCNY");
        let orders = page.sum("rialto_orders_total", &[("tenant", tenant), pair, ("outcome", "accepted")]);
        assert_eq!(orders, accepted, "{tenant}");
        assert_eq!(of("rialto_trades_total", tenant, pair), trades, "{tenant}");
        assert_eq!(page.sum("rialto_commands_total", &[("tenant", tenant), pair, ("kind", "cancel")]), canceled);
        assert_eq!(of("rialto_book_orders", tenant, pair), resting, "{tenant}");
        let other = ("pair", "BTCUSD");
        assert_eq!(of("rialto_orders_total", tenant, other) + of("rialto_trades_total", tenant, other), 0.0);
    }
    assert_eq!(of("rialto_rejects_total", "acme", ("code", "insufficient_balance")), 1.0);
    assert_eq!(of("rialto_rejects_total", "acme", ("code", "unknown_order")), 1.0);
    assert_eq!(page.sum("rialto_rejects_total", &[]), 2.0, "and no other");
    assert_eq!(page.sum("rialto_busy_total", &[]), 0.0);
    assert_eq!(page.sum("rialto_ready", &[]), 1.0);

    // What reached a book is in the histogram, and its stages are the whole way.
    assert_eq!(page.sum("rialto_order_ack_seconds_count", &[]), 7.0);
    let whole = page.sum("rialto_order_ack_seconds_sum", &[]);
    for stage in ["admit", "match", "settle", "journal", "push"] {
        assert_eq!(page.sum("rialto_stage_seconds_count", &[("stage", stage)]), 7.0, "{stage}");
    }
    let stages = page.sum("rialto_stage_seconds_sum", &[]);
    assert!(whole > 0.0 && (whole - stages).abs() < 1e-6, "{stages} of {whole}");

    // A command and what came of it are at least a record each.
    let durable = page.sum("rialto_journal_last_seq", &[]);
    assert!(durable >= 14.0, "{durable}");
    assert_eq!(page.sum("rialto_settlement_last_seq", &[]), durable);
    assert!(page.sum("rialto_journal_batch_records_sum", &[]) <= durable);
    assert!(page.sum("rialto_journal_bytes_total", &[]) > 0.0);
    let flushes = page.sum("rialto_journal_flush_seconds_count", &[]);
    assert_eq!(page.sum("rialto_journal_batch_records_count", &[]), flushes);
    assert_cumulative(&page);
}

#[test]
fn the_end_of_the_journal_is_shown_before_anything_is_written_to_it() {
    let mut server = Server::start(&two_tenants());
    let shown = |server: &Server| {
        let page = Page::parse(&server.metrics());
        assert!(page.names().contains("rialto_journal_last_seq"), "{:?}", page.names());
        page.sum("rialto_journal_last_seq", &[])
    };
    assert!(shown(&server) > 0.0, "what was opened is in the journal");
    trade(&server);
    let before = shown(&server);
    server.kill();
    server.restart();
    assert!(shown(&server) >= before, "nothing that was durable is gone");
}

#[test]
fn nothing_secret_is_shown() {
    let server = Server::start(&two_tenants());
    trade(&server);
    let session = Session::log_on(&server.ws_url(), "acme", &Key::of("acme", "bob"));
    await_page(&server, "the session", |page| page.sum("rialto_ws_sessions", &[]) >= 1.0);
    let text = server.metrics();
    for tenant in ["acme", "globex"] {
        for user in ["alice", "bob", "poor"] {
            let key = Key::of(tenant, user);
            assert!(!text.contains(&key.key) && !text.contains(&key.secret), "{}", key.key);
            assert!(!text.contains(user), "{user} is a label");
        }
    }
    drop(session);
}

/// A rail that nobody answers for, of the last tenant: what is told of rails is told where there is one.
const RAIL: &str = r#"
[[tenants.rails]]
name = "bank"
url = "http://127.0.0.1:1/bank"
key = "key-to-bank"
secret = "secret-to-bank"
assets = [{ asset = "USD" }]
"#;

#[test]
fn dashboards_and_rules_ask_for_metrics_that_exist() {
    let server = Server::start(&(two_tenants() + RAIL));
    trade(&server);
    let page = await_page(&server, "a journal", |page| page.names().contains("rialto_journal_last_seq"));
    let names = page.names();
    let mut missing = BTreeSet::new();
    for file in grafana_files() {
        let text = fs::read_to_string(&file).expect("a text");
        let used = tokens(&text);
        assert!(!used.is_empty(), "{} uses no metric", file.display());
        missing.extend(used.into_iter().filter(|name| !names.contains(name)).map(str::to_owned));
    }
    assert!(missing.is_empty(), "not in the exposition: {missing:?}");
    // Rules join on the tenant, so that it must have one name everywhere.
    let tenants = page.samples.iter().filter_map(|(_, labels, _)| labels.get("tenant"));
    let strange: BTreeSet<_> = tenants.filter(|name| !["acme", "globex"].contains(&name.as_str())).collect();
    assert!(strange.is_empty(), "no tenants: {strange:?}");
}

fn grafana_files() -> Vec<PathBuf> {
    let grafana = Path::new(env!("CARGO_MANIFEST_DIR")).join("../grafana");
    let entries = fs::read_dir(grafana.join("dashboards")).expect("the dashboards");
    let mut files: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    assert!(!files.is_empty(), "there is a dashboard");
    files.push(grafana.join("rules.yml"));
    files
}

/// The words that begin as our metrics do.
fn tokens(text: &str) -> BTreeSet<&str> {
    let word = |place: usize| {
        let rest = &text[place..];
        let end = rest.find(|it: char| !(it.is_ascii_lowercase() || it == '_')).unwrap_or(rest.len());
        &rest[..end]
    };
    text.match_indices("rialto_").map(|(place, _)| word(place)).collect()
}
