//! Programs that end with the test, and how they are asked.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

/// How long things may take on a busy machine.
pub const PATIENCE: Duration = Duration::from_mins(1);

/// A program; killed when dropped.
pub struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Its standard output and error go to that file.
    pub fn start(mut command: Command, log: &Path) -> Self {
        let file = std::fs::File::create(log).unwrap();
        command.stdin(Stdio::null()).stdout(file.try_clone().unwrap()).stderr(file);
        let child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        Self { child, log: log.to_owned() }
    }

    /// One of this workspace's, built as this program was, without an environment.
    pub fn ours(name: &str) -> Command {
        let own = std::env::current_exe().unwrap();
        let program = own.ancestors().nth(2).unwrap().join(name);
        assert!(program.exists(), "there is no {}: cargo build --workspace --bins makes it", program.display());
        let mut command = Command::new(program);
        command.env_clear();
        command
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    /// Asks it to end.
    pub fn terminate(&self) {
        let status = Command::new("kill").arg(self.child.id().to_string()).status().unwrap();
        assert!(status.success(), "process {} cannot be told to end", self.child.id());
    }

    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    pub fn kill(&mut self) {
        self.child.kill().unwrap();
    }

    /// How it ended.
    pub fn ended(&mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < deadline, "process {} does not end:\n{}", self.child.id(), self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // One that has ended cannot be killed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One that nobody has on that address; from below those that systems choose by themselves, so that until it is used it is
/// nobody else's.
pub fn free_port(address: IpAddr) -> u16 {
    static DRAWN: AtomicU16 = AtomicU16::new(0);
    const PORTS: Range<u16> = 20_000..30_000;
    let count = PORTS.end - PORTS.start;
    // Programs that run at once begin at different ones.
    let begin = u16::try_from(std::process::id() % u32::from(count)).unwrap();
    let mut ports = (0..count).map(|_| PORTS.start + (begin + DRAWN.fetch_add(1, Ordering::Relaxed) % count) % count);
    ports.find(|port| TcpListener::bind((address, *port)).is_ok()).expect("a port that nobody has")
}

/// Waits for something to be so.
#[track_caller]
pub fn eventually<T>(what: &str, mut found: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = found() {
            return found;
        }
        assert!(Instant::now() < deadline, "{what}: not within {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// An answer.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    /// 0 if there was none.
    pub status: u16,
    pub head: String,
    pub body: String,
}

/// A GET of its own connection, with these further headers.
pub fn get(address: SocketAddr, host: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
    let ask = || -> Option<String> {
        let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(5)).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(10))).ok()?;
        let headers: Vec<String> = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        write!(stream, "GET {path} HTTP/1.0\r\nHost: {host}\r\n{}\r\n", headers.concat()).ok()?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).ok()?;
        String::from_utf8(answer).ok()
    };
    let Some(text) = ask() else { return Answer::default() };
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default();
    Answer { status, head: head.to_owned(), body: body.to_owned() }
}
