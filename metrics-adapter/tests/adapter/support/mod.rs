//! What the tests stand on: a real adapter process, targets that answer as they are told, a client.

mod adapter;
mod core_api;
pub(crate) use fake_kube as kube;
pub(crate) mod prometheus;
pub(crate) mod recording;
pub(crate) mod stage;
mod target;

pub(crate) use adapter::{Adapter, Reply, adapter, eventually, quantity};
pub(crate) use core_api::CoreApi;
pub(crate) use target::{Counter, Target, pod};

/// A resolution at which tests need not wait long.
pub(crate) const FAST: &str = "scrape: {interval: 200ms, timeout: 150ms}\n\
    metrics:\n- {name: http_requests_per_second, series: http_requests_total, type: counter, window: 1s}\n";
