use super::*;
use crate::model::{Kinds, Resource, Selector};
use template::Schema;

const SUM: &str = "sum(rate(<<.Series>>{<<.LabelMatchers>>}[2m])) by (<<.GroupBy>>)";

fn rule(template: &str, query: &str) -> SeriesRule {
    SeriesRule {
        line: 7,
        series_query: "a".to_owned(),
        filters: Vec::new(),
        resources: ResourceLabels::new(Some(Template::parse(template, Schema::Label).unwrap()), Vec::new()).unwrap(),
        naming: Naming::new(None, None).unwrap(),
        metrics_query: Template::parse(query, Schema::Query).unwrap(),
        namespaced: true,
        allow_negative: true,
    }
}

fn series(name: &str, labels: &[&str]) -> ListedSeries {
    ListedSeries { name: name.into(), labels: labels.iter().map(|label| (*label).into()).collect(), count: 1 }
}

fn offers(rules: &[SeriesRule], listed: &[&[ListedSeries]]) -> Offers {
    Offers::of(rules, listed, &[], &[], &Kinds::default())
}

fn resource(name: &str) -> GroupResource {
    Kinds::default().named(name).unwrap()
}

fn names(offers: &Offers) -> Vec<String> {
    let name = |offer: &Arc<Offer>| format!("{}/{} {}", offer.resource, offer.metric, offer.namespaced);
    offers.all_custom().map(name).collect()
}

#[test]
fn each_label_of_a_resource_makes_a_metric_of_it() {
    let listed = [
        series("a", &["job", "namespace", "node", "pod"]),
        series("b", &["pod"]),
        series("c", &["job_name"]),
        series("d", &["namespace", "persistentvolume"]),
    ];
    let offers = offers(&[rule("<<.Resource>>", SUM)], &[&listed]);
    assert_eq!(
        names(&offers),
        [
            "jobs.batch/a true",
            "namespaces/a false",
            "namespaces/d false",
            "nodes/a false",
            "persistentvolumes/d false",
            "pods/b false",
            "pods/a true",
        ]
    );
    assert!(offers.custom("a", resource("pods"), true).is_some());
    assert!(offers.custom("a", resource("pods"), false).is_none(), "series of that name have namespaces");
    assert_eq!(offers.outcomes()[0].refused, [("c".into(), Refusal::NoResource)]);
}

#[test]
fn the_last_rule_that_makes_a_metric_counts_and_the_other_is_told() {
    let mut named = rule("<<.Resource>>", SUM);
    named.naming = Naming::new(None, Some("a".to_owned())).unwrap();
    let first = [series("a", &["namespace", "pod"])];
    let second = [series("y", &["pod", "namespace"]), series("x", &["pod", "namespace"])];
    let offers = offers(&[rule("<<.Resource>>", SUM), named], &[&first, &second]);
    let offer = offers.custom("a", resource("pods"), true).unwrap();
    assert_eq!((offer.rule, &*offer.series), (1, "y"), "of one rule's series the last by name");
    let overridden = |rule: usize| -> Vec<String> {
        let all = &offers.outcomes()[rule].overridden;
        all.iter()
            .map(|own| format!("{} of {} by {} {}", own.series, own.resource.unwrap(), own.by, own.by_series))
            .collect()
    };
    assert_eq!(overridden(0), ["a of pods by 1 x", "a of namespaces by 1 x"]);
    assert_eq!(overridden(1), ["x of pods by 1 y", "x of namespaces by 1 y"]);
    assert_eq!(offers.outcomes()[0].metrics, ["a".into()]);
}

