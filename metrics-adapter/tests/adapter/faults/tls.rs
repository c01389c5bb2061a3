//! Targets of `https://`: who vouches for them.

use std::io::{BufRead, BufReader, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rustls::pki_types::PrivateKeyDer;

use super::{Beside, PATIENT, RATE, is_right};
use crate::support::{Counter, Target};

/// A certificate that a target made for itself.
struct Certificate(rcgen::CertifiedKey<rcgen::KeyPair>);

impl Certificate {
    fn new() -> Self {
        Self(rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap())
    }

    /// As a file of authorities.
    fn file(&self) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(&file, self.0.cert.pem()).unwrap();
        file
    }

    /// A healthy target that shows it.
    fn target(&self) -> Target {
        let key = PrivateKeyDer::try_from(self.0.signing_key.serialize_der()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config =
            rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let config = config.with_no_client_auth().with_single_cert(vec![self.0.cert.der().clone()], key).unwrap();
        let (config, counter) = (Arc::new(config), Counter::growing(RATE));
        let mut target = Target::accepting(move |stream, count| {
            let connection = rustls::ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut stream = BufReader::new(rustls::StreamOwned::new(connection, stream));
            let (counter, count) = (counter.clone(), Arc::clone(count));
            std::thread::spawn(move || while answered(&mut stream, &counter, &count) {});
        });
        target.url = target.url.replace("http://", "https://");
        target
    }
}

fn answered(
    stream: &mut BufReader<rustls::StreamOwned<rustls::ServerConnection, std::net::TcpStream>>,
    counter: &Counter,
    count: &AtomicU64,
) -> bool {
    let mut line = String::new();
    while line != "\r\n" {
        line.clear();
        if stream.read_line(&mut line).unwrap_or(0) == 0 {
            return false;
        }
    }
    count.fetch_add(1, Ordering::Relaxed);
    let text = format!("http_requests_total {}\n", counter.value());
    let response = super::response("200 OK\r\ncontent-type: text/plain", &text);
    stream.get_mut().write_all(response.as_bytes()).is_ok()
}

fn with_tls(tls: &str) -> String {
    PATIENT.replace("timeout: 200ms", &format!("timeout: 200ms, tls: {{{tls}}}"))
}

#[track_caller]
fn is_read(config: &str, target: &Target) {
    let beside = Beside::healthy(config, &target.url);
    beside.until("right over TLS", |adapter| is_right(adapter, "bad"));
}

#[test]
fn https_needs_to_be_told_who_vouches() {
    let target = Certificate::new().target();
    let cause = "https:// needs scrape.tls in the configuration: caFile, or insecureSkipVerify";
    Beside::healthy(PATIENT, &target.url).bad_has_failed("tls", cause);
    assert_eq!(target.requests.load(Ordering::Relaxed), 0);
}

#[test]
fn a_certificate_is_believed_that_stands_in_the_file() {
    let certificate = Certificate::new();
    let file = certificate.file();
    is_read(&with_tls(&format!("caFile: {}", file.path().display())), &certificate.target());
}

#[test]
fn a_certificate_of_somebody_else_is_not_believed() {
    let (target, file) = (Certificate::new().target(), Certificate::new().file());
    let config = with_tls(&format!("caFile: {}", file.path().display()));
    Beside::healthy(&config, &target.url).bad_has_failed("tls", "invalid peer certificate");
    assert_eq!(target.requests.load(Ordering::Relaxed), 0, "it was told what is asked for");
}

#[test]
fn any_certificate_is_believed_where_that_is_wanted() {
    is_read(&with_tls("insecureSkipVerify: true"), &Certificate::new().target());
}

#[test]
fn a_target_that_is_asked_over_tls_and_does_not_speak_it() {
    let plain = Counter::target(RATE);
    let config = with_tls("insecureSkipVerify: true");
    let url = plain.url.replace("http://", "https://");
    Beside::healthy(&config, &url).bad_has_failed("tls", "tls handshake eof");
}
