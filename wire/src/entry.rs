//! From an accepted socket to a session: the opening packets, encryption, and the proof of who it is.

use crate::connection::Connection;
use crate::door::{Door, Rules};
use crate::encode::{message, put_report};
use crate::frame::violation;
use crate::hba::{Method, Origin};
use crate::sasl::{Answer, Exchange, SCRAM, SCRAM_PLUS, Secret};
use crate::startup::{Encryption, Opening, StartupPacket, connection_lost, open};
use crate::tls::{Tls, version_and_cipher};
use bytes::{Buf, BufMut, BytesMut};
use redoubt_error::{PgError, PgResult, Severity, code};
use redoubt_session::{EncryptionFacts, Instance, Session, SessionStart};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio_rustls::server::TlsStream;

/// Longest message of a SASL exchange, in bytes (PG_MAX_SASL_MESSAGE_LENGTH).
const SASL_MESSAGE_BYTES: usize = 1024;
/// AuthenticationSASL, AuthenticationSASLContinue and AuthenticationSASLFinal.
const SASL_START: i32 = 10;
const SASL_CONTINUE: i32 = 11;
const SASL_FINAL: i32 = 12;

/// A client that has been let in, and what it has said behind its last word at the door.
struct Guest<S> {
    stream: S,
    input: BytesMut,
    session: Session,
}

/// By which transport it came.
enum Entered<S> {
    Plain(Guest<S>),
    Encrypted(Box<Guest<TlsStream<S>>>),
}

/// Serves one accepted stream until it ends. Errors are told to the client, not to the caller: nobody else can
/// do anything about them.
pub async fn serve<S>(stream: S, origin: Origin, instance: Arc<Instance>, door: Arc<Door>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let limit = Duration::from_secs(instance.authentication_timeout_s());
    let rules = door.rules();
    let visit = door.visit();
    let entered = tokio::select! {
        entered = tokio::time::timeout(limit, enter(stream, origin, &instance, &rules)) => entered,
        () = visit.shown_out() => {
            tracing::warn!(?origin, "a client that had not said who it is gave way to others");
            return;
        }
    };
    drop(visit);
    match entered {
        Ok(Some(Entered::Plain(guest))) => guest.stay(instance).await,
        Ok(Some(Entered::Encrypted(guest))) => guest.stay(instance).await,
        // PostgreSQL closes without a word when the time is over: the client has not said who it is.
        Ok(None) | Err(_) => {}
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> Guest<S> {
    async fn stay(self, instance: Arc<Instance>) {
        Connection::new(self.stream, self.input, self.session, instance).run().await;
    }
}

async fn enter<S>(
    mut stream: S,
    origin: Origin,
    instance: &Arc<Instance>,
    rules: &Rules,
) -> Option<Entered<S>>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let mut input = BytesMut::with_capacity(8192);
    // TLS is for what crosses a network.
    let offered = rules.tls.as_ref().filter(|_| matches!(origin, Origin::Host { .. }));
    let encryption = if offered.is_some() { Encryption::Offered } else { Encryption::Refused };
    let opening = open(&mut stream, &mut input, encryption).await;
    let (Ok(Opening::Tls), Some(tls)) = (&opening, offered) else {
        let door = Threshold { origin, instance, rules, tls: None, facts: None };
        let session = door.cross(&mut stream, &mut input, opening).await?;
        return Some(Entered::Plain(Guest { stream, input, session }));
    };
    assert!(input.is_empty(), "nothing that was said in the clear counts as said under encryption");
    let mut stream = match tls.accept(stream).await {
        Ok(stream) => stream,
        Err(error) => {
            tracing::info!(?origin, %error, "could not accept SSL connection");
            return None;
        }
    };
    let (version, cipher) = version_and_cipher(&stream);
    let origin = match origin {
        Origin::Host { address, port, .. } => Origin::Host { address, port, tls: true },
        Origin::Local => Origin::Local,
    };
    let opening = open(&mut stream, &mut input, Encryption::Done).await;
    let facts = Some(EncryptionFacts { version, cipher });
    let door = Threshold { origin, instance, rules, tls: Some(tls), facts };
    let session = door.cross(&mut stream, &mut input, opening).await?;
    Some(Entered::Encrypted(Box::new(Guest { stream, input, session })))
}

/// Between the opening packet and the session.
struct Threshold<'a> {
    origin: Origin,
    instance: &'a Arc<Instance>,
    rules: &'a Rules,
    tls: Option<&'a Tls>,
    facts: Option<EncryptionFacts>,
}

