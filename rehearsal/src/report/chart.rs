use std::fmt::Write as _;
use std::time::Duration;

use super::clock;

/// The drawing's size; the page scales it.
const WIDTH: f64 = 960.0;
const HEIGHT: f64 = 190.0;
/// Room for the numbers at the left and below, and for the ends of lines at the right.
const LEFT: f64 = 56.0;
const RIGHT: f64 = 16.0;
const TOP: f64 = 10.0;
const BOTTOM: f64 = 24.0;

/// A line through points, each at its moment.
pub(super) struct Series {
    /// In the legend.
    pub(super) name: String,
    /// Its colour, as a class of the page.
    pub(super) class: String,
    /// Whether a value holds until the next one.
    pub(super) steps: bool,
    pub(super) values: Vec<(Duration, Option<f64>)>,
}

/// A chart over time.
pub(super) struct Chart {
    pub(super) title: String,
    /// What its numbers are.
    pub(super) unit: String,
    pub(super) series: Vec<Series>,
    /// Levels to compare with.
    pub(super) levels: Vec<Level>,
}

/// A value that does not change.
pub(super) struct Level {
    /// In the legend.
    pub(super) name: String,
    /// The colour of the run that it is of, as a class of the page, if there are several.
    pub(super) class: &'static str,
    pub(super) value: f64,
}

impl Level {
    fn class(&self) -> String {
        format!("level {}", self.class).trim_end().to_owned()
    }
}

impl Chart {
    /// As SVG, with its legend above.
    pub(super) fn draw(&self, span: Duration) -> String {
        let values = self.series.iter().flat_map(|series| series.values.iter().filter_map(|(_, value)| *value));
        let most = values.chain(self.levels.iter().map(|level| level.value)).fold(0.0, f64::max);
        let scale =
            Scale { step: step(most / 4.0), most: most.max(f64::MIN_POSITIVE), span: span.as_secs_f64().max(0.001) };
        let mut out = String::new();
        self.legend(&mut out);
        write!(out, "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{}\">", escape(&self.title)).ok();
        grid(&mut out, &scale, span);
        for level in &self.levels {
            let y = scale.y(level.value);
            write!(
                out,
                "<path class=\"{}\" d=\"M{LEFT} {y:.1}H{:.1}\"><title>{} {}</title></path>",
                level.class(),
                WIDTH - RIGHT,
                escape(&level.name),
                number(level.value)
            )
            .ok();
        }
        for series in &self.series {
            write!(
                out,
                "<path class=\"line {}\" d=\"{}\"><title>{}</title></path>",
                series.class,
                path(series, &scale),
                escape(&series.name)
            )
            .ok();
        }
        out.push_str("<path class=\"cursor\" d=\"\"/></svg>");
        out
    }

    fn legend(&self, out: &mut String) {
        write!(
            out,
            "<h3>{}<span class=\"unit\">{}</span></h3><p class=\"legend\">",
            escape(&self.title),
            escape(&self.unit)
        )
        .ok();
        for series in &self.series {
            write!(out, "<span><i class=\"swatch {}\"></i>{}</span>", series.class, escape(&series.name)).ok();
        }
        for level in &self.levels {
            let (class, name) = (level.class(), escape(&level.name));
            write!(out, "<span><i class=\"swatch {class}\"></i>{name} {}</span>", number(level.value)).ok();
        }
        out.push_str("</p>");
    }
}

struct Scale {
    step: f64,
    most: f64,
    /// Seconds.
    span: f64,
}

impl Scale {
    fn top(&self) -> f64 {
        (self.most / self.step).ceil() * self.step
    }

    fn x(&self, at: Duration) -> f64 {
        LEFT + (WIDTH - LEFT - RIGHT) * at.as_secs_f64() / self.span
    }

    fn y(&self, value: f64) -> f64 {
        HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * value / self.top()
    }
}

