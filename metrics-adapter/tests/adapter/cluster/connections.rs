use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::Command;
use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant};

use http_body_util::{BodyExt as _, Empty};
use hyper::body::Bytes;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::ServerName;
use rustls::{ClientConnection, StreamOwned};

use crate::support::eventually;
use crate::support::kube::pki;
use crate::support::stage::{AS_HPA, Door, HPA};

const NODES: &str = "/apis/metrics.k8s.io/v1beta1/nodes";

type Tls = StreamOwned<ClientConnection, TcpStream>;

impl Door {
    fn address(&self) -> &str {
        self.adapter.api.trim_start_matches("https://")
    }

    /// Bytes as a test has them, from the front proxy.
    fn raw(&self, protocol: &[u8]) -> Tls {
        let pair = self.stage.kube.pki().front_proxy_client();
        let config = Arc::new(pki::client_config(self.stage.authority(), Some(&pair), &[protocol]));
        let name = ServerName::try_from("127.0.0.1").unwrap();
        let mut connection = ClientConnection::new(config, name).unwrap();
        let mut stream = TcpStream::connect(self.address()).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        connection.complete_io(&mut stream).unwrap();
        assert_eq!(connection.alpn_protocol(), Some(protocol));
        StreamOwned::new(connection, stream)
    }

    /// The others are answered, and wait for no one's time limit.
    #[track_caller]
    fn answers(&self) {
        let began = Instant::now();
        let reply = self.stage.ask(&self.adapter, NODES);
        assert_eq!(reply.status, 200, "{}", reply.text());
        assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    }

    fn failed_handshakes(&self) -> f64 {
        self.adapter.metric("metrics_adapter_connection_errors_total{stage=\"handshake\"}").unwrap()
    }
}

#[test]
fn who_does_not_finish_a_handshake_or_a_request_keeps_nobody_waiting() {
    let door = Door::open(&[]);
    let began = Instant::now();
    let mut silent: Vec<TcpStream> = (0..50).map(|_| TcpStream::connect(door.address()).unwrap()).collect();
    // The first bytes of a ClientHello.
    silent.iter_mut().step_by(2).for_each(|stream| stream.write_all(&[0x16, 3, 1, 2, 0, 1, 0]).unwrap());
    let mut slow = door.raw(b"http/1.1");
    slow.write_all(format!("GET {NODES} HTTP/1.1\r\nHost: a\r\nX-Remote-User: {HPA}\r\n").as_bytes()).unwrap();
    slow.flush().unwrap();
    let mut slow2 = door.raw(b"h2");
    slow2.write_all(b"PRI * HTTP/2.0\r\n\r\nSM").unwrap();
    for _ in 0..10 {
        door.answers();
    }
    // Those who have shown nothing are let go after five seconds.
    for stream in &mut silent {
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let mut rest = Vec::new();
        assert!(stream.read_to_end(&mut rest).map_or(true, |_| rest.len() < 64), "{rest:?}");
    }
    let took = began.elapsed();
    assert!((Duration::from_secs(4)..Duration::from_secs(15)).contains(&took), "{took:?}");
    eventually("counted", || door.failed_handshakes() >= 50.0);
    // Who is slow within the time is answered.
    slow.write_all(b"Connection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    slow.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    door.answers();
}

#[test]
fn connections_above_the_limit_wait_until_others_have_gone() {
    let door = Door::open(&["--max-connections", "5"]);
    let open = || door.adapter.metric("metrics_adapter_connections").unwrap();
    eventually("alone", || open() < 0.5);
    let client = door.stage.front_proxy(&door.adapter);
    let mut wires: Vec<_> = (0..5).map(|_| client.connect().unwrap()).collect();
    for wire in &mut wires {
        assert_eq!(wire.request("GET", NODES, AS_HPA, b"").unwrap().status, 200);
    }
    assert!((open() - 5.0).abs() < 0.5);
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| client.request("GET", NODES, AS_HPA, b"").status);
        sleep(Duration::from_millis(500));
        assert!(!waiting.is_finished(), "there is a place for it");
        for wire in &mut wires {
            assert_eq!(wire.request("GET", NODES, AS_HPA, b"").unwrap().status, 200);
        }
        wires.pop();
        assert_eq!(waiting.join().unwrap(), 200);
    });
    // Probes have a listener of their own.
    assert_eq!(door.adapter.ops("/readyz").status, 200);
}

