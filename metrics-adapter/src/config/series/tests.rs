use crate::config::Config;
#[test]
fn scratch() {
    let s = include_str!("../../../tests/fixtures/prometheus-adapter/sample-as-documented.yaml");
    println!("{:?}", Config::parse(s).map(|_| ()));
    let s = s.replace("},\n", "}\n");
    println!("{:?}", Config::parse(&s).map(|_| ()));
    println!("{:?}", Config::parse("a: {b: c} d").map(|_| ()));
    println!("{:?}", Config::parse("a:\n - {b: c},\n - {}\n").map(|_| ()));
    println!("{:?}", Config::parse("a: [1],\nb: c\n").map(|_| ()));
    println!("{:?}", Config::parse("a: \"x\"y\"\nb: c\n").map(|_| ()));
    println!("{:?}", Config::parse("a: \"x\",\nb: c\n").map(|_| ()));
    println!("{:?}", Config::parse("rules: [{seriesQuery: a{b=\"c\"}, metricsQuery: b}]").map(|_| ()));
    println!("{:?}", Config::parse("a: \"(\\d+)\"").map(|_| ()));
    println!("{:?}", Config::parse("a: {{b}}").map(|_| ()));
    println!("{:?}", Config::parse("rules:\n- seriesQuery: {__name__=~\"a.*\"}").map(|_| ()));
}
