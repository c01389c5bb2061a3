use std::sync::Arc;
use std::time::{Duration, Instant};

use metrics_adapter::clock::Clock;
use tokio::sync::{mpsc, watch};

use super::acts::Acts;
use super::ending::{fate, outcome};
use super::looking::{Look, Moment};
use super::prepare::{self, Programs};
use super::scaler::Scaler;
use super::timeline::Timeline;
use super::traffic::Person;
use super::words::{header, introduction, told};
use super::{Outcome, Settings, StageError};
use crate::adapter::{self, Adapter};
use crate::autoscaler::{Autoscaler, Options, SYNC};
use crate::door::{Counts, Door};
use crate::load::{Destination, Limits, Load, Summary};
use crate::metrics::Metrics;
use crate::process::Guard;
use crate::replicas::{self, Replicas};

/// How long the first replicas may take to serve.
const START: Duration = Duration::from_mins(1);
/// How long to wait for the adapter's first values, which need two scrapes.
const FIRST_VALUES: Duration = Duration::from_secs(30);

/// What is done with the outcome of a load while all goes on.
pub type Keep<'a> = dyn Fn(&Outcome) -> Result<(), String> + Sync + 'a;

/// Plays it, until the load is over or it is told to stop. If it goes on after the load, `keep` is given what came of it.
pub async fn play(
    settings: Settings,
    look: &mut dyn Look,
    mut stop: watch::Receiver<bool>,
    keep: &Keep<'_>,
) -> Result<Outcome, StageError> {
    let programs = Programs::find()?;
    let door = prepare::ports(&settings)?;
    let files = prepare::folder(&settings)?;
    let guard = Guard::start().map_err(|source| StageError::System { what: "the guard cannot be started", source })?;
    let guard = Arc::new(guard);
    // What was started ends with what is dropped here.
    let stage = tokio::select! {
        biased;
        () = told_to_stop(&mut stop) => return Err(StageError::Stopped),
        stage = start(&settings, &programs, &files, &guard, look) => stage?,
    };
    let outcome = stage.run(door, look, stop, keep).await;
    drop(guard);
    outcome
}

async fn told_to_stop(stop: &mut watch::Receiver<bool>) {
    stop.wait_for(|stop| *stop).await.ok();
}

/// The database, the first replicas, the adapter.
async fn start<'a>(
    settings: &'a Settings,
    programs: &Programs,
    files: &prepare::Files,
    guard: &Arc<Guard>,
    look: &mut dyn Look,
) -> Result<Stage<'a>, StageError> {
    look.line(&format!("Filling {} with {} articles …", files.database.display(), settings.articles));
    prepare::seed(guard, programs, files, settings.articles).await?;
    let clock = Clock::start();
    let replica_settings = replicas::Settings {
        workload: settings.workload.clone(),
        program: programs.conduit.clone(),
        data_file: files.database.clone(),
        logs: files.logs.clone(),
        pace: settings.pace,
    };
    let (mut replicas, mut replica_events) = Replicas::new(replica_settings, Arc::clone(guard), clock);
    let first = settings.hpa.min_replicas.max(1);
    replicas.scale(count(first));
    first_ready(&replicas, &mut replica_events, count(first), look).await?;
    let (adapter, adapter_events) = start_adapter(settings, programs, files, guard, &replicas).await?;
    Ok(Stage { settings, clock, replicas, adapter, replica_events, adapter_events })
}

fn count(replicas: i32) -> usize {
    usize::try_from(replicas).unwrap_or_default()
}

/// Waits until the first replicas serve; one that cannot be started is the end.
async fn first_ready(
    replicas: &Replicas,
    events: &mut mpsc::UnboundedReceiver<replicas::Event>,
    wanted: usize,
    look: &mut dyn Look,
) -> Result<(), StageError> {
    let reader = replicas.reader();
    let begun = Instant::now();
    while reader.ready() < wanted {
        match tokio::time::timeout(START.saturating_sub(begun.elapsed()), events.recv()).await {
            Ok(Some(replicas::Event::Failed(_, problem))) => {
                let source = std::io::Error::other(problem);
                return Err(StageError::System { what: "the first replicas cannot be started", source });
            }
            Ok(Some(event)) => look.line(&told(&event)),
            Ok(None) | Err(_) => {
                let source = std::io::Error::from(std::io::ErrorKind::TimedOut);
                return Err(StageError::System { what: "the first replicas are not ready", source });
            }
        }
    }
    Ok(())
}

