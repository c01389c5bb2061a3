use crate::config::{PodSettings, Port, scheme};
use crate::model::Labels;

/// What decides where a pod's metrics are.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Facts {
    pub(super) labels: Labels,
    /// Those of `prometheus.io/` alone.
    pub(super) annotations: Labels,
    pub(super) ip: Option<Box<str>>,
    /// What its containers say that they listen on, over TCP.
    pub(super) ports: Box<[(Option<Box<str>>, u16)]>,
}

impl Facts {
    /// Where a pod's metrics are; nowhere, if it is no target or has no address yet. The error says what keeps it
    /// from having one.
    pub(super) fn target(&self, namespace: &str, settings: &PodSettings) -> Result<Option<hyper::Uri>, String> {
        let wants = self.annotations.get("prometheus.io/scrape");
        if wants == Some("false") {
            return Ok(None);
        }
        let rule = settings.rules.iter().find(|rule| {
            let place = rule.namespaces.is_empty() || rule.namespaces.iter().any(|own| own == namespace);
            place && rule.selector.matches(&self.labels)
        });
        if let Some(rule) = rule {
            let port = match &rule.port {
                Port::Number(number) => *number,
                Port::Name(name) => {
                    self.named(name).ok_or_else(|| format!("none of its containers has a port of the name {name}"))?
                }
            };
            return self.uri(rule.scheme, port, &rule.path);
        }
        match wants {
            None => return Ok(None),
            Some(_) if !settings.annotations => return Ok(None),
            Some("true") => {}
            Some(other) => return Err(format!("prometheus.io/scrape: {other:?} is neither \"true\" nor \"false\"")),
        }
        let port = match self.annotations.get("prometheus.io/port") {
            Some(text) => match Port::parse(text).map_err(|problem| format!("prometheus.io/port: {problem}"))? {
                Port::Number(number) => number,
                Port::Name(name) => self.named(&name).ok_or_else(|| {
                    format!("prometheus.io/port: none of its containers has a port of the name {name}")
                })?,
            },
            None => self.ports.first().map(|(_, port)| *port).ok_or_else(|| {
                "prometheus.io/scrape is \"true\", but neither prometheus.io/port nor a container names a port"
                    .to_owned()
            })?,
        };
        let scheme = self.annotations.get("prometheus.io/scheme").map_or(Ok("http"), scheme);
        let scheme = scheme.map_err(|problem| format!("prometheus.io/scheme: {problem}"))?;
        self.uri(scheme, port, self.annotations.get("prometheus.io/path").unwrap_or("/metrics"))
    }

    fn named(&self, name: &str) -> Option<u16> {
        self.ports.iter().find(|(own, _)| own.as_deref() == Some(name)).map(|(_, port)| *port)
    }

    fn uri(&self, scheme: &str, port: u16, path: &str) -> Result<Option<hyper::Uri>, String> {
        let Some(ip) = self.ip.as_deref() else { return Ok(None) };
        let host = if ip.contains(':') { format!("[{ip}]") } else { ip.to_owned() };
        if !path.starts_with('/') {
            return Err(format!("prometheus.io/path: `{path}` does not begin with /"));
        }
        let text = format!("{scheme}://{host}:{port}{path}");
        text.parse().map(Some).map_err(|error| format!("{text} is no URL: {error}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn facts(annotations: &[(&str, &str)]) -> Facts {
        Facts {
            labels: Labels::from_iter([("app", "web")]),
            annotations: annotations.iter().copied().collect(),
            ip: Some("10.0.0.7".into()),
            ports: Box::new([(Some("http".into()), 8080), (Some("metrics".into()), 9000)]),
        }
    }

    fn target(facts: &Facts, config: &str) -> String {
        let config = Config::parse(config).unwrap();
        match facts.target("shop", &config.scrape.pods) {
            Ok(target) => target.map_or_else(|| "none".to_owned(), |uri| uri.to_string()),
            Err(problem) => problem,
        }
    }

    #[test]
    fn annotations_name_the_target() {
        let scrape = ("prometheus.io/scrape", "true");
        let table: [(&[(&str, &str)], &str); 12] = [
            (&[], "none"),
            (&[("prometheus.io/scrape", "false")], "none"),
            (&[scrape], "http://10.0.0.7:8080/metrics"),
            (&[scrape, ("prometheus.io/port", "9000")], "http://10.0.0.7:9000/metrics"),
            (&[scrape, ("prometheus.io/port", "metrics")], "http://10.0.0.7:9000/metrics"),
            (&[scrape, ("prometheus.io/path", "/m?x=y")], "http://10.0.0.7:8080/m?x=y"),
            (&[scrape, ("prometheus.io/scheme", "https")], "https://10.0.0.7:8080/metrics"),
            (&[("prometheus.io/scrape", "yes")], "prometheus.io/scrape: \"yes\" is neither \"true\" nor \"false\""),
            (
                &[scrape, ("prometheus.io/port", "x y")],
                "prometheus.io/port: `x y` is neither a port from 1 to 65535 nor the name of one",
            ),
            (
                &[scrape, ("prometheus.io/port", "web")],
                "prometheus.io/port: none of its containers has a port of the name web",
            ),
            (&[scrape, ("prometheus.io/scheme", "ftp")], "prometheus.io/scheme: `ftp` is neither http nor https"),
            (&[scrape, ("prometheus.io/path", "@evil/")], "prometheus.io/path: `@evil/` does not begin with /"),
        ];
        for (annotations, expected) in table {
            assert_eq!(target(&facts(annotations), "metrics: []"), expected, "{annotations:?}");
            assert_eq!(target(&facts(annotations), "scrape: {annotations: false}"), "none", "switched off");
        }
        let bare = Facts { ports: Box::default(), ..facts(&[scrape]) };
        assert!(target(&bare, "metrics: []").contains("neither prometheus.io/port nor a container names a port"));
        let pending = Facts { ip: None, ..facts(&[scrape]) };
        assert_eq!(target(&pending, "metrics: []"), "none");
        let v6 = Facts { ip: Some("fd00::7".into()), ..facts(&[scrape]) };
        assert_eq!(target(&v6, "metrics: []"), "http://[fd00::7]:8080/metrics");
    }

    #[test]
    fn a_configured_selector_names_the_target_unless_the_pod_refuses() {
        let config = "scrape: {annotations: false, pods: [{selector: app=web, port: metrics, path: /m}]}";
        assert_eq!(target(&facts(&[]), config), "http://10.0.0.7:9000/m");
        assert_eq!(target(&facts(&[("prometheus.io/scrape", "false")]), config), "none");
        let elsewhere = "scrape: {pods: [{selector: app=web, namespaces: [other], port: 1}]}";
        assert_eq!(target(&facts(&[]), elsewhere), "none");
        let unknown = "scrape: {pods: [{selector: app, port: admin}]}";
        assert_eq!(target(&facts(&[]), unknown), "none of its containers has a port of the name admin");
    }
}
