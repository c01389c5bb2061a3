use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::mpsc::Receiver;
use tokio::sync::{Notify, watch};

use super::measure::{Failure, Measurements};
use super::{Destination, Limits, Outgoing, Traffic};

type Sender = SendRequest<Full<Bytes>>;

struct Sending<T> {
    destination: Destination,
    /// Last in, first out: as few connections as the load needs.
    idle: RefCell<Vec<Sender>>,
    traffic: RefCell<T>,
    limits: Limits,
    measurements: Arc<Measurements>,
    in_flight: Cell<usize>,
    landed: Notify,
}

/// Sends what is due, until nothing more is.
pub(super) async fn run<T: Traffic>(
    mut dues: Receiver<Instant>,
    destination: Destination,
    traffic: T,
    limits: Limits,
    measurements: Arc<Measurements>,
    mut stopped: watch::Receiver<bool>,
) {
    let sending = Rc::new(Sending {
        destination,
        idle: RefCell::default(),
        traffic: RefCell::new(traffic),
        limits,
        measurements,
        in_flight: Cell::new(0),
        landed: Notify::new(),
    });
    loop {
        let due = tokio::select! {
            biased;
            _ = stopped.wait_for(|stopped| *stopped) => None,
            due = dues.recv() => due,
        };
        let Some(due) = due else { break };
        if sending.in_flight.get() >= limits.in_flight {
            sending.measurements.failed(Failure::NotSent, due);
            continue;
        }
        let flight = Flight::take_off(&sending);
        tokio::task::spawn_local(async move { flight.0.one(due).await });
    }
    // Who stops does not want what was not begun; that is no failure.
    dues.close();
    while dues.try_recv().is_ok() {
        sending.measurements.withdrawn();
    }
    while sending.in_flight.get() > 0 {
        sending.landed.notified().await;
    }
}

/// A request on its way: it has landed when this is dropped.
struct Flight<T>(Rc<Sending<T>>);

impl<T> Flight<T> {
    fn take_off(sending: &Rc<Sending<T>>) -> Self {
        sending.in_flight.set(sending.in_flight.get() + 1);
        Self(Rc::clone(sending))
    }
}

impl<T> Drop for Flight<T> {
    fn drop(&mut self) {
        self.0.in_flight.set(self.0.in_flight.get() - 1);
        self.0.landed.notify_one();
    }
}

impl<T: Traffic> Sending<T> {
    async fn one(&self, due: Instant) {
        let (request, note) = self.traffic.borrow_mut().next();
        let reads = self.traffic.borrow().reads(note);
        let left = self.limits.timeout.saturating_sub(due.elapsed());
        let answer = match tokio::time::timeout(left, self.exchange(request, due, reads)).await {
            Ok(answer) => answer,
            Err(_) => Err(Failure::TimedOut),
        };
        match answer {
            Ok((status, body)) => {
                let bad = self.traffic.borrow().fails(status);
                self.measurements.answered(status, bad, due);
                self.traffic.borrow_mut().answered(note, Some((status, &body)));
            }
            Err(failure) => {
                self.measurements.failed(failure, due);
                self.traffic.borrow_mut().answered(note, None);
            }
        }
    }

    async fn exchange(&self, request: Outgoing, due: Instant, reads: bool) -> Result<(u16, Bytes), Failure> {
        let mut again = Some(request.clone());
        let mut request = request;
        loop {
            let (mut sender, used) = self.connection().await?;
            if again.is_some() {
                self.measurements.sent(due);
            }
            match sender.send_request(request).await {
                Ok(response) => {
                    let status = response.status().as_u16();
                    let mut body = response.into_body();
                    let mut read = Vec::new();
                    while let Some(frame) = body.frame().await {
                        let frame = frame.map_err(|_| Failure::Broken)?;
                        if reads && let Some(data) = frame.data_ref() {
                            read.extend_from_slice(data);
                        }
                    }
                    if !sender.is_closed() {
                        self.idle.borrow_mut().push(sender);
                    }
                    return Ok((status, read.into()));
                }
                // The server closed a connection that had been idle before it saw this request.
                Err(error) if used && error.is_canceled() => match again.take() {
                    Some(same) => request = same,
                    None => return Err(Failure::Broken),
                },
                Err(_) => return Err(Failure::Broken),
            }
        }
    }

    /// An idle connection, or a new one; whether it was used before.
    async fn connection(&self) -> Result<(Sender, bool), Failure> {
        loop {
            let Some(mut sender) = self.idle.borrow_mut().pop() else { break };
            if sender.ready().await.is_ok() {
                return Ok((sender, true));
            }
        }
        let stream = TcpStream::connect(self.destination.address).await.map_err(|_| Failure::NotConnected)?;
        drop(stream.set_nodelay(true));
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(|_| Failure::NotConnected)?;
        tokio::task::spawn_local(async move { drop(connection.await) });
        Ok((sender, false))
    }
}
