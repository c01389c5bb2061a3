use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use hyper::header::{HeaderName, HeaderValue};
use hyper::{Method, Uri};

use super::duration;
use crate::config::{Config, PrometheusSettings, prometheus};

/// How Prometheus is asked. The flags are named as prometheus-adapter's; each wins over the configuration file.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Prometheus")]
pub struct PrometheusArgs {
    /// Where Prometheus is: a URL, whose path is the prefix of its API's.
    #[arg(long, env = "PROMETHEUS_URL", value_name = "http://HOST:9090", value_parser = prometheus::url)]
    pub prometheus_url: Option<Uri>,
    /// A bearer token for Prometheus, read anew for each request.
    #[arg(long, env = "PROMETHEUS_TOKEN_FILE", value_name = "FILE")]
    pub prometheus_token_file: Option<PathBuf>,
    /// Who vouches for Prometheus's certificate, PEM, followed; by default the system's authorities.
    #[arg(long, env = "PROMETHEUS_CA_FILE", value_name = "FILE")]
    pub prometheus_ca_file: Option<PathBuf>,
    /// A certificate that Prometheus is shown, PEM, followed.
    #[arg(
        long,
        env = "PROMETHEUS_CLIENT_TLS_CERT_FILE",
        value_name = "FILE",
        requires = "prometheus_client_tls_key_file"
    )]
    pub prometheus_client_tls_cert_file: Option<PathBuf>,
    /// That certificate's key, PEM.
    #[arg(
        long,
        env = "PROMETHEUS_CLIENT_TLS_KEY_FILE",
        value_name = "FILE",
        requires = "prometheus_client_tls_cert_file"
    )]
    pub prometheus_client_tls_key_file: Option<PathBuf>,
    /// A header of every request to Prometheus, as X-Scope-OrgID=tenant; can be given several times. In the environment
    /// there is one a line.
    #[arg(long, env = "PROMETHEUS_HEADER", value_name = "NAME=VALUE", value_parser = header, value_delimiter = '\n')]
    pub prometheus_header: Vec<(HeaderName, HeaderValue)>,
    /// How Prometheus is asked: POST, or GET for what allows nothing else.
    #[arg(long, env = "PROMETHEUS_VERB", value_name = "METHOD", value_parser = prometheus::method)]
    pub prometheus_verb: Option<Method>,
    /// The time from one listing of series to the next.
    #[arg(long, env = "METRICS_RELIST_INTERVAL", value_name = "DURATION", value_parser = duration)]
    pub metrics_relist_interval: Option<Duration>,
    /// Series that have had no sample for so long are not listed.
    #[arg(long, env = "METRICS_MAX_AGE", value_name = "DURATION", value_parser = duration)]
    pub metrics_max_age: Option<Duration>,
}

impl PrometheusArgs {
    /// The configuration as these flags have it. What needs a Prometheus and has none is an error.
    pub fn apply(&self, mut config: Config) -> Result<Config, String> {
        let in_file = config.prometheus.take();
        let waits_for_url = in_file.is_none() && (config.without_url.is_some() || self.is_given());
        let settings = match (&self.prometheus_url, in_file.or(config.without_url.take())) {
            (Some(url), Some(settings)) => Some(PrometheusSettings { url: url.clone(), ..settings }),
            (Some(url), None) => Some(PrometheusSettings::at(url.clone())),
            (None, settings) if !waits_for_url => settings,
            (None, _) => None,
        };
        let Some(settings) = settings else {
            let needs = config.needs_prometheus().or(waits_for_url.then_some("prometheus"));
            return match needs {
                None => Ok(config),
                Some(section) => Err(format!(
                    "{section}: nothing says where Prometheus is: write `prometheus: {{url: http://prometheus.monitoring:9090}}` \
                     into the file, or give --prometheus-url (PROMETHEUS_URL)"
                )),
            };
        };
        config.prometheus = Some(self.over(settings)?);
        Ok(config)
    }

    /// Whether a flag says how Prometheus is asked, apart from where it is.
    fn is_given(&self) -> bool {
        self.prometheus_token_file.is_some()
            || self.prometheus_ca_file.is_some()
            || self.prometheus_client_tls_cert_file.is_some()
            || !self.prometheus_header.is_empty()
            || self.prometheus_verb.is_some()
            || self.metrics_relist_interval.is_some()
            || self.metrics_max_age.is_some()
    }

    fn over(&self, mut settings: PrometheusSettings) -> Result<PrometheusSettings, String> {
        if let Some(method) = &self.prometheus_verb {
            settings.method = method.clone();
        }
        settings.set_relist_interval(self.metrics_relist_interval);
        settings.max_age = self.metrics_max_age.unwrap_or(settings.max_age);
        settings.bearer_token_file = self.prometheus_token_file.clone().or(settings.bearer_token_file);
        settings.ca_file = self.prometheus_ca_file.clone().or(settings.ca_file);
        let certificate = self.prometheus_client_tls_cert_file.clone().zip(self.prometheus_client_tls_key_file.clone());
        settings.client_certificate = certificate.or(settings.client_certificate);
        settings.headers.retain(|(name, _)| !self.prometheus_header.iter().any(|(own, _)| own == name));
        settings.headers.extend(self.prometheus_header.iter().cloned());
        settings.check().map_err(|(field, problem)| format!("prometheus.{field}, with the flags: {problem}"))?;
        Ok(settings)
    }
}

fn header(text: &str) -> Result<(HeaderName, HeaderValue), String> {
    let (name, value) = text.split_once('=').ok_or_else(|| format!("`{text}` has no `=`; write NAME=VALUE"))?;
    prometheus::header(name.trim(), value.trim())
}

#[cfg(test)]
mod tests;
