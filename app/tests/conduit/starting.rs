use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::thread;

use crate::support::{Backend, Cluster, Held, Server, conduit, shared_postgres};

const SECRET: (&str, &str) = ("JWT_SECRET", "some secret of the tests");

#[test]
fn it_waits_for_a_database_that_is_not_there_yet_and_then_starts() {
    let cluster = Cluster::start("");
    cluster.down();
    let mut server = Server::launch(&[("DATABASE_URL", &cluster.url("late")), SECRET]);
    let line = server.log.wait_for_message("waiting for database to start");
    let message = line["message"].as_str().unwrap();
    assert!(message.contains("refused") && message.contains("/late"), "{message}");
    assert_eq!(server.ops("/livez").status, 200);
    let ready = server.ops("/readyz").expect(503).text;
    assert!(ready.contains("waiting for database to start") && ready.contains("refused"), "{ready}");
    assert_eq!(server.ops("/metrics").status, 200);
    cluster.up("");
    server.api = server.log.wait_for("API's address", |line| Some(format!("http://{}", line["api"].as_str()?)));
    server.get("/api/articles").expect(200);
    let said: Vec<String> =
        server.log.lines().iter().filter_map(|line| Some(line["message"].as_str()?.to_owned())).collect();
    let order = [
        "You selected test as environment",
        "waiting for database",
        "Database late does not exist. Creating...",
        "Database late has been created.",
        "Database late has been migrated.",
        "Running checks over",
        "Running application server",
    ];
    let places: Vec<_> = order
        .iter()
        .map(|text| said.iter().position(|line| line.contains(text)).unwrap_or_else(|| panic!("{text}: {said:#?}")))
        .collect();
    assert!(places.is_sorted(), "{said:#?}");
}

#[test]
fn a_host_that_does_not_exist_is_named_as_the_reason() {
    let env = [("DB_HOST", "db.invalid"), ("DB_USER", "u"), ("DB_NAME", "n"), SECRET];
    let server = Server::launch(&env);
    server.log.wait_for_message("no_such_host");
}

#[test]
fn a_wrong_password_is_final() {
    let cluster = Cluster::start("");
    cluster.psql("postgres", "alter role conduit password 'right'");
    cluster.require_passwords();
    let url = format!("postgres://conduit:wrong@127.0.0.1:{}/conduit", cluster.port);
    let out = conduit(&[("DATABASE_URL", &url), SECRET]).output().unwrap();
    let error = String::from_utf8_lossy(&out.stderr);
    assert_eq!(out.status.code(), Some(1), "{error}");
    assert!(error.contains("authentication") && !error.contains("wrong"), "{error}");
    assert!(!String::from_utf8_lossy(&out.stdout).contains("wrong@"));
}

#[test]
fn replicas_that_start_at_once_on_an_empty_server_all_come_up() {
    let cluster = Cluster::start("");
    thread::scope(|scope| {
        let starting: Vec<_> = (0..4).map(|_| scope.spawn(|| Server::on_postgres(&cluster, "shared", &[]))).collect();
        for server in starting {
            server.join().unwrap().get("/api/articles").expect(200);
        }
    });
}

#[test]
fn replicas_that_start_at_once_on_an_empty_folder_all_come_up_and_share_users() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("new/conduit.sqlite3");
    let env = [("DATA_FILE", file.to_str().unwrap())];
    let servers: Vec<Server> = thread::scope(|scope| {
        let starting: Vec<_> = (0..4).map(|_| scope.spawn(|| Server::with_env(&env))).collect();
        starting.into_iter().map(|server| server.join().unwrap()).collect()
    });
    let user = servers[0].user("shared");
    for server in &servers {
        server.get_as(&user, "/api/user").expect(200);
    }
    let mode = fs::metadata(folder.path().join("new/conduit.sqlite3.jwt-secret")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn on_sqlite_data_and_logins_outlive_the_process() {
    let mut first = Server::start(Backend::Sqlite);
    let user = first.user("kept");
    first.article(&user, "Kept", &["tag"]);
    first.signal("TERM");
    first.wait_exit();
    let file = first.folder().join("conduit.sqlite3");
    let second = Server::with_env(&[("DATA_FILE", file.to_str().unwrap())]);
    second.get_as(&user, "/api/user").expect(200);
    assert_eq!(second.get("/api/articles").json["articlesCount"], 1);
}

#[test]
fn the_port_that_kubernetes_links_to_the_database_does_no_harm() {
    let cluster = shared_postgres();
    let port = cluster.port.to_string();
    let link = format!("tcp://10.0.0.7:{port}");
    let env = [
        ("DB_PORT", link.as_str()),
        ("DB_HOST", "127.0.0.1"),
        ("DB_SERVICE_PORT", &port),
        ("DB_USER", "conduit"),
        ("DB_PASSWORD", ""),
        ("DB_NAME", "linked"),
        SECRET,
    ];
    Server::with_env(&env).get("/api/articles").expect(200);
}

#[test]
fn a_port_that_is_taken_is_named_with_the_setting_that_chooses_another() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("conduit.sqlite3");
    for setting in ["PORT", "OPS_PORT"] {
        let out = conduit(&[("DATA_FILE", file.to_str().unwrap()), (setting, &port)]).output().unwrap();
        let error = String::from_utf8_lossy(&out.stderr);
        assert_eq!(out.status.code(), Some(1), "{error}");
        assert!(error.contains(&port) && error.contains(&format!(" {setting} chooses another port")), "{error}");
    }
}

