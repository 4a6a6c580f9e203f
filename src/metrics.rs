//! `/metrics` in Prometheus' text format, `/healthz` and `/readyz`.
//!
//! Sessions count as they go; what the volume and the buffer pool know is asked for when somebody asks. Without
//! the setting `redoubt.metrics_address` there is no recorder, and counting costs nothing.

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::CONTENT_TYPE;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use metrics::{counter, describe_counter, describe_gauge, gauge};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use redoubt_access::Engine;
use redoubt_client::Volume;
use redoubt_session::Instance;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::net::TcpListener;

/// Upper bounds of the commit wait's histogram, in seconds.
const WAIT_BOUNDS_S: [f64; 13] =
    [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0];
/// How often what histograms have gathered is added up, so that it stays small when nobody asks.
const UPKEEP: Duration = Duration::from_secs(5);

/// The recorder, and where its numbers are asked for.
pub(crate) struct MetricsServer {
    handle: PrometheusHandle,
    listener: TcpListener,
}

/// What is asked when somebody asks.
struct Sources {
    handle: PrometheusHandle,
    volume: Volume,
    engine: Arc<Engine>,
    instance: Arc<Instance>,
    stopping: AtomicBool,
}

impl MetricsServer {
    /// Takes the address and installs the recorder. Called before anything is counted.
    pub(crate) async fn bind(address: &str) -> Result<MetricsServer, String> {
        let address: SocketAddr = address
            .parse()
            .map_err(|_| format!("redoubt.metrics_address: \"{address}\" is not an address with a port"))?;
        let listener = TcpListener::bind(address)
            .await
            .map_err(|error| format!("could not listen for metrics on {address}: {error}"))?;
        let handle = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Full("redoubt_commit_wait_seconds".into()), &WAIT_BOUNDS_S)
            .and_then(PrometheusBuilder::install_recorder)
            .map_err(|error| format!("metrics: {error}"))?;
        describe();
        Ok(MetricsServer { handle, listener })
    }

    /// Answers until the runtime ends.
    pub(crate) fn serve(self, volume: Volume, engine: Arc<Engine>, instance: Arc<Instance>) -> Stop {
        let MetricsServer { handle, listener } = self;
        let upkeep = handle.clone();
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(UPKEEP).await;
                upkeep.run_upkeep();
            }
        });
        let stopping = AtomicBool::new(false);
        let sources = Arc::new(Sources { handle, volume, engine, instance, stopping });
        let served = sources.clone();
        tokio::spawn(async move {
            loop {
                match listener.accept().await {
                    Ok((stream, _)) => {
                        tokio::spawn(answer_on(TokioIo::new(stream), served.clone()));
                    }
                    Err(error) => {
                        tracing::warn!(%error, "a connection for metrics was not accepted");
                        tokio::time::sleep(Duration::from_millis(100)).await;
                    }
                }
            }
        });
        Stop(sources)
    }
}

/// Tells `/readyz` that the server stops, when dropped.
pub(crate) struct Stop(Arc<Sources>);

impl Drop for Stop {
    fn drop(&mut self) {
        self.0.stopping.store(true, Ordering::Relaxed);
    }
}

async fn answer_on(stream: TokioIo<tokio::net::TcpStream>, sources: Arc<Sources>) {
    let service = service_fn(move |request| {
        let sources = sources.clone();
        async move { Ok::<_, Infallible>(answer(&request, &sources)) }
    });
    let mut server = hyper::server::conn::http1::Builder::new();
    server.timer(hyper_util::rt::TokioTimer::new()).header_read_timeout(Duration::from_secs(10));
    if let Err(error) = server.serve_connection(stream, service).await {
        tracing::debug!(%error, "a connection for metrics ended");
    }
}

fn answer(request: &Request<Incoming>, sources: &Sources) -> Response<Full<Bytes>> {
    let (status, body) = match (request.method(), request.uri().path()) {
        (&Method::GET, "/metrics") => (StatusCode::OK, sources.render()),
        (&Method::GET, "/healthz") => (StatusCode::OK, "ok\n".to_string()),
        (&Method::GET, "/readyz") if sources.stopping.load(Ordering::Relaxed) => {
            (StatusCode::SERVICE_UNAVAILABLE, "stopping\n".to_string())
        }
        (&Method::GET, "/readyz") => (StatusCode::OK, "ready\n".to_string()),
        (&Method::GET, _) => (StatusCode::NOT_FOUND, "/metrics, /healthz, /readyz\n".to_string()),
        _ => (StatusCode::METHOD_NOT_ALLOWED, "GET only\n".to_string()),
    };
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    let text = hyper::header::HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, text);
    response
}

fn describe() {
    describe_gauge!("redoubt_sessions", "Sessions now.");
    describe_counter!("redoubt_redo_bytes_total", "Bytes of changes written to each copy.");
    describe_counter!("redoubt_mtrs_total", "Mini-transactions appended to the log.");
    describe_counter!("redoubt_buffer_hits_total", "Pages asked for that were in shared_buffers.");
    describe_counter!("redoubt_page_reads_total", "Pages read from storage nodes.");
    describe_gauge!("redoubt_buffer_pages", "Pages in shared_buffers now.");
    describe_counter!("redoubt_hedged_reads_total", "Page reads for which a second segment was asked.");
    describe_gauge!("redoubt_vdl", "The durable end of the log (VDL), an LSN.");
    describe_gauge!("redoubt_unacked_bytes", "Bytes of redo that no write quorum has acknowledged.");
    describe_gauge!("redoubt_quorum_lag_records", "Records a node's segment is behind its group's quorum.");
    describe_gauge!("redoubt_segment_ready", "Whether a node's segment takes records: 1 or 0.");
}

impl Sources {
    fn render(&self) -> String {
        gauge!("redoubt_sessions").set(self.instance.session_count() as f64);
        let pool = self.engine.pool().stats();
        counter!("redoubt_mtrs_total").absolute(pool.mtrs);
        counter!("redoubt_buffer_hits_total").absolute(pool.hits);
        counter!("redoubt_page_reads_total").absolute(pool.pages_fetched);
        gauge!("redoubt_buffer_pages").set(pool.pages as f64);
        let status = self.volume.status();
        counter!("redoubt_redo_bytes_total").absolute(status.redo_bytes);
        counter!("redoubt_hedged_reads_total").absolute(status.hedged_reads);
        gauge!("redoubt_vdl").set(status.vdl.get() as f64);
        gauge!("redoubt_unacked_bytes").set(status.unacked_bytes as f64);
        for group in &status.groups {
            for segment in &group.segments {
                let labels = [("pg", group.pg.get().to_string()), ("node", segment.node.get().to_string())];
                let lag = group.pgcl.get().saturating_sub(segment.view.scl.get());
                gauge!("redoubt_quorum_lag_records", &labels).set(lag as f64);
                gauge!("redoubt_segment_ready", &labels).set(if segment.view.ready { 1.0 } else { 0.0 });
            }
        }
        self.handle.render()
    }
}
