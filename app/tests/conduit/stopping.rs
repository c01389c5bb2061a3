use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::on_both;
use crate::support::{Backend, Server, User, eventually};

/// What the clients of a server that was stopped have seen.
#[derive(Debug, Default)]
struct Seen {
    answered: AtomicUsize,
    /// Connections that were accepted, took a request and gave no whole answer.
    dropped: AtomicUsize,
    /// Articles of which the client was told that they are written.
    written: AtomicUsize,
}

/// One client after another on keep-alive connections, every second request a POST, until nobody
/// accepts them any more.
fn client(address: &str, user: &User, seen: &Seen, over: &AtomicBool) {
    let article = json!({"article": {"title": "Under load", "description": "d", "body": "b"}}).to_string();
    let post = format!(
        "POST /api/articles HTTP/1.1\r\nhost: x\r\nauthorization: Token {}\r\ncontent-length: {}\r\n\r\n{article}",
        user.token,
        article.len()
    );
    let get = "GET /api/articles HTTP/1.1\r\nhost: x\r\n\r\n";
    while !over.load(Ordering::Relaxed) {
        let Ok(mut stream) = TcpStream::connect(address) else { return };
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        for request in [get, &post].into_iter().cycle() {
            let Some(answer) = exchange(&mut stream, request) else {
                seen.dropped.fetch_add(1, Ordering::Relaxed);
                break;
            };
            seen.answered.fetch_add(1, Ordering::Relaxed);
            if answer.starts_with("HTTP/1.1 201") {
                seen.written.fetch_add(1, Ordering::Relaxed);
            }
            if answer.to_lowercase().contains("connection: close") {
                break;
            }
        }
    }
}

/// Sends a request and reads the whole answer, or none.
fn exchange(stream: &mut TcpStream, request: &str) -> Option<String> {
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = Vec::new();
    let mut buffer = [0; 16 << 10];
    loop {
        let read = stream.read(&mut buffer).ok().filter(|read| *read > 0)?;
        answer.extend_from_slice(&buffer[..read]);
        let text = String::from_utf8_lossy(&answer);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length =
            head.to_lowercase().split("content-length: ").nth(1)?.split("\r\n").next()?.parse::<usize>().ok()?;
        if body.len() >= length {
            return Some(text.into_owned());
        }
    }
}

/// Loads a server with sixteen clients, sends it a signal in the middle, and says what they saw.
fn stop_under_load(signal: &str) -> (Arc<Seen>, std::process::ExitStatus, Server) {
    let mut server = Server::start(Backend::Postgres);
    let user = server.user("author");
    let (seen, over) = (Arc::new(Seen::default()), Arc::new(AtomicBool::new(false)));
    let clients: Vec<_> = (0..16)
        .map(|_| {
            let (address, user) = (server.address().to_owned(), user.clone());
            let (seen, over) = (Arc::clone(&seen), Arc::clone(&over));
            thread::spawn(move || client(&address, &user, &seen, &over))
        })
        .collect();
    eventually("under load", || seen.answered.load(Ordering::Relaxed) > 500);
    server.signal(signal);
    let status = server.wait_exit();
    over.store(true, Ordering::Relaxed);
    for client in clients {
        client.join().unwrap();
    }
    (seen, status, server)
}

fn articles_there(server: &Server) -> usize {
    let database = server.database.as_ref().unwrap();
    crate::support::shared_postgres().psql(database, "select count(*) from articles").parse().unwrap()
}

#[test]
fn nothing_that_was_accepted_is_dropped_when_it_is_told_to_stop_under_load() {
    let (seen, status, server) = stop_under_load("TERM");
    assert_eq!(status.code(), Some(0));
    assert_eq!(seen.dropped.load(Ordering::Relaxed), 0, "{seen:?}");
    assert_eq!(articles_there(&server), seen.written.load(Ordering::Relaxed));
}

#[test]
fn the_same_load_notices_a_server_that_is_killed() {
    let (seen, status, server) = stop_under_load("KILL");
    assert_eq!(status.code(), None);
    assert!(seen.dropped.load(Ordering::Relaxed) > 0, "{seen:?}");
    // Not one that a client was told of is lost even so.
    assert!(articles_there(&server) >= seen.written.load(Ordering::Relaxed));
}

