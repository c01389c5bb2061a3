use std::fmt::Write as _;

use serde::Serialize;

use super::assemble::in_words;
use super::verdict::{Verdict, verdicts};
use crate::cluster::Pod;
use crate::lookup::{External, Facts, Instant, Missing, Reason, Served, Wanted};
use crate::model::{Kinds, Moment, Resource, Selector};
use crate::store::{Asked, AskedState};

/// More pods than anybody reads.
const MOST_PODS: usize = 200;

/// What is to be explained.
#[derive(Clone, Debug)]
pub struct Explain {
    /// The metric.
    pub metric: String,
    /// The namespace.
    pub namespace: String,
    /// Of what; none for an external metric.
    pub of: Option<Of>,
    /// Which objects; of an external metric, which series.
    pub selector: Selector,
    /// Which series.
    pub series: Selector,
}

/// An object, or all of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Of {
    /// The resource, in the plural: `pods`, `services`, `deployments.apps`.
    pub resource: String,
    /// Its name; `*` for all.
    pub name: String,
}

impl Of {
    /// Reads `pods`, `pod/web-1`, `services/web`, `deploy/web`: a resource in singular, plural or short.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (resource, name) = text.split_once('/').unwrap_or((text, "*"));
        let (resource, group) = resource.split_once('.').unwrap_or((resource, ""));
        let found = Kinds::default().find(group, resource);
        let resource = match found {
            Some(found) => found.to_string(),
            None if !group.is_empty() => format!("{resource}.{group}"),
            None => return Err(format!("for: no resource {resource} is known; write pods, service/web or deploy/web")),
        };
        let name = if name.is_empty() { "*" } else { name };
        Ok(Self { resource, name: name.to_owned() })
    }
}

/// Where a metric's value comes from, and what becomes of it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    /// What an autoscaler asks for it.
    pub path: String,
    /// `scrape` or `prometheus`; none, if nobody serves it.
    pub source: Option<&'static str>,
    /// The rule in words.
    pub rule: Option<String>,
    /// What Prometheus is asked.
    pub query: Option<String>,
    /// How asking it goes.
    pub polling: Option<String>,
    /// The values: each with its age.
    pub values: Vec<ExplainedValue>,
    /// Why there is none.
    pub absent: Option<String>,
    /// Each pod of the namespace, and whether it counts.
    pub pods: Vec<ExplainedPod>,
    /// What autoscalers make of it.
    pub verdicts: Vec<Verdict>,
}

/// A value.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ExplainedValue {
    /// What it is of: an object, or the labels of an external metric.
    pub of: String,
    /// A quantity.
    pub value: String,
    /// In seconds.
    pub age_seconds: f64,
    /// When it was measured or evaluated, RFC 3339.
    pub time: String,
    /// What it was taken over, in seconds.
    pub window_seconds: i64,
}

/// A pod, and whether it counts.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ExplainedPod {
    /// Its name.
    pub name: String,
    /// Its value, if it counts.
    pub value: Option<String>,
    /// Why it does not.
    pub why_not: Option<String>,
}

impl Explain {
    /// Reads what is to be explained from names and values: `metric`, `namespace`, `for` (`pods`, `services/web`,
    /// `external`), `selector`, `metricSelector`.
    pub fn parse(given: impl Iterator<Item = (String, String)>) -> Result<Self, String> {
        let mut explain = Self {
            metric: String::new(),
            namespace: String::new(),
            of: Some(Of::parse("pods")?),
            selector: Selector::default(),
            series: Selector::default(),
        };
        let selector = |name: &str, text: &str| Selector::parse(text).map_err(|error| format!("{name}: {error}"));
        for (name, value) in given {
            match &*name {
                "metric" => explain.metric = value,
                "namespace" => explain.namespace = value,
                "for" if value == "external" => explain.of = None,
                "for" => explain.of = Some(Of::parse(&value)?),
                "selector" => explain.selector = selector("selector", &value)?,
                "metricSelector" => explain.series = selector("metricSelector", &value)?,
                other => {
                    return Err(format!(
                        "{other}: unknown; known are metric, namespace, for, selector, metricSelector"
                    ));
                }
            }
        }
        if explain.metric.is_empty() || explain.namespace.is_empty() {
            return Err("metric and namespace are needed, as in /explain?metric=NAME&namespace=NAMESPACE".to_owned());
        }
        Ok(explain)
    }

    /// Explains it. As for an autoscaler, Prometheus is asked, and from then on kept being asked.
    pub async fn explain(&self, facts: &Facts) -> Explanation {
        match &self.of {
            None => self.external(facts).await,
            Some(of) => self.custom(of, facts).await,
        }
    }

