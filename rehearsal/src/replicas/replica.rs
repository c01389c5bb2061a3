use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio::sync::watch;

use super::{Board, Event, Settings, paced};
use crate::autoscaler::{Phase, Readiness};
use crate::process::{Guard, Process, ProcessError};

/// How long a replica may take to serve.
const START: Duration = Duration::from_secs(30);
/// Between two looks whether it serves.
const PROBE: Duration = Duration::from_millis(20);
/// The kubelet's wait before the second restart; it doubles. The first is at once.
const BACK_OFF: Duration = Duration::from_secs(10);
/// What the kubelet leaves a container after its preStop hook, at least.
const LEAST_GRACE: Duration = Duration::from_secs(2);
/// The kubelet's longest wait.
const LONGEST_BACK_OFF: Duration = Duration::from_mins(5);
/// A container that ran for so long starts afresh: the kubelet forgets a back-off after twice its longest wait.
const FORGOTTEN: Duration = Duration::from_mins(10);

/// One replica from its creation to its end.
pub(super) struct Life {
    pub(super) name: Arc<str>,
    pub(super) settings: Arc<Settings>,
    pub(super) guard: Arc<Guard>,
    pub(super) board: Arc<Board>,
    pub(super) draining: watch::Receiver<bool>,
}

impl Life {
    pub(super) async fn run(mut self) {
        let mut restarts = 0;
        let mut back_off = BackOff::default();
        loop {
            let begun = Instant::now();
            let mut draining = self.draining.clone();
            let started = tokio::select! {
                biased;
                _ = draining.wait_for(|draining| *draining) => break,
                started = self.start() => started,
            };
            let ended = match started {
                Ok(process) => self.serve(process).await,
                Err(error) => {
                    self.tell(Event::Failed(Arc::clone(&self.name), error.to_string()));
                    Ended::Died
                }
            };
            if matches!(ended, Ended::Drained) {
                break;
            }
            let wait = back_off.next(begun.elapsed().mul_f64(self.settings.pace));
            restarts += 1;
            self.set_ready(false, restarts);
            tokio::select! {
                biased;
                _ = self.draining.wait_for(|draining| *draining) => break,
                () = tokio::time::sleep(paced(wait, self.settings.pace)) => {}
            }
        }
        let mut seen = self.board.seen();
        seen.retain(|own| own.pod.name != self.name);
        self.board.publish(&seen);
    }

    fn tell(&self, event: Event) {
        self.board.events.send(event).ok();
    }

    fn set_ready(&self, ready: bool, restarts: u32) {
        let since = self.board.now();
        self.board.update(&self.name, |own| {
            own.restarts = restarts;
            own.pod.readiness = Some(Readiness { ready: Some(ready), since });
            if !ready {
                (own.api, own.ops) = (None, None);
            }
        });
    }

    /// Starts the process and waits until it is ready.
    async fn start(&mut self) -> Result<Process, ProcessError> {
        let settings = &self.settings;
        let mut command = Command::new(&settings.program);
        command
            .arg("serve")
            // What is set for another conduit must not reach this one.
            .env_clear()
            .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
            .env("BIND_ADDRESS", "127.0.0.1")
            .env("PORT", "0")
            .env("OPS_PORT", "0")
            .env("DATA_FILE", &settings.data_file)
            .env("LOG_FORMAT", "text");
        let log = settings.logs.join(format!("{}.log", self.name));
        let mut process = Process::start(&self.guard, &self.name, command, &log)?;
        let ops = process.address("ops", START).await?;
        self.board.update(&self.name, |own| own.pod.phase = Phase::Running);
        let api = process.address("api", START).await?;
        let ready = async {
            while !is_ready(ops).await {
                tokio::time::sleep(PROBE).await;
            }
        };
        tokio::select! {
            ready = tokio::time::timeout(START, ready) => {
                if ready.is_err() {
                    return Err(process.slow(START, "/readyz is not 200"));
                }
            }
            _ = process.wait() => return Err(process.ended().await),
        }
        let since = self.board.now();
        self.board.update(&self.name, |own| {
            (own.api, own.ops) = (Some(api), Some(ops));
            own.pod.readiness = Some(Readiness { ready: Some(true), since });
        });
        self.tell(Event::Ready(Arc::clone(&self.name), api, ops));
        Ok(process)
    }

    /// Until it dies, or is drained.
    async fn serve(&mut self, mut process: Process) -> Ended {
        let died = tokio::select! {
            biased;
            _ = self.draining.wait_for(|draining| *draining) => None,
            status = process.wait() => Some(status),
        };
        if let Some(status) = died {
            let how = status.map_or_else(|error| error.to_string(), |status| status.to_string());
            self.tell(Event::Died(Arc::clone(&self.name), how));
            return Ended::Died;
        }
        // As the endpoint's controller and the kubelet do: no new requests, then the preStop hook, then SIGTERM.
        self.board.update(&self.name, |own| own.pod.deleted = true);
        self.tell(Event::Draining(Arc::clone(&self.name)));
        let workload = &self.settings.workload;
        tokio::time::sleep(paced(workload.pre_stop, self.settings.pace)).await;
        // The grace is not made shorter: it is a limit, and requests in flight are as long as ever.
        // However long the pause was, the kubelet leaves a little.
        let left = workload.grace.saturating_sub(workload.pre_stop).max(LEAST_GRACE);
        let gracefully = process.stop(left).await;
        self.tell(Event::Gone(Arc::clone(&self.name), gracefully));
        Ended::Drained
    }
}

enum Ended {
    Died,
    Drained,
}

/// The kubelet's memory of a container that dies, on its own clock.
#[derive(Debug, Default)]
struct BackOff {
    deaths: u32,
}

impl BackOff {
    /// The wait after a death, of a container that ran for so long.
    fn next(&mut self, ran: Duration) -> Duration {
        if ran >= FORGOTTEN {
            self.deaths = 0;
        }
        self.deaths += 1;
        match self.deaths {
            1 => Duration::ZERO,
            deaths => BACK_OFF.saturating_mul(1 << (deaths - 2).min(10)).min(LONGEST_BACK_OFF),
        }
    }
}

/// Whether `/readyz` answers 200.
async fn is_ready(ops: SocketAddr) -> bool {
    let ask = async {
        let mut stream = TcpStream::connect(ops).await?;
        stream.write_all(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        Ok::<_, std::io::Error>(answer.starts_with(b"HTTP/1.1 200"))
    };
    matches!(tokio::time::timeout(Duration::from_secs(1), ask).await, Ok(Ok(true)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_doubles_with_each_death_and_is_forgotten_after_ten_minutes() {
        let mut back_off = BackOff::default();
        let mut after = |seconds| back_off.next(Duration::from_secs(seconds)).as_secs();
        assert_eq!([1, 1, 1, 1, 1, 1, 1, 599].map(&mut after), [0, 10, 20, 40, 80, 160, 300, 300]);
        assert_eq!([600, 1, 1].map(&mut after), [0, 10, 20]);
    }
}
