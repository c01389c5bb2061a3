use super::*;

fn values() -> QueryValues {
    QueryValues {
        series: "http_requests_total".to_owned(),
        label_matchers: "namespace=\"shop\",pod=~\"a|b\"".to_owned(),
        label_values: [("namespace", "shop"), ("pod", "a|b")].map(|(k, v)| (k.to_owned(), v.to_owned())).into(),
        group_by: "pod,container".to_owned(),
        group_by_slice: vec!["pod".to_owned(), "container".to_owned()],
    }
}

fn filled(text: &str) -> Result<String, String> {
    let template = Template::parse(text, Schema::Query).map_err(|problem| problem.to_string())?;
    template.fill(Values::Query(&values())).map_err(|problem| problem.to_string())
}

#[test]
fn templates_are_filled_in_as_go_fills_them_in() {
    let table = [
        (
            "sum(rate(<<.Series>>{<<.LabelMatchers>>}[2m])) by (<<.GroupBy>>)",
            "sum(rate(http_requests_total{namespace=\"shop\",pod=~\"a|b\"}[2m])) by (pod,container)",
        ),
        ("<< .Series >>", "http_requests_total"),
        ("no action", "no action"),
        ("a < b >> c", "a < b >> c"),
        ("<<index .LabelValuesByName \"pod\">>", "a|b"),
        ("<<index .LabelValuesByName `pod`>>", "a|b"),
        ("<<.LabelValuesByName.pod>>", "a|b"),
        ("<<index .LabelValuesByName \"node\">>!", "!"),
        ("<<.LabelValuesByName.node>>", "<no value>"),
        ("<<index .GroupBySlice 1>>", "container"),
        ("<<.GroupBySlice>> <<.LabelValuesByName>>", "[pod container] map[namespace:shop pod:a|b]"),
        ("<<range .GroupBySlice>>(<<.>>)<<end>>", "(pod)(container)"),
        ("<<range $i, $v := .GroupBySlice>><<if $i>>, <<end>><<$v>><<end>>", "pod, container"),
        (
            "<<range $v := .GroupBySlice>><<$v>>:<<$.Series>> <<end>>",
            "pod:http_requests_total container:http_requests_total ",
        ),
        ("<<range $k, $v := .LabelValuesByName>><<$k>>=<<$v>>;<<end>>", "namespace=shop;pod=a|b;"),
        ("<<range .GroupBySlice>><<if eq . \"container\">><<break>><<end>><<.>><<end>>", "pod"),
        ("<<range .GroupBySlice>><<if eq . \"pod\">><<continue>><<end>><<.>><<end>>", "container"),
        ("<<range slice .GroupBySlice 2>>x<<else>>none<<end>>", "none"),
        ("<<if eq .GroupBy \"node\" \"pod,container\">>yes<<else>>no<<end>>", "yes"),
        ("<<if false>>1<<else if true>>2<<else>>3<<end>>", "2"),
        ("<<if false>>1<<else if false>>2<<else>>3<<end>>", "3"),
        ("<<with .LabelValuesByName.pod>>pod=~\"<<.>>\"<<else>>none<<end>>", "pod=~\"a|b\""),
        ("<<with index .LabelValuesByName \"node\">><<.>><<else>><<.Series>><<end>>", "http_requests_total"),
        ("<<$x := .Series>><<$x>> <<$x = \"b\">><<$x>>", "http_requests_total b"),
        ("<<with $x := .Series>><<$x>><<end>>", "http_requests_total"),
        ("<<.Series | printf \"%s_%d\" \"a\" 3 | len>>", ""),
        ("<<printf \"%s %q %v %d%%\" .Series \"a\\\"b\" true 5>>", "http_requests_total \"a\\\"b\" true 5%"),
        ("<<.Series | printf \"<%s>\">>", "<http_requests_total>"),
        ("<<print .Series 1 2 \"x\">> <<println 1 \"a\">>", "http_requests_total1 2x 1 a\n"),
        ("<<len .Series>> <<len .GroupBySlice>> <<slice .Series 5 13>>", "19 2 requests"),
        ("<<(index .GroupBySlice 0)>> <<($).Series>>", "pod http_requests_total"),
        (
            "<<and .Series \"b\">> <<or \"\" .GroupBy>> <<not \"\">> <<and \"\" (index .GroupBySlice 9)>>",
            "b pod,container true ",
        ),
        (
            "<<lt 1 2>> <<le 2 2>> <<gt \"a\" \"b\">> <<ge 1.5 1.5>> <<ne 1 2>> <<-1>> <<0.5>>",
            "true true false true true -1 0.5",
        ),
        ("a <<- .Series ->> b", "ahttp_requests_totalb"),
        ("a\n <<- /* why */ ->> \n b<</* more */>>c", "abc"),
    ];
    for (text, expected) in table {
        if expected.is_empty() {
            assert!(filled(text).is_err(), "{text}");
            continue;
        }
        assert_eq!(filled(text).as_deref(), Ok(expected), "{text}");
    }
}

