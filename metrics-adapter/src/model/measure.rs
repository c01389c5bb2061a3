use std::fmt;
use std::ops::Range;
use std::time::Duration;

use super::reasons::reasons;
use super::{Moment, Wall};

/// A pod, as long as it is the same: one that is made again under its old name has another key.
pub type PodKey = u64;

/// What one attempt to read a target gave.
#[derive(Debug)]
pub struct Batch {
    /// Whose target it is.
    pub pod: PodKey,
    /// Which configuration the samples were chosen by; the store drops what an older one chose.
    pub generation: u64,
    /// When the answer began to arrive, or when it was given up.
    pub at: Moment,
    /// How long the attempt took, all in all.
    pub took: Duration,
    /// What came of it.
    pub outcome: Result<Scrape, ScrapeFailure>,
}

/// The samples of a target that some rule asked for.
#[derive(Debug, Default)]
pub struct Scrape {
    /// The label texts of all samples, one after the other.
    pub text: String,
    /// The samples, in the order of the exposition.
    pub samples: Vec<RawSample>,
    /// When the process that was read had started (`process_start_time_seconds`).
    pub process_start: Option<f64>,
    /// CPU time that it had used (`process_cpu_seconds_total`), in seconds.
    pub cpu_seconds: Option<f64>,
    /// Memory that it holds (`process_resident_memory_bytes`).
    pub memory_bytes: Option<f64>,
    /// How large the exposition was.
    pub bytes: usize,
    /// What is odd about the exposition without making it useless.
    pub warning: Option<String>,
}

/// A sample as it stood in the exposition.
#[derive(Clone, Debug)]
pub struct RawSample {
    /// The rule that asked for it, by its place in the configuration.
    pub rule: u32,
    /// Where its labels stand in [`Scrape::text`]: what was between the braces.
    pub labels: Range<usize>,
    /// Its value, any float.
    pub value: f64,
    /// When it was taken, if the exposition says so.
    pub timestamp: Option<Wall>,
}

/// Why a target gave nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScrapeFailure {
    /// The reason, as a label.
    pub reason: FailureReason,
    /// What happened, for a person.
    pub problem: String,
}

reasons! {
    /// Why a target gave nothing, from a closed list.
    FailureReason:
    /// No connection, or it broke.
    Connection "connection"
    /// The certificate, or the handshake.
    Tls "tls"
    /// It took longer than the time-out.
    Timeout "timeout"
    /// A status other than 200.
    Status "status"
    /// A content type that is no exposition.
    ContentType "content_type"
    /// A body over the limit.
    TooLarge "too_large"
    /// More series that rules ask for than the limit.
    TooManySeries "too_many_series"
    /// A line that cannot be read.
    Malformed "malformed"
}

impl fmt::Display for FailureReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.label())
    }
}

/// A value, with the time it is of and the span it was taken over.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measurement {
    /// In the metric's own unit; a rate is a second's.
    pub value: f64,
    /// When the last sample in it was taken.
    pub at: Moment,
    /// From its first sample to its last; none for what was read off at one moment.
    pub window: Duration,
}

/// What a container or a node uses.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Usage {
    /// In billionths of a core.
    pub cpu_nanocores: u64,
    /// The memory that cannot be taken back, in bytes.
    pub memory_bytes: u64,
    /// In bytes, where it is known.
    pub swap_bytes: Option<u64>,
    /// When the last sample in it was taken.
    pub at: Moment,
    /// What the CPU's part was taken over.
    pub window: Duration,
}

/// Why there is no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Absence {
    /// Nothing is known how to measure it: no target.
    NoTarget,
    /// Its target has not answered yet.
    NeverScraped,
    /// A rate needs two samples.
    ScrapedOnce,
    /// Its last sample is too old.
    Stale,
    /// Its target answers, without this series.
    NoSeries,
    /// NaN, infinite, or larger than a quantity can be.
    NotFinite,
    /// Below zero, where the rule allows no such values.
    Negative,
    /// There are several, and nothing says which counts.
    Ambiguous,
}

impl Absence {
    /// What is to be said of `n` pods, after "3 pods match, ".
    #[must_use]
    pub fn explain(self) -> &'static str {
        match self {
            Self::NoTarget => "not scraped, for want of a target",
            Self::NeverScraped => "never scraped successfully",
            Self::ScrapedOnce => "not scraped twice yet",
            Self::Stale => "with samples that are too old",
            Self::NoSeries => "without this series in their metrics",
            Self::NotFinite => "with a value that is no finite number",
            Self::Negative => "with a negative value",
            Self::Ambiguous => "with more than one value",
        }
    }

    /// The same of all of them.
    #[must_use]
    pub fn explain_all(self) -> &'static str {
        match self {
            Self::NoTarget => "none has a target to scrape",
            Self::NeverScraped => "none scraped successfully yet",
            Self::ScrapedOnce => "none scraped twice yet",
            Self::Stale => "all samples are too old",
            Self::NoSeries => "none has this series in its metrics",
            Self::NotFinite => "no value is a finite number",
            Self::Negative => "all values are negative",
            Self::Ambiguous => "each has more than one value",
        }
    }
}
