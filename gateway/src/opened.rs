//! What operators have opened and changed while the server ran.
//!
//! The journal holds that something is open; this file holds the rest of what the edge must know of it, in the
//! words of the configuration. One file of JSON lines that is only ever added to, each with a checksum. A line is
//! on the disk before anything is opened: a crash in between opens it at the next start, whole. Where the
//! exchange then does not open it, the next line takes it back.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rialto_actors::clock;
use rialto_actors::exchange::{NotOpened, Reconfigured};
use serde::{Deserialize, Serialize};

use crate::config::opening::{Needed, Opening, Refusal};
use crate::config::{Config, ConfigError};
use crate::error::ApiError;
use crate::generations::Generations;
use crate::lines::{checked, with_sum};
use crate::worker::Worker;

/// The name of the file in the data directory.
pub const FILE: &str = "opened.jsonl";

/// The file. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Opened {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug, Default)]
struct Inner {
    /// `None` where nothing is kept, which is in tests.
    file: Option<File>,
    /// How much of it is whole lines.
    length: u64,
    /// Of the last line.
    number: u64,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    number: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    opening: Option<Opening>,
    /// The number of a line that was not carried out.
    #[serde(skip_serializing_if = "Option::is_none")]
    undone: Option<u64>,
    #[serde(skip_serializing, default)]
    #[expect(dead_code, reason = "compared as text, before anything is read")]
    sum: String,
}

impl Opened {
    /// The file of a data directory, and what was opened there, in order.
    ///
    /// # Errors
    /// If it cannot be read, or was changed.
    pub fn open(data: &Path) -> Result<(Self, Vec<Opening>), String> {
        let path = data.join(FILE);
        let cannot = |error: std::io::Error| format!("{}: {error}", path.display());
        std::fs::create_dir_all(data).map_err(cannot)?;
        let mut file = OpenOptions::new().read(true).append(true).create(true).open(&path).map_err(cannot)?;
        // Its name must be on the disk before any of its lines counts.
        File::open(data).and_then(|directory| directory.sync_all()).map_err(cannot)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(cannot)?;
        // Half a line at the end was never told to anybody. It is taken off before the next one is added.
        let whole = whole_lines(&bytes);
        let (number, openings) = openings_in(whole, &path)?;
        let inner = Inner { file: Some(file), length: whole.len() as u64, number };
        Ok((Self { inner: Arc::new(Mutex::new(inner)) }, openings))
    }

    /// Keeps an opening, and gives its number. It blocks until that is on the disk.
    ///
    /// # Errors
    /// If it cannot be; then nothing of it is left.
    pub fn keep(&self, opening: &Opening) -> std::io::Result<u64> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.add(Some(opening.clone()), None)
    }

    /// Takes an opening back that was not carried out.
    ///
    /// # Errors
    /// If that cannot be kept; then the next start carries it out.
    pub fn take_back(&self, number: u64) -> std::io::Result<u64> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.add(None, Some(number))
    }
}

impl Inner {
    fn add(&mut self, opening: Option<Opening>, undone: Option<u64>) -> std::io::Result<u64> {
        let number = self.number + 1;
        let line = with_sum(serde_json::to_vec(&Line { number, opening, undone, sum: String::new() })?);
        if let Some(file) = &mut self.file {
            // What a crash or a failed write has left behind the last whole line is not there.
            file.set_len(self.length)?;
            file.seek(SeekFrom::End(0))?;
            file.write_all(&line)?;
            file.sync_data()?;
        }
        self.length += line.len() as u64;
        self.number = number;
        Ok(number)
    }
}

fn whole_lines(bytes: &[u8]) -> &[u8] {
    &bytes[..bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1)]
}

/// The number of the last line, and what was opened and not taken back.
fn openings_in(lines: &[u8], path: &Path) -> Result<(u64, Vec<Opening>), String> {
    let (mut number, mut openings) = (0, Vec::new());
    for (line, place) in lines.split_inclusive(|byte| *byte == b'\n').zip(1_usize..) {
        let read = read(line).filter(|line| line.number == number + 1);
        let line = read.ok_or_else(|| format!("{} was changed at line {place}", path.display()))?;
        number = line.number;
        openings.extend(line.opening.map(|opening| (number, opening)));
        openings.retain(|(number, _)| Some(*number) != line.undone);
    }
    Ok((number, openings.into_iter().map(|(_, opening)| opening).collect()))
}

