//! What stands where Prometheus should be, and does as it is told.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use rustls::pki_types::PrivateKeyDer;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// What was asked.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) headers: HashMap<String, String>,
    pub(super) form: Vec<(String, String)>,
}

impl Request {
    pub(super) fn value(&self, name: &str) -> Option<&str> {
        self.form.iter().find(|(own, _)| own == name).map(|(_, value)| &**value)
    }

    pub(super) fn query(&self) -> &str {
        self.value("query").or_else(|| self.value("match[]")).unwrap_or_default()
    }
}

/// What is done about it.
pub(super) enum Reply {
    /// An answer with a status line's end, and headers, and a body.
    Answer(String, String),
    /// Bytes as they are, and then the connection is closed.
    Raw(String),
    /// The same piece so many times between a beginning and an end.
    Stream(&'static str, fn(usize) -> String, usize, &'static str),
    /// Nothing, ever.
    Hang,
}

pub(super) fn ok(body: impl Into<String>) -> Reply {
    status("200 OK", body)
}

pub(super) fn status(status: &str, body: impl Into<String>) -> Reply {
    Reply::Answer(status.to_owned(), body.into())
}

/// The connection is closed.
pub(super) fn close() -> Reply {
    Reply::Raw(String::new())
}

/// A vector of these samples, each `[{labels},"value"]`'s parts.
pub(super) fn vector(samples: &[(&str, &str)]) -> Reply {
    let samples: Vec<String> = samples
        .iter()
        .map(|(labels, value)| format!(r#"{{"metric":{{{labels}}},"value":[1767225600.5,"{value}"]}}"#))
        .collect();
    let samples = samples.join(",");
    ok(format!(r#"{{"status":"success","data":{{"resultType":"vector","result":[{samples}]}}}}"#))
}

/// These series, each the inside of `{}`.
pub(super) fn series(all: &[&str]) -> Reply {
    let all: Vec<String> = all.iter().map(|labels| format!("{{{labels}}}")).collect();
    ok(format!(r#"{{"status":"success","data":[{}]}}"#, all.join(",")))
}

type Script = Arc<dyn Fn(&Request) -> Reply + Send + Sync>;

/// Prometheus's place.
#[derive(Clone)]
pub(super) struct Stub {
    pub(super) address: SocketAddr,
    script: Arc<Mutex<Script>>,
    heard: Arc<Mutex<Vec<Request>>>,
    tls: Option<Arc<Mutex<TlsAcceptor>>>,
}

impl Stub {
    pub(super) async fn new(script: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        Self::start(None, script).await
    }

    pub(super) async fn start(
        tls: Option<rustls::ServerConfig>,
        script: impl Fn(&Request) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let tls = tls.map(|tls| Arc::new(Mutex::new(TlsAcceptor::from(Arc::new(tls)))));
        let script: Script = Arc::new(script);
        let address = listener.local_addr().unwrap();
        let stub = Self { address, script: Arc::new(Mutex::new(script)), heard: Arc::default(), tls };
        let shared = stub.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let stub = shared.clone();
                tokio::spawn(async move {
                    let acceptor = stub.tls.as_ref().map(|tls| tls.lock().unwrap().clone());
                    match acceptor {
                        None => stub.converse(stream).await,
                        Some(acceptor) => match acceptor.accept(stream).await {
                            Ok(stream) => stub.converse(stream).await,
                            Err(_) => None,
                        },
                    }
                });
            }
        });
        stub
    }

    pub(super) fn url(&self) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }

    pub(super) fn becomes(&self, script: impl Fn(&Request) -> Reply + Send + Sync + 'static) {
        *self.script.lock().unwrap() = Arc::new(script);
    }

    /// From the next connection on.
    pub(super) fn shows(&self, tls: rustls::ServerConfig) {
        *self.tls.as_ref().unwrap().lock().unwrap() = TlsAcceptor::from(Arc::new(tls));
    }

    /// All that was asked so far.
    pub(super) fn heard(&self) -> Vec<Request> {
        self.heard.lock().unwrap().clone()
    }

    /// How often this was asked.
    pub(super) fn times(&self, query: &str) -> usize {
        self.heard.lock().unwrap().iter().filter(|request| request.query() == query).count()
    }

    async fn converse(&self, mut stream: impl AsyncRead + AsyncWrite + Unpin) -> Option<()> {
        let mut unread = Vec::new();
        loop {
            let request = request(&mut stream, &mut unread).await?;
            let reply = {
                self.heard.lock().unwrap().push(request.clone());
                let script = Arc::clone(&self.script.lock().unwrap());
                script(&request)
            };
            match reply {
                Reply::Answer(status, body) => {
                    let length = body.len();
                    let head = format!(
                        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n"
                    );
                    stream.write_all(format!("{head}{body}").as_bytes()).await.ok()?;
                }
                Reply::Raw(bytes) => {
                    stream.write_all(bytes.as_bytes()).await.ok()?;
                    return stream.shutdown().await.ok();
                }
                Reply::Stream(begin, piece, times, end) => {
                    let head = "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n";
                    stream.write_all(format!("{head}{begin}").as_bytes()).await.ok()?;
                    for thousand in 0..times / 1000 {
                        let pieces: String = (thousand * 1000..(thousand + 1) * 1000).map(piece).collect();
                        stream.write_all(pieces.as_bytes()).await.ok()?;
                    }
                    stream.write_all(end.as_bytes()).await.ok()?;
                    return stream.shutdown().await.ok();
                }
                Reply::Hang => std::future::pending().await,
            }
        }
    }
}

async fn request(stream: &mut (impl AsyncRead + Unpin), unread: &mut Vec<u8>) -> Option<Request> {
    let end = loop {
        if let Some(end) = memchr::memmem::find(unread, b"\r\n\r\n") {
            break end;
        }
        more(stream, unread).await?;
    };
    let head = String::from_utf8(unread.drain(..end + 4).collect()).unwrap();
    let mut lines = head.lines();
    let mut words = lines.next()?.split(' ');
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let headers = lines.filter_map(|line| line.split_once(": "));
    let headers: HashMap<String, String> =
        headers.map(|(name, value)| (name.to_lowercase(), value.to_owned())).collect();
    let length = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
    while unread.len() < length {
        more(stream, unread).await?;
    }
    let body: Vec<u8> = unread.drain(..length).collect();
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let given = if method == "POST" { &body } else { query.as_bytes() };
    let form = form_urlencoded::parse(given).map(|(name, value)| (name.into_owned(), value.into_owned())).collect();
    Some(Request { method, path: path.to_owned(), headers, form })
}

async fn more(stream: &mut (impl AsyncRead + Unpin), into: &mut Vec<u8>) -> Option<()> {
    let mut chunk = [0; 4096];
    let read = stream.read(&mut chunk).await.ok().filter(|read| *read > 0)?;
    into.extend_from_slice(&chunk[..read]);
    Some(())
}

/// A certificate of its own for 127.0.0.1.
pub(super) fn certificate() -> rcgen::CertifiedKey<rcgen::KeyPair> {
    rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap()
}

/// Who shows this certificate, and wants one that `client` vouches for, if that is given.
pub(super) fn server(
    own: &rcgen::CertifiedKey<rcgen::KeyPair>,
    client: Option<&rcgen::CertifiedKey<rcgen::KeyPair>>,
) -> rustls::ServerConfig {
    let key = PrivateKeyDer::try_from(own.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ServerConfig::builder_with_provider(Arc::clone(&provider));
    let builder = builder.with_safe_default_protocol_versions().unwrap();
    let builder = match client {
        None => builder.with_no_client_auth(),
        Some(client) => {
            let mut roots = rustls::RootCertStore::empty();
            roots.add(client.cert.der().clone()).unwrap();
            let verifier = rustls::server::WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            builder.with_client_cert_verifier(verifier.build().unwrap())
        }
    };
    builder.with_single_cert(vec![own.cert.der().clone()], key).unwrap()
}
