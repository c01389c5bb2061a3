use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// Every target's port; each has a loopback address of its own, as pods have.
const PORT: u16 = 19_000;
/// About what conduit exposes.
const BYTES: usize = 30_000;
const SERIES: usize = 12;
const RATE: f64 = 100.0;

/// When each target's load stepped up, and how long after the fleet's start that was.
type Steps = Vec<Option<(Instant, f64)>>;

/// Targets that cost little to read, on a runtime of this process.
pub(crate) struct Fleet {
    started: Instant,
    /// Steps in the load of some targets.
    steps: Arc<Mutex<Steps>>,
    bytes: usize,
    _runtime: tokio::runtime::Runtime,
}

impl Fleet {
    pub(crate) fn start(targets: usize) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let (started, steps) = (Instant::now(), Arc::new(Mutex::new(vec![None; targets])));
        let rest = rest_of_the_exposition();
        let bytes = exposition(0.0, &rest).len();
        runtime.block_on(async {
            for target in 0..targets {
                let listener = TcpListener::bind(address(target)).await.unwrap();
                let (steps, rest) = (Arc::clone(&steps), Arc::clone(&rest));
                tokio::spawn(async move {
                    loop {
                        let (stream, _) = listener.accept().await.unwrap();
                        let (steps, rest) = (Arc::clone(&steps), Arc::clone(&rest));
                        tokio::spawn(async move { serve(stream, target, started, &steps, &rest).await });
                    }
                });
            }
        });
        Self { started, steps, bytes, _runtime: runtime }
    }

    pub(crate) fn exposition_bytes(&self) -> usize {
        self.bytes
    }

    /// From that moment on a target's load is ten times as high.
    pub(crate) fn step(&self, target: usize, at: Instant) {
        self.steps.lock().unwrap()[target] = Some((at, self.started.elapsed().as_secs_f64()));
    }

    /// What every target is asked before and after its step, a second.
    pub(crate) fn rates() -> (f64, f64) {
        (RATE, RATE * 10.0)
    }

    /// The targets file of the first pods.
    pub(crate) fn targets_file(pods: usize) -> String {
        let mut text = "pods:\n".to_owned();
        for pod in 0..pods {
            let (name, url, shard) = Self::pod(pod);
            text.push_str(&format!(
                "- {{name: {name}, namespace: bench, url: 'http://{url}/metrics', \
                 labels: {{app: web, shard: {shard}}}, owner: Deployment/web, services: [web]}}\n"
            ));
        }
        text
    }

    /// A pod's name, the address of its target, and the shard in its labels.
    pub(crate) fn pod(pod: usize) -> (String, SocketAddr, String) {
        (format!("web-6d4cf56db6-{pod:05}"), address(pod), format!("s{:02}", pod % 50))
    }
}

fn address(target: usize) -> SocketAddr {
    let octet = |value: usize| u8::try_from(value).unwrap();
    (Ipv4Addr::new(127, 10, octet(target / 250), octet(target % 250 + 1)), PORT).into()
}

/// What conduit exposes besides its requests, up to the size that is wanted.
fn rest_of_the_exposition() -> Arc<str> {
    let fixture = include_str!("../../tests/fixtures/conduit/metrics.prom");
    let lines = fixture.lines().filter(|line| !line.contains("http_requests_total"));
    let mut text = String::new();
    for line in lines {
        if text.len() > BYTES - SERIES * 90 {
            break;
        }
        text.push_str(line);
        text.push('\n');
    }
    text.into()
}

fn exposition(requests: f64, rest: &str) -> String {
    let mut text = "# TYPE http_requests_total counter\n".to_owned();
    for series in 0..SERIES {
        let each = requests / SERIES as f64;
        text.push_str(&format!(
            "http_requests_total{{method=\"GET\",route=\"/articles/{{slug}}/{series}\",status=\"200\"}} {each:.3}\n"
        ));
    }
    text + rest
}

async fn serve(mut stream: TcpStream, target: usize, started: Instant, steps: &Mutex<Steps>, rest: &str) {
    let _ = stream.set_nodelay(true);
    let mut request = [0; 1024];
    loop {
        let mut read = 0;
        while !request[..read].ends_with(b"\r\n\r\n") {
            match stream.read(&mut request[read..]).await {
                Ok(0) | Err(_) => return,
                Ok(more) => read += more,
            }
        }
        let step = steps.lock().unwrap()[target];
        let extra = step.map_or(0.0, |(at, _)| at.elapsed().as_secs_f64() * RATE * 9.0);
        let body = exposition(started.elapsed().as_secs_f64() * RATE + extra, rest);
        let length = body.len();
        let head =
            format!("HTTP/1.1 200 OK\r\ncontent-type: text/plain; version=0.0.4\r\ncontent-length: {length}\r\n\r\n");
        if stream.write_all((head + &body).as_bytes()).await.is_err() {
            return;
        }
    }
}
