use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};
use serde::Serialize;

use crate::model::{Email, Slug, Username};

/// The domain of the users made here, which no mail will ever reach (RFC 2606).
pub(super) const DOMAIN: &str = "seed.invalid";
/// Stands in the slug of every article made here, before its number.
pub(super) const MARK: &str = "seed";

const FIRST_NAMES: [&str; 24] = [
    "ada",
    "alan",
    "amina",
    "barbara",
    "chen",
    "dennis",
    "edsger",
    "frances",
    "grace",
    "hedy",
    "ines",
    "jonas",
    "katherine",
    "ken",
    "leslie",
    "margaret",
    "mei",
    "noor",
    "olga",
    "priya",
    "radia",
    "sofia",
    "tomas",
    "yukihiro",
];
const LAST_NAMES: [&str; 24] = [
    "allen", "almeida", "backus", "diaz", "fischer", "goldberg", "hamilton", "hopper", "ivanova", "jensen", "kowalski",
    "lamport", "liskov", "moreau", "nakamura", "okafor", "perlman", "quist", "rossi", "silva", "tanaka", "ueda",
    "weber", "zhang",
];
/// The first of these is in every second article, and each after it in fewer.
const TAGS: [&str; 32] = [
    "programming",
    "rust",
    "kubernetes",
    "databases",
    "testing",
    "performance",
    "postgres",
    "observability",
    "architecture",
    "security",
    "career",
    "open-source",
    "distributed-systems",
    "networking",
    "linux",
    "design",
    "elixir",
    "prometheus",
    "autoscaling",
    "sqlite",
    "http",
    "json",
    "teaching",
    "writing",
    "accessibility",
    "async",
    "caching",
    "debugging",
    "history",
    "hardware",
    "types",
    "tools",
];
const OPENINGS: [&str; 12] = [
    "How to train",
    "What nobody tells you about",
    "A year with",
    "The case for",
    "The case against",
    "Understanding",
    "Ten lessons from",
    "Why we moved to",
    "Debugging",
    "A gentle introduction to",
    "The hidden cost of",
    "In praise of",
];
const SUBJECTS: [&str; 20] = [
    "your dragon",
    "connection pools",
    "slow queries",
    "the autoscaler",
    "boring technology",
    "small services",
    "feature flags",
    "the event loop",
    "release trains",
    "good error messages",
    "generic plans",
    "backpressure",
    "code review",
    "load tests",
    "time zones",
    "write-ahead logs",
    "exponential backoff",
    "cache invalidation",
    "flaky tests",
    "the second system",
];
const WORDS: [&str; 60] = [
    "the",
    "a",
    "system",
    "request",
    "we",
    "measured",
    "and",
    "then",
    "it",
    "was",
    "slower",
    "than",
    "expected",
    "because",
    "every",
    "index",
    "had",
    "to",
    "be",
    "read",
    "twice",
    "in",
    "our",
    "case",
    "one",
    "query",
    "took",
    "most",
    "of",
    "time",
    "people",
    "often",
    "believe",
    "that",
    "adding",
    "replicas",
    "helps",
    "but",
    "database",
    "is",
    "shared",
    "so",
    "first",
    "look",
    "at",
    "what",
    "users",
    "see",
    "when",
    "load",
    "grows",
    "slowly",
    "for",
    "weeks",
    "before",
    "anyone",
    "notices",
    "something",
    "breaks",
    "again",
];
/// A body has about so many bytes.
const BODY: usize = 2_000;

#[derive(Serialize)]
pub(super) struct UserRow {
    username: String,
    email: String,
    email_key: String,
    password_hash: String,
    bio: Option<String>,
    image: Option<String>,
    created_at: i64,
}

#[derive(Serialize)]
pub(super) struct ArticleRow {
    slug: String,
    title: String,
    description: String,
    body: String,
    tags: Vec<&'static str>,
    tag_list: String,
    author: String,
    created_at: i64,
}

#[derive(Serialize)]
pub(super) struct FavoriteRow {
    username: String,
    slug: String,
}

/// The same for the same number, whatever else is made.
fn random(kind: u64, number: u32) -> SmallRng {
    SmallRng::seed_from_u64((kind << 32) | u64::from(number))
}

fn pick<'a>(random: &mut SmallRng, among: &[&'a str]) -> &'a str {
    among[random.random_range(0..among.len())]
}

/// One of `1..=count`; the low ones come up far more often (a tenth of them in half of all cases).
fn popular(random: &mut SmallRng, count: u32) -> u32 {
    let skewed = random.random::<f64>().powi(3) * f64::from(count);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and count")]
    let index = skewed as u32;
    index.min(count - 1) + 1
}

fn username(number: u32) -> String {
    let mut random = random(1, number);
    format!("{}-{}-{number}", pick(&mut random, &FIRST_NAMES), pick(&mut random, &LAST_NAMES))
}

pub(super) fn user(number: u32, hash: &str, now: i64) -> UserRow {
    let username = username(number);
    let email = format!("{username}@{DOMAIN}");
    let mut random = random(2, number);
    let bio = random.random_bool(0.7).then(|| sentence(&mut random));
    let image = random.random_bool(0.5).then(|| format!("https://{DOMAIN}/{username}.png"));
    debug_assert!(Username::parse(&username).is_ok() && Email::parse(&email).is_ok());
    UserRow {
        email_key: Email::key_of(&email),
        username,
        email,
        password_hash: hash.to_owned(),
        bio,
        image,
        created_at: now,
    }
}

fn title(number: u32) -> String {
    let mut random = random(3, number);
    format!("{} {}", pick(&mut random, &OPENINGS), pick(&mut random, &SUBJECTS))
}

fn slug(number: u32) -> String {
    Slug::of(&title(number), &format!("{MARK}-{number}")).as_str().to_owned()
}

pub(super) fn article(number: u32, users: u32, now: i64) -> ArticleRow {
    let mut random = random(4, number);
    let mut tags: Vec<&str> = TAGS
        .iter()
        .zip(2_u32..)
        .filter(|(_, rarity)| random.random_ratio(1, *rarity))
        .map(|(tag, _)| *tag)
        .take(5)
        .collect();
    tags.sort_unstable();
    let mut body = String::with_capacity(BODY + 100);
    while body.len() < BODY {
        body.push_str(&sentence(&mut random));
        body.push_str(if random.random_ratio(1, 6) { "\n\n" } else { " " });
    }
    ArticleRow {
        slug: slug(number),
        title: title(number),
        description: sentence(&mut random),
        body,
        tag_list: serde_json::Value::from(tags.clone()).to_string(),
        tags,
        author: username(popular(&mut random, users)),
        created_at: now,
    }
}

/// The users who favourite most are not the ones who write most.
pub(super) fn favorite(number: u32, users: u32, articles: u32) -> FavoriteRow {
    let mut random = random(5, number);
    FavoriteRow {
        username: username(users + 1 - popular(&mut random, users)),
        slug: slug(popular(&mut random, articles)),
    }
}

fn sentence(random: &mut SmallRng) -> String {
    let words = random.random_range(6..16);
    let mut text = String::new();
    for _ in 0..words {
        if !text.is_empty() {
            text.push(' ');
        }
        text.push_str(pick(random, &WORDS));
    }
    if let Some(first) = text.get_mut(0..1) {
        first.make_ascii_uppercase();
    }
    text.push('.');
    text
}
