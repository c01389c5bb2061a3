//! The API as its Deployment starts it, on this machine.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::ops::Index;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use stack::manifests::root;
use stack::workloads::{each, id};

use crate::bundles::bundle;
use stack::postgres::Postgres;

/// What a kubelet tells the container.
#[derive(Clone)]
pub(super) struct Environment(BTreeMap<String, String>);

/// The value of a Secret's key, as pods get it.
pub(super) fn secret(of: &str, name: &str, key: &str) -> String {
    let secret = format!("Secret real-world/{name}");
    let found = bundle(of).objects.iter().find(|one| id(one) == secret);
    let encoded = found.unwrap_or_else(|| panic!("{of} has no {secret}"))["data"][key].as_str();
    let encoded = encoded.unwrap_or_else(|| panic!("{secret} has no key {key}"));
    String::from_utf8(fake_kube::base64::decode(encoded).unwrap()).unwrap()
}

/// Of the Deployment's container in this bundle.
pub(super) fn environment(of: &str) -> Environment {
    let deployment = bundle(of).objects.iter().find(|one| id(one) == "Deployment real-world/real-world").unwrap();
    let variables = each(&deployment["spec"]["template"]["spec"]["containers"][0]["env"]).map(|variable| {
        let reference = &variable["valueFrom"]["secretKeyRef"];
        let value = variable["value"].as_str().map_or_else(
            || secret(of, reference["name"].as_str().unwrap(), reference["key"].as_str().unwrap()),
            str::to_owned,
        );
        (variable["name"].as_str().unwrap().to_owned(), value)
    });
    Environment(variables.collect())
}

impl Index<&str> for Environment {
    type Output = String;

    fn index(&self, name: &str) -> &String {
        self.0.get(name).unwrap_or_else(|| panic!("the Deployment sets no {name}"))
    }
}

impl Environment {
    pub(super) fn set(&mut self, name: &str, value: &str) {
        self.0.insert(name.to_owned(), value.to_owned());
    }

    /// Here, where names and ports of the cluster are not.
    pub(super) fn at(&self, postgres: &Postgres) -> Self {
        let mut here = self.clone();
        assert_eq!(
            (&*here["DB_HOST"], &*here["PORT"]),
            ("db", "4000"),
            "of Service db, and of Service real-world-service"
        );
        here.set("DB_HOST", "127.0.0.1");
        // As the Service's link gives it.
        here.set("DB_SERVICE_PORT", &postgres.port.to_string());
        for (name, value) in [("BIND_ADDRESS", "127.0.0.1"), ("PORT", "0"), ("OPS_PORT", "0"), ("LOG_FORMAT", "json")] {
            here.set(name, value);
        }
        here
    }

    pub(super) fn conduit(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(root().join("target/debug/conduit"));
        command.args(arguments).env_clear().envs(&self.0).stdin(Stdio::null());
        command
    }
}

/// A server, gone with the test.
pub(super) struct Api {
    process: Child,
    lines: Receiver<String>,
    log: String,
}

impl Api {
    pub(super) fn start(environment: &Environment) -> Self {
        let mut process = environment.conduit(&[]).stdout(Stdio::piped()).spawn().unwrap();
        let (send, lines) = channel();
        let out = process.stdout.take().unwrap();
        std::thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                let _ = send.send(line);
            }
        });
        Self { process, lines, log: String::new() }
    }

    /// Waits until its readiness probe would pass.
    pub(super) fn wait_until_ready(&mut self) {
        let probe = format!("http://{}/readyz", self.address_of("ops"));
        self.address_of("api");
        let deadline = Instant::now() + Duration::from_mins(1);
        while ureq::get(&probe).call().is_err() {
            assert!(Instant::now() < deadline, "it does not get ready: {}", self.log);
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// The address that a line of the log gives by that name.
    fn address_of(&mut self, name: &str) -> String {
        loop {
            let line = self.lines.recv_timeout(Duration::from_mins(1));
            let line = line.unwrap_or_else(|_| panic!("it says no {name}: {}", self.log));
            self.log += &(line.clone() + "\n");
            let fields: serde_json::Value = serde_json::from_str(&line).unwrap_or_default();
            if let Some(address) = fields[name].as_str() {
                return address.to_owned();
            }
        }
    }

    /// Ends it as a kubelet does; gives back all that it logged.
    pub(super) fn stop(mut self) -> String {
        assert!(Command::new("kill").arg(self.process.id().to_string()).status().unwrap().success());
        assert!(self.process.wait().unwrap().success(), "{}", self.log);
        let rest: Vec<String> = self.lines.iter().collect();
        std::mem::take(&mut self.log) + &rest.join("\n")
    }
}

impl Drop for Api {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
