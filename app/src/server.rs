//! Two listeners: the API's, whose connections are limited, watched and drained, and the operators',
//! which answers from the first moment to the last.
//!
//! How the API's listener stops, so that nothing a client was let send is dropped:
//!
//! 1. *Draining*: still accepting; each answer says `Connection: close`.
//! 2. The kernel completes no further handshakes; those that it has completed are accepted.
//! 3. *Closing*: connections that are idle are closed, the others after the answer they are at.
//! 4. *Cut*: at the deadline, what is left.

mod connection;
mod listener;
mod ops;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use metrics::{counter, describe_counter, describe_gauge, gauge};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::time::{Instant, sleep, timeout};
use tracing::{info, warn};

use crate::config::{DrainSettings, Limits};
use crate::health::{Health, Phase};

pub use listener::Bound;
pub use ops::router as ops_router;

use connection::Connection;
use listener::Listener;

/// Names the families of this room, and makes their series exist.
pub fn describe_metrics() {
    describe_gauge!("http_connections", "Connections to the API that are open.");
    describe_counter!(
        "http_connections_closed_total",
        "Connections to the API that the server closed for a limit, by reason."
    );
    describe_counter!("http_accept_errors_total", "Connections that could not be accepted; the log says why.");
    gauge!("http_connections").set(0.0);
    counter!("http_accept_errors_total").absolute(0);
    connection::describe();
}

/// How far the server is in stopping.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Serving,
    Draining,
    Closing,
    Cut,
}

/// Serves the API until `stop` completes, then drains. Returns how many connections were cut off.
pub async fn serve(
    bound: Bound,
    router: Router,
    limits: Limits,
    drain: DrainSettings,
    health: Health,
    stop: impl Future<Output = ()>,
) -> io::Result<usize> {
    let (stage, _) = watch::channel(Stage::Serving);
    let (alive, gone) = mpsc::channel(1);
    let server = Server { router, limits, stage, alive, permits: Arc::new(Semaphore::new(limits.connections)) };
    let listener = bound.listen()?;
    health.enter(Phase::Serving);

    tokio::select! {
        never = server.accept_for_ever(&listener) => match never {},
        () = stop => {}
    }
    health.enter(Phase::Draining);
    info!("draining: requests in flight are finished, new connections are served for {:?} more", drain.linger);
    Ok(server.drain(listener, drain, gone).await)
}

struct Server {
    router: Router,
    limits: Limits,
    stage: watch::Sender<Stage>,
    /// Held by every connection; when all are gone, `gone` ends.
    alive: mpsc::Sender<Never>,
    permits: Arc<Semaphore>,
}

/// Nothing is ever sent on the channel that connections hold.
enum Never {}

impl Server {
    async fn accept_for_ever(&self, listener: &Listener) -> std::convert::Infallible {
        loop {
            // First a place, then a connection: the kernel's queue holds the others.
            let Ok(permit) = Arc::clone(&self.permits).acquire_owned().await else { std::future::pending().await };
            match listener.accept().await {
                Ok(stream) => self.spawn(stream, Some(permit)),
                Err(error) => {
                    counter!("http_accept_errors_total").increment(1);
                    warn!("a connection could not be accepted: {error}");
                    // Most likely there are no file descriptors; others have to be closed first.
                    sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }

    fn spawn(&self, stream: TcpStream, permit: Option<tokio::sync::OwnedSemaphorePermit>) {
        let connection = Connection::new(stream, self.router.clone(), self.limits, self.stage.subscribe());
        let alive = self.alive.clone();
        tokio::spawn(async move {
            gauge!("http_connections").increment(1.0);
            connection.serve().await;
            gauge!("http_connections").decrement(1.0);
            drop((permit, alive));
        });
    }

    async fn drain(self, listener: Listener, drain: DrainSettings, mut gone: mpsc::Receiver<Never>) -> usize {
        let deadline = Instant::now() + drain.timeout;
        self.stage.send_replace(Stage::Draining);
        let _ = timeout(drain.linger, self.accept_for_ever(&listener)).await;
        for stream in listener.refuse_and_empty().await {
            self.spawn(stream, None);
        }
        self.stage.send_replace(Stage::Closing);
        let Self { stage, alive, .. } = self;
        let left = alive.downgrade();
        drop(alive);
        if tokio::time::timeout_at(deadline, gone.recv()).await.is_ok() {
            return 0;
        }
        let cut = left.strong_count();
        stage.send_replace(Stage::Cut);
        // They only have to be dropped.
        let _ = timeout(Duration::from_secs(1), gone.recv()).await;
        cut
    }
}

/// Where a person can reach a listener from this machine.
#[must_use]
pub fn reachable(address: SocketAddr) -> SocketAddr {
    let mut address = address;
    if address.ip().is_unspecified() {
        address.set_ip(match address {
            SocketAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
        });
    }
    address
}
