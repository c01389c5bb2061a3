use std::collections::HashMap;
use std::sync::Arc;

use super::naming::Pattern;
use super::template::{Template, Values};
use crate::model::{GroupResource, Kinds};

/// Which labels of a series name objects, and of what resource: `resources` of a rule.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ResourceLabels {
    template: Option<LabelTemplate>,
    overrides: Vec<LabelOverride>,
}

/// One of `resources.overrides`: the label, and the resource that it names objects of.
#[derive(Clone, Debug, PartialEq)]
pub struct LabelOverride {
    /// The label's name.
    pub label: Arc<str>,
    /// The API group, which may be empty.
    pub group: String,
    /// The resource, in singular or plural.
    pub resource: String,
}

#[derive(Clone, Debug, PartialEq)]
struct LabelTemplate {
    template: Template,
    /// What names of labels it makes; its groups are `group` and `resource`.
    pattern: Pattern,
}

impl ResourceLabels {
    /// What `resources.template` and `resources.overrides` say; overrides win.
    pub fn new(template: Option<Template>, overrides: Vec<LabelOverride>) -> Result<Self, String> {
        let template = template.map(LabelTemplate::new).transpose()?;
        Ok(Self { template, overrides })
    }

    /// The labels that a series of an example has: of namespaces and pods by the template, and those of the overrides.
    #[must_use]
    pub fn example(&self, kinds: &Kinds) -> Arc<[Arc<str>]> {
        let resolved = self.resolve(kinds);
        let named = ["namespaces", "pods"].into_iter().filter_map(|plural| resolved.label(kinds.named(plural)?));
        let overridden = self.overrides.iter().map(|own| Arc::clone(&own.label));
        let mut labels: Vec<Arc<str>> = named.chain(overridden).collect();
        labels.sort_unstable();
        labels.dedup();
        labels.into()
    }

    /// What they mean where there are these resources.
    pub(super) fn resolve<'a>(&'a self, kinds: &'a Kinds) -> ResolvedLabels<'a> {
        let (mut overrides, mut problems) = (Vec::new(), Vec::new());
        for LabelOverride { label, group, resource } in &self.overrides {
            match kinds.find(group, resource) {
                Some(found) => overrides.push((Arc::clone(label), Some(found))),
                None => {
                    problems.push(unknown(label, group, resource, kinds));
                    overrides.push((Arc::clone(label), None));
                }
            }
        }
        let template = self.template.as_ref();
        let known = template.map_or_else(HashMap::new, |template| template.with_groups(kinds));
        ResolvedLabels { template, overrides, problems, kinds, known }
    }
}

fn unknown(label: &str, group: &str, resource: &str, kinds: &Kinds) -> String {
    let of_group = if group.is_empty() { String::new() } else { format!(" in the group `{group}`") };
    let hint = match (kinds.find("", resource), kinds.nearest(resource)) {
        (Some(found), _) => format!("did you mean `{{group: \"{}\", resource: {}}}`?", found.group, found.plural),
        (None, Some(nearest)) => format!("did you mean `{nearest}`?"),
        (None, None) => "the cluster has none of that name, or its definition is not there yet".to_owned(),
    };
    format!("resources.overrides.{label}: there is no resource `{resource}`{of_group}; {hint}")
}

impl LabelTemplate {
    fn new(template: Template) -> Result<Self, String> {
        let groups = Values::Label { group: "(?P<group>.+?)", resource: "(?P<resource>.+?)" };
        let inside = template.fill(groups).map_err(|problem| problem.to_string())?;
        let pattern = Pattern::parse(&format!("^{inside}$"))?;
        if !pattern.regex().capture_names().any(|name| name == Some("resource")) {
            return Err(format!(
                "`{}` does not name the resource; write `<<.Resource>>` where its name stands",
                template.text()
            ));
        }
        Ok(Self { template, pattern })
    }

    /// The resource that a label of that name names objects of.
    fn resource(&self, label: &str, kinds: &Kinds) -> Option<GroupResource> {
        let captures = self.pattern.regex().captures(label)?;
        let part = |name: &str| captures.name(name).map_or("", |part| part.as_str());
        kinds.find(part("group"), part("resource"))
    }

