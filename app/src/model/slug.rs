/// Of the title, this many characters at most stand in the slug.
const MAX: usize = 120;
/// What an article is called whose title has no letter or digit.
const NAMELESS: &str = "article";
/// Slugs that the router would take for something else: `GET /articles/feed` is the feed.
const RESERVED: [&str; 1] = ["feed"];

/// The part of an article's address that is made from its title.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slug(String);

impl Slug {
    /// The slug that a title gets when nobody has it yet, or, with a `suffix`, another of its
    /// slugs. A reserved word and a nameless title always carry a suffix, so they need one.
    #[must_use]
    pub fn of(title: &str, suffix: &str) -> Self {
        let mut slug = slug::slugify(title);
        if let Some((end, _)) = slug.char_indices().nth(MAX) {
            slug.truncate(end);
        }
        let slug = slug.trim_matches('-');
        let slug = if slug.is_empty() { NAMELESS } else { slug };
        if suffix.is_empty() { Self(slug.to_owned()) } else { Self(format!("{slug}-{suffix}")) }
    }

    /// Whether an article can live at this address.
    #[must_use]
    pub fn is_free_for_articles(&self) -> bool {
        !RESERVED.contains(&self.0.as_str())
    }

    /// The slug, in ASCII letters, digits and hyphens.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_title_has_a_slug() {
        let slug = |title: &str| Slug::of(title, "").0;
        assert_eq!(slug("How to train your dragon"), "how-to-train-your-dragon");
        assert_eq!(slug("  Déjà vu!  "), "deja-vu");
        assert_eq!(slug("你好 мир"), "ni-hao-mir");
        assert_eq!(slug("?!… —"), "article");
        assert_eq!(slug("C++ & Rust"), "c-rust");
        assert_eq!(Slug::of("A title", "x7").0, "a-title-x7");
        assert!(slug(&"long ".repeat(100)).len() <= MAX);
    }

    #[test]
    fn the_feed_keeps_its_address() {
        assert!(!Slug::of("Feed", "").is_free_for_articles());
        assert!(Slug::of("Feed", "1").is_free_for_articles());
    }
}