    async fn custom(&self, of: &Of, facts: &Facts) -> Explanation {
        let mut instant = facts.now();
        let of_namespace = of.resource == "namespaces";
        let cluster_wide = Resource::named(&of.resource).is_some_and(|resource| !resource.namespaced);
        let wanted = Wanted {
            resource: of.resource.clone(),
            namespace: (!cluster_wide).then(|| self.namespace.clone()),
            name: if of_namespace { self.namespace.clone() } else { of.name.clone() },
            metric: self.metric.clone(),
            labels: self.selector.clone(),
            series: self.series.clone(),
        };
        let mut explanation = Explanation::of(self.path(of, cluster_wide, of_namespace));
        let served = match wanted.served(facts, &instant).await {
            Ok(served) => served,
            Err(Missing::Unknown(message) | Missing::Absent(message)) => {
                explanation.absent = Some(message);
                return explanation;
            }
        };
        instant.now = facts.clock.now();
        explanation.serve(&served, &instant);
        match wanted.values(&served, &instant) {
            Ok(values) => {
                explanation.values = values
                    .iter()
                    .map(|own| ExplainedValue {
                        of: format!("{} {}", own.object.resource.kind.to_lowercase(), own.object.name),
                        value: own.quantity.to_string(),
                        age_seconds: instant.now.moment.since(own.at).as_secs_f64(),
                        time: own.time.to_string(),
                        window_seconds: own.window_seconds,
                    })
                    .collect();
                let autoscalers = facts.inventory.autoscalers();
                explanation.verdicts = verdicts(&autoscalers, self, of, &values, &instant);
            }
            Err(Missing::Unknown(message) | Missing::Absent(message)) => explanation.absent = Some(message),
        }
        explanation.pods = self.pods(of, &wanted, &served, &instant);
        explanation
    }

    fn pods(&self, of: &Of, wanted: &Wanted, served: &Served, instant: &Instant) -> Vec<ExplainedPod> {
        let all = instant.view.pods(Some(&self.namespace));
        let resource = Resource::named(&of.resource);
        let own = resource.filter(|own| !own.is_pods()).and_then(|resource| {
            let namespace = if resource.namespaced { &*self.namespace } else { "" };
            let name = if of.resource == "namespaces" { &self.namespace } else { &of.name };
            let object = instant.view.object(resource, namespace, name)?;
            Some(instant.view.pods_of(object).map(|pod| pod.key).collect::<Vec<_>>())
        });
        let explain = |pod: &Pod| match (&own, resource) {
            (Some(own), _) if !own.contains(&pod.key) => Some(format!("is no pod of {} {}", of.resource, of.name)),
            (None, Some(resource)) if resource.is_pods() && of.name != "*" && *pod.name != *of.name => {
                Some("is not asked about".to_owned())
            }
            (None, Some(resource)) if resource.is_pods() && !self.selector.matches(&pod.labels) => {
                let labels = if pod.labels.is_empty() { "none".to_owned() } else { pod.labels.to_string() };
                Some(format!("its labels are {labels}, not {}", self.selector))
            }
            _ => None,
        };
        let asked_by_object = matches!(served, Served::Asked(_)) && !resource.is_some_and(Resource::is_pods);
        if asked_by_object {
            // Prometheus counts them together; which of them it counted is not in its answer.
            return Vec::new();
        }
        let explained = all.iter().take(MOST_PODS).map(|pod| {
            let (value, why_not) = match explain(pod) {
                Some(why) => (None, Some(why)),
                None => match wanted.value_of_pod(pod, served, instant) {
                    Ok(value) => (Some(value.quantity.to_string()), None),
                    Err(reason) => (None, Some(why_not(reason, pod, instant))),
                },
            };
            ExplainedPod { name: pod.name.to_string(), value, why_not }
        });
        explained.collect()
    }

    async fn external(&self, facts: &Facts) -> Explanation {
        let mut instant = facts.now();
        let external = External {
            namespace: self.namespace.clone(),
            metric: self.metric.clone(),
            series: if self.series.is_empty() { self.selector.clone() } else { self.series.clone() },
        };
        let mut explanation = Explanation::of(format!(
            "/apis/external.metrics.k8s.io/v1beta1/namespaces/{}/{}{}",
            self.namespace,
            self.metric,
            query(&[("labelSelector", &external.series)])
        ));
        let served = match external.served(facts, &instant).await {
            Ok(served) => served,
            Err(Missing::Unknown(message) | Missing::Absent(message)) => {
                explanation.absent = Some(message);
                return explanation;
            }
        };
        instant.now = facts.clock.now();
        explanation.ask(&served.asked, &served.state, instant.now.moment);
        match external.values(&served, &instant) {
            Ok(values) => {
                explanation.verdicts = super::verdict::external(&facts.inventory.autoscalers(), self, &values);
                explanation.values = values
                    .iter()
                    .map(|own| ExplainedValue {
                        of: format!("{{{}}}", own.labels),
                        value: own.quantity.to_string(),
                        age_seconds: instant.now.moment.since(own.at).as_secs_f64(),
                        time: own.time.to_string(),
                        window_seconds: own.window_seconds,
                    })
                    .collect();
            }
            Err(Missing::Unknown(message) | Missing::Absent(message)) => explanation.absent = Some(message),
        }
        explanation
    }

