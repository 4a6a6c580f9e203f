//! Who is who: an authority of the cluster's own, a certificate for each member, and mutual TLS 1.3.
//!
//! ```text
//! DIR/ca.pem, ca.key           the authority; its key is needed only to admit further members
//! DIR/NAME.pem, NAME.key       one member's certificate and key; its name is the certificate's only name
//! ```
//!
//! A member trusts that authority and nobody else. Keys are readable by their owner alone.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use redoubt_protocol::NodeId;
use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::WebPkiClientVerifier;

use crate::error::QuicError;

/// What is spoken; agreed upon while connecting. Members of different versions do not connect.
const ALPN: &[u8] = b"redoubt-storage/1";
const AUTHORITY: &str = "ca";

/// A member of a cluster, as its certificate names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MemberName {
    /// The process with the engine.
    Writer,
    /// A storage node.
    Node(NodeId),
}

impl fmt::Display for MemberName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Writer => f.write_str("writer"),
            Self::Node(node) => write!(f, "node-{}", node.get()),
        }
    }
}

impl MemberName {
    /// Reads a name as `Display` writes it; nothing when it is no member's.
    pub fn parse(text: &str) -> Option<Self> {
        if text == "writer" {
            return Some(Self::Writer);
        }
        let number = text.strip_prefix("node-")?.parse().ok()?;
        let name = Self::Node(NodeId::new(number));
        (name.to_string() == text).then_some(name)
    }
}

/// What a member proves itself with.
#[derive(Debug)]
pub struct Identity {
    name: MemberName,
    authority: CertificateDer<'static>,
    certificate: CertificateDer<'static>,
    key: PrivateKeyDer<'static>,
}

/// Makes an authority and a certificate for each member, in a directory that must not hold any.
///
/// # Errors
/// When files exist already or cannot be written.
pub fn issue(directory: &Path, members: &[MemberName]) -> Result<(), QuicError> {
    fs::create_dir_all(directory).map_err(|source| QuicError::File { path: directory.to_owned(), source })?;
    let failure = |error: rcgen::Error| QuicError::Certificates(error.to_string());
    let key = KeyPair::generate().map_err(failure)?;
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "redoubt cluster");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
    let certificate = params.self_signed(&key).map_err(failure)?;
    write_pair(directory, AUTHORITY, &certificate.pem(), &key.serialize_pem())?;
    let authority = Issuer::new(params, key);
    for member in members {
        let name = member.to_string();
        let key = KeyPair::generate().map_err(failure)?;
        let mut params = CertificateParams::new(vec![name.clone()]).map_err(failure)?;
        params.distinguished_name.push(DnType::CommonName, &name);
        let certificate = params.signed_by(&key, &authority).map_err(failure)?;
        write_pair(directory, &name, &certificate.pem(), &key.serialize_pem())?;
    }
    File::open(directory)
        .and_then(|directory| directory.sync_all())
        .map_err(|source| QuicError::File { path: directory.to_owned(), source })
}

fn write_pair(directory: &Path, name: &str, certificate: &str, key: &str) -> Result<(), QuicError> {
    for (kind, text, mode) in [("pem", certificate, 0o644), ("key", key, 0o600)] {
        let path = file(directory, name, kind);
        let mut options = OpenOptions::new();
        let written = options.write(true).create_new(true).mode(mode).open(&path).and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            file.sync_all()
        });
        written.map_err(|source| QuicError::File { path, source })?;
    }
    Ok(())
}

fn file(directory: &Path, name: &str, kind: &str) -> PathBuf {
    directory.join(format!("{name}.{kind}"))
}

