use std::collections::BTreeMap;

use hyper::header::{AUTHORIZATION, HeaderMap};

use super::peer::Peer;
use super::trust::{FrontProxy, Trust};
use crate::model::Now;

const AUTHENTICATED: &str = "system:authenticated";
const UNAUTHENTICATED: &str = "system:unauthenticated";

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// Their name.
    pub name: String,
    /// What tells them from others of the same name before them.
    pub uid: String,
    /// Their groups.
    pub groups: Vec<String>,
    /// What else is known of them.
    pub extra: BTreeMap<String, Vec<String>>,
}

/// What a request's certificate says of who asks.
pub(super) enum Claim {
    /// Them; the first is how that is known.
    Is(&'static str, User),
    /// Nothing.
    Nobody,
    /// What cannot be.
    Wrong(String),
}

impl User {
    pub(super) fn anonymous() -> Self {
        let name = "system:anonymous".to_owned();
        Self { name, uid: String::new(), groups: vec![UNAUTHENTICATED.to_owned()], extra: BTreeMap::new() }
    }

    /// With the group of everybody who is known.
    pub(super) fn authenticated(mut self) -> Self {
        if !self.groups.iter().any(|group| group == AUTHENTICATED || group == UNAUTHENTICATED) {
            self.groups.push(AUTHENTICATED.to_owned());
        }
        self
    }

    /// All of it, in one text that nobody else has.
    pub(super) fn key(&self, key: &mut Vec<u8>) {
        let mut field = |text: &str| super::cache::field(key, text.as_bytes());
        field(&self.name);
        field(&self.uid);
        field(&self.groups.len().to_string());
        for group in &self.groups {
            field(group);
        }
        for (name, values) in &self.extra {
            field(name);
            field(&values.len().to_string());
            for value in values {
                field(value);
            }
        }
    }
}

/// Who asks, by the certificate: the front proxy says it in headers, which are looked at in no other case.
pub(super) fn by_certificate(peer: &Peer, trust: &Trust, headers: &HeaderMap, now: Now) -> Claim {
    let found = peer.find(trust, now);
    let mut problems = Vec::new();
    match (&found.front_proxy, &trust.front_proxy) {
        (Ok(_), Some(proxy)) => match by_headers(proxy, headers) {
            Ok(Some(user)) => return Claim::Is("front_proxy", user),
            Ok(None) => problems.push("the front proxy does not say who asks".to_owned()),
            Err(problem) => return Claim::Wrong(problem),
        },
        (Err(problem), _) => problems.push(format!("front proxy: {problem}")),
        (Ok(_), None) => {}
    }
    match &found.client {
        Ok((name, _)) if name.is_empty() => problems.push("the certificate has no common name".to_owned()),
        Ok((name, groups)) => {
            let (name, groups) = (name.clone(), groups.clone());
            let user = User { name, uid: String::new(), groups, extra: BTreeMap::new() };
            return Claim::Is("certificate", user);
        }
        Err(problem) => problems.push(format!("client certificate: {problem}")),
    }
    if problems.is_empty() { Claim::Nobody } else { Claim::Wrong(problems.join("; ")) }
}

/// What the front proxy says. Two users in one request are nobody: one of them was not put there by the front proxy.
fn by_headers(proxy: &FrontProxy, headers: &HeaderMap) -> Result<Option<User>, String> {
    let one = |names: &[String]| {
        for name in names {
            let mut values = headers.get_all(name.as_str()).iter();
            let Some(first) = values.next() else { continue };
            if values.next().is_some() {
                return Err(format!("the header {name} is there twice"));
            }
            if !first.is_empty() {
                return text(name, first).map(Some);
            }
        }
        Ok(None)
    };
    let Some(name) = one(&proxy.username_headers)? else { return Ok(None) };
    let uid = one(&proxy.uid_headers)?.unwrap_or_default();
    let mut groups = Vec::new();
    for name in &proxy.group_headers {
        for value in headers.get_all(name.as_str()) {
            if !value.is_empty() {
                groups.push(text(name, value)?);
            }
        }
    }
    let mut extra: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (header, value) in headers {
        let own = proxy.extra_prefixes.iter().find_map(|prefix| header.as_str().strip_prefix(prefix.as_str()));
        if let Some(key) = own.filter(|key| !key.is_empty()) {
            extra.entry(decode(key)).or_default().push(text(header.as_str(), value)?);
        }
    }
    Ok(Some(User { name, uid, groups, extra }))
}

fn text(name: &str, value: &hyper::header::HeaderValue) -> Result<String, String> {
    String::from_utf8(value.as_bytes().to_vec()).map_err(|_| format!("the header {name} is not UTF-8"))
}

/// The key of an extra, percent-decoded and in lower case; as it is, if it is not percent-encoded correctly.
fn decode(key: &str) -> String {
    let mut decoded = Vec::with_capacity(key.len());
    let mut rest = key.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        if *first != b'%' {
            decoded.push(*first);
            rest = after;
            continue;
        }
        let digits = after.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        let Some(byte) = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) else {
            return key.to_lowercase();
        };
        decoded.push(byte);
        rest = &after[2..];
    }
    String::from_utf8(decoded).unwrap_or_else(|_| key.to_owned()).to_lowercase()
}

/// The token of a request, if it has one.
pub(super) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(AUTHORIZATION)?.to_str().ok()?.trim();
    let (scheme, token) = value.split_once(' ')?;
    let token = token.trim_start();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn tokens_are_read_whatever_the_case_of_their_scheme() {
        let table = [("Bearer abc", Some("abc")), ("bearer  abc", Some("abc")), ("Basic abc", None), ("Bearer ", None)];
        for (value, token) in table {
            assert_eq!(bearer(&headers(&[("authorization", value)])), token, "{value}");
        }
    }

    #[test]
    fn keys_of_extras_are_decoded() {
        assert_eq!(
            decode("authentication.kubernetes.io%2fcredential-Id"),
            "authentication.kubernetes.io/credential-id"
        );
        assert_eq!(decode("Scopes"), "scopes");
        assert_eq!(decode("a%zz"), "a%zz");
    }

    #[test]
    fn users_of_the_same_name_are_told_apart() {
        let user = |groups: &[&str], uid: &str| User {
            name: "a".to_owned(),
            uid: uid.to_owned(),
            groups: groups.iter().map(|group| (*group).to_owned()).collect(),
            extra: BTreeMap::new(),
        };
        let key = |user: &User| {
            let mut key = Vec::new();
            user.key(&mut key);
            key
        };
        let users = [user(&["x", "y"], ""), user(&["xy"], ""), user(&["x"], "y"), user(&[], "xy")];
        for (place, one) in users.iter().enumerate() {
            for other in &users[place + 1..] {
                assert_ne!(key(one), key(other));
            }
        }
    }
}
