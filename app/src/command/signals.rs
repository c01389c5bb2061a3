use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// The signals that tell a process to stop.
pub(super) struct Signals {
    term: Signal,
    interrupt: Signal,
}

impl Signals {
    /// From now on they no longer end the process by themselves.
    pub(super) fn watch() -> io::Result<Self> {
        Ok(Self { term: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// The next one: its name, and the status of a process that it ends.
    pub(super) async fn next(&mut self) -> (&'static str, i32) {
        tokio::select! {
            _ = self.term.recv() => ("SIGTERM", 128 + SignalKind::terminate().as_raw_value()),
            _ = self.interrupt.recv() => ("SIGINT", 128 + SignalKind::interrupt().as_raw_value()),
        }
    }
}