    fn path(&self, of: &Of, cluster_wide: bool, of_namespace: bool) -> String {
        let Self { metric, namespace, .. } = self;
        let (group, name) = ("/apis/custom.metrics.k8s.io/v1beta2", if of.name == "*" { "%2A" } else { &of.name });
        let selectors = query(&[("labelSelector", &self.selector), ("metricLabelSelector", &self.series)]);
        if of_namespace {
            return format!("{group}/namespaces/{namespace}/metrics/{metric}{selectors}");
        }
        let place = if cluster_wide { String::new() } else { format!("/namespaces/{namespace}") };
        format!("{group}{place}/{}/{name}/{metric}{selectors}", of.resource)
    }
}

/// The selectors that there are, as a query.
fn query(selectors: &[(&str, &Selector)]) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    for (name, selector) in selectors.iter().filter(|(_, selector)| !selector.is_empty()) {
        query.append_pair(name, &selector.to_string());
    }
    let query = query.finish();
    if query.is_empty() { query } else { format!("?{query}") }
}

fn why_not(reason: Reason, pod: &Pod, instant: &Instant) -> String {
    let Reason::Scraped(_) = reason else { return reason.explain().to_owned() };
    let failure = instant.snapshot.record(pod.key).and_then(|record| record.target.failure.as_ref());
    match (failure, &pod.problem) {
        (Some(failure), _) => format!("{}; {}: {}", reason.explain(), failure.reason, failure.problem),
        (None, Some(problem)) => format!("{}; {problem}", reason.explain()),
        (None, None) => reason.explain().to_owned(),
    }
}

impl Explanation {
    fn of(path: String) -> Self {
        Self {
            path,
            source: None,
            rule: None,
            query: None,
            polling: None,
            values: Vec::new(),
            absent: None,
            pods: Vec::new(),
            verdicts: Vec::new(),
        }
    }

    fn serve(&mut self, served: &Served, instant: &Instant) {
        match served {
            Served::Scraped(place) => {
                self.source = Some("scrape");
                self.rule = instant.snapshot.config.rules.get(*place).map(in_words);
            }
            Served::Asked(metric) => {
                self.rule = Some(metric.reading.rule.to_string());
                self.ask(&metric.asked, &metric.state, instant.now.moment);
            }
        }
    }

    fn ask(&mut self, asked: &Asked, state: &AskedState, now: Moment) {
        self.source = Some("prometheus");
        self.query = Some(asked.question.query.to_string());
        let mut text = format!("asked {} times; Prometheus was asked {} times", asked.times(), state.attempts);
        // Writing to a string cannot fail.
        if let Some(answer) = &state.answer {
            let (samples, age) = (answer.samples.len(), now.since(answer.at).as_secs_f64());
            let took = answer.took.as_secs_f64() * 1e3;
            let _ = write!(text, "; its last answer has {samples} samples, is {age:.1} s old, took {took:.1} ms");
        }
        if let Some(failure) = &state.failure {
            let _ = write!(text, "; the last attempt failed: {failure}");
        }
        self.polling = Some(text);
    }

    /// For a terminal.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = format!("asks    {}\n", self.path);
        // Writing to a string cannot fail.
        for (name, what) in [("source", &self.source.map(str::to_owned)), ("rule", &self.rule)] {
            if let Some(what) = what {
                let _ = writeln!(text, "{name:<8}{what}");
            }
        }
        for (name, what) in [("query", &self.query), ("demand", &self.polling), ("absent", &self.absent)] {
            if let Some(what) = what {
                let _ = writeln!(text, "{name:<8}{what}");
            }
        }
        self.values_text(&mut text);
        self.pods_text(&mut text);
        for verdict in &self.verdicts {
            let _ = writeln!(text, "hpa     {verdict}");
        }
        text
    }

    fn values_text(&self, text: &mut String) {
        for (at, own) in self.values.iter().take(MOST_PODS).enumerate() {
            let name = if at == 0 { "value" } else { "" };
            let over = if own.window_seconds > 0 { format!(", over {} s", own.window_seconds) } else { String::new() };
            let _ = writeln!(text, "{name:<8}{} = {}, {:.1} s old{over}", own.of, own.value, own.age_seconds);
        }
    }

    fn pods_text(&self, text: &mut String) {
        for (at, pod) in self.pods.iter().enumerate() {
            let name = if at == 0 { "pods" } else { "" };
            let _ = match (&pod.value, &pod.why_not) {
                (Some(value), _) => writeln!(text, "{name:<8}in   {}  {value}", pod.name),
                (None, why) => writeln!(text, "{name:<8}out  {}  {}", pod.name, why.as_deref().unwrap_or_default()),
            };
        }
    }
}
