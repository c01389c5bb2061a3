use crate::config::{Config, Kind, Rule};
use crate::exposition::{self, Dialect, Entry, Parser, Sample};
use crate::model::{FailureReason, RawSample, Scrape, ScrapeFailure, Wall};

const START: &str = "process_start_time_seconds";
const CPU: &str = "process_cpu_seconds_total";
const MEMORY: &str = "process_resident_memory_bytes";

/// The labels of a series have so many bytes, on an average of those that may be: they are kept for as long as the series.
const LABELS: usize = 512;

/// What of an exposition is wanted: the series that rules name, and what a process says of itself.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// The rules.
    pub rules: &'a [Rule],
    /// The most series that they may select.
    pub series_limit: usize,
}

impl<'a> Wanted<'a> {
    /// By a configuration.
    #[must_use]
    pub fn of(config: &'a Config) -> Self {
        Self { rules: &config.rules, series_limit: config.scrape.series_limit }
    }

    fn wants(&self, name: &str) -> bool {
        matches!(name, START | CPU | MEMORY) || self.rules.iter().any(|rule| rule.series == name)
    }

    /// Reads an exposition; an error says in which line.
    pub fn read(&self, body: &[u8], dialect: Dialect) -> Result<Scrape, ScrapeFailure> {
        let mut reading = Reading { wanted: *self, scrape: Scrape { bytes: body.len(), ..Scrape::default() } };
        for entry in Parser::new(body, dialect, |name| self.wants(name)) {
            let entry = entry
                .map_err(|error| ScrapeFailure { reason: FailureReason::Malformed, problem: error.to_string() })?;
            match entry {
                Entry::Type { family, kind } => reading.family(family, kind),
                Entry::Sample(sample) => reading.sample(&sample)?,
            }
        }
        Ok(reading.scrape)
    }
}

/// An exposition that is being read.
#[derive(Debug)]
pub struct Reading<'a> {
    wanted: Wanted<'a>,
    scrape: Scrape,
}

impl Reading<'_> {
    /// A rule that takes one kind of series for the other gives values that mean nothing; an exposition may be
    /// wrong as well, so this is said and not refused.
    fn family(&mut self, family: &str, kind: exposition::Kind) {
        let differs = self.wanted.rules.iter().find(|rule| {
            let own = rule.series == family || rule.series.strip_suffix("_total") == Some(family);
            own && match kind {
                exposition::Kind::Counter => rule.kind == Kind::Gauge,
                exposition::Kind::Gauge => rule.kind != Kind::Gauge,
                _ => false,
            }
        });
        if let Some(rule) = differs {
            let (name, read_as) = (&rule.name, rule.kind.label());
            let said = if rule.kind == Kind::Gauge { "counter" } else { "gauge" };
            self.scrape.warning = Some(format!("{family} is a {said}, but {name} reads it as a {read_as}"));
        }
    }

    fn sample(&mut self, sample: &Sample<'_>) -> Result<(), ScrapeFailure> {
        match sample.name {
            START => self.scrape.process_start = Some(sample.value),
            CPU => self.scrape.cpu_seconds = Some(sample.value),
            MEMORY => self.scrape.memory_bytes = Some(sample.value),
            _ => {}
        }
        for (place, rule) in self.wanted.rules.iter().enumerate() {
            if rule.series == sample.name && selected(rule, sample) {
                self.keep(place, sample)?;
            }
        }
        Ok(())
    }

    fn keep(&mut self, place: usize, sample: &Sample<'_>) -> Result<(), ScrapeFailure> {
        if self.scrape.samples.len() == self.wanted.series_limit {
            let limit = self.wanted.series_limit;
            let problem = format!("more than {limit} series that rules select; scrape.seriesLimit allows no more");
            return Err(ScrapeFailure { reason: FailureReason::TooManySeries, problem });
        }
        let start = self.scrape.text.len();
        let most = self.wanted.series_limit.saturating_mul(LABELS);
        if start + sample.labels.text().len() > most {
            let problem = format!(
                "the labels of the series that rules select have more than {most} bytes, {LABELS} for each that \
                 scrape.seriesLimit allows"
            );
            return Err(ScrapeFailure { reason: FailureReason::TooManySeries, problem });
        }
        self.scrape.text.push_str(sample.labels.text());
        let labels = start..self.scrape.text.len();
        let rule = u32::try_from(place).unwrap_or(u32::MAX);
        let timestamp = sample.timestamp.map(Wall::from_millis);
        self.scrape.samples.push(RawSample { rule, labels, value: sample.value, timestamp });
        Ok(())
    }
}

fn selected(rule: &Rule, sample: &Sample<'_>) -> bool {
    if rule.select.is_empty() {
        return true;
    }
    let labels: crate::model::Labels = sample.labels.iter().map(|(name, value)| (name, value.into_owned())).collect();
    rule.select.matches(&labels)
}
