use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, encode};
use serde::{Deserialize, Serialize};

use crate::config::Secret;

/// The number that the database knows a user by.
pub type UserId = i64;

/// What is wrong with a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenProblem {
    /// There is none where one is needed.
    Missing,
    /// It is not one of ours, or nobody's.
    Invalid,
    /// Its time is over.
    Expired,
}

impl TokenProblem {
    /// In the words of the API's errors.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Missing => "is missing",
            Self::Invalid => "is invalid",
            Self::Expired => "has expired",
        }
    }
}

#[derive(Serialize, Deserialize)]
struct Claims {
    sub: String,
    iat: u64,
    exp: u64,
}

/// Signs and reads JSON web tokens (HMAC-SHA-256).
pub struct Tokens {
    signing: EncodingKey,
    reading: DecodingKey,
    validation: Validation,
    ttl: Duration,
}

impl Tokens {
    /// Tokens that are good for `ttl`, signed with `secret`.
    #[must_use]
    pub fn new(secret: &Secret, ttl: Duration) -> Self {
        let mut validation = Validation::new(Algorithm::HS256);
        // Compared below with the time that the caller passes.
        validation.validate_exp = false;
        Self {
            signing: EncodingKey::from_secret(secret.bytes()),
            reading: DecodingKey::from_secret(secret.bytes()),
            validation,
            ttl,
        }
    }

    /// A token for a user, from `now` on.
    pub fn issue(&self, user: UserId, now: SystemTime) -> Result<String, jsonwebtoken::errors::Error> {
        let iat = seconds(now);
        let claims = Claims { sub: user.to_string(), iat, exp: iat.saturating_add(self.ttl.as_secs()) };
        encode(&Header::new(Algorithm::HS256), &claims, &self.signing)
    }

    /// Whose token this is, if it is good at `now`.
    pub fn read(&self, token: &str, now: SystemTime) -> Result<UserId, TokenProblem> {
        let claims =
            decode::<Claims>(token, &self.reading, &self.validation).map_err(|_| TokenProblem::Invalid)?.claims;
        if claims.exp <= seconds(now) {
            return Err(TokenProblem::Expired);
        }
        claims.sub.parse().map_err(|_| TokenProblem::Invalid)
    }
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(secret: &str) -> Tokens {
        Tokens::new(&Secret::new(secret.into()), Duration::from_mins(1))
    }

    #[test]
    fn a_token_is_good_until_its_time_is_over() {
        let (tokens, now) = (tokens("one secret"), SystemTime::now());
        let token = tokens.issue(7, now).unwrap();
        assert_eq!(tokens.read(&token, now), Ok(7));
        assert_eq!(tokens.read(&token, now + Duration::from_secs(58)), Ok(7));
        assert_eq!(tokens.read(&token, now + Duration::from_secs(61)), Err(TokenProblem::Expired));
    }

    #[test]
    fn a_token_that_is_not_ours_is_invalid() {
        let (ours, now) = (tokens("one secret"), SystemTime::now());
        let theirs = tokens("another secret").issue(7, now).unwrap();
        // {"alg":"none"}.{"sub":"7","iat":0,"exp":9999999999}.
        let unsigned = "eyJhbGciOiJub25lIn0.eyJzdWIiOiI3IiwiaWF0IjowLCJleHAiOjk5OTk5OTk5OTl9.";
        for token in ["", "x", "a.b.c", &theirs, unsigned] {
            assert_eq!(ours.read(token, now), Err(TokenProblem::Invalid), "{token}");
        }
    }
}
