use serde_json::{Value, json};

use crate::on_both;
use crate::support::{Server, TIME, User, profile};

fn shown(server: &Server, user: Option<&User>, slug: &str) -> (Value, Value) {
    let token = user.map(|user| user.token.as_str());
    let article = server.send("GET", &format!("/api/articles/{slug}"), token, None).expect(200).json["article"].clone();
    (article["favorited"].clone(), article["favoritesCount"].clone())
}

on_both! {
    fn favouriting_twice_is_favouriting_once(server) {
        let (jake, joe) = (server.user("jake"), server.user("joe"));
        let slug = server.article(&jake, "A title", &["a"]);
        let before = server.get(&format!("/api/articles/{slug}")).json;
        let path = format!("/api/articles/{slug}/favorite");
        for (method, count) in [("DELETE", 0), ("POST", 1), ("POST", 1), ("DELETE", 0), ("DELETE", 0), ("POST", 1)] {
            let reply = server.send(method, &path, Some(&joe.token), None).expect(200);
            let expected = json!({"article": {
                "slug": slug, "title": "A title", "description": "About it", "body": "It is so.", "tagList": ["a"], "createdAt": TIME,
                "updatedAt": TIME, "favorited": count == 1, "favoritesCount": count, "author": profile("jake", false),
            }});
            assert_eq!(reply.masked(), expected);
            assert_eq!(reply.json["article"]["updatedAt"], before["article"]["updatedAt"]);
            assert_eq!(server.get_as(&joe, &format!("/api/articles/{slug}")).json, reply.json);
        }
    }

    fn a_favourite_belongs_to_one_user_and_one_article(server) {
        let (jake, joe, jim) = (server.user("jake"), server.user("joe"), server.user("jim"));
        let (one, two) = (server.article(&jake, "One", &[]), server.article(&jake, "Two", &[]));
        server.favorite(&joe, &one);
        server.favorite(&jim, &one);
        server.favorite(&jim, &two);
        server.delete_as(&jim, &format!("/api/articles/{one}/favorite")).expect(200);
        let expected = |favorited: bool| (json!(favorited), json!(1));
        for (user, on_one, on_two) in [(Some(&joe), true, false), (Some(&jim), false, true), (Some(&jake), false, false), (None, false, false)] {
            assert_eq!((shown(server, user, &one), shown(server, user, &two)), (expected(on_one), expected(on_two)), "{user:?}");
        }
        assert_eq!(server.get("/api/articles?favorited=joe").page(), (vec![one], 1));
        assert_eq!(server.get("/api/articles?favorited=jim").page(), (vec![two], 1));
        assert_eq!(server.get("/api/articles?favorited=jake").page(), (vec![], 0));
    }

    fn authors_may_favourite_their_own_articles(server) {
        let jake = server.user("jake");
        let slug = server.article(&jake, "A title", &[]);
        server.favorite(&jake, &slug);
        assert_eq!(shown(server, Some(&jake), &slug), (json!(true), json!(1)));
        assert_eq!(server.get("/api/articles?favorited=jake&author=jake").page(), (vec![slug], 1));
    }

    fn a_changed_article_keeps_its_favourites(server) {
        let (jake, joe) = (server.user("jake"), server.user("joe"));
        let slug = server.article(&jake, "A title", &[]);
        server.favorite(&joe, &slug);
        let body = json!({"article": {"title": "Another", "tagList": ["a"]}});
        let reply = server.put_as(&jake, &format!("/api/articles/{slug}"), &body).expect(200).json;
        assert_eq!((&reply["article"]["favorited"], &reply["article"]["favoritesCount"]), (&json!(false), &json!(1)));
        assert_eq!(shown(server, Some(&joe), "another"), (json!(true), json!(1)));
    }

    fn what_is_not_there_cannot_be_favourited(server) {
        let jake = server.user("jake");
        for method in ["POST", "DELETE"] {
            let reply = server.send(method, "/api/articles/nothing/favorite", Some(&jake.token), None);
            reply.expect_error(404, "article", "not found");
        }
    }
}
