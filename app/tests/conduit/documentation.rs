use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::support::{Backend, Server};

fn tools() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("target/tools")
}

#[test]
fn the_document_describes_every_route_of_the_contract() {
    let server = Server::start(Backend::Sqlite);
    let document = server.get("/openapi.json").expect(200).json;
    assert_eq!(document["openapi"], "3.1.0");
    let mut routes = BTreeSet::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        routes.extend(operations.as_object().unwrap().keys().map(|method| format!("{} {path}", method.to_uppercase())));
    }
    let expected = "POST /users, POST /users/login, GET /user, PUT /user, PATCH /user, GET /profiles/{username}, \
        POST /profiles/{username}/follow, DELETE /profiles/{username}/follow, GET /articles, POST /articles, \
        GET /articles/feed, GET /articles/{slug}, PUT /articles/{slug}, PATCH /articles/{slug}, \
        DELETE /articles/{slug}, GET /articles/{slug}/comments, POST /articles/{slug}/comments, \
        DELETE /articles/{slug}/comments/{id}, POST /articles/{slug}/favorite, DELETE /articles/{slug}/favorite, \
        GET /tags";
    assert_eq!(routes, expected.split(", ").map(|route| route.trim().to_owned()).collect());
    let ids: Vec<&Value> = document["paths"]
        .as_object()
        .unwrap()
        .values()
        .flat_map(|item| item.as_object().unwrap().values())
        .map(|operation| &operation["operationId"])
        .collect();
    let distinct: BTreeSet<String> = ids.iter().map(ToString::to_string).collect();
    assert_eq!(distinct.len(), ids.len(), "operation ids are unique");
}

#[test]
fn the_documentation_page_needs_nothing_from_elsewhere() {
    let server = Server::start(Backend::Sqlite);
    assert_eq!(server.get("/").expect(307).header("location"), "/docs/");
    let page = server.get("/docs/").expect(200).text;
    for address in page.split(['"', '\'']).filter(|text| is_asset(text)) {
        assert!(!address.contains("//"), "{address}");
        server.get(&format!("/docs/{}", address.trim_start_matches("./"))).expect(200);
    }
}

fn is_asset(address: &str) -> bool {
    let extension = Path::new(address).extension();
    extension.is_some_and(|extension| ["js", "css", "png"].iter().any(|known| extension == *known))
}

/// Requests made from the document, good ones and bad ones, against the server; each answer must be one
/// that the document allows.
#[test]
fn the_server_keeps_what_its_document_promises() {
    let schemathesis = tools().join("venv/bin/schemathesis");
    assert!(schemathesis.exists(), "schemathesis is not installed; `make test` installs it");
    let server = Server::start(Backend::Sqlite);
    let user = server.user("tester");
    server.article(&user, "An article", &["tag"]);
    let out = Command::new(schemathesis)
        .args(["run", &format!("{}/openapi.json", server.api), "--url", &format!("{}/api", server.api)])
        .args(["--header", &format!("Authorization: Token {}", user.token)])
        .args(["--checks", "all", "--exclude-checks", "positive_data_acceptance"])
        .args(["--max-examples", "25", "--seed", "1", "--no-color", "--suppress-health-check", "all"])
        .current_dir(server.folder())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&out.stdout);
    assert!(out.status.success(), "{said}{}", String::from_utf8_lossy(&out.stderr));
}
