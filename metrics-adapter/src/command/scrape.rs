use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use super::{CommandError, check_config, print, runtime};
use crate::clock::Clock;
use crate::config::Config;
use crate::config::args::ScrapeArgs;
use crate::exposition::{Dialect, Entry, Parser};
use crate::model::quantity::{Bytes, Milli, Nano};
use crate::model::{Absence, Batch, ScrapeFailure};
use crate::sources::{Fetcher, Wanted};
use crate::status::in_words;
use crate::store::{PodRecord, Report, Writer};

/// Any key will do: there is one target.
const POD: u64 = 0;
/// The names that are shown when a rule finds nothing.
const SHOWN: usize = 20;

/// Reads a target twice and says what it would give.
pub(super) fn run(args: &ScrapeArgs) -> Result<(), CommandError> {
    let config = match &args.config {
        Some(file) => check_config::read(file).map_err(CommandError::Given)?,
        None => Config::default(),
    };
    runtime()?.block_on(scrape(args, Arc::new(config)))
}

async fn scrape(args: &ScrapeArgs, config: Arc<Config>) -> Result<(), CommandError> {
    let fetcher = Fetcher::new(&config.scrape).map_err(|error| CommandError::Given(error.to_string()))?;
    let failed =
        |failure: ScrapeFailure| CommandError::Failed(format!("{}: {}: {}", args.url, failure.reason, failure.problem));
    let clock = Clock::start();
    let (mut writer, reader) = Writer::new(Arc::clone(&config));
    let mut last = (Vec::new(), Dialect::Prometheus);
    for reading in 0..2 {
        if reading > 0 {
            tokio::time::sleep(args.wait).await;
        }
        let (mut body, started) = (Vec::new(), clock.moment());
        let mut at = started;
        let fetched = fetcher.fetch(&args.url, &mut body, || at = clock.moment());
        let page = tokio::time::timeout(config.scrape.timeout, fetched).await;
        let page = page
            .map_err(|_| CommandError::Failed(format!("{}: no answer within {:?}", args.url, config.scrape.timeout)))?;
        let page = page.map_err(failed)?;
        let scrape = Wanted::of(&config).read(&body, page.dialect).map_err(failed)?;
        let took = clock.moment().since(started);
        let batch = Batch { pod: POD, generation: config.generation, at, took, outcome: Ok(scrape) };
        writer.take(Report::Batch(batch), &clock.now());
        last = (body, page.dialect);
    }
    writer.publish();
    let snapshot = reader.current();
    if let Some(record) = snapshot.record(POD) {
        print(&text(args, &config, record, &last.0, last.1, &clock));
    }
    Ok(())
}

fn text(
    args: &ScrapeArgs,
    config: &Config,
    record: &PodRecord,
    body: &[u8],
    dialect: Dialect,
    clock: &Clock,
) -> String {
    let names = names(body, dialect);
    let mut text = format!(
        "{}: {dialect:?} text, {} bytes, {} series of {} names, read twice in {:?}\n",
        args.url,
        body.len(),
        names.values().sum::<usize>(),
        names.len(),
        args.wait
    );
    // Writing to a string cannot fail.
    for (place, rule) in config.rules.iter().enumerate() {
        let _ = writeln!(text, "\n{}: {}", rule.name, in_words(rule));
        let Some(metric) = record.metrics.get(place) else { continue };
        match metric.measurement(rule, None, clock.moment(), config.scrape.stale_after) {
            Ok(measured) => {
                let value = Milli::nearest(measured.value).map_or("-".to_owned(), |value| value.to_string());
                let _ = writeln!(text, "  = {value}, over {:.3} s", measured.window.as_secs_f64());
                for series in metric.series() {
                    let _ = writeln!(text, "  {:>12.3}  {{{}}}", series.value, series.labels);
                }
            }
            Err(Absence::NoSeries) => {
                let shown: Vec<&str> = names.keys().take(SHOWN).map(String::as_str).collect();
                let _ = writeln!(
                    text,
                    "  no such series; there are {}{}",
                    shown.join(", "),
                    if names.len() > SHOWN { ", …" } else { "" }
                );
            }
            Err(absence) => {
                let _ = writeln!(text, "  no value: {}", absence.explain());
            }
        }
    }
    match record.usage {
        Ok(usage) => {
            let (cpu, memory) = (Nano(usage.cpu_nanocores), Bytes(usage.memory_bytes));
            let _ = write!(text, "\nits process uses cpu {cpu}, memory {memory}");
        }
        Err(_) => {
            text.push_str("\nno process_cpu_seconds_total and process_resident_memory_bytes: without a cluster, kubectl top will not show this pod");
        }
    }
    if let Some(warning) = &record.target.warning {
        let _ = write!(text, "\nwarning: {warning}");
    }
    text
}

/// All names of samples, with how many series each has.
fn names(body: &[u8], dialect: Dialect) -> BTreeMap<String, usize> {
    let mut names = BTreeMap::new();
    for entry in Parser::new(body, dialect, |_| true).map_while(Result::ok) {
        if let Entry::Sample(sample) = entry {
            *names.entry(sample.name.to_owned()).or_default() += 1;
        }
    }
    names
}
