use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;
use ureq::http::{HeaderMap, HeaderName, HeaderValue};

use super::{Reply, Server};

impl Server {
    /// A connection of one's own.
    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        stream
    }

    /// Sends just these bytes, on a connection of their own, and reads an answer to its end.
    #[track_caller]
    pub(crate) fn speak(&self, bytes: impl AsRef<[u8]>) -> Reply {
        let mut stream = self.connect();
        // What a server refuses it need not have read.
        let _ = stream.write_all(bytes.as_ref());
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        parse(&answer)
    }

    /// Sends a request of any method to a path of any bytes that have no space.
    #[track_caller]
    pub(crate) fn ask(&self, method: &str, path: impl AsRef<[u8]>) -> Reply {
        let end = b" HTTP/1.1\r\nhost: conduit\r\nconnection: close\r\n\r\n".as_slice();
        self.speak([method.as_bytes(), b" ", path.as_ref(), end].concat())
    }
}

/// Reads one answer of a connection that may live on.
#[track_caller]
pub(crate) fn read_one(stream: &mut TcpStream) -> Reply {
    let mut answer = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        let read = stream.read(&mut chunk).unwrap();
        answer.extend_from_slice(&chunk[..read]);
        let head = String::from_utf8_lossy(&answer).to_ascii_lowercase();
        let length = head.split_once("content-length: ").and_then(|(_, rest)| rest.split_once("\r\n")?.0.parse().ok());
        let whole = head
            .find("\r\n\r\n")
            .zip(length)
            .is_some_and(|(end, length): (usize, usize)| answer.len() >= end + 4 + length);
        if whole || read == 0 {
            return parse(&answer);
        }
    }
}

#[track_caller]
fn parse(answer: &[u8]) -> Reply {
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n");
    let end = end.unwrap_or_else(|| panic!("no answer: {:?}", String::from_utf8_lossy(answer)));
    let head = std::str::from_utf8(&answer[..end]).unwrap();
    let mut lines = head.split("\r\n");
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let mut headers = HeaderMap::new();
    for (name, value) in lines.filter_map(|line| line.split_once(": ")) {
        headers.append(HeaderName::try_from(name).unwrap(), HeaderValue::try_from(value).unwrap());
    }
    let text = String::from_utf8(answer[end + 4..].to_vec()).unwrap();
    let json = serde_json::from_str(&text).unwrap_or(Value::Null);
    Reply { status, headers, text, json }
}
