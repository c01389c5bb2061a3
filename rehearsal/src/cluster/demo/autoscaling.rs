use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::before::NOTE;
use super::course::Course;
use super::place::Place;
use super::record::{Record, Span};
use super::target::Target;
use super::watching::{self, Seen};
use super::{DemoError, Patience, Show, Standing, checks, told};
use crate::aims;
use crate::autoscaler::Hpa;
use crate::cluster::Kubectl;
use crate::load::{Limits, Load, Measurements, Summary};
use crate::report::{Run, Scaling, clock};

/// What is shown where.
#[derive(Clone, Debug)]
pub struct Autoscaling {
    /// The person's own.
    pub kubectl: Kubectl,
    /// Where the HPA is.
    pub namespace: String,
    /// The HPA.
    pub hpa: String,
    /// Where the load goes; none is the Ingress.
    pub url: Option<String>,
    /// How long each step of the load is.
    pub step: Duration,
    /// Without the last step.
    pub quick: bool,
    /// How long each wait may take.
    pub patience: Patience,
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct Played {
    /// For the report.
    pub run: Run,
    /// The load, in words.
    pub load: String,
    /// What is printed at the end.
    pub summary: Vec<String>,
    /// What went otherwise than it should, in words.
    pub wrong: Vec<String>,
    /// Why it ended before its end.
    pub cut: Option<String>,
    /// Whether somebody told it to stop.
    pub stopped: bool,
}

/// Sends the load in steps and shows what the HPA makes of it, then waits until the replicas are few again.
pub async fn autoscaling(
    settings: &Autoscaling,
    show: &mut dyn Show,
    mut stop: watch::Receiver<bool>,
) -> Result<Played, DemoError> {
    let prepared = prepare(settings, show, &mut stop).await;
    // Ctrl-C reaches kubectl as well: what it says then is not the reason.
    let (hpa, place, target) = prepared.map_err(|error| if *stop.borrow() { DemoError::Stopped } else { error })?;
    let known = place.refusals_told().await?;
    let course = Course::of(&hpa, settings.quick, settings.step, settings.patience.scale_down)
        .ok_or_else(|| DemoError::missing("no load can be made of such steps", "name a longer --step"))?;
    show.line(&format!(
        "{}\nLoad: {} requests a second for {} each to {} ({}), then a rest until there are {} replicas again",
        aims::described(&hpa),
        course.rates(),
        humantime::format_duration(settings.step),
        target.url(),
        target.address(),
        hpa.min_replicas
    ));
    if let Some(remark) = target.remark() {
        show.line(remark);
    }
    let load = Load::start(course.profile.clone(), target.destination.clone(), target.traffic(), Limits::default())?;
    let mut play = Play {
        settings,
        known,
        place: &place,
        hpa: &hpa,
        course: &course,
        began: load.began,
        record: Record::default(),
        ends: Vec::new(),
        failed: 0,
        unsaid: None,
        refusals: Vec::new(),
        silent: None,
        blind: false,
    };
    let cut = play.run(&load.measurements(), show, &mut stop).await;
    load.stop();
    let measurements = load.measurements();
    load.end().await;
    let stopped = *stop.borrow();
    let cut = if stopped { Some("it was stopped before its end".to_owned()) } else { cut.err() };
    Ok(play.played(&Summary::of(&measurements), cut, stopped))
}

async fn prepare(
    settings: &Autoscaling,
    show: &mut dyn Show,
    stop: &mut watch::Receiver<bool>,
) -> Result<(Hpa, Place, Target), DemoError> {
    let (kubectl, namespace) = (settings.kubectl.clone(), settings.namespace.clone());
    let (hpa, _) = checks::hpa(&kubectl, &namespace, &settings.hpa).await?;
    let place = Place { deployment: hpa.target.name.clone(), kubectl, namespace };
    let deployment = place.deployment().await?;
    if deployment["metadata"]["annotations"][NOTE].is_string() {
        let what = format!("an earlier `make demo-quota` was cut off, and the HPA {} still holds still", hpa.name);
        return Err(DemoError::missing(what, "`make demo-quota` once more puts back what stood before"));
    }
    checks::sees(&place, &hpa, settings.patience, show, stop).await?;
    let target = Target::find(settings.url.as_deref(), &place.kubectl, &place.namespace).await?;
    target.is_served().await?;
    checks::rests(&place, &hpa, settings.patience, show, stop).await?;
    Ok((hpa, place, target))
}

struct Play<'a> {
    settings: &'a Autoscaling,
    place: &'a Place,
    hpa: &'a Hpa,
    course: &'a Course,
    began: Instant,
    record: Record,
    /// Replicas that serve and those asked for, at the end of each step.
    ends: Vec<(u32, u32)>,
    failed: u64,
    /// A decision whose event was not yet there: its place, and how often it was looked for.
    unsaid: Option<(usize, u32)>,
    /// What events told of before it began.
    known: Vec<(String, String)>,
    /// What kept pods from being made.
    refusals: Vec<String>,
    /// Since when the cluster does not answer.
    silent: Option<Instant>,
    /// Whether the HPA does not see.
    blind: bool,
}

