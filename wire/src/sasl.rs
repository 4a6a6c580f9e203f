//! The server's half of a SCRAM-SHA-256 exchange (RFC 5802, RFC 7677; PostgreSQL's auth-scram.c), without a
//! socket: a client's message goes in, the answer comes out.
//!
//! Who is bound to fail goes through the same steps as everybody else and learns no more at the end.

use redoubt_error::{PgError, PgResult, Severity, code};
use redoubt_session::scram::{KEY_BYTES, Verifier, from_base64, hmac, to_base64};
use sha2::{Digest, Sha256};

/// The mechanism without channel binding.
pub const SCRAM: &str = "SCRAM-SHA-256";
/// The mechanism with it.
pub const SCRAM_PLUS: &str = "SCRAM-SHA-256-PLUS";
/// The one kind of channel binding there is (RFC 5929, section 4).
const BINDING_TYPE: &str = "tls-server-end-point";
/// Bytes of randomness in the server's nonce.
const NONCE_BYTES: usize = 18;

/// What the server knows before the exchange.
pub struct Secret {
    /// What proofs are checked against; made up where there is no password.
    pub verifier: Verifier,
    /// No proof is good enough: there is no such user, or no password that is valid now.
    pub doomed: bool,
}

/// Where the exchange stands.
enum Step {
    First,
    Final { first_bare: String, server_first: String, nonce: String, header: String },
    Over,
}

/// One exchange.
pub struct Exchange {
    secret: Secret,
    /// The certificate's hash, when the connection is encrypted and has one.
    binding: Option<Vec<u8>>,
    /// The client has chosen the mechanism with channel binding.
    plus: bool,
    step: Step,
}

/// What to tell the client.
#[derive(Debug, PartialEq, Eq)]
pub enum Answer {
    /// The exchange goes on.
    Continue(String),
    /// The client is who it says.
    Success(String),
    /// It is not.
    Failure,
}

impl Exchange {
    /// Starts an exchange by the mechanism that the client has chosen. `binding` is what the server would bind
    /// to: the hash of its certificate.
    ///
    /// # Errors
    /// `08P01` for a mechanism that was not offered.
    pub fn start(mechanism: &str, secret: Secret, binding: Option<Vec<u8>>) -> PgResult<Exchange> {
        let plus = match mechanism {
            SCRAM => false,
            SCRAM_PLUS if binding.is_some() => true,
            _ => return Err(protocol("client selected an invalid SASL authentication mechanism")),
        };
        Ok(Exchange { secret, binding, plus, step: Step::First })
    }

    /// Takes the client's next message.
    ///
    /// # Errors
    /// `08P01` and its kin for a message that breaks the rules; wrong proofs are no error here.
    pub fn take(&mut self, message: &[u8]) -> PgResult<Answer> {
        if message.is_empty() {
            return Err(malformed("The message is empty."));
        }
        if message.contains(&0) {
            return Err(malformed("Message length does not match input length."));
        }
        let text = std::str::from_utf8(message).map_err(|_| malformed("The message is not valid UTF-8."))?;
        match std::mem::replace(&mut self.step, Step::Over) {
            Step::First => self.first(text, &server_nonce()?).map(Answer::Continue),
            Step::Final { first_bare, server_first, nonce, header } => {
                let message = self.read_final(text, &nonce, &header)?;
                let auth = [&first_bare, ",", &server_first, ",", message.without_proof].concat();
                let good = self.proves(&message.proof, auth.as_bytes());
                if !good || self.secret.doomed {
                    return Ok(Answer::Failure);
                }
                let signature = hmac(&self.secret.verifier.server_key, &[auth.as_bytes()]);
                Ok(Answer::Success(format!("v={}", to_base64(&signature))))
            }
            Step::Over => Err(protocol("the SASL exchange is over")),
        }
    }

    /// `n,,n=,r=<nonce>` and its variants; answered by the salt and both nonces.
    fn first(&mut self, text: &str, server_nonce: &str) -> PgResult<String> {
        let (flag, rest) = self.read_flag(text)?;
        if rest.starts_with('a') {
            let message = "client uses authorization identity, but it is not supported";
            return Err(fatal(code::FEATURE_NOT_SUPPORTED, message));
        }
        let bare = rest.strip_prefix(',').ok_or_else(|| {
            malformed(&format!("Unexpected attribute \"{}\" in client-first-message.", shown(rest)))
        })?;
        if bare.starts_with('m') {
            let message = "client requires an unsupported SCRAM extension";
            return Err(fatal(code::FEATURE_NOT_SUPPORTED, message));
        }
        let mut reader = Attributes { rest: Some(bare) };
        // The user is the one that the startup packet has named.
        reader.named('n')?;
        let client_nonce = reader.named('r')?;
        if !client_nonce.bytes().all(|byte| matches!(byte, 0x21..=0x7e) && byte != b',') {
            return Err(protocol("non-printable characters in SCRAM nonce"));
        }
        while !reader.is_empty() {
            reader.any()?;
        }
        let nonce = format!("{client_nonce}{server_nonce}");
        let Verifier { salt, iterations, .. } = &self.secret.verifier;
        let server_first = format!("r={nonce},s={},i={iterations}", to_base64(salt));
        self.step = Step::Final {
            first_bare: bare.to_string(),
            server_first: server_first.clone(),
            nonce,
            header: format!("{flag},,"),
        };
        Ok(server_first)
    }

