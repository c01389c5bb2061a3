use std::net::SocketAddr;
use std::time::Duration;

use http_body_util::{BodyExt as _, Full};
use hyper::Request;
use hyper_util::client::legacy;
use hyper_util::rt::TokioExecutor;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::process::Child;

use super::{Failure, Kubectl};

const PATIENCE: Duration = Duration::from_secs(20);

/// A port of this machine that leads to a Service or a pod, as long as this is kept.
pub(super) struct Forward {
    pub(super) address: SocketAddr,
    _kubectl: Child,
}

impl Forward {
    /// To a port of `service/name` or `pod/name`.
    pub(super) async fn open(kubectl: &Kubectl, namespace: &str, to: &str, port: u16) -> Result<Self, Failure> {
        let (namespace, port) = (format!("--namespace={namespace}"), format!(":{port}"));
        let arguments = ["port-forward", &namespace, "--address=127.0.0.1", to, &port];
        let mut child = kubectl.begin(&arguments)?;
        let failed = |why: String| Failure::new(format!("kubectl {}: {why}", arguments.join(" ")));
        let (out, err) = (child.stdout.take(), child.stderr.take());
        let (Some(out), Some(mut err)) = (out, err) else { return Err(failed("it cannot be listened to".to_owned())) };
        let mut lines = BufReader::new(out).lines();
        let begun = tokio::time::timeout(PATIENCE, lines.next_line()).await;
        let line =
            begun.map_err(|_| failed(format!("it says nothing for {}", humantime::format_duration(PATIENCE))))?;
        let Some(line) = line.unwrap_or_default() else {
            let mut said = String::new();
            err.read_to_string(&mut said).await.ok();
            return Err(failed(said.trim().to_owned()));
        };
        // "Forwarding from 127.0.0.1:40001 -> 8000"
        let address = line.split(' ').find_map(|word| word.parse().ok());
        let address = address.ok_or_else(|| failed(format!("it names no address: {line}")))?;
        // It says each connection, and would wait for somebody to hear it.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        tokio::spawn(async move { tokio::io::copy(&mut err, &mut tokio::io::sink()).await });
        Ok(Self { address, _kubectl: child })
    }

    /// What is there.
    pub(super) async fn get(&self, path: &str) -> Result<String, Failure> {
        let failed = |error: &dyn std::fmt::Display| Failure::new(format!("http://{}{path}: {error}", self.address));
        let client = legacy::Client::builder(TokioExecutor::new()).build_http();
        let request = Request::get(format!("http://{}{path}", self.address)).body(Full::<bytes::Bytes>::default());
        let asked = client.request(request.map_err(|error| failed(&error))?);
        let response = tokio::time::timeout(PATIENCE, asked).await.map_err(|error| failed(&error))?;
        let body = response.map_err(|error| failed(&error))?.into_body().collect();
        let body = tokio::time::timeout(PATIENCE, body).await.map_err(|error| failed(&error))?;
        Ok(String::from_utf8_lossy(&body.map_err(|error| failed(&error))?.to_bytes()).into_owned())
    }
}
