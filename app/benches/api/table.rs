use crate::load::Load;

/// A question's measurements.
#[derive(Clone, Copy)]
pub(crate) struct Row {
    pub(crate) load: Load,
    /// What the server asked of its database meanwhile; requests that come at once can share an answer.
    pub(crate) statements: f64,
    /// CPU time of the server while it was asked.
    pub(crate) server_seconds: f64,
    /// What the database did, if it is another process.
    pub(crate) postgres: Option<PostgresSide>,
}

#[derive(Clone, Copy)]
pub(crate) struct PostgresSide {
    /// CPU time while the server was asked.
    pub(crate) seconds: f64,
    /// What `pgbench` reached with the same statement.
    pub(crate) pgbench: f64,
}

impl Row {
    /// The server's part of what `pgbench` reached.
    pub(crate) fn ratio(&self) -> f64 {
        self.postgres.map_or(0.0, |side| self.load.per_second / side.pgbench)
    }
}

pub(crate) fn head(with_postgres: bool) {
    let mut first = format!("{:22}{:>9}{:>7}{:>8}{:>7}{:>11}", "", "requests", "p50", "p99", "", "statements");
    let mut second = format!("{:22}{:>9}{:>7}{:>8}{:>7}{:>11}", "", "a second", "ms", "ms", "errors", "a request");
    if with_postgres {
        first.push_str(&format!("{:>9}{:>6}{:>20}", "pgbench", "", "CPU us a request"));
        second.push_str(&format!("{:>9}{:>6}{:>7}{:>7}{:>6}", "a second", "ratio", "server", "db", "load"));
    } else {
        first.push_str(&format!("{:>20}", "CPU us a request"));
        second.push_str(&format!("{:>14}{:>6}", "server", "load"));
    }
    println!("{first}\n{second}");
}

pub(crate) fn print(name: &str, row: &Row) {
    let Load { requests, per_second, p50, p99, errors, cpu_seconds } = row.load;
    let each = |total: f64| if requests > 0.0 { total / requests } else { 0.0 };
    let mut line = format!("{name:22}{per_second:>9.0}{:>7}{:>8}{errors:>7.0}", millis(p50), millis(p99));
    line.push_str(&format!("{:>11.2}", each(row.statements)));
    let [server, load] = [row.server_seconds, cpu_seconds].map(|seconds| each(seconds) * 1e6);
    match row.postgres {
        Some(side) => {
            line.push_str(&format!("{:>9.0}{:>4.0} %", side.pgbench, row.ratio() * 100.0));
            line.push_str(&format!("{server:>7.0}{:>7.0}{load:>6.0}", each(side.seconds) * 1e6));
        }
        None => line.push_str(&format!("{server:>14.0}{load:>6.0}")),
    }
    println!("{line}");
}

pub(crate) fn millis(time: Option<f64>) -> String {
    time.map_or("-".to_owned(), |time| format!("{time:.2}"))
}
