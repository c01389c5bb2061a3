//! Two listeners: the APIs', with TLS if it was given certificates, and the operators'. Connections are limited
//! in number and in what they may make the server wait for; at the end they are drained.

mod idle;
mod ops;
mod tls;

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use metrics::{counter, describe_counter, describe_gauge, gauge};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::time::{sleep, timeout};
use tokio_io_timeout::TimeoutStream;
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt as _;
use tracing::{debug, warn};

use crate::auth::Peer;

use idle::Requests;

pub use ops::{Operators, router as ops_router};
pub use tls::acceptor;

/// The time that a client has for the handshake.
const HANDSHAKE: Duration = Duration::from_secs(5);
/// The time that a client has for a request's headers, and to ask again on a connection of HTTP/1.
const HEADERS: Duration = Duration::from_mins(1);
/// The time that a client has to take some of an answer.
const TAKING: Duration = Duration::from_secs(30);
/// How often a silent connection of HTTP/2 is asked whether it is still there.
const KEEP_ALIVE: Duration = Duration::from_secs(20);
/// A connection on which nothing comes for this long is closed. One of HTTP/2 that lives answers pings.
const SILENCE: Duration = Duration::from_mins(1);
/// The most headers of a request, in bytes: the aggregator sends two kilobytes.
const LARGEST_HEADERS: usize = 64 << 10;
/// Requests at once on one connection; the aggregator multiplexes everybody over one.
const STREAMS: u32 = 250;

/// How a listener serves.
#[derive(Clone)]
pub struct Serving {
    /// With TLS, or without.
    pub tls: Option<TlsAcceptor>,
    /// Connections at once; further ones wait in the kernel's queue.
    pub connections: usize,
    /// Connections of one address at once; further ones are closed. So nobody alone can take all places.
    pub per_address: usize,
    /// How long requests in flight may take at the end.
    pub drain: Duration,
    /// Whether its connections are counted: the metric is about the APIs' listener alone.
    pub counted: bool,
}

/// Names the families of this room, and makes their series exist.
pub fn describe_metrics() {
    describe_gauge!("metrics_adapter_connections", "Connections to the APIs' listener that are open.");
    describe_counter!("metrics_adapter_connection_errors_total", "Connections that were given up, by what failed.");
    gauge!("metrics_adapter_connections").set(0.0);
    for stage in ["accept", "handshake", "too_many"] {
        counter!("metrics_adapter_connection_errors_total", "stage" => stage).absolute(0);
    }
}

/// Takes an address; port 0 takes a free one.
pub async fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    TcpListener::bind(address).await
}

/// Serves until `stop` completes, then finishes what is in flight. Returns whether all of it was.
pub async fn serve(listener: TcpListener, router: Router, serving: Serving, stop: impl Future<Output = ()>) -> bool {
    let places = Arc::new(Semaphore::new(serving.connections));
    let (ends, ending) = watch::channel(false);
    // Each connection has one of the senders; when all are gone, so are they.
    let (open, mut closed) = mpsc::channel::<()>(1);
    let shares = Shares::default();
    let mut stop = std::pin::pin!(stop);
    loop {
        let next = async {
            // First a place, then a connection: the kernel's queue holds the others.
            let place = Arc::clone(&places).acquire_owned().await.ok();
            (place, listener.accept().await)
        };
        let (place, accepted) = tokio::select! {
            next = next => next,
            () = &mut stop => break,
        };
        match accepted {
            Ok((stream, from)) => {
                let Some(share) = Share::take(&shares, from.ip(), serving.per_address) else {
                    counter!("metrics_adapter_connection_errors_total", "stage" => "too_many").increment(1);
                    debug!("{from}: has {} connections already", serving.per_address);
                    continue;
                };
                let connection = connection(stream, router.clone(), serving.tls.clone(), ending.clone());
                let (counted, open) = (if serving.counted { 1.0 } else { 0.0 }, open.clone());
                tokio::spawn(async move {
                    gauge!("metrics_adapter_connections").increment(counted);
                    connection.await;
                    gauge!("metrics_adapter_connections").decrement(counted);
                    drop((place, share, open));
                });
            }
            Err(error) => {
                counter!("metrics_adapter_connection_errors_total", "stage" => "accept").increment(1);
                warn!("a connection could not be accepted: {error}");
                // Most likely there are no file descriptors; others have to be closed first.
                sleep(Duration::from_millis(100)).await;
            }
        }
    }
    drop((listener, open));
    ends.send_replace(true);
    timeout(serving.drain, closed.recv()).await.is_ok()
}

