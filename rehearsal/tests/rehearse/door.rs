//! The front door, before replicas of the test's own.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rehearsal::door::{Counts, Door};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// What a replica does with a request.
#[derive(Clone, Copy, PartialEq)]
enum Manner {
    /// It answers with its own number and the request's head.
    Answers,
    /// It reads the request and closes the connection.
    Breaks,
}

struct Replica {
    address: SocketAddr,
    requests: Arc<AtomicU64>,
}

async fn replica(number: usize, manner: Manner) -> Replica {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let requests = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&requests);
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let count = Arc::clone(&count);
            tokio::spawn(async move {
                let mut stream = BufReader::new(stream);
                while let Some((head, body)) = read(&mut stream).await {
                    count.fetch_add(1, Ordering::Relaxed);
                    if manner == Manner::Breaks {
                        return;
                    }
                    let answer = format!("replica {number}\n{head}{}", String::from_utf8_lossy(&body));
                    let answer = format!(
                        "HTTP/1.1 200 OK\r\nkeep-alive: timeout=5\r\ncontent-length: {}\r\n\r\n{answer}",
                        answer.len()
                    );
                    stream.get_mut().write_all(answer.as_bytes()).await.unwrap();
                }
            });
        }
    });
    Replica { address, requests }
}

/// A request's or answer's head and its body, of the length that the head says.
async fn read(stream: &mut BufReader<TcpStream>) -> Option<(String, Vec<u8>)> {
    let mut head = String::new();
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        if line == "\r\n" {
            break;
        }
        head.push_str(&line);
    }
    let lower = head.to_lowercase();
    let length =
        lower.split("content-length: ").nth(1).map_or(0, |rest| rest.split("\r\n").next().unwrap().parse().unwrap());
    let mut body = vec![0; length];
    if lower.contains("transfer-encoding: chunked") {
        let mut rest = Vec::new();
        while !rest.ends_with(b"0\r\n\r\n") {
            rest.push(stream.read_u8().await.ok()?);
        }
        return Some((head, rest));
    }
    stream.read_exact(&mut body).await.ok()?;
    Some((head, body))
}

struct Opened {
    address: SocketAddr,
    counts: Arc<Counts>,
    replicas: watch::Sender<Arc<[SocketAddr]>>,
}

async fn open(replicas: &[SocketAddr]) -> Opened {
    let (sender, receiver) = watch::channel(Arc::from(replicas));
    let door = Arc::new(Door::new(receiver));
    let counts = door.counts();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(door.serve(listener));
    Opened { address, counts, replicas: sender }
}

impl Opened {
    async fn ask(&self, request: &str) -> (String, String) {
        let stream = TcpStream::connect(self.address).await.unwrap();
        let mut stream = BufReader::new(stream);
        stream.get_mut().write_all(request.as_bytes()).await.unwrap();
        let answer = tokio::time::timeout(Duration::from_secs(10), read(&mut stream)).await.unwrap();
        let (head, body) = answer.unwrap();
        (head, String::from_utf8(body).unwrap())
    }

    async fn get(&self) -> String {
        self.ask("GET /api/tags?x=1 HTTP/1.1\r\nhost: conduit\r\n\r\n").await.1
    }

    fn count(&self, of: impl Fn(&Counts) -> &AtomicU64) -> u64 {
        of(&self.counts).load(Ordering::Relaxed)
    }
}

#[tokio::test]
async fn requests_go_to_the_replicas_in_turn() {
    let (one, two, three) =
        (replica(1, Manner::Answers).await, replica(2, Manner::Answers).await, replica(3, Manner::Answers).await);
    let door = open(&[one.address, two.address, three.address]).await;
    for _ in 0..9 {
        door.get().await;
    }
    let served = [&one, &two, &three].map(|replica| replica.requests.load(Ordering::Relaxed));
    assert_eq!(served, [3, 3, 3]);
    door.replicas.send_replace(Arc::from([one.address, three.address]));
    for _ in 0..4 {
        door.get().await;
    }
    assert_eq!(two.requests.load(Ordering::Relaxed), 3, "what left the list gets nothing any more");
    assert_eq!(door.count(|counts| &counts.answered), 13);
}

