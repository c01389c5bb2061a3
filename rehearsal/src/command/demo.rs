//! The demonstrations in a real cluster.

mod args;
mod display;

use std::path::Path;
use std::process::ExitCode;

use tokio::sync::watch;

use super::{Result, cluster, say, stop};
use crate::cluster::demo::{Autoscaling, DemoError, Played, Quotas, autoscaling, quotas};
use crate::report::Report;
pub(super) use args::{HpaArgs, QuotaArgs};
use display::Display;

/// As a shell says that somebody pressed Ctrl-C.
const STOPPED: u8 = 130;

pub(super) fn quota(args: QuotaArgs) -> Result<ExitCode> {
    run(async |mut stopped| {
        let patience = args.place.patience();
        let kubectl = args.place.kubectl().await?;
        if !args.place.is_agreed(&kubectl).await? {
            let question = format!(
                "Scale Deployment {} of namespace {} up and down, and change the quota and the HPA meanwhile?",
                args.deployment, args.place.namespace
            );
            let said = tokio::select! {
                _ = stopped.wait_for(|stopped| *stopped) => return Ok(interrupted("nothing was done")),
                said = cluster::ask(question) => said,
            };
            if !said {
                let what = "nothing was done: `make up` did not make the namespace, and nobody said yes".to_owned();
                let cure = "answer y, or say YES=1 if nobody is there to be asked".to_owned();
                Err(DemoError::Missing { what, cure })?;
            }
        }
        let settings = Quotas {
            kubectl,
            namespace: args.place.namespace,
            deployment: args.deployment,
            manifests: args.manifests,
            patience,
        };
        let mut display = Display::new();
        let wrong = quotas(&settings, &mut display, stopped).await;
        display.over();
        let wrong = match wrong {
            Err(DemoError::Stopped) => return Ok(interrupted("all is as it was before")),
            wrong => wrong?,
        };
        Ok(verdict(&wrong, "Each of the three quotas did what it should."))
    })
}

pub(super) fn hpa(args: HpaArgs) -> Result<ExitCode> {
    run(async |stopped| {
        let (patience, step) = (args.place.patience(), args.step());
        let settings = Autoscaling {
            kubectl: args.place.kubectl().await?,
            namespace: args.place.namespace,
            hpa: args.hpa,
            url: args.url,
            step,
            quick: args.quick,
            patience,
        };
        let mut display = Display::new();
        let played = autoscaling(&settings, &mut display, stopped).await;
        display.over();
        let played = match played {
            Err(DemoError::Stopped) => return Ok(interrupted("before the load began")),
            played => played?,
        };
        for line in &played.summary {
            say(line);
        }
        report(&played, &args.report)?;
        let path = std::path::absolute(&args.report).unwrap_or_else(|_| args.report.clone());
        say(&format!("\nReport: {}", path.display()));
        if played.stopped {
            return Ok(interrupted("the report has what was seen until then"));
        }
        let code = verdict(&played.wrong, "The replicas followed the load, and no request failed.");
        // What a person watches is shown; what a machine watches is asserted. One that was cut off shows nothing.
        Ok(if args.assert || played.cut.is_some() { code } else { ExitCode::SUCCESS })
    })
}

fn run(demo: impl AsyncFnOnce(watch::Receiver<bool>) -> Result<ExitCode>) -> Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async { demo(stop::on_signal()?).await })
}

fn interrupted(what: &str) -> ExitCode {
    say(&format!("Stopped; {what}."));
    ExitCode::from(STOPPED)
}

fn verdict(wrong: &[String], well: &str) -> ExitCode {
    if wrong.is_empty() {
        say(&format!("\n{well}"));
        return ExitCode::SUCCESS;
    }
    say("\nNot as it should be:");
    for what in wrong {
        say(&format!("  {what}"));
    }
    ExitCode::from(2)
}

fn report(played: &Played, path: &Path) -> std::result::Result<(), String> {
    let mut notes = vec![
        format!("Load {}.", played.load),
        "From a real cluster: replicas and metrics as the HPA's status and the Deployment's told them, every two seconds."
            .to_owned(),
    ];
    notes.extend(played.cut.iter().map(|cut| format!("Cut off: {cut}.")));
    let report = Report { title: "Autoscaling in the cluster".to_owned(), notes, runs: vec![played.run.clone()] };
    report.write(path).map_err(|error| format!("the report {}: {error}", path.display()))
}
