//! Files that are followed while the process runs: read again when they change, kept as they were when
//! they are wrong.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use metrics::{describe_gauge, gauge};
use tokio::sync::watch;
use tracing::{error, info};

use crate::clock::Clock;
use crate::model::Wall;

/// How often a file is looked at. Looking costs one call of the system, and sees whatever happens to the
/// file, or to the links that lead to it as in a mounted `ConfigMap`.
const LOOK: Duration = Duration::from_millis(200);
/// How long what is written in place must rest before it is read. A file that is cut off between two pods is a
/// well-formed file of fewer pods, and nothing but time tells one from the other.
const REST: Duration = Duration::from_secs(1);
/// More than a file of any use holds, in bytes.
const LARGEST: u64 = 64 << 20;

/// What a followed file says, or said before it became wrong.
#[derive(Debug)]
pub struct State<T> {
    /// What it said when it was last right.
    pub value: Arc<T>,
    /// When that was read.
    pub loaded: Wall,
    /// What is wrong with it now, if something is.
    pub problem: Option<String>,
}

impl<T> Clone for State<T> {
    fn clone(&self) -> Self {
        Self { value: Arc::clone(&self.value), loaded: self.loaded, problem: self.problem.clone() }
    }
}

/// A file that is followed.
#[derive(Clone, Debug)]
pub struct Followed {
    /// What it is, as a label and for people: `config`, `targets`.
    pub what: &'static str,
    /// Where it is.
    pub path: PathBuf,
    /// Files that go with it, as a key with its certificate: it is read again when one of them changes.
    pub beside: Vec<PathBuf>,
}

/// Names the families of this room.
pub fn describe_metrics() {
    describe_gauge!(
        "metrics_adapter_config_last_reload_successful",
        "Whether the file was right when it was last read (1) or is wrong, and the one before is in force (0)."
    );
    describe_gauge!(
        "metrics_adapter_config_last_reload_success_timestamp_seconds",
        "When the file was last right, in seconds since 1970."
    );
}

impl Followed {
    /// Reads the file for the first time; an error says what is wrong with it.
    pub fn load<T>(self, clock: &Clock, parse: impl FnOnce(&str) -> Result<T, String>) -> Result<Loaded<T>, String> {
        let seen = self.fingerprints();
        let text = read(&self.path)?;
        let content = self.content(&text);
        let value = parse(&text).map_err(|problem| format!("{}: {problem}", self.path.display()))?;
        let loaded = clock.now().wall;
        count_as_read(self.what, loaded);
        let state = watch::Sender::new(State { value: Arc::new(value), loaded, problem: None });
        Ok(Loaded { followed: self, state, seen, content })
    }

    fn fingerprints(&self) -> Vec<Fingerprint> {
        [&self.path].into_iter().chain(&self.beside).map(|path| Fingerprint::of(path)).collect()
    }

    /// What tells this content from another: of secrets nothing is kept.
    fn content(&self, text: &str) -> u64 {
        let mut hasher = DefaultHasher::new();
        text.hash(&mut hasher);
        for path in &self.beside {
            read(path).hash(&mut hasher);
        }
        hasher.finish()
    }
}

/// A file that was read, and can be followed from there on.
#[derive(Debug)]
pub struct Loaded<T> {
    followed: Followed,
    state: watch::Sender<State<T>>,
    /// What the files looked like when they were last read.
    seen: Vec<Fingerprint>,
    /// What tells what was read then from something else.
    content: u64,
}

impl<T> Loaded<T> {
    /// What it says, now and later.
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<State<T>> {
        self.state.subscribe()
    }

    /// Follows the file for ever. What it says when it changes replaces what it said before, if it is right.
    pub async fn follow(mut self, clock: Clock, parse: impl Fn(&str) -> Result<T, String>) {
        let mut last = self.seen.clone();
        let mut rest = Duration::ZERO;
        let mut since = clock.moment();
        loop {
            tokio::time::sleep(LOOK).await;
            let now = self.followed.fingerprints();
            if now != last {
                let mut changed = now.iter().zip(&last).filter(|(now, last)| now != last);
                rest = if changed.any(|(now, last)| now.is_written_where(*last)) { REST } else { Duration::ZERO };
                (last, since) = (now, clock.moment());
            } else if now != self.seen && clock.moment().since(since) >= rest {
                self.seen = now;
                self.read_again(&clock, &parse);
            }
        }
    }

    fn read_again(&mut self, clock: &Clock, parse: impl Fn(&str) -> Result<T, String>) {
        let path = self.followed.path.display();
        let text = read(&self.followed.path);
        let content =
            text.as_ref().map_or_else(|problem| self.followed.content(problem), |text| self.followed.content(text));
        if content == self.content {
            return;
        }
        self.content = content;
        let parsed = text.and_then(|text| parse(&text).map_err(|problem| format!("{path}: {problem}")));
        self.apply(clock, parsed);
    }

    fn apply(&self, clock: &Clock, parsed: Result<T, String>) {
        let (what, loaded) = (self.followed.what, clock.now().wall);
        match parsed {
            Ok(value) => {
                count_as_read(what, loaded);
                self.state.send_replace(State { value: Arc::new(value), loaded, problem: None });
                info!(file = what, "{} was read again", self.followed.path.display());
            }
            Err(problem) => {
                gauge!("metrics_adapter_config_last_reload_successful", "file" => what).set(0.0);
                error!(file = what, "{problem}; what it said before stays in force");
                self.state.send_modify(|state| state.problem = Some(problem));
            }
        }
    }
}

/// Moves the metrics of what was read, and is right.
pub fn count_as_read(what: &'static str, loaded: Wall) {
    gauge!("metrics_adapter_config_last_reload_successful", "file" => what).set(1.0);
    #[expect(clippy::cast_precision_loss, reason = "a float holds the seconds of millions of years")]
    let seconds = loaded.seconds() as f64;
    gauge!("metrics_adapter_config_last_reload_success_timestamp_seconds", "file" => what).set(seconds);
}

/// What tells one content of a file from another without reading it; none if there is no file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Fingerprint(Option<Traits>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Traits {
    modified: SystemTime,
    bytes: u64,
    inode: u64,
}

impl Fingerprint {
    fn of(path: &Path) -> Self {
        use std::os::unix::fs::MetadataExt as _;
        let metadata = std::fs::metadata(path).ok();
        Self(metadata.and_then(|metadata| {
            Some(Traits { modified: metadata.modified().ok()?, bytes: metadata.len(), inode: metadata.ino() })
        }))
    }

    /// Whether its writer may not have come to the end: it is the file that was there before, or there was none.
    /// Another file in its place was complete when it was put there.
    fn is_written_where(self, before: Self) -> bool {
        match (self.0, before.0) {
            (Some(now), Some(before)) => now.inode == before.inode,
            (now, _) => now.is_some(),
        }
    }
}

fn read(path: &Path) -> Result<String, String> {
    let shown = path.display();
    let metadata = std::fs::metadata(path).map_err(|error| format!("{shown}: {error}"))?;
    if metadata.is_dir() {
        return Err(format!("{shown}: is a folder, not a file"));
    }
    if metadata.len() > LARGEST {
        return Err(format!("{shown}: is larger than {} MiB", LARGEST >> 20));
    }
    std::fs::read_to_string(path).map_err(|error| format!("{shown}: {error}"))
}