/// The statuses of all answers to these bytes.
fn statuses(door: &Door, bytes: &str) -> Vec<u16> {
    let mut stream = door.raw(b"http/1.1");
    stream.sock.set_read_timeout(Some(Duration::from_millis(700))).unwrap();
    // Who is refused may be hung up on before everything was sent.
    let _ = stream.write_all(bytes.as_bytes()).and_then(|()| stream.flush());
    let mut answer = Vec::new();
    let mut buffer = [0; 16 << 10];
    while let Ok(read @ 1..) = stream.read(&mut buffer) {
        answer.extend_from_slice(&buffer[..read]);
    }
    let text = String::from_utf8_lossy(&answer);
    text.match_indices("HTTP/1.").map(|(place, _)| text[place + 9..place + 12].parse().unwrap()).collect()
}

#[test]
fn requests_that_can_be_read_in_two_ways_give_nobody_what_another_may() {
    let door = Door::open(&[]);
    let close = "Connection: close\r\n";
    let get = |path: &str, headers: &str| format!("GET {path} HTTP/1.1\r\nHost: a\r\n{headers}\r\n");
    let eve = "X-Remote-User: eve\r\n";
    let hpa = format!("X-Remote-User: {HPA}\r\n");
    let inner = get(NODES, &hpa);
    assert_eq!(statuses(&door, &get(NODES, &format!("{hpa}{close}"))), [200]);
    assert_eq!(statuses(&door, &get(NODES, &format!("{eve}{close}"))), [403]);
    // In absolute form the path is what is asked for, and not the host.
    let absolute = |who: &str| get(&format!("https://elsewhere{NODES}"), &format!("{who}{close}"));
    assert_eq!(statuses(&door, &absolute(&hpa)), [200]);
    assert_eq!(statuses(&door, &absolute(eve)), [403]);
    let length = inner.len();
    let table = [
        ("two users", get(NODES, &format!("{eve}{hpa}{close}"))),
        ("two users in other cases", get(NODES, &format!("{eve}x-REMOTE-user: {HPA}\r\n{close}"))),
        ("a line's end alone", get(NODES, &format!("X-Remote-User: eve\nX-Remote-User: {HPA}\r\n{close}"))),
        ("a carriage return alone", get(NODES, &format!("X-Remote-User: eve\rX-Remote-User: {HPA}\r\n{close}"))),
        ("a folded line", get(NODES, &format!("X-Remote-User: eve\r\n X-Remote-User: {HPA}\r\n{close}"))),
        ("a folded name", get(NODES, &format!("{eve}X-Remote-Group: a\r\n\tX-Remote-User: {HPA}\r\n{close}"))),
        ("a space before the colon", get(NODES, &format!("{eve}X-Remote-User : {HPA}\r\n{close}"))),
        ("an underscore", get(NODES, &format!("{eve}X_Remote_User: {HPA}\r\n{close}"))),
        ("a null", get(NODES, &format!("X-Remote-User: eve\0\r\nX-Remote-User: {HPA}\r\n{close}"))),
        ("a user who is hop by hop", get(NODES, &format!("{eve}Connection: close, X-Remote-User\r\n"))),
        ("two hosts", get(NODES, &format!("{eve}Host: {HPA}\r\n{close}"))),
        (
            "an upgrade",
            get(
                NODES,
                &format!(
                    "{eve}Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\nConnection: Upgrade, HTTP2-Settings\r\n"
                ),
            ),
        ),
        ("HTTP/0.9", format!("GET {NODES}\r\n")),
        ("a host in front", format!("GET //a{NODES} HTTP/1.1\r\n{eve}{close}\r\n")),
        ("CONNECT", format!("CONNECT a:443 HTTP/1.1\r\nHost: a\r\n{eve}{close}\r\n{inner}")),
        ("two lengths", get(NODES, &format!("{eve}Content-Length: 0\r\nContent-Length: {length}\r\n")) + &inner),
        ("a length of two", get(NODES, &format!("{eve}Content-Length: 0, {length}\r\n")) + &inner),
        ("a length with a sign", get(NODES, &format!("{eve}Content-Length: +{length}\r\n")) + &inner),
        ("a length that is none", get(NODES, &format!("{eve}Content-Length: 0x0\r\n")) + &inner),
        ("an unknown encoding", get(NODES, &format!("{eve}Transfer-Encoding: xchunked\r\n")) + "0\r\n\r\n" + &inner),
        (
            "chunked, but not last",
            get(NODES, &format!("{eve}Transfer-Encoding: chunked, gzip\r\n")) + "0\r\n\r\n" + &inner,
        ),
        (
            "a length and an encoding",
            get(NODES, &format!("{eve}Content-Length: {}\r\nTransfer-Encoding: chunked\r\n", length + 5))
                + "0\r\n\r\n"
                + &inner,
        ),
        ("a chunk of no number", get(NODES, &format!("{eve}Transfer-Encoding: chunked\r\n")) + "0x0\r\n\r\n" + &inner),
        ("a body", get(NODES, &format!("{eve}Content-Length: {length}\r\n")) + &inner),
    ];
    for (what, bytes) in table {
        let answers = statuses(&door, &bytes);
        assert!(answers.iter().all(|status| [400, 401, 403, 404, 405].contains(status)), "{what}: {answers:?}");
        assert!(answers.len() <= 1, "{what}: {answers:?}");
    }
    door.answers();
}

