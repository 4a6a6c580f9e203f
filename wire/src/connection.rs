//! One client's connection: everything that has arrived is decoded and carried out, the answers
//! gather in one buffer, and the buffer is written once before the next read.
//!
//! A session is synchronous; the task awaits in four places only: for bytes, for the volume to be
//! durable up to what the answers tell of, for the socket to take them, and for a dependency of
//! the next statement.

use crate::encode::{Drain, Output};
use crate::frame::{next_copy_data, next_message};
use crate::startup::connection_lost;
use bytes::{BufMut, BytesMut};
use pgwire::messages::{DecodeContext, PgWireFrontendMessage, ProtocolVersion};
use redoubt_error::{PgError, PgResult, Severity, code};
use redoubt_page::Lsn;
use redoubt_session::{Client, CopyData, Instance, Session};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::runtime::Handle;
use tokio::sync::Notify;

/// Buffers that one large message or result has grown are given back above this size.
const KEEP_BYTES: usize = 64 * 1024;

/// The stream's two halves and what has been read, behind the interface through which long results
/// leave early and COPY's data are read.
struct Link<S> {
    reader: ReadHalf<S>,
    half: WriteHalf<S>,
    input: BytesMut,
    woken: Arc<Notify>,
    instance: Arc<Instance>,
}

impl<S: AsyncRead + AsyncWrite + Send> Drain for Link<S> {
    fn drain(&mut self, buffer: &mut BytesMut, hold: Lsn) -> PgResult<()> {
        redoubt_session::blocking(|| {
            Handle::current().block_on(write(&mut self.half, &self.instance, buffer, hold))
        })
    }

    fn receive(&mut self, data: &mut Vec<u8>) -> PgResult<CopyData> {
        loop {
            if let Some(found) = next_copy_data(&mut self.input, data)? {
                return Ok(found);
            }
            let Link { reader, input, woken, .. } = self;
            let read = redoubt_session::blocking(|| {
                Handle::current().block_on(async {
                    tokio::select! {
                        read = reader.read_buf(input) => Some(read),
                        () = woken.notified() => None,
                    }
                })
            });
            match read {
                None => return Ok(CopyData::Interrupted),
                Some(Ok(0)) => return Err(connection_lost(std::io::ErrorKind::UnexpectedEof.into())),
                Some(read) => read.map_err(connection_lost)?,
            };
        }
    }
}

/// Writes and clears the buffer as soon as the volume is durable up to `hold`. When the volume
/// cannot promise that any more (fenced), nothing is written: a commit in doubt is never told.
async fn write<S: AsyncWrite>(
    half: &mut WriteHalf<S>,
    instance: &Instance,
    buffer: &mut BytesMut,
    hold: Lsn,
) -> PgResult<()> {
    if buffer.is_empty() {
        return Ok(());
    }
    instance.wait_durable(hold).await?;
    half.write_all(buffer).await.map_err(connection_lost)?;
    buffer.clear();
    if buffer.capacity() > KEEP_BYTES {
        *buffer = BytesMut::with_capacity(8192);
    }
    Ok(())
}

/// One client's connection.
pub struct Connection<S> {
    output: Output<Link<S>>,
    session: Session,
    instance: Arc<Instance>,
    decode: DecodeContext,
    /// After an error in the extended protocol everything up to Sync is skipped.
    skip_to_sync: bool,
}

/// What to do after a message.
enum Next {
    Continue,
    Close,
}

