//! Reads the past of markets from the read store, on a thread that may wait for the disk.

use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender};
use rialto_engine::ids::{MarketId, TenantId};
use rialto_engine::units::Nanos;
use rialto_persistence::kline::Interval;
use rialto_persistence::read_store::{ReadStore, ReadStoreError};

use super::Query;
use super::history::{DAY_MINUTES, Past};
use crate::clock;
use crate::feed::FeedSender;

/// Requests that may wait; beyond, the actor asks again later.
const WAITING: usize = 1_024;
/// How often a market is read anew because it traded meanwhile.
const ATTEMPTS: usize = 16;

/// Where the actor asks for a market's past. The answer is a [`Query::Past`].
pub type PastReader = Sender<(TenantId, MarketId)>;

/// Starts the thread, if there is a store. It begins with every market, in order; what is asked
/// for comes first. It ends when the actor drops its end.
///
/// # Panics
/// If the thread cannot be started.
pub fn start(
    stores: Vec<(TenantId, MarketId, ReadStore)>,
    actor: FeedSender<Query>,
) -> (PastReader, Option<JoinHandle<()>>) {
    let (sender, requests) = crossbeam_channel::bounded(WAITING);
    let Some((_, _, store)) = stores.first() else { return (sender, None) };
    // One partition has one read store.
    let store = store.clone();
    let markets = stores.into_iter().map(|(tenant, market, _)| (tenant, market)).collect();
    let thread = std::thread::Builder::new().name("market-history".to_owned());
    let thread = thread.spawn(move || run(&store, markets, &requests, &actor)).expect("a thread can be started");
    (sender, Some(thread))
}

fn run(
    store: &ReadStore,
    markets: Vec<(TenantId, MarketId)>,
    requests: &Receiver<(TenantId, MarketId)>,
    actor: &FeedSender<Query>,
) {
    let mut markets = markets.into_iter();
    loop {
        let (tenant, market) = match requests.try_recv() {
            Ok(request) => request,
            Err(crossbeam_channel::TryRecvError::Disconnected) => return,
            Err(crossbeam_channel::TryRecvError::Empty) => match markets.next() {
                Some(next) => next,
                None => match requests.recv() {
                    Ok(request) => request,
                    Err(crossbeam_channel::RecvError) => return,
                },
            },
        };
        let past = match read(store, tenant, market, clock::wall()) {
            Ok(past) => past.map(Box::new),
            Err(error) => {
                tracing::warn!(%error, %tenant, %market, "the past of a market cannot be read");
                std::thread::sleep(Duration::from_secs(1));
                None
            }
        };
        actor.send(Query::Past { tenant, market, past });
    }
}

/// The past of a market from one state of the store. The tables are read one after the other; that
/// they agree is proven by the last trade being the same before and behind. `None` if the market
/// trades too fast for that.
pub fn read(store: &ReadStore, tenant: TenantId, market: MarketId, now: Nanos) -> Result<Option<Past>, ReadStoreError> {
    const MINUTE: u64 = 60_000_000_000;
    let last_trade = || Ok::<_, ReadStoreError>(store.trades(tenant, market, None, 1)?.pop());
    let begin = Nanos((now.0 / MINUTE).saturating_sub(DAY_MINUTES) * MINUTE);
    let mut last = last_trade()?;
    for _ in 0..ATTEMPTS {
        if last.is_none() {
            return Ok(Some(Past::default()));
        }
        let klines = store.latest_klines(tenant, market)?;
        let minutes = usize::try_from(DAY_MINUTES).unwrap_or(usize::MAX) + 2;
        let minutes = store.klines(tenant, market, Interval::OneMinute, Some(begin), None, minutes)?;
        let before = Nanos(begin.0.saturating_sub(1));
        let before = store.klines(tenant, market, Interval::OneMinute, None, Some(before), 1)?.pop();
        let behind = last_trade()?;
        if behind == last {
            return Ok(Some(Past { last, klines, minutes, before: before.map(|kline| kline.close) }));
        }
        last = behind;
    }
    Ok(None)
}