/// A request of HTTP/2, field by field as a test has them, not compressed.
fn fields(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            integer(&mut block, text.len());
            block.extend(text.as_bytes());
        }
    }
    block
}

/// HPACK's integers, of seven bits and more.
fn integer(block: &mut Vec<u8>, mut value: usize) {
    if value < 127 {
        block.push(u8::try_from(value).unwrap());
        return;
    }
    block.push(127);
    value -= 127;
    while value >= 128 {
        block.push(u8::try_from(value % 128).unwrap() | 128);
        value /= 128;
    }
    block.push(u8::try_from(value).unwrap());
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// HEADERS of a stream, and CONTINUATIONs if they are long; the request ends with them.
fn headers(stream: u32, block: &[u8]) -> Vec<u8> {
    let chunks: Vec<&[u8]> = block.chunks(16 << 10).collect();
    let mut bytes = Vec::new();
    for (place, chunk) in chunks.iter().enumerate() {
        let last = if place + 1 == chunks.len() { 4 } else { 0 };
        let (kind, end) = if place == 0 { (1, 1) } else { (9, 0) };
        bytes.extend(frame(kind, last | end, stream, chunk));
    }
    bytes
}

/// Whether a request is answered with 200; anything else is a refusal, of the request or of the connection.
fn is_answered(tls: &mut Tls, stream: u32, block: &[u8]) -> bool {
    if tls.write_all(&headers(stream, block)).and_then(|()| tls.flush()).is_err() {
        return false;
    }
    loop {
        let mut head = [0; 9];
        if tls.read_exact(&mut head).is_err() {
            return false;
        }
        let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
        if tls.read_exact(&mut payload).is_err() {
            return false;
        }
        let of = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        match head[3] {
            // `:status: 200` is the eighth of HPACK's static table.
            1 if of == stream => return payload.iter().find(|byte| **byte & 0xe0 != 0x20) == Some(&0x88),
            3 if of == stream => return false,
            7 => return false,
            _ => {}
        }
    }
}

fn start(door: &Door) -> Tls {
    let mut tls = door.raw(b"h2");
    tls.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").unwrap();
    tls.write_all(&frame(4, 0, 0, &[])).unwrap();
    tls
}

const PSEUDO: [(&str, &str); 4] = [(":method", "GET"), (":scheme", "https"), (":authority", "a"), (":path", NODES)];

#[test]
fn tricks_with_the_fields_of_http2_give_nobody_what_another_may() {
    let door = Door::open(&[]);
    let plain = |more: &[(&str, &str)]| fields(&[&PSEUDO, more].concat());
    let (eve, hpa) = (("x-remote-user", "eve"), ("x-remote-user", HPA));
    let mut tls = start(&door);
    assert!(is_answered(&mut tls, 1, &plain(&[hpa])), "as it should be");
    assert!(!is_answered(&mut tls, 3, &plain(&[eve])), "who may not");
    assert!(is_answered(&mut tls, 5, &plain(&[hpa])), "the same connection goes on");
    let injected = format!("eve\r\nx-remote-user: {HPA}");
    let name = format!("x-remote-user: {HPA}\r\nx");
    let table: Vec<(&str, Vec<u8>)> = vec![
        ("two users", plain(&[eve, hpa])),
        ("two users, the other way round", plain(&[hpa, eve])),
        ("a name in other cases", plain(&[("X-Remote-User", HPA)])),
        ("a user in each case", plain(&[eve, ("X-REMOTE-USER", HPA)])),
        ("a line's end in a value", plain(&[("x-remote-user", &injected)])),
        ("a line's end in a name", plain(&[(&name, "y"), eve])),
        ("a colon in a name", plain(&[("x-remote-user:", HPA)])),
        ("a space in a name", plain(&[("x-remote-user ", HPA)])),
        ("an empty name", plain(&[hpa, ("", "x")])),
        ("two paths", fields(&[&PSEUDO[..], &[(":path", "/healthz"), hpa]].concat())),
        ("two methods", fields(&[&PSEUDO[..], &[(":method", "HEAD"), hpa]].concat())),
        ("a path after the fields", fields(&[&PSEUDO[..3], &[hpa, PSEUDO[3]]].concat())),
        ("no path", fields(&[&PSEUDO[..3], &[hpa]].concat())),
        ("an empty path", fields(&[&PSEUDO[..3], &[(":path", ""), hpa]].concat())),
        ("a path without a slash", fields(&[&PSEUDO[..3], &[(":path", &NODES[1..]), hpa]].concat())),
        ("an unknown pseudo-field", fields(&[&PSEUDO[..], &[(":user", HPA), hpa]].concat())),
        ("an answer's field", fields(&[&PSEUDO[..], &[(":status", "200"), hpa]].concat())),
        ("no method", fields(&[&PSEUDO[1..], &[hpa]].concat())),
        ("a field of the connection", plain(&[hpa, ("connection", "x-remote-user")])),
        ("an encoding of the transfer", plain(&[hpa, ("transfer-encoding", "chunked")])),
        ("a length that is not kept", plain(&[hpa, ("content-length", "5")])),
        ("no HPACK", vec![0xff; 40]),
        ("CONNECT", fields(&[(":method", "CONNECT"), (":authority", "a:443"), hpa])),
    ];
    for (what, block) in table {
        let mut tls = start(&door);
        assert!(!is_answered(&mut tls, 1, &block), "{what}");
    }
    door.answers();
}

#[test]
fn fields_that_are_too_many_are_refused_and_cost_no_memory() {
    let door = Door::open(&[]);
    let before = door.adapter.resident_bytes();
    let large = "x".repeat(100 << 10);
    let many: Vec<(String, String)> = (0..3000).map(|number| (format!("x-{number}"), "y".repeat(30))).collect();
    let many: Vec<(&str, &str)> = many.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let own = [("x-remote-user", HPA)];
    // One field, which is said once and referred to 16,000 times.
    let mut bomb = fields(&[&PSEUDO[..], &own].concat());
    bomb.push(0x40);
    for text in ["bomb", &"x".repeat(4000)] {
        integer(&mut bomb, text.len());
        bomb.extend(text.as_bytes());
    }
    bomb.extend(vec![0xbe; 16_000]);
    let table = [
        ("a large one", fields(&[&PSEUDO[..], &own, &[("x-large", &large)]].concat())),
        ("many", fields(&[&PSEUDO[..], &own, &many].concat())),
        ("one, again and again", bomb),
    ];
    for (what, block) in table {
        let mut tls = start(&door);
        assert!(!is_answered(&mut tls, 1, &block), "{what}");
        door.answers();
    }
    // CONTINUATIONs without end.
    let mut tls = start(&door);
    tls.write_all(&frame(1, 1, 1, &fields(&PSEUDO))).unwrap();
    let more = frame(9, 0, 1, &fields(&[("x", &"y".repeat(16_000))]));
    let sent = (0..4000).take_while(|_| tls.write_all(&more).and_then(|()| tls.flush()).is_ok()).count();
    assert!(sent < 4000, "64 MB of fields were taken");
    door.answers();
    let grown = door.adapter.resident_bytes().saturating_sub(before);
    assert!(grown < 64 << 20, "{grown} bytes");
}

#[test]
fn one_connection_of_http2_carries_the_questions_of_many() {
    let door = Door::open(&[]);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let pair = door.stage.kube.pki().front_proxy_client();
    let config = pki::client_config(door.stage.authority(), Some(&pair), &[b"h2", b"http/1.1"]);
    runtime.block_on(async {
        let stream = tokio::net::TcpStream::connect(door.address()).await.unwrap();
        let name = ServerName::try_from("127.0.0.1").unwrap();
        let tls = tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap();
        assert_eq!(tls.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
        let handshake = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(tls));
        let (sender, connection) = handshake.await.unwrap();
        tokio::spawn(connection);
        let ask = |user: &'static str| {
            let mut sender = sender.clone();
            let request = hyper::Request::get(format!("https://metrics-adapter.monitoring.svc{NODES}"));
            // As the aggregator writes it; HTTP/2 has no capitals.
            let request = request.header("X-Remote-User", user).body(Empty::<Bytes>::new()).unwrap();
            async move {
                let answer = sender.send_request(request).await.unwrap();
                let status = answer.status().as_u16();
                (status, answer.into_body().collect().await.unwrap().to_bytes().len())
            }
        };
        let users = (0..300).map(|number| if number % 3 == 0 { "eve" } else { HPA });
        let asked: Vec<_> = users.map(|user| (user, tokio::spawn(ask(user)))).collect();
        for (user, asked) in asked {
            let (status, length) = asked.await.unwrap();
            assert_eq!(status, if user == HPA { 200 } else { 403 }, "each is who the proxy says they are");
            assert!(length > 50);
        }
    });
}

