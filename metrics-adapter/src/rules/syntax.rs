use promql_parser::parser::Expr;

use super::promql::label_name;
use super::template::{QueryValues, Template, Values};

/// Longer queries are not looked into, nor are those with more signs: what reads them calls itself for each level.
const MOST_CHARACTERS: usize = 16 << 10;
const MOST_SIGNS: usize = 600;

/// Reads a query, as Prometheus 3 would; what other stores add to PromQL is refused.
pub(super) fn parse(query: &str) -> Result<Expr, String> {
    let word = |word: &str| matches!(word, "and" | "or" | "unless" | "atan2");
    let signs = query.bytes().filter(|byte| b"([{+-*/%^<>=!".contains(byte)).count()
        + query.split(|c: char| !c.is_alphanumeric()).filter(|part| word(&part.to_ascii_lowercase())).count();
    if query.len() > MOST_CHARACTERS || signs > MOST_SIGNS {
        return Err("it is too long to be looked into".to_owned());
    }
    let one_line = |problem: String| problem.split_whitespace().collect::<Vec<_>>().join(" ");
    promql_parser::parser::parse(query).map_err(one_line)
}

/// Why this is no PromQL that is known here, if it is none. A store that has more than PromQL may take it all the same.
#[must_use]
pub fn complaint(query: &str) -> Option<String> {
    parse(query).err()
}

impl Template {
    /// Why a query that is made by it is no PromQL that is known here, if it is none.
    #[must_use]
    pub fn complaint(&self) -> Option<String> {
        let labels = ["namespace", "pod"];
        let values = QueryValues {
            series: "series".to_owned(),
            label_matchers: labels.map(|label| format!("{}=\"x\"", label_name(label))).join(","),
            label_values: labels.map(|label| (label.to_owned(), "x".to_owned())).into(),
            group_by: labels[1].to_owned(),
            group_by_slice: vec![labels[1].to_owned()],
        };
        match self.fill(Values::Query(&values)) {
            Ok(query) => complaint(&query),
            Err(problem) => Some(problem.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_a_query_is_reading_it_comes_to_an_end() {
        let parts: Vec<&str> =
            "sum by ( ) a { } [ ] 5m : 1 0x 1e \"x\" ' `y` = =~ !~ != , + - ^ @ offset on group_left and bool rate \
                                topk # \n é \\ start() . Inf"
                .split(' ')
                .collect();
        let mut random = fastrand::Rng::with_seed(11);
        let mut good = 0;
        for _ in 0..20_000 {
            let chosen = (0..random.usize(1..9)).map(|_| parts[random.usize(..parts.len())]);
            let query = chosen.collect::<Vec<_>>().join(if random.bool() { " " } else { "" });
            match complaint(&query) {
                None => good += 1,
                Some(complaint) => {
                    assert!(!complaint.is_empty() && !complaint.contains('\n'), "{query}: {complaint:?}");
                }
            }
        }
        assert!(good > 100, "only {good} of them are queries: does this still try anything?");
    }
}
