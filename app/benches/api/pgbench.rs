use std::path::Path;
use std::process::Command;

use crate::postgres::Cluster;
use crate::question::{Param, Question};
use crate::server::conduit;

/// Connections, as the server has by default.
const CLIENTS: &str = "5";
/// What the server sets in each of its sessions.
const SESSION: &str = "-c plan_cache_mode=force_generic_plan -c jit=off -c statement_timeout=2500";

/// How often a second Postgres runs the statement that the server answers a question with.
pub(crate) fn per_second(cluster: &Cluster, database: &str, folder: &Path, question: &Question, seconds: u32) -> f64 {
    let script = folder.join("script.sql");
    std::fs::write(&script, script_of(question)).unwrap();
    let out = Command::new(Cluster::bin().join("pgbench"))
        .args(["-n", "-M", "prepared", "-c", CLIENTS, "-j", "2", "-T", &seconds.to_string()])
        .args(["-h", "127.0.0.1", "-p", &cluster.port.to_string(), "-U", "conduit"])
        .args(fixed(question))
        .arg("-f")
        .arg(&script)
        .arg(database)
        .env("PGOPTIONS", SESSION)
        .output()
        .unwrap();
    let (said, complaint) = (String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    assert!(out.status.success(), "{}: pgbench ended with {}: {complaint}", question.name, out.status);
    let rate = said.lines().find_map(|line| line.strip_prefix("tps = ")?.split(' ').next()?.parse().ok());
    rate.unwrap_or_else(|| panic!("pgbench names no rate: {said}"))
}

/// The parameters that stay the same; `pgbench` sends them as such.
fn fixed(question: &Question) -> Vec<String> {
    let numbered = question.params.iter().zip(1..);
    let set = numbered.filter_map(|(param, number)| match param {
        Param::Text(text) => Some(format!("p{number}={text}")),
        Param::Int(value) => Some(format!("p{number}={value}")),
        Param::Below(_) => None,
    });
    set.flat_map(|set| ["-D".to_owned(), set]).collect()
}

fn script_of(question: &Question) -> String {
    let numbered = question.params.iter().zip(1..);
    let drawn = numbered.filter_map(|(param, number)| match param {
        Param::Below(end) => Some(format!("\\set p{number} random(0, {})\n", end - 1)),
        Param::Text(_) | Param::Int(_) => None,
    });
    drawn.chain([statement(question.statement)]).collect()
}

/// The statement of this name, as the server prints it.
fn statement(name: &str) -> String {
    let out = conduit(&[]).args(["sql", name, "--pgbench"]).output().unwrap();
    assert!(out.status.success(), "conduit sql: {}", String::from_utf8_lossy(&out.stderr));
    let printed = String::from_utf8(out.stdout).unwrap();
    let title = format!("-- {name}");
    let rest: Vec<&str> = printed.lines().skip_while(|line| *line != title).skip(1).collect();
    let lines: Vec<&str> = rest.into_iter().take_while(|line| !line.starts_with("-- ")).collect();
    assert!(!lines.is_empty(), "the server has no statement {name}");
    lines.join("\n")
}