    /// The labels of all resources, if they name the group: where a group's name has several parts, nobody can tell from the
    /// label alone where it ends.
    fn with_groups(&self, kinds: &Kinds) -> HashMap<Arc<str>, Option<GroupResource>> {
        if !self.pattern.regex().capture_names().any(|name| name == Some("group")) {
            return HashMap::new();
        }
        let mut all = HashMap::new();
        for own in kinds.iter().filter(|own| !own.group.is_empty()) {
            if let Some(label) = self.label(own) {
                all.entry(label).or_insert(Some(own));
            }
        }
        all
    }

    /// The label that names objects of a resource; a group has no `.` and no `-` in labels.
    fn label(&self, resource: GroupResource) -> Option<Arc<str>> {
        let group = resource.group.replace(['.', '-'], "_");
        let label = self.template.fill(Values::Label { group: &group, resource: resource.singular }).ok()?;
        (!label.is_empty()).then(|| label.into())
    }
}

/// [`ResourceLabels`] where it is known which resources there are.
#[derive(Debug)]
pub(super) struct ResolvedLabels<'a> {
    template: Option<&'a LabelTemplate>,
    /// In the order of the file; those of unknown resources name nothing.
    overrides: Vec<(Arc<str>, Option<GroupResource>)>,
    problems: Vec<String>,
    kinds: &'a Kinds,
    known: HashMap<Arc<str>, Option<GroupResource>>,
}