/// An event is written after the object: so often it is looked for.
const LOOKS: u32 = 4;

impl Play<'_> {
    /// Until the replicas are few again. What ends it before is said in words.
    async fn run(
        &mut self,
        measurements: &Measurements,
        show: &mut dyn Show,
        stop: &mut watch::Receiver<bool>,
    ) -> Result<(), String> {
        let patience = self.settings.patience;
        let mut looks = tokio::time::interval(patience.look);
        looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let second = patience.look.min(Duration::from_secs(1));
        let mut ticks = tokio::time::interval_at(tokio::time::Instant::now() + second, second);
        let mut last = Instant::now();
        loop {
            tokio::select! {
                biased;
                () = told(stop) => return Ok(()),
                _ = ticks.tick() => {
                    self.tick(measurements, last.elapsed().as_secs_f64(), show);
                    last = Instant::now();
                }
                _ = looks.tick() => {
                    let seen = tokio::select! {
                        () = told(stop) => return Ok(()),
                        seen = watching::look(self.place, self.hpa) => seen,
                    };
                    match seen {
                        Ok(seen) => self.saw(&seen, show).await,
                        Err(error) => self.unanswered(&error, show)?,
                    }
                    if self.is_over(patience)? {
                        return Ok(());
                    }
                }
            }
        }
    }

    fn tick(&mut self, measurements: &Measurements, seconds: f64, show: &mut dyn Show) {
        let interval = measurements.take(seconds);
        let elapsed = self.began.elapsed();
        let served = f64::from(u32::try_from(interval.answered).unwrap_or(u32::MAX)) / seconds;
        let due = self.course.profile.rate(elapsed).unwrap_or_default();
        let latency = interval.quantiles();
        self.failed += interval.errors;
        self.record.loaded(Span {
            due,
            served,
            latency: latency.map(|latency| (latency.p50, latency.p99)),
            failed: interval.errors,
        });
        let seen = self.record.last().cloned().unwrap_or_default();
        show.stands(&Standing {
            elapsed,
            load: due,
            served,
            latency,
            failed: self.failed,
            replicas: (seen.ready, seen.desired),
            per_pod: seen.per_pod,
        });
    }

    async fn saw(&mut self, seen: &Seen, show: &mut dyn Show) {
        if self.silent.take().is_some() {
            show.line("  the cluster answers again");
        }
        let at = self.began.elapsed();
        self.steps(at, show);
        // The first step is where it begins: it waits for nothing.
        let starts = self.course.steps.iter().skip(1).map(|step| step.from).chain([self.course.rests()]);
        let last_step = starts.filter(|from| *from <= at).max();
        if let Some(place) = self.record.saw(at, seen, last_step) {
            self.unsaid = Some((place, 0));
        }
        self.say_decision(show).await;
        match (&seen.blind, self.blind) {
            (Some(why), false) => show.line(&format!("  the HPA does not see, and changes nothing: {why}")),
            (None, true) => show.line("  the HPA sees again"),
            _ => {}
        }
        self.blind = seen.blind.is_some();
        if seen.made < seen.desired {
            self.look_for_refusals(show).await;
        }
    }

    /// A step that is over is remembered as it ended: as it was seen last.
    fn steps(&mut self, at: Duration, show: &mut dyn Show) {
        while let Some(step) = self.course.steps.get(self.ends.len()).filter(|step| step.until <= at) {
            let seen = self.record.last().map_or((0, 0), |seen| (seen.ready, seen.desired));
            self.ends.push(seen);
            let verdict = if seen == (step.expected, step.expected) { "as expected" } else { "NOT as expected" };
            show.line(&format!(
                "{:>7}  {} requests a second: {} ready of {}, expected {}, {verdict}",
                clock(at),
                step.rate,
                seen.0,
                seen.1,
                step.expected
            ));
        }
    }

    /// With its reason, which is the event's.
    async fn say_decision(&mut self, show: &mut dyn Show) {
        let Some((place, looked)) = self.unsaid else { return };
        let Some(to) = self.record.scalings.get(place).map(|scaling| scaling.to) else { return };
        let events = self.place.events("HorizontalPodAutoscaler", &self.hpa.name, "SuccessfulRescale").await;
        let wanted = format!("New size: {to}; reason: ");
        let events = events.unwrap_or_default();
        let reason = events.iter().rev().find_map(|(_, message)| message.strip_prefix(&wanted));
        if reason.is_none() && looked < LOOKS {
            self.unsaid = Some((place, looked + 1));
            return;
        }
        self.unsaid = None;
        if let Some(scaling) = self.record.scalings.get_mut(place) {
            if let Some(reason) = reason {
                reason.clone_into(&mut scaling.reason);
            }
            show.line(&format!("{:>7}  {} -> {}  {}", clock(scaling.at), scaling.from, scaling.to, scaling.reason));
        }
    }

    /// The HPA's wish is not the `ReplicaSet`'s: what a quota refuses, only that one says.
    async fn look_for_refusals(&mut self, show: &mut dyn Show) {
        let refusals = self.place.refusals().await.unwrap_or_default();
        for (_, message) in refusals.into_iter().filter(|refusal| !self.known.contains(refusal)) {
            // The name of the pod that was not made is another one each time.
            let cause = message.split_once("is forbidden: ").map_or(message.as_str(), |(_, cause)| cause).to_owned();
            if !self.refusals.contains(&cause) {
                show.line(&format!("  the HPA wants more than can be made: {message}"));
                self.refusals.push(cause);
            }
        }
    }

    fn unanswered(&mut self, error: &DemoError, show: &mut dyn Show) -> Result<(), String> {
        let limit = self.settings.patience.cluster;
        match self.silent {
            None => {
                show.line(&format!("  the cluster does not answer, the load goes on: {error}"));
                self.silent = Some(Instant::now());
                Ok(())
            }
            Some(since) if since.elapsed() > limit => {
                Err(format!("the cluster has not answered for {}: {error}", humantime::format_duration(limit)))
            }
            Some(_) => Ok(()),
        }
    }

    /// After the rest has begun, with as few replicas as allowed.
    fn is_over(&self, patience: Patience) -> Result<bool, String> {
        let (at, rests) = (self.began.elapsed(), self.course.rests());
        if at < rests || self.ends.len() < self.course.steps.len() {
            return Ok(false);
        }
        let fewest = u32::try_from(self.hpa.min_replicas).unwrap_or_default();
        let seen = self.record.last().cloned().unwrap_or_default();
        if seen.desired == fewest && seen.ready == fewest && self.unsaid.is_none() {
            return Ok(true);
        }
        if at > rests + patience.scale_down {
            let limit = humantime::format_duration(patience.scale_down);
            return Err(format!("{} ready of {} after {limit} of rest, expected {fewest}", seen.ready, seen.desired));
        }
        Ok(false)
    }

    fn played(self, summary: &Summary, cut: Option<String>, stopped: bool) -> Played {
        let mut wrong: Vec<String> = Vec::new();
        for (step, seen) in self.course.steps.iter().zip(&self.ends) {
            let (ready, desired) = seen;
            if *seen != (step.expected, step.expected) {
                let (rate, expected) = (step.rate, step.expected);
                wrong.push(format!("{rate} requests a second: {ready} ready of {desired}, expected {expected}"));
            }
        }
        wrong.extend(self.refusals.iter().map(|cause| format!("pods were not made: {cause}")));
        wrong.extend((summary.failed() > 0).then(|| format!("{} requests failed", summary.failed())));
        wrong.extend(cut.clone().filter(|_| !stopped));
        let facts = self.facts(summary);
        let mut lines = vec![String::new()];
        lines.extend(summary.to_string().lines().map(str::to_owned));
        let width = facts.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
        lines.push(String::new());
        lines.extend(facts.iter().map(|(name, value)| format!("{name:<width$}  {value}")));
        lines.push(String::new());
        lines.extend(self.record.scalings.iter().map(told_scaling));
        let run = Run {
            name: self.hpa.name.clone(),
            hpa: aims::described(self.hpa),
            threshold: aims::threshold(self.hpa),
            metrics: self.hpa.metrics.iter().map(aims::short).collect(),
            points: self.record.points,
            scalings: self.record.scalings,
            facts,
        };
        Played { run, load: self.course.profile.label().to_owned(), summary: lines, wrong, cut, stopped }
    }

    fn facts(&self, summary: &Summary) -> Vec<(String, String)> {
        let millis = |part: f64| format!("{:.1} ms", summary.quantile(part).as_secs_f64() * 1000.0);
        let mut facts = vec![
            ("requests".to_owned(), summary.requests.to_string()),
            ("failed".to_owned(), summary.failed().to_string()),
            ("p50".to_owned(), millis(0.5)),
            ("p99".to_owned(), millis(0.99)),
        ];
        for (step, (ready, desired)) in self.course.steps.iter().zip(&self.ends) {
            let value = format!("{ready} ready of {desired}, expected {}", step.expected);
            facts.push((format!("at {}/s", step.rate), value));
        }
        facts.push(("decisions".to_owned(), self.record.scalings.len().to_string()));
        facts
    }
}

/// A decision, at the end.
fn told_scaling(scaling: &Scaling) -> String {
    let span = |what: &str, span: Option<Duration>| {
        span.map_or_else(String::new, |span| format!("; {what} {:.0} s", span.as_secs_f64()))
    };
    format!(
        "{:>7}  {} -> {}  {}{}{}",
        clock(scaling.at),
        scaling.from,
        scaling.to,
        scaling.reason,
        span("seen after", scaling.after_step),
        span("ready after", scaling.ready_after)
    )
}
