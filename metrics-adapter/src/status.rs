//! What a person sees of the adapter: the status page, and the same as JSON.

mod assemble;
mod autoscalers;
mod cluster;
mod explain;
mod page;
mod page_cluster;
mod page_prometheus;
mod prometheus;
mod report;
mod verdict;

pub use assemble::{Sight, in_words};
pub use autoscalers::exposition as autoscaler_exposition;
pub use cluster::{
    AimReport, ApiServiceReport, AutoscalerReport, CertificateReport, ClusterReport, ClusterSight, ConditionReport,
    WatchReport,
};
pub use explain::{Explain, ExplainedPod, ExplainedValue, Explanation, Of};
pub use page::{Filter, render};
pub use prometheus::{PrometheusReport, QueryReport, RuleReport};
pub use report::{
    AbsentReport, ErrorReport, FileReport, MetricReport, NodeReport, Report, ScrapeReport, TargetReport, ValueReport,
};
pub use verdict::Verdict;