on_both! {
    fn an_idle_server_stops_soon_and_cleanly(server) {
        let mut kept = TcpStream::connect(server.address()).unwrap();
        exchange(&mut kept, "GET /api/tags HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
        let asked = Instant::now();
        server.signal("INT");
        server.log.wait_for_message("stopped");
        assert!(asked.elapsed() < Duration::from_secs(3), "{:?}", asked.elapsed());
        assert_eq!(kept.read(&mut [0; 8]).unwrap_or(0), 0, "the idle connection is closed");
    }
}

/// A request whose body is not all sent yet.
fn half_a_post(server: &Server, user: &User) -> TcpStream {
    let mut stream = TcpStream::connect(server.address()).unwrap();
    let head = format!(
        "POST /api/articles HTTP/1.1\r\nhost: x\r\nauthorization: Token {}\r\ncontent-length: 70\r\n\r\n{{",
        user.token
    );
    stream.write_all(head.as_bytes()).unwrap();
    eventually("in flight", || server.metric("http_requests_in_flight") == Some(1.0));
    stream
}

#[test]
fn while_it_drains_it_is_alive_and_not_ready_and_finishes_what_it_has_begun() {
    let mut server = Server::start(Backend::Sqlite);
    let user = server.user("author");
    let mut stream = half_a_post(&server, &user);
    server.signal("TERM");
    eventually("not ready", || server.ops("/readyz").status == 503);
    assert!(server.ops("/readyz").text.contains("draining"));
    assert_eq!(server.ops("/livez").status, 200);
    thread::sleep(Duration::from_millis(900));
    assert!(TcpStream::connect(server.address()).is_err(), "it accepts nobody any more");

    let rest = r#""article":{"title":"t","description":"d","body":"b"}}"#;
    let answer = exchange(&mut stream, &format!("{rest:<69}")).unwrap();
    assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    assert!(answer.to_lowercase().contains("connection: close"), "{answer}");
    assert_eq!(server.wait_exit().code(), Some(0));
}

#[test]
fn what_takes_longer_than_the_deadline_is_cut_off_and_said() {
    let mut server = Server::start_with(Backend::Sqlite, &[("DRAIN_TIMEOUT", "1s")]);
    let user = server.user("author");
    let _stream = half_a_post(&server, &user);
    server.signal("TERM");
    assert_eq!(server.wait_exit().code(), Some(0));
    server.log.wait_for_message("1 connections were cut off");
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let mut server = Server::start(Backend::Sqlite);
    let user = server.user("author");
    let _stream = half_a_post(&server, &user);
    server.signal("TERM");
    server.log.wait_for_message("stopping");
    let asked = Instant::now();
    server.signal("TERM");
    assert_eq!(server.wait_exit().code(), Some(143));
    assert!(asked.elapsed() < Duration::from_secs(1));
}

#[test]
fn it_can_be_stopped_while_it_waits_for_the_database() {
    let env = [("DATABASE_URL", "postgres://nobody@127.0.0.1:1/none"), ("JWT_SECRET", "some secret")];
    let mut server = Server::launch(&env);
    server.log.wait_for_message("waiting for database to start");
    server.signal("TERM");
    assert_eq!(server.wait_exit().code(), Some(0));
}

#[test]
fn whoever_waits_for_a_place_or_has_just_come_when_it_is_told_to_stop_is_answered() {
    let mut server = Server::start_with(Backend::Sqlite, &[("MAX_CONNECTIONS", "1")]);
    let tags = "GET /api/tags HTTP/1.1\r\nhost: x\r\n\r\n";
    let mut holder = TcpStream::connect(server.address()).unwrap();
    exchange(&mut holder, tags).unwrap();
    let mut waiting: Vec<TcpStream> = (0..20).map(|_| TcpStream::connect(server.address()).unwrap()).collect();
    for stream in &mut waiting {
        stream.write_all(tags.as_bytes()).unwrap();
    }
    server.signal("TERM");
    let mut late = TcpStream::connect(server.address()).unwrap();
    thread::sleep(Duration::from_millis(750));
    assert!(exchange(&mut late, tags).is_some(), "let in at the end, and slow to ask");
    for mut stream in waiting {
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"HTTP/1.1 200");
    }
    assert_eq!(server.wait_exit().code(), Some(0));
}

#[test]
fn a_log_that_nobody_reads_holds_nobody_up() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("conduit.sqlite3");
    let mut child =
        crate::support::conduit(&[("DATA_FILE", file.to_str().unwrap())]).stdout(Stdio::piped()).spawn().unwrap();
    let mut log = BufReader::new(child.stdout.take().unwrap()).lines();
    let address = loop {
        let line: Value = serde_json::from_str(&log.next().unwrap().unwrap()).unwrap();
        if let Some(address) = line["api"].as_str() {
            break address.to_owned();
        }
    };
    // Many times what a pipe holds, and more than the log keeps.
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    for _ in 0..8_000 {
        exchange(&mut stream, "GET /api/nothing HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
    }
    let asked = Instant::now();
    Command::new("kill").arg(child.id().to_string()).status().unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert!(asked.elapsed() < Duration::from_secs(4), "{:?}", asked.elapsed());
}
