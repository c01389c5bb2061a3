//! What a person sees of the adapter: the status page, and the same as JSON.

mod assemble;
mod autoscalers;
mod cluster;
mod page;
mod page_cluster;
mod report;

pub use assemble::{Sight, in_words};
pub use autoscalers::exposition as autoscaler_exposition;
pub use cluster::{
    AimReport, ApiServiceReport, AutoscalerReport, CertificateReport, ClusterReport, ClusterSight, ConditionReport,
    WatchReport,
};
pub use page::{Filter, render};
pub use report::{
    AbsentReport, ErrorReport, FileReport, MetricReport, NodeReport, Report, ScrapeReport, TargetReport, ValueReport,
};