async fn start_adapter(
    settings: &Settings,
    programs: &Programs,
    files: &prepare::Files,
    guard: &Arc<Guard>,
    replicas: &Replicas,
) -> Result<(Adapter, mpsc::UnboundedReceiver<adapter::Event>), StageError> {
    let workload = &settings.workload;
    let adapter_settings = adapter::Settings {
        program: programs.adapter.clone(),
        folder: files.folder.clone(),
        logs: files.logs.clone(),
        ports: settings.adapter_ports,
        pace: settings.pace,
        namespace: settings.hpa.namespace.clone(),
        deployment: workload.name.clone(),
        labels: workload.labels.clone(),
        container: workload.containers.first().map(|own| own.name.to_string()).unwrap_or_default(),
    };
    let changes = replicas.changes();
    Ok(Adapter::start(adapter_settings, Arc::clone(guard), replicas.reader(), changes).await?)
}

/// Everything that runs.
struct Stage<'a> {
    settings: &'a Settings,
    clock: Clock,
    replicas: Replicas,
    adapter: Adapter,
    replica_events: mpsc::UnboundedReceiver<replicas::Event>,
    adapter_events: mpsc::UnboundedReceiver<adapter::Event>,
}

impl Stage<'_> {
    async fn run(
        mut self,
        door: std::net::TcpListener,
        look: &mut dyn Look,
        stop: watch::Receiver<bool>,
        keep: &Keep<'_>,
    ) -> Result<Outcome, StageError> {
        let system = |source| StageError::System { what: "the front door", source };
        let address = door.local_addr().map_err(system)?;
        let listener = tokio::net::TcpListener::from_std(door).map_err(system)?;
        let proxy = Arc::new(Door::new(self.replicas.ready()));
        let counts = proxy.counts();
        let serving = tokio::spawn(proxy.serve(listener));
        let base = format!("http://{address}");
        let result = self.play(&base, &counts, look, stop, keep).await;
        look.over();
        serving.abort();
        self.adapter.stop().await;
        self.replicas.stop().await;
        result
    }

    async fn play(
        &mut self,
        base: &str,
        counts: &Counts,
        look: &mut dyn Look,
        mut stop: watch::Receiver<bool>,
        keep: &Keep<'_>,
    ) -> Result<Outcome, StageError> {
        let settings = self.settings;
        let mut scaler = self.scaler();
        let meet = async {
            self.wait_for_values(&scaler).await;
            let person = Person::register(base).await?;
            let (destination, _) = Destination::of(base)
                .await
                .map_err(|error| StageError::Api { door: base.to_owned(), problem: error.to_string() })?;
            let (traffic, written) = person.traffic(&destination.authority).await?;
            Ok::<_, StageError>((person, destination, traffic, written))
        };
        let (person, destination, traffic, written) = tokio::select! {
            biased;
            () = told_to_stop(&mut stop) => return Err(StageError::Stopped),
            met = meet => met?,
        };
        for line in introduction(settings, base, self.adapter.addresses, &self.replicas.seen()) {
            look.line(&line);
        }
        look.line(&header(settings.pace));
        let profile = settings.profile.as_ref().map(|profile| profile.paced(settings.pace));
        let load = profile
            .clone()
            .map(|profile| Load::start(profile, destination, traffic, Limits::default()))
            .transpose()
            .map_err(|source| StageError::System { what: "the load cannot be started", source })?;
        let mut acts = Acts {
            settings,
            timeline: Timeline::new(profile.as_ref()),
            began: load.as_ref().map_or_else(Instant::now, |load| load.began),
            profile,
            reader: self.replicas.reader(),
            latest: Arc::clone(&scaler.latest),
            answered: 0,
            deaths: 0,
            over: false,
            moment: Moment::default(),
        };
        let stopped = self.acts(&mut acts, &mut scaler, load.as_ref(), counts, look, &mut stop).await;
        let summary = match load {
            Some(load) => {
                load.stop();
                let measurements = load.measurements();
                load.end().await;
                Some(Summary::of(&measurements))
            }
            None => None,
        };
        look.over();
        // The replicas are still there: what was acknowledged must be.
        let fate = if summary.is_some() { Some(fate(&person, &written).await) } else { None };
        let outcome = outcome(&acts, &scaler, summary.as_ref(), fate.as_ref(), counts, stopped);
        if settings.keep && !stopped {
            for line in &outcome.summary {
                look.line(line);
            }
            match keep(&outcome) {
                Ok(()) => look.line("\nThe load is over and its report is written; all goes on until Ctrl-C.\n"),
                Err(problem) => look.line(&format!("\nThe load is over, all goes on until Ctrl-C; {problem}\n")),
            }
            acts.over = true;
            self.acts(&mut acts, &mut scaler, None, counts, look, &mut stop).await;
        }
        Ok(outcome)
    }

    fn scaler(&self) -> Scaler {
        let settings = self.settings;
        let autoscaler =
            Autoscaler::new(settings.hpa.clone().paced(settings.pace), Options::default().paced(settings.pace));
        let metrics = Metrics::new(&format!("http://{}", self.adapter.addresses.api));
        let labels = settings.workload.labels.iter().map(|(name, value)| format!("{name}={value}"));
        let selector = labels.collect::<Vec<_>>().join(",");
        let replicas = settings.hpa.min_replicas.max(1);
        Scaler::new(autoscaler, metrics, selector, self.replicas.reader(), self.clock, replicas)
    }

    /// Until a sync would find everything; what is never measured, the autoscaler will say.
    async fn wait_for_values(&self, scaler: &Scaler) {
        let begun = Instant::now();
        let patience = FIRST_VALUES.div_f64(self.settings.pace).max(Duration::from_secs(3));
        while !scaler.sees().await && begun.elapsed() < patience {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// The loop itself. Says whether it was told to stop.
    async fn acts(
        &mut self,
        acts: &mut Acts<'_>,
        scaler: &mut Scaler,
        load: Option<&Load>,
        counts: &Counts,
        look: &mut dyn Look,
        stop: &mut watch::Receiver<bool>,
    ) -> bool {
        let pace = self.settings.pace;
        let mut syncs = tokio::time::interval(SYNC.div_f64(pace));
        syncs.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let tick = Duration::from_secs(1).div_f64((pace / 5.0).max(1.0));
        let mut ticks = tokio::time::interval_at(tokio::time::Instant::now() + tick, tick);
        // A sync is awaited; the ticks that were due meanwhile are one, not many of no length.
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut changes = self.replicas.changes();
        let mut last = Instant::now();
        loop {
            tokio::select! {
                () = told_to_stop(stop) => return true,
                _ = syncs.tick() => {
                    let decision = tokio::select! {
                        decision = scaler.sync() => decision,
                        () = told_to_stop(stop) => return true,
                    };
                    acts.decided(scaler, &decision, look);
                    self.replicas.scale(count(decision.desired));
                }
                _ = ticks.tick() => {
                    let passed = last.elapsed();
                    // A rate over a moment says nothing; what came in it counts with the next tick.
                    if passed >= tick / 2 {
                        last = Instant::now();
                        acts.tick(load, counts, passed.as_secs_f64(), look);
                    }
                    if load.is_some_and(Load::is_over) {
                        return false;
                    }
                }
                Some(event) = self.replica_events.recv() => acts.replica(&event, look),
                Some(event) = self.adapter_events.recv() => acts.adapter(&event, look),
                Ok(()) = changes.changed() => acts.timeline.ready(acts.began.elapsed(), acts.reader.ready()),
            }
        }
    }
}