fn read(line: &[u8]) -> Option<Line> {
    serde_json::from_str(checked(line.strip_suffix(b"\n")?)?).ok()
}

/// The configuration with what was opened in a data directory, and where more is kept.
///
/// # Errors
/// If that cannot be read.
pub fn with_opened(mut config: Config, data: &Path) -> Result<(Config, Opened), String> {
    let (opened, openings) = Opened::open(data)?;
    config.take_in(openings);
    Ok((config, opened))
}

/// The same for whoever only looks.
///
/// # Errors
/// If it cannot be read.
pub fn with_opened_before(mut config: Config, data: &Path) -> Result<Config, String> {
    let path = data.join(FILE);
    match std::fs::read(&path) {
        Ok(bytes) => config.take_in(openings_in(whole_lines(&bytes), &path)?.1),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(format!("{}: {error}", path.display())),
    }
    Ok(config)
}

/// What came of an opening.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Done {
    /// It was so already.
    Repeated,
    /// It is now, and this is what it cost.
    Opened(Option<Reconfigured>),
}

/// Opens or changes something: keeps it, has the exchange do it, and lets everybody see it. One comes after the
/// other; whoever comes meanwhile comes again. Once begun, it is carried through, whoever waits for it.
///
/// # Errors
/// Why it cannot be, and then nothing has changed; or that nobody knows.
pub async fn carry_out(worker: &Worker, opening: Opening) -> Result<Done, ApiError> {
    let generations = worker.generations().clone();
    let place = worker.gateway.openings.clone().try_acquire_owned().map_err(|_| ApiError::busy())?;
    let done = tokio::task::spawn_blocking(move || {
        let done = carry(&generations, &opening);
        drop(place);
        done
    });
    done.await.unwrap_or_else(|_| Err(ApiError::outcome_unknown()))
}

fn carry(generations: &Generations, opening: &Opening) -> Result<Done, ApiError> {
    let gateway = generations.newest();
    let mut config = Config::clone(&gateway.config);
    let needed = config.open(opening).map_err(|refusal| refused(refusal, opening))?;
    let setup = match &needed {
        Needed::Nothing => return Ok(Done::Repeated),
        Needed::Edge => None,
        Needed::Exchange(setup) => Some(setup),
    };
    // Who is held to how long others wait.
    let held = match opening {
        Opening::Tenant(_) | Opening::Limits { .. } => None,
        Opening::Asset { tenant, .. } | Opening::Market { tenant, .. } | Opening::Terms { tenant, .. } => Some(tenant),
    };
    if let (Some(tenant), Some(_)) = (held, setup) {
        gateway.pauses.admit(tenant, clock::monotonic()).map_err(ApiError::too_many_openings)?;
    }
    if let Some(setup) = setup {
        gateway.exchange.check(setup).map_err(|error| ApiError::cannot_be_opened(error.to_string()))?;
    }
    let number = gateway.opened.keep(opening).map_err(|error| {
        tracing::error!(%error, "what is to be opened cannot be kept: nothing is opened");
        ApiError::unavailable()
    })?;
    let began = Instant::now();
    let opened = setup.map(|setup| gateway.exchange.open(setup)).transpose();
    if let (Some(tenant), Some(_)) = (held, setup) {
        let pause = opened.as_ref().map_or_else(|_| began.elapsed(), |cost| cost.map_or(Duration::ZERO, |it| it.pause));
        gateway.pauses.charge(tenant, pause, clock::monotonic());
    }
    let cost = match opened {
        Ok(cost) => cost,
        Err(NotOpened::Unknown) => return Err(ApiError::outcome_unknown()),
        Err(NotOpened::Refused(error)) => {
            tracing::warn!(%error, "something was not opened");
            return Err(gateway.opened.take_back(number).map_or_else(
                |error| {
                    tracing::error!(%error, "what was not opened cannot be taken back: the next start opens it");
                    ApiError::outcome_unknown()
                },
                |_| ApiError::busy(),
            ));
        }
    };
    generations.renew(gateway.renewed(config));
    Ok(Done::Opened(cost))
}

