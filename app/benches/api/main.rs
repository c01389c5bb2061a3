//! What the server does in a second, beside what Postgres itself does with the same statements.
//!
//! `make bench` runs it. With `CONDUIT_BENCH_QUICK=1` each measurement takes a second, for trying out
//! the benchmark; its figures are then worth little.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a benchmark that cannot go on has failed")]
#![allow(clippy::format_push_string, reason = "nobody waits for a table's line")]

mod folder;
mod load;
mod pgbench;
#[path = "../../tests/conduit/support/postgres.rs"]
#[expect(dead_code, reason = "the tests use the rest")]
mod postgres;
mod process;
mod question;
mod server;
mod table;
mod targets;

use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use folder::Folder;
use postgres::Cluster;
use process::Memory;
use question::{Cast, Question};
use server::{Server, Store};
use table::{PostgresSide, Row};
use targets::Targets;

const DATABASE: &str = "bench";
const ARTICLES: u32 = 20_000;
const MANY_ARTICLES: u32 = 200_000;
/// Pairs of measurements of the front page; noise rarely hits the same way so often.
const PAIRS: usize = 3;
/// By then the memory that hashing a password takes has been given back.
const IDLE: Duration = Duration::from_secs(12);
const STARTS: usize = 5;

/// How long measurements take, in seconds.
struct Times {
    warm_up: u32,
    server: u32,
    pgbench: u32,
    sqlite: u32,
}

const FULL: Times = Times { warm_up: 1, server: 5, pgbench: 3, sqlite: 3 };
const QUICK: Times = Times { warm_up: 1, server: 1, pgbench: 1, sqlite: 1 };

/// What every part of the benchmark uses and adds to.
struct Bench {
    folder: Folder,
    times: Times,
    targets: Targets,
    errors: f64,
}

fn main() {
    // `cargo test --benches` would run it too.
    if !std::env::args().any(|argument| argument == "--bench") {
        println!("`make bench` runs the benchmark");
        return;
    }
    let started = Instant::now();
    let times = if std::env::var_os("CONDUIT_BENCH_QUICK").is_some() { QUICK } else { FULL };
    facts();
    let mut bench = Bench { folder: Folder::new(), times, targets: Targets::default(), errors: 0.0 };
    bench.run();
    println!("\nTargets");
    bench.targets.print();
    println!("\ntaken: {:.0} s", started.elapsed().as_secs_f64());
}

/// What the figures depend on.
fn facts() {
    assert!(load::oha().exists(), "{} is missing; `make bench` installs it", load::oha().display());
    let cpus = fs::read_to_string("/proc/cpuinfo").unwrap();
    let model = cpus.lines().find(|line| line.starts_with("model name")).and_then(|line| line.split_once(": "));
    let cores = std::thread::available_parallelism().unwrap();
    println!("machine     {cores} cores, {}", model.map_or("of an unknown model", |(_, model)| model));
    println!("database    {}", said_by(Cluster::bin().join("postgres"), &["--version"]));
    println!(
        "load        {}, {}",
        said_by(load::oha(), &["--version"]),
        said_by(Cluster::bin().join("pgbench"), &["--version"])
    );
    println!("all on one machine, over loopback: server, database and load share its cores");
}

