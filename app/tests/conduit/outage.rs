use std::io::Write as _;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::{Backend, Cluster, Held, Reply, Server, eventually, shared_postgres};

fn started() -> (Cluster, Server) {
    let cluster = Cluster::start("");
    let server = Server::on_postgres(&cluster, "conduit", &[]);
    (cluster, server)
}

#[track_caller]
fn expect_unavailable(server: &Server, path: &str) -> Reply {
    let asked = Instant::now();
    let reply = server.get(path).expect_error(503, "database", "is unavailable, try again");
    assert!(asked.elapsed() < Duration::from_secs(3), "{:?}", asked.elapsed());
    assert_eq!(reply.header("retry-after"), "1");
    reply
}

#[test]
fn while_postgres_is_away_requests_are_refused_at_once_and_then_succeed_again_by_themselves() {
    let (cluster, server) = started();
    let user = server.user("author");
    server.article(&user, "Before", &[]);
    assert_eq!(server.metric("db_up"), Some(1.0));
    cluster.down();
    let reply = expect_unavailable(&server, "/api/articles");
    let id = reply.header("x-request-id").to_owned();

    // All replicas share the database: none of them leaves the service for it, and each says so.
    eventually("noticed", || server.metric("db_up") == Some(0.0));
    assert_eq!(server.ops("/livez").status, 200);
    assert_eq!(server.ops("/readyz").status, 200);
    let verbose = server.ops("/readyz?verbose").expect(200).text;
    assert!(verbose.contains("[-]database away"), "{verbose}");
    let reasons = ["connection", "shutting_down", "timeout"];
    let failed: f64 =
        reasons.iter().map(|reason| server.metric(&format!("db_errors_total{{reason=\"{reason}\"}}")).unwrap()).sum();
    assert!(failed > 0.0);
    let line =
        server.log.wait_for("refused request's line", |line| (line["request_id"] == id.as_str()).then(|| line.clone()));
    assert_eq!((line["level"].as_str(), line["status"].as_u64()), (Some("WARN"), Some(503)));
    assert!(line["cause"].as_str().unwrap().contains("database unavailable"), "{line}");
    for path in ["/api/articles/before", "/api/tags", "/api/profiles/author"] {
        expect_unavailable(&server, path);
    }
    let article = json!({"article": {"title": "Meanwhile", "description": "d", "body": "b"}});
    server.post_as(&user, "/api/articles", &article).expect(503);

    cluster.up("");
    let back = Instant::now();
    eventually("back", || server.get("/api/articles").status == 200);
    assert!(back.elapsed() < Duration::from_secs(5), "{:?}", back.elapsed());
    assert_eq!(server.get("/api/articles").json["articlesCount"], 1);
    eventually("noticed", || server.metric("db_up") == Some(1.0));
    let outages = server
        .log
        .lines()
        .iter()
        .filter(|line| line["message"].as_str().is_some_and(|text| text.contains("the database is away")))
        .count();
    assert_eq!(outages, 1, "an outage is logged once");
}

#[test]
fn an_outage_that_no_request_noticed_fails_none_afterwards() {
    let (cluster, server) = started();
    assert_eq!(server.get("/api/articles").status, 200);
    cluster.down();
    cluster.up("");
    eventually("noticed", || server.metric("db_up") == Some(1.0));
    thread::sleep(Duration::from_millis(1100));
    for _ in 0..10 {
        server.get("/api/articles").expect(200);
    }
}

#[test]
fn no_write_that_was_acknowledged_is_lost_when_postgres_crashes() {
    let (cluster, server) = started();
    let user = server.user("author");
    let server = &server;
    let written = thread::scope(|scope| {
        let writers: Vec<_> = (0..4)
            .map(|writer| {
                let user = &user;
                scope.spawn(move || {
                    let mut written = Vec::new();
                    for number in 0.. {
                        let title = format!("w{writer} n{number}");
                        let article = json!({"article": {"title": title, "description": "d", "body": "b"}});
                        let reply = server.post_as(user, "/api/articles", &article);
                        match reply.status {
                            201 => written.push(reply.json["article"]["slug"].as_str().unwrap().to_owned()),
                            503 => return written,
                            other => panic!("{other}: {}", reply.text),
                        }
                    }
                    written
                })
            })
            .collect();
        thread::sleep(Duration::from_millis(500));
        cluster.crash();
        writers.into_iter().flat_map(|writer| writer.join().unwrap()).collect::<Vec<String>>()
    });
    assert!(written.len() > 20, "{}", written.len());
    cluster.up("");
    eventually("back", || server.get("/api/articles").status == 200);
    for slug in &written {
        server.get(&format!("/api/articles/{slug}")).expect(200);
    }
    // At most one for each writer was written and not acknowledged; the counter agrees with the rows.
    let count = cluster.psql("conduit", "select count(*) from articles");
    assert_eq!(server.get("/api/articles").json["articlesCount"].to_string(), count);
    assert!(count.parse::<usize>().unwrap() <= written.len() + 4);
}

