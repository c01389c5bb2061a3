//! What a rate promises, for thousands of streams that are made up: through the store's door, with the truth known.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use metrics_adapter::config::Config;
use metrics_adapter::model::{
    Absence, Batch, FailureReason, Measurement, Moment, Now, RawSample, Scrape, ScrapeFailure, Wall,
};
use metrics_adapter::store::{MetricRecord, Reader, Report, Writer};

const CASES: u64 = 4_000;
const SCRAPES: u64 = 40;
/// In milliseconds, as all times here.
const INTERVAL: u64 = 1_000;
const POD: u64 = 7;
/// The wall clock's lead over the other one.
const EPOCH: i64 = 1_767_225_600_000;

/// xorshift64*
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16
    }

    /// Less than `end`.
    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    /// Once in so many times.
    fn once_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }
}

/// A series, and all that it ever counted.
struct Series {
    name: u64,
    /// How many events a scrape's time has, at most.
    pace: u64,
    /// When each event was.
    events: Vec<u64>,
    /// When it began to count from zero, the last time.
    zero: u64,
    /// Whether there is one at all; it is made again from zero.
    exists: bool,
    /// Whether it is shown; what is not shown counts on.
    shown: bool,
    /// Whether it was ever read.
    read: bool,
}

impl Series {
    fn new(name: u64, pace: u64, zero: u64) -> Self {
        Self { name, pace, events: Vec::new(), zero, exists: true, shown: true, read: false }
    }

    /// How many events there were after one time up to another.
    fn counted(&self, after: u64, until: u64) -> u64 {
        let up_to = |time: u64| self.events.partition_point(|event| *event <= time) as u64;
        up_to(until) - up_to(after)
    }
}

/// A target, as it is from one scrape to the next.
struct World {
    random: Random,
    series: Vec<Series>,
    /// Whether processes start again, series vanish and samples are no numbers.
    troubled: bool,
    /// Whether the process says when it was started, and what it has used.
    tells: bool,
    /// Whether samples have timestamps of their own.
    stamped: bool,
    started: u64,
    now: u64,
    names: u64,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        let now = 100_000 + random.below(5_000);
        let (troubled, tells, stamped) = (random.once_in(2), random.once_in(2), random.once_in(4));
        let mut world = Self { random, series: Vec::new(), troubled, tells, stamped, started: 0, now, names: 0 };
        for _ in 0..=world.random.below(4) {
            world.appear(0);
        }
        // It has counted before it was read for the first time.
        world.count(0, now);
        world
    }

    fn appear(&mut self, zero: u64) {
        self.names += 1;
        let pace = [0, 1, 5, 40][usize::try_from(self.random.below(4)).unwrap()];
        self.series.push(Series::new(self.names, pace, zero));
    }

    /// Each series counts.
    fn count(&mut self, after: u64, until: u64) {
        for series in self.series.iter_mut().filter(|series| series.exists) {
            let after = after.max(series.zero);
            if until <= after {
                continue;
            }
            let from = series.events.len();
            for _ in 0..self.random.below(series.pace + 1) {
                series.events.push(after + 1 + self.random.below(until - after));
            }
            series.events[from..].sort_unstable();
        }
    }

    /// Goes on to the next scrape, which may be early, late, or after a long time.
    fn go_on(&mut self) {
        let before = self.now;
        let jitter = self.random.below(600);
        let gap = if self.random.once_in(15) { self.random.below(40) } else { 0 };
        self.now += INTERVAL - 300 + jitter + gap * INTERVAL;
        let turn = before + self.random.below(self.now - before);
        self.count(before, turn);
        if self.random.once_in(8) && self.series.len() < 12 {
            self.appear(turn);
        }
        if self.troubled {
            self.trouble(turn);
        }
        self.count(turn, self.now);
    }

    fn trouble(&mut self, turn: u64) {
        if self.random.once_in(6) {
            self.started = turn;
            self.series.iter_mut().for_each(|series| series.zero = turn);
        }
        for series in &mut self.series {
            match self.random.below(30) {
                0 => (series.exists, series.zero) = (!series.exists, turn),
                1 => series.zero = turn,
                // One that nobody ever saw could not be told from one that is new.
                2 if series.read => series.shown = !series.shown,
                3 => series.shown = true,
                _ => {}
            }
        }
    }

    fn scrape(&mut self) -> Scrape {
        let mut scrape = Scrape::default();
        for series in self.series.iter_mut().filter(|series| series.exists && series.shown) {
            series.read = true;
            let start = scrape.text.len();
            write!(scrape.text, "series=\"{}\"", series.name).unwrap();
            let value = series.counted(series.zero, self.now);
            let odd = self.troubled && self.random.once_in(25);
            #[expect(clippy::cast_precision_loss, reason = "a few thousand at most")]
            let value = if odd { f64::NAN } else { value as f64 };
            let timestamp = self.stamped.then(|| wall(self.now));
            scrape.samples.push(RawSample { rule: 0, labels: start..scrape.text.len(), value, timestamp });
        }
        if self.tells {
            #[expect(clippy::cast_precision_loss, reason = "a few minutes at most")]
            let seconds = |millis: u64| millis as f64 / 1000.0;
            scrape.process_start = Some(seconds(self.started));
            scrape.cpu_seconds = Some(seconds(self.now - self.started) * 0.1);
        }
        scrape
    }

    /// What all series counted in a measurement's window.
    fn truth(&self, measured: &Measurement) -> f64 {
        let (after, until) = span(measured);
        #[expect(clippy::cast_precision_loss, reason = "a few thousand at most")]
        let counted = self.series.iter().map(|series| series.counted(after, until)).sum::<u64>() as f64;
        counted
    }
}

