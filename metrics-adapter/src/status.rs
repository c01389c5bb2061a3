//! What a person sees of the adapter: the status page, and the same as JSON.

mod assemble;
mod page;
mod report;

pub use assemble::{ClusterSight, Sight, in_words};
pub use page::{Filter, render};
pub use report::{
    AbsentReport, ErrorReport, FileReport, MetricReport, NodeReport, Report, ScrapeReport, TargetReport, ValueReport,
};
