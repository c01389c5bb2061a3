use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rustls::ServerConfig;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::Size;
use crate::pki::Pki;

/// How often a kubelet measures.
const REFRESH: u64 = 10_000;

/// Kubelets that cost little to read, on a thread of this process; each has a loopback address of its own.
pub(crate) struct Kubelets {
    pub(crate) port: u16,
    fleet: Arc<Fleet>,
    _runtime: tokio::runtime::Runtime,
}

struct Fleet {
    page: Page,
    /// Each kubelet's own, for its address.
    configs: Vec<Arc<ServerConfig>>,
    /// When each was asked, since counting began.
    asked: Mutex<Vec<Vec<Instant>>>,
}

/// How they were read.
pub(crate) struct Rounds {
    pub(crate) readings: usize,
    /// How often the one was read that was read the least.
    pub(crate) least: usize,
    /// From one reading of a kubelet to the next, in seconds.
    pub(crate) median: f64,
    pub(crate) longest: f64,
    pub(crate) kilobytes: usize,
}

impl Kubelets {
    pub(crate) fn start(size: Size, pki: &Pki) -> Self {
        let configs = (0..size.nodes).map(|node| pki.server(address(node))).collect();
        let fleet = Arc::new(Fleet { page: Page::new(size), configs, asked: Mutex::new(vec![Vec::new(); size.nodes]) });
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        // One listener for all addresses, with room for all of them to be called at once.
        let listener = runtime.block_on(async {
            let socket = tokio::net::TcpSocket::new_v4().unwrap();
            socket.bind((Ipv4Addr::UNSPECIFIED, 0).into()).unwrap();
            socket.listen(8_192).unwrap()
        });
        let port = listener.local_addr().unwrap().port();
        runtime.spawn(accept(listener, Arc::clone(&fleet)));
        Self { port, fleet, _runtime: runtime }
    }

    /// From here on it is counted.
    pub(crate) fn begin(&self) {
        self.fleet.asked.lock().unwrap().iter_mut().for_each(Vec::clear);
    }

    pub(crate) fn end(&self) -> Rounds {
        let asked = self.fleet.asked.lock().unwrap();
        let gaps = asked.iter().flat_map(|times| times.windows(2).map(|pair| (pair[1] - pair[0]).as_secs_f64()));
        let mut gaps: Vec<f64> = gaps.collect();
        gaps.sort_by(f64::total_cmp);
        Rounds {
            readings: asked.iter().map(Vec::len).sum(),
            least: asked.iter().map(Vec::len).min().unwrap(),
            median: gaps[gaps.len() / 2],
            longest: gaps[gaps.len() - 1],
            kilobytes: self.fleet.page.text.len() / 1000,
        }
    }
}

pub(crate) fn address(node: usize) -> IpAddr {
    let octet = |value: usize| u8::try_from(value).unwrap();
    Ipv4Addr::new(127, 20, octet(node / 250), octet(node % 250 + 1)).into()
}

fn node_at(address: IpAddr) -> usize {
    let IpAddr::V4(address) = address else { panic!("{address}") };
    let [_, _, high, low] = address.octets();
    usize::from(high) * 250 + usize::from(low) - 1
}

async fn accept(listener: TcpListener, fleet: Arc<Fleet>) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let fleet = Arc::clone(&fleet);
        tokio::spawn(async move { serve(stream, &fleet).await });
    }
}

async fn serve(stream: TcpStream, fleet: &Fleet) {
    let _ = stream.set_nodelay(true);
    let node = node_at(stream.local_addr().unwrap().ip());
    let acceptor = TlsAcceptor::from(Arc::clone(&fleet.configs[node]));
    let Ok(mut stream) = acceptor.accept(stream).await else { return };
    let mut request = [0; 1024];
    loop {
        let mut read = 0;
        while !request[..read].ends_with(b"\r\n\r\n") {
            match stream.read(&mut request[read..]).await {
                Ok(0) | Err(_) => return,
                Ok(more) => read += more,
            }
        }
        assert!(request.starts_with(b"GET /metrics/resource HTTP/1.1\r\n"));
        fleet.asked.lock().unwrap()[node].push(Instant::now());
        let body = fleet.page.of(node);
        let length = body.len();
        let head =
            format!("HTTP/1.1 200 OK\r\ncontent-type: text/plain; version=0.0.4\r\ncontent-length: {length}\r\n\r\n");
        let answer = [head.as_bytes(), &body].concat();
        if stream.write_all(&answer).await.is_err() || stream.flush().await.is_err() {
            return;
        }
    }
}

/// A kubelet's page, with places for what differs from one to the next.
struct Page {
    size: Size,
    text: Vec<u8>,
    /// Where a field of that many digits stands, and what is to be in it.
    fields: Vec<(usize, usize, Field)>,
    started: u64,
}