fn moment(millis: u64) -> Moment {
    Moment::after_start(Duration::from_millis(millis))
}

fn wall(millis: u64) -> Wall {
    Wall::from_millis(EPOCH + i64::try_from(millis).unwrap())
}

fn span(measured: &Measurement) -> (u64, u64) {
    let millis = |moment: Moment| u64::try_from(moment.since(Moment::default()).as_millis()).unwrap();
    (millis(measured.at.before(measured.window)), millis(measured.at))
}

/// The store of one adapter, with one rule.
struct Store {
    config: Arc<Config>,
    writer: Writer,
    reader: Reader,
}

impl Store {
    fn new(window: u64) -> Self {
        let rule = format!("{{name: rate, series: some_total, type: counter, window: {window}ms}}");
        let text = format!("scrape: {{interval: {INTERVAL}ms, staleAfter: 24h}}\nmetrics: [{rule}]\n");
        let config = Arc::new(Config::parse(&text).unwrap());
        let (writer, reader) = Writer::new(Arc::clone(&config));
        Self { config, writer, reader }
    }

    /// Takes in what came of a scrape, that long ago.
    fn take(&mut self, at: u64, late: u64, outcome: Result<Scrape, ScrapeFailure>) {
        let (pod, generation, took) = (POD, self.config.generation, Duration::from_millis(late));
        let now = Now { moment: moment(at + late), wall: wall(at + late) };
        self.writer.take(Report::Batch(Batch { pod, generation, at: moment(at), took, outcome }), &now);
        self.writer.publish();
    }

    fn measured(&self, now: u64) -> Result<Measurement, Absence> {
        let rule = &self.config.rules[0];
        self.metric(|metric| metric.measurement(rule, None, moment(now), self.config.scrape.stale_after))
            .unwrap_or(Err(Absence::NeverScraped))
    }

    fn metric<T>(&self, look: impl FnOnce(&MetricRecord) -> T) -> Option<T> {
        let snapshot = self.reader.current();
        snapshot.record(POD)?.metrics.first().map(look)
    }
}

fn failure() -> ScrapeFailure {
    ScrapeFailure { reason: FailureReason::Timeout, problem: "too slow".to_owned() }
}

#[test]
fn no_rate_is_negative_or_more_than_was_counted_in_its_window() {
    for seed in 1..=CASES {
        let mut world = World::new(seed);
        let window = [1_000, 2_000, 3_500, 10_000][usize::try_from(world.random.below(4)).unwrap()];
        let mut store = Store::new(window);
        let mut read: Vec<u64> = Vec::new();
        for _ in 0..SCRAPES {
            world.go_on();
            let late = world.random.below(300);
            if world.random.once_in(7) {
                store.take(world.now, late, Err(failure()));
            } else {
                let scrape = world.scrape();
                store.take(world.now, late, Ok(scrape));
                read.push(world.now);
            }
            let case = || format!("case {seed}, window {window}, scraped at {read:?}, now {}", world.now);
            match store.measured(world.now + late) {
                Ok(measured) => {
                    let (truth, seconds) = (world.truth(&measured), measured.window.as_secs_f64());
                    let counted = measured.value * seconds;
                    assert!(counted >= 0.0 && counted <= truth + 1e-6, "{counted} of {truth}: {}", case());
                    assert!(world.troubled || counted >= truth - 1e-6, "{counted} of {truth}: {}", case());
                    let (after, until) = span(&measured);
                    assert!(read.contains(&after) && read.contains(&until) && after < until, "{}", case());
                    each_series_is_right(&world, &store, (after, until), seconds, &case());
                }
                Err(absence) => {
                    let enough = read.len() >= 2 && read[read.len() - 1] - read[read.len() - 2] <= window;
                    let odd = matches!(absence, Absence::NotFinite | Absence::NoSeries);
                    assert!(!enough || world.troubled && odd, "{absence:?}: {}", case());
                    let few = [Absence::NeverScraped, Absence::ScrapedOnce];
                    assert!(read.len() > 1 || few[read.len()..=read.len()].contains(&absence) || odd, "{}", case());
                }
            }
        }
        assert!(read.len() > 5, "case {seed} tells nothing");
    }
}