    /// The channel-binding flag, and what follows its comma.
    fn read_flag<'t>(&self, text: &'t str) -> PgResult<(&'t str, &'t str)> {
        let flag = &text[..text.chars().next().map_or(0, char::len_utf8)];
        let after_flag = |rest: &'t str| {
            rest.strip_prefix(',').ok_or_else(|| {
                malformed(&format!("Comma expected, but found character \"{}\".", shown(rest)))
            })
        };
        match flag {
            "n" | "y" if self.plus => Err(malformed(
                "The client selected SCRAM-SHA-256-PLUS, but the SCRAM message does not include channel binding data.",
            )),
            // Somebody between the two has taken the other mechanism off the list.
            "y" if self.binding.is_some() => {
                let message = "SCRAM channel binding negotiation error";
                Err(fatal(code::INVALID_AUTHORIZATION_SPECIFICATION, message).detail(
                    "The client supports SCRAM channel binding but thinks the server does not.  \
                     However, this server does support channel binding.",
                ))
            }
            "n" | "y" => Ok((flag, after_flag(&text[1..])?)),
            "p" if !self.plus => Err(malformed(
                "The client selected SCRAM-SHA-256 without channel binding, but the SCRAM message includes channel binding data.",
            )),
            "p" => {
                let mut reader = Attributes { rest: Some(text) };
                let kind = reader.named('p')?;
                if kind != BINDING_TYPE {
                    return Err(protocol(&format!(
                        "unsupported SCRAM channel-binding type \"{}\"",
                        shown_text(kind)
                    )));
                }
                Ok((&text[..2 + kind.len()], reader.rest.unwrap_or("")))
            }
            _ => Err(malformed(&format!("Unexpected channel-binding flag \"{}\".", shown(text)))),
        }
    }

    /// `c=<header and binding>,r=<nonces>,p=<proof>`.
    fn read_final<'t>(&self, text: &'t str, nonce: &str, header: &str) -> PgResult<Final<'t>> {
        let mut reader = Attributes { rest: Some(text) };
        let mut expected = header.as_bytes().to_vec();
        if self.plus {
            expected.extend_from_slice(self.binding.as_deref().unwrap_or_default());
        }
        if reader.named('c')? != to_base64(&expected) {
            return Err(if self.plus {
                fatal(code::INVALID_AUTHORIZATION_SPECIFICATION, "SCRAM channel binding check failed")
            } else {
                protocol("unexpected SCRAM channel-binding attribute in client-final-message")
            });
        }
        let both_nonces = reader.named('r')?;
        let (proof, before) = loop {
            let before = text.len() - reader.rest.map_or(0, str::len);
            let (name, value) = reader.any()?;
            if name == 'p' {
                break (value, before);
            }
        };
        let proof = from_base64(proof)
            .and_then(|bytes| <[u8; KEY_BYTES]>::try_from(bytes).ok())
            .ok_or_else(|| malformed("Malformed proof in client-final-message."))?;
        if !reader.is_empty() {
            return Err(malformed("Garbage found at the end of client-final-message."));
        }
        if both_nonces != nonce {
            return Err(protocol("invalid SCRAM response").detail("Nonce does not match."));
        }
        // The comma before the proof is not part of what is signed.
        Ok(Final { without_proof: &text[..before - 1], proof })
    }

    /// Whether the proof was made with the key whose hash is stored.
    fn proves(&self, proof: &[u8; KEY_BYTES], auth: &[u8]) -> bool {
        let stored_key = &self.secret.verifier.stored_key;
        let signature = hmac(stored_key, &[auth]);
        let mut client_key = *proof;
        client_key.iter_mut().zip(signature).for_each(|(key, byte)| *key ^= byte);
        let hash: [u8; KEY_BYTES] = Sha256::digest(client_key).into();
        same(&hash, stored_key)
    }
}

/// The client's last message.
struct Final<'t> {
    without_proof: &'t str,
    proof: [u8; KEY_BYTES],
}

