//! The HTTP client of rails and webhooks: pooled, bounded, without redirects and proxies.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Bytes;
use hyper::http::Uri;
use hyper::{Method, Request};
use hyper_rustls::{ConfigBuilderExt as _, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rialto_actors::rails::RailFault;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};

/// The longest body that is read.
pub const BODY_MAX: usize = 256 << 10;
/// How long a connection may take to be made.
const CONNECT_WITHIN: Duration = Duration::from_secs(3);
/// How long a connection is kept that nobody uses.
const IDLE_FOR: Duration = Duration::from_secs(30);

/// Which certificates are believed.
#[derive(Clone, Debug, Default)]
pub enum Trust {
    /// Those that the operating system believes.
    #[default]
    System,
    /// Those signed by one of the certificates of a PEM file, and no others.
    File(PathBuf),
}

/// Where requests go.
#[derive(Clone, Debug)]
pub struct Endpoint {
    base: String,
    /// The path of the base, which is signed along.
    path: String,
    is_secure: bool,
}

impl Endpoint {
    /// Takes a URL: `https`, or `http` to a loopback address.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn new(url: &str) -> Result<Self, String> {
        let uri: Uri = url.parse().map_err(|_| "not a URL".to_owned())?;
        let host = uri.host().ok_or("a URL without a host")?;
        let is_secure = match uri.scheme_str() {
            Some("https") => true,
            Some("http") if is_loopback(host) => false,
            Some("http") => return Err("http is for loopback addresses only: use https".to_owned()),
            _ => return Err("a URL that is neither http nor https".to_owned()),
        };
        if uri.query().is_some() || uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
            return Err("a URL with a query or a password".to_owned());
        }
        let url = url.trim_end_matches('/').to_owned();
        Ok(Self { base: url, path: uri.path().trim_end_matches('/').to_owned(), is_secure })
    }

    /// The URL of a target below it.
    #[must_use]
    pub fn url(&self, target: &str) -> String {
        format!("{}{target}", self.base)
    }

    /// Path and query of a target below it, as they are signed.
    #[must_use]
    pub fn signed(&self, target: &str) -> String {
        let signed = format!("{}{target}", self.path);
        if signed.is_empty() { "/".to_owned() } else { signed }
    }
}

/// A client with a pool of its own.
#[derive(Clone, Debug)]
pub struct HttpClient {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
}

impl HttpClient {
    /// A client for an endpoint that keeps at most so many connections.
    ///
    /// # Errors
    /// If the certificates to believe cannot be read.
    pub fn new(endpoint: &Endpoint, trust: &Trust, connections: usize) -> Result<Self, String> {
        let mut http = HttpConnector::new();
        http.set_connect_timeout(Some(CONNECT_WITHIN));
        http.set_nodelay(true);
        http.enforce_http(false);
        let tls = tls(if endpoint.is_secure { Some(trust) } else { None })?;
        let connector = HttpsConnectorBuilder::new().with_tls_config(tls);
        let connector = if endpoint.is_secure { connector.https_only() } else { connector.https_or_http() };
        let connector = connector.enable_http1().wrap_connector(http);
        let mut builder = Client::builder(TokioExecutor::new());
        builder.pool_timer(TokioTimer::new()).pool_idle_timeout(IDLE_FOR).pool_max_idle_per_host(connections);
        Ok(Self { client: builder.build(connector) })
    }

    /// Sends a request, and gives status and body.
    ///
    /// # Errors
    /// If there is no whole answer.
    pub async fn send(
        &self,
        method: Method,
        url: &str,
        headers: &[(&'static str, String)],
        body: Vec<u8>,
    ) -> Result<(u16, Vec<u8>), RailFault> {
        let mut request = Request::builder().method(method).uri(url);
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        let request = request.body(Full::new(Bytes::from(body)));
        let request = request.map_err(|_| RailFault::Malformed("our request".to_owned()))?;
        let response = self.client.request(request).await.map_err(|error| unreachable(&error))?;
        let status = response.status().as_u16();
        let body = Limited::new(response.into_body(), BODY_MAX).collect().await;
        let body = body.map_err(|error| RailFault::Unreachable(format!("the body broke off: {error}")))?;
        Ok((status, body.to_bytes().to_vec()))
    }
}

/// What believes the certificates that it is to believe; none where nothing is encrypted.
fn tls(trust: Option<&Trust>) -> Result<ClientConfig, String> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| format!("TLS: {error}"))?;
    let builder = match trust {
        None => builder.with_root_certificates(RootCertStore::empty()),
        Some(Trust::System) => {
            builder.with_native_roots().map_err(|error| format!("the system's certificates: {error}"))?
        }
        Some(Trust::File(path)) => {
            let fault = |error: &dyn std::fmt::Display| format!("certificates of {}: {error}", path.display());
            let mut roots = RootCertStore::empty();
            for certificate in CertificateDer::pem_file_iter(path).map_err(|error| fault(&error))? {
                roots.add(certificate.map_err(|error| fault(&error))?).map_err(|error| fault(&error))?;
            }
            if roots.is_empty() {
                return Err(fault(&"there are none"));
            }
            builder.with_root_certificates(roots)
        }
    };
    Ok(builder.with_no_client_auth())
}

fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    host.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.is_loopback())
}

/// The kinds of error, which hold no part of the request.
fn unreachable(error: &hyper_util::client::legacy::Error) -> RailFault {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    RailFault::Unreachable(text)
}

/// What a status other than 2xx means.
#[must_use]
pub const fn fault_of(status: u16) -> RailFault {
    match status {
        429 | 500..=599 => RailFault::Busy(status),
        _ => RailFault::Refused(status),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_encrypted_stays_on_this_machine() {
        for url in ["http://127.0.0.1:1/rail", "http://[::1]:1", "http://localhost:1/", "https://bank.example/a/b/"] {
            assert!(Endpoint::new(url).is_ok(), "{url}");
        }
        for url in [
            "http://10.0.0.1/",
            "http://bank.example",
            "ftp://localhost",
            "/x",
            "",
            "https://u:p@bank.example",
            "https://bank.example/?a=b",
        ] {
            assert!(Endpoint::new(url).is_err(), "{url}");
        }
        let endpoint = Endpoint::new("https://bank.example/a/b/").expect("one");
        assert_eq!(endpoint.url("/v1/payments"), "https://bank.example/a/b/v1/payments");
        assert_eq!(endpoint.signed("/v1/payments"), "/a/b/v1/payments");
    }

    #[test]
    fn certificates_that_are_not_there_are_told_at_the_start() {
        let endpoint = Endpoint::new("https://bank.example").expect("one");
        let trust = Trust::File(PathBuf::from("/does/not/exist.pem"));
        assert!(HttpClient::new(&endpoint, &trust, 4).is_err());
        let empty = tempfile::NamedTempFile::new().expect("a file");
        assert!(HttpClient::new(&endpoint, &Trust::File(empty.path().to_owned()), 4).is_err());
    }
}
