//! YAML that says where each thing stands, read strictly: a key that nobody knows is an error with its
//! line and the nearest key that is known.

mod fields;
mod hint;
mod node;
mod tree;

use std::fmt;

pub use fields::Fields;
pub use node::Node;
pub use tree::{load, load_all};

/// A place in a file; lines and columns are counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The line.
    pub line: usize,
    /// The column, in characters.
    pub column: usize,
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}", self.line, self.column)
    }
}

/// What is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{at}: {}{text}", if path.is_empty() { String::new() } else { format!("{path}: ") })]
pub struct Problem {
    at: Mark,
    path: String,
    text: String,
}

impl Problem {
    /// A problem at that place of that thing, `metrics[0].window` for one.
    #[must_use]
    pub fn new(at: Mark, path: impl Into<String>, text: impl Into<String>) -> Self {
        Self { at, path: path.into(), text: text.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<(String, Option<String>), Problem> {
        let node = load(text)?;
        let mut fields = Fields::of(&node, "")?;
        let name = fields.required("name", Node::text)?;
        let window = fields.optional("window", Node::text)?;
        fields.end()?;
        Ok((name, window))
    }

    #[test]
    fn what_is_well_formed_is_read() {
        assert_eq!(read("name: a\nwindow: '10s' # so long\n").unwrap(), ("a".to_owned(), Some("10s".to_owned())));
        assert_eq!(read("{name: \"a b\"}").unwrap(), ("a b".to_owned(), None));
        assert_eq!(read("---\nname: a\n...\n").unwrap().0, "a");
        assert_eq!(read("name: a\nwindow: ~\n").unwrap().1, None, "null is as good as nothing");
    }

    #[test]
    fn every_mistake_is_named_with_its_place() {
        let table = [
            ("name: a\nwindwo: 10s\n", "line 2, column 1: windwo: unknown key; did you mean `window`?"),
            ("name: a\nquux: 1\n", "line 2, column 1: quux: unknown key; known here: name, window"),
            ("window: 1s\n", "line 1, column 1: `name` is missing"),
            ("window: 1s\nnmae: a\n", "line 2, column 1: nmae: unknown key; did you mean `name`?"),
            ("name: a\nname: b\n", "line 2, column 1: name: given twice, first in line 1"),
            ("name: [a]\n", "line 1, column 7: name: expected text, found a list"),
            ("- a\n", "line 1, column 1: expected a mapping, found a list"),
            ("", "line 1, column 1: the document is empty"),
            ("name: a\n---\nname: b\n", "line 2, column 1: a second document begins here; only one is read"),
            ("? [a]\n: b\n", "line 1, column 3: a key must be text"),
            ("name: *a\n", "line 1, column 7: while parsing node, found unknown anchor"),
        ];
        for (text, message) in table {
            assert_eq!(read(text).unwrap_err().to_string(), message, "{text}");
        }
        let table = [
            (
                "name: {a: b},\nwindow: c\n",
                "line 1, column 13: while parsing a block mapping, did not find expected key; a `,` at the end of a line: between lines there is none; take it away",
            ),
            (
                "name:\n- [a],\n",
                "line 2, column 6: while parsing a block mapping, did not find expected key; a `,` at the end of a line: between lines there is none; take it away",
            ),
            (
                "name: \"a=\"b\"\"\n",
                "line 1, column 11: invalid trailing content after double-quoted scalar; a `\"` within `\"…\"` ends the text; write '…' around it instead",
            ),
            (
                "name: 'it's'\n",
                "line 1, column 11: invalid trailing content after double-quoted scalar; a `'` within `'…'` ends the text; write it twice: ''",
            ),
            (
                "name: \"\\d\"\n",
                "line 1, column 7: while parsing a quoted scalar, found unknown escape character; a `\\` within `\"…\"` begins an escape; write '…' around it instead",
            ),
        ];
        for (text, message) in table {
            assert_eq!(read(text).unwrap_err().to_string(), message, "{text}");
        }
        for text in ["name: 'a", "name: {a", "name: a: b", "a\nb: c", "name: \"\\q\""] {
            assert!(read(text).unwrap_err().to_string().starts_with("line "), "{text}");
        }
    }

    #[test]
    fn anchors_are_resolved_as_long_as_the_whole_stays_small() {
        assert_eq!(read("name: &n abc\nwindow: *n\n").unwrap().1.unwrap(), "abc");
        let levels = ('b'..='i').zip('a'..).map(|(own, before)| {
            let items = vec![format!("*{before}"); 10].join(", ");
            format!("{own}: &{own} [{items}]\n")
        });
        let bomb = "a: &a [x, x, x, x, x, x, x, x, x, x]\n".to_owned() + &levels.collect::<Vec<_>>().concat();
        assert!(load(&bomb).unwrap_err().to_string().ends_with("the document is too large: more than 1000000 parts"));
    }

    #[test]
    fn a_document_that_is_nested_too_deeply_is_refused() {
        let deep = "[".repeat(100_000);
        assert!(load(&deep).is_err());
        let deep = format!("{}{}", "[".repeat(300), "]".repeat(300));
        assert!(load(&deep).unwrap_err().to_string().contains("nested"));
    }

    #[test]
    fn all_documents_of_a_file_are_read_and_parts_are_found_by_name() {
        let documents =
            load_all("---\nkind: A\n---\n# nothing\n---\nkind: B\nspec: {list: [1, two], empty: null}\n").unwrap();
        assert_eq!(documents.len(), 2, "one is empty");
        let spec = documents[1].get("spec").unwrap();
        assert_eq!(spec.get("list").unwrap().items().len(), 2);
        assert_eq!(spec.get("list").unwrap().items()[0].integer("n"), Ok(1));
        assert!(spec.get("empty").is_none() && spec.get("missing").is_none() && spec.items().is_empty());
        assert_eq!(load_all("---\n# nothing\n").unwrap_err().to_string(), "line 1, column 1: the document is empty");
    }

    #[test]
    fn a_whole_number_has_no_quotes_and_no_fraction() {
        let read = |text: &str| load(text).and_then(|node| node.get("n").unwrap().integer("n"));
        assert_eq!(read("n: -7"), Ok(-7));
        for (text, problem) in [
            ("n: '7'", "line 1, column 4: n: expected a whole number without quotes, found `7`"),
            ("n: 7.5", "line 1, column 4: n: expected a whole number, found `7.5`"),
            ("n: [7]", "line 1, column 4: n: expected a whole number without quotes, found a list"),
        ] {
            assert_eq!(read(text).unwrap_err().to_string(), problem);
        }
    }
}