impl Threshold<'_> {
    /// Deals with the opening packet; gives a session if that is what it asked for and was granted.
    async fn cross<S>(
        self,
        stream: &mut S,
        input: &mut BytesMut,
        opening: PgResult<Opening>,
    ) -> Option<Session>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let entered = match opening {
            Ok(Opening::Gone | Opening::Tls) => return None,
            Ok(Opening::Cancel { pid, secret }) => {
                self.instance.cancel(pid, secret);
                return None;
            }
            Ok(Opening::Start(packet)) => self.start(stream, input, packet).await,
            Err(error) => Err(error),
        };
        match entered {
            Ok(session) => Some(session),
            Err(error) => {
                refuse(stream, &error).await;
                None
            }
        }
    }

    async fn start<S>(self, stream: &mut S, input: &mut BytesMut, packet: StartupPacket) -> PgResult<Session>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        if self.method(&packet)? == Method::ScramSha256 {
            self.scram(stream, input, packet.get("user").unwrap_or_default()).await?;
        }
        let client_address = match self.origin {
            Origin::Local => None,
            Origin::Host { address, port, .. } => Some((address, port)),
        };
        let start = SessionStart { parameters: packet.parameters, client_address, encryption: self.facts };
        Session::start(self.instance, start)
    }

    /// Applies `pg_hba.conf`.
    fn method(&self, packet: &StartupPacket) -> PgResult<Method> {
        let invalid =
            |text: String| PgError::report(Severity::Fatal, code::INVALID_AUTHORIZATION_SPECIFICATION, text);
        let user = packet
            .get("user")
            .filter(|user| !user.is_empty())
            .ok_or_else(|| invalid("no PostgreSQL user name specified in startup packet".into()))?;
        if packet.get("replication").is_some_and(|value| !matches!(value, "false" | "off" | "no" | "0")) {
            return Err(PgError::unsupported("replication mode"));
        }
        let database = packet.get("database").filter(|name| !name.is_empty()).unwrap_or(user);
        let (host, encryption) = match self.origin {
            Origin::Local => ("[local]".to_string(), "no encryption"),
            Origin::Host { address, tls, .. } => {
                (address.to_string(), if tls { "SSL encryption" } else { "no encryption" })
            }
        };
        let whom = format!("host \"{host}\", user \"{user}\", database \"{database}\", {encryption}");
        match self.rules.hba.method(self.origin, user, database) {
            Some(Method::Reject) => Err(invalid(format!("pg_hba.conf rejects connection for {whom}"))),
            Some(method) => Ok(method),
            None => Err(invalid(format!("no pg_hba.conf entry for {whom}"))),
        }
    }

    /// Asks for a proof of the password.
    async fn scram<S>(&self, stream: &mut S, input: &mut BytesMut, user: &str) -> PgResult<()>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let found = redoubt_session::blocking(|| self.instance.login_secret(user))?;
        let binding = self.tls.and_then(Tls::binding).map(<[u8]>::to_vec);
        let mut offer = Vec::new();
        for mechanism in binding.iter().map(|_| SCRAM_PLUS).chain([SCRAM]) {
            offer.extend_from_slice(mechanism.as_bytes());
            offer.push(0);
        }
        offer.push(0);
        send(stream, SASL_START, &offer).await?;

        let mut response = read_response(stream, input).await?;
        let (mechanism, initial) = read_initial(&mut response)?;
        let secret = Secret { verifier: found.verifier, doomed: found.doomed.is_some() };
        let mut exchange = Exchange::start(&mechanism, secret, binding)?;
        let mut said = match initial {
            Some(said) => said,
            None => {
                send(stream, SASL_CONTINUE, b"").await?;
                read_response(stream, input).await?
            }
        };
        loop {
            match exchange.take(&said)? {
                Answer::Continue(text) => send(stream, SASL_CONTINUE, text.as_bytes()).await?,
                Answer::Success(text) => return send(stream, SASL_FINAL, text.as_bytes()).await,
                Answer::Failure => {
                    let reason = found.doomed.as_deref().unwrap_or("the proof does not fit the password");
                    tracing::warn!(user, reason, "password authentication failed");
                    let message = format!("password authentication failed for user \"{user}\"");
                    return Err(PgError::report(Severity::Fatal, code::INVALID_PASSWORD, message));
                }
            }
            said = read_response(stream, input).await?;
        }
    }
}

