use super::*;
use crate::rules::template::Schema;

fn is_separable(query: &str, labels: &ObjectLabels) -> bool {
    let template = Template::parse(query, Schema::Query).unwrap_or_else(|problem| panic!("{query}: {problem}"));
    Separable::default().is(&template, labels)
}

fn pods() -> ObjectLabels {
    ObjectLabels { name: "pod".into(), namespace: Some("namespace".into()), part: None }
}

/// `S` and `M` stand for the series and the matchers, `G` for the groups.
fn written_out(query: &str) -> String {
    let words = query.split_inclusive(|c: char| !c.is_alphanumeric() && c != '_');
    let word = |word: &str| {
        let bare = word.trim_end_matches(|c: char| !c.is_alphanumeric() && c != '_');
        let meant = match bare {
            "S" => "<<.Series>>{<<.LabelMatchers>>}",
            "M" => "<<.LabelMatchers>>",
            "G" => "<<.GroupBy>>",
            other => other,
        };
        format!("{meant}{}", &word[bare.len()..])
    };
    words.map(word).collect()
}

#[test]
fn one_query_for_all_objects_is_asked_where_no_objects_value_changes_by_that() {
    let queries = [
        "S",
        "-(S)",
        "sum(S) by (G)",
        "sum by (G) (rate(S[2m]))",
        "sum(rate(S[2m] offset 1h)) by (G, le)",
        "sum by (G) (a{M,container!=\"\"})",
        "sum by (G) ({__name__=\"a\",M})",
        "sum without (le, instance) (rate(S[1m]))",
        "avg by (G) (avg by (G, instance) (S))",
        "histogram_quantile(0.9, sum(rate(S[1m])) by (le, G))",
        "histogram_quantile(0.9, rate(S[1m]))",
        "max_over_time(sum by (G) (rate(S[1m]))[10m:30s])",
        "quantile_over_time(0.5, S[5m])",
        "predict_linear(S[1h], 4 * 3600)",
        "clamp_min(round(sum by (G) (S), 0.1), 1)",
        "topk by (G) (1, S)",
        "quantile by (G) (0.5, S)",
        "count by (G) (S > 5)",
        "count_values by (G) (\"version\", S)",
        "1000 * sum by (G) (S) / 2",
        "time() - max by (G) (S)",
        "sum by (G) (S) > bool 1",
        "sum by (G) (rate(a{M}[5m])) / sum by (G) (rate(b{M}[5m]))",
        "sum by (G) (a{M}) / on(pod, namespace) sum by (G) (b{M})",
        "sum by (G) (a{M}) / ignoring(le) sum by (G) (b{M})",
        "sum by (G, le) (a{M}) / on(pod, namespace) group_left sum by (G) (b{M})",
        "sum by (G) (a{M}) or sum by (G) (b{M})",
        "sum by (G) (a{M}) or vector(0)",
        "sum by (G) (a{M}) unless on(G) b{M}",
        "sum by (pod, namespace) (a{M}) unless on(pod, namespace) b{M}",
        "sum by (G) (a{M}) / on(G) sum by (G) (b{M})",
        "a{M} and on(namespace, pod) b{M} == 1",
        "a{M} / b{M}",
        "a{M} / (b{M} + c{M})",
        "sum by (G) (label_replace(sum by (G, x) (S), \"y\", \"$1\", \"x\", \"(.*)\"))",
        "sort_desc(sum by (G) (S))",
        "sum(S) by (pod, namespace)",
        "sum(S) by (namespace, pod, container)",
        "sum(<<.Series>>{x=\"<<.LabelValuesByName.x>>\",<<.LabelMatchers>>}) by (<<.GroupBy>>)",
        "sum(<<.Series>>{<<.LabelMatchers>>}) by (<<index .GroupBySlice 0>>, namespace)",
    ];
    for query in queries.map(written_out) {
        assert!(is_separable(&query, &pods()), "{query}");
    }
}

