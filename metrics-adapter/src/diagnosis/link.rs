use std::fmt;

use super::ask::Unanswered;

/// Something on the way, and how it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// What it is: `Service monitoring/metrics-adapter`.
    pub subject: String,
    /// How it is.
    pub state: State,
}

/// How a link is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// As it should be: what was found, as part of a sentence.
    Good(String),
    /// As it may be, and worth knowing.
    Remark(String),
    /// It could not be seen, and why.
    Unseen(String),
    /// Nothing comes past here.
    Broken(Fault),
}

/// What is wrong, and what mends it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// With what.
    pub subject: String,
    /// What is wrong with it.
    pub wrong: String,
    /// What a person does about it.
    pub cure: String,
}

impl Fault {
    pub(super) fn new(subject: impl Into<String>, wrong: impl Into<String>, cure: impl Into<String>) -> Self {
        Self { subject: subject.into(), wrong: wrong.into(), cure: cure.into() }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}; {}", self.subject, line(&self.wrong).trim_end_matches('.'), line(&self.cure))
    }
}

/// As a list shows it.
impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let subject = &self.subject;
        match &self.state {
            State::Good(found) => write!(f, "[ok] {subject}: {}", line(found)),
            State::Remark(found) => write!(f, "[i] {subject}: {}", line(found)),
            State::Unseen(why) => write!(f, "[?] {subject}: not looked at: {}", line(why)),
            State::Broken(fault) => write!(f, "[x] {fault}"),
        }
    }
}

/// What others said is put on one line, and cannot steer a terminal.
fn line(text: &str) -> String {
    let words: Vec<String> =
        text.split_whitespace().map(|word| word.chars().filter(|own| !own.is_control()).collect()).collect();
    words.join(" ")
}

/// The links so far.
#[derive(Debug, Default)]
pub(super) struct Trail(Vec<Link>);

impl Trail {
    pub(super) fn good(&mut self, subject: &str, found: impl Into<String>) {
        self.add(subject, State::Good(found.into()));
    }

    pub(super) fn remark(&mut self, subject: &str, found: impl Into<String>) {
        self.add(subject, State::Remark(found.into()));
    }

    pub(super) fn unseen(&mut self, subject: &str, why: &str) {
        self.add(subject, State::Unseen(why.to_owned()));
    }

    pub(super) fn broken(&mut self, fault: Fault) {
        self.add(&fault.subject.clone(), State::Broken(fault));
    }

    fn add(&mut self, subject: &str, state: State) {
        self.0.push(Link { subject: subject.to_owned(), state });
    }

    /// What cannot be read is not looked at: nothing for it. The API server itself must answer.
    pub(super) fn without<T>(&mut self, subject: &str, why: Unanswered) -> Result<Option<T>, Fault> {
        match why {
            Unanswered::Failed { code: None, text } => Err(Fault::new(
                subject,
                format!("the API server did not answer: {text}"),
                "see how the API server does: kubectl get --raw '/readyz?verbose'",
            )),
            other => {
                self.unseen(subject, &other.to_string());
                Ok(None)
            }
        }
    }

    /// All links. If nothing could be seen but what everybody may see, that is a fault.
    pub(super) fn end(mut self) -> Vec<Link> {
        let public = |link: &Link| ["API server ", "/apis/"].iter().any(|start| link.subject.starts_with(start));
        let hidden = |link: &Link| matches!(link.state, State::Unseen(_));
        if self.0.iter().any(hidden) && self.0.iter().all(|link| public(link) || hidden(link)) {
            let server = self.0.first().map_or("API server".to_owned(), |link| link.subject.clone());
            self.broken(Fault::new(
                server,
                "lets you read nothing of what is looked at",
                "ask as somebody who may: --kubeconfig or --context of a cluster's administrator",
            ));
        }
        self.0
    }
}
