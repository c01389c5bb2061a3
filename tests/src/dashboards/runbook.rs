//! The runbook where it is needed: a dashboard of texts, a panel for each section.

use regex::{Captures, Regex};
use serde_json::{Value, json};

use super::{COLUMNS, pretty};
use crate::manifests::text;

/// Its uid, and the name of its file.
pub const RUNBOOK: &str = "runbook";
/// So many characters are in a line of a panel as wide as the page, at most.
const LINE: usize = 150;

struct Section<'a> {
    title: &'a str,
    text: &'a str,
}

fn sections(markdown: &str) -> Vec<Section<'_>> {
    markdown
        .split("\n## ")
        .map(|section| {
            let (title, text) = section.split_once('\n').unwrap_or((section, ""));
            Section { title: title.trim_start_matches("# "), text: text.trim() }
        })
        .collect()
}

/// The file.
pub fn runbook() -> String {
    let markdown = text("prometheus/runbook.md");
    let sections = sections(&markdown);
    let mut top = 0;
    let panels: Vec<Value> = (1..)
        .zip(&sections)
        .map(|(id, section)| {
            let height = rows(section.text);
            let place = json!({"h": height, "w": COLUMNS, "x": 0, "y": top});
            top += height;
            json!({
                "id": id,
                "type": "text",
                "title": section.title,
                "gridPos": place,
                "options": {"mode": "markdown", "content": linked(section.text, &sections)},
            })
        })
        .collect();
    pretty(&json!({
        "uid": RUNBOOK,
        "title": "Runbook",
        "description": "What each alert means, what to look at, and what to do: prometheus/runbook.md.",
        "tags": ["conduit", "generated"],
        "schemaVersion": 39,
        "version": 1,
        "editable": false,
        "links": [],
        "templating": {"list": []},
        "annotations": {"list": []},
        "time": {"from": "now-1h", "to": "now"},
        "panels": panels,
    }))
}

/// How high it is in the grid, of which a row holds a line and a half.
fn rows(text: &str) -> usize {
    let lines: usize = text.split("\n\n").map(|paragraph| 1 + paragraph.len().div_ceil(LINE)).sum();
    3 + lines * 2 / 3 + text.matches("\n```").count() * 2
}

/// With links to sections that lead to their panels, and without those to files.
fn linked(text: &str, sections: &[Section<'_>]) -> String {
    let link = Regex::new(r"\[([^\]]+)\]\(([^)]+)\)").unwrap();
    let to = |found: &Captures<'_>| {
        let (words, target) = (&found[1], &found[2]);
        let Some(anchor) = target.strip_prefix('#') else {
            return if target.starts_with("http") { found[0].to_owned() } else { words.to_owned() };
        };
        let place = sections.iter().position(|section| section.title.to_lowercase() == anchor);
        let panel = place.unwrap_or_else(|| panic!("prometheus/runbook.md has no section {anchor}")) + 1;
        format!("[{words}](/d/{RUNBOOK}?viewPanel={panel})")
    };
    link.replace_all(text, to).into_owned()
}
