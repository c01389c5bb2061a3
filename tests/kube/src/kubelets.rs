//! Kubelets of many nodes behind one port: each node is an address of its own within 127.0.0.0/8.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Request, Response};
use rustls::ServerConfig;
use tokio::sync::{mpsc, watch};

use super::body::Body;
use super::exposition::NodeModel;
use super::listener::{Connection, Host, Listener};
use super::pki::{Leaf, Pair, Pki};

/// What is wrong with a node's kubelet.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum KubeletFault {
    #[default]
    None,
    /// Accepts, and never answers.
    Hang,
    Slow(Duration),
    Status(u16),
    /// Ends each connection at once, with an answer due or not.
    Gone,
    /// Half of the body, then the connection is gone.
    Cut,
    /// Bytes that are no text.
    Garbage,
}

#[derive(Default)]
struct Node {
    text: String,
    fault: KubeletFault,
    tls: Option<Arc<ServerConfig>>,
    requests: usize,
    handshakes: usize,
    user_agent: String,
}

struct Kubelets {
    pki: Arc<Pki>,
    nodes: Mutex<HashMap<IpAddr, Node>>,
    tokens: Mutex<HashMap<String, bool>>,
    /// Tells those that hang that something else may be wrong now.
    changed: watch::Sender<()>,
    http2: AtomicBool,
}

pub struct FakeKubelets {
    shared: Arc<Kubelets>,
    listener: Listener<Kubelets>,
    names: Mutex<HashMap<String, Ipv4Addr>>,
}

impl FakeKubelets {
    /// Their certificates are of the cluster's authority, for their addresses.
    pub fn start(pki: &Arc<Pki>) -> Self {
        let shared = Arc::new(Kubelets {
            pki: Arc::clone(pki),
            nodes: Mutex::default(),
            tokens: Mutex::default(),
            changed: watch::Sender::default(),
            http2: AtomicBool::new(true),
        });
        let listener = Listener::start((Ipv4Addr::UNSPECIFIED, 0).into(), Arc::clone(&shared));
        Self { shared, listener, names: Mutex::default() }
    }

    /// The same of all nodes.
    pub fn port(&self) -> u16 {
        self.listener.address.port()
    }

    /// A node's address, which it gets when it is first named.
    pub fn address(&self, node: &str) -> Ipv4Addr {
        let mut names = self.names.lock().unwrap();
        let next = u32::try_from(names.len()).unwrap();
        // 127.77.0.1 and on: nothing else listens there.
        *names.entry(node.to_owned()).or_insert_with(|| Ipv4Addr::from_bits(0x7f4d_0001 + next))
    }

    /// Lets a token read, or only be known: that is 403.
    pub fn token(&self, token: &str, may_read: bool) {
        self.shared.tokens.lock().unwrap().insert(token.to_owned(), may_read);
    }

    pub fn revoke(&self, token: &str) {
        self.shared.tokens.lock().unwrap().remove(token);
    }

    pub fn set(&self, node: &str, model: &NodeModel) {
        self.raw(node, model.text());
    }

    /// What it answers, whatever that is.
    pub fn raw(&self, node: &str, text: String) {
        self.of(node, |node| node.text = text);
    }

    pub fn fault(&self, node: &str, fault: KubeletFault) {
        self.of(node, |node| node.fault = fault);
        self.shared.changed.send_replace(());
    }

    /// Shows this certificate from the next connection on.
    pub fn certificate(&self, node: &str, pair: &Pair) {
        let config = pair.server_config(self.shared.protocols());
        self.of(node, |node| node.tls = Some(config));
    }

    /// As kubelets do by default: nobody vouches for it.
    pub fn self_signed(&self, node: &str) {
        self.certificate(node, &self.leaf(node).self_signed());
    }

    /// Of the right authority, for another address.
    pub fn wrong_name(&self, node: &str) {
        let leaf = Leaf::server(&format!("system:node:{node}"), &["192.0.2.99", "elsewhere"]);
        self.certificate(node, &self.shared.pki.cluster.issue(&leaf));
    }

    pub fn expired(&self, node: &str) {
        self.certificate(node, &self.shared.pki.cluster.issue(&self.leaf(node).expired()));
    }

    /// A good one again.
    pub fn usual_certificate(&self, node: &str) {
        self.of(node, |node| node.tls = None);
    }

    /// Speaks HTTP/1.1 only, with those who connect from now on.
    pub fn without_http2(&self) {
        self.shared.http2.store(false, Ordering::SeqCst);
        self.shared.nodes.lock().unwrap().values_mut().for_each(|node| node.tls = None);
    }

    pub fn requests(&self, node: &str) -> usize {
        self.of(node, |node| node.requests)
    }

    /// TLS handshakes that were finished.
    pub fn handshakes(&self, node: &str) -> usize {
        self.of(node, |node| node.handshakes)
    }

    /// Who asked last.
    pub fn user_agent(&self, node: &str) -> String {
        self.of(node, |node| node.user_agent.clone())
    }

    /// Of all nodes.
    pub fn all_requests(&self) -> usize {
        self.shared.nodes.lock().unwrap().values().map(|node| node.requests).sum()
    }

    /// Connections that are open now.
    pub fn connections(&self) -> usize {
        self.listener.open()
    }

