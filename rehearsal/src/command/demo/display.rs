use std::io::{IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

use crate::cluster::demo::{Show, Standing};
use crate::command::look::words;
use crate::report::clock;
use crate::stage::Moment;

/// Between two lines that only say how it stands, where lines stay.
const QUIET: Duration = Duration::from_secs(5);

/// A terminal's last line is overwritten; everybody else gets a line from time to time.
pub(super) struct Display {
    live: bool,
    began: Instant,
    said: Option<Instant>,
}

impl Display {
    pub(super) fn new() -> Self {
        Self { live: std::io::stdout().is_terminal(), began: Instant::now(), said: None }
    }

    /// Nothing more comes.
    pub(super) fn over(&self) {
        if self.live {
            write!(std::io::stdout(), "{CLEAR}").ok();
        }
    }

    fn passing(&mut self, text: &str) {
        let mut out = std::io::stdout();
        if self.live {
            // A line that were longer than the terminal could not be overwritten.
            let width = rustix::termios::tcgetwinsize(&out).map_or(0, |size| usize::from(size.ws_col));
            let width = if width == 0 { 80 } else { width };
            let text: String = text.chars().take(width.saturating_sub(1)).collect();
            write!(out, "{CLEAR}{text}").and_then(|()| out.flush()).ok();
        } else if self.said.is_none_or(|said| said.elapsed() >= QUIET) {
            self.said = Some(Instant::now());
            writeln!(out, "{text}").ok();
        }
    }
}

/// To the line's begin, and empty.
const CLEAR: &str = "\r\u{1b}[K";

impl Show for Display {
    fn line(&mut self, text: &str) {
        let clear = if self.live { CLEAR } else { "" };
        writeln!(std::io::stdout(), "{clear}{text}").ok();
    }

    fn waits(&mut self, text: &str) {
        self.passing(&format!("{:>7}  {text}", clock(self.began.elapsed())));
    }

    fn stands(&mut self, standing: &Standing) {
        let Standing { elapsed, load, served, latency, failed, replicas, per_pod } = standing.clone();
        let moment = Moment { elapsed, length: None, load, served, latency, failed, replicas };
        let per_pod = per_pod.map_or_else(|| "unknown".to_owned(), |rate| format!("{rate:.1}/s"));
        self.passing(&format!("{:>7}  {}  per pod {per_pod}", clock(elapsed), words(&moment)));
    }
}