#[test]
fn a_sample_that_claims_far_too_much_is_forgotten_with_its_window() {
    let mut store = Store::new(4_000);
    for second in 0..60_u64 {
        let now = 50_000 + second * INTERVAL;
        let mut scrape = Scrape::default();
        #[expect(clippy::cast_precision_loss, reason = "a few thousand at most")]
        let value = if second == 20 { 1.8e19 } else { (1_000 + 100 * second) as f64 };
        scrape.samples.push(RawSample { rule: 0, labels: 0..0, value, timestamp: None });
        store.take(now, 0, Ok(scrape));
        if second > 26 {
            let measured = store.measured(now).unwrap();
            assert!((measured.value - 100.0).abs() < 1e-6, "second {second}: {measured:?}");
        }
    }
}

fn each_series_is_right(world: &World, store: &Store, (after, until): (u64, u64), seconds: f64, case: &str) {
    store.metric(|metric| {
        for own in metric.series() {
            let name = own.labels.get("series").unwrap();
            let series = world.series.iter().find(|series| series.name.to_string() == name).unwrap();
            #[expect(clippy::cast_precision_loss, reason = "a few thousand at most")]
            let truth = series.counted(after, until) as f64;
            let counted = own.value * seconds;
            assert!((0.0..=truth + 1e-6).contains(&counted), "series {name}: {counted} of {truth}: {case}");
        }
    });
}

#[test]
fn a_steady_stream_has_its_rate_however_unevenly_it_is_scraped() {
    for seed in 1..=CASES {
        let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        let window = [1_000, 2_000, 3_500, 10_000][usize::try_from(random.below(4)).unwrap()];
        let mut store = Store::new(window);
        let rates: Vec<f64> = (0..=random.below(3))
            .map(|_| [0.0, 0.25, 17.0, 3000.0][usize::try_from(random.below(4)).unwrap()])
            .collect();
        let (mut now, mut reads) = (50_000, 0);
        for _ in 0..SCRAPES {
            now += INTERVAL - 300 + random.below(600);
            let late = random.below(200);
            if random.once_in(7) {
                store.take(now, late, Err(failure()));
            } else {
                let mut scrape = Scrape::default();
                for (place, rate) in rates.iter().enumerate() {
                    let start = scrape.text.len();
                    write!(scrape.text, "series=\"{place}\"").unwrap();
                    let labels = start..scrape.text.len();
                    #[expect(clippy::cast_precision_loss, reason = "a few minutes at most")]
                    let value = rate * now as f64 / 1000.0;
                    scrape.samples.push(RawSample { rule: 0, labels, value, timestamp: None });
                }
                store.take(now, late, Ok(scrape));
                reads += 1;
            }
            let measured = store.measured(now + late);
            let wanted: f64 = rates.iter().sum();
            match (reads, measured) {
                (0, Err(Absence::NeverScraped)) | (1, Err(Absence::ScrapedOnce)) => {}
                (2.., Ok(measured)) => {
                    assert!((measured.value - wanted).abs() < 1e-6, "case {seed}: {measured:?}, not {wanted}");
                    let longest = Duration::from_millis(2 * window + INTERVAL);
                    assert!(measured.window <= longest, "case {seed}: {measured:?}");
                }
                // More failures in a row than the window allows for.
                (2.., Err(Absence::ScrapedOnce)) => assert!(window <= 2_000, "case {seed}"),
                (_, measured) => panic!("case {seed}: {measured:?} after {reads} scrapes that succeeded"),
            }
        }
    }
}