#[test]
fn every_mistake_is_named_with_its_place_when_the_template_is_read() {
    let table = [
        ("x{<<.LabelMatcher>>}", "character 5: `.LabelMatcher` is not known; did you mean `.LabelMatchers`?"),
        (
            "<<.Quux>>",
            "character 3: `.Quux` is not known; known here: `.Series`, `.LabelMatchers`, `.LabelValuesByName`, `.GroupBy`, `.GroupBySlice`",
        ),
        ("<<.Series.Name>>", "character 10: `.Name` of a text, which has no fields"),
        ("<<range .GroupBySlice>><<.Series>><<end>>", "character 26: `.Series` of a text, which has no fields"),
        (
            "sum(<<.Series>>)\n  by (<<.Group>>)\n",
            "line 2, character 9: `.Group` is not known; did you mean `.GroupBy`?",
        ),
        ("a <<.Series", "character 3: `<<` without `>>`"),
        ("a <<", "character 3: `<<` without `>>`"),
        ("<<>>", "character 1: nothing between `<<` and `>>`"),
        ("<<.>>", "character 3: this is everything there is; name a field of it, as `.Series`"),
        ("<<if .Series>>x", "character 1: this has no `<<end>>`"),
        ("x<<end>>", "character 2: `end` without `if`, `with` or `range`"),
        ("x<<else>>", "character 2: `else` without `if`, `with` or `range`"),
        ("<<if true>><<else>><<else>><<end>>", "character 20: a second `else`"),
        ("<<lenn .Series>>", "character 3: `lenn` is no function; did you mean `len`?"),
        (
            "<<urlquery .Series>>",
            "character 3: `urlquery` is no function that is known here: and, eq, ge, gt, index, le, len, lt, ne, not, or, print, printf, println, slice",
        ),
        ("<<define \"x\">>", "character 3: `define` is not known here; write out what it would put here"),
        ("<<index>>", "character 3: `index` takes 1 or more arguments, not 0"),
        ("<<len .Series .Series>>", "character 3: `len` takes 1 arguments, not 2"),
        ("<<index .LabelValuesByName 1>>", "character 3: `index` of a map by a number"),
        ("<<range .Series>><<end>>", "character 9: `range` over a text, which is no list"),
        ("<<$x>>", "character 3: there is no variable `$x` here"),
        ("<<if true>><<$x := 1>><<end>><<$x>>", "character 32: there is no variable `$x` here"),
        ("<<.Series .GroupBy>>", "character 11: a value after a value: only a function takes arguments"),
        ("<<.Series | .GroupBy>>", "character 13: only a function can stand behind `|`"),
        ("<<.Series | >>", "character 11: a value is missing here"),
        ("<<print len .Series>>", "character 9: `len` among arguments: put it in parentheses"),
        ("<<print (len .Series>>", "character 14: `)` is missing"),
        ("<<printf \"%5d\" 1>>", "character 10: `printf`: `%5` is not known here; %s, %q, %v, %d and %% are"),
        ("<<index .LabelValuesByName 'a'>>", "character 28: write text in double quotes"),
        ("<<\"abc>>", "character 3: a text that does not end"),
        ("<<print \"\\x\">>", "character 10: `\\x` is no escape that is known here"),
        ("<<print 1a>>", "character 9: `1a` is no number"),
        ("<<print !>>", "character 9: `!` means nothing here"),
        ("<</* x >>", "character 1: a comment that does not end with `*/`"),
        ("<<break>>", "character 3: `break` outside `range`"),
        ("<<print \"a\"\"b\">>", "character 12: a space is missing here"),
    ];
    let said = table.map(|(text, _)| (text, filled(text).unwrap_err()));
    let wrong: Vec<_> = said.iter().zip(table).filter(|((_, said), (_, problem))| said != problem).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    let deep = "<<if true>>".repeat(5_000) + &"<<end>>".repeat(5_000);
    assert!(filled(&deep).unwrap_err().ends_with("nested more than 32 deep"));
    let deep = format!("<<print {}1{}>>", "(".repeat(5_000), ")".repeat(5_000));
    assert!(filled(&deep).unwrap_err().ends_with("nested more than 32 deep"));
}

