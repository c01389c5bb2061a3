//! The metrics-adapter: a Kubernetes aggregated API server that gives the `HorizontalPodAutoscaler` requests per
//! second beside CPU and memory, and answers `kubectl top`.
//!
//! Data flows one way, from what exists to an answer; each room imports only rooms below it:
//!
//! ```text
//! command             what a person types: serve, check-config, explain, doctor, scrape
//!   server            two listeners, TLS, limits, draining
//!     api             the three metrics APIs on the wire          status   the status page, and explanations
//!     diagnosis       where the way from a metric to an HPA is broken, of any metrics server
//!       registration  the APIServices that point here             lookup   a metric of something: its value, or why none
//!         auth        who asks, and whether they may              certificates   what TLS is served with
//!         sources     where values come from: targets, kubelets, Prometheus   health   whether the adapter can be asked
//!           store     what was measured and answered: one writer of each, whole snapshots
//!             cluster what exists: pods and what groups them
//!               config   reload   telemetry
//!                 kubernetes   exposition   yaml   clock   rules
//!                   model      values, parsed and pure
//! ```
//!
//! A pod's counter becomes an answer on this way: `sources::schedule` reads its target on time,
//! `sources::read` takes the samples out that some rule wants, `store::counter` turns them into a rate,
//! `store` publishes a snapshot, and `lookup` joins the snapshot with `cluster`'s view when somebody asks.
//!
//! A metric of Prometheus's takes another: `sources::prometheus` lists series, `rules` make metrics of them, which are
//! published as `store`'s catalog; whoever asks for one leaves its question in `store`'s demand, where `sources::prometheus`
//! finds it, asks, and puts the answer, again and again while somebody asks.
//!
//! What is deliberately absent: a request never waits for a source, but for the first of a metric of Prometheus's, which
//! waits a moment (and for the API server when it is the first of its kind: `auth` asks whether it may be answered, and
//! remembers); `sources` and `api` do not know each other; only `clock` reads a clock (everything else is given the
//! time); `rules` and `model` know neither a clock nor I/O. `tests/house.rs` reads the imports and keeps this drawing true.

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
pub mod lookup;
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
