use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// A target on a free port of this machine. Each connection has a thread of its own, which a handler is given
/// once a request; what it returns says whether the connection goes on.
pub(crate) struct Target {
    pub(crate) url: String,
    stopped: Arc<AtomicBool>,
    /// Requests so far.
    pub(crate) requests: Arc<AtomicU64>,
}

impl Target {
    /// A target that does with each request what it likes. False closes the connection.
    pub(crate) fn raw(handler: impl Fn(&mut TcpStream) -> bool + Send + Sync + 'static) -> Self {
        let handler = Arc::new(handler);
        Self::accepting(move |stream, count| {
            let (handler, count) = (Arc::clone(&handler), Arc::clone(count));
            std::thread::spawn(move || converse(stream, &*handler, &count));
        })
    }

    /// A target that does with each connection what it likes; it is the one to count requests.
    pub(crate) fn accepting(handler: impl Fn(TcpStream, &Arc<AtomicU64>) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/metrics", listener.local_addr().unwrap());
        let (stopped, requests) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (stop, count) = (Arc::clone(&stopped), Arc::clone(&requests));
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if stop.load(Ordering::Relaxed) {
                    return;
                }
                handler(stream, &count);
            }
        });
        Self { url, stopped, requests }
    }

    /// A target that answers 200 with this content type and what `text` gives.
    pub(crate) fn answering(content_type: &'static str, text: impl Fn() -> String + Send + Sync + 'static) -> Self {
        Self::raw(move |stream| {
            let body = text();
            let head =
                format!("HTTP/1.1 200 OK\r\ncontent-type: {content_type}\r\ncontent-length: {}\r\n\r\n", body.len());
            stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body.as_bytes())).is_ok()
        })
    }

    /// A target that says this.
    pub(crate) fn saying(text: impl Fn() -> String + Send + Sync + 'static) -> Self {
        Self::answering("text/plain; version=0.0.4", text)
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Relaxed);
        // The thread that accepts looks once more.
        let _ = TcpStream::connect(self.url.trim_start_matches("http://").trim_end_matches("/metrics"));
    }
}

fn converse(stream: TcpStream, handler: &(dyn Fn(&mut TcpStream) -> bool + Send + Sync), count: &AtomicU64) {
    stream.set_nodelay(true).unwrap();
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut stream = stream;
    loop {
        let mut line = String::new();
        loop {
            line.clear();
            match reader.read_line(&mut line) {
                Ok(0) | Err(_) => return,
                Ok(_) if line == "\r\n" => break,
                Ok(_) => {}
            }
        }
        count.fetch_add(1, Ordering::Relaxed);
        if !handler(&mut stream) {
            return;
        }
    }
}

/// A counter that grows by itself, at a rate, from now on.
#[derive(Clone)]
pub(crate) struct Counter {
    started: std::time::Instant,
    rate: f64,
}

impl Counter {
    pub(crate) fn growing(rate: f64) -> Self {
        Self { started: std::time::Instant::now(), rate }
    }

    pub(crate) fn value(&self) -> f64 {
        self.started.elapsed().as_secs_f64() * self.rate
    }

    /// A target whose requests grow at that rate.
    pub(crate) fn target(rate: f64) -> Target {
        let counter = Self::growing(rate);
        Target::saying(move || format!("http_requests_total{{method=\"GET\"}} {}\n", counter.value()))
    }
}

/// A pod of a targets file, in namespace `shop`, with label `app=web` and more fields.
pub(crate) fn pod(name: &str, url: &str, more: &str) -> String {
    format!("- {{name: {name}, namespace: shop, url: '{url}', labels: {{app: web}}, {more}}}\n")
}
