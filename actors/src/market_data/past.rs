//! Reads the past of markets from the read store, on a thread that may wait for the disk.

use std::panic::{AssertUnwindSafe, catch_unwind};
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
use crate::wallet_actor::panic_text;

/// Requests that may wait; beyond, the actor asks again later.
const WAITING: usize = 1_024;
/// How often a market is read anew because it traded meanwhile.
const ATTEMPTS: usize = 16;

/// A market's past is asked for.
#[derive(Clone, Copy, Debug)]
pub struct PastRequest {
    /// Whose.
    pub tenant: TenantId,
    /// Which market.
    pub market: MarketId,
    /// How far the store must have come, so that what it knows reaches up to what the market has
    /// seen.
    pub from: u64,
}

/// Where the actor asks for a market's past. The answer is a [`Query::Past`].
pub type PastReader = Sender<PastRequest>;

/// Starts the thread, if there is a store. It begins with these requests, in order; what is asked
/// for comes first. It ends when the actor drops its end.
///
/// # Panics
/// If the thread cannot be started.
pub fn start(
    store: Option<ReadStore>,
    first: Vec<PastRequest>,
    actor: FeedSender<Query>,
) -> (PastReader, Option<JoinHandle<()>>) {
    let (sender, requests) = crossbeam_channel::bounded(WAITING);
    let Some(store) = store else { return (sender, None) };
    let thread = std::thread::Builder::new().name("market-history".to_owned());
    let thread = thread.spawn(move || run(&store, first, &requests, &actor)).expect("a thread can be started");
    (sender, Some(thread))
}

fn run(store: &ReadStore, first: Vec<PastRequest>, requests: &Receiver<PastRequest>, actor: &FeedSender<Query>) {
    let mut first = first.into_iter();
    loop {
        let request = match requests.try_recv() {
            Ok(request) => request,
            Err(crossbeam_channel::TryRecvError::Disconnected) => return,
            Err(crossbeam_channel::TryRecvError::Empty) => match first.next() {
                Some(next) => next,
                None => match requests.recv() {
                    Ok(request) => request,
                    Err(crossbeam_channel::RecvError) => return,
                },
            },
        };
        let past = if store.position() < request.from { None } else { read_or_wait(store, request) };
        actor.send(Query::Past { request, past });
    }
}

/// The past of a market. If it cannot be read, the actor will ask again, and not at once.
fn read_or_wait(store: &ReadStore, PastRequest { tenant, market, .. }: PastRequest) -> Option<Box<Past>> {
    // The thread must outlive a bug in reading: without it, no past would ever be known again.
    match catch_unwind(AssertUnwindSafe(|| read(store, tenant, market, clock::wall()))) {
        Ok(Ok(past)) => return past.map(Box::new),
        Ok(Err(error)) => tracing::warn!(%error, %tenant, %market, "the past of a market cannot be read"),
        Err(panic) => {
            let what = panic_text(panic.as_ref());
            tracing::error!(what, %tenant, %market, "reading the past of a market panicked");
        }
    }
    std::thread::sleep(Duration::from_secs(1));
    None
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
