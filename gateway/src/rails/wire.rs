//! The bodies that rails are sent and send: `docs/rails.md`.
//!
//! What a rail says is taken exactly or not at all.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use metrics::counter;
use rialto_actors::directory::TenantEntry;
use rialto_actors::rails::RailFault;
use rialto_engine::ids::AssetId;
use rialto_engine::label::Label;
use rialto_engine::market::power_of_ten;
use rialto_engine::transaction::{Body, Report, Transaction};
use rialto_engine::units::Amount;
use serde::{Deserialize, Serialize};

use crate::decimal::{self, Decimal};

/// The most movements that one answer may tell of.
const MOVEMENTS_MAX: usize = 256;

/// What a tenant's things are called towards its rails.
#[derive(Clone, Debug)]
pub struct Names {
    /// The tenant.
    pub tenant: String,
    assets: Vec<(String, u8)>,
    by_name: HashMap<String, AssetId>,
}

/// The names of a tenant as they are now: assets are opened while rails run. Cheap to clone.
#[derive(Clone, Debug)]
pub struct NamesOfNow(Arc<RwLock<Arc<Names>>>);

impl NamesOfNow {
    /// Beginning with these.
    #[must_use]
    pub fn new(names: Names) -> Self {
        Self(Arc::new(RwLock::new(Arc::new(names))))
    }

    /// Those of now.
    #[must_use]
    pub fn get(&self) -> Arc<Names> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// From now on they are these.
    pub fn renew(&self, names: Names) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(names);
    }
}

impl Names {
    /// The names of a tenant's directory.
    #[must_use]
    pub fn of(tenant: &TenantEntry) -> Self {
        Self::new(&tenant.name, tenant.assets.iter().map(|asset| (asset.name.clone(), asset.scale)))
    }

    /// A tenant's name, and its assets' names and scales by number.
    #[must_use]
    pub fn new(tenant: &str, assets: impl IntoIterator<Item = (String, u8)>) -> Self {
        let assets: Vec<_> = assets.into_iter().collect();
        let numbered = assets.iter().zip(0..).map(|((name, _), number)| (name.clone(), AssetId(number)));
        Self { tenant: tenant.to_owned(), by_name: numbered.collect(), assets }
    }

    /// A rail's key of idempotency for a transaction.
    #[must_use]
    pub fn key(&self, id: &Label) -> String {
        format!("{}/{id}", self.tenant)
    }

    /// The business id in such a key, if it is this tenant's.
    #[must_use]
    pub fn id(&self, key: &str) -> Option<Label> {
        Label::new(key.strip_prefix(self.tenant.as_str())?.strip_prefix('/')?)
    }

    /// The name of an asset.
    #[must_use]
    pub fn asset(&self, asset: AssetId) -> Option<&str> {
        self.assets.get(usize::from(asset.0)).map(|(name, _)| name.as_str())
    }

    /// An amount as an exact decimal with all decimals of its asset.
    #[must_use]
    pub fn amount(&self, asset: AssetId, amount: Amount) -> Option<String> {
        let (_, scale) = self.assets.get(usize::from(asset.0))?;
        let mut out = Vec::with_capacity(24);
        if amount.0 < 0 {
            out.push(b'-');
        }
        decimal::fixed(&mut out, amount.0.unsigned_abs(), *scale, *scale);
        if out.last() == Some(&b'.') {
            out.pop();
        }
        String::from_utf8(out).ok()
    }

    /// Minor units of an asset from a decimal: digits, perhaps a point with at most as many digits behind it
    /// as the asset has.
    fn parse_amount(&self, asset: AssetId, text: &str) -> Option<Amount> {
        let (_, scale) = self.assets.get(usize::from(asset.0))?;
        let is_plain = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
        let decimals = text.split_once('.').map_or(0, |(_, fraction)| fraction.len());
        if !is_plain || decimals > usize::from(*scale) {
            return None;
        }
        let Decimal { mantissa, scale: found } = Decimal::parse(text).ok()?;
        let missing = power_of_ten(scale.checked_sub(found)?).unsigned_abs();
        i128::try_from(mantissa.checked_mul(missing)?).ok().map(Amount)
    }
}

/// The body of a submit.
#[derive(Debug, Serialize)]
pub struct Submit<'a> {
    key: &'a str,
    kind: &'static str,
    asset: &'a str,
    amount: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    destination: Option<&'a str>,
}

