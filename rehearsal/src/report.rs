//! A run as one HTML file that needs nothing else: its numbers, its decisions, and the timeline drawn.

mod chart;
mod page;

use std::io;
use std::path::Path;
use std::time::Duration;

/// What is reported: one run, or two side by side.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// The headline.
    pub title: String,
    /// What was done, and on which clock.
    pub notes: Vec<String>,
    /// The runs, of the same load.
    pub runs: Vec<Run>,
}

/// One run under one HPA.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// What tells it from the other.
    pub name: String,
    /// The HPA in words.
    pub hpa: String,
    /// What the first of its metrics per pod aims at, in requests a second; none without one.
    pub threshold: Option<f64>,
    /// The names of its metrics.
    pub metrics: Vec<String>,
    /// In the order of time.
    pub points: Vec<Point>,
    /// Each change of the replicas.
    pub scalings: Vec<Scaling>,
    /// The numbers, named.
    pub facts: Vec<(String, String)>,
}

/// A moment of a run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Point {
    /// Since its begin.
    pub at: Duration,
    /// Requests a second that are due.
    pub load: f64,
    /// Requests a second that are answered.
    pub served: f64,
    /// Requests a second per pod, as the metric says.
    pub per_pod: Option<f64>,
    /// Each metric's value in parts of what it aims at.
    pub pressures: Vec<Option<f64>>,
    /// Replicas that are asked for.
    pub desired: u32,
    /// Replicas that serve.
    pub ready: u32,
    /// Latencies.
    pub latency: Option<(Duration, Duration)>,
    /// Requests that failed.
    pub failed: u64,
}

/// A change of the replicas.
#[derive(Clone, Debug, PartialEq)]
pub struct Scaling {
    /// Since the run's begin.
    pub at: Duration,
    /// Replicas before.
    pub from: u32,
    /// Replicas after.
    pub to: u32,
    /// In the words of the event.
    pub reason: String,
    /// From the last step of the load; none if there was none.
    pub after_step: Option<Duration>,
    /// From a decision upwards until as many serve; none if that did not come to be.
    pub ready_after: Option<Duration>,
}

/// More points than a screen has pixels tell nothing.
const MOST_POINTS: usize = 1500;

impl Report {
    /// Writes the file, whole or not at all.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            std::fs::create_dir_all(folder)?;
        }
        let html = page::html(self);
        // What is no file, a terminal or /dev/stdout, is written as it is.
        if path.exists() && !path.is_file() {
            return std::fs::write(path, html);
        }
        let next = path.with_extension("html.next");
        let written = std::fs::write(&next, html).and_then(|()| std::fs::rename(&next, path));
        if written.is_err() {
            std::fs::remove_file(&next).ok();
        }
        written
    }
}

impl Run {
    /// As many points as can be told apart.
    fn thinned(&self) -> Vec<Point> {
        thinned(&self.points, MOST_POINTS)
    }
}

/// So many points at most: of those that fall together, the worst of each value.
#[must_use]
pub fn thinned(points: &[Point], most: usize) -> Vec<Point> {
    let width = points.len().div_ceil(most.max(1)).max(1);
    let worst = |chunk: &[Point]| {
        let (first, rest) = chunk.split_first()?;
        let mut worst = first.clone();
        for point in rest {
            worsen(&mut worst, point);
        }
        Some(worst)
    };
    points.chunks(width).filter_map(worst).collect()
}

/// Makes a point as bad as another one.
fn worsen(one: &mut Point, other: &Point) {
    let higher = |one: Option<f64>, other: Option<f64>| match (one, other) {
        (Some(one), Some(other)) => Some(one.max(other)),
        (one, other) => one.or(other),
    };
    one.load = one.load.max(other.load);
    one.served = one.served.max(other.served);
    one.per_pod = higher(one.per_pod, other.per_pod);
    for (own, other) in one.pressures.iter_mut().zip(&other.pressures) {
        *own = higher(*own, *other);
    }
    one.desired = one.desired.max(other.desired);
    one.ready = one.ready.min(other.ready);
    one.latency = match (one.latency, other.latency) {
        (Some(one), Some(other)) => Some((one.0.max(other.0), one.1.max(other.1))),
        (one, other) => one.or(other),
    };
    one.failed += other.failed;
}

/// A span as people read one: `0:42`, `3:05:00`, `6d 03:00`.
#[must_use]
pub fn clock(span: Duration) -> String {
    let seconds = span.as_secs();
    let (days, hours, minutes, seconds) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    match (days, hours) {
        (0, 0) => format!("{minutes}:{seconds:02}"),
        (0, _) => format!("{hours}:{minutes:02}:{seconds:02}"),
        _ => format!("{days}d {hours:02}:{minutes:02}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_written_as_people_read_it() {
        let of = |seconds| clock(Duration::from_secs(seconds));
        assert_eq!([of(0), of(42), of(185), of(11_100), of(529_200)], ["0:00", "0:42", "3:05", "3:05:00", "6d 03:00"]);
    }

    #[test]
    fn of_points_that_fall_together_the_worst_is_drawn() {
        let point = |load, ready| Point { load, ready, desired: ready, ..Point::default() };
        let run = Run {
            name: String::new(),
            hpa: String::new(),
            threshold: None,
            metrics: Vec::new(),
            scalings: Vec::new(),
            facts: Vec::new(),
            points: (0..MOST_POINTS).flat_map(|_| [point(1.0, 3), point(9.0, 2)]).collect(),
        };
        let thinned = run.thinned();
        assert_eq!(thinned.len(), MOST_POINTS);
        assert!(thinned.iter().all(|point| point.load > 8.0 && point.ready == 2 && point.desired == 3));
    }
    fn run(name: &str, threshold: f64, metrics: usize) -> Run {
        let point =
            |second| Point { at: Duration::from_secs(second), pressures: vec![Some(0.5); metrics], ..Point::default() };
        Run {
            name: name.to_owned(),
            hpa: String::new(),
            threshold: Some(threshold),
            metrics: (0..metrics).map(|place| format!("metric {place}")).collect(),
            points: (0..5).map(point).collect(),
            scalings: Vec::new(),
            facts: Vec::new(),
        }
    }

    #[test]
    fn each_run_is_drawn_with_its_own_threshold_and_all_of_its_metrics() {
        let report = |runs| Report { title: String::new(), notes: Vec::new(), runs };
        let page = page::html(&report(vec![run("first", 50.0, 1), run("second", 80.0, 1)]));
        for (class, threshold) in [("one", "threshold, first 50"), ("two", "threshold, second 80")] {
            assert!(page.contains(&format!("<i class=\"swatch level {class}\"></i>{threshold}<")), "{page}");
            assert_eq!(page.matches(&format!("<path class=\"level {class}\"")).count(), 1, "{page}");
        }
        let page = page::html(&report(vec![run("alone", 50.0, 6)]));
        assert!(page.contains("<i class=\"swatch level\"></i>threshold 50<"), "{page}");
        for place in 0..6 {
            assert!(page.contains(&format!("<title>metric {place}</title>")), "{page}");
        }
    }
}