/// Compares in a time that does not depend on where the two differ.
fn same(left: &[u8; KEY_BYTES], right: &[u8; KEY_BYTES]) -> bool {
    std::hint::black_box(left.iter().zip(right).fold(0, |seen, (a, b)| seen | (a ^ b))) == 0
}

/// Randomness, in base64: printable and without a comma.
fn server_nonce() -> PgResult<String> {
    let mut bytes = [0; NONCE_BYTES];
    getrandom::fill(&mut bytes).map_err(|error| PgError::internal(format!("no random numbers: {error}")))?;
    Ok(to_base64(&bytes))
}

/// A reader of `a=value,b=value`; nothing is left once the last value has been read.
struct Attributes<'t> {
    rest: Option<&'t str>,
}

impl<'t> Attributes<'t> {
    fn is_empty(&self) -> bool {
        self.rest.is_none_or(str::is_empty)
    }

    fn any(&mut self) -> PgResult<(char, &'t str)> {
        let text = self.rest.unwrap_or("");
        let mut chars = text.chars();
        let name = match chars.next() {
            Some(name) if name.is_ascii_alphabetic() => name,
            Some(_) => {
                return Err(malformed(&format!(
                    "Attribute expected, but found invalid character \"{}\".",
                    shown(text)
                )));
            }
            None => return Err(malformed("Attribute expected, but found end of string.")),
        };
        let value = self.value(name, chars.as_str())?;
        Ok((name, value))
    }

    fn named(&mut self, name: char) -> PgResult<&'t str> {
        let text = self.rest.unwrap_or("");
        let rest = text.strip_prefix(name).ok_or_else(|| {
            malformed(&format!("Expected attribute \"{name}\" but found \"{}\".", shown(text)))
        })?;
        self.value(name, rest)
    }

    fn value(&mut self, name: char, rest: &'t str) -> PgResult<&'t str> {
        let rest = rest
            .strip_prefix('=')
            .ok_or_else(|| malformed(&format!("Expected character \"=\" for attribute \"{name}\".")))?;
        let (value, rest) = match rest.split_once(',') {
            Some((value, rest)) => (value, Some(rest)),
            None => (rest, None),
        };
        self.rest = rest;
        Ok(value)
    }
}

/// The first character, for a message: unprintable ones by number.
fn shown(text: &str) -> String {
    match text.bytes().next().unwrap_or(0) {
        byte @ 0x21..=0x7e => char::from(byte).to_string(),
        byte => format!("0x{byte:02x}"),
    }
}

/// A word of the client's, fit for a message.
fn shown_text(text: &str) -> String {
    text.chars().take(30).map(|c| if c.is_ascii_graphic() { c } else { '?' }).collect()
}

fn fatal(code: redoubt_error::SqlState, message: &str) -> PgError {
    PgError::report(Severity::Fatal, code, message)
}

fn protocol(message: &str) -> PgError {
    fatal(code::PROTOCOL_VIOLATION, message)
}

fn malformed(detail: &str) -> PgError {
    protocol("malformed SCRAM message").detail(detail)
}

#[cfg(test)]
mod tests {
    use super::*;
    use redoubt_session::scram::derive;

    const SALT: &str = "W22ZaJ0SNY7soEsUEjb6gQ==";

    fn exchange(mechanism: &str, doomed: bool, binding: Option<&[u8]>) -> Exchange {
        let verifier = Verifier::of_password("pencil", from_base64(SALT).unwrap(), 4096);
        Exchange::start(mechanism, Secret { verifier, doomed }, binding.map(<[u8]>::to_vec)).unwrap()
    }

    /// RFC 7677's example, its nonce of the server put in place of a random one.
    #[test]
    fn the_example_of_the_standard() {
        let mut exchange = exchange(SCRAM, false, None);
        let first = exchange.first("n,,n=user,r=rOprNGfwEbeRWgbNEkqO", "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0");
        assert_eq!(
            first.unwrap(),
            "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
        );
        let last = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
                    p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
        let signature = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";
        assert_eq!(exchange.take(last.as_bytes()).unwrap(), Answer::Success(signature.into()));
    }

    /// A client that follows the rules, with a password.
    fn log_in(exchange: &mut Exchange, header: &str, bound: &[u8], password: &str) -> PgResult<Answer> {
        let bare = "n=,r=abc";
        let Answer::Continue(first) = exchange.take(format!("{header}{bare}").as_bytes())? else {
            panic!("the exchange has two rounds")
        };
        let nonce = first.split(',').next().unwrap();
        let binding = to_base64(&[header.as_bytes(), bound].concat());
        let without_proof = format!("c={binding},{nonce}");
        let auth = format!("{bare},{first},{without_proof}");
        let salted = derive(password.as_bytes(), &from_base64(SALT).unwrap(), 4096);
        let mut proof = hmac(&salted, &[b"Client Key"]);
        let stored: [u8; KEY_BYTES] = Sha256::digest(proof).into();
        let signature = hmac(&stored, &[auth.as_bytes()]);
        proof.iter_mut().zip(signature).for_each(|(key, byte)| *key ^= byte);
        exchange.take(format!("{without_proof},p={}", to_base64(&proof)).as_bytes())
    }

