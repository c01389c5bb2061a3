//! Where the load goes: answers all that it is asked, and counts.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

pub(crate) struct Visited {
    pub(crate) url: String,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    asked: AtomicU64,
    failing: AtomicBool,
    over: AtomicBool,
}

impl Visited {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/api/articles", listener.local_addr().unwrap());
        let state = Arc::<State>::default();
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if shared.over.load(Ordering::SeqCst) {
                    break;
                }
                let shared = Arc::clone(&shared);
                std::thread::spawn(move || answer(stream, &shared));
            }
        });
        Self { url, state }
    }

    pub(crate) fn asked(&self) -> u64 {
        self.state.asked.load(Ordering::SeqCst)
    }

    /// From here on it answers 500.
    pub(crate) fn fail(&self) {
        self.state.failing.store(true, Ordering::SeqCst);
    }
}

impl Drop for Visited {
    fn drop(&mut self) {
        self.state.over.store(true, Ordering::SeqCst);
        // The one that waits for a visitor gets one.
        let authority = self.url.trim_start_matches("http://").split('/').next().unwrap();
        TcpStream::connect(authority).ok();
    }
}

fn answer(mut stream: TcpStream, state: &State) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut line = String::new();
    while reader.read_line(&mut line).is_ok_and(|read| read > 0) {
        // A request has no body here: the empty line is its end.
        if line == "\r\n" {
            state.asked.fetch_add(1, Ordering::SeqCst);
            let status = if state.failing.load(Ordering::SeqCst) { "500 Internal Server Error" } else { "200 OK" };
            let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 2\r\n\r\n{{}}");
            if stream.write_all(answer.as_bytes()).is_err() {
                return;
            }
        }
        line.clear();
    }
}
