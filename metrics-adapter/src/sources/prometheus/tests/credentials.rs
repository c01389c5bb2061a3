use std::path::Path;

use tempfile::NamedTempFile;

use super::stub::{Stub, certificate, server, vector};
use super::*;

fn file(content: &str) -> NamedTempFile {
    let file = NamedTempFile::new().unwrap();
    std::fs::write(&file, content).unwrap();
    file
}

fn path(file: &NamedTempFile) -> std::path::PathBuf {
    file.path().to_owned()
}

async fn ask(client: &client::Client) -> Result<Answer, QueryFailure> {
    client.query(&question("m")).await
}

#[tokio::test]
async fn tokens_and_passwords_are_read_anew_for_each_question() {
    let stub = Stub::new(|_| vector(&[])).await;
    let (token, password) = (file("first\n"), file("secret\n"));
    let by_token = PrometheusSettings { bearer_token_file: Some(path(&token)), ..settings(&stub) };
    let by_token = client::Client::new(by_token, Clock::start());
    ask(&by_token).await.unwrap();
    std::fs::write(&token, "second").unwrap();
    ask(&by_token).await.unwrap();
    let by_password = PrometheusSettings { basic_auth: Some(("me".to_owned(), path(&password))), ..settings(&stub) };
    ask(&client::Client::new(by_password, Clock::start())).await.unwrap();
    let shown: Vec<String> = stub.heard().iter().map(|request| request.headers["authorization"].clone()).collect();
    assert_eq!(shown, ["Bearer first", "Bearer second", "Basic bWU6c2VjcmV0"]);
    for (content, problem) in [("", "is empty"), ("top\nsecret", "holds characters that no token has")] {
        std::fs::write(&token, content).unwrap();
        let failure = ask(&by_token).await.unwrap_err();
        assert_eq!(failure.to_string(), format!("credentials: {}: {problem}", token.path().display()));
    }
    let gone = path(&token);
    drop(token);
    let failure = ask(&by_token).await.unwrap_err();
    assert!(failure.to_string().starts_with(&format!("credentials: {}: No such file", gone.display())), "{failure}");
    assert_eq!(stub.heard().len(), 3, "without credentials nothing is sent");
}

#[tokio::test]
async fn who_is_believed_is_read_again_when_the_file_changes() {
    let (first, second) = (certificate(), certificate());
    let stub = Stub::start(Some(server(&first, None)), |_| vector(&[])).await;
    let authorities = file(&second.cert.pem());
    let settings = PrometheusSettings { ca_file: Some(path(&authorities)), ..settings(&stub) };
    let client = client::Client::new(settings.clone(), Clock::start());
    let failure = ask(&client).await.unwrap_err();
    assert_eq!(failure.reason, QueryFailureReason::Tls, "{failure}");
    std::fs::write(&authorities, first.cert.pem()).unwrap();
    ask(&client).await.unwrap();
    let anybody = PrometheusSettings { ca_file: None, insecure_skip_verify: true, ..settings.clone() };
    ask(&client::Client::new(anybody, Clock::start())).await.unwrap();
    // What cannot be used leaves what was made before.
    stub.shows(server(&second, None));
    stub.becomes(|_| super::stub::close());
    assert_eq!(
        ask(&client).await.unwrap_err().reason,
        QueryFailureReason::Tls,
        "a new connection, another certificate"
    );
    stub.becomes(|_| vector(&[]));
    std::fs::write(&authorities, "nonsense").unwrap();
    assert_eq!(ask(&client).await.unwrap_err().reason, QueryFailureReason::Tls);
    std::fs::write(&authorities, second.cert.pem()).unwrap();
    ask(&client).await.unwrap();
    let fresh = PrometheusSettings { ca_file: Some(Path::new("/nowhere/ca").to_owned()), ..settings };
    let failure = ask(&client::Client::new(fresh, Clock::start())).await.unwrap_err();
    assert!(failure.to_string().starts_with("tls: /nowhere/ca: No such file"), "{failure}");
}

#[tokio::test]
async fn a_certificate_is_shown_where_one_is_wanted() {
    let (own, of_client) = (certificate(), certificate());
    let stub = Stub::start(Some(server(&own, Some(&of_client))), |_| vector(&[])).await;
    let (authorities, certificate) = (file(&own.cert.pem()), file(&of_client.cert.pem()));
    let key = file(&of_client.signing_key.serialize_pem());
    let without = PrometheusSettings { ca_file: Some(path(&authorities)), ..settings(&stub) };
    assert!(ask(&client::Client::new(without.clone(), Clock::start())).await.is_err());
    let shown = PrometheusSettings { client_certificate: Some((path(&certificate), path(&key))), ..without.clone() };
    ask(&client::Client::new(shown, Clock::start())).await.unwrap();
    let wrong = PrometheusSettings { client_certificate: Some((path(&key), path(&key))), ..without };
    let failure = ask(&client::Client::new(wrong, Clock::start())).await.unwrap_err();
    assert!(failure.problem.contains(&key.path().display().to_string()), "{failure}");
}