#[test]
fn filters_and_matches_keep_series_out() {
    let mut filtered = rule("<<.Resource>>", SUM);
    filtered.filters = vec![SeriesFilter { pattern: Pattern::parse("_bucket$").unwrap(), is: false }];
    filtered.naming = Naming::new(Some(Pattern::parse("^(.*)_total$").unwrap()), None).unwrap();
    let listed = ["a_total", "a_bucket", "a_sum", "_total"].map(|name| series(name, &["pod"]));
    let offers = offers(&[filtered], &[&listed]);
    assert_eq!(names(&offers), ["pods/a false"]);
    let refused: Vec<String> =
        offers.outcomes()[0].refused.iter().map(|(name, why)| format!("{name}: {why}")).collect();
    assert_eq!(
        refused,
        [
            "_total: name.as makes an empty name of it",
            "a_bucket: seriesFilters keep it out",
            "a_sum: name.matches does not match its name",
        ]
    );
}

#[test]
fn what_is_asked_for_some_objects_is_what_prometheus_adapter_asks() {
    let listed = [series("a_total", &["namespace", "node", "pod"])];
    let asked = |query: &str, of: &str, namespace: Option<&str>, names: &[&str], selector: &str| {
        let offers = offers(&[rule("<<.Resource>>", query)], &[&listed]);
        let of = resource(of);
        let offer = offers.custom("a_total", of, of.is_pods()).unwrap();
        let query = offer.of_some(namespace, names, &Selector::parse(selector).unwrap())?;
        assert_eq!((&*query.name_label, query.namespace_label.as_deref()), (of.singular, None));
        Ok::<_, QueryProblem>(query.question.query.to_string())
    };
    let matchers = |of: &str, namespace: Option<&str>, names: &[&str], selector: &str| {
        asked("<<.LabelMatchers>> by <<.GroupBy>>", of, namespace, names, selector)
    };
    let shop = Some("shop");
    let table = [
        ("pods", shop, &["web-0"][..], "", "namespace=\"shop\",pod=\"web-0\" by pod"),
        ("pods", shop, &["web-0", "web-1"], "", "namespace=\"shop\",pod=~\"web-0|web-1\" by pod"),
        ("pods", shop, &["a.b", "c"], "", "namespace=\"shop\",pod=~\"a\\\\.b|c\" by pod"),
        ("pods", shop, &["a.b"], "", "namespace=\"shop\",pod=\"a.b\" by pod"),
        ("pods", shop, &["a\"b"], "", "namespace=\"shop\",pod=\"a\\\"b\" by pod"),
        ("namespaces", None, &["shop"], "", "namespace=\"shop\" by namespace"),
        ("nodes", None, &["n1", "n2"], "", "node=~\"n1|n2\" by node"),
        ("nodes", None, &["n"], "b=1,a==2", "a=\"2\",b=\"1\",node=\"n\" by node"),
        (
            "nodes",
            None,
            &["n"],
            "a!=1,b in (y,x),c notin (z),d,!e",
            "a!=\"1\",b=~\"x|y\",c!~\"z\",d!=\"\",e=\"\",node=\"n\" by node",
        ),
        ("nodes", None, &["n"], "a in (1.5)", "a=~\"1\\\\.5\",node=\"n\" by node"),
        ("nodes", None, &["n"], "app.kubernetes.io/name=x", "\"app.kubernetes.io/name\"=\"x\",node=\"n\" by node"),
    ];
    for (of, namespace, names, selector, expected) in table {
        assert_eq!(matchers(of, namespace, names, selector).unwrap(), expected, "{selector}");
    }
    assert_eq!(
        matchers("nodes", None, &["n"], "size>3").unwrap_err().to_string(),
        "`size>3`: Prometheus cannot compare labels by size; write `in`, `notin`, `=` or `!=`"
    );
    assert!(matchers("nodes", None, &[], "").is_err());
    let values = "<<.Series>> <<.LabelValuesByName>> <<.GroupBySlice>>";
    assert_eq!(
        asked(values, "pods", shop, &["b", "a"], "x in (2,1),y").unwrap(),
        "a_total map[namespace:shop pod:b|a x:1|2 y:] [pod]"
    );
    assert_eq!(
        asked(" <<print \"\">> ", "nodes", None, &["n"], "").unwrap_err().to_string(),
        "the template ` <<print \"\">> ` makes an empty query"
    );
}

