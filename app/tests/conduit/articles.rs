use std::collections::HashSet;

use serde_json::{Value, json};

use crate::on_both;
use crate::support::{Reply, Server, TIME, User, profile};

const BLANK: &str = "can't be blank";

fn at(slug: &str) -> String {
    format!("/api/articles/{slug}")
}

fn change(server: &Server, user: &User, slug: &str, article: &Value) -> Reply {
    server.put_as(user, &at(slug), &json!({"article": article}))
}

fn slug_of(reply: &Reply) -> String {
    reply.json["article"]["slug"].as_str().unwrap().to_owned()
}

on_both! {
    fn an_article_is_shown_to_anybody_as_it_was_written(server) {
        let (jake, joe) = (server.user("jake"), server.user("joe"));
        let draft = json!({"title": "How to train", "description": "  Ever\twonder? ", "body": "It takes a «Jacobian».\n\n", "tagList": ["dragons", "Ångström", "b", "dragons", "a", "b"]});
        let reply = server.post_as(&jake, "/api/articles", &json!({"article": draft})).expect(201);
        let expected = json!({"article": {
            "slug": "how-to-train", "title": "How to train", "description": "  Ever\twonder? ", "body": "It takes a «Jacobian».\n\n",
            "tagList": ["a", "b", "dragons", "Ångström"], "createdAt": TIME, "updatedAt": TIME,
            "favorited": false, "favoritesCount": 0, "author": profile("jake", false),
        }});
        assert_eq!(reply.masked(), expected);
        assert_eq!(reply.json["article"]["createdAt"], reply.json["article"]["updatedAt"]);
        for token in [None, Some(jake.token.as_str()), Some(&joe.token)] {
            assert_eq!(server.send("GET", &at("how-to-train"), token, None).expect(200).json, reply.json);
        }
        server.get(&at("no-such-article")).expect_error(404, "article", "not found");
    }

    fn without_tags_the_list_of_tags_is_empty(server) {
        let jake = server.user("jake");
        for (title, tags) in [("One", None), ("Two", Some(json!([])))] {
            let mut draft = json!({"title": title, "description": "d", "body": "b"});
            if let Some(tags) = tags {
                draft["tagList"] = tags;
            }
            let reply = server.post_as(&jake, "/api/articles", &json!({"article": draft})).expect(201);
            assert_eq!(reply.json["article"]["tagList"], json!([]));
        }
    }

    fn all_that_is_blank_is_reported_at_once(server) {
        let jake = server.user("jake");
        let write = |article: Value| server.post_as(&jake, "/api/articles", &json!({"article": article}));
        let all = json!({"title": [BLANK], "description": [BLANK], "body": [BLANK]});
        for blank in [json!(""), json!(" \n\t"), Value::Null] {
            write(json!({"title": blank, "description": blank, "body": blank})).expect_errors(422, &all);
        }
        write(json!({})).expect_errors(422, &all);
        for field in ["title", "description", "body"] {
            let mut draft = json!({"title": "t", "description": "d", "body": "b"});
            draft[field] = json!("");
            write(draft).expect_error(422, field, BLANK);
        }
        for tags in [json!("tag"), json!(["a", 1]), json!({"a": "b"}), json!([null])] {
            write(json!({"title": "t", "description": "d", "body": "b", "tagList": tags})).expect_error(422, "tagList", "is invalid");
        }
        assert_eq!(server.get("/api/articles").page(), (vec![], 0));
    }

    fn every_title_gets_a_slug_of_its_own(server) {
        let jake = server.user("jake");
        let long = "word ".repeat(100);
        let titles = [
            "Same title", "Same title", "same  TITLE!", "Feed", "feed", "Привет, мир", "你好", "你好", "🐉🐉", "?!…", "—", "...", "/", "a/b?c#d%20",
            "Déjà vu", "comments", &long, &long,
        ];
        let slugs: Vec<String> = titles.iter().map(|title| server.article(&jake, title, &[])).collect();
        assert_eq!(slugs.iter().collect::<HashSet<_>>().len(), titles.len(), "{slugs:?}");
        for (slug, title) in slugs.iter().zip(titles) {
            assert!(!slug.is_empty() && slug.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'), "{slug}");
            assert_eq!(server.get(&at(slug)).expect(200).json["article"]["title"], title);
        }
        assert_eq!((slugs[0].as_str(), slugs[14].as_str()), ("same-title", "deja-vu"));
        let draft = json!({"article": {"title": "t".repeat(501), "description": "d", "body": "b"}});
        server.post_as(&jake, "/api/articles", &draft).expect_error(422, "title", "is too long (maximum is 500 characters)");
    }

    fn what_is_given_changes_and_the_rest_stays(server) {
        let jake = server.user("jake");
        let slug = server.article(&jake, "A title", &["a", "b"]);
        let mut known = server.get(&at(&slug)).json;
        for (field, value) in [("description", json!("D")), ("body", json!("B")), ("tagList", json!(["c", "d"])), ("title", json!("A title"))] {
            let reply = change(server, &jake, &slug, &json!({field: value})).expect(200);
            assert!(reply.json["article"]["updatedAt"].as_str() > known["article"]["updatedAt"].as_str(), "{}", reply.text);
            known["article"][field] = value;
            known["article"]["updatedAt"] = reply.json["article"]["updatedAt"].clone();
            assert_eq!(reply.json, known);
            assert_eq!(server.get(&at(&slug)).json, known);
        }
        let reply = change(server, &jake, &slug, &json!({"title": "Another", "body": "Else"})).expect(200);
        assert_eq!(reply.json["article"]["createdAt"], known["article"]["createdAt"]);
        for (field, value) in [("title", json!("Another")), ("body", json!("Else")), ("slug", json!("another"))] {
            known["article"][field] = value;
        }
        known["article"]["updatedAt"] = reply.json["article"]["updatedAt"].clone();
        assert_eq!(reply.json, known);
    }

    fn the_slug_follows_the_title(server) {
        let jake = server.user("jake");
        let (one, two) = (server.article(&jake, "One", &[]), server.article(&jake, "Two", &[]));
        assert_eq!(slug_of(&change(server, &jake, &one, &json!({"title": "Three"})).expect(200)), "three");
        server.get(&at("one")).expect_error(404, "article", "not found");
        assert_eq!(server.get(&at("three")).expect(200).json["article"]["title"], "Three");
        let taken = change(server, &jake, "three", &json!({"title": "Two"})).expect(200);
        assert_ne!(slug_of(&taken), two);
        assert_eq!(server.get(&at(&slug_of(&taken))).expect(200).json, taken.json);
        assert_eq!(slug_of(&change(server, &jake, &two, &json!({"title": "TWO"})).expect(200)), two);
        for title in ["?!", "feed", "🐉"] {
            let reply = change(server, &jake, &two, &json!({"title": title})).expect(200);
            assert_eq!(server.get(&at(&slug_of(&reply))).expect(200).json, reply.json);
            change(server, &jake, &slug_of(&reply), &json!({"title": "Two"})).expect(200);
        }
    }

    fn tags_stay_unless_others_are_given(server) {
        let jake = server.user("jake");
        let slug = server.article(&jake, "A title", &["b", "a"]);
        let tags = |reply: Reply| reply.expect(200).json["article"]["tagList"].clone();
        assert_eq!(tags(change(server, &jake, &slug, &json!({"body": "B"}))), json!(["a", "b"]));
        change(server, &jake, &slug, &json!({"tagList": null})).expect_error(422, "tagList", BLANK);
        change(server, &jake, &slug, &json!({"tagList": "a"})).expect_error(422, "tagList", "is invalid");
        assert_eq!(tags(server.get(&at(&slug))), json!(["a", "b"]));
        assert_eq!(tags(change(server, &jake, &slug, &json!({"tagList": ["c", "b", "c"]}))), json!(["b", "c"]));
        assert_eq!(server.get("/api/articles?tag=a").page().1, 0);
        assert_eq!(server.get("/api/articles?tag=c").page(), (vec![slug.clone()], 1));
        assert_eq!(tags(change(server, &jake, &slug, &json!({"tagList": []}))), json!([]));
        assert_eq!(tags(server.get(&at(&slug))), json!([]));
        assert_eq!(server.get("/api/articles?tag=c").page().1, 0);
    }

    fn nothing_of_an_article_can_become_blank(server) {
        let jake = server.user("jake");
        let slug = server.article(&jake, "A title", &["a"]);
        let before = server.get(&at(&slug)).json;
        for blank in [json!(""), json!("  "), Value::Null] {
            let errors = json!({"title": [BLANK], "description": [BLANK], "body": [BLANK]});
            change(server, &jake, &slug, &json!({"title": blank, "description": blank, "body": blank, "tagList": []})).expect_errors(422, &errors);
        }
        change(server, &jake, &slug, &json!({"title": "t".repeat(501)})).expect_error(422, "title", "is too long (maximum is 500 characters)");
        assert_eq!(server.get(&at(&slug)).json, before);
    }

    fn an_article_of_somebody_else_cannot_be_changed(server) {
        let (jake, joe) = (server.user("jake"), server.user("joe"));
        let slug = server.article(&jake, "A title", &["a"]);
        let before = server.get(&at(&slug)).json;
        let body = json!({"article": {"title": "Mine", "tagList": []}});
        server.put_as(&joe, &at(&slug), &body).expect_error(403, "article", "forbidden");
        server.patch_as(&joe, &at(&slug), &body).expect_error(403, "article", "forbidden");
        server.delete_as(&joe, &at(&slug)).expect_error(403, "article", "forbidden");
        assert_eq!(server.get(&at(&slug)).expect(200).json, before);
        server.put_as(&jake, &at("nothing"), &body).expect_error(404, "article", "not found");
        server.patch_as(&jake, &at("nothing"), &body).expect_error(404, "article", "not found");
        server.delete_as(&jake, &at("nothing")).expect_error(404, "article", "not found");
    }

    fn a_removed_article_takes_all_that_is_its_own_with_it(server) {
        let (jake, joe) = (server.user("jake"), server.user("joe"));
        let (slug, other) = (server.article(&jake, "A title", &["a", "b"]), server.article(&jake, "Other", &["b"]));
        server.comment(&joe, &slug, "First");
        server.favorite(&joe, &slug);
        let reply = server.delete_as(&jake, &at(&slug)).expect(204);
        assert_eq!((reply.text.as_str(), reply.header("content-type")), ("", ""));
        for path in [at(&slug), format!("{}/comments", at(&slug))] {
            server.get(&path).expect_error(404, "article", "not found");
        }
        server.delete_as(&jake, &at(&slug)).expect_error(404, "article", "not found");
        assert_eq!(server.get("/api/articles").page(), (vec![other], 1));
        for filter in ["tag=a", "favorited=joe"] {
            assert_eq!(server.get(&format!("/api/articles?{filter}")).page(), (vec![], 0));
        }
        assert_eq!(server.article(&jake, "A title", &[]), slug);
        let again = server.get_as(&joe, &at(&slug)).json["article"].clone();
        assert_eq!((&again["favorited"], &again["favoritesCount"], &again["tagList"]), (&json!(false), &json!(0), &json!([])));
        assert_eq!(server.get(&format!("{}/comments", at(&slug))).expect(200).json, json!({"comments": []}));
    }

    fn patch_does_what_put_does(server) {
        let jake = server.user("jake");
        let slug = server.article(&jake, "A title", &["a"]);
        let mut expected = server.get(&at(&slug)).masked();
        for (field, value) in [("title", "Another"), ("slug", "another"), ("body", "B")] {
            expected["article"][field] = json!(value);
        }
        let reply = server.patch_as(&jake, &at(&slug), &json!({"article": {"title": "Another", "body": "B"}})).expect(200);
        assert_eq!(reply.masked(), expected);
        server.patch_as(&jake, &at("another"), &json!({"article": {"body": ""}})).expect_error(422, "body", BLANK);
    }

    fn the_author_is_shown_as_whoever_asks_knows_them(server) {
        let (jake, joe) = (server.user("jake"), server.user("joe"));
        server.put_as(&jake, "/api/user", &json!({"user": {"bio": "I work", "image": "i.png"}})).expect(200);
        let slug = server.article(&jake, "A title", &[]);
        server.follow(&joe, "jake");
        let author = |token| server.send("GET", &at(&slug), token, None).expect(200).json["article"]["author"].clone();
        let expected = |following: bool| json!({"username": "jake", "bio": "I work", "image": "i.png", "following": following});
        assert_eq!(author(Some(joe.token.as_str())), expected(true));
        assert_eq!(author(Some(jake.token.as_str())), expected(false));
        assert_eq!(author(None), expected(false));
    }

    fn any_text_comes_back_as_it_was_sent(server) {
        let jake = server.user("jake");
        let text = "\"quotes\" \\ </script> \u{1f409}\u{200d}\u{1f468} \r\n\t\u{7f}\u{2028} %s $1 '; drop table users; -- \u{feff}";
        let tags = ["%_", "'; --", "a,b", "{\"a\":1}", "\u{1f409}"];
        let draft = json!({"article": {"title": text, "description": text, "body": text.repeat(1000), "tagList": tags}});
        let reply = server.post_as(&jake, "/api/articles", &draft).expect(201);
        let article = server.get(&at(&slug_of(&reply))).expect(200).json["article"].clone();
        for field in ["title", "description", "body"] {
            assert_eq!(article[field], draft["article"][field]);
        }
        assert_eq!(article["tagList"], json!(["%_", "'; --", "a,b", "{\"a\":1}", "\u{1f409}"]));
    }
}
