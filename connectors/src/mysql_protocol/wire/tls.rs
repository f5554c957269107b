//! How a server's certificate is checked, by `ssl_mode`.

use std::path::Path;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_cert_signed_by_trust_anchor};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio_rustls::TlsConnector;

use super::error::{Result, WireError};
use crate::mysql_protocol::options::{ConnectionConfig, SslMode};

/// TLS as the catalog asks for it. Reads the file of `ssl_ca` where certificates are checked.
///
/// # Errors
/// Tls naming the file if it cannot be read or holds no certificate.
pub(super) async fn connector(config: &ConnectionConfig) -> Result<TlsConnector> {
    let mut roots = RootCertStore::empty();
    let is_checked = matches!(config.ssl_mode, SslMode::VerifyCa | SslMode::VerifyIdentity);
    match &config.ssl_ca {
        Some(path) if is_checked => add_authorities(&mut roots, path).await?,
        _ => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
    }
    let failed = |error: &dyn std::fmt::Display| WireError::Tls(error.to_string());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| failed(&error))?;
    let roots = Arc::new(roots);
    let whole = WebPkiServerVerifier::builder_with_provider(Arc::clone(&roots), Arc::clone(&provider))
        .build()
        .map_err(|error| failed(&error))?;
    let verifier: Arc<dyn ServerCertVerifier> = match config.ssl_mode {
        SslMode::VerifyIdentity => whole,
        SslMode::VerifyCa => Arc::new(Partly { whole, chain: Some(roots), provider }),
        SslMode::Disabled | SslMode::Preferred | SslMode::Required => Arc::new(Partly { whole, chain: None, provider }),
    };
    // `dangerous` is rustls's name for any verifier but its own.
    let config = builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

async fn add_authorities(roots: &mut RootCertStore, path: &Path) -> Result<()> {
    let unusable = |what: &dyn std::fmt::Display| WireError::Tls(format!("\"ssl_ca\" {}: {what}", path.display()));
    let bytes = tokio::fs::read(path).await.map_err(|error| unusable(&error))?;
    for certificate in CertificateDer::pem_slice_iter(&bytes) {
        roots.add(certificate.map_err(|error| unusable(&error))?).map_err(|error| unusable(&error))?;
    }
    if roots.is_empty() {
        // Not PEM: one certificate in DER.
        roots.add(CertificateDer::from(bytes)).map_err(|_| unusable(&"the file holds no certificate"))?;
    }
    Ok(())
}

/// Less than rustls checks: the chain without the host's name, or nothing but that the server holds the certificate's key.
#[derive(Debug)]
struct Partly {
    whole: Arc<WebPkiServerVerifier>,
    /// The authorities that the certificate must come from, if it is checked.
    chain: Option<Arc<RootCertStore>>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Partly {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if let Some(roots) = &self.chain {
            let certificate = ParsedCertificate::try_from(end_entity)?;
            let algorithms = self.provider.signature_verification_algorithms.all;
            verify_server_cert_signed_by_trust_anchor(&certificate, roots, intermediates, now, algorithms)?;
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.whole.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.whole.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.whole.supported_verify_schemes()
    }
}