impl<S> Connection<S>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    /// A connection whose client has said `input` already.
    pub fn new(stream: S, input: BytesMut, session: Session, instance: Arc<Instance>) -> Self {
        let (reader, half) = tokio::io::split(stream);
        let mut decode = DecodeContext::new(ProtocolVersion::PROTOCOL3_0);
        decode.awaiting_frontend_ssl = false;
        decode.awaiting_frontend_startup = false;
        let woken = Arc::new(Notify::new());
        let notify = woken.clone();
        session.on_interrupt(move || notify.notify_one());
        Connection {
            output: Output::new(Link { reader, half, input, woken, instance: instance.clone() }),
            session,
            instance,
            decode,
            skip_to_sync: false,
        }
    }

    /// Serves it until it ends.
    pub async fn run(mut self) {
        self.greet();
        loop {
            match self.round().await {
                Ok(Next::Continue) => {}
                Ok(Next::Close) => break,
                Err(error) => {
                    self.farewell(&error).await;
                    break;
                }
            }
        }
        let session = self.session;
        // Rolling back may wait for latches and locks of others.
        redoubt_session::blocking(|| drop(session));
    }

    /// Writes what is due, reads, and carries out every whole message that has arrived.
    async fn round(&mut self) -> PgResult<Next> {
        self.flush().await?;
        self.read().await?;
        while let Some(message) = next_message(&mut self.output.link().input, &self.decode)? {
            if let Some(lsn) = self.session.dependency() {
                self.instance.wait_durable(lsn).await?;
            }
            if let Next::Close = self.handle(message)? {
                self.flush().await?;
                return Ok(Next::Close);
            }
        }
        let input = &mut self.output.link().input;
        if input.is_empty() && input.capacity() > KEEP_BYTES {
            *input = BytesMut::with_capacity(8192);
        }
        Ok(Next::Continue)
    }

    async fn flush(&mut self) -> PgResult<()> {
        let Connection { output, instance, .. } = self;
        output.flush(instance).await
    }

    /// Waits for bytes, an interrupt, or an idle timeout.
    async fn read(&mut self) -> PgResult<()> {
        let idle = self.session.idle_timeout_ms().map(Duration::from_millis);
        let limit = idle.unwrap_or(Duration::MAX);
        let timeout = tokio::time::sleep(limit);
        tokio::pin!(timeout);
        loop {
            let Link { reader, input, woken, .. } = self.output.link();
            tokio::select! {
                read = reader.read_buf(input) => {
                    return match read.map_err(connection_lost)? {
                        0 => Err(connection_lost(std::io::ErrorKind::UnexpectedEof.into())),
                        _ => Ok(()),
                    };
                }
                () = woken.notified() => {
                    self.session.check_while_idle()?;
                    // Behind half a message there is a client that is about to say more.
                    if self.output.link().input.is_empty() && self.session.deliver_notifications(&mut self.output) {
                        self.flush().await?;
                    }
                }
                () = &mut timeout, if idle.is_some() => return Err(self.session.idle_timeout_error()),
            }
        }
    }

    fn greet(&mut self) {
        self.output.message(b'R', |body| body.put_i32(0));
        for (name, value) in self.session.reports() {
            self.output.parameter_status(name, &value);
        }
        let (pid, secret) = (self.session.process_id(), self.session.secret());
        self.output.message(b'K', |body| {
            body.put_i32(pid);
            body.put_i32(secret);
        });
        self.ready_for_query();
    }

    fn ready_for_query(&mut self) {
        self.session.deliver_notifications(&mut self.output);
        for (name, value) in self.session.take_reports() {
            self.output.parameter_status(name, &value);
        }
        let status = self.session.transaction_status();
        self.output.message(b'Z', |body| body.put_u8(status));
    }

    /// Tells the client why the connection ends, if it can still be told.
    async fn farewell(&mut self, error: &PgError) {
        if error.code() == code::CONNECTION_FAILURE {
            tracing::debug!(%error, "connection ended");
            return;
        }
        let fatal = error.clone().with_severity(Severity::Fatal);
        self.output.report(&fatal, "");
        if let Err(error) = self.flush().await {
            tracing::debug!(%error, "the client could not be told why its connection ends");
        }
    }

    fn handle(&mut self, message: PgWireFrontendMessage) -> PgResult<Next> {
        use PgWireFrontendMessage as M;
        if let M::Terminate(_) = message {
            return Ok(Next::Close);
        }
        match message {
            M::Query(query) => {
                // A simple query ends the skipping as well: it carries its own Sync.
                self.skip_to_sync = false;
                self.session.simple_query(&query.query, &mut self.output)?;
                self.ready_for_query();
            }
            M::Sync(_) => {
                self.skip_to_sync = false;
                self.session.sync(&mut self.output)?;
                self.ready_for_query();
            }
            // Everything is flushed before the next read anyway.
            M::Flush(_) => {}
            // Outside a COPY these mean nothing; PostgreSQL ignores them too.
            M::CopyData(_) | M::CopyDone(_) | M::CopyFail(_) => {}
            other if self.skip_to_sync => drop(other),
            other => self.handle_extended(other)?,
        }
        Ok(Next::Continue)
    }

    fn handle_extended(&mut self, message: PgWireFrontendMessage) -> PgResult<()> {
        use PgWireFrontendMessage as M;
        let (session, output) = (&mut self.session, &mut self.output);
        let result = match message {
            M::Parse(parse) => {
                session.parse(parse.name.as_deref().unwrap_or(""), &parse.query, &parse.type_oids, output)
            }
            M::Bind(bind) => session.bind(
                bind.portal_name.as_deref().unwrap_or(""),
                bind.statement_name.as_deref().unwrap_or(""),
                &bind.parameter_format_codes,
                &bind.parameters,
                &bind.result_column_format_codes,
                output,
            ),
            M::Describe(describe) => {
                let name = describe.name.as_deref().unwrap_or("");
                if describe.target_type == b'S' {
                    session.describe_statement(name, output)
                } else {
                    session.describe_portal(name, output)
                }
            }
            M::Execute(execute) => {
                let name = execute.name.as_deref().unwrap_or("");
                session.execute(name, u64::try_from(execute.max_rows).unwrap_or(0), output)
            }
            M::Close(close) => {
                session.close(close.target_type == b'S', close.name.as_deref().unwrap_or(""), output)
            }
            other => Err(crate::frame::violation(&format!("unexpected message: {other:?}"))),
        };
        self.settle(result)
    }

    /// An extended-protocol error has been reported by the session; skip to Sync. Fatal errors
    /// pass on and end the connection.
    fn settle(&mut self, result: PgResult<()>) -> PgResult<()> {
        match result {
            Err(error) if error.fields().severity < Severity::Fatal => {
                self.skip_to_sync = true;
                Ok(())
            }
            other => other,
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Send> Output<Link<S>> {
    async fn flush(&mut self, instance: &Instance) -> PgResult<()> {
        let (buffer, hold, link) = self.parts();
        write(&mut link.half, instance, buffer, hold).await
    }
}
