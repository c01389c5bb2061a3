use crate::config::args::Dialect;

/// A statement that the server sends, under the name that metrics know it by.
#[derive(Debug)]
pub struct Statement {
    /// `resource.verb` or `resource.verb.shape`.
    pub name: &'static str,
    postgres: &'static str,
    sqlite: &'static str,
}

impl Statement {
    /// One text for both dialects.
    #[must_use]
    pub const fn new(name: &'static str, sql: &'static str) -> Self {
        Self { name, postgres: sql, sqlite: sql }
    }

    /// A text for each dialect, where they disagree.
    #[must_use]
    pub const fn by_dialect(name: &'static str, postgres: &'static str, sqlite: &'static str) -> Self {
        Self { name, postgres, sqlite }
    }

    /// The text in a dialect.
    #[must_use]
    pub const fn sql(&self, dialect: Dialect) -> &'static str {
        match dialect {
            Dialect::Postgres => self.postgres,
            Dialect::Sqlite => self.sqlite,
        }
    }
}
