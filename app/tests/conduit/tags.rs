use serde_json::{Value, json};

use crate::on_both;

on_both! {
    fn every_tag_in_use_is_listed_once(server) {
        let (jake, joe) = (server.user("jake"), server.user("joe"));
        let tags = || -> Value {
            let mut tags = server.get("/api/tags").expect(200).json;
            tags["tags"].as_array_mut().unwrap().sort_by_key(Value::to_string);
            tags
        };
        assert_eq!(tags(), json!({"tags": []}));
        let one = server.article(&jake, "One", &["b", "a", "b"]);
        let two = server.article(&joe, "Two", &["c", "b"]);
        server.article(&joe, "Three", &[]);
        assert_eq!(tags(), json!({"tags": ["a", "b", "c"]}));
        server.delete_as(&jake, &format!("/api/articles/{one}")).expect(204);
        assert_eq!(tags(), json!({"tags": ["b", "c"]}));
        server.put_as(&joe, &format!("/api/articles/{two}"), &json!({"article": {"tagList": ["c", "d"]}})).expect(200);
        assert_eq!(tags(), json!({"tags": ["c", "d"]}));
        server.put_as(&joe, &format!("/api/articles/{two}"), &json!({"article": {"tagList": []}})).expect(200);
        assert_eq!(tags(), json!({"tags": []}));
    }

    fn a_tag_may_be_any_text(server) {
        let jake = server.user("jake");
        let tags = [("C++ & C#", "C%2B%2B%20%26%20C%23"), ("ä ö", "%C3%A4+%C3%B6"), ("%", "%25"), ("Rust", "Rust"), ("rust", "rust")];
        for (tag, escaped) in tags {
            let slug = server.article(&jake, "A title", &[tag]);
            assert_eq!(server.get(&format!("/api/articles?tag={escaped}")).expect(200).page(), (vec![slug], 1));
        }
        let listed = server.get("/api/tags").expect(200).json["tags"].clone();
        assert!(tags.iter().all(|(tag, _)| listed.as_array().unwrap().contains(&json!(tag))), "{listed}");
        assert_eq!(listed.as_array().unwrap().len(), tags.len());
        for blank in ["", "  "] {
            let draft = json!({"article": {"title": "t", "description": "d", "body": "b", "tagList": ["a", blank]}});
            server.post_as(&jake, "/api/articles", &draft).expect_error(422, "tagList", "can't be blank");
        }
    }
}
