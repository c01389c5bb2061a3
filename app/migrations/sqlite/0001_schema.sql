-- Times are milliseconds since the Unix epoch, UTC: both databases store and order them alike, and
-- the API shows exactly three digits. Text compares by its bytes, as it does in SQLite anyway.

create table users (
    id            integer primary key autoincrement,
    username      text not null unique,
    -- As its owner writes it; email_key is its lower-case form, by which it is found.
    email         text not null,
    email_key     text not null unique,
    password_hash text not null,
    bio           text,
    image         text,
    created_at    integer not null,
    updated_at    integer not null
) strict;

create table follows (
    follower_id integer not null references users on delete cascade,
    followee_id integer not null references users on delete cascade,
    primary key (follower_id, followee_id)
) strict, without rowid;

create table articles (
    id          integer primary key autoincrement,
    slug        text not null unique,
    title       text not null,
    description text not null,
    -- The tags once more, as a sorted JSON array, ready to be sent.
    tag_list    text not null,
    author_id   integer not null references users on delete cascade,
    -- Kept in the transaction that changes `favorites`: a page shows twenty of these.
    favorites_count integer not null default 0 check (favorites_count >= 0),
    created_at  integer not null,
    updated_at  integer not null,
    -- Last, because no list shows it: SQLite reads a row from its start.
    body        text not null
) strict;

create table article_tags (
    tag        text not null,
    article_id integer not null references articles on delete cascade,
    primary key (tag, article_id)
) strict, without rowid;

create table favorites (
    user_id    integer not null references users on delete cascade,
    article_id integer not null references articles on delete cascade,
    primary key (user_id, article_id)
) strict, without rowid;

create table comments (
    id         integer primary key autoincrement,
    article_id integer not null references articles on delete cascade,
    author_id  integer not null references users on delete cascade,
    body       text not null,
    created_at integer not null,
    updated_at integer not null
) strict;

-- A page is read newest first, which is by id; each filter's index therefore ends in it. The primary
-- keys of article_tags and favorites serve the filters by tag and by favourite.
create index articles_author_id on articles (author_id, id);
create index comments_article_id on comments (article_id, id);
-- For what cascades when an article goes.
create index article_tags_article_id on article_tags (article_id);
create index favorites_article_id on favorites (article_id);
