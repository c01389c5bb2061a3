mod asked;
mod rules;

use std::path::Path;

use hyper::Uri;

use super::{CommandError, print, runtime};
use crate::config::Config;
use crate::status::in_words;

use asked::{Finds, Sight};

/// Says in words what a configuration does; with a Prometheus, what comes of it there.
pub(super) fn run(file: &Path, prometheus: Option<Uri>) -> Result<(), CommandError> {
    let config = read(file).map_err(CommandError::Failed)?;
    print(&format!("{}: well formed", file.display()));
    for warning in config.warnings() {
        print(&format!("warning: {warning}"));
    }
    scraped(&config);
    let sight = match prometheus {
        None => None,
        Some(url) => Some(runtime()?.block_on(Sight::of(&config, url))),
    };
    let mut finds = Finds::default();
    rules::print(&config, sight.as_ref(), &mut finds);
    let asked = config.queries.len() + config.external_queries.len() + config.series_rules.len();
    let nothing = config.rules.len() + asked + config.external_rules.len() == 0 && config.resource_rules.is_none();
    if nothing {
        print("no metric is served: neither `metrics`, `externalMetrics` nor rules name one");
    }
    match finds.nothing {
        0 => Ok(()),
        1 => Err(CommandError::Failed("1 rule finds nothing, or its query fails".to_owned())),
        more => Err(CommandError::Failed(format!("{more} rules find nothing, or their queries fail"))),
    }
}

fn scraped(config: &Config) {
    if config.rules.is_empty() {
        return;
    }
    let scrape = &config.scrape;
    print(&format!(
        "targets are scraped every {:?}, for {:?} at most, {} large ones at once; samples are good for {:?}",
        scrape.interval, scrape.timeout, scrape.concurrency, scrape.stale_after
    ));
    for rule in &config.rules {
        print(&format!("{}: {}", rule.name, in_words(rule)));
    }
}

/// The error names the file, the line, and what is wrong.
pub(super) fn read(file: &Path) -> Result<Config, String> {
    let text = std::fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
    Config::parse(&text).map_err(|problem| format!("{}: {problem}", file.display()))
}