#[tokio::test]
async fn a_request_arrives_as_it_was_sent_with_who_sent_it() {
    let replica = replica(1, Manner::Answers).await;
    let door = open(&[replica.address]).await;
    let (head, body) = door
        .ask("POST /api/articles?a=%20b HTTP/1.1\r\nhost: conduit\r\nconnection: x-mine, keep-alive\r\nx-mine: 1\r\nte: trailers\r\nx-forwarded-for: 9.9.9.9\r\nauthorization: Token t\r\ncontent-length: 4\r\n\r\nbody")
        .await;
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    assert!(!head.contains("keep-alive:"), "what is between the door and the replica stays there: {head}");
    assert!(body.contains("POST /api/articles?a=%20b HTTP/1.1"), "{body}");
    assert!(body.contains("host: conduit\r\n") && body.contains("authorization: Token t\r\n"), "{body}");
    assert!(body.contains("x-forwarded-for: 127.0.0.1\r\n") && !body.contains("9.9.9.9"), "{body}");
    assert!(body.contains("x-forwarded-host: conduit\r\n"), "{body}");
    assert!(!body.contains("x-mine") && !body.contains("te: trailers"), "{body}");
    assert!(body.ends_with("body"), "{body}");
}

#[tokio::test]
async fn a_body_without_a_length_and_a_large_one_go_through() {
    let replica = replica(1, Manner::Answers).await;
    let door = open(&[replica.address]).await;
    let (_, body) =
        door.ask("POST / HTTP/1.1\r\nhost: c\r\ntransfer-encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n").await;
    assert!(body.contains("content-length: 4\r\n") && body.ends_with("body"), "{body}");
    let large = "x".repeat(3_000_000);
    let (_, body) =
        door.ask(&format!("POST / HTTP/1.1\r\nhost: c\r\ncontent-length: {}\r\n\r\n{large}", large.len())).await;
    assert!(body.ends_with(&large), "{} bytes", body.len());
}

#[tokio::test]
async fn no_replica_is_tried_twice_while_there_is_another() {
    let answers = replica(1, Manner::Answers).await;
    let gone = { TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap() };
    let door = open(&[gone, answers.address]).await;
    // Many at once: the turn of others must not send one to the dead replica again and again.
    let all = (0..100).map(|_| door.get());
    for answer in futures_util::future::join_all(all).await {
        assert!(answer.starts_with("replica 1"), "{answer}");
    }
    assert_eq!(door.count(|counts| &counts.failed), 0);
}

#[tokio::test]
async fn a_replica_that_cannot_be_reached_costs_no_request() {
    let replica = replica(1, Manner::Answers).await;
    let gone = { TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap() };
    let door = open(&[gone, replica.address]).await;
    for _ in 0..4 {
        assert!(door.get().await.starts_with("replica 1"));
        let (head, _) = door.ask("POST / HTTP/1.1\r\nhost: c\r\ncontent-length: 4\r\n\r\nbody").await;
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    }
    assert_eq!(door.count(|counts| &counts.failed), 0);
    assert!(door.count(|counts| &counts.retried) >= 4);
}

#[tokio::test]
async fn a_connection_that_breaks_costs_a_write_and_no_read() {
    let (breaks, answers) = (replica(1, Manner::Breaks).await, replica(2, Manner::Answers).await);
    let door = open(&[breaks.address, answers.address]).await;
    for _ in 0..4 {
        assert!(door.get().await.starts_with("replica 2"));
    }
    let door = open(&[breaks.address]).await;
    let (head, body) = door.ask("POST / HTTP/1.1\r\nhost: c\r\ncontent-length: 4\r\n\r\nbody").await;
    assert!(head.starts_with("HTTP/1.1 502"), "a write may have been carried out; it is not sent again: {head}");
    assert!(body.contains(&breaks.address.to_string()), "{body}");
    assert_eq!((door.count(|counts| &counts.failed), door.count(|counts| &counts.retried)), (1, 0));
}

#[tokio::test]
async fn without_a_ready_replica_the_answer_is_503_and_counted() {
    let door = open(&[]).await;
    let (head, body) = door.ask("GET / HTTP/1.1\r\nhost: c\r\n\r\n").await;
    assert!(head.starts_with("HTTP/1.1 503"), "{head}");
    assert_eq!(body, "front door: no replica is ready\n");
    assert_eq!(door.count(|counts| &counts.turned_away), 1);
}
