use serde_json::{Value, json};

use crate::on_both;
use crate::support::{Server, TIME, User, profile};

const PEOPLE: [&str; 3] = ["ann", "bob", "cat"];
const TAGS: [&str; 3] = ["red", "green", "blue"];

/// An article as the list should know it.
struct Known {
    slug: String,
    author: &'static str,
    tags: Vec<&'static str>,
    fans: Vec<&'static str>,
}

/// Twelve articles of three authors, newest first, whose tags and favourites fall together in many ways.
fn fill(server: &Server, people: &[User]) -> Vec<Known> {
    let chosen = |from: [&'static str; 3], bits: usize| -> Vec<&'static str> {
        from.into_iter().enumerate().filter(|(bit, _)| bits & (1 << bit) != 0).map(|(_, name)| name).collect()
    };
    let mut known: Vec<Known> = (0..12)
        .map(|number| {
            let (tags, fans) = (chosen(TAGS, number % 7), chosen(PEOPLE, number * 5 % 8));
            let slug = server.article(&people[number % 3], &format!("Number {number}"), &tags);
            Known { slug, author: PEOPLE[number % 3], tags, fans }
        })
        .collect();
    for article in &known {
        for fan in people.iter().filter(|person| article.fans.contains(&person.name.as_str())) {
            server.favorite(fan, &article.slug);
        }
    }
    known.reverse();
    known
}

fn people(server: &Server) -> Vec<User> {
    PEOPLE.iter().map(|name| server.user(name)).collect()
}

/// Every combination of no value, each value and an unknown one.
fn filters() -> Vec<[Option<&'static str>; 3]> {
    let any = |values: [&'static str; 3]| [None, Some(values[0]), Some(values[1]), Some(values[2]), Some("unknown")];
    let mut filters = Vec::new();
    for tag in any(TAGS) {
        for author in any(PEOPLE) {
            filters.extend(any(PEOPLE).map(|favorited| [tag, author, favorited]));
        }
    }
    filters
}

fn query([tag, author, favorited]: [Option<&str>; 3], rest: &str) -> String {
    let given = [("tag", tag), ("author", author), ("favorited", favorited)];
    let given = given.iter().filter_map(|(name, value)| Some(format!("{name}={}&", (*value)?)));
    format!("/api/articles?{}{rest}", given.collect::<String>())
}

fn matching<'a>(known: &'a [Known], [tag, author, favorited]: [Option<&str>; 3]) -> Vec<&'a Known> {
    let fits = |article: &&Known| {
        tag.is_none_or(|tag| article.tags.contains(&tag))
            && author.is_none_or(|author| article.author == author)
            && favorited.is_none_or(|fan| article.fans.contains(&fan))
    };
    known.iter().filter(fits).collect()
}

