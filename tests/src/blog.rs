//! Readers and writers at a constant rate, on connections that are used again.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rehearsal::load::{Destination, Limits, Load, Outgoing, Summary, Traffic};
use serde_json::{Value, json};

pub const HOST: &str = "real-world.localhost";
/// Of so many requests one writes an article.
const WRITES_ONE_IN: u64 = 8;

/// What came of a load.
pub struct Outcome {
    pub sent: u64,
    /// No answer, or not the one that it should be.
    pub failed: u64,
    /// What failed, in words.
    pub failures: String,
    /// Articles whose writing was acknowledged.
    pub written: Vec<String>,
}

#[derive(Default)]
struct Seen {
    answers: u64,
    wrong: Vec<String>,
    written: Vec<String>,
}

struct Blog {
    token: String,
    next: u64,
    seen: Arc<Mutex<Seen>>,
}

impl Traffic for Blog {
    fn next(&mut self) -> (Outgoing, u64) {
        self.next += 1;
        let mut request = Outgoing::default();
        request.headers_mut().insert("host", HOST.parse().unwrap());
        if self.reads(self.next) {
            let title = format!("Article {} under load", self.next);
            let article = json!({"article": {"title": title, "description": "d", "body": "b", "tagList": ["load"]}});
            *request.method_mut() = "POST".parse().unwrap();
            request.headers_mut().insert("content-type", "application/json".parse().unwrap());
            request.headers_mut().insert("authorization", format!("Token {}", self.token).parse().unwrap());
            *request.body_mut() = article.to_string().into();
            *request.uri_mut() = "/api/articles".parse().unwrap();
        } else {
            let path = ["/api/articles?limit=5", "/api/tags", "/articles?tag=load&limit=3"]
                [usize::try_from(self.next % 3).unwrap()];
            *request.uri_mut() = path.parse().unwrap();
        }
        (request, self.next)
    }

    fn answered(&mut self, note: u64, answer: Option<(u16, &[u8])>) {
        let writes = self.reads(note);
        let mut seen = self.seen.lock().unwrap();
        seen.answers += 1;
        match answer {
            Some((201, body)) if writes => {
                let answer: Value = serde_json::from_slice(body).unwrap();
                seen.written.push(answer["article"]["slug"].as_str().unwrap().to_owned());
            }
            Some((200, _)) if !writes => {}
            other => {
                let what = other.map_or("no answer".to_owned(), |(status, _)| format!("status {status}"));
                seen.wrong.push(format!("request {note}{}: {what}", if writes { " (POST)" } else { "" }));
            }
        }
    }

    fn reads(&self, note: u64) -> bool {
        note.is_multiple_of(WRITES_ONE_IN)
    }
}

/// Runs for that long, for somebody who is not registered.
pub fn asked(door: SocketAddr, rate: u32, length: Duration) -> Outcome {
    run(door, String::new(), rate, length, || {})
}

/// Runs while something else is done, and for that long at least.
pub fn during(door: SocketAddr, rate: u32, least: Duration, act: impl FnOnce()) -> Outcome {
    run(door, register(door), rate, least, act)
}

fn run(door: SocketAddr, token: String, rate: u32, least: Duration, act: impl FnOnce()) -> Outcome {
    let seen = Arc::new(Mutex::new(Seen::default()));
    let traffic = Blog { token, next: 0, seen: Arc::clone(&seen) };
    let destination = Destination { authority: HOST.to_owned(), address: door };
    let profile = format!("steps:{rate}@10m").parse().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let _entered = runtime.enter();
    let load = Load::start(profile, destination, traffic, Limits::default()).unwrap();
    act();
    std::thread::sleep(least.saturating_sub(load.began.elapsed()));
    load.stop();
    let measurements = load.measurements();
    runtime.block_on(load.end());
    let summary = Summary::of(&measurements);
    let seen = std::mem::take(&mut *seen.lock().unwrap());
    let unanswered = summary.requests - seen.answers.min(summary.requests);
    let failures =
        format!("{:?}, {} not answered: {:?}", summary.failures, unanswered, &seen.wrong[..seen.wrong.len().min(20)]);
    let failed = seen.wrong.len() as u64 + unanswered;
    Outcome { sent: summary.requests, failed, failures, written: seen.written }
}

fn register(door: SocketAddr) -> String {
    let name = format!("writer{}", door.port());
    let user =
        json!({"user": {"username": name, "email": format!("{name}@example.com"), "password": "a long password"}});
    let url = format!("http://{door}/api/users");
    let mut answer = ureq::post(&url).header("host", HOST).send_json(&user).unwrap();
    let answer: Value = answer.body_mut().read_json().unwrap();
    answer["user"]["token"].as_str().unwrap().to_owned()
}
