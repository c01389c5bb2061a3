use std::time::Duration;

use metrics_adapter::model::quantity::Quantity;
use metrics_adapter::yaml::{Fields, Node, Problem};

use super::refusal::{at_least, invalid, required, unsupported};
use crate::autoscaler::{Behavior, Policy, PolicyKind, ScalingRules, Select};

/// The longest period of a policy, as the API server has it.
const LONGEST_PERIOD: i64 = 1800;
/// The longest stabilization window.
const LONGEST_WINDOW: i64 = 3600;

pub(super) fn behavior(node: &Node, path: &str) -> Result<Behavior, Problem> {
    let mut fields = Fields::of(node, path)?;
    let up = fields.optional("scaleUp", |node, path| rules(node, path, &Defaults::up()))?;
    let down = fields.optional("scaleDown", |node, path| rules(node, path, &Defaults::down()))?;
    fields.end()?;
    Ok(Behavior {
        up: up.unwrap_or_else(|| Defaults::up().rules()),
        down: down.unwrap_or_else(|| Defaults::down().rules()),
    })
}

/// What the API server fills in for a direction.
struct Defaults {
    stabilization: Option<Duration>,
    policies: Vec<Policy>,
}

impl Defaults {
    fn up() -> Self {
        let policy = |kind, value| Policy { kind, value, period: Duration::from_secs(15) };
        let policies = vec![policy(PolicyKind::Pods, 4), policy(PolicyKind::Percent, 100)];
        Self { stabilization: Some(Duration::ZERO), policies }
    }

    fn down() -> Self {
        let policy = Policy { kind: PolicyKind::Percent, value: 100, period: Duration::from_secs(15) };
        // The window is the controller's flag.
        Self { stabilization: None, policies: vec![policy] }
    }

    fn rules(self) -> ScalingRules {
        ScalingRules {
            stabilization: self.stabilization,
            select: Select::Max,
            policies: self.policies,
            tolerance: None,
        }
    }
}

fn rules(node: &Node, path: &str, defaults: &Defaults) -> Result<ScalingRules, Problem> {
    let mut fields = Fields::of(node, path)?;
    let stabilization = fields.optional("stabilizationWindowSeconds", |node, path| {
        let seconds = node.integer(path)?;
        match u64::try_from(seconds) {
            Err(_) => Err(invalid(node, path, seconds, "must be greater than or equal to zero")),
            Ok(_) if seconds > LONGEST_WINDOW => {
                Err(invalid(node, path, seconds, &format!("must be less than or equal to {LONGEST_WINDOW}")))
            }
            Ok(seconds) => Ok(Duration::from_secs(seconds)),
        }
    })?;
    let select = fields.optional("selectPolicy", |node, path| {
        node.parsed(path, |text| match text {
            "Disabled" => Ok(Select::Disabled),
            "Max" => Ok(Select::Max),
            "Min" => Ok(Select::Min),
            _ => Err(unsupported(text, &["Disabled", "Max", "Min"])),
        })
    })?;
    let tolerance = fields.optional("tolerance", |node, path| {
        let quantity = node.parsed(path, Quantity::parse)?;
        if quantity.nanos() < 0 {
            return Err(invalid(node, path, quantity, "must be greater or equal to zero"));
        }
        #[expect(clippy::cast_precision_loss, reason = "a tolerance of nine digits is one of fifteen")]
        Ok(quantity.nanos() as f64 / 1e9)
    })?;
    let policies = fields.optional("policies", |node, path| {
        let policies = node.list(path, policy)?;
        if policies.is_empty() { Err(required(node, path, "must specify at least one Policy")) } else { Ok(policies) }
    })?;
    fields.end()?;
    Ok(ScalingRules {
        stabilization: stabilization.or(defaults.stabilization),
        select: select.unwrap_or(Select::Max),
        policies: policies.unwrap_or_else(|| defaults.policies.clone()),
        tolerance,
    })
}

fn policy(node: &Node, path: &str) -> Result<Policy, Problem> {
    let mut fields = Fields::of(node, path)?;
    let kind = fields.required("type", |node, path| {
        node.parsed(path, |text| match text {
            "Pods" => Ok(PolicyKind::Pods),
            "Percent" => Ok(PolicyKind::Percent),
            _ => Err(unsupported(text, &["Percent", "Pods"])),
        })
    })?;
    let value = fields.required("value", |node, path| at_least(node, path, 1, "must be greater than zero"))?;
    let period = fields.required("periodSeconds", |node, path| {
        let seconds = at_least(node, path, 1, "must be greater than zero")?;
        if i64::from(seconds) > LONGEST_PERIOD {
            return Err(invalid(node, path, seconds, &format!("must be less than or equal to {LONGEST_PERIOD}")));
        }
        Ok(Duration::from_secs(seconds.unsigned_abs().into()))
    })?;
    fields.end()?;
    Ok(Policy { kind, value, period })
}
