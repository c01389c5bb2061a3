use super::node::{Key, Value};
use super::{Mark, Node, Problem};

/// The fields of a mapping, taken one by one; at the [`end`](Self::end) none may be left.
pub struct Fields<'a> {
    at: Mark,
    path: String,
    entries: Vec<(&'a Key, &'a Node)>,
    known: Vec<&'static str>,
}

impl<'a> Fields<'a> {
    /// The fields of a part that must be a mapping.
    pub fn of(node: &'a Node, path: &str) -> Result<Self, Problem> {
        let Value::Mapping(entries) = &node.value else { return Err(node.unexpected("a mapping", path)) };
        let mut fields = Self { at: node.at, path: path.to_owned(), entries: Vec::new(), known: Vec::new() };
        for (key, node) in entries {
            if let Some((first, _)) = fields.entries.iter().find(|(other, _)| other.name == key.name) {
                let problem = format!("given twice, first in line {}", first.at.line);
                return Err(Problem::new(key.at, fields.path_of(&key.name), problem));
            }
            fields.entries.push((key, node));
        }
        Ok(fields)
    }

    /// Where the mapping begins.
    #[must_use]
    pub fn at(&self) -> Mark {
        self.at
    }

    /// Where a field stands in the document: `metrics[0].window`.
    #[must_use]
    pub fn path_of(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    /// Takes a field that may be missing or empty.
    pub fn optional<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&Node, &str) -> Result<T, Problem>,
    ) -> Result<Option<T>, Problem> {
        self.known.push(name);
        let Some(place) = self.entries.iter().position(|(key, _)| key.name == name) else { return Ok(None) };
        let (_, node) = self.entries.remove(place);
        if node.is_null() { Ok(None) } else { read(node, &self.path_of(name)).map(Some) }
    }

    /// Takes a field that must be there.
    pub fn required<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&Node, &str) -> Result<T, Problem>,
    ) -> Result<T, Problem> {
        if let Some(read) = self.optional(name, read)? {
            return Ok(read);
        }
        // What stands there under nearly that name is it, written wrong.
        let near = |key: &str| strsim::damerau_levenshtein(name, key) <= 2 || name.eq_ignore_ascii_case(key);
        match self.entries.iter().find(|(key, _)| near(&key.name)) {
            Some((key, _)) => {
                let problem = format!("unknown key; did you mean `{name}`?");
                Err(Problem::new(key.at, self.path_of(&key.name), problem))
            }
            None => Err(Problem::new(self.at, self.path.as_str(), format!("`{name}` is missing"))),
        }
    }

    /// There must be no further field.
    pub fn end(self) -> Result<(), Problem> {
        let Some((key, _)) = self.entries.first() else { return Ok(()) };
        let nearest = self.known.iter().min_by_key(|known| strsim::damerau_levenshtein(known, &key.name));
        let close = nearest.filter(|known| {
            strsim::damerau_levenshtein(known, &key.name) <= 1 + known.len() / 3
                || known.eq_ignore_ascii_case(&key.name)
        });
        let hint = match close {
            Some(known) => format!("did you mean `{known}`?"),
            None => format!("known here: {}", self.known.join(", ")),
        };
        Err(Problem::new(key.at, self.path_of(&key.name), format!("unknown key; {hint}")))
    }
}
