use serde_json::{Value, json};

use crate::on_both;
use crate::support::{PASSWORD, Reply, Server, TOKEN};

fn log_in(server: &Server, email: &str, password: &str) -> Reply {
    server.post("/api/users/login", &json!({"user": {"email": email, "password": password}}))
}

on_both! {
    fn the_right_password_gets_a_token_that_works(server) {
        let body = json!({"user": {"username": "jake", "email": "Jake@Example.com", "password": PASSWORD, "bio": "I work", "image": "i.png"}});
        server.post("/api/users", &body).expect(201);
        let expected = json!({"username": "jake", "email": "Jake@Example.com", "token": TOKEN, "bio": "I work", "image": "i.png"});
        for email in ["Jake@Example.com", "jake@example.com", "JAKE@EXAMPLE.COM"] {
            let reply = log_in(server, email, PASSWORD).expect(200);
            assert_eq!(reply.masked(), json!({"user": expected}));
            let token = reply.json["user"]["token"].as_str().unwrap();
            assert_eq!(server.send("GET", "/api/user", Some(token), None).expect(200).json, reply.json);
        }
    }

    fn a_wrong_password_and_an_unknown_address_look_the_same(server) {
        let jake = server.user("jake");
        for (email, password) in [(jake.email.as_str(), "another password"), (&jake.email, "A LONG PASSWORD"), ("nobody@example.com", PASSWORD), ("jake", PASSWORD)] {
            log_in(server, email, password).expect_error(401, "credentials", "invalid");
        }
    }

    fn all_that_is_blank_is_reported_at_once(server) {
        let blank = "can't be blank";
        let both = json!({"email": [blank], "password": [blank]});
        for value in [json!(""), json!(" \n"), Value::Null] {
            let body = json!({"user": {"email": value, "password": value}});
            server.post("/api/users/login", &body).expect_errors(422, &both);
        }
        server.post("/api/users/login", &json!({"user": {}})).expect_errors(422, &both);
        log_in(server, "", PASSWORD).expect_error(422, "email", blank);
        log_in(server, "jake@example.com", "").expect_error(422, "password", blank);
    }
}
