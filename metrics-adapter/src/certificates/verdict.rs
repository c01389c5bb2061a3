//! What is to be done about the Secret, as it stands and at that time: pure.

use std::collections::BTreeMap;

use super::material::{Action, Lifetimes, Material};
use crate::kubernetes::Secret;
use crate::model::Wall;

pub(super) const MANAGED_BY: (&str, &str) = ("app.kubernetes.io/managed-by", "metrics-adapter");
pub(super) const TYPE: &str = "Opaque";

/// What the Secret must be.
#[derive(Clone, Debug)]
pub(super) struct Terms {
    /// Where it is, for people: `namespace/name`.
    pub(super) place: String,
    /// Whom its certificate is made out to.
    pub(super) names: Vec<String>,
    pub(super) lifetimes: Lifetimes,
}

/// What the Secret holds, and what is to be done about it.
#[derive(Debug)]
pub(super) struct Judged {
    /// What it holds, if that is of use: it is served, whatever the verdict.
    pub(super) found: Option<Material>,
    pub(super) verdict: Verdict,
}

/// What is to be done.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Nothing.
    Keep,
    /// Nothing, though all is not well: what is wrong, and what a person can do.
    Leave(String),
    /// It is written; why, for the log.
    Write(Change, String),
}

/// What is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// An authority that nobody knows yet, and a certificate of it.
    Anew,
    /// What was held before: it is what the API server knows to believe.
    Again,
    /// What follows on what is there.
    Next(Action),
}

impl Change {
    /// What of it is new, as a label and for people.
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Anew => "both",
            Self::Again => "nothing",
            Self::Next(action) => action.label(),
        }
    }
}

impl Terms {
    /// `held` is what the Secret held when it was last of use.
    pub(super) fn judge(&self, secret: Option<&Secret>, held: Option<&Material>, now: i64) -> Judged {
        let without = |verdict| Judged { found: None, verdict };
        let replace = |why: String| {
            // What is of no use by the clock would stay so.
            let again = held.is_some_and(|held| (held.not_before..held.not_after).contains(&now));
            without(Verdict::Write(if again { Change::Again } else { Change::Anew }, why))
        };
        let place = &self.place;
        let Some(secret) = secret else {
            return replace(if held.is_some() { "it was deleted" } else { "there is none" }.to_owned());
        };
        let empty = BTreeMap::new();
        let read = Material::read(secret.data.as_ref().unwrap_or(&empty), &self.names);
        let label = secret.metadata.labels.as_ref().and_then(|labels| labels.get(MANAGED_BY.0));
        let ours = match label {
            Some(label) => label == MANAGED_BY.1,
            // A label can be lost; what reads as if it was made here was.
            None => read.is_ok(),
        };
        if !ours {
            return without(Verdict::Leave(format!(
                "Secret {place} is not labelled {}={}, so it is somebody else's and left as it is; delete it, or name \
                 another with --secret-name",
                MANAGED_BY.0, MANAGED_BY.1
            )));
        }
        if secret.type_.as_deref().is_some_and(|own| own != TYPE) {
            return without(Verdict::Leave(format!(
                "Secret {place} is not of type {TYPE}, which cannot be changed; delete it, or name another with \
                 --secret-name"
            )));
        }
        match read {
            Ok(found) => {
                let verdict = self.due(&found, now);
                Judged { found: Some(found), verdict }
            }
            Err(problem) => replace(format!("it is of no use: {problem}")),
        }
    }

