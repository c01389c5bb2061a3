//! Conduit: the RealWorld blogging API, measured request by request.
//!
//! What comes in is an HTTP request on the API's listener; it passes through these rooms, each of
//! which imports only rooms below it:
//!
//! ```text
//! command      what a person types: serve, migrate, check, seed, sql
//!   start      wait for the database, create it, migrate it, check it
//!   seed       realistic data in bulk
//!   server     two listeners, connections and their limits, draining
//!     api      routes, extractors, handlers, errors on the wire
//!       db     statements, records, the pool           auth   passwords, tokens
//!         config      telemetry      health
//!           model     values, parsed and pure
//! ```
//!
//! What is deliberately absent: no handler writes SQL, no statement is built at run time, `auth`
//! knows neither SQL nor HTTP, and `model` knows neither a clock nor I/O. `tests/house.rs` reads
//! the imports and keeps this drawing true.

pub mod api;
pub mod auth;
pub mod command;
pub mod config;
pub mod db;
pub mod health;
pub mod model;
pub mod seed;
pub mod server;
pub mod start;
pub mod telemetry;