#[test]
fn objects_are_named_where_it_is_not_certain_that_their_values_stay() {
    let queries = [
        ("sum(S)", "all of them together"),
        ("sum(S) by (pod)", "pods of a name in two namespaces"),
        ("sum(S) by (namespace)", "no pods"),
        ("sum by (pod) (S) / sum by (pod) (S)", "the same"),
        ("sum without (pod) (S)", "no pods"),
        ("sum without (namespace, le) (S)", "no namespaces"),
        ("topk(3, S)", "the largest of all"),
        ("topk by (namespace) (3, S)", "the largest of a namespace"),
        ("limitk by (G) (1, S)", "nobody knows which"),
        ("count(S)", "all of them together"),
        ("count_values(\"pod\", S)", "a key is overwritten"),
        ("count_values by (G) (\"pod\", S)", "a key is overwritten"),
        ("sum by (G) (S) / scalar(sum(S))", "a share of all"),
        ("sum by (G) (S) / on(namespace) group_left sum by (namespace) (S)", "a share of a namespace"),
        ("sum by (G) (S) / ignoring(pod) group_left sum by (namespace) (S)", "a share of a namespace"),
        ("sum by (G) (S) / on(pod) sum by (G) (S)", "pods of a name in two namespaces"),
        (
            "sum by (G) (a{M}) unless on(pod, namespace) b{M}",
            "about one pod, the left side has no namespace, and all is left",
        ),
        ("sum by (G) (a{M}) / on(pod, namespace) sum by (pod, namespace) (b{M})", "about one pod, there is nothing"),
        ("sum by (pod, namespace) (a{M}) / sum by (G) (b{M})", "about one pod, there is nothing"),
        (
            "label_replace(sum by (G) (S), \"y\", \"$1\", \"namespace\", \"(.*)\")",
            "about one pod, there is no namespace that the label could have",
        ),
        ("sum by (G) (S) and on() a", "whatever is anywhere"),
        ("sum by (G) (S) or a", "whatever is anywhere"),
        ("sum by (G) (a{M}) / sum by (G) (b)", "a side that is never of one object"),
        ("sum by (G) (a)", "never of one object"),
        ("sum by (G) (a{pod!=\"\",namespace!=\"\"})", "never of one object"),
        ("sum by (G) ({M})", "names are not known: two of them may clash"),
        ("sum by (G) ({__name__=~\"a|b\",M})", "names are not known"),
        ("sum by (G) (a{M or x=\"1\"})", "not of one object alone"),
        ("a{M} / on(pod, namespace) b{M}", "one that is there twice fails all"),
        ("a{M} * on(pod, namespace) group_left(node) b{M}", "one that is there twice fails all"),
        (
            "sum by (G) (a{M}) * on(pod, namespace) group_left(node) max by (G, node) (b{M})",
            "a pod on two nodes fails all",
        ),
        ("sum by (G) (a{M}) * on(pod, namespace) group_left(pod) sum by (G) (b{M})", "refused"),
        ("absent(S)", "there is one where there is none"),
        ("absent_over_time(S[5m])", "there is one where there is none"),
        ("scalar(S)", "one of all"),
        ("vector(scalar(S))", "one of all"),
        ("vector(1)", "of no object"),
        ("sum by (G) (vector(1))", "of no object"),
        ("vector(0) or S", "this side is not asked about"),
        ("1", "of no object"),
        ("time()", "of no object"),
        ("hour()", "of no object"),
        ("label_replace(S, \"pod\", \"$1\", \"x\", \"(.*)\")", "a key is overwritten"),
        ("label_replace(S, \"y\", \"$1\", \"x\", \"(.*)\")", "may make two the same"),
        ("label_join(sum by (G) (S), \"namespace\", \"-\", \"pod\")", "a key is overwritten"),
        ("sum by (G) (S) + scalar(a)", "not of one object"),
        ("quantile by (G) (scalar(S), S)", "one of all"),
        ("clamp_max(S, scalar(a))", "not of one object"),
        ("info(S)", "brings what it likes"),
        ("sum by (G) (range_median(S[5m]))", "no PromQL"),
        ("sum(S) by (G) keep_metric_names", "no PromQL"),
        ("sum(rate(S[5m]) by (G)", "no PromQL"),
        ("sum(<<.Series>>{pod=~\"<<.LabelValuesByName.pod>>\"}) by (<<.GroupBy>>)", "names it itself"),
        (
            "sum(<<.Series>>{<<.LabelMatchers>>,x=\"<<index .LabelValuesByName \"namespace\">>\"}) by (<<.GroupBy>>)",
            "names it itself",
        ),
        (
            "sum(<<.Series>>{<<range $k, $v := .LabelValuesByName>><<$k>>=\"<<$v>>\",<<end>>}) by (<<.GroupBy>>)",
            "names it itself",
        ),
        ("sum(<<.Series>>{<<.LabelMatchers>>}) by (<<index .GroupBySlice 0>>)", "pods of a name in two namespaces"),
        (
            "sum(<<.Series>>{<<.LabelMatchers>>}) by (<<index .GroupBySlice 0>>, <<index .GroupBySlice 1>>)",
            "fails for one",
        ),
        ("<<if .Series>>sum(<<.Series>>{<<.LabelMatchers>>}) by (<<.GroupBy>>)<<end>>", "decides"),
        ("sum by (<<.GroupBy>>) (a{x=\"<<.LabelMatchers>>\"})", "no PromQL"),
        ("sum by (<<.GroupBy>>) (a{x='<<.LabelMatchers>>'})", "a text"),
    ];
    for (query, why) in queries {
        assert!(!is_separable(&written_out(query), &pods()), "{query}: {why}");
    }
}

