//! TLS for the prober, by rustls: whole handshakes without resumption (what is measured is what a new user meets), the
//! certificate judged against the authorities of a PEM file, the end of its life read whether it is good or not.

use crate::probe::outcome::{Cause, Failure};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, ClientConnection, DigitallySignedStruct, Error, RootCertStore,
    SignatureScheme,
};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Where systems keep the authorities that they trust.
const SYSTEM_FILES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// A moment at which no certificate is good any more: 9999-12-31.
const END_OF_TIME_S: u64 = 253_402_214_400;

/// The authorities of one file.
#[derive(Clone, Debug)]
pub struct Authorities {
    verifier: Arc<WebPkiServerVerifier>,
    provider: Arc<CryptoProvider>,
}

impl Authorities {
    /// Reads a PEM file; the system's if none is given. A sentence says what is wrong with it.
    pub fn read(file: Option<&Path>) -> Result<Self, String> {
        let path = match file {
            Some(file) => file.to_owned(),
            None => SYSTEM_FILES.iter().map(PathBuf::from).find(|path| path.exists()).ok_or(
                "this system has no file of authorities (ca-certificates); give one with `ca`, or `verify = \"off\"`",
            )?,
        };
        let wrong = |what: String| format!("{}: {what}; give a PEM file of authorities", path.display());
        let mut roots = RootCertStore::empty();
        for certificate in
            CertificateDer::pem_file_iter(&path).map_err(|error| wrong(format!("cannot be read: {error}")))?
        {
            let certificate = certificate.map_err(|error| wrong(format!("is broken: {error}")))?;
            // Systems carry authorities of old forms that rustls does not take; the others serve.
            roots.add_parsable_certificates([certificate]);
        }
        if roots.is_empty() {
            return Err(wrong("has no authority in it".into()));
        }
        Self::of(roots)
    }

    fn of(roots: RootCertStore) -> Result<Self, String> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone()).build();
        let verifier = verifier.map_err(|error| format!("the authorities are not taken: {error}"))?;
        Ok(Self { verifier, provider })
    }

    /// Begins a handshake with a server that should have the name `name`.
    pub fn begin(&self, name: &str, is_verified: bool) -> Result<Handshake, Failure> {
        let wrong = |what: String| Failure::new(Cause::Tls, what);
        let until_s = Arc::new(AtomicU64::new(0));
        let verifier = Reading { inner: self.verifier.clone(), is_verified, until_s: until_s.clone() };
        let config = ClientConfig::builder_with_provider(self.provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(|error| wrong(error.to_string()))?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier));
        let mut config = config.with_no_client_auth();
        config.resumption = Resumption::disabled();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let server = ServerName::try_from(name.to_owned())
            .map_err(|_| wrong(format!("{name:?} is no name for TLS")))?;
        let connection =
            ClientConnection::new(Arc::new(config), server).map_err(|error| wrong(error.to_string()))?;
        Ok(Handshake { connection, until_s })
    }
}

/// A connection's TLS, from its first byte on.
#[derive(Debug)]
pub struct Handshake {
    /// The state machine.
    pub connection: ClientConnection,
    until_s: Arc<AtomicU64>,
}

impl Handshake {
    /// The end of the certificate's life, Unix seconds, once it was seen.
    pub fn certificate_until_s(&self) -> Option<u64> {
        Some(self.until_s.load(Ordering::Relaxed)).filter(|until_s| *until_s > 0)
    }
}

/// Why TLS failed.
pub fn failure(error: &Error) -> Failure {
    let cause = match error {
        Error::InvalidCertificate(_) | Error::NoCertificatesPresented => Cause::Certificate,
        _ => Cause::Tls,
    };
    let what = match error {
        Error::InvalidCertificate(CertificateError::Expired | CertificateError::ExpiredContext { .. }) => {
            "the certificate has expired".to_owned()
        }
        Error::InvalidCertificate(CertificateError::UnknownIssuer) => {
            "the certificate comes from no authority that is known here".to_owned()
        }
        other => format!("TLS: {other}"),
    };
    Failure::new(cause, what)
}

/// Judges as rustls does and reads the end of the certificate's life on the way.
#[derive(Debug)]
struct Reading {
    inner: Arc<WebPkiServerVerifier>,
    is_verified: bool,
    until_s: Arc<AtomicU64>,
}

impl Reading {
    /// At the end of time every certificate has expired, and the verifier says since when: so nothing else has to read
    /// X.509 here.
    fn note_end(&self, leaf: &CertificateDer<'_>, name: &ServerName<'_>) {
        let never = UnixTime::since_unix_epoch(Duration::from_secs(END_OF_TIME_S));
        let judged = self.inner.verify_server_cert(leaf, &[], name, &[], never);
        if let Err(Error::InvalidCertificate(CertificateError::ExpiredContext { not_after, .. })) = judged {
            self.until_s.store(not_after.as_secs(), Ordering::Relaxed);
        }
    }
}

impl ServerCertVerifier for Reading {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.note_end(leaf, name);
        let judged = self.inner.verify_server_cert(leaf, chain, name, ocsp, now);
        if self.is_verified { judged } else { Ok(ServerCertVerified::assertion()) }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls12_signature(message, leaf, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls13_signature(message, leaf, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}