fn refused(refusal: Refusal, opening: &Opening) -> ApiError {
    match refusal {
        Refusal::Taken => ApiError::name_taken(),
        Refusal::Unknown if matches!(opening, Opening::Terms { .. }) => ApiError::invalid_symbol(),
        Refusal::Unknown => ApiError::unknown_tenant(),
        Refusal::Wrong(error) => ApiError::cannot_be_opened(ConfigError::to_string(&error)),
    }
}

#[cfg(test)]
mod tests {
    use rialto_actors::zone::Zone;

    use super::*;
    use crate::config::opening::{NewTenant, Terms};

    const FILE_TEXT: &str = r#"
[[tenants]]
name = "acme"
assets = [{ name = "USD", scale = 2 }, { name = "CNY", scale = 2 }]
[[tenants.markets]]
symbol = "USDCNY"
base = "USD"
quote = "CNY"
tick = "0.0001"
lot = "0.01"
taker_fee_bps = 20
maker_fee_bps = 10
protection = { static_band_bps = 500 }
schedule = [{ at = "09:00", phase = "auction", until = "09:15" }]
"#;

    fn config(text: &str) -> Config {
        Config::parse(text).expect("a configuration")
    }

    fn terms(pairs: &[(&str, &str)]) -> Terms {
        pairs.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
    }

    fn asset(name: &str, scale: u8) -> Opening {
        Opening::Asset { tenant: "acme".to_owned(), name: name.to_owned(), scale }
    }

    fn change(pairs: &[(&str, &str)]) -> Opening {
        Opening::Terms { tenant: "acme".to_owned(), symbol: "USDCNY".to_owned(), terms: terms(pairs) }
    }

    #[test]
    fn what_was_kept_is_read_again_and_what_was_taken_back_is_not() {
        let data = tempfile::tempdir().expect("a directory");
        let path = data.path().join(FILE);
        let (opened, before) = Opened::open(&data.path().join("new")).expect("made");
        assert!(before.is_empty());
        drop(opened);
        let openings = [
            Opening::Tenant(NewTenant { name: "newco".to_owned(), ..NewTenant::default() }),
            asset("GEM", 4),
            change(&[("takerFeeBps", "5")]),
        ];
        let (opened, _) = Opened::open(data.path()).expect("opens");
        let numbers: Vec<u64> = openings.iter().map(|opening| opened.keep(opening).expect("kept")).collect();
        assert_eq!(numbers, [1, 2, 3]);
        opened.take_back(2).expect("taken back");
        let (opened, read) = Opened::open(data.path()).expect("opens");
        assert_eq!(read, [openings[0].clone(), openings[2].clone()]);

        // Half a line is none, and the next one does not stand behind it.
        let text = std::fs::read_to_string(&path).expect("read");
        std::fs::write(&path, format!("{text}{{\"number\":5,\"opening\":{{\"ass")).expect("written");
        drop(opened);
        let (opened, read) = Opened::open(data.path()).expect("opens");
        assert_eq!(read.len(), 2);
        assert_ne!(std::fs::read_to_string(&path).expect("read"), text, "whoever only looks changes nothing");
        assert_eq!(opened.keep(&openings[1]).expect("kept"), 5);
        let (_, read) = Opened::open(data.path()).expect("opens");
        assert_eq!(read[2], openings[1]);

        let text = std::fs::read_to_string(&path).expect("read");
        let without = |skip: usize| {
            let kept = text.lines().enumerate().filter(|(place, _)| *place != skip);
            kept.map(|(_, line)| format!("{line}\n")).collect::<String>()
        };
        for changed in [text.replacen("\"5\"", "\"6\"", 1), text.replacen("newco", "oldco", 1), without(0), without(3)]
        {
            assert_ne!(changed, text);
            std::fs::write(&path, changed).expect("written");
            let error = Opened::open(data.path()).expect_err("noticed");
            assert!(error.contains("was changed at line"), "{error}");
        }
    }

