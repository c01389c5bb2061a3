//! A plain HTTP/1.1 client over TLS: what it sends is what a test says.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use serde_json::Value;

use super::pki::{self, Pair};

pub struct Client {
    /// Host and port.
    address: String,
    config: Arc<ClientConfig>,
    token: Option<String>,
    /// What the server's certificate must be made out to; the host, if nothing is said.
    name: Option<String>,
}

#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Reply {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(header, _)| header == name).map(|(_, value)| value.as_str())
    }
}

impl Client {
    pub fn new(url: &str, ca: &CertificateDer<'static>, token: Option<&str>) -> Self {
        Self::with_identity(url, ca, token, None)
    }

    /// Shows a client certificate.
    pub fn with_identity(url: &str, ca: &CertificateDer<'static>, token: Option<&str>, pair: Option<&Pair>) -> Self {
        let address = url.strip_prefix("https://").expect("https").trim_end_matches('/').to_owned();
        let config = Arc::new(pki::client_config(ca, pair, &[b"http/1.1"]));
        Self { address, config, token: token.map(str::to_owned), name: None }
    }

    /// Expects a certificate that is made out to this name.
    pub fn named(self, name: &str) -> Self {
        Self { name: Some(name.to_owned()), ..self }
    }

    pub fn connect(&self) -> std::io::Result<Wire> {
        let host = self.address.rsplit_once(':').expect("a port").0.to_owned();
        let host = self.name.clone().unwrap_or(host);
        let name = ServerName::try_from(host).expect("a name or an address");
        let connection = ClientConnection::new(Arc::clone(&self.config), name).expect("a valid configuration");
        let stream = TcpStream::connect(&self.address)?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        stream.set_nodelay(true)?;
        let stream = BufReader::new(StreamOwned::new(connection, stream));
        Ok(Wire { stream, host: self.address.clone(), token: self.token.clone() })
    }

    pub fn get(&self, path: &str) -> Reply {
        self.request("GET", path, &[], b"")
    }

    /// By a connection of its own.
    pub fn request(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
        self.connect().and_then(|mut wire| wire.request(method, path, headers, body)).expect("an answer")
    }

    pub fn send(&self, method: &str, path: &str, media: &str, body: &Value) -> Reply {
        self.request(method, path, &[("Content-Type", media)], body.to_string().as_bytes())
    }

    /// The events of a watch, as they come, until it ends or is broken off.
    pub fn watch(&self, path: &str, headers: &[(&str, &str)]) -> Events {
        let mut wire = self.connect().expect("a connection");
        let (status, head) = wire.start("GET", path, headers, b"").expect("an answer");
        let chunked = head.iter().any(|(name, value)| name == "transfer-encoding" && value == "chunked");
        Events { status, wire, chunked, clean: false, rest: Vec::new() }
    }
}

/// A connection.
pub struct Wire {
    stream: BufReader<StreamOwned<ClientConnection, TcpStream>>,
    host: String,
    token: Option<String>,
}

impl Wire {
    /// One request, and all of the answer; the connection can be used again.
    pub fn request(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> std::io::Result<Reply> {
        let (status, headers) = self.start(method, path, headers, body)?;
        let value = |wanted: &str| headers.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.clone());
        let mut body = Vec::new();
        if value("transfer-encoding").is_some() {
            while self.chunk(&mut body)? {}
        } else if let Some(length) = value("content-length") {
            body.resize(length.parse().expect("a length"), 0);
            self.stream.read_exact(&mut body)?;
        }
        Ok(Reply { status, headers, body })
    }

    fn start(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> std::io::Result<(u16, Vec<(String, String)>)> {
        let mut head = format!("{method} {path} HTTP/1.1\r\nHost: {}\r\nContent-Length: {}\r\n", self.host, body.len());
        if let Some(token) = &self.token {
            head += &format!("Authorization: Bearer {token}\r\n");
        }
        for (name, value) in headers {
            head += &format!("{name}: {value}\r\n");
        }
        let stream = self.stream.get_mut();
        stream.write_all(format!("{head}\r\n").as_bytes())?;
        stream.write_all(body)?;
        stream.flush()?;
        let first = self.line()?;
        let status = first.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.ok_or_else(|| std::io::Error::other(format!("no status: {first:?}")))?;
        let mut headers = Vec::new();
        loop {
            let line = self.line()?;
            let Some((name, value)) = line.split_once(':') else { return Ok((status, headers)) };
            headers.push((name.to_lowercase(), value.trim().to_owned()));
        }
    }

    fn line(&mut self) -> std::io::Result<String> {
        let mut line = String::new();
        self.stream.read_line(&mut line)?;
        if line.is_empty() { Err(std::io::ErrorKind::UnexpectedEof.into()) } else { Ok(line.trim_end().to_owned()) }
    }

    /// Whether it was not the last one.
    fn chunk(&mut self, body: &mut Vec<u8>) -> std::io::Result<bool> {
        let size = usize::from_str_radix(&self.line()?, 16).map_err(std::io::Error::other)?;
        let start = body.len();
        body.resize(start + size, 0);
        self.stream.read_exact(&mut body[start..])?;
        let mut end = [0; 2];
        self.stream.read_exact(&mut end)?;
        Ok(size > 0)
    }
}

/// Yields events; afterwards tells how it ended.
pub struct Events {
    pub status: u16,
    wire: Wire,
    chunked: bool,
    clean: bool,
    rest: Vec<u8>,
}

impl Events {
    /// Whether the answer was finished, and not broken off.
    pub fn ended_cleanly(&self) -> bool {
        self.clean && self.rest.is_empty()
    }

    /// What was left of an event when the connection went.
    pub fn rest(&self) -> String {
        String::from_utf8_lossy(&self.rest).into_owned()
    }
}

impl Iterator for Events {
    type Item = Value;

    fn next(&mut self) -> Option<Value> {
        loop {
            if let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.rest.drain(..=end).collect();
                return Some(serde_json::from_slice(&line).expect("an event is JSON"));
            }
            if self.clean || !self.chunked {
                return None;
            }
            match self.wire.chunk(&mut self.rest) {
                Ok(true) => {}
                Ok(false) => self.clean = true,
                Err(_) => return None,
            }
        }
    }
}