impl Identity {
    /// Reads a member's certificate and key, and the authority's certificate.
    ///
    /// # Errors
    /// When one of them is missing or is something else.
    pub fn load(directory: &Path, name: MemberName) -> Result<Self, QuicError> {
        let text = name.to_string();
        let failure = |path: &Path, error: rustls::pki_types::pem::Error| {
            QuicError::Certificates(format!("\"{}\": {error}", path.display()))
        };
        let certificate = |of: &str| {
            let path = file(directory, of, "pem");
            CertificateDer::from_pem_file(&path).map_err(|error| failure(&path, error))
        };
        let path = file(directory, &text, "key");
        let key = PrivateKeyDer::from_pem_file(&path).map_err(|error| failure(&path, error))?;
        Ok(Self { name, authority: certificate(AUTHORITY)?, certificate: certificate(&text)?, key })
    }

    /// Whose it is.
    pub fn name(&self) -> MemberName {
        self.name
    }

    fn roots(&self) -> Result<Arc<RootCertStore>, QuicError> {
        let mut roots = RootCertStore::empty();
        roots.add(self.authority.clone()).map_err(certificates)?;
        Ok(Arc::new(roots))
    }

    /// How this member dials others.
    pub(crate) fn client_config(&self) -> Result<QuicClientConfig, QuicError> {
        let mut config = rustls::ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(certificates)?
            .with_root_certificates(self.roots()?)
            .with_client_auth_cert(vec![self.certificate.clone()], self.key.clone_key())
            .map_err(certificates)?;
        config.alpn_protocols = vec![ALPN.to_vec()];
        QuicClientConfig::try_from(config).map_err(certificates)
    }

    /// How this member is dialled: by members of the cluster only.
    pub(crate) fn server_config(&self) -> Result<QuicServerConfig, QuicError> {
        let verifier = WebPkiClientVerifier::builder_with_provider(self.roots()?, provider())
            .build()
            .map_err(certificates)?;
        let mut config = rustls::ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(certificates)?
            .with_client_cert_verifier(verifier)
            .with_single_cert(vec![self.certificate.clone()], self.key.clone_key())
            .map_err(certificates)?;
        config.alpn_protocols = vec![ALPN.to_vec()];
        // Nothing is sent before the handshake is complete: an append that is replayed would be one too many.
        config.max_early_data_size = 0;
        QuicServerConfig::try_from(config).map_err(certificates)
    }
}

/// Whether the certificate with which a connection was opened is that of this member.
pub(crate) fn is_certified(connection: &quinn::Connection, name: MemberName) -> bool {
    let identity = connection.peer_identity();
    let chain = identity.and_then(|identity| identity.downcast::<Vec<CertificateDer<'static>>>().ok());
    let Some(certificate) = chain.as_ref().and_then(|chain| chain.first()) else { return false };
    let text = name.to_string();
    let (Ok(certificate), Ok(name)) =
        (webpki::EndEntityCert::try_from(certificate), ServerName::try_from(text.as_str()))
    else {
        return false;
    };
    certificate.verify_is_valid_for_subject_name(&name).is_ok()
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

fn certificates(error: impl fmt::Display) -> QuicError {
    QuicError::Certificates(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written() {
        let check =
            |text: &str, expect: Option<MemberName>| assert_eq!(MemberName::parse(text), expect, "{text}");
        check("writer", Some(MemberName::Writer));
        check("node-3", Some(MemberName::Node(NodeId::new(3))));
        check("node-03", None);
        check("node-", None);
        check("node--1", None);
        check("node-70000", None);
        check("", None);
        check("ca", None);
    }

    #[test]
    fn certificates_are_made_once_and_read_back() {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().expect("a temporary directory");
        let members = [MemberName::Writer, MemberName::Node(NodeId::new(1))];
        issue(directory.path(), &members).expect("made");
        for member in members {
            let identity = Identity::load(directory.path(), member).expect("read");
            identity.client_config().expect("it can dial");
            identity.server_config().expect("it can be dialled");
            let key = fs::metadata(file(directory.path(), &member.to_string(), "key")).expect("a key");
            assert_eq!(key.permissions().mode() & 0o777, 0o600);
        }
        assert!(
            matches!(issue(directory.path(), &members), Err(QuicError::File { .. })),
            "never overwritten"
        );
        assert!(Identity::load(directory.path(), MemberName::Node(NodeId::new(2))).is_err());
    }
}
