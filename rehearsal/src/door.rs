//! The front door: an HTTP reverse proxy that gives each request to the next of the ready replicas.
//!
//! A replica that is taken out of the list gets no new request and finishes those it has. A request that no replica has
//! seen (its connection could not be made) goes to the next one; so does a GET or HEAD whose connection died before an
//! answer. A body of more than a mebibyte is sent once, as it comes. Whatever else fails is answered 502 or 503 and
//! counted.

mod body;
mod forward;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use forward::Client;

/// The ready replicas.
pub type Replicas = Arc<[SocketAddr]>;

/// What went through, since the start.
#[derive(Debug, Default)]
pub struct Counts {
    /// Answers of replicas.
    pub answered: AtomicU64,
    /// Attempts that were given to another replica.
    pub retried: AtomicU64,
    /// Requests that failed on their way: 502.
    pub failed: AtomicU64,
    /// Requests for which no replica was ready: 503.
    pub turned_away: AtomicU64,
}

/// The proxy.
#[derive(Debug)]
pub struct Door {
    replicas: watch::Receiver<Replicas>,
    next: AtomicUsize,
    client: Client,
    counts: Arc<Counts>,
}

impl Door {
    /// A door to the replicas that are ready at each moment.
    #[must_use]
    pub fn new(replicas: watch::Receiver<Replicas>) -> Self {
        Self { replicas, next: AtomicUsize::new(0), client: forward::client(), counts: Arc::default() }
    }

    /// What went through.
    #[must_use]
    pub fn counts(&self) -> Arc<Counts> {
        Arc::clone(&self.counts)
    }

    /// Serves until the task is dropped.
    pub async fn serve(self: Arc<Self>, listener: TcpListener) {
        loop {
            match listener.accept().await {
                Ok((stream, peer)) => {
                    tokio::spawn(Arc::clone(&self).connection(stream, peer));
                }
                // Too many open files, for one: whoever waits in the queue is served when some are closed.
                Err(_) => tokio::time::sleep(std::time::Duration::from_millis(20)).await,
            }
        }
    }

    async fn connection(self: Arc<Self>, stream: TcpStream, peer: SocketAddr) {
        drop(stream.set_nodelay(true));
        let service = service_fn(move |request| {
            let door = Arc::clone(&self);
            async move { Ok::<_, std::convert::Infallible>(door.forward(request, peer).await) }
        });
        // A client that goes away is not an error of the door.
        drop(http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service).await);
    }

    /// The replica whose turn it is, but none of those that were tried, if there is another.
    fn turn(&self, tried: &[SocketAddr]) -> Option<SocketAddr> {
        let replicas = self.replicas.borrow();
        let turn = self.next.fetch_add(1, Ordering::Relaxed).checked_rem(replicas.len())?;
        let (before, from) = replicas.split_at(turn);
        let mut in_turn = from.iter().chain(before);
        in_turn.clone().find(|replica| !tried.contains(replica)).or_else(|| in_turn.next()).copied()
    }
}
