//! The API server's words.

use metrics_adapter::yaml::{Node, Problem};

pub(super) fn invalid(node: &Node, path: &str, value: impl std::fmt::Display, why: &str) -> Problem {
    Problem::new(node.at(), path, format!("Invalid value: {value}: {why}"))
}

pub(super) fn required(node: &Node, path: &str, why: &str) -> Problem {
    Problem::new(node.at(), path, format!("Required value: {why}"))
}

pub(super) fn forbidden(node: &Node, path: &str, why: &str) -> Problem {
    Problem::new(node.at(), path, format!("Forbidden: {why}"))
}

pub(super) fn unsupported(found: &str, supported: &[&str]) -> String {
    let supported: Vec<String> = supported.iter().map(|value| format!("\"{value}\"")).collect();
    format!("Unsupported value: \"{found}\": supported values: {}", supported.join(", "))
}

pub(super) fn at_least(node: &Node, path: &str, least: i64, why: &str) -> Result<i32, Problem> {
    let value = node.integer(path)?;
    match i32::try_from(value) {
        Ok(small) if value >= least => Ok(small),
        Ok(_) => Err(invalid(node, path, value, why)),
        Err(_) => Err(invalid(node, path, value, "does not fit into 32 bits")),
    }
}