/// How many connections each address has.
type Shares = Arc<Mutex<HashMap<IpAddr, usize>>>;

/// One connection of an address, for as long as it is open.
struct Share(Shares, IpAddr);

impl Share {
    fn take(shares: &Shares, address: IpAddr, most: usize) -> Option<Self> {
        let mut open = shares.lock().unwrap_or_else(PoisonError::into_inner);
        let own = open.entry(address).or_default();
        if *own >= most {
            return None;
        }
        *own += 1;
        Some(Self(Arc::clone(shares), address))
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = open.get_mut(&self.1) {
            *own -= 1;
            if *own == 0 {
                open.remove(&self.1);
            }
        }
    }
}

async fn connection(stream: TcpStream, router: Router, tls: Option<TlsAcceptor>, ending: watch::Receiver<bool>) {
    // Answers are written whole. If this fails the connection is broken, which its first read will say.
    let _ = stream.set_nodelay(true);
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(TAKING));
    stream.set_read_timeout(Some(SILENCE));
    let stream = Box::pin(stream);
    let Some(tls) = tls else { return answer(stream, None, router, ending).await };
    match timeout(HANDSHAKE, tls.accept(stream)).await {
        Ok(Ok(stream)) => {
            let peer = stream.get_ref().1.peer_certificates().and_then(Peer::of);
            answer(stream, peer, router, ending).await;
        }
        failed => {
            counter!("metrics_adapter_connection_errors_total", "stage" => "handshake").increment(1);
            debug!(
                "handshake: {}",
                failed.map_or("too slow".to_owned(), |failed| failed
                    .err()
                    .map_or(String::new(), |error| error.to_string()))
            );
        }
    }
}

async fn answer(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    peer: Option<Arc<Peer>>,
    router: Router,
    mut ending: watch::Receiver<bool>,
) {
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEADERS).max_buf_size(LARGEST_HEADERS);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(KEEP_ALIVE)
        .max_concurrent_streams(STREAMS)
        .max_header_list_size(u32::try_from(LARGEST_HEADERS).unwrap_or(u32::MAX));
    let requests = Requests::default();
    let counted = requests.clone();
    // What the client has proven goes with each of its requests.
    let service = tower::service_fn(move |mut request: hyper::Request<hyper::body::Incoming>| {
        if let Some(peer) = &peer {
            request.extensions_mut().insert(Arc::clone(peer));
        }
        let (request, own) = (request.map(axum::body::Body::new), counted.begin());
        let answer = router.clone().oneshot(request);
        async move {
            let answer = answer.await;
            drop(own);
            answer
        }
    });
    let served = builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(service)).into_owned();
    let mut served = std::pin::pin!(served);
    let closes = async {
        tokio::select! {
            () = requests.cease() => {}
            _ = ending.wait_for(|ends| *ends) => {}
        }
    };
    let mut closes = std::pin::pin!(closes);
    let mut closing = false;
    let outcome = loop {
        tokio::select! {
            outcome = served.as_mut() => break outcome,
            () = &mut closes, if !closing => {
                closing = true;
                // What is in flight is answered, and nothing else taken.
                served.as_mut().graceful_shutdown();
            }
        }
    };
    if let Err(error) = outcome {
        // The client's doing.
        debug!("connection: {error}");
    }
}

#[cfg(test)]
mod tests;
