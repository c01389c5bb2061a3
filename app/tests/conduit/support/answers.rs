use serde_json::{Value, json};

use super::Reply;

/// What stands for a time in a masked body.
pub(crate) const TIME: &str = "<time>";
/// What stands for a token in a masked body.
pub(crate) const TOKEN: &str = "<token>";

impl Reply {
    /// The body, with times and tokens replaced; one that does not look like one fails the test.
    #[track_caller]
    pub(crate) fn masked(&self) -> Value {
        masked(self.json.clone())
    }

    /// An error of any wording, in the contract's shape.
    #[track_caller]
    pub(crate) fn expect_error_shape(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.text);
        assert_eq!(self.header("content-type"), "application/json; charset=utf-8", "{}", self.text);
        let body = self.json.as_object().unwrap_or_else(|| panic!("no JSON object: {}", self.text));
        let errors = body["errors"].as_object().unwrap();
        assert!(body.len() == 1 && !errors.is_empty(), "{}", self.text);
        for messages in errors.values() {
            let messages = messages.as_array().unwrap();
            let said = messages.iter().all(|message| message.as_str().is_some_and(|text| !text.is_empty()));
            assert!(said && !messages.is_empty(), "{}", self.text);
        }
        self
    }

    /// A page of articles: their slugs, and how many match in all.
    #[track_caller]
    pub(crate) fn page(&self) -> (Vec<String>, u64) {
        let articles = self.json["articles"].as_array().unwrap_or_else(|| panic!("no articles: {}", self.text));
        let slugs = articles.iter().map(|article| article["slug"].as_str().unwrap().to_owned()).collect();
        (slugs, self.json["articlesCount"].as_u64().unwrap())
    }
}

/// Whether this is a time in UTC with exactly three fractional digits.
fn is_time(value: &Value) -> bool {
    const FORM: &[u8] = b"0000-00-00T00:00:00.000Z";
    let fits = |(found, form): (&u8, &u8)| if *form == b'0' { found.is_ascii_digit() } else { found == form };
    value.as_str().is_some_and(|text| text.len() == FORM.len() && text.as_bytes().iter().zip(FORM).all(fits))
}

#[track_caller]
fn masked(value: Value) -> Value {
    match value {
        Value::Array(items) => items.into_iter().map(masked).collect(),
        Value::Object(fields) => fields
            .into_iter()
            .map(|(key, value)| match key.as_str() {
                "createdAt" | "updatedAt" => {
                    assert!(is_time(&value), "{key}: {value}");
                    (key, json!(TIME))
                }
                "token" if value.is_string() => {
                    assert_eq!(value.as_str().unwrap().split('.').count(), 3, "{value}");
                    (key, json!(TOKEN))
                }
                _ => (key, masked(value)),
            })
            .collect(),
        other => other,
    }
}

/// The profile of somebody who has said nothing of themselves.
pub(crate) fn profile(name: &str, following: bool) -> Value {
    json!({"username": name, "bio": null, "image": null, "following": following})
}
