//! The rehearsal: the autoscaling loop on one machine, without a cluster; and the same autoscaler in virtual time.
//!
//! ```text
//! command            what a person types: run, plan, load, cluster
//!   stage            the loop: replicas, door, adapter, autoscaler, load       plan   the same in virtual time
//!   cluster          the stack in a real cluster, through kubectl
//!     adapter        the metrics-adapter's process, told of the replicas
//!       replicas     a Deployment of processes
//!         door       the front door: a reverse proxy         load      requests at a rate, and their latencies
//!         metrics    the metrics APIs, as the HPA asks        process   processes that end with this one
//!         report     HTML with the timeline drawn
//!           manifest   HPA and Deployment, read with lines    aims      metrics against their thresholds
//!             autoscaler   the HPA's decisions, pure          profile   load over time
//! ```
//!
//! A step in the load becomes a replica on this way: `load` sends at the new rate, `door` gives each request to the next of
//! `replicas`' processes, the adapter scrapes them, `metrics` asks it as the HPA's controller does, `autoscaler` decides,
//! `replicas` starts one more, and as soon as it is ready `door` sends to it and `adapter` has told the adapter of it.
//!
//! What is deliberately absent: `autoscaler` knows no clock, no I/O and no processes, so that `plan` and the tests drive
//! the same code; nothing here pretends to be Kubernetes' API. `tests/house.rs` reads the imports and keeps this
//! drawing true.

pub mod adapter;
pub mod aims;
pub mod autoscaler;
pub mod cluster;
pub mod command;
pub mod door;
pub mod load;
pub mod manifest;
pub mod metrics;
pub mod plan;
pub mod process;
pub mod profile;
pub mod replicas;
pub mod report;
pub mod stage;
