//! Manifests, read with the line of each thing: the `HorizontalPodAutoscaler` strictly, as the API server would take or
//! refuse it, and of a Deployment what a rehearsal needs.

mod deployment;
mod hpa;

use std::path::{Path, PathBuf};

use metrics_adapter::yaml::Problem;

pub use deployment::{Workload, workload};
pub use hpa::hpa;

/// A file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It cannot be read.
    #[error("{}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is wrong.
    #[error("{}: {problem}", path.display())]
    Wrong {
        /// The file.
        path: PathBuf,
        /// Where and why.
        problem: Problem,
    },
}

/// Reads a file with `parse`.
pub fn file<T>(path: &Path, parse: impl FnOnce(&str) -> Result<T, Problem>) -> Result<T, FileError> {
    let text = std::fs::read_to_string(path).map_err(|source| FileError::Read { path: path.to_owned(), source })?;
    parse(&text).map_err(|problem| FileError::Wrong { path: path.to_owned(), problem })
}
