use super::{Summary, summary};
use crate::auth::UserId;
use crate::db::{Arg, Columns, DbError, Session, Statement};
use crate::model::Page;

/// Which articles are meant; what is `None` does not restrict.
#[derive(Clone, Copy, Debug, Default)]
pub struct Filter<'a> {
    /// They have this tag.
    pub tag: Option<&'a str>,
    /// The user of this name wrote them.
    pub author: Option<&'a str>,
    /// The user of this name favourites them.
    pub favorited: Option<&'a str>,
}

/// The statements that answer one shape of question.
struct Shape {
    anonymous: Statement,
    user: Statement,
    /// How many match, for a page past the end, whose rows cannot say.
    total: Statement,
}

/// The statements for one shape of filter.
///
/// `limit`, `offset` and `viewer` are the parameters after those of the filter. The inner, constant
/// limit (the largest page there is) lets the planner know that few rows are to be joined; it could
/// not know it from a parameter, and would prepare to join the whole table.
macro_rules! shape {
    ($name:literal, $total:expr, $id:literal $from:literal, $limit:literal, $offset:literal, $viewer:literal) => {
        Shape {
            anonymous: Statement::new(
                concat!("articles.page", $name),
                shape!(@page summary!(anonymous), $total, $id, $from, $limit, $offset),
            ),
            user: Statement::new(
                concat!("articles.page", $name, ".user"),
                shape!(@page summary!($viewer), $total, $id, $from, $limit, $offset),
            ),
            total: Statement::new(concat!("articles.total", $name), concat!("select ", $total)),
        }
    };
    (@page $summary:expr, $total:expr, $id:expr, $from:expr, $limit:expr, $offset:expr) => {
        concat!(
            "select ", $total, ", ", $summary,
            " from (select id from (select ", $id, " as id ", $from, " order by ", $id, " desc limit 100 offset ", $offset,
            ") newest order by id desc limit ", $limit,
            ") page join articles a on a.id = page.id join users u on u.id = a.author_id order by a.id desc"
        )
    };
    // A filter: counted through the index that it is read by.
    ($name:literal, $id:literal $from:literal, $limit:literal, $offset:literal, $viewer:literal) => {
        shape!($name, concat!("(select count(*) ", $from, ")"), $id $from, $limit, $offset, $viewer)
    };
}

static ALL: Shape = shape!(
    "", "(select value from counters where name = 'articles')", "x.id" "from articles x", "$1", "$2", "$3"
);
static TAG: Shape = shape!(".tag", "t.article_id" "from article_tags t where t.tag = $1", "$2", "$3", "$4");
static AUTHOR: Shape = shape!(
    ".author",
    "x.id" "from articles x where x.author_id = (select id from users where username = $1)",
    "$2", "$3", "$4"
);
static FAVORITED: Shape = shape!(
    ".favorited",
    "f.article_id" "from favorites f where f.user_id = (select id from users where username = $1)",
    "$2", "$3", "$4"
);
static TAG_AUTHOR: Shape = shape!(
    ".tag_author",
    "t.article_id" "from article_tags t join articles x on x.id = t.article_id \
     where t.tag = $1 and x.author_id = (select id from users where username = $2)",
    "$3", "$4", "$5"
);
static TAG_FAVORITED: Shape = shape!(
    ".tag_favorited",
    "f.article_id" "from favorites f join article_tags t on t.article_id = f.article_id and t.tag = $1 \
     where f.user_id = (select id from users where username = $2)",
    "$3", "$4", "$5"
);
static AUTHOR_FAVORITED: Shape = shape!(
    ".author_favorited",
    "f.article_id" "from favorites f join articles x on x.id = f.article_id \
     and x.author_id = (select id from users where username = $1) \
     where f.user_id = (select id from users where username = $2)",
    "$3", "$4", "$5"
);
static TAG_AUTHOR_FAVORITED: Shape = shape!(
    ".tag_author_favorited",
    "f.article_id" "from favorites f join article_tags t on t.article_id = f.article_id and t.tag = $1 \
     join articles x on x.id = f.article_id and x.author_id = (select id from users where username = $2) \
     where f.user_id = (select id from users where username = $3)",
    "$4", "$5", "$6"
);

static SHAPES: [&Shape; 8] =
    [&ALL, &TAG, &AUTHOR, &FAVORITED, &TAG_AUTHOR, &TAG_FAVORITED, &AUTHOR_FAVORITED, &TAG_AUTHOR_FAVORITED];

