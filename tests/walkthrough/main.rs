//! The walkthrough says what is: its commands are run with the real kubectl, and its outputs are what they print.
//!
//! `UPDATE_WALKTHROUGH=1 cargo test --workspace --test walkthrough` writes what they print into the document.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod adapter;
mod autoscaling;
mod cluster;
mod document;
mod facts;
mod journey;
mod needs;

use document::{Document, PATH, Step, comparable};
use journey::{Journey, Shown};

/// What a reader sees of these is their own, or a server's table; `facts` looks at their names.
const OWN: [&str; 14] = [
    "curl ",
    "kubectl annotate pods ",
    "kubectl create secret generic traefik-dashboard ",
    "kubectl delete namespace real-world monitoring",
    "kubectl get apiservice",
    "kubectl get deployment ",
    "kubectl get ingress ",
    "kubectl get pods ",
    "kubectl logs ",
    "kubectl rollout status ",
    "kubectl top ",
    "kubectl wait ",
    "docker ",
    "kind ",
];

#[test]
fn each_command_prints_what_the_document_shows() {
    let document = Document::read();
    let mut journey = Journey::begin();
    let mut printed: Vec<(Step, String)> = Vec::new();
    for step in document.steps() {
        match journey.take(&step) {
            Shown::Exactly(output) => printed.push((step, output)),
            Shown::Own => {
                let known = OWN.iter().any(|known| step.command.starts_with(known));
                assert!(known, "{PATH}:{}: nobody knows what `{}` prints", step.line, step.command);
            }
        }
    }
    if std::env::var_os("UPDATE_WALKTHROUGH").is_some() {
        document.rewrite(&printed);
        return;
    }
    assert!(printed.len() > 50, "only {} commands were run: does this test still read the document?", printed.len());
    let wrong = printed.iter().filter(|(step, output)| comparable(&step.output.join("\n")) != comparable(output));
    let wrong: Vec<String> = wrong
        .map(|(Step { line, command, output: shown }, output)| {
            format!("{PATH}:{line}: $ {command}\n--- prints\n{output}--- and not\n{}\n", shown.join("\n"))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
