//! What can be made to go wrong with the API server, and what can be learnt of it.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::resources::named;
use super::server::FakeKube;
use super::status::Refusal;
use super::tally::Request;

/// What goes wrong.
impl FakeKube {
    /// Nobody listens any more, and all connections are gone.
    pub fn away(&self) {
        self.listener.away();
    }

    /// Listens again, on the same port.
    pub fn back(&self) {
        self.listener.back();
    }

    /// Each request takes as long, beside its own time.
    pub fn slow(&self, delay: Duration) {
        self.shared.faults.slow(delay);
    }

    /// Requests that are chosen are answered with this status.
    pub fn failing(&self, status: u16, chosen: impl Fn(&Request) -> bool + Send + Sync + 'static) {
        self.shared.faults.fail(Refusal::ordered(status), chosen);
    }

    /// 429, with Retry-After in seconds if it is said.
    pub fn too_many(&self, retry_after: Option<u64>, chosen: impl Fn(&Request) -> bool + Send + Sync + 'static) {
        self.shared.faults.fail(Refusal::too_many(retry_after), chosen);
    }

    /// Accepts, and never answers; open watches fall silent, too.
    pub fn hang(&self) {
        self.shared.faults.hang(true);
    }

    /// Ends `slow`, `failing`, `too_many` and `hang`: what hung is answered.
    pub fn heal(&self) {
        self.shared.faults.heal();
    }

    /// Ends all watches, as the server does when their time is over.
    pub fn close_watches(&self) {
        self.shared.ends.send_modify(|ends| ends.closed += 1);
    }

    /// Ends all watches with an ERROR event that says 410, as when the server's watch cache starts anew.
    pub fn expire_watches(&self) {
        self.shared.ends.send_modify(|ends| ends.expired += 1);
    }

    /// Ends all watches within an event, and their connections.
    pub fn cut_watches(&self) {
        self.shared.ends.send_modify(|ends| ends.cut += 1);
    }
}

/// What was asked.
impl FakeKube {
    pub fn tally(&self) -> Vec<Request> {
        self.shared.tally.all()
    }

    pub fn count(&self, verb: &str, resource: &str) -> usize {
        self.shared.tally.count(verb, resource)
    }

    pub fn reset_tally(&self) {
        self.shared.tally.reset();
    }

    /// Watches of a resource that are open now.
    pub fn watches(&self, resource: &str) -> usize {
        self.shared.open_watches(named(resource).name).load(Ordering::SeqCst)
    }

    /// TLS handshakes so far.
    pub fn handshakes(&self) -> usize {
        self.shared.handshakes.load(Ordering::SeqCst)
    }

    /// Connections that are open now.
    pub fn connections(&self) -> usize {
        self.listener.open()
    }
}
