//! Values that several rooms share: parsed, pure, without a clock and without I/O.

mod kubelet;
mod labels;
mod measure;
pub mod quantity;
mod query;
mod reasons;
mod resource;
mod selector;
mod time;

pub use kubelet::{ContainerName, KubeletBatch, KubeletScrape, LEFT_OUT, RawUsage};
pub use labels::Labels;
pub use measure::{Absence, Batch, FailureReason, Measurement, PodKey, RawSample, Scrape, ScrapeFailure, Usage};
pub use query::{Answer, QueryFailure, QueryFailureReason, QuerySample, Question};
pub use resource::{DiscoveredResource, GroupResource, Kinds, ObjectReference, RESOURCES, Resource};
pub use selector::{FieldSelector, Operator, Requirement, Selector, SelectorError};
pub use time::{Moment, Now, Wall};