#[test]
fn a_data_file_that_cannot_be_made_is_named() {
    for file in ["/proc/conduit/file", "/dev/null/file"] {
        let out = conduit(&[("DATA_FILE", file)]).output().unwrap();
        let error = String::from_utf8_lossy(&out.stderr);
        assert_eq!(out.status.code(), Some(1), "{error}");
        assert!(error.contains(file), "{error}");
    }
}

#[test]
fn a_schema_from_the_future_is_refused() {
    let server = Server::start(Backend::Postgres);
    let database = server.database.clone().unwrap();
    let cluster = shared_postgres();
    cluster.psql(&database, "insert into _sqlx_migrations values (9999, 'later', now(), true, '\\x00', 0)");
    let out = conduit(&[("DATABASE_URL", &cluster.url(&database)), SECRET]).output().unwrap();
    let error = String::from_utf8_lossy(&out.stderr);
    assert_eq!(out.status.code(), Some(1), "{error}");
    assert!(error.contains("9999"), "{error}");
}

#[test]
fn a_self_check_that_fails_stops_the_start() {
    let mut server = Server::start(Backend::Postgres);
    let database = server.database.clone().unwrap();
    server.signal("TERM");
    server.wait_exit();
    let cluster = shared_postgres();
    cluster.psql(&database, "alter table comments rename column body to words");
    let env = [("DATABASE_URL", cluster.url(&database)), (SECRET.0, SECRET.1.to_owned())];
    let env: Vec<(&str, &str)> = env.iter().map(|(name, value)| (*name, value.as_str())).collect();
    for arguments in [&[][..], &["check"][..]] {
        let out = conduit(&env).args(arguments).output().unwrap();
        let error = String::from_utf8_lossy(&out.stderr);
        assert_eq!(out.status.code(), Some(1), "{error}");
        assert!(error.contains("self-check") && error.contains("comment"), "{error}");
    }
    assert_eq!(cluster.psql(&database, "select count(*) from users"), "0", "nothing of a check remains");
}

#[test]
fn a_self_check_that_the_database_has_no_time_for_is_tried_again() {
    let mut server = Server::start(Backend::Postgres);
    let database = server.database.clone().unwrap();
    server.signal("TERM");
    server.wait_exit();
    let url = shared_postgres().url(&database);
    let held = Held::lock(&url, "comments");
    let mut server = Server::launch(&[("DATABASE_URL", &url), SECRET, ("DB_TIMEOUT", "500ms")]);
    let line = server.log.wait_for_message("waiting for database to start");
    let message = line["message"].as_str().unwrap();
    assert!(message.contains("comment: database unavailable (timeout)"), "{message}");
    drop(held);
    server.api = server.log.wait_for("API's address", |line| Some(format!("http://{}", line["api"].as_str()?)));
    server.get("/api/articles").expect(200);
}

#[test]
fn migrations_bring_a_database_of_the_previous_version_up_to_date() {
    let cluster = shared_postgres();
    let database = Cluster::fresh_name();
    cluster.psql("postgres", &format!("create database {database}"));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("conduit.sqlite3");
    let previous = "insert into users (username, email, email_key, password_hash, created_at, updated_at)
        values ('old', 'old@x.y', 'old@x.y', 'none', 1, 1);
        insert into articles (slug, title, description, body, tag_list, author_id, favorites_count, created_at, updated_at)
        values ('one', 't', 'd', 'b', '[\"a\"]', 1, 1, 1, 1), ('two', 't', 'd', 'b', '[]', 1, 0, 1, 1);
        insert into article_tags values ('a', 1); insert into favorites values (1, 1);";
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        use conduit::db::migrate::{POSTGRES, SQLITE};
        use sqlx::{Connection, Executor};
        let mut postgres = sqlx::PgConnection::connect(&cluster.url(&database)).await.unwrap();
        POSTGRES.run_to(1, &mut postgres).await.unwrap();
        postgres.execute(previous).await.unwrap();
        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&file).create_if_missing(true);
        let mut sqlite = sqlx::SqliteConnection::connect_with(&options).await.unwrap();
        SQLITE.run_to(1, &mut sqlite).await.unwrap();
        sqlite.execute(previous).await.unwrap();
        sqlite.close().await.unwrap();
    });
    let url = cluster.url(&database);
    for env in [vec![("DATABASE_URL", url.as_str()), SECRET], vec![("DATA_FILE", file.to_str().unwrap())]] {
        let out = conduit(&env).arg("migrate").output().unwrap();
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        let server = Server::with_env(&env);
        let page = server.get("/api/articles").json;
        assert_eq!(page["articlesCount"], 2);
        assert_eq!(page["articles"][1]["favoritesCount"], 1);
        assert_eq!(server.get("/api/articles?favorited=old").json["articlesCount"], 1);
    }
}

#[test]
fn a_database_that_accepts_and_says_nothing_is_named_as_silent() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("postgres://u@{}/d", silent.local_addr().unwrap());
    let server = Server::launch(&[("DATABASE_URL", &url), SECRET]);
    server.log.wait_for_message("no answer within 5s");
    assert!(server.ops("/readyz").expect(503).text.contains("no answer"));
}

#[test]
fn a_data_file_that_is_something_else_is_final() {
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("text");
    fs::write(&text, "This is no database, and long enough to be taken for one: ".repeat(100)).unwrap();
    for file in [folder.path(), &text] {
        let out = conduit(&[("DATA_FILE", file.to_str().unwrap())]).output().unwrap();
        assert_eq!(out.status.code(), Some(1), "{}", String::from_utf8_lossy(&out.stderr));
    }
}
