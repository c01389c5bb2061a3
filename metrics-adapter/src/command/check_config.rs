use std::path::Path;

use super::{CommandError, print};
use crate::config::Config;
use crate::status::in_words;

/// Says in words what a configuration does.
pub(super) fn run(file: &Path) -> Result<(), CommandError> {
    let config = read(file).map_err(CommandError::Failed)?;
    let scrape = &config.scrape;
    print(&format!("{}: good", file.display()));
    print(&format!(
        "targets are scraped every {:?}, for {:?} at most, {} large ones at once; samples are good for {:?}",
        scrape.interval, scrape.timeout, scrape.concurrency, scrape.stale_after
    ));
    for rule in &config.rules {
        print(&format!("{}: {}", rule.name, in_words(rule)));
    }
    if config.rules.is_empty() {
        print("no metric is served: `metrics` is empty");
    }
    Ok(())
}

/// The error names the file, the line, and what is wrong.
pub(super) fn read(file: &Path) -> Result<Config, String> {
    let text = std::fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
    Config::parse(&text).map_err(|problem| format!("{}: {problem}", file.display()))
}
