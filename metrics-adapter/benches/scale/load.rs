use std::io::Read as _;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper::Request;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::adapter::Adapter;
use crate::kubelets;
use crate::pki::Pki;
use crate::{RESOLUTION, Size};

/// The HPA controller has so many workers.
const WORKERS: u32 = 5;
const HPA: &str = "system:serviceaccount:kube-system:horizontal-pod-autoscaler";
const PROTOBUF: &str = "application/vnd.kubernetes.protobuf, */*";
/// One in so many answers is looked at.
const CHECKED: usize = 100;

/// What was answered.
pub(crate) struct Row {
    pub(crate) answers: usize,
    /// From when a question was due to the end of its answer, in milliseconds.
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) longest: f64,
    pub(crate) kilobytes: f64,
    pub(crate) wrong: usize,
    /// How old the oldest sample was, in seconds.
    pub(crate) oldest: f64,
}

/// An HPA in each namespace asks once a resolution for its pods' CPU, for some time.
pub(crate) fn ask(adapter: &Adapter, pki: &Pki, size: Size, span: Duration) -> Row {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (tls, began) = (pki.front_proxy(), Instant::now() + Duration::from_millis(500));
    let answers = Arc::<Mutex<Answers>>::default();
    let workers: Vec<_> = (0..WORKERS)
        .map(|worker| {
            let (tls, answers, address) = (Arc::clone(&tls), Arc::clone(&answers), adapter.api);
            runtime.spawn(async move {
                let mut connection = Connection::open(address, tls).await;
                let pace = RESOLUTION * WORKERS / size.namespaces as u32;
                let mut due = began + pace * worker / WORKERS;
                let mut number = worker as usize;
                while due < began + span {
                    tokio::time::sleep_until(due.into()).await;
                    let namespace = number * 7_919 % size.namespaces;
                    let checked = number.is_multiple_of(CHECKED);
                    let body =
                        connection.get(&path(namespace), if checked { "application/json" } else { PROTOBUF }).await;
                    let took = due.elapsed();
                    let mut answers = answers.lock().unwrap();
                    answers.bytes += body.len();
                    answers.took.push(took.as_secs_f64() * 1e3);
                    if checked {
                        answers.check(&body, namespace, size);
                    }
                    drop(answers);
                    (due, number) = (due + pace, number + WORKERS as usize);
                }
            })
        })
        .collect();
    runtime.block_on(async {
        for worker in workers {
            worker.await.unwrap();
        }
    });
    let mut answers = answers.lock().unwrap();
    answers.took.sort_by(f64::total_cmp);
    let count = answers.took.len();
    Row {
        answers: count,
        p50: answers.took[count / 2],
        p99: answers.took[count * 99 / 100],
        longest: answers.took[count - 1],
        kilobytes: answers.bytes as f64 / count as f64 / 1e3,
        wrong: answers.wrong,
        oldest: answers.oldest,
    }
}

/// How many pods' usage is known, of all namespaces together, by a look at some.
pub(crate) fn known(adapter: &Adapter, pki: &Pki, size: Size) -> usize {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut connection = Connection::open(adapter.api, pki.front_proxy()).await;
        let looked_at = size.namespaces / 10;
        let mut found = 0;
        for namespace in 0..looked_at {
            let body = connection.get(&path(namespace * 10), "application/json").await;
            let list: Value = serde_json::from_slice(&plain(&body)).unwrap();
            found += list["items"].as_array().map_or(0, Vec::len);
        }
        found * size.namespaces / looked_at
    })
}

/// All pods in one answer, as `kubectl top pods -A` asks for them: how long that takes, and how large it is.
pub(crate) fn all(adapter: &Adapter, pki: &Pki) -> (Duration, usize) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut connection = Connection::open(adapter.api, pki.front_proxy()).await;
        let began = Instant::now();
        let body = connection.get("/apis/metrics.k8s.io/v1beta1/pods", PROTOBUF).await;
        (began.elapsed(), body.len())
    })
}

fn path(namespace: usize) -> String {
    format!("/apis/metrics.k8s.io/v1beta1/namespaces/ns-{namespace:04}/pods?labelSelector=app%3Dweb")
}

#[derive(Default)]
struct Answers {
    took: Vec<f64>,
    bytes: usize,
    wrong: usize,
    oldest: f64,
}

impl Answers {
    fn check(&mut self, body: &[u8], namespace: usize, size: Size) {
        let list: Value = serde_json::from_slice(&plain(body)).unwrap();
        let items = list["items"].as_array().unwrap();
        self.wrong += usize::from(items.len() != size.pods() / size.namespaces);
        for (item, pod) in items.iter().zip((namespace..).step_by(size.namespaces)) {
            let cpu = format!("{}m", kubelets::millicores(pod % size.pods_a_node));
            let memory = format!("{}Mi", kubelets::MEMORY >> 20);
            let usage = &item["containers"][0]["usage"];
            let right = item["metadata"]["name"] == format!("web-6d4cf56db6-{pod:06}")
                && usage["cpu"] == cpu
                && usage["memory"] == memory;
            if !right && self.wrong == 0 {
                eprintln!("wrong: {item}");
            }
            self.wrong += usize::from(!right);
            let measured: Timestamp = item["timestamp"].as_str().unwrap().parse().unwrap();
            self.oldest = self.oldest.max(measured.duration_until(Timestamp::now()).as_secs_f64());
        }
    }
}

fn plain(body: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    if flate2::read::GzDecoder::new(body).read_to_end(&mut plain).is_err() {
        return body.to_owned();
    }
    plain
}

struct Connection(SendRequest<Empty<Bytes>>);

impl Connection {
    async fn open(address: std::net::SocketAddr, tls: Arc<ClientConfig>) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let stream = TlsConnector::from(tls).connect(name, stream).await.unwrap();
        let (sender, connection) = handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        Self(sender)
    }

    /// As the HPA controller asks, through the API server's front proxy.
    async fn get(&mut self, path: &str, accept: &str) -> Bytes {
        let request = Request::get(path)
            .header("host", "localhost")
            .header("accept", accept)
            .header("accept-encoding", "gzip")
            .header("x-remote-user", HPA)
            .header("x-remote-group", "system:serviceaccounts")
            .header("x-remote-group", "system:authenticated");
        let answer = self.0.send_request(request.body(Empty::new()).unwrap()).await.unwrap();
        let status = answer.status();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(status, 200, "{path}: {}", String::from_utf8_lossy(&body));
        body
    }
}
