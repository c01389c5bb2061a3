//! A cluster without a cluster: an API server that is as strict as the real one, kubelets, and who certifies them.
//! All of it answers from a runtime of its own; the tests call it like any other code.
#![allow(dead_code, unused_imports, reason = "it offers more than the tests of today need")]

mod backends;
pub(crate) mod base64;
mod body;
mod call;
pub(crate) mod client;
mod clock;
mod control;
mod discovery;
mod exposition;
mod faults;
mod kubelets;
mod listener;
mod lists;
mod managed;
pub(crate) mod objects;
pub(crate) mod pki;
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

pub(crate) use client::{Client, Reply, Wire};
pub(crate) use clock::rfc3339;
pub(crate) use exposition::{ContainerModel, NodeModel, PodModel};
pub(crate) use kubelets::{FakeKubelets, KubeletFault};
pub(crate) use pki::{Authority, Leaf, Pair, Pki, Usage};
pub(crate) use rbac::User;
pub(crate) use server::{FakeKube, Options};
pub(crate) use tally::Request;