    #[test]
    fn a_tenant_with_a_zone_is_kept_with_it_and_lines_of_before_are_what_they_were() {
        let data = tempfile::tempdir().expect("a directory");
        let zone = Some("Europe/Berlin".to_owned());
        let newco = NewTenant { name: "newco".to_owned(), ..NewTenant::default() };
        let berlin = NewTenant { name: "berlin".to_owned(), time_zone: zone, ..NewTenant::default() };
        // What was written before there were zones, to the letter.
        let line = r#"{"tenant":{"name":"newco","hosts":[],"walletShards":null,"selfTradePrevention":null,"utcOffset":null,"dayEnds":null,"shadow":false,"limits":{"openOrders":null,"idempotencyWindow":null,"requestWeightPerMinute":null,"ordersPer10Seconds":null,"ordersPerDay":null}}}"#;
        let opening = Opening::Tenant(newco);
        assert_eq!(serde_json::to_string(&opening).expect("text"), line);
        assert_eq!(serde_json::from_str::<Opening>(line).expect("reads"), opening);
        let (opened, _) = Opened::open(data.path()).expect("opens");
        for opening in [opening, Opening::Tenant(berlin)] {
            opened.keep(&opening).expect("kept");
        }
        drop(opened);
        let (_, read) = Opened::open(data.path()).expect("opens");
        let mut taken = config(FILE_TEXT);
        taken.take_in(read);
        let zone = |name: &str| taken.tenant(name).expect("there").zone.clone();
        assert_eq!(zone("newco"), Zone::UTC);
        assert_eq!(Some(zone("berlin")), Zone::named("Europe/Berlin"));
    }

    #[test]
    fn what_opens_yields_to_the_file_and_what_changes_stands_over_it() {
        let market = |tick: &str| Opening::Market {
            tenant: "acme".to_owned(),
            symbol: "USDCNY".to_owned(),
            base: "USD".to_owned(),
            quote: "CNY".to_owned(),
            terms: terms(&[("tick", tick), ("lot", "0.01")]),
        };
        let mut taken = config(FILE_TEXT);
        taken.take_in(vec![asset("USD", 4), market("0.01"), asset("GEM", 4), change(&[("takerFeeBps", "5")])]);
        let tenant = taken.tenant("acme").expect("there");
        assert_eq!(tenant.assets.iter().map(|(_, scale)| *scale).collect::<Vec<_>>(), [2, 2, 4]);
        let known = config(FILE_TEXT).tenant("acme").expect("there").markets[0].clone();
        let found = &tenant.markets[0];
        assert_eq!((found.taker_fee.0, found.maker_fee, found.tick), (5, known.maker_fee, known.tick));
        assert_eq!((&found.schedule, found.protection), (&known.schedule, known.protection));
        assert!(known.protection.is_some() && known.schedule.len() == 1);
    }

    #[test]
    fn a_market_in_words_is_the_market_again() {
        let full = r#"
min_notional = "1.5"
max_notional = "99999.25"
min_price = "0.5"
max_price = "1000"
min_quantity = "0.02"
max_quantity = "5000"
max_market_quantity = "400"
max_position = "123456.78"
max_num_orders = 7
max_num_algo_orders = 3
iceberg_parts = 9
percent_price_by_side = { bid_up = "1.2", bid_down = "0.8", ask_up = "5", ask_down = "0.0001" }
trailing_delta = { min_above = 11, max_above = 1000, min_below = 12, max_below = 900 }
self_trade_prevention = "expire_taker"
"#;
        for text in [FILE_TEXT.to_owned(), format!("{FILE_TEXT}{full}"), crate::demo::CONFIGURATION.to_owned()] {
            let mut changed = config(&text);
            let before = changed.setup.tenants.clone();
            for tenant in &before {
                for market in &tenant.markets {
                    let (tenant, symbol) = (tenant.name.clone(), market.symbol.clone());
                    let nothing = Opening::Terms { tenant: tenant.clone(), symbol, terms: Terms::new() };
                    assert!(matches!(changed.open(&nothing), Ok(Needed::Nothing)), "{tenant} {market:?}");
                    assert_eq!(
                        changed.tenant(&tenant).and_then(|it| it.markets.iter().find(|it| *it == market)),
                        Some(market)
                    );
                }
            }
        }
    }
}
