use std::time::{Duration, Instant};

use tokio::sync::mpsc::Sender;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::watch;

use super::measure::{Failure, Measurements};
use crate::profile::Profile;

/// No sleep is longer, so that a stop is noticed.
const LONGEST: Duration = Duration::from_millis(100);

/// Hands over each request's moment when it is due. A thread's sleep is exact to some ten microseconds, where a
/// runtime's timers count in milliseconds.
pub(super) fn run(
    profile: &Profile,
    began: Instant,
    due: &Sender<Instant>,
    stopped: &watch::Receiver<bool>,
    measurements: &Measurements,
) {
    for arrival in profile.arrivals() {
        let moment = began + arrival;
        loop {
            if *stopped.borrow() {
                return;
            }
            let wait = moment.saturating_duration_since(Instant::now());
            if wait.is_zero() {
                break;
            }
            std::thread::sleep(wait.min(LONGEST));
        }
        measurements.due();
        match due.try_send(moment) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => measurements.failed(Failure::NotSent, moment),
            Err(TrySendError::Closed(_)) => {
                measurements.withdrawn();
                return;
            }
        }
    }
    // Where the load ends without requests, its time still passes.
    while began.elapsed() < profile.length() && !*stopped.borrow() {
        std::thread::sleep(LONGEST.min(profile.length().saturating_sub(began.elapsed())));
    }
}
