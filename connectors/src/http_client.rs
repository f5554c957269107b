//! The one way to make an HTTP client: TLS by rustls with ring, no redirects, no proxies from the environment, nothing decoded.
//!
//! Redirects are followed by whoever sends, because each connector has rules of its own on where credentials may go.

use std::error::Error;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use reqwest::StatusCode;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use crate::error::{ConnectorError, ErrorCode, Result};

/// What a connector chooses for its client.
#[derive(Debug, Clone)]
pub struct HttpClientSettings {
    /// How long to wait for a connection, TLS included.
    pub connect_timeout: Duration,
    /// How long a connection may be silent while an answer is awaited or read; None waits for ever.
    pub read_timeout: Option<Duration>,
    /// A PEM file with certificate authorities that are trusted in addition to the public ones.
    pub ca_file: Option<PathBuf>,
    /// Whether to speak HTTP/1.1 only.
    pub http1_only: bool,
}

impl Default for HttpClientSettings {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(10),
            read_timeout: Some(Duration::from_secs(30)),
            ca_file: None,
            http1_only: false,
        }
    }
}

/// Makes a client. Reads `ca_file`, else does no I/O.
///
/// The client follows no redirect, takes no proxy from the environment, keeps no cookies, and hands bodies on as they arrive.
///
/// # Errors
/// Code Option when `ca_file` cannot be read or holds no certificate.
pub fn build_http_client(settings: &HttpClientSettings) -> Result<reqwest::Client> {
    let mut builder = reqwest::Client::builder()
        .tls_backend_preconfigured(tls_config(settings.ca_file.as_deref(), settings.http1_only)?)
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .referer(false)
        .user_agent(concat!("syncline/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(settings.connect_timeout)
        .dns_resolver(Arc::new(Resolver))
        .tcp_nodelay(true);
    if let Some(timeout) = settings.read_timeout {
        builder = builder.read_timeout(timeout);
    }
    if settings.http1_only {
        builder = builder.http1_only();
    }
    builder
        .build()
        .map_err(|error| ConnectorError::internal("cannot make an HTTP client").with_source(error.without_url()))
}

/// TLS as every connector speaks it: the public authorities, and those of `ca_file` in PEM form.
///
/// # Errors
/// Code Option when `ca_file` cannot be read or holds no certificate.
pub fn tls_config(ca_file: Option<&Path>, http1_only: bool) -> Result<rustls::ClientConfig> {
    let mut roots = rustls::RootCertStore::empty();
    roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    if let Some(path) = ca_file {
        for certificate in read_certificates(path)? {
            roots
                .add(certificate)
                .map_err(|error| unusable(path, "holds a certificate that cannot be used").with_source(error))?;
        }
    }
    let mut config = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| ConnectorError::internal("TLS has no usable protocol version").with_source(error))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    // A preconfigured TLS backend is taken as it is, so the offer of HTTP/2 is made here.
    config.alpn_protocols =
        if http1_only { vec![b"http/1.1".to_vec()] } else { vec![b"h2".to_vec(), b"http/1.1".to_vec()] };
    Ok(config)
}

fn read_certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let certificates: Vec<_> = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect)
        .map_err(|error| unusable(path, "cannot be read as PEM").with_source(error))?;
    if certificates.is_empty() {
        return Err(unusable(path, "holds no certificate"));
    }
    Ok(certificates)
}

fn unusable(path: &Path, what: &str) -> ConnectorError {
    ConnectorError::new(ErrorCode::Option, format!("the file of certificate authorities {} {what}", path.display()))
}

/// `404 Not Found`; the reason phrase is that of the standard, never the server's own text.
pub(crate) fn status_text(status: StatusCode) -> String {
    match status.canonical_reason() {
        Some(reason) => format!("{} {reason}", status.as_u16()),
        None => status.as_u16().to_string(),
    }
}

/// Whether the same request may well succeed a little later (RFC 9110 15.5.9 and 15.6, RFC 6585 4).
pub(crate) fn is_transient(status: StatusCode) -> bool {
    matches!(status.as_u16(), 408 | 429 | 500 | 502 | 503 | 504)
}

/// A request that got no answer, or an answer that broke off. `whom` and `address` hold no secret.
pub(crate) fn transport_error(whom: &str, address: &str, error: reqwest::Error) -> ConnectorError {
    let error = error.without_url();
    let cause = root_cause(&error);
    let message = if cause.contains("certificate") {
        let way_out = "if its certificate is of an authority of your own, name that in the catalog's \"ca\"";
        return ConnectorError::new(
            ErrorCode::Connection,
            format!("{whom}: TLS to {address} failed: {cause}; {way_out}"),
        );
    } else if error.is_connect() && error.is_timeout() {
        format!("{whom}: no connection to {address} within \"connect_timeout\"; check host, port and firewall")
    } else if error.is_connect() {
        format!("{whom}: cannot connect to {address}: {cause}; check host, port and firewall")
    } else if error.is_timeout() {
        format!(
            "{whom}: {address} took the request and was silent for longer than \"read_timeout\"; run again later, or raise that option"
        )
    } else {
        format!("{whom}: the connection to {address} was lost: {cause}")
    };
    ConnectorError::retryable(ErrorCode::Connection, message).with_source(error)
}

/// Whether a server had the request and did not answer, or stopped in its answer, for longer than `read_timeout`.
pub(crate) fn is_silence(error: &ConnectorError) -> bool {
    let source = error.source().and_then(|source| source.downcast_ref::<reqwest::Error>());
    source.is_some_and(|error| error.is_timeout() && !error.is_connect())
}

fn root_cause(error: &(dyn Error + 'static)) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string().to_lowercase()
}

/// The addresses of a name, with port 0. Names below `.localhost` are this machine (RFC 6761 6.3), so that `bucket.localhost` needs no entry
/// in a hosts file; all others are the system's to know.
///
/// # Errors
/// The system's, for a name that has none.
pub(crate) async fn addresses(name: &str) -> std::io::Result<Vec<SocketAddr>> {
    let is_here = name.trim_end_matches('.').to_ascii_lowercase().ends_with(".localhost");
    let name = if is_here { "localhost" } else { name };
    Ok(tokio::net::lookup_host((name, 0)).await?.collect())
}

#[derive(Debug)]
struct Resolver;

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found = addresses(name.as_str()).await?;
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_made_without_a_process_wide_crypto_provider() {
        assert!(build_http_client(&HttpClientSettings::default()).is_ok());
        assert!(build_http_client(&HttpClientSettings { http1_only: true, ..Default::default() }).is_ok());
    }

    #[test]
    fn a_file_without_a_certificate_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ca.pem");
        std::fs::write(&path, "no certificate here\n").unwrap();
        let error =
            build_http_client(&HttpClientSettings { ca_file: Some(path.clone()), ..Default::default() }).unwrap_err();
        assert_eq!(error.code(), ErrorCode::Option);
        assert!(error.message().contains("ca.pem"), "{error}");
        std::fs::remove_file(&path).unwrap();
        let error = build_http_client(&HttpClientSettings { ca_file: Some(path), ..Default::default() }).unwrap_err();
        assert!(error.message().contains("ca.pem"), "{error}");
    }
}