    fn due(&self, found: &Material, now: i64) -> Verdict {
        match found.due(self.lifetimes, now) {
            // Two clocks differ, and nothing says which one is wrong: replicas that each believed their own would make
            // and unmake authorities for ever.
            Action::Keep if now < found.not_before => Verdict::Leave(format!(
                "Secret {} holds a certificate that is valid only from {}: a clock is wrong, this one or that of the \
                 replica that made it; once the clocks are right, delete the Secret, and it is made anew",
                self.place,
                Wall::from_millis(found.not_before.saturating_mul(1000)),
            )),
            Action::Keep => Verdict::Keep,
            action => {
                let expires = Wall::from_millis(found.not_after.saturating_mul(1000));
                Verdict::Write(Change::Next(action), format!("the certificate of now expires at {expires}"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use k8s_openapi::ByteString;
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

    use super::*;

    const NOW: i64 = 1_795_345_000;
    const DAY: i64 = 86_400;

    fn terms() -> Terms {
        Terms {
            place: "monitoring/metrics-adapter-tls".to_owned(),
            names: vec!["metrics-adapter.monitoring.svc".to_owned()],
            lifetimes: Lifetimes { certificate: Duration::from_hours(90 * 24) },
        }
    }

    fn material() -> Material {
        Material::new(&terms().names, terms().lifetimes, NOW).unwrap()
    }

    fn secret(data: BTreeMap<String, ByteString>, label: Option<&str>) -> Secret {
        let labels = label.map(|label| BTreeMap::from([(MANAGED_BY.0.to_owned(), label.to_owned())]));
        Secret {
            metadata: ObjectMeta { labels, ..ObjectMeta::default() },
            type_: Some(TYPE.to_owned()),
            data: Some(data),
        }
    }

    /// What is said of it, cut off where it goes on with names and times.
    fn said(verdict: &Verdict) -> String {
        match verdict {
            Verdict::Keep => "keep".to_owned(),
            Verdict::Leave(problem) => format!("leave: {problem}"),
            Verdict::Write(change, why) => format!("{change:?}: {why}"),
        }
    }

    #[test]
    fn what_a_secret_holds_decides_what_becomes_of_it() {
        let (terms, good) = (terms(), material());
        let foreign = BTreeMap::from([("tls.crt".to_owned(), ByteString(b"x".to_vec()))]);
        let ours = Some("metrics-adapter");
        let of_type = Secret { type_: Some("kubernetes.io/tls".to_owned()), ..secret(good.data(), ours) };
        let somebody_elses = "leave: Secret monitoring/metrics-adapter-tls is not labelled";
        let table = [
            ("none", None, None, false, "Anew: there is none"),
            ("deleted", None, Some(&good), false, "Again: it was deleted"),
            ("good", Some(secret(good.data(), ours)), None, true, "keep"),
            ("without its label", Some(secret(good.data(), None)), None, true, "keep"),
            (
                "of another type",
                Some(of_type),
                None,
                false,
                "leave: Secret monitoring/metrics-adapter-tls is not of type",
            ),
            ("foreign", Some(secret(foreign.clone(), None)), None, false, somebody_elses),
            ("taken", Some(secret(good.data(), Some("Helm"))), Some(&good), false, somebody_elses),
            ("empty and nobody's", Some(secret(BTreeMap::new(), None)), None, false, somebody_elses),
            ("empty", Some(secret(BTreeMap::new(), ours)), None, false, "Anew: it is of no use: ca.crt is missing"),
            ("damaged", Some(secret(foreign, ours)), Some(&good), false, "Again: it is of no use: ca.crt is missing"),
        ];
        for (what, secret, held, found, expected) in table {
            let judged = terms.judge(secret.as_ref(), held, NOW);
            assert!(said(&judged.verdict).starts_with(expected), "{what}: {}", said(&judged.verdict));
            assert_eq!(judged.found.is_some(), found, "{what}");
        }
    }

    #[test]
    fn what_the_clock_makes_useless_is_neither_fought_over_nor_written_again() {
        let (terms, good) = (terms(), material());
        let own = secret(good.data(), Some("metrics-adapter"));
        let at = |later: i64| said(&terms.judge(Some(&own), Some(&good), NOW + later).verdict);
        assert_eq!(at(59 * DAY), "keep");
        assert_eq!(at(61 * DAY), "Next(Certificate): the certificate of now expires at 2027-02-20T10:56:40Z");
        assert!(at(400 * DAY).starts_with("Next(Authority)"), "{}", at(400 * DAY));
        let early = at(-2 * DAY);
        assert!(early.contains("valid only from 2026-11-22T09:56:40Z: a clock is wrong"), "{early}");
        // Deleted, as that says.
        for (later, expected) in [(-2 * DAY, "Anew"), (DAY, "Again"), (91 * DAY, "Anew")] {
            let verdict = said(&terms.judge(None, Some(&good), NOW + later).verdict);
            assert_eq!(verdict, format!("{expected}: it was deleted"));
        }
    }
}
