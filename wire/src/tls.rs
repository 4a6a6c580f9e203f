//! TLS towards clients: the certificate and key of `ssl_cert_file` and `ssl_key_file`, and what SCRAM binds a
//! channel to.

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use sha2::{Digest, Sha256, Sha384, Sha512};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// A certificate, its key, and the ways to use them: TLS 1.2 and 1.3.
pub struct Tls {
    acceptor: TlsAcceptor,
    binding: Option<Vec<u8>>,
}

impl Tls {
    /// Reads PEM files: the server's certificate with its chain, and its key.
    ///
    /// # Errors
    /// A sentence that names the file, as PostgreSQL words it: unreadable, not PEM, a key that others may read,
    /// a key that does not belong to the certificate.
    pub fn load(certificate: &Path, key: &Path) -> Result<Tls, String> {
        let unreadable = |error: &dyn std::fmt::Display| {
            format!("could not load server certificate file \"{}\": {error}", certificate.display())
        };
        let chain = CertificateDer::pem_file_iter(certificate)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(|error| unreadable(&error))?;
        let first = chain.first().ok_or_else(|| unreadable(&"it contains no certificate"))?;
        let binding = end_point_hash(first);
        check_key_file(key)?;
        let private = PrivateKeyDer::from_pem_file(key)
            .map_err(|error| format!("could not load private key file \"{}\": {error}", key.display()))?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, private))
            .map_err(|error| format!("could not use private key file \"{}\": {error}", key.display()))?;
        Ok(Tls { acceptor: TlsAcceptor::from(Arc::new(config)), binding })
    }

    /// The certificate's hash by RFC 5929, section 4.1; nothing for a signature that the section does not cover.
    pub fn binding(&self) -> Option<&[u8]> {
        self.binding.as_deref()
    }

    /// The handshake. Nothing that came before it may be left in a buffer.
    ///
    /// # Errors
    /// Those of the handshake and of the socket.
    pub async fn accept<S>(&self, stream: S) -> std::io::Result<TlsStream<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        self.acceptor.accept(stream).await
    }
}

/// What is told of an encrypted connection.
pub fn version_and_cipher<S>(stream: &TlsStream<S>) -> (String, String) {
    let (_, connection) = stream.get_ref();
    let version = match connection.protocol_version() {
        Some(rustls::ProtocolVersion::TLSv1_2) => "TLSv1.2".to_string(),
        Some(rustls::ProtocolVersion::TLSv1_3) => "TLSv1.3".to_string(),
        other => format!("{other:?}"),
    };
    let suite = connection.negotiated_cipher_suite().map(|suite| format!("{:?}", suite.suite()));
    // The standard's names; rustls sets TLS 1.3's apart from the older ones.
    (version, suite.unwrap_or_default().replace("TLS13_", "TLS_"))
}

/// A key that others can read is no secret (PostgreSQL's check_ssl_key_file_permissions).
fn check_key_file(path: &Path) -> Result<(), String> {
    let shown = path.display();
    let metadata = std::fs::metadata(path)
        .map_err(|error| format!("could not access private key file \"{shown}\": {error}"))?;
    if !metadata.is_file() {
        return Err(format!("private key file \"{shown}\" is not a regular file"));
    }
    let forbidden = if metadata.uid() == 0 { 0o027 } else { 0o077 };
    if metadata.mode() & forbidden != 0 {
        return Err(format!("private key file \"{shown}\" has group or world access"));
    }
    Ok(())
}

/// The hash that `tls-server-end-point` means: by the hash function of the certificate's own signature, SHA-256
/// where that one is weaker.
fn end_point_hash(certificate: &[u8]) -> Option<Vec<u8>> {
    Some(match signature_algorithm(certificate)? {
        // MD5 and SHA-1 with RSA, SHA-1 with ECDSA, SHA-256 with either.
        [42, 134, 72, 134, 247, 13, 1, 1, 4 | 5 | 11]
        | [42, 134, 72, 206, 61, 4, 1]
        | [42, 134, 72, 206, 61, 4, 3, 2] => Sha256::digest(certificate).to_vec(),
        [42, 134, 72, 134, 247, 13, 1, 1, 12] | [42, 134, 72, 206, 61, 4, 3, 3] => {
            Sha384::digest(certificate).to_vec()
        }
        [42, 134, 72, 134, 247, 13, 1, 1, 13] | [42, 134, 72, 206, 61, 4, 3, 4] => {
            Sha512::digest(certificate).to_vec()
        }
        _ => return None,
    })
}

/// The encoded object identifier of a certificate's signature (RFC 5280, section 4.1): the first element of the
/// second element of the outer sequence.
fn signature_algorithm(certificate: &[u8]) -> Option<&[u8]> {
    const SEQUENCE: u8 = 0x30;
    const OBJECT_IDENTIFIER: u8 = 0x06;
    let (fields, _) = element(certificate, SEQUENCE)?;
    let (_, rest) = element(fields, SEQUENCE)?;
    let (algorithm, _) = element(rest, SEQUENCE)?;
    Some(element(algorithm, OBJECT_IDENTIFIER)?.0)
}

/// The content of a DER element of this tag, and what follows it.
fn element(bytes: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (&[found, length], rest) = bytes.split_first_chunk::<2>()?;
    if found != tag {
        return None;
    }
    let (length, rest) = match length {
        0..=0x7f => (usize::from(length), rest),
        0x81..=0x84 => {
            let (length, rest) = rest.split_at_checked(usize::from(length & 0x7f))?;
            (length.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte)), rest)
        }
        _ => return None,
    };
    rest.split_at_checked(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_are_read_within_their_bounds() {
        let check = |bytes: &[u8], expect: Option<(&[u8], &[u8])>| assert_eq!(element(bytes, 0x30), expect);
        check(b"", None);
        check(b"\x30", None);
        check(b"\x30\x00", Some((b"", b"")));
        check(b"\x30\x02ab", Some((b"ab", b"")));
        check(b"\x30\x81\x01ab", Some((b"a", b"b")));
        check(b"\x30\x02a", None);
        check(b"\x30\x84\xff\xff\xff\xffa", None);
        check(b"\x30\x85a", None);
        check(b"\x31\x00", None);
        assert_eq!(end_point_hash(b"no certificate"), None);
    }
}