/// How many articles a user's feed has, through the index on their authors.
macro_rules! feed_total {
    () => {
        "(select count(*) from follows w join articles x on x.author_id = w.followee_id where w.follower_id = $1)"
    };
}

static FEED: Statement = Statement::by_dialect(
    "articles.feed",
    // The newest of each author that the user follows, and of those the newest: the cost is that of the
    // authors, however many articles they and everybody else have written.
    shape!(
        @page summary!("$1"), feed_total!(), "n.id",
        "from follows w cross join lateral (select x.id from articles x where x.author_id = w.followee_id \
         order by x.id desc limit $2::bigint + $3::bigint) n where w.follower_id = $1",
        "$2", "$3"
    ),
    // SQLite has no lateral joins; it reads the index of each author that the user follows.
    shape!(
        @page summary!("$1"), feed_total!(), "x.id",
        "from articles x where x.author_id in (select followee_id from follows where follower_id = $1)",
        "$2", "$3"
    ),
);

static FEED_TOTAL: Statement = Statement::new("articles.feed_total", concat!("select ", feed_total!()));

pub(super) fn statements() -> Vec<&'static Statement> {
    let shapes = SHAPES.into_iter().flat_map(|shape| [&shape.anonymous, &shape.user, &shape.total]);
    shapes.chain([&FEED, &FEED_TOTAL]).collect()
}

impl<'a> Filter<'a> {
    fn shape(&self) -> &'static Shape {
        match (self.tag.is_some(), self.author.is_some(), self.favorited.is_some()) {
            (false, false, false) => &ALL,
            (true, false, false) => &TAG,
            (false, true, false) => &AUTHOR,
            (false, false, true) => &FAVORITED,
            (true, true, false) => &TAG_AUTHOR,
            (true, false, true) => &TAG_FAVORITED,
            (false, true, true) => &AUTHOR_FAVORITED,
            (true, true, true) => &TAG_AUTHOR_FAVORITED,
        }
    }

    fn args(&self) -> impl Iterator<Item = Arg<'a>> + use<'a> {
        [self.tag, self.author, self.favorited].into_iter().flatten().map(Arg::Text)
    }
}

/// Shows each article of a page to `see`, newest first, as whoever asks sees it; gives back how many
/// match in all.
pub async fn page(
    session: &mut Session,
    filter: Filter<'_>,
    page: Page,
    viewer: Option<UserId>,
    see: impl FnMut(Summary<'_>) + Send,
) -> Result<i64, DbError> {
    let shape = filter.shape();
    let window = [Arg::Int(page.limit), Arg::Int(page.offset)];
    let args: Vec<Arg<'_>> = filter.args().chain(window).chain(viewer.map(Arg::Int)).collect();
    let statement = if viewer.is_some() { &shape.user } else { &shape.anonymous };
    match rows(session, statement, &args, viewer.is_some(), see).await? {
        Some(total) => Ok(total),
        // The first page is empty: so is the list.
        None if page.offset == 0 => Ok(0),
        None => session.one(&shape.total, &filter.args().collect::<Vec<_>>()).await,
    }
}

/// As [`page()`], of the articles whose authors a user follows.
pub async fn feed(
    session: &mut Session,
    page: Page,
    user: UserId,
    see: impl FnMut(Summary<'_>) + Send,
) -> Result<i64, DbError> {
    let args = [Arg::Int(user), Arg::Int(page.limit), Arg::Int(page.offset)];
    match rows(session, &FEED, &args, true, see).await? {
        Some(total) => Ok(total),
        None if page.offset == 0 => Ok(0),
        None => session.one(&FEED_TOTAL, &[Arg::Int(user)]).await,
    }
}

/// Shows the rows; gives back the total, which each of them carries.
async fn rows(
    session: &mut Session,
    statement: &'static Statement,
    args: &[Arg<'_>],
    for_user: bool,
    mut see: impl FnMut(Summary<'_>) + Send,
) -> Result<Option<i64>, DbError> {
    let mut total = None;
    let read = |row: &dyn Columns| {
        if total.is_none() {
            total = Some(row.int(0)?);
        }
        see(Summary::read_from(row, 1, for_user)?);
        Ok(())
    };
    session.each(statement, args, read).await?;
    Ok(total)
}
