//! Load at a rate: requests are due at moments that do not depend on answers (an open model), and each latency is taken
//! from the moment its request was due, so that a server that stalls is charged for those who would have come meanwhile.
//!
//! A thread of its own sleeps from one due moment to the next; another one sends. What is measured is of fixed size,
//! however long it takes.

mod connection;
mod measure;
mod pace;
mod summary;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{Request, Uri};
use tokio::sync::watch;

pub use measure::{Failure, Interval, Measurements, Quantiles};
pub use summary::Summary;

use crate::profile::Profile;

/// A request, as it is sent.
pub type Outgoing = Request<Full<Bytes>>;

/// Where requests go.
#[derive(Clone, Debug)]
pub struct Destination {
    /// Host and port, for the `Host` header.
    pub authority: String,
    /// Its addresses, the first is taken.
    pub address: SocketAddr,
}

/// A destination that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{url}: {problem}")]
pub struct DestinationError {
    url: String,
    problem: String,
}

impl Destination {
    /// Where `http://host[:port]/…` is, and its path.
    pub async fn of(url: &str) -> Result<(Self, String), DestinationError> {
        let wrong = |problem: String| DestinationError { url: url.to_owned(), problem };
        let uri: Uri = url.parse().map_err(|error| wrong(format!("is not a URL: {error}")))?;
        match uri.scheme_str() {
            Some("http") => {}
            Some("https") => return Err(wrong("TLS is not spoken here; write http://".to_owned())),
            _ => return Err(wrong("is not of the form http://host/path".to_owned())),
        }
        let authority = uri.authority().ok_or_else(|| wrong("names no host".to_owned()))?;
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        let port = authority.port_u16().unwrap_or(80);
        // Browsers and curl know these names (RFC 6761, 6.3); not every resolver does.
        let known = if host.ends_with(".localhost") { "127.0.0.1" } else { host };
        let mut addresses =
            tokio::net::lookup_host((known, port)).await.map_err(|error| wrong(format!("{host}: {error}")))?;
        let address = addresses.next().ok_or_else(|| wrong(format!("{host} has no address")))?;
        let path = uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
        Ok((Self { authority: authority.to_string(), address }, path))
    }
}

/// What is sent, and who wants to know the answers.
pub trait Traffic: Send + 'static {
    /// The next request, with a note that its answer is brought back with.
    fn next(&mut self) -> (Outgoing, u64);

    /// The answer to a request; none if there was none.
    fn answered(&mut self, note: u64, answer: Option<(u16, &[u8])>);

    /// Whether an answer of that status is a failure.
    fn fails(&self, status: u16) -> bool {
        status >= 500
    }

    /// Whether the answer's body is wanted.
    fn reads(&self, _note: u64) -> bool {
        false
    }
}

/// The same GET again and again.
#[derive(Clone, Debug)]
pub struct Same {
    /// Path and query.
    pub path: String,
    /// For the `Host` header.
    pub authority: String,
}

impl Traffic for Same {
    fn next(&mut self) -> (Outgoing, u64) {
        let mut request = Request::new(Full::default());
        if let Ok(path) = self.path.parse() {
            *request.uri_mut() = path;
        }
        if let Ok(host) = self.authority.parse() {
            request.headers_mut().insert(hyper::header::HOST, host);
        }
        (request, 0)
    }

    fn answered(&mut self, _note: u64, _answer: Option<(u16, &[u8])>) {}
}

/// How requests are sent.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// From the moment a request was due.
    pub timeout: Duration,
    /// So many at once; one that would be more is not sent, and counted as such.
    pub in_flight: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { timeout: Duration::from_secs(10), in_flight: 5_000 }
    }
}

/// A load that runs on threads of its own.
#[derive(Debug)]
pub struct Load {
    measurements: Arc<Measurements>,
    sender: std::thread::JoinHandle<()>,
    stop: watch::Sender<bool>,
    /// When it began.
    pub began: Instant,
}

impl Load {
    /// Begins to send.
    pub fn start(
        profile: Profile,
        destination: Destination,
        traffic: impl Traffic,
        limits: Limits,
    ) -> std::io::Result<Self> {
        let measurements = Arc::new(Measurements::default());
        let (stop, stopped) = watch::channel(false);
        // What waits here is due; more than may be on its way at once would never be sent in time.
        let (due, dues) = tokio::sync::mpsc::channel(limits.in_flight);
        let began = Instant::now();
        let (pacer_stopped, paced) = (stopped.clone(), Arc::clone(&measurements));
        std::thread::Builder::new().name("load-pace".to_owned()).spawn(move || {
            pace::run(&profile, began, &due, &pacer_stopped, &paced);
        })?;
        let shared = Arc::clone(&measurements);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let sender = std::thread::Builder::new().name("load-send".to_owned()).spawn(move || {
            let local = tokio::task::LocalSet::new();
            runtime.block_on(local.run_until(connection::run(dues, destination, traffic, limits, shared, stopped)));
        })?;
        Ok(Self { measurements, sender, stop, began })
    }

    /// What was measured so far.
    #[must_use]
    pub fn measurements(&self) -> Arc<Measurements> {
        Arc::clone(&self.measurements)
    }

    /// Whether all was sent and answered.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.sender.is_finished()
    }

    /// Sends nothing more; what is on its way is still awaited.
    pub fn stop(&self) {
        self.stop.send_replace(true);
    }

    /// Waits until all that was sent is answered.
    pub async fn end(self) {
        // A panic of the sender has been printed by its thread.
        drop(tokio::task::spawn_blocking(move || self.sender.join()).await);
    }
}
