//! A cluster without a cluster: an API server that is as strict as the real one, kubelets, and who certifies them.
//! All of it answers from a runtime of its own; the tests call it like any other code.
//!
//! ```text
//!   server        objects, who may do what, what goes wrong, as a test arranges them
//!     listener      connections      requests   a request's way: who, may they, what
//!       lists, watches, writes, scales, reviews, discovery, backends      what is answered
//!         store         objects and their history       rbac   roles, as the real authorizer reads them
//!   controllers   what becomes of objects, for who waits for it
//!   kubelets      /metrics/resource of nodes            pki    who certifies whom
//! ```
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on has failed")]
#![allow(
    missing_docs,
    unreachable_pub,
    dead_code,
    clippy::must_use_candidate,
    clippy::missing_panics_doc,
    clippy::return_self_not_must_use,
    clippy::new_without_default,
    clippy::format_push_string,
    clippy::format_collect,
    reason = "only tests call it, and what it offers says so itself"
)]

mod backends;
pub mod base64;
mod body;
mod call;
pub mod client;
mod clock;
mod control;
mod controllers;
mod discovery;
mod exposition;
mod faults;
mod kubelets;
mod listener;
mod lists;
mod managed;
pub mod objects;
pub mod pki;
mod protobuf;
mod rbac;
mod requests;
mod resources;
mod reviews;
mod scales;
mod selectors;
mod server;
mod status;
mod store;
mod tally;
mod validation;
mod watches;
mod writes;

pub use client::{Client, Reply, Wire};
pub use clock::rfc3339;
pub use controllers::{Controllers, Fate};
pub use exposition::{ContainerModel, NodeModel, PodModel};
pub use kubelets::{FakeKubelets, KubeletFault};
pub use pki::{Authority, Leaf, Pair, Pki, Usage};
pub use rbac::User;
pub use server::{FakeKube, Options};
pub use tally::Request;
