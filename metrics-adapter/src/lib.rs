//! The metrics-adapter: a Kubernetes aggregated API server that gives the `HorizontalPodAutoscaler` requests per
//! second beside CPU and memory, and answers `kubectl top`.
//!
//! Data flows one way, from what exists to an answer; each room imports only rooms below it:
//!
//! ```text
//! command             what a person types: serve, check-config, scrape, doctor
//!   server            two listeners, TLS, limits, draining
//!     api             the three metrics APIs on the wire          status   the status page
//!     diagnosis       where the way from a metric to an HPA is broken, of any metrics server
//!       registration  the APIServices that point here
//!         auth        who asks, and whether they may              certificates   what TLS is served with
//!         sources     where values come from: targets, kubelets   health   whether the adapter can be asked
//!           store     what was measured: histories, one writer, whole snapshots
//!             cluster what exists: pods and what groups them
//!               config   reload   telemetry
//!                 kubernetes   exposition   yaml   clock
//!                   model      values, parsed and pure
//! ```
//!
//! A pod's counter becomes an answer on this way: `sources::schedule` reads its target on time,
//! `sources::read` takes the samples out that some rule wants, `store::counter` turns them into a rate,
//! `store` publishes a snapshot, and `api::custom` joins the snapshot with `cluster`'s view when somebody asks.
//!
//! What is deliberately absent: a request never waits for a source (for the API server it waits when it is the first
//! of its kind: `auth` asks whether it may be answered, and remembers), `sources` and `api` do not know each other, only `clock` reads a clock (everything else is given the time), and `model` knows neither a
//! clock nor I/O. `tests/house.rs` reads the imports and keeps this drawing true.

pub mod api;
pub mod auth;
pub mod certificates;
pub mod clock;
pub mod cluster;
pub mod command;
pub mod config;
pub mod diagnosis;
pub mod exposition;
pub mod health;
pub mod kubernetes;
pub mod model;
pub mod registration;
pub mod reload;
pub mod rules;
pub mod server;
pub mod sources;
pub mod status;
pub mod store;
pub mod telemetry;
pub mod yaml;
