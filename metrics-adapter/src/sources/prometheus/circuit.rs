use std::time::Duration;

use crate::kubernetes::Backoff;
use crate::model::{Moment, QueryFailure, QueryFailureReason};

/// So many failures in a row, none of which need be more than a query's own, are Prometheus's.
const DOUBTS: u32 = 3;

/// Whether Prometheus is asked, or left alone for a while because it cannot be. While it cannot, one request at a time
/// tries whether it can again, after pauses that grow.
#[derive(Debug, Default)]
pub(super) struct Circuit {
    down: Option<QueryFailure>,
    /// Until then nobody tries.
    until: Moment,
    backoff: Backoff,
    /// Failures in a row that say nothing for certain.
    doubts: u32,
}

/// A request that may be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pass {
    /// One of many.
    Ordinary,
    /// The one that tries whether it works again.
    Probe,
}

/// What a request changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// It cannot be asked any more.
    Down,
    /// It can be asked again.
    Up,
}

impl Circuit {
    /// Why nobody asks at present, not even to try.
    pub(super) fn refusal(&self, now: Moment) -> Option<&QueryFailure> {
        self.down.as_ref().filter(|_| now < self.until)
    }

    /// How long nobody tries; none if everybody does.
    pub(super) fn pause(&self, now: Moment) -> Option<Duration> {
        self.down.as_ref().map(|_| self.until.since(now))
    }

    /// Whether a request may be sent. A probe has `patience`, then another may be.
    pub(super) fn pass(&mut self, now: Moment, patience: Duration) -> Result<Pass, QueryFailure> {
        match &self.down {
            None => Ok(Pass::Ordinary),
            Some(down) if now < self.until => Err(down.clone()),
            Some(_) => {
                self.until = now.after(patience);
                Ok(Pass::Probe)
            }
        }
    }

    /// Nobody will hear what became of a request.
    pub(super) fn abandon(&mut self, pass: Pass, now: Moment) {
        if pass == Pass::Probe {
            self.until = self.until.min(now);
        }
    }

    /// What became of a request.
    pub(super) fn learn(&mut self, pass: Pass, failure: Option<&QueryFailure>, now: Moment) -> Option<Turn> {
        let Some(failure) = failure.filter(|own| !is_answer(own.reason)) else {
            let was_down = self.down.is_some();
            *self = Self::default();
            return was_down.then_some(Turn::Up);
        };
        match (&self.down, pass) {
            // It was sent before that was known.
            (Some(_), Pass::Ordinary) => return None,
            (Some(_), Pass::Probe) => {}
            (None, _) => {
                self.doubts += 1;
                if is_doubtful(failure.reason) && self.doubts < DOUBTS {
                    return None;
                }
            }
        }
        self.until = now.after(self.backoff.failed());
        self.down.replace(failure.clone()).is_none().then_some(Turn::Down)
    }
}

/// Whether Prometheus itself answered, if not with values.
pub(super) fn is_answer(reason: QueryFailureReason) -> bool {
    use QueryFailureReason::{Partial, Refused, TooLarge, TooMany};
    matches!(reason, Refused | Partial | TooLarge | TooMany)
}

/// Whether it may be this one query that fails so: one takes too long, a proxy forbids one, one breaks a proxy.
fn is_doubtful(reason: QueryFailureReason) -> bool {
    use QueryFailureReason::{Connection, Tls};
    !matches!(reason, Connection | Tls)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(10);

    fn failure(reason: QueryFailureReason) -> QueryFailure {
        QueryFailure { reason, problem: "so it is".to_owned() }
    }

    fn at(millis: u64) -> Moment {
        Moment::from_nanos(millis * 1_000_000)
    }

    #[test]
    fn while_it_is_down_one_request_at_a_time_tries() {
        let (mut circuit, refused) = (Circuit::default(), failure(QueryFailureReason::Connection));
        assert_eq!(circuit.pass(at(0), PATIENCE), Ok(Pass::Ordinary));
        assert_eq!(circuit.learn(Pass::Ordinary, Some(&refused), at(0)), Some(Turn::Down));
        assert_eq!(circuit.pass(at(1), PATIENCE), Err(refused.clone()), "told at once");
        let pause = circuit.pause(at(0)).unwrap();
        assert!(pause <= Duration::from_millis(500), "{pause:?}");
        assert_eq!(circuit.pass(at(500), PATIENCE), Ok(Pass::Probe));
        assert_eq!(circuit.pass(at(10_499), PATIENCE), Err(refused.clone()), "the probe is on its way");
        assert_eq!(circuit.pass(at(10_500), PATIENCE), Ok(Pass::Probe), "the first was lost");
        assert_eq!(circuit.learn(Pass::Probe, None, at(10_600)), Some(Turn::Up));
        assert_eq!((circuit.pass(at(10_600), PATIENCE), circuit.pause(at(10_600))), (Ok(Pass::Ordinary), None));
    }

    #[test]
    fn a_probe_that_is_given_up_keeps_nobody_waiting() {
        let mut circuit = Circuit::default();
        circuit.learn(Pass::Ordinary, Some(&failure(QueryFailureReason::Connection)), at(0));
        let probe = circuit.pass(at(500), PATIENCE).unwrap();
        circuit.abandon(probe, at(600));
        assert_eq!(circuit.pass(at(600), PATIENCE), Ok(Pass::Probe));
    }

    #[test]
    fn only_probes_make_the_pauses_grow() {
        let (mut circuit, refused) = (Circuit::default(), failure(QueryFailureReason::Connection));
        circuit.learn(Pass::Ordinary, Some(&refused), at(0));
        for _ in 0..100 {
            assert_eq!(circuit.learn(Pass::Ordinary, Some(&refused), at(1)), None, "sent before it was known");
        }
        assert!(circuit.pause(at(1)).unwrap() <= Duration::from_millis(500));
        for _ in 0..10 {
            assert_eq!(circuit.learn(Pass::Probe, Some(&refused), at(1)), None);
        }
        let pause = circuit.pause(at(1)).unwrap();
        assert!(pause >= Duration::from_secs(15) && pause <= Duration::from_secs(30), "{pause:?}");
    }

    #[test]
    fn what_may_be_one_query_s_own_is_believed_when_nothing_else_succeeds() {
        for reason in [QueryFailureReason::Timeout, QueryFailureReason::Status, QueryFailureReason::Credentials] {
            let (mut circuit, doubtful) = (Circuit::default(), failure(reason));
            for _ in 0..10 {
                assert_eq!(circuit.learn(Pass::Ordinary, Some(&doubtful), at(0)), None);
                assert_eq!(circuit.learn(Pass::Ordinary, Some(&doubtful), at(0)), None);
                assert_eq!(circuit.learn(Pass::Ordinary, None, at(0)), None, "others are answered");
            }
            circuit.learn(Pass::Ordinary, Some(&doubtful), at(0));
            circuit.learn(Pass::Ordinary, Some(&doubtful), at(0));
            assert_eq!(circuit.learn(Pass::Ordinary, Some(&doubtful), at(0)), Some(Turn::Down), "{reason:?}");
            assert_eq!(
                circuit.learn(Pass::Ordinary, Some(&failure(QueryFailureReason::Refused)), at(0)),
                Some(Turn::Up)
            );
        }
    }
}
