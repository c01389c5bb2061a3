//! The APIs over TLS, with certificates that change while they are served.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::faults::PATIENT;
use crate::support::{Adapter, Counter, Target, eventually, pod};

struct Made {
    pem: String,
    key: String,
    der: CertificateDer<'static>,
}

/// A certificate for `localhost` that expires at the end of that year.
fn made(year: i32) -> Made {
    let mut parameters = rcgen::CertificateParams::new(["localhost".to_owned()]).unwrap();
    parameters.not_after = rcgen::date_time_ymd(year, 12, 31);
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = parameters.self_signed(&key).unwrap();
    Made { pem: certificate.pem(), key: key.serialize_pem(), der: certificate.der().clone() }
}

/// A connection of a client that trusts these; or why there is none.
fn connect(
    adapter: &Adapter,
    trusted: &[&Made],
) -> Result<BufReader<StreamOwned<ClientConnection, TcpStream>>, String> {
    let mut roots = RootCertStore::empty();
    for made in trusted {
        roots.add(made.der.clone()).unwrap();
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_root_certificates(roots).with_no_client_auth();
    let name = ServerName::try_from("localhost").unwrap();
    let mut connection = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut socket = TcpStream::connect(adapter.api.trim_start_matches("https://")).unwrap();
    while connection.is_handshaking() {
        connection.complete_io(&mut socket).map_err(|error| error.to_string())?;
    }
    Ok(BufReader::new(StreamOwned::new(connection, socket)))
}

fn shown(stream: &BufReader<StreamOwned<ClientConnection, TcpStream>>) -> CertificateDer<'static> {
    stream.get_ref().conn.peer_certificates().unwrap()[0].clone().into_owned()
}

/// The status line of an answer on a connection that stays.
fn ask(stream: &mut BufReader<StreamOwned<ClientConnection, TcpStream>>) -> String {
    stream.get_mut().write_all(b"GET /version HTTP/1.1\r\nhost: localhost\r\n\r\n").unwrap();
    let (mut status, mut length) = (String::new(), 0);
    stream.read_line(&mut status).unwrap();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).unwrap();
        if line == "\r\n" {
            break;
        }
        if let Some(value) = line.to_lowercase().strip_prefix("content-length: ") {
            length = value.trim().parse().unwrap();
        }
    }
    stream.read_exact(&mut vec![0; length]).unwrap();
    status.trim().to_owned()
}

fn serving(folder: &Path, made: &Made) -> (Adapter, Target) {
    let (certificate, key) = (folder.join("tls.crt"), folder.join("tls.key"));
    std::fs::write(&certificate, &made.pem).unwrap();
    std::fs::write(&key, &made.key).unwrap();
    let target = Counter::target(10.0);
    let arguments = ["--tls-cert-file", certificate.to_str().unwrap(), "--tls-private-key-file", key.to_str().unwrap()];
    let adapter = Adapter::start_with(Some(PATIENT), &format!("pods:\n{}", pod("web-1", &target.url, "")), &arguments);
    (adapter, target)
}

fn expiry(adapter: &Adapter) -> Option<f64> {
    adapter.metric("metrics_adapter_tls_certificate_expiry_timestamp_seconds")
}

fn is_right(adapter: &Adapter) -> Option<f64> {
    adapter.metric("metrics_adapter_config_last_reload_successful{file=\"tls\"}")
}

#[test]
fn a_certificate_that_is_replaced_is_shown_to_new_connections_and_cuts_off_none() {
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (made(2030), made(2031));
    let (adapter, _target) = serving(folder.path(), &first);
    assert_eq!(expiry(&adapter), Some(1_924_905_600.0), "the last day of 2030");
    let mut old = connect(&adapter, &[&first]).unwrap();
    assert_eq!(ask(&mut old), "HTTP/1.1 200 OK");

    // The certificate comes first, and does not go with the key that is still there: the ones before stay in force.
    std::fs::write(folder.path().join("tls.crt"), &second.pem).unwrap();
    eventually("a certificate without its key is noticed", || is_right(&adapter) == Some(0.0));
    assert_eq!(shown(&connect(&adapter, &[&first, &second]).unwrap()), first.der);
    let page = adapter.ops("/status.json").text();
    assert!(page.contains("tls.crt: does not go with its key"), "{page}");

    std::fs::write(folder.path().join("tls.key"), &second.key).unwrap();
    eventually("the new certificate is shown", || {
        connect(&adapter, &[&first, &second]).is_ok_and(|stream| shown(&stream) == second.der)
    });
    assert_eq!((is_right(&adapter), expiry(&adapter)), (Some(1.0), Some(1_956_441_600.0)));
    assert!(connect(&adapter, &[&first]).is_err(), "who trusts only the old one is told the truth");
    assert_eq!(ask(&mut old), "HTTP/1.1 200 OK", "who was connected still is");
}

#[test]
fn a_certificate_that_is_no_certificate_is_named_and_the_one_before_stays() {
    let folder = tempfile::tempdir().unwrap();
    let first = made(2030);
    let (adapter, target) = serving(folder.path(), &first);
    for (text, problem) in
        [("", "holds no certificate"), ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "tls.crt: ")]
    {
        std::fs::write(folder.path().join("tls.crt"), text).unwrap();
        eventually("it is named", || adapter.ops("/status.json").text().contains(problem));
        assert_eq!(ask(&mut connect(&adapter, &[&first]).unwrap()), "HTTP/1.1 200 OK");
    }
    std::fs::write(folder.path().join("tls.crt"), &first.pem).unwrap();
    eventually("it is right again", || is_right(&adapter) == Some(1.0));
    assert!(target.requests.load(Ordering::Relaxed) > 0);
}
