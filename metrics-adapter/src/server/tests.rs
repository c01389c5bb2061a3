use std::time::Duration;

use axum::Router;
use axum::routing::get;
use bytes::Bytes;
use http_body_util::Empty;
use hyper::Request;
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::answer;
use super::idle::IDLE;

/// A client over HTTP/2 that answers pings, the server's side of its connection, and what tells that to end.
async fn connected() -> (SendRequest<Empty<Bytes>>, JoinHandle<()>, watch::Sender<bool>) {
    let (own, other) = tokio::io::duplex(64 << 10);
    let (ends, ending) = watch::channel(false);
    let router = Router::new().route("/livez", get(async || "ok"));
    let server = tokio::spawn(answer(other, None, router, ending));
    let (client, connection) = handshake(TokioExecutor::new(), TokioIo::new(own)).await.unwrap();
    tokio::spawn(connection);
    (client, server, ends)
}

async fn ask(client: &mut SendRequest<Empty<Bytes>>) -> bool {
    let request = Request::get("http://adapter/livez").body(Empty::new()).unwrap();
    client.send_request(request).await.is_ok_and(|answer| answer.status() == 200)
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_nothing_is_asked_on_is_closed_though_it_answers_pings() {
    let (mut client, mut server, _ends) = connected().await;
    for _ in 0..20 {
        assert!(ask(&mut client).await);
        sleep(IDLE.saturating_sub(Duration::from_secs(10))).await;
    }
    assert!(ask(&mut client).await, "who asks now and then is kept");
    assert!(timeout(IDLE.saturating_sub(Duration::from_secs(1)), &mut server).await.is_err());
    timeout(Duration::from_secs(10), server).await.expect("closed").unwrap();
    assert!(!ask(&mut client).await);
}

#[tokio::test(start_paused = true)]
async fn a_connection_ends_when_the_server_does() {
    let (mut client, server, ends) = connected().await;
    assert!(ask(&mut client).await);
    ends.send_replace(true);
    timeout(Duration::from_secs(1), server).await.expect("closed").unwrap();
}