#[test]
fn the_keys_are_those_of_the_objects() {
    let of = |name: &str| ObjectLabels { name: name.into(), namespace: None, part: None };
    let query = "sum(<<.Series>>{<<.LabelMatchers>>}) by (<<.GroupBy>>)";
    assert!(is_separable(query, &of("namespace")) && is_separable(query, &of("node")));
    assert!(!is_separable(query, &of("app.kubernetes.io/name")), "it is written in quotes, which not everybody reads");
    let quantile = "histogram_quantile(0.5, sum(<<.Series>>{<<.LabelMatchers>>}) by (<<.GroupBy>>))";
    assert!(is_separable(quantile, &of("node")) && !is_separable(quantile, &of("le")));
    let containers = ObjectLabels { part: Some("container".into()), ..pods() };
    assert!(is_separable(query, &containers));
}

#[test]
fn a_query_that_nobody_could_read_through_is_not_read() {
    let deep = format!("{}<<.Series>>{{<<.LabelMatchers>>}}{}", "(".repeat(5_000), ")".repeat(5_000));
    assert!(!is_separable(&deep, &pods()));
    assert!(!is_separable(&format!("<<.Series>>{{<<.LabelMatchers>>}}{}", "+1".repeat(5_000)), &pods()));
    assert!(!is_separable(&format!("{}<<.Series>>{{<<.LabelMatchers>>}}", "-".repeat(5_000)), &pods()));
    assert!(!is_separable(&format!("<<.Series>>{{<<.LabelMatchers>>}}{}", " or a".repeat(5_000)), &pods()));
}

#[test]
fn what_is_repeated_for_each_label_to_group_by_is_not_asked_for_all_at_once() {
    for query in [
        "sum by (<<.GroupBy>>) (<<range $i, $l := .GroupBySlice>>a{<<$.LabelMatchers>>} + <<end>>a{<<.LabelMatchers>>})",
        "sum(a{<<.LabelMatchers>>}) by (<<.GroupBy>>) + 0 <<range $i, $l := .GroupBySlice>>+ <<$i>> + 1<<end>>",
    ] {
        assert!(!is_separable(query, &pods()), "{query}");
    }
}