#[test]
fn what_cannot_be_filled_in_is_a_problem_of_that_question() {
    let problem = filled("by (<<index .GroupBySlice 5>>)").unwrap_err();
    assert_eq!(
        problem,
        "the template `by (<<index .GroupBySlice 5>>)`: character 7: `index`: 5 is out of range: there are 2"
    );
    let doubling = format!("<<$x := \"aaaaaaaa\">>{}<<$x>>", "<<$x = print $x $x>>".repeat(60));
    assert!(filled(&doubling).unwrap_err().ends_with("more than 1048576 characters"));
    let loops = 20;
    let nested = "<<range $.GroupBySlice>>".repeat(loops) + "<<.>>" + &"<<end>>".repeat(loops);
    assert!(filled(&nested).unwrap_err().ends_with("takes more than 100000 steps"));
}

#[test]
fn a_template_knows_what_it_looks_up_and_whether_it_decides() {
    let read = |text: &str| Template::parse(text, Schema::Query).unwrap();
    let named = |labels: &[&str]| LabelValues::Named(labels.iter().map(|label| (*label).to_owned()).collect());
    let table = [
        ("<<.Series>>{<<.LabelMatchers>>}", named(&[]), false),
        ("<<index .LabelValuesByName \"pod\">><<.LabelValuesByName.node>>", named(&["pod", "node"]), false),
        ("<<$.LabelValuesByName.node>>", named(&["node"]), false),
        ("<<$l := \"pod\">><<index .LabelValuesByName $l>>", LabelValues::Any, false),
        ("<<range .LabelValuesByName>><<.>><<end>>", LabelValues::Any, true),
        ("<<print (index .LabelValuesByName \"pod\")>>", named(&["pod"]), false),
        ("<<if .Series>>x<<end>>", named(&[]), true),
        ("<<range .GroupBySlice>>x<<end>>", named(&[]), true),
        ("<<range .GroupBySlice>>x<<else>>y<<end>>", named(&[]), true),
        ("<<slice .Series 3>>", named(&[]), true),
    ];
    for (text, labels, decides) in table {
        let template = read(text);
        assert_eq!((template.label_values(), template.decides()), (&labels, decides), "{text}");
    }
}

#[test]
fn no_template_makes_it_fall_over() {
    let parts: Vec<&str> =
        "<< >> <<- ->> \n . .Series .GroupBySlice .LabelValuesByName range if with else end $x := = | ( ) , \"a\" `b` \
                            1 -2 index printf slice é /* */ break $"
            .split(' ')
            .collect();
    let mut random = fastrand::Rng::with_seed(7);
    let mut good = 0;
    for _ in 0..20_000 {
        let mut text = String::new();
        for _ in 0..random.usize(1..14) {
            text.push_str(parts[random.usize(..parts.len())]);
            if random.bool() {
                text.push(' ');
            }
        }
        good += usize::from(filled(&format!("<<{text}>>")).is_ok()) + usize::from(filled(&text).is_ok());
    }
    assert!(good > 100, "only {good} of them are templates: does this still try anything?");
}
