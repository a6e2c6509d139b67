//! Questions about the past.
//!
//! They are answered from the read store, by threads of the exchange that give way to all others. Long answers are
//! also written there, so that a worker, who serves orders too, never does more than carry them. Each is as of what
//! was durable when it was asked, so that whoever trades and then asks sees the trade; if that takes too long it is
//! answered with what is there.

use std::sync::Arc;

use rialto_actors::exchange::Exchange;
use rialto_actors::readers::Shed;
use rialto_engine::ids::TenantId;
use rialto_persistence::read_store::{ReadStore, ReadStoreError};

use crate::error::ApiError;
use crate::gateway::Gateway;
use crate::json::TimeUnit;
use crate::payments::view::View;

/// How long an answer may be that is written on the paper of whoever asks.
const PAPER_BYTES: usize = 64 << 10;

/// Asks the read store.
///
/// # Errors
/// -1008 if questions are given up, -1000 if the store fails.
pub async fn ask<Rows: Send + 'static>(
    exchange: &Exchange,
    store: &ReadStore,
    question: impl FnOnce(&ReadStore) -> Result<Rows, ReadStoreError> + Send + 'static,
) -> Result<Rows, ApiError> {
    carry(exchange, store, move |store| question(store).map_err(failed)).await
}

/// Asks the read store. A server that keeps none, which is one for tests, has nothing to tell.
///
/// # Errors
/// As [`ask`].
pub async fn ask_if_kept<Rows: Default + Send + 'static>(
    exchange: &Exchange,
    question: impl FnOnce(&ReadStore) -> Result<Rows, ReadStoreError> + Send + 'static,
) -> Result<Rows, ApiError> {
    match exchange.read_store() {
        Some(store) => ask(exchange, store, question).await,
        None => exchange.admit_past().map(|()| Rows::default()).map_err(given_up),
    }
}

/// Asks the read store, and has the answer written where it was read.
///
/// # Errors
/// As [`ask`], and what `write` says.
pub async fn tell<Rows: Default + 'static>(
    gateway: &Arc<Gateway>,
    question: impl FnOnce(&ReadStore) -> Result<Rows, ReadStoreError> + Send + 'static,
    write: impl FnOnce(&Gateway, Rows) -> Result<Vec<u8>, ApiError> + Send + 'static,
) -> Result<Vec<u8>, ApiError> {
    let paper = paper();
    make(gateway, question, move |gateway, rows| Ok(copied(write(gateway, rows)?, paper))).await
}

/// Whose money is told of, and how times are written.
#[derive(Clone, Copy)]
pub struct Telling<'a> {
    /// Who knows the names.
    pub gateway: &'a Arc<Gateway>,
    /// Whose money it is.
    pub tenant: TenantId,
    /// In which unit times are.
    pub unit: TimeUnit,
}

impl Telling<'_> {
    /// The same of the money of a tenant. `write` is told the journal position that the rows are as of: they hold at
    /// least what was durable up to there.
    ///
    /// # Errors
    /// As [`tell`].
    pub async fn tell<Rows: Default + 'static>(
        self,
        question: impl FnOnce(&ReadStore) -> Result<Rows, ReadStoreError> + Send + 'static,
        write: impl FnOnce(&View<'_>, u64, Rows) -> Result<Vec<u8>, ApiError> + Send + 'static,
    ) -> Result<Vec<u8>, ApiError> {
        let paper = paper();
        self.make(question, move |view, position, rows| Ok(copied(write(view, position, rows)?, paper))).await
    }

    /// The same with an answer that is more than its bytes.
    ///
    /// # Errors
    /// As [`tell`].
    pub async fn make<Rows: Default + 'static, Made: Send + 'static>(
        self,
        question: impl FnOnce(&ReadStore) -> Result<Rows, ReadStoreError> + Send + 'static,
        make_of: impl FnOnce(&View<'_>, u64, Rows) -> Result<Made, ApiError> + Send + 'static,
    ) -> Result<Made, ApiError> {
        let Self { gateway, tenant, unit } = self;
        let view_and_make =
            move |gateway: &Gateway, (position, rows)| make_of(&View { gateway, tenant, unit }, position, rows);
        make(gateway, as_of(question), view_and_make).await
    }
}

async fn make<Rows: Default + 'static, Made: Send + 'static>(
    gateway: &Arc<Gateway>,
    question: impl FnOnce(&ReadStore) -> Result<Rows, ReadStoreError> + Send + 'static,
    make_of: impl FnOnce(&Gateway, Rows) -> Result<Made, ApiError> + Send + 'static,
) -> Result<Made, ApiError> {
    let exchange = &gateway.exchange;
    let Some(store) = exchange.read_store() else {
        exchange.admit_past().map_err(given_up)?;
        return make_of(gateway, Rows::default());
    };
    let of_now = Arc::clone(gateway);
    carry(exchange, store, move |store| make_of(&of_now, question(store).map_err(failed)?)).await
}

/// Paper of whoever calls.
#[must_use]
pub fn paper() -> Vec<u8> {
    Vec::with_capacity(PAPER_BYTES)
}

/// An answer on the paper of whoever asks. He throws it away in the end, and must then not have to wait for the heap
/// of a thread that does not run.
#[must_use]
pub fn copied(answer: Vec<u8>, mut paper: Vec<u8>) -> Vec<u8> {
    // What does not fit is rare, or so long that it has pages of its own.
    if answer.len() > paper.capacity() {
        return answer;
    }
    paper.extend_from_slice(&answer);
    paper
}

/// The same question, which also tells the position that its answer is as of.
pub fn as_of<Rows>(
    question: impl FnOnce(&ReadStore) -> Result<Rows, ReadStoreError>,
) -> impl FnOnce(&ReadStore) -> Result<(u64, Rows), ReadStoreError> {
    move |store| {
        // Read first: what is asked afterwards holds at least as much.
        let position = store.position();
        Ok((position, question(store)?))
    }
}

async fn carry<Answer: Send + 'static>(
    exchange: &Exchange,
    store: &ReadStore,
    question: impl FnOnce(&ReadStore) -> Result<Answer, ApiError> + Send + 'static,
) -> Result<Answer, ApiError> {
    let answer = exchange.ask_past(store, question).map_err(given_up)?;
    answer.await.unwrap_or_else(|_| Err(ApiError::unknown()))
}

fn given_up(_: Shed) -> ApiError {
    ApiError::busy().with_data(r#"{"shed":"history"}"#)
}

fn failed(error: ReadStoreError) -> ApiError {
    tracing::error!(%error, "a question about the past failed");
    ApiError::unknown()
}
