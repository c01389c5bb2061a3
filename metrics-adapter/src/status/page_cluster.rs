use super::cluster::{AutoscalerReport, ClusterReport};
use super::page::{Filter, MOST_ROWS, Page, decimal};

impl Page {
    pub(super) fn autoscalers(&mut self, cluster: &ClusterReport, filter: &Filter) {
        self.raw("<h2>Autoscalers <small>HorizontalPodAutoscalers, as their controller last said</small></h2>");
        let shown = cluster.autoscalers.iter().filter(|own| {
            filter.holds(&[&format!("{}/{}", own.namespace, own.name), &own.scales])
                || own.metrics.iter().any(|aim| filter.holds(&[&aim.metric]))
        });
        let shown: Vec<_> = shown.take(MOST_ROWS).collect();
        if shown.is_empty() {
            let none = if cluster.autoscalers.is_empty() {
                "There is no HorizontalPodAutoscaler."
            } else {
                "No autoscaler matches the filter."
            };
            self.raw("<div class=\"card empty\">").raw(none).raw("</div>");
            return;
        }
        self.raw("<table><thead><tr><th scope=\"col\">Autoscaler</th><th scope=\"col\">Metrics</th>");
        self.raw("<th scope=\"col\" class=\"number\">Replicas</th><th scope=\"col\" class=\"number\">From, to</th>");
        self.raw("</tr></thead><tbody>");
        for own in shown {
            self.autoscaler(own);
        }
        self.raw("</tbody></table>");
    }

    fn autoscaler(&mut self, own: &AutoscalerReport) {
        self.raw("<tr><td><strong>").text(&own.name).raw("</strong><br><span class=\"soft\">").text(&own.namespace);
        self.raw("<br>scales ").text(&own.scales).raw("</span></td><td data-name=\"\">");
        for (at, aim) in own.metrics.iter().enumerate() {
            self.raw(if at > 0 { "<br>" } else { "" }).raw("<code>").text(&aim.metric).raw("</code> ");
            let percent = if aim.target_type == "Utilization" { "%" } else { "" };
            let seen =
                aim.current.as_deref().map_or("unknown".to_owned(), |seen| format!("{}{percent}", decimal(seen)));
            self.raw("<strong class=\"number\">").text(&seen).raw("</strong> <span class=\"soft\">of ");
            self.text(&decimal(&aim.target)).raw(percent).raw(" ").text(&aim.target_type);
            if !aim.of.is_empty() {
                self.raw(", ").text(&aim.of);
            }
            self.raw("</span>");
        }
        self.raw("</td><td class=\"number\" data-name=\"replicas\">");
        self.format(format_args!("{}", own.current_replicas));
        if own.desired_replicas != own.current_replicas {
            self.format(format_args!(" → {}", own.desired_replicas));
        }
        self.raw("</td><td class=\"number\" data-name=\"from, to\">");
        self.format(format_args!("{}, {}", own.min_replicas, own.max_replicas)).raw("</td></tr>");
        for condition in own.conditions.iter().filter(|condition| condition.is_trouble()) {
            self.raw("<tr class=\"more\"><td colspan=\"4\" class=\"problem\">").text(&condition.kind).raw(" is ");
            self.text(&condition.status).raw(": ").text(&condition.reason).raw(": ").text(&condition.message);
            self.raw("</td></tr>");
        }
    }

    pub(super) fn cluster(&mut self, cluster: &ClusterReport) {
        self.raw("<h2>API server <small>").text(&cluster.api_server).raw("</small></h2>");
        self.api_services(cluster);
        self.raw("<h2>Watches <small>what the API server is asked to tell</small></h2>");
        self.raw("<table><thead><tr><th scope=\"col\">Watched</th><th scope=\"col\">State</th>");
        self.raw("<th scope=\"col\" class=\"number\">Broke</th></tr></thead><tbody>");
        for watch in &cluster.watches {
            let (state, word) = match (&watch.problem, watch.complete) {
                (Some(_), _) => ("down", "✗ tries to connect"),
                (None, true) => ("up", "✓ connected"),
                (None, false) => ("waiting", "… being read"),
            };
            self.raw("<tr><td>").text(&watch.resource).raw("</td><td><span class=\"state ").raw(state).raw("\">");
            self.raw(word).raw("</span></td><td class=\"number\" data-name=\"broke\">");
            self.format(format_args!("{}", watch.restarts)).raw("</td></tr>");
            if let Some(problem) = &watch.problem {
                self.raw("<tr class=\"more\"><td colspan=\"3\" class=\"problem\">").text(problem).raw("</td></tr>");
            }
        }
        self.raw("</tbody></table>");
        let trust = cluster.trust_loaded.as_deref();
        let trust = trust.map_or("not known yet".to_owned(), |loaded| format!("read at {loaded}"));
        self.raw("<p class=\"soft\">Who says who asks (kube-system/extension-apiserver-authentication): ");
        self.text(&trust).raw("</p>");
        if let Some(own) = &cluster.certificate {
            self.raw("<p class=\"soft\">Certificate, made here: expires at ");
            self.text(own.expires.as_deref().unwrap_or("–")).raw(", its authority at ");
            self.text(own.authority_expires.as_deref().unwrap_or("–")).raw("</p>");
        }
    }

    fn api_services(&mut self, cluster: &ClusterReport) {
        self.raw("<table><thead><tr><th scope=\"col\">APIService</th><th scope=\"col\">Whose</th>");
        self.raw("<th scope=\"col\">The API server says</th></tr></thead><tbody>");
        for own in &cluster.api_services {
            self.raw("<tr><td>").text(own.name).raw("</td><td data-name=\"\">");
            match own.owner {
                "ours" => self.raw("points here"),
                "foreign" => {
                    let who = own.foreign.as_deref().unwrap_or_default();
                    self.raw("<span class=\"odd\">").text(who).raw("; left alone</span>")
                }
                _ => self.raw("<span class=\"odd\">there is none; nobody asks for it here</span>"),
            };
            let (state, word) = match own.available {
                Some(true) => ("up", "✓ available"),
                Some(false) => ("down", "✗ not available"),
                None => ("waiting", "… nothing yet"),
            };
            self.raw("</td><td data-name=\"\"><span class=\"state ").raw(state).raw("\">").raw(word).raw("</span>");
            if let (Some(false), Some(message)) = (own.available, &own.message) {
                self.raw("<br><span class=\"problem\">").text(message).raw("</span>");
            }
            self.raw("</td></tr>");
        }
        self.raw("</tbody></table>");
    }
}
