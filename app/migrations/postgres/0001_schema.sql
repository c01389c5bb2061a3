-- Times are milliseconds since the Unix epoch, UTC: both databases store and order them alike, and
-- the API shows exactly three digits. Text that is compared or ordered has the collation "C", so
-- that order is that of the bytes, on every server and on SQLite alike.

create table users (
    id            bigint generated always as identity primary key,
    username      text collate "C" not null constraint users_username_key unique,
    -- As its owner writes it; email_key is its lower-case form, by which it is found.
    email         text not null,
    email_key     text collate "C" not null constraint users_email_key unique,
    password_hash text not null,
    bio           text,
    image         text,
    created_at    bigint not null,
    updated_at    bigint not null
);

create table follows (
    follower_id bigint not null references users on delete cascade,
    followee_id bigint not null references users on delete cascade,
    primary key (follower_id, followee_id)
);

create table articles (
    id          bigint generated always as identity primary key,
    slug        text collate "C" not null constraint articles_slug_key unique,
    title       text not null,
    description text not null,
    body        text not null,
    -- The tags once more, as a sorted JSON array, ready to be sent.
    tag_list    text not null,
    author_id   bigint not null references users on delete cascade,
    -- Kept in the transaction that changes `favorites`: a page shows twenty of these.
    favorites_count bigint not null default 0
        constraint articles_favorites_count_check check (favorites_count >= 0),
    created_at  bigint not null,
    updated_at  bigint not null
);

create table article_tags (
    tag        text collate "C" not null,
    article_id bigint not null references articles on delete cascade,
    primary key (tag, article_id)
);

create table favorites (
    user_id    bigint not null references users on delete cascade,
    article_id bigint not null references articles on delete cascade,
    primary key (user_id, article_id)
);

create table comments (
    id         bigint generated always as identity primary key,
    article_id bigint not null references articles on delete cascade,
    author_id  bigint not null references users on delete cascade,
    body       text not null,
    created_at bigint not null,
    updated_at bigint not null
);

-- A page is read newest first, which is by id; each filter's index therefore ends in it. The primary
-- keys of article_tags and favorites serve the filters by tag and by favourite.
create index articles_author_id on articles (author_id, id);
create index comments_article_id on comments (article_id, id);
-- For what cascades when an article goes.
create index article_tags_article_id on article_tags (article_id);
create index favorites_article_id on favorites (article_id);