/// What openssl's client says of a connection.
fn openssl(door: &Door, arguments: &str, says: &str) -> String {
    let command = format!("({says}) | timeout 10 openssl s_client -connect {} {arguments} 2>&1", door.address());
    let out = Command::new("sh").args(["-c", &command]).output().unwrap();
    String::from_utf8_lossy(&out.stdout).into_owned()
}

#[test]
fn old_versions_of_tls_are_refused_and_nothing_is_negotiated_twice() {
    let door = Door::open(&[]);
    for (version, name) in [("-tls1_2", "TLSv1.2"), ("-tls1_3", "TLSv1.3")] {
        let said = openssl(&door, version, "sleep 0.3");
        assert!(said.contains(&format!("New, {name}, Cipher is ")), "{said}");
    }
    let before = door.failed_handshakes();
    for version in ["-tls1", "-tls1_1"] {
        let said = openssl(&door, &format!("{version} -cipher ALL:@SECLEVEL=0"), "sleep 0.3");
        assert!(said.contains("alert") && said.contains("Cipher is (NONE)"), "{said}");
    }
    eventually("counted", || door.failed_handshakes() > before + 1.5);
    // Ciphers that are no longer thought safe.
    for cipher in ["AES128-SHA:@SECLEVEL=0", "ECDHE-ECDSA-AES128-SHA:@SECLEVEL=0"] {
        let said = openssl(&door, &format!("-tls1_2 -cipher {cipher}"), "sleep 0.3");
        assert!(said.contains("alert handshake failure"), "{said}");
    }
    let said = openssl(&door, "-tls1_2", "sleep 0.3; echo R; sleep 1");
    let (_, after) = said.split_once("RENEGOTIATING").unwrap_or_else(|| panic!("{said}"));
    // What openssl says of a certificate, it says again of the next.
    assert!(said.contains("verify return") && !after.contains("verify return"), "it was negotiated again: {said}");
    door.answers();
}