fn grid(out: &mut String, scale: &Scale, span: Duration) {
    let mut value = 0.0;
    while value <= scale.top() * 1.0001 {
        let y = scale.y(value);
        write!(
            out,
            "<path class=\"grid\" d=\"M{LEFT} {y:.1}H{:.1}\"/><text x=\"{:.1}\" y=\"{:.1}\" class=\"at-left\">{}</text>",
            WIDTH - RIGHT,
            LEFT - 8.0,
            y + 4.0,
            number(value)
        )
        .ok();
        value += scale.step;
    }
    let tick = tick(span);
    let mut at = Duration::ZERO;
    while at <= span {
        let x = scale.x(at);
        write!(out, "<text x=\"{x:.1}\" y=\"{:.1}\" class=\"below\">{}</text>", HEIGHT - 6.0, clock(at)).ok();
        at += tick;
    }
}

/// A line; where there is no value there is none.
fn path(series: &Series, scale: &Scale) -> String {
    let mut path = String::new();
    let mut before: Option<f64> = None;
    for (at, value) in &series.values {
        let Some(value) = value else {
            before = None;
            continue;
        };
        let (x, y) = (scale.x(*at), scale.y(*value));
        match before {
            None => write!(path, "M{x:.1} {y:.1}"),
            // What did not change needs no corner.
            Some(last) if series.steps && (last - y).abs() < 0.05 => write!(path, "H{x:.1}"),
            Some(_) if series.steps => write!(path, "H{x:.1}V{y:.1}"),
            Some(_) => write!(path, "L{x:.1} {y:.1}"),
        }
        .ok();
        before = Some(y);
    }
    path
}

/// A round number of at least that: 1, 2 or 5 and zeros.
fn step(least: f64) -> f64 {
    let least = least.max(1e-6);
    let power = 10_f64.powf(least.log10().floor());
    [1.0, 2.0, 5.0, 10.0].map(|round| round * power).into_iter().find(|round| *round >= least * 0.999).unwrap_or(power)
}

/// Between the times below: at most ten of them, round ones.
fn tick(span: Duration) -> Duration {
    const ROUND: [u64; 15] = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600, 7200, 21_600, 43_200];
    let least = span.as_secs() / 10;
    let found = ROUND.into_iter().find(|round| *round >= least.max(1));
    Duration::from_secs(found.unwrap_or_else(|| 86_400 * (least / 86_400 + 1)))
}

/// As few digits as tell something.
pub(super) fn number(value: f64) -> String {
    let digits = if value.abs() >= 10.0 || value.fract().abs() < 1e-9 { 0 } else { 2 };
    let text = format!("{value:.digits$}");
    if digits == 0 { text } else { text.trim_end_matches('0').trim_end_matches('.').to_owned() }
}

pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales_are_round_numbers() {
        assert_eq!([0.3, 3.0, 12.5, 100.0].map(|least| number(step(least))), ["0.5", "5", "20", "100"]);
        assert_eq!(tick(Duration::from_secs(224)), Duration::from_secs(30));
        assert_eq!(tick(Duration::from_hours(7 * 24)), Duration::from_hours(24));
        assert_eq!([number(0.5), number(2.0), number(12.34), number(0.25)], ["0.5", "2", "12", "0.25"]);
    }

    #[test]
    fn a_line_ends_where_there_is_no_value() {
        let at = Duration::from_secs;
        let values = vec![(at(0), Some(1.0)), (at(1), Some(1.0)), (at(2), None), (at(3), Some(2.0))];
        let series = Series { name: "a".to_owned(), class: "one".to_owned(), steps: true, values };
        let chart = Chart { title: "<t>".to_owned(), unit: String::new(), series: vec![series], levels: Vec::new() };
        let drawn = chart.draw(at(3));
        let line = drawn.split("class=\"line one\" d=\"").nth(1).unwrap().split('"').next().unwrap();
        assert_eq!(line.matches('M').count(), 2, "{line}");
        assert!(drawn.contains("&lt;t&gt;"), "{drawn}");
    }
}
