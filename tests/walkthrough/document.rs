//! The document: its blocks, and what stands in them.

use stack::manifests::root;

pub(crate) const PATH: &str = "k8s/README.md";

/// A command of a `console` block, with what the reader sees of it.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    /// The command's line in the document, from 1.
    pub(crate) line: usize,
    pub(crate) command: String,
    pub(crate) output: Vec<String>,
}

pub(crate) struct Document {
    pub(crate) text: String,
}

impl Document {
    pub(crate) fn read() -> Self {
        Self { text: std::fs::read_to_string(root().join(PATH)).unwrap() }
    }

    /// The commands in their order.
    pub(crate) fn steps(&self) -> Vec<Step> {
        let mut steps: Vec<Step> = Vec::new();
        for (line, text) in self.lines_within("console") {
            match text.strip_prefix("$ ") {
                Some(command) => steps.push(Step { line, command: command.to_owned(), output: Vec::new() }),
                None => steps.last_mut().expect("a block begins with a command").output.push(text.to_owned()),
            }
        }
        steps
    }

    /// The lines of all blocks of a language, with their numbers.
    pub(crate) fn lines_within(&self, language: &str) -> Vec<(usize, &str)> {
        let mut within = None;
        let mut lines = Vec::new();
        for (number, line) in (1..).zip(self.text.lines()) {
            match (line.strip_prefix("```"), within) {
                (Some(_), Some(_)) => within = None,
                (Some(opened), None) => within = Some(opened),
                (None, Some(opened)) if opened == language => lines.push((number, line)),
                _ => {}
            }
        }
        lines
    }

    /// Writes other outputs below the commands at these lines.
    pub(crate) fn rewrite(&self, outputs: &[(Step, String)]) {
        let mut lines: Vec<&str> = self.text.lines().collect();
        for (step, output) in outputs.iter().rev() {
            let range = step.line..step.line + step.output.len();
            lines.splice(range, output.lines());
        }
        std::fs::write(root().join(PATH), lines.join("\n") + "\n").unwrap();
    }

    /// The text of the blocks of a language, one after the other.
    pub(crate) fn block(&self, language: &str) -> String {
        self.lines_within(language).iter().flat_map(|(_, line)| [line, "\n"]).collect()
    }

    /// Links of the form `](target)`, without those to other hosts.
    pub(crate) fn links(&self) -> Vec<&str> {
        let targets = self.text.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(target, _)| target);
        targets.filter(|target| !target.starts_with("http")).collect()
    }

    /// Rows of the tables whose header begins with this cell.
    pub(crate) fn table(&self, first: &str, second: &str) -> Vec<Vec<&str>> {
        let header = format!("| {first} | {second}");
        let rows = self.text.lines().skip_while(|line| !line.starts_with(&header)).skip(2);
        let rows = rows.take_while(|line| line.starts_with('|'));
        rows.map(|row| row.trim_matches('|').split('|').map(str::trim).collect()).collect()
    }
}

/// What differs from reader to reader is one word, and columns are not counted.
pub(crate) fn comparable(output: &str) -> String {
    let replaced = [
        (r"(?m)^(CreationTimestamp:\s+).*$", "${1}THEN"),
        (r"(?m)^(\s+(?:Normal|Warning)\s+\S+\s+)\S+(?: \(x\d+ over \S+\))?\s", "${1}AGE "),
        (r#""timestamp":"[^"]*""#, r#""timestamp":"THEN""#),
        (r"-{4,}", "----"),
        (r"[ \t]+", " "),
    ];
    let mut text = output.trim_end().to_owned();
    for (pattern, with) in replaced {
        text = regex::Regex::new(pattern).unwrap().replace_all(&text, with).into_owned();
    }
    let mut lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    // kubectl prints the resources of a LimitRange in any order.
    for rows in
        lines.chunk_by_mut(|one, next| [one, next].iter().all(|line| line.trim_start().starts_with("Container ")))
    {
        rows.sort_unstable();
    }
    lines.join("\n")
}
