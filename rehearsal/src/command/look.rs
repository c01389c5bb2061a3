use std::io::{IsTerminal as _, Write as _};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::report::clock;
use crate::stage::{Look, Moment};

/// A terminal gets a bar below the lines; everybody else the lines, and how it stands from time to time.
pub(super) fn look() -> Box<dyn Look> {
    if std::io::stdout().is_terminal() { Box::new(Live::new()) } else { Box::new(Plain::default()) }
}

/// The words for a moment.
pub(super) fn words(moment: &Moment) -> String {
    let latency = moment.latency.map_or_else(String::new, |latency| {
        let millis = |latency: Duration| latency.as_secs_f64() * 1000.0;
        format!("  p50 {:.1} ms  p99 {:.1} ms", millis(latency.p50), millis(latency.p99))
    });
    let replicas = match moment.replicas {
        (0, 0) => String::new(),
        (ready, desired) => format!("  ready {ready}/{desired}"),
    };
    format!("load {:.0}/s  answered {:.0}/s{latency}  failed {}{replicas}", moment.load, moment.served, moment.failed)
}

/// Lines above a bar.
pub(super) struct Live {
    bar: ProgressBar,
}

const BAR: &str = "{prefix:>5} [{bar:30.cyan/dim}] {msg}";
const ENDLESS: &str = "{prefix:>5} {spinner} {msg}";

impl Live {
    pub(super) fn new() -> Self {
        let bar = ProgressBar::with_draw_target(Some(0), indicatif::ProgressDrawTarget::stdout());
        bar.set_style(ProgressStyle::with_template(ENDLESS).unwrap_or_else(|_| ProgressStyle::default_bar()));
        Self { bar }
    }
}

impl Look for Live {
    fn line(&mut self, text: &str) {
        self.bar.println(text);
    }

    fn sync(&mut self, text: &str) {
        let width = rustix::termios::tcgetwinsize(std::io::stdout()).map_or(0, |size| usize::from(size.ws_col));
        self.line(&fitting(text, width));
    }

    fn moment(&mut self, moment: &Moment) {
        let millis = |span: Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        if let Some(length) = moment.length
            && self.bar.length() != Some(millis(length))
        {
            self.bar.set_length(millis(length));
            let style = ProgressStyle::with_template(BAR).unwrap_or_else(|_| ProgressStyle::default_bar());
            self.bar.set_style(style.progress_chars("=> "));
        }
        let of = moment.length.map_or_else(String::new, |length| format!("/{}", clock(length)));
        self.bar.set_prefix(format!("{}{of}", clock(moment.elapsed)));
        self.bar.set_position(millis(moment.elapsed));
        self.bar.set_message(words(moment));
    }

    fn over(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// Cut to a line of the terminal; one of no width is none.
fn fitting(text: &str, width: usize) -> String {
    match text.char_indices().nth(width) {
        Some(_) if width > 1 => text.chars().take(width - 1).chain(['…']).collect(),
        _ => text.to_owned(),
    }
}

/// Lines alone.
#[derive(Default)]
pub(super) struct Plain {
    said: Duration,
}

/// Between two lines that only say how it stands.
const QUIET: Duration = Duration::from_secs(10);

impl Look for Plain {
    fn line(&mut self, text: &str) {
        writeln!(std::io::stdout(), "{text}").ok();
    }

    fn moment(&mut self, moment: &Moment) {
        if moment.elapsed.saturating_sub(self.said) >= QUIET {
            self.said = moment.elapsed;
            self.line(&format!("       {:>5}  {}", clock(moment.elapsed), words(moment)));
        }
    }

    fn over(&mut self) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_does_not_fit_is_cut() {
        assert_eq!([fitting("5x  ü/50", 8), fitting("5x  ü/50", 7), fitting("5x", 0)], ["5x  ü/50", "5x  ü/…", "5x"]);
    }
}
