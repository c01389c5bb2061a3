use std::collections::{BTreeSet, HashSet};
use std::sync::Barrier;

use serde_json::{Value, json};

use crate::on_both;
use crate::support::{PASSWORD, Server, User};

/// So that what is checked is what is answered, however slow the machine is.
const PATIENT: [(&str, &str); 2] = [("DB_TIMEOUT", "60s"), ("HASH_WAIT", "60s")];

/// Does something on so many threads at once.
fn at_once<T: Send>(threads: usize, act: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let start = Barrier::new(threads);
    let one = |number| {
        start.wait();
        act(number)
    };
    let one = &one;
    std::thread::scope(|scope| {
        let running: Vec<_> = (0..threads).map(|number| scope.spawn(move || one(number))).collect();
        running.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

fn users(server: &Server, count: usize) -> Vec<User> {
    (0..count).map(|number| server.user(&format!("user{number}"))).collect()
}

fn count(server: &Server) -> u64 {
    server.get("/api/articles?limit=1").expect(200).page().1
}

/// Exactly one has got it, and to all others it is taken.
#[track_caller]
fn expect_one(outcomes: Vec<(u16, Value)>, won: u16, field: &str) {
    let winners = outcomes.iter().filter(|(status, _)| *status == won).count();
    assert_eq!(winners, 1, "{outcomes:?}");
    for (status, body) in outcomes.into_iter().filter(|(status, _)| *status != won) {
        assert_eq!((status, body), (409, json!({"errors": {field: ["has already been taken"]}})));
    }
}

on_both! {
    fn of_many_who_register_one_name_or_address_one_gets_it(server, PATIENT) {
        let register = |username: String, email: String| {
            let reply = server.post("/api/users", &json!({"user": {"username": username, "email": email, "password": PASSWORD}}));
            (reply.status, reply.json)
        };
        for round in 0..3 {
            let one_name = |number: usize| register(format!("jake{round}"), format!("{round}-{number}@example.com"));
            expect_one(at_once(8, one_name), 201, "username");
            let one_address = |number: usize| {
                let email = format!("jake{round}@example.com");
                register(format!("user{round}-{number}"), if number.is_multiple_of(2) { email } else { email.to_uppercase() })
            };
            expect_one(at_once(8, one_address), 201, "email");
        }
        assert_eq!(server.metric("conduit_users_registered_total"), Some(6.0));
    }

    fn of_many_who_take_one_name_one_gets_it(server, PATIENT) {
        let users = users(server, 8);
        for round in 0..3 {
            let outcomes = at_once(users.len(), |number| {
                let reply = server.put_as(&users[number], "/api/user", &json!({"user": {"username": format!("jake{round}")}}));
                (reply.status, reply.json)
            });
            expect_one(outcomes, 200, "username");
        }
    }

    fn favourites_are_counted_exactly(server, PATIENT) {
        let users = users(server, 12);
        let slug = server.article(&users[0], "A title", &[]);
        let path = format!("/api/articles/{slug}/favorite");
        let send = |method: &str, user: &User| server.send(method, &path, Some(&user.token), None).expect(200).json["article"]["favoritesCount"].as_u64().unwrap();
        let shown = || server.get(&format!("/api/articles/{slug}")).json["article"]["favoritesCount"].clone();
        assert_eq!(at_once(12, |_| send("POST", &users[0])), [1; 12]);
        assert_eq!(shown(), 1);
        assert_eq!(at_once(12, |_| send("DELETE", &users[0])), [0; 12]);
        assert_eq!(shown(), 0);
        at_once(12, |number| send("POST", &users[number]));
        assert_eq!(shown(), 12);
        at_once(12, |number| {
            let methods = ["POST", "DELETE"];
            for turn in 0..5 {
                send(methods[(number + turn) % 2], &users[number / 2]);
            }
        });
        let fans = users.iter().filter(|user| server.get(&format!("/api/articles?favorited={}", user.name)).page().1 == 1).count();
        assert_eq!(shown(), fans);
    }

    fn articles_of_one_title_all_get_a_slug(server, PATIENT) {
        let jake = server.user("jake");
        for title in ["Same title", "?!", "Feed"] {
            let slugs = at_once(12, |_| server.article(&jake, title, &["tag"]));
            assert_eq!(slugs.iter().collect::<HashSet<_>>().len(), 12, "{slugs:?}");
        }
        assert_eq!((count(server), server.get("/api/articles?tag=tag").page().1), (36, 36));
    }

    fn articles_that_are_given_one_title_all_get_a_slug(server, PATIENT) {
        let jake = server.user("jake");
        let mut slugs: Vec<String> = (0..8).map(|number| server.article(&jake, &format!("Number {number}"), &[])).collect();
        for round in 0..5 {
            let body = json!({"article": {"title": format!("Round {round}")}});
            slugs = at_once(slugs.len(), |number| {
                let reply = server.put_as(&jake, &format!("/api/articles/{}", slugs[number]), &body).expect(200);
                reply.json["article"]["slug"].as_str().unwrap().to_owned()
            });
            assert_eq!(slugs.iter().collect::<HashSet<_>>().len(), 8, "{slugs:?}");
        }
        let (listed, total) = server.get("/api/articles").page();
        assert_eq!((listed.into_iter().collect::<BTreeSet<_>>(), total), (slugs.into_iter().collect(), 8));
    }

    fn the_count_of_all_articles_stays_exact(server, PATIENT) {
        let users = users(server, 6);
        let left = at_once(6, |number| {
            let mut slugs = Vec::new();
            for turn in 0..6 {
                slugs.push(server.article(&users[number], "Same title", &["a", "b"]));
                server.favorite(&users[(number + 1) % 6], &slugs[slugs.len() - 1]);
                count(server);
                if turn % 3 == 2 {
                    let slug = slugs.swap_remove(0);
                    server.delete_as(&users[number], &format!("/api/articles/{slug}")).expect(204);
                }
            }
            slugs.len() as u64
        });
        let (listed, total) = server.get("/api/articles?limit=100").page();
        assert_eq!((listed.len() as u64, total), (left.iter().sum(), left.iter().sum()));
        for filter in ["tag=a", "tag=b"] {
            assert_eq!(server.get(&format!("/api/articles?{filter}")).page().1, total);
        }
    }

    fn an_article_is_removed_once(server, PATIENT) {
        let (jake, joe) = (server.user("jake"), server.user("joe"));
        server.article(&jake, "Another", &[]);
        for _ in 0..4 {
            let slug = server.article(&jake, "A title", &["a"]);
            let path = format!("/api/articles/{slug}");
            let statuses = at_once(8, |number| match number % 4 {
                0 => server.send("POST", &format!("{path}/favorite"), Some(&joe.token), None).status,
                1 => server.post_as(&joe, &format!("{path}/comments"), &json!({"comment": {"body": "B"}})).status,
                _ => 1000 + server.delete_as(&jake, &path).status,
            });
            let of = |wanted: u16| statuses.iter().filter(|status| **status == wanted).count();
            assert_eq!((of(1204), of(1404)), (1, 3), "{statuses:?}");
            assert_eq!(of(200) + of(201) + of(404), 4, "{statuses:?}");
            assert_eq!(count(server), 1);
            assert_eq!(server.get("/api/articles?favorited=joe").page().1, 0);
        }
    }

    fn tags_that_are_changed_at_once_agree_with_each_other(server, PATIENT) {
        let jake = server.user("jake");
        let slug = server.article(&jake, "A title", &[]);
        let path = format!("/api/articles/{slug}");
        for _ in 0..3 {
            at_once(8, |number| {
                let tags = json!([format!("tag{number}"), format!("tag{}", (number + 1) % 8), "all"]);
                server.put_as(&jake, &path, &json!({"article": {"tagList": tags}})).expect(200);
            });
            let tags = server.get(&path).json["article"]["tagList"].clone();
            assert_eq!(tags.as_array().unwrap().len(), 3);
            assert_eq!(server.get("/api/tags").json["tags"], tags);
        }
    }

    fn comments_that_are_written_at_once_are_all_there(server, PATIENT) {
        let users = users(server, 8);
        let slug = server.article(&users[0], "A title", &[]);
        let mut ids: Vec<i64> = at_once(8, |number| [0, 1, 2].map(|_| server.comment(&users[number], &slug, "B"))).concat();
        ids.sort_unstable();
        let listed = server.get(&format!("/api/articles/{slug}/comments")).expect(200).json;
        let listed: Vec<i64> = listed["comments"].as_array().unwrap().iter().map(|comment| comment["id"].as_i64().unwrap()).collect();
        assert_eq!((listed.len(), listed), (24, ids));
        let statuses = at_once(8, |_| server.send("POST", "/api/profiles/user0/follow", Some(&users[1].token), None).status);
        assert_eq!(statuses, [200; 8]);
    }
}

on_both! {
    fn a_favourite_taken_back_while_its_article_is_removed_is_no_deadlock(server, PATIENT) {
        let (author, readers) = (server.user("author"), users(server, 3));
        for round in 0..15 {
            let slug = server.article(&author, &format!("Round {round}"), &[]);
            for reader in &readers {
                server.favorite(reader, &slug);
            }
            let statuses = at_once(4, |number| match readers.get(number) {
                Some(reader) => server.delete_as(reader, &format!("/api/articles/{slug}/favorite")).status,
                None => server.delete_as(&author, &format!("/api/articles/{slug}")).status,
            });
            assert_eq!(statuses[3], 204, "{statuses:?}");
            assert!(statuses[..3].iter().all(|status| [200, 404].contains(status)), "{statuses:?}");
        }
        assert_eq!(count(server), 0);
    }
}
