//! The commands beside `serve`.

use crate::support::{Backend, Cluster, Server, conduit, shared_postgres};

fn run(env: &[(&str, &str)], arguments: &[&str]) -> String {
    let out = conduit(env).args(arguments).output().unwrap();
    let said = String::from_utf8(out.stdout).unwrap();
    assert!(out.status.success(), "{arguments:?}: {said}{}", String::from_utf8_lossy(&out.stderr));
    said
}

fn with_each_database(check: impl Fn(&[(&str, &str)])) {
    let url = shared_postgres().url(&Cluster::fresh_name());
    check(&[("DATABASE_URL", &url), ("JWT_SECRET", "some secret of the tests")]);
    let folder = tempfile::tempdir().unwrap();
    check(&[("DATA_FILE", folder.path().join("conduit.sqlite3").to_str().unwrap())]);
}

const SEED: [&str; 9] =
    ["seed", "--users", "40", "--articles", "600", "--favorites", "1500", "--password", "a good password"];

#[test]
fn seeding_makes_what_was_asked_for_and_a_second_run_adds_nothing() {
    with_each_database(|env| {
        let said = run(env, &SEED);
        assert!(said.contains("articles: 600 added in") && said.contains(" a second; 600 in all"), "{said}");
        let said = run(env, &SEED);
        assert!(said.contains("articles: 600 are there, 600 were asked for, none added"), "{said}");
        let more = run(env, &["seed", "--users", "40", "--articles", "700", "--favorites", "1500"]);
        assert!(more.contains("articles: 100 added"), "{more}");

        let server = Server::with_env(env);
        assert_eq!(server.get("/api/articles").json["articlesCount"], 700);
        let (mut favorites, mut busiest) = (0, 0);
        for offset in (0..700).step_by(100) {
            for article in
                server.get(&format!("/api/articles?limit=100&offset={offset}")).json["articles"].as_array().unwrap()
            {
                let count = article["favoritesCount"].as_i64().unwrap();
                favorites += count;
                busiest = busiest.max(count);
            }
        }
        // Kept counts are exact, and some articles are far more popular than the average of two.
        assert_eq!(favorites, 1500);
        assert!(busiest > 10, "{busiest}");
        let tagged = server.get("/api/articles?tag=programming").json["articlesCount"].as_i64().unwrap();
        assert!((250..450).contains(&tagged), "{tagged}");
        let author =
            server.get("/api/articles?limit=1").json["articles"][0]["author"]["username"].as_str().unwrap().to_owned();
        let login =
            serde_json::json!({"user": {"email": format!("{author}@seed.invalid"), "password": "a good password"}});
        server.post("/api/users/login", &login).expect(200);
    });
}

#[test]
fn seeding_asks_twice_in_production_and_says_what_cannot_be() {
    let server = Server::start(Backend::Sqlite);
    let file = server.folder().join("conduit.sqlite3");
    let out = conduit(&[("APP_ENV", "prod"), ("DATA_FILE", file.to_str().unwrap())]).arg("seed").output().unwrap();
    assert_eq!(out.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&out.stderr).contains("--in-production"));
    let out = conduit(&[("DATA_FILE", file.to_str().unwrap())])
        .args(["seed", "--users", "2", "--articles", "2", "--favorites", "3"])
        .output()
        .unwrap();
    assert!(String::from_utf8_lossy(&out.stderr).contains("2 (half of all pairs) at most"));
    assert_eq!(server.get("/api/articles").json["articlesCount"], 0);
}

#[test]
fn migrate_and_check_do_their_part_and_leave_nothing_else() {
    with_each_database(|env| {
        assert!(run(env, &["migrate"]).contains("is up to date"));
        assert!(run(env, &["check"]).contains("can do all that the API needs"));
        assert_eq!(Server::with_env(env).get("/api/articles").json["articlesCount"], 0);
    });
}

#[test]
fn every_statement_that_it_prints_is_one_that_both_databases_understand() {
    let count = |text: &str| text.lines().filter(|line| line.starts_with("-- ")).count();
    let postgres = run(&[], &["sql"]);
    assert!(count(&postgres) > 40);
    assert_eq!(count(&run(&[], &["sql", "--dialect", "sqlite"])), count(&postgres));
    assert_eq!(count(&run(&[], &["sql", "tags.list"])), 1);
    assert!(run(&[], &["sql", "articles.find", "--pgbench"]).contains("where a.slug = :p1;"));
    // Postgres plans each of them as the server prepares it.
    let cluster = shared_postgres();
    let server = Server::start(Backend::Postgres);
    let database = server.database.as_deref().unwrap();
    for (number, statement) in
        postgres.split(";\n").map(str::trim).filter(|statement| !statement.is_empty()).enumerate()
    {
        let (_, sql) = statement.split_once('\n').unwrap();
        cluster.psql(database, &format!("prepare s{number} as {sql}"));
    }
}

#[test]
fn no_list_reads_a_table_from_end_to_end() {
    let server = Server::start(Backend::Postgres);
    let cluster = shared_postgres();
    let database = server.database.as_deref().unwrap();
    let url = cluster.url(database);
    run(&[("DATABASE_URL", &url)], &["seed", "--users", "300", "--articles", "5000", "--favorites", "5000"]);
    let statements = run(&[], &["sql", "articles."]) + &run(&[], &["sql", "tags."]);
    for statement in statements.split(";\n").map(str::trim).filter(|statement| statement.contains("select")) {
        let (name, sql) = statement.split_once('\n').unwrap();
        // The plan that every execution uses, whatever its parameters.
        let parameters = (1..10).take_while(|number| sql.contains(&format!("${number}"))).count();
        let nulls = vec!["null"; parameters].join(", ");
        let call = if parameters == 0 { "execute s".to_owned() } else { format!("execute s({nulls})") };
        let plan = cluster
            .psql(database, &format!("set plan_cache_mode = force_generic_plan; prepare s as {sql}; explain {call}"));
        assert!(
            !plan.contains("Seq Scan on articles")
                && !plan.contains("Seq Scan on favorites")
                && !plan.contains("Seq Scan on article_tags")
                && !plan.contains("Seq Scan on users"),
            "{name}\n{plan}"
        );
    }
}

#[test]
fn seeding_that_cannot_go_on_says_so() {
    let server = Server::start(Backend::Sqlite);
    let file = server.folder().join("conduit.sqlite3");
    // Taken for one of those that seeding makes, so that nobody is added who could write.
    server
        .post("/api/users", &serde_json::json!({"user": {"username": "c", "email": "c@seed.invalid", "password": "p"}}))
        .expect(201);
    let out = conduit(&[("DATA_FILE", file.to_str().unwrap())])
        .args(["seed", "--users", "1", "--articles", "5", "--favorites", "0"])
        .output()
        .unwrap();
    assert_eq!(out.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&out.stderr).contains("articles: 5 could not be added"), "{out:?}");
}
