//! A few connections that requests share.
//!
//! Not sqlx's own pool, because this is the hottest path of the API: that one asks the database, after
//! each use of a connection, whether it is still well, and retries a refused connection until the
//! request's time is up. This one trusts a connection that was used a moment ago, asks one that has
//! been idle, and reports a refusal at once.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use metrics::{
    Counter, Gauge, Histogram, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram,
};
use sqlx::Connection as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout, timeout_at};

use super::connect::Open;
use super::error::DbError;
use crate::health::Reason;

/// A connection that was idle for longer is asked whether it is well before it is used.
const TRUSTED: Duration = Duration::from_secs(1);
/// How long it may take to say so: most of a request's time is for what it asks.
const WELL: Duration = Duration::from_millis(500);
/// A connection that is older is closed, so that a database behind a moved address is found again
/// and the server's memory for it is given back.
const LIFETIME: Duration = Duration::from_mins(30);

pub(super) fn describe() {
    describe_gauge!("db_pool_connections", "Connections to the database that requests share, by state.");
    describe_histogram!("db_pool_acquire_duration_seconds", "Time that requests waited for a connection, in seconds.");
    describe_counter!(
        "db_pool_acquire_timeouts_total",
        "Requests that got no connection in time, because all were in use."
    );
    gauge!("db_pool_connections", "state" => "idle").set(0.0);
    gauge!("db_pool_connections", "state" => "used").set(0.0);
    counter!("db_pool_acquire_timeouts_total").absolute(0);
}

pub(super) struct Pool<O: Open> {
    shared: Arc<Shared<O>>,
}

struct Shared<O: Open> {
    meters: Meters,
    opener: O,
    permits: Arc<Semaphore>,
    idle: Mutex<Vec<Idle<O::Connection>>>,
}

/// Looked up once: they move with every request.
struct Meters {
    idle: Gauge,
    used: Gauge,
    waited: Histogram,
    timeouts: Counter,
}

impl Meters {
    fn find() -> Self {
        Self {
            idle: gauge!("db_pool_connections", "state" => "idle"),
            used: gauge!("db_pool_connections", "state" => "used"),
            waited: histogram!("db_pool_acquire_duration_seconds"),
            timeouts: counter!("db_pool_acquire_timeouts_total"),
        }
    }
}

struct Idle<C> {
    connection: C,
    opened: Instant,
    since: Instant,
}

impl<O: Open> Shared<O> {
    fn idle(&self) -> MutexGuard<'_, Vec<Idle<O::Connection>>> {
        // Nothing panics while it holds this lock.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<O: Open> Pool<O> {
    pub(super) fn new(opener: O, size: usize) -> Self {
        let shared =
            Shared { meters: Meters::find(), opener, permits: Arc::new(Semaphore::new(size)), idle: Mutex::default() };
        Self { shared: Arc::new(shared) }
    }

    pub(super) fn opener(&self) -> &O {
        &self.shared.opener
    }

    /// A connection to use alone until it is dropped.
    pub(super) async fn acquire(&self, deadline: Instant) -> Result<Lease<O>, DbError> {
        let asked = Instant::now();
        let turn = timeout_at(deadline, Arc::clone(&self.shared.permits).acquire_owned()).await;
        let Ok(Ok(permit)) = turn else {
            self.shared.meters.timeouts.increment(1);
            return Err(DbError::unavailable(Reason::PoolExhausted, "all connections were in use"));
        };
        let found = timeout_at(deadline, self.find_or_open()).await;
        let (connection, opened) =
            found.unwrap_or_else(|_| Err(DbError::unavailable(Reason::Timeout, "no answer to a new connection")))?;
        self.shared.meters.waited.record(asked.elapsed().as_secs_f64());
        self.shared.meters.used.increment(1.0);
        Ok(Lease {
            connection: Some(connection),
            opened,
            whole: true,
            shared: Arc::clone(&self.shared),
            _permit: permit,
        })
    }

    async fn find_or_open(&self) -> Result<(O::Connection, Instant), DbError> {
        loop {
            // The one used last: the others may rest until they are closed.
            let Some(mut idle) = self.shared.idle().pop() else { break };
            self.shared.meters.idle.decrement(1.0);
            if idle.opened.elapsed() > LIFETIME {
                // Closed for its age; how that goes is nobody's concern.
                let _ = idle.connection.close().await;
                continue;
            }
            let rested = idle.since.elapsed();
            if rested <= TRUSTED || matches!(timeout(WELL, idle.connection.ping()).await, Ok(Ok(()))) {
                return Ok((idle.connection, idle.opened));
            }
            // Those that have rested as long are no better; dropped, they are closed.
            let removed: Vec<_> = {
                let mut all = self.shared.idle();
                all.extract_if(.., |other| other.since.elapsed() >= rested).collect()
            };
            // By their number: the gauge counts the idle ones of all pools.
            self.shared.meters.idle.decrement(u32::try_from(removed.len()).map_or(f64::INFINITY, f64::from));
        }
        Ok((self.shared.opener.open().await?, Instant::now()))
    }

    /// Closes the connections that nobody uses.
    pub(super) async fn close(&self) {
        loop {
            let Some(idle) = self.shared.idle().pop() else { break };
            self.shared.meters.idle.decrement(1.0);
            let _ = idle.connection.close().await;
        }
    }
}

/// A connection out of the pool. It goes back when it is dropped, unless it was left in the middle of
/// something.
pub(super) struct Lease<O: Open> {
    connection: Option<O::Connection>,
    opened: Instant,
    whole: bool,
    shared: Arc<Shared<O>>,
    // After `connection`, which must be back or gone before somebody else gets the permit.
    _permit: OwnedSemaphorePermit,
}

impl<O: Open> Lease<O> {
    /// The connection, from now on in the middle of something.
    pub(super) fn start(&mut self) -> Result<&mut O::Connection, DbError> {
        self.whole = false;
        self.connection.as_mut().ok_or(DbError::Defect(sqlx::Error::PoolClosed))
    }

    /// The connection is ready for something else.
    pub(super) fn settle(&mut self) {
        self.whole = true;
    }
}

impl<O: Open> Drop for Lease<O> {
    fn drop(&mut self) {
        self.shared.meters.used.decrement(1.0);
        if let Some(connection) = self.connection.take()
            && self.whole
        {
            self.shared.meters.idle.increment(1.0);
            self.shared.idle().push(Idle { connection, opened: self.opened, since: Instant::now() });
        }
    }
}
