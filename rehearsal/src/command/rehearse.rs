use std::path::Path;
use std::process::ExitCode;

use tokio::sync::watch;

use super::args::RunArgs;
use super::look::look;
use super::{Result, say, stop};
use crate::autoscaler::{Hpa, Metric};
use crate::manifest::{self, Workload};
use crate::report::{Report, clock};
use crate::stage::{Outcome, Settings, play};

/// What else the API's Deployment may be scaled on.
const CPU: &str = "cpu";

pub(super) fn run(args: &RunArgs) -> Result<ExitCode> {
    let hpa = read(&args.hpa)?;
    let other = args.compare.as_deref().map(|compare| second(args, &hpa, compare)).transpose()?;
    let workload = workload(&args.deployment, &hpa.target.name)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let stopped = stop::on_signal()?;
        rehearse(args, hpa, other, workload, stopped).await
    })
}

/// A replica is a process of some ten threads.
const MOST_PROCESSES: i32 = 200;

/// An HPA that can be played: processes stand for the pods of a Deployment.
fn read(path: &Path) -> Result<Hpa> {
    let hpa = manifest::file(path, manifest::hpa)?;
    if hpa.max_replicas > MOST_PROCESSES {
        let most = hpa.max_replicas;
        let problem = format!("{most} processes are too many for a machine; {MOST_PROCESSES} are played at most");
        return Err(format!("{}: spec.maxReplicas: {problem}", path.display()).into());
    }
    if hpa.target.kind == "Deployment" {
        return Ok(hpa);
    }
    let kind = &hpa.target.kind;
    Err(format!(
        "{}: spec.scaleTargetRef.kind: a {kind} is not played here, only a Deployment; `plan` takes any",
        path.display()
    )
    .into())
}

/// The HPA to compare with, and its name.
fn second(args: &RunArgs, first: &Hpa, compare: &str) -> Result<(String, Hpa)> {
    if args.no_load || args.keep {
        return Err("--compare plays the load twice; it goes together neither with --no-load nor with --keep".into());
    }
    if compare != CPU {
        let hpa = read(Path::new(compare))?;
        same_target(&args.hpa, first, Path::new(compare), &hpa)?;
        return Ok((compare.to_owned(), hpa));
    }
    let is_cpu = |metric: &Metric| matches!(metric, Metric::Resource { name, .. } if name == CPU);
    let metrics: Vec<Metric> = first.metrics.iter().filter(|metric| is_cpu(metric)).cloned().collect();
    if metrics.is_empty() {
        return Err(format!("{} has no CPU metric to compare with", args.hpa.display()).into());
    }
    Ok(("CPU alone".to_owned(), Hpa { metrics, ..first.clone() }))
}

/// Two HPAs can be compared if they scale the same.
pub(super) fn same_target(path: &Path, hpa: &Hpa, other_path: &Path, other: &Hpa) -> Result<()> {
    if hpa.target == other.target && hpa.namespace == other.namespace {
        return Ok(());
    }
    Err(format!("{}: it scales another object than {}", other_path.display(), path.display()).into())
}

/// The Deployment's manifest, if it is there.
pub(super) fn workload(path: &Path, name: &str) -> Result<Workload> {
    if !path.exists() {
        return Ok(Workload::conduit(name));
    }
    let found = manifest::file(path, |text| manifest::workload(text, name))?;
    found.ok_or_else(|| format!("{}: there is no Deployment {name}, which the HPA scales", path.display()).into())
}

async fn rehearse(
    args: &RunArgs,
    hpa: Hpa,
    other: Option<(String, Hpa)>,
    workload: Workload,
    stopped: watch::Receiver<bool>,
) -> Result<ExitCode> {
    let first_name = if other.is_some() { first_name(&hpa) } else { hpa.name.clone() };
    let settings = |name: &str, hpa: Hpa| Settings {
        name: name.to_owned(),
        hpa,
        workload: workload.clone(),
        profile: (!args.no_load).then(|| args.profile.clone()),
        pace: args.pace,
        folder: args.data.clone(),
        port: args.port,
        adapter_ports: (args.adapter_port, args.adapter_ops_port),
        keep: args.keep,
        articles: args.articles,
    };
    let mut plays = vec![settings(&first_name, hpa)];
    plays.extend(other.map(|(name, hpa)| settings(&name, hpa)));
    let path = args.report.clone().unwrap_or_else(|| args.data.join("report.html"));
    let mut outcomes: Vec<Outcome> = Vec::new();
    let two = plays.len() > 1;
    for settings in plays {
        if two {
            say(&format!("\n== {} ==", settings.name));
        }
        let mut look = look();
        let written = |outcome: &Outcome| report(args, &path, std::slice::from_ref(outcome));
        let outcome = play(settings, look.as_mut(), stopped.clone(), &written).await;
        look.over();
        let outcome = match outcome {
            Ok(outcome) => outcome,
            // What was played before stays played.
            Err(error) if outcomes.is_empty() => return Err(error.into()),
            Err(error) => {
                report(args, &path, &outcomes)?;
                return Err(format!("{error} (the report {} has what was played before)", path.display()).into());
            }
        };
        for line in &outcome.summary {
            say(line);
        }
        let stopped = outcome.stopped;
        outcomes.push(outcome);
        if stopped {
            break;
        }
    }
    report(args, &path, &outcomes)?;
    say(&format!("\nReport: {}", std::path::absolute(&path).unwrap_or(path).display()));
    let bad = outcomes.iter().any(|outcome| outcome.failed > 0 || outcome.lost_writes > 0);
    Ok(if bad { ExitCode::from(2) } else { ExitCode::SUCCESS })
}

/// What tells the first HPA from that on CPU alone.
fn first_name(hpa: &Hpa) -> String {
    let requests = hpa.metrics.iter().any(|metric| matches!(metric, Metric::Pods { .. }));
    if requests { "requests per second".to_owned() } else { hpa.name.clone() }
}

fn report(args: &RunArgs, path: &Path, outcomes: &[Outcome]) -> std::result::Result<(), String> {
    let pace = if (args.pace - 1.0).abs() < f64::EPSILON {
        "The autoscaler's clock was the real one.".to_owned()
    } else {
        format!(
            "The autoscaler's clock ran {} times as fast as the real one: its syncs, windows and policies, and the adapter's \
             resolution with them. All times here are real ones.",
            args.pace
        )
    };
    let load = if args.no_load {
        "No load was sent by the rehearsal.".to_owned()
    } else {
        format!("Load {}, {} on the autoscaler's clock.", args.profile.label(), clock(args.profile.length()))
    };
    let stopped = outcomes.iter().any(|outcome| outcome.stopped && !args.no_load);
    let mut notes = vec![load, pace];
    notes.extend(stopped.then(|| "It was stopped before its end.".to_owned()));
    let runs = outcomes.iter().map(|outcome| outcome.run.clone()).collect();
    let report = Report { title: "Autoscaling, rehearsed".to_owned(), notes, runs };
    report.write(path).map_err(|error| format!("the report {}: {error}", path.display()))
}
