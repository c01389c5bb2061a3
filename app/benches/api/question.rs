use serde_json::json;

/// A tag of half of all articles.
pub(crate) const POPULAR_TAG: &str = "programming";
/// The largest page that nobody asked for.
const PAGE: i64 = 20;

/// Somebody and something that questions are about; seeding makes the same ones in every database.
pub(crate) struct Cast {
    /// Who logs in.
    pub(crate) viewer: String,
    pub(crate) viewer_id: i64,
    pub(crate) password: String,
    /// Whom the viewer follows.
    pub(crate) followed: Vec<String>,
    /// Who has written many articles.
    pub(crate) author: String,
    /// Who favourites many articles.
    pub(crate) favoriter: String,
    /// An article's.
    pub(crate) slug: String,
}

impl Cast {
    pub(crate) fn email(&self) -> String {
        format!("{}@seed.invalid", self.viewer)
    }

    pub(crate) fn login(&self) -> String {
        json!({"user": {"email": self.email(), "password": self.password}}).to_string()
    }
}

/// A parameter of the statement that answers a question, as `pgbench` gets it.
pub(crate) enum Param {
    Text(String),
    Int(i64),
    /// Any number below.
    Below(i64),
}

/// A request, and the statement that the server answers it with.
pub(crate) struct Question {
    pub(crate) name: &'static str,
    /// From the API's root.
    pub(crate) path: String,
    /// The path is a regular expression; any that it matches is asked for.
    pub(crate) is_pattern: bool,
    pub(crate) as_user: bool,
    /// It is a `POST` of this.
    pub(crate) body: Option<String>,
    pub(crate) clients: u32,
    pub(crate) statement: &'static str,
    pub(crate) params: Vec<Param>,
}

impl Question {
    fn get(name: &'static str, path: impl Into<String>, statement: &'static str, params: Vec<Param>) -> Self {
        let path = path.into();
        Self { name, path, is_pattern: false, as_user: false, body: None, clients: 32, statement, params }
    }

    fn by_user(self) -> Self {
        Self { as_user: true, ..self }
    }

    fn with_pattern(self) -> Self {
        Self { is_pattern: true, ..self }
    }

    fn by_one_client(self) -> Self {
        Self { clients: 1, ..self }
    }
}

fn window(offset: i64) -> Vec<Param> {
    vec![Param::Int(PAGE), Param::Int(offset)]
}

fn first_page_of(filter: &str) -> Vec<Param> {
    std::iter::once(Param::Text(filter.to_owned())).chain(window(0)).collect()
}

/// The newest articles, for anybody.
pub(crate) fn front_page() -> Question {
    Question::get("articles", "/api/articles", "articles.page", window(0))
}

/// Everything else.
pub(crate) fn all(cast: &Cast) -> Vec<Question> {
    let Cast { author, favoriter, slug, viewer_id, .. } = cast;
    let viewer = || Param::Int(*viewer_id);
    let [newest, zero] = [PAGE, 0].map(Param::Int);
    vec![
        Question::get(
            "… at a random offset",
            r"/api/articles\?offset=[0-9]{3}",
            "articles.page",
            vec![Param::Int(PAGE), Param::Below(1_000)],
        )
        .with_pattern(),
        Question::get(
            "… for a user",
            "/api/articles",
            "articles.page.user",
            window(0).into_iter().chain([viewer()]).collect(),
        )
        .by_user(),
        Question::get(
            "… with a tag",
            format!("/api/articles?tag={POPULAR_TAG}"),
            "articles.page.tag",
            first_page_of(POPULAR_TAG),
        ),
        Question::get(
            "… by an author",
            format!("/api/articles?author={author}"),
            "articles.page.author",
            first_page_of(author),
        ),
        Question::get(
            "… somebody favourites",
            format!("/api/articles?favorited={favoriter}"),
            "articles.page.favorited",
            first_page_of(favoriter),
        ),
        Question::get("feed", "/api/articles/feed", "articles.feed", vec![viewer(), newest, zero]).by_user(),
        Question::get("article", format!("/api/articles/{slug}"), "articles.find", vec![Param::Text(slug.to_owned())]),
        Question::get("tags", "/api/tags", "tags.list", Vec::new()),
        Question {
            body: Some(cast.login()),
            clients: 4,
            ..Question::get("login", "/api/users/login", "users.find_login", vec![Param::Text(cast.email())])
        },
    ]
}

/// Pages far from the front, asked for by one client.
pub(crate) fn deep_pages() -> [Question; 2] {
    let offset = 10_000;
    [
        Question::get("offset=10000", format!("/api/articles?offset={offset}"), "articles.page", window(offset)),
        Question::get(
            "tag=programming",
            format!("/api/articles?tag={POPULAR_TAG}"),
            "articles.page.tag",
            first_page_of(POPULAR_TAG),
        ),
    ]
    .map(Question::by_one_client)
}