#[derive(Clone, Copy)]
enum Field {
    /// The number of the pod at that place on the node.
    Pod(usize),
    /// The number of its namespace.
    Namespace(usize),
    /// When it was measured, in milliseconds since 1970.
    Stamp,
    /// The whole CPU seconds that the pod at that place has used, and the thousandths beside them.
    Cpu(usize),
    CpuThousandths(usize),
}

/// Every pod has one container; that at a place on its node uses so many thousandths of a core.
pub(crate) fn millicores(place: usize) -> u64 {
    10 * (place as u64 + 1)
}

/// What every container has.
pub(crate) const MEMORY: u64 = 50 << 20;

impl Page {
    /// As the kubelet of Kubernetes 1.36 writes it.
    fn new(size: Size) -> Self {
        let mut page = Self { size, text: Vec::new(), fields: Vec::new(), started: now() };
        let families = [
            (
                "container_cpu_usage_seconds_total",
                "counter",
                "Cumulative cpu time consumed by the container in core-seconds",
            ),
            ("container_memory_working_set_bytes", "gauge", "Current working set of the container in bytes"),
            ("container_start_time_seconds", "gauge", "Start time of the container since unix epoch in seconds"),
            ("container_swap_limit_bytes", "gauge", "Current amount of the container swap limit in bytes"),
            ("container_swap_usage_bytes", "gauge", "Current amount of the container swap usage in bytes"),
            ("node_cpu_usage_seconds_total", "counter", "Cumulative cpu time consumed by the node in core-seconds"),
            ("node_memory_working_set_bytes", "gauge", "Current working set of the node in bytes"),
            ("pod_cpu_usage_seconds_total", "counter", "Cumulative cpu time consumed by the pod in core-seconds"),
            ("pod_memory_working_set_bytes", "gauge", "Current working set of the pod in bytes"),
            ("pod_swap_usage_bytes", "gauge", "Current amount of the pod swap usage in bytes"),
            ("resource_scrape_error", "gauge", "1 if there was an error while getting container metrics, 0 otherwise"),
        ];
        for (name, kind, help) in families {
            page.add(&format!("# HELP {name} [STABLE] {help}\n# TYPE {name} {kind}\n"));
            if name.starts_with("node_") || name.starts_with("resource_") {
                page.sample(name, 0);
                continue;
            }
            for place in 0..size.pods_a_node {
                page.sample(name, place);
            }
        }
        page
    }

    fn add(&mut self, text: &str) {
        self.text.extend_from_slice(text.as_bytes());
    }

    fn field(&mut self, digits: usize, field: Field) {
        self.fields.push((self.text.len(), digits, field));
        self.text.resize(self.text.len() + digits, b'0');
    }

    fn sample(&mut self, name: &str, place: usize) {
        self.add(name);
        if !(name.starts_with("node_") || name.starts_with("resource_")) {
            self.add(if name.starts_with("container_") { "{container=\"app\"," } else { "{" });
            self.add("namespace=\"ns-");
            self.field(4, Field::Namespace(place));
            self.add("\",pod=\"web-6d4cf56db6-");
            self.field(6, Field::Pod(place));
            self.add("\"}");
        }
        self.add(" ");
        match name.split_once('_').unwrap().1 {
            "cpu_usage_seconds_total" => {
                self.field(7, Field::Cpu(place));
                self.add(".");
                self.field(3, Field::CpuThousandths(place));
                self.add("000001");
            }
            "memory_working_set_bytes" => self.add("5.24288e+07"),
            "start_time_seconds" => {
                self.add("1.7953479573447258e+09\n");
                return;
            }
            "scrape_error" => {
                self.add("0\n");
                return;
            }
            _ => self.add("0"),
        }
        self.add(" ");
        self.field(13, Field::Stamp);
        self.add("\n");
    }

    fn of(&self, node: usize) -> Vec<u8> {
        // Kubelets measure at times of their own.
        let phase = node as u64 * 7_919 % REFRESH;
        let stamp = (now() - phase) / REFRESH * REFRESH + phase;
        // Counted since a while before the start.
        let used = |place: usize| (stamp + 3_600_000 - self.started) * millicores(place) / 1000;
        let mut text = self.text.clone();
        for (at, digits, field) in &self.fields {
            let pod = |place: usize| node * self.size.pods_a_node + place;
            let mut value = match *field {
                Field::Pod(place) => pod(place) as u64,
                Field::Namespace(place) => self.size.namespace_of(pod(place)) as u64,
                Field::Stamp => stamp,
                Field::Cpu(place) => used(place) / 1000,
                Field::CpuThousandths(place) => used(place) % 1000,
            };
            for digit in text[*at..at + digits].iter_mut().rev() {
                *digit = b'0' + (value % 10) as u8;
                value /= 10;
            }
        }
        text
    }
}

fn now() -> u64 {
    let since: Duration = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    since.as_millis() as u64
}
