use std::fmt;

/// What a sync came to.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    /// Replicas before.
    pub current: i32,
    /// Replicas from now on.
    pub desired: i32,
    /// Why they change, in the words of the event; none if they do not.
    pub reason: Option<String>,
    /// The object's conditions.
    pub conditions: Vec<Condition>,
    /// The messages of the events, in their order.
    pub events: Vec<String>,
    /// What each metric proposed, in the object's order; empty if none was asked.
    pub proposals: Vec<Result<Proposal, String>>,
    /// What the controller would log as the sync's error.
    pub error: Option<String>,
}

impl Decision {
    /// The condition of that type; none before the first sync that sets it.
    #[must_use]
    pub fn condition(&self, kind: ConditionType) -> Option<&Condition> {
        self.conditions.iter().find(|condition| condition.kind == kind)
    }

    /// One line that says why: the event if there is one, else the condition that tells most.
    #[must_use]
    pub fn why(&self) -> String {
        if let Some(reason) = &self.reason {
            return format!("New size: {}; reason: {reason}", self.desired);
        }
        let active = self.condition(ConditionType::ScalingActive).filter(|condition| !condition.holds);
        if let Some(condition) = active {
            return format!("{}: {}", condition.reason, condition.message);
        }
        let limited = self.condition(ConditionType::ScalingLimited).filter(|condition| condition.holds);
        let able = self.condition(ConditionType::AbleToScale);
        limited.or(able).map_or_else(String::new, |condition| format!("{}: {}", condition.reason, condition.message))
    }
}

/// What one metric asks for.
#[derive(Clone, Debug, PartialEq)]
pub struct Proposal {
    /// So many replicas.
    pub replicas: i32,
    /// The metric, as the controller names it in events.
    pub metric: String,
    /// Its value, as the object's status shows it.
    pub current: Current,
}

/// A metric's value in the object's status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Current {
    /// A mean over pods in thousandths.
    AverageValue(i64),
    /// A total in thousandths.
    Value(i64),
    /// A percentage of what is requested, and the mean in thousandths.
    Utilization(i32, i64),
}

/// What a condition is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConditionType {
    /// Whether the scale can be read and changed, and whether a window holds it back.
    AbleToScale,
    /// Whether the metrics can be read.
    ScalingActive,
    /// Whether a limit or a policy cut what the metrics ask for.
    ScalingLimited,
}

impl fmt::Display for ConditionType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// A condition of the object's status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// What it is about.
    pub kind: ConditionType,
    /// Its status: `True` or `False`.
    pub holds: bool,
    /// The reason, one word.
    pub reason: &'static str,
    /// The message.
    pub message: String,
}

/// The conditions, which stay as they are until a sync sets them anew.
#[derive(Clone, Debug, Default)]
pub(super) struct Conditions(Vec<Condition>);

impl Conditions {
    pub(super) fn set(
        &mut self,
        kind: ConditionType,
        holds: bool,
        reason: &'static str,
        message: impl AsRef<str> + Into<String>,
    ) {
        match self.0.iter_mut().find(|condition| condition.kind == kind) {
            Some(condition) => {
                condition.holds = holds;
                condition.reason = reason;
                if condition.message != message.as_ref() {
                    condition.message = message.into();
                }
            }
            None => self.0.push(Condition { kind, holds, reason, message: message.into() }),
        }
    }

    pub(super) fn all(&self) -> Vec<Condition> {
        self.0.clone()
    }
}

/// What asking the metrics gave.
#[derive(Default)]
pub(super) struct Outcome {
    pub(super) proposals: Vec<Result<Proposal, String>>,
    pub(super) events: Vec<String>,
    pub(super) error: Option<String>,
}
