use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use metrics_adapter::model::quantity::Quantity;

use super::args::PlanArgs;
use super::rehearse::{same_target, workload};
use super::{Result, say};
use crate::autoscaler::Hpa;
use crate::manifest;
use crate::plan::{MOST_PODS, Model, Planned, plan, remarks};
use crate::report::{Report, clock};

pub(super) fn run(args: &PlanArgs) -> Result<ExitCode> {
    let began = Instant::now();
    let hpa = read(&args.hpa)?;
    let other = args.compare.as_deref().map(read).transpose()?;
    if let (Some(other), Some(path)) = (&other, &args.compare) {
        same_target(&args.hpa, &hpa, path, other)?;
    }
    let workload = workload(&args.deployment, &hpa.target.name)?;
    let profile = match args.length {
        Some(length) => {
            args.load.repeated(length).ok_or("--for: so many repetitions of so short a load have too many parts")?
        }
        None => args.load.clone(),
    };
    let request = |resource: &str| workload.request(resource).map_or(0, Quantity::milli);
    let model = Model {
        capacity: args.pod_capacity,
        startup: args.startup,
        metric_delay: args.metric_delay,
        cpu_at_capacity: args.cpu_at_capacity.map_or_else(|| request("cpu"), Quantity::milli),
        memory: args.pod_memory.map_or_else(|| request("memory") / 2, Quantity::milli) / 1000,
        replicas: args.replicas,
    };
    for remark in other.iter().chain([&hpa]).flat_map(remarks).collect::<std::collections::BTreeSet<_>>() {
        say(&format!("Note: {remark}."));
    }
    let name = |path: &Path| path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
    let mut planned = vec![plan(&name(&args.hpa), hpa, &workload, &profile, &model)];
    if let (Some(hpa), Some(path)) = (other, &args.compare) {
        planned.push(plan(&name(path), hpa, &workload, &profile, &model));
    }
    for one in &planned {
        decisions(one, args.summary);
    }
    table(&planned);
    let report = Report {
        title: "Autoscaling, planned".to_owned(),
        notes: vec![
            format!(
                "Load {}, {} in virtual time; the HPA's decisions are those of kube-controller-manager.",
                profile.label(),
                clock(profile.length())
            ),
            format!(
                "A pod answers {} requests a second at most and serves {} after it was asked for; metrics are {} old.",
                model.capacity,
                humantime::format_duration(model.startup),
                humantime::format_duration(model.metric_delay)
            ),
        ],
        runs: planned.into_iter().map(|planned| planned.run).collect(),
    };
    report.write(&args.report).map_err(|error| format!("the report {}: {error}", args.report.display()))?;
    say(&format!("\nReport: {} (all of it in {:.2} s)", args.report.display(), began.elapsed().as_secs_f64()));
    Ok(ExitCode::SUCCESS)
}

fn read(path: &Path) -> Result<Hpa> {
    let hpa = manifest::file(path, manifest::hpa)?;
    if hpa.max_replicas <= MOST_PODS {
        return Ok(hpa);
    }
    Err(format!("{}: spec.maxReplicas: {} pods cannot be planned, {MOST_PODS} can", path.display(), hpa.max_replicas)
        .into())
}

fn decisions(planned: &Planned, summary: bool) {
    let run = &planned.run;
    say(&format!("\n{}: {}", run.name, run.hpa));
    if summary {
        return;
    }
    for scaling in &run.scalings {
        say(&format!("{:>10}  {:>3} -> {:<3}  {}", clock(scaling.at), scaling.from, scaling.to, scaling.reason));
    }
}

/// The numbers, side by side.
fn table(planned: &[Planned]) {
    let Some(first) = planned.first() else { return };
    let width = first.run.facts.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
    let column = |planned: &Planned| {
        let values = planned.run.facts.iter().map(|(_, value)| value.len());
        values.chain([planned.run.name.len()]).max().unwrap_or_default()
    };
    say("");
    if planned.len() > 1 {
        let names: Vec<String> = planned.iter().map(|one| format!("{:<1$}", one.run.name, column(one))).collect();
        say(format!("{:width$}  {}", "", names.join("  ")).trim_end());
    }
    for (row, (name, _)) in first.run.facts.iter().enumerate() {
        let values: Vec<String> = planned
            .iter()
            .map(|one| {
                let value = one.run.facts.get(row).map(|(_, value)| value.as_str()).unwrap_or_default();
                format!("{:<1$}", value, column(one))
            })
            .collect();
        say(format!("{name:<width$}  {}", values.join("  ")).trim_end());
    }
}