impl<'a> Submit<'a> {
    /// The body for a transaction; `None` for a kind that goes over no rail, or an asset without a name.
    #[must_use]
    pub fn of(names: &'a Names, key: &'a str, transaction: &'a Transaction) -> Option<Self> {
        let (asset, amount, destination) = match transaction.body.as_ref()? {
            Body::Deposit { asset, amount, .. } => (*asset, *amount, None),
            Body::Withdrawal { asset, amount, destination, .. } => (*asset, *amount, Some(&**destination)),
            _ => return None,
        };
        let kind = transaction.body.as_ref()?.kind().name();
        Some(Self { key, kind, asset: names.asset(asset)?, amount: names.amount(asset, amount)?, destination })
    }
}

/// The body of a cancel.
#[derive(Debug, Serialize)]
pub struct Cancel<'a> {
    /// What to end.
    pub key: &'a str,
}

#[derive(Debug, Deserialize)]
struct Answer {
    key: Option<String>,
    status: Status,
    #[serde(default)]
    movements: Vec<Movement>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Status {
    Accepted,
    Done,
    Rejected,
    Canceled,
    Unknown,
}

#[derive(Debug, Deserialize)]
struct Movement {
    reference: String,
    kind: MovementKind,
    asset: String,
    amount: String,
    state: MovementState,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum MovementKind {
    Received,
    Paid,
    Bounced,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum MovementState {
    Pending,
    Final,
    Returned,
}

/// What a rail has said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// Of which transaction; `None` of money that belongs to none.
    pub id: Option<Label>,
    /// What, in the order in which the wallet is to hear it.
    pub reports: Vec<Report>,
}

/// Reads an answer to a question about a transaction.
///
/// # Errors
/// If it makes no sense, or is about something else.
pub fn read_answer(names: &Names, id: &Label, bytes: &[u8]) -> Result<Vec<Report>, RailFault> {
    let told = read(names, bytes)?;
    if told.id != Some(*id) {
        return Err(malformed("it is about another key"));
    }
    Ok(told.reports)
}

/// Reads the body of a callback.
///
/// # Errors
/// If it makes no sense, or says what only an answer can.
pub fn read_callback(names: &Names, bytes: &[u8]) -> Result<Told, RailFault> {
    let told = read(names, bytes)?;
    // It may have been on its way for long: what was not known then may be known by now.
    if told.reports.contains(&Report::Unknown) {
        return Err(malformed("a callback about what is unknown"));
    }
    Ok(told)
}

fn read(names: &Names, bytes: &[u8]) -> Result<Told, RailFault> {
    let answer: Answer = serde_json::from_slice(bytes).map_err(|error| malformed(&describe(&error)))?;
    let id = match &answer.key {
        Some(key) => Some(names.id(key).ok_or_else(|| malformed("a key that is not ours"))?),
        None if answer.status == Status::Done => None,
        None => return Err(malformed("a status of no key")),
    };
    if answer.movements.len() > MOVEMENTS_MAX {
        return Err(malformed("too many movements"));
    }
    let mut reports = Vec::with_capacity(answer.movements.len() + 1);
    let mut is_understood = true;
    for movement in &answer.movements {
        match movement.report(names)? {
            Some(report) => reports.push(report),
            None => {
                is_understood = false;
                counter!("rialto_rail_unknown_assets_total", "tenant" => names.tenant.clone()).increment(1);
            }
        }
    }
    let status = match answer.status {
        Status::Accepted => Some(Report::Accepted),
        Status::Rejected => Some(Report::Rejected),
        Status::Canceled => Some(Report::Canceled),
        Status::Unknown => Some(Report::Unknown),
        Status::Done if id.is_some() && answer.movements.iter().any(Movement::came_in) => Some(Report::Canceled),
        Status::Done => None,
    };
    if answer.status == Status::Unknown && !answer.movements.is_empty() {
        return Err(malformed("movements of what is unknown"));
    }
    reports.extend(status.filter(|_| is_understood));
    Ok(Told { id, reports })
}

impl Movement {
    /// Whether it is money that came in and is here: then the payment is a deposit.
    fn came_in(&self) -> bool {
        self.kind == MovementKind::Received && self.state != MovementState::Returned
    }

