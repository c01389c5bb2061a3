use serde_json::json;

use crate::on_both;
use crate::support::profile;

on_both! {
    fn a_profile_can_be_seen_by_anybody(server) {
        let (jake, joe) = (server.user("jake"), server.user("joe"));
        let stranger = json!({"profile": profile("jake", false)});
        assert_eq!(server.get("/api/profiles/jake").expect(200).json, stranger);
        assert_eq!(server.get_as(&joe, "/api/profiles/jake").expect(200).json, stranger);
        assert_eq!(server.get_as(&jake, "/api/profiles/jake").expect(200).json, stranger);
        server.put_as(&jake, "/api/user", &json!({"user": {"bio": "I work", "image": "i.png"}})).expect(200);
        let expected = json!({"profile": {"username": "jake", "bio": "I work", "image": "i.png", "following": false}});
        assert_eq!(server.get("/api/profiles/jake").expect(200).json, expected);
    }

    fn following_twice_is_following_once(server) {
        let (jake, joe) = (server.user("jake"), server.user("joe"));
        let path = "/api/profiles/jake/follow";
        for (method, following) in [("DELETE", false), ("POST", true), ("POST", true), ("DELETE", false), ("DELETE", false)] {
            let reply = server.send(method, path, Some(&joe.token), None).expect(200);
            assert_eq!(reply.json, json!({"profile": profile("jake", following)}));
            assert_eq!(server.get_as(&joe, "/api/profiles/jake").json, reply.json);
            assert_eq!(server.get("/api/profiles/jake").json, json!({"profile": profile("jake", false)}));
            assert_eq!(server.get_as(&jake, "/api/profiles/joe").json, json!({"profile": profile("joe", false)}));
        }
    }

    fn one_follows_those_whom_one_has_chosen_and_nobody_else(server) {
        let (joe, jim) = (server.user("joe"), server.user("jim"));
        server.user("jake");
        server.user("jane");
        server.follow(&joe, "jake");
        server.follow(&joe, "jane");
        server.follow(&jim, "jane");
        server.delete_as(&joe, "/api/profiles/jane/follow").expect(200);
        let following = |user, name: &str| server.get_as(user, &format!("/api/profiles/{name}")).json["profile"]["following"].clone();
        assert_eq!([following(&joe, "jake"), following(&joe, "jane"), following(&joe, "jim")], [true, false, false]);
        assert_eq!([following(&jim, "jake"), following(&jim, "jane"), following(&jim, "joe")], [false, true, false]);
    }

    fn nobody_has_no_profile(server) {
        let jake = server.user("jake");
        for path in ["/api/profiles/nobody", "/api/profiles/JAKE", "/api/profiles/%20"] {
            server.get(path).expect_error(404, "profile", "not found");
            server.get_as(&jake, path).expect_error(404, "profile", "not found");
            for method in ["POST", "DELETE"] {
                let reply = server.send(method, &format!("{path}/follow"), Some(&jake.token), None);
                reply.expect_error(404, "profile", "not found");
            }
        }
    }

    fn a_name_may_hold_what_an_address_must_escape(server) {
        let jake = server.user("jake");
        for (name, escaped) in [("Jörg Ж", "J%C3%B6rg%20%D0%96"), ("a/b", "a%2Fb"), ("100%", "100%25"), ("a+b?c#d", "a+b%3Fc%23d"), ("..", "%2E%2E")] {
            let body = json!({"user": {"username": name, "email": format!("{}@example.com", name.len()), "password": "p"}});
            server.post("/api/users", &body).expect(201);
            let reply = server.get(&format!("/api/profiles/{escaped}")).expect(200);
            assert_eq!(reply.json, json!({"profile": profile(name, false)}));
            let reply = server.send("POST", &format!("/api/profiles/{escaped}/follow"), Some(&jake.token), None).expect(200);
            assert_eq!(reply.json, json!({"profile": profile(name, true)}));
        }
    }
}
