use std::io::{IsTerminal as _, Write as _};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Between two lines that only say how it stands, where lines stay.
const QUIET: Duration = Duration::from_secs(5);

/// What the person sees, and what was being done last.
#[derive(Clone)]
pub struct Progress {
    began: Instant,
    live: bool,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    doing: String,
    said: Option<Instant>,
    /// Whether the cursor stands in a line that will be written over.
    open: bool,
}

impl Progress {
    /// From now on.
    #[must_use]
    pub fn begin() -> Self {
        let live = std::io::stdout().is_terminal();
        Self { began: Instant::now(), live, state: Arc::default() }
    }

    /// What was being done when it ended.
    #[must_use]
    pub fn doing(&self) -> String {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).doing.clone()
    }

    /// A line that stays.
    pub(super) fn say(&self, line: &str) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let clear = if std::mem::take(&mut state.open) { "\r\u{1b}[K" } else { "" };
        writeln!(std::io::stdout(), "{clear}{line}").ok();
    }

    /// A line that stays, with its time.
    pub(super) fn note(&self, line: &str) {
        self.say(&format!("[{:6.1} s] {line}", self.began.elapsed().as_secs_f64()));
    }

    /// The last line is let go, so that what follows has one of its own.
    pub fn over(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if std::mem::take(&mut state.open) {
            writeln!(std::io::stdout()).ok();
        }
    }

    /// From here on this is done.
    pub(super) fn begins(&self, doing: &str) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        doing.clone_into(&mut state.doing);
        state.said = None;
    }

    /// How it stands: in place on a terminal, now and then elsewhere.
    pub(super) fn stands(&self, line: &str) {
        let line = format!("[{:6.1} s] {line}", self.began.elapsed().as_secs_f64());
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if self.live {
            state.open = true;
            // A terminal that does not know has none.
            let width = rustix::termios::tcgetwinsize(std::io::stdout()).map_or(0, |size| usize::from(size.ws_col));
            let width = if width == 0 { 80 } else { width };
            let line: String = line.chars().take(width.saturating_sub(1)).collect();
            let mut out = std::io::stdout();
            write!(out, "\r\u{1b}[K{line}").and_then(|()| out.flush()).ok();
        } else if state.said.is_none_or(|said| said.elapsed() >= QUIET) {
            state.said = Some(Instant::now());
            writeln!(std::io::stdout(), "{line}").ok();
        }
    }
}