#[test]
fn a_postgres_that_does_not_answer_is_given_up_in_time() {
    let (cluster, server) = started();
    server.get("/api/articles").expect(200);
    cluster.signal_all("STOP");
    let asked = Instant::now();
    let reply = server.get("/api/articles");
    let took = asked.elapsed();
    cluster.signal_all("CONT");
    reply.expect_error(503, "database", "is unavailable, try again");
    assert!(took < Duration::from_secs(3), "{took:?}");
    eventually("back", || server.get("/api/articles").status == 200);
}

#[test]
fn when_all_connections_are_in_use_requests_are_refused_in_time_and_counted() {
    let cluster = Cluster::start("");
    let server = &Server::on_postgres(&cluster, "conduit", &[("DB_POOL", "1"), ("DB_TIMEOUT", "1s")]);
    thread::scope(|scope| {
        scope.spawn(|| cluster.psql("conduit", "begin; lock table articles; select pg_sleep(2.5); commit"));
        eventually("locked", || {
            cluster.psql("conduit", "select count(*) from pg_stat_activity where wait_event = 'PgSleep'") == "1"
        });
        let ask = |offset| expect_unavailable(server, &format!("/api/articles?offset={offset}"));
        let asking: Vec<_> = (0..10).map(|offset| scope.spawn(move || ask(offset))).collect();
        for reply in asking {
            reply.join().unwrap();
        }
    });
    assert!(server.metric("db_pool_acquire_timeouts_total").unwrap() > 0.0);
    assert!(server.metric("db_errors_total{reason=\"pool_exhausted\"}").unwrap() > 0.0);
    assert_eq!(server.metric("db_up"), Some(1.0), "a busy pool is no outage");
    server.get("/api/articles").expect(200);
}

#[test]
fn sqlite_that_another_process_holds_is_given_up_in_time() {
    let server = Server::start_with(Backend::Sqlite, &[("DB_TIMEOUT", "700ms")]);
    let user = server.user("author");
    let file = server.folder().join("conduit.sqlite3");
    let mut holder = std::process::Command::new("python3")
        .args(["-c", "import sqlite3, sys, time; c = sqlite3.connect(sys.argv[1], isolation_level=None); c.execute('begin immediate'); print('held', flush=True); time.sleep(60)"])
        .arg(&file)
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = holder.stdout.take().unwrap();
    std::io::Read::read_exact(&mut said, &mut [0; 4]).unwrap();
    let article = json!({"article": {"title": "Waits", "description": "d", "body": "b"}});
    let reply = server.post_as(&user, "/api/articles", &article);
    server.get("/api/articles").expect(200);
    holder.kill().unwrap();
    holder.wait().unwrap();
    reply.expect_error(503, "database", "is unavailable, try again");
    eventually("released", || server.post_as(&user, "/api/articles", &article).status == 201);
}

#[test]
fn a_statement_whose_client_has_hung_up_is_given_up() {
    let server = Server::start_with(Backend::Postgres, &[("DB_TIMEOUT", "2min")]);
    let (cluster, database) = (shared_postgres(), server.database.clone().unwrap());
    let waiting = || {
        let sql =
            "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'";
        cluster.psql(&database, sql)
    };
    let _held = Held::lock(&cluster.url(&database), "articles");
    let mut client = server.connect();
    client.write_all(b"GET /api/articles/nothing HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
    eventually("waiting", || waiting() == "1");
    drop(client);
    eventually("given up", || waiting() == "0");
}