/// Says why and closes. The client may be gone already, which is its own affair.
async fn refuse<S: AsyncWrite + Unpin>(stream: &mut S, error: &PgError) {
    let mut buffer = BytesMut::new();
    let fatal = error.clone().with_severity(Severity::Fatal);
    message(&mut buffer, b'E', |body| put_report(body, &fatal, ""));
    if stream.write_all(&buffer).await.is_ok() {
        let _closed = stream.shutdown().await;
    }
}

/// An authentication request.
async fn send<S: AsyncWrite + Unpin>(stream: &mut S, request: i32, data: &[u8]) -> PgResult<()> {
    let mut buffer = BytesMut::new();
    message(&mut buffer, b'R', |body| {
        body.put_i32(request);
        body.put_slice(data);
    });
    stream.write_all(&buffer).await.map_err(connection_lost)?;
    stream.flush().await.map_err(connection_lost)
}

/// The body of the client's next message, which must be a short one of the password family.
async fn read_response<S: AsyncRead + Unpin>(stream: &mut S, input: &mut BytesMut) -> PgResult<BytesMut> {
    loop {
        if let Some(kind) = input.first().filter(|kind| **kind != b'p') {
            return Err(violation(&format!("expected SASL response, got message type {kind}")));
        }
        if let Some(&[_, a, b, c, d]) = input.first_chunk::<5>() {
            let length = i32::from_be_bytes([a, b, c, d]);
            if !(4..=SASL_MESSAGE_BYTES as i32 + 4).contains(&length) {
                return Err(violation("invalid message length"));
            }
            let total = length as usize + 1;
            if input.len() >= total {
                let mut response = input.split_to(total);
                response.advance(5);
                return Ok(response);
            }
        }
        // No more is read than the longest message takes.
        let room = (SASL_MESSAGE_BYTES + 5).saturating_sub(input.len()).max(1);
        let mut limited = (&mut *stream).take(room as u64);
        if limited.read_buf(input).await.map_err(connection_lost)? == 0 {
            return Err(connection_lost(std::io::ErrorKind::UnexpectedEof.into()));
        }
    }
}

/// SASLInitialResponse: the mechanism, and the first message unless the client waits to be asked.
fn read_initial(body: &mut BytesMut) -> PgResult<(String, Option<BytesMut>)> {
    let short = || violation("insufficient data left in message");
    let end =
        body.iter().position(|byte| *byte == 0).ok_or_else(|| violation("invalid string in message"))?;
    let mechanism = String::from_utf8_lossy(&body.split_to(end)).into_owned();
    body.advance(1);
    let length = body.try_get_i32().map_err(|_| short())?;
    let message = match usize::try_from(length) {
        Err(_) if length == -1 => None,
        Ok(length) if length <= body.len() => Some(body.split_to(length)),
        _ => return Err(short()),
    };
    if body.is_empty() { Ok((mechanism, message)) } else { Err(violation("invalid message format")) }
}
