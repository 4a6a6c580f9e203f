//! Verifiers of SCRAM-SHA-256 passwords (RFC 5802, RFC 7677), as `pg_authid.rolpassword` keeps them:
//! `SCRAM-SHA-256$<iterations>:<salt>$<stored key>:<server key>`.
//!
//! The primitives are public for the front end, which exchanges proofs with clients.

use redoubt_error::{PgError, PgResult};
use sha2::{Digest, Sha256};

/// Bytes of a SHA-256 value, and of each key.
pub const KEY_BYTES: usize = 32;
/// Rounds of the key derivation for new passwords, PostgreSQL's number.
pub const ITERATIONS: u32 = 4096;
/// Bytes of salt for new passwords.
pub(crate) const SALT_BYTES: usize = 16;
/// SHA-256 works on blocks of this many bytes.
const BLOCK_BYTES: usize = 64;
const PREFIX: &str = "SCRAM-SHA-256$";

/// What a verifier says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verifier {
    /// Rounds of the key derivation.
    pub iterations: u32,
    /// The salt.
    pub salt: Vec<u8>,
    /// The hash of the key that the client proves to have.
    pub stored_key: [u8; KEY_BYTES],
    /// The key that the server proves to have.
    pub server_key: [u8; KEY_BYTES],
}

impl Verifier {
    /// The verifier of a password.
    pub fn of_password(password: &str, salt: Vec<u8>, iterations: u32) -> Verifier {
        let salted = derive(password.as_bytes(), &salt, iterations);
        let client_key = hmac(&salted, &[b"Client Key"]);
        Verifier {
            iterations,
            salt,
            stored_key: Sha256::digest(client_key).into(),
            server_key: hmac(&salted, &[b"Server Key"]),
        }
    }

    /// Reads the stored form; `None` when it is another.
    pub fn parse(text: &str) -> Option<Verifier> {
        let (parameters, keys) = text.strip_prefix(PREFIX)?.split_once('$')?;
        let (iterations, salt) = parameters.split_once(':')?;
        let (stored, server) = keys.split_once(':')?;
        let iterations = iterations.parse().ok().filter(|count| *count > 0)?;
        let key = |text| <[u8; KEY_BYTES]>::try_from(from_base64(text)?).ok();
        Some(Verifier {
            iterations,
            salt: from_base64(salt)?,
            stored_key: key(stored)?,
            server_key: key(server)?,
        })
    }
}

impl std::fmt::Display for Verifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (salt, stored) = (to_base64(&self.salt), to_base64(&self.stored_key));
        write!(f, "{PREFIX}{}:{salt}${stored}:{}", self.iterations, to_base64(&self.server_key))
    }
}

/// What is stored for a password: its verifier, or the text itself if it is one (or an MD5 hash, which
/// nobody can log in with here, but which a dump may bring).
///
/// # Errors
/// `XX000` when there are no random numbers.
pub fn stored_password(password: &str) -> PgResult<String> {
    if Verifier::parse(password).is_some() || is_md5(password) {
        return Ok(password.to_string());
    }
    let mut salt = vec![0; SALT_BYTES];
    getrandom::fill(&mut salt).map_err(|error| PgError::internal(format!("no random numbers: {error}")))?;
    Ok(Verifier::of_password(password, salt, ITERATIONS).to_string())
}

/// An MD5 hash as PostgreSQL stores it.
pub fn is_md5(text: &str) -> bool {
    text.strip_prefix("md5").is_some_and(|hex| {
        hex.len() == 32 && hex.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
    })
}

/// HMAC-SHA-256 of the parts one after the other (RFC 2104).
pub fn hmac(key: &[u8], parts: &[&[u8]]) -> [u8; KEY_BYTES] {
    let mut block = [0; BLOCK_BYTES];
    if key.len() > BLOCK_BYTES {
        block[..KEY_BYTES].copy_from_slice(&Sha256::digest(key));
    } else {
        block[..key.len()].copy_from_slice(key);
    }
    let mut inner = Sha256::new();
    inner.update(block.map(|byte| byte ^ 0x36));
    parts.iter().for_each(|part| inner.update(part));
    let mut outer = Sha256::new();
    outer.update(block.map(|byte| byte ^ 0x5c));
    outer.update(inner.finalize());
    outer.finalize().into()
}

/// PBKDF2 with HMAC-SHA-256 and one block of output (RFC 8018): RFC 5802's `Hi`.
pub fn derive(password: &[u8], salt: &[u8], iterations: u32) -> [u8; KEY_BYTES] {
    let mut last = hmac(password, &[salt, &1u32.to_be_bytes()]);
    let mut sum = last;
    for _ in 1..iterations {
        last = hmac(password, &[&last]);
        sum.iter_mut().zip(last).for_each(|(sum, byte)| *sum ^= byte);
    }
    sum
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Base64 with padding (RFC 4648).
pub fn to_base64(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let word = chunk.iter().fold(0u32, |word, byte| word << 8 | u32::from(*byte));
        let word = word << (8 * (3 - chunk.len()));
        for place in 0..4 {
            let digit = (word >> (18 - 6 * place)) & 63;
            text.push(if place <= chunk.len() { char::from(ALPHABET[digit as usize]) } else { '=' });
        }
    }
    text
}

/// Reads base64 with padding; `None` for anything else.
pub fn from_base64(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(4) {
        return None;
    }
    let digits = text.trim_end_matches('=');
    if text.len() - digits.len() > 2 {
        return None;
    }
    let mut bytes = Vec::with_capacity(digits.len() * 3 / 4);
    for chunk in digits.as_bytes().chunks(4) {
        let mut word = 0u32;
        for byte in chunk {
            let digit = ALPHABET.iter().position(|known| known == byte)?;
            word = word << 6 | digit as u32;
        }
        word <<= 6 * (4 - chunk.len());
        bytes.extend_from_slice(&word.to_be_bytes()[1..chunk.len()]);
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of RFC 7677, section 3.
    #[test]
    fn keys_are_those_of_the_standard() {
        let salt = from_base64("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap();
        let verifier = Verifier::of_password("pencil", salt, 4096);
        assert_eq!(to_base64(&verifier.stored_key), "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=");
        assert_eq!(to_base64(&verifier.server_key), "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=");
        assert_eq!(Verifier::parse(&verifier.to_string()), Some(verifier));
    }

    #[test]
    fn only_verifiers_are_read_as_such() {
        for text in ["", "pencil", "SCRAM-SHA-256$4096:AAAA$AAAA:AAAA", "SCRAM-SHA-256$x:AAAA$A:B"] {
            assert_eq!(Verifier::parse(text), None, "{text}");
        }
        assert!(is_md5("md5c4ca4238a0b923820dcc509a6f75849b"));
        assert!(!is_md5("md5C4CA4238A0B923820DCC509A6F75849B"));
    }

    #[test]
    fn base64_goes_both_ways() {
        for (bytes, text) in
            [(&b""[..], ""), (b"f", "Zg=="), (b"fo", "Zm8="), (b"foo", "Zm9v"), (b"foob", "Zm9vYg==")]
        {
            assert_eq!(to_base64(bytes), text);
            assert_eq!(from_base64(text).as_deref(), Some(bytes));
        }
        assert_eq!(from_base64("Zg="), None);
        assert_eq!(from_base64("Z==="), None);
        assert_eq!(from_base64("Z*=="), None);
    }
}