    /// What it is to the wallet; `None` in a currency that the tenant does not have.
    fn report(&self, names: &Names) -> Result<Option<Report>, RailFault> {
        let reference = Label::new(&self.reference).ok_or_else(|| malformed("a reference that is none"))?;
        let Some(asset) = names.by_name.get(&self.asset).copied() else { return Ok(None) };
        let amount = names.parse_amount(asset, &self.amount).filter(|amount| amount.0 > 0);
        let amount = amount.ok_or_else(|| malformed("an amount that is none"))?;
        Ok(Some(match (self.kind, self.state) {
            (MovementKind::Received, MovementState::Returned) => Report::Returned { reference },
            (MovementKind::Received, state) => {
                Report::Received { reference, asset, amount, is_final: state == MovementState::Final }
            }
            (MovementKind::Paid, MovementState::Final) => Report::Paid { reference, asset, amount },
            (MovementKind::Bounced, MovementState::Final) => Report::Bounced { reference, asset, amount },
            _ => return Err(malformed("what was paid out or came back is final")),
        }))
    }
}

/// Where the text is wrong, and nothing of the text itself.
fn describe(error: &serde_json::Error) -> String {
    format!("{:?} at line {} column {}", error.classify(), error.line(), error.column())
}

fn malformed(why: &str) -> RailFault {
    RailFault::Malformed(why.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const USD: AssetId = AssetId(0);
    const JPY: AssetId = AssetId(1);
    const ETH: AssetId = AssetId(2);

    fn names() -> Names {
        Names::new("acme", [("USD".to_owned(), 2), ("JPY".to_owned(), 0), ("ETH".to_owned(), 18)])
    }

    fn label(text: &str) -> Label {
        Label::new(text).expect("it is one")
    }

    fn answer(text: &str) -> Result<Vec<Report>, RailFault> {
        read_answer(&names(), &label("w-1"), text.as_bytes())
    }

    #[test]
    fn amounts_are_exact_both_ways() {
        let names = names();
        for (asset, amount, text) in [
            (USD, 1_250, "12.50"),
            (USD, 5, "0.05"),
            (USD, 0, "0.00"),
            (USD, -5, "-0.05"),
            (JPY, 700, "700"),
            (JPY, 0, "0"),
            (ETH, 1, "0.000000000000000001"),
            (ETH, 123_456_789_012_345_678_901_234_567_890, "123456789012.345678901234567890"),
            (USD, i128::MAX, "1701411834604692317316873037158841057.27"),
        ] {
            assert_eq!(names.amount(asset, Amount(amount)).as_deref(), Some(text));
            let read = names.parse_amount(asset, text);
            assert_eq!(read, (amount >= 0).then_some(Amount(amount)), "{text}");
        }
        assert_eq!(names.parse_amount(USD, "7"), Some(Amount(700)));
        for text in ["", ".", "1.", ".5", "1.005", "1.000", "1e2", "+1", "1,5", " 1", "NaN", &"9".repeat(40)] {
            assert_eq!(names.parse_amount(USD, text), None, "{text}");
        }
        assert_eq!(names.parse_amount(JPY, "7.0"), None);
    }

    #[test]
    fn movements_come_before_the_status() {
        let text = r#"{"key":"acme/w-1","status":"canceled","extra":1,"movements":[
            {"reference":"B-1","kind":"received","asset":"USD","amount":"12.50","state":"pending"},
            {"reference":"B-2","kind":"received","asset":"JPY","amount":"700","state":"final"},
            {"reference":"B-3","kind":"received","asset":"USD","amount":"1.00","state":"returned"},
            {"reference":"B-4","kind":"paid","asset":"USD","amount":"0.01","state":"final"},
            {"reference":"B-5","kind":"bounced","asset":"USD","amount":"0.01","state":"final"}]}"#;
        let received = |reference: &str, asset, amount, is_final| Report::Received {
            reference: label(reference),
            asset,
            amount: Amount(amount),
            is_final,
        };
        let expected = vec![
            received("B-1", USD, 1_250, false),
            received("B-2", JPY, 700, true),
            Report::Returned { reference: label("B-3") },
            Report::Paid { reference: label("B-4"), asset: USD, amount: Amount(1) },
            Report::Bounced { reference: label("B-5"), asset: USD, amount: Amount(1) },
            Report::Canceled,
        ];
        assert_eq!(answer(text), Ok(expected));
        assert_eq!(answer(r#"{"key":"acme/w-1","status":"done"}"#), Ok(Vec::new()));
        assert_eq!(answer(r#"{"key":"acme/w-1","status":"unknown"}"#), Ok(vec![Report::Unknown]));
    }

    /// Paid twice, and the first time taken back: the second is an excess to the wallet, and all that there
    /// will be to the rail.
    #[test]
    fn a_deposit_that_is_done_waits_for_nothing_more() {
        let text = r#"{"key":"acme/w-1","status":"done","movements":[
            {"reference":"B-1","kind":"received","asset":"USD","amount":"5.00","state":"returned"},
            {"reference":"B-2","kind":"received","asset":"USD","amount":"5.00","state":"final"}]}"#;
        let reports = answer(text).expect("an answer");
        assert_eq!(reports.len(), 3);
        assert_eq!(reports.last(), Some(&Report::Canceled));
        let returned = text.replace("final", "returned");
        assert_eq!(answer(&returned).expect("an answer").len(), 2, "nothing came in, and nothing is said of that");
    }

    #[test]
    fn a_currency_that_nobody_has_keeps_the_payment_from_ending() {
        let text = r#"{"key":"acme/w-1","status":"rejected","movements":[
            {"reference":"B-1","kind":"paid","asset":"XXX","amount":"12.5000","state":"final"},
            {"reference":"B-2","kind":"paid","asset":"USD","amount":"12.50","state":"final"}]}"#;
        assert_eq!(answer(text), Ok(vec![Report::Paid { reference: label("B-2"), asset: USD, amount: Amount(1_250) }]));
    }

