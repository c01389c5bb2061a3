use std::fmt;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::Outcome;
use super::acts::Acts;
use super::scaler::Scaler;
use super::traffic::{Person, Written};
use super::words;
use crate::aims;
use crate::door::Counts;
use crate::load::Summary;
use crate::report::Run;

/// What came of it so far.
pub(super) fn outcome(
    acts: &Acts<'_>,
    scaler: &Scaler,
    summary: Option<&Summary>,
    fate: Option<&Fate>,
    counts: &Counts,
    stopped: bool,
) -> Outcome {
    let hpa = scaler.hpa();
    let failed = summary.map_or(0, Summary::failed);
    let facts = facts(acts, summary, fate, counts);
    let mut lines: Vec<String> = vec![String::new()];
    if let Some(summary) = summary {
        lines.extend(summary.to_string().lines().map(str::to_owned));
        lines.push(String::new());
    }
    let width = facts.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
    lines.extend(facts.iter().map(|(name, value)| format!("{name:<width$}  {value}")));
    lines.push(String::new());
    lines.extend(acts.timeline.scalings.iter().map(|scaling| words::scaling(scaling, acts.settings.pace)));
    let run = Run {
        name: acts.settings.name.clone(),
        hpa: aims::described(hpa),
        threshold: aims::threshold(hpa),
        metrics: hpa.metrics.iter().map(aims::short).collect(),
        points: acts.timeline.points.clone(),
        scalings: acts.timeline.scalings.clone(),
        facts,
    };
    Outcome { run, failed, lost_writes: fate.map_or(0, Fate::lost), stopped, summary: lines }
}

fn facts(acts: &Acts<'_>, summary: Option<&Summary>, fate: Option<&Fate>, counts: &Counts) -> Vec<(String, String)> {
    let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    let time = |seconds: f64| format!("{:.1} ms", seconds * 1000.0);
    let mut facts = Vec::new();
    let mut fact = |name: &str, value: String| facts.push((name.to_owned(), value));
    if let Some(summary) = summary {
        fact("requests", summary.requests.to_string());
        fact("failed", summary.failed_by_status());
        fact("p50", time(summary.quantile(0.5).as_secs_f64()));
        fact("p99", time(summary.quantile(0.99).as_secs_f64()));
    }
    fact(
        "front door",
        format!(
            "{} answered, {} given to another replica, {} failed, {} without a ready replica",
            load(&counts.answered),
            load(&counts.retried),
            load(&counts.failed),
            load(&counts.turned_away)
        ),
    );
    fact("replicas", acts.timeline.serving.to_string());
    fact("decisions", acts.timeline.scalings.len().to_string());
    fact("processes that died", acts.deaths.to_string());
    if let Some(fate) = fate {
        fact("writes", fate.to_string());
    }
    facts
}

/// What became of the writes.
pub(super) enum Fate {
    /// Everything was looked for.
    Known { acknowledged: usize, lost: usize, unknown: u64 },
    /// It could not be looked for.
    Unknown(String),
}

impl Fate {
    /// Writes that were acknowledged and are not known to be there.
    fn lost(&self) -> u64 {
        match self {
            Self::Known { lost, .. } => u64::try_from(*lost).unwrap_or(u64::MAX),
            Self::Unknown(_) => 1,
        }
    }
}

impl fmt::Display for Fate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Known { acknowledged, lost, unknown } => {
                write!(f, "{acknowledged} acknowledged, {} found, {lost} lost", acknowledged - lost)?;
                if *unknown > 0 {
                    write!(f, " ({unknown} failed)")?;
                }
                Ok(())
            }
            Self::Unknown(problem) => write!(f, "could not be looked for: {problem}"),
        }
    }
}

/// For how long they are looked for: a replica may just be starting again.
const PATIENCE: Duration = Duration::from_secs(20);

pub(super) async fn fate(person: &Person, written: &Written) -> Fate {
    let begun = Instant::now();
    let (articles, comments) = loop {
        match person.found().await {
            Ok(found) => break found,
            Err(error) if begun.elapsed() > PATIENCE => return Fate::Unknown(error.to_string()),
            Err(_) => tokio::time::sleep(Duration::from_millis(200)).await,
        }
    };
    let (mut acknowledged, mut lost) = (0, 0);
    for (written, found) in [(&written.articles, articles), (&written.comments, comments)] {
        let written = written.lock().unwrap_or_else(PoisonError::into_inner);
        acknowledged += written.len();
        lost += written.difference(&found).count();
    }
    Fate::Known { acknowledged, lost, unknown: written.unknown.load(Ordering::Relaxed) }
}