    #[test]
    fn who_gets_in() {
        let check = |mut exchange: Exchange, header: &str, bound: &[u8], password: &str, expect: &str| {
            let got = match log_in(&mut exchange, header, bound, password) {
                Ok(Answer::Success(_)) => "in".to_string(),
                Ok(Answer::Failure) => "out".to_string(),
                Ok(other) => panic!("{other:?}"),
                Err(error) => format!("{} {}", error.code(), error.message()),
            };
            assert_eq!(got, expect, "{header} {password}");
        };
        let hash: &[u8] = &[7; 32];
        let plus = "p=tls-server-end-point,,";
        check(exchange(SCRAM, false, None), "n,,", b"", "pencil", "in");
        check(exchange(SCRAM, false, None), "y,,", b"", "pencil", "in");
        check(exchange(SCRAM, false, None), "n,,", b"", "pencils", "out");
        check(exchange(SCRAM, true, None), "n,,", b"", "pencil", "out");
        check(exchange(SCRAM, false, Some(hash)), "n,,", b"", "pencil", "in");
        check(exchange(SCRAM_PLUS, false, Some(hash)), plus, hash, "pencil", "in");
        check(exchange(SCRAM_PLUS, false, Some(hash)), plus, hash, "pen", "out");
        let other: &[u8] = &[8; 32];
        let wrong = "28000 SCRAM channel binding check failed";
        check(exchange(SCRAM_PLUS, false, Some(hash)), plus, other, "pencil", wrong);
        let downgraded = "28000 SCRAM channel binding negotiation error";
        check(exchange(SCRAM, false, Some(hash)), "y,,", b"", "pencil", downgraded);
        check(exchange(SCRAM_PLUS, false, Some(hash)), "n,,", b"", "pencil", "08P01 malformed SCRAM message");
        check(exchange(SCRAM, false, Some(hash)), plus, hash, "pencil", "08P01 malformed SCRAM message");
        check(
            exchange(SCRAM_PLUS, false, Some(hash)),
            "p=tls-unique,,",
            hash,
            "pencil",
            "08P01 unsupported SCRAM channel-binding type \"tls-unique\"",
        );
        assert!(Exchange::start(SCRAM_PLUS, exchange(SCRAM, false, None).secret, None).is_err());
    }

    #[test]
    fn what_breaks_the_rules_is_refused() {
        let check = |messages: &[&str], expect: &str| {
            let mut exchange = exchange(SCRAM, false, None);
            let mut last = None;
            for message in messages {
                last = Some(exchange.take(message.as_bytes()));
            }
            let error = last.expect("some message").expect_err("a rule is broken");
            let detail = error.fields().detail.clone().unwrap_or_default();
            assert_eq!(format!("{}: {detail}", error.message()), expect, "{messages:?}");
        };
        check(&[""], "malformed SCRAM message: The message is empty.");
        check(&["x"], "malformed SCRAM message: Unexpected channel-binding flag \"x\".");
        check(&["n"], "malformed SCRAM message: Comma expected, but found character \"0x00\".");
        check(&["n,x"], "malformed SCRAM message: Unexpected attribute \"x\" in client-first-message.");
        check(&["n,a=b,"], "client uses authorization identity, but it is not supported: ");
        check(&["n,,m=1"], "client requires an unsupported SCRAM extension: ");
        check(&["n,,r=1"], "malformed SCRAM message: Expected attribute \"n\" but found \"r\".");
        check(&["n,,n=,r=a\u{7f}"], "non-printable characters in SCRAM nonce: ");
        check(
            &["n,,n=,r=a,1"],
            "malformed SCRAM message: Attribute expected, but found invalid character \"1\".",
        );
        check(
            &["n,,n=,r=a", "c=eSws"],
            "unexpected SCRAM channel-binding attribute in client-final-message: ",
        );
        check(
            &["n,,n=,r=a", "c=biws,r=a,p=AAAA"],
            "malformed SCRAM message: Malformed proof in client-final-message.",
        );
        let proof = to_base64(&[0; 32]);
        check(
            &["n,,n=,r=a", &format!("c=biws,r=a,p={proof}")],
            "invalid SCRAM response: Nonce does not match.",
        );
        check(
            &["n,,n=,r=a", "c=biws,r=a"],
            "malformed SCRAM message: Attribute expected, but found end of string.",
        );
    }
}
