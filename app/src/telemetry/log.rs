use std::io::{self, IsTerminal as _, Write as _};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tracing::{Level, Metadata};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::config::Mode;
use crate::config::args::{LogArgs, LogFormat};

/// Lines of no urgency are written together, this often: one call of the system for a few hundred
/// requests' lines instead of one for each.
const PERIOD: Duration = Duration::from_millis(50);
/// So many bytes are written at once, whatever the time.
const MOST: usize = 64 << 10;
/// So many bytes may wait for a reader that is slow; what finds no room is dropped, and counted.
const ROOM: usize = 1 << 20;
/// How long the process waits at its end for its last lines to be taken.
const LAST_WRITE: Duration = Duration::from_millis(500);

/// Installs the log, on standard output: one line an event. What is still to be written is written
/// when the guard is dropped.
pub fn init(mode: Mode, args: &LogArgs) -> Result<LogGuard, String> {
    let filter = EnvFilter::try_new(&args.log_level)
        .map_err(|error| format!("LOG_LEVEL: `{}` is not understood: {error}", args.log_level))?;
    let json = match args.log_format {
        LogFormat::Auto => mode == Mode::Prod,
        LogFormat::Json => true,
        LogFormat::Text => false,
    };
    let lines = Lines::start().map_err(|error| format!("log: {error}"))?;
    let guard = LogGuard(lines.clone());
    let registry = tracing_subscriber::registry().with(filter);
    let format = tracing_subscriber::fmt::layer();
    let installed = if json {
        registry.with(format.json().flatten_event(true).with_current_span(false).with_writer(lines)).try_init()
    } else {
        let colours = io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        registry.with(format.with_ansi(colours).with_target(false).with_writer(lines)).try_init()
    };
    installed.map_err(|error| format!("log: {error}"))?;
    Ok(guard)
}

/// Writes what is left of the log when it is dropped.
#[must_use]
pub struct LogGuard(Lines);

impl Drop for LogGuard {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.urgent = true;
        self.0.0.1.notify_all();
        // Whoever does not read the log holds nobody up.
        let written = |state: &mut State| !state.lines.is_empty() || state.writing;
        drop(self.0.0.1.wait_timeout_while(state, LAST_WRITE, written));
    }
}

/// Lines that are to be written, and the thread that alone writes them: standard output may be a pipe
/// that nobody reads, and no request waits for it.
#[derive(Clone)]
struct Lines(Arc<(Mutex<State>, Condvar)>);

#[derive(Default)]
struct State {
    lines: Vec<u8>,
    /// There is no reason to wait for more lines.
    urgent: bool,
    writing: bool,
    /// Lines that found no room.
    dropped: u64,
}

impl Lines {
    fn start() -> io::Result<Self> {
        let lines = Self(Arc::default());
        let writer = lines.clone();
        std::thread::Builder::new().name("log".to_owned()).spawn(move || writer.write_for_ever())?;
        Ok(lines)
    }

    fn write_for_ever(&self) {
        let (_, changed) = &*self.0;
        let mut batch = Vec::new();
        loop {
            let waiting = changed.wait_while(self.lock(), |state| state.lines.is_empty());
            let waiting = waiting.unwrap_or_else(PoisonError::into_inner);
            let full = changed.wait_timeout_while(waiting, PERIOD, |state| !state.urgent && state.lines.len() < MOST);
            let (mut state, _) = full.unwrap_or_else(PoisonError::into_inner);
            std::mem::swap(&mut state.lines, &mut batch);
            state.urgent = false;
            state.writing = true;
            if state.dropped > 0 {
                let note =
                    format!("{{\"message\":\"{} lines of the log were dropped, nobody took them\"}}\n", state.dropped);
                batch.extend_from_slice(note.as_bytes());
                state.dropped = 0;
            }
            drop(state);
            // A log that nobody takes is no reason to stop serving.
            let _ = io::stdout().lock().write_all(&batch).and_then(|()| io::stdout().flush());
            batch.clear();
            self.lock().writing = false;
            changed.notify_all();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it holds this lock.
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes one event's line.
struct Line<'a> {
    lines: &'a Lines,
    urgent: bool,
}

impl io::Write for Line<'_> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut state = self.lines.lock();
        if state.lines.len() + line.len() > ROOM {
            state.dropped += 1;
            return Ok(line.len());
        }
        let first = state.lines.is_empty();
        state.lines.extend_from_slice(line);
        state.urgent |= self.urgent;
        if first || self.urgent || state.lines.len() >= MOST {
            self.lines.0.1.notify_all();
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line { lines: self, urgent: true }
    }

    fn make_writer_for(&'a self, event: &Metadata<'_>) -> Line<'a> {
        Line { lines: self, urgent: *event.level() <= Level::WARN }
    }
}
