//! Queries of the past are given up first: a bounded number is under way, a bounded number waits, and none
//! is taken when the exchange is busy. See [`rialto_actors::shedding`] for what follows.

use std::sync::LazyLock;

use metrics::{Counter, counter};
use rialto_actors::exchange::Exchange;
use rialto_actors::shedding::Sheddable;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::error::ApiError;

/// Queries of the past under way at once, over all workers. Each takes a thread.
const READERS: usize = 64;
/// Those that may wait for one of them.
const WAITING: usize = 256;

static READING: Semaphore = Semaphore::const_new(READERS);
static QUEUED: Semaphore = Semaphore::const_new(READERS + WAITING);
static SHED: LazyLock<Counter> = LazyLock::new(|| counter!("rialto_shed_total", "what" => Sheddable::History.name()));

/// The right of one query of the past to be under way. Dropping it gives it back.
#[derive(Debug)]
pub struct ReadPermit {
    _reading: SemaphorePermit<'static>,
    _queued: SemaphorePermit<'static>,
}

/// Lets a query of the past in, or refuses it at once.
///
/// # Errors
/// -1008 if the exchange is busy, or too many wait.
pub async fn admit(exchange: &Exchange) -> Result<ReadPermit, ApiError> {
    let queued = if exchange.sheds(Sheddable::History) { None } else { QUEUED.try_acquire().ok() };
    let Some(queued) = queued else {
        SHED.increment(1);
        return Err(ApiError::busy().with_data(r#"{"shed":"history"}"#));
    };
    let reading = READING.acquire().await.map_err(|_| ApiError::unavailable())?;
    Ok(ReadPermit { _reading: reading, _queued: queued })
}
