use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderValue, Request, Response, header};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use metrics::counter;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, Sleep, sleep_until, timeout};
use tower::ServiceExt as _;
use tracing::debug;

use super::Stage;
use crate::api::Cut;
use crate::config::Limits;

/// How long a client that was let in just before the end has to send its request.
const FIRST_REQUEST: Duration = Duration::from_secs(1);

/// What a connection reads ahead of, headers included, whose largest this is: with thousands of connections more would
/// be more memory than bodies may take.
const BUFFER: usize = 64 << 10;

pub(super) fn describe() {
    for reason in ["header_timeout", "idle_timeout", "write_timeout"] {
        counter!("http_connections_closed_total", "reason" => reason).absolute(0);
    }
}

/// One client's connection.
pub(super) struct Connection {
    stream: Guarded,
    router: Router,
    progress: Arc<Progress>,
    stage: watch::Receiver<Stage>,
}

impl Connection {
    pub(super) fn new(stream: TcpStream, router: Router, limits: Limits, stage: watch::Receiver<Stage>) -> Self {
        let progress = Arc::new(Progress::default());
        let stream = Guarded {
            stream,
            progress: Arc::clone(&progress),
            limits,
            read: Timer::default(),
            write: Timer::default(),
        };
        Self { stream, router, progress, stage }
    }

    pub(super) async fn serve(self) {
        let Self { stream, router, progress, mut stage } = self;
        let (seen, begun, cut) = (stage.clone(), Arc::clone(&progress), Cut::default());
        let given = cut.clone();
        let service = service_fn(move |mut request: Request<Incoming>| {
            progress.request_begins();
            request.extensions_mut().insert(given.clone());
            let (router, progress, seen) = (router.clone(), Arc::clone(&progress), seen.clone());
            async move {
                let mut response: Response<Body> = router.oneshot(request.map(Body::new)).await?;
                if *seen.borrow() >= Stage::Draining {
                    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
                }
                progress.request_ends();
                Ok::<_, std::convert::Infallible>(response)
            }
        });
        // The time-outs are ours: hyper's own counts an idle connection as one that is slow to send headers.
        let connection = http1::Builder::new()
            .header_read_timeout(None)
            .max_buf_size(BUFFER)
            .serve_connection(TokioIo::new(stream), service);
        let mut connection = pin!(connection);
        // The connection first: what has arrived by now is read and answered.
        let ended = tokio::select! {
            biased;
            ended = connection.as_mut() => Some(ended),
            () = closing(&mut stage, &begun) => None,
        };
        let ended = match ended {
            Some(ended) => ended,
            None => {
                connection.as_mut().graceful_shutdown();
                tokio::select! {
                    ended = connection => ended,
                    _ = stage.wait_for(|stage| *stage >= Stage::Cut) => {
                        // Its request is dropped with the connection, which is not its client's doing.
                        cut.announce();
                        Ok(())
                    }
                }
            }
        };
        if let Err(error) = ended {
            // The client's doing, or a limit that has counted itself.
            debug!("connection: {error}");
        }
    }
}

/// Completes when an idle connection is to be closed: a client that has been let in and has not asked
/// anything yet has a little longer.
async fn closing(stage: &mut watch::Receiver<Stage>, progress: &Progress) {
    let _ = stage.wait_for(|stage| *stage >= Stage::Closing).await;
    if progress.between_requests() == Some(0) {
        let _ = timeout(FIRST_REQUEST, stage.wait_for(|stage| *stage >= Stage::Cut)).await;
    }
}

/// Which request of its connection is awaited or answered: requests begun and ended so far.
#[derive(Default)]
struct Progress {
    begun: AtomicU64,
    ended: AtomicU64,
}

impl Progress {
    fn request_begins(&self) {
        self.begun.fetch_add(1, Ordering::Relaxed);
    }

    fn request_ends(&self) {
        self.ended.fetch_add(1, Ordering::Relaxed);
    }

    /// The number of requests answered, if none is being answered.
    fn between_requests(&self) -> Option<u64> {
        let begun = self.begun.load(Ordering::Relaxed);
        (begun == self.ended.load(Ordering::Relaxed)).then_some(begun)
    }
}

/// A stream that fails when its client keeps it waiting for too long.
struct Guarded {
    stream: TcpStream,
    progress: Arc<Progress>,
    limits: Limits,
    read: Timer<Awaited>,
    write: Timer<()>,
}

/// What is awaited from the client, before the request of that number.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Awaited {
    FirstByte(u64),
    Headers(u64),
}

/// A timer that runs for as long as the same thing is awaited.
struct Timer<T> {
    awaited: Option<T>,
    patience: Duration,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl<T> Default for Timer<T> {
    fn default() -> Self {
        Self { awaited: None, patience: Duration::ZERO, sleep: None }
    }
}

impl<T: PartialEq> Timer<T> {
    /// Ready when `awaited` has been awaited for `patience`.
    fn poll(&mut self, context: &mut Context<'_>, awaited: T, patience: Duration) -> Poll<()> {
        if self.awaited.as_ref() != Some(&awaited) {
            (self.awaited, self.patience) = (Some(awaited), patience);
            let deadline = Instant::now() + patience;
            match &mut self.sleep {
                Some(sleep) => sleep.as_mut().reset(deadline),
                None => self.sleep = Some(Box::pin(sleep_until(deadline))),
            }
        }
        self.sleep.as_mut().map_or(Poll::Pending, |sleep| sleep.as_mut().poll(context))
    }

    /// What is awaited could not come so far: its time begins again.
    fn restart(&mut self) {
        if let Some(sleep) = &mut self.sleep
            && self.awaited.is_some()
        {
            sleep.as_mut().reset(Instant::now() + self.patience);
        }
    }
}

fn too_slow(reason: &'static str) -> io::Error {
    counter!("http_connections_closed_total", "reason" => reason).increment(1);
    io::Error::new(io::ErrorKind::TimedOut, reason)
}

impl AsyncRead for Guarded {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let before = buffer.filled().len();
        let polled = Pin::new(&mut this.stream).poll_read(context, buffer);
        // While a request is answered, its body has a limit of its own.
        let Some(number) = this.progress.between_requests() else { return polled };
        if polled.is_ready() {
            if buffer.filled().len() > before && this.read.awaited != Some(Awaited::Headers(number)) {
                // The clock of the headers starts with their first byte.
                let _ = this.read.poll(context, Awaited::Headers(number), this.limits.header_timeout);
            }
            return polled;
        }
        let started = this.read.awaited == Some(Awaited::Headers(number));
        // A new connection has to say something soon; one that has been answered may rest.
        let (awaited, patience, reason) = if started || number == 0 {
            (Awaited::Headers(number), this.limits.header_timeout, "header_timeout")
        } else {
            (Awaited::FirstByte(number), this.limits.idle_timeout, "idle_timeout")
        };
        this.read.poll(context, awaited, patience).map(|()| Err(too_slow(reason)))
    }
}

impl Guarded {
    fn guard_write<T>(&mut self, context: &mut Context<'_>, polled: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if polled.is_ready() {
            self.write.awaited = None;
            // A request ends when its answer exists, not when it has been taken; whoever takes it is not idle.
            self.read.restart();
            return polled;
        }
        self.write.poll(context, (), self.limits.idle_timeout).map(|()| Err(too_slow("write_timeout")))
    }
}

impl AsyncWrite for Guarded {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.guard_write(context, polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.guard_write(context, polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
