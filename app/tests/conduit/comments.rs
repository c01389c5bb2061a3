use serde_json::{Value, json};

use crate::on_both;
use crate::support::{TIME, profile};

on_both! {
    fn comments_are_shown_to_anybody_oldest_first(server) {
        let (jake, joe) = (server.user("jake"), server.user("joe"));
        let (slug, other) = (server.article(&jake, "A title", &[]), server.article(&jake, "Other", &[]));
        let path = format!("/api/articles/{slug}/comments");
        assert_eq!(server.get(&path).expect(200).json, json!({"comments": []}));
        let body = " It takes a «Jacobian».\n";
        let reply = server.post_as(&joe, &path, &json!({"comment": {"body": body}})).expect(201);
        let first = reply.json["comment"]["id"].as_i64().unwrap();
        let shown = json!({"id": first, "createdAt": TIME, "updatedAt": TIME, "body": body, "author": profile("joe", false)});
        assert_eq!(reply.masked(), json!({"comment": shown}));
        assert_eq!(reply.json["comment"]["createdAt"], reply.json["comment"]["updatedAt"]);
        server.comment(&jake, &other, "Elsewhere");
        let mut ids = vec![first];
        ids.extend(["Second", "Third", "Fourth"].map(|body| server.comment(&jake, &slug, body)));
        assert!(ids.is_sorted(), "{ids:?}");
        let listed = server.get(&path).expect(200);
        assert_eq!(listed.json["comments"][0], reply.json["comment"]);
        let seen: Vec<Value> = listed.json["comments"].as_array().unwrap().iter().map(|comment| comment["id"].clone()).collect();
        assert_eq!(json!(seen), json!(ids));
    }

    fn the_author_is_shown_as_whoever_asks_knows_them(server) {
        let (jake, joe, jim) = (server.user("jake"), server.user("joe"), server.user("jim"));
        let slug = server.article(&jim, "A title", &[]);
        server.comment(&jake, &slug, "First");
        server.comment(&joe, &slug, "Second");
        server.follow(&jim, "joe");
        let path = format!("/api/articles/{slug}/comments");
        for (token, followed) in [(Some(jim.token.as_str()), true), (Some(&jake.token), false), (None, false)] {
            let comments = server.send("GET", &path, token, None).expect(200).json["comments"].clone();
            assert_eq!((&comments[0]["author"], &comments[1]["author"]), (&profile("jake", false), &profile("joe", followed)));
        }
    }

    fn a_comment_must_say_something(server) {
        let jake = server.user("jake");
        let path = format!("/api/articles/{}/comments", server.article(&jake, "A title", &[]));
        for comment in [json!({}), json!({"body": null}), json!({"body": ""}), json!({"body": " \t\n"})] {
            server.post_as(&jake, &path, &json!({"comment": comment})).expect_error(422, "body", "can't be blank");
        }
        for body in [json!(1), json!([]), json!({}), json!(true)] {
            server.post_as(&jake, &path, &json!({"comment": {"body": body}})).expect_error(422, "body", "is invalid");
        }
        assert_eq!(server.get(&path).expect(200).json, json!({"comments": []}));
    }

    fn comments_need_an_article(server) {
        let jake = server.user("jake");
        let path = "/api/articles/nothing/comments";
        server.get(path).expect_error(404, "article", "not found");
        server.get_as(&jake, path).expect_error(404, "article", "not found");
        server.post_as(&jake, path, &json!({"comment": {"body": "B"}})).expect_error(404, "article", "not found");
        server.delete_as(&jake, &format!("{path}/1")).expect_error(404, "article", "not found");
        server.delete_as(&jake, &format!("{path}/x")).expect_error(404, "article", "not found");
    }

    fn a_comment_can_be_removed_by_who_wrote_it(server) {
        let (jake, joe) = (server.user("jake"), server.user("joe"));
        let slug = server.article(&jake, "A title", &[]);
        let path = format!("/api/articles/{slug}/comments");
        let (by_joe, by_jake) = (server.comment(&joe, &slug, "First"), server.comment(&jake, &slug, "Second"));
        server.delete_as(&jake, &format!("{path}/{by_joe}")).expect_error(403, "comment", "forbidden");
        server.delete_as(&joe, &format!("{path}/{by_jake}")).expect_error(403, "comment", "forbidden");
        assert_eq!(server.get(&path).json["comments"].as_array().unwrap().len(), 2);
        assert_eq!(server.delete_as(&joe, &format!("{path}/{by_joe}")).expect(204).text, "");
        let left = server.get(&path).json["comments"].clone();
        assert_eq!((left.as_array().unwrap().len(), &left[0]["id"]), (1, &json!(by_jake)));
        server.delete_as(&joe, &format!("{path}/{by_joe}")).expect_error(404, "comment", "not found");
    }

    fn a_comment_that_is_not_there_is_not_found(server) {
        let jake = server.user("jake");
        let (slug, other) = (server.article(&jake, "A title", &[]), server.article(&jake, "Other", &[]));
        let (here, elsewhere) = (server.comment(&jake, &slug, "Here"), server.comment(&jake, &other, "Elsewhere"));
        let path = format!("/api/articles/{slug}/comments");
        let ids = [elsewhere.to_string(), (here + 1000).to_string()];
        let ids = ids.iter().map(String::as_str).chain(["0", "-1", "abc", "1.0", "1e0", "0x1", "%20", "99999999999999999999999", "9223372036854775807"]);
        for id in ids {
            server.delete_as(&jake, &format!("{path}/{id}")).expect_error(404, "comment", "not found");
        }
        server.get(&path).expect(200).json["comments"][0]["id"].as_i64().filter(|id| *id == here).unwrap();
        server.delete_as(&jake, &format!("/api/articles/{other}/comments/{elsewhere}")).expect(204);
    }
}
