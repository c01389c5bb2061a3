//! What stands where a Prometheus should be, and misbehaves.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use rustls::pki_types::PrivateKeyDer;

/// A request: its path, its headers in lower case, its form.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) headers: HashMap<String, String>,
    pub(super) form: HashMap<String, String>,
}

/// Writes what it likes. False closes the connection.
type Behave = Arc<dyn Fn(&Request, &mut dyn Write) -> bool + Send + Sync>;

/// Where a Prometheus should be.
pub(super) struct Stub {
    pub(super) address: SocketAddr,
    behave: Arc<Mutex<Behave>>,
    tls: Option<Arc<Mutex<Arc<rustls::ServerConfig>>>>,
    stopped: Arc<AtomicBool>,
    pub(super) queries: Arc<AtomicU64>,
    pub(super) last: Arc<Mutex<Option<Request>>>,
}

impl Stub {
    pub(super) fn new(behave: impl Fn(&Request, &mut dyn Write) -> bool + Send + Sync + 'static) -> Self {
        Self::listening("127.0.0.1:0".parse().unwrap(), None, behave)
    }

    /// With a certificate.
    pub(super) fn over_tls(
        pair: &rcgen::CertifiedKey<rcgen::KeyPair>,
        behave: impl Fn(&Request, &mut dyn Write) -> bool + Send + Sync + 'static,
    ) -> Self {
        Self::listening("127.0.0.1:0".parse().unwrap(), Some(server(pair)), behave)
    }

    /// At that address.
    pub(super) fn listening(
        address: SocketAddr,
        tls: Option<Arc<rustls::ServerConfig>>,
        behave: impl Fn(&Request, &mut dyn Write) -> bool + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        let stub = Self {
            address: listener.local_addr().unwrap(),
            behave: Arc::new(Mutex::new(Arc::new(behave))),
            tls: tls.map(|tls| Arc::new(Mutex::new(tls))),
            stopped: Arc::default(),
            queries: Arc::default(),
            last: Arc::default(),
        };
        let (behave, tls, stopped) = (Arc::clone(&stub.behave), stub.tls.clone(), Arc::clone(&stub.stopped));
        let (queries, last) = (Arc::clone(&stub.queries), Arc::clone(&stub.last));
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if stopped.load(Ordering::Relaxed) {
                    return;
                }
                let (behave, queries, last) = (Arc::clone(&behave), Arc::clone(&queries), Arc::clone(&last));
                let tls = tls.as_ref().map(|tls| Arc::clone(&tls.lock().unwrap()));
                let stopped = Arc::clone(&stopped);
                std::thread::spawn(move || {
                    let heard = |request: &Request, out: &mut dyn Write| {
                        if stopped.load(Ordering::Relaxed) {
                            return false;
                        }
                        if request.path.ends_with("/query") {
                            queries.fetch_add(1, Ordering::Relaxed);
                        }
                        *last.lock().unwrap() = Some(request.clone());
                        let behave = Arc::clone(&behave.lock().unwrap());
                        behave(request, out)
                    };
                    serve(stream, tls, &heard);
                });
            }
        });
        stub
    }

    /// From now on it does this.
    pub(super) fn becomes(&self, behave: impl Fn(&Request, &mut dyn Write) -> bool + Send + Sync + 'static) {
        *self.behave.lock().unwrap() = Arc::new(behave);
    }

    /// From the next connection on it shows this certificate.
    pub(super) fn shows(&self, pair: &rcgen::CertifiedKey<rcgen::KeyPair>) {
        *self.tls.as_ref().unwrap().lock().unwrap() = server(pair);
    }

    pub(super) fn url(&self) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }
}

impl Drop for Stub {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(self.address);
    }
}

fn server(pair: &rcgen::CertifiedKey<rcgen::KeyPair>) -> Arc<rustls::ServerConfig> {
    let key = PrivateKeyDer::try_from(pair.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    Arc::new(config.with_no_client_auth().with_single_cert(vec![pair.cert.der().clone()], key).unwrap())
}

fn serve(stream: TcpStream, tls: Option<Arc<rustls::ServerConfig>>, heard: &dyn Fn(&Request, &mut dyn Write) -> bool) {
    stream.set_nodelay(true).unwrap();
    match tls {
        None => converse(&mut BufReader::new(stream), heard),
        Some(tls) => {
            let connection = rustls::ServerConnection::new(tls).unwrap();
            converse(&mut BufReader::new(rustls::StreamOwned::new(connection, stream)), heard);
        }
    }
}

fn converse<S: Read + Write>(stream: &mut BufReader<S>, heard: &dyn Fn(&Request, &mut dyn Write) -> bool) {
    while let Some(request) = request(stream) {
        if !heard(&request, stream.get_mut()) {
            return;
        }
        let _ = stream.get_mut().flush();
    }
}

fn request(stream: &mut impl BufRead) -> Option<Request> {
    let mut line = String::new();
    stream.read_line(&mut line).ok()?;
    let mut words = line.split(' ');
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = HashMap::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).ok().filter(|read| *read > 0)?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.insert(name.to_lowercase(), value.trim().to_owned());
    }
    let length = headers.get("content-length").map_or(0, |length: &String| length.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let given = if body.is_empty() { query.as_bytes() } else { &body };
    let form = form_urlencoded::parse(given).map(|(name, value)| (name.into_owned(), value.into_owned())).collect();
    Some(Request { method, path: path.to_owned(), headers, form })
}

/// An answer with a status and a content type.
pub(super) fn answer(out: &mut dyn Write, status: &str, content_type: &str, body: &str) -> bool {
    let length = body.len();
    let head = format!("HTTP/1.1 {status}\r\ncontent-type: {content_type}\r\ncontent-length: {length}\r\n\r\n");
    out.write_all(head.as_bytes()).and_then(|()| out.write_all(body.as_bytes())).is_ok()
}

/// What Prometheus says of a query whose answer is one pod's value.
pub(super) fn value(value: &str) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64();
    format!(
        r#"{{"status":"success","data":{{"resultType":"vector","result":[{{"metric":{{"namespace":"shop","pod":"web-1"}},"value":[{now:.3},"{value}"]}}]}}}}"#
    )
}

/// A well-behaved one, whose answer is 7.
pub(super) fn healthy(request: &Request, out: &mut dyn Write) -> bool {
    let listing = request.path.ends_with("/series");
    let body = if listing { r#"{"status":"success","data":[]}"#.to_owned() } else { value("7") };
    answer(out, "200 OK", "application/json", &body)
}
