//! The script of `ConfigMap` db-init, run by a real Postgres as the image's entry point runs it, and the API with the
//! Deployment's environment upon it.

mod api;

use std::process::{Command, Stdio};

use serde_json::Value;
use stack::workloads::{each, id};

use crate::bundles::bundle;
use api::{Api, Environment, environment, secret};
use stack::postgres::Postgres;

/// The script runs with what container db is told, as user postgres on the socket.
fn prepare(postgres: &Postgres, user: &str, password: &str) {
    let script = object("ConfigMap real-world/db-init")["data"]["10-role.sh"].as_str().unwrap().to_owned();
    let out = postgres
        .command("sh")
        .args(["-c", &script])
        .env_clear()
        .envs(postgres.environment())
        .envs([("API_USER", user), ("API_PASSWORD", password)])
        .output()
        .unwrap();
    assert!(out.status.success(), "10-role.sh: {}", String::from_utf8_lossy(&out.stderr));
    assert_eq!(String::from_utf8_lossy(&out.stderr), "", "it says something");
}

fn object(named: &str) -> Value {
    let all = &bundle("k8s").objects;
    all.iter().find(|one| id(one) == named).unwrap_or_else(|| panic!("there is no {named}")).clone()
}

/// A Postgres whose script ran with the lesson's secrets, and the environment that the API has there.
fn prepared() -> (Postgres, Environment) {
    let postgres = Postgres::start(&secret("k8s", "db-secret", "password"));
    let environment = environment("k8s");
    prepare(&postgres, &environment["DB_USER"], &environment["DB_PASSWORD"]);
    let here = environment.at(&postgres);
    (postgres, here)
}

fn run(command: &mut Command) -> (bool, String) {
    let out = command.output().unwrap();
    (out.status.success(), String::from_utf8_lossy(&out.stdout).into_owned() + &String::from_utf8_lossy(&out.stderr))
}

#[test]
fn container_db_tells_the_script_the_role_that_the_api_uses() {
    let set = object("StatefulSet real-world/db");
    let container = &set["spec"]["template"]["spec"]["containers"][0];
    let told = |name: &str| each(&container["env"]).find(|one| one["name"] == name).unwrap()["valueFrom"].clone();
    let deployment = object("Deployment real-world/real-world");
    let api = &deployment["spec"]["template"]["spec"]["containers"][0];
    let uses = |name: &str| each(&api["env"]).find(|one| one["name"] == name).unwrap()["valueFrom"].clone();
    assert_eq!(told("API_USER"), uses("DB_USER"));
    assert_eq!(told("API_PASSWORD"), uses("DB_PASSWORD"));
}

#[test]
fn the_scripts_role_can_make_its_database_and_is_no_superuser() {
    let (postgres, environment) = prepared();
    let role = format!(
        "select rolsuper, rolcreatedb, rolcreaterole, rolcanlogin, rolreplication, rolbypassrls from pg_roles where \
         rolname = '{}'",
        environment["DB_USER"]
    );
    assert_eq!(postgres.sql(&role), "f|t|f|t|f|f");
    let (done, said) = run(&mut environment.conduit(&["migrate"]));
    assert!(done, "{said}");
    let owner = "select pg_get_userbyid(datdba) from pg_database where datname = 'phoenix'";
    assert_eq!(postgres.sql(owner), environment["DB_USER"], "it made it itself");
}

#[test]
fn two_replicas_that_make_the_database_at_once_and_one_that_comes_later_agree() {
    let (postgres, environment) = prepared();
    let mut both = [environment.conduit(&["migrate"]), environment.conduit(&["migrate"])]
        .map(|mut one| one.stdout(Stdio::null()).spawn().unwrap());
    for one in &mut both {
        assert!(one.wait().unwrap().success());
    }
    let (done, said) = run(&mut environment.conduit(&["migrate"]));
    assert!(done, "{said}");
    assert_eq!(postgres.sql("select count(*) from pg_database where datname = 'phoenix'"), "1");
    let (done, said) = run(&mut environment.conduit(&["check"]));
    assert!(done, "{said}");
}

#[test]
fn another_password_does_not_let_in() {
    let (_postgres, mut environment) = prepared();
    environment.set("DB_PASSWORD", "another");
    let (done, said) = run(&mut environment.conduit(&["migrate"]));
    assert!(!done && said.contains("password authentication failed"), "{said}");
}

#[test]
fn a_password_with_every_kind_of_quote_is_taken_as_it_is() {
    let postgres = Postgres::start("administrator");
    let (user, password) = ("o'hara \"x\"", "a'b\"c\\d $e; DROP ROLE postgres; --:f");
    prepare(&postgres, user, password);
    let mut environment = environment("k8s").at(&postgres);
    environment.set("DB_USER", user);
    environment.set("DB_PASSWORD", password);
    let (done, said) = run(&mut environment.conduit(&["migrate"]));
    assert!(done, "{said}");
}

#[test]
fn with_the_walkthroughs_secrets_the_api_serves_in_dev_and_warns_that_everybody_knows_them() {
    let (_postgres, environment) = prepared();
    assert_eq!(environment["APP_ENV"], "dev");
    let mut api = Api::start(&environment);
    api.wait_until_ready();
    let log = api.stop();
    assert!(log.contains("is one that the documentation shows to everybody"), "{log}");
}

#[test]
fn with_the_walkthroughs_secrets_the_api_refuses_to_serve_in_prod() {
    let (_postgres, mut environment) = prepared();
    environment.set("APP_ENV", &secret("k8s", "real-world-secret", "prod"));
    let (done, said) = run(&mut environment.conduit(&[]));
    assert!(!done && said.contains("the password is one that the walkthrough shows to everybody"), "{said}");
    // Nor with another password alone.
    environment.set("DB_PASSWORD", "a-password-that-nobody-was-shown");
    let (done, said) = run(&mut environment.conduit(&[]));
    assert!(!done && said.contains("JWT_SECRET"), "{said}");
}

#[test]
fn with_the_secrets_that_the_cloud_overlays_commands_make_the_api_serves_in_prod() {
    let cloud = environment("overlays/cloud");
    assert_eq!(cloud["APP_ENV"], "prod");
    let postgres = Postgres::start(&secret("overlays/cloud", "db-secret", "password"));
    prepare(&postgres, &cloud["DB_USER"], &cloud["DB_PASSWORD"]);
    let mut api = Api::start(&cloud.at(&postgres));
    api.wait_until_ready();
    let log = api.stop();
    assert!(!log.contains("shows to everybody"), "{log}");
}
