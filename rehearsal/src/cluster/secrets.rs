use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::digest;
use ring::rand::{SecureRandom as _, SystemRandom};
use serde_json::{Value, json};

use super::marks::{APP, PART_OF, STACK};
use super::{Bench, Failure, Kubectl, KubectlError};

const API: &str = "real-world-secret";
const DATABASE: &str = "db-secret";
/// What Traefik reads.
const USERS: &str = "traefik-dashboard";
/// What a person reads.
pub(super) const LOGIN: &str = "traefik-dashboard-login";
/// The walkthrough's, which production refuses.
const LESSON: &str = "dGhlLXdhbGt0aHJvdWdoLXNob3dzLXRoaXMtc2VjcmV0LXRvLWV2ZXJ5Ym9keQ==";

/// Makes those that are missing. Those that are there stay: the database knows its password, users hold tokens.
pub(super) async fn make(bench: &Bench, dashboard: bool) -> Result<(), Failure> {
    let kubectl = &bench.kubectl;
    let there = names(kubectl).await?;
    let has = |name: &str| there.iter().any(|own| own == name);
    let random = Random(SystemRandom::new());
    let mut made = Vec::new();
    if !has(API) {
        let values = json!({
            "user": "conduit", "name": "conduit", "host": "db", "port": "4000", "prod": "prod",
            "password": random.hex(24)?, "jwt": STANDARD.encode(random.bytes(48)?),
        });
        made.push(secret(API, &values));
    }
    if !has(DATABASE) {
        made.push(secret(DATABASE, &json!({"password": random.hex(24)?})));
    }
    if dashboard && !has(USERS) {
        // Without the other half, this one opens nothing.
        let stale = ["delete", "secret", LOGIN, "--namespace", APP, "--ignore-not-found"];
        kubectl.run(&stale).await?;
        let password = random.hex(24)?;
        made.push(secret(LOGIN, &json!({"user": "admin", "password": password})));
        made.push(secret(USERS, &json!({"users": format!("admin:{}", hash(&password))})));
    }
    for one in &made {
        // On its standard input: what is in the arguments, every process of the machine can read.
        kubectl.fed(&["create", "--filename=-"], &one.to_string()).await?;
    }
    let count = made.len();
    bench.progress.note(&match count {
        0 => "all secrets are there already, and stay as they are".to_owned(),
        _ => format!("{count} secrets are made, of random numbers; nobody was shown them"),
    });
    Ok(())
}

/// What is in the namespace, by name alone.
pub(super) async fn names(kubectl: &Kubectl) -> Result<Vec<String>, KubectlError> {
    let listed = kubectl.run(&["get", "secrets", "--namespace", APP, "--output=name"]).await?;
    Ok(listed.lines().map(|line| line.trim().trim_start_matches("secret/").to_owned()).collect())
}

/// Whether a key anybody can read in the repository signs the tokens.
pub(super) async fn lesson(kubectl: &Kubectl) -> Result<bool, KubectlError> {
    let key = ["get", "secret", API, "--namespace", APP, "--ignore-not-found", "--output=jsonpath={.data.jwt}"];
    Ok(kubectl.run(&key).await?.trim() == LESSON)
}

fn secret(name: &str, values: &Value) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Secret", "type": "Opaque", "stringData": values,
        "metadata": {"name": name, "namespace": APP, "labels": {PART_OF: STACK}},
    })
}

/// As htpasswd writes it. SHA-1 is quick to try, which helps against a person's password and not against 192 random bits.
fn hash(password: &str) -> String {
    let digest = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, password.as_bytes());
    format!("{{SHA}}{}", STANDARD.encode(digest))
}

/// The system's.
struct Random(SystemRandom);

impl Random {
    fn bytes(&self, count: usize) -> Result<Vec<u8>, Failure> {
        let mut bytes = vec![0; count];
        self.0.fill(&mut bytes).map_err(|_| Failure::new("the system has no random numbers"))?;
        Ok(bytes)
    }

    fn hex(&self, count: usize) -> Result<String, Failure> {
        Ok(self.bytes(count)?.iter().fold(String::new(), |mut text, byte| {
            write!(text, "{byte:02x}").ok();
            text
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_hashed_as_htpasswd_does() {
        assert_eq!(hash("password"), "{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=");
    }
}