fn said_by(program: impl AsRef<Path>, arguments: &[&str]) -> String {
    let program = program.as_ref();
    let out =
        Command::new(program).args(arguments).output().unwrap_or_else(|error| panic!("{}: {error}", program.display()));
    assert!(out.status.success(), "{}: {}", program.display(), out.status);
    String::from_utf8(out.stdout).unwrap().trim().to_owned()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

impl Bench {
    fn run(&mut self) {
        let cluster = Cluster::start("-c shared_buffers=256MB");
        let store = Store::postgres(cluster.url(DATABASE));
        let password = format!("{:032x}", rand::random::<u128>());
        self.title("Postgres");
        seed(&store, ARTICLES, &password);
        let mut server = Server::start(&store, self.folder.path().join("postgres.log"));
        let cast = cast(&cluster, password);
        server.welcome(&cast);
        settle(&cluster);

        let small = self.postgres_rows(&mut server, &cluster, &cast);
        self.deep_pages(&mut server);
        self.growth(&mut server, &cluster, &store, &cast, small);

        let file = self.folder.path().join("conduit.sqlite3");
        self.title("SQLite");
        let idle = Instant::now();
        let sqlite = Store::sqlite(&file);
        seed(&sqlite, ARTICLES, &cast.password);
        sleep(IDLE.saturating_sub(idle.elapsed()));
        let on_postgres = server.memory();
        drop((server, cluster));
        let on_sqlite = self.sqlite_rows(&sqlite, &cast);
        self.memory(on_postgres, on_sqlite);
        self.start();
        self.targets.add(format!("no errors: {:.0}", self.errors), self.errors == 0.0);
    }

    fn title(&self, title: &str) {
        println!("\n{title}; logs in {}", self.folder.path().display());
    }

    /// Measures the server, and then the database by itself.
    fn measure(&mut self, server: &mut Server, cluster: Option<&Cluster>, question: &Question) -> Row {
        let seconds = if cluster.is_some() { self.times.server } else { self.times.sqlite };
        load::ask(server, question, question.clients, self.times.warm_up);
        let used = || {
            (process::cpu_seconds(&server.pid()), cluster.map(|cluster| process::family_cpu_seconds(&cluster.pid())))
        };
        let (sent, before) = (server.statements(), used());
        let load = load::ask(server, question, question.clients, seconds);
        let after = used();
        let statements = server.statements() - sent;
        let postgres = cluster.map(|cluster| PostgresSide {
            seconds: after.1.zip(before.1).map_or(0.0, |(after, before)| after - before),
            pgbench: pgbench::per_second(cluster, DATABASE, self.folder.path(), question, self.times.pgbench),
        });
        server.assert_running();
        self.errors += load.errors;
        Row { load, statements, server_seconds: after.0 - before.0, postgres }
    }

    /// Measures the front page several times, the least favourable ratio first.
    fn front_page(&mut self, server: &mut Server, cluster: &Cluster) -> Vec<Row> {
        let question = question::front_page();
        let mut rows: Vec<Row> = (0..PAIRS).map(|_| self.measure(server, Some(cluster), &question)).collect();
        rows.sort_by(|one, other| one.ratio().total_cmp(&other.ratio()));
        rows
    }

    /// Gives back the rows of the front page.
    fn postgres_rows(&mut self, server: &mut Server, cluster: &Cluster, cast: &Cast) -> Vec<Row> {
        println!();
        table::head(true);
        let front = self.front_page(server, cluster);
        let (middle, best) = (front[PAIRS / 2], front[PAIRS - 1]);
        table::print(question::front_page().name, &best);
        let rest: Vec<Row> = question::all(cast)
            .iter()
            .map(|question| {
                let row = self.measure(server, Some(cluster), question);
                table::print(question.name, &row);
                row
            })
            .collect();
        let statements = best.statements / best.load.requests;
        let [middle, best, alone] = [middle, best, rest[0]].map(|row| row.ratio() * 100.0);
        println!("articles: the best of {PAIRS} pairs; the ratio of their median is {middle:.0} %");
        println!("fewer statements than requests: clients who asked the same at once shared an answer, as");
        println!("pgbench's never do; of such rows the ratio is no measure of the server's own overhead");
        println!("login: pgbench runs its one select; the time goes into hashing the password");
        self.targets.add(format!("articles >= 60 % of pgbench: {middle:.0} %, {best:.0} % at best"), middle >= 60.0);
        self.targets.note(format!("with {statements:.2} statements a request, as answers are shared;"));
        self.targets.note(format!("at a random offset, where hardly any is: {alone:.0} %"));
        front
    }

    fn deep_pages(&mut self, server: &mut Server) {
        println!("\nDeep pages of {ARTICLES} articles, one client");
        for question in question::deep_pages() {
            load::ask(server, &question, question.clients, self.times.warm_up);
            let load = load::ask(server, &question, question.clients, self.times.server);
            self.errors += load.errors;
            let (p50, p99) = (table::millis(load.p50), table::millis(load.p99));
            println!("{:24}p50 {p50} ms, p99 {p99} ms", question.name);
            let promise = format!("{} p99 < 50 ms: {p99} ms", question.name);
            self.targets.add(promise, load.p99.is_some_and(|p99| p99 < 50.0));
        }
    }

    /// Does the front page cost more when ten times as much lies behind it?
    fn growth(&mut self, server: &mut Server, cluster: &Cluster, store: &Store, cast: &Cast, small: Vec<Row>) {
        println!("\nFront page of {ARTICLES} articles and of {MANY_ARTICLES}, medians of {PAIRS}");
        seed(store, MANY_ARTICLES, &cast.password);
        settle(cluster);
        let large = self.front_page(server, cluster);
        let answered = [&small, &large].map(|rows| median(rows.iter().map(|row| row.load.per_second).collect()));
        let pgbench =
            [small, large].map(|rows| median(rows.iter().filter_map(|row| Some(row.postgres?.pgbench)).collect()));
        for (name, [few, many]) in [("server", answered), ("pgbench", pgbench)] {
            println!("{name:24}{few:.0} a second, then {many:.0}: {:.0} %", many / few * 100.0);
        }
        let kept = answered[1] / answered[0] * 100.0;
        let promise = format!("articles of {MANY_ARTICLES} >= 80 % of those of {ARTICLES}: {kept:.0} %");
        self.targets.add(promise, kept >= 80.0);
    }

    /// Gives back what the server has in memory after them.
    fn sqlite_rows(&mut self, store: &Store, cast: &Cast) -> Memory {
        let mut server = Server::start(store, self.folder.path().join("sqlite.log"));
        server.welcome(cast);
        println!();
        table::head(false);
        for question in std::iter::once(question::front_page()).chain(question::all(cast)) {
            let row = self.measure(&mut server, None, &question);
            table::print(question.name, &row);
        }
        sleep(IDLE);
        server.memory()
    }

    fn memory(&mut self, on_postgres: Memory, on_sqlite: Memory) {
        println!("\nMemory of the server, idle after all this, and at its peak");
        for (name, Memory { now, peak }) in [("on Postgres", on_postgres), ("on SQLite", on_sqlite)] {
            println!("{name:24}{now:.1} MiB, {peak:.1} MiB");
        }
        // SQLite's own memory, its page caches above all, is on top of the server's.
        let now = on_postgres.now;
        self.targets.add(format!("memory on Postgres < 30 MiB: {now:.1} MiB"), now < 30.0);
    }

    fn start(&mut self) {
        let starts = (0..STARTS).map(|_| server::time_to_ready(self.folder.path()).as_secs_f64());
        let millis = median(starts.collect()) * 1e3;
        println!("\nFrom start to ready, on SQLite without a file: {millis:.0} ms, the median of {STARTS}");
        self.targets.add(format!("ready < 1 s on SQLite: {millis:.0} ms"), millis < 1e3);
    }
}

fn seed(store: &Store, articles: u32, password: &str) {
    for message in store.seed(articles, password) {
        println!("seeded {message}");
    }
}

/// What has been written lately shall not be at work while something else is measured.
fn settle(cluster: &Cluster) {
    cluster.psql(DATABASE, "analyze");
    cluster.psql(DATABASE, "checkpoint");
}

/// Neither the most diligent, who are a tenth of everything, nor the many who do little.
fn cast(cluster: &Cluster, password: String) -> Cast {
    let ask = |sql: &str| cluster.psql(DATABASE, sql);
    let tenth = |table: &str, user: &str| {
        ask(&format!(
            "select u.username from {table} t join users u on u.id = t.{user} \
             group by u.id order by count(*) desc, u.id limit 1 offset 9"
        ))
    };
    let viewer = tenth("favorites", "user_id");
    let newest_authors = "select username from users u where username <> $$VIEWER$$ and exists \
         (select 1 from articles a where a.author_id = u.id) order by \
         (select max(id) from articles a where a.author_id = u.id) desc limit 50";
    Cast {
        viewer_id: ask(&format!("select id from users where username = $${viewer}$$")).parse().unwrap(),
        password,
        followed: ask(&newest_authors.replace("VIEWER", &viewer)).lines().map(str::to_owned).collect(),
        author: tenth("articles", "author_id"),
        favoriter: viewer.clone(),
        slug: ask("select slug from articles order by id desc limit 1 offset 9"),
        viewer,
    }
}
