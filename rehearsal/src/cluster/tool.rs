use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio::process::Command;
use tokio::task::JoinHandle;

use super::waiting::Limit;
use super::{Bench, Failure};

/// Programs beside kubectl.
#[derive(Clone, Debug)]
pub struct Tools {
    /// kind, by its name or path.
    pub kind: PathBuf,
    /// docker or podman; none is whichever is there.
    pub container: Option<PathBuf>,
}

/// docker or podman: makes images, and runs kind's nodes.
#[derive(Clone, Debug)]
pub(super) struct Engine {
    pub(super) program: PathBuf,
    /// kind has to be told, and images have other names.
    pub(super) podman: bool,
}

/// What is looked for, if nobody says.
const ENGINES: [&str; 2] = ["docker", "podman"];
pub(super) const ANSWER: Limit =
    Limit { time: Duration::from_secs(30), reason: "it says what it is; one that hangs has to be started anew" };
/// Between two looks at what a program says.
const SECOND: Duration = Duration::from_secs(1);
/// What is kept of it.
const LINES: usize = 15;

impl Tools {
    pub(super) async fn has_kind(&self) -> bool {
        Call::of(&self.kind, &["version"], &ANSWER).output().await.is_ok()
    }

    /// The one that was named, or the first that is there and answers; where it matters which it is, that one.
    pub(super) async fn engine(&self, podman: Option<bool>) -> Result<Engine, Failure> {
        let named = self.container.clone().map(|program| vec![program]);
        let candidates = named.unwrap_or_else(|| ENGINES.map(PathBuf::from).to_vec());
        let mut words = Vec::new();
        for program in candidates {
            match Call::of(&program, &["info"], &ANSWER).output().await {
                Ok(_) => {
                    // Where podman is installed in docker's place, its name says nothing.
                    let version = Call::of(&program, &["--version"], &ANSWER).output().await?;
                    let engine = Engine { podman: version.to_lowercase().contains("podman"), program };
                    if podman.is_none_or(|podman| podman == engine.podman) {
                        return Ok(engine);
                    }
                    words.push(format!("{}: it does not run the cluster that was made", engine.program.display()));
                }
                Err(failure) => words.push(failure.to_string()),
            }
        }
        if let Some(podman) = podman {
            let (own, other) = if podman { ("podman", "docker") } else { ("docker", "podman") };
            let what = format!("{own} runs kind's cluster, and does not answer");
            let cure = format!("start {own}; or `make down`, and `make up` makes another one, which {other} may run");
            return Err(Failure::new(what).words(words).cure(cure));
        }
        Err(Failure::new("nothing here makes images").words(words).cure(
            "install docker (https://docs.docker.com/engine/install/) or podman (https://podman.io/docs/installation) and \
             start it, or name it with CONTAINER_TOOL=…",
        ))
    }

    /// kind, told who runs its nodes: what it was told in a person's shell may be another one.
    pub(super) fn kind<'a>(&'a self, arguments: &'a [&'a str], podman: bool, limit: &'a Limit) -> Call<'a> {
        let runner = Some(if podman { "podman" } else { "docker" });
        Call { runner, ..Call::of(&self.kind, arguments, limit) }
    }
}

/// A program that is called, and how long it may take.
pub(super) struct Call<'a> {
    program: &'a Path,
    arguments: &'a [&'a str],
    /// Of kind's nodes.
    runner: Option<&'static str>,
    limit: &'a Limit,
    shown: Option<(&'a Bench, &'a str)>,
}

impl<'a> Call<'a> {
    pub(super) fn of(program: &'a Path, arguments: &'a [&'a str], limit: &'a Limit) -> Self {
        Self { program, arguments, runner: None, limit, shown: None }
    }

    /// Its last line is shown, under this title, while it is at work.
    pub(super) fn shown(self, bench: &'a Bench, title: &'a str) -> Self {
        Self { shown: Some((bench, title)), ..self }
    }

    /// What it prints; what it says when it fails.
    pub(super) async fn output(self) -> Result<String, Failure> {
        let name = || format!("{} {}", self.program.display(), self.arguments.join(" "));
        let mut command = Command::new(self.program);
        if let Some(runner) = self.runner {
            command.env("KIND_EXPERIMENTAL_PROVIDER", runner);
        }
        // An image would be another one after each build, for saying when it was built.
        command.env("BUILDX_NO_DEFAULT_ATTESTATIONS", "1");
        command.args(self.arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let failed = |error: std::io::Error| Failure::new(format!("{}: {error}", name()));
        let mut child = command.kill_on_drop(true).spawn().map_err(failed)?;
        let said = Said::default();
        let out = child.stdout.take().map(|stream| said.hear(stream, true));
        let err = child.stderr.take().map(|stream| said.hear(stream, false));
        let began = Instant::now();
        let limit = self.shown.and_then(|(bench, _)| bench.patience).unwrap_or(self.limit.time);
        let status = loop {
            tokio::select! {
                status = child.wait() => break status.map_err(failed)?,
                () = tokio::time::sleep(SECOND) => {}
            }
            if began.elapsed() >= limit {
                let limit = humantime::format_duration(limit);
                let what = format!("{}: not done after {limit} ({})", name(), self.limit.reason);
                return Err(Failure::new(what).words(said.last()));
            }
            if let Some((bench, title)) = self.shown {
                bench.progress.stands(&format!("{title}: {}", said.last().pop().unwrap_or_default()));
            }
        };
        // A process of the program's own that stays is not waited for.
        for stream in [out, err].into_iter().flatten() {
            tokio::time::timeout(SECOND, stream).await.ok();
        }
        if status.success() {
            Ok(said.printed())
        } else {
            Err(Failure::new(format!("{}: {status}", name())).words(said.last()))
        }
    }
}

/// What a program says: its last lines, in the order in which they came, and all that it prints.
#[derive(Clone, Default)]
struct Said(Arc<Mutex<(VecDeque<String>, String)>>);

impl Said {
    /// All of a stream; of its standard output, everything is kept.
    fn hear(&self, stream: impl AsyncRead + Send + Unpin + 'static, kept: bool) -> JoinHandle<()> {
        let said = self.clone();
        tokio::spawn(async move {
            let (mut reader, mut line) = (BufReader::new(stream), Vec::new());
            while reader.read_until(b'\n', &mut line).await.is_ok_and(|read| read > 0) {
                said.note(&String::from_utf8_lossy(&line), kept);
                line.clear();
            }
        })
    }

    fn note(&self, line: &str, kept: bool) {
        let mut own = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept {
            own.1.push_str(line);
        }
        if line.trim().is_empty() {
            return;
        }
        if own.0.len() == LINES {
            own.0.pop_front();
        }
        own.0.push_back(line.trim_end().to_owned());
    }

    fn last(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).0.iter().cloned().collect()
    }

    fn printed(&self) -> String {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).1.clone()
    }
}

/// Where a failure's reason usually is.
pub(super) fn last_lines(text: &str, most: usize) -> Vec<String> {
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(most)..].iter().map(|&line| line.to_owned()).collect()
}
