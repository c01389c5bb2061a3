use serde_json::{Value, json};

use crate::on_both;
use crate::support::{PASSWORD, Reply, Server, TOKEN};

const BLANK: &str = "can't be blank";

fn register(server: &Server, username: &str, email: &str, password: &str) -> Reply {
    server.post("/api/users", &json!({"user": {"username": username, "email": email, "password": password}}))
}

on_both! {
    fn whoever_registers_is_logged_in(server) {
        let body = json!({"user": {"username": "jake", "email": "Jake@Example.com", "password": PASSWORD}});
        let user = server.post("/api/users", &body).expect(201).json["user"].clone();
        let token = user["token"].as_str().unwrap().to_owned();
        assert_eq!(user, json!({"username": "jake", "email": "Jake@Example.com", "token": token, "bio": null, "image": null}));
        let again = server.send("GET", "/user", Some(&token), None).expect(200);
        assert_eq!(again.json["user"], user);
    }

    fn a_new_user_may_say_something_of_themselves(server) {
        for (name, given, kept) in [("jake", json!("I work"), json!("I work")), ("joe", json!(""), Value::Null), ("jim", Value::Null, Value::Null)] {
            let email = format!("{name}@example.com");
            let body = json!({"user": {"username": name, "email": email, "password": PASSWORD, "bio": given, "image": given}});
            let expected = json!({"user": {"username": name, "email": email, "token": TOKEN, "bio": kept, "image": kept}});
            assert_eq!(server.post("/api/users", &body).expect(201).masked(), expected);
        }
    }

    fn all_that_is_blank_is_reported_at_once(server) {
        let all = json!({"username": [BLANK], "email": [BLANK], "password": [BLANK]});
        for blank in [json!(""), json!("  "), json!("\t\n\u{a0}"), Value::Null] {
            let body = json!({"user": {"username": blank, "email": blank, "password": blank}});
            server.post("/api/users", &body).expect_errors(422, &all);
        }
        server.post("/api/users", &json!({"user": {}})).expect_errors(422, &all);
        register(server, "", "jake@example.com", PASSWORD).expect_error(422, "username", BLANK);
        register(server, "jake", "", PASSWORD).expect_error(422, "email", BLANK);
        register(server, "jake", "jake@example.com", "").expect_error(422, "password", BLANK);
        register(server, "jake", "jake@example.com", PASSWORD).expect(201);
    }

    fn a_name_or_an_address_that_somebody_has_is_taken(server) {
        let taken = "has already been taken";
        let jake = server.user("jake");
        register(server, "jake", "other@example.com", PASSWORD).expect_error(409, "username", taken);
        register(server, "other", &jake.email, PASSWORD).expect_error(409, "email", taken);
        register(server, "other", "JAKE@Example.Com", PASSWORD).expect_error(409, "email", taken);
        register(server, "jake", &jake.email, PASSWORD).expect_errors(409, &json!({"username": [taken], "email": [taken]}));
        register(server, "jake", "", PASSWORD).expect_error(422, "email", BLANK);
        register(server, "other", "other@example.com", PASSWORD).expect(201);
    }

    fn any_password_that_is_not_blank_will_do(server) {
        for (number, password) in ["x", " x ", "пароль", "a\u{0}b", &"long".repeat(250)].into_iter().enumerate() {
            let email = format!("user{number}@example.com");
            register(server, &format!("user{number}"), &email, password).expect(201);
            server.post("/api/users/login", &json!({"user": {"email": email, "password": password}})).expect(200);
        }
        let trimmed = json!({"user": {"email": "user1@example.com", "password": "x"}});
        server.post("/api/users/login", &trimmed).expect_error(401, "credentials", "invalid");
    }

    fn what_can_be_no_name_or_no_address_is_refused(server) {
        for email in ["jake", "@", "jake@", "@example.com", "ja ke@example.com", "jake@example.com\u{0}"] {
            register(server, "jake", email, PASSWORD).expect_error(422, "email", "is invalid");
        }
        register(server, "ja\u{0}ke", "jake@example.com", PASSWORD).expect_error(422, "username", "is invalid");
        register(server, &"j".repeat(101), "jake@example.com", PASSWORD)
            .expect_error(422, "username", "is too long (maximum is 100 characters)");
        register(server, &"ж".repeat(100), "jake@example.com", PASSWORD).expect(201);
    }
}
