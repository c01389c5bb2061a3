//! The load generator, before servers of the test's own.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::support::*;

/// A server that answers 200, for as long as it is not told to stall; what it answered is counted.
struct Server {
    url: String,
    answered: Arc<AtomicU64>,
}

/// Stalls once, between these moments after its start.
fn server(status: &'static str, stall: Option<(Duration, Duration)>) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let answered = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&answered);
    let begun: Arc<std::sync::OnceLock<Instant>> = Arc::default();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let (count, begun) = (Arc::clone(&count), Arc::clone(&begun));
            std::thread::spawn(move || serve(stream, status, stall, &count, &begun));
        }
    });
    Server { url, answered }
}

fn serve(
    mut stream: TcpStream,
    status: &str,
    stall: Option<(Duration, Duration)>,
    count: &AtomicU64,
    begun: &std::sync::OnceLock<Instant>,
) {
    let mut buffer = [0; 4096];
    while stream.read(&mut buffer).is_ok_and(|read| read > 0) {
        let begun = begun.get_or_init(Instant::now);
        if let Some((from, until)) = stall
            && (from..until).contains(&begun.elapsed())
        {
            std::thread::sleep(until.saturating_sub(begun.elapsed()));
        }
        count.fetch_add(1, Ordering::Relaxed);
        let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 2\r\n\r\nok");
        if stream.write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}

struct Sent {
    code: i32,
    output: String,
}

fn send(url: &str, arguments: &[&str]) -> Sent {
    let output = rehearse().args(["load", url]).args(arguments).output().unwrap();
    Sent { code: output.status.code().unwrap(), output: text(&output.stdout) + &text(&output.stderr) }
}

impl Sent {
    /// The word after a line's beginning.
    #[track_caller]
    fn word(&self, line: &str, place: usize) -> &str {
        let found = self.output.lines().find(|own| own.trim_start().starts_with(line));
        let found = found.unwrap_or_else(|| panic!("no `{line}` in\n{}", self.output));
        found.split_whitespace().nth(place).unwrap()
    }

    /// Milliseconds.
    #[track_caller]
    fn time(&self, line: &str, place: usize) -> f64 {
        let word = self.word(line, place);
        let (number, unit) = word.split_at(word.find(|c: char| c.is_alphabetic()).unwrap());
        number.parse::<f64>().unwrap()
            * match unit {
                "us" => 1e-3,
                "ms" => 1.0,
                _ => 1e3,
            }
    }
}

#[test]
fn the_rate_is_kept_and_the_summary_has_the_form_of_the_walkthrough() {
    let server = server("200 OK", None);
    let sent = send(&server.url, &["--rate", "200", "--for", "2s"]);
    assert_eq!(sent.code, 0, "{}", sent.output);
    assert_eq!(server.answered.load(Ordering::Relaxed), 400);
    assert!(
        sent.output.contains("    1xx - 0, 2xx - 400, 3xx - 0, 4xx - 0, 5xx - 0\n    others - 0"),
        "{}",
        sent.output
    );
    assert!(sent.output.contains("Statistics        Avg      Stdev        Max\n  Reqs/sec "), "{}", sent.output);
    let rate: f64 = sent.word("Reqs/sec", 1).parse().unwrap();
    assert!((rate - 200.0).abs() < 20.0, "{}", sent.output);
}

#[test]
fn a_stall_is_charged_for_all_who_would_have_come_meanwhile() {
    // 100 requests a second for 3 s, of which the server sleeps through one: a third of all are due meanwhile, and wait
    // half a second on average.
    let server = server("200 OK", Some((Duration::from_secs(1), Duration::from_secs(2))));
    let sent = send(&server.url, &["--rate", "100", "--for", "3s"]);
    assert_eq!(sent.code, 0, "{}", sent.output);
    assert_eq!(server.answered.load(Ordering::Relaxed), 300, "nobody waits for an answer before sending");
    assert!(sent.time("75 %", 2) > 50.0, "{}", sent.output);
    assert!(sent.time("90 %", 2) > 500.0, "{}", sent.output);
    assert!(sent.time("Latency", 3) > 900.0, "{}", sent.output);
}

#[test]
fn failures_are_counted_by_what_they_are() {
    let server = server("503 Service Unavailable", None);
    let sent = send(&server.url, &["--rate", "50", "--for", "1s"]);
    assert_eq!(sent.code, 2, "requests failed");
    assert!(sent.output.contains("5xx - 50\n    others - 0"), "{}", sent.output);
    let nobody = { TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap() };
    let sent = send(&format!("http://{nobody}/"), &["--rate", "50", "--for", "1s"]);
    assert_eq!(sent.code, 2);
    assert!(sent.output.contains("others - 50 (no connection - 50)"), "{}", sent.output);
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let sent = send(
        &format!("http://{}/", silent.local_addr().unwrap()),
        &["--rate", "50", "--for", "1s", "--timeout", "500ms"],
    );
    assert!(sent.output.contains("others - 50 (timed out - 50)"), "{}", sent.output);
    let sent = send(
        &format!("http://{}/", silent.local_addr().unwrap()),
        &["--rate", "50", "--for", "1s", "--timeout", "2s", "--in-flight", "10"],
    );
    assert!(sent.output.contains("timed out - 10, not sent, too many on their way - 40"), "{}", sent.output);
}

#[test]
fn a_connection_that_the_server_closed_meanwhile_is_no_failure() {
    // One answer a connection, and its end without a word.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let over = Arc::new(AtomicBool::new(false));
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let mut buffer = [0; 4096];
            if stream.read(&mut buffer).is_ok_and(|read| read > 0) {
                stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").ok();
            }
        }
    });
    let sent = send(&url, &["--rate", "20", "--for", "1s"]);
    over.store(true, Ordering::Relaxed);
    assert_eq!(sent.code, 0, "{}", sent.output);
}

#[test]
fn an_interrupted_load_ends_with_its_summary() {
    let server = server("200 OK", None);
    let child = rehearse()
        .args(["load", &server.url, "--rate", "50", "--for", "1h"])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    std::thread::sleep(Duration::from_secs(1));
    kill("-INT", child.id());
    let output = child.wait_with_output().unwrap();
    assert!(text(&output.stdout).contains("HTTP codes:"), "{}", text(&output.stdout));
    assert!(output.status.success());
}
