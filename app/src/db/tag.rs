//! Tags in use.

use super::{DbError, Session, Statement};

/// Jumps from one tag to the next in the index, instead of reading every article's tags: the cost is
/// that of the tags there are, not that of the articles.
static LIST: Statement = Statement::new(
    "tags.list",
    "with recursive used (tag) as (\
     select min(tag) from article_tags \
     union all select (select min(t.tag) from article_tags t where t.tag > used.tag) from used where used.tag is not null\
     ) select tag from used where tag is not null",
);

pub(super) const STATEMENTS: &[&Statement] = &[&LIST];

/// Every tag that an article has, in order.
pub async fn list(session: &mut Session) -> Result<Vec<String>, DbError> {
    session.all(&LIST, &[]).await
}