    /// All of them, and their connections.
    pub fn away(&self) {
        self.listener.away();
    }

    pub fn back(&self) {
        self.listener.back();
    }

    fn of<T>(&self, node: &str, what: impl FnOnce(&mut Node) -> T) -> T {
        let address = IpAddr::V4(self.address(node));
        what(self.shared.nodes.lock().unwrap().entry(address).or_default())
    }

    fn leaf(&self, node: &str) -> Leaf {
        Leaf::server(&format!("system:node:{node}"), &[&self.address(node).to_string(), node])
    }
}

impl Kubelets {
    fn protocols(&self) -> &'static [&'static [u8]] {
        if self.http2.load(Ordering::SeqCst) { &[b"h2", b"http/1.1"] } else { &[b"http/1.1"] }
    }

    async fn hang(&self, local: IpAddr) {
        let mut changed = self.changed.subscribe();
        let hangs = || self.nodes.lock().unwrap().get(&local).is_some_and(|node| node.fault == KubeletFault::Hang);
        while hangs() {
            _ = changed.changed().await;
        }
    }

    /// 401 without a token that is known, 403 with one that may not.
    fn refusal(&self, request: &Request<Incoming>) -> Option<(u16, String)> {
        let authorization =
            request.headers().get("authorization").and_then(|value| value.to_str().ok()).unwrap_or_default();
        match self.tokens.lock().unwrap().get(authorization.strip_prefix("Bearer ").unwrap_or_default()) {
            None => Some((401, "Unauthorized".to_owned())),
            Some(true) => None,
            Some(false) => {
                let message = "Forbidden (user=system:serviceaccount:monitoring:metrics-adapter, verb=get, resource=nodes, \
                               subresource(s)=[metrics])";
                Some((403, message.to_owned()))
            }
        }
    }
}

impl Host for Kubelets {
    fn tls(&self, local: IpAddr) -> Arc<ServerConfig> {
        let mut nodes = self.nodes.lock().unwrap();
        let node = nodes.entry(local).or_default();
        let config = node.tls.get_or_insert_with(|| {
            let leaf = Leaf::server("system:node", &[&local.to_string()]);
            self.pki.cluster.issue(&leaf).server_config(self.protocols())
        });
        Arc::clone(config)
    }

    async fn greet(&self, local: IpAddr) -> bool {
        self.hang(local).await;
        self.nodes.lock().unwrap().get(&local).is_none_or(|node| node.fault != KubeletFault::Gone)
    }

    fn met(&self, local: IpAddr) {
        self.nodes.lock().unwrap().entry(local).or_default().handshakes += 1;
    }

    async fn answer(self: Arc<Self>, connection: Arc<Connection>, request: Request<Incoming>) -> Response<Body> {
        let local = connection.local;
        let (text, fault) = {
            let mut nodes = self.nodes.lock().unwrap();
            let node = nodes.entry(local).or_default();
            node.requests += 1;
            let agent = request.headers().get("user-agent").and_then(|value| value.to_str().ok());
            agent.unwrap_or_default().clone_into(&mut node.user_agent);
            (node.text.clone(), node.fault.clone())
        };
        self.hang(local).await;
        if fault == KubeletFault::Gone {
            connection.kill.notify_one();
            std::future::pending::<()>().await;
        }
        if let Some((status, message)) = self.refusal(&request) {
            return plain(status, message);
        }
        if request.uri().path() != "/metrics/resource" {
            return plain(404, "404 page not found\n");
        }
        if request.method() != "GET" {
            return plain(405, "405: Method Not Allowed");
        }
        match fault {
            KubeletFault::None | KubeletFault::Hang | KubeletFault::Gone => {}
            KubeletFault::Slow(delay) => tokio::time::sleep(delay).await,
            KubeletFault::Status(status) => return plain(status, "the test says so\n"),
            KubeletFault::Garbage => {
                return plain(200, [0xff, 0x00, 0x1f, 0x8b, b'{', b'\n', 0xc3, 0x28, b' ', b'='].repeat(100));
            }
            KubeletFault::Cut => return cut(&connection, &text),
        }
        let mut answer = plain(200, text);
        let media = "text/plain; version=0.0.4; charset=utf-8; escaping=underscores";
        answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media));
        answer
    }
}

fn plain(status: u16, body: impl Into<Bytes>) -> Response<Body> {
    let builder = Response::builder().status(status).header(CONTENT_TYPE, "text/plain; charset=utf-8");
    builder.body(Body::whole(body)).unwrap()
}

fn cut(connection: &Arc<Connection>, text: &str) -> Response<Body> {
    let (frames, receiver) = mpsc::channel(1);
    let (connection, half) = (Arc::clone(connection), Bytes::copy_from_slice(&text.as_bytes()[..text.len() / 2]));
    tokio::spawn(async move {
        _ = frames.send(half).await;
        // The half must be on the wire before the connection is taken away from under it.
        tokio::time::sleep(Duration::from_millis(50)).await;
        connection.kill.notify_one();
        // The body must not seem to be over before.
        frames.closed().await;
    });
    Response::builder().header(CONTENT_TYPE, "text/plain; version=0.0.4").body(Body::Stream(receiver)).unwrap()
}
