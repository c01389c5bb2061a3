use std::fmt;

use crate::model::Selector;
use crate::yaml::{Fields, Node, Problem};

/// Which pods of a cluster are targets.
#[derive(Clone, Debug, PartialEq)]
pub struct PodSettings {
    /// Whether pods name their target themselves, by `prometheus.io/scrape`, `/port`, `/path` and `/scheme`.
    pub annotations: bool,
    /// Pods that are targets whatever their annotations say, but for `prometheus.io/scrape: "false"`; the first that
    /// fits counts.
    pub rules: Vec<PodRule>,
}

/// Pods that are targets.
#[derive(Clone, Debug, PartialEq)]
pub struct PodRule {
    /// Which pods, by their labels.
    pub selector: Selector,
    /// Of which namespaces; of all, if it names none.
    pub namespaces: Vec<String>,
    /// Where they listen.
    pub port: Port,
    /// Where their metrics are.
    pub path: String,
    /// `http` or `https`.
    pub scheme: &'static str,
}

/// A port of a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Port {
    /// By its number.
    Number(u16),
    /// By the name that a container gives it.
    Name(String),
}

impl Default for PodSettings {
    fn default() -> Self {
        Self { annotations: true, rules: Vec::new() }
    }
}

impl PodRule {
    pub(super) fn read(node: &Node, path: &str) -> Result<Self, Problem> {
        let mut fields = Fields::of(node, path)?;
        let selector = fields.required("selector", |node, path| node.parsed(path, Selector::parse))?;
        let namespaces = fields.optional("namespaces", |node, path| node.list(path, Node::text))?.unwrap_or_default();
        let port = fields.required("port", |node, path| node.parsed(path, Port::parse))?;
        let path = fields.optional("path", |node, path| {
            node.parsed(path, |text| {
                if text.starts_with('/') && text.parse::<hyper::Uri>().is_ok() {
                    Ok(text.to_owned())
                } else {
                    Err(format!("`{text}` is no path of a URL, as /metrics"))
                }
            })
        })?;
        let scheme = fields.optional("scheme", |node, path| node.parsed(path, scheme))?;
        fields.end()?;
        let path = path.unwrap_or_else(|| "/metrics".to_owned());
        Ok(Self { selector, namespaces, port, path, scheme: scheme.unwrap_or("http") })
    }
}

impl Port {
    /// A number from 1 to 65535, or a name as containers give it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let name = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        match text.parse::<u16>() {
            Ok(0) => Err("0 is no port".to_owned()),
            Ok(number) => Ok(Self::Number(number)),
            Err(_) if text.bytes().any(|byte| byte.is_ascii_lowercase()) && text.bytes().all(name) => {
                Ok(Self::Name(text.to_owned()))
            }
            Err(_) => Err(format!("`{text}` is neither a port from 1 to 65535 nor the name of one")),
        }
    }
}

/// `http` or `https`.
pub fn scheme(text: &str) -> Result<&'static str, String> {
    match text {
        "http" => Ok("http"),
        "https" => Ok("https"),
        other => Err(format!("`{other}` is neither http nor https")),
    }
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Name(name) => f.write_str(name),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::config::{Config, Port};

    #[test]
    fn pods_are_chosen_by_selector_and_port() {
        let config = Config::parse(
            "scrape:\n  annotations: false\n  pods:\n  - {selector: app=web, namespaces: [shop], port: metrics, path: \
             /m, scheme: https}\n  - {selector: app, port: 9000}\n",
        )
        .unwrap();
        let pods = &config.scrape.pods;
        assert!(!pods.annotations);
        assert_eq!((&pods.rules[0].port, pods.rules[0].scheme), (&Port::Name("metrics".to_owned()), "https"));
        assert_eq!((&pods.rules[1].port, &*pods.rules[1].path), (&Port::Number(9000), "/metrics"));
    }

    #[test]
    fn every_mistake_is_named() {
        let table = [
            ("{port: 1}", "line 3, column 5: scrape.pods[0]: `selector` is missing"),
            ("{selector: a}", "line 3, column 5: scrape.pods[0]: `port` is missing"),
            (
                "{selector: a, port: 70000}",
                "line 3, column 25: scrape.pods[0].port: `70000` is neither a port from 1 to 65535 nor the name of one",
            ),
            (
                "{selector: a, port: 1, path: m}",
                "line 3, column 34: scrape.pods[0].path: `m` is no path of a URL, as /metrics",
            ),
            (
                "{selector: a, port: 1, scheme: ftp}",
                "line 3, column 36: scrape.pods[0].scheme: `ftp` is neither http nor https",
            ),
        ];
        for (rule, message) in table {
            assert_eq!(Config::parse(&format!("scrape:\n  pods:\n  - {rule}\n")).unwrap_err(), message);
        }
    }
}
