//! TLS servers that can be taken away and brought back.

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::runtime::Runtime;
use tokio::sync::Notify;
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;

use super::body::Body;

/// All the fakes of a test binary live on it.
pub static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(2).thread_name("fake").enable_all().build().unwrap()
});

/// Who answers.
pub trait Host: Send + Sync + 'static {
    /// What is shown to who connects to an address.
    fn tls(&self, local: IpAddr) -> Arc<ServerConfig>;

    /// Returns when a connection may be greeted: whether it is wanted at all.
    fn greet(&self, local: IpAddr) -> impl Future<Output = bool> + Send;

    /// A handshake was finished.
    fn met(&self, local: IpAddr);

    fn answer(
        self: Arc<Self>,
        connection: Arc<Connection>,
        request: Request<Incoming>,
    ) -> impl Future<Output = Response<Body>> + Send;
}

pub struct Connection {
    pub local: IpAddr,
    /// Ends it, whatever it does.
    pub kill: Notify,
}

pub struct Listener<H> {
    pub address: SocketAddr,
    host: Arc<H>,
    accepting: Mutex<Option<JoinHandle<()>>>,
    open: Arc<AtomicUsize>,
}

impl<H: Host> Listener<H> {
    pub fn start(address: SocketAddr, host: Arc<H>) -> Self {
        let mut listener = Self { address, host, accepting: Mutex::default(), open: Arc::default() };
        let socket = listen(address);
        listener.address = socket.local_addr().unwrap();
        listener.accept(socket);
        listener
    }

    fn accept(&self, socket: TcpListener) {
        let (host, open) = (Arc::clone(&self.host), Arc::clone(&self.open));
        let accepting = RUNTIME.spawn(async move {
            // Its connections end with it.
            let mut connections = JoinSet::new();
            loop {
                tokio::select! {
                    accepted = socket.accept() => {
                        let Ok((stream, _)) = accepted else { continue };
                        let guard = Guard::new(&open);
                        connections.spawn(converse(Arc::clone(&host), stream, guard));
                    }
                    Some(_) = connections.join_next() => {}
                }
            }
        });
        *self.accepting.lock().unwrap() = Some(accepting);
    }

    /// Refuses connections and drops those there are; returns when that is done.
    pub fn away(&self) {
        let Some(accepting) = self.accepting.lock().unwrap().take() else { return };
        accepting.abort();
        while !accepting.is_finished() || self.open.load(Ordering::SeqCst) > 0 {
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Listens again where it did.
    pub fn back(&self) {
        if self.accepting.lock().unwrap().is_none() {
            self.accept(listen(self.address));
        }
    }

    /// Connections that are open now.
    pub fn open(&self) -> usize {
        self.open.load(Ordering::SeqCst)
    }
}

/// With room for a cluster's kubelets to be asked at once.
fn listen(address: SocketAddr) -> TcpListener {
    let _context = RUNTIME.enter();
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_reuseaddr(true).unwrap();
    socket.bind(address).unwrap();
    socket.listen(4096).unwrap()
}

impl<H> Drop for Listener<H> {
    fn drop(&mut self) {
        if let Some(accepting) = self.accepting.lock().unwrap().take() {
            accepting.abort();
        }
    }
}

async fn converse<H: Host>(host: Arc<H>, stream: TcpStream, _guard: Guard) -> Option<()> {
    stream.set_nodelay(true).ok()?;
    let local = stream.local_addr().ok()?.ip();
    let connection = Arc::new(Connection { local, kill: Notify::new() });
    let conversation = async {
        if !host.greet(local).await {
            return None;
        }
        let stream = TlsAcceptor::from(host.tls(local)).accept(stream).await.ok()?;
        host.met(local);
        let service = service_fn(|request| {
            let (host, connection) = (Arc::clone(&host), Arc::clone(&connection));
            async move { Ok::<_, std::convert::Infallible>(host.answer(connection, request).await) }
        });
        auto::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await.ok()
    };
    tokio::select! {
        ended = conversation => ended,
        () = connection.kill.notified() => None,
    }
}

/// Counts a connection for as long as it is there.
struct Guard(Arc<AtomicUsize>);

impl Guard {
    fn new(open: &Arc<AtomicUsize>) -> Self {
        open.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(open))
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}
