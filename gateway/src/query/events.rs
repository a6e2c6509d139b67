//! What happened to transactions, for whoever follows: `GET events`.
//!
//! Events are numbered from 1 without gaps. A follower keeps the number of the last one that he has dealt with
//! and asks for what is behind it; whoever was away for hours catches up page by page. He gets each event
//! at least once: what he had not noted down before a crash he gets again.

use std::time::Duration;

use rialto_engine::ids::AssetId;
use rialto_engine::transaction::{Happening, TransactionEvent};
use rialto_engine::units::Nanos;
use rialto_persistence::read_store::ReadStore;
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep_until, timeout_at};

use super::entry::asset_of;
use super::{AccountingCall, begin, end_page};
use crate::error::ApiError;
use crate::json;
use crate::payments::view::{View, key, number, word};

/// The longest that an answer waits for news, in seconds.
const WAIT_MAX: u64 = 30;
/// How often somebody who waits looks.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How many may wait at once. Whoever comes beyond that is answered at once.
static WAITING: Semaphore = Semaphore::const_new(256);

impl AccountingCall<'_> {
    /// `GET events`: those behind the number `after`; with `wait`, as soon as there is one.
    pub(super) async fn events(&self) -> Result<Vec<u8>, ApiError> {
        self.params.only(&["after", "limit", "wait"])?;
        let (after, limit) = (self.params.integer("after")?.unwrap_or(0), self.limit()?);
        let wait = self.params.integer("wait")?.unwrap_or(0);
        if wait > WAIT_MAX {
            return Err(ApiError::invalid_parameter("wait"));
        }
        let until = Instant::now() + Duration::from_secs(wait);
        let mut closing = self.gateway().closing.subscribe();
        let place = WAITING.try_acquire();
        loop {
            let Told { position, is_empty, answer } = self.events_behind(after, limit).await?;
            let is_over = Instant::now() >= until || *closing.borrow_and_update() || place.is_err();
            if !is_empty || is_over {
                return Ok(answer);
            }
            // Nothing can have come as long as the read store stands where it stood.
            let store = self.gateway().exchange.read_store();
            while store.is_some_and(|store| store.position() == position) && Instant::now() < until {
                let look = until.min(Instant::now() + LOOK_EVERY);
                if timeout_at(look, closing.changed()).await.is_ok() {
                    break;
                }
            }
            sleep_until(until.min(Instant::now() + LOOK_EVERY / 4)).await;
        }
    }

    async fn events_behind(&self, after: u64, limit: usize) -> Result<Told, ApiError> {
        let tenant = self.tenant();
        let read = move |store: &ReadStore| {
            let events = store.transaction_events(tenant, after.saturating_add(1), limit)?;
            let with_asset = |event: TransactionEvent| {
                let asset = asset_of(store, tenant, event.transaction.body.as_ref())?;
                Ok((event, asset))
            };
            events.into_iter().map(with_asset).collect()
        };
        self.telling().make(read, move |view, position, events| Ok(Told::of(view, position, after, events))).await
    }
}

/// An answer.
struct Told {
    position: u64,
    is_empty: bool,
    answer: Vec<u8>,
}

impl Told {
    fn of(view: &View<'_>, position: u64, after: u64, events: Vec<(TransactionEvent, Option<AssetId>)>) -> Self {
        let mut out = begin(position);
        key(&mut out, "events");
        json::array(&mut out, &events, |out, (event, asset)| {
            out.push(b'{');
            write(out, view, event);
            key(out, "transaction");
            view.transaction(out, &event.transaction, *asset);
            out.push(b'}');
        });
        end_page(&mut out, Some(events.last().map_or(after, |(event, _)| event.number)));
        Self { position, is_empty: events.is_empty(), answer: out }
    }
}

/// Appends the fields of an event without its transaction.
pub fn write(out: &mut Vec<u8>, view: &View<'_>, event: &TransactionEvent) {
    out.extend_from_slice(b"\"event\":");
    json::number(out, event.number);
    number(out, "sequence", u64::from(event.sequence));
    view.time(out, "time", event.time.max(Nanos(1)));
    word(out, "what", event.what.name());
    match &event.what {
        Happening::Moved { reference, asset, amount, meaning } => {
            word(out, "reference", reference.as_str());
            key(out, "asset");
            view.gateway.asset_name(out, view.tenant, *asset);
            view.amount(out, "amount", Some(*asset), *amount);
            word(out, "meaning", meaning.name());
        }
        Happening::Approved { operator } => word(out, "operator", operator.as_str()),
        _ => {}
    }
}
