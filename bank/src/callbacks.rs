//! Calling clients back: one callback of a payment at a time, again until it is taken.

use std::time::Duration;

use actix_web::rt;
use http_body_util::{BodyExt as _, Full};
use hyper::Request;
use hyper::body::Bytes;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::sync::Semaphore;

use crate::config::Callback;
use crate::protocol::signature;

/// How often one callback is tried.
const TRIES: u32 = 8;
/// How long to wait before the second try; twice as long before the next.
const WAIT: Duration = Duration::from_millis(100);
/// How long one try may take.
const LIMIT: Duration = Duration::from_secs(3);
/// How many may be under way at once.
const AT_ONCE: usize = 32;

/// Sends callbacks.
#[derive(Debug)]
pub struct Caller {
    client: Client<HttpConnector, Full<Bytes>>,
    places: Semaphore,
}

impl Default for Caller {
    fn default() -> Self {
        Self { client: Client::builder(TokioExecutor::new()).build_http(), places: Semaphore::new(AT_ONCE) }
    }
}

impl Caller {
    /// Sends a body until it is taken, or often enough. `nonce` must differ between callbacks.
    pub async fn send(&self, callback: &Callback, body: &[u8], nonce: &str) -> bool {
        let mut wait = WAIT;
        for attempt in 0..TRIES {
            if attempt > 0 {
                rt::time::sleep(wait).await;
                wait *= 2;
            }
            let Ok(_place) = self.places.acquire().await else { return false };
            let nonce = format!("{nonce}{attempt:02x}");
            if let Ok(true) = rt::time::timeout(LIMIT, self.try_once(callback, body, &nonce)).await {
                return true;
            }
        }
        false
    }

    async fn try_once(&self, callback: &Callback, body: &[u8], nonce: &str) -> bool {
        let Ok(uri) = callback.url.parse::<hyper::Uri>() else { return false };
        let target = uri.path_and_query().map_or("/", |target| target.as_str()).to_owned();
        let timestamp = crate::server::now_ms().to_string();
        let signed = signature(&callback.secret, ["POST", &target, &timestamp, nonce, ""], body);
        let request = Request::post(uri)
            .header("content-type", "application/json")
            .header("rialto-key", &callback.key)
            .header("rialto-timestamp", timestamp)
            .header("rialto-nonce", nonce)
            .header("rialto-signature", signed)
            .body(Full::new(Bytes::copy_from_slice(body)));
        let Ok(request) = request else { return false };
        let Ok(response) = self.client.request(request).await else { return false };
        let status = response.status();
        // Read to its end, so that the connection can be used again.
        response.into_body().collect().await.is_ok() && status.is_success()
    }
}
