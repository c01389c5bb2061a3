use std::fmt::Write as _;
use std::time::Duration;

use serde_json::json;

use super::chart::{Chart, Level, Series, escape, number};
use super::{Point, Report, Run, clock};

/// The runs' colours, as classes.
const RUNS: [&str; 2] = ["one", "two"];
/// The colours of a run's metrics, again and again if there are more.
const METRICS: [&str; 4] = ["one", "two", "three", "four"];

pub(super) fn html(report: &Report) -> String {
    let runs: Vec<(&Run, Vec<Point>)> = report.runs.iter().map(|run| (run, run.thinned())).collect();
    let span = runs.iter().filter_map(|(_, points)| points.last()).map(|point| point.at).max().unwrap_or_default();
    let mut out = String::from("<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">");
    out.push_str("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">");
    write!(
        out,
        "<title>{}</title><style>{}</style></head><body><main>",
        escape(&report.title),
        include_str!("page.css")
    )
    .ok();
    write!(out, "<h1>{}</h1>", escape(&report.title)).ok();
    for note in &report.notes {
        write!(out, "<p class=\"note\">{}</p>", escape(note)).ok();
    }
    facts(&mut out, report);
    for chart in charts(&runs) {
        write!(out, "<section class=\"chart\">{}</section>", chart.draw(span)).ok();
    }
    for (run, _) in &runs {
        scalings(&mut out, run, runs.len() > 1);
    }
    let values = json!({ "span": span.as_secs_f64(), "runs": runs.iter().map(|(run, points)| values(run, points)).collect::<Vec<_>>() });
    // A `<` could end the script.
    let values = values.to_string().replace('<', "\\u003c");
    write!(
        out,
        "<div id=\"reading\" hidden></div></main><script type=\"application/json\" id=\"values\">{values}</script>\
         <script>{}</script></body></html>",
        include_str!("page.js")
    )
    .ok();
    out
}

fn facts(out: &mut String, report: &Report) {
    out.push_str("<table class=\"facts\"><thead><tr><th></th>");
    for (run, class) in report.runs.iter().zip(RUNS) {
        let swatch = if report.runs.len() > 1 { format!("<i class=\"swatch {class}\"></i>") } else { String::new() };
        write!(out, "<th>{swatch}{}<small>{}</small></th>", escape(&run.name), escape(&run.hpa)).ok();
    }
    out.push_str("</tr></thead><tbody>");
    let Some(first) = report.runs.first() else { return };
    for (row, (name, _)) in first.facts.iter().enumerate() {
        write!(out, "<tr><th>{}</th>", escape(name)).ok();
        for run in &report.runs {
            let value = run.facts.get(row).map(|(_, value)| value.as_str()).unwrap_or_default();
            write!(out, "<td>{}</td>", escape(value)).ok();
        }
        out.push_str("</tr>");
    }
    out.push_str("</tbody></table>");
}

fn line(
    points: &[Point],
    name: String,
    class: impl Into<String>,
    steps: bool,
    value: impl Fn(&Point) -> Option<f64>,
) -> Series {
    let values = points.iter().map(|point| (point.at, value(point))).collect();
    Series { name, class: class.into(), steps, values }
}

/// The lines of a run, in the run's colour.
type Lines<'a> = dyn Fn(&Run, &[Point], &str) -> Vec<Series> + 'a;

fn charts(runs: &[(&Run, Vec<Point>)]) -> Vec<Chart> {
    let two = runs.len() > 1;
    let named = |run: &Run, what: &str| if two { format!("{what}, {}", run.name) } else { what.to_owned() };
    let each = |value: &Lines<'_>| -> Vec<Series> {
        runs.iter().zip(RUNS).flat_map(|((run, points), class)| value(run, points, class)).collect()
    };
    let chart = |title: &str, unit: &str, series: Vec<Series>, levels: Vec<Level>| Chart {
        title: title.to_owned(),
        unit: unit.to_owned(),
        series,
        levels,
    };
    let mut charts = Vec::new();
    let due = runs.first().map(|(_, points)| line(points, "due".to_owned(), "due", true, |point| Some(point.load)));
    let mut load: Vec<Series> = due.into_iter().collect();
    load.extend(each(&|run, points, class| {
        vec![line(points, named(run, "answered"), class, false, |point| Some(point.served))]
    }));
    charts.push(chart("Load", "requests a second", load, Vec::new()));
    let thresholds = runs.iter().zip(RUNS).filter_map(|((run, _), class)| {
        let class = if two { class } else { "" };
        run.threshold.map(|value| Level { name: named(run, "threshold"), class, value })
    });
    let thresholds = thresholds.collect();
    let per_pod =
        each(&|run, points, class| vec![line(points, named(run, "per pod"), class, false, |point| point.per_pod)]);
    charts.push(chart("Requests per second per pod", "requests a second", per_pod, thresholds));
    let replicas = each(&|run, points, class| {
        vec![
            line(points, named(run, "desired"), format!("{class} thin"), true, |point| Some(point.desired.into())),
            line(points, named(run, "ready"), class, true, |point| Some(point.ready.into())),
        ]
    });
    charts.push(chart("Replicas", "pods", replicas, Vec::new()));
    if let [(run, points)] = runs
        && run.metrics.len() > 1
    {
        let metrics = run.metrics.iter().enumerate().zip(METRICS.iter().cycle()).map(|((place, name), class)| {
            line(points, name.clone(), *class, false, move |point| {
                point.pressures.get(place).copied().flatten().map(|part| part * 100.0)
            })
        });
        let level = vec![Level { name: "threshold".to_owned(), class: "", value: 100.0 }];
        charts.push(chart("Each metric against its threshold", "percent of the threshold", metrics.collect(), level));
    }
    if runs.iter().any(|(_, points)| points.iter().any(|point| point.latency.is_some())) {
        let millis = |latency: Duration| Some(latency.as_secs_f64() * 1000.0);
        let latency = each(&|run, points, class| {
            vec![
                line(points, named(run, "half of all"), format!("{class} thin"), false, |point| {
                    point.latency.and_then(|(p50, _)| millis(p50))
                }),
                line(points, named(run, "99 of a hundred"), class, false, |point| {
                    point.latency.and_then(|(_, p99)| millis(p99))
                }),
            ]
        });
        charts.push(chart("Latency, from the moment a request was due", "milliseconds", latency, Vec::new()));
    }
    charts
}

fn scalings(out: &mut String, run: &Run, named: bool) {
    let name = if named { format!(": {}", run.name) } else { String::new() };
    write!(out, "<h2>Decisions{}</h2>", escape(&name)).ok();
    if run.scalings.is_empty() {
        out.push_str("<p class=\"note\">The number of replicas never changed.</p>");
        return;
    }
    out.push_str(
        "<div class=\"scroll\"><table class=\"scalings\"><thead><tr><th>at</th><th>replicas</th><th>why</th>\
         <th>after the step</th><th>ready after</th></tr></thead><tbody>",
    );
    let time =
        |time: Option<Duration>| time.map_or_else(|| "–".to_owned(), |time| format!("{:.1} s", time.as_secs_f64()));
    for scaling in run.scalings.iter().take(super::MOST_POINTS) {
        write!(
            out,
            "<tr><td>{}</td><td>{} → {}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
            clock(scaling.at),
            scaling.from,
            scaling.to,
            escape(&scaling.reason),
            time(scaling.after_step),
            time(scaling.ready_after)
        )
        .ok();
    }
    out.push_str("</tbody></table></div>");
    if let Some(more) = run.scalings.len().checked_sub(super::MOST_POINTS).filter(|more| *more > 0) {
        write!(out, "<p class=\"note\">… and {more} more.</p>").ok();
    }
}

/// What the cursor reads: one row a moment.
fn values(run: &Run, points: &[Point]) -> serde_json::Value {
    let rows = points.iter().map(|point| {
        let latency = point.latency.map(|(p50, p99)| {
            format!("{} / {} ms", number(p50.as_secs_f64() * 1000.0), number(p99.as_secs_f64() * 1000.0))
        });
        json!([
            point.at.as_secs_f64(),
            clock(point.at),
            number(point.load),
            number(point.served),
            point.per_pod.map(number),
            point.desired,
            point.ready,
            latency,
            point.failed,
        ])
    });
    json!({ "name": run.name, "rows": rows.collect::<Vec<_>>() })
}
