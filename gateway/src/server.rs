//! The HTTP servers: the API, and the metrics on an address of their own.

use std::cell::OnceCell;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use actix_web::dev::{Extensions, Server};
use actix_web::web::{self, Payload};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer};
use rialto_actors::api::WorkerEvent;
use rialto_actors::feed::Feed;
use rialto_actors::metrics as actor_metrics;

use crate::connection::Socket;
use crate::gateway::Gateway;
use crate::generations::Generations;
use crate::rest;
use crate::worker::{Home, Worker};

/// How long an idle HTTP connection is kept.
const KEEP_ALIVE: Duration = Duration::from_secs(75);
/// How long a client may take to send the head of a request.
const HEAD_PATIENCE: Duration = Duration::from_secs(10);
/// How long connections may take to end when the server stops.
const SHUTDOWN_SECONDS: u64 = 5;

thread_local! {
    /// The worker of this server thread. A server that listens on several sockets makes its
    /// services on every thread once for each.
    static HOME: OnceCell<Rc<Home>> = const { OnceCell::new() };
}

/// How many threads serve clients unless the configuration says otherwise: half the processors,
/// because the engine needs the others.
#[must_use]
pub fn workers_default() -> u16 {
    let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    u16::try_from(processors / 2).unwrap_or(u16::MAX).max(1)
}

/// The server of the API. It serves while the future is polled, with one thread for each feed; the
/// feeds are numbered as they come.
///
/// # Errors
/// If the address cannot be listened on.
pub fn serve(gateway: Arc<Gateway>, feeds: Vec<Feed<WorkerEvent>>, listen: SocketAddr) -> io::Result<Server> {
    let listener = std::net::TcpListener::bind(listen)?;
    serve_on(gateway, feeds, listener)
}

/// The same on a socket that listens already.
///
/// # Errors
/// If the socket cannot be used.
pub fn serve_on(
    gateway: Arc<Gateway>,
    feeds: Vec<Feed<WorkerEvent>>,
    listener: std::net::TcpListener,
) -> io::Result<Server> {
    let workers = feeds.len();
    let numbered: Vec<(u16, Feed<WorkerEvent>)> = (0..).zip(feeds).collect();
    let feeds = Arc::new(Mutex::new(numbered));
    let generations = Generations::new(gateway);
    let server = HttpServer::new(move || {
        let home = HOME.with(|home| Rc::clone(home.get_or_init(|| start_worker(&generations, &feeds))));
        App::new().default_service(web::to(move |request: HttpRequest, payload: Payload| {
            rest::answer(Rc::clone(&home), request, payload)
        }))
    })
    .workers(workers)
    .on_connect(connected)
    .keep_alive(KEEP_ALIVE)
    .client_request_timeout(HEAD_PATIENCE)
    .shutdown_timeout(SHUTDOWN_SECONDS)
    .disable_signals()
    .listen(listener)?;
    Ok(server.run())
}

/// The server of the metrics.
///
/// # Errors
/// If the address cannot be listened on.
pub fn serve_metrics(gateway: Arc<Gateway>, listen: SocketAddr) -> io::Result<Server> {
    let server = HttpServer::new(move || {
        let gateway = Arc::clone(&gateway);
        App::new()
            .route(
                "/metrics",
                web::get().to(move || {
                    let gateway = Arc::clone(&gateway);
                    async move {
                        gateway.exchange.sample_metrics();
                        let text = web::block(actor_metrics::render).await.unwrap_or_default();
                        HttpResponse::Ok().content_type("text/plain; version=0.0.4; charset=utf-8").body(text)
                    }
                }),
            )
            .default_service(web::to(|| async { HttpResponse::NotFound().body("see /metrics\n") }))
    })
    .workers(1)
    .disable_signals()
    .bind(listen)?;
    Ok(server.run())
}

fn start_worker(generations: &Generations, feeds: &Mutex<Vec<(u16, Feed<WorkerEvent>)>>) -> Rc<Home> {
    let feed = feeds.lock().unwrap_or_else(PoisonError::into_inner).pop();
    // The server has as many threads as there are feeds, and ends as a whole.
    let (number, feed) = feed.expect("there is a feed for every server thread");
    let home = Home::new(Worker::new(generations, number));
    actix_web::rt::spawn(Rc::clone(&home).run(feed));
    actix_web::rt::spawn(Rc::clone(&home).keep_up());
    let (closed, mut closing) = (Rc::clone(&home), home.worker().gateway.closing.subscribe());
    actix_web::rt::spawn(async move {
        if closing.wait_for(|closing| *closing).await.is_ok() {
            closed.worker().close_connections();
        }
    });
    home
}

/// Replies are small and must leave at once; and a client that takes nothing must be cut off.
fn connected(connection: &dyn std::any::Any, extensions: &mut Extensions) {
    if let Some(stream) = connection.downcast_ref::<actix_web::rt::net::TcpStream>() {
        stream.set_nodelay(true).ok();
    }
    if let Some(socket) = Socket::of(connection) {
        extensions.insert(socket);
    }
}
