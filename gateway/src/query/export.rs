//! Exports over HTTP: `GET export/movements` and its like.
//!
//! A table is written by a thread that may wait, piece by piece, and sent as it comes: what a slow client
//! has not taken holds the thread, not the memory. A client that takes nothing for a minute is given up,
//! and so is one whose table cannot be written to its end: its connection breaks, so that nobody takes a
//! part for the whole.

use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::web::Bytes;
use futures_util::stream;
use rialto_actors::priority;
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use super::AccountingCall;
use super::names::Names;
use super::tables::{Extract, Table};
use crate::error::ApiError;
use crate::export::{ExportError, Format, TableWriter};
use crate::gateway::Gateway;

/// What is sent at once.
const PIECE_BYTES: usize = 64 << 10;
/// Pieces that wait for the client.
const PIECES: usize = 4;
/// How long a client may take nothing.
const PATIENCE: Duration = Duration::from_secs(60);

impl AccountingCall<'_> {
    /// `GET export/{table}`: in `format`, over `startTime` to `endTime` or the day `date`.
    ///
    /// # Errors
    /// -1008 where too many run already, and what the dialect says to wrong parameters.
    pub async fn export(&self, table: &str) -> Result<HttpResponse, ApiError> {
        self.params.check()?;
        self.params.only(&["format", "startTime", "endTime", "date", "asset"])?;
        let table = Table::named(table).ok_or_else(ApiError::no_such_path)?;
        let format =
            Format::named(self.params.required("format")?).ok_or_else(|| ApiError::invalid_parameter("format"))?;
        let (from, to) = self.period()?;
        // Balances say of which moment they are, and nobody knows those of one that is yet to come.
        let to = if table == Table::Balances { to.min(super::balances::settled()) } else { to };
        let extract = Extract { table, from, to, asset: self.asset()? };
        let gateway = Arc::clone(self.gateway());
        gateway.exports.try_acquire().map_err(|_| ApiError::busy())?.forget();
        // Whatever becomes of this export, its place is another's afterwards.
        let place = Place(gateway);
        // What was durable when it was asked for is in it.
        let position = self.telling().make(|_| Ok(()), |_, position, ()| Ok(position)).await?;
        let store = self.gateway().exchange.read_store().cloned().ok_or_else(ApiError::unsupported)?;
        let names = Names::Live(Arc::clone(self.gateway()), self.tenant());
        let (sender, receiver) = mpsc::channel(PIECES);
        let runtime = Handle::current();
        // As long as it takes: on a thread of its own, which gives way like the readers' threads.
        let thread = std::thread::Builder::new().name("rialto-export".to_owned());
        let begun = thread.spawn(move || {
            priority::run_when_idle();
            let pieces = Pieces { piece: Vec::with_capacity(PIECE_BYTES), sender, runtime };
            let written = write(extract, format, &names, &store, pieces);
            if let Err(error) = written {
                tracing::warn!(%error, table = table.name(), "an export was given up");
            }
            drop(place);
        });
        begun.map_err(|_| ApiError::busy())?;
        let body = stream::unfold(receiver, |mut receiver| async {
            let piece = receiver.recv().await?;
            Some((piece, receiver))
        });
        let name = format!("attachment; filename=\"{}.{}\"", table.name(), format.ending());
        let mut response = HttpResponse::Ok().content_type(format.media_type()).streaming(body);
        let headers = response.headers_mut();
        if let Ok(name) = HeaderValue::from_str(&name) {
            headers.insert(header::CONTENT_DISPOSITION, name);
        }
        headers.insert(HeaderName::from_static("x-rialto-as-of"), HeaderValue::from(position));
        Ok(response)
    }
}

/// A place among the exports that run. It is given back when it goes.
struct Place(Arc<Gateway>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.exports.add_permits(1);
    }
}

fn write(
    extract: Extract,
    format: Format,
    names: &Names,
    store: &rialto_persistence::read_store::ReadStore,
    pieces: Pieces,
) -> Result<(), ExportError> {
    let abort = pieces.sender.clone();
    let runtime = pieces.runtime.clone();
    let written = (|| {
        let mut writer = TableWriter::begin(format, extract.table.columns(), extract.scale(names), pieces)?;
        extract.write(store, names, &mut writer)?;
        writer.finish()?.end()
    })();
    if let Err(error) = &written {
        // The client must not take what it has for all of it.
        let broken = io::Error::other(error.to_string());
        runtime.block_on(async { tokio::time::timeout(PATIENCE, abort.send(Err(broken))).await.ok() });
    }
    written
}

/// Hands a table on in pieces.
struct Pieces {
    piece: Vec<u8>,
    sender: mpsc::Sender<Result<Bytes, io::Error>>,
    runtime: Handle,
}

impl Pieces {
    fn send(&mut self) -> io::Result<()> {
        let piece = Bytes::from(std::mem::replace(&mut self.piece, Vec::with_capacity(PIECE_BYTES)));
        let sent = async { tokio::time::timeout(PATIENCE, self.sender.send(Ok(piece))).await };
        match self.runtime.block_on(sent) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(io::Error::new(io::ErrorKind::BrokenPipe, "the client is gone")),
            Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, "the client takes nothing")),
        }
    }

    fn end(mut self) -> Result<(), ExportError> {
        Ok(self.send()?)
    }
}

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.piece.extend_from_slice(bytes);
        if self.piece.len() >= PIECE_BYTES {
            self.send()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