#[test]
fn what_is_asked_for_all_objects_tells_them_apart_by_their_namespaces() {
    let listed = [series("a_total", &["namespace", "node", "pod"])];
    let offers = offers(&[rule("<<.Resource>>", SUM)], &[&listed]);
    let selector = Selector::parse("method in (GET,PUT)").unwrap();
    let asked = |of: &str, namespaced: bool| {
        let query = offers.custom("a_total", resource(of), namespaced).unwrap().of_all(&selector).unwrap().unwrap();
        (
            query.question.query.to_string(),
            query.name_label.to_string(),
            query.namespace_label.map(|own| own.to_string()),
        )
    };
    let query = |matchers: &str, groups: &str| {
        format!("sum(rate(a_total{{method=~\"GET|PUT\",{matchers}}}[2m])) by ({groups})")
    };
    assert_eq!(
        asked("pods", true),
        (query("namespace!=\"\",pod!=\"\"", "pod,namespace"), "pod".to_owned(), Some("namespace".to_owned()))
    );
    assert_eq!(asked("namespaces", false), (query("namespace!=\"\"", "namespace"), "namespace".to_owned(), None));
    assert_eq!(asked("nodes", false), (query("node!=\"\"", "node"), "node".to_owned(), None));
    let largest = "topk(1, <<.Series>>{<<.LabelMatchers>>})";
    let offers = self::offers(&[rule("<<.Resource>>", largest)], &[&listed]);
    assert!(offers.all_custom().all(|offer| offer.of_all(&selector).is_none()), "the largest of all is another");
    let greater = Selector::parse("size>1").unwrap();
    let offers = self::offers(&[rule("<<.Resource>>", SUM)], &[&[series("a.b", &["pod"])]]);
    assert!(offers.all_custom().all(|offer| offer.of_all(&greater).is_none()), "a name that only Prometheus 3 takes");
}

#[test]
fn a_question_knows_its_window() {
    let listed = [series("a_total", &["namespace", "pod"])];
    let offers = offers(&[rule("<<.Resource>>", SUM)], &[&listed]);
    let offer = offers.custom("a_total", Resource::named("pods").unwrap(), true).unwrap();
    let query = offer.of_some(Some("shop"), &["web-0"], &Selector::default()).unwrap();
    assert_eq!(query.question.window, std::time::Duration::from_mins(2));
}

#[test]
fn an_external_metric_is_asked_for_a_namespace_unless_its_rule_says_that_it_is_in_none() {
    let listed = [series("depth", &["kube_namespace", "queue"])];
    let ask = |rule: &SeriesRule| {
        let offers = Offers::of(&[], &[], std::slice::from_ref(rule), &[&listed], &Kinds::default());
        let offer = offers.external("depth").unwrap();
        let asked = offer.ask("shop", &Selector::parse("queue=mail").unwrap());
        asked.map(|question| question.query.to_string()).map_err(|problem| problem.to_string())
    };
    let query = "sum(<<.Series>>{<<.LabelMatchers>>}) by (<<.GroupBy>>)";
    let mut rule = rule("kube_<<.Resource>>", query);
    assert_eq!(ask(&rule).unwrap(), "sum(depth{queue=\"mail\",kube_namespace=\"shop\"}) by ()");
    rule.namespaced = false;
    assert_eq!(ask(&rule).unwrap(), "sum(depth{queue=\"mail\"}) by ()");
    rule.resources = ResourceLabels::default();
    assert_eq!(ask(&rule).unwrap(), "sum(depth{queue=\"mail\"}) by ()");
    rule.namespaced = true;
    assert_eq!(
        ask(&rule).unwrap_err(),
        "the rule in line 7 does not say which label names namespaces: write `resources: {overrides: {LABEL: {resource: \
         namespace}}}`, or `resources: {namespaced: false}` if every namespace may see all of it"
    );
}