on_both! {
    fn a_list_shows_everything_but_the_body(server) {
        let (jake, joe) = (server.user("jake"), server.user("joe"));
        let slug = server.article(&jake, "A title", &["b", "a"]);
        server.favorite(&joe, &slug);
        server.follow(&joe, "jake");
        let seen = |favorited: bool, following: bool| json!({"articles": [{
            "slug": slug, "title": "A title", "description": "About it", "tagList": ["a", "b"], "createdAt": TIME, "updatedAt": TIME,
            "favorited": favorited, "favoritesCount": 1, "author": profile("jake", following),
        }], "articlesCount": 1});
        for filter in ["", "?tag=a", "?author=jake", "?favorited=joe", "?tag=b&author=jake&favorited=joe"] {
            let path = format!("/api/articles{filter}");
            assert_eq!(server.get(&path).expect(200).masked(), seen(false, false));
            assert_eq!(server.get_as(&jake, &path).expect(200).masked(), seen(false, false));
            assert_eq!(server.get_as(&joe, &path).expect(200).masked(), seen(true, true));
        }
        assert_eq!(server.get_as(&joe, "/api/articles/feed").expect(200).masked(), seen(true, true));
    }

    fn every_combination_of_filters_finds_what_matches_all_of_them(server) {
        let people = people(server);
        let known = fill(server, &people);
        for filter in filters() {
            let slugs: Vec<String> = matching(&known, filter).iter().map(|article| article.slug.clone()).collect();
            let total = slugs.len() as u64;
            assert_eq!(server.get(&query(filter, "")).expect(200).page(), (slugs.clone(), total), "{filter:?}");
            assert_eq!(server.get_as(&people[0], &query(filter, "")).expect(200).page(), (slugs.clone(), total), "{filter:?}");
            let page: Vec<String> = slugs.into_iter().skip(1).take(2).collect();
            assert_eq!(server.get(&query(filter, "limit=2&offset=1")).expect(200).page(), (page, total), "{filter:?}");
            assert_eq!(server.get(&query(filter, "offset=12")).expect(200).page(), (vec![], total), "{filter:?}");
        }
    }

    fn a_favourite_is_that_of_whoever_asks_and_of_that_article(server) {
        let people = people(server);
        let known = fill(server, &people);
        server.follow(&people[0], "bob");
        for person in people.iter().map(Some).chain([None]) {
            let token = person.map(|person| person.token.as_str());
            for filter in filters() {
                let listed = server.send("GET", &query(filter, ""), token, None).expect(200).json;
                let listed: Vec<_> = listed["articles"].as_array().unwrap().clone();
                let seen = listed.iter().map(|article| {
                    let author = &article["author"];
                    json!([article["slug"], article["favorited"], article["favoritesCount"], article["tagList"], author["username"], author["following"]])
                });
                let expected = matching(&known, filter).into_iter().map(|article| {
                    let favorited = person.is_some_and(|person| article.fans.contains(&person.name.as_str()));
                    let following = person.is_some_and(|person| person.name == "ann") && article.author == "bob";
                    let mut tags = article.tags.clone();
                    tags.sort_unstable();
                    json!([article.slug, favorited, article.fans.len(), tags, article.author, following])
                });
                assert_eq!(seen.collect::<Vec<Value>>(), expected.collect::<Vec<Value>>(), "{filter:?}");
            }
        }
    }

    fn pages_are_of_twenty_unless_another_limit_is_given(server) {
        let jake = server.user("jake");
        server.user("joe");
        let mut slugs: Vec<String> = (0..23).map(|number| server.article(&jake, &format!("Number {number}"), &["tag"])).collect();
        slugs.reverse();
        let joe = server.user("jim");
        server.follow(&joe, "jake");
        for list in ["/api/articles?", "/api/articles?tag=tag&", "/api/articles?author=jake&", "/api/articles/feed?"] {
            let page = |part: &str| server.get_as(&joe, &format!("{list}{part}")).expect(200).page();
            assert_eq!(page(""), (slugs[..20].to_vec(), 23));
            assert_eq!(page("offset=20"), (slugs[20..].to_vec(), 23));
            assert_eq!(page("limit=100"), (slugs.clone(), 23));
            assert_eq!(page("limit=1000000"), (slugs.clone(), 23));
            assert_eq!(page("limit=5&offset=7"), (slugs[7..12].to_vec(), 23));
            assert_eq!(page("offset=5&limit=1"), (slugs[5..6].to_vec(), 23));
            assert_eq!(page("offset=23"), (vec![], 23));
            assert_eq!(page("offset=1000000000"), (vec![], 23));
        }
    }

    fn a_larger_limit_is_served_as_the_largest(server, [("MAX_PAGE_SIZE", "3")]) {
        let jake = server.user("jake");
        for number in 0..5 {
            server.article(&jake, &format!("Number {number}"), &[]);
        }
        for (limit, served) in [("", 3), ("?limit=2", 2), ("?limit=3", 3), ("?limit=4", 3), ("?limit=100", 3)] {
            let (slugs, total) = server.get(&format!("/api/articles{limit}")).expect(200).page();
            assert_eq!((slugs.len(), total), (served, 5), "{limit}");
        }
    }

    fn a_limit_or_offset_that_makes_no_sense_is_refused(server) {
        let jake = server.user("jake");
        for list in ["/api/articles", "/api/articles/feed"] {
            let get = |query: &str| server.get_as(&jake, &format!("{list}?{query}"));
            for bad in ["-1", "x", "1.5", "", "%20", "1e3", "0x10", "99999999999999999999999"] {
                get(&format!("limit={bad}")).expect_error(422, "limit", "is invalid");
                get(&format!("offset={bad}")).expect_error(422, "offset", "is invalid");
            }
            get("limit=0").expect_error(422, "limit", "is invalid");
            get("limit=x&offset=y").expect_errors(422, &json!({"limit": ["is invalid"], "offset": ["is invalid"]}));
            assert_eq!(get("offset=0").expect(200).page(), (vec![], 0));
        }
    }

    fn the_feed_shows_whom_one_follows_newest_first(server) {
        let people = people(server);
        let (ann, bob, cat) = (&people[0], &people[1], &people[2]);
        let feed = |query: &str| server.get_as(ann, &format!("/api/articles/feed{query}")).expect(200).page();
        let mut slugs = Vec::new();
        for number in 0..4 {
            for author in [bob, ann, cat, bob] {
                let slug = server.article(author, &format!("{number} of {}", author.name), &[]);
                slugs.insert(0, (author.name.clone(), slug));
            }
        }
        let of = |authors: &[&str]| -> Vec<String> {
            slugs.iter().filter(|(author, _)| authors.contains(&author.as_str())).map(|(_, slug)| slug.clone()).collect()
        };
        assert_eq!(feed(""), (vec![], 0));
        server.follow(ann, "cat");
        assert_eq!(feed(""), (of(&["cat"]), 4));
        server.follow(ann, "bob");
        let both = of(&["bob", "cat"]);
        assert_eq!(feed(""), (both.clone(), 12));
        assert_eq!(feed("?limit=3&offset=2"), (both[2..5].to_vec(), 12));
        assert_eq!(feed("?offset=11"), (both[11..].to_vec(), 12));
        assert_eq!(feed("?offset=12"), (vec![], 12));
        assert_eq!(server.get_as(bob, "/api/articles/feed").page(), (vec![], 0));
        server.delete_as(ann, "/api/profiles/bob/follow").expect(200);
        assert_eq!(feed(""), (of(&["cat"]), 4));
    }

    fn a_page_costs_as_many_statements_as_it_shows_one_article_or_twenty(server) {
        let jake = server.user("jake");
        for number in 0..20 {
            let author = server.user(&format!("user{number}"));
            let slug = server.article(&author, &format!("Number {number}"), &["a", "b"]);
            server.favorite(&jake, &slug);
            server.follow(&jake, &author.name);
        }
        let statements = || -> f64 {
            let text = server.ops("/metrics").expect(200).text;
            let counts = text.lines().filter(|line| line.starts_with("db_query_duration_seconds_count{"));
            counts.map(|line| line.rsplit_once(' ').unwrap().1.parse::<f64>().unwrap()).sum()
        };
        for list in ["/api/articles?", "/api/articles?tag=a&", "/api/articles?favorited=jake&", "/api/articles/feed?"] {
            let [one, twenty] = [1, 20].map(|limit| {
                let before = statements();
                let (slugs, _) = server.get_as(&jake, &format!("{list}limit={limit}")).expect(200).page();
                assert_eq!(slugs.len(), limit);
                (statements() - before).round()
            });
            assert!(one >= 1.0 && twenty <= one, "{list}: {one}, {twenty}");
        }
    }

    fn the_count_of_all_articles_follows_what_is_written_and_removed(server) {
        let jake = server.user("jake");
        let count = || server.get("/api/articles?limit=1").expect(200).page().1;
        assert_eq!(count(), 0);
        let slugs: Vec<String> = (0..4).map(|_| server.article(&jake, "Same title", &[])).collect();
        assert_eq!(count(), 4);
        for (left, slug) in (0..4).rev().zip(&slugs) {
            server.put_as(&jake, &format!("/api/articles/{slug}"), &json!({"article": {"body": "B"}})).expect(200);
            server.delete_as(&jake, &format!("/api/articles/{slug}")).expect(204);
            server.delete_as(&jake, &format!("/api/articles/{slug}")).expect(404);
            assert_eq!(count(), left);
        }
    }
}
