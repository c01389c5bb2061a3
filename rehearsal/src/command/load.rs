use std::process::ExitCode;
use std::time::{Duration, Instant};

use super::args::LoadArgs;
use super::look::look;
use super::{Result, say, stop};
use crate::load::{Destination, Limits, Load, Same, Summary};
use crate::profile::Profile;
use crate::stage::Moment;

pub(super) fn run(args: &LoadArgs) -> Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(send(args))
}

async fn send(args: &LoadArgs) -> Result<ExitCode> {
    let profile = match (&args.profile, args.rate) {
        (Some(profile), _) => profile.clone(),
        (None, rate) => {
            format!("steps:{}@{}ms", rate.unwrap_or_default(), args.length.as_millis()).parse::<Profile>()?
        }
    };
    let (destination, path) = Destination::of(&args.url).await?;
    let mut stopped = stop::on_signal()?;
    let length = profile.length();
    let what = args.rate.map_or_else(|| profile.label().to_owned(), |rate| format!("{rate} requests a second"));
    say(&format!("Sending {what} to {} for {}", args.url, humantime::format_duration(length)));
    let authority = args.host.clone().unwrap_or_else(|| destination.authority.clone());
    let traffic = Same { path, authority };
    let limits = Limits { timeout: args.timeout, in_flight: usize::try_from(args.in_flight)? };
    let load = Load::start(profile.clone(), destination, traffic, limits)?;
    let measurements = load.measurements();
    let mut look = look();
    let mut ticks = tokio::time::interval(Duration::from_secs(1));
    ticks.tick().await;
    let mut last = Instant::now();
    let mut moment = Moment::default();
    while !load.is_over() {
        tokio::select! {
            _ = stopped.wait_for(|stopped| *stopped) => break,
            _ = ticks.tick() => {}
        }
        let seconds = last.elapsed().as_secs_f64();
        last = Instant::now();
        let interval = measurements.take(seconds);
        let elapsed = load.began.elapsed().min(length);
        moment = Moment {
            elapsed,
            length: Some(length),
            load: profile.rate(elapsed).unwrap_or_default(),
            served: f64::from(u32::try_from(interval.answered).unwrap_or(u32::MAX)) / seconds,
            latency: interval.quantiles(),
            failed: moment.failed + interval.errors,
            replicas: (0, 0),
        };
        look.moment(&moment);
    }
    load.stop();
    load.end().await;
    measurements.take(last.elapsed().as_secs_f64());
    look.over();
    let summary = Summary::of(&measurements);
    say("Done!");
    say(&summary.to_string());
    Ok(if summary.failed() == 0 { ExitCode::SUCCESS } else { ExitCode::from(2) })
}
