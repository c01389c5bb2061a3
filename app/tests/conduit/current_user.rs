use serde_json::{Value, json};

use crate::on_both;
use crate::support::{PASSWORD, Server, User, profile};

const BLANK: &str = "can't be blank";

fn shown(user: &User) -> Value {
    json!({"user": {"username": user.name, "email": user.email, "token": user.token, "bio": null, "image": null}})
}

fn log_in(server: &Server, user: &User, password: &str) -> u16 {
    server.post("/api/users/login", &json!({"user": {"email": user.email, "password": password}})).status
}

on_both! {
    fn whoever_asks_sees_themselves(server) {
        let (jake, joe) = (server.user("jake"), server.user("joe"));
        assert_eq!(server.get_as(&jake, "/api/user").expect(200).json, shown(&jake));
        assert_eq!(server.get_as(&joe, "/api/user").expect(200).json, shown(&joe));
    }

    fn what_is_given_changes_and_the_rest_stays(server) {
        let (jake, joe) = (server.user("jake"), server.user("joe"));
        let mut expected = shown(&jake);
        for (field, value) in [("bio", "I work"), ("image", "i.png"), ("email", "New@example.com"), ("username", "jacob")] {
            expected["user"][field] = json!(value);
            let reply = server.put_as(&jake, "/api/user", &json!({"user": {field: value}})).expect(200);
            assert_eq!(reply.json, expected);
            assert_eq!(server.get_as(&jake, "/api/user").json, expected);
        }
        assert_eq!(server.put_as(&jake, "/api/user", &json!({"user": {}})).expect(200).json, expected);
        let all = json!({"username": "jim", "email": "jim@example.com", "bio": "B", "image": "I"});
        let reply = server.put_as(&jake, "/api/user", &json!({"user": all})).expect(200);
        let expected = json!({"username": "jim", "email": "jim@example.com", "bio": "B", "image": "I", "token": jake.token});
        assert_eq!(reply.json, json!({"user": expected}));
        assert_eq!(server.get_as(&joe, "/api/user").json, shown(&joe));
    }

    fn patch_does_what_put_does(server) {
        let jake = server.user("jake");
        let mut expected = shown(&jake);
        expected["user"]["bio"] = json!("I work");
        let reply = server.patch_as(&jake, "/api/user", &json!({"user": {"bio": "I work"}})).expect(200);
        assert_eq!(reply.json, expected);
        server.patch_as(&jake, "/api/user", &json!({"user": {"email": ""}})).expect_error(422, "email", BLANK);
    }

    fn a_name_an_address_and_a_password_cannot_be_removed(server) {
        let jake = server.user("jake");
        for blank in [json!(""), json!(" \t"), Value::Null] {
            let body = json!({"user": {"username": blank, "email": blank, "password": blank, "bio": "unseen"}});
            let errors = json!({"username": [BLANK], "email": [BLANK], "password": [BLANK]});
            server.put_as(&jake, "/api/user", &body).expect_errors(422, &errors);
        }
        assert_eq!(server.get_as(&jake, "/api/user").json, shown(&jake));
        assert_eq!(log_in(server, &jake, PASSWORD), 200);
    }

    fn bio_and_image_can_be_removed(server) {
        let jake = server.user("jake");
        for nothing in [json!(""), Value::Null] {
            server.put_as(&jake, "/api/user", &json!({"user": {"bio": "I work", "image": "i.png"}})).expect(200);
            let reply = server.put_as(&jake, "/api/user", &json!({"user": {"bio": nothing, "image": nothing}})).expect(200);
            assert_eq!(reply.json, shown(&jake));
        }
        assert_eq!(server.get("/api/profiles/jake").json, json!({"profile": profile("jake", false)}));
    }

    fn a_new_password_needs_eight_characters_and_replaces_the_old_one(server) {
        let jake = server.user("jake");
        let with = |password: &str| server.put_as(&jake, "/api/user", &json!({"user": {"password": password}}));
        for short in ["x", "1234567", "пароль!"] {
            with(short).expect_error(422, "password", "is too short (minimum is 8 characters)");
        }
        assert_eq!(log_in(server, &jake, PASSWORD), 200);
        assert_eq!(with("12345678").expect(200).json, shown(&jake));
        assert_eq!((log_in(server, &jake, PASSWORD), log_in(server, &jake, "12345678")), (401, 200));
    }

    fn what_somebody_else_has_is_taken_and_ones_own_is_not(server) {
        let taken = "has already been taken";
        let (jake, joe) = (server.user("jake"), server.user("joe"));
        let change = |user: Value| server.put_as(&jake, "/api/user", &json!({"user": user}));
        change(json!({"username": "joe", "bio": "unseen"})).expect_error(409, "username", taken);
        change(json!({"email": "JOE@example.com"})).expect_error(409, "email", taken);
        let both = json!({"username": [taken], "email": [taken]});
        change(json!({"username": "joe", "email": joe.email})).expect_errors(409, &both);
        assert_eq!(server.get_as(&jake, "/api/user").json, shown(&jake));
        change(json!({"username": "jake", "email": jake.email})).expect(200);
        let reply = change(json!({"email": "Jake@Example.com"})).expect(200);
        assert_eq!(reply.json["user"]["email"], "Jake@Example.com");
    }

    fn a_new_name_is_seen_everywhere_and_the_old_one_is_free(server) {
        let (jake, joe) = (server.user("jake"), server.user("joe"));
        let slug = server.article(&jake, "A title", &[]);
        server.comment(&jake, &slug, "First");
        server.follow(&joe, "jake");
        server.put_as(&jake, "/api/user", &json!({"user": {"username": "jacob"}})).expect(200);
        let followed = profile("jacob", true);
        assert_eq!(server.get_as(&joe, "/api/profiles/jacob").expect(200).json["profile"], followed);
        assert_eq!(server.get_as(&joe, &format!("/api/articles/{slug}")).json["article"]["author"], followed);
        assert_eq!(server.get_as(&joe, &format!("/api/articles/{slug}/comments")).json["comments"][0]["author"], followed);
        assert_eq!(server.get("/api/articles?author=jacob").page(), (vec![slug], 1));
        assert_eq!(server.get("/api/articles?author=jake").page(), (vec![], 0));
        server.get("/api/profiles/jake").expect_error(404, "profile", "not found");
        let body = json!({"user": {"username": "jake", "email": "new@example.com", "password": PASSWORD}});
        server.post("/api/users", &body).expect(201);
    }
}