    #[test]
    fn whatever_makes_no_sense_is_a_fault_as_a_whole() {
        let movement = |change: (&str, &str)| {
            let good = r#"{"reference":"B-1","kind":"paid","asset":"USD","amount":"12.50","state":"final"}"#;
            assert!(good.contains(change.0), "{change:?}");
            format!(r#"{{"key":"acme/w-1","status":"done","movements":[{}]}}"#, good.replace(change.0, change.1))
        };
        assert!(answer(&movement(("B-1", "B-1"))).is_ok());
        for change in [
            ("B-1", ""),
            ("B-1", "with space"),
            ("paid", "payed"),
            ("12.50", "12.505"),
            ("12.50", "-12.50"),
            ("12.50", "0.00"),
            ("12.50", "1e3"),
            ("\"12.50\"", "12.50"),
            ("final", "pending"),
            ("final", "returned"),
            (r#","state":"final""#, ""),
        ] {
            assert!(matches!(answer(&movement(change)), Err(RailFault::Malformed(_))), "{change:?}");
        }
        for text in [
            "",
            "[]",
            "{}",
            r#"{"key":"acme/w-1"}"#,
            r#"{"key":"acme/w-1","status":"maybe"}"#,
            r#"{"key":"acme/w-2","status":"done"}"#,
            r#"{"key":"globex/w-1","status":"done"}"#,
            r#"{"key":"w-1","status":"done"}"#,
            r#"{"key":null,"status":"done"}"#,
            r#"{"key":"acme/w-1","status":"done"} trailing"#,
        ] {
            assert!(matches!(answer(text), Err(RailFault::Malformed(_))), "{text}");
        }
        let movements = vec![r#"{"reference":"B","kind":"paid","asset":"USD","amount":"1.00","state":"final"}"#; 257];
        let text = format!(r#"{{"key":"acme/w-1","status":"done","movements":[{}]}}"#, movements.join(","));
        assert!(answer(&text).is_err(), "too many");
    }

    #[test]
    fn a_callback_may_be_about_money_without_a_payment_but_never_about_nothing() {
        let read = |text: &str| read_callback(&names(), text.as_bytes());
        let told = read(
            r#"{"key":null,"status":"done","movements":[
            {"reference":"B-1","kind":"received","asset":"USD","amount":"5.00","state":"final"}]}"#,
        )
        .expect("it is one");
        assert_eq!((told.id, told.reports.len()), (None, 1));
        assert!(read(r#"{"key":null,"status":"rejected"}"#).is_err());
        assert!(read(r#"{"key":"acme/w-1","status":"unknown"}"#).is_err());
    }
}