impl ResolvedLabels<'_> {
    /// Overrides that name no resource that there is.
    pub(super) fn problems(&self) -> &[String] {
        &self.problems
    }

    /// The resource that a label names objects of.
    pub(super) fn resource(&mut self, label: &Arc<str>) -> Option<GroupResource> {
        if let Some((_, resource)) = self.overrides.iter().find(|(own, _)| own == label) {
            return *resource;
        }
        if let Some(known) = self.known.get(label) {
            return *known;
        }
        let found = self.template.and_then(|template| template.resource(label, self.kinds));
        self.known.insert(Arc::clone(label), found);
        found
    }

    /// The label that names objects of a resource, whatever the series: an override's, or that of the template.
    pub(super) fn label(&self, resource: GroupResource) -> Option<Arc<str>> {
        let own = self.overrides.iter().rev().find(|(_, own)| *own == Some(resource));
        own.map(|(label, _)| Arc::clone(label)).or_else(|| self.template?.label(resource))
    }

    /// The resources that labels of a series name, each with its label. Where several labels name the same, it is the
    /// last override, or else the label that the template makes.
    pub(super) fn of_series(&mut self, labels: &[Arc<str>]) -> Vec<(GroupResource, Arc<str>)> {
        let mut found: Vec<(GroupResource, Arc<str>)> = Vec::new();
        for label in labels {
            let Some(resource) = self.resource(label) else { continue };
            match found.iter_mut().find(|(own, _)| *own == resource) {
                None => found.push((resource, Arc::clone(label))),
                Some((_, chosen)) if self.place(label, resource) < self.place(chosen, resource) => {
                    *chosen = Arc::clone(label);
                }
                Some(_) => {}
            }
        }
        found
    }

    fn place(&self, label: &Arc<str>, resource: GroupResource) -> usize {
        let is_singular = || self.template.and_then(|own| own.label(resource)).is_some_and(|own| own == *label);
        let of_override = self.overrides.iter().rev().position(|(own, _)| own == label);
        of_override.unwrap_or_else(|| self.overrides.len() + usize::from(!is_singular()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::template::Schema;

    fn labels(template: &str, overrides: &[(&str, &str, &str)]) -> ResourceLabels {
        let template = (!template.is_empty()).then(|| Template::parse(template, Schema::Label).unwrap());
        let each = |(label, group, resource): &(&str, &str, &str)| LabelOverride {
            label: (*label).into(),
            group: (*group).to_owned(),
            resource: (*resource).to_owned(),
        };
        ResourceLabels::new(template, overrides.iter().map(each).collect()).unwrap()
    }

    #[test]
    fn a_template_says_which_label_names_which_resource_and_back() {
        let table = [
            ("<<.Resource>>", "pod", "pods", "pod"),
            ("<<.Resource>>", "pods", "pods", "pod"),
            ("<<.Resource>>", "deployment", "deployments.apps", "deployment"),
            ("kube_<<.Resource>>", "kube_pod", "pods", "kube_pod"),
            ("kube_<<.Group>>_<<.Resource>>", "kube_apps_deployment", "deployments.apps", "kube_apps_deployment"),
            ("kube_<<.Group>>_<<.Resource>>", "kube_apps_deployments", "deployments.apps", "kube_apps_deployment"),
            (
                "kube_<<.Group>>_<<.Resource>>",
                "kube_networking_k8s_io_ingress",
                "ingresses.networking.k8s.io",
                "kube_networking_k8s_io_ingress",
            ),
            (
                "<<.Resource>>_of_<<.Group>>",
                "ingress_of_networking",
                "ingresses.networking.k8s.io",
                "ingress_of_networking_k8s_io",
            ),
        ];
        let kinds = Kinds::default();
        for (template, label, resource, back) in table {
            let labels = labels(template, &[]);
            let mut resolved = labels.resolve(&kinds);
            let found = resolved.resource(&label.into()).unwrap_or_else(|| panic!("{template}: {label}"));
            assert_eq!(found.to_string(), resource);
            assert_eq!(resolved.label(found).as_deref(), Some(back));
        }
        let plain = labels("kube_<<.Resource>>", &[]);
        for label in ["pod", "kube_", "kube_endpoint", "xkube_pod", "kube_pod_x"] {
            assert_eq!(plain.resolve(&kinds).resource(&label.into()), None, "{label}");
        }
    }

    #[test]
    fn overrides_win_and_the_last_of_several_labels_counts() {
        let kinds = Kinds::default();
        let labels =
            labels("<<.Resource>>", &[("k_pod", "", "pod"), ("node", "", "pods"), ("service", "apps", "deployment")]);
        let mut resolved = labels.resolve(&kinds);
        let found = |resolved: &mut ResolvedLabels<'_>, labels: &[&str]| {
            let labels: Vec<Arc<str>> = labels.iter().map(|label| (*label).into()).collect();
            let found = resolved.of_series(&labels);
            found.iter().map(|(resource, label)| format!("{resource}={label}")).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(found(&mut resolved, &["node", "k_pod", "pod", "le"]), "pods=node");
        assert_eq!(found(&mut resolved, &["k_pod", "pod"]), "pods=k_pod");
        assert_eq!(found(&mut resolved, &["pods", "pod", "service"]), "pods=pod deployments.apps=service");
        let pods = kinds.named("pods").unwrap();
        assert_eq!(resolved.label(pods).as_deref(), Some("node"));
    }

    #[test]
    fn an_override_of_a_resource_that_is_not_there_is_a_problem_of_that_label_alone() {
        let kinds = Kinds::default();
        let table = [
            (
                ("brand", "cheese.io", "brand"),
                "resources.overrides.brand: there is no resource `brand` in the group `cheese.io`; the cluster has none of that name, or its definition is not there yet",
            ),
            (
                ("ns", "", "namespce"),
                "resources.overrides.ns: there is no resource `namespce`; did you mean `namespace`?",
            ),
            (
                ("ingress", "extensions", "ingress"),
                "resources.overrides.ingress: there is no resource `ingress` in the group `extensions`; did you mean `{group: \"networking.k8s.io\", resource: ingresses}`?",
            ),
        ];
        for (own, problem) in table {
            let labels = labels("<<.Resource>>", &[own]);
            let mut resolved = labels.resolve(&kinds);
            assert_eq!(resolved.problems(), [problem]);
            assert_eq!(resolved.resource(&own.0.into()), None);
            assert!(resolved.resource(&"pod".into()).is_some());
        }
    }

    #[test]
    fn a_template_must_name_the_resource() {
        let refused = |text: &str| {
            ResourceLabels::new(Some(Template::parse(text, Schema::Label).unwrap()), Vec::new()).unwrap_err()
        };
        assert_eq!(
            refused("kube_<<.Group>>"),
            "`kube_<<.Group>>` does not name the resource; write `<<.Resource>>` where its name stands"
        );
        assert!(refused("(<<.Resource>>").contains("unclosed group"));
    }
}
