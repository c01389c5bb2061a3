use std::process::Output;

use crate::support::{Backend, Server, conduit, shared_postgres};

const LONG: &str = "3eQ0gYw1kz6XU8bM2vHcTn4sRJpLfADi";

fn refused(env: &[(&str, &str)]) -> String {
    let Output { status, stderr, .. } = conduit(env).output().unwrap();
    let error = String::from_utf8_lossy(&stderr).into_owned();
    assert_eq!(status.code(), Some(2), "{env:?}: {error}");
    error
}

#[track_caller]
fn expect_refusal(env: &[(&str, &str)], words: &[&str]) {
    let error = refused(env);
    for word in words {
        assert!(error.contains(word), "{env:?}: no {word:?} in {error}");
    }
}

#[test]
fn a_secret_is_required_on_postgres_in_every_mode() {
    for mode in ["dev", "test", "prod"] {
        let env = [("APP_ENV", mode), ("DATABASE_URL", "postgres://u:p@h/d")];
        expect_refusal(&env, &["JWT_SECRET", "not set", "openssl rand"]);
        expect_refusal(&[env[0], env[1], ("JWT_SECRET", "")], &["JWT_SECRET", "not set"]);
    }
}

#[test]
fn prod_refuses_secrets_that_are_short_or_shown_to_everybody_and_never_prints_them() {
    let shown = "the-walkthrough-shows-this-secret-to-everybody";
    let cases = [
        ("short", "5 bytes"),
        (shown, "everybody"),
        ("an-example-secret-of-at-least-32-bytes", "everybody"),
        ("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "only 1 different bytes"),
    ];
    for (secret, why) in cases {
        let error = refused(&[("APP_ENV", "prod"), ("DATABASE_URL", "postgres://u:p@h/d"), ("JWT_SECRET", secret)]);
        assert!(error.contains("JWT_SECRET") && error.contains(why), "{error}");
        assert!(secret == "short" || !error.contains(secret), "{error}");
    }
    let lesson = [
        ("APP_ENV", "prod"),
        ("JWT_SECRET", LONG),
        ("DB_HOST", "h"),
        ("DB_USER", "u"),
        ("DB_NAME", "n"),
        ("DB_PASSWORD", "phoenix"),
    ];
    expect_refusal(&lesson, &["DB_PASSWORD", "walkthrough"]);
    let lesson = [("APP_ENV", "prod"), ("JWT_SECRET", LONG), ("DATABASE_URL", "postgres://u:phoenix@h/d")];
    expect_refusal(&lesson, &["DATABASE_URL", "walkthrough"]);
}

#[test]
fn dev_takes_the_lessons_secret_with_a_warning_and_prod_a_good_one() {
    let cluster = shared_postgres();
    let shown = ("JWT_SECRET", "the-walkthrough-shows-this-secret-to-everybody");
    let server = Server::with_env(&[("APP_ENV", "dev"), ("DATABASE_URL", &cluster.url("lesson")), shown]);
    server.log.wait_for_message("it would be refused in prod");
    let prod =
        [("APP_ENV", "prod"), ("DATABASE_URL", &*cluster.url("lesson")), ("JWT_SECRET", LONG), ("LOG_FORMAT", "auto")];
    // Its log is read as JSON, which is what `auto` means in prod.
    Server::with_env(&prod).get("/api/articles").expect(200);
}

#[test]
fn settings_that_make_no_sense_are_named_with_what_to_do() {
    expect_refusal(&[("DB_USER", "u")], &["DB_HOST", "DB_USER", "unset DB_USER"]);
    expect_refusal(&[("DB_HOST", "h"), ("DB_NAME", "n")], &["DB_USER", "not set"]);
    let parts = [("DB_HOST", "h"), ("DB_USER", "u"), ("DB_NAME", "n")];
    expect_refusal(
        &[parts[0], parts[1], parts[2], ("DB_SERVICE_PORT", "tcp://10.0.0.7:5432")],
        &["DB_SERVICE_PORT", "tcp://10.0.0.7:5432"],
    );
    expect_refusal(&[("DATABASE_URL", "mysql://u:secret@h/d")], &["DATABASE_URL", "postgres://", "sqlite:"]);
    expect_refusal(&[("DATABASE_URL", "sqlite::memory:")], &["DATABASE_URL", "file"]);
    expect_refusal(&[("PORT", "5000"), ("OPS_PORT", "5000")], &["PORT, OPS_PORT", "5000"]);
    expect_refusal(&[("PORT", "70000")], &["--port", "70000"]);
    expect_refusal(&[("MAX_PAGE_SIZE", "0")], &["MAX_PAGE_SIZE", "between 1 and 100"]);
    expect_refusal(&[("MAX_CONNECTIONS", "0")], &["MAX_CONNECTIONS", "at least 1"]);
    expect_refusal(&[("IDLE_TIMEOUT", "soon")], &["--idle-timeout", "10s"]);
    expect_refusal(&[("IDLE_TIMEOUT", "0s")], &["--idle-timeout", "more than zero"]);
    expect_refusal(&[("LOG_LEVEL", "=wrong=")], &["LOG_LEVEL", "=wrong="]);
    expect_refusal(&[("APP_ENV", "staging")], &["dev", "test", "prod"]);
    assert!(!refused(&[("DATABASE_URL", "mysql://u:secret@h/d")]).contains("secret"));
}

#[test]
fn help_groups_every_setting_with_its_variable_and_default_and_shows_no_secret() {
    let help = |arguments: &[&str]| {
        let out = conduit(&[("JWT_SECRET", "hidden-1"), ("DB_PASSWORD", "hidden-2"), ("DATABASE_URL", "hidden-3")])
            .args(arguments)
            .output()
            .unwrap();
        assert!(out.status.success());
        String::from_utf8(out.stdout).unwrap()
    };
    let all = help(&["--help"]);
    for group in ["General", "Listeners", "Database", "Tokens and passwords", "Limits", "Stopping", "Logs", "Commands"]
    {
        assert!(all.contains(&format!("{group}:\n")), "{group}: {all}");
    }
    for variable in [
        "PORT=0",
        "OPS_PORT=0",
        "DATABASE_URL",
        "DB_SERVICE_PORT=",
        "JWT_SECRET",
        "BODY_LIMIT=",
        "DRAIN_TIMEOUT=",
        "APP_ENV=test",
    ] {
        assert!(all.contains(&format!("[env: {variable}")), "{variable}: {all}");
    }
    assert!(all.contains("[default: 4000]") && !all.contains("hidden-"), "{all}");
    for command in ["serve", "migrate", "check", "seed", "sql"] {
        assert!(all.contains(&format!("  {command} ")), "{command}");
        help(&[command, "--help"]);
    }
}

#[test]
fn a_request_is_logged_once_with_its_id_and_nothing_secret() {
    let server = Server::start(Backend::Sqlite);
    let user = server.user("somebody");
    let reply = server.raw(
        "GET",
        "/api/user",
        &[("authorization", &format!("Token {}", user.token)), ("x-request-id", "seen-before")],
        "",
    );
    assert_eq!(reply.expect(200).header("x-request-id"), "seen-before");
    let line =
        server.log.wait_for("request's line", |line| (line["request_id"] == "seen-before").then(|| line.clone()));
    let field = |name: &str| line[name].as_str().unwrap_or_default().to_owned();
    assert_eq!((field("method"), field("route"), line["status"].as_u64()), ("GET".into(), "/user".into(), Some(200)));
    assert!(line["duration_ms"].as_f64().unwrap() > 0.0);
    let said: String = server.log.lines().iter().map(ToString::to_string).collect();
    for secret in [&user.token, crate::support::PASSWORD] {
        assert!(!said.contains(secret), "{said}");
    }
    assert_eq!(said.matches("seen-before").count(), 1);
}
