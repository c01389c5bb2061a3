//! The adapter in a cluster: what it learns from the Kubernetes API, and whom it answers.

mod certificates;
mod connections;
mod doctor;
mod inventory;
mod kubelets;
mod reviews;
mod roles;
mod rollout;
mod security;
mod watching;
